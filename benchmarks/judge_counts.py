"""Do the intervals of counted miRs hold the truth? Simulated samples of random mixtures, through detection and all.

    python -m benchmarks.judge_counts --out /tmp/judged [--noise 10] [--panel twelve] [--samples 200]

Experiments are simulated and `twin_cnn` is trained on each; then samples of about 2,000 miRs, shares drawn from Dirichlet(3)
and Dirichlet(.3) in turn, are simulated at normal density, detected and classified, with each classifier in turn; `--noise`
draws them as if they had been denoised to so many counts. What the classifiers say of each blob is kept below `--out`, so
that ways to count are judged on the same samples: ours, the inverse of the calls' confusion (this program's until 0.6), and
QuaPy's ACC, PACC, EMQ and KDEyML on equal inputs where it is installed (BayesianCC where its extra is).

Truth is the rate a sample was drawn with, of molecules a person would have labelled, times the share of such molecules that
is detected at all (printed apart). About 25 minutes on 2 cores.
"""

import argparse
import os
import warnings
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from multiprocessing import get_context
from pathlib import Path

os.environ |= {"TF_NUM_INTRAOP_THREADS": "1", "TF_NUM_INTEROP_THREADS": "1", "OMP_NUM_THREADS": "1"}

import numpy as np
import pandas as pd
from scipy.spatial import cKDTree
from sklearn.linear_model import LogisticRegression
from tqdm.auto import tqdm

from mirnb.caches import read_arrays, write_arrays
from mirnb.classifiers.classifier import load_classifier
from mirnb.classifiers.making import best_classifier, train_facts
from mirnb.counting.bins import bins_of, held_out_bins, moves_at
from mirnb.counting.correction import Correction
from mirnb.counting.worker import FRAMES_A_PART, classify_frames
from mirnb.experiments.experiment_file import load_experiment
from mirnb.experiments.panel_file import load_panel
from mirnb.experiments.run_folder import RunFolder
from mirnb.imaging.neighbours import find_partners
from mirnb.simulation.folders import simulate_with_single_types
from mirnb.simulation.frames import simulate_frames
from mirnb.simulation.settings import Settings, settings_of

N_MIRS = 2000
EXPERIMENT_SEEDS = (3, 21, 22, 23)
LEAST_SHARE, THIRD = 0.002, (0.25, 0.41)  # shares that are judged; those whose interval's width is told
USUAL = Settings()
N_FRAMES = round(N_MIRS / (USUAL.n_labelled_per_frame * USUAL.mir_share))
N_NOISE = round(N_FRAMES * USUAL.n_labelled_per_frame * (1 - USUAL.mir_share))


def count_sample(folder, panel, shares, seed, noise):
    """Simulate a sample and classify its blobs: y_prob of those that count, miRs drawn and detected."""
    classifier, panel = load_classifier(folder), load_panel(panel)
    drawn = np.random.default_rng([seed, 21]).poisson(N_MIRS * shares)
    mirs, total = (
        tuple(replace(mir, share=float(n)) for mir, n in zip(panel.mirs, drawn, strict=True)),
        drawn.sum() + N_NOISE,
    )
    about = {"n_frames": N_FRAMES, "n_labelled_per_frame": total / N_FRAMES, "mir_share": drawn.sum() / total}
    settings = settings_of(panel, **about)
    if noise:
        settings = replace(settings, noise_sd_counts=noise, gain_counts=1e-3)
    kept, detected, part = [], np.zeros(panel.n_mirs, int), []
    for frame, blobs in simulate_frames(replace(panel, mirs=mirs), settings, seed):
        part.append((frame, blobs))
        if len(part) == FRAMES_A_PART:
            kept.append(classify_part(classifier, panel, part, detected))
            part = []
    kept.append(classify_part(classifier, panel, part, detected) if part else np.zeros((0, panel.n_mirs + 1)))
    return {"y_prob": np.concatenate(kept), "drawn": drawn, "detected": detected}


def classify_part(classifier, panel, part, detected):
    found = classify_frames(classifier, [frame for frame, _ in part])
    called = np.where(np.isnan(found["y_prob"][:, 0]), -1, np.nan_to_num(found["y_prob"]).argmax(axis=1))
    upper = find_partners(found["frame"], found["y_px"], found["x_px"], called, panel)
    for k, (_, blobs) in enumerate(part):
        here = (found["frame"] == k) & (called >= 0)
        places = np.column_stack([found["y_px"][here], found["x_px"][here]])
        hit = _matched(blobs[["y_px", "x_px"]].to_numpy(), places)
        # labelled as it is, or one of the border's, of which nobody labelled any
        own = (blobs["kind"] == "upper") & ((blobs["label"] == -2) | blobs["label"].between(0, panel.n_mirs - 1))
        np.add.at(detected, blobs["class"][own & ~blobs["unseen"] & hit].to_numpy(), 1)
    return found["y_prob"][(called >= 0) & (upper < 0)]


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
    parser.add_argument("--experiments", type=int, default=len(EXPERIMENT_SEEDS))
    parser.add_argument("--panel", default="thesis")
    parser.add_argument("--noise", type=float, default=0.0, help="counts; 0: as in training")
    options = parser.parse_args()
    panel = load_panel(options.panel)
    folders = [trained(options.out, panel, seed) for seed in EXPERIMENT_SEEDS[: options.experiments]]
    rng = np.random.default_rng(77)
    mixtures = [rng.dirichlet([(3, 0.3)[k // len(folders) % 2]] * panel.n_mirs) for k in range(options.samples)]
    paths = [options.out / f"{panel.name}_{options.noise:g}" / f"sample_{k}.npz" for k in range(options.samples)]
    # spawned: TensorFlow does not outlive a fork
    with ProcessPoolExecutor(os.cpu_count(), mp_context=get_context("spawn")) as pool:
        asked = {
            path: pool.submit(count_sample, folders[k % len(folders)], options.panel, mixtures[k], 5000 + k, options.noise)
            for k, path in enumerate(paths)
            if not path.exists()
        }
        for path, task in tqdm(asked.items(), desc="samples"):
            write_arrays(path, task.result())
    samples = [read_arrays(path) for path in paths]
    efficiency = np.sum([one["detected"] for one in samples], axis=0) / np.sum([one["drawn"] for one in samples], axis=0)
    print("detected of the molecules", dict(zip(panel.mir_names, efficiency.round(3), strict=True)))
    rates = N_MIRS * np.array(mixtures) * efficiency
    classifiers = [load_classifier(folder) for folder in folders]
    noise = (options.noise or USUAL.noise_sd_counts) / USUAL.noise_sd_counts
    for name, make in {"sure and less sure calls": _ours, "calls": _calls}.items():
        count = [make(one, noise) for one in classifiers]
        rows = [_judge(count[k % len(folders)], samples[k], rates[k], k) for k in range(len(samples))]
        _tell(name, rows, panel, len(folders))
    _quapy(classifiers, samples, rates)


def trained(out, panel, seed):
    folder = out / f"{panel.name}_{seed}"
    if not (folder / "experiment.toml").exists():
        simulate_with_single_types(folder, panel=panel, seed=seed)
    run = RunFolder(load_experiment(folder), out / f"{panel.name}_{seed}-run")
    return train_facts(best_classifier(run, seed=seed)).folder


def _ours(classifier, noise):
    moves, hidden_moves = moves_at(classifier, noise) if noise < 1 else (None, None)
    known = held_out_bins(classifier.facts, detected=noise == 1)
    correction = Correction(classifier.panel.names, *known, moves=moves, hidden_moves=hidden_moves, n_resamples=4000, seed=3)
    return correction, lambda y_prob: np.bincount(bins_of(y_prob, classifier.facts), minlength=correction.n_bins)


def _calls(classifier, _):
    facts, names = classifier.facts, classifier.panel.names
    correction = Correction(names, facts.confusion, facts.hidden, n_resamples=4000, seed=3)
    return correction, lambda y_prob: np.bincount(y_prob.argmax(axis=1), minlength=len(names))


def _judge(count, sample, rate, number):
    correction, counts_of = count
    counts, n_mirs = counts_of(sample["y_prob"]), len(rate)
    molecules, draws = correction.estimate(counts)[:n_mirs], correction.draws(counts, stream=number)[:, :n_mirs]
    shares, share = draws / draws.sum(axis=1, keepdims=True), molecules / molecules.sum()
    low, high = np.percentile(draws, [2.5, 97.5], axis=0)
    share_low, share_high = np.percentile(shares, [2.5, 97.5], axis=0)
    truth = rate / rate.sum()
    return {
        "held": (low <= rate) & (rate <= high), "share held": (share_low <= truth) & (truth <= share_high), "truth": truth,
        "error": np.abs(share - truth), "width": share_high - share_low, "rate": rate, "molecules": molecules,
    }  # fmt: skip


def _tell(name, rows, panel, n_classifiers):
    values = {key: np.array([row[key] for row in rows]) for key in rows[0]}
    which, truth = np.arange(len(rows)), values["truth"]
    judged, wide = truth >= LEAST_SHARE, which // n_classifiers % 2 == 0
    print(f"\n{name}: {len(rows)} samples; shares err by {values['error'].mean():.4f}, "
          f"of Dirichlet(3) {values['error'][wide].mean():.4f}")  # fmt: skip
    columns = {"counted over true": values["molecules"].sum(axis=0) / values["rate"].sum(axis=0)}
    for words, key in (("molecules held", "held"), ("shares held", "share held")):
        columns[words] = [_mean(values[key][:, k], judged[:, k]) for k in range(panel.n_mirs)]
    third = (truth > THIRD[0]) & (truth < THIRD[1])
    columns["width at a third"] = [_mean(values["width"][:, k], third[:, k]) for k in range(panel.n_mirs)]
    print(pd.DataFrame(columns, index=panel.mir_names).round(3).to_string())
    for k in range(n_classifiers):
        own = judged & (which % n_classifiers == k)[:, None]
        held = (f"{_mean(values[key], own):.3f}" for key in ("held", "share held"))
        print(f"classifier {k + 1}: molecules held {next(held)}, shares {next(held)}")


def _mean(values, chosen):
    return values[chosen].mean() if chosen.any() else np.nan


def _quapy(classifiers, samples, rates):
    try:
        from quapy.method import aggregative, confidence
    except ImportError:
        print("\nQuaPy is not installed")
        return
    warnings.simplefilter("ignore")
    for name in ("ACC", "PACC", "EMQ", "KDEyML", "BayesianCC"):
        try:
            kind = getattr(confidence if name == "BayesianCC" else aggregative, name)
            fitted = [_fit_quapy(kind, one) for one in classifiers]
            errors = []
            for k, (sample, rate) in enumerate(zip(samples, rates, strict=True)):
                found = fitted[k % len(classifiers)](sample["y_prob"].astype(float))[: len(rate)]
                errors.append(np.abs(found / found.sum() - rate / rate.sum()).mean())
            print(f"QuaPy's {name}: shares err by {np.mean(errors):.4f}", flush=True)
        except (ImportError, AttributeError) as error:
            print(f"QuaPy's {name}: {error}")


def _fit_quapy(kind, classifier):
    facts, n_classes = classifier.facts, classifier.panel.n_mirs + 1
    y_prob, y_true = facts.y_prob[facts.found].astype(float), facts.y_true[facts.found]
    stand_in = LogisticRegression()  # is asked for its classes alone: QuaPy is given the probabilities
    stand_in.classes_ = np.arange(n_classes)
    method = kind(stand_in, fit_classifier=False)
    crisp = isinstance(method, _crisp())
    method.train_prevalence = np.bincount(y_true, minlength=n_classes) / len(y_true)
    method.aggregation_fit(y_prob.argmax(axis=1) if crisp else y_prob / y_prob.sum(axis=1, keepdims=True), y_true)
    return lambda given: method.aggregate(given.argmax(axis=1) if crisp else given / given.sum(axis=1, keepdims=True))


def _crisp():
    from quapy.method.aggregative import AggregativeCrispQuantifier

    return AggregativeCrispQuantifier


if __name__ == "__main__":
    main()
