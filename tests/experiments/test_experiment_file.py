"""Experiment folders: what experiment.toml may say, and stacks, blobs and masks turned together."""

import os
from pathlib import Path

import numpy as np
import pytest
import tifffile
from by_hand import PIXEL_NM, blobs_text, everything_in, grey_frames, middle_nm, toml_text, write_folder

from mirnb.cli import main
from mirnb.experiments.experiment import QUARTER_TURNS
from mirnb.experiments.experiment_file import inspect_experiment, load_experiment, write_mask
from mirnb.experiments.panel_file import THESIS
from mirnb.experiments.stacks import write_stack
from mirnb.files import InputError, write_toml
from mirnb.simulation.folders import simulate_experiment

MIRS = ("red", "green", "blue")
BLOBS = [(1, 1, *middle_nm(20, 7)), (2, 1, *middle_nm(63, 0)), (3, 2, *middle_nm(40, 30))]


def write_masks(folder, make):
    names = {mir: f"{mir}_mir_mask.tif" for mir in MIRS}
    for k, name in enumerate(names.values()):
        tifffile.imwrite(folder / name, make(k), photometric="minisblack")
    return names


def test_a_folder_is_read_with_defaults_for_what_it_leaves_out(tmp_path):
    sample = load_experiment(write_folder(tmp_path / "s", blobs=blobs_text(BLOBS)))
    assert (sample.name, sample.dispersion, sample.panel, sample.pixel_size_nm) == ("sample", "down", THESIS, 120.0)
    assert (sample.masks, sample.simulated, sample.pretrain) == (None, None, [])
    assert sample.rows.tolist() == [20, 63, 40]
    assert sample.cols.tolist() == [7, 0, 30]
    assert sample.frame_index.tolist() == [0, 0, 1]
    assert not sample.labelled.any()


def test_labels_are_counted_by_class_name(tmp_path):
    rows = [(1, 500, 500, *label) for label in [(1, 0), (1, 0), (1, 2), (0, -1), (1, -1), ("", "")]]
    text = blobs_text(rows, "frame,x [nm],y [nm],is_really_mir,selected_mir_type")
    sample = load_experiment(write_folder(tmp_path / "s", blobs=text))
    assert sample.labelled.tolist() == [True, True, True, True, False, False]
    assert sample.count_labels() == {"red": 2, "green": 0, "blue": 1, "noise": 1, "erased": 1, "not labelled": 1}


def test_blobs_may_be_left_out(tmp_path):
    sample = load_experiment(write_folder(tmp_path / "s", blobs="", toml=toml_text(blobs=None)))
    assert sample.table is None
    assert len(sample.rows) == 0
    with pytest.raises(InputError, match="names no blobs"):
        sample.require_labels()


def test_files_of_a_pattern_come_in_natural_order(tmp_path):
    frames = grey_frames(11)
    folder = write_folder(tmp_path / "s", stack="part_*.tif")
    for k in range(11):
        tifffile.imwrite(folder / f"part_{k + 1}.tif", frames[k], photometric="minisblack")
    sample = load_experiment(folder)
    assert [path.name for path in sample.stack.paths] == [f"part_{k + 1}.tif" for k in range(11)]
    np.testing.assert_array_equal(np.stack([frame for _, frame in sample.stack.frames()]), frames)


def test_files_of_a_list_come_as_they_stand_in_it(tmp_path):
    frames = grey_frames(3)
    folder = write_folder(tmp_path / "s", stack=["z.tif", "sub/*.tif"])
    (folder / "sub").mkdir()
    tifffile.imwrite(folder / "z.tif", frames[:1], photometric="minisblack")
    tifffile.imwrite(folder / "sub" / "a.tif", frames[1:], photometric="minisblack", compression="zlib")
    np.testing.assert_array_equal(np.stack([frame for _, frame in load_experiment(folder).stack.frames()]), frames)


def test_files_elsewhere_may_be_named_by_their_whole_path(tmp_path):
    folder = write_folder(tmp_path / "s", stack=(tmp_path / "far" / "stack.tif").as_posix())
    (tmp_path / "far").mkdir()
    (folder / "stack.tif").rename(tmp_path / "far" / "stack.tif")
    assert len(load_experiment(folder).stack) == 2


def test_a_pattern_may_be_a_whole_path_too(tmp_path):
    folder = write_folder(tmp_path / "s", stack=(tmp_path / "far" / "*.tif").as_posix())
    (tmp_path / "far").mkdir()
    (folder / "stack.tif").rename(tmp_path / "far" / "stack.tif")
    assert len(load_experiment(folder).stack) == 2


# ------------------------------------------------------------------------------------------------ the four directions

# how a picture whose dispersion runs down comes to run another way: quarter turns against the clock
TURNED_BY_HAND = {"down": 0, "right": 1, "up": 2, "left": 3}


def turned_point(row, col, shape, turns):
    """Where a pixel lies after so many quarter turns against the clock, found by turning a picture of it."""
    picture = np.zeros(shape, bool)
    picture[row, col] = True
    return tuple(int(one) for one in np.argwhere(np.rot90(picture, turns))[0])


@pytest.mark.parametrize("direction", QUARTER_TURNS)
def test_a_turned_sample_is_the_same_sample(direction, tmp_path):
    frames, turns = grey_frames(2), TURNED_BY_HAND[direction]
    pixels = [(20, 7), (63, 0), (40, 30)]
    down = load_experiment(write_folder(tmp_path / "down", frames=frames, blobs=blobs_text(BLOBS)))
    recorded = [(1, *middle_nm(*turned_point(*pixel, (64, 48), turns))) for pixel in pixels]
    folder = write_folder(
        tmp_path / "turned",
        frames=np.rot90(frames, turns, axes=(1, 2)),
        blobs=blobs_text(recorded, "frame,x [nm],y [nm]"),
        dispersion=direction,
    )
    turned = load_experiment(folder)
    assert turned.stack.frame_shape == (64, 48)
    for (_, one), (_, other) in zip(turned.stack.frames(), down.stack.frames(), strict=True):
        np.testing.assert_array_equal(one, other)
    assert turned.rows.tolist() == down.rows.tolist()
    assert turned.cols.tolist() == down.cols.tolist()


@pytest.mark.parametrize("direction", QUARTER_TURNS)
def test_masks_are_turned_as_the_frames_are(direction, tmp_path):
    upright = [grey_frames(1, (24, 10), dtype=np.float32, seed=k)[0] for k in range(3)]
    folder = write_folder(tmp_path / "s", masks={mir: f"{mir}_mir_mask.tif" for mir in MIRS}, dispersion=direction)
    write_masks(folder, lambda k: np.rot90(upright[k], TURNED_BY_HAND[direction]))
    np.testing.assert_array_equal(load_experiment(folder).masks, upright)


@pytest.mark.parametrize("direction", QUARTER_TURNS)
def test_blobs_are_outside_by_the_frame_as_it_was_recorded(direction, tmp_path):
    last = [(1, *middle_nm(63, 47))]
    write_folder(tmp_path / "in", blobs=blobs_text(last, "frame,x [nm],y [nm]"), dispersion=direction)
    assert load_experiment(tmp_path / "in").rows.size == 1
    for row, col in ((67, 0), (0, 51)):
        text = blobs_text([(1, *middle_nm(row, col))], "frame,x [nm],y [nm]")
        _, problems = inspect_experiment(write_folder(tmp_path / "out", blobs=text, dispersion=direction))
        assert len(problems) == 1
        assert "blobs.csv, line 2" in problems[0]


# ------------------------------------------------------------------------------------------------------ what is wrong


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"stack": ""}, "stack"),
        ({"stack": ["stack.tif", 3]}, "stack must be text in quotes or a list of texts"),
        ({"stack": []}, "stack must be"),
        ({"blobs": 3}, "blobs must be text"),
        ({"name": 3}, "name must be text"),
        ({"name": "../up"}, "name is letters"),
        ({"name": None}, "'name' is missing"),
        ({"stack": None}, "'stack' is missing"),
        ({"panel": 3}, "panel must be text"),
        ({"pixel_size_nm": "raw:inf"}, "pixel_size_nm must be above 0"),
        ({"pixel_size_nm": "raw:nan"}, "pixel_size_nm must be above 0"),
        ({"pixel_size_nm": 0}, "pixel_size_nm must be above 0"),
        ({"pixel_size_nm": -120.0}, "pixel_size_nm must be above 0"),
        ({"pixel_size_nm": [120]}, "pixel_size_nm must be a number"),
        ({"dispersion": 1}, "dispersion must be text"),
        ({"dispersion": "Down"}, "dispersion must be down, left, up, right, got 'Down'"),
        ({"masks": "masks"}, "masks must be a table"),
        ({"masks": {"red": "a.tif", "green": "b.tif"}}, r"\[masks\].*missing blue"),
        ({"masks": {"red": 1, "green": "b.tif", "blue": "c.tif"}}, r"\[masks\] red must be a file name"),
        ({"masks": {"red": "a.tif", "green": "b.tif", "blue": "c.tif"}}, r"a\.tif: there is no such file"),
        ({"pretrain": "../red"}, "pretrain must be a list"),
        ({"simulated": True}, "simulated must be a table"),
        ({"pixels": 120}, "unknown key 'pixels'; known are name, stack"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_one_wrong_key_is_one_sentence(values, words, tmp_path):
    folder = write_folder(tmp_path / "s", toml=toml_text(**values))
    before = everything_in(folder)
    _, problems = inspect_experiment(folder)
    assert len(problems) == 1, problems
    assert "\n" not in problems[0]
    with pytest.raises(InputError, match=words):
        load_experiment(folder)
    assert everything_in(folder) == before


def test_a_frame_number_beyond_all_reason_is_no_frame(tmp_path):
    folder = write_folder(tmp_path / "s", blobs=blobs_text([(1, 99999999999999999999, 500, 500)]))
    with pytest.raises(InputError, match=r"blobs\.csv, line 2"):
        load_experiment(folder)


def test_a_position_beyond_all_reason_is_outside_the_frame(tmp_path):
    folder = write_folder(tmp_path / "s", blobs=blobs_text([(1, 1, 1e30, 500)]))
    with pytest.raises(InputError, match=r"blobs\.csv, line 2: x 1e\+30"):
        load_experiment(folder)


def test_a_folder_that_is_a_file_is_said(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="is a file, no experiment folder; mirnb new DIR --stack"):
        load_experiment(tmp_path / "file")


# ------------------------------------------------------------------------------------------------------ what is written


def test_what_is_written_is_read_back(tmp_path):
    folder = write_folder(tmp_path / "s")
    (tmp_path / "red").mkdir()
    write_folder(tmp_path / "red")
    for mir in MIRS:
        write_mask(folder / f"{mir}.tif", grey_frames(1, (24, 10), dtype=np.float32)[0])
    written = {
        "name": "again",
        "stack": ["stack.tif"],
        "blobs": "blobs.csv",
        "pixel_size_nm": 106.5,
        "panel": "thesis",
        "dispersion": "down",
        "pretrain": ["../red"],
        "masks": {mir: f"{mir}.tif" for mir in MIRS},
        "simulated": {"seed": 3, "remark": 'a "quote" and a \\', "bright": True, "shape": (64, 48)},
    }
    write_toml(folder / "experiment.toml", written)
    sample = load_experiment(folder)
    assert (sample.name, sample.pixel_size_nm, sample.dispersion) == ("again", 106.5, "down")
    assert [path.resolve() for path in sample.pretrain] == [tmp_path / "red"]
    assert sample.simulated == {**written["simulated"], "shape": [64, 48]}
    assert sample.masks.shape == (3, 24, 10)


def test_fingerprints_follow_what_is_in_the_files(tmp_path):
    one = load_experiment(write_folder(tmp_path / "one")).fingerprints()
    assert one == load_experiment(write_folder(tmp_path / "two")).fingerprints()
    assert set(one) == {"stack.tif", "blobs.csv", "experiment.toml"}
    other = load_experiment(write_folder(tmp_path / "three", pixel_size_nm=121)).fingerprints()
    assert {name for name in one if one[name] != other[name]} == {"experiment.toml"}


def test_fingerprints_tell_two_files_of_the_same_name_apart(tmp_path):
    folder = write_folder(tmp_path / "s", stack=["a/part.tif", "b/part.tif"])
    for k, name in enumerate("ab"):
        (folder / name).mkdir()
        tifffile.imwrite(folder / name / "part.tif", grey_frames(2, seed=k), photometric="minisblack")
    before = load_experiment(folder).fingerprints()
    tifffile.imwrite(folder / "a" / "part.tif", grey_frames(2, seed=9), photometric="minisblack")
    assert load_experiment(folder).fingerprints() != before


def test_fingerprints_follow_the_masks_as_well(tmp_path):
    folder = write_folder(tmp_path / "s", masks={mir: f"{mir}_mir_mask.tif" for mir in MIRS})
    write_masks(folder, lambda k: grey_frames(1, (24, 10), seed=k)[0])
    before = load_experiment(folder).fingerprints()
    write_masks(folder, lambda k: grey_frames(1, (24, 10), seed=k + 5)[0])
    assert load_experiment(folder).fingerprints() != before


def test_fingerprints_follow_the_panel_file_as_well(tmp_path):
    folder = write_folder(tmp_path / "s", panel="mine.toml")
    text = 'name = "mine"\nbands_nm = [[507, 625]]\n[[mir]]\nname = "a"\ndyes = ["Alexa 488", "Alexa 568"]\ngap_px = 7\n'
    (folder / "mine.toml").write_text(text)
    before = load_experiment(folder).fingerprints()
    (folder / "mine.toml").write_text(text.replace("gap_px = 7", "gap_px = 9"))
    assert load_experiment(folder).fingerprints() != before


def test_a_simulated_sample_is_marked_and_lies_where_its_truth_says(small):
    assert small.simulated["seed"] == 3
    assert small.pixel_size_nm == PIXEL_NM
    assert len(small.stack) == 4


def test_a_simulation_is_not_written_where_it_cannot_be(unwritable, small_settings, tmp_path):
    before = everything_in(tmp_path)
    with pytest.raises(InputError, match="cannot be written"):
        simulate_experiment(unwritable, settings=small_settings)
    assert everything_in(tmp_path) == before


def test_files_of_one_name_in_folders_of_one_name_are_told_apart(tmp_path):
    """Stacks outside the experiment's folder: each has a key of its own, and a changed one changes its own."""
    folder = write_folder(tmp_path / "s", stack=["../day1/Default/img.tif", "../day2/Default/img.tif"])
    for k, day in enumerate(("day1", "day2")):
        (tmp_path / day / "Default").mkdir(parents=True)
        tifffile.imwrite(tmp_path / day / "Default" / "img.tif", grey_frames(2, seed=k), photometric="minisblack")
    before = load_experiment(folder).fingerprints()
    assert len(before) == 4  # two stacks, the table and experiment.toml
    state = (tmp_path / "day1" / "Default" / "img.tif").stat()
    tifffile.imwrite(tmp_path / "day1" / "Default" / "img.tif", grey_frames(2, seed=9), photometric="minisblack")
    os.utime(tmp_path / "day1" / "Default" / "img.tif", ns=(state.st_atime_ns, state.st_mtime_ns))  # size and time as before
    after = load_experiment(folder).fingerprints()
    assert [name for name in before if before[name] != after[name]] == ["../day1/Default/img.tif"]


def test_no_path_of_this_machine_stands_in_the_fingerprints(tmp_path):
    folder = write_folder(tmp_path / "s", stack=str(tmp_path / "elsewhere" / "a.tif"))
    (tmp_path / "elsewhere").mkdir()
    (folder / "stack.tif").rename(tmp_path / "elsewhere" / "a.tif")
    assert list(load_experiment(folder).fingerprints()) == ["../elsewhere/a.tif", "blobs.csv", "experiment.toml"]


# ---------------------------------------------------------------------------------------------- experiment.toml of one's own


@pytest.fixture
def own_files(tmp_path):
    """A stack and a table as somebody has them, in a folder of their own."""
    write_folder(tmp_path / "their files")
    (tmp_path / "their files" / "experiment.toml").unlink()
    return tmp_path / "their files"


def test_a_new_experiment_is_that_of_the_files_where_they_are(own_files, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    files = ["--stack", "their files/stack.tif", "--blobs", "their files/blobs.csv"]
    assert main(["new", "data/my first!", *files, "--pixel-size", "80"]) == 0
    assert "mirnb check 'data/my first!'" in capsys.readouterr().out
    experiment = load_experiment("data/my first!")
    assert experiment.name == "my-first"
    assert experiment.pixel_size_nm == 80
    assert [path.resolve() for path in experiment.stack.paths] == [own_files / "stack.tif"]
    assert experiment.blobs_path.resolve() == own_files / "blobs.csv"
    before = Path("data/my first!/experiment.toml").read_text()
    assert main(["new", "data/my first!", *files]) == 1
    assert "is there already" in capsys.readouterr().err
    assert Path("data/my first!/experiment.toml").read_text() == before


def test_the_pixel_size_is_the_files_and_where_it_says_none_is_asked_for(tmp_path, capsys):
    write_stack(tmp_path / "says.tif", [np.zeros((64, 64), np.uint16)], pixel_size_nm=104)
    tifffile.imwrite(tmp_path / "silent.tif", np.zeros((64, 64), np.uint16))
    assert main(["new", str(tmp_path / "a"), "--stack", str(tmp_path / "says.tif")]) == 0
    assert load_experiment(tmp_path / "a").pixel_size_nm == pytest.approx(104)
    assert (tmp_path / "a" / "blobs.csv").read_text().count("\n") == 1  # looked for, none found
    assert main(["new", str(tmp_path / "b"), "--stack", str(tmp_path / "silent.tif")]) == 1
    assert "silent.tif: does not say how large its pixels are; add --pixel-size NM" in capsys.readouterr().err
    assert not (tmp_path / "b").exists()


@pytest.mark.parametrize(("option", "words"), [("--stack", "nowhere"), ("--blobs", "nowhere"), ("--panel", "nowhere")])
def test_what_a_new_experiment_cannot_be_made_of_is_named(option, words, own_files, tmp_path, capsys):
    given = {"--stack": str(own_files / "stack.tif"), "--blobs": str(own_files / "blobs.csv"), "--pixel-size": "120"}
    given[option] = str(tmp_path / "nowhere")
    arguments = [part for pair in given.items() for part in pair]
    assert main(["new", str(tmp_path / "new"), *arguments]) == 1
    assert words in capsys.readouterr().err
    assert not (tmp_path / "new").exists()


def test_a_folder_without_experiment_toml_is_told_how_to_get_one(tmp_path):
    with pytest.raises(InputError, match=r"there is no such file; mirnb new .* --stack FILE \[--blobs FILE\] writes it"):
        load_experiment(tmp_path)
