"""Correlation against scipy's slow way, and where its peaks lie."""

import numpy as np
import pytest
from by_hand import blob, place, two_blobs
from scipy.signal import correlate2d

from mirnb.imaging.correlation import Correlator, cosine_similarity, cross_correlate
from mirnb.imaging.preprocessing import preprocess
from mirnb.imaging.responses import count_peaks, peak_profile

SHAPES = [(24, 10), (7, 7), (5, 4), (6, 9), (1, 1)]


@pytest.mark.parametrize("shape", SHAPES)
def test_response_of_all_templates_at_once_is_that_of_correlate2d(shape):
    rng = np.random.default_rng(0)
    frame, templates = rng.random((90, 71)), rng.random((4, *shape))
    response = Correlator(templates, frame.shape).cross_correlate(frame)
    assert response.dtype == np.float32
    for k, template in enumerate(templates):
        slow = correlate2d(frame / np.linalg.norm(frame), template / np.linalg.norm(template), mode="same")
        assert np.abs(response[..., k] - slow).max() <= 1e-5 * np.ptp(slow)


@pytest.mark.parametrize("shape", SHAPES)
def test_cosine_similarity_is_that_of_correlate2d_and_zero_on_empty_windows(shape):
    rng = np.random.default_rng(1)
    frame = np.zeros((90, 71))
    frame[30:60, 20:50] = rng.random((30, 30)) + 0.1
    template = rng.random(shape)
    unit = frame / np.linalg.norm(frame)
    energy = correlate2d(unit**2, np.ones(shape), mode="same")
    lit = correlate2d((frame > 0).astype(float), np.ones(shape), mode="same") > 0.5
    slow = np.where(
        lit, correlate2d(unit, template / np.linalg.norm(template), mode="same") / np.sqrt(np.where(lit, energy, 1)), 0
    )
    fast = cosine_similarity(frame, template)
    assert np.abs(fast - slow).max() <= 1e-5 * np.ptp(slow)
    assert np.all(fast[~lit] == 0)


def _slow_cosine(frame, template):
    """Equation 2, evaluated directly in double precision."""
    unit = frame / np.linalg.norm(frame)
    ones = np.ones(template.shape)
    lit = correlate2d((frame > 0).astype(float), ones, mode="same") > 0.5
    energy = np.where(lit, correlate2d(unit**2, ones, mode="same"), 1)
    return np.where(lit, correlate2d(unit, template / np.linalg.norm(template), mode="same") / np.sqrt(energy), 0)


def test_both_techniques_are_those_of_correlate2d_on_a_frame_as_it_is_preprocessed(small):
    _, frame = next(small.stack.frames([0]))
    clean, template = preprocess(frame).astype(float), two_blobs(gap_px=11)
    slow = correlate2d(clean / np.linalg.norm(clean), template / np.linalg.norm(template), mode="same")
    assert np.abs(cross_correlate(clean, template) - slow).max() <= 1e-5 * np.ptp(slow)
    slow = _slow_cosine(clean, template)
    assert np.abs(cosine_similarity(clean, template) - slow).max() <= 1e-5 * np.ptp(slow)


@pytest.mark.parametrize("dim", [1.0, 1e-2, 1e-3])
def test_a_dim_molecule_on_a_dark_ground_is_as_similar_to_its_template_as_a_bright_one(dim):
    template = np.where(two_blobs(gap_px=11) > 0.01, two_blobs(gap_px=11), 0)  # the ground is truly dark
    frame = place(template, at=(20, 20), shape=(128, 64)) + dim * place(template, at=(80, 30), shape=(128, 64))
    fast = cosine_similarity(frame, template)
    assert fast[20 + 11, 20 + 4] == pytest.approx(1, abs=1e-5)
    assert fast[80 + 11, 30 + 4] == pytest.approx(1, abs=1e-5)
    assert np.abs(fast - _slow_cosine(frame, template)).max() <= 1e-5


def test_a_template_on_its_molecule_peaks_five_rows_below_and_one_column_left_of_the_blob():
    row, col = 40, 30
    frame = place(two_blobs(gap_px=11), at=(row - 6, col - 5), shape=(96, 64))
    response = cross_correlate(frame, two_blobs(gap_px=11))
    assert np.unravel_index(response.argmax(), response.shape) == (row + 5, col - 1)
    assert response.max() == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize(("template_gap_px", "n_peaks"), [(12, 3), (6, 4)])
def test_own_template_gives_three_peaks_and_a_foreign_one_four(template_gap_px, n_peaks):
    frame = place(two_blobs(gap_px=12), at=(48, 32), shape=(120, 64))
    assert count_peaks(peak_profile(cross_correlate(frame, two_blobs(gap_px=template_gap_px)))) == n_peaks


def test_a_dark_frame_answers_zero():
    assert np.all(cross_correlate(np.zeros((50, 40)), two_blobs(gap_px=8)) == 0)
    assert np.all(cosine_similarity(np.zeros((50, 40)), two_blobs(gap_px=8)) == 0)


def test_a_template_larger_than_the_frame_is_refused_with_both_shapes():
    with pytest.raises(ValueError, match=r"template \(24, 10\) does not fit in frame \(10, 24\)"):
        Correlator(np.ones((1, 24, 10)), (10, 24))


def test_a_template_of_zeros_is_refused():
    with pytest.raises(ValueError, match="zero everywhere"):
        cross_correlate(np.ones((50, 40)), np.zeros((24, 10)))


def test_a_frame_of_another_shape_is_refused():
    with pytest.raises(ValueError, match=r"expected a frame of shape \(50, 40\)"):
        Correlator(np.ones((1, 4, 4)), (50, 40)).cross_correlate(np.ones((40, 50)))


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_integers_take_the_fast_way_to_the_same_result(dtype):
    frame = (60 * blob((80, 70), 30, 40, sigma_px=3) + np.random.default_rng(2).normal(90, 12, (80, 70))).astype(dtype)
    lifted = np.maximum(frame - np.percentile(frame, 70), 0)
    thesis = np.minimum(lifted, np.median(lifted) + 5 * lifted.std())
    np.testing.assert_allclose(preprocess(frame), thesis, rtol=1e-6)
    np.testing.assert_allclose(preprocess(frame.astype(float)), thesis, rtol=1e-6)


@pytest.mark.parametrize("percent", [0.0, 12.5, 50.0, 70.0, 99.0])
def test_any_percentile_may_be_the_background(percent):
    frame = np.random.default_rng(3).integers(0, 500, (41, 37)).astype(np.uint16)
    slow = preprocess(frame.astype(float), background_percentile=percent, cap_sds=3)
    np.testing.assert_allclose(preprocess(frame, background_percentile=percent, cap_sds=3), slow, rtol=1e-5)


def test_the_input_is_left_as_it_was():
    frame = np.random.default_rng(4).integers(0, 500, (40, 30)).astype(np.uint16)
    before = frame.copy()
    preprocess(frame)
    np.testing.assert_array_equal(frame, before)
