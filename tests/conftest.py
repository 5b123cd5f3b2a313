"""Shared fixtures: one small simulated experiment, its crops, and two short trainings on them."""

import contextlib
import os
from pathlib import Path

if "PYTEST_XDIST_WORKER" in os.environ:  # as many processes as cores: one thread each, those they start too
    os.environ.update(TF_NUM_INTRAOP_THREADS="1", TF_NUM_INTEROP_THREADS="1", OMP_NUM_THREADS="1")

import matplotlib
import nbformat
import numpy as np
import pytest
from distributed import Client
from filelock import FileLock

matplotlib.use("Agg")

from mirnb import report
from mirnb.classifiers import lenet5
from mirnb.classifiers.dataset import prepare
from mirnb.classifiers.making import save_rival, train_facts
from mirnb.counting import counts
from mirnb.experiments.experiment_file import load_experiment
from mirnb.experiments.run_folder import RunFolder
from mirnb.simulation.folders import simulate_experiment, simulate_with_single_types
from mirnb.simulation.settings import Settings
from mirnb.studies import tuning

LONGEST = (  # files, longest first: else one process would work on the last of them while the other waits
    "test_report.py", "test_widget.py", "test_wheel.py", "test_explorer.py", "test_counts.py", "test_tuning.py",
    "test_docs.py", "test_doc_examples.py",
)  # fmt: skip


def pytest_collection_modifyitems(items):
    items.sort(key=lambda item: LONGEST.index(item.path.name) if item.path.name in LONGEST else len(LONGEST))


@pytest.fixture(scope="session")
def small_settings():
    """Four frames of 256x256 with 60 labelled blobs each, most of them miRs, so that every class is there."""
    return Settings(n_frames=4, frame_shape=(256, 256), n_labelled_per_frame=60, mir_share=0.6)


@pytest.fixture(scope="session")
def small_folder(tmp_path_factory, small_settings):
    return simulate_experiment(tmp_path_factory.mktemp("small") / "small", settings=small_settings)


@pytest.fixture(scope="session")
def small(small_folder):
    """The small simulated experiment; nobody writes to it."""
    return load_experiment(small_folder)


@pytest.fixture(scope="session")
def small_run(small, tmp_path_factory):
    return RunFolder(small, tmp_path_factory.mktemp("runs") / "small")


@pytest.fixture(scope="session")
def small_data(small_run):
    return prepare(small_run)


@pytest.fixture(scope="session")
def short_runs(small_data, small_run):
    """Two trainings of two epochs."""
    return lenet5.train_runs(small_data, small_run, n_runs=2, epochs=2)


@pytest.fixture(scope="session")
def small_classifier(small_data, small_run, short_runs):
    return train_facts(save_rival(lenet5.chosen_lenet5(short_runs[:1], small_data), small_data, small_run))


@pytest.fixture(scope="session")
def reported(tmp_path_factory):
    """A small experiment and the page of a quick report of it, each notebook run: made once for all processes."""
    own = tmp_path_factory.getbasetemp()
    shared = (own.parent if "PYTEST_XDIST_WORKER" in os.environ else own) / "reported"
    sample, page = shared / "small", shared / "run" / "index.html"
    with FileLock(f"{shared}.lock"), pytest.MonkeyPatch.context() as environment:
        environment.setenv("MPLBACKEND", "Agg")  # figures stand in the notebooks all the same
        if not (shared / "done").exists():
            settings = Settings(n_frames=4, frame_shape=(512, 512), n_labelled_per_frame=60.0, faint_per_frame=5.0)
            simulate_with_single_types(sample, settings=settings)
            report.make_report(sample, out=page.parent, quick=True, parameters={"learning_rate": "1e-3"})
            (shared / "done").touch()
    return sample, page


@pytest.fixture
def no_pages(monkeypatch):
    """No notebook is run for the page of counted stacks."""

    def empty(out, **_):
        out.mkdir(parents=True, exist_ok=True)
        nbformat.write(nbformat.v4.new_notebook(), out / "page.ipynb")
        return out / "page.html"

    for name in ("quantification_page", "assay_page"):
        monkeypatch.setattr(report, name, empty)


@pytest.fixture(autouse=True)
def no_pages_unless_slow(request):
    if request.node.get_closest_marker("slow") is None:
        request.getfixturevalue("no_pages")


@pytest.fixture
def in_process(monkeypatch):
    """Stacks are counted, and networks tuned, in this process: no workers to start."""

    @contextlib.contextmanager
    def one_thread(scheduler="", *, n_workers=None):
        with Client(processes=False, n_workers=1, threads_per_worker=1, dashboard_address=None) as client:
            yield client

    for module in (counts, tuning):
        monkeypatch.setattr(module, "open_client", one_thread)


@pytest.fixture
def rng():
    return np.random.default_rng(7)


@pytest.fixture(scope="session")
def real_data():
    """The folder of real data: MIRNB_REAL_DATA, or shared/real beside the repository. Tests skip where there is none."""
    folder = Path(os.environ.get("MIRNB_REAL_DATA") or Path(__file__).resolve().parents[2] / "shared" / "real")
    if not folder.is_dir():
        pytest.skip(f"no real data at {folder}; MIRNB_REAL_DATA names the folder")
    return folder


@pytest.fixture
def unwritable(tmp_path):
    """A path that nobody can write, root included: it lies below a regular file."""
    (tmp_path / "a_file").write_text("not a folder")
    return tmp_path / "a_file" / "below" / "out"
