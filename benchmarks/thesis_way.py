"""The thesis's way from a frame to its response, written anew from its cells 2, 4 and 9.

For each template: preprocess frame (once) and template, `scipy.signal.correlate2d`, `skimage.feature.blob_log` on the
response.
"""

import numpy as np
from scipy import signal
from skimage import feature


def thesis_way(frame, templates, *, with_blob_log):
    """Response (rows, cols, 3) as the thesis computed it, one template after another in float64."""

    def clean(image):
        lifted = np.maximum(image - np.percentile(image, 70), 0)
        return np.minimum(lifted, np.median(lifted) + 5 * lifted.std())

    cleaned = clean(frame)
    response = np.zeros((*frame.shape, len(templates)))
    for k, template in enumerate(templates):
        small = clean(template)
        one = signal.correlate2d(cleaned / np.linalg.norm(cleaned), small / np.linalg.norm(small), mode="same")
        if with_blob_log:
            feature.blob_log(one, min_sigma=1, max_sigma=7, threshold=0.001)
        response[..., k] = one
    return response
