"""Responses to templates: of the templates themselves, their peaks, and as colour pictures (thesis 2.1, Figs 2 and 10)."""

import numpy as np
import pandas as pd
from matplotlib.colors import to_rgb
from scipy import signal

from mirnb.imaging.correlation import Correlator


def template_responses(templates):
    """Response of each template, laid on an empty ground as a molecule, to all templates (thesis Fig 2 and cell 6).

    Parameters
    ----------
    templates : ndarray of shape (n_templates, rows, cols), preprocessed

    Returns
    -------
    responses : float32 ndarray of shape (n_templates, 2 * rows, 2 * cols, n_templates)
        Molecule first, template last; a template on itself peaks at 1.
    """
    n, rows, cols = templates.shape
    ground = np.zeros((n, 2 * rows, 2 * cols), np.float32)
    ground[:, rows // 2 : rows // 2 + rows, cols // 2 : cols // 2 + cols] = templates
    correlator = Correlator(templates, ground.shape[1:])
    return np.stack([correlator.cross_correlate(molecule) for molecule in ground])


def response_peak(template_window, crop_window):
    """(row, col) in a crop of the response where a molecule's own template peaks: in the middle of where it lies."""
    down, right = ((size - 1) // 2 for size in template_window.shape)  # see `correlation`
    return crop_window.above - template_window.above + down, crop_window.left - template_window.left + right


def peak_profile(response):
    """The column of a response (rows, cols) through its maximum."""
    return response[:, np.unravel_index(np.argmax(response), response.shape)[1]]


def count_peaks(profile, *, prominence=0.02):
    """Peaks of a profile that rise by at least `prominence` of its maximum above the valleys beside them."""
    padded = np.pad(profile, 1)  # a peak at the very end counts as well
    padded = padded - 1e-9 * np.max(profile) * np.arange(len(padded))  # of twins, one is the higher
    return len(signal.find_peaks(padded, prominence=prominence * max(float(np.max(profile)), 1e-12))[0])


def peak_profiles(responses):
    """Profiles through the maxima of `template_responses`: (n_mirs, n_mirs, rows), molecule first, template second."""
    n = len(responses)
    return np.array([[peak_profile(responses[m, ..., t]) for t in range(n)] for m in range(n)])


def template_overlap(responses, panel):
    """Highest response of each molecule (rows) to each template (columns), from `template_responses`."""
    return pd.DataFrame(
        responses.max(axis=(1, 2)), index=pd.Index(panel.mir_names, name="molecule"),
        columns=[f"{name} template" for name in panel.mir_names],
    )  # fmt: skip


def count_template_peaks(responses, panel):
    """Peaks of each molecule's response to its own and to foreign templates, the thesis's expectation beside them."""
    counts = np.apply_along_axis(count_peaks, 2, peak_profiles(responses))
    table = pd.DataFrame(
        counts, index=pd.Index(panel.mir_names, name="molecule"), columns=[f"{n} template" for n in panel.mir_names]
    )
    return table.assign(**{"thesis, own": 3, "thesis, foreign": 4})


def count_bright_peaks(crops, y_true, panel):
    """Peaks that bright molecules show in their own channel, along the column through its maximum.

    Parameters
    ----------
    crops : ndarray of shape (n_crops, rows, cols, n_mirs)
    y_true : int ndarray of shape (n_crops,)
        Without labels (all negative), the channel that answers most stands for the class.

    Returns
    -------
    DataFrame, one row a miR
        crops (the brightest quarter), and the share of them that shows 1, 2, 3, and 4 or more peaks.
    """
    y_seen = y_true if np.any(y_true >= 0) else crops.max(axis=(1, 2)).argmax(axis=1)
    rows = []
    for k, name in enumerate(panel.mir_names):
        own = crops[y_seen == k][..., k]
        bright = own[np.argsort(-own.max(axis=(1, 2)))][: max(len(own) // 4, min(len(own), 1))]
        peaks = np.array([count_peaks(peak_profile(crop)) for crop in bright], int)
        shares = {f"{n} peaks": np.mean(peaks == n) if len(peaks) else np.nan for n in (1, 2, 3)}
        more = np.mean(peaks >= 4) if len(peaks) else np.nan
        rows.append({"class": name, "crops": len(bright), **shares, "4 or more": more})
    return pd.DataFrame(rows).set_index("class")


def composite(response, panel, *, top=None):
    """A colour picture of a response: float ndarray of shape (rows, cols, 3), 0 to 1.

    A pixel is as bright as its highest response and has the panel colours of the templates it answers to, those that answer
    most by far the most: a plain sum of many hues would be white, and red and green alike to many eyes.

    Parameters
    ----------
    response : ndarray of shape (rows, cols, n_mirs)
    top : float, optional
        Response shown at full brightness; the maximum by default.
    """
    top = top if top is not None else max(float(response.max()), np.finfo(np.float32).tiny)
    shown = np.clip(response / top, 0, 1)
    brightness, most = shown.max(axis=-1, keepdims=True), response.max(axis=-1, keepdims=True)
    # pairs a pixel apart answer to each other's templates with .95: to the power of 32 that is .2
    weights = (np.maximum(response, 0) / np.maximum(most, np.finfo(np.float32).tiny)) ** 32
    hues = np.array([to_rgb(colour) for colour in panel.colours[:-1]])
    return brightness * (weights @ hues) / np.maximum(weights.sum(axis=-1, keepdims=True), 1)
