"""What follows from predictions: scores with intervals, the least light a class needs, frames needed to see a ratio."""

import numpy as np
import pandas as pd

from mirnb.classifiers.scores import bootstrap_intervals, confusion, macro_f1_mir, score_confusion
from mirnb.design.prediction import FLUX_SHARES

MEAN = "mean of the miRs"
RATIO = 1.5  # of abundances, to be seen
MOST_CONFUSED = 0.25  # of two classes, as frequent, called the other one of the two; by chance alone it is half
_Z_INTERVAL, _Z_POWER = 1.960, 1.645  # two-sided 95 % interval; 95 of 100 experiments


def score_table(panel, prediction, settings, *, n_resamples=500, seed=3):
    """Recall, precision and F1 of each class for each share of the light, with 95 % intervals from resampling frames.

    Returns
    -------
    DataFrame, one row a share of the light and class, and one for the mean of the miRs
        flux_share, flux_counts (median light of the class's upper blobs), class, recall, precision and f1, each with _low
        and _high, and remark: what the class cannot be told from.
    """
    y_true, frames, n_classes, rows = prediction.y_true, prediction.frames, panel.n_mirs + 1, []
    brightness = [*(mir.brightness for mir in panel.mirs), np.nan]
    for share, y_pred in zip(FLUX_SHARES, prediction.y_pred, strict=True):
        matrix = confusion(y_true, y_pred, n_classes)
        scores = score_confusion(matrix)
        ends = bootstrap_intervals(y_true, y_pred, frames, n_classes, n_resamples=n_resamples, seed=seed)
        remarks = confused_with(matrix, panel.names)
        for k, name in enumerate(panel.names):
            row = {"flux_share": share, "flux_counts": share * settings.flux_median * brightness[k], "class": name}
            for key in ("recall", "precision", "f1"):
                row |= {key: scores[key][k], f"{key}_low": ends[key][0, k], f"{key}_high": ends[key][1, k]}
            rows.append({**row, "remark": remarks[k]})
        low, high = ends["macro_f1_mir"]
        overall = {"f1": float(macro_f1_mir(scores)), "f1_low": low, "f1_high": high, "remark": ""}
        rows.append({"flux_share": share, "flux_counts": share * settings.flux_median, "class": MEAN, **overall})
    return pd.DataFrame(rows)


def confused_with(matrix, names):
    """What each class cannot be told from, a sentence each: more than MOST_CONFUSED are mixed up; empty for none."""
    with np.errstate(invalid="ignore"):
        rates = matrix / matrix.sum(axis=1, keepdims=True)
        mixed, right = rates + rates.T, np.diag(rates)
        shares = mixed / (mixed + right[:, None] + right)
    np.fill_diagonal(shares, 0)
    others = [[names[k] for k in np.flatnonzero(row > MOST_CONFUSED)] for row in np.nan_to_num(shares)]
    return [f"cannot be told from {' and '.join(one)}" if one else "" for one in others]


def least_flux(scores, least_f1):
    """The least light with which each miR reaches a score.

    Between two shares of the light that were tried, F1 is taken to rise evenly with the logarithm of the light.

    Parameters
    ----------
    scores : DataFrame
        As `score_table` gives it.

    Returns
    -------
    DataFrame, one row a miR
        class, least_f1, flux_share, flux_counts (median of its upper blobs), remark; NaN where it is not reached.
    """
    rows = []
    for name, own in scores[scores["flux_counts"].notna()].groupby("class", sort=False):
        f1, share = own["f1"].to_numpy(), own["flux_share"].to_numpy()
        reached = np.flatnonzero(f1 >= least_f1)
        found, remark = np.nan, f"not reached; highest F1 {np.nanmax(f1, initial=0):.3f}"
        if len(reached) and reached[0] == 0:
            found, remark = share[0], "or less"
        elif len(reached):
            at = [reached[0] - 1, reached[0]]
            found, remark = np.exp(np.interp(least_f1, np.nan_to_num(f1[at]), np.log(share[at]))), ""
        counts = found * own["flux_counts"].iloc[0] / share[0]
        rows.append({"class": name, "least_f1": least_f1, "flux_share": found, "flux_counts": counts, "remark": remark})
    return pd.DataFrame(rows)


def frames_table(panel, confusion, settings, *, ratio=RATIO):
    """Frames of each of two samples needed to see that a miR is `ratio` times as frequent in one of them.

    Samples are mixed as the panel says, with as many labelled molecules a frame as the settings have.

    Returns
    -------
    DataFrame, one row a miR
        class, per_frame (molecules), ratio, frames (see `predicted_scores.frames_to_tell`).
    """
    shares = np.array([mir.share for mir in panel.mirs])
    n_mirs = settings.mir_share * settings.n_labelled_per_frame
    per_frame = np.append(n_mirs * shares / shares.sum(), settings.n_labelled_per_frame - n_mirs)
    frames = frames_to_tell(confusion, per_frame, ratio)
    return pd.DataFrame({"class": panel.mir_names, "per_frame": per_frame[:-1], "ratio": ratio, "frames": frames})


def frames_to_tell(confusion, per_frame, ratio):
    """Frames of each of two samples after which a miR that is `ratio` times as frequent in the second is seen to be so.

    Seen is a ratio whose 95 % interval leaves 1 out, in 95 of 100 experiments. Counts vary by chance alone (Poisson), the
    matrix is known, and so corrected numbers vary as the inverse of the matrix says.

    Parameters
    ----------
    confusion : ndarray of shape (n_classes, n_classes)
        Counts of molecules whose class is known, rows true; noise last.
    per_frame : ndarray of shape (n_classes,)
        Molecules a frame of the first sample.
    ratio : float
        Above 1.

    Returns
    -------
    float ndarray of shape (n_mirs,)
        Whole numbers; infinite where the classes cannot be told apart, NaN for a miR without molecules.
    """
    confusion, per_frame = np.asarray(confusion, float), np.asarray(per_frame, float)
    frames = np.full(len(confusion) - 1, np.nan)
    if not confusion.sum(axis=1).all():
        return frames
    yields = confusion / confusion.sum(axis=1, keepdims=True)
    if np.linalg.cond(yields) > 1e12:
        return np.full(len(frames), np.inf)
    squared = np.linalg.inv(yields) ** 2  # of the weight that each call has in each corrected number
    for k in np.flatnonzero(per_frame[:-1] > 0):
        more = per_frame.copy()
        more[k] *= ratio
        relative = sum(((one @ yields) @ squared)[k] / one[k] ** 2 for one in (per_frame, more))
        frames[k] = np.ceil(relative * ((_Z_INTERVAL + _Z_POWER) / np.log(ratio)) ** 2)
    return frames
