"""Pictures of responses, whose colours can be known beforehand, and drawings that must not fail on odd numbers."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_rgb

from mirnb import plots
from mirnb.experiments.panel_file import THESIS, panel_from_dict
from mirnb.imaging.responses import composite


@pytest.fixture(autouse=True)
def close_figures():
    yield
    plt.close("all")


@pytest.fixture(params=[1, 5, 12])
def panel(request):
    mirs = [{"name": f"m{k}", "dyes": ["Alexa 488", "Alexa 647"], "gap_px": 3.0 + k} for k in range(request.param)]
    return panel_from_dict({"name": "many", "bands_nm": [[507, 532], [673, 714]], "mir": mirs})


def test_three_channels_are_red_green_and_blue():
    response = np.eye(3)[:, None] * 0.4  # one pixel for each template alone
    np.testing.assert_allclose(composite(response, THESIS)[:, 0], np.eye(3))


def test_beyond_three_a_lone_response_has_its_class_colour():
    mirs = [{"name": f"m{k}", "dyes": ["Alexa 488", "Alexa 647"], "gap_px": 3.0 + k} for k in range(12)]
    panel = panel_from_dict({"name": "many", "bands_nm": [[507, 532], [673, 714]], "mir": mirs})
    picture = composite(np.eye(12)[:, None], panel)
    np.testing.assert_allclose(picture[:, 0], [to_rgb(colour) for colour in panel.colours[:-1]])


def test_pictures_stay_in_range_and_dark_stays_dark(panel):
    response = np.random.default_rng(0).random((6, 5, panel.n_mirs))
    response[0, 0] = 0
    picture = composite(response, panel)
    assert picture.shape == (6, 5, 3)
    assert picture.min() >= 0
    assert picture.max() <= 1
    assert np.all(picture[0, 0] == 0)


def test_classes_differ_by_colour_and_by_line_or_marker(panel):
    assert len(set(panel.colours)) == panel.n_mirs + 1
    assert len(set(zip(panel.line_styles[:-1], panel.markers[:-1], strict=True))) == panel.n_mirs


def test_a_confusion_matrix_shows_shares_and_marks_what_is_undefined(panel):
    matrix = np.diag(np.arange(panel.n_mirs + 1))  # the first class has no crop
    ax = plots.draw_confusion(matrix, panel.names)
    texts = [text.get_text() for text in ax.texts]
    assert texts[0] == "P –\nR –"
    assert texts[-1] == "P 1.00\nR 1.00"


def test_chance_of_a_precision_recall_curve_is_the_share_of_the_class():
    curves = {"green": (pd.DataFrame({"recall": [0.0, 1.0], "precision": [1.0, 0.1]}), 0.5)}
    ax = plots.draw_precision_recall(curves, {"green": 0.035}, THESIS)
    assert ax.lines[1].get_ydata()[0] == 0.035


def test_a_gallery_takes_rows_of_different_length():
    figure = plots.draw_gallery({"one": [np.ones((4, 3))], "none": [], "two": [np.ones((4, 3)), np.zeros((4, 3, 3))]})
    assert len(figure.axes) == 6


def test_a_gallery_of_nothing_says_none():
    figure = plots.draw_gallery({}, share_range=True)
    assert figure.axes[0].texts[0].get_text() == "none"


def _sweep(panel, setting, values, *, n_repeats=4):
    """A sweep's table with scores that rise from value to value; the last repeat of the last value diverged."""
    rows = []
    for k, value in enumerate(values):
        for seed in range(n_repeats):
            diverged = k == len(values) - 1 and seed == n_repeats - 1
            for name in panel.names:
                for set_name in ("training", "validation"):
                    score = np.nan if diverged else 0.5 + 0.1 * k + 0.01 * seed
                    rows.append({"setting": setting, "value": value, "seed": seed, "class": name, "set": set_name,
                                 "precision": score, "recall": score, "diverged": diverged})  # fmt: skip
    return pd.DataFrame(rows)


def test_a_sweep_shows_the_median_of_each_class_at_its_value(panel):
    figure = plots.draw_sweep(_sweep(panel, "adam", ["0.0001", "0.002"]), panel, x_scale="log", marked="0.002")
    ax = figure.axes[1]
    assert ax.get_xscale() == "log"
    first = ax.lines[0]
    np.testing.assert_allclose(first.get_xdata(), [1e-4, 2e-3])
    np.testing.assert_allclose(first.get_ydata(), [0.515, 0.61])  # of 4 repeats, and of the 3 that did not diverge
    assert [text.get_text() for text in ax.texts] == ["1"]
    assert "diverged (number)" in [text.get_text() for text in figure.legends[0].get_texts()]
    assert (
        len({(line.get_color(), line.get_linestyle(), line.get_marker()) for line in ax.lines[: panel.n_mirs]})
        == panel.n_mirs
    )


def test_pooling_has_its_values_side_by_side_and_nothing_is_marked_that_is_not_there():
    figure = plots.draw_sweep(_sweep(THESIS, "pool", ["1x1", "2x1", "2x2"]), THESIS, marked="7x7")
    assert [tick.get_text() for tick in figure.axes[2].get_xticklabels()] == ["1x1", "2x1", "2x2"]
    assert "declines from here, thesis" not in [text.get_text() for text in figure.legends[0].get_texts()]


def test_the_optimum_is_the_highest_on_validation():
    index = pd.MultiIndex.from_tuples([("kernel", "", "3"), ("kernel", "", "5"), ("pool", "", "1x1")])
    table = pd.DataFrame(
        {"training": [0.7, 0.8, 0.99], "validation": [0.7, 0.78, 0.75], "weights": [7, 11, 99]}, index=index
    )
    figure = plots.draw_complexity(table.rename_axis(["setting", "others", "value"]))
    star = figure.axes[1].lines[-1]
    assert (star.get_xdata()[0], star.get_ydata()[0]) == (11, 0.78)
    assert star.get_label() == "optimum: kernel = 5"
