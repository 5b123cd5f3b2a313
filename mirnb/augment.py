"""Views of a crop that the physics allows: mirrored left-right, shifted by parts of a pixel, dimmer. Never up-down."""

import numpy as np

from mirnb.imaging.preprocessing import crop_medians


def plain_view(wide_crops, margin_px, noise_sd):
    """The middle of wide crops, in units of the noise: (n, rows, cols) less `margin_px` on every side, float32."""
    inner = slice(margin_px, -margin_px)
    return np.asarray(wide_crops[:, inner, inner], np.float32) / np.float32(noise_sd)


def shaken_view(wide_crops, margin_px, noise_sd, rng, *, shift_px=0.5, dimmest=0.8):
    """A random view of each crop: what the microscope could as well have recorded.

    Half are mirrored left-right; all are shifted by up to `shift_px` on both axes and dimmed by up to `dimmest`. Both take
    noise away, which is given back.

    Parameters
    ----------
    wide_crops : ndarray of shape (n, rows + 2 * margin_px, cols + 2 * margin_px)
        Counts; the blob lies in the pixel right of the middle of the columns, as `panel.Window` has it.
    margin_px : int
        At least 2.
    noise_sd : float
        Noise of a pixel, counts.
    rng : numpy.random.Generator

    Returns
    -------
    float32 ndarray of shape (n, rows, cols), units of the noise
    """
    crops = np.asarray(wide_crops, np.float32) / np.float32(noise_sd)
    n, n_rows, n_cols = crops.shape
    mirrored = rng.random(n) < 0.5
    # the blob's pixel is cols // 2: mirrored it falls one column to the left, so the mirror image moves one to the right
    crops[mirrored] = np.roll(crops[mirrored, :, ::-1], 1, axis=2)
    shift = rng.uniform(-shift_px, shift_px, (2, n)).astype(np.float32)
    kept = np.ones(n, np.float32)
    for axis, by in enumerate(shift, start=1):
        share = np.abs(by)[:, None, None]
        neighbour = np.where((by > 0)[:, None, None], np.roll(crops, 1, axis=axis), np.roll(crops, -1, axis=axis))
        crops = (1 - share) * crops + share * neighbour  # what is rolled over the edge lies in the margin
        kept *= (1 - np.abs(by)) ** 2 + by**2  # of the noise's variance
    crops = crops[:, margin_px : n_rows - margin_px, margin_px : n_cols - margin_px]
    dim = rng.uniform(dimmest, 1, n).astype(np.float32)
    ground = crop_medians(crops)
    lost = np.sqrt(np.maximum(1 - dim**2 * kept, 0))[:, None, None]
    return ground + dim[:, None, None] * (crops - ground) + lost * rng.standard_normal(crops.shape, np.float32)
