"""Do the probabilities mean what they say: temperature, reliability, and what is gained by leaving the unsure out."""

import numpy as np
import pandas as pd
from scipy.optimize import minimize_scalar

N_BINS = 15


def apply_temperature(y_prob, temperature):
    """Probabilities of a softmax whose logits are divided by `temperature`: above 1 less sure, below 1 surer."""
    logits = np.log(np.maximum(np.asarray(y_prob, float), 1e-12)) / temperature
    scaled = np.exp(logits - logits.max(axis=1, keepdims=True, initial=-np.inf))
    return scaled / scaled.sum(axis=1, keepdims=True)


def cross_entropy(y_true, y_prob):
    """Mean of -log of the probability of the true class, y_prob (n, n_classes)."""
    return float(-np.log(np.maximum(y_prob[np.arange(len(y_true)), y_true], 1e-12)).mean())


def fit_temperature(y_true, y_prob, *, limit=5.0):
    """The temperature with the lowest cross-entropy (Guo et al. 2017), between 1/limit and limit; 1 without crops.

    Parameters
    ----------
    y_true : int ndarray of shape (n,)
    y_prob : ndarray of shape (n, n_classes)
        Of validation crops: neither trained on nor tested on.
    """
    if len(y_true) == 0:
        return 1.0

    def loss(log_temperature):
        return cross_entropy(y_true, apply_temperature(y_prob, np.exp(log_temperature)))

    return float(np.exp(minimize_scalar(loss, bounds=(-np.log(limit), np.log(limit)), method="bounded").x))


def reliability(y_true, y_prob, *, n_bins=N_BINS):
    """How often the predicted class is right, against the probability it was given, in bins of equal width.

    Returns
    -------
    DataFrame with low, high, n, confidence (mean in the bin), accuracy
        Empty bins have n = 0 and NaN.
    """
    confidence, right = y_prob.max(axis=1), y_prob.argmax(axis=1) == y_true
    edges = np.linspace(0, 1, n_bins + 1)
    bins = np.clip(np.digitize(confidence, edges[1:-1], right=True), 0, n_bins - 1)
    n = np.bincount(bins, minlength=n_bins)
    with np.errstate(invalid="ignore"):
        mean, accuracy = (np.bincount(bins, values, n_bins) / n for values in (confidence, right.astype(float)))
    return pd.DataFrame({"low": edges[:-1], "high": edges[1:], "n": n, "confidence": mean, "accuracy": accuracy})


def wilson(hits, n):
    """Ends of Wilson's 95 % interval of a share: (low, high), NaN of nothing. hits, n : ndarray of shape (k,)"""
    n = np.where(np.asarray(n) > 0, n, np.nan)
    share, z = hits / n, 1.96
    middle, half = share + z**2 / (2 * n), z * np.sqrt(share * (1 - share) / n + z**2 / (4 * n**2))
    return np.maximum(middle - half, 0) / (1 + z**2 / n), np.minimum((middle + half) / (1 + z**2 / n), 1)


def reliability_points(table, *, least=10):
    """Bins of `reliability` with what can be said of them: neighbours are joined until each holds `least` crops or more.

    Returns
    -------
    DataFrame with low, high, n, confidence, accuracy, accuracy_low, accuracy_high
        Without empty bins; the last two are the ends of `wilson`.
    """
    filled = table[table["n"] > 0].iloc[::-1]  # from the surest down: few are unsure
    groups, size = [0] * len(filled), 0
    for k, n in enumerate(filled["n"]):
        groups[k] = groups[k - 1] + (size >= least) if k else 0
        size = n + (0 if size >= least else size)
    if 0 < size < least:
        groups = np.minimum(groups, max(groups[-1] - 1, 0))
    hits, weight = filled["accuracy"] * filled["n"], filled["confidence"] * filled["n"]
    joined = filled.assign(hits=hits, weight=weight).groupby(np.array(groups, int))
    sums = joined[["n", "hits", "weight"]].sum()
    low, high = wilson(sums["hits"].to_numpy(), sums["n"].to_numpy())
    points = pd.DataFrame(
        {"low": joined["low"].min(), "high": joined["high"].max(), "n": sums["n"], "confidence": sums["weight"] / sums["n"],
         "accuracy": sums["hits"] / sums["n"], "accuracy_low": low, "accuracy_high": high}
    )  # fmt: skip
    return points.iloc[::-1].reset_index(drop=True)


def expected_calibration_error(table):
    """Mean distance of accuracy and confidence over the bins of `reliability`, weighted by their counts."""
    filled = table[table["n"] > 0]
    return float(((filled["accuracy"] - filled["confidence"]).abs() * filled["n"]).sum() / max(filled["n"].sum(), 1))


def chance_calibration_error(y_prob, *, percentile=97.5, n_resamples=1000, seed=3):
    """The calibration error that a perfectly calibrated classifier stays under by chance in `percentile` % of test sets.

    y_prob : ndarray of shape (n, n_classes)
        The probabilities of the test set at hand; labels are drawn from them.
    """
    rng, confidence = np.random.default_rng([seed, 9]), y_prob.max(axis=1)
    bins = np.clip((confidence * N_BINS).astype(int), 0, N_BINS - 1)
    off = (rng.random((n_resamples, len(confidence))) < confidence) - confidence
    by_bin = np.stack([off[:, bins == k].sum(axis=1) for k in range(N_BINS)])
    return float(np.percentile(np.abs(by_bin).sum(axis=0) / max(len(confidence), 1), percentile))


def rejection_curve(y_true, y_prob, *, thresholds=None):
    """Crosstalk between miRs against the share of calls that is rejected as unsure.

    Parameters
    ----------
    y_true : int ndarray of shape (n,)
        Noise is the last class.
    y_prob : ndarray of shape (n, n_classes)
    thresholds : sequence of float, optional
        A call below this probability is rejected.

    Returns
    -------
    DataFrame, one row a threshold
        threshold, accepted (calls of a miR), rejected (share of all calls of a miR), crosstalk (share of another miR among
        accepted calls that are miRs) with crosstalk_low and crosstalk_high (`wilson`), noise (share of noise among accepted
        calls), recall (accepted right calls among all miRs). NaN of nothing.
    """
    noise = y_prob.shape[1] - 1
    y_pred, sure = y_prob.argmax(axis=1), y_prob.max(axis=1)
    called, is_mir = y_pred < noise, y_true < noise
    if thresholds is None:
        thresholds = np.linspace(1 / y_prob.shape[1], 0.995, 60)
    accepted = called & (sure >= np.asarray(thresholds)[:, None])
    n, n_mirs, right = accepted.sum(axis=1), (accepted & is_mir).sum(axis=1), (accepted & (y_pred == y_true)).sum(axis=1)
    low, high = wilson(n_mirs - right, n_mirs)
    with np.errstate(invalid="ignore"):
        columns = {
            "threshold": thresholds, "accepted": n, "rejected": np.divide(called.sum() - n, called.sum()),
            "crosstalk": (n_mirs - right) / n_mirs, "crosstalk_low": low, "crosstalk_high": high,
            "noise": (n - n_mirs) / n, "recall": np.divide(right, is_mir.sum()),
        }  # fmt: skip
    return pd.DataFrame(columns)
