"""Killed (signal 9) at random moments, does a command end as if nothing had happened when it is run again?

Each of report, quantify, tune, labelling and import-rois is run undisturbed; then again and again in a copy of the same
folder, killed with all its processes after a random part of that time, and run once more. What is left must be equal.

    python -m benchmarks.judge_kills [KILLS [COMMAND...]]         # 10 of each by default, about 25 minutes on two cores
"""

import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from mirnb.experiments.experiment_file import load_experiment
from mirnb.labelling.rois import write_rois
from mirnb.simulation.folders import simulate_experiment
from mirnb.simulation.settings import Settings

SETTINGS = Settings(n_frames=4, frame_shape=(256, 256), n_labelled_per_frame=60, mir_share=0.6)
LABEL = (
    "import sys\n"
    "from mirnb.experiments.experiment_file import load_experiment\n"
    "from mirnb.labelling.annotations import Annotation\n"
    "with Annotation(load_experiment(sys.argv[1]), 'me') as own:\n"
    "    for blob in range(150):\n"
    "        own.set(blob, blob % 4)\n"
)
MIRNB = [sys.executable, "-m", "mirnb"]
COMMANDS = {  # in a folder with an experiment s, another that nobody labelled, ROIs, and a classifier
    "report": [
        *MIRNB,
        "report",
        "s",
        "--out",
        "out",
        "--only",
        "01",
        "--only",
        "03",
        "-p",
        "n_runs",
        "2",
        "-p",
        "epochs",
        "2",
    ],
    "quantify": [*MIRNB, "quantify", "classifier", "s/stack.tif", "new/stack.tif", "--out", "out"],
    "tune": [*MIRNB, "tune", "s", "--setting", "kernel=3,5", "--repeats", "3", "--out", "out"],
    "label": [sys.executable, "-c", LABEL, "new"],
    "import-rois": [*MIRNB, "import-rois", "new", "rois.zip"],
}


def prepare(folder):
    """The folder all commands start from."""
    simulate_experiment(folder / "s", settings=SETTINGS)
    simulate_experiment(folder / "new", settings=SETTINGS, seed=4)
    write_rois(folder / "rois.zip", load_experiment(folder / "new"))
    table = (folder / "new" / "blobs.csv").read_text().splitlines()
    (folder / "new" / "blobs.csv").write_text("\n".join(line.rsplit(",", 2)[0] for line in table) + "\n")
    run([*COMMANDS["report"][:-6], "-p", "n_runs", "1", "-p", "epochs", "1"], folder)
    run([*MIRNB, "quantify", "out/classifier", "s/stack.tif", "--out", "first"], folder)  # trains what counting needs
    shutil.copytree(folder / "out" / "classifier", folder / "classifier")
    shutil.rmtree(folder / "out")
    shutil.rmtree(folder / "first")


def run(command, folder):
    """Seconds a command takes to its end."""
    start = time.perf_counter()
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{' '.join(command[:6])}: ended with {done.returncode}\n{done.stderr[-2000:]}")
    return time.perf_counter() - start


def killed(command, folder, after_s):
    """Start a command and kill it, workers and kernels with it."""
    process = subprocess.Popen(
        command, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
    )
    try:
        process.wait(after_s)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def results(folder):
    """What is left that should be equal: tables, metrics, labels and arrays, without times and dates."""
    found = {}
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if path.name.startswith(".") or "/notebooks/" in name or path.suffix not in (".csv", ".json", ".npz"):
            continue
        if path.suffix == ".npz":
            with np.load(path, allow_pickle=False) as arrays:
                found[name] = {key: repr(arrays[key].tolist()) for key in arrays if key != "seconds"}  # NaN is NaN
        elif path.suffix == ".json":
            found[name] = without_times(json.loads(path.read_text()))
        else:
            text = re.sub(r"\d{4}-\d\d-\d\dT[\d:+]+", "", path.read_text())
            found[name] = text if "seconds" not in text.partition("\n")[0] else text.partition("\n")[0]
    return found


def without_times(value):
    """Plain values without dates, seconds, and fingerprints of files that hold them."""
    if isinstance(value, dict):
        return {key: without_times(one) for key, one in value.items() if key not in ("date", "seconds", "files")}
    return value


def judge(name, start, n_kills, rng):
    """How many of some kills left another result, and which files."""
    with tempfile.TemporaryDirectory() as place:
        whole = Path(place) / "whole"
        shutil.copytree(start, whole)
        duration_s = run(COMMANDS[name], whole)
        expected, wrong = results(whole), []
        for k in range(n_kills):
            own = Path(place) / f"killed_{k}"
            shutil.copytree(start, own)
            after_s = rng.uniform(0.3, duration_s)
            killed(COMMANDS[name], own, after_s)
            run(COMMANDS[name], own)
            found = results(own)
            differing = [key for key in {*expected, *found} if expected.get(key) != found.get(key)]
            if differing:
                wrong.append((round(after_s, 1), differing))
            shutil.rmtree(own)
    return duration_s, wrong


def main():
    n_kills, rng = int(sys.argv[1]) if len(sys.argv) > 1 else 10, random.Random(3)
    with tempfile.TemporaryDirectory() as place:
        start = Path(place) / "start"
        start.mkdir()
        prepare(start)
        for name in sys.argv[2:] or COMMANDS:
            duration_s, wrong = judge(name, start, n_kills, rng)
            print(
                f"{name}: {duration_s:.1f} s undisturbed; {n_kills} kills, {len(wrong)} with another end {wrong or ''}",
                flush=True,
            )


if __name__ == "__main__":
    main()
