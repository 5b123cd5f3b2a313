"""Run the notebooks through papermill, one after another, and have their pages made."""

import asyncio
import contextlib
import json
import os
import re
import signal
import tempfile
import threading
import time
from pathlib import Path

import nbformat
import papermill
import psutil
from ipykernel.kernelspec import write_kernel_spec
from nbclient.exceptions import CellTimeoutError, DeadKernelError
from tqdm.auto import tqdm
from traitlets.config import Config

from mirnb.classifiers.classifier import copy_classifier, is_of
from mirnb.classifiers.kinds import KINDS
from mirnb.design.prediction import Effort
from mirnb.experiments.check import require_dispersion
from mirnb.experiments.experiment_file import load_experiment
from mirnb.experiments.panel_file import PANEL_NAMES
from mirnb.experiments.placement import warn_of_places
from mirnb.experiments.run_folder import RunFolder
from mirnb.experiments.tiff_files import is_address
from mirnb.files import NOTEBOOK_FOLDER, ROOT, InputError, make_folder, require_in_range
from mirnb.pages import NOTEBOOKS, Ran, render_notebook, write_index


def make_report(folder, *, out=None, only=(), quick=False, parameters=None):
    """Run the notebooks on an experiment and write its report: path of index.html.

    Parameters
    ----------
    folder : path
        Experiment folder.
    out : path, optional
        Run folder; reports/<name> by default.
    only : sequence of str
        Notebooks to run, by name or number; all by default.
    quick : bool
        Few frames and one epoch, to see whether everything runs.
    parameters : dict of str to str, optional
        Notebook parameters as typed by the user; converted by the type each notebook declares.

    Raises
    ------
    InputError
        If a parameter or notebook is unknown, a value does not fit, or a notebook fails (kept as *.failed.ipynb).
    """
    chosen = _choose(only)
    experiment = load_experiment(folder)
    experiment.require_blobs(least=1)
    if any(notebook[:2] not in ("01", "02") for notebook in chosen) or experiment.masks is None:
        experiment.require_labels()
    warn_of_places(experiment)
    require_dispersion(experiment)
    run = RunFolder(experiment, out, quick=quick)
    given = _converted(chosen, {} if parameters is None else parameters)
    make_folder(run.root / "notebooks")
    fixed = {"experiment": _from_root(folder), "out": _from_root(run.root), "quick": quick}
    ran = []
    bar = tqdm(chosen, desc="notebooks", unit="notebook")
    for notebook in bar:
        bar.set_postfix_str(notebook)
        start = time.perf_counter()
        _execute(notebook, run.root, {**fixed, **given[notebook]})
        render_notebook(run.root / "notebooks" / f"{notebook}.ipynb")
        ran.append(Ran(notebook, time.perf_counter() - start))
    kinds = [kind for kind in KINDS if is_of(run.root / "classifiers" / kind, experiment)]
    if kinds:  # they are listed with the best first
        copy_classifier(run.root / "classifiers" / kinds[0], run.root / "classifier")
    set_by_user = {key: value for values in given.values() for key, value in values.items()}
    run.write_settings(**{**_defaults(chosen), **set_by_user, "quick": quick})
    return write_index(run, ran)


def quantification_page(out, *, classifier, stacks, blobs=(), samples="", seed=3):
    """Run notebook 09 over what `quantification.quantify_plan` has counted already: path of its page."""

    def place(text):
        return text if is_address(text) else _from_root(text)

    given = {
        "out": place(out), "classifier": place(classifier), "stacks": [place(one) for one in stacks],
        "blobs": [place(one) for one in blobs], "samples": place(samples) if samples else "", "seed": seed,
    }  # fmt: skip
    return _page_alone("09_quantification", Path(out), given)


def design_page(out, *, panels, **chosen):
    """Run notebook 10 over what `planning.design` has predicted already: path of its page."""
    named = [one if one in PANEL_NAMES else _from_root(one) for one in panels]
    return _page_alone("10_panel_design", Path(out), {"out": _from_root(out), "panels": named, **vars(Effort()), **chosen})


def _page_alone(notebook, out, given):
    make_folder(out / "notebooks")
    _execute(notebook, out, {"experiment": "", **given})
    return render_notebook(out / "notebooks" / f"{notebook}.ipynb", has_index=False)


def _from_root(path):
    path = Path(path).resolve()
    return path.relative_to(ROOT).as_posix() if path.is_relative_to(ROOT) else path.as_posix()


def _choose(only):
    if not only:
        return NOTEBOOKS
    chosen = []
    for name in only:
        stem = Path(name).stem
        match = [notebook for notebook in NOTEBOOKS if notebook == stem or notebook[:2] == stem.zfill(2)]
        if not match:
            raise InputError(f"--only {name}: no such notebook; there are {', '.join(NOTEBOOKS)}")
        chosen += match
    return tuple(notebook for notebook in NOTEBOOKS if notebook in chosen)


def _converted(notebooks, parameters):
    """Parameters for each notebook that declares them, converted by their declared type."""
    declared = {name: papermill.inspect_notebook(NOTEBOOK_FOLDER / f"{name}.ipynb") for name in notebooks}
    known = {key: info["inferred_type_name"] for names in declared.values() for key, info in names.items()}
    values = {}
    for key, text in parameters.items():
        if key in ("experiment", "out", "quick"):
            raise InputError(f"-p {key}: is set by the command itself (DIR, --out, --quick)")
        if key not in known:
            names = ", ".join(sorted(set(known) - {"experiment", "out", "quick"}))
            raise InputError(f"-p {key}: no notebook that is to run has this parameter; known are {names}")
        values[key] = _as_declared(key, text, known[key])
        require_in_range("-p ", **{key: values[key]})
    return {name: {key: value for key, value in values.items() if key in declared[name]} for name in notebooks}


def _defaults(notebooks):
    """What the notebooks' parameters are unless told otherwise."""
    defaults = {}
    for name in notebooks:
        for key, info in papermill.inspect_notebook(NOTEBOOK_FOLDER / f"{name}.ipynb").items():
            if key not in ("experiment", "out", "quick"):
                defaults[key] = _as_declared(key, info["default"], info["inferred_type_name"])
    return defaults


def _as_declared(key, text, kind):
    try:
        if kind == "bool":
            return {"true": True, "false": False}[text.lower()]
        if kind == "int":
            return int(text)
        if kind == "float":
            return float(text)
        if kind == "list":
            value = json.loads(text)
            if not isinstance(value, list):
                raise ValueError
            return value
    except (KeyError, ValueError):
        wanted = {"bool": "True or False", "int": "a whole number", "float": "a number", "list": "a list such as [34, 10]"}
        raise InputError(f"-p {key} {text}: expected {wanted[kind]}") from None
    return text


def _execute(notebook, root, parameters):
    """Run one notebook to a temporary name; it gets its own when every cell has completed."""
    target = root / "notebooks" / f"{notebook}.ipynb"
    failed = target.with_suffix(".failed.ipynb")
    running = target.with_name(f".{notebook}.running.ipynb")
    try:
        with _settings_of_our_own(), _ended_by_signals():
            papermill.execute_notebook(
                _papermill_path(NOTEBOOK_FOLDER / f"{notebook}.ipynb"), _papermill_path(running),
                parameters=parameters, kernel_name="python3", progress_bar=False,
                config=Config({"KernelManager": {"transport_encryption": "auto"}}),
            )  # fmt: skip
    except papermill.PapermillExecutionError as error:
        running.replace(failed)
        message = re.sub(r"\x1b\[[0-9;]*m", "", str(error.evalue)).strip()
        kept = "" if error.ename == "InputError" else f" ({error.ename}; the notebook as far as it came: {failed})"
        raise InputError(f"{notebook}: {message}{kept}") from None
    except (DeadKernelError, CellTimeoutError) as error:
        running.replace(failed)
        raise InputError(
            f"{notebook}: the kernel died ({error}), perhaps for want of memory; as far as it came: {failed}"
        ) from None
    except BaseException:
        running.unlink(missing_ok=True)
        raise
    done = nbformat.read(running, as_version=4)
    undone = [k for k, cell in enumerate(done.cells) if not _is_done(cell)]
    if undone:  # a kernel that died leaves an output in which all seems well
        running.replace(failed)
        raise InputError(f"{notebook}: stopped before cell {undone[0] + 1} was done; see {failed}")
    _strip_paths(done)
    nbformat.write(done, running)
    running.replace(target)
    failed.unlink(missing_ok=True)


@contextlib.contextmanager
def _settings_of_our_own():
    """A kernel of the Python that runs this, without the user's start-up files and styles, showing figures in the notebook.

    Jupyter would take the kernel "python3" of the user's folder first, whichever Python that is of; IPython runs what lies
    in its profile; Matplotlib reads a matplotlibrc of the working folder or of the user.
    """
    kept = dict(os.environ)
    with tempfile.TemporaryDirectory(prefix="mirnb-", ignore_cleanup_errors=True) as folder:
        write_kernel_spec(Path(folder) / "jupyter" / "kernels" / "python3")
        startup = Path(folder) / "ipython" / "profile_default" / "startup"
        startup.mkdir(parents=True)
        (startup / "style.py").write_text("import matplotlib\nmatplotlib.rcdefaults()\ndel matplotlib\n")
        (startup.parent / "ipython_config.py").write_text("c.InteractiveShellApp.ignore_cwd = True\n")
        os.environ["JUPYTER_PATH"] = os.pathsep.join(
            [str(Path(folder) / "jupyter"), *filter(None, [kept.get("JUPYTER_PATH")])]
        )
        os.environ["IPYTHONDIR"] = str(Path(folder) / "ipython")
        os.environ["JUPYTER_RUNTIME_DIR"] = str(Path(folder) / "runtime")
        os.environ["TMPDIR"] = tempfile.tempdir = folder  # connection files and what kernels leave go when we go
        os.environ["PYTHONSAFEPATH"] = "1"  # nor does a file of the working folder stand in for a library
        for name in ("MPLBACKEND", "PYTHONSTARTUP"):
            os.environ.pop(name, None)
        try:
            yield
        finally:
            tempfile.tempdir = None
            os.environ.clear()
            os.environ.update(kept)


@contextlib.contextmanager
def _ended_by_signals():
    """A signal that asks to end, in the middle of a notebook, ends its kernel first and then the report, as Ctrl-C does.

    nbclient sets handlers of its own while a notebook runs, and takes all away behind it.
    """
    heard, loop = [], asyncio.SelectorEventLoop
    numbers = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)]
    here = threading.current_thread() is threading.main_thread()
    kept = {number: signal.getsignal(number) for number in numbers if here and signal.getsignal(number) != signal.SIG_IGN}
    add = loop.add_signal_handler

    def stop(number, _=None):
        heard.append(number)
        _end_kernels()
        raise KeyboardInterrupt

    def add_ours(self, number, *_):
        def noted():
            with contextlib.suppress(KeyboardInterrupt):  # the kernel's death ends the notebook
                stop(number)

        return add(self, number, noted)

    for number in kept:
        signal.signal(number, stop)
    loop.add_signal_handler = add_ours
    try:
        yield
    except BaseException:
        _end_kernels()
        if heard:
            raise KeyboardInterrupt from None
        raise
    finally:
        loop.add_signal_handler = add
        for number, handler in kept.items():
            signal.signal(number, handler)


def _end_kernels():
    """End kernels that this process has started, before their folder of settings goes."""
    kernels = [one for one in psutil.Process().children() if "ipykernel_launcher" in " ".join(one.cmdline())]
    for one in kernels:
        one.kill()
    psutil.wait_procs(kernels, timeout=5)


def _papermill_path(path):
    """papermill formats paths: braces are doubled."""
    return str(path).replace("{", "{{").replace("}", "}}")


def _is_done(cell):
    has_code = cell.cell_type == "code" and cell.source.strip()
    return not has_code or cell.metadata.get("papermill", {}).get("status") == "completed"


def _strip_paths(notebook):
    """Take out what names this machine, and widget states, which a page without scripts cannot show."""
    for key in ("input_path", "output_path", "environment_variables"):
        notebook.metadata.get("papermill", {}).pop(key, None)
    notebook.metadata.pop("widgets", None)
    for cell in notebook.cells:
        if "outputs" in cell:
            cell.outputs = [
                one for one in cell.outputs if "application/vnd.jupyter.widget-view+json" not in one.get("data", {})
            ]
