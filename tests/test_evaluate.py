"""Scores against matrices worked on paper."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from mirnb import evaluate

# rows true: class 0 has 10 (8 right), class 1 has 5 (3 right), class 2 has 20 (17 right)
MATRIX = np.array([[8, 0, 2], [1, 3, 1], [2, 1, 17]])
Y_TRUE = np.repeat(np.arange(3), MATRIX.sum(axis=1))
Y_PRED = np.concatenate([np.repeat(np.arange(3), row) for row in MATRIX])


def test_confusion_has_true_rows_and_predicted_columns():
    np.testing.assert_array_equal(evaluate.confusion(Y_TRUE, Y_PRED, 3), MATRIX)


def test_scores_are_those_worked_on_paper():
    scores = evaluate.score(Y_TRUE, Y_PRED, 3)
    np.testing.assert_allclose(scores["recall"], [8 / 10, 3 / 5, 17 / 20])
    np.testing.assert_allclose(scores["precision"], [8 / 11, 3 / 4, 17 / 20])
    np.testing.assert_allclose(scores["f1"], [16 / 21, 6 / 9, 34 / 40])


def test_what_is_undefined_is_nan():
    scores = evaluate.score(np.array([0, 0, 2]), np.array([0, 2, 2]), 3)
    assert np.isnan(scores["recall"][1])
    assert np.isnan(scores["precision"][1])
    assert np.isnan(scores["f1"][1])
    assert evaluate.score(np.array([1, 0]), np.array([0, 0]), 2)["f1"][1] == 0  # there, but never found


def test_summary_is_by_class_name():
    y_prob = np.eye(3)[Y_PRED]
    summary = evaluate.summarise(Y_TRUE, y_prob, ["red", "green", "noise"])
    assert summary["recall"] == {"red": 0.8, "green": 0.6, "noise": 0.85}
    assert summary["macro_f1_mir"] == pytest.approx((16 / 21 + 6 / 9) / 2)
    assert summary["confusion"] == MATRIX.tolist()


def test_intervals_hold_the_score_and_shrink_with_more_frames():
    frames = np.arange(len(Y_TRUE)) % 7
    few = evaluate.bootstrap_intervals(Y_TRUE, Y_PRED, frames, 3, n_resamples=500)
    recall = evaluate.score(Y_TRUE, Y_PRED, 3)["recall"]
    assert np.all(few["recall"][0] <= recall)
    assert np.all(recall <= few["recall"][1])
    many = evaluate.bootstrap_intervals(
        np.tile(Y_TRUE, 20), np.tile(Y_PRED, 20), np.concatenate([frames + 7 * k for k in range(20)]), 3, n_resamples=500
    )
    assert np.all(np.ptp(many["recall"], axis=0) < 0.5 * np.ptp(few["recall"], axis=0))


def test_blobs_of_a_frame_are_drawn_together():
    y_true, frames = np.repeat([0, 0], 50), np.repeat([0, 1], 50)
    y_pred = np.repeat([0, 1], 50)  # one frame all right, one all wrong: recall is 0, .5 or 1
    low, high = evaluate.bootstrap_intervals(y_true, y_pred, frames, 2, n_resamples=500)["recall"][:, 0]
    assert (low, high) == (0, 1)


def test_same_seed_same_interval():
    frames = np.arange(len(Y_TRUE)) % 7
    one, two = (evaluate.bootstrap_intervals(Y_TRUE, Y_PRED, frames, 3, n_resamples=200, seed=5)["f1"] for _ in range(2))
    np.testing.assert_array_equal(one, two)


def test_reliability_and_calibration_error_by_hand():
    y_prob = np.array([[0.9, 0.1], [0.9, 0.1], [0.3, 0.7], [0.4, 0.6]])
    table = evaluate.reliability(np.array([0, 1, 1, 1]), y_prob, n_bins=10)
    assert table["n"].tolist() == [0, 0, 0, 0, 0, 1, 1, 0, 2, 0]
    assert table["accuracy"][8] == 0.5
    # distances .4 (two crops), .3, .4
    assert evaluate.expected_calibration_error(table) == pytest.approx((2 * 0.4 + 0.3 + 0.4) / 4)


def test_perfect_ranking_has_area_one_and_a_constant_one_half():
    y_true = np.array([0, 0, 1, 1, 1])
    perfect = np.column_stack([1 - y_true, y_true]).astype(float)
    constant = np.full((5, 2), 0.5)
    assert evaluate.roc_points(y_true, perfect, 1)[1] == 1
    assert evaluate.roc_points(y_true, constant, 1)[1] == 0.5
    assert evaluate.pr_points(y_true, constant, 1)[1] == pytest.approx(3 / 5)  # guessing: the share of the class


def test_the_area_of_a_class_that_is_not_there_is_nan():
    areas = evaluate.summarise_areas(np.array([0, 0, 1]), np.eye(3)[[0, 0, 1]], ["a", "b", "noise"])
    assert np.isnan(areas["roc_auc"]["noise"])
    assert areas["average_precision"]["a"] == 1


def test_the_run_with_the_best_macro_f1_is_chosen_and_the_lower_loss_between_equals():
    def run(seed, y_pred, loss):
        return SimpleNamespace(seed=seed, y_prob=np.eye(3)[y_pred], history=pd.DataFrame({"val_loss": [9.0, loss]}))

    data = SimpleNamespace(split={"validation": np.arange(len(Y_TRUE))}, y_true=Y_TRUE, n_classes=3)
    noise_only = np.full(len(Y_TRUE), 2)
    runs = [run(0, noise_only, 0.1), run(1, Y_PRED, 0.5), run(2, Y_PRED, 0.3)]
    best, table = evaluate.choose_run(runs, data)
    assert best == 2
    assert table["macro_f1_mir"].tolist() == pytest.approx([0, (16 / 21 + 6 / 9) / 2, (16 / 21 + 6 / 9) / 2])


def test_the_most_frequent_mistakes_come_first_and_the_surest_of_each():
    y_prob = np.array([[0.9, 0.1], [0.4, 0.6], [0.2, 0.8], [0.7, 0.3]])
    groups = evaluate.worst_mistakes(np.array([0, 0, 0, 1]), y_prob, np.array([10, 11, 12, 13]), ["mir", "noise"])
    assert [indices.tolist() for indices in groups.values()] == [[12, 11], [13]]


def test_a_class_that_is_not_there_has_no_say_in_the_choice():
    y_true = np.array([0, 0, 2, 2])
    data = SimpleNamespace(split={"validation": np.arange(4)}, y_true=y_true, n_classes=3)
    right, wrong = (
        SimpleNamespace(seed=0, y_prob=np.eye(3)[pred], history=pd.DataFrame({"val_loss": [1.0]}))
        for pred in (y_true, [1, 1, 1, 1])
    )
    assert evaluate.choose_run([wrong, right], data)[0] == 1
    assert np.isnan(evaluate.macro_f1_mir(evaluate.score(np.array([2]), np.array([2]), 3)))
