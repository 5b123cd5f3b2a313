"""What the project promises about itself: one list of dependencies, one direction of imports, no addresses or paths."""

import ast
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def _tracked():
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=False)
    if listed.returncode:
        pytest.skip("not a git checkout")
    return [ROOT / name for name in listed.stdout.split("\0") if name and (ROOT / name).is_file()]


def _text_files():
    return [path for path in _tracked() if path.suffix not in (".png", ".tif")]


def test_environment_yml_is_true_to_pyproject():
    lines = [line.strip() for line in (ROOT / "environment.yml").read_text().splitlines()]
    assert f"- python{PYPROJECT['project']['requires-python']}" in lines
    assert lines[lines.index("- pip:") + 1 :] == ["- -c constraints.txt", "- -e ."]


def test_every_dependency_is_pinned_in_constraints():
    pinned = {re.split("[=<>]", line)[0].lower() for line in (ROOT / "constraints.txt").read_text().splitlines()}
    extras = PYPROJECT["project"]["optional-dependencies"]
    wanted = PYPROJECT["project"]["dependencies"] + extras["dev"] + extras["formats"]
    assert {re.split(r"[\[<>=]", one)[0].lower() for one in wanted} - {"mirnb"} <= pinned


def test_lists_of_packages_hold_no_address():
    for name in ("constraints.txt", "environment.yml", "pyproject.toml", "Makefile", ".ci/run"):
        text = (ROOT / name).read_text()
        assert "://" not in text, name
        assert not re.search(r"-(index|find|trusted)-?(url|links|host)\b", text), name


def test_no_file_names_a_path_of_a_machine():
    pattern = re.compile(r"(?<![\w.~])/(work|home|root|Users)/\w")
    found = [
        p.name for p in _text_files() if p.name != "test_notebooks.py" and pattern.search(p.read_text(encoding="utf-8"))
    ]
    assert found == []


def test_ci_runs_the_readmes_test_command():
    assert "make test" in (ROOT / ".ci" / "run").read_text()
    assert "make test" in (ROOT / "README.md").read_text()


def _modules():
    return sorted((ROOT / "mirnb").rglob("*.py"))


def _functions(path):
    return [node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.FunctionDef)]


def test_imports_run_one_way():
    done = subprocess.run(
        [Path(sys.executable).with_name("lint-imports"), "--no-logo"], cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize(("library", "knows"), [("papermill", {"running"}), ("distributed import Client", {"cluster"})])
def test_who_knows_a_library(library, knows):
    found = {path.stem for path in _modules() if re.search(rf"^\s*(import|from) {library}", path.read_text(), re.M)}
    assert found == knows


def test_modules_and_functions_are_short():
    assert {path.name: n for path in _modules() if (n := len(path.read_text().splitlines())) > 350} == {}
    long = {}
    for path in _modules():
        for node in _functions(path):
            first = node.body[0].end_lineno + 1 if ast.get_docstring(node) else node.body[0].lineno
            n_lines = node.end_lineno - first + 1
            if n_lines > 40:
                long[f"{path.stem}.{node.name}"] = n_lines
    assert long == {}


def test_no_function_has_the_name_of_its_file():
    assert [path.name for path in _modules() if path.stem in [node.name for node in _functions(path)]] == []


@pytest.mark.parametrize(("holder", "held"), [({"run"}, {"experiment", "sample"}), ({"data", "dataset"}, {"panel"})])
def test_what_is_held_is_not_handed_on_beside_its_holder(holder, held):
    for path in _modules():
        for node in _functions(path):
            names = {one.arg for one in (*node.args.args, *node.args.kwonlyargs)}
            if path.stem == "dataset" and "self" in names:
                names.add("dataset")
            assert not (holder & names and held & names), f"{path.stem}.{node.name}"


def test_the_wheel_is_told_of_every_wing():
    wings = {f"mirnb.{path.parent.name}" for path in (ROOT / "mirnb").glob("*/__init__.py")}
    assert set(PYPROJECT["tool"]["setuptools"]["packages"]) == {"mirnb", "mirnb.notebooks", *wings}


def test_what_docstrings_name_is_there():
    texts = {}
    for path in _modules():
        texts[path.stem] = texts.get(path.stem, "") + path.read_text()  # two wings may have a file of one name
    for one, text in texts.items():
        for module, name in re.findall(r"`([a-z]\w*)\.(\w+)`", text):
            assert module in texts, f"{one}: `{module}.{name}`"
            there = rf"^(def|class) {name}\b|^{name}\b.*="
            assert re.search(there, texts[module], re.M), f"{one}: `{module}.{name}`"


@pytest.mark.parametrize("word", ["pickle", "eval"])
def test_no_pickle_and_no_eval(word):
    for path in _modules():
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
                assert node.func.id != word, path.name
            if isinstance(node, ast.Import):
                assert word not in [alias.name for alias in node.names], path.name
            if isinstance(node, ast.keyword) and node.arg == "allow_pickle":
                assert node.value.value is False, path.name
