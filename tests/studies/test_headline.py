"""What a report says first: held to metrics written by hand."""

import copy

import pytest

from mirnb.experiments.panel_file import THESIS, load_panel
from mirnb.studies import headline
from mirnb.studies.thesis import MIRACLE_PRECISION, MIRACLE_RECALL, mean_f1


def scores(f1, names=("red", "green", "blue"), ends=(-0.05, 0.05)):
    each = dict.fromkeys([*names, "noise"], f1)
    spread = {name: [f1 + ends[0], f1 + ends[1]] for name in each}
    intervals = {"recall": spread, "precision": spread, "f1": spread, "macro_f1_mir": [f1 + ends[0], f1 + ends[1]]}
    n = len(names) + 1
    confusion = [[5] * n for _ in range(n)]
    return {
        "test": {
            "recall": each,
            "precision": each,
            "f1": each,
            "macro_f1_mir": f1,
            "confusion": confusion,
            "intervals": intervals,
        }
    }


@pytest.fixture
def metrics():
    return {
        "counts": {"red": 655, "green": 141, "blue": 611, "noise": 2629},
        "classifiers": {
            "lenet5": scores(0.8), "pca_svm": scores(0.79), "twin_cnn": scores(0.85), "matched_filter": scores(0.6),
        },
        "differences": {"twin_cnn less lenet5": [0.05, 0.01, 0.09], "twin_cnn less pca_svm": [0.06, -0.02, 0.1]},
    }  # fmt: skip


def test_the_best_comes_first_and_is_named_with_its_interval(metrics):
    first, *more = headline.in_one_sentence(metrics, THESIS)
    assert first == (
        "On 80 test crops that it had not seen, the twin-trained CNN tells red, green, blue and noise apart with a mean F1 "
        "over the miRs of 0.850 (95 %: 0.80 to 0.90)."
    )
    assert more == [
        "That it is better than the thesis's network (LeNet-5) holds: +0.050 (+0.010 to +0.090).",
        "That it is better than miRACLE's way (PCA + SVM) cannot be told: +0.060 (-0.020 to +0.100).",
    ]


def test_where_lenet_wins_it_is_said_to(metrics):
    metrics["classifiers"] |= {"lenet5": scores(0.9), "pca_svm": scores(0.92 - 0.04)}
    metrics["differences"] = {"lenet5 less twin_cnn": [0.05, 0.01, 0.09], "lenet5 less pca_svm": [0.02, -0.04, 0.05]}
    first, *more = headline.in_one_sentence(metrics, THESIS)
    assert "the thesis's network (LeNet-5) tells" in first
    assert more[1].startswith("That it is better than the twin-trained CNN holds")
    assert more[0].startswith("That it is better than miRACLE's way (PCA + SVM) cannot be told")
    assert headline.cards(metrics, THESIS)[0][0] == "0.900"
    assert headline.comparison(metrics, THESIS)[0][0] == "LeNet-5 (thesis)"


def test_the_comparison_has_every_score_and_what_was_printed(metrics):
    columns, rows = headline.comparison(metrics, THESIS)
    assert columns == [
        "twin-trained CNN", "LeNet-5 (thesis)", "PCA + SVM", "matched filter", "printed in the thesis",
        "printed for miRACLE",
    ]  # fmt: skip
    assert [name for name, _ in rows][:3] == ["mean F1 over the miRs", "red, recall", "red, precision"]
    assert len(rows) == 7
    assert rows[0][1][0] == ("0.850", "0.80 to 0.90")
    assert rows[0][1][5] == (f"{mean_f1(MIRACLE_RECALL, MIRACLE_PRECISION):.3f}", "")
    assert rows[1][1][4:] == [("0.87", ""), ("0.87", "")]


def test_another_panel_has_no_printed_scores(metrics):
    panel = load_panel("six")
    metrics["classifiers"] = {"lenet5": scores(0.5, panel.mir_names)}
    columns, rows = headline.comparison(metrics, panel)
    assert columns == ["LeNet-5 (thesis)"]
    assert len(rows) == 13


def test_an_undefined_score_is_a_dash(metrics):
    metrics["classifiers"] = {"lenet5": copy.deepcopy(metrics["classifiers"]["lenet5"])}
    metrics["classifiers"]["lenet5"]["test"]["precision"]["green"] = None  # as files have NaN
    metrics["classifiers"]["lenet5"]["test"]["intervals"]["precision"]["green"] = [None, None]
    _, rows = headline.comparison(metrics, THESIS)
    assert dict(rows)["green, precision"][0] == ("–", "– to –")


@pytest.mark.parametrize(
    ("found", "words"),
    [
        ({}, "Nothing has been measured yet."),
        ({"counts": {"red": 3, "noise": 1}}, "4 labelled crops; no classifier has been tested yet."),
        ({"classifiers": {"lenet5": {"validation": {}}}}, "Nothing has been measured yet."),
        ({"classifiers": {"best": {"test": {}}}}, "Nothing has been measured yet."),  # of an earlier version
    ],
)
def test_what_was_not_measured_is_not_told(found, words):
    assert headline.in_one_sentence(found, THESIS) == [words]
    assert headline.comparison(found, THESIS) == ([], [])


def test_what_an_earlier_run_left_is_passed_over(metrics):
    metrics["differences"]["twin_cnn less lenet5"][0] = 0.07  # of other scores than those that stand here
    assert len(headline.in_one_sentence(metrics, THESIS)) == 2
    metrics["split"] = {"test": {"red": 20, "green": 20, "blue": 20, "noise": 20}}
    metrics["classifiers"]["pca_svm"]["test"]["confusion"][0][0] = 9  # of other test crops
    assert "PCA + SVM" not in headline.comparison(metrics, THESIS)[0]
    assert headline.comparison(metrics, load_panel("six")) == ([], [])
