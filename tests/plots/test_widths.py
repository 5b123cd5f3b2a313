"""Every drawing on a page, in a column of 85 mm and on a slide: its width is right, nothing is cut off, all can be read."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from matplotlib.text import Text

from mirnb import plots
from mirnb.counting.frames import CAUSES
from mirnb.experiments.panel import Window
from mirnb.experiments.panel_file import panel_from_dict
from mirnb.experiments.run_folder import Results

RNG = np.random.default_rng(0)
NAMES = {"n": 4, "title": "a classifier of a long name (thesis)"}


def panel_of(n_mirs):
    mirs = [{"name": f"miR-{k}", "dyes": ["Alexa 488", "Alexa 647"], "gap_px": 3.0 + k} for k in range(n_mirs)]
    return panel_from_dict({"name": "many", "bands_nm": [[507, 532], [673, 714]], "mir": mirs})


def frame_calls(panel):
    blobs = pd.DataFrame(
        {"row": [5, 40, 80], "col": [5, 60, 90], "class": [panel.names[0], panel.names[-1], panel.names[0]]}
    )
    return plots.draw_frame(RNG.normal(900, 34, (100, 100)), blobs, panel, um_per_px=0.12, title=NAMES["title"])


def places(panel):
    sets = {"positions of the table": 100 * RNG.random((9, 2)), "where they would fit": 100 * RNG.random((9, 2))}
    image, words = RNG.normal(0, 1, (100, 100)), "positions fit +0.5 px in x and +0.5 px in y further; do they count from 1?"
    panels = {"mean of 8 frames": (image, (0, 0), None, sets), "a part of it": (image, (20, 30), 40, sets)}
    return plots.draw_places(panels, um_per_px=0.12, title=f"{panel.name}.csv: {words}")


def techniques(panel):
    images = {name: RNG.random((100, 100)) for name in ("cosine similarity", "cross-correlation", "original")}
    blobs = pd.DataFrame({"row": [30, 95], "col": [50, 98]})
    found = {f"labelled {panel.names[0]}": blobs, "other blobs": blobs + 3}
    look = {"window": Window(6, 18, 5, 5), "colour": panel.colours[0]}
    return plots.draw_techniques(images, (0, 0), field_px=100, um_per_px=0.12, found=found, **look)


def molecules(panel):
    groups = {name: range(6) for name in panel.names}
    colours = plots.colour_rows(RNG.random((6, 34, 10, panel.n_mirs)), groups, panel)
    rows = {name: RNG.random((6, 24, 10)) for name in panel.names}
    return plots.draw_molecules(rows, beside=colours, panel=panel, um_per_px=0.12, title=NAMES["title"])


def templates(panel):
    n = panel.n_mirs
    return plots.draw_templates(RNG.random((n, 24, 10)), RNG.random((n, 48, 20, n)), panel, um_per_px=0.12)


def template_pairs(panel):
    return plots.draw_template_pairs(RNG.random((panel.n_mirs, 48, 20, panel.n_mirs)), panel, um_per_px=0.12)


def channels(panel):
    bright = {name: (RNG.random((34, 10, panel.n_mirs)), RNG.random((24, 10))) for name in panel.mir_names}
    return plots.draw_channels(bright, panel, um_per_px=0.12)


def peaks(panel):
    return plots.draw_peaks(RNG.random((panel.n_mirs, panel.n_mirs, 48)), panel)


def class_counts(panel):
    table = pd.DataFrame({"training": [1500] * (panel.n_mirs + 1), "validation": [500] * (panel.n_mirs + 1)})
    return plots.draw_class_counts(table.set_index(pd.Index(panel.names)), panel)


def network(panel):
    shapes = [(34, 10, panel.n_mirs), (34, 10, 12), (17, 5, 12), (17, 5, 16), (8, 2, 16), (256,), (20,), (panel.n_mirs + 1,)]
    names = ["crop", "convolution", "max pooling", "convolution", "max pooling", "flatten", "dense", "dense"]
    return plots.draw_network(pd.DataFrame({"layer": names, "shape": shapes, "weights": [0, 912, 0, 4816, 0, 0, 5140, 84]}))


def learning_curves(panel):
    histories = [pd.DataFrame({"loss": RNG.random(10), "val_loss": RNG.random(10)}) for _ in range(3)]
    return plots.draw_learning_curves(histories, printed={"loss": [0.5] * 10, "val_loss": [0.6] * 10})


def sweep(panel):
    rows = [
        {"setting": "sgd", "value": value, "seed": seed, "class": name, "set": one, "diverged": value == "0.5",
         "precision": np.nan if value != "0.05" else 0.8, "recall": 0.7 + 0.1 * seed}
        for value in ("0.002", "0.05", "0.5") for seed in range(3) for name in panel.names
        for one in ("training", "validation")
    ]  # fmt: skip
    return plots.draw_sweep(pd.DataFrame(rows), panel, x_scale="log", marked="0.05")


def complexity(panel):
    index = [("kernel", "", "3"), ("kernel", "", "5"), ("pool", "", "1x1"), ("filter1", "", "64")]
    table = {"training": [0.7, 0.8, 0.99, 0.8], "validation": [0.7, 0.78, 0.75, 0.7], "weights": [7000, 11000, 99000, 30000]}
    index = pd.MultiIndex.from_tuples(index, names=["setting", "others", "value"])
    return plots.draw_complexity(pd.DataFrame(table, index=index))


def confusions(panel):
    matrix = RNG.integers(0, 2000, (panel.n_mirs + 1,) * 2)
    return plots.draw_confusions({"training": matrix, "training and validation": matrix}, panel, title=NAMES["title"])


def curves(panel):
    points = pd.DataFrame({"recall": [0.0, 1.0], "precision": [1.0, 0.1]})
    shares = dict.fromkeys(panel.mir_names, 0.1)
    own = {name: (points, 0.5) for name in panel.mir_names}
    return plots.draw_precision_recall(own, shares, panel, title=NAMES["title"])


def roc(panel):
    own = {name: (pd.DataFrame({"fpr": [0, 1], "tpr": [0, 1]}), 0.5) for name in panel.mir_names}
    return plots.draw_roc(own, panel, title=NAMES["title"])


def reliabilities(panel):
    points = {"low": [0.8, 0.9], "high": [0.9, 1.0], "n": [9, 30], "confidence": [0.85, 0.95], "accuracy": [0.8, 0.9]}
    points = pd.DataFrame({**points, "accuracy_low": [0.7, 0.8], "accuracy_high": [0.9, 0.95]})
    return plots.draw_reliabilities({f"{NAMES['title']} {k}": (points, 0.04) for k in range(4)})


def score_intervals(panel):
    middle = {name: np.full(panel.n_mirs, 0.8) for name in ("recall", "precision")}
    ends = {name: np.array([0.7, 0.9])[:, np.newaxis] * np.ones(panel.n_mirs) for name in middle}
    printed = {name: dict.fromkeys(panel.mir_names, 0.8) for name in middle}
    return plots.draw_score_intervals(middle, ends, panel, printed=printed, title=NAMES["title"])


def rivals(panel):
    classes = [*panel.names, "mean of the miRs"]
    rows = [{"class": name, "classifier": f"{NAMES['title']} {k}", "f1": 0.8, "f1 low": 0.7, "f1 high": 0.9}
            for name in classes for k in range(5)]  # fmt: skip
    return plots.draw_rivals(pd.DataFrame(rows))


def rejection(panel):
    curve = pd.DataFrame({"accepted": [90, 50], "rejected": [0, 0.5], "crosstalk": [0.1, 0.02]})
    curve = curve.assign(crosstalk_low=0.01, crosstalk_high=0.2)
    return plots.draw_rejection({f"{NAMES['title']} {k}": curve for k in range(4)})


def learning_curve(panel):
    rows = [{"share": share, "labels": 2000 * share, "way": way, "seed": 3, "macro_f1_mir": share}
            for share in (0.1, 0.5, 1.0) for way in ("labels alone", "twin, single types")]  # fmt: skip
    return plots.draw_learning_curve(pd.DataFrame(rows), reference=0.5)


def looks_of(panel):
    """Two panels as `Designed.own` gives them."""
    gaps = np.array([mir.gap_px for mir in panel.mirs])
    table = pd.DataFrame({"class": panel.mir_names, "gap_px": gaps, "upper_sigma_px": 1.1, "lower_sigma_px": 1.4,
                          "scatter_px": 0.5, "flux_counts": 1700.0, "lower_flux_counts": 800.0})  # fmt: skip
    rows = [
        {"class": name, "panel": f"{panel.name} {k}", "angle_deg": 177.5 - k, "flux_share": share, "f1": 0.8 * share**0.2,
         "f1_low": 0.6 * share**0.2, "f1_high": 0.95}
        for name in [*panel.mir_names, "mean of the miRs"] for k in range(2) for share in (0.25, 0.5, 1.0, 2.0)
    ]  # fmt: skip
    scores = pd.DataFrame(rows)
    subsets = pd.DataFrame({"n": [2, 3], "least_distance_px": [4.0, 1.0], "overlap": [0.1, 0.6]})
    matrix = RNG.integers(0, 300, (panel.n_mirs + 1,) * 2)
    own = {"separations": table, "scores": scores[scores["angle_deg"] == 177.5], "subsets": subsets}
    return {f"{panel.name} {k}": (panel, matrix, own) for k in range(2)}, scores


def profiles(panel):
    return plots.draw_profiles(looks_of(panel)[0])


def predicted_confusions(panel):
    return plots.draw_predicted_confusions(looks_of(panel)[0])


def separability(panel):
    looks, scores = looks_of(panel)
    return plots.draw_separability(looks, scores, least_f1=0.8)


def subsets(panel):
    return plots.draw_subsets(looks_of(panel)[0], most_overlap=0.5)


def frame_measures(panel):
    names = ("blobs", "wide_blobs", "narrow_sigma_px", "sharpness", "flux_counts", "background_counts", "uneven_counts",
             "noise_sd_counts", "lean_deg", "unknown_pairs", "repeated_share", "saturated_share")  # fmt: skip
    table = pd.DataFrame({name: 1e4 * RNG.random(12) for name in names}).assign(frame=range(1, 13))
    verdict = [*CAUSES, "", "", ""]
    return plots.draw_frame_measures(table.assign(verdict=verdict, counted=panel.n_mirs == 1), title=NAMES["title"])


DRAWN = [
    frame_measures, profiles, predicted_confusions, separability, subsets,
    frame_calls, places, techniques, molecules, templates, template_pairs, channels, peaks, class_counts, network,
    learning_curves, sweep, complexity, confusions, curves, roc, reliabilities, score_intervals, rivals, rejection,
    learning_curve,
]  # fmt: skip


@pytest.fixture(autouse=True)
def page_again():
    yield
    plt.close("all")
    plots.use_style()


def of_look(drawn):
    return drawn if isinstance(drawn, plt.Figure) else drawn.figure


@pytest.mark.parametrize("n_mirs", [1, 12])
@pytest.mark.parametrize(("style", "width_mm"), [("page", None), ("paper", 85)])
@pytest.mark.parametrize("draw", DRAWN)
def test_nothing_is_cut_off_or_too_small(draw, style, width_mm, n_mirs):
    plots.use_style(style, width_mm=width_mm)
    figure = of_look(draw(panel_of(n_mirs)))
    figure.draw_without_rendering()
    width, height = figure.get_size_inches()
    assert width * 25.4 == pytest.approx(85) if width_mm else width <= 9.61
    box = figure.get_tightbbox()
    assert box.x0 > -0.02
    assert box.y0 > -0.02
    assert box.x1 < width + 0.02
    assert box.y1 < height + 0.02
    texts = [text for text in figure.findobj(Text) if text.get_visible() and text.get_text().strip()]
    assert min(text.get_fontsize() for text in texts) >= 6


@pytest.mark.parametrize("draw", [molecules, confusions, sweep])
def test_slides_hold_what_is_drawn(draw):
    plots.use_style("slides")
    assert of_look(draw(panel_of(3))).get_size_inches()[0] <= 12.31


@pytest.mark.parametrize("draw", [curves, reliabilities, score_intervals, rivals, sweep])
def test_a_figure_of_ones_own_is_drawn_in(draw, monkeypatch):
    figure, ax = plt.subplots(figsize=(4, 4))
    own = {"ax": ax} if draw in (curves, score_intervals, rivals) else {"figure": plt.figure(figsize=(4, 4))}
    for name in ("draw_precision_recall", "draw_score_intervals", "draw_rivals", "draw_reliabilities", "draw_sweep"):
        function = getattr(plots, name)
        monkeypatch.setattr(plots, name, lambda *a, function=function, **k: function(*a, **k, **own), raising=False)
    drawn = of_look(draw(panel_of(3)))
    assert drawn is (figure if "ax" in own else own["figure"])
    assert tuple(drawn.get_size_inches()) == (4, 4)
    assert drawn.axes[0].lines


def test_a_figure_is_kept_in_three_formats_of_its_size_with_its_text_as_text(tmp_path):
    plots.use_style("paper", width_mm=85)
    results = Results(tmp_path, tmp_path, simulated=True)
    for name in "ab":
        results.show(plots.draw_confusions({"test": np.arange(16).reshape(4, 4)}, panel_of(3)), name)
    image = plt.imread(tmp_path / "a.png")
    assert image.shape[1] == pytest.approx(85 / 25.4 * 300, abs=1)
    svg = (tmp_path / "a.svg").read_text()
    for word in ("<text", "simulated", "called, with precision P"):
        assert word in svg
    assert (tmp_path / "a.pdf").read_bytes().startswith(b"%PDF")
    for suffix in ("png", "svg", "pdf"):  # no dates
        assert (tmp_path / f"a.{suffix}").read_bytes() == (tmp_path / f"b.{suffix}").read_bytes()


def test_angles_are_joined_from_three_on():
    looks, scores = looks_of(panel_of(3))
    more = pd.concat([scores, *(scores.assign(angle_deg=scores["angle_deg"] - turn) for turn in (0.5, 1.5))])
    for table, is_joined in ((scores, False), (more, True)):
        left = plots.draw_separability(looks, table, least_f1=0.8).axes[0]
        lines = [line for line in left.lines if line.get_marker() not in ("None", "")]
        assert {line.get_linestyle() != "None" for line in lines} == {is_joined}
