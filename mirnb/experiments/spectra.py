"""Light by wavelength: what a dye emits, what an emission filter lets through, and which laser excites a dye.

The dyes of the table are described by a peak and the widths at half and tenth height read off published spectra; any other
comes as measured points, from a CSV file.
"""

import csv
import itertools
import math
from dataclasses import dataclass

import numpy as np

from mirnb.files import InputError, read_text

VALID_NM = (448.0, 809.0)  # the calibration of the dispersion curve ends here
EXCITED_NM = (5.0, 80.0)  # a laser so far below a dye's emission peak excites it; assumed, the table has no absorption
_MOST_STEP_NM = 10.0  # a wider step between two points is a gap
_FEWEST_POINTS = 5


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


@dataclass(frozen=True)
class Spectrum:
    """Measured values at rising wavelengths: (nm, value) each, linear in between and 0 beyond."""

    points: tuple[tuple[float, float], ...]

    @property
    def peak_nm(self):
        """Wavelength of the highest value."""
        return max(self.points, key=lambda point: point[1])[0]

    def at(self, wavelength_nm):
        """Values at other wavelengths."""
        nm, values = np.array(self.points).T
        return np.interp(wavelength_nm, nm, values, left=0, right=0)

    def emission(self, wavelength_nm):
        """Relative emission, the highest point being 1."""
        return self.at(wavelength_nm) / max(value for _, value in self.points)


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


def read_points(path):
    """Points of a CSV file of two columns, wavelength in nm and value, with or without a header: list of [nm, value].

    Raises
    ------
    InputError
        If the file cannot be read, or a row holds anything but two numbers.
    """
    points = []
    for number, row in enumerate(csv.reader(read_text(path).splitlines()), start=1):
        if not any(cell.strip() for cell in row):
            continue
        try:
            nm, value = (float(cell) for cell in row)
        except ValueError:
            if not points and number == 1:
                continue  # the header
            raise InputError(
                f"{path}, line {number}: expected two numbers, wavelength in nm and value, got {','.join(row)!r}; "
                "fill the gap or leave the row out"
            ) from None
        points.append([nm, value])
    return points


def spectrum_of(points, source, *, highest=math.inf):
    """A spectrum from [nm, value] points.

    Parameters
    ----------
    points : sequence of (nm, value)
    source : str
        Where they come from, for messages.
    highest : float
        No value may be higher: 1 for a transmission.

    Raises
    ------
    InputError
        If there are too few points, wavelengths do not rise, two lie more than 10 nm apart, a value is no number, negative
        or too high, or none is above 0.
    """
    nm, values = np.array(points, float).T if len(points) else (np.zeros(0), np.zeros(0))
    if len(nm) < _FEWEST_POINTS:
        raise InputError(f"{source}: a spectrum needs {_FEWEST_POINTS} points or more, got {len(nm)}")
    if not (np.isfinite(nm).all() and np.isfinite(values).all()):
        raise InputError(f"{source}: wavelengths and values must be numbers, one is missing or infinite")
    falling = np.flatnonzero(np.diff(nm) <= 0)
    if len(falling):
        raise InputError(f"{source}: wavelengths must rise, but {nm[falling[0] + 1]:g} nm follows {nm[falling[0]]:g} nm")
    wide = np.flatnonzero(np.diff(nm) > _MOST_STEP_NM)
    if len(wide):
        raise InputError(
            f"{source}: a gap from {nm[wide[0]]:g} to {nm[wide[0] + 1]:g} nm; points may lie {_MOST_STEP_NM:g} nm apart "
            "at most"
        )
    bad = np.flatnonzero((values < 0) | (values > highest))
    if len(bad):
        wanted = "0 or more" if math.isinf(highest) else f"from 0 to {highest:g} (1 is 100 %)"
        raise InputError(f"{source}: {values[bad[0]]:g} at {nm[bad[0]]:g} nm; values must be {wanted}")
    if not values.any():
        raise InputError(f"{source}: every value is 0")
    return Spectrum(tuple((float(a), float(b)) for a, b in zip(nm, values, strict=True)))


def bands_of(transmission):
    """Pass bands of a measured filter, [low, high] in nm: where it lets through more than half of the most it does."""
    nm = np.arange(VALID_NM[0], VALID_NM[1] + 0.25, 0.5)
    values = transmission.at(nm)
    passes = np.concatenate([[False], values > values.max() / 2, [False]]) if values.any() else np.zeros(2, bool)
    edges = np.flatnonzero(np.diff(passes.astype(int)))
    return tuple((float(nm[low]), float(nm[high - 1])) for low, high in zip(edges[::2], edges[1::2], strict=True))


def bands_between(lasers_nm, *, guard_nm=7.0):
    """The widest pass bands that keep the lasers out: all above the shortest, but `guard_nm` on either side of each."""
    edges = [*sorted(lasers_nm), VALID_NM[1] + guard_nm]
    pairs = [(low + guard_nm, high - guard_nm) for low, high in itertools.pairwise(edges)]
    return tuple((low, high) for low, high in pairs if high > low)


def exciting(peak_nm, lasers_nm):
    """Lasers that excite a dye of this emission peak."""
    return [laser for laser in lasers_nm if EXCITED_NM[0] <= peak_nm - laser <= EXCITED_NM[1]]
