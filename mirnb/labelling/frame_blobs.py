"""The blobs of one frame, as exploring shows them: where each lies, how high it stands, its fit, what it is called."""

import numpy as np
import pandas as pd
from scipy.spatial import cKDTree

from mirnb.experiments.stacks import HeldFrames
from mirnb.imaging.crops import fits
from mirnb.imaging.detection import APART_PX, FIT_RADIUS_PX, detect_frame, filtered_noise, fit_windows, wavelet

LEAST_SDS = 4.0  # lower, most of what is found is noise
NOT_IN_TABLE = -1
_FITTED = ["y_px", "x_px", "sigma_px", "flux"]


def read_one(stack, index):
    """A frame of a stack."""
    ((_, frame),) = stack.frames([index])
    return frame


def blobs_of_frame(experiment, frame, index):
    """Blobs of the table that lie on a frame, and those that are found there besides.

    Parameters
    ----------
    frame : ndarray of shape (rows, cols), counts
    index : int
        Its number, from 0.

    Returns
    -------
    DataFrame, one row a blob, by position
        table_row (NOT_IN_TABLE where it is found alone), row, col (px), sds (height in the filtered frame, in standard
        deviations of its noise, as `detect_frame` measures it), y_px, x_px, sigma_px, flux (of a fit, from the outer corner
        and in counts; NaN where none fits).
    """
    filtered = wavelet(frame)
    noise = filtered_noise(filtered)
    found = detect_frame(frame, threshold_sds=LEAST_SDS, filtered=filtered, noise=noise)[[*_FITTED, "sds"]]
    pixels = np.floor(found[["y_px", "x_px"]].to_numpy()).astype(int)
    found = found.assign(table_row=NOT_IN_TABLE, row=pixels[:, 0], col=pixels[:, 1])
    if experiment.table is not None:
        own = _of_table(experiment, frame, index, filtered, noise)
        found = pd.concat([own, found[_apart(found, own)]]) if len(found) else own
    return found.sort_values(["row", "col"], ignore_index=True)


def _of_table(experiment, frame, index, filtered, noise):
    """The table's blobs of a frame, each once."""
    blobs, shape = experiment.blobs, frame.shape
    inside = (blobs["row"] >= 0) & (blobs["row"] < shape[0]) & (blobs["col"] >= 0) & (blobs["col"] < shape[1])
    own = blobs[inside & (blobs["frame"] == index) & ~experiment.repeated][["table_row", "row", "col"]]
    fitted = pd.DataFrame(np.nan, index=own.index, columns=_FITTED)
    border = FIT_RADIUS_PX
    whole = own["row"].between(border, shape[0] - border - 1) & own["col"].between(border, shape[1] - border - 1)
    if whole.any():
        fitted[whole] = fit_windows(frame, *own.loc[whole, ["row", "col"]].to_numpy().T)[_FITTED].to_numpy()
    heights = _heights(filtered, own["row"].to_numpy(), own["col"].to_numpy())
    return own.assign(**fitted, sds=heights / (noise or 1.0))


def _heights(filtered, rows, cols):
    """Highest of the 3x3 pixels about each place in a filtered frame."""
    padded = np.pad(filtered, 1, mode="edge")
    return np.max([padded[rows + down, cols + right] for down in range(3) for right in range(3)], axis=0)


def _apart(found, own):
    """Which of the blobs found are none of the table's."""
    if not len(own):
        return np.ones(len(found), bool)
    return cKDTree(places(own)).query(places(found), distance_upper_bound=APART_PX)[0] == np.inf


def places(blobs):
    """Where blobs lie, (n_blobs, 2) y and x from the outer corner, px: of the fit, else the middle of the pixel."""
    fitted, middle = blobs[["y_px", "x_px"]].to_numpy(float), blobs[["row", "col"]].to_numpy() + 0.5
    return np.where(np.isnan(fitted), middle, fitted)


def predict_frame(classifier, frame, blobs, *, scale):
    """Probabilities (n_blobs, n_classes) of the blobs of a frame; NaN where a crop would leave it.

    scale : float
        Of its stack, as `likeness.scale_for` gives it.
    """
    y_prob = np.full((len(blobs), classifier.panel.n_mirs + 1), np.nan)
    inside = fits(frame.shape, blobs["row"].to_numpy(), blobs["col"].to_numpy(), classifier.panel.crop_window)
    if inside.any():
        cut = blobs.loc[inside, ["row", "col"]].assign(frame=0).reset_index(drop=True)
        y_prob[inside] = classifier.predict(classifier.cut(HeldFrames([frame]), cut), scale=scale)
    return y_prob
