"""Faults, strangers and hostile input: killed writers, tampered classifiers, damaged caches, pipes, names as formulas."""

import gc
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import dask
import matplotlib.pyplot as plt
import numpy as np
import pytest
import roifile
import tifffile
from by_hand import blobs_text, grey_frames, middle_nm, write_folder
from distributed import Client
from distributed.security import Security
from matplotlib.lines import Line2D
from matplotlib.markers import MarkerStyle

from mirnb import cluster, plots
from mirnb.caches import cached, fingerprint, read_arrays, stored, write_arrays
from mirnb.classifiers.classifier import load_classifier
from mirnb.classifiers.making import save_rival
from mirnb.classifiers.matched_filter import train_matched_filter
from mirnb.cli import main
from mirnb.cluster import OtherProgram, in_turn, open_client, submit
from mirnb.counting.samples import read_samples
from mirnb.experiments import panel_file
from mirnb.experiments.check import check_experiment
from mirnb.experiments.experiment_file import load_experiment
from mirnb.experiments.panel_file import THESIS, panel_from_dict
from mirnb.experiments.stacks import Stack
from mirnb.files import InputError, listed, read_json, read_toml, whole_file
from mirnb.labelling.annotations import Annotation, annotators
from mirnb.labelling.rois import read_points

# ---------------------------------------------------------------------------------------------- writers that were killed


@pytest.mark.parametrize("left", [".imagej-a8b_2x.csv", ".mirnb-imagej-a8b_2x.csv"])
def test_what_a_killed_writer_left_is_no_annotator(left, tmp_path):
    folder = write_folder(tmp_path / "s", blobs=blobs_text([(1, 1, *middle_nm(32, 24)), (2, 1, *middle_nm(20, 20))]))
    (folder / "labels").mkdir()
    (folder / "labels" / left).write_text("id,frame,x [nm],y")
    experiment = load_experiment(folder)
    assert annotators(experiment) == []
    with Annotation(experiment, "anna") as own:
        own.give([0], [1])
    assert annotators(experiment) == ["anna"]


def test_old_temporary_files_are_removed_and_new_ones_stay(tmp_path):
    for name, age_s in ((".mirnb-a-x.csv", 2 * 24 * 3600), (".mirnb-b-x.csv", 60), ("a.csv", 2 * 24 * 3600)):
        (tmp_path / name).write_text("")
        os.utime(tmp_path / name, (time.time() - age_s,) * 2)
    with whole_file(tmp_path / "new.csv") as temporary:
        assert temporary.name.startswith(".mirnb-")
        temporary.write_text("")
    assert sorted(path.name for path in tmp_path.iterdir()) == [".mirnb-b-x.csv", "a.csv", "new.csv"]
    assert [path.name for path in listed(tmp_path, "*.csv")] == ["a.csv", "new.csv"]


# -------------------------------------------------------------------------------------------------------- damaged caches


@pytest.mark.parametrize("share", [0.0, 0.3, 0.9])
def test_a_damaged_part_of_a_cache_is_made_again_and_said_in_a_line(share, tmp_path, capsys):
    path = tmp_path / "part.npz"
    write_arrays(path, {"a": np.arange(5000)})
    path.write_bytes(path.read_bytes()[: int(share * path.stat().st_size)])
    found = cached(path, lambda: {"a": np.arange(3)})
    np.testing.assert_array_equal(found["a"], np.arange(3))
    said = capsys.readouterr().err
    assert (said.count("\n"), "part.npz: damaged, and made again" in said) == (1, True)
    np.testing.assert_array_equal(stored(path)["a"], np.arange(3))
    assert stored(tmp_path / "none.npz") is None


def test_a_damaged_model_beside_a_cache_is_made_again(tmp_path):
    model = tmp_path / "model.keras"

    def make():
        with zipfile.ZipFile(model, "w") as archive:
            archive.writestr("config.json", "{}" * 100)
        return {"a": np.ones(1)}

    cached(tmp_path / "a.npz", make, beside=[model])
    whole = model.read_bytes()
    model.write_bytes(whole[:50])
    cached(tmp_path / "a.npz", make, beside=[model])
    assert len(model.read_bytes()) == len(whole)


# -------------------------------------------------------------------------------------------------- tampered classifiers


@pytest.fixture(scope="module")
def saved(small_classifier, tmp_path_factory):
    folder = tmp_path_factory.mktemp("saved") / "lenet5"
    small_classifier.save(folder)
    return folder


def _change_json(folder, change):
    values = read_json(folder / "classifier.json")
    change(values)
    (folder / "classifier.json").write_text(json.dumps(values))


def _change_file(folder, name, content):
    """Another file, as if the classifier had been saved with it."""
    (folder / name).write_bytes(content)
    _change_json(folder, lambda values: values["files"].update({name: fingerprint(folder / name)}))


def _change_scaler(folder, change):
    arrays = read_arrays(folder / "scaler.npz")
    change(arrays)
    write_arrays(folder / "scaler.npz", arrays)
    _change_json(folder, lambda values: values["files"].update({"scaler.npz": fingerprint(folder / "scaler.npz")}))


def _set(array, value):
    array.flat[3] = value


TAMPERED = {
    "sd 0": lambda folder: _change_scaler(folder, lambda arrays: _set(arrays["sd"], 0)),
    "sd negative": lambda folder: _change_scaler(folder, lambda arrays: _set(arrays["sd"], -1)),
    "mean NaN": lambda folder: _change_scaler(folder, lambda arrays: _set(arrays["mean"], np.nan)),
    "sd infinite": lambda folder: _change_scaler(folder, lambda arrays: _set(arrays["sd"], np.inf)),
    "scaler of another shape": lambda folder: _change_scaler(folder, lambda arrays: arrays.update(sd=np.ones((3, 3)))),
    "scaler without sd": lambda folder: _change_scaler(folder, lambda arrays: arrays.pop("sd")),
    "scaler cut": lambda folder: _change_file(folder, "scaler.npz", (folder / "scaler.npz").read_bytes()[:300]),
    "weights cut": lambda folder: _change_file(folder, "model.keras", (folder / "model.keras").read_bytes()[:3000]),
    "weights empty": lambda folder: _change_file(folder, "model.keras", b""),
    "templates cut": lambda folder: _change_file(folder, "templates.tif", (folder / "templates.tif").read_bytes()[:500]),
    "kind": lambda folder: _change_json(folder, lambda values: values.update(kind="pca_svm")),
    "preprocess key": lambda folder: _change_json(folder, lambda values: values["preprocess"].update(other=1)),
    "preprocess infinite": lambda folder: _change_json(folder, lambda values: values["preprocess"].update(cap_sds=1e999)),
    "noise NaN": lambda folder: _change_json(
        folder, lambda values: values["trained_on"].update(noise_sd_counts=float("nan"))
    ),
    "pixels 0": lambda folder: _change_json(folder, lambda values: values["trained_on"].update(pixel_size_nm=0)),
    "preparation": lambda folder: _change_json(folder, lambda values: values["trained_on"].update(preparation=[1])),
    "panel of two": lambda folder: _change_json(folder, lambda values: values["panel"]["mir"].pop()),
    "deep": lambda folder: (folder / "classifier.json").write_text("[" * 100_000),
    "digits": lambda folder: (folder / "classifier.json").write_text('{"format": ' + "9" * 10_000 + "}"),
    "a list": lambda folder: (folder / "classifier.json").write_text("[1, 2]"),
    "null": lambda folder: (folder / "classifier.json").write_text("null"),
}


@pytest.mark.parametrize("case", TAMPERED)
def test_a_classifier_that_cannot_be_right_is_refused_when_it_is_loaded(case, saved, small_folder, tmp_path, capsys):
    folder = tmp_path / "lenet5"
    shutil.copytree(saved, folder)
    TAMPERED[case](folder)
    with pytest.raises(InputError) as caught:
        load_classifier(folder)
    assert "\n" not in str(caught.value)
    assert str(folder) in str(caught.value)
    assert "run the command again" not in str(caught.value)
    if case in ("mean NaN", "weights cut", "deep"):
        assert main(["classify", str(folder), str(small_folder), "--out", str(tmp_path / "out.csv")]) == 1
        assert str(caught.value) in capsys.readouterr().err
        assert not (tmp_path / "out.csv").exists()


@pytest.mark.parametrize("temperature", [0, -1, float("nan"), float("inf"), "1", None, [1]])
def test_a_temperature_that_is_none_is_refused(temperature, small_data, small_run, tmp_path):
    saved = save_rival(train_matched_filter(small_data, small_run), small_data, small_run).folder
    shutil.copytree(saved, tmp_path / "filter")
    values = read_json(tmp_path / "filter" / "model.json")
    _change_file(tmp_path / "filter", "model.json", json.dumps({**values, "temperature": temperature}).encode())
    with pytest.raises(InputError, match="temperature"):
        load_classifier(tmp_path / "filter")


def test_a_blob_without_a_probability_is_never_called_near_the_border(small_classifier, small, monkeypatch):
    lost = np.full((len(small.table), 4), np.nan, np.float32)
    monkeypatch.setattr(type(small_classifier.predictor), "predict", lambda self, crops, **_: lost[: len(crops)])
    with pytest.raises(InputError, match="no probability"):
        small_classifier.classify(small)


# ----------------------------------------------------------------------------------------------------------------- names


@pytest.mark.parametrize("name", ["=1+1", "+cmd", "-2", "@SUM(A1)", "\tx"])
@pytest.mark.parametrize("column", ["sample", "replicate"])
def test_a_name_that_a_spreadsheet_would_run_is_refused(name, column, tmp_path):
    row = {"stack": "a.tif", "sample": "one", "role": "sample", "replicate": "1", column: f'"{name}"'}
    (tmp_path / "samples.csv").write_text(",".join(row) + "\n" + ",".join(row.values()) + "\n")
    if name.strip() == name:
        with pytest.raises(InputError, match=f"line 2: {column} begins with .* a spreadsheet would run"):
            read_samples(tmp_path / "samples.csv")
    else:
        assert read_samples(tmp_path / "samples.csv")[0][1][column] == name.strip()


@pytest.mark.parametrize("name", ["-x", "=x", "@x", "+x"])
def test_names_of_classes_and_experiments_are_no_formulas(name, tmp_path):
    values = THESIS.to_dict()
    values["mir"][0]["name"] = name
    with pytest.raises(InputError, match="name"):
        panel_from_dict(values)
    assert any("name is letters" in one for one in check_experiment(write_folder(tmp_path / "s", name=name)).problems)


def test_a_dollar_in_a_name_is_text_in_every_figure(tmp_path):
    plots.use_style()
    figure, ax = plt.subplots()
    ax.set_title("cost $5 and $x_1$ and $\\frac{")
    figure.savefig(tmp_path / "a.png")
    plt.close(figure)


@pytest.mark.parametrize(
    ("key", "value"), [("marker", "?"), ("marker", "$x$"), ("line_style", "wavy"), ("line_style", "- -")]
)
def test_unknown_markers_and_line_styles_are_refused_by_check(key, value, tmp_path):
    values = THESIS.to_dict()
    values["mir"][0][key] = value
    with pytest.raises(InputError, match=f"{key} .* known are"):
        panel_from_dict(values)


def test_the_markers_and_line_styles_that_are_known_are_matplotlibs():
    assert set(panel_file._KNOWN_MARKERS) <= set(MarkerStyle.markers)
    assert set(panel_file._KNOWN_LINES) <= set(Line2D.lineStyles) | {"solid", "dashed", "dashdot", "dotted"}


@pytest.mark.parametrize("key", ["gap_px", "brightness", "lower_flux", "share"])
@pytest.mark.parametrize("value", [float("inf"), float("-inf"), float("nan")])
def test_panel_values_that_are_not_finite_are_refused(key, value):
    values = THESIS.to_dict()
    values["mir"][0][key] = value
    with pytest.raises(InputError, match=key):
        panel_from_dict(values)


# ------------------------------------------------------------------------------------------------- what is no plain file


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes here")
@pytest.mark.parametrize("name", ["stack.tif", "blobs.csv", "experiment.toml"])
def test_a_pipe_is_refused_at_once(name, tmp_path):
    folder = write_folder(tmp_path / "s")
    (folder / name).unlink()
    os.mkfifo(folder / name)
    problems = check_experiment(folder).problems
    assert [one for one in problems if "is no regular file but a pipe" in one], problems


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes here")
def test_pipes_and_devices_elsewhere_are_refused(tmp_path):
    os.mkfifo(tmp_path / "a")
    for read in (lambda path: read_points(path, THESIS, 1), read_samples, read_json, read_toml, lambda path: Stack([path])):
        for path in (tmp_path / "a", "/dev/zero"):
            with pytest.raises(InputError, match="is no regular file"):
                read(tmp_path / path)


@pytest.mark.parametrize("text", ["a = " + "[" * 100_000, "a = " + "9" * 10_000, "a." * 5_000 + "b = 1"])
def test_toml_beyond_all_measure_is_a_sentence(text, tmp_path):
    problems = check_experiment(write_folder(tmp_path / "s", toml=text)).problems
    assert len(problems) >= 1
    assert all(len(one) < 1000 for one in problems)


def test_cells_and_archives_beyond_all_measure_are_sentences(tmp_path, monkeypatch):
    problems = check_experiment(write_folder(tmp_path / "s", blobs=blobs_text([(1, 1, "9" * 200_000, 5)]))).problems
    assert len(problems) == 1
    with zipfile.ZipFile(tmp_path / "bomb.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for k in range(3):
            archive.writestr(f"{k}.roi", bytes(90_000_000))
    with pytest.raises(InputError, match=r"would unpack to 270 MB"):
        read_points(tmp_path / "bomb.zip", THESIS, 1)


def test_frames_that_do_not_fit_in_memory_are_refused_with_what_they_would_take(tmp_path, monkeypatch):
    tifffile.imwrite(tmp_path / "a.tif", grey_frames(2), photometric="minisblack")
    monkeypatch.setattr("psutil.virtual_memory", lambda: type("Memory", (), {"total": 1e5}))
    with pytest.raises(InputError, match=r"frames of 64x48 uint16 take about .* GB each to work on"):
        Stack([tmp_path / "a.tif"])


# ------------------------------------------------------------------------------------------------------------------ rois


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_points_that_are_nowhere_are_refused(value, tmp_path):
    roi = roifile.ImagejRoi.frompoints([[3.0, 4.0], [5.0, 6.0]], name="red")
    roi.roitype, roi.position = roifile.ROI_TYPE.POINT, 1
    roi.subpixel_coordinates = np.array([[3.0, 4.0], [value, 6.0]], np.float32)
    roi.tofile(tmp_path / "a.roi")
    with pytest.raises(InputError, match="coordinates that are no numbers"):
        read_points(tmp_path / "a.roi", THESIS, 1)


def test_an_unknown_class_is_refused_even_where_rois_are_named(tmp_path):
    roi = roifile.ImagejRoi.frompoints([[3.0, 4.0]], name="red")
    roi.roitype, roi.position = roifile.ROI_TYPE.POINT, 1
    roi.tofile(tmp_path / "a.roi")
    with pytest.raises(InputError, match="has no class 'purple'"):
        read_points(tmp_path / "a.roi", THESIS, 1, unnamed="purple")


# ------------------------------------------------------------------------------------------------- workers and strangers


@pytest.mark.slow
def test_another_program_on_a_worker_is_refused_before_it_counts(monkeypatch):
    """A worker that says it runs other source, and one that is found out when it is given something to do."""
    with open_client(n_workers=1) as client:
        task, future = next(in_turn(client, [1], lambda task: submit(client, str, task)))
        assert (task, future.result()) == (1, "1")
        monkeypatch.setattr(cluster, "program_fingerprint", lambda: "another")
        with pytest.raises(OtherProgram, match="runs another mirnb"):
            next(in_turn(client, [1], lambda task: submit(client, str, task)))
        monkeypatch.undo()
        going_on = in_turn(client, range(9), lambda task: submit(client, str, task))
        next(going_on)
        monkeypatch.setattr(cluster, "ask", lambda client, question, workers: {"tls://w": ("0.1.0", "y", {})})
        client.cluster.scale(2)  # one that joins later
        client.wait_for_workers(2, timeout=30)
        with pytest.raises(OtherProgram, match=r"worker tls://w runs mirnb 0\.1\.0, here is"):
            list(going_on)


def test_other_libraries_on_a_worker_are_warned_of(monkeypatch):
    told = {"tcp://w": ("1", "x", {"python": "3.11.2", "numpy": "2.0.0"})}
    monkeypatch.setattr(cluster, "_asking", lambda: lambda: ("1", "x", {"python": "3.11.2", "numpy": "2.4.0"}))
    monkeypatch.setattr(cluster, "ask", lambda client, question, workers: told)
    with pytest.warns(UserWarning, match=r"worker tcp://w has numpy 2\.0\.0 \(here 2\.4\.0\)"):
        cluster._require_same(None, ["tcp://w"])


def test_a_stranger_cannot_join_the_local_cluster_and_there_is_no_web_server():
    with open_client(n_workers=1) as client:
        address, services = client.scheduler.address, client.scheduler_info()["services"]
        assert address.startswith("tls://127.0.0.1:")
        assert services == {}
        assert all(one["services"] == {} for one in client.scheduler_info()["workers"].values())
        for security in (None, Security.temporary()):
            for there in (address, address.replace("tls://", "tcp://")):
                gc.collect()  # a client that failed closes when it is collected: amid the start of another both would wait
                with pytest.raises((OSError, TypeError, RuntimeError, ValueError, TimeoutError)):
                    Client(there, security=security, timeout=2, set_as_default=False).run(os.getpid)
        assert submit(client, os.getpid).result() > 0


def test_a_cluster_with_certificates_is_reached_by_dasks_configuration(tmp_path):
    security = Security.temporary()
    for key, name in (("tls_ca_file", "ca.pem"), ("tls_client_cert", "cert.pem"), ("tls_client_key", "key.pem")):
        (tmp_path / name).write_text(getattr(security, key))
    tls = "distributed.comm.tls"
    told = {f"{tls}.ca-file": "ca.pem", f"{tls}.client.cert": "cert.pem", f"{tls}.client.key": "key.pem"}
    with (
        cluster._local_cluster(1, security) as own,
        dask.config.set({key: str(tmp_path / name) for key, name in told.items()}),
        open_client(own.scheduler_address) as client,
    ):
        assert submit(client, str, 1).result() == "1"


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(signal, "SIGHUP"), reason="no such signals here")
@pytest.mark.parametrize("name", ["SIGTERM", "SIGHUP", "SIGINT"])
def test_a_report_that_is_told_to_end_ends_as_by_ctrl_c(name, small_folder, tmp_path):
    scratch = tmp_path / "tmp"
    scratch.mkdir()
    process = subprocess.Popen(
        [sys.executable, "-m", "mirnb", "report", str(small_folder), "--only", "01", "--out", str(tmp_path / "run")],
        env={**os.environ, "TMPDIR": str(scratch), "JUPYTER_RUNTIME_DIR": str(scratch / "runtime")},
        stderr=subprocess.PIPE, text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # a shell's background job has it ignored
    )  # fmt: skip
    wait_until = time.time() + 30
    while not list(tmp_path.glob("run/notebooks/.01*")) and time.time() < wait_until:
        time.sleep(0.1)
    time.sleep(random.Random(name).uniform(0, 1))
    process.send_signal(getattr(signal, name))
    _, said = process.communicate(timeout=30)
    assert process.returncode == 130, said
    assert said.splitlines()[-1].startswith("mirnb: stopped; what was finished is kept")
    assert "Traceback" not in said
    assert [path for path in scratch.rglob("*") if path.is_file()] == []


def test_a_command_leaves_the_signals_of_its_process_as_they_were(tmp_path):
    before = [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)]
    main(["check", str(write_folder(tmp_path / "s"))])
    assert [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)] == before


@pytest.mark.parametrize("module", ["random", "mirnb", "numpy"])
def test_a_users_module_in_the_working_folder_is_not_run(module, small_folder, tmp_path):
    (tmp_path / f"{module}.py").write_text("raise SystemExit('the user')\n")
    own = str(Path(sys.executable).with_name("mirnb"))  # the command itself, as a mirnb.py would be what -m runs
    program = [own] if module == "mirnb" else [sys.executable, "-m", "mirnb"]
    done = subprocess.run([*program, "check", str(small_folder)], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "no problem found" in done.stdout
