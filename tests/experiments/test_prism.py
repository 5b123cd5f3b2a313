"""The prism and the dyes, against the published figures."""

import numpy as np
import pytest

from mirnb.experiments.panel_file import THESIS
from mirnb.experiments.prism import PSF_SIGMA_PX, shift_px, streak
from mirnb.experiments.spectra import DYES, bands_of, spectrum_of
from mirnb.files import InputError


@pytest.mark.parametrize(("wavelength_nm", "expected_px"), [(520, 13.3), (561, 9.0), (603, 5.55), (638, 3.3), (668, 1.8)])
def test_light_lands_where_the_published_curve_puts_it(wavelength_nm, expected_px):
    assert shift_px(wavelength_nm, 177.5) == pytest.approx(expected_px, abs=0.06)


@pytest.mark.parametrize(("wavelength_nm", "nm_per_px"), [(520, 8.5), (603, 14), (668, 22)])
def test_dispersion_grows_coarser_towards_red(wavelength_nm, nm_per_px):
    slope = shift_px(wavelength_nm - 0.5) - shift_px(wavelength_nm + 0.5)
    assert 1 / slope == pytest.approx(nm_per_px, rel=0.05)


def test_a_prism_pair_at_180_degrees_disperses_nothing():
    np.testing.assert_allclose(shift_px(np.linspace(448, 809, 30), 180), 0, atol=1e-12)


def test_shift_falls_with_wavelength_and_grows_with_the_prism_angle():
    wavelengths = np.linspace(448, 720, 200)
    assert np.all(np.diff(shift_px(wavelengths)) < 0)
    assert shift_px(520, 175) == pytest.approx(2 * shift_px(520, 177.5), rel=1e-3)  # the sine of a small angle


@pytest.mark.parametrize("wavelength_nm", [447.9, 809.1, [500, 900]])
def test_wavelengths_beyond_the_calibration_are_refused(wavelength_nm):
    with pytest.raises(InputError, match="448 to 809 nm"):
        shift_px(wavelength_nm)


@pytest.mark.parametrize("name", DYES)
def test_emission_passes_through_its_published_widths(name):
    dye = DYES[name]
    at = [dye.peak_nm, dye.peak_nm - dye.left_half_nm, dye.peak_nm + dye.right_half_nm, dye.peak_nm + dye.right_tenth_nm]
    np.testing.assert_allclose(dye.emission(at), [1, 0.5, 0.5, 0.1], rtol=1e-9)


@pytest.mark.parametrize(("name", "gap_px"), [("red", 11.6), ("green", 4.4), ("blue", 7.8)])
def test_spectral_centroids_predict_the_gaps_the_curve_gives(name, gap_px):
    upper, lower = THESIS.streaks(THESIS.mirs[THESIS.index(name)].dyes)
    assert lower.centroid_px - upper.centroid_px == pytest.approx(gap_px, abs=0.2)


@pytest.mark.parametrize("mir", THESIS.mirs, ids=lambda mir: mir.name)
def test_lower_blobs_are_as_wide_as_on_real_molecules(mir):
    _, lower = THESIS.streaks(mir.dyes)
    assert 1.35 <= np.hypot(PSF_SIGMA_PX, lower.sd_px) <= 1.65


def test_a_streak_is_points_about_their_own_mean_and_says_what_the_bands_let_through():
    through = streak("Alexa 488", [(448, 809)])
    half = streak("Alexa 488", [(448, 520)])
    assert len(through.offsets_px) == 7
    assert through.offsets_px.mean() == pytest.approx(0, abs=1e-9)
    assert through.transmitted == pytest.approx(1)
    assert 0.3 < half.transmitted < 0.5  # the left side of a peak with a longer right tail
    assert half.centroid_px > through.centroid_px  # shorter wavelengths shift further


def test_a_narrow_band_leaves_no_streak_and_lands_at_its_own_wavelength():
    narrow = streak("Alexa 568", [(603, 603.5)])
    assert narrow.sd_px < 0.05
    assert narrow.centroid_px == pytest.approx(shift_px(603.25), abs=0.03)


def test_an_unknown_dye_is_named_with_the_known_ones():
    with pytest.raises(InputError, match=r"'Alexa 999'.*Alexa 488"):
        streak("Alexa 999", [(507, 532)])


def test_a_dye_that_no_band_lets_through_is_refused():
    with pytest.raises(InputError, match=r"Cy5\.5: this dye is not seen.*507 to 532 nm, lets 0\.0%"):
        streak("Cy5.5", [(507, 532)])


def test_a_dye_outside_the_range_of_the_dispersion_is_refused():
    with pytest.raises(InputError, match="Alexa 405 peaks at 422 nm, outside the range of the dispersion, 448 to 809 nm"):
        streak("Alexa 405", [(448, 809)])


def test_a_measured_filter_that_passes_a_band_wholly_is_that_band():
    nm = np.arange(450.0, 800.0, 0.5)
    curve = spectrum_of(np.column_stack([nm, (nm >= 507) & (nm <= 532)]), "filter")
    measured = streak("Alexa 488", bands_of(curve), transmission=curve)
    plain = streak("Alexa 488", [(507, 532)])
    assert measured.centroid_px == pytest.approx(plain.centroid_px, abs=0.02)
    assert measured.sd_px == pytest.approx(plain.sd_px, abs=0.02)
    assert measured.transmitted == pytest.approx(plain.transmitted, abs=0.01)


def test_a_dye_seen_through_the_foot_of_a_filter_alone_still_has_a_streak():
    nm = np.arange(450.0, 800.0, 1.0)
    curve = spectrum_of(np.column_stack([nm, np.where(nm > 650, 1.0, np.where(nm < 560, 0.1, 0.0))]), "filter")
    through = streak("Alexa 488", bands_of(curve), transmission=curve)
    assert 0.05 < through.transmitted < 0.15
    assert 0.5 < through.sd_px < 4


def test_smaller_pixels_spread_the_same_light_over_more_of_them():
    usual, fine = streak("Alexa 568", [(586, 625)]), streak("Alexa 568", [(586, 625)], pixel_size_nm=80)
    assert fine.centroid_px == pytest.approx(1.5 * usual.centroid_px)
    assert fine.sd_px == pytest.approx(1.5 * usual.sd_px)


def test_a_dye_of_ones_own_lands_where_its_spectrum_says():
    own = {"mine": spectrum_of([[nm, np.exp(-(((nm - 600) / 2) ** 2))] for nm in range(590, 611)], "mine")}
    assert streak("mine", [(448, 809)], dyes=own).centroid_px == pytest.approx(shift_px(600), abs=0.02)
