"""Median templates of the miRs, from raw training crops (thesis 2.1), and their preprocessing."""

import numpy as np

from mirnb.imaging.preprocessing import preprocess

MIN_MOLECULES = 10  # training crops of a miR; with fewer, its look is not learned from them alone


def median_templates(raw_crops, y_true, n_mirs):
    """The median crop of each miR class, as raw counts; preprocess them as frames are before correlating.

    Parameters
    ----------
    raw_crops : ndarray of shape (n_crops, rows, cols)
        Raw training crops in the template window, counts.
    y_true : int ndarray of shape (n_crops,)
        Their classes, noise being `n_mirs`.

    Returns
    -------
    templates : float32 ndarray of shape (n_mirs, rows, cols), counts

    Raises
    ------
    ValueError
        If a class has no crop, or crops and classes differ in number.
    """
    if len(raw_crops) != len(y_true):
        raise ValueError(f"{len(raw_crops)} crops but {len(y_true)} labels; were both filtered by the same mask?")
    missing = [k for k in range(n_mirs) if not np.any(y_true == k)]
    if missing:
        raise ValueError(f"no training crop of class {', '.join(map(str, missing))}; a template needs at least one")
    return np.stack([np.median(raw_crops[y_true == k], axis=0) for k in range(n_mirs)]).astype(np.float32)


def preprocess_templates(templates, *, background_percentile=70.0, cap_sds=5.0):
    """Preprocess each template by its own figures, as frames are (thesis cell 4)."""
    return np.stack([preprocess(one, background_percentile=background_percentile, cap_sds=cap_sds) for one in templates])
