"""Blobs that lie near each other: which are crowded, and which are the lower halves of others."""

import numpy as np
from scipy.spatial import cKDTree


def find_crowded(frames, rows, cols, window):
    """Which blobs have another blob of the table inside their window: bool ndarray of shape (n_blobs,).

    Parameters
    ----------
    frames, rows, cols : int ndarray of shape (n_blobs,)
    """
    if len(rows) == 0:
        return np.zeros(0, bool)
    reach = max(window.above, window.below, window.left, window.right)
    # frames far apart on a third axis; Chebyshev distance covers the window, the exact test follows
    tree = cKDTree(np.column_stack([np.asarray(frames) * 4.0 * reach, rows, cols]))
    pairs = tree.query_pairs(reach, p=np.inf, output_type="ndarray")
    pairs = np.concatenate([pairs, pairs[:, ::-1]])
    below = np.asarray(rows)[pairs[:, 1]] - np.asarray(rows)[pairs[:, 0]]
    right = np.asarray(cols)[pairs[:, 1]] - np.asarray(cols)[pairs[:, 0]]
    inside = (below >= -window.above) & (below < window.below) & (right >= -window.left) & (right < window.right)
    crowded = np.zeros(len(rows), bool)
    crowded[pairs[inside, 0]] = True
    return crowded


REPEATED_PX = 0.5  # no two molecules are told apart so near


def find_repeated(frames, y_px, x_px, order):
    """Which blobs lie within REPEATED_PX of one of their frame that comes before in `order`: bool ndarray (n_blobs,).

    Parameters
    ----------
    frames : int ndarray of shape (n_blobs,)
    y_px, x_px : ndarray of shape (n_blobs,)
    order : int ndarray of shape (n_blobs,)
        Blobs, those to be kept first.
    """
    repeated, rank = np.zeros(len(order), bool), np.empty(len(order), int)
    rank[order] = np.arange(len(order))
    if len(order):
        pairs = cKDTree(np.column_stack([frames, y_px, x_px])).query_pairs(REPEATED_PX, output_type="ndarray")
        repeated[np.where(rank[pairs[:, 0]] > rank[pairs[:, 1]], *pairs.T)] = True
    return repeated


ALONG_PX, ALONG_SHARE = 1.2, 0.10  # the distance of a pair may differ by the larger of both from the panel's gap
SIDEWAYS_PX = 1.2


def find_partners(frames, y_px, x_px, called, panel):
    """For each blob the upper blob it is the lower half of.

    Only blobs called a miR have a partner: a blob below, at the distance of that miR's pair. A partner has none itself.

    Parameters
    ----------
    frames : int ndarray of shape (n_blobs,)
    y_px, x_px : ndarray of shape (n_blobs,)
        Dispersion down.
    called : int ndarray of shape (n_blobs,)
        Class each is called; the panel's noise, or -1 for none.

    Returns
    -------
    upper : int ndarray of shape (n_blobs,)
        Index of the upper blob, -1 for a blob that is no partner.
    """
    upper = np.full(len(called), -1)
    gaps = np.array([mir.gap_px for mir in panel.mirs])
    off = np.maximum(ALONG_PX, ALONG_SHARE * gaps)
    is_mir = (called >= 0) & (called < panel.noise)
    if not is_mir.any():
        return upper
    apart = 10 * (gaps.max() + off.max())  # of frames, on a third axis
    places = np.column_stack([np.asarray(frames) * apart, y_px, x_px])
    tree = cKDTree(places)
    for one in sorted(np.flatnonzero(is_mir), key=lambda k: (frames[k], y_px[k])):
        if upper[one] >= 0:
            continue
        gap, reach = gaps[called[one]], off[called[one]]
        near = tree.query_ball_point(places[one] + [0, gap, 0], np.hypot(reach, SIDEWAYS_PX))
        for other in near:
            down, right = places[other, 1] - places[one, 1], places[other, 2] - places[one, 2]
            if other != one and abs(down - gap) <= reach and abs(right) <= SIDEWAYS_PX:
                upper[other] = one
    return upper
