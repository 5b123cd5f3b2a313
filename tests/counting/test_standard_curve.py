"""Standard curves of numbers made by hand: lines that are known, replicates that spread, ranges that end."""

import numpy as np
import pytest

from mirnb.counting.standard_curve import Measured, fit_curve, spread_between


def _measured(concentration, molecules, *, n_draws=400, rng=None, area=1.0):
    """Counts without any confusion: their variance is their expectation."""
    concentration, molecules = np.asarray(concentration, float), np.asarray(molecules, float)
    n = len(molecules)
    rng = np.random.default_rng(4) if rng is None else rng
    draws = rng.gamma(molecules[:, None] + 0.5, size=(n, n_draws))
    return Measured(concentration, np.full(n, area), molecules, draws, np.full(n, 1e-9), np.ones(n))


def test_counts_in_proportion_lie_on_a_line_of_slope_1():
    curve = fit_curve(_measured([1, 10, 100, 1000], [3, 30, 300, 3000], area=2.0), seed=1)
    assert curve.slope == pytest.approx(1)
    assert curve.rate_at(1.0) == pytest.approx(1.5)  # molecules on an area
    assert curve.read_off(15.0) == pytest.approx(10)
    assert curve.linear == (1.0, 1000.0)
    assert np.isnan(curve.between)  # no second replicate


def test_two_points_give_the_slope_between_them_whatever_their_weights():
    curve = fit_curve(_measured([1, 100], [10, 100]), seed=1)
    assert curve.slope == pytest.approx(0.5)
    assert curve.linear == ()


def test_one_concentration_is_read_in_proportion():
    curve = fit_curve(_measured([10, 10], [90, 110]), seed=1)
    assert curve.slope == 1
    assert curve.read_off(200.0) == pytest.approx(20)


def test_weights_are_those_of_counting():
    # in decades x = 0, 1, 2 and y = 1, 2, 2.903; with weights 10, 100, 800 the mean of x is 1700 / 910 = 1.868, the slope
    # (-18.7 - 173.6 + 306.6) / (34.9 + 75.3 + 13.9) = .920; with equal weights it would be .952
    curve = fit_curve(_measured([1, 10, 100], [10, 100, 800]), seed=1)
    assert curve.slope == pytest.approx(0.920, abs=0.005)


def test_counts_of_nothing_take_part():
    curve = fit_curve(_measured([0.1, 0.1, 1, 10, 100], [0, 0, 1, 10, 100]), seed=1)
    assert curve.slope == pytest.approx(1, abs=0.02)
    assert np.isfinite(curve.drawn).all()


def test_a_range_ends_where_molecules_crowd_each_other():
    steps = np.repeat([1, 10, 100, 1000, 10_000.0], 3)
    left = steps * np.exp(-steps / 20_000)  # 39 % are lost at the top, 5 % a step below
    assert fit_curve(_measured(steps, left), seed=1).linear == (1.0, 1000.0)


def test_what_lies_on_no_line_of_slope_1_has_no_linear_range():
    curve = fit_curve(_measured([1, 10, 100, 1000], [100, 200, 400, 800]), seed=1)
    assert curve.linear == ()
    assert curve.used.all()
    assert curve.slope == pytest.approx(np.log10(2), abs=0.03)


def test_replicates_that_differ_as_counts_do_have_no_spread_beyond():
    assert spread_between(_measured([1, 1, 1], [100, 110, 90])) == (0.0, 2)


def test_replicates_that_differ_by_a_fifth_are_told_so():
    # counts are so many that nothing of it is counting: the standard deviation of 8000, 10000, 12000 is 2000
    share, n_free = spread_between(_measured([1, 1, 1], [8000, 10_000, 12_000]))
    assert (share, n_free) == (pytest.approx(0.2, abs=0.005), 2)


def test_intervals_of_slopes_and_readings_hold_the_truth_as_often_as_they_say():
    rng, steps = np.random.default_rng(11), np.repeat([1, 5, 25, 125.0], 3)
    held = []
    for _ in range(300):
        curve = fit_curve(_measured(steps, rng.poisson(4 * steps), rng=rng), seed=1)
        unknown = rng.gamma(rng.poisson(4 * 20) + 0.5, size=400)
        read = curve.read_off_draws(unknown, rng)
        low, high = np.percentile([curve.drawn[1], read], [2.5, 97.5], axis=1)
        held.append((low <= [1, 20]) & (high >= [1, 20]))
    assert np.mean(held, axis=0) == pytest.approx(0.95, abs=0.035)


def test_the_spread_of_replicates_widens_what_is_read():
    steps = np.repeat([1, 10, 100.0], 3)
    even, uneven = (fit_curve(_measured(steps, 1e4 * steps * factor), seed=1) for factor in (1.0, np.tile([0.8, 1, 1.2], 3)))
    rates = np.full(400, 1e5)
    spread = [one.read_off_draws(rates, np.random.default_rng(2)).std() for one in (even, uneven)]
    assert spread[0] < 0.1 < 1 < spread[1]
