"""How far below a blob a second one lies, whatever the panel says: that tells pairs of dyes that are no miR's."""

import numpy as np

UNKNOWN_PX = 1.5  # further than this from the gap of every miR, a gap is none of theirs
_BEYOND_PX = 3  # gaps are looked for as far beyond the largest of the panel
_SDS, _OF_FIRST = 5.0, 0.15  # a second blob stands higher than so many standard deviations, and than this share of the first
_ACROSS_PX, _ALONG_PX = 1.3, 1.0  # widths of the filter: across a blob's own, along less, so that blobs 4 px apart stay two
_ABOVE, _ASIDE, _APART = 3, 4, 3  # px: of the window above and beside a blob, and from it to where a second one may lie


def count_pairs(frame, found, panel, noise):
    """How many blobs have a second one below them, and of how many no miR has the gap: two int.

    Gaps from UNKNOWN_PX below the smallest of the panel on; a first blob's own shape makes smaller ones.

    Parameters
    ----------
    frame : ndarray of shape (rows, cols), counts, dispersion down
    found : DataFrame
        Its blobs, as `detection.detect_frame` gives them.
    panel : Panel
    noise : float
        Of a pixel, counts.
    """
    known = np.array([mir.gap_px for mir in panel.mirs])
    rows, cols = (np.floor(found[name].to_numpy()).astype(int) for name in ("y_px", "x_px"))
    gaps = measure_gaps(frame, rows, cols, noise, largest_px=known.max() + _BEYOND_PX)
    gaps = gaps[gaps > known.min() - UNKNOWN_PX]
    return len(gaps), int(np.sum(np.abs(gaps[:, None] - known).min(axis=1) > UNKNOWN_PX))


def measure_gaps(frame, rows, cols, noise, *, largest_px):
    """How far below each blob the highest second one lies: ndarray of shape (n_blobs,), px; NaN where there is none.

    Parameters
    ----------
    rows, cols : int ndarray of shape (n_blobs,)
        The pixel that holds each blob; one whose window leaves the frame has no second one.
    noise : float
        Of a pixel, counts.
    largest_px : float
        Second blobs are looked for as far as this.
    """
    steps, aside = np.arange(-_ABOVE, int(np.ceil(largest_px)) + 2), np.arange(-_ASIDE, _ASIDE + 1)
    gaps = np.full(len(rows), np.nan)
    inside = (rows >= _ABOVE) & (rows + steps[-1] < frame.shape[0]) & (cols >= _ASIDE) & (cols + _ASIDE < frame.shape[1])
    if not inside.any():
        return gaps
    across, along = np.exp(-0.5 * (aside / _ACROSS_PX) ** 2), np.exp(-0.5 * ((steps[:, None] - steps) / _ALONG_PX) ** 2)
    light = frame[rows[inside, None, None] + steps[:, None], cols[inside, None, None] + aside] @ across
    seen = (light - np.median(light, axis=1, keepdims=True)) @ along  # (n_inside, n_steps)
    first = 1 + seen[:, 1 : 2 * _ABOVE].argmax(axis=1)
    middle = seen[:, 1:-1]
    peaks = np.where((middle >= seen[:, :-2]) & (middle > seen[:, 2:]), middle, -np.inf)[:, _ABOVE + _APART - 1 :]
    second, highest = _ABOVE + _APART + peaks.argmax(axis=1), peaks.max(axis=1)
    sd = noise * np.sqrt((across**2).sum() * (along[_ABOVE] ** 2).sum())
    is_there = highest > np.maximum(_SDS * sd, _OF_FIRST * seen[np.arange(len(seen)), first])
    gaps[inside] = np.where(is_there, _top(seen, second) - _top(seen, first), np.nan)
    return gaps


def _top(seen, at):
    """Where the parabola through a value of each row and its two neighbours is highest, (n,)."""
    before, middle, after = (seen[np.arange(len(seen)), at + step] for step in (-1, 0, 1))
    bend = np.minimum(before - 2 * middle + after, -1e-9)  # noise may leave none
    return at + np.clip((before - after) / (2 * bend), -0.5, 0.5)
