"""Pages of notebooks: what was seen first, the way through them, pictures described, only what was changed named."""

import re

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from mirnb import contents, files
from mirnb.notebook_pages import changed_parameters, conclusion_of, render_notebook

PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="


def write(path, *, told="F1 is <b>high</b>.\n", given=None):
    """An executed notebook with a picture, two headings and a conclusion."""
    picture = new_output("display_data", {"image/png": PIXEL, "text/plain": "<Figure>"})
    parameters = new_code_cell("epochs: int = 10  # passes\nstacks: list = []  # files\nquick: bool = False  # for tests")
    parameters.metadata["tags"] = ["parameters"]
    drawn = new_code_cell('run.show(figure, "fig09_roc")', outputs=[picture])
    last = new_code_cell("print(said)", outputs=[new_output("stream", name="stdout", text=told)])
    last.metadata["tags"] = ["conclusion"]
    cells = [new_markdown_cell("# 05 Curves\n\nAt the end you know."), parameters, new_markdown_cell("## ROC"), drawn,
             new_markdown_cell("## More"), new_markdown_cell("## What we saw\n\nOf this run."), last]  # fmt: skip
    notebook = new_notebook(cells=cells)
    notebook.metadata["papermill"] = {"parameters": {"experiment": "data/demo", "out": "", **(given or {})}}
    nbformat.write(notebook, path)
    return path


def test_what_was_seen_comes_first_and_once(tmp_path):
    page = render_notebook(write(tmp_path / "05_curves.ipynb")).read_text(encoding="utf-8")
    body = page[page.index("<body>") :]
    assert body.count("F1 is &lt;b&gt;high&lt;/b&gt;.") == 1
    assert body.index("F1 is") < body.index("At the end you know")
    assert body.count("What we saw") == 1
    assert body.count("Of this run.") == 1
    assert "print(said)" not in body


def test_without_a_conclusion_nothing_is_said_to_be_seen(tmp_path):
    page = render_notebook(write(tmp_path / "05_curves.ipynb", told="")).read_text(encoding="utf-8")
    assert 'class="told"' not in page


def test_sections_are_linked_and_found(tmp_path):
    page = render_notebook(write(tmp_path / "05_curves.ipynb")).read_text(encoding="utf-8")
    linked = re.findall(r'<a href="#([^"]+)">', page)
    assert linked == ["ROC", "More"]
    assert all(f'id="{one}"' in page for one in linked)
    assert "¶" not in page


def test_a_picture_says_what_it_shows(tmp_path):
    page = render_notebook(write(tmp_path / "05_curves.ipynb")).read_text(encoding="utf-8")
    assert f'alt="{next(one.title for one in contents.FIGURES if one.name == "fig09_roc")}"' in page
    assert "No description" not in page


def test_pages_lead_to_those_beside_them_that_are_there(tmp_path):
    for name in ("02_b", "01_a", "03_c"):  # the middle one last but one
        write(tmp_path / f"{name}.ipynb")
    render_notebook(tmp_path / "01_a.ipynb")
    assert "02_b" not in (tmp_path / "01_a.html").read_text(encoding="utf-8")
    render_notebook(tmp_path / "03_c.ipynb")
    render_notebook(tmp_path / "02_b.ipynb")
    links = {name: re.findall(r'rel="(\w+)" href="(\w+)', (tmp_path / f"{name}.html").read_text("utf-8"))[:2]
             for name in ("01_a", "02_b", "03_c")}  # fmt: skip
    assert links["01_a"] == [("next", "02_b")] * 2  # above and below
    assert links["02_b"] == [("prev", "01_a"), ("next", "03_c")]
    assert links["03_c"] == [("prev", "02_b")] * 2


@pytest.mark.parametrize(
    ("given", "changed"),
    [
        ({}, {}),
        ({"epochs": 10, "quick": False, "stacks": []}, {}),
        ({"epochs": 3}, {"epochs": 3}),
        ({"quick": True}, {"quick": True}),
    ],
)
def test_only_changed_parameters_are_named(given, changed, tmp_path):
    path = write(tmp_path / "05_curves.ipynb", given=given)
    assert changed_parameters(nbformat.read(path, 4)) == changed
    page = render_notebook(path).read_text(encoding="utf-8")
    assert all(f"{name} = {value}" in page for name, value in changed.items())


@pytest.mark.parametrize("path", files.listed(files.NOTEBOOK_FOLDER, "*.ipynb"), ids=lambda path: path.stem)
def test_every_notebook_ends_with_a_heading_and_one_conclusion(path):
    notebook = nbformat.read(path, 4)
    tagged = [k for k, cell in enumerate(notebook.cells) if "conclusion" in cell.metadata.get("tags", [])]
    assert tagged == [len(notebook.cells) - 1]
    assert notebook.cells[-2].source.startswith("## What we saw")
    assert "print(" in notebook.cells[-1].source
    assert conclusion_of(notebook) == []  # in git without outputs
