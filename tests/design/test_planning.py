"""Plans of panels: what they write, that nothing is predicted twice, and what is refused."""

from types import SimpleNamespace

import nbformat
import numpy as np
import pandas as pd
import pytest
from by_hand import everything_in

from mirnb.cli import main
from mirnb.design import planning
from mirnb.design.planning import QUICK, design, in_words, plan_notebook, plan_panels
from mirnb.design.predicted_scores import MEAN
from mirnb.design.prediction import FLUX_SHARES
from mirnb.experiments.panel_file import PANEL_NAMES, THESIS, load_panel
from mirnb.files import InputError


@pytest.fixture
def perfect(monkeypatch):
    """Predictions that are right but for the second class, three quarters of which are called the first; those made."""
    made = []

    def predicted(panel, settings, *, effort, seed):
        made.append(panel)
        y_true = np.repeat(np.arange(panel.n_mirs + 1), 20)
        y_pred = np.where(y_true == 1, np.arange(len(y_true)) % 4 == 0, y_true)
        return {"y_true": y_true, "frames": np.arange(len(y_true)) % 5, "y_pred": np.tile(y_pred, (len(FLUX_SHARES), 1))}

    monkeypatch.setattr(planning, "predict_panel", predicted)
    return made


def test_every_panel_is_looked_at_at_its_own_angle_and_the_others(perfect, tmp_path):
    designed = design(plan_panels(["thesis", "twelve"], tmp_path), [176, 177.5])
    assert [(name, angle) for name, angle in designed.looked_at] == [
        ("thesis", 176.0), ("thesis", 177.5), ("twelve", 176.0), ("twelve", 176.75), ("twelve", 177.5),
    ]  # fmt: skip
    assert list(designed.own()) == ["thesis", "twelve"]
    assert designed.own()["twelve"][0].prism_angle_deg == 176.75
    scores = designed.scores
    assert len(scores) == len(FLUX_SHARES) * (2 * 5 + 3 * 14)
    assert set(scores[scores["own_angle"]]["angle_deg"]) == {177.5, 176.75}


def test_what_is_confused_is_said_in_the_tables_and_in_words(perfect, tmp_path):
    designed = design(plan_panels(["thesis"], tmp_path), [])
    scores = pd.read_csv(tmp_path / "design_scores.csv", keep_default_na=False)
    said = scores[(scores["class"] == "green") & (scores["flux_share"] == 1.0)]["remark"].tolist()
    assert said == ["cannot be told from red"]
    words = in_words(designed)
    assert words[0].startswith("thesis at 177.5 degrees: predicted F1, mean of the miRs, 0.7")
    assert "green: cannot be told from red." in words


def test_tables_and_best_subsets_are_written_and_the_subsets_can_be_read(perfect, tmp_path):
    design(plan_panels(["thesis"], tmp_path), [176])
    tables = {path.stem for path in tmp_path.glob("*.csv")}
    assert tables == {f"design_{key}" for key in ("separations", "scores", "least_flux", "frames", "subsets", "refused")}
    best = load_panel("thesis_best_4.toml", folder=tmp_path / "panels")
    assert best.n_mirs == 4
    assert best.prism_angle_deg == 177.5
    assert {"red", "green", "blue"} <= set(best.mir_names)


def test_a_subset_takes_the_panels_place(perfect, tmp_path):
    designed = design(plan_panels(["twelve"], tmp_path), [176], subset=5)
    assert list(designed.own()) == ["twelve_best_5"]
    assert [panel.n_mirs for panel in perfect] == [5, 5]
    assert perfect[0].mir_names != perfect[1].mir_names  # chosen anew at each angle


def test_nothing_is_predicted_twice_unless_the_seed_differs(perfect, tmp_path):
    design(plan_panels(["thesis"], tmp_path), [176])
    written = {path: path.read_bytes() for path in tmp_path.glob("*.csv")}
    design(plan_panels(["thesis"], tmp_path), [176])
    assert len(perfect) == 2
    assert {path: path.read_bytes() for path in tmp_path.glob("*.csv")} == written
    design(plan_panels(["thesis"], tmp_path, seed=4), [176])
    assert len(perfect) == 4


@pytest.mark.parametrize("angle", [180, 200, 90, -3, float("nan")])
def test_angles_out_of_range_are_refused_before_anything_is_written(angle, perfect, tmp_path):
    plan = plan_panels(["thesis"], tmp_path / "out")
    with pytest.raises(InputError, match="--angle: prism_angle_deg must lie between 90 and 180"):
        design(plan, [angle])
    assert everything_in(tmp_path / "out") == everything_in(tmp_path / "nothing")


def test_an_angle_that_takes_the_blobs_too_far_apart_is_left_out_and_said_to_be(perfect, tmp_path):
    designed = design(plan_panels(["thesis"], tmp_path), [160, 176])
    assert [angle for _, angle in designed.looked_at] == [176.0, 177.5]
    said = "thesis at 160 degrees is left out: two blobs would lie 92 px apart, more than 60; take an angle nearer to 180."
    assert in_words(designed)[-1] == said


def test_panels_of_the_same_name_and_unknown_ones_are_refused(tmp_path):
    with pytest.raises(InputError, match="thesis came twice"):
        plan_panels(["thesis", "thesis"], tmp_path)
    with pytest.raises(InputError, match=f"neither a named panel .{', '.join(PANEL_NAMES)}. nor a file"):
        plan_panels(["rainbow"], tmp_path)
    with pytest.raises(InputError, match="panels and out go together"):
        plan_notebook("data/demo", "", panels=["thesis"])


def test_a_simulated_experiment_is_planned_with_its_own_settings(small, small_folder, tmp_path):
    plan = plan_notebook(str(small_folder), str(tmp_path), n_crops=1, n_epochs=1)
    assert plan.panels == [THESIS]
    assert plan.settings[0].frame_shape == (256, 256)
    assert plan.settings[0].mir_share == 0.6


@pytest.mark.slow
def test_the_command_writes_tables_figures_and_a_page(tmp_path, capsys):
    out = tmp_path / "out"
    assert main(["design", "thesis", "--angle", "177.5", "--quick", "--out", str(out)]) == 0
    said = capsys.readouterr().out
    assert "Alexa 647, Alexa 488" in said
    assert "Nearest separations: green and blue, 1.75 px apart" in said
    page = (out / "notebooks" / "10_panel_design.html").read_text(encoding="utf-8")
    assert "red, green, blue: cannot be told from noise." in page  # after one epoch
    assert (out / "figures" / "design_separability.png").exists()
    done = nbformat.read(out / "notebooks" / "10_panel_design.ipynb", as_version=4)
    assert not [one for cell in done.cells for one in cell.get("outputs", []) if one.output_type == "error"]
    assert len(list((out / "cache").glob("design-*.npz"))) == 1  # the notebook found it
    assert QUICK.n_crops < 1000


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["rainbow"], "neither a named panel"),
        (["thesis", "--angle", "181"], "between 90 and 180"),
        (["thesis", "--subset", "9"], "its dyes make 5 that can be used"),
    ],
)
def test_the_command_refuses_in_one_sentence(arguments, words, perfect, tmp_path, capsys):
    assert main(["design", *arguments, "--out", str(tmp_path / "out")]) == 1
    said = capsys.readouterr().err.splitlines()
    assert [line for line in said if line.startswith("mirnb: ")] == [said[-1]]
    assert words in said[-1]


def _f1(name, value, ends, angle=177.5):
    return {
        "panel": "mine",
        "angle_deg": angle,
        "flux_share": 1,
        "class": name,
        "f1": value,
        "f1_low": ends[0],
        "f1_high": ends[1],
    }


def test_a_score_is_reached_where_its_interval_says_so():
    rows = [
        _f1("a", 0.9, (0.85, 0.95)),
        _f1("b", 0.8, (0.7, 0.9)),
        _f1("c", 0.5, (0.4, 0.6)),
        _f1("d", 0.9, (np.nan, np.nan)),
    ]
    assert planning._reached(pd.DataFrame(rows), 0.8) == [
        "Predicted F1 of 0.8 or more with the light of the settings: holds for a; does not hold for c; cannot be told for "
        "b, d."
    ]


def test_other_angles_are_better_where_intervals_do_not_meet():
    angles = {177.5: (0.8, 0.7, 0.85), 176.0: (0.9, 0.88, 0.95), 178.0: (0.6, 0.5, 0.65), 177.0: (0.82, 0.75, 0.9)}
    scores = pd.DataFrame([_f1(MEAN, one[0], one[1:], angle) for angle, one in angles.items()])
    said = planning._other_angles(SimpleNamespace(scores=scores), "mine", 177.5)
    assert said == [
        "Better at 176 degrees than at 177.5: holds, predicted F1 0.90 (0.88 to 0.95).",
        "Better at 178 degrees than at 177.5: does not hold, predicted F1 0.60 (0.50 to 0.65).",
        "Better at 177 degrees than at 177.5: cannot be told, predicted F1 0.82 (0.75 to 0.90).",
    ]
