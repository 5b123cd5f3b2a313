"""Limits worked out on paper: counts without any confusion are Poisson, whose limits stand in every table."""

import numpy as np
import pytest

from mirnb.counting.correction import Correction
from mirnb.counting.detection_limits import find_limits, poisson_limit

PERFECT = Correction(["red", "noise"], 1e7 * np.eye(2), n_resamples=10, seed=3)


@pytest.mark.parametrize(
    ("background", "limit"),
    [
        (0.0, 2.996),  # any count is seen; 1 - exp(-m) = .95
        (1.0, 7.754 - 1),  # P(N > 3 | 1) = .019, P(N > 2) = .080; P(N <= 3 | 7.754) = .05
        (3.0, 11.842 - 3),  # P(N > 6 | 3) = .034, P(N > 5) = .084; P(N <= 6 | 11.842) = .05
    ],
)
def test_the_limit_of_counting_is_that_of_the_tables(background, limit):
    assert poisson_limit(background) == pytest.approx(limit, abs=1e-3)


def _limits(calls, n_blanks, **how):
    return find_limits(PERFECT, [(np.array([calls, 500.0]), 1.0)] * n_blanks, 1.0, **how)[0]


def test_many_blanks_of_3_calls_have_the_limits_of_a_known_background():
    found = _limits(3.0, 400)
    assert found.blank == pytest.approx(6 - 3, abs=0.05)  # a count of 6, and 3 are subtracted
    assert found.detection == pytest.approx(8.842, rel=0.05)
    assert found.poisson == pytest.approx(8.842, abs=0.05)
    assert found.n_blanks == 400


def test_few_blanks_are_known_less_well():
    assert _limits(3.0, 2).detection > 1.1 * _limits(3.0, 400).detection


def test_the_limit_of_quantitation_is_where_results_spread_by_a_fifth():
    # without background the spread of a count is 1 / sqrt(m), a fifth at 25; with replicates that spread by .15 beside it
    # 1 / m = .04 - .0225 = .0175, so 57; at .2 they alone spread as much
    assert _limits(0.0, 2000).quantitation == pytest.approx(25, rel=0.1)
    assert _limits(0.0, 2000, between=0.15).quantitation == pytest.approx(57, rel=0.15)
    assert np.isnan(_limits(0.0, 2000, between=0.25).quantitation)


def test_blanks_exceed_their_limit_as_seldom_as_it_says():
    rng, n = np.random.default_rng(8), 4000
    for n_blanks in (3, 12):
        above = []
        for _ in range(8):
            blanks = [(np.array([k, 500.0]), 1.0) for k in rng.poisson(2.0, n_blanks).astype(float)]
            found = find_limits(PERFECT, blanks, 1.0)[0]
            subtracted = np.mean([one[0] for one, _ in blanks])
            above.append(np.mean(rng.poisson(2.0, n) - subtracted > found.blank + 1e-6))
        assert np.mean(above) < 0.055


def test_blanks_that_differ_by_more_than_counting_are_said_and_raise_the_limit():
    even, uneven = [4.0] * 6, [0.0, 0.0, 1.0, 1.0, 10.0, 12.0]
    limits = [find_limits(PERFECT, [(np.array([k, 0.0]), 1.0) for k in own], 1.0)[0] for own in (even, uneven)]
    assert [one.uneven for one in limits] == [False, True]
    assert limits[1].blank > 1.5 * limits[0].blank


def test_with_confusion_the_limit_is_near_that_of_counting_the_calls():
    confused = Correction(["red", "noise"], np.array([[800.0, 200], [40, 960]]), n_resamples=10, seed=3)
    found = find_limits(confused, [(np.array([4.0, 96.0]), 1.0)] * 50, 1.0)[0]
    assert found.detection == pytest.approx(found.poisson, rel=0.25)
    assert found.poisson == pytest.approx(poisson_limit(4.0) / 0.8, rel=0.02)
