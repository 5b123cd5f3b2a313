"""Scores against matrices worked on paper."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from mirnb.classifiers import lenet5, scores
from mirnb.classifiers.lenet5 import choose_run
from mirnb.classifiers.scores import macro_f1_mir, score

# rows true: class 0 has 10 (8 right), class 1 has 5 (3 right), class 2 has 20 (17 right)
MATRIX = np.array([[8, 0, 2], [1, 3, 1], [2, 1, 17]])
Y_TRUE = np.repeat(np.arange(3), MATRIX.sum(axis=1))
Y_PRED = np.concatenate([np.repeat(np.arange(3), row) for row in MATRIX])


def test_confusion_has_true_rows_and_predicted_columns():
    np.testing.assert_array_equal(scores.confusion(Y_TRUE, Y_PRED, 3), MATRIX)


def test_scores_are_those_worked_on_paper():
    scores = score(Y_TRUE, Y_PRED, 3)
    np.testing.assert_allclose(scores["recall"], [8 / 10, 3 / 5, 17 / 20])
    np.testing.assert_allclose(scores["precision"], [8 / 11, 3 / 4, 17 / 20])
    np.testing.assert_allclose(scores["f1"], [16 / 21, 6 / 9, 34 / 40])


def test_what_is_undefined_is_nan():
    scores = score(np.array([0, 0, 2]), np.array([0, 2, 2]), 3)
    assert np.isnan(scores["recall"][1])
    assert np.isnan(scores["precision"][1])
    assert np.isnan(scores["f1"][1])
    assert score(np.array([1, 0]), np.array([0, 0]), 2)["f1"][1] == 0  # there, but never found


def test_summary_is_by_class_name():
    y_prob = np.eye(3)[Y_PRED]
    summary = scores.summarise(Y_TRUE, y_prob, ["red", "green", "noise"])
    assert summary["recall"] == {"red": 0.8, "green": 0.6, "noise": 0.85}
    assert summary["macro_f1_mir"] == pytest.approx((16 / 21 + 6 / 9) / 2)
    assert summary["confusion"] == MATRIX.tolist()


def test_intervals_hold_the_score_and_shrink_with_more_frames():
    frames = np.arange(len(Y_TRUE)) % 7
    few = scores.bootstrap_intervals(Y_TRUE, Y_PRED, frames, 3, n_resamples=500)
    recall = scores.score(Y_TRUE, Y_PRED, 3)["recall"]
    assert np.all(few["recall"][0] <= recall)
    assert np.all(recall <= few["recall"][1])
    many = scores.bootstrap_intervals(
        np.tile(Y_TRUE, 20), np.tile(Y_PRED, 20), np.concatenate([frames + 7 * k for k in range(20)]), 3, n_resamples=500
    )
    assert np.all(np.ptp(many["recall"], axis=0) < 0.5 * np.ptp(few["recall"], axis=0))


def test_blobs_of_a_frame_are_drawn_together():
    y_true, frames = np.zeros(150, int), np.repeat([0, 1, 2], 50)
    y_pred = np.repeat([0, 1, 1], 50)  # one frame all right, two all wrong: recall is 0, 1/3, 2/3 or 1
    low, high = scores.bootstrap_intervals(y_true, y_pred, frames, 2, n_resamples=500)["recall"][:, 0]
    assert (low, high) == (0, 1)


def test_two_frames_say_nothing_of_chance():
    ends = scores.bootstrap_intervals(Y_TRUE, Y_PRED, np.arange(len(Y_TRUE)) % 2, 3, n_resamples=50)
    assert all(np.isnan(one).all() for one in ends.values())


def test_verdicts_are_sorted_by_what_they_say():
    assert scores.sort_out({"red": "holds", "blue": "cannot be told", "green": "holds"}) == (
        "holds for red, green; cannot be told for blue"
    )
    assert scores.sort_out({"red": "does not hold"}) == "does not hold for red"
    assert scores.sort_out({"red": "holds", "blue": "holds"}) == "holds for all 2"
    assert scores.sort_out({"red": "does not hold", "blue": "does not hold"}) == "does not hold for any of the 2"


def test_same_seed_same_interval():
    frames = np.arange(len(Y_TRUE)) % 7
    one, two = (scores.bootstrap_intervals(Y_TRUE, Y_PRED, frames, 3, n_resamples=200, seed=5)["f1"] for _ in range(2))
    np.testing.assert_array_equal(one, two)


def test_perfect_ranking_has_area_one_and_a_constant_one_half():
    y_true = np.array([0, 0, 1, 1, 1])
    perfect = np.column_stack([1 - y_true, y_true]).astype(float)
    constant = np.full((5, 2), 0.5)
    assert scores.roc_points(y_true, perfect, 1)[1] == 1
    assert scores.roc_points(y_true, constant, 1)[1] == 0.5
    assert scores.pr_points(y_true, constant, 1)[1] == pytest.approx(3 / 5)  # guessing: the share of the class


def test_the_area_of_a_class_that_is_not_there_is_nan():
    areas = scores.summarise_areas(np.array([0, 0, 1]), np.eye(3)[[0, 0, 1]], ["a", "b", "noise"])
    assert np.isnan(areas["roc_auc"]["noise"])
    assert areas["average_precision"]["a"] == 1


def test_the_run_with_the_best_macro_f1_is_chosen_and_the_lower_loss_between_equals():
    def run(seed, y_pred, loss):
        return SimpleNamespace(seed=seed, y_prob=np.eye(3)[y_pred], history=pd.DataFrame({"val_loss": [9.0, loss]}))

    data = SimpleNamespace(split={"validation": np.arange(len(Y_TRUE))}, y_true=Y_TRUE, n_classes=3)
    noise_only = np.full(len(Y_TRUE), 2)
    runs = [run(0, noise_only, 0.1), run(1, Y_PRED, 0.5), run(2, Y_PRED, 0.3)]
    best, table = lenet5.choose_run(runs, data)
    assert best == 2
    assert table["macro_f1_mir"].tolist() == pytest.approx([0, (16 / 21 + 6 / 9) / 2, (16 / 21 + 6 / 9) / 2])


def test_the_most_frequent_mistakes_come_first_and_the_surest_of_each():
    y_prob = np.array([[0.9, 0.1], [0.4, 0.6], [0.2, 0.8], [0.7, 0.3]])
    groups = scores.worst_mistakes(np.array([0, 0, 0, 1]), y_prob, np.array([10, 11, 12, 13]), ["mir", "noise"])
    assert [indices.tolist() for indices in groups.values()] == [[12, 11], [13]]


def test_a_class_that_is_not_there_has_no_say_in_the_choice():
    y_true = np.array([0, 0, 2, 2])
    data = SimpleNamespace(split={"validation": np.arange(4)}, y_true=y_true, n_classes=3)
    right, wrong = (
        SimpleNamespace(seed=0, y_prob=np.eye(3)[pred], history=pd.DataFrame({"val_loss": [1.0]}))
        for pred in (y_true, [1, 1, 1, 1])
    )
    assert choose_run([wrong, right], data)[0] == 1
    assert np.isnan(macro_f1_mir(score(np.array([2]), np.array([2]), 3)))


def test_mean_f1_of_a_matrix_worked_on_paper():
    assert scores.mir_f1(Y_TRUE, Y_PRED, 3) == pytest.approx((16 / 21 + 6 / 9) / 2)
    mean, error = scores.mean_f1(Y_TRUE, [Y_PRED, Y_PRED], np.arange(len(Y_TRUE)) % 7, 3)
    assert mean == pytest.approx((16 / 21 + 6 / 9) / 2)
    assert 0.03 < error < 0.2


def test_a_classifier_is_as_good_as_itself_and_worse_than_a_perfect_one():
    frames = np.arange(len(Y_TRUE)) % 7
    same = {"y_true": Y_TRUE, "frames": frames, "ours": [Y_PRED], "theirs": [Y_PRED]}
    assert scores.paired_difference([same, same], 3) == (0, 0, 0)
    better = {**same, "ours": [Y_TRUE]}
    gain, low, high = scores.paired_difference([better], 3)
    assert gain == pytest.approx(1 - (16 / 21 + 6 / 9) / 2)
    assert 0 < low < gain < high


def test_a_paired_difference_is_surer_than_the_two_scores():
    rng = np.random.default_rng(0)
    y_true, frames = rng.integers(0, 3, 600), rng.integers(0, 20, 600)
    wrong = rng.random(600) < 0.3
    theirs = np.where(wrong, (y_true + 1) % 3, y_true)
    ours = np.where(wrong & (rng.random(600) < 0.9), theirs, y_true)  # right wherever they are, and a little more often
    gain, low, high = scores.paired_difference([{"y_true": y_true, "frames": frames, "ours": [ours], "theirs": [theirs]}], 3)
    assert low > 0
    _, error = scores.mean_f1(y_true, [theirs], frames, 3)
    assert high - low < 2 * 1.96 * error
    assert gain > 0


def test_several_runs_are_averaged_and_splits_share_their_frames():
    y_true, frames = np.repeat([0, 1], 20), np.tile(np.arange(10), 4)
    one = {"y_true": y_true, "frames": frames, "ours": [y_true, 1 - y_true], "theirs": [y_true]}
    assert scores.paired_difference([one], 2)[0] == pytest.approx(-0.5)
    other = {**one, "ours": [y_true]}
    assert scores.paired_difference([one, other], 2)[0] == pytest.approx(-0.25)


def test_recall_less_precision_by_hand():
    apart = scores.recall_less_precision(Y_TRUE, Y_PRED, np.arange(len(Y_TRUE)) % 7, 3)
    np.testing.assert_allclose([one[0] for one in apart], [8 / 10 - 8 / 11, 3 / 5 - 3 / 4, 0], atol=1e-12)
    assert all(low <= middle <= high for middle, low, high in apart)


def test_a_test_sets_summary_has_areas_calibration_and_intervals():
    y_prob = 0.8 * np.eye(3)[Y_PRED] + 0.1
    y_prob /= y_prob.sum(axis=1, keepdims=True)
    names = ["red", "green", "noise"]
    summary = scores.summarise_test(Y_TRUE, y_prob, np.arange(len(Y_TRUE)) % 7, names, n_resamples=200)
    assert set(summary) == {
        "recall", "precision", "f1", "macro_f1_mir", "confusion", "roc_auc", "average_precision", "ece", "ece_by_chance",
        "intervals",
    }  # fmt: skip
    low, high = summary["intervals"]["recall"]["red"]
    assert low <= summary["recall"]["red"] <= high
    assert len(summary["intervals"]["macro_f1_mir"]) == 2


def test_one_frame_says_nothing_of_chance():
    one = {"y_true": Y_TRUE, "frames": np.zeros(len(Y_TRUE), int), "ours": [Y_TRUE], "theirs": [Y_PRED]}
    gain, low, high = scores.paired_difference([one], 3)
    assert gain > 0
    assert np.isnan([low, high]).all()
    assert np.isnan(scores.mean_f1(Y_TRUE, [Y_PRED], np.zeros(len(Y_TRUE), int), 3)[1])


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.04, "0 s"), (89.4, "89 s"), (90, "2 min"), (150, "2 min"), (5399, "90 min"), (5400, "1.5 h")]
)
def test_long_times_are_told_in_minutes_or_hours(seconds, text):
    assert scores.in_time(seconds) == text
