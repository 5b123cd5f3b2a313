"""A table that is not this stack's is noticed with its cause; one that is raises no false alarm, dim, dense or denoised."""

import numpy as np
import pandas as pd
import pytest
from by_hand import write_folder
from scipy import ndimage

from mirnb.cli import main
from mirnb.experiments.blobs import LABEL_COLUMNS, label_columns, read_blobs, write_table
from mirnb.experiments.check import check_experiment
from mirnb.experiments.experiment_file import load_experiment
from mirnb.experiments.placement import about_places, find_misplacement
from mirnb.experiments.stacks import Stack, write_stack
from mirnb.files import heard
from mirnb.simulation.folders import simulate_experiment
from mirnb.simulation.settings import Settings

NM = 120.0
ROWS, COLS = 300, 400  # of a frame: not square, so that what is swapped or turned is seen


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return simulate_experiment(
        tmp_path_factory.mktemp("placed") / "s",
        settings=Settings(n_frames=5, frame_shape=(ROWS, COLS), n_labelled_per_frame=60),
    )


def _moved(table, x=None, y=None, frame=0):
    """A table with other positions: functions of x and y in nm."""
    place = table["x [nm]"], table["y [nm]"]
    new = {"x [nm]": place[0] if x is None else x(*place), "y [nm]": place[1] if y is None else y(*place)}
    return table.assign(frame=table["frame"] + frame, **new)


def _inside(table, n_frames=5):
    x, y = table["x [nm]"], table["y [nm]"]
    return table[x.between(0, COLS * NM - 1) & y.between(0, ROWS * NM - 1) & table["frame"].between(1, n_frames)]


WRONG = {
    "80 nm for 120": (dict(x=lambda x, y: x / 1.5, y=lambda x, y: y / 1.5), r"fit 1\.5 times larger; was 80 nm set"),
    "160 nm for 120": (dict(x=lambda x, y: x / 0.75, y=lambda x, y: y / 0.75), r"fit 0\.75\d? times larger; was 160 nm set"),
    "two percent off": (dict(x=lambda x, y: x * 0.98, y=lambda x, y: y * 0.98), r"fit 1\.02 times larger"),
    "pixels": (dict(x=lambda x, y: x / NM, y=lambda x, y: y / NM), "are they in pixels"),
    "µm": (dict(x=lambda x, y: x / 1000, y=lambda x, y: y / 1000), "are they in µm"),
    "corner of a ROI": (
        dict(x=lambda x, y: x - 90 * NM, y=lambda x, y: y - 40 * NM),
        r"fit \+(89|90|91) px in x and \+(39|40|41) px in y further; .* ROI",
    ),
    "x and y swapped": (dict(x=lambda x, y: y, y=lambda x, y: x), "with x and y swapped"),
    "y from the bottom": (dict(y=lambda x, y: ROWS * NM - y), "y counted from the bottom"),
    "x from the right": (dict(x=lambda x, y: COLS * NM - x), "x counted from the right"),
    "a frame late": (dict(frame=1), "fit frame - 1"),
    "a frame early": (dict(frame=-1), r"fit frame \+ 1"),
    "two frames early": (dict(frame=-2), r"fit frame \+ 2"),
    "from the middle of a pixel": (
        dict(x=lambda x, y: x - NM / 2, y=lambda x, y: y - NM / 2),
        r"fit \+0\.5 px in x and \+0\.5 px in y .* middle of the first pixel",
    ),
    "counted from 1": (dict(x=lambda x, y: x + NM, y=lambda x, y: y + NM), r"fit -1\.0 px in x and -1\.0 px in y"),
}


@pytest.mark.parametrize("case", WRONG)
def test_check_warns_with_the_likely_cause(case, folder, tmp_path):
    change, words = WRONG[case]
    own = write_folder(tmp_path / "s", frames=np.stack([frame for _, frame in Stack([folder / "stack.tif"]).frames()]))
    write_table(own / "blobs.csv", _inside(_moved(read_blobs(folder / "blobs.csv"), **change)))
    warnings = check_experiment(own).warnings
    assert [one for one in warnings if "does not fit the light" in one and pd.Series([one]).str.contains(words)[0]], warnings


@pytest.mark.parametrize("case", WRONG)
def test_positions_come_back_to_where_they_were(case, folder):
    table = read_blobs(folder / "blobs.csv")
    moved = _inside(_moved(table, **WRONG[case][0]))
    was, places = _places(table.loc[moved.index]), _places(moved)
    found = find_misplacement(Stack([folder / "stack.tif"]), places, NM)
    assert found.moves
    back = found.fitted(places, (ROWS, COLS))
    pd.testing.assert_series_equal(back["frame"], was["frame"])
    assert (
        np.hypot(back["y_px"] - was["y_px"], back["x_px"] - was["x_px"]).max() < 1.5
    )  # a shift is found to a pixel each way


def test_what_fits_or_cannot_be_told_stays_where_it_is(folder):
    places = _places(read_blobs(folder / "blobs.csv"))
    for some, light in ((places, pytest.approx(0.99, abs=0.02)), (places[:9], None)):
        found = find_misplacement(Stack([folder / "stack.tif"]), some, NM)
        assert (found.words, found.moves, found.light) == ("", False, light)
        pd.testing.assert_frame_equal(found.fitted(some, (ROWS, COLS)), some)


def test_positions_in_um_that_share_one_pixel_are_not_taken_for_shifted_ones(tmp_path):
    folder = simulate_experiment(tmp_path / "s", settings=Settings(n_frames=8))
    places = _places(read_blobs(folder / "blobs.csv"))
    in_um = places.assign(y_px=places["y_px"] / 1000, x_px=places["x_px"] / 1000)
    assert "are they in µm" in about_places(Stack([folder / "stack.tif"]), in_um, NM)


def test_the_table_of_another_stack_and_of_a_part_of_it_are_noticed(folder, tmp_path):
    other = simulate_experiment(
        tmp_path / "other", settings=Settings(n_frames=5, frame_shape=(ROWS, COLS), n_labelled_per_frame=60), seed=77
    )
    stack, own, foreign = Stack([folder / "stack.tif"]), read_blobs(folder / "blobs.csv"), read_blobs(other / "blobs.csv")
    assert "is it another stack's table" in about_places(stack, _places(foreign), NM)
    mixed = pd.concat([own[own["frame"] != 2], foreign[foreign["frame"] == 2]])
    assert about_places(stack, _places(mixed), NM).startswith("on frame 2, of 5 looked at")


def _places(table):
    return pd.DataFrame({"frame": table["frame"] - 1, "y_px": table["y [nm]"] / NM, "x_px": table["x [nm]"] / NM})


GOOD = {
    "as usual": {},
    "dim": {"flux_median": 400.0, "flux_low": 200.0, "flux_high": 900.0},
    "dense": {"frame_shape": (256, 256), "n_labelled_per_frame": 300.0, "mir_share": 0.6},
    "noisy": {"noise_sd_counts": 100.0},
    "few": {"n_labelled_per_frame": 3.0, "n_frames": 10},
    "blank": {"mir_share": 0.0, "unseen_share": 0.0},
}
TREATED = {
    "raw": lambda frame: frame,
    "smoothed": lambda frame: ndimage.gaussian_filter(frame, 1.0),
    "denoised": lambda frame: ndimage.median_filter(ndimage.gaussian_filter(frame, 0.7), 3),
    "background cut off": lambda frame: np.maximum(frame - np.percentile(frame, 70), 0),
}


@pytest.mark.parametrize("case", GOOD)
def test_a_table_of_the_stack_raises_no_alarm_whatever_the_frames_are_like(case, tmp_path):
    folder = simulate_experiment(
        tmp_path / "s", settings=Settings(**{"n_frames": 3, "frame_shape": (384, 384), **GOOD[case]})
    )
    places = _places(read_blobs(folder / "blobs.csv"))
    for name, treat in TREATED.items():
        frames = [treat(frame.astype(float)) for _, frame in Stack([folder / "stack.tif"]).frames()]
        write_stack(tmp_path / f"{name}.tif", frames, pixel_size_nm=NM)
        assert about_places(Stack([tmp_path / f"{name}.tif"]), places, NM) == "", name


@pytest.mark.parametrize("turns", [1, 2, 3])
def test_places_are_those_of_the_stack_as_it_was_recorded(turns, folder):
    places = _places(read_blobs(folder / "blobs.csv"))
    assert about_places(Stack([folder / "stack.tif"], quarter_turns=turns), places, NM) == ""


@pytest.mark.slow
def test_real_molecules_and_their_table_raise_no_alarm(real_data, tmp_path):
    toml = f'name = "mix"\nstack = "{real_data}/cocos_mix/stack_denoised.tif"\npixel_size_nm = 120\n'
    table = read_blobs(real_data / "cocos_mix" / "thunderstorm.csv")
    folder = write_folder(tmp_path / "s", toml=toml + 'blobs = "blobs.csv"\n')
    write_table(folder / "blobs.csv", table)
    check = check_experiment(folder)
    assert (check.problems, check.warnings) == ([], [])
    write_table(folder / "blobs.csv", table.assign(**{"x [nm]": table["y [nm]"], "y [nm]": table["x [nm]"]}))
    assert any("with x and y swapped" in one for one in check_experiment(folder).warnings)


def test_classify_and_report_warn_before_they_work(folder, small_classifier, tmp_path, capsys):
    own = write_folder(tmp_path / "s", frames=np.stack([frame for _, frame in Stack([folder / "stack.tif"]).frames()]))
    table = _inside(_moved(read_blobs(folder / "blobs.csv"), x=lambda x, y: y, y=lambda x, y: x))
    write_table(own / "blobs.csv", table)
    small_classifier.save(tmp_path / "classifier")
    assert main(["classify", str(tmp_path / "classifier"), str(own), "--out", str(tmp_path / "out.csv")]) == 0
    said = capsys.readouterr().err
    assert said.count("warning: ") == 1
    assert "positions fit with x and y swapped" in said
    write_table(own / "blobs.csv", table.assign(**label_columns(np.arange(len(table)) % 4, 3)))
    assert main(["report", str(own), "--only", "01", "-p", "seed", "-1", "--out", str(tmp_path / "run")]) == 1
    said = capsys.readouterr().err
    assert "positions fit with x and y swapped" in said
    assert "-p seed must be 0 or more, got -1" in said


@pytest.mark.parametrize(("said_nm", "warned"), [(80, True), (118, True), (119.5, False), (120, False), (None, False)])
def test_another_pixel_size_in_the_file_is_said_by_what_reads_a_stack(
    said_nm, warned, folder, small_classifier, tmp_path, capsys
):
    frames = [frame for _, frame in Stack([folder / "stack.tif"]).frames()]
    own = write_folder(tmp_path / "s", frames=np.stack(frames))
    if said_nm:
        write_stack(own / "stack.tif", frames, pixel_size_nm=said_nm)
    write_table(own / "blobs.csv", read_blobs(folder / "blobs.csv").drop(columns=list(LABEL_COLUMNS)))
    small_classifier.save(tmp_path / "classifier")
    commands = [
        ["check", str(own)],
        ["classify", str(tmp_path / "classifier"), str(own), "--out", str(tmp_path / "out.csv")],
        ["detect", str(own / "stack.tif"), "--pixel-size", "120", "--out", str(tmp_path / "found.csv")],
        ["report", str(own), "--only", "03", "--out", str(tmp_path / "run")],  # these three end for want of labels
        ["tune", str(own), "--out", str(tmp_path / "run")],
        ["export-rois", str(own), "--out", str(tmp_path / "rois.zip")],
    ]
    for command in commands:
        main(command)
        said = capsys.readouterr()
        assert ("nm by the file" in said.out + said.err) == warned, command


def test_another_pixel_size_is_said_beside_the_problems_it_makes(folder, tmp_path):
    frames = [frame for _, frame in Stack([folder / "stack.tif"]).frames()]
    own = write_folder(tmp_path / "s", frames=np.stack(frames), pixel_size_nm=90)
    write_stack(own / "stack.tif", frames, pixel_size_nm=120)
    write_table(own / "blobs.csv", read_blobs(folder / "blobs.csv"))
    check = check_experiment(own)
    assert "off the frame" in check.problems[0]
    assert "its pixels are 120 nm by the file, experiment.toml says 90 nm" in check.warnings[0]


def test_detect_takes_the_pixel_size_of_the_file(folder, tmp_path, capsys):
    frames = [frame for _, frame in Stack([folder / "stack.tif"]).frames([0])]
    found = {}
    for said_nm in (80, 120):
        write_stack(tmp_path / "a.tif", frames, pixel_size_nm=said_nm)
        assert main(["detect", str(tmp_path / "a.tif"), "--out", str(tmp_path / "found.csv")]) == 0
        assert f"{said_nm} nm a pixel" in capsys.readouterr().out
        found[said_nm] = read_blobs(tmp_path / "found.csv")
    np.testing.assert_allclose(found[120]["x [nm]"], 1.5 * found[80]["x [nm]"], atol=0.02)


def test_a_fit_that_went_far_astray_costs_nothing(folder, tmp_path):
    own = write_folder(tmp_path / "s", frames=np.stack([frame for _, frame in Stack([folder / "stack.tif"]).frames()]))
    table = _inside(_moved(read_blobs(folder / "blobs.csv"), x=lambda x, y: y, y=lambda x, y: x))
    table.loc[table.index[3], "x [nm]"] = 1e9
    write_table(own / "blobs.csv", table)
    assert [one for one in check_experiment(own).warnings if "with x and y swapped" in one]


def test_rows_twice_do_not_crowd_and_do_not_hide_the_direction(small_folder, small_classifier, tmp_path):
    table = read_blobs(small_folder / "blobs.csv").drop(columns=["is_really_mir", "selected_mir_type"])
    found = {}
    for name, rows in (("once", table), ("twice", pd.concat([table, table]))):
        own = write_folder(tmp_path / name, frames=np.stack([f for _, f in Stack([small_folder / "stack.tif"]).frames()]))
        write_table(own / "blobs.csv", rows)
        with heard():
            found[name] = small_classifier.classify(load_experiment(own))[: len(table)]
        text = (own / "experiment.toml").read_text()
        (own / "experiment.toml").write_text(text + 'dispersion = "up"\n')
        assert any("second blobs lie down" in one for one in check_experiment(own).problems)
    pd.testing.assert_series_equal(found["twice"]["crowded"], found["once"]["crowded"])
