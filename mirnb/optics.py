"""The prism: where on the camera the light of a dye lands (CoCoS microscopy).

A prism pair shifts light by its wavelength along the rows; the shift depends on the relative prism angle. The dispersion
curve is the published calibration of the CoCoS microscope (thesis reference 1), the dyes' emission is described by a peak
and the widths at half and tenth height read off published spectra. Everything here is noise-free and has no state.
"""

import math
from dataclasses import dataclass

import numpy as np

from mirnb.files import InputError

VALID_NM = (448.0, 809.0)  # the calibration of the dispersion curve ends here
PSF_SIGMA_PX = 1.12  # measured: 1.10 to 1.15


@dataclass(frozen=True)
class Dye:
    """Emission of a dye: peak and half widths, all in nm (left and right at half height, right at a tenth)."""

    peak_nm: float
    left_half_nm: float
    right_half_nm: float
    right_tenth_nm: float

    def emission(self, wavelength_nm):
        """Relative emission (peak 1): Gaussian on the left, stretched exponential through two points on the right."""
        distance = np.asarray(wavelength_nm, float) - self.peak_nm
        power = math.log(math.log(10) / math.log(2)) / math.log(self.right_tenth_nm / self.right_half_nm)
        left = np.exp2(-((distance / self.left_half_nm) ** 2))
        right = np.exp2(-((np.maximum(distance, 0) / self.right_half_nm) ** power))
        return np.where(distance < 0, left, right)


DYES = {
    "Alexa 405": Dye(422, 14, 38, 77),
    "Alexa 488": Dye(520, 16, 24, 70),
    "Alexa 532": Dye(553, 17, 28, 79),
    "Alexa 546": Dye(572, 13, 20, 73),
    "Alexa 568": Dye(603, 19, 26, 88),
    "Alexa 594": Dye(618, 19, 30, 95),
    "Alexa 647": Dye(668, 16, 19, 58),
    "Cy3": Dye(568, 13, 21, 92),
    "Cy5.5": Dye(690, 17, 25, 95),
}


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
    return 2 * math.sin(math.radians((180 - prism_angle_deg) / 2)) * curve


@dataclass(frozen=True)
class Streak:
    """The light of one dye on the camera, before the PSF blurs it.

    centroid_px is that of all light the bands let through: it predicts the measured separations of red and green to
    0.3 px. The streak itself is the light of the dye's brightest band: that predicts the measured widths (1.35 to 1.65
    px with the PSF), where the faint tails seen through other bands would make it twice as wide.
    """

    centroid_px: float
    offsets_px: np.ndarray  # (n_points,) equally bright point sources along the rows, about their own mean
    transmitted: float  # share of the dye's light that the bands let through

    @property
    def sd_px(self):
        """Spread along the rows that the dispersion alone makes, px."""
        return float(self.offsets_px.std())


def streak(dye_name, bands_nm, prism_angle_deg=177.5, *, n_points=7):
    """Where the light of a dye lands behind the pass bands and the prism.

    Parameters
    ----------
    dye_name : str
        A key of `DYES`.
    bands_nm : sequence of (low, high)
        Pass bands of the emission filter, nm.
    n_points : int
        Point sources that stand for the continuous spectrum, each with the same light.

    Raises
    ------
    InputError
        If the dye is unknown or the bands let less than 0.5 % of its light through.
    """
    if dye_name not in DYES:
        raise InputError(f"unknown dye {dye_name!r}; known are {', '.join(DYES)}")
    wavelength_nm = np.arange(VALID_NM[0], VALID_NM[1] + 0.25, 0.5)
    emission = DYES[dye_name].emission(wavelength_nm)
    in_band = np.array([(wavelength_nm >= low) & (wavelength_nm <= high) for low, high in bands_nm])
    light = emission * in_band.any(axis=0)
    transmitted = float(light.sum() / emission.sum())
    if transmitted < 0.005:
        raise InputError(f"{dye_name} is not seen: the bands {list(bands_nm)} nm let {transmitted:.1%} of its light through")
    position_px = shift_px(wavelength_nm, prism_angle_deg)
    centroid_px = float(np.sum(light * position_px) / light.sum())
    brightest = emission * in_band[np.argmax(in_band @ emission)]
    # equally bright points: the middle of each of n_points slices of the cumulated light
    cumulated = (np.cumsum(brightest) - brightest / 2) / brightest.sum()
    points_px = np.interp((np.arange(n_points) + 0.5) / n_points, cumulated, position_px)
    return Streak(centroid_px, points_px - points_px.mean(), transmitted)
