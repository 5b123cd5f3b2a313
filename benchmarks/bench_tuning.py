"""Train the thesis's network many times, side by side with the thesis's own loop; both in one run, taking turns.

    python -m benchmarks.bench_tuning

The thesis's way (its cells 18 and 19, written anew): build, compile, fit with validation, predict training and validation;
one training after another in one process, TensorFlow imported before. Ours: `tuning.tune` into an empty run folder, with all
of its start-up (two worker processes, each importing TensorFlow), and counted from the first training on.
"""

import argparse
import tempfile
import time

import numpy as np

from mirnb.classifiers.backend import load_keras
from mirnb.classifiers.dataset import prepare
from mirnb.classifiers.hyperparameters import Hyperparameters
from mirnb.classifiers.lenet5 import build_lenet5
from mirnb.classifiers.scores import mir_f1
from mirnb.experiments.experiment_file import load_experiment
from mirnb.experiments.run_folder import RunFolder
from mirnb.files import ROOT
from mirnb.studies.tuning import Sweep, macro_f1, tune

N_WORKERS = 2  # this is for machines of two cores


def thesis_loop(data, seeds):
    """Seconds a training, and mean F1 over the miRs on validation of each."""
    keras = load_keras()
    x, x_validation = data.scaled("training"), data.scaled("validation")
    y, y_validation = (data.y_true[data.split[name]] for name in ("training", "validation"))
    scores, start = [], time.perf_counter()
    for seed in seeds:
        model = build_lenet5(x.shape[1:], data.n_classes, seed=seed)
        model.compile(keras.optimizers.Adam(2e-3), loss="sparse_categorical_crossentropy")
        keras.utils.set_random_seed(3)
        model.fit(x, y, batch_size=128, epochs=10, validation_data=(x_validation, y_validation), verbose=0)
        model.predict(x, verbose=0)
        y_prob = model.predict(x_validation, verbose=0)
        scores.append(mir_f1(y_validation, y_prob.argmax(axis=1), data.n_classes))
    return (time.perf_counter() - start) / len(scores), scores


def side_by_side(experiment, n_repeats, seed):
    """Seconds a training, with start-up and without, and mean F1 over the miRs on validation of each."""
    with tempfile.TemporaryDirectory() as folder:
        run = RunFolder(experiment, folder)
        data = prepare(run)
        start = time.perf_counter()
        table = tune([Sweep("filter1", (12,))], data, run, n_repeats=n_repeats, seed=seed)
        seconds = (time.perf_counter() - start) / n_repeats
    found = macro_f1(table)
    inside = table.groupby("seed")["seconds"].first().sum() / N_WORKERS / n_repeats
    return seconds, inside, found.loc[found["set"] == "validation", "macro_f1_mir"].tolist()


def said(scores):
    return f"{np.mean(scores):.4f}, standard error {np.std(scores, ddof=1) / np.sqrt(len(scores)):.4f}"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=30)
    parser.add_argument("--turns", type=int, default=3, help="parts the thesis's loop is done in")
    options = parser.parse_args()
    experiment = load_experiment(ROOT / "data" / "demo")
    load_keras()
    with tempfile.TemporaryDirectory() as folder:
        data = prepare(RunFolder(experiment, folder))
    loop, ours, loop_f1, our_f1 = [], [], [], []
    for seeds in np.array_split(300 + np.arange(options.repeats), options.turns):
        seconds, scores = thesis_loop(data, seeds.tolist())
        loop, loop_f1 = [*loop, seconds], [*loop_f1, *scores]
        *seconds, our_f1 = side_by_side(experiment, options.repeats, seed=3)
        ours.append(seconds)
        print(f"a training: thesis's loop {loop[-1]:.2f} s, ours {seconds[0]:.2f} s, from the first on {seconds[1]:.2f} s")
    whole, inside = np.mean(ours, axis=0)
    n_crops = len(data.split["training"])
    x = data.crops.shape[1:]
    print(f"{options.repeats} trainings of {n_crops} crops; the loop in {options.turns} parts, ours whole as many times")
    print(f"thesis's loop        {np.mean(loop):.2f} s a training; F1 on validation {said(loop_f1)}")
    print(f"ours, with start-up  {whole:.2f} s: {np.mean(loop) / whole:.1f} times as fast; F1 on validation {said(our_f1)}")
    print(f"ours, from the first {inside:.2f} s: {np.mean(loop) / inside:.1f} times as fast")
    least = 2 * Hyperparameters().multiplied(x, n_crops) / 1e9
    print(f"arithmetic alone: {least:.0f} GFLOP a training; ours does {least / inside:.0f} GFLOP/s on {N_WORKERS} cores")


if __name__ == "__main__":
    main()
