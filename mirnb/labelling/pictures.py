"""Pictures of a molecule as the tools show them: bytes in grey and in colour, its response, the templates behind it."""

import base64
import io

import numpy as np
from PIL import Image

from mirnb.experiments.cutouts import cut_raw_crops, kept_blobs, without_margin
from mirnb.imaging.correlation import cross_correlate
from mirnb.imaging.crops import cut_crops
from mirnb.imaging.templates import MIN_MOLECULES, median_templates, preprocess_templates
from mirnb.simulation.frames import ideal_pairs


def local_response(clean, row, col, templates, panel):
    """Response crop of a blob (rows, cols, n_mirs), from as much of its preprocessed frame as the templates reach."""
    window, reach = panel.crop_window, panel.template_window.shape
    top, left = max(row - window.above - reach[0], 0), max(col - window.left - reach[1], 0)
    part = clean[top : row + window.below + reach[0], left : col + window.right + reach[1]]
    response = np.stack([cross_correlate(part, template) for template in templates], axis=-1)
    return cut_crops(response, np.array([row - top]), np.array([col - left]), window)[0]


def display_templates(experiment):
    """Templates to show beside a blob: the user's masks, else medians of labelled crops, else the panel's ideal pairs.

    Returns
    -------
    templates : ndarray of shape (n_mirs, rows, cols), preprocessed
    about : str
        Where they are from.
    """
    panel = experiment.panel
    if experiment.masks is not None:
        return preprocess_templates(experiment.masks), "the experiment's masks"
    counts = [np.sum(experiment.labels == k) for k in range(panel.n_mirs)]
    if min(counts) >= MIN_MOLECULES:
        blobs, _ = kept_blobs(experiment)
        raw_crops = without_margin(cut_raw_crops(experiment.stack, blobs, panel))
        return preprocess_templates(median_templates(raw_crops, blobs["y"].to_numpy(), panel.n_mirs)), "labelled molecules"
    return ideal_pairs(panel), "drawn from the panel, as few are labelled"


def grey_bytes(image, low, high):
    return as_bytes((image.astype(np.float32) - low) / max(high - low, 1e-9))


def as_bytes(image):
    return (255 * np.clip(image, 0, 1)).astype(np.uint8)


def as_png(image):
    """A picture as an address a page can show."""
    file = io.BytesIO()
    Image.fromarray(image).save(file, "PNG", compress_level=1)
    return "data:image/png;base64," + base64.b64encode(file.getvalue()).decode()


def frame_bytes(frame):
    """A frame in bytes, dim greys told apart finer than bright ones, for a page that sets the contrast itself.

    Returns
    -------
    grey : uint8 ndarray of shape (rows, cols)
        255 times the root of where a pixel lies between low and high.
    low, usual, high : float
        Counts: shown black, shown white at first (as `images.draw_frame` does), and the most that can be shown.
    """
    low, usual, high = (float(one) for one in np.percentile(frame[::2, ::2], [1, 99.8, 99.99]))
    high = max(high, low + 1.0)
    shares = np.clip((np.asarray(frame, np.float32) - low) / (high - low), 0, 1)
    return as_bytes(np.sqrt(shares)), low, max(usual, low + 1.0), high
