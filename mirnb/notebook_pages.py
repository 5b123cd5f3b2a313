"""Executed notebooks as pages: what was seen first, then the way to it, code folded; plain files without scripts."""

import ast
import re
import time

import nbformat
from jinja2 import Environment, PackageLoader
from nbconvert import HTMLExporter
from pygments.formatters import HtmlFormatter

from mirnb import __version__
from mirnb.contents import FIGURES
from mirnb.files import listed, whole_file

_FOLDED = """{% extends "basic/index.html.j2" %}
{% block input_group %}{% set tags = cell.metadata.get("tags", []) %}<details class="code"><summary>{{
"parameters" if "parameters" in tags else "set for this run" if "injected-parameters" in tags else "code"
}}</summary>{{ super() }}</details>{% endblock %}"""
_PAGES = Environment(loader=PackageLoader("mirnb", "page"), autoescape=True, trim_blocks=True, lstrip_blocks=True)
_TITLES = {figure.name: figure.title for figure in FIGURES}
_MOST_LISTED = 4
_ALWAYS_SET = ("experiment", "out")  # by every report


def write_page(path, template, **values):
    """Fill a template of mirnb/page and write it, whole or not at all."""
    with whole_file(path) as temporary:
        temporary.write_text(_PAGES.get_template(template).render(**values, version=__version__), encoding="utf-8")


def render_notebook(path, *, has_index=True):
    """Render an executed notebook as a page of its own: path.

    The output of the cell tagged "conclusion" comes first. The pages before and after it in its folder name it, too.

    Parameters
    ----------
    has_index : bool
        Whether it is of a report, whose index it names.
    """
    page, is_new = path.with_suffix(".html"), not path.with_suffix(".html").exists()
    beside = [one.with_suffix(".html") for one in listed(path.parent, "*.ipynb") if ".failed" not in one.name]
    ready = [one for one in beside if one.exists() or one == page]
    here = ready.index(page)
    before, after = ready[:here][-1:], ready[here + 1 :][:1]
    _write(path, has_index=has_index, before=before, after=after)
    if is_new:  # its neighbours did not know of it
        for one in before + after:
            render_notebook(one.with_suffix(".ipynb"), has_index=has_index)
    return page


def is_rendered(path):
    """Whether an executed notebook has its page, made after it."""
    page = path.with_suffix(".html")
    return page.is_file() and page.stat().st_mtime >= path.stat().st_mtime


def conclusion_of(notebook):
    """Sentences that the cell tagged "conclusion" printed; none where there is no such cell."""
    tagged = [cell for cell in notebook.cells if "conclusion" in cell.metadata.get("tags", [])]
    texts = [output.text for cell in tagged for output in cell.get("outputs", []) if output.get("name") == "stdout"]
    return [line for line in "".join(texts).splitlines() if line.strip()]


def changed_parameters(notebook):
    """Parameters that a notebook was run with and does not declare so: name -> value, of a long list its ends."""
    given = notebook.metadata.get("papermill", {}).get("parameters", {})
    declared = {}
    for cell in notebook.cells:
        if "parameters" in cell.metadata.get("tags", []):
            for line in ast.parse(cell.source).body:
                declared[line.target.id] = ast.literal_eval(line.value)
    changed = {name: value for name, value in given.items() if name not in _ALWAYS_SET and value != declared.get(name)}
    return {name: _shortened(value) for name, value in changed.items()}


def _shortened(value):
    if not isinstance(value, list) or len(value) <= _MOST_LISTED:
        return value
    return f"{len(value)}, from {value[0]} to {value[-1]}"


def _write(path, *, has_index, before, after):
    notebook = nbformat.read(path, as_version=4)
    told = conclusion_of(notebook)
    title = _take_title(notebook, path.stem)
    about = _take_conclusion(notebook) if told else ""
    for cell in notebook.cells:
        describe_pictures(cell)
    exporter = HTMLExporter(raw_template=_FOLDED)
    exporter.exclude_input_prompt = exporter.exclude_output_prompt = True
    body = re.sub(r'<a class="anchor-link"[^>]*>.*?</a>', "", exporter.from_notebook_node(notebook)[0])
    light, dark = (HtmlFormatter(style=one).get_style_defs(".highlight") for one in ("default", "github-dark"))
    style = f"{light}\n@media screen and (prefers-color-scheme: dark) {{ {dark} }}"
    write_page(
        path.with_suffix(".html"), "notebook.html", title=title, name=path.stem, body=body, pygments=style, told=told,
        date=notebook.metadata.get("mirnb", {}).get("date") or _date_of(path), changed=changed_parameters(notebook),
        has_index=has_index,
        about=about, sections=re.findall(r'<h2[^>]* id="([^"]+)"[^>]*>(.*?)</h2>', body), before=before, after=after,
    )  # fmt: skip


def _date_of(path):
    return time.strftime("%Y-%m-%d %H:%M", time.localtime(path.stat().st_mtime))


def _take_title(notebook, otherwise):
    """Take the title out of the first cell."""
    first = notebook.cells[0]
    title, _, rest = first.source.partition("\n")
    if first.cell_type != "markdown" or not title.startswith("# "):
        return otherwise
    first.source = rest.strip()
    return title.removeprefix("# ")


def _take_conclusion(notebook):
    """Take the cell tagged "conclusion" and its heading out; what stands below the heading."""
    (place,) = [k for k, cell in enumerate(notebook.cells) if "conclusion" in cell.metadata.get("tags", [])]
    heading = notebook.cells[place - 1].source
    del notebook.cells[place - 1 : place + 1]
    return heading.partition("\n")[2].strip()


def describe_pictures(cell):
    """Say of a cell's pictures what they show, for those who cannot see them."""
    saved = re.findall(r'show\([^\n]*"(\w+)"\)', cell.source)
    titles = [_TITLES.get(name, name.replace("_", " ")) for name in saved]
    pictures = [output for output in cell.get("outputs", []) if "image/png" in output.get("data", {})]
    for output, title in zip(pictures, titles, strict=False):
        output.metadata["image/png"] = {**output.metadata.get("image/png", {}), "alt": title}
