"""In a real browser: label in JupyterLab, run the thesis's notebooks from the menu, read the report."""

import json
import shutil
import time
from pathlib import Path

import numpy as np
import pytest
from lab_browser import CHROMIUM, browser, lab, open_notebook, run_all_from_menu

from mirnb.experiments.blobs import ERASED, UNLABELLED, read_blobs, read_labels
from mirnb.experiments.cutouts import kept_blobs
from mirnb.experiments.experiment_file import load_experiment
from mirnb.labelling.annotations import read_annotation
from mirnb.simulation.folders import simulate_experiment

ROOT = Path(__file__).resolve().parents[2]
TOOL = ".mirnb-labelling"
pytestmark = [pytest.mark.slow, pytest.mark.skipif(CHROMIUM is None, reason="no chromium here (apt install chromium)")]


@pytest.fixture(scope="module")
def page():
    with browser() as opened:
        context = opened.new_context(viewport={"width": 1300, "height": 1500})
        yield context.new_page()


@pytest.fixture
def practice(tmp_path, small_settings):
    """An unlabelled experiment, and labelling.ipynb on it in a folder of its own."""
    sample = load_experiment(simulate_experiment(tmp_path / "practice", settings=small_settings, labelled=False))
    notebook = json.loads((ROOT / "notebooks" / "labelling.ipynb").read_text(encoding="utf-8"))
    (cell,) = (one for one in notebook["cells"] if "parameters" in one["metadata"].get("tags", []))
    cell["source"] = [line.replace('"data/practice"', f'"{sample.folder.as_posix()}"') for line in cell["source"]]
    (tmp_path / "work").mkdir()
    (tmp_path / "work" / "labelling.ipynb").write_text(json.dumps(notebook), encoding="utf-8")
    return sample, tmp_path / "work"


def _shown(page):
    """Number of what the tool shows: every answer of the kernel has another."""
    return int(page.locator(TOOL).get_attribute("data-number"))


def _wait_for_answer(page, before):
    page.wait_for_function(f"before => Number(document.querySelector('{TOOL}').dataset.number) !== before", arg=before)


def _give(page, key, *, by_mouse=False):
    before = _shown(page)
    if by_mouse:
        page.locator(f'{TOOL} button[data-key="{key}"]').click()
    else:
        page.keyboard.press({"arrowleft": "ArrowLeft", "arrowright": "ArrowRight"}.get(key, key))
    _wait_for_answer(page, before)


def _open_tool(page, address):
    """Open labelling.ipynb, run it, and click into the tool."""
    open_notebook(page, address("labelling.ipynb"))
    assert run_all_from_menu(page, timeout_s=120) == []
    page.wait_for_selector(f"{TOOL} .pictures img", timeout=60_000)
    page.locator(f"{TOOL} .foot").click()


def test_labels_given_in_jupyterlab_are_on_disk(practice, tmp_path, page):
    """Twenty labels by keyboard and five by mouse, two undone, the page reloaded in the middle."""
    sample, work = practice
    with lab(work, tmp_path / "home") as address:
        _open_tool(page, address)
        given = [*"1230x", *"s1231", *"2301x", *"12030"]  # twenty
        for key in given[:12]:
            _give(page, key)
        page.screenshot(path=tmp_path / "tool.png")
        page.reload(wait_until="domcontentloaded")
        _open_tool(page, address)
        for key in given[12:]:
            _give(page, key)
        by_mouse = list("10x23")
        for key in by_mouse:
            _give(page, key, by_mouse=True)
        for _ in range(2):
            _give(page, "u")
        cells = page.locator(".jp-CodeCell").count()
        assert cells == sum(
            one["cell_type"] == "code" for one in json.loads((work / "labelling.ipynb").read_text())["cells"]
        )
    expected = {"1": 0, "2": 1, "3": 2, "0": 3, "x": ERASED, "s": UNLABELLED}
    rows = kept_blobs(sample, labelled=False)[0].sort_values(["frame", "table_row"])["table_row"].to_numpy()
    labels = np.full(len(sample.table), UNLABELLED)
    labels[rows[:23]] = [expected[key] for key in [*given, *by_mouse][:23]]
    assert (read_labels(read_blobs(sample.blobs_path), 3) == labels).all()
    own = read_annotation(sample, "me")
    assert (own["label"] == labels).all()
    assert np.flatnonzero(own["doubt"]).tolist() == [rows[5]]


def test_a_killed_kernel_loses_no_label_and_says_so(practice, tmp_path, page):
    sample, work = practice
    with lab(work, tmp_path / "home") as address:
        _open_tool(page, address)
        for key in "123":
            _give(page, key)
        kernel = "window.jupyterapp.shell.currentWidget.sessionContext.session.kernel"
        page.evaluate(
            f"async () => {{ await {kernel}.requestExecute({{code: 'import os; os._exit(1)'}}).done.catch(() => 0); }}"
        )
        page.locator(".jp-Dialog .jp-mod-accept").click()  # "the kernel appears to have died"
        page.locator(f"{TOOL} .foot").click()
        page.keyboard.press("1")
        page.wait_for_function(f"() => document.querySelector('{TOOL} .message').textContent.includes('does not answer')")
        assert (read_labels(read_blobs(sample.blobs_path), 3) != UNLABELLED).sum() == 3
        _open_tool(page, address)
        assert page.locator(f"{TOOL} .place").inner_text().startswith("4 of ")
        _give(page, "2")
    assert (read_labels(read_blobs(sample.blobs_path), 3) != UNLABELLED).sum() == 4


def test_a_key_that_is_no_label_does_nothing_to_the_notebook(practice, tmp_path, page):
    """In JupyterLab's command mode d d deletes a cell and b adds one."""
    sample, work = practice
    with lab(work, tmp_path / "home") as address:
        _open_tool(page, address)
        before = page.locator(".jp-Cell").count()
        for key in "ddbazv":
            page.keyboard.press(key)
        time.sleep(0.5)
        assert page.locator(".jp-Cell").count() == before
    assert (read_labels(read_blobs(sample.blobs_path), 3) == UNLABELLED).all()


def test_the_notebooks_of_the_thesis_run_from_the_menu(tmp_path, page):
    """With their defaults, as in JupyterLab; the others differ in what they call, not in how they run."""
    work = tmp_path / "notebooks"
    work.mkdir()
    with lab(work, tmp_path / "home") as address:
        for path in sorted((ROOT / "notebooks").glob("0[12]*.ipynb")):
            shutil.copy(path, work)
            open_notebook(page, address(path.name))
            assert run_all_from_menu(page, timeout_s=600) == [], path.name
            assert page.locator(".jp-RenderedImage img, .jp-RenderedSVG").count() > 0, path.name
