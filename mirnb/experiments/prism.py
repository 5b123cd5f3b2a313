"""The prism: where on the camera the light of a dye lands (CoCoS microscopy).

A prism pair shifts light by its wavelength along the rows; the shift depends on the relative prism angle. The dispersion
curve is the published calibration of the CoCoS microscope (thesis reference 1), in its pixels of 120 nm. Everything here is
noise-free and has no state.
"""

import math
from dataclasses import dataclass

import numpy as np

from mirnb.experiments.spectra import DYES, VALID_NM
from mirnb.files import InputError

PIXEL_NM = 120.0  # of the calibration
PSF_SIGMA_PX = 1.12  # measured: 1.10 to 1.15


def shift_px(wavelength_nm, prism_angle_deg=177.5):
    """Shift of light along the dispersion axis, px; shorter wavelengths shift further (thesis reference 1).

    Parameters
    ----------
    wavelength_nm : float or ndarray
        448 to 809 nm, the range of the calibration.
    prism_angle_deg : float
        Relative prism angle; at 180 degrees nothing is dispersed.

    Raises
    ------
    InputError
        If a wavelength lies outside the calibrated range.
    """
    wavelength_nm = np.asarray(wavelength_nm, float)
    if wavelength_nm.size and (wavelength_nm.min() < VALID_NM[0] or wavelength_nm.max() > VALID_NM[1]):
        raise InputError(
            f"the dispersion curve holds from {VALID_NM[0]:g} to {VALID_NM[1]:g} nm, got "
            f"{wavelength_nm.min():g} to {wavelength_nm.max():g} nm"
        )
    z = (wavelength_nm - 593.667) / 108.333
    curve = -10 * z**3 + 66.4996 * z**2 - 188.2963 * z + 142.9853
    return dispersed(prism_angle_deg) * curve


def dispersed(prism_angle_deg):
    """How much a prism pair disperses, in units of the curve: all shifts and streaks go with it."""
    return 2 * math.sin(math.radians((180 - prism_angle_deg) / 2))


@dataclass(frozen=True)
class Streak:
    """The light of one dye on the camera, before the PSF blurs it.

    centroid_px is that of all light the bands let through: it predicts the measured separations of red and green to
    0.3 px. The streak itself is the light of the dye's brightest band: that predicts the measured widths (1.35 to 1.65
    px with the PSF), where the faint tails seen through other bands would make it twice as wide.
    """

    centroid_px: float
    offsets_px: np.ndarray  # (n_points,) equally bright point sources along the rows, about their own mean
    transmitted: float  # share of the dye's light that the filter lets through

    @property
    def sd_px(self):
        """Spread along the rows that the dispersion alone makes, px."""
        return float(self.offsets_px.std())


def streak(dye_name, bands_nm, prism_angle_deg=177.5, *, transmission=None, dyes=DYES, pixel_size_nm=PIXEL_NM, n_points=7):
    """Where the light of a dye lands behind the emission filter and the prism.

    Parameters
    ----------
    dye_name : str
        A key of `dyes`.
    bands_nm : sequence of (low, high)
        Pass bands of the emission filter, nm.
    transmission : Spectrum, optional
        Of the filter; without, it is 1 inside the bands and 0 outside.
    dyes : mapping
        Name -> `Dye` or `Spectrum`.
    pixel_size_nm : float
        Of the camera, in the sample.
    n_points : int
        Point sources that stand for the continuous spectrum, each with the same light.

    Raises
    ------
    InputError
        If the dye is unknown, its peak lies outside the range of the dispersion, or the filter lets less than 0.5 % of its
        light through.
    """
    if dye_name not in dyes:
        raise InputError(f"unknown dye {dye_name!r}; known are {', '.join(dyes)}; a [dyes] table names files with others")
    dye = dyes[dye_name]
    if not VALID_NM[0] <= dye.peak_nm <= VALID_NM[1]:
        raise InputError(
            f"{dye_name} peaks at {dye.peak_nm:g} nm, outside the range of the dispersion, {VALID_NM[0]:g} to "
            f"{VALID_NM[1]:g} nm"
        )
    wavelength_nm = np.arange(VALID_NM[0], VALID_NM[1] + 0.25, 0.5)
    emission = dye.emission(wavelength_nm)
    in_band = np.array([(wavelength_nm >= low) & (wavelength_nm <= high) for low, high in bands_nm]).reshape(
        -1, len(emission)
    )
    passed = in_band.any(axis=0) if transmission is None else transmission.at(wavelength_nm)
    light = emission * passed
    transmitted = float(light.sum() / emission.sum())
    if transmitted < 0.005:
        raise InputError(
            f"{dye_name}: this dye is not seen: the filter, with bands at {_in_words(bands_nm)}, lets {transmitted:.1%} of "
            "its light through"
        )
    position_px = PIXEL_NM / pixel_size_nm * shift_px(wavelength_nm, prism_angle_deg)
    centroid_px = float(np.sum(light * position_px) / light.sum())
    in_brightest = in_band[np.argmax(in_band @ light)] & (light > 0)
    brightest = light * in_brightest if in_brightest.any() else light
    # equally bright points: the middle of each of n_points slices of the cumulated light
    cumulated = (np.cumsum(brightest) - brightest / 2) / brightest.sum()
    points_px = np.interp((np.arange(n_points) + 0.5) / n_points, cumulated, position_px)
    return Streak(centroid_px, points_px - points_px.mean(), transmitted)


def _in_words(bands_nm):
    return ", ".join(f"{low:g} to {high:g}" for low, high in bands_nm) + " nm"
