"""How good a classifier is: confusion matrix, recall, precision; numbers, no drawing. Undefined ratios are NaN, not 1."""

import warnings

import numpy as np
import pandas as pd
from sklearn import metrics

from mirnb.classifiers.calibration import chance_calibration_error, expected_calibration_error, reliability

MIN_FRAMES = 3  # resampling fewer says nothing of chance
ENDS = (50 * (1 - 0.95), 50 * (1 + 0.95))  # percentiles of a 95 % interval
HOLDS, FAILS, OPEN, NOT_MEASURED = "holds", "does not hold", "cannot be told", "not measured"  # verdicts


def confusion(y_true, y_pred, n_classes):
    """Confusion matrix of counts, (n_classes, n_classes), rows true, columns predicted."""
    return metrics.confusion_matrix(y_true, y_pred, labels=range(n_classes))


def score(y_true, y_pred, n_classes):
    """Recall, precision and F1 of each class (thesis eqs. 6, 7).

    Returns
    -------
    dict of float ndarrays of shape (n_classes,)
        recall is NaN for a class that is not there, precision for one never predicted, f1 where neither occurs.
    """
    return score_confusion(confusion(y_true, y_pred, n_classes))


def macro_f1_mir(scores):
    """Mean F1 over the miRs that are there (noise, last, left out), from `score_confusion`; NaN if none is."""
    f1 = np.where(np.isnan(scores["recall"]), np.nan, scores["f1"])[..., :-1]
    there = ~np.isnan(f1)
    with np.errstate(invalid="ignore"):
        return np.where(there, f1, 0).sum(axis=-1) / there.sum(axis=-1)


def mir_f1(y_true, y_pred, n_classes):
    """`macro_f1_mir` of predicted classes, as a number."""
    return float(macro_f1_mir(score(y_true, y_pred, n_classes)))


def score_confusion(matrix):
    """Recall, precision and F1 of each class from confusion counts, (..., n_classes, n_classes), rows true."""
    hits = np.diagonal(matrix, axis1=-2, axis2=-1).astype(float)
    n_true, n_pred = matrix.sum(axis=-1), matrix.sum(axis=-2)
    with np.errstate(invalid="ignore"):
        return {"recall": hits / n_true, "precision": hits / n_pred, "f1": 2 * hits / (n_true + n_pred)}


def percentiles(draws, ends=ENDS):
    """Ends of an interval from draws along the first axis, low and high; NaN where there is nothing."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        return np.nanpercentile(draws, ends, axis=0)


def bootstrap_intervals(y_true, y_pred, frames, n_classes, *, n_resamples=2000, seed=3):
    """Intervals of recall, precision and F1 by resampling whole frames, as blobs of one frame share its light and noise.

    Parameters
    ----------
    y_true, y_pred, frames : int ndarray of shape (n,)

    Returns
    -------
    dict of float ndarrays of shape (2, n_classes)
        Low and high end of recall, precision, f1 and, of shape (2,), macro_f1_mir; NaN with fewer than MIN_FRAMES frames.
    """
    weights = _frame_weights(frames, n_resamples, seed)
    scores = score_confusion(_resampled_confusions(y_true, y_pred, frames, n_classes, weights)[1:])
    scores["macro_f1_mir"] = macro_f1_mir(scores)
    told = 1.0 if len(weights[0]) >= MIN_FRAMES else np.nan
    return {name: told * percentiles(values) for name, values in scores.items()}


def paired_difference(sets, n_classes, *, n_resamples=2000, seed=3):
    """How much better one classifier is than another on the same crops: difference of the mean F1 over the miRs.

    Frames are resampled, the same ones for both classifiers and for all splits, as their test sets share crops.

    Parameters
    ----------
    sets : sequence of dict
        One a split: y_true and frames, int ndarrays of shape (n,); ours and theirs, sequences of predicted classes, each of
        shape (n,), over which the score is averaged (one classifier, or all runs of a network).

    Returns
    -------
    difference, low, high : float
        Ours less theirs, averaged over the splits, and the ends of its interval; NaN with fewer than MIN_FRAMES frames.
    """
    weights = _frame_weights(np.concatenate([one["frames"] for one in sets]), n_resamples, seed)
    gains = [
        _resampled_f1(one["y_true"], one["ours"], one["frames"], n_classes, weights)
        - _resampled_f1(one["y_true"], one["theirs"], one["frames"], n_classes, weights)
        for one in sets
    ]
    gain = np.mean(gains, axis=0)
    if len(weights[0]) < MIN_FRAMES:
        return float(gain[0]), np.nan, np.nan
    low, high = percentiles(gain[1:])
    return float(gain[0]), float(low), float(high)


def recall_less_precision(y_true, y_pred, frames, n_classes, *, n_resamples=2000, seed=3):
    """Recall less precision of each class, with its interval over frames: (difference, low, high), one a class."""
    weights = _frame_weights(frames, n_resamples, seed)
    scores = score_confusion(_resampled_confusions(y_true, y_pred, frames, n_classes, weights))
    apart = scores["recall"] - scores["precision"]
    return [tuple(map(float, one)) for one in zip(apart[0], *percentiles(apart[1:]), strict=True)]


def mean_f1(y_true, y_preds, frames, n_classes, *, n_resamples=500, seed=3):
    """Mean F1 over the miRs, averaged over several predictions of the same crops, and its standard error over frames."""
    f1 = _resampled_f1(y_true, y_preds, frames, n_classes, _frame_weights(frames, n_resamples, seed))
    return float(f1[0]), float(np.nanstd(f1[1:])) if len(np.unique(frames)) >= MIN_FRAMES else np.nan


def _frame_weights(frames, n_resamples, seed):
    """Frame numbers, and how often each is drawn: first once each, then resampled."""
    numbers = np.unique(frames)
    drawn = np.random.default_rng(seed).multinomial(len(numbers), np.full(len(numbers), 1 / len(numbers)), n_resamples)
    return numbers, np.concatenate([np.ones((1, len(numbers)), int), drawn])


def _resampled_confusions(y_true, y_pred, frames, n_classes, weights):
    """Confusion counts for each row of `_frame_weights`: (1 + n_resamples, n_classes, n_classes)."""
    numbers, drawn = weights
    per_frame = np.zeros((len(numbers), n_classes, n_classes))
    np.add.at(per_frame, (np.searchsorted(numbers, frames), y_true, y_pred), 1)
    return np.tensordot(drawn, per_frame, axes=1)


def _resampled_f1(y_true, y_preds, frames, n_classes, weights):
    """`macro_f1_mir` for each row of `_frame_weights`, averaged over several predictions."""
    confusions = [_resampled_confusions(y_true, y_pred, frames, n_classes, weights) for y_pred in y_preds]
    return np.mean([macro_f1_mir(score_confusion(one)) for one in confusions], axis=0)


def roc_points(y_true, y_prob, k):
    """ROC curve of class k against all others, and its area (thesis Fig 9): DataFrame with fpr, tpr, threshold; float."""
    fpr, tpr, threshold = metrics.roc_curve(y_true == k, y_prob[:, k])
    return pd.DataFrame({"fpr": fpr, "tpr": tpr, "threshold": threshold}), float(metrics.auc(fpr, tpr))


def pr_points(y_true, y_prob, k):
    """Precision-recall curve of class k and its average precision: DataFrame with recall, precision; float."""
    precision, recall, _ = metrics.precision_recall_curve(y_true == k, y_prob[:, k])
    average = metrics.average_precision_score(y_true == k, y_prob[:, k])
    return pd.DataFrame({"recall": recall, "precision": precision}), float(average)


def summarise(y_true, y_prob, names):
    """Scores of one set as metrics.json holds them.

    Returns
    -------
    dict
        recall, precision, f1 by class name, macro_f1_mir (mean over the miRs), confusion (rows true).
    """
    matrix = confusion(y_true, y_prob.argmax(axis=1), len(names))
    scores = score_confusion(matrix)
    by_name = {key: dict(zip(names, values.tolist(), strict=True)) for key, values in scores.items()}
    return {**by_name, "macro_f1_mir": float(macro_f1_mir(scores)), "confusion": matrix.tolist()}


def summarise_areas(y_true, y_prob, names):
    """roc_auc and average_precision by class name; NaN for a class that is not there."""
    areas = {"roc_auc": {}, "average_precision": {}}
    for k, name in enumerate(names):
        there = np.any(y_true == k)
        areas["roc_auc"][name] = roc_points(y_true, y_prob, k)[1] if there else float("nan")
        areas["average_precision"][name] = pr_points(y_true, y_prob, k)[1] if there else float("nan")
    return areas


def summarise_test(y_true, y_prob, frames, names, *, n_resamples=2000, seed=3):
    """Scores of a test set as metrics.json holds them: `summarise`, areas, calibration error and its chance, and intervals.

    intervals has low and high end of recall, precision and f1 by class name, and of macro_f1_mir.
    """
    ends = bootstrap_intervals(y_true, y_prob.argmax(axis=1), frames, len(names), n_resamples=n_resamples, seed=seed)
    overall = ends.pop("macro_f1_mir").tolist()
    intervals = {key: dict(zip(names, values.T.tolist(), strict=True)) for key, values in ends.items()}
    return {
        **summarise(y_true, y_prob, names), **summarise_areas(y_true, y_prob, names),
        "ece": expected_calibration_error(reliability(y_true, y_prob)), "ece_by_chance": chance_calibration_error(y_prob),
        "intervals": {**intervals, "macro_f1_mir": overall},
    }  # fmt: skip


def confusion_by_set(dataset, y_prob, sets):
    """Confusion counts of each set, and of several sets together: title -> matrix."""
    matrices = {
        name: confusion(dataset.y_true[dataset.split[name]], y_prob[dataset.split[name]].argmax(axis=1), dataset.n_classes)
        for name in sets
    }
    return matrices | ({" and ".join(sets): sum(matrices.values())} if len(sets) > 1 else {})


def worst_mistakes(y_true, y_prob, indices, names, *, n_kinds=5, n_each=6):
    """The most frequent kinds of mistake and the most confident of each: "true → predicted (count)" -> indices."""
    y_pred = y_prob.argmax(axis=1)
    matrix = confusion(y_true, y_pred, len(names))
    np.fill_diagonal(matrix, 0)
    groups = {}
    for flat in np.argsort(-matrix, axis=None, kind="stable")[:n_kinds]:
        true, predicted = np.unravel_index(flat, matrix.shape)
        if matrix[true, predicted]:
            wrong = np.flatnonzero((y_true == true) & (y_pred == predicted))
            order = np.argsort(-y_prob[wrong, predicted], kind="stable")[:n_each]
            groups[f"{names[true]} →\n{names[predicted]} ({matrix[true, predicted]})"] = indices[wrong[order]]
    return groups


def curves_by_class(points, y_true, y_prob, mir_names):
    """`roc_points` or `pr_points` of each miR that is there: class name -> (DataFrame, area)."""
    return {name: points(y_true, y_prob, k) for k, name in enumerate(mir_names) if np.any(y_true == k)}


def area_table(roc, pr, y_true, mir_names):
    """Areas of both curves and each class's share, which is the average precision of guessing: DataFrame by class."""
    shares = {name: np.mean(y_true == k) for k, name in enumerate(mir_names) if name in roc}
    rows = [{"class": name, "roc_auc": roc[name][1], "average_precision": pr[name][1]} for name in shares]
    return pd.DataFrame(rows).assign(**{"share (chance)": shares.values()}).set_index("class")


def judge(low, high):
    """The verdict on a difference that should lie above 0, by its interval; NaN where there is none."""
    return HOLDS if low > 0 else FAILS if high < 0 else OPEN


def sort_out(verdicts):
    """Names by verdict, as text: "holds for red, blue; cannot be told for green"; the verdict alone where it is everybody's.

    Parameters
    ----------
    verdicts : dict
        Name -> verdict.
    """
    found = {word: [name for name, one in verdicts.items() if one == word] for word in (HOLDS, FAILS, OPEN)}
    if len(verdicts) > 1 and len(set(verdicts.values())) == 1:
        word = next(iter(verdicts.values()))
        return f"{word} for {'all' if word == HOLDS else 'any of the'} {len(verdicts)}"
    return "; ".join(f"{word} for {', '.join(names)}" for word, names in found.items() if names)


def as_text(value, form):
    """A number as text; a dash where there is none."""
    return "–" if np.isnan(value) else "∞" if np.isinf(value) else form.format(value)


def with_interval(value, low, high, form="{:.2f}"):
    """A value with the ends of its interval, as text: 0.82 (0.76 to 0.89); a dash where there is none."""
    return as_text(value, form) + ("" if np.isnan(value) else f" ({as_text(low, form)} to {as_text(high, form)})")


def in_time(seconds):
    """A duration to be read: seconds below a minute and a half, else minutes or hours."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 90 * 60 else f"{seconds / 3600:.1f} h"
