"""Frames and crops as pictures: marks lie where the blobs do, one row's range is not another's, bars are to scale."""

import numpy as np
import pandas as pd
import pytest

from mirnb import plots
from mirnb.experiments.panel_file import THESIS


def test_marks_of_a_frame_lie_on_its_blobs_and_the_legend_counts_them():
    blobs = pd.DataFrame({"row": [30, 40, 90, 45], "col": [22, 23, 80, 46], "class": ["red", "noise", "red", "blue"]})
    frame = np.random.default_rng(0).normal(900, 34, (100, 100))
    ax = plots.draw_frame(frame, blobs, THESIS, corner=(20, 10), side_px=50, um_per_px=0.12)
    marks = {line.get_label(): line for line in ax.lines}
    assert ax.images[0].get_array().shape == (50, 50)
    np.testing.assert_array_equal(marks["red (1)"].get_xydata(), [[12, 10]])  # the other one lies outside
    np.testing.assert_array_equal(marks["blue (1)"].get_xydata(), [[36, 25]])
    np.testing.assert_array_equal(marks["noise (1)"].get_xydata(), [[13, 20]])
    assert marks["red (1)"].get_markeredgecolor() == THESIS.colours[0]
    assert len({marks[label].get_marker() for label in ("red (1)", "green (0)", "blue (1)", "noise (1)")}) == 4
    assert [text.get_text() for text in ax.figure.legends[0].get_texts()] == [
        "red (1)", "green (0)", "blue (1)", "noise (1)",
    ]  # fmt: skip


def test_a_scale_bar_is_as_long_as_it_says():
    ax = plots.draw_frame(np.eye(100), pd.DataFrame({"row": [], "col": [], "class": []}), THESIS, um_per_px=0.12)
    assert ax.texts[0].get_text() == "2 µm"
    bar = ax.lines[-1].get_xdata()
    assert bar[1] - bar[0] == pytest.approx(2 / 0.12)


def test_molecules_stand_in_rows_and_bright_dirt_darkens_no_row():
    crop = np.full((24, 10), 900.0)
    crop[6, 5] = 1900
    rows = {"dim": [crop, crop, crop * 50], "bright": [10 * crop]}
    ax = plots.draw_molecules(rows, um_per_px=0.12)
    picture = ax.images[0].get_array()
    tops = [round(at - 11.5) for at in ax.get_yticks()]
    assert [label.get_text() for label in ax.get_yticklabels()] == ["dim", "bright"]
    for top in tops:
        np.testing.assert_allclose(picture[top + 6, 5], 255)
        np.testing.assert_allclose(picture[top, 0], 0)
    assert ax.texts[0].get_text() == "1 µm"


def test_colour_pictures_stand_beside_their_crops():
    crop, colours = np.arange(240.0).reshape(24, 10), np.full((24, 10, 3), [0.2, 0.4, 0.6])
    one = plots.draw_molecules({"a": [crop, crop]}).images[0].get_array()
    both = plots.draw_molecules({"a": [crop, crop], "none": []}, beside={"a": [colours, colours], "none": []})
    assert both.images[0].get_array().shape[1] > one.shape[1] + 20
    assert np.sum(np.all(both.images[0].get_array() == [51, 102, 153], axis=-1)) == 2 * 240


def test_molecules_of_nothing_say_none():
    assert plots.draw_molecules({"red → green": []}).texts[0].get_text() == "none"
