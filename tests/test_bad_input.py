"""Bad input gets one clear message with file, row or key, exit code 1, and leaves nothing half-written."""

import errno
import re
import shutil

import numpy as np
import pandas as pd
import pytest
import tifffile
from by_hand import blobs_text, everything_in, grey_frames, middle_nm, write_folder

from mirnb.classifiers import dataset
from mirnb.cli import main
from mirnb.experiments.blobs import read_blobs, write_table
from mirnb.experiments.check import check_experiment
from mirnb.experiments.experiment_file import inspect_experiment, load_experiment
from mirnb.experiments.run_folder import RunFolder
from mirnb.files import InputError, heard

X, Y = middle_nm(32, 24)
GOOD = (1, 1, X, Y)
LABELS = "id,frame,x [nm],y [nm],is_really_mir,selected_mir_type"


def _check(folder, capsys):
    code = main(["check", str(folder)])
    said = capsys.readouterr()
    return code, said.out + said.err


TABLES = {
    "frame beyond the stack": (blobs_text([GOOD, (2, 9, X, Y)]), r"blobs\.csv, line 3: frame 9, but the stack has 2"),
    "outside the frame": (blobs_text([GOOD, (2, 1, 99999.0, Y)]), r"blobs\.csv, line 3: x 99999.*pixel_size_nm = 120 right"),
    "missing cell": (blobs_text([GOOD, (2, 1, "", Y)]), r"blobs\.csv, line 3: x \[nm\] must be a number, got nothing"),
    "no number": (blobs_text([GOOD, (2, 1, X, "up")]), r"blobs\.csv, line 3: y \[nm\] must be a number, got 'up'"),
    "infinite": (blobs_text([(1, 1, "inf", Y)]), r"line 2: x \[nm\] must be a number"),
    "fraction of a frame": (blobs_text([(1, 1.5, X, Y)]), r"line 2: frame must be a whole number from 1, got 1\.5"),
    "frame zero": (blobs_text([(1, 0, X, Y)]), r"line 2: frame must be a whole number from 1, got 0"),
    "column twice": (blobs_text([(*GOOD, X)], "id,frame,x [nm],y [nm],x [nm]"), r"line 1: column x \[nm\] is there twice"),
    "column missing": ("id,frame,x [nm]\n1,1,100\n", r"line 1: column y \[nm\] is missing; found id, frame, x \[nm\]"),
    "header as one field": ('"id,""frame"",""x [nm]"",""y [nm]"""\n1,1,100,100\n', r"line 1: the whole header is quoted"),
    "empty file": ("", r"blobs\.csv: the file is empty"),
    "row too long": ("id,frame,x [nm],y [nm]\n1,1,100,100\n1,1,100,100,5,6\n", r"blobs\.csv.*(line 3|not a table)"),
    "label outside the panel": (blobs_text([(*GOOD, 1, 3)], LABELS), r"line 2: selected_mir_type must be -1 to 2.*got 3"),
    "label no label": (blobs_text([(*GOOD, 2, 0)], LABELS), r"line 2: is_really_mir must be 0 or 1, got 2"),
    "half a label": (
        blobs_text([(*GOOD, 1, "")], LABELS),
        r"line 2: is_really_mir has a value but selected_mir_type is empty",
    ),
    "other half": (
        blobs_text([(*GOOD, "", 1)], LABELS),
        r"line 2: selected_mir_type has a value but is_really_mir is empty",
    ),
    "one label column": (
        blobs_text([(*GOOD, 1)], "id,frame,x [nm],y [nm],is_really_mir"),
        r"line 1: labels need both columns; is_really_mir is there, selected_mir_type is not",
    ),
}


@pytest.mark.parametrize("case", TABLES)
def test_a_bad_blob_table_is_refused_with_its_line(case, tmp_path, capsys):
    text, message = TABLES[case]
    code, said = _check(write_folder(tmp_path / "sample", blobs=text), capsys)
    assert code == 1
    assert "Traceback" not in said
    with pytest.raises(InputError, match=message):
        load_experiment(tmp_path / "sample")


TOMLS = {
    "unknown key": ({"pixelsize": 120}, r"experiment\.toml: unknown key 'pixelsize'; known are name, stack"),
    "no number": ({"pixel_size_nm": "120"}, r"experiment\.toml: pixel_size_nm must be a number, got '120'"),
    "yes for a number": ({"pixel_size_nm": True}, r"pixel_size_nm must be a number, got True"),
    "pixel size zero": ({"pixel_size_nm": 0}, r"pixel_size_nm must be above 0.*got 0"),
    "pixel size negative": ({"pixel_size_nm": -120}, r"pixel_size_nm must be above 0.*got -120"),
    "pixel size missing": ({"pixel_size_nm": None}, r"'pixel_size_nm' is missing"),
    "name with a slash": ({"name": "a/b"}, r"name is letters, digits, - and _.*'a/b'"),
    "no panel": ({"panel": "nobody"}, r"panel 'nobody': neither a named panel \(thesis, six, twelve\) nor a file"),
    "no direction": ({"dispersion": "sideways"}, r"dispersion must be down, left, up, right, got 'sideways'"),
    "no stack": ({"stack": "other.tif"}, r"other\.tif: there is no such file"),
    "pattern without files": ({"stack": "run_*.tif"}, r"run_\*\.tif: no file matches"),
    "pretrain elsewhere": ({"pretrain": ["../none"]}, r"pretrain names '\.\./none'"),
    "mask of no class": (
        {"masks": {"purple": "a.tif"}},
        r"\[masks\] needs one file for each of red, green, blue; unknown purple",
    ),
    "stack a number": ({"stack": 3}, r"stack must be text in quotes or a list of texts, got 3"),
}


@pytest.mark.parametrize("case", TOMLS)
def test_a_bad_key_is_refused_by_name(case, tmp_path, capsys):
    values, message = TOMLS[case]
    code, said = _check(write_folder(tmp_path / "sample", **values), capsys)
    assert code == 1
    assert "Traceback" not in said
    with pytest.raises(InputError, match=message):
        load_experiment(tmp_path / "sample")


def test_all_problems_are_told_at_once(tmp_path):
    folder = write_folder(
        tmp_path / "sample", blobs=TABLES["empty file"][0], pixel_size_nm=0, colour="red", stack="gone.tif"
    )
    _, problems = inspect_experiment(folder)
    assert len(problems) == 4


STACKS = {
    "colour": (np.zeros((2, 64, 48, 3), np.uint8), {"photometric": "rgb"}, r"stack\.tif: is a colour image"),
    "three frames as colours": (np.zeros((3, 64, 48), np.uint16), {"photometric": "rgb"}, r"save its frames as minisblack"),
    "one row": (np.zeros((1, 48), np.uint16), {}, r"stack\.tif: is one-dimensional"),
    "NaN": (np.full((2, 64, 48), np.nan, np.float32), {}, r"stack\.tif: frame 1 has NaN or infinite pixels"),
    "two stacks in one": (
        np.zeros((3, 2, 64, 48), np.uint16),
        {"imagej": True},
        r"stack\.tif: has axes 3 along Z and 2 along C",
    ),
    "smaller than a crop": (
        grey_frames(shape=(30, 9)),
        {},
        r"stack\.tif: a frame of \(30, 9\).* smaller than a crop of \(34, 10\)",
    ),
}


@pytest.mark.parametrize("case", STACKS)
def test_a_bad_stack_is_refused_by_name(case, tmp_path, capsys):
    pixels, options, message = STACKS[case]
    folder = write_folder(tmp_path / "sample")
    tifffile.imwrite(folder / "stack.tif", pixels, **options)
    check = check_experiment(folder)
    assert [one for one in check.problems if re.search(message, one)], check.problems
    assert _check(folder, capsys)[0] == 1


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: np.zeros((10, 24), np.float32), r"red\.tif: a mask of \(10, 24\).*\(24, 10\)"),
        (lambda: np.ones((24, 10), np.float32), r"red\.tif: the mask is constant"),
        (lambda: grey_frames(shape=(24, 10)), r"red\.tif: expected one image, found a stack of 2"),
    ],
)
def test_a_bad_mask_is_refused_by_name(make, message, tmp_path):
    folder = write_folder(tmp_path / "sample", masks={name: f"{name}.tif" for name in ("red", "green", "blue")})
    for name in ("green", "blue"):
        tifffile.imwrite(folder / f"{name}.tif", grey_frames(1, (24, 10))[0])
    tifffile.imwrite(folder / "red.tif", make(), photometric="minisblack")
    with pytest.raises(InputError, match=message):
        load_experiment(folder)


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([GOOD], r"blobs\.csv: has no labels; training needs"),
        (
            [(k, 1, X + 240 * k, Y, *label) for k, label in enumerate([(1, 0), (0, -1), (1, 1)])],
            r"blobs\.csv: no blob is labelled blue; training needs some of every class",
        ),
    ],
)
def test_training_refuses_what_check_only_warns_of(rows, message, tmp_path, capsys):
    header = "id,frame,x [nm],y [nm]" if len(rows[0]) == 4 else LABELS
    folder = write_folder(tmp_path / "sample", blobs=blobs_text(rows, header))
    assert main(["check", str(folder)]) == 0
    capsys.readouterr()
    assert main(["report", str(folder), "--only", "03", "--out", str(tmp_path / "run")]) == 1
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    with pytest.raises(InputError, match=message):
        load_experiment(folder).require_labels()
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("command", ["report", "classify"])
def test_what_needs_blobs_says_so(command, tmp_path, capsys):
    folder = write_folder(tmp_path / "sample", toml='name = "bare"\nstack = "stack.tif"\npixel_size_nm = 120\n')
    assert main(["check", str(folder)]) == 0
    words = {"report": ["report", str(folder)], "classify": ["classify", str(tmp_path), str(folder)]}[command]
    assert main([*words, "--out", str(tmp_path / "out")]) == 1
    assert "names no blobs; export them from ThunderSTORM" in capsys.readouterr().err


def test_too_few_labels_to_split_are_refused(tmp_path):
    rows = [(k, 1, X + 120 * k, Y, *label) for k, label in enumerate([(1, 0), (1, 1), (1, 2), (0, -1)] * 2)]
    sample = load_experiment(write_folder(tmp_path / "few", blobs=blobs_text(rows, LABELS)))
    with pytest.raises(InputError, match=r"too few labelled blobs to split.*red 2, green 2, blue 2, noise 2"):
        dataset.prepare(RunFolder(sample, tmp_path / "run"))


@pytest.mark.parametrize("direction", ["up", "left", "right"])
def test_a_dispersion_that_runs_another_way_than_said_is_found(direction, small_folder, tmp_path, capsys):
    toml = (small_folder / "experiment.toml").read_text()
    for name in ("stack.tif", "blobs.csv"):
        shutil.copy(small_folder / name, tmp_path)
    (tmp_path / "experiment.toml").write_text(toml.replace('dispersion = "down"', f'dispersion = "{direction}"'))
    code, said = _check(tmp_path, capsys)
    assert code == 1
    assert main(["report", str(tmp_path), "--out", str(tmp_path / "run")]) == 1
    assert not (tmp_path / "run").exists()
    said += capsys.readouterr().err
    assert said.count("set dispersion") == 2
    assert f'said to run {direction}, but second blobs lie down; set dispersion = "down"' in said


def test_blobs_that_repeat_from_frame_to_frame_are_warned_of(tmp_path, capsys):
    code, said = _check(write_folder(tmp_path / "sample"), capsys)
    assert code == 0
    assert "time series of one field of view" in said


def test_a_folder_without_experiment_toml_is_said(tmp_path, capsys):
    code, said = _check(tmp_path, capsys)
    assert code == 1
    assert "experiment.toml: there is no such file" in said
    assert main(["check", str(tmp_path / "nowhere")]) == 1


def test_a_blob_table_that_is_not_there_is_said(tmp_path, capsys):
    folder = write_folder(tmp_path / "sample")
    (folder / "blobs.csv").unlink()
    assert "blobs.csv: there is no such file" in _check(folder, capsys)[1]


def test_invalid_toml_is_said_with_its_place(tmp_path, capsys):
    _, said = _check(write_folder(tmp_path / "sample", toml="name = \n"), capsys)
    assert "experiment.toml: not valid TOML" in said


def test_an_output_that_cannot_be_written_is_said_and_nothing_is_left(
    small_classifier, small_folder, tmp_path, unwritable, capsys
):
    small_classifier.save(tmp_path / "classifier")
    before = everything_in(tmp_path)
    code = main(["classify", str(tmp_path / "classifier"), str(small_folder), "--out", str(unwritable / "out.csv")])
    assert code == 1
    assert "cannot be written" in capsys.readouterr().err
    assert everything_in(tmp_path) == before


@pytest.mark.parametrize("command", [["report", "FOLDER", "--out"], ["simulate", "--frames", "1"]])
def test_a_folder_that_cannot_be_made_is_said(command, small_folder, tmp_path, unwritable, capsys):
    before = everything_in(tmp_path)
    filled = [str(small_folder) if word == "FOLDER" else word for word in command]
    assert main([*filled, str(unwritable)]) == 1
    said = capsys.readouterr().err
    assert re.search(r"mirnb: .*cannot be written", said)
    assert "Traceback" not in said
    assert everything_in(tmp_path) == before


def test_a_full_disk_leaves_the_old_file_and_no_temporary_one(tmp_path, monkeypatch):
    target = tmp_path / "table.csv"
    write_table(target, pd.DataFrame({"a": [1]}))
    before = everything_in(tmp_path)

    def full(self, *args, **kwargs):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(pd.DataFrame, "to_csv", full)
    with pytest.raises(InputError, match=r"table\.csv: could not be written \(No space left"):
        write_table(target, pd.DataFrame({"a": [2]}))
    assert everything_in(tmp_path) == before


def test_ctrl_c_is_told_in_one_line_and_leaves_no_temporary_file(tmp_path, monkeypatch, capsys):
    def stop(*args, **kwargs):
        raise KeyboardInterrupt

    monkeypatch.setattr("mirnb.simulation.frames.expose", stop)
    assert main(["simulate", str(tmp_path / "sample"), "--frames", "2"]) == 130
    assert "stopped" in capsys.readouterr().err
    assert everything_in(tmp_path) == {}


def test_real_header_quoted_as_one_field_is_refused(tmp_path, real_data, capsys):
    folder = write_folder(tmp_path / "sample", blobs=(real_data / "thunderstorm" / "locan_bad_quoting.csv").read_text())
    code, said = _check(folder, capsys)
    assert code == 1
    assert "the whole header is quoted as one field" in said


def test_a_table_with_only_a_header_is_a_problem_and_no_report(tmp_path, capsys):
    masks = {name: f"{name}.tif" for name in ("red", "green", "blue")}
    folder = write_folder(tmp_path / "s", blobs="frame,x [nm],y [nm]\n", masks=masks)
    for k, name in enumerate(masks):
        tifffile.imwrite(folder / f"{name}.tif", grey_frames(1, (24, 10), seed=k)[0])
    code, said = _check(folder, capsys)
    assert (code, "blobs.csv: holds no blob, only a header" in said) == (1, True)
    assert main(["report", str(folder), "--only", "01", "--out", str(tmp_path / "run")]) == 1
    assert "holds no blob, only a header" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


def test_problems_and_their_sum_go_to_one_stream(tmp_path, capsys):
    main(["check", str(write_folder(tmp_path / "s", blobs="", colour="red"))])
    said = capsys.readouterr()
    assert said.err.splitlines()[-1] == "2 to mend"
    assert said.err.count("problem: ") == 2
    assert "mend" not in said.out


TABLES_THAT_ARE_REAL = {
    "cocos_mix/thunderstorm.csv": 2462,
    "thunderstorm/colicoords_08_storm.csv": 23196,
    "detection/locan_dstorm_rapidstorm.txt": 12,
}


@pytest.mark.parametrize("name", TABLES_THAT_ARE_REAL)
def test_real_tables_are_read_without_a_warning(name, real_data):
    with heard() as said:
        assert len(read_blobs(real_data / name, pixel_size_nm=133.5)) == TABLES_THAT_ARE_REAL[name]
    assert said == []
