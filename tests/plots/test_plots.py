"""Pictures of responses, whose colours can be known beforehand, and drawings that must not fail on odd numbers."""

import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_rgb

from mirnb import plots
from mirnb.experiments.panel_file import THESIS
from mirnb.imaging.responses import composite


def test_a_lone_response_has_the_colour_of_its_class(panel):
    picture = composite(np.eye(panel.n_mirs)[:, None] * 0.4, panel)  # one pixel for each template alone
    np.testing.assert_allclose(picture[:, 0], [to_rgb(colour) for colour in panel.colours[:-1]])


def test_pictures_on_one_range_are_as_bright_as_their_responses():
    response = np.zeros((1, 1, 3))
    response[..., 1] = 0.2
    np.testing.assert_allclose(composite(response, THESIS, top=0.8)[0, 0], np.array(to_rgb(THESIS.colours[1])) / 4)


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


def test_a_confusion_matrix_shows_shares_and_counts_and_marks_what_is_undefined(panel):
    matrix = np.diag(np.arange(panel.n_mirs + 1))  # the first class has no crop
    ax = plots.draw_confusion(matrix, panel.names)
    texts = [text.get_text() for text in ax.texts]
    assert len(texts) == len(panel.names) ** 2
    assert texts[0] == "–\n0"
    assert texts[1] == "0"
    assert texts[-1] in (f"1.00\n{panel.n_mirs}", f"1\n{panel.n_mirs}")
    rows, columns = ([label.get_text() for label in labels] for labels in (ax.get_yticklabels(), ax.get_xticklabels()))
    assert [row.replace("\n", " ") for row in rows] == [f"{name} ({n})" for n, name in enumerate(panel.names)]
    assert columns[0].endswith("P –")


def test_titles_name_the_classifier():
    figure = plots.draw_confusions({"test": np.eye(4, dtype=int)}, THESIS, title="PCA + SVM")
    assert figure.axes[0].get_title() == "PCA + SVM\ntest\n4 crops"


def test_chance_of_a_precision_recall_curve_is_the_share_of_the_class():
    curves = {"green": (pd.DataFrame({"recall": [0.0, 1.0], "precision": [1.0, 0.1]}), 0.5)}
    ax = plots.draw_precision_recall(curves, {"green": 0.035}, THESIS)
    assert ax.lines[1].get_ydata()[0] == 0.035


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


def _shown(figure):
    return [text.get_text() for text in figure.legends[0].get_texts()]


def test_a_sweep_shows_the_median_of_each_class_at_its_value_and_few_repeats_as_points(panel):
    figure = plots.draw_sweep(_sweep(panel, "adam", ["0.0001", "0.002"]), panel, x_scale="log", marked="0.002")
    ax = figure.axes[1]
    assert ax.get_xscale() == "log"
    median, points = ax.lines[:2]
    np.testing.assert_allclose(median.get_xdata(), [1e-4, 2e-3])
    np.testing.assert_allclose(median.get_ydata(), [0.515, 0.61])  # of 4 repeats, and of the 3 that did not diverge
    np.testing.assert_allclose(points.get_ydata()[:4], [0.5, 0.51, 0.52, 0.53])
    assert not ax.collections  # no band of four
    assert [text.get_text() for text in ax.texts] == ["1"]
    assert {"diverged (number)", "one repeat", *panel.mir_names} <= set(_shown(figure))
    own = [line for line in ax.lines if line.get_label() in panel.mir_names]
    assert len({(line.get_color(), line.get_linestyle(), line.get_marker()) for line in own}) == panel.n_mirs


def test_many_repeats_of_a_sweep_have_a_band():
    figure = plots.draw_sweep(_sweep(THESIS, "filter1", ["4", "12"], n_repeats=6), THESIS)
    assert len(figure.axes[0].collections) == 3
    assert "one repeat" not in _shown(figure)


def test_undefined_precision_is_marked_at_the_foot():
    table = _sweep(THESIS, "filter1", ["4", "12"])
    never = (table["class"] == "green") & (table["value"] == "4") & (table["set"] == "validation")
    table.loc[never, "precision"] = np.nan
    figure = plots.draw_sweep(table, THESIS)
    marks = [[line for line in ax.lines if line.get_marker() == "1" and len(line.get_xdata())] for ax in figure.axes]
    assert [len(one) for one in marks] == [0, 1, 0, 0]
    assert marks[1][0].get_xdata().tolist() == [4]
    assert marks[1][0].get_color() == THESIS.colours[1]
    assert "undefined: never called" in _shown(figure)


def test_pooling_has_its_values_side_by_side_and_nothing_is_marked_that_is_not_there():
    figure = plots.draw_sweep(_sweep(THESIS, "pool", ["1x1", "2x1", "2x2"]), THESIS, marked="7x7")
    assert [tick.get_text() for tick in figure.axes[2].get_xticklabels()] == ["1x1", "2x1", "2x2"]
    assert "declines from here, thesis" not in _shown(figure)
    assert all(line.get_linestyle() == "None" for line in figure.axes[0].lines if len(line.get_xdata()))  # unlike things


def test_the_optimum_is_the_highest_on_validation():
    index = pd.MultiIndex.from_tuples([("kernel", "", "3"), ("kernel", "", "5"), ("pool", "", "1x1")])
    table = pd.DataFrame(
        {"training": [0.7, 0.8, 0.99], "validation": [0.7, 0.78, 0.75], "weights": [7, 11, 99]}, index=index
    )
    figure = plots.draw_complexity(table.rename_axis(["setting", "others", "value"]))
    training, validation = (ax.lines for ax in figure.axes)
    assert [line.get_linestyle() for line in validation[:2]] == ["-", "None"]  # kinds of pooling are not joined
    assert not any(line.get_marker() == "*" for line in training)
    star = validation[-1]
    assert (star.get_xdata()[0], star.get_ydata()[0]) == (11, 0.78)
    assert star.get_label() == "optimum: kernel = 5"


def _reliability(n):
    rows = {"low": [0.8, 0.9], "high": [0.9, 1.0], "n": n, "confidence": [0.85, 0.95], "accuracy": [0.8, 0.9]}
    return pd.DataFrame({**rows, "accuracy_low": [0.7, 0.8], "accuracy_high": [0.9, 0.95]})


def test_every_line_of_a_reliability_diagram_is_in_its_legend_and_its_title_names_the_error():
    ax = plots.draw_reliability(_reliability([10, 30]), 0.05, title="PCA + SVM")
    assert ax.get_title() == "PCA + SVM\ncalibration error 0.050"
    assert len(_shown(ax.figure)) == 3
    assert [bar.get_height() for bar in ax.patches] == [0.25, 0.75]


def test_crosstalk_ends_where_few_calls_are_left():
    curve = pd.DataFrame({"accepted": [90, 31, 29], "rejected": [0, 0.65, 0.68], "crosstalk": [0.1, 0.02, 0.0],
                          "crosstalk_low": [0.05, 0.01, 0.0], "crosstalk_high": [0.2, 0.1, 0.1]})  # fmt: skip
    figure = plots.draw_rejection({"one": curve, "other": curve})
    own = figure.axes[0].lines[-1]
    np.testing.assert_allclose(own.get_xdata(), [0, 65])
    np.testing.assert_allclose(own.get_ydata(), [10, 2])
    assert set(_shown(figure)) == {"the other classifiers", "95 % (Wilson) interval", "crosstalk"}


@pytest.mark.parametrize(
    ("shares", "n_repeats", "n_lines"), [([0.25, 1.0], 1, 0), ([0.1, 0.5, 1.0], 1, 2), ([0.1, 0.5, 1.0], 3, 2)]
)
def test_a_learning_curve_is_a_line_from_three_numbers_of_labels_on(shares, n_repeats, n_lines):
    rows = [
        {"share": share, "labels": 1000 * share, "way": way, "seed": seed, "macro_f1_mir": share + 0.01 * seed}
        for share in shares for way in ("labels alone", "twin") for seed in range(n_repeats)
    ]  # fmt: skip
    ax = plots.draw_learning_curve(pd.DataFrame(rows), reference=0.5)
    assert len([line for line in ax.lines if line.get_linestyle() != "None" and len(line.get_xdata()) > 2]) == n_lines
    assert _shown(ax.figure) == ["labels alone", "twin", "LeNet-5, all labels"]
    assert len(ax.collections) == (2 if n_repeats >= 3 else 0)  # bars of three repeats


def test_classifiers_never_wear_the_colours_of_mirs(panel):
    rows = [{"class": name, "classifier": kind, "f1": 0.8, "f1 low": 0.7, "f1 high": 0.9}
            for name in panel.names for kind in "abcde"]  # fmt: skip
    ax = plots.draw_rivals(pd.DataFrame(rows))
    colours = {to_rgb(line.get_color()) for line in ax.lines}
    assert all(red == green == blue for red, green, blue in colours)
    assert not colours & {to_rgb(colour) for colour in panel.colours}
