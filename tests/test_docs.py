"""The documentation: it builds without a warning, opens from disk without a network, and its examples run."""

import html
import importlib.util
import json
import re
import shutil
import subprocess
import sys
import tomllib

import pytest
import yaml
from doc_pages import DOCS, PAGES, ROOT
from lab_browser import CHROMIUM

from mirnb.classifiers.likeness import FEATURES
from mirnb.contents import FIGURES, NOTEBOOKS
from mirnb.counting import run_history
from mirnb.counting.frames import CAUSES


def _module(path):
    """A file of docs/ that is no part of a package, as a module."""
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


build, from_code = _module(DOCS / "build.py"), _module(DOCS / "_ext" / "from_code.py")


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
            drawn = re.findall(r"^```\{drawn\} \w+\n:alt: (.{20,})\n:caption: .{20,}\n\n\w", page.read_text(), re.MULTILINE)
            assert len(drawn) == 1, page.name


def _told(page, heading="\n"):
    """What stands in the first column of the tables below a heading, its code alone."""
    below = page.read_text(encoding="utf-8").partition(heading)[2]
    return re.findall(r"^\| `(.+?)` \|", below, re.MULTILINE)


@pytest.mark.parametrize("message", _told(DOCS / "trouble.md"))
def test_messages_that_are_explained_are_messages_of_the_code(message):
    wanted = re.compile(".*".join(map(re.escape, message.split("…"))))
    assert any(map(wanted.search, from_code.texts())), message


def test_every_verdict_on_a_stack_and_on_a_frame_is_explained():
    page = DOCS / "understand" / "likeness.md"
    assert {words for words, _ in FEATURES.values()} <= set(_told(page))
    texts = " ".join(from_code.texts())
    assert [words for words in _told(page, "## What each means") if words not in texts] == []
    assert set(_told(page, "## Frames at fault")) == set(CAUSES)


TABLES = (
    "small/blobs.csv", "small/truth.csv", "run/tables/abundance.csv", "run/tables/stacks.csv", "run/tables/draws.csv",
    "run/tables/fold_changes.csv", "run/counted/mixture/frames.csv", "run/counted/mixture/blobs_classified.csv",
    "run/assay/assay_curve.csv", "run/assay/assay_standards.csv", "run/assay/assay_readings.csv",
    "run/assay/replicate_changes.csv",
)  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("table", TABLES)
def test_every_column_of_a_table_is_explained(table, reported):
    columns = set((reported[0].parent / table).read_text(encoding="utf-8").splitlines()[0].split(","))
    columns -= {"red", "green", "blue"} if table.endswith("draws.csv") else set()
    assert {re.sub("_(red|green|blue|noise)$", "", one) for one in columns} - _columns_told() == set()


def test_every_column_of_a_table_of_runs_is_explained():
    assert set(run_history.COLUMNS) - _columns_told() == set()


def _columns_told():
    """What stands in the first column of the tables of the two pages, of `called_<class>` the first word."""
    pages = "\n".join((DOCS / page).read_text(encoding="utf-8") for page in ("reference/files.md", "how/abundance.md"))
    cells = " ".join(re.findall(r"^\| (`[^|]*) \|", pages, re.MULTILINE))
    return {re.sub(r"_<\w+>.*", "", name) for name in re.findall(r"`([^`]+)`", cells)}


def test_the_citation_is_whole():
    cited = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert {"cff-version", "title", "authors", "version", "message"} <= set(cited)
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    assert cited["version"] == json.loads((ROOT / "codemeta.json").read_text())["version"] == version
    assert all({"name"} & set(one) or {"family-names"} & set(one) for one in cited["authors"])


def test_every_notebook_has_something_to_try():
    assert set(build.TRY) == set(NOTEBOOKS)


@pytest.mark.parametrize("code", [0, 2])
def test_pages_are_made_before_and_after_the_notebooks_have_run(code, tmp_path, monkeypatch):
    """Sphinx's place is taken by a program that says which tutorials it finds."""
    (tmp_path / "docs" / "tutorials").mkdir(parents=True)
    shutil.copytree(ROOT / "notebooks", tmp_path / "notebooks")
    look = "import pathlib, sys; print(len([*pathlib.Path('tutorials').glob('0*')]), file=open('seen', 'a'))"
    monkeypatch.chdir(tmp_path / "docs")
    monkeypatch.setattr(build, "HERE", tmp_path / "docs")
    monkeypatch.setattr(build, "sphinx_command", lambda *_: [sys.executable, "-c", f"{look}; sys.exit({code})"])
    monkeypatch.setattr(build, "simulate_with_single_types", lambda *_, **__: None)
    monkeypatch.setattr(build, "make_report", lambda _, out, **__: shutil.copytree(ROOT / "notebooks", out / "notebooks"))
    assert build.main() == code
    assert (tmp_path / "docs" / "seen").read_text().split() == (["9"] if code else ["9", "9"])


@pytest.fixture(scope="module")
def built(tmp_path_factory, reported):
    """The pages, the notebooks among them as the small report of the tests has run them."""
    copy = tmp_path_factory.mktemp("docs") / "docs"
    shutil.copytree(DOCS, copy, ignore=shutil.ignore_patterns("_build", "drawn", "*.ipynb", "__pycache__"))
    build.write_tutorials(reported[1].parent / "notebooks", copy / "tutorials")
    done = subprocess.run(build.sphinx_command(copy, copy / "_build"), capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]
    assert not re.search("WARNING|ERROR", done.stderr)
    return copy / "_build"


@pytest.mark.slow
def test_tutorials_show_figures_and_end_with_something_to_try(built):
    for name in NOTEBOOKS:
        page = (built / "tutorials" / f"{name}.html").read_text(encoding="utf-8")
        assert "Try this" in page
        assert page.count("<img") >= sum(figure.notebook == name for figure in FIGURES), name
        assert "Traceback" not in page


@pytest.mark.slow
@pytest.mark.skipif(CHROMIUM is None, reason="no chromium here (apt install chromium)")
def test_pages_open_from_disk_at_any_width_by_day_and_night(built):
    from playwright.sync_api import sync_playwright

    pages = sorted(built.rglob("*.html"))
    assert len(pages) > 50
    wrong = []
    with sync_playwright() as started:
        browser = started.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        for width in (400, 1400):
            shown, said = browser.new_context(viewport={"width": width, "height": 900}, offline=True).new_page(), []
            shown.on("console", lambda message, said=said: said.append(message.text))
            shown.on("requestfailed", lambda request, said=said: said.append(request.url))
            for page in pages:
                said.clear()
                shown.goto(page.as_uri())
                for scheme in ("dark", "light"):
                    shown.emulate_media(color_scheme=scheme)
                    state = shown.evaluate("""() => [document.documentElement.scrollWidth > innerWidth + 1,
                        [...document.images].filter(one => !one.alt).length,
                        performance.getEntriesByType("resource").filter(one => one.name.startsWith("http")).length]""")
                    if said or any(state):
                        wrong.append((width, scheme, page.name, list(said), state))
        browser.close()
    assert wrong == []


@pytest.mark.slow
def test_messages_of_the_code_stand_in_the_reference(built):
    page = html.unescape(re.sub("<[^>]+>", "", (built / "reference" / "messages.html").read_text(encoding="utf-8")))
    told = [" ".join(said.split()) for _, said in from_code.messages()]
    assert any("frame must be a whole number from 1" in said for said in told)
    assert [said for said in told if said not in " ".join(page.split())] == []


@pytest.mark.slow
def test_help_parameters_and_settings_are_those_of_the_code(built):
    commands = (built / "reference" / "commands.html").read_text(encoding="utf-8")
    parameters = (built / "reference" / "parameters.html").read_text(encoding="utf-8")
    assert all(f"--{option}" in commands for option in ("history", "dilution", "max-crosstalk", "keep-frames"))
    assert all(name in parameters for name in (*NOTEBOOKS, "most_spread", "background_percentile"))
    assert "noise_sd_counts" in (built / "reference" / "settings.html").read_text(encoding="utf-8")
