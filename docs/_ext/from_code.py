"""What the code says itself, put into the pages: help of commands, parameters of notebooks, settings, messages, figures."""

import ast
import contextlib
import functools
import importlib
import inspect
import io
import logging
import os
import pkgutil
import re
from pathlib import Path

from docutils import nodes
from docutils.parsers.rst import directives
from sphinx.util.docutils import SphinxDirective


class FromCode(SphinxDirective):
    """A page with it is read again when a file of the package or a notebook has changed."""

    def run(self):
        for path in _sources():
            self.env.note_dependency(str(path))
        return self.make()


@functools.cache
def _sources():
    import mirnb

    package = Path(mirnb.__file__).parent
    return [*sorted(package.rglob("*.py")), *sorted(package.parent.glob("notebooks/*.ipynb"))]


class CommandHelp(FromCode):
    """The help of a command, as it is printed: `{command} quantify`; without a name, the list of all."""

    optional_arguments = 1

    def make(self):
        from mirnb.cli import main

        printed, columns = io.StringIO(), os.environ.get("COLUMNS")
        os.environ["COLUMNS"] = "100"
        try:
            with contextlib.redirect_stdout(printed), contextlib.suppress(SystemExit):
                main([*self.arguments, "--help"])
        finally:
            os.environ.pop("COLUMNS") if columns is None else os.environ.update(COLUMNS=columns)
        return [nodes.literal_block(printed.getvalue(), printed.getvalue(), language="text")]


class Commands(CommandHelp):
    """A section for each command, with its help."""

    def make(self):
        from mirnb.cli import _COMMANDS

        found = []
        for name, (help_text, *_) in _COMMANDS.items():
            section = nodes.section(ids=[f"mirnb-{name}"], names=[f"mirnb {name}"])
            section += nodes.title(text=f"mirnb {name}")
            section += nodes.paragraph(text=f"{help_text[0].upper()}{help_text[1:]}.")
            self.arguments = [name]
            section += super().make()
            self.state.document.note_explicit_target(section)
            found.append(section)
        return found


class NotebookParameters(FromCode):
    """A table of the parameters of each notebook: name, type, default, meaning."""

    def make(self):
        from mirnb.contents import NOTEBOOKS
        from mirnb.running import parameters_of

        found = []
        for notebook in NOTEBOOKS:
            section = nodes.section(ids=[notebook], names=[notebook])
            section += nodes.title(text=notebook)
            rows = [
                (name, info["inferred_type_name"], str(info["default"]), info["help"])
                for name, info in parameters_of(notebook).items()
            ]
            section += _table(("parameter", "type", "default", "meaning"), rows)
            found.append(section)
        return found


class Settings(FromCode):
    """A table of a dataclass whose lines carry their meaning: `{settings} mirnb.simulation.settings Settings`."""

    required_arguments = 2

    def make(self):
        module, name = self.arguments
        documented = getattr(importlib.import_module(module), name)
        source, about = inspect.getsource(documented), inspect.getdoc(documented).split("\n\n")[1:]
        rows = []
        for line in source.splitlines():
            code, _, meaning = line.partition("  # ")
            field, colon, rest = code.strip().partition(":")
            if colon and "=" in rest and field.isidentifier():
                rows.append((field, rest.split("=", 1)[1].strip(), meaning))
        return [*(nodes.paragraph(text=one) for one in about), _table(("setting", "value", "meaning"), rows)]


SAID = ("InputError", "OtherProgram", "Misplacement", "warn", "problems", "warnings", "unlike")  # what takes a message


def messages():
    """Every message of the package, its values as "…": (file from mirnb/ on, message)."""
    for file, node in _nodes():
        if isinstance(node, ast.Call) and _called(node.func) in SAID and node.args:
            said = _text(node.args[0]).strip()
            if re.search(r"\w{3}", said):  # else it is made elsewhere, and only handed on
                yield file, said


def _called(node):
    """Name of a function, and of a list that is appended to that of the list."""
    if isinstance(node, ast.Attribute) and node.attr == "append":
        node = node.value
    return getattr(node, "id", getattr(node, "attr", ""))


def texts():
    """Every text of the package, its values as "…"."""
    return {_text(node) for _, node in _nodes() if isinstance(node, ast.JoinedStr | ast.Constant | ast.BinOp)}


@functools.cache
def _nodes():
    parsed = [(path, ast.parse(path.read_text(encoding="utf-8"))) for path in _sources() if path.suffix == ".py"]
    package = parsed[0][0].parent  # of __init__.py, the first of all
    return [(path.relative_to(package).as_posix(), node) for path, tree in parsed for node in ast.walk(tree)]


def _text(node):
    if isinstance(node, ast.Constant):
        return str(node.value)
    parts = (
        node.values if isinstance(node, ast.JoinedStr) else [node.left, node.right] if isinstance(node, ast.BinOp) else []
    )
    return re.sub("…+", "…", "".join(map(_text, parts))) or "…"


class Messages(FromCode):
    """A section for each wing, with its messages."""

    def make(self):
        of_wings = {}
        for file, said in messages():
            of_wings.setdefault(file.split("/")[0] if "/" in file else "mirnb", {})[said] = file
        found = []
        for wing, told in of_wings.items():
            section = nodes.section(ids=[f"of-{wing}"], names=[f"of {wing}"])
            section += nodes.title(text="All others" if wing == "mirnb" else wing.capitalize())
            listed = nodes.bullet_list()
            for said in sorted(told, key=lambda one: one.strip("…:, ")):
                listed += nodes.list_item("", nodes.paragraph("", said))
            section += listed
            found.append(section)
        return found


class Drawn(FromCode):
    """A figure drawn when the page is built: the code makes `figure`, and stands folded below.

    `:alt:` says what it shows, `:caption:` what to see, and whether it is simulated.
    """

    has_content, required_arguments = True, 1
    option_spec = {"alt": directives.unchanged_required, "caption": directives.unchanged_required}  # noqa: RUF012

    def make(self):
        import matplotlib

        matplotlib.use("Agg")
        from mirnb import plots

        code, name = "\n".join(self.content), self.arguments[0]
        plots.use_style()
        values = {}
        exec(compile(code, f"{self.env.docname}: {name}", "exec"), values)
        target = Path(self.env.srcdir) / "_static" / "drawn" / f"{name}.png"
        target.parent.mkdir(parents=True, exist_ok=True)
        values["figure"].savefig(target, dpi=150)
        matplotlib.pyplot.close("all")
        image = nodes.image(uri=f"/_static/drawn/{name}.png", alt=self.options["alt"])
        caption = nodes.paragraph("", "", nodes.emphasis(text=self.options["caption"]))
        folded = '<details class="code-of-figure"><summary>The code of this figure</summary>'
        shown = nodes.literal_block(code, code, language="python")
        return [image, caption, nodes.raw("", folded, format="html"), shown, nodes.raw("", "</details>", format="html")]


def _expand_wings(app, docname, source):
    """`{wing} imaging`: what the wing is for, and a section for each of its files with all that is public there."""
    source[0] = re.sub(r"^```\{wing\} (\w+)\n```$", lambda found: _wing(found[1]), source[0], flags=re.MULTILINE)


def _wing(name):
    wing = importlib.import_module(f"mirnb.{name}")
    sections = [wing.__doc__]  # without Drawing: what it has of matplotlib's Figure is in roles of matplotlib's own pages
    for part in sorted(one.name for one in pkgutil.iter_modules(wing.__path__)):
        told = f".. automodule:: mirnb.{name}.{part}\n   :members:\n   :undoc-members:\n   :exclude-members: Drawing"
        sections.append(f"## {part}\n\n```{{eval-rst}}\n{told}\n```")
    return "\n\n".join(sections)


def _table(titles, rows):
    table, group = nodes.table(classes=["wide"]), nodes.tgroup(cols=len(titles))
    table += group
    group += [nodes.colspec(colwidth=1) for _ in titles]
    head, body = nodes.thead(), nodes.tbody()
    group += [head, body]
    for part, lines in ((head, [titles]), (body, rows)):
        for line in lines:
            row = nodes.row()
            for k, cell in enumerate(line):
                entry = nodes.entry()
                literal = part is body and k < len(titles) - 1 and cell
                entry += nodes.paragraph("", "", nodes.literal(text=cell) if literal else nodes.Text(cell))
                row += entry
            part += row
    return table


def _escape_stars(app, what, name, obj, options, lines):
    """(n, *window.shape) is a shape, and no emphasis."""
    lines[:] = [re.sub(r"(?<=[ (])\*(?=\w)", r"\\*", line) for line in lines]


def setup(app):
    app.connect("autodoc-process-docstring", _escape_stars, priority=400)
    app.connect("source-read", _expand_wings)
    logging.getLogger("papermill").setLevel(logging.WARNING)
    for name, directive in {"command": CommandHelp, "commands": Commands, "notebook-parameters": NotebookParameters,
                            "settings": Settings, "messages": Messages, "drawn": Drawn}.items():  # fmt: skip
        app.add_directive(name, directive)
    return {"parallel_read_safe": False, "parallel_write_safe": True}
