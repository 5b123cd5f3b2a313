"""Probabilities against what can be worked on paper."""

import numpy as np
import pytest
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.calibration import CalibratedClassifierCV
from sklearn.frozen import FrozenEstimator

from mirnb.classifiers import calibration


def drawn(n=4000, *, spread=2.0, seed=0):
    """Labels drawn from known probabilities of three classes."""
    rng = np.random.default_rng(seed)
    logits = spread * rng.standard_normal((n, 3))
    y_prob = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    y_true = (rng.random((n, 1)) > y_prob.cumsum(axis=1)).sum(axis=1)
    return np.minimum(y_true, 2), y_prob


def test_reliability_and_calibration_error_by_hand():
    y_prob = np.array([[0.9, 0.1], [0.9, 0.1], [0.3, 0.7], [0.4, 0.6]])
    table = calibration.reliability(np.array([0, 1, 1, 1]), y_prob, n_bins=10)
    assert table["n"].tolist() == [0, 0, 0, 0, 0, 1, 1, 0, 2, 0]
    assert table["accuracy"][8] == 0.5
    # distances .4 (two crops), .3, .4
    assert calibration.expected_calibration_error(table) == pytest.approx((2 * 0.4 + 0.3 + 0.4) / 4)


def test_temperature_one_changes_nothing_and_two_takes_the_root():
    y_prob = np.array([[0.8, 0.2], [0.5, 0.5]])
    np.testing.assert_allclose(calibration.apply_temperature(y_prob, 1.0), y_prob)
    cooled = calibration.apply_temperature(y_prob, 2.0)
    np.testing.assert_allclose(cooled[0], np.sqrt([0.8, 0.2]) / np.sqrt([0.8, 0.2]).sum())
    np.testing.assert_allclose(cooled[1], [0.5, 0.5])
    assert calibration.apply_temperature(np.empty((0, 4)), 2.0).shape == (0, 4)


class Logits(ClassifierMixin, BaseEstimator):
    """A classifier that was fitted elsewhere: its input is what it says."""

    def fit(self, logits, y_true):
        self.classes_ = np.unique(y_true)
        return self

    def decision_function(self, logits):
        return logits

    def predict(self, logits):
        return self.classes_[logits.argmax(axis=1)]


@pytest.mark.parametrize("spread", [0.5, 2.0, 4.0])
def test_the_temperature_is_that_of_scikit_learn(spread):
    y_true, y_prob = drawn(spread=2.0)
    logits = np.log(y_prob) * spread
    spoiled = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    given = FrozenEstimator(Logits().fit(logits, y_true))
    theirs = CalibratedClassifierCV(given, method="temperature", ensemble=False).fit(logits, y_true)
    inverse = theirs.calibrated_classifiers_[0].calibrators[0].beta_
    assert calibration.fit_temperature(y_true, spoiled) == pytest.approx(1 / inverse, rel=1e-3)


@pytest.mark.parametrize("temperature", [0.5, 1.0, 2.5])
def test_the_temperature_that_spoiled_probabilities_is_found(temperature):
    y_true, y_prob = drawn()
    spoiled = calibration.apply_temperature(y_prob, 1 / temperature)
    assert calibration.fit_temperature(y_true, spoiled) == pytest.approx(temperature, rel=0.1)


def test_without_crops_the_temperature_is_one():
    assert calibration.fit_temperature(np.zeros(0, int), np.empty((0, 4))) == 1.0


def test_a_calibrated_classifier_stays_under_the_chance_error_and_an_overconfident_one_does_not():
    y_true, y_prob = drawn(800)
    bound = calibration.chance_calibration_error(y_prob)
    assert 0.01 < bound < 0.06
    assert calibration.expected_calibration_error(calibration.reliability(y_true, y_prob)) < bound
    sure = calibration.apply_temperature(y_prob, 0.3)
    assert calibration.expected_calibration_error(calibration.reliability(y_true, sure)) > bound


def test_crosstalk_and_rejection_by_hand():
    y_prob = np.array([[0.9, 0.1, 0.0], [0.6, 0.4, 0.0], [0.2, 0.8, 0.0], [0.7, 0.0, 0.3], [0.1, 0.0, 0.9]])
    y_true = np.array([0, 1, 1, 2, 0])  # the second is crosstalk, the fourth noise called a miR, the last a miR missed
    curve = calibration.rejection_curve(y_true, y_prob, thresholds=[0.5, 0.65, 0.85, 0.95])
    assert curve["rejected"].tolist() == [0, 1 / 4, 3 / 4, 1]
    np.testing.assert_allclose(curve["crosstalk"], [1 / 3, 0, 0, np.nan])
    np.testing.assert_allclose(curve["noise"], [1 / 4, 1 / 3, 0, np.nan])
    np.testing.assert_allclose(curve["recall"], [2 / 4, 2 / 4, 1 / 4, 0])


def test_wilsons_interval_by_hand():
    low, high = calibration.wilson(np.array([0, 10, 5, 0]), np.array([10, 10, 10, 0]))
    np.testing.assert_allclose(low, [0, 0.722, 0.237, np.nan], atol=5e-4)  # as tables print them
    np.testing.assert_allclose(high, [0.278, 1, 0.763, np.nan], atol=5e-4)


def test_bins_with_few_crops_are_joined_to_their_neighbours_and_lose_nothing():
    y_true, y_prob = drawn(300)
    table = calibration.reliability(y_true, y_prob)
    points = calibration.reliability_points(table, least=25)
    assert points["n"].min() >= 25
    assert points["n"].sum() == 300
    assert points["low"].is_monotonic_increasing
    assert np.all(points["high"][:-1] <= points["low"][1:].to_numpy() + 1e-9)
    filled = table[table["n"] > 0]
    right = (filled["accuracy"] * filled["n"]).sum()
    assert (points["accuracy"] * points["n"]).sum() == pytest.approx(right)
    assert ((points["accuracy_low"] <= points["accuracy"]) & (points["accuracy"] <= points["accuracy_high"])).all()


@pytest.mark.parametrize("n", [0, 1, 7])
def test_few_crops_are_one_bin(n):
    y_true, y_prob = drawn(300)
    points = calibration.reliability_points(calibration.reliability(y_true[:n], y_prob[:n]))
    assert points["n"].tolist() == [n] * (n > 0)
