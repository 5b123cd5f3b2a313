"""Run notebooks through papermill, by settings of our own, each to its end or not at all, one kernel for all of a run."""

import asyncio
import contextlib
import itertools
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
from jupyter_client import AsyncKernelManager
from jupyter_core.utils import run_sync
from nbclient.exceptions import CellTimeoutError, DeadKernelError
from papermill.clientwrap import PapermillNotebookClient
from traitlets.config import Config

from mirnb.cluster import KEEP_MEMORY, KEPT
from mirnb.files import NOTEBOOK_FOLDER, InputError

_STYLE = "import matplotlib; matplotlib.rcdefaults(); del matplotlib\n"
_CLEAR = f"""
def clear(shell):
    import matplotlib.pyplot as plt
    plt.close("all")
    own = {{name: value for name, value in shell.user_ns.items() if name.startswith("__")}}
    shell.reset()
    shell.user_ns.update(own)  # __spec__ and the like, which processes ask for that are started here
clear(get_ipython())
{_STYLE}"""


def parameters_of(notebook):
    """The parameters a notebook declares: name -> what papermill tells of it (default, inferred_type_name, help)."""
    return papermill.inspect_notebook(NOTEBOOK_FOLDER / f"{notebook}.ipynb")


@contextlib.contextmanager
def open_kernel():
    """Yields a kernel for `execute`: TensorFlow is imported once for all the notebooks that run in it."""
    with settings_of_our_own():
        config = Config({"KernelManager": {"transport_encryption": "auto"}})
        kernel = AsyncKernelManager(kernel_name="python3", config=config)
        try:
            yield kernel
        finally:
            if kernel.has_kernel:
                run_sync(kernel.shutdown_kernel)(now=True)


def execute(notebook, root, parameters, kernel, *, on_progress=None):
    """Run one notebook to a temporary name; it gets its own when every cell has completed.

    Parameters
    ----------
    kernel : as `open_kernel` yields it
        What notebooks before have left in it is cleared away first.
    on_progress : callable, optional
        Told the share of the notebook that is done, 0 to 1, whenever a cell or a step of its bar is.
    """
    target = root / "notebooks" / f"{notebook}.ipynb"
    failed = target.with_suffix(".failed.ipynb")
    running = target.with_name(f".{notebook}.running.ipynb")
    try:
        with _ended_by_signals():
            _clear(kernel)
            papermill.execute_notebook(
                _papermill_path(NOTEBOOK_FOLDER / f"{notebook}.ipynb"), _papermill_path(running), parameters=parameters,
                kernel_name="python3", engine_name=_Engine.name, progress_bar=False, km=kernel, on_progress=on_progress,
            )  # fmt: skip
    except papermill.PapermillExecutionError as error:
        running.replace(failed)
        message = re.sub(r"\x1b\[[0-9;]*m", "", str(error.evalue)).strip()
        kept = "" if error.ename == "InputError" else f" ({error.ename}; the notebook as far as it came: {failed})"
        raise InputError(f"{notebook}: {message}{kept}") from None
    except (DeadKernelError, CellTimeoutError) as error:
        kept = ""
        if running.exists():  # it had begun
            running.replace(failed)
            kept = f"; as far as it came: {failed}"
        raise InputError(f"{notebook}: the kernel died ({error}), perhaps for want of memory{kept}") from None
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


def _clear(kernel):
    """Take away what the notebook before has named, drawn and set, as if the kernel had just been started."""
    if not kernel.has_kernel:
        return
    client = kernel.blocking_client()
    client.start_channels()
    try:
        client.wait_for_ready(timeout=60)
        client.execute(_CLEAR, silent=True, reply=True, timeout=60)
    except (RuntimeError, TimeoutError):
        raise DeadKernelError("between two notebooks") from None
    finally:
        client.stop_channels()


class _Client(PapermillNotebookClient):
    """Tells how far a notebook has come: by its cells, and inside a cell by the bars that tqdm shows there.

    A bar is taken for the larger part of what is left, as nobody knows what comes behind it; bars inside it are passed over.
    """

    def __init__(self, *given, on_progress=None, **settings):
        super().__init__(*given, **settings)
        self._tell, self._done, self._bar, self._ends = on_progress or (lambda share: None), 0.0, None, {}

    def papermill_execute_cells(self):
        codes = [cell for cell in self.nb.cells if cell.cell_type == "code"]
        cells = itertools.count(1)

        def executed(**_):
            self._bar, self._done = None, max(self._done, next(cells) / len(codes))
            self._tell(self._done)

        self.on_cell_executed = executed
        super().papermill_execute_cells()

    def process_message(self, message, *cell):
        content = message["content"]
        state = content.get("data", {}).get("state") if message["msg_type"] in ("comm_open", "comm_msg") else None
        if state:
            self._look_at(content["comm_id"], state)
        return super().process_message(message, *cell)

    def _look_at(self, bar, state):
        if state.get("_model_name") == "FloatProgressModel":
            self._ends[bar] = state.get("max") or 1.0
            if self._bar is None:
                self._bar = bar, self._done
        if self._bar is not None and bar == self._bar[0] and "value" in state:
            done, before = min(state["value"] / self._ends[bar], 1.0), self._bar[1]
            self._done = max(self._done, before + 0.7 * (1 - before) * done)
            self._tell(self._done)
            if done == 1.0:
                self._bar = None


class _Engine(papermill.engines.NBClientEngine):
    """papermill's own, with a client of ours."""

    name = "mirnb"

    @classmethod
    def execute_managed_notebook(cls, nb_man, kernel_name, *, km, on_progress, start_timeout=60, **_):
        return _Client(
            nb_man, km=km, kernel_name=kernel_name, startup_timeout=start_timeout, on_progress=on_progress
        ).execute()


papermill.engines.papermill_engines.register(_Engine.name, _Engine)


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
        (startup / "style.py").write_text(_STYLE)
        (startup.parent / "ipython_config.py").write_text("c.InteractiveShellApp.ignore_cwd = True\n")
        os.environ["JUPYTER_PATH"] = os.pathsep.join(
            [str(Path(folder) / "jupyter"), *filter(None, [kept.get("JUPYTER_PATH")])]
        )
        os.environ["IPYTHONDIR"] = str(Path(folder) / "ipython")
        os.environ["JUPYTER_RUNTIME_DIR"] = str(Path(folder) / "runtime")
        os.environ["TMPDIR"] = tempfile.tempdir = folder  # connection files and what kernels leave go when we go
        os.environ.update({KEPT: "1", **KEEP_MEMORY})
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
