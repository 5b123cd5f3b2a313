"""Background level, bright-dirt cap and noise of frames and templates (thesis 2.1; its `preprocessing`)."""

import numpy as np


def preprocess(image, *, background_percentile=70.0, cap_sds=5.0):
    """Subtract the background level, floor at 0, then cap bright dirt.

    The cap is the median of the floored image plus `cap_sds` of its standard deviations. An image of 8 or 16 bit integers
    takes a fast way with the same result: all that is needed follows from how many pixels have each grey level.

    Parameters
    ----------
    image : ndarray of shape (rows, cols)
        A frame or a template, counts; left as it is.
    background_percentile : float
        This percentile of the image's own pixels is its background level, percent.
    cap_sds : float
        Height of the cap, standard deviations.

    Returns
    -------
    float32 ndarray of shape (rows, cols), 0 and above, counts above background
    """
    image = np.asarray(image)
    if image.dtype in (np.uint8, np.uint16):
        n_pixels = np.bincount(image.ravel())
        grey = np.arange(len(n_pixels), dtype=float)
        level = _percentile(n_pixels, background_percentile)
        lifted = np.maximum(grey - level, 0)
        mean = lifted @ n_pixels / image.size
        sd = np.sqrt((lifted - mean) ** 2 @ n_pixels / image.size)
        cap = max(_percentile(n_pixels, 50.0) - level, 0) + cap_sds * sd
        return np.minimum(lifted, cap).astype(np.float32)[image]
    lifted = np.maximum(image - np.percentile(image, background_percentile), 0)
    return np.minimum(lifted, np.median(lifted) + cap_sds * lifted.std()).astype(np.float32)


def _percentile(n_pixels, percent):
    """The percentile of an image of integers from the count of each grey level; as numpy's, linear between neighbours."""
    cumulated = np.cumsum(n_pixels)
    position = (cumulated[-1] - 1) * percent / 100
    below, above = np.searchsorted(cumulated, [np.floor(position), np.ceil(position)], side="right")
    return below + (position - np.floor(position)) * (above - below)


def noise_sd(images):
    """Noise of a pixel, counts: from the median difference of neighbours along the rows, which blobs hardly touch.

    images : ndarray of shape (..., rows, cols)
    """
    steps = np.abs(np.diff(np.asarray(images, np.float32), axis=-1))
    return float(np.median(steps) / 0.6745 / np.sqrt(2)) if steps.size else 0.0


def crop_medians(crops):
    """Median of each crop, taken as its background: (n, 1, 1) of crops (n, rows, cols)."""
    crops = np.asarray(crops)
    return np.median(crops.reshape(len(crops), crops.shape[1] * crops.shape[2]), axis=1)[:, None, None]
