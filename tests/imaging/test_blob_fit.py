"""Fits against blobs made by hand: light that sums to its flux, slopes by finite differences, parameters found again."""

import numpy as np
import pytest

from mirnb.imaging import blob_fit
from mirnb.imaging.blob_fit import PAIR, SINGLE, draw_light, fit_blobs, light_derivatives

ROWS, COLS = np.arange(-6, 18) - 0.5, np.arange(-5, 5) - 0.5
TRUE = np.array([0.1, np.log(80.0), 0.2, -0.3, np.log(1.2), np.log(1.12), np.log(0.5), 6.5, 0.25, np.log(1.5)])
WIDE_SD = np.array([1, 1.5, 0.6, 0.6, 0.5, 0.5, 0.8, 1.0, 0.8, 0.3])


def test_all_light_of_a_blob_falls_on_the_pixels_about_it():
    values = np.array([[0, np.log(50.0), 5.3, 0.1, np.log(1.1), np.log(1.1)]])
    light = draw_light(values, np.arange(-30, 40) - 0.5, np.arange(-20, 20) - 0.5)
    assert light.sum() == pytest.approx(50, rel=1e-6)
    rows = np.arange(-30, 40)
    assert (light[0].sum(axis=1) * rows).sum() / 50 == pytest.approx(5.3, abs=1e-6)


def test_a_pair_is_an_upper_blob_and_one_a_gap_below_it():
    pair = draw_light(TRUE[None], ROWS, COLS)
    lower = np.array([0, TRUE[1] + TRUE[6], TRUE[2] + TRUE[7], TRUE[3] + TRUE[8], TRUE[9], TRUE[5]])
    np.testing.assert_allclose(
        pair, draw_light(TRUE[None, :6], ROWS, COLS) + draw_light(lower[None], ROWS, COLS), rtol=1e-12
    )


@pytest.mark.parametrize("n", [len(SINGLE), len(PAIR)])
def test_slopes_are_those_of_finite_differences(n):
    slopes = light_derivatives(TRUE[None, :n], ROWS, COLS)[0]
    for k in range(n):
        step = np.zeros(n)
        step[k] = 1e-5
        up, down = (draw_light((TRUE[:n] + sign * step)[None], ROWS, COLS)[0] for sign in (1, -1))
        np.testing.assert_allclose(slopes[k], (up - down) / 2e-5, atol=1e-6, err_msg=PAIR[k])


def test_a_pair_is_found_again_within_its_errors():
    rng = np.random.default_rng(1)
    crops = draw_light(np.repeat(TRUE[None], 200, axis=0), ROWS, COLS) + rng.standard_normal((200, 24, 10))
    start = np.array([0, np.log(60.0), 0, 0, np.log(1.25), np.log(1.2), np.log(0.5), 6.0, 0, np.log(1.4)])
    fit = fit_blobs(crops, ROWS, COLS, start, WIDE_SD)
    off = (fit.values - TRUE) / fit.sd
    assert np.abs(off.mean(axis=0)).max() < 0.5
    assert np.abs(np.median(off, axis=0)).max() < 0.4
    spread = off.std(axis=0)[[1, 2, 3, 7]]  # flux, place and gap, which the priors hardly touch
    assert np.all((spread > 0.7) & (spread < 1.2))


def test_a_bright_neighbour_at_the_edge_does_not_bend_the_fit():
    neighbour = np.array([[0, np.log(300.0), 15.0, 4.0, np.log(1.2), np.log(1.2)]])
    crop = draw_light(TRUE[None, :6], ROWS, COLS) + draw_light(neighbour, ROWS, COLS)
    fit = fit_blobs(crop, ROWS, COLS, np.array([0, 4.0, 0, 0, 0.2, 0.2]), WIDE_SD[:6])
    np.testing.assert_allclose(fit.values[0, 1:4], TRUE[1:4], atol=0.15)


def test_where_there_is_no_light_the_prior_stays():
    prior = np.array([0, np.log(1e-3), 0, 0, 0.2, 0.1])
    fit = fit_blobs(np.zeros((1, 24, 10)), ROWS, COLS, prior, np.full(6, 0.1))
    np.testing.assert_allclose(fit.values[0], prior, atol=0.02)
    np.testing.assert_allclose(fit.sd[0, 2:], 0.1, rtol=0.05)
    assert fit_blobs(np.zeros((0, 24, 10)), ROWS, COLS, prior, np.full(6, 0.1)).values.shape == (0, 6)


def test_fits_do_not_depend_on_those_done_with_them(rng, monkeypatch):
    values = np.tile(TRUE, (30, 1)) + 0.1 * rng.standard_normal((30, len(TRUE)))
    crops = draw_light(values, ROWS, COLS) + rng.standard_normal((30, len(ROWS), len(COLS)))
    together = fit_blobs(crops, ROWS, COLS, TRUE, WIDE_SD)
    monkeypatch.setattr(blob_fit, "_AT_ONCE", 7)
    apart = fit_blobs(crops, ROWS, COLS, TRUE, WIDE_SD)
    for one, other in zip(vars(together).values(), vars(apart).values(), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-9)
    assert fit_blobs(crops[:0], ROWS, COLS, TRUE, WIDE_SD).values.shape == (0, len(TRUE))
