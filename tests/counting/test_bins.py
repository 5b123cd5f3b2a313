"""Probabilities as counts: which bin a blob falls into, what held-out crops say of them, how calls move with less noise."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from mirnb.classifiers.facts import Facts
from mirnb.classifiers.folds import fold_rows, twin_of_rows
from mirnb.counting.bins import bins_of, by_class, held_out_bins, moves_at
from mirnb.experiments.cutouts import without_margin

HELD_OUT = np.array([[0.9, 0.1], [0.7, 0.3], [0.6, 0.4], [0.2, 0.8], [0.4, 0.6], [0.1, 0.9]])
TRUE = np.array([0, 0, 1, 1, 1, 0])
FACTS = Facts(TRUE, HELD_OUT, np.where(TRUE == 1, 0.25, 0)[:, None], np.array([1, 1, 1, 1, 0, 0], bool), {}, None)


def test_a_call_is_sure_when_it_is_surer_than_half_of_the_held_out_calls_of_its_class():
    assert bins_of(HELD_OUT, FACTS).tolist() == [1, 0, 0, 2, 2, 3]
    assert bins_of(np.array([[0.71, 0.29], [0.19, 0.81]]), FACTS).tolist() == [1, 3]
    assert by_class(np.array([3, 1, 2, 2])).tolist() == [4, 4]


def test_held_out_crops_are_counted_by_bin_and_of_detected_blobs_those_that_are_found():
    confusion, hidden = held_out_bins(FACTS, detected=False)
    assert confusion.tolist() == [[1, 1, 0, 1], [1, 0, 2, 0]]
    assert hidden.tolist() == [[0.25, 0, 0.5, 0]]
    confusion, hidden = held_out_bins(FACTS, detected=True)
    assert confusion.tolist() == [[1, 1, 0, 0], [1, 0, 1, 0]]
    assert hidden.tolist() == [[0.25, 0, 0.25, 0]]


def test_where_a_class_would_be_left_without_any_all_crops_count():
    few = replace(FACTS, found=TRUE == 1)
    assert held_out_bins(few, detected=True)[0].sum() == len(TRUE)


@pytest.fixture(scope="module")
def told_by_light(small_data, small_run):
    """Calls red what is brighter than three standard deviations of the training noise at the blob, else noise."""
    rows, _ = fold_rows(small_data, seed=3)
    facts = Facts(
        TRUE, np.eye(4)[TRUE] * 0.8 + 0.05, np.zeros((6, 3)), TRUE == 1, {}, twin_of_rows(small_data, small_run, rows)
    )
    window = small_data.panel.template_window

    def predict(wide):
        light = without_margin(wide)[:, window.above, window.left] / small_data.noise_sd
        p_red = 1 / (1 + np.exp(3 - light))
        return np.column_stack([p_red, np.zeros((len(wide), 2)), 1 - p_red])

    trained_on = {"noise_sd_counts": small_data.noise_sd}
    return SimpleNamespace(facts=facts, panel=small_data.panel, trained_on=trained_on, predict=predict)


def test_calls_of_the_same_crops_stay_at_the_same_noise_and_move_with_less(told_by_light):
    for noise, n_moved in ((1.0, 0), (0.1, 1)):
        moves, hidden_moves = moves_at(told_by_light, noise)
        assert moves.shape == (4, 8, 8)
        assert hidden_moves.shape == (3, 8, 8)
        np.testing.assert_allclose(moves.sum(axis=2), 1)
        kept = moves[0, [0, 1, 6, 7], [0, 1, 6, 7]]
        assert (kept > 0.9).all() == (n_moved == 0)
    np.testing.assert_array_equal(moves_at(told_by_light, 0.1)[0], moves)
