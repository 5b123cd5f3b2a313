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

    Whole numbers stand for the unit about them, so that the median is not a whole number too. Where most neighbours are
    equal (a background cut off at 0), the mean square of the differences takes the median's place.

    images : ndarray of shape (..., rows, cols)
    """
    images = np.asarray(images)
    steps = np.abs(np.diff(images.astype(np.float32), axis=-1)).ravel()
    if not steps.size:
        return 0.0
    middle = float(np.median(steps))
    if images.dtype.kind in "iu":
        below, within = np.mean(steps < middle), np.mean(steps == middle)
        low, width = (middle - 0.5, 1.0) if middle > 0 else (0.0, 0.5)
        middle = low + width * (0.5 - below) / within if within else middle
    if np.mean(steps == 0) > 0.5:
        return float(np.sqrt(np.mean(np.square(steps, dtype=np.float64)) / 2))
    return middle / 0.6745 / np.sqrt(2)


def crop_medians(crops):
    """Median of each crop, taken as its background: (n, 1, 1) of crops (n, rows, cols)."""
    crops = np.asarray(crops)
    return np.median(crops.reshape(len(crops), crops.shape[1] * crops.shape[2]), axis=1)[:, None, None]
