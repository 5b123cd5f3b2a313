"""Notebooks as they stand in git: thin, clean, with one cell of plain, typed, explained parameters."""

import ast
import json
import re
from pathlib import Path

import papermill
import pytest

ROOT = Path(__file__).resolve().parent.parent
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))


@pytest.fixture(params=NOTEBOOKS, ids=lambda path: path.stem)
def notebook(request):
    return json.loads(request.param.read_text(encoding="utf-8"))


def _code(notebook):
    return [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]


def test_there_are_notebooks():
    assert len(NOTEBOOKS) >= 5


def test_no_outputs_counts_or_foreign_metadata(notebook):
    for cell in _code(notebook):
        assert cell["outputs"] == []
        assert cell["execution_count"] is None
        assert set(cell["metadata"]) <= {"tags"}
    assert set(notebook["metadata"]) <= {"kernelspec", "language_info"}
    assert notebook["metadata"]["kernelspec"]["name"] == "python3"


def test_no_path_of_a_machine(notebook):
    text = "".join("".join(cell["source"]) for cell in notebook["cells"])
    assert not re.search(r"(?<![\w.])/(home|root|work|Users|tmp)/|[A-Z]:\\", text)


def test_one_parameters_cell_of_typed_literals_with_help(notebook):
    tagged = [cell for cell in _code(notebook) if "parameters" in cell["metadata"].get("tags", [])]
    assert len(tagged) == 1
    source = "".join(tagged[0]["source"])
    for line, node in zip(source.splitlines(), ast.parse(source).body, strict=True):
        assert isinstance(node, ast.AnnAssign), line
        ast.literal_eval(node.value)
        assert re.search(r"  # \w", line), line
        assert line.count("=") == 1, line
    assert {"experiment", "quick"} <= {node.target.id for node in ast.parse(source).body}


def test_papermill_reads_every_parameter_with_type_and_help(request, notebook):
    path = ROOT / "notebooks" / f"{request.node.callspec.id}.ipynb"
    for name, info in papermill.inspect_notebook(path).items():
        assert info["inferred_type_name"] in ("str", "int", "float", "bool", "list"), name
        assert info["help"], name


def test_cells_are_thin_and_define_nothing(notebook):
    for cell in _code(notebook):
        tree = ast.parse("".join(cell["source"]))
        assert not [
            node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.ClassDef | ast.For | ast.While)
        ]
        if "parameters" not in cell["metadata"].get("tags", []):
            assert len(tree.body) <= 6, "".join(cell["source"])


def test_starts_with_what_one_will_know_and_ends_with_what_was_seen(notebook):
    first, last = notebook["cells"][0], notebook["cells"][-1]
    assert first["cell_type"] == "markdown"
    assert "At the end you" in "".join(first["source"])
    assert last["metadata"].get("tags") == ["conclusion"]  # sentences of this run's numbers
    assert not [cell for cell in _code(notebook)[:-1] if "conclusion" in cell["metadata"].get("tags", [])]
    last = notebook["cells"][-2]
    assert "".join(last["source"]).startswith("## What we saw")
    assert not re.search(r"\.\d", "".join(last["source"])), "a number measured once, under everybody's data"
