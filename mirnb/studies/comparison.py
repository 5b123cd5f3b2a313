"""Every kind of classifier compared on the same test crops."""

import itertools

import numpy as np
import pandas as pd

from mirnb.classifiers.calibration import apply_temperature, expected_calibration_error, fit_temperature, reliability
from mirnb.classifiers.kinds import KINDS
from mirnb.classifiers.scores import (
    as_text,
    bootstrap_intervals,
    in_time,
    judge,
    macro_f1_mir,
    mir_f1,
    paired_difference,
    score,
    with_interval,
)


def compare(rivals, dataset, *, n_resamples=2000, seed=3):
    """Scores of every kind on the test crops, with 95 % intervals from resampling frames.

    Returns
    -------
    DataFrame, one row a kind and class
        classifier, class, and for each of recall, precision and f1 the value, low and high; "mean of the miRs" is a class
        too, with f1 alone.
    """
    test, names = dataset.split["test"], dataset.panel.names
    y_true, frames = dataset.y_true[test], dataset.frames[test]
    rows = []
    for kind, one in rivals.items():
        y_pred = one.y_prob[test].argmax(axis=1)
        scores = score(y_true, y_pred, len(names))
        ends = bootstrap_intervals(y_true, y_pred, frames, len(names), n_resamples=n_resamples, seed=seed)
        for k, name in enumerate(names):
            row = {"classifier": KINDS[kind].title, "class": name}
            for key in ("recall", "precision", "f1"):
                row |= {key: scores[key][k], f"{key} low": ends[key][0, k], f"{key} high": ends[key][1, k]}
            rows.append(row)
        low, high = ends["macro_f1_mir"]
        overall = {"f1": float(macro_f1_mir(scores)), "f1 low": low, "f1 high": high}
        rows.append({"classifier": KINDS[kind].title, "class": "mean of the miRs", **overall})
    return pd.DataFrame(rows)


def in_columns(table):
    """`compare` to be read: a row a classifier and class; recall, precision and F1 each with its interval as text."""
    shown = table[["classifier", "class"]].copy()
    for key in ("recall", "precision", "f1"):
        shown[key] = [with_interval(*one) for one in table[[key, f"{key} low", f"{key} high"]].to_numpy()]
    return shown.set_index(["classifier", "class"])


def about(rivals, dataset):
    """What each kind costs and how far its probabilities can be trusted: DataFrame by classifier.

    mean F1 over the miRs on test; its difference from LeNet-5's with a 95 % interval; calibration error as the classifier
    gives its probabilities, and at the temperature validation would choose; training time; trained numbers; remarks.
    """
    test, validation = dataset.split["test"], dataset.split["validation"]
    y_true = dataset.y_true[test]
    rows = []
    for kind, one in rivals.items():
        y_prob = one.y_prob[test]
        f1 = mir_f1(y_true, y_prob.argmax(axis=1), dataset.n_classes)
        gain = with_interval(*difference(rivals, dataset, kind, "lenet5"), "{:+.3f}")
        temperature = fit_temperature(dataset.y_true[validation], one.y_prob[validation])
        tempered = apply_temperature(y_prob, temperature)
        errors = [round(expected_calibration_error(reliability(y_true, one)), 3) for one in (y_prob, tempered)]
        told = in_time(one.seconds), one.predictor.size, one.note
        rows.append((KINDS[kind].title, round(f1, 3), "" if kind == "lenet5" else gain, *errors, *told))
    columns = ("classifier", "F1, mean of the miRs", "less LeNet-5's (95 %)", "ECE", "ECE, temperature on validation",
               "training took", "trained numbers", "remarks")  # fmt: skip
    return pd.DataFrame(rows, columns=columns).set_index("classifier")


def difference(rivals, dataset, ours, theirs):
    """Mean F1 over the miRs of one kind less another's on the same test crops: (difference, low, high) at 95 %."""
    test = dataset.split["test"]
    calls = {kind: [rivals[kind].y_prob[test].argmax(axis=1)] for kind in (ours, theirs)}
    one = {"y_true": dataset.y_true[test], "frames": dataset.frames[test], "ours": calls[ours], "theirs": calls[theirs]}
    return paired_difference([one], dataset.n_classes)


def differences(rivals, dataset):
    """`difference` of every two kinds, both ways round: "a less b" -> [difference, low, high]."""
    pairs = itertools.permutations(rivals, 2)
    return {f"{ours} less {theirs}": list(difference(rivals, dataset, ours, theirs)) for ours, theirs in pairs}


def in_words(rivals, dataset):
    """What the comparison says, in plain sentences: a list of text."""
    test = dataset.split["test"]
    y_true = dataset.y_true[test]
    f1 = {kind: mir_f1(y_true, one.y_prob[test].argmax(axis=1), dataset.n_classes) for kind, one in rivals.items()}
    order = sorted(f1, key=lambda kind: np.nan_to_num(f1[kind], nan=-1), reverse=True)
    listed = ", ".join(f"{KINDS[kind].title} {as_text(f1[kind], '{:.3f}')}" for kind in order)
    sentences = [f"Mean F1 over the miRs, the same {len(test)} test crops: {listed}."]
    pairs = ("twin_cnn", "lenet5"), ("twin_cnn", "pca_svm"), ("lenet5", "pca_svm"), ("lenet5", "matched_filter")
    for ours, theirs in pairs:
        gain, low, high = difference(rivals, dataset, ours, theirs)
        verdict, number = judge(low, high), with_interval(gain, low, high, "{:+.3f}")
        sentences.append(f"Better than {KINDS[theirs].title} is {KINDS[ours].title}: {verdict}, {number}.")
    return sentences


def about_rejection(curve, n_mirs, *, rejected=0.2):
    """What leaving out the unsure calls does to crosstalk: a list of sentences.

    Parameters
    ----------
    curve : DataFrame
        As `calibration.rejection_curve` gives it.
    rejected : float
        Share of the calls of a miR that is left out, or the least above it.
    """
    if n_mirs == 1:
        return ["Crosstalk: none, as there is one miR alone."]
    told = curve.dropna(subset=["rejected", "crosstalk"])
    fewer = told[told["rejected"] >= rejected]
    if not len(fewer):
        return ["Crosstalk: too few calls of a miR to tell."]
    first, then = told.iloc[0], fewer.iloc[0]
    return [
        f"Of the miRs called a miR, {first['crosstalk']:.1%} are called another one; with the {then['rejected']:.0%} least "
        f"sure calls left out, {then['crosstalk']:.1%}."
    ]
