"""Figures of counted samples: what is drawn of tables made by hand."""

import numpy as np
import pandas as pd
import pytest

from mirnb import plots


def _abundance(panel, names, *, true=np.nan):
    rows = [
        {
            "sample": name, "role": "blank" if name == "empty" else "sample", "class": mir, "frames": 10, "true": true,
            "per_frame": 2, "per_frame_low": 1, "per_frame_high": 3, "share": 0.2, "share_low": 0.1, "share_high": 0.3,
            "counted_share": np.nan if name == "empty" else 0.1, "detection_limit": 5.0, "true_share": true / 100,
        }
        for name in names
        for mir in panel.mir_names
    ]  # fmt: skip
    return pd.DataFrame(rows)


def _legend(figure):
    return {text.get_text() for text in figure.legends[0].get_texts()}


@pytest.mark.parametrize("n_samples", [1, 6])
def test_abundances_show_each_sample_and_no_shares_of_a_blank(panel, n_samples):
    names = [f"sample {k}" for k in range(n_samples)] + ["empty"]
    figure = plots.draw_abundance(_abundance(panel, names), panel)
    upper, lower = figure.axes
    assert [label.get_text() for label in lower.get_xticklabels()] == names
    assert [len(ax.containers[0].lines[0].get_xdata()) for ax in (upper, lower)] == [n_samples + 1, n_samples]
    assert _legend(figure) == {*panel.mir_names, "detection limit", "share as counted"}


def test_true_values_are_drawn_where_they_are_known_and_named_in_the_legend(panel):
    figure = plots.draw_abundance(_abundance(panel, ["one"], true=30.0), panel)
    crosses = [line for line in figure.axes[0].lines if line.get_marker() == "x"]
    assert [line.get_ydata().tolist() for line in crosses] == [[3.0]] * panel.n_mirs  # a frame
    shares = [line.get_ydata().tolist() for line in figure.axes[1].lines if line.get_marker() == "x"]
    assert shares == [[0.3]] * panel.n_mirs
    assert "true (simulated)" in _legend(figure)


def _changes(panel, values, *, sample="b", against="a"):
    value, low, high = values
    rows = [(sample, against, name, value, low, high) for name in panel.mir_names]
    return pd.DataFrame(rows, columns=["sample", "against", "class", "fold_change", "low", "high"])


NO_REPLICATES = pd.DataFrame(columns=["sample", "against", "class", "replicate", "fold_change"])


def test_a_fold_change_is_drawn_with_its_interval_and_replicates_as_points(panel):
    replicates = pd.DataFrame(
        [("b", "a", name, k + 1, value) for name in panel.mir_names for k, value in enumerate((1.5, 3.0))],
        columns=NO_REPLICATES.columns,
    )
    figure = plots.draw_fold_changes(_changes(panel, (2.0, 1.2, 4.0)), replicates, panel)
    (ax,) = figure.axes
    assert (ax.get_title(), ax.get_xscale()) == ("b against a", "log")
    drawn = [list(line.get_xdata()) for line in ax.lines]
    assert drawn.count([1.2, 4.0]) == drawn.count([1.5, 3.0]) == panel.n_mirs
    assert [1, 1] in drawn  # the line of as much in both
    assert _legend(figure) == {"all of the sample", "a replicate", "as much in both"}


@pytest.mark.parametrize(
    ("values", "arrows"),
    [((2.0, 1.0, np.inf), ">"), ((0.5, 0.0, 0.9), "<"), ((0.0, 0.0, 0.0), "<"), ((np.inf, 2.0, np.inf), ">"),
     ((np.nan, np.nan, np.nan), ""), ((1.0, 0.0, np.inf), "<>"), ((0.9, 0.5, 1.2), "")],
)  # fmt: skip
def test_ends_that_are_none_or_infinite_are_arrows_and_stay_on_the_axis(values, arrows, panel):
    figure = plots.draw_fold_changes(_changes(panel, values), NO_REPLICATES, panel)
    (ax,) = figure.axes
    low, high = ax.get_xlim()
    assert 0 < low < 1 < high < np.inf
    drawn = [line for line in ax.lines if line.get_marker() in ("<", ">") and len(line.get_xdata()) == 1]
    drawn = [line for line in drawn if line.get_xdata()[0] in (low, high)]
    assert "".join(sorted({line.get_marker() for line in drawn})) == arrows
    figure.canvas.draw()


def test_of_many_samples_those_with_the_first_are_compared(panel):
    names = [f"s{k}" for k in range(5)]
    pairs = [(one, other) for k, one in enumerate(names) for other in names[k + 1 :]]
    changes = pd.concat([_changes(panel, (1.0, 0.5, 2.0), sample=two, against=one) for one, two in pairs])
    titles = [ax.get_title() for ax in plots.draw_fold_changes(changes, NO_REPLICATES, panel).axes]
    assert titles == [f"s{k} against s0" for k in range(1, 5)]


def test_a_paper_has_figures_of_a_columns_width(panel):
    plots.use_style("paper", width_mm=85)
    try:
        drawn = [plots.draw_fold_changes(_changes(panel, (1.0, 0.5, np.inf)), NO_REPLICATES, panel),
                 plots.draw_abundance(_abundance(panel, ["one", "two"], true=3.0), panel)]  # fmt: skip
    finally:
        plots.use_style()
    assert [figure.get_figwidth() for figure in drawn] == [pytest.approx(85 / 25.4)] * 2


def test_what_hardly_differs_between_frames_looks_so():
    table = pd.DataFrame({"frame": [1, 2, 3], "blobs": [100.0, 20.0, 110.0], "background_counts": [866.0, 867.0, 866.0]})
    others = ("wide_blobs", "narrow_sigma_px", "sharpness", "flux_counts", "uneven_counts", "noise_sd_counts", "lean_deg",
              "unknown_pairs", "repeated_share", "saturated_share")  # fmt: skip
    table = table.assign(**dict.fromkeys(others, 0.0), verdict=["", "empty", ""], counted=[True, False, True])
    figure = plots.draw_frame_measures(table)
    by_title = {ax.get_title().replace("\n", " "): ax for ax in figure.axes}
    low, high = by_title["background (counts)"].get_ylim()
    assert (low + high) / 2 == pytest.approx(866.5, abs=1)
    assert high - low == pytest.approx(0.3 * 866.5, rel=0.01)
    low, high = by_title["blobs"].get_ylim()
    assert low < 20 < 110 < high
    assert "left out: empty" in _legend(figure)
