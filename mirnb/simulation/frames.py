"""The CoCoS forward model: the blobs of a sample become light on a camera, frame by frame, and a blob table's view of it.

A blob's light is spread along the rows by the dispersion (`prism.streak`), blurred by the PSF and seen by a noisy camera.
`folders` makes files of it.
"""

import numpy as np
import pandas as pd
from scipy import ndimage, special
from scipy.spatial import cKDTree

from mirnb.imaging.crops import fits
from mirnb.simulation.molecules import draw_sample
from mirnb.simulation.settings import MARGIN_PX, localisation_error_px

_HALF_WINDOW_PX = 20  # a blob is drawn this far about its centre; dirt of 4 px sigma ends there at 5 sigma


def draw_light(blobs, shape, psf_sigma_px):
    """The light of blobs on a frame, noise-free, integrated over each pixel.

    Along the rows a blob is seven equally bright points, spread so that with the PSF they have the blob's sigma_y_px:
    nearly the flat-topped streak of a dye behind a pass band.

    Parameters
    ----------
    blobs : DataFrame
        y_px, x_px (from the outer corner), flux (counts), sigma_y_px, sigma_x_px.
    shape : (rows, cols)

    Returns
    -------
    light : float64 ndarray of shape (rows, cols), counts
    """
    light = np.zeros(shape)
    y, x, flux, sigma_y, sigma_x = (blobs[c].to_numpy(float) for c in ("y_px", "x_px", "flux", "sigma_y_px", "sigma_x_px"))
    spread = np.sqrt(np.maximum(sigma_y**2 - psf_sigma_px**2, 0))
    points = np.linspace(-1.5, 1.5, 7)  # of unit standard deviation
    narrow = np.where(sigma_x > 1.3 * psf_sigma_px, sigma_y, psf_sigma_px)  # dirt is a plain wide Gaussian
    spread = np.where(sigma_x > 1.3 * psf_sigma_px, 0, spread)
    steps = np.arange(-_HALF_WINDOW_PX, _HALF_WINDOW_PX + 1)
    rows = np.floor(y).astype(int)[:, None] + steps
    cols = np.floor(x).astype(int)[:, None] + steps
    along = sum(_pixel_share(rows, (y + spread * point)[:, None], narrow[:, None]) for point in points) / len(points)
    across = _pixel_share(cols, x[:, None], sigma_x[:, None])
    patches = flux[:, None, None] * along[:, :, None] * across[:, None, :]
    row_grid, col_grid = np.broadcast_arrays(rows[:, :, None], cols[:, None, :])
    inside = (row_grid >= 0) & (row_grid < shape[0]) & (col_grid >= 0) & (col_grid < shape[1])
    np.add.at(light, (row_grid[inside], col_grid[inside]), patches[inside])
    return light


def ideal_pairs(panel):
    """The light of a typical molecule of each miR in the template window, noise-free: (n_mirs, rows, cols)."""
    window, psf = panel.template_window, panel.psf_sigma_px
    pairs = [
        pd.DataFrame({"y_px": window.above + 0.5 + np.array([0.0, mir.gap_px]), "x_px": window.left + 0.5,
                      "flux": [1.0, mir.lower_flux], "sigma_y_px": psf, "sigma_x_px": psf})
        for mir in panel.mirs
    ]  # fmt: skip
    return np.stack([draw_light(blobs, window.shape, psf) for blobs in pairs])


def _pixel_share(pixel, centre, sigma):
    """Share of a Gaussian that falls on a pixel that starts at coordinate `pixel`."""
    edges = (special.ndtr((pixel - centre) / sigma), special.ndtr((pixel + 1 - centre) / sigma))
    return edges[1] - edges[0]


def expose(light, settings, rng):
    """Count light on a background field with a camera: shot noise and read noise, together the measured noise.

    Parameters
    ----------
    light : ndarray of shape (rows, cols), counts

    Returns
    -------
    frame : uint16 ndarray of shape (rows, cols), counts
    """
    y, x = (np.linspace(-1, 1, size) for size in light.shape)
    field = settings.background_counts * (1 - settings.background_fall * (y[:, None] ** 2 + x**2) / 2)
    shot_variance = settings.gain_counts * (settings.background_counts - settings.offset_counts)
    read_variance = max(settings.noise_sd_counts**2 - shot_variance, 0.0)
    electrons = (field + light - settings.offset_counts) / settings.gain_counts
    if settings.em_gain:  # multiplication doubles the variance, so half the gain makes as much noise
        multiplied = rng.gamma(rng.poisson(2 * electrons), settings.gain_counts / 2)
        frame = settings.offset_counts + multiplied + np.sqrt(read_variance) * rng.standard_normal(light.shape)
        return np.clip(np.rint(frame), 0, 65535).astype(np.uint16)
    sd = np.sqrt(settings.gain_counts**2 * electrons + read_variance)  # at these counts shot noise is Gaussian
    frame = field + light + sd * rng.standard_normal(light.shape)
    return np.clip(np.rint(frame), 0, 65535).astype(np.uint16)


def frame_light(blobs, settings):
    """The light of a frame's blobs, halo included, noise-free: (rows, cols), counts."""
    lit = blobs[blobs["flux"] > 0]
    light = draw_light(lit, settings.frame_shape, settings.psf_sigma_px)
    if not settings.tail_share:
        return light
    wide = {name: np.hypot(lit[name], 2.3 * settings.psf_sigma_px) for name in ("sigma_y_px", "sigma_x_px")}
    halo = draw_light(lit.assign(**wide), settings.frame_shape, settings.psf_sigma_px)
    return (1 - settings.tail_share) * light + settings.tail_share * halo


def false_detections(frame, blobs, n, rng, *, apart_px=8.0):
    """Where a detector would err: bright chance peaks of a frame, away from every blob.

    Returns
    -------
    positions_px : ndarray of shape (n, 2)
        y and x from the outer corner.
    """
    smooth = ndimage.gaussian_filter(frame.astype(np.float32), 1.2)
    smooth -= ndimage.uniform_filter(smooth, 31)
    peaks = np.argwhere((smooth == ndimage.maximum_filter(smooth, 7)) & (smooth > 0)) + 0.5
    taken = blobs[["y_px", "x_px"]].to_numpy()
    if len(taken):
        peaks = peaks[cKDTree(taken).query(peaks)[0] > apart_px]
    brightest = peaks[np.argsort(-smooth[tuple(np.floor(peaks).astype(int).T)])][: 5 * n]
    return rng.permutation(brightest)[:n]


def simulate_frames(panel, settings, seed):
    """Draw a sample and expose it, frame by frame.

    Yields
    ------
    frame : uint16 ndarray of shape (rows, cols), counts
    blobs : DataFrame
        The frame's blobs as `draw_sample` gives them, false detections now in their places, and three columns more:
        `detected` (it stands in the blob table), `seen_y_px` and `seen_x_px` (where the localisation puts it).
    """
    sample = draw_sample(panel, settings, seed)
    for number in range(1, settings.n_frames + 1):
        rng = np.random.default_rng([seed, 2, number])
        blobs = sample[sample["frame"] == number].reset_index(drop=True)
        frame = expose(frame_light(blobs, settings), settings, rng)
        blobs = _place_false(frame, blobs, panel, rng)
        yield frame, _observe(blobs, panel, settings, rng)


def _place_false(frame, blobs, panel, rng):
    """Move each false detection to a chance peak of the frame; labelled ones where their crop is kept."""
    is_false = (blobs["kind"] == "false").to_numpy()
    peaks = false_detections(frame, blobs[~is_false], 2 * is_false.sum(), rng)
    inside = fits(frame.shape, *np.floor(peaks).astype(int).T, panel.crop_window)
    slots = np.flatnonzero(is_false & blobs["labelled"])
    chosen = peaks[inside][: len(slots)]
    blobs.loc[slots[: len(chosen)], ["y_px", "x_px"]] = chosen
    others = np.flatnonzero(is_false & ~blobs["labelled"])
    chosen = peaks[~inside][: len(others)]
    blobs.loc[others[: len(chosen)], ["y_px", "x_px"]] = chosen
    return blobs.drop(others[len(chosen) :]).reset_index(drop=True)


def _observe(blobs, panel, settings, rng):
    """Which blobs the localisation finds, and where it puts them."""
    n = len(blobs)
    lower_detected = np.array([mir.lower_detected for mir in panel.mirs] + [0.0])[blobs["class"]]
    kind = blobs["kind"]
    rows, cols = settings.frame_shape
    on_frame = blobs["y_px"].between(0, rows - 1e-6) & blobs["x_px"].between(0, cols - 1e-6)
    blobs["detected"] = on_frame & (kind != "faint") & ((kind != "lower") | (rng.random(n) < lower_detected))
    # chance peaks are known to the pixel
    error_px = localisation_error_px(blobs["sigma_y_px"], blobs["sigma_x_px"], blobs["flux"], settings)
    for axis, size in (("y", rows), ("x", cols)):
        error = np.clip(error_px * rng.standard_normal(n), -MARGIN_PX, MARGIN_PX) * (kind != "false")
        blobs[f"seen_{axis}_px"] = np.clip(blobs[f"{axis}_px"] + error, 0.001, size - 0.001)
    return blobs
