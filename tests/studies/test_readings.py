"""Sentences from tables made by hand: each word follows from the numbers, and other numbers say other words."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from mirnb.classifiers.base import Rival
from mirnb.classifiers.lenet5 import loss_table
from mirnb.studies import comparison, readings, tuning

NAMES = ["red", "green", "blue", "noise"]


def _overlap(values, names=NAMES[:3]):
    return pd.DataFrame(values, index=names, columns=[f"{name} template" for name in names])


def _counts(training, names=NAMES):
    return pd.DataFrame({"training": training}, index=names)


def test_templates_most_and_least_alike():
    overlap = _overlap([[1, 0.5, 0.7], [0.5, 1, 0.93], [0.71, 0.93, 1]])
    assert readings.about_templates(overlap, _counts([30, 8, 40, 100])) == [
        "Most alike are the templates of green and blue: 0.930, where a template with itself has 1.",
        "Least alike are the templates of red and green: 0.500, where a template with itself has 1.",
        "Fewest training crops of a miR: green, 8; of all classes together 178.",
    ]


def test_one_mir_has_nothing_to_be_alike_and_no_labels_have_no_counts():
    said = readings.about_templates(_overlap([[1.0]], ["red"]), _counts([0, 0], ["red", "noise"]))
    assert said == ["One miR alone: there is no other template that could pass for its own."]


def _numbers(cosine, cross):
    return pd.DataFrame({"contrast": [cosine, cross]}, index=["cosine similarity", "cross-correlation"])


@pytest.mark.parametrize(
    ("cosine", "cross", "verdict", "words"),
    [(10, 20, "holds", "10.0"), (20, 10, "does not hold", "20.0"), (np.nan, 10, "cannot be told", "–")],
)
def test_cosine_similarity_is_judged_by_its_contrast(cosine, cross, verdict, words):
    peaks = _overlap([[3]], ["red"]).astype(int)
    bright = pd.DataFrame({"crops": [0], "3 peaks": [np.nan]}, index=["red"])
    first, *others = readings.about_techniques(_numbers(cosine, cross), peaks, bright)
    assert first.startswith(f"Cosine similarity raises the background: {verdict}. Molecules stand {words} standard")
    assert others == ["Three peaks with a miR's own template: holds for red (3).", "There is no foreign template: one miR."]


def test_peaks_are_judged_pair_by_pair():
    peaks = _overlap([[3, 4], [2, 1]], ["red", "green"])
    bright = pd.DataFrame({"crops": [20, 0], "3 peaks": [0.25, np.nan]}, index=["red", "green"])
    assert readings.about_techniques(_numbers(1, 2), peaks, bright)[1:] == [
        "Three peaks with a miR's own template: holds for red (3); does not hold for green (1).",
        "Four peaks with a foreign template: holds for red under green's (4); does not hold for green under red's (2).",
        "Bright crops that show three peaks in their own channel: red: 25% of 20.",
    ]


def test_of_twelve_mirs_pairs_are_counted():
    names = [f"m{k}" for k in range(12)]
    peaks = _overlap(np.full((12, 12), 3), names)
    said = readings.about_techniques(_numbers(1, 2), peaks, pd.DataFrame({"crops": [0] * 12}, index=names))
    assert said[1:] == [
        "Three peaks with a miR's own template: holds for 12 of 12.",
        "Four peaks with a foreign template: does not hold for 132 of 132.",
    ]


def _losses(*losses):
    """As of runs with these losses on validation."""
    runs = [SimpleNamespace(history=pd.DataFrame({"loss": one, "val_loss": one})) for one in losses]
    return loss_table(runs)


CHOICE = pd.DataFrame({"macro_f1_mir": [0.7, 0.8], "loss": [0.3, 0.4]}, index=pd.RangeIndex(1, 3, name="run"))
PERFECT = {"validation": np.diag([5, 5, 5, 20])}


DIVERGED = "Diverged (the loss became no number): {} of 2 runs."


@pytest.mark.parametrize(
    ("losses", "said"),
    [
        (
            [(0.9, 0.4, 0.5), (0.7, 0.4, 0.5)],
            ["holds. Mean of 2 runs: lowest 0.400 at epoch 2, 0.500 at the last, epoch 3."],
        ),
        ([(0.9, 0.4), (0.7, 0.6)], ["does not hold. Mean of 2 runs: lowest 0.500 at epoch 2, 0.500 at the last, epoch 2."]),
        ([(0.9,), (0.7,)], ["cannot be told."]),
        ([(np.nan, np.nan), (np.nan, 1)], [DIVERGED.format(2), "cannot be told."]),
        (
            [(np.nan, np.nan), (0.5, 0.4)],
            [DIVERGED.format(1), "does not hold. One run: lowest 0.400 at epoch 2, 0.400 at the last, epoch 2."],
        ),
    ],
)
def test_when_validation_stops_to_gain(losses, said):
    found = readings.about_training(_losses(*losses), CHOICE, PERFECT, NAMES)
    assert [one.removeprefix("Validation loss stops falling before the last epoch: ") for one in found[: len(said)]] == said
    assert found[len(said) :] == [
        "Chosen: run 2 of 2, mean F1 over the miRs on validation 0.800; all runs 0.700 to 0.800.",
        "Mistakes on validation: none of 35 crops.",
    ]


def test_a_run_without_any_f1_is_told_by_a_dash():
    nothing = CHOICE.assign(macro_f1_mir=np.nan)
    said = readings.about_training(_losses([0.2], [0.3]), nothing, PERFECT, NAMES)[1]
    assert said == "Chosen: run 1 of 2, mean F1 over the miRs on validation –; all runs – to –."


def test_mistakes_are_counted_and_the_most_frequent_named():
    matrix = np.array([[5, 1, 0, 2], [0, 3, 0, 0], [0, 4, 6, 1], [3, 0, 0, 90]])
    assert readings.about_mistakes(matrix, NAMES, "test") == [
        "Mistakes on test: 11 of 115 crops; between a miR and noise 6, between miRs 5.",
        "Most frequent of them: blue called green, 4 of 11 crops of blue.",
    ]
    assert readings.about_mistakes(np.array([[5, 1], [0, 9]]), ["red", "noise"], "test") == [
        "Mistakes on test: 1 of 15 crops.",
        "Most frequent of them: red called noise, 1 of 6 crops of red.",
    ]


def _scores(recall, low, high):
    ends = np.array([[*low, 0.9], [*high, 1.0]])
    found = {key: np.array([*recall, 0.95]) for key in ("recall", "precision", "f1")}
    return found, {**dict.fromkeys(("recall", "precision", "f1"), ends), "macro_f1_mir": np.array([0.6, 0.8])}


def test_scores_with_the_least_sure_and_the_thesis_beside_them():
    found, intervals = _scores([0.8, 0.6, 0.7], [0.7, 0.3, np.nan], [0.9, 0.8, np.nan])
    matrix = np.diag([40, 10, 20, 100])
    printed = {"recall": {"red": 0.87, "green": 0.81, "blue": 0.7}}
    assert readings.about_scores(found, intervals, matrix, NAMES, printed) == [
        "Mean F1 over the miRs on 170 test crops: 0.700 (0.600 to 0.800).",
        "Least sure is the recall of green: 0.60 (0.30 to 0.80), from 10 test crops.",
        "The thesis's recall lies inside our 95 % interval: holds for red (0.87); does not hold for green (0.81); "
        "cannot be told for blue (0.70).",
        "Mistakes on test: none of 170 crops.",
    ]


def test_a_class_without_a_test_crop_is_said_and_counts_nowhere():
    found, intervals = _scores([0.8, np.nan], [0.7, np.nan], [0.9, np.nan])
    said = readings.about_scores(found, intervals, np.diag([40, 0, 100]), ["red", "green", "noise"], {})
    assert said[:3] == [
        "Mean F1 over the miRs on 140 test crops: 0.800 (0.600 to 0.800).",
        "Without a test crop, so without recall: green.",
        "Recall of red: 0.80 (0.70 to 0.90), from 40 test crops.",
    ]


def test_how_far_runs_lie_apart():
    table = pd.DataFrame({"recall red": [0.8, 0.82], "recall green": [0.3, 0.9], "macro_f1_mir": [0.6, 0.8]})
    assert readings.about_spread(table) == [
        "All 2 runs: mean F1 0.600 to 0.800 on these test crops; furthest apart in recall green, 0.30 to 0.90."
    ]
    assert readings.about_spread(table[:1]) == ["How far runs lie apart: cannot be told, with 1 of them."]


@pytest.mark.parametrize(("error", "verdict"), [(0.05, "holds"), (0.02, "does not hold")])
def test_calibration_is_judged_against_chance(error, verdict):
    said = readings.about_calibration(error, 0.03, 100)
    assert said.startswith(
        f"The probabilities are further off than chance makes them: {verdict}. Calibration error {error:.3f};"
    )


def test_areas_stand_beside_what_guessing_gives():
    areas = pd.DataFrame(
        {"roc_auc": [0.9, 0.95], "average_precision": [0.8, 0.3], "share (chance)": [0.2, 0.04]}, index=["red", "green"]
    )
    assert readings.about_curves(areas, ["red", "green", "blue"]) == [
        "Without a test crop, so without curves: blue.",
        "ROC area: highest green, 0.950; lowest red, 0.900 (guessing 0.500).",
        "Average precision: highest red, 0.800; lowest green, 0.300 (guessing 0.040).",
    ]
    assert readings.about_curves(areas[:1], ["red"])[0] == "ROC area: red, 0.900 (guessing 0.500)."


def _rivals(data, right):
    """Rivals of which each calls a share of the crops rightly, the others noise."""
    found = {}
    for kind, share in right.items():
        calls = np.where(np.arange(len(data.y_true)) % 10 < 10 * share, data.y_true, data.n_classes - 1)
        found[kind] = Rival(kind, None, np.eye(data.n_classes)[calls], 0.0, None, {}, "")
    return found


def test_whoever_wins_is_said_to_win(small_data):
    shares = {"twin_cnn": 0.3, "lenet5": 1.0, "pca_svm": 0.3, "matched_filter": 0.3}
    said = comparison.in_words(_rivals(small_data, shares), small_data)
    assert said[0].split(": ")[1].startswith("LeNet-5 (thesis) 1.000, ")
    assert said[1].startswith("Better than LeNet-5 (thesis) is twin-trained CNN: does not hold, -")
    assert said[2] == "Better than PCA + SVM is twin-trained CNN: cannot be told, +0.000 (+0.000 to +0.000)."
    assert said[3].startswith("Better than PCA + SVM is LeNet-5 (thesis): holds, +")


def test_crosstalk_before_and_after_rejection():
    curve = pd.DataFrame({"rejected": [0.0, 0.1, 0.25], "crosstalk": [0.04, 0.03, 0.01]})
    assert comparison.about_rejection(curve, 3) == [
        "Of the miRs called a miR, 4.0% are called another one; with the 25% least sure calls left out, 1.0%."
    ]
    assert comparison.about_rejection(curve[:2], 3) == ["Crosstalk: too few calls of a miR to tell."]
    assert comparison.about_rejection(curve * 0, 1) == ["Crosstalk: none, as there is one miR alone."]


def test_steps_of_the_descent():
    steps = pd.DataFrame(
        {"setting": ["kernel", "filter3"], "before": ["5", "20"], "chosen": ["3", "20"], "f1 before": [0.7, 0.8],
         "f1 chosen": [0.75, 0.8]}
    )  # fmt: skip
    assert tuning.about_steps(steps) == [
        "Coordinate descent: kernel from 5 (0.700) to 3 (0.750).",
        "Coordinate descent: filter3 stays at 20 (0.800).",
    ]
