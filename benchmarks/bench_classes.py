"""How time and memory grow with the classes of a panel: the steps of the main job on simulated experiments of 3, 6 and 12.

    python -m benchmarks.bench_classes [PANEL ...]

Each panel's experiment is the default, 30 frames of 1024x1024, in a process of its own. One LeNet-5 is trained, and one
network of `twin_cnn`, for one epoch on the twin. About five minutes.
"""

import multiprocessing
import resource
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd

from mirnb.classifiers import dataset
from mirnb.classifiers.backend import load_keras
from mirnb.classifiers.lenet5 import train_runs
from mirnb.classifiers.matched_filter import train_matched_filter
from mirnb.classifiers.pca_svm import train_pca_svm
from mirnb.classifiers.twin_cnn_training import Recipe, train_twin_cnn_rival
from mirnb.counting.correction import Correction
from mirnb.design.prediction import Effort, predict_panel
from mirnb.experiments.experiment_file import load_experiment
from mirnb.experiments.panel_file import PANEL_NAMES, load_panel
from mirnb.experiments.run_folder import RunFolder
from mirnb.simulation.folders import simulate_experiment
from mirnb.simulation.settings import settings_of


def measure(name, folder, results):
    """Seconds of each step for one panel, and the most memory of its process (MiB)."""
    load_keras()
    panel, taken, found = load_panel(name), {}, {}

    def step(title, do):
        start = time.perf_counter()
        found[title] = do()
        taken[title] = time.perf_counter() - start

    step("simulate", lambda: load_experiment(simulate_experiment(folder / name, panel=panel)))
    sample = found["simulate"]
    run = RunFolder(sample, folder / f"{name}-run")
    step("crops and responses", lambda: dataset.prepare(run))
    data = found["crops and responses"]
    step("LeNet-5, one run", lambda: train_runs(data, run, n_runs=1))
    step("matched filter", lambda: train_matched_filter(data, run))
    step("PCA + SVM", lambda: train_pca_svm(data, run))
    recipe = Recipe(n_networks=1, twin_epochs=1, tune_epochs=1)
    step("twin-trained CNN, one network", lambda: train_twin_cnn_rival(data, run, recipe=recipe))
    counts = np.full(panel.n_mirs + 1, 100)
    step("corrected counts", lambda: Correction(panel.names, 10 + 90 * np.eye(len(counts)), seed=3).draws(counts))
    step("design, one angle", lambda: predict_panel(panel, settings_of(panel), effort=Effort(6000, 4)))
    crop = panel.crop_window.shape
    results.put(
        {
            "panel": name, "classes": panel.n_mirs, "crop": f"{crop[0]}x{crop[1]}",
            **{title: round(seconds, 1) for title, seconds in taken.items()}, "all, s": round(sum(taken.values()), 1),
            "memory, MiB": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
        }
    )  # fmt: skip


def main():
    rows, spawned = [], multiprocessing.get_context("spawn")
    with tempfile.TemporaryDirectory() as made:
        for name in sys.argv[1:] or PANEL_NAMES:
            results = spawned.Queue()
            process = spawned.Process(target=measure, args=(name, Path(made), results))
            process.start()
            rows.append(results.get())
            process.join()
            print(rows[-1], flush=True)
    table = pd.DataFrame(rows).set_index("panel").T
    print(table.to_string())
    numbers = table.drop(index="crop").astype(float)
    print("of the first panel's:", numbers.div(numbers.iloc[:, 0], axis=0).round(2).to_string(), sep="\n")


if __name__ == "__main__":
    main()
