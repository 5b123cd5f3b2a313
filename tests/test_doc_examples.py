"""Code of README and of the pages runs, page by page in its order, on a small experiment."""

import contextlib
import os
import re
import shlex
import shutil
import socket
import subprocess
import sys
import time
import tomllib
import types
from functools import partial
from pathlib import Path

import dask
import fsspec
import numpy as np
import pandas as pd
import pytest
import tifffile
import yaml
from doc_pages import DOCS, PAGES, ROOT

import mirnb
from mirnb import workspace
from mirnb.classifiers import kinds, making
from mirnb.classifiers.classifier import load_classifier
from mirnb.cli import _parser, main
from mirnb.cluster import open_client, submit
from mirnb.contents import NOTEBOOKS
from mirnb.experiments import run_folder
from mirnb.experiments.run_folder import RunFolder
from mirnb.experiments.stacks import write_stack
from mirnb.files import InputError
from mirnb.running import parameters_of

HOW, BIN = DOCS / "how", Path(sys.executable).parent
RUN_ELSEWHERE = {
    "lab": "opens JupyterLab until it is closed: tests/labelling",
    "report": "minutes: tests/test_report.py",
    "tune": "minutes: tests/studies",
}


def blocks(page, *languages):
    """Code blocks of a page in their order: (language, code)."""
    found = re.findall(r"^```(\w+)\n(.*?)^```$", page.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    return [one for one in found if one[0] in languages]


def lines(page):
    """The words of each line of a shell on a page."""
    return [words for _, block in blocks(page, "bash") for words in words_of(block)]


def words_of(block):
    """The words of each line, of a loop those of what it does."""
    text = [re.sub(r"^for .*; do (.*); done$", r"\1", line) for line in block.splitlines()]
    return list(filter(None, (shlex.split(line, comments=True) for line in text)))


def _pages(*languages):
    return pytest.mark.parametrize(
        "page", [page for page in PAGES if blocks(page, *languages)], ids=lambda page: page.relative_to(ROOT).as_posix()
    )


@_pages("bash")
def test_every_command_of_a_page_is_one_that_is_there(page):
    """Each has the options it names."""
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    known = {name for notebook in NOTEBOOKS for name in parameters_of(notebook)}
    for words in lines(page):
        match words:
            case [program, *given] if program.endswith("mirnb"):
                asked = _parser().parse_args(given)
                assert {name for name, _ in getattr(asked, "parameters", [])} <= known
            case ["make", target]:
                assert re.search(rf"^{target}:", (ROOT / "Makefile").read_text(), re.MULTILINE)
            case ["papermill", notebook, *_]:
                assert set(words[words.index("-p") + 1 :: 3]) <= set(parameters_of(Path(notebook).stem))
            case [_, "-m", "pip", "install", *_, what]:
                assert what.removeprefix("mirnb").removeprefix(".").strip("[]") in extras
            case [_, "-m", "venv", ".venv"] | [".", ".venv/bin/activate"] | ["openssl" | "chmod" | "dask", *_]:
                pass
            case _:
                raise AssertionError(words)


@pytest.fixture
def working_folder(small_folder, small_classifier, tmp_path, monkeypatch, in_process, no_pages):
    """The demo and its classifier, and stacks and tables of one's own, under the names that the pages give them."""
    monkeypatch.chdir(tmp_path)
    for module in (workspace, run_folder):
        monkeypatch.setattr(module, "ROOT", tmp_path)
    for name in ("mine", "demo"):
        shutil.copytree(small_classifier.folder, tmp_path / "reports" / name / "classifier")
    shutil.copytree(small_folder, tmp_path / "data" / "demo")
    frames, table = tifffile.imread(small_folder / "stack.tif"), pd.read_csv(small_folder / "blobs.csv")
    for folder, names in {"my": ["stack"], "new": ["a", "b", "buffer"]}.items():
        (tmp_path / folder).mkdir()
        for k, name in enumerate(names):
            write_stack(tmp_path / folder / f"{name}.tif", list(frames[k : k + 2]), pixel_size_nm=120)
    table.query("frame <= 2").to_csv(tmp_path / "my" / "blobs.csv", index=False)
    for line in (
        "new data/mine --stack my/stack.tif --blobs my/blobs.csv",
        "export-rois data/mine --out RoiSet.zip",
        "classify reports/demo/classifier data/mine --out classified.csv",
    ):
        assert main(line.split()) == 0
    called = pd.read_csv("classified.csv")
    called["class"] = [small_classifier.panel.names[k % 3] for k in range(len(called))]  # so short a training calls no miR
    called.to_csv("classified.csv", index=False)
    assert main(["overlay", "data/mine", "classified.csv", "--out", "locs.hdf5"]) == 0
    monkeypatch.setattr(mirnb, "best_classifier", partial(making.best_classifier, quick=True), raising=False)
    return tmp_path


def _run(words):
    """Run a line of mirnb's as a user types it, briefly; clusters and addresses have tests of their own below."""
    if not words[0].endswith("mirnb") or (words[1] in RUN_ELSEWHERE and "--list-parameters" not in words):
        return
    if any(word.startswith(("tls://", "s3://")) for word in words):
        return
    if words[1] == "new":
        shutil.rmtree(words[2], ignore_errors=True)
    brief = {"simulate": [] if "--frames" in words else ["--frames", "1"], "design": ["--quick", "--angle", "176"]}
    words = [name for word in words for name in (sorted(map(str, Path().glob(word))) if "*" in word else [word])]
    assert main([*words[1:], *brief.get(words[1], [])]) == 0, shlex.join(words)


@pytest.mark.slow
@_pages("bash", "python", "toml")
def test_code_of_a_page_runs(page, working_folder, monkeypatch):
    module = types.ModuleType(page.stem)
    monkeypatch.setitem(sys.modules, page.stem, module)  # where a dataclass looks for its own
    for language, block in blocks(page, "bash", "python", "toml", "text"):
        if language == "toml" and (named := re.match(r"# (\w+\.toml)\n", block)):
            (working_folder / named[1]).write_text(block)
        elif language == "toml":
            tomllib.loads(block)
        elif language == "text" and block.startswith("stack,"):
            (working_folder / "samples.csv").write_text(block)
        elif language == "python" and "SLURM" not in block:
            exec(compile(block, str(page), "exec"), vars(module))
        elif language == "bash" and block.startswith("for "):
            subprocess.run(
                ["bash", "-ec", block], check=True, env=os.environ | {"PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}"}
            )
        elif language == "bash":
            for words in words_of(block):
                _run(words)


@pytest.mark.slow
def test_the_classifier_of_the_page_is_one_with_its_line(small_data, small_run, tmp_path, monkeypatch):
    ((_, code),) = blocks(HOW / "classifier.md", "python")
    line = re.search(r"`(Kind\(.*\),)`", (HOW / "classifier.md").read_text(encoding="utf-8"))[1]
    module = types.ModuleType("nearest_mean")
    monkeypatch.setitem(sys.modules, "nearest_mean", module)
    exec(code, vars(module))
    monkeypatch.setitem(kinds.KINDS, "nearest_mean", eval(line, vars(kinds) | vars(module))[0])
    made = kinds.KINDS["nearest_mean"].train(small_data, small_run)
    test = small_data.split["test"]
    assert (made.y_prob[test].argmax(1) == small_data.y_true[test]).mean() > 0.5  # of four classes
    saved = making.train_facts(making.save_rival(made, small_data, RunFolder(small_run.experiment, tmp_path / "run")))
    read = load_classifier(saved.folder)
    np.testing.assert_allclose(read.predictor.predict(small_data.crops), made.y_prob, atol=1e-5)
    assert saved.facts.confusion.sum() > 0


def make_certificate():
    """In the working folder, as the page on clusters says."""
    if shutil.which("openssl") is None:
        pytest.skip("no openssl here (apt install openssl)")
    for words in lines(HOW / "cluster.md"):
        if words[0] in ("openssl", "chmod"):
            subprocess.run(words, check=True, capture_output=True)


@pytest.fixture
def certificates(tmp_path, monkeypatch):
    """Dask with the certificate and the configuration of the page on clusters."""
    monkeypatch.chdir(tmp_path)
    make_certificate()
    ((_, text),) = blocks(HOW / "cluster.md", "yaml")
    (tmp_path / "dask").mkdir()
    text = text.replace("/path/to", str(tmp_path))
    (tmp_path / "dask" / "tls.yaml").write_text(text)
    monkeypatch.setenv("DASK_CONFIG", str(tmp_path / "dask"))
    with dask.config.set(
        {"distributed": dask.config.merge(dask.config.get("distributed"), yaml.safe_load(text)["distributed"])}
    ):
        yield


def _answers(address):
    with open_client(address) as client:
        return submit(client, os.getpid).result(timeout=30) != os.getpid()


@pytest.mark.slow
def test_the_cluster_of_the_page_answers_those_with_its_certificate(certificates, tmp_path, monkeypatch):
    """On this machine and another port, with one process."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = str(free.getsockname()[1])
    here = {"8786": port, "tls://10.0.0.5:8786": f"tls://127.0.0.1:{port}", "8": "1"}
    asked = [[here.get(word, word) for word in words] for words in lines(HOW / "cluster.md") if words[0] == "dask"]
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    started = [subprocess.Popen([sys.executable, "-m", *words], **quiet) for words in asked]
    try:
        assert [words[1] for words in asked] == ["scheduler", "worker"]
        assert _wait_for(lambda: _answers(f"tls://127.0.0.1:{port}"))
        (tmp_path / "foreign").mkdir()
        monkeypatch.chdir(tmp_path / "foreign")
        make_certificate()
        foreign = {"cert": str(tmp_path / "foreign" / "dask.crt"), "key": str(tmp_path / "foreign" / "dask.key")}
        with (
            dask.config.set({"distributed.comm.tls.client": foreign}),
            pytest.raises(InputError, match="no Dask scheduler answers"),
        ):
            _answers(f"tls://127.0.0.1:{port}")
    finally:
        for process in reversed(started):
            process.terminate()
            process.wait()


@pytest.mark.slow
def test_slurm_of_the_page_gives_a_worker(certificates, tmp_path, monkeypatch, capsys):
    """A stand-in of SLURM: sbatch runs the script that it is given."""
    ((_, code),) = blocks(HOW / "cluster.md", "python")
    for asked, here in {"cores=8": "cores=1", "processes=8": "processes=1", "jobs=10": "jobs=1"}.items():
        assert code.count(asked) == 1
        code = code.replace(asked, here)
    (tmp_path / "bin").mkdir()
    run = 'cp "$1" job.sh; sh job.sh > /dev/null 2>&1 & echo "Submitted batch job $!"'
    for name, does in {"sbatch": run.replace("; ", "\n"), "scancel": 'kill "$1"'}.items():
        (tmp_path / "bin" / name).write_text(f"#!/bin/sh\n{does}\n")
        (tmp_path / "bin" / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}{os.pathsep}{os.environ['PATH']}")
    names = {}
    exec(code, names)
    with names["cluster"]:
        address = capsys.readouterr().out.strip()
        assert address.startswith("tls://")
        assert _wait_for(lambda: _answers(address))


@pytest.mark.slow
def test_stacks_at_an_address_are_counted(working_folder):
    """In place of S3, the memory of this process."""
    (words,) = [words for words in lines(HOW / "cluster.md") if any(word.startswith("s3://") for word in words)]
    words = [word.replace("s3://", "memory://") for word in words]
    for word, name in zip([word for word in words if "://" in word], ("a.tif", "b.tif"), strict=True):
        with fsspec.open(word, "wb") as file:
            file.write((working_folder / "new" / name).read_bytes())
    assert main(words[1:]) == 0
    assert list(pd.read_csv("counted/stacks.csv")["verdict"]) != ["failed"] * 2


def _wait_for(answer, seconds=60):
    """Whether there is an answer within a time."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        with contextlib.suppress(InputError):
            return answer()
        time.sleep(0.5)
    return False
