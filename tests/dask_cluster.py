"""A Dask cluster of separate processes, as its own commands start them, and one that dies in the middle of work."""

import contextlib
import json
import signal
import subprocess
import sys
import time

from distributed import Client


@contextlib.contextmanager
def two_workers(folder, *, environment=None):
    """Address of a scheduler, and its processes: itself, and two workers without nannies. Killed, they stay so."""
    file = folder / "scheduler.json"
    dask = [sys.executable, "-m", "dask"]
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    started = [subprocess.Popen([*dask, "scheduler", "--port", "0", "--no-dashboard", "--scheduler-file", file], **quiet)]
    try:
        for _ in range(600):
            if file.exists() and file.stat().st_size:
                break
            time.sleep(0.1)
        address = json.loads(file.read_text())["address"]
        worker = [*dask, "worker", "--scheduler-file", file, "--nthreads", "1", "--no-nanny", "--no-dashboard"]
        started += [subprocess.Popen(worker, cwd=folder, env=environment, **quiet) for _ in range(2)]
        with Client(address) as client:
            client.wait_for_workers(2, timeout=60)
        yield address, started
    finally:
        for process in reversed(started):
            process.kill()
            process.wait()


def kill_after(process, folder, pattern, n_files):
    """Kill a process as soon as so many files of a pattern are below a folder."""
    while len(list(folder.rglob(pattern))) < n_files:
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
