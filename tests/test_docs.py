"""The documentation: it builds without a warning, opens from disk without a network, and its examples run."""

import importlib.util
import itertools
import json
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import nbformat
import pandas as pd
import pytest
import tifffile
import yaml
from lab_browser import CHROMIUM

from mirnb import commands
from mirnb.cli import _parser, main
from mirnb.contents import NOTEBOOKS
from mirnb.experiments.panel_file import load_panel

ROOT = Path(__file__).resolve().parent.parent
DOCS = ROOT / "docs"
PAGES = [ROOT / name / "README.md" for name in ("", "data", "reports")]
PAGES += sorted(path for path in DOCS.rglob("*.md") if "_build" not in path.parts)


def _blocks(language):
    """Code blocks of a language: (page, block)."""
    for page in PAGES:
        for block in re.findall(rf"^```{language}\n(.*?)^```$", page.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL):
            yield pytest.param(page, block, id=f"{page.stem}-{block.splitlines()[0][:30]}")


@pytest.mark.parametrize(("page", "block"), [*_blocks("bash")])
def test_every_command_of_a_page_is_one_that_is_there(page, block):
    """Commands are read, not run: each has the options it names."""
    for line in block.splitlines():
        words = shlex.split(line, comments=True)
        if words and words[0].endswith("mirnb"):
            _parser().parse_args(words[1:])
        elif words and words[0] == "make":
            assert re.search(rf"^{words[1]}:", (ROOT / "Makefile").read_text(), re.MULTILINE)
        elif words and words[0] == "papermill":
            assert Path(words[1]).stem in NOTEBOOKS
        else:
            assert not words or words[0] in {".", "python", "python3", ".venv/bin/python"}, line


@pytest.mark.parametrize(("page", "block"), [*_blocks("toml")])
def test_every_toml_of_a_page_is_toml(page, block, tmp_path):
    values = tomllib.loads(block.replace("...", ""))
    if "mir" in values and "filter.csv" not in block and "atto550" not in block:
        (tmp_path / "panel.toml").write_text(block)
        assert load_panel(str(tmp_path / "panel.toml")).n_mirs == len(values["mir"])


@pytest.mark.parametrize(("page", "block"), [*_blocks("python")])
def test_every_python_of_a_page_compiles_and_names_what_is_there(page, block):
    compile(block, str(page), "exec")
    import mirnb

    for verb in re.findall(r"mirnb\.(\w+)\(", block):
        assert callable(getattr(mirnb, verb))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_links_between_files_lead_somewhere(page):
    for target, anchor in re.findall(r"\]\(([^)#\s]*)(?:#([^)]*))?\)", page.read_text(encoding="utf-8")):
        if "://" not in target:
            found = page.parent / target if target else page
            assert found.exists(), target
            assert not anchor or anchor in _headings(found), f"{target}#{anchor}"


def _headings(page):
    """Anchors of the headings of a page, as code hosts and these pages make them."""
    titles = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


def test_the_readme_is_short():
    assert len((ROOT / "README.md").read_text(encoding="utf-8").splitlines()) <= 90


def test_each_figure_that_a_page_draws_says_what_it_shows_and_has_its_code():
    for page in (DOCS / "understand").glob("*.md"):
        if page.stem != "index":
            drawn = re.findall(r"^```\{drawn\} (\w+)\n:alt: (.+)\n\n(.*?)^```$", page.read_text(), re.MULTILINE | re.DOTALL)
            assert len(drawn) == 1, page.name
            assert len(drawn[0][1]) > 20


def test_the_citation_is_whole():
    cited = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert {"cff-version", "title", "authors", "version", "message"} <= set(cited)
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    assert cited["version"] == json.loads((ROOT / "codemeta.json").read_text())["version"] == version
    assert all({"name"} & set(one) or {"family-names"} & set(one) for one in cited["authors"])


_LEFT_OUT = {  # commands of pages that are not run here, and why
    "overlay": "this small classifier calls no miR; tests/labelling runs it",
    "lab": "opens JupyterLab until it is closed; tests/labelling does",
    "report": "minutes; tests/test_report.py runs it",
    "design": "minutes; tests/design runs it",
    "run.nd2": "tests/test_readers.py makes such files",
    "RoiSet.zip": "tests/labelling makes such files",
    "rois.zip": "needs labels; tests/labelling has them",
    "tcp://": "needs a cluster; tests/test_cluster.py starts one",
    "data/series": "24 stacks; notebook 11 counts them",
    "--max-crosstalk": "its own tests",
}  # fmt: skip


@pytest.fixture
def prepared(small_folder, small_classifier, tmp_path, monkeypatch):
    """A working folder with the files that the pages name."""
    monkeypatch.chdir(tmp_path)
    for name in ("mine", "demo"):
        shutil.copytree(small_classifier.folder, tmp_path / "reports" / name / "classifier")
    shutil.copytree(small_folder, tmp_path / "data" / "denoised")
    for folder, names in {"my": ["stack"], "new": ["a", "b", "buffer"], ".": ["stack"]}.items():
        (tmp_path / folder).mkdir(exist_ok=True)
        for k, name in enumerate(names):
            frames = tifffile.imread(small_folder / "stack.tif")[k : k + 2]
            tifffile.imwrite(tmp_path / folder / f"{name}.tif", frames)
    table = pd.read_csv(small_folder / "blobs.csv").query("frame <= 2").drop(columns=["is_really_mir", "selected_mir_type"])
    for name in ("my/blobs.csv", "table.csv"):
        table.to_csv(tmp_path / name, index=False)
    samples = re.search(r"```text\n(stack.*?)```", (DOCS / "how" / "count.md").read_text(), re.DOTALL)[1]
    (tmp_path / "samples.csv").write_text(samples)
    (tmp_path / "panel.toml").write_text(
        re.search(r"```toml\n(.*?)```", (DOCS / "how" / "panel.md").read_text(), re.DOTALL)[1]
    )
    return tmp_path


@pytest.mark.slow
def test_the_commands_of_the_pages_run(prepared, in_process, no_pages, monkeypatch):
    """Page by page, each beginning with the data/mine and the classified.csv of the page Start."""
    monkeypatch.setattr(commands, "_page_of_calls", lambda *_: None)
    n_run = 0
    for page in PAGES:
        shutil.rmtree(prepared / "data" / "mine", ignore_errors=True)
        assert main(["new", "data/mine", "--stack", "my/stack.tif", "--blobs", "my/blobs.csv", "--pixel-size", "120"]) == 0
        if not (prepared / "classified.csv").exists():
            assert main(["classify", "reports/demo/classifier", "data/mine", "--out", "classified.csv"]) == 0
        for block in re.findall(r"^```bash\n(.*?)^```$", page.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL):
            for line in block.splitlines():
                words = shlex.split(line, comments=True)
                if not words or not words[0].endswith("mirnb") or words[1] in _LEFT_OUT:
                    continue
                if any(mark in word for mark in _LEFT_OUT if not mark.isalpha() for word in words):
                    continue
                if words[1] == "new":
                    shutil.rmtree(prepared / "data" / "mine")
                    words += [] if "--pixel-size" in words else ["--pixel-size", "120"]
                words += ["--frames", "1"] if words[1] == "simulate" else []
                words = [name for word in words for name in (sorted(map(str, Path().glob(word))) if "*" in word else [word])]
                assert main(words[1:]) == 0, f"{page.name}: {line}"
                n_run += 1
    assert n_run >= 11


def _build_module():
    spec = importlib.util.spec_from_file_location("build_docs", DOCS / "build.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_every_notebook_has_something_to_try():
    assert set(_build_module().TRY) == set(NOTEBOOKS)


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """The pages, built from a copy with the notebooks as they stand in git: their outputs are the build's own affair."""
    copy = tmp_path_factory.mktemp("docs") / "docs"
    shutil.copytree(DOCS, copy, ignore=shutil.ignore_patterns("_build", "drawn", "*.ipynb", "__pycache__"))
    for name in NOTEBOOKS:
        notebook = nbformat.read(ROOT / "notebooks" / f"{name}.ipynb", as_version=4)
        nbformat.write(notebook, copy / "tutorials" / f"{name}.ipynb")
    command = [sys.executable, "-m", "sphinx", "-q", "-W", "--keep-going", "-b", "html", copy, copy / "_build"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]
    assert not re.search("WARNING|ERROR", done.stderr)
    return copy / "_build"


@pytest.mark.slow
@pytest.mark.skipif(CHROMIUM is None, reason="no chromium here (apt install chromium)")
def test_pages_open_from_disk_at_any_width_by_day_and_night(built):
    from playwright.sync_api import sync_playwright

    pages = [page for page in sorted(built.rglob("*.html")) if "_modules" not in page.parts]
    assert len(pages) > 50
    wrong = []
    with sync_playwright() as started:
        browser = started.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        for width, scheme in itertools.product((400, 1400), ("dark", "light")):
            context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme, offline=True)
            shown, said = context.new_page(), []
            shown.on("console", lambda message, said=said: said.append(message.text))
            shown.on("requestfailed", lambda request, said=said: said.append(request.url))
            for page in pages:
                said.clear()
                shown.goto(page.as_uri())
                state = shown.evaluate("""() => [document.documentElement.scrollWidth > innerWidth + 1,
                    [...document.images].filter(one => !one.alt).length,
                    performance.getEntriesByType("resource").filter(one => one.name.startsWith("http")).length]""")
                if said or any(state):
                    wrong.append((width, page.name, list(said), state))
        browser.close()
    assert wrong == []


@pytest.mark.slow
def test_help_parameters_and_settings_are_those_of_the_code(built):
    commands = (built / "reference" / "commands.html").read_text(encoding="utf-8")
    parameters = (built / "reference" / "parameters.html").read_text(encoding="utf-8")
    assert all(f"--{option}" in commands for option in ("history", "dilution", "max-crosstalk", "keep-frames"))
    assert all(name in parameters for name in (*NOTEBOOKS, "most_spread", "background_percentile"))
    assert "noise_sd_counts" in (built / "reference" / "settings.html").read_text(encoding="utf-8")
