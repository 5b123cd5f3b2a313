"""Find blobs without ThunderSTORM, by its default recipe: B-spline wavelet, local maxima, sub-pixel Gaussian fits.

Recipe after Ovesny et al. 2014 and ThunderSTORM's help pages: wavelet filter of order 3 and scale 2 (Izeddin et al. 2012),
8-connected local maxima above a multiple of the filtered noise, an integrated Gaussian of five parameters fitted in a window
of 7x7 pixels by least squares. One thing differs: the noise is measured in the filtered frame itself, without its blobs, and
not as the first wavelet plane's standard deviation, which blobs raise and which denoising lowers far below what is left.
"""

import warnings

import numpy as np
import pandas as pd
from scipy import ndimage
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components
from scipy.spatial import cKDTree
from skimage.measure import block_reduce
from skimage.util import view_as_blocks
from tqdm.auto import tqdm

from mirnb.imaging.blob_fit import damped_steps, profile, profile_derivatives

THRESHOLD_SDS = 5.0
FIT_RADIUS_PX = 3
APART_PX = 1.5  # blobs nearer than this are one
_MANY_TIMES, _FEW = 20, 10  # as many blobs as the usual threshold finds, or as a few, by which a threshold is too low
_MANY_BLOCKS = 10_000  # tell the noise to half a per cent
_START = np.array([0.5, 0.5, np.log(1.3)])  # y, x from the corner of the middle pixel, log sigma, px
_LARGEST_STEP = np.array([0.7, 0.7, 0.4, np.inf, np.inf])  # flux and offset enter linearly
_ASTRAY = np.array([6.0, 6.0, 2.0])  # a fit never goes further from its start
_SIGMA_PX = (0.5, 6.0)  # widths a fit may end with
COLUMNS = ("y_px", "x_px", "sigma_px", "flux", "offset", "bkgstd", "sds", "height")


def wavelet(frame):
    """Second plane of the undecimated B-spline wavelet transform: what is about as large as a blob.

    Parameters
    ----------
    frame : ndarray of shape (rows, cols)

    Returns
    -------
    float32 ndarray of shape (rows, cols), near 0 where there is no blob
    """
    first = _smooth(np.asarray(frame, np.float32), 1)
    return first - _smooth(first, 2)


def _smooth(image, apart):
    """Smooth by the cubic B-spline of scale 2, 1 4 6 4 1 sixteenths on each axis, its taps so many pixels apart.

    The frame is mirrored at its border. By slices, which takes a third of the time of SciPy's convolve1d.
    """
    for axis in (0, 1):
        padded = np.pad(image, [(2 * apart * (axis == one),) * 2 for one in (0, 1)], mode="reflect")
        size = image.shape[axis]
        far, near, middle, nearer, farther = (
            padded[shift : shift + size] if axis == 0 else padded[:, shift : shift + size]
            for shift in range(0, 5 * apart, apart)
        )
        image = (far + farther) * np.float32(1 / 16)
        image += (near + nearer) * np.float32(4 / 16)
        image += middle * np.float32(6 / 16)
    return image


def filtered_noise(filtered):
    """Standard deviation of a filtered frame away from blobs: of blocks of 4x4 pixels with none in or beside them."""
    whole = filtered[: filtered.shape[0] // 4 * 4, : filtered.shape[1] // 4 * 4]
    highest = ndimage.maximum_filter(block_reduce(block_reduce(whole, (4, 1), np.max), (1, 4), np.max), 3)
    quiet = np.argwhere(highest <= 5 * _lower_sd(filtered[::2, ::2]))  # every fourth pixel is enough to tell blobs
    rows, cols = quiet[:: max(len(quiet) // _MANY_BLOCKS, 1)].T
    return _lower_sd(view_as_blocks(whole, (4, 4))[rows, cols] if len(rows) else filtered)


def _lower_sd(values):
    """Standard deviation of a normal distribution from its lower half, as blobs stand out at the top.

    Where most values are equal (a background cut off at 0), the root mean square takes its place.
    """
    low, middle = np.percentile(values, [15.866, 50])
    return float(middle - low) or float(np.std(values))


def detect_frame(frame, *, threshold_sds=THRESHOLD_SDS, threshold_wave_f1=None, filtered=None, noise=None):
    """Blobs of one frame.

    Parameters
    ----------
    frame : ndarray of shape (rows, cols), counts
    threshold_sds : float
        A blob's maximum in the filtered frame stands higher than so many standard deviations of the filtered noise.
    threshold_wave_f1 : float, optional
        In its place, so many standard deviations of the first wavelet plane, blobs included: ThunderSTORM's std(Wave.F1).
    filtered : ndarray of shape (rows, cols), optional
        `wavelet(frame)`, where it is known.
    noise : float, optional
        `filtered_noise(filtered)`, where it is known.

    Returns
    -------
    DataFrame, one row a blob, by position
        y_px, x_px (from the outer corner), sigma_px, flux, offset, bkgstd (of the fit's residuals; all three in counts),
        sds and height (in the filtered frame: in standard deviations of its noise, and in counts). Blobs nearer to the
        border than the fit window reaches are left out.
    """
    border, peaks = FIT_RADIUS_PX, ()
    if min(frame.shape) > 2 * border:
        filtered = wavelet(frame) if filtered is None else filtered
        noise = filtered_noise(filtered) if noise is None else noise
        if noise > 0:
            least = threshold_sds * noise if threshold_wave_f1 is None else threshold_wave_f1 * _first_plane_sd(frame)
            peaks = _maxima(filtered, least, border)
            _warn_of_many(filtered[tuple(np.transpose(peaks))] / noise, least / noise)
    if not len(peaks):
        return pd.DataFrame(columns=list(COLUMNS), dtype=float)
    found = fit_windows(frame, peaks[:, 0], peaks[:, 1])
    found["height"] = filtered[peaks[:, 0], peaks[:, 1]]
    found["sds"] = found["height"] / noise
    return _merged(found).sort_values(["y_px", "x_px"], ignore_index=True)


def _maxima(filtered, least, border):
    """Pixels higher than `least`, and as high as each of their eight neighbours, not nearer to the border: (n, 2).

    Only what is high enough is compared: a filter over the whole frame takes as long as finding and fitting all blobs.
    """
    high = np.argwhere(filtered[border:-border, border:-border] > least) + border
    rows, cols = high.T
    beside = [filtered[rows + down, cols + right] for down in (-1, 0, 1) for right in (-1, 0, 1)]
    return high[filtered[rows, cols] >= np.max(beside, axis=0)]


def _first_plane_sd(frame):
    image = np.asarray(frame, np.float32)
    return float(np.std(image - _smooth(image, 1)))


def _warn_of_many(heights_sds, least_sds):
    usual = int(np.sum(heights_sds > THRESHOLD_SDS))
    if len(heights_sds) > _MANY_TIMES * max(usual, _FEW):
        warnings.warn(
            f"a threshold of {least_sds:.3g} standard deviations finds {len(heights_sds)} blobs on a frame, "
            f"{THRESHOLD_SDS:g} find {usual}: most are noise. ThunderSTORM's 1.5*std(Wave.F1) is threshold_wave_f1=1.5",
            stacklevel=3,
        )


def fit_windows(frame, rows, cols, *, n_steps=25):
    """Fit an integrated Gaussian on a constant offset to the 7x7 window about each pixel, by least squares.

    Parameters
    ----------
    frame : ndarray of shape (rows, cols), counts
    rows, cols : int ndarray of shape (n,)
        At least FIT_RADIUS_PX from the border.

    Returns
    -------
    DataFrame, one row a window
        y_px, x_px, sigma_px, flux, offset, bkgstd; NaN where no blob fits (it is narrower or wider than a blob can be, its
        middle leaves the window, or it is dark).
    """
    steps = np.arange(-FIT_RADIUS_PX, FIT_RADIUS_PX + 1)
    pixels = steps.astype(float)
    window = np.asarray(frame)[rows[:, None, None] + steps[:, None], cols[:, None, None] + steps].astype(float)
    values, unit = _starts(window, pixels)
    n, scaled = len(window), window / unit[:, None, None]

    def cost_of(values):
        along, across = profile(pixels, values[:, 0], values[:, 2]), profile(pixels, values[:, 1], values[:, 2])
        along_by_y, along_by_sigma = profile_derivatives(pixels, values[:, 0], values[:, 2])
        across_by_x, across_by_sigma = profile_derivatives(pixels, values[:, 1], values[:, 2])
        shape, flux = _outer(along, across), values[:, 3, None, None]
        residual = (scaled - flux * shape - values[:, 4, None, None]).reshape(n, -1)
        slope = np.stack(
            [
                flux * _outer(along_by_y, across), flux * _outer(along, across_by_x),
                flux * (_outer(along_by_sigma, across) + _outer(along, across_by_sigma)), shape, np.ones_like(shape),
            ],
            axis=1,
        ).reshape(n, 5, -1)  # fmt: skip
        astray = np.any(np.abs(values[:, :3] - _START) > _ASTRAY, axis=1)  # such a step is not taken
        cost = np.where(astray, np.inf, (residual**2).sum(axis=1))
        return cost, np.einsum("npm,nm->np", slope, residual), slope @ slope.transpose(0, 2, 1)

    values, cost, _ = damped_steps(cost_of, values, n_steps=n_steps, largest_step=_LARGEST_STEP)
    y, x, log_sigma, flux, offset = values.T
    reach = FIT_RADIUS_PX + 0.5
    sigma = np.exp(np.clip(log_sigma, -10, 10))
    inside = (np.abs(y - 0.5) < reach) & (np.abs(x - 0.5) < reach)
    good = inside & (sigma > _SIGMA_PX[0]) & (sigma < _SIGMA_PX[1]) & (flux > 0)
    table = pd.DataFrame(
        {
            "y_px": rows + y, "x_px": cols + x, "sigma_px": sigma, "flux": flux * unit, "offset": offset * unit,
            "bkgstd": np.sqrt(cost / (len(pixels) ** 2 - 5)) * unit,
        }
    )  # fmt: skip
    table.loc[~good] = np.nan
    return table


def _starts(window, pixels):
    """Where fits start, and the unit that brings flux and offset near 1: (n, 5), (n,)."""
    shape = np.outer(*(profile(pixels, _START[axis, None], _START[2, None])[0] for axis in (0, 1)))
    contrast, unit = shape - shape.mean(), np.maximum(window.std(axis=(1, 2)), 1e-30)
    flux = (window * contrast).sum(axis=(1, 2)) / (contrast**2).sum()  # best for this shape; a poor start ends on one pixel
    flux = np.maximum(flux, unit)
    offset = window.mean(axis=(1, 2)) - flux * shape.mean()
    return np.column_stack([np.tile(_START, (len(window), 1)), flux / unit, offset / unit]), unit


def _outer(along, across):
    return along[:, :, None] * across[:, None, :]


def _merged(found):
    """One blob where several were found within APART_PX of each other: the one that stands highest."""
    found = found.dropna().reset_index(drop=True)
    if not len(found):
        return found
    pairs = cKDTree(found[["y_px", "x_px"]]).query_pairs(APART_PX, output_type="ndarray")
    graph = coo_matrix((np.ones(len(pairs)), pairs.T), shape=(len(found), len(found)))
    group = connected_components(graph, directed=False)[1]
    return found.loc[found.groupby(group)["sds"].idxmax()].reset_index(drop=True)


def detect_stack(stack, *, pixel_size_nm, **threshold):
    """Blobs of a stack as a table in ThunderSTORM's columns (see `as_thunderstorm`).

    Parameters
    ----------
    stack : Stack
        Not turned (`quarter_turns=0`), as a blob table's positions are those on the stack as it was recorded.
    threshold
        As `detect_frame` takes it.
    """
    frames = tqdm(stack.frames(), total=len(stack), desc="detecting blobs", unit="frame", leave=False)
    found = [detect_frame(frame, **threshold).assign(frame=index + 1) for index, frame in frames]
    return as_thunderstorm(pd.concat(found, ignore_index=True), pixel_size_nm)


def as_thunderstorm(found, pixel_size_nm, *, first_id=1):
    """Detected blobs as ThunderSTORM exports them and Picasso imports them.

    Parameters
    ----------
    found : DataFrame
        As `detect_frame` gives it, with frame (from 1).

    Returns
    -------
    DataFrame
        id, frame, x and y (nm from the outer corner), sigma (nm), intensity, offset, bkgstd, uncertainty_xy (nm). The gain
        of the camera is not known, so counts stand for photons, one each. The uncertainty is that of least squares (Thompson
        et al. 2002, Mortensen et al. 2010), with the noise of the fit's own residuals.
    """
    flux, sigma_px = found["flux"], found["sigma_px"]
    area_px2 = sigma_px**2 + 1 / 12
    variance_px2 = area_px2 / flux * (16 / 9 + 8 * np.pi * area_px2 * found["bkgstd"] ** 2 / flux)
    return pd.DataFrame({
        "id": np.arange(first_id, first_id + len(found)),
        "frame": found["frame"].astype(int),
        "x [nm]": (found["x_px"] * pixel_size_nm).round(2),
        "y [nm]": (found["y_px"] * pixel_size_nm).round(2),
        "sigma [nm]": (sigma_px * pixel_size_nm).round(2),
        "intensity [photon]": flux.round(1),
        "offset [photon]": found["offset"].round(2),
        "bkgstd [photon]": found["bkgstd"].round(2),
        "uncertainty_xy [nm]": (np.sqrt(variance_px2) * pixel_size_nm).round(2),
    }).reset_index(drop=True)  # fmt: skip
