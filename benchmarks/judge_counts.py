"""Do the intervals of counted miRs hold the truth? Simulated samples of random mixtures, through detection and all.

    python -m benchmarks.judge_counts --out /tmp/judged [--noise 10] [--panel twelve]

Experiments are simulated and `twin_cnn` is trained on each; then samples of about 2,000 miRs, shares drawn from Dirichlet(3)
and Dirichlet(.3) in turn, are simulated at normal density, detected, classified and counted, with each classifier in turn.
`--noise` draws them as if they had been denoised to so many counts. What the classifiers say of each blob is kept below
`--out`, so that ways to count are judged side by side on the same samples: ours, the plain inverse of the calls' confusion
(what this program did until 0.6), and QuaPy's ACC, PACC, EMQ, KDEyML and BayesianCC on equal inputs, where it is installed.

Truth is the rate a sample was drawn with, of molecules a person would have labelled, times the share of such molecules that
is detected at all (printed apart). About 25 minutes on 2 cores for 200 samples.
"""

import argparse
import os
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from multiprocessing import get_context
from pathlib import Path

os.environ |= {"TF_NUM_INTRAOP_THREADS": "1", "TF_NUM_INTEROP_THREADS": "1", "OMP_NUM_THREADS": "1"}

import numpy as np
import pandas as pd
from scipy.spatial import cKDTree
from tqdm.auto import tqdm

from mirnb.classifiers.classifier import load_classifier
from mirnb.classifiers.making import best_classifier, train_facts
from mirnb.counting.correction import Correction, corrected_counts
from mirnb.counting.worker import FRAMES_A_PART, classify_frames
from mirnb.experiments.experiment_file import load_experiment
from mirnb.experiments.panel_file import THESIS
from mirnb.experiments.run_folder import RunFolder
from mirnb.imaging.neighbours import find_partners
from mirnb.simulation.folders import simulate_with_single_types
from mirnb.simulation.frames import simulate_frames
from mirnb.simulation.settings import Settings

N_MIRS = 2000
EXPERIMENT_SEEDS = (3, 21, 22, 23)
DEFAULT = Settings()
N_FRAMES = round(N_MIRS / (DEFAULT.n_labelled_per_frame * DEFAULT.mir_share))
N_NOISE = round(N_FRAMES * DEFAULT.n_labelled_per_frame * (1 - DEFAULT.mir_share))
TRAINING_SHARES = np.array([mir.share for mir in THESIS.mirs]) / sum(mir.share for mir in THESIS.mirs)


def count_sample(folder, shares, seed):
    """Simulate one sample and count it: calls of each class, molecules drawn and detected of each miR."""
    classifier = load_classifier(folder)
    drawn = np.random.default_rng([seed, 21]).poisson(N_MIRS * shares)
    mirs = tuple(replace(mir, share=float(n)) for mir, n in zip(THESIS.mirs, drawn, strict=True))
    total = drawn.sum() + N_NOISE
    settings = replace(DEFAULT, n_frames=N_FRAMES, n_labelled_per_frame=total / N_FRAMES, mir_share=drawn.sum() / total)
    calls, detected, frames, truths = np.zeros(4, int), np.zeros(3, int), [], []
    noise_sd = DEFAULT.noise_sd_counts
    for frame, blobs in simulate_frames(replace(THESIS, mirs=mirs), settings, seed):
        frames.append(frame)
        truths.append(blobs)
        if len(frames) == FRAMES_A_PART:
            _count(classifier, frames, truths, noise_sd, calls, detected)
            frames, truths = [], []
    if frames:
        _count(classifier, frames, truths, noise_sd, calls, detected)
    return calls, drawn, detected


def _count(classifier, frames, truths, noise_sd, calls, detected):
    found = classify_frames(classifier, frames, noise_sd)
    called = np.where(np.isnan(found["y_prob"][:, 0]), -1, np.nan_to_num(found["y_prob"]).argmax(axis=1))
    upper = find_partners(found["frame"], found["y_px"], found["x_px"], called, THESIS)
    np.add.at(calls, called[(called >= 0) & (upper < 0)], 1)
    for k, blobs in enumerate(truths):
        here = (found["frame"] == k) & (called >= 0)
        places = np.column_stack([found["y_px"][here], found["x_px"][here]])
        hit = _matched(blobs[["y_px", "x_px"]].to_numpy(), places)
        # labelled as it is, or one of the border's, of which nobody labelled any
        own = (blobs["kind"] == "upper") & blobs["label"].isin([-2, 0, 1, 2]) & ~blobs["unseen"]
        np.add.at(detected, blobs["class"][own & hit].to_numpy(), 1)


def _matched(truth, found, *, within_px=1.5):
    """Which true blobs were found, each found blob standing for the nearest one alone."""
    hit = np.zeros(len(truth), bool)
    if len(found):
        distance, nearest = cKDTree(truth).query(found)
        hit[nearest[distance <= within_px]] = True
    return hit


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path("reports/judged"), help="where experiments and results go")
    parser.add_argument("--samples", type=int, default=200, help="of random mixtures")
    parser.add_argument("--training-like", type=int, default=40, help="samples with the training data's shares")
    parser.add_argument("--experiments", type=int, default=len(EXPERIMENT_SEEDS))
    options = parser.parse_args()
    folders = [_trained(options.out, seed) for seed in EXPERIMENT_SEEDS[: options.experiments]]
    rng = np.random.default_rng(77)
    mixtures = list(rng.dirichlet([3, 3, 3], options.samples)) + [TRAINING_SHARES] * options.training_like
    # spawned: TensorFlow does not outlive a fork
    with ProcessPoolExecutor(os.cpu_count(), mp_context=get_context("spawn")) as pool:
        tasks = [pool.submit(count_sample, folders[k % len(folders)], one, 5000 + k) for k, one in enumerate(mixtures)]
        counted = [task.result() for task in tqdm(tasks, desc="samples")]
    calls, drawn, detected = (np.array(one) for one in zip(*counted, strict=True))
    np.savez(options.out / "counts.npz", calls=calls, drawn=drawn, detected=detected, mixtures=np.array(mixtures))
    efficiency = detected.sum(axis=0) / drawn.sum(axis=0)
    print("detection efficiency", dict(zip(THESIS.mir_names, efficiency.round(3), strict=True)))
    rates = N_MIRS * np.array(mixtures) * efficiency
    classifiers = [load_classifier(folder) for folder in folders]
    for hidden in (True, False):
        rows = [_judge(classifiers[k % len(folders)], calls[k], rates[k], hidden, k) for k in range(len(calls))]
        table = pd.DataFrame(rows)
        table["mixture"] = ["random"] * options.samples + ["training-like"] * options.training_like
        print("\nhidden pairs go with their miR" if hidden else "\nnoise row as it is")
        print(table.groupby("mixture").mean(numeric_only=True).round(4).T.to_string(), flush=True)


def _trained(out, seed):
    folder = out / f"counts_{seed}"
    if not (folder / "experiment.toml").exists():
        simulate_with_single_types(folder, seed=seed)
    run = RunFolder(load_experiment(folder), out / f"counts_{seed}-run")
    return train_facts(best_classifier(run, seed=seed)).folder


def _judge(classifier, calls, rate, hidden, seed):
    given = {"hidden": classifier.facts.hidden if hidden else None, "seed": seed}
    found = corrected_counts(calls, classifier.facts.confusion, **given).to_numpy()[:3]
    shares = Correction(THESIS.names, classifier.facts.confusion, **given).draws(calls)[:, :3]
    low, high = np.percentile(shares / shares.sum(axis=1, keepdims=True), [2.5, 97.5], axis=0)
    truth, raw = rate / rate.sum(), calls[:3] / calls[:3].sum()
    share = found[:, 0] / found[:, 0].sum()
    inside, share_inside = (found[:, 1] <= rate) & (rate <= found[:, 2]), (low <= truth) & (truth <= high)
    row = {"molecules held": inside.mean(), "shares held": share_inside.mean()}
    for k, name in enumerate(THESIS.mir_names):
        row |= {f"molecules held, {name}": inside[k], f"shares held, {name}": share_inside[k],
                f"relative error, {name}": found[k, 0] / rate[k] - 1}  # fmt: skip
    errors = {"corrected": np.abs(share - truth).mean(), "raw": np.abs(raw - truth).mean()}
    return row | {f"share error, {name}": value for name, value in errors.items()}


if __name__ == "__main__":
    main()
