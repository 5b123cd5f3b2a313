"""Run one notebook through papermill, by settings of our own and to its end, or not at all."""

import asyncio
import contextlib
import os
import re
import signal
import tempfile
import threading
from pathlib import Path

import nbformat
import papermill
import psutil
from ipykernel.kernelspec import write_kernel_spec
from nbclient.exceptions import CellTimeoutError, DeadKernelError
from traitlets.config import Config

from mirnb.files import NOTEBOOK_FOLDER, InputError


def parameters_of(notebook):
    """The parameters a notebook declares: name -> what papermill tells of it (default, inferred_type_name, help)."""
    return papermill.inspect_notebook(NOTEBOOK_FOLDER / f"{notebook}.ipynb")


def execute(notebook, root, parameters, **hooks):
    """Run one notebook to a temporary name; it gets its own when every cell has completed. hooks : of nbclient"""
    target = root / "notebooks" / f"{notebook}.ipynb"
    failed = target.with_suffix(".failed.ipynb")
    running = target.with_name(f".{notebook}.running.ipynb")
    try:
        with settings_of_our_own(), _ended_by_signals():
            papermill.execute_notebook(
                _papermill_path(NOTEBOOK_FOLDER / f"{notebook}.ipynb"), _papermill_path(running),
                parameters=parameters, kernel_name="python3", progress_bar=False,
                config=Config({"KernelManager": {"transport_encryption": "auto"}}), **hooks,
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
def settings_of_our_own():
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
