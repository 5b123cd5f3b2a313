"""One Dask client: processes of this machine by default, a cluster's scheduler when given. No other module makes one.

The processes of this machine talk through certificates made for the run, so that no other account can join them; there is no
web server. Whoever reaches the scheduler of a cluster can run code on its workers: that is the cluster's to guard.
"""

import asyncio
import contextlib
import functools
import logging
import os
import tempfile
from concurrent.futures import ThreadPoolExecutor

import dask
import psutil
from distributed import Client, Nanny, Scheduler, SpecCluster, Worker, as_completed
from distributed.client import FutureCancelledError
from distributed.comm import CommClosedError, connect
from distributed.security import Security

from mirnb import __version__
from mirnb.caches import program_fingerprint
from mirnb.files import InputError, warn

KEPT = "MIRNB_KEPT_WORKERS"  # in the environment of a report's kernel
# glibc gives large arrays back at once, and with Dask's own setting small ones too: the next step's are faulted in anew
KEEP_MEMORY = {"MALLOC_MMAP_THRESHOLD_": str(2**25), "MALLOC_TRIM_THRESHOLD_": str(2**28)}
_KEPT_OPEN = contextlib.ExitStack()
WAIT_S = 6  # for an answer of a scheduler, and again for its first worker
_WORKER_BYTES = 1.5e9  # what a worker with TensorFlow may need
_LEAVE_CTRL_C = "import signal; signal.signal(signal.SIGINT, signal.SIG_IGN)"  # to the client, which then ends workers
_ONE_THREAD = {f"TF_NUM_{kind}_THREADS": "1" for kind in ("INTRAOP", "INTEROP")}


class OtherProgram(InputError):
    """A worker runs another mirnb than this one: its numbers could be anything."""


class _WithoutPages:
    def start_http_server(self, *_, **__):
        """Nobody is to look in, or change anything, through a browser."""


class _Scheduler(_WithoutPages, Scheduler):
    pass


class _Worker(_WithoutPages, Worker):
    pass


@contextlib.contextmanager
def open_client(scheduler="", *, n_workers=None):
    """Yield a Dask client.

    Parameters
    ----------
    scheduler : str
        Address of a running scheduler, such as tcp://10.0.0.5:8786, or tls:// with the certificates of Dask's configuration;
        empty for processes of one thread each on this machine.
    n_workers : int, optional
        On this machine; as many as there are cores and memory for by default.

    Raises
    ------
    InputError
        If the scheduler cannot be reached within WAIT_S, or has no worker.
    """
    with _quiet(), contextlib.ExitStack() as opened:
        security = Security()  # as Dask's configuration says
        if scheduler:
            _require_answer(scheduler, security)
        elif KEPT in os.environ:
            scheduler, security = _kept_cluster(n_workers or _n_workers())
        else:
            security = Security.temporary()
            scheduler = opened.enter_context(_local_cluster(n_workers or _n_workers(), security))
        client = opened.enter_context(Client(scheduler, timeout=WAIT_S, security=security, set_as_default=False))
        try:
            client.wait_for_workers(1, timeout=WAIT_S)
        except TimeoutError:
            raise InputError(f"--scheduler {scheduler}: has no worker; start some with `dask worker {scheduler}`") from None
        yield client


@functools.cache
def _kept_cluster(n_workers):
    """Address and security of processes that stay until this one ends: they have TensorFlow already when asked again."""
    security = Security.temporary()
    return _KEPT_OPEN.enter_context(_local_cluster(n_workers, security)), security


@contextlib.contextmanager
def _local_cluster(n_workers, security):
    """Processes of one thread each on this machine; their scratch folder goes when they go."""
    usual = dask.config.get("distributed.nanny.pre-spawn-environ")
    environment = {**usual, **KEEP_MEMORY, **_ONE_THREAD, "PYTHONSAFEPATH": "1"}
    here = {"host": "127.0.0.1", "protocol": "tls://", "security": security}
    with (
        tempfile.TemporaryDirectory(prefix="mirnb-") as scratch,
        dask.config.set({"distributed.nanny.pre-spawn-environ": environment, "distributed.worker.preload": [_LEAVE_CTRL_C]}),
    ):
        worker = {
            **here, "nthreads": 1, "memory_limit": 0, "local_directory": scratch, "worker_class": _Worker,
            "silence_logs": logging.CRITICAL,
        }  # fmt: skip
        with SpecCluster(
            workers={k: {"cls": Nanny, "options": worker} for k in range(n_workers)},
            worker={"cls": Nanny, "options": worker},
            scheduler={"cls": _Scheduler, "options": {**here, "port": 0, "dashboard": False}},
            security=security, silence_logs=logging.CRITICAL,
        ) as cluster:  # fmt: skip
            yield cluster


def submit(client, function, *given):
    """Have a worker do something, if it runs the same program as this one: a future."""
    return client.submit(_if_same, program_fingerprint(), function, *given, pure=False)


def _if_same(fingerprint, function, *given):
    if program_fingerprint() != fingerprint:
        raise OtherProgram(f"a worker runs another mirnb {__version__} than this one; install the same where workers run")
    return function(*given)


def _asking():
    """A function that tells what a worker runs; made here, it travels itself and needs nothing of the worker's mirnb."""

    def tell():
        import hashlib
        import platform
        from importlib.metadata import PackageNotFoundError, version
        from pathlib import Path

        import mirnb

        digest = hashlib.sha256()
        for path in sorted(Path(mirnb.__file__).resolve().parent.rglob("*.py")):
            digest.update(path.read_bytes())
        found = {"python": platform.python_version()}
        for name in ("numpy", "keras", "tensorflow"):
            try:
                found[name] = version(name)
            except PackageNotFoundError:
                found[name] = "none"
        return mirnb.__version__, digest.hexdigest(), found

    return tell


def _require_same(client, addresses):
    """Refuse workers that run another mirnb; warn of those with another Python or libraries."""
    version, source, libraries = _asking()()
    for address, (their_version, their_source, theirs) in ask(client, _asking(), addresses).items():
        if (their_version, their_source) != (version, source):
            what = f"mirnb {their_version}" if their_version != version else f"mirnb {their_version} with other source"
            raise OtherProgram(f"worker {address} runs {what}, here is {version}; install the same where workers run")
        apart = [f"{name} {theirs[name]} (here {own})" for name, own in libraries.items() if theirs[name] != own]
        if apart:
            warn(f"worker {address} has {', '.join(apart)}: its numbers may differ in the last digits")


def in_turn(client, tasks, submit):
    """Do tasks on the workers, only a few under way at any time; yields each with its future when that is done.

    A task whose worker was lost is done again by another, three times at most; its future then raises KilledWorker.

    Parameters
    ----------
    client : distributed.Client
    submit : callable
        Takes a task and returns its future, or None to pass the task over.

    Yields
    ------
    task, future
        The future is None for a task that was passed over.

    Raises
    ------
    InputError
        If the scheduler goes away, or a worker lacks a module or runs another mirnb, one that joins later too.
    """
    todo, running, under_way, known = iter(tasks), as_completed(loop=client.loop), {}, set()

    def fill_up():
        workers = set(client.scheduler_info(n_workers=-1).get("workers", ()))
        if not workers and client.status != "running":
            raise CommClosedError
        if workers - known:
            _require_same(client, workers - known)
            known.update(workers)
        n_workers = max(len(workers), 1)
        while len(under_way) < 3 * n_workers and (task := next(todo, None)) is not None:
            future = submit(task)
            if future is None:
                yield task, None
            else:
                under_way[future] = task
                running.add(future)

    try:
        yield from fill_up()
        for future in running:
            task, error = under_way.pop(future), future.exception()
            if isinstance(error, ModuleNotFoundError):
                raise _lacking(error)
            if isinstance(error, OtherProgram):
                raise error
            yield task, future
            yield from fill_up()
    except (FutureCancelledError, CommClosedError, ConnectionError, TimeoutError):
        raise InputError("the scheduler went away in the middle; what was finished is kept, run the command again") from None


def ask(client, question, workers=None):
    """Answers of workers, all by default, to a function without arguments, by their addresses.

    Raises
    ------
    InputError
        If the workers lack a module.
    """
    try:
        return client.run(question, workers=None if workers is None else list(workers))
    except ModuleNotFoundError as error:
        raise _lacking(error) from None


def _lacking(error):
    return InputError(f"the workers lack {error.name}; install mirnb {__version__} where they run, too")


def _require_answer(address, security):
    """Refuse an address where no scheduler answers; asked before a client is made, which would try for much longer."""

    async def ask():
        (await connect(address, timeout=WAIT_S, **security.get_connection_args("client"))).abort()

    try:
        with ThreadPoolExecutor(1) as aside:  # a notebook has a running loop of its own
            aside.submit(asyncio.run, ask()).result()
    except Exception as error:  # what answers may be no scheduler at all, and its answer anything
        what = str(error) or type(error).__name__
        raise InputError(
            f"--scheduler {address}: no Dask scheduler answers there ({what}); is it running, and the address right?"
        ) from None


def _n_workers():
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return int(max(1, min(cores, psutil.virtual_memory().total / _WORKER_BYTES)))


@contextlib.contextmanager
def _quiet():
    """Dask's log of workers that come and go is not for users."""
    names = ["distributed", *(name for name in logging.root.manager.loggerDict if name.startswith("distributed."))]
    levels = {name: logging.getLogger(name).level for name in names}
    for name in names:
        logging.getLogger(name).setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        for name, level in levels.items():
            logging.getLogger(name).setLevel(level)
