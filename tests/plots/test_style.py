"""Figures at the width they are asked for, with text that can be read, and in the formats of a journal."""

import matplotlib.pyplot as plt
import pytest

from mirnb import plots
from mirnb.plots.style import make_axes, own_axes, plain_style, put_legend


@pytest.fixture(autouse=True)
def page_again():
    yield
    plt.close("all")
    plots.use_style()


def test_a_style_says_what_there_is():
    with pytest.raises(ValueError, match="page, paper, slides"):
        plots.use_style("poster")
    with pytest.raises(ValueError, match="width_mm must lie between 50 and 500"):
        plots.use_style("paper", width_mm=8.5)


@pytest.mark.parametrize(("style", "width_mm", "n_cols"), [("page", None, 2), ("paper", 85, 1), ("paper", 180, 2)])
def test_panels_stand_below_each_other_where_there_is_no_room_beside(style, width_mm, n_cols):
    plots.use_style(style, width_mm=width_mm)
    axes = make_axes(2, width=4.5, height=3.5)
    axes[0].figure.draw_without_rendering()
    assert len({round(ax.get_position().x0, 2) for ax in axes}) == n_cols
    if width_mm:
        assert axes[0].figure.get_size_inches()[0] * 25.4 == pytest.approx(width_mm)


@pytest.mark.parametrize(("style", "n_lines"), [("page", 3), ("paper", 3), ("paper", 13), ("slides", 13)])
def test_a_legend_stands_outside_the_axes_and_inside_the_figure(style, n_lines):
    plots.use_style(style)
    ax = own_axes(None, width=5, height=4)
    for k in range(n_lines):
        ax.plot([0, 1], [k, k], label=f"line {k}", **plain_style(k))
    legend = put_legend(ax)
    figure = ax.figure
    figure.draw_without_rendering()
    box = legend.get_window_extent()
    assert not box.overlaps(ax.get_window_extent())
    assert box.x0 >= 0
    assert box.y0 >= 0
    assert box.x1 <= figure.bbox.width
    assert box.y1 <= figure.bbox.height
    assert [text.get_text() for text in legend.get_texts()] == [f"line {k}" for k in range(n_lines)]


def test_axes_that_are_given_are_drawn_in_and_their_figure_keeps_its_size():
    figure, ax = plt.subplots(figsize=(3, 2))
    assert own_axes(ax, width=5, height=4) is ax
    ax.plot([0, 1], label="a line")
    put_legend(ax)
    assert tuple(figure.get_size_inches()) == (3, 2)
    assert ax.get_legend() is not None
