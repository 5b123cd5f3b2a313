"""Ask a classifier about crops it was not trained on, for `Facts`, and what its frames are like.

Five folds go over the training and validation crops, each trained anew: that is where the time goes.

The confusion of held-out crops is what counts of new samples are corrected with: there are four times as many of them as of
test crops, and the test set stays untouched.
"""

from dataclasses import replace

import numpy as np
from scipy.spatial import cKDTree
from sklearn.model_selection import KFold, StratifiedKFold
from tqdm.auto import tqdm

from mirnb.caches import fingerprint
from mirnb.classifiers.facts import Facts
from mirnb.classifiers.likeness import FEATURES, training_ranges
from mirnb.classifiers.twin_cnn_training import twin_of
from mirnb.imaging.detection import detect_frame
from mirnb.simulation.twin import Twin

N_FOLDS = 5
N_PATCHES = 1500  # of background that a twin keeps, about
NEAR_PX = 2.0  # a blob that is found lies nearer than this to the middle of the labelled pixel


def train_folds(one, dataset, run, *, seed):
    """Train a kind on each four of five folds, and a twin of all crops: `Facts`. What was trained before is read back.

    Parameters
    ----------
    one : base.Rival
    seed : int
        Of the folds.
    """
    rows, y_prob = out_of_fold(dataset, run, one.kind, one.refit, one.y_prob, seed=seed)
    ranges, twin = ranges_of(run), twin_of_rows(dataset, run, rows)
    return Facts(
        dataset.y_true[rows], y_prob.astype(np.float32), hidden_pairs(dataset, twin, rows), detected(dataset, run, rows),
        {name: ranges[name] for name in (*FEATURES, "unknown_share")}, twin if one.predictor.reads == "raw crops" else None,
    )  # fmt: skip


def ranges_of(run):
    """`likeness.training_ranges` of a run's experiment, kept in the run folder."""
    ranges = run.cached("ranges", {}, lambda: training_ranges(run.experiment))
    return {key: ends.tolist() for key, ends in ranges.items()}


def fold_rows(dataset, *, seed):
    """Training and validation crops in order, and the fold each is held out in.

    Returns
    -------
    rows, folds : int ndarrays of shape (n_rows,)
    """
    rows = np.sort(np.concatenate([dataset.split[name] for name in ("training", "validation")]))
    y_true, folds = dataset.y_true[rows], np.zeros(len(rows), int)
    n_folds, few = min(N_FOLDS, len(rows)), np.unique(y_true, return_counts=True)[1].min() < N_FOLDS
    cut = (KFold if few else StratifiedKFold)(n_folds, shuffle=True, random_state=seed)
    for fold, (_, held) in enumerate(cut.split(rows, y_true)):
        folds[held] = fold
    return rows, folds


def out_of_fold(dataset, run, kind, refit, seen, *, seed):
    """Probabilities of every training and validation crop by a classifier that was trained on the other folds.

    Parameters
    ----------
    run : RunFolder
        Keeps each fold as soon as it is done.
    refit : callable
        Takes (training_rows, held_rows, fold from 1), gives probabilities of the held rows.
    seen : object
        Everything the result depends on besides the crops, for `caches.fingerprint`.
    seed : int
        Of the folds.

    Returns
    -------
    rows : int ndarray of shape (n_rows,)
    y_prob : ndarray of shape (n_rows, n_classes)
    """
    rows, folds = fold_rows(dataset, seed=seed)
    y_prob = np.empty((len(rows), dataset.n_classes))
    settings = {"seen": fingerprint(seen, dataset.wide_crops, dataset.crops, dataset.y_true, rows, folds)}
    for fold in tqdm(np.unique(folds), desc=f"folds of {kind}", unit="fold", leave=False):
        held = folds == fold

        def make(held=held, fold=fold):
            return {"y_prob": refit(rows[~held], rows[held], int(fold) + 1)}

        y_prob[held] = run.cached(f"fold_{fold + 1}_{kind}", settings, make)["y_prob"]
    return rows, y_prob


def twin_of_rows(dataset, run, rows):
    """The twin of these crops (see `twin.Twin`), kept in the run folder; None where the stack has no noise."""
    if not dataset.noise_sd > 0:
        return None

    def make():
        twin = twin_of(replace(dataset, split={**dataset.split, "training": rows}))
        return replace(twin, background=twin.background[:: len(twin.background) // N_PATCHES or 1]).to_arrays()

    settings = {"seen": fingerprint(dataset.wide_crops, dataset.background, dataset.y_true, rows)}
    return Twin.from_arrays(run.cached("twin", settings, make), dataset.panel.template_window)


def hidden_pairs(dataset, twin, rows):
    """How likely each of the crops is a pair of each miR that a person labelled noise, (n_rows, n_mirs); 0 for others.

    A twin of all these crops says it, which asks what their light is, not what a classifier calls them.
    """
    noise = dataset.y_true[rows] == dataset.panel.noise
    found = np.zeros((len(rows), dataset.panel.n_mirs), np.float32)
    if twin is not None:
        found[noise] = twin.hidden_pairs
    return found


def detected(dataset, run, rows):
    """Which of the crops' blobs our own detection finds, (n_rows,)."""

    def make():
        blobs, found = dataset.blobs, np.zeros(len(dataset.blobs), bool)
        for index, frame in run.experiment.stack.frames(np.unique(blobs["frame"])):
            here = np.flatnonzero(blobs["frame"] == index)
            places = detect_frame(frame)[["y_px", "x_px"]].to_numpy()
            apart = cKDTree(places).query(blobs[["row", "col"]].to_numpy()[here] + 0.5)[0] if len(places) else np.inf
            found[here] = apart < NEAR_PX
        return {"found": found}

    settings = {"seen": fingerprint(dataset.blobs[["frame", "row", "col"]].to_numpy())}
    return run.cached("detected", settings, make)["found"][rows]
