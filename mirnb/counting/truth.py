"""What truly lies in a simulated stack, in the unit that counts are estimated in; a real stack has no truth."""

from pathlib import Path

import numpy as np
import pandas as pd

from mirnb.experiments.blobs import UNLABELLED
from mirnb.experiments.experiment_file import load_experiment
from mirnb.files import InputError, heard
from mirnb.imaging.crops import fits

MOST_UNLABELLED = 0.25  # of the blobs inside a frame: with more, somebody else labels


def simulated_beside(path):
    """The simulated experiment whose stack a file is, read from the experiment.toml beside it; None where there is none."""
    if not isinstance(path, Path) or not (path.parent / "experiment.toml").is_file():
        return None
    try:
        with heard():  # of its rows nothing need be said: blobs are not taken from it
            own = load_experiment(path.parent)
    except InputError:
        return None
    is_own = path.resolve() in [one.resolve() for one in own.stack.paths if isinstance(one, Path)]
    return own if is_own and own.simulated is not None else None


def true_molecules(experiment, panel, *, is_counted=None):
    """Molecules of each miR that a person would have labelled in a simulated stack: (n_mirs,); None where it is not known.

    These are what estimates are of: molecules that the simulated person labels a miR, not pairs taken for noise. Beside them
    stand molecules that nobody labelled, near the border, whose crop fits all the same. Molecules whose upper blob a
    detector misses are true, too, though no estimate can have them.

    Parameters
    ----------
    experiment : Experiment
        Simulated; its truth.csv and labelled blob table lie in its folder.
    is_counted : bool ndarray of shape (n_frames,), optional
        Frames whose molecules count; all by default.
    """
    path = experiment.folder / "truth.csv"
    own = simulated_beside(experiment.stack.paths[0]) if path.is_file() and len(experiment.stack.paths) == 1 else None
    if own is None or own.table is None or own.dispersion != "down" or not _is_labelled_throughout(own):
        return None
    truth = pd.read_csv(path)
    if (
        not {"frame", "kind", "class", "blob_id", "y_px", "x_px"} <= set(truth)
        or "id" not in own.table
        or own.table["id"].duplicated().any()
    ):
        return None
    upper = truth[(truth["kind"] == "upper") & truth["class"].isin(panel.mir_names)]
    label = pd.Series(own.labels, index=own.table["id"])
    given = upper["blob_id"].map(label)
    y = upper["class"].map(panel.index)
    inside = fits(
        own.stack.frame_shape, *(np.floor(upper[name]).astype(int) for name in ("y_px", "x_px")), panel.crop_window
    )
    counted = (given == y) | ((given == UNLABELLED) & inside)
    if is_counted is not None:
        counted &= is_counted[upper["frame"] - 1]
    return np.bincount(y[counted].astype(int), minlength=panel.n_mirs)[: panel.n_mirs]


def _is_labelled_throughout(own):
    """Whether nearly every blob whose crop lies inside its frame has a label, as the simulation's person gives them."""
    inside = fits(own.stack.frame_shape, own.rows, own.cols, own.panel.crop_window)
    return bool(inside.any() and np.mean(own.labels[inside] == UNLABELLED) <= MOST_UNLABELLED)
