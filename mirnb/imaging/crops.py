"""Cut crops about blobs and say which blobs were kept (thesis 2.1)."""

import numpy as np


def fits(shape, rows, cols, window):
    """Which blobs' windows lie wholly inside a frame: the success mask of the thesis.

    Parameters
    ----------
    shape : (rows, cols) of the frame
    rows, cols : int ndarray of shape (n_blobs,)
        The pixel that holds each blob, floor(nm / pixel_size_nm).

    Returns
    -------
    kept : bool ndarray of shape (n_blobs,)

    Raises
    ------
    ValueError
        If `rows` and `cols` differ in length.
    """
    rows, cols = np.asarray(rows), np.asarray(cols)
    if rows.shape != cols.shape:
        raise ValueError(f"rows and cols must have one entry a blob, got {rows.shape} and {cols.shape}")
    down = (rows >= window.above) & (rows + window.below <= shape[0])
    return down & (cols >= window.left) & (cols + window.right <= shape[1])


def cut_crops(image, rows, cols, window):
    """Cut one crop per blob; all windows must lie inside (see `fits`).

    Parameters
    ----------
    image : ndarray of shape (rows, cols) or (rows, cols, n_channels)
    rows, cols : int ndarray of shape (n_blobs,)
    window : Window
        The blob lies at index (above, left) of its crop.

    Returns
    -------
    crops : ndarray of shape (n_blobs, *window.shape[, n_channels]), of the image's dtype

    Raises
    ------
    ValueError
        If a window leaves the image, or `rows` and `cols` differ in length.
    """
    kept = fits(image.shape, rows, cols, window)
    if not kept.all():
        first = int(np.argmin(kept))
        raise ValueError(
            f"the {window.shape[0]}x{window.shape[1]} window of blob {first} at row {rows[first]}, col {cols[first]} "
            f"leaves the image of {image.shape[0]}x{image.shape[1]}; drop such blobs first"
        )
    row_index = np.asarray(rows, int)[:, None, None] + np.arange(-window.above, window.below)[:, None]
    col_index = np.asarray(cols, int)[:, None, None] + np.arange(-window.left, window.right)
    return image[row_index, col_index]
