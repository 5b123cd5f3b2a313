"""Views of a crop: a blob made by hand stays where it should, and the noise keeps its level."""

import numpy as np
from by_hand import blob

from mirnb.classifiers.twin_cnn import plain_view, shaken_view

SHAPE = (28, 14)  # 24x10 and a margin of 2; the blob's pixel is row 8, column 7


def test_the_plain_view_is_the_middle_in_units_of_the_noise():
    crops = np.arange(2 * 28 * 14).reshape(2, *SHAPE).astype(np.uint16)
    np.testing.assert_allclose(plain_view(crops, 2, 4.0), crops[:, 2:-2, 2:-2] / 4, rtol=1e-6)


def test_mirrored_or_not_a_blob_stays_in_its_pixel_and_its_neighbour_changes_sides():
    crop = 1e6 * blob(SHAPE, 8, 7, sigma_px=0.8) + 1e5 * blob(SHAPE, 8, 10, sigma_px=0.5)
    views = shaken_view(np.repeat(crop[None], 40, axis=0), 2, 1.0, np.random.default_rng(0), shift_px=0.0, dimmest=1.0)
    for view in views:
        assert np.unravel_index(view.argmax(), view.shape) == (6, 5)
    sides = [int(view[6, 8] > view[6, 2]) for view in views]
    assert 5 < sum(sides) < 35


def test_views_are_never_upside_down():
    crop = 1e6 * blob(SHAPE, 8, 7) + 4e5 * blob(SHAPE, 14, 7)
    for view in shaken_view(np.repeat(crop[None], 40, axis=0), 2, 1.0, np.random.default_rng(1)):
        assert view[12].sum() > 5 * view[0].sum()


def test_shifts_reach_half_a_pixel_on_both_axes():
    crop = 1e6 * blob(SHAPE, 8, 7)
    views = shaken_view(np.repeat(crop[None], 300, axis=0), 2, 1.0, np.random.default_rng(2), dimmest=1.0)
    rows = (views.sum(axis=2) * np.arange(24)).sum(axis=1) / views.sum(axis=(1, 2)) - 6
    cols = (views.sum(axis=1) * np.arange(10)).sum(axis=1) / views.sum(axis=(1, 2)) - 5
    for off in (rows, cols):
        assert -0.52 < off.min() < -0.4
        assert 0.4 < off.max() < 0.52


def test_the_noise_keeps_its_level_and_the_light_gets_dimmer():
    rng = np.random.default_rng(3)
    crops = 900 + 34 * rng.standard_normal((2000, *SHAPE))
    views = shaken_view(crops, 2, 34.0, rng)
    assert abs(views.std() - 1) < 0.02
    lit = 900 + 1e5 * blob(SHAPE, 8, 7)
    peaks = shaken_view(np.repeat(lit[None], 200, axis=0), 2, 34.0, rng, shift_px=0.0).max(axis=(1, 2)) - 900 / 34
    assert 0.79 < peaks.min() / peaks.max() < 0.85


def test_the_crops_themselves_are_left_as_they_are():
    crops = np.random.default_rng(4).integers(800, 1000, (5, *SHAPE)).astype(np.uint16)
    before = crops.copy()
    shaken_view(crops, 2, 34.0, np.random.default_rng(5))
    np.testing.assert_array_equal(crops, before)
