"""One Dask client: processes of this machine by default, a cluster's scheduler when given. No other module makes one."""

import asyncio
import contextlib
import logging
import os
from concurrent.futures import ThreadPoolExecutor

import dask
import psutil
from distributed import Client, LocalCluster, as_completed
from distributed.client import FutureCancelledError
from distributed.comm import connect

from mirnb import __version__
from mirnb.files import InputError

WAIT_S = 6  # for an answer of a scheduler, and again for its first worker
_WORKER_BYTES = 1.5e9  # what a worker with TensorFlow may need
_LEAVE_CTRL_C = "import signal; signal.signal(signal.SIGINT, signal.SIG_IGN)"  # to the client, which then ends workers
_ONE_THREAD = {f"TF_NUM_{kind}_THREADS": "1" for kind in ("INTRAOP", "INTEROP")}


@contextlib.contextmanager
def open_client(scheduler="", *, n_workers=None):
    """Yield a Dask client.

    Parameters
    ----------
    scheduler : str
        Address of a running scheduler, such as tcp://10.0.0.5:8786; empty for processes of one thread each on this machine.
    n_workers : int, optional
        On this machine; as many as there are cores and memory for by default.

    Raises
    ------
    InputError
        If the scheduler cannot be reached within WAIT_S, or has no worker.
    """
    with _quiet(), contextlib.ExitStack() as opened:
        if not scheduler:
            n_workers = n_workers or _n_workers()
            environment = {**dask.config.get("distributed.nanny.pre-spawn-environ"), **_ONE_THREAD}
            opened.enter_context(
                dask.config.set(
                    {"distributed.nanny.pre-spawn-environ": environment, "distributed.worker.preload": [_LEAVE_CTRL_C]}
                )
            )
            scheduler = opened.enter_context(
                LocalCluster(
                    n_workers=n_workers, threads_per_worker=1, processes=True, memory_limit=0,
                    dashboard_address="127.0.0.1:0", scheduler_kwargs={"dashboard": False},  # any port: two runs can go on
                    silence_logs=logging.CRITICAL,
                )
            )  # fmt: skip
        else:
            _require_answer(scheduler)
        client = opened.enter_context(Client(scheduler, timeout=WAIT_S, set_as_default=False))
        try:
            client.wait_for_workers(1, timeout=WAIT_S)
        except TimeoutError:
            raise InputError(f"--scheduler {scheduler}: has no worker; start some with `dask worker {scheduler}`") from None
        yield client


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
        If the scheduler goes away, or the workers lack a module.
    """
    todo, running, under_way = iter(tasks), as_completed(loop=client.loop), {}

    def fill_up():
        n_workers = max(len(client.scheduler_info(n_workers=-1)["workers"]), 1)
        while len(under_way) < 3 * n_workers and (task := next(todo, None)) is not None:
            future = submit(task)
            if future is None:
                yield task, None
            else:
                under_way[future] = task
                running.add(future)

    yield from fill_up()
    for future in running:
        task = under_way.pop(future)
        try:
            error = future.exception()
        except FutureCancelledError:
            raise InputError(
                "the scheduler went away in the middle; what was finished is kept, run the command again"
            ) from None
        if isinstance(error, ModuleNotFoundError):
            raise _lacking(error)
        yield task, future
        yield from fill_up()


def ask_all(client, question):
    """Answers of all workers to a function without arguments.

    Raises
    ------
    InputError
        If the workers lack a module.
    """
    try:
        return list(client.run(question).values())
    except ModuleNotFoundError as error:
        raise _lacking(error) from None


def _lacking(error):
    return InputError(f"the workers lack {error.name}; install mirnb {__version__} where they run, too")


def _require_answer(address):
    """Refuse an address where no scheduler answers; asked before a client is made, which would try for much longer."""

    async def ask():
        (await connect(address, timeout=WAIT_S)).abort()

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
