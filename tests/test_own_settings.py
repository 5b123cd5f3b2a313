"""What a user set for other programs does not reach into runs: Keras, Matplotlib, Jupyter, IPython; nor does a terminal."""

import io
import json
import os
import subprocess
import sys

import nbformat
import pytest
from by_hand import write_folder

from mirnb import files, running
from mirnb.cli import main
from mirnb.simulation.folders import simulate_experiment

_ASK_KERAS = (
    "from mirnb.classifiers.backend import load_keras; keras = load_keras(); import numpy as np;"
    "layer = keras.layers.Dense(2); layer.build((None, 3));"
    "print(keras.config.floatx(), keras.config.image_data_format(), layer.kernel.dtype, keras.config.epsilon())"
)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("config", "named"),
    [
        ({"floatx": "float16", "epsilon": 0.1}, "HOME"),
        ({"floatx": "bfloat16", "image_data_format": "channels_first", "backend": "tensorflow"}, "KERAS_HOME"),
    ],
    ids=["home", "named"],
)
def test_the_users_keras_json_does_not_change_a_run(config, named, tmp_path):
    (tmp_path / ".keras").mkdir()
    (tmp_path / ".keras" / "keras.json").write_text(json.dumps(config))
    environment = {name: value for name, value in os.environ.items() if name not in ("KERAS_HOME", "KERAS_BACKEND")}
    environment[named] = str({"HOME": tmp_path, "KERAS_HOME": tmp_path / ".keras"}[named])
    done = subprocess.run([sys.executable, "-c", _ASK_KERAS], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["float32", "channels_last", "float32", "1e-07"]
    assert json.loads((tmp_path / ".keras" / "keras.json").read_text()) == config


def _settings_of_a_user(home):
    """A home with a kernel of another Python, a style that needs LaTeX, and start-up files that break what they can."""
    kernel = home / ".local" / "share" / "jupyter" / "kernels" / "python3"
    kernel.mkdir(parents=True)
    kernel_json = {"argv": ["/nowhere/python", "-m", "ipykernel_launcher", "-f", "{connection_file}"], "language": "python"}
    (kernel / "kernel.json").write_text(json.dumps({**kernel_json, "display_name": "Another"}))
    (home / ".config" / "matplotlib").mkdir(parents=True)
    (home / ".config" / "matplotlib" / "matplotlibrc").write_text(
        "text.usetex: True\nbackend: TkAgg\nfigure.facecolor: red\n"
    )
    startup = home / ".ipython" / "profile_default" / "startup"
    startup.mkdir(parents=True)
    (startup / "00.py").write_text("import numpy\nnumpy.percentile = None\n")
    (startup.parent / "ipython_config.py").write_text("c.InteractiveShellApp.exec_lines = ['raise SystemExit']\n")
    (home / "start.py").write_text("import numpy\nnumpy.median = None\n")
    return {"HOME": str(home), "PYTHONSTARTUP": str(home / "start.py"), "XDG_CONFIG_HOME": str(home / ".config")}


@pytest.mark.slow
def test_a_report_runs_by_its_own_settings_whatever_the_user_has(small_settings, tmp_path):
    folder = simulate_experiment(tmp_path / "s", settings=small_settings)
    (tmp_path / "home").mkdir()
    environment = {**os.environ, **_settings_of_a_user(tmp_path / "home")}
    (tmp_path / "matplotlibrc").write_text("text.usetex: True\n")  # in the working folder
    for module in ("random", "mirnb", "numpy"):
        (tmp_path / f"{module}.py").write_text("raise SystemExit('the user')\n")
    done = subprocess.run(
        [sys.executable, "-P", "-m", "mirnb", "report", str(folder), "--only", "01", "--quick", "--out", "run"],
        env=environment, cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    page = nbformat.read(tmp_path / "run" / "notebooks" / "01_templates.ipynb", as_version=4)
    assert not [out for cell in page.cells for out in cell.get("outputs", []) if out.output_type == "error"]
    index = (tmp_path / "run" / "index.html").read_text()
    assert ("metrics.json" in index) == (tmp_path / "run" / "metrics.json").exists()


def test_the_environment_is_as_it_was_after_a_run(monkeypatch):
    monkeypatch.setenv("MPLBACKEND", "Agg")
    before = dict(os.environ)
    with running.settings_of_our_own():
        assert "MPLBACKEND" not in os.environ
    assert dict(os.environ) == before


# --------------------------------------------------------------------------------------------------------------- terminals


@pytest.mark.parametrize("encoding", ["gbk", "cp932", "cp949", "cp1252", "ascii", "utf-8", "latin-1"])
def test_no_terminal_stops_a_command(encoding, tmp_path, monkeypatch):
    folder = write_folder(tmp_path / "β µ²")
    for asked, code, words in (
        (folder, 0, "5.8 x 7.7"),
        (tmp_path / "\udce9", 1, "there is no such folder"),
    ):  # a name, no text
        streams = [io.TextIOWrapper(io.BytesIO(), encoding=encoding) for _ in "oe"]
        monkeypatch.setattr(sys, "stdout", streams[0])
        monkeypatch.setattr(sys, "stderr", streams[1])
        assert main(["check", str(asked)]) == code
        for stream in streams:
            stream.flush()
        assert words in "".join(stream.buffer.getvalue().decode(encoding, "replace") for stream in streams)


def test_the_program_itself_writes_into_any_terminal(tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "mirnb", "check", str(write_folder(tmp_path / "µ"))],
        env={**os.environ, "PYTHONIOENCODING": "gbk", "PYTHONUTF8": "0"}, capture_output=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "5.8 x 7.7 um" in done.stdout.decode("gbk")


def test_a_terminal_keeps_what_it_can_show(capsys, tmp_path):
    assert main(["check", str(write_folder(tmp_path / "s"))]) == 0
    assert "5.8 x 7.7 µm" in capsys.readouterr().out


# ------------------------------------------------------------------------------------------------- parameters out of range


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [
        ("seed", "-1", "-p seed must be 0 or more, got -1"),
        ("background_percentile", "150", "-p background_percentile must lie from 0 to 99.9, got 150"),
        ("epochs", "0", "-p epochs must be 1 or more, got 0"),
        ("n_runs", "-3", "-p n_runs must be 1 or more, got -3"),
        ("learning_rate", "0", "-p learning_rate must lie from 1e-09 to 1000, got 0"),
        ("learning_rate", "nan", "-p learning_rate must lie from"),
        ("batch_size", "0", "-p batch_size must be 1 or more"),
        ("n_resamples", "0", "-p n_resamples must be 20 or more"),
        ("field_px", "0", "-p field_px must be 32 or more"),
    ],
)
def test_a_parameter_out_of_range_is_named_before_anything_runs(key, value, words, small_folder, tmp_path, capsys):
    assert main(["report", str(small_folder), "-p", key, value, "--out", str(tmp_path / "run")]) == 1
    assert words in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


def test_ranges_are_of_parameters_there_are():
    cells = [json.loads(path.read_text()) for path in files.NOTEBOOK_FOLDER.glob("[01]*.ipynb")]
    text = json.dumps(cells) + (files.NOTEBOOK_FOLDER.parent / "mirnb" / "classifiers" / "dataset.py").read_text()
    assert [name for name in files._RANGES if name not in text] == []
