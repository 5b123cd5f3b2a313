"""The commands as a user types them: what they print, what they write, and how they fail."""

import ast
import errno
import os
import shutil
import subprocess
import sys
from pathlib import Path

import nbformat
import numpy as np
import pandas as pd
import pytest
import tifffile
from by_hand import blobs_text, everything_in, middle_nm, toml_text, write_folder

import mirnb
from mirnb import files
from mirnb.cli import main
from mirnb.experiments.experiment_file import load_experiment
from mirnb.experiments.panel_file import THESIS
from mirnb.files import read_json, write_json

COMMANDS = ("simulate", "check", "report", "classify", "detect", "quantify")


@pytest.fixture(scope="module")
def classifier_folder(small_classifier, tmp_path_factory):
    folder = tmp_path_factory.mktemp("classifiers") / "lenet5"
    small_classifier.save(folder)
    return folder


def said_once(capsys):
    """What stands on stderr beside progress bars: one line that begins with the name of the program."""
    lines = [line for line in capsys.readouterr().err.splitlines() if line.strip() and "frame/s]" not in line]
    assert len(lines) == 1, lines
    assert lines[0].startswith("mirnb: ")
    return lines[0]


# ------------------------------------------------------------------------------------------------------------ parsing


def test_help_names_every_command(capsys):
    with pytest.raises(SystemExit) as ended:
        main(["--help"])
    assert ended.value.code == 0
    text = capsys.readouterr().out
    assert all(name in text for name in COMMANDS)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help(command, capsys):
    with pytest.raises(SystemExit) as ended:
        main([command, "--help"])
    assert ended.value.code == 0
    assert f"mirnb {command}" in capsys.readouterr().out


def test_the_version_is_that_of_the_package(capsys):
    with pytest.raises(SystemExit):
        main(["--version"])
    assert capsys.readouterr().out.split() == ["mirnb", mirnb.__version__]


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["paint"],
        ["check"],
        ["simulate", "x", "--frames", "0"],
        ["simulate", "x", "--frames", "many"],
        ["simulate", "x", "--seed", "1.5"],
        ["classify", "a", "b"],
        ["report", "x", "-p", "seed"],
    ],
    ids=" ".join,
)
def test_a_command_typed_wrongly_is_explained(arguments, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 2
    assert "usage: mirnb" in capsys.readouterr().err
    assert everything_in(tmp_path) == {}


@pytest.mark.parametrize("seed", ["-1", "-3"])
def test_a_seed_below_zero_is_refused_in_words(seed, capsys, tmp_path):
    try:
        code = main(["simulate", str(tmp_path / "x"), "--frames", "1", "--seed", seed])
    except SystemExit as ended:
        code = ended.code
    assert code in (1, 2)
    assert "seed" in capsys.readouterr().err
    assert everything_in(tmp_path) == {}


# ------------------------------------------------------------------------------------------------------------ simulate


@pytest.mark.slow
def test_simulate_writes_a_mixture_and_a_single_type_sample_that_check_approves(tmp_path, capsys):
    assert main(["simulate", str(tmp_path / "demo"), "--frames", "1", "--seed", "5"]) == 0
    assert "1 simulated frames" in capsys.readouterr().out
    assert set(everything_in(tmp_path)) == {
        Path(folder) / name
        for folder in ("demo", "demo_red", "demo_green", "demo_blue")
        for name in ("stack.tif", "blobs.csv", "truth.csv", "experiment.toml")
    }
    sample = load_experiment(tmp_path / "demo")
    assert (len(sample.stack), sample.stack.frame_shape, sample.simulated["seed"]) == (1, (1024, 1024), 5)
    for name in ("demo", "demo_red", "demo_green", "demo_blue"):
        assert main(["check", str(tmp_path / name)]) == 0
        assert "no problem found" in capsys.readouterr().out


def test_simulate_only_writes_one_folder_of_one_mir(tmp_path, capsys):
    assert main(["simulate", str(tmp_path / "g"), "--frames", "1", "--only", "green"]) == 0
    assert [path.name for path in tmp_path.iterdir()] == ["g"]
    counts = load_experiment(tmp_path / "g").count_labels()
    assert counts["green"] > 0
    assert counts["red"] == counts["blue"] == 0


def test_simulate_takes_a_panel_file_and_the_folder_stands_alone(tmp_path, capsys):
    (tmp_path / "two.toml").write_text(
        'name = "two"\nbands_nm = [[507, 532], [586, 625], [673, 714]]\n'
        '[[mir]]\nname = "a"\ndyes = ["Alexa 488", "Alexa 568"]\n'
        '[[mir]]\nname = "b"\ndyes = ["Alexa 488", "Alexa 647"]\n'
    )
    panel = str(tmp_path / "two.toml")
    assert main(["simulate", str(tmp_path / "s"), "--frames", "1", "--panel", panel, "--only", "b"]) == 0
    (tmp_path / "two.toml").unlink()
    assert load_experiment(tmp_path / "s").panel.mir_names == ["a", "b"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--only", "purple"], "--only purple"),
        (["--only", "noise"], "--only noise"),
        (["--panel", "nobody"], "panel 'nobody'"),
    ],
)
def test_simulate_refuses_what_is_not_in_the_panel(arguments, words, tmp_path, capsys):
    assert main(["simulate", str(tmp_path / "s"), "--frames", "1", *arguments]) == 1
    assert words in said_once(capsys)
    assert everything_in(tmp_path) == {}


def test_simulate_does_not_write_over_what_a_user_brought(tmp_path, capsys):
    folder = write_folder(tmp_path / "mine")
    before = everything_in(tmp_path)
    assert main(["simulate", str(folder), "--frames", "1"]) == 1
    assert "not simulated" in said_once(capsys)
    assert everything_in(tmp_path) == before


def test_simulate_does_not_write_over_a_stack_that_has_no_experiment_yet(tmp_path, capsys):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "stack.tif").write_bytes(b"years of work")
    assert main(["simulate", str(tmp_path / "mine"), "--frames", "1"]) == 1
    assert "stack.tif" in said_once(capsys)
    assert (tmp_path / "mine" / "stack.tif").read_bytes() == b"years of work"


def test_simulate_says_when_it_cannot_write(unwritable, tmp_path, capsys):
    before = everything_in(tmp_path)
    assert main(["simulate", str(unwritable), "--frames", "1"]) == 1
    assert "cannot be written" in said_once(capsys)
    assert everything_in(tmp_path) == before


def test_a_disk_that_fills_while_frames_are_written_leaves_nothing(tmp_path, monkeypatch, capsys):
    write, written = tifffile.TiffWriter.write, []

    def fills_up(self, *args, **kwargs):
        written.append(1)
        if len(written) > 1:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return write(self, *args, **kwargs)

    monkeypatch.setattr(tifffile.TiffWriter, "write", fills_up)
    assert main(["simulate", str(tmp_path / "s"), "--frames", "2", "--only", "red"]) == 1
    assert "No space left" in said_once(capsys)
    assert everything_in(tmp_path) == {}


# --------------------------------------------------------------------------------------------------------------- check


def test_check_prints_what_it_found_and_every_problem(tmp_path, capsys):
    folder = write_folder(tmp_path / "s", blobs=blobs_text([(9, 500, 500)], "frame,x [nm],y [nm]"), colour="red")
    assert main(["check", str(folder)]) == 1
    said = capsys.readouterr()
    problems = [line for line in said.err.splitlines() if line.startswith("problem: ")]
    assert len(problems) == 2
    assert "2 to mend" in said.err
    assert "no problem" not in said.out


def test_check_never_says_no_problem_when_there_is_nothing_to_read(tmp_path, capsys):
    folder = write_folder(tmp_path / "s", stack="")
    assert main(["check", str(folder)]) == 1
    assert "no problem" not in capsys.readouterr().out


# ------------------------------------------------------------------------------------------------------------ classify


@pytest.mark.parametrize("labelled", [True, False])
def test_classify_writes_the_blob_table_with_classes(labelled, classifier_folder, small_folder, tmp_path, capsys):
    table = pd.read_csv(small_folder / "blobs.csv")
    folder = small_folder
    if not labelled:
        folder = write_folder(tmp_path / "plain", blobs=table.iloc[:, :-2].to_csv(index=False))
        (folder / "stack.tif").write_bytes((small_folder / "stack.tif").read_bytes())
    out = tmp_path / "new" / "classes.csv"
    assert main(["classify", str(classifier_folder), str(folder), "--out", str(out)]) == 0
    written = pd.read_csv(out, keep_default_na=False)
    names = [*THESIS.names]
    assert list(written.columns[-6:]) == ["class", *(f"p_{name}" for name in names), "crowded"]
    np.testing.assert_allclose(written["x [nm]"].astype(float), table["x [nm]"])
    printed = capsys.readouterr().out
    for name in names:
        assert f"{name} {np.sum(written['class'] == name)}" in " ".join(printed.split())
    assert f"too near the border {np.sum(written['class'] == '')}" in " ".join(printed.split())
    assert str(out) in printed


def test_what_classify_writes_can_be_classified_again(classifier_folder, small_folder, tmp_path, capsys):
    folder = tmp_path / "again"
    folder.mkdir()
    for path in small_folder.iterdir():
        (folder / path.name).write_bytes(path.read_bytes())
    for _ in range(2):
        assert main(["classify", str(classifier_folder), str(folder), "--out", str(folder / "blobs.csv")]) == 0
    table = pd.read_csv(folder / "blobs.csv")
    assert table.columns.is_unique
    assert len(table) == len(pd.read_csv(small_folder / "blobs.csv"))


def test_a_table_without_blobs_gives_a_table_without_classes(classifier_folder, tmp_path, capsys):
    folder = write_folder(tmp_path / "s", blobs="frame,x [nm],y [nm]\n")
    assert main(["classify", str(classifier_folder), str(folder), "--out", str(tmp_path / "out.csv")]) == 0
    written = pd.read_csv(tmp_path / "out.csv")
    assert len(written) == 0
    assert {"class", "p_red", "p_noise", "crowded"} <= set(written.columns)


def edit(name, **values):
    """An edit of the classifier folder's JSON."""

    def change(folder):
        write_json(folder / name, {**read_json(folder / name), **values})

    return change


CLASSIFIERS = {
    "nothing there": (lambda folder: [path.unlink() for path in folder.iterdir()], "no classifier here"),
    "cut off": (lambda folder: (folder / "classifier.json").write_text('{"format": 1, '), "classifier.json"),
    "a list": (lambda folder: (folder / "classifier.json").write_text("[1]"), "classifier.json"),
    "other format": (edit("classifier.json", format=99), "not a classifier this version reads"),
    "files as text": (edit("classifier.json", files="all"), "classifier.json"),
    "panel as text": (edit("classifier.json", panel="thesis"), "classifier.json"),
    "unknown preprocessing": (edit("classifier.json", preprocess={"blur": 3}), "classifier.json"),
    "model garbled": (lambda folder: (folder / "model.keras").write_bytes(b"PK"), "model.keras"),
}


@pytest.mark.parametrize("case", CLASSIFIERS)
def test_a_damaged_classifier_folder_is_told_in_one_line(case, classifier_folder, small_folder, tmp_path, capsys):
    folder = tmp_path / "lenet5"
    folder.mkdir()
    for path in classifier_folder.iterdir():
        (folder / path.name).write_bytes(path.read_bytes())
    damage, words = CLASSIFIERS[case]
    damage(folder)
    assert main(["classify", str(folder), str(small_folder), "--out", str(tmp_path / "out.csv")]) == 1
    line = said_once(capsys)
    assert words in line
    assert "lenet5" in line
    assert not (tmp_path / "out.csv").exists()


@pytest.mark.parametrize(
    ("values", "words"),
    [({"stack": "gone.tif"}, "gone.tif"), ({"blobs": None}, "names no blobs"), ({"pixel_size_nm": 0}, "pixel_size_nm")],
    ids=["no stack", "no blobs", "no pixel size"],
)
def test_classify_refuses_a_bad_experiment_in_one_line(values, words, classifier_folder, tmp_path, capsys):
    folder = write_folder(tmp_path / "s", toml=toml_text(**values))
    assert main(["classify", str(classifier_folder), str(folder), "--out", str(tmp_path / "out.csv")]) == 1
    assert words in said_once(capsys)
    assert not (tmp_path / "out.csv").exists()


def test_classify_refuses_a_damaged_frame_and_writes_nothing(classifier_folder, tmp_path, capsys):
    frames = np.random.default_rng(0).normal(900, 30, (2, 64, 48)).astype(np.float32)
    frames[1, 5, 5] = np.nan
    text = blobs_text([(1, *middle_nm(30, 20)), (2, *middle_nm(30, 20))], "frame,x [nm],y [nm]")
    folder = write_folder(tmp_path / "s", frames=frames, blobs=text)
    assert main(["classify", str(classifier_folder), str(folder), "--out", str(tmp_path / "out.csv")]) == 1
    assert "frame 2 has NaN" in said_once(capsys)
    assert not (tmp_path / "out.csv").exists()


def test_an_output_that_is_a_folder_is_told(classifier_folder, small_folder, tmp_path, capsys):
    (tmp_path / "out.csv").mkdir()
    assert main(["classify", str(classifier_folder), str(small_folder), "--out", str(tmp_path / "out.csv")]) == 1
    assert "out.csv" in said_once(capsys)
    assert list(tmp_path.iterdir()) == [tmp_path / "out.csv"]


# ------------------------------------------------------------------------------------------------------- how it fails


def test_ctrl_c_ends_with_130(monkeypatch, capsys, tmp_path):
    def stop(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr("mirnb.experiments.check.check_experiment", stop)
    assert main(["check", str(tmp_path)]) == 130
    assert "stopped" in said_once(capsys)


def test_an_error_of_the_system_is_one_line_with_its_file(monkeypatch, capsys, tmp_path):
    def fail(*_, **__):
        raise OSError(errno.EIO, "Input/output error", "stack.tif")

    monkeypatch.setattr("mirnb.experiments.check.check_experiment", fail)
    assert main(["check", str(tmp_path)]) == 1
    assert said_once(capsys).startswith("mirnb: stack.tif: Input/output error")


def test_the_program_itself_ends_with_the_code_and_without_a_stack_trace(tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "mirnb", "check", str(tmp_path / "nowhere")], capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert "there is no such folder" in done.stderr
    assert "Traceback" not in done.stderr + done.stdout


def test_check_does_not_wait_for_keras(tmp_path):
    code = "import sys; from mirnb.cli import main; main(sys.argv[1:]); sys.exit('keras' in sys.modules)"
    folder = write_folder(tmp_path / "s")
    done = subprocess.run([sys.executable, "-c", code, "check", str(folder)], capture_output=True, check=False)
    assert done.returncode == 0, done.stderr


# ------------------------------------------------------------------------------------------------- detect and quantify


def test_detect_writes_a_table_that_check_takes(small_folder, tmp_path, capsys):
    folder = write_folder(tmp_path / "mine")
    (folder / "stack.tif").write_bytes((small_folder / "stack.tif").read_bytes())
    assert main(["detect", str(folder / "stack.tif"), "--out", str(folder / "blobs.csv")]) == 0
    assert "blobs on 4 frames" in capsys.readouterr().out
    assert main(["check", str(folder)]) == 0
    assert "labels: none" in capsys.readouterr().out


def test_the_pixel_size_scales_positions(small_folder, tmp_path):
    tables = []
    for nm in ("120", "60"):
        out = tmp_path / f"{nm}.csv"
        assert main(["detect", str(small_folder / "stack.tif"), "--out", str(out), "--pixel-size", nm]) == 0
        tables.append(pd.read_csv(out))
    np.testing.assert_allclose(tables[0]["x [nm]"], 2 * tables[1]["x [nm]"], atol=0.02)


@pytest.mark.parametrize("nm", ["0", "-3", "nan", "wide"])
def test_a_pixel_size_that_is_none_is_refused(nm, small_folder, tmp_path, capsys):
    with pytest.raises(SystemExit):
        main(["detect", str(small_folder / "stack.tif"), "--out", str(tmp_path / "b.csv"), "--pixel-size", nm])
    assert "--pixel-size" in capsys.readouterr().err


@pytest.mark.parametrize("stack", ["nowhere.tif", "nosuch://bucket/stack.tif"])
def test_detect_says_what_cannot_be_read_and_writes_nothing(stack, tmp_path, capsys):
    assert main(["detect", stack, "--out", str(tmp_path / "b.csv")]) == 1
    assert stack in said_once(capsys)
    assert everything_in(tmp_path) == {}


@pytest.mark.slow
def test_quantify_writes_all_it_promises(classifier_folder, small_folder, tmp_path, capsys, in_process):
    (tmp_path / "damaged.tif").write_bytes((small_folder / "stack.tif").read_bytes()[:5000])
    given = [str(small_folder / "stack.tif"), str(tmp_path / "damaged.tif")]
    out = tmp_path / "out"
    assert main(["quantify", str(classifier_folder), *given, "--out", str(out)]) == 1  # one failed
    said = capsys.readouterr().out
    assert "damaged: not counted" in said
    table = pd.read_csv(out / "abundance.csv")
    assert table["class"].tolist() == ["red", "green", "blue"]
    assert table["simulated"].all()
    for name in ("stacks.csv", "fold_changes.csv", "abundance.png", "abundance.svg", "small/blobs_classified.csv"):
        assert (out / name).stat().st_size > 0
    page = (out / "notebooks" / "09_quantification.html").read_text(encoding="utf-8")
    assert "damaged: not counted" in page
    assert "../index.html" not in page


def test_quantify_says_when_nothing_could_be_counted(classifier_folder, tmp_path, capsys):
    assert main(["quantify", str(classifier_folder), "nowhere.tif", "--out", str(tmp_path / "out")]) == 1
    error = capsys.readouterr().err
    assert "no stack could be counted" in error
    assert "nowhere.tif: there is no such file" in error


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--samples", "nowhere.csv"], "nowhere.csv: there is no such file"),
        (["--blobs", "one.csv", "two.csv"], "2 tables for 1 stacks"),
        (["--scheduler", "tcp://127.0.0.1:9"], "no Dask scheduler answers"),
    ],
)
def test_what_is_wrong_with_quantify_is_one_line(
    arguments, words, classifier_folder, small_folder, tmp_path, capsys, monkeypatch
):
    monkeypatch.setattr("mirnb.cluster.WAIT_S", 2)
    given = [str(classifier_folder), str(small_folder / "stack.tif"), *arguments, "--out", str(tmp_path / "out")]
    assert main(["quantify", *given]) == 1
    assert words in said_once(capsys)


def test_quantify_needs_a_classifier(small_folder, tmp_path, capsys):
    assert main(["quantify", str(tmp_path), str(small_folder / "stack.tif"), "--out", str(tmp_path / "out")]) == 1
    assert "no classifier here" in said_once(capsys)


def test_lab_opens_copies_set_to_the_experiment_and_keeps_those_that_were_changed(small_folder, tmp_path, monkeypatch):
    folder, asked = shutil.copytree(small_folder, tmp_path / 'my "best" \\1 run'), []
    monkeypatch.setattr(subprocess, "call", lambda command: asked.append(command) or 0)
    assert main(["lab", str(folder), "--no-browser", "--port", "1"]) == 0
    assert asked[0][-2:] == ["--port", "1"]
    assert f"--ServerApp.root_dir={folder / 'notebooks'}" in asked[0]
    copies = sorted((folder / "notebooks").glob("*.ipynb"))
    assert [path.name for path in copies] == [path.name for path in files.listed(files.NOTEBOOK_FOLDER, "*.ipynb")]
    for path in copies:
        source = nbformat.read(path, 4).cells[1].source
        assert ast.literal_eval(source.splitlines()[0].split(" = ")[1].split("  #")[0]) == folder.as_posix(), path
    copies[0].write_text("changed")
    copies[1].unlink()
    assert main(["lab", str(folder)]) == 0
    assert main(["lab", str(tmp_path / "typo")]) == 1
    assert not (tmp_path / "typo").exists()
    assert copies[0].read_text() == "changed"
    assert copies[1].exists()


def test_parameters_are_listed_with_their_meaning(tmp_path, capsys):
    assert main(["report", str(tmp_path), "--list-parameters", "--only", "03"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "03_training"
    assert "  -p epochs 10  (int) passes over the training crops" in lines
    assert not [line for line in lines if "-p experiment" in line or "-p quick" in line]
