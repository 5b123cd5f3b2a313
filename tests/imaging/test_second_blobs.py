"""Second blobs below first ones, placed by hand: how far they lie, and which of them no miR of the panel has."""

import numpy as np
import pandas as pd
import pytest

from mirnb.experiments.panel_file import THESIS
from mirnb.imaging.second_blobs import count_pairs, measure_gaps


def _frame(rng, blobs, *, noise=10.0):
    """A frame of 200x200 pixels on a ground of 900 counts; blobs: (y_px, x_px, counts), of 1.2 px."""
    y, x = np.mgrid[:200, :200] + 0.5
    each = [n * np.exp(-((y - row) ** 2 + (x - col) ** 2) / (2 * 1.2**2)) for row, col, n in blobs]
    light = np.sum(each, axis=0) / (2 * np.pi * 1.2**2)
    return np.rint(900 + light + noise * rng.standard_normal((200, 200))).astype(np.uint16)


@pytest.mark.parametrize("gap_px", [4.75, 6.5, 9.0, 11.5, 13.3])
@pytest.mark.parametrize("y_px", [50.1, 50.5, 50.9])
def test_the_gap_of_a_pair_is_measured_within_half_a_pixel(gap_px, y_px, rng):
    frame = _frame(rng, [(y_px, 80.4, 3000), (y_px + gap_px, 80.6, 1500)])
    (gap,) = measure_gaps(frame, np.array([50]), np.array([80]), 10.0, largest_px=14.5)
    assert gap == pytest.approx(gap_px, abs=0.45)  # blobs 5 px apart draw each other near


def test_a_single_blob_and_one_whose_window_leaves_the_frame_have_none(rng):
    frame = _frame(rng, [(50, 80, 3000), (190, 80, 3000), (199, 80, 3000), (100, 40, 3000), (109, 46, 3000), (60, 150, 3e4),
                         (69, 150, 1500)])  # fmt: skip
    rows, cols = np.array([50, 190, 100, 60]), np.array([80, 80, 40, 150])
    assert np.isnan(measure_gaps(frame, rows, cols, 10.0, largest_px=14.5)).all()  # beside it, and far dimmer, is none
    assert measure_gaps(frame, rows[:0], cols[:0], 10.0, largest_px=14.5).shape == (0,)


def test_pairs_of_the_panel_and_others_are_told_apart(rng):
    gaps = [11.5, 4.75, 6.5, 9.0, 9.3, 13.8, 7.2]
    uppers = [(40 + 60 * (k // 4), 30 + 40 * (k % 4)) for k in range(len(gaps))]
    pairs = [(*place, 3000) for place in uppers]
    pairs += [(row + gap, col, 1800) for (row, col), gap in zip(uppers, gaps, strict=True)]
    found = pd.DataFrame([*uppers, (160.5, 160.5)], columns=["y_px", "x_px"])
    assert count_pairs(_frame(rng, [*pairs, (160.5, 160.5, 3000)]), found, THESIS, 10.0) == (7, 3)
