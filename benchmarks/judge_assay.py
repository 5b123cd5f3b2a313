"""Does an assay keep what it says? Simulated dilution series, blanks and unknowns, from detection to concentrations.

    python -m benchmarks.judge_assay --out /tmp/assayed [--series 8] [--blanks 200] [--unknowns 200] [--top 100]

A classifier is trained on a simulated experiment; then series as `mirnb simulate --dilution` writes them are simulated in
memory, detected, classified and made an assay of, each with its own blanks. Told are slopes over ranges called linear,
limits of detection against those of counting alone, how many of other blanks lie above the limit of blank, and how many of
other unknowns, of 3 to 90 pM of each miR, lie inside the intervals that are read off. `--top` makes the whole series so many
times denser: molecules then crowd each other, and the linear range is to end before. What the classifier says of each sample
is kept below `--out`. About 10 minutes on 2 cores.
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
from tqdm.auto import tqdm

from benchmarks.judge_counts import EXPERIMENT_SEEDS, classify_part, trained
from mirnb.caches import read_arrays, write_arrays
from mirnb.classifiers.classifier import load_classifier
from mirnb.counting.abundance import Sample
from mirnb.counting.assay import make_assay, molecules_on
from mirnb.counting.bins import bins_of, held_out_bins
from mirnb.counting.correction import Correction
from mirnb.counting.crowding import Crowding, measure_crowding
from mirnb.counting.worker import FRAMES_A_PART
from mirnb.experiments.panel_file import load_panel
from mirnb.experiments.stacks import HeldFrames
from mirnb.simulation.dilution import FRAME_SHAPE, N_FRAMES, UNIT, draw_tube, tubes_of
from mirnb.simulation.frames import simulate_frames
from mirnb.simulation.settings import settings_of

PANEL, AREA_UM2 = "thesis", np.prod(FRAME_SHAPE) * 0.12**2
LEAST_PM, MOST_PM = 3.0, 90.0  # of unknowns


def count_tube(folder, drawn_pm, seed, times):
    """Simulate a sample and classify its blobs: y_prob of those that count."""
    classifier, panel = load_classifier(folder), load_panel(PANEL)
    settings = replace(settings_of(panel), n_frames=N_FRAMES, frame_shape=FRAME_SHAPE)
    own, settings = draw_tube(panel, settings, np.multiply(drawn_pm, times), seed)
    kept, detected, frames = [], np.zeros(panel.n_mirs, int), list(simulate_frames(own, settings, seed))
    for start in range(0, len(frames), FRAMES_A_PART):
        kept.append(classify_part(classifier, panel, frames[start : start + FRAMES_A_PART], detected))
    return {"y_prob": np.concatenate(kept)}


def crowd_series(folder, dense, blank, seeds, times, density):
    """What crowding takes of a series: the frames of its densest standard and of blanks are simulated again."""
    classifier, panel = load_classifier(folder), load_panel(PANEL)
    settings = replace(settings_of(panel), n_frames=N_FRAMES, frame_shape=FRAME_SHAPE)

    def stack(drawn_pm, seed):
        own, drawn = draw_tube(panel, settings, np.multiply(drawn_pm, times), seed)
        return HeldFrames([frame for frame, _ in simulate_frames(own, drawn, seed)])

    stacks, blanks = ([stack(pm, seed) for seed in own] for pm, own in zip((dense, blank), seeds, strict=True))
    found = measure_crowding(classifier, _correction(classifier), stacks, blanks, density)
    return {"area": found.area, "drawn": found.drawn}


def _correction(classifier):
    return Correction(classifier.panel.names, *held_out_bins(classifier.facts, detected=True), n_resamples=2000, seed=3)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path("reports/assayed"), help="where experiments and results go")
    parser.add_argument("--experiments", type=int, default=len(EXPERIMENT_SEEDS), help="each with its own classifier")
    parser.add_argument("--series", type=int, default=8, help="each counted with one of the classifiers, in turn")
    parser.add_argument("--blanks", type=int, default=200, help="beside those of the series")
    parser.add_argument("--unknowns", type=int, default=200)
    parser.add_argument("--top", type=float, default=100.0, metavar="PM", help="what the densest standard is as dense as")
    options = parser.parse_args()
    panel, times = load_panel(PANEL), options.top / 100
    folders = [trained(options.out, panel, seed) for seed in EXPERIMENT_SEEDS[: options.experiments]]
    rng = np.random.default_rng(78)
    unknowns = np.exp(rng.uniform(np.log(LEAST_PM), np.log(MOST_PM), (options.unknowns, panel.n_mirs)))
    none, tubes = (0.0,) * panel.n_mirs, tubes_of(panel.n_mirs)
    asked = {f"series_{s}_{tube.name}": (s, tube.drawn_pm, 10_000 + 100 * s + k)
             for s in range(options.series) for k, tube in enumerate(tubes)}  # fmt: skip
    asked |= {f"blank_{k}": (k, none, 20_000 + k) for k in range(options.blanks)}
    asked |= {f"unknown_{k}": (k, tuple(one), 30_000 + k) for k, one in enumerate(unknowns)}
    paths = {name: options.out / f"samples_{options.top:g}" / f"{name}.npz" for name in asked}
    crowds = [options.out / f"samples_{options.top:g}" / f"crowding_{s}.npz" for s in range(options.series)]
    classifiers = [load_classifier(folder) for folder in folders]
    corrections = [_correction(one) for one in classifiers]

    def sample(s, name, role, *files, concentration=(), added_to=""):
        facts, n_bins = classifiers[s % len(folders)].facts, corrections[0].n_bins
        y_prob = [read_arrays(paths[file])["y_prob"] for file in files]
        bins = np.array([np.bincount(bins_of(one, facts), minlength=n_bins) for one in y_prob])
        area = len(files) * N_FRAMES * AREA_UM2
        return Sample(name, role, bins, np.arange(len(files)), area, None, None, concentration, added_to)

    # spawned: TensorFlow does not outlive a fork
    with ProcessPoolExecutor(os.cpu_count(), mp_context=get_context("spawn")) as pool:
        tasks = {
            paths[name]: pool.submit(count_tube, folders[s % options.series % len(folders)], pm, seed, times)
            for name, (s, pm, seed) in asked.items()
            if not paths[name].exists()
        }
        for path, task in tqdm(tasks.items(), desc="samples"):
            write_arrays(path, task.result())
        tasks = {}
        for s, path in enumerate(crowds):
            dense = [tube.name for tube in tubes if tube.sample == "standard_1"]
            densest = sample(s, "", "standard", *(f"series_{s}_{name}" for name in dense))
            density = molecules_on(densest, corrections[s % len(folders)])
            seeds = [[asked[f"series_{s}_{tube.name}"][2] for tube in tubes if tube.sample == name]
                     for name in ("standard_1", "blank")]  # fmt: skip
            if not path.exists():
                top = (100.0,) * panel.n_mirs
                tasks[path] = pool.submit(crowd_series, folders[s % len(folders)], top, none, seeds, times, density)
        for path, task in tqdm(tasks.items(), desc="crowding"):
            write_arrays(path, task.result())
    crowding = [Crowding(**read_arrays(path)) for path in crowds]
    _judge(options, panel, corrections, crowding, sample, unknowns)


def _judge(options, panel, corrections, crowding, sample, unknowns):
    curves, held, all_held, above, recovered = [], [], [], [], []
    for s in tqdm(range(options.series), desc="assays"):
        tubes = {}
        for tube in tubes_of(panel.n_mirs):
            tubes.setdefault(tube.sample, []).append(tube)
        samples = []
        for name, own in tubes.items():
            known = () if own[0].known_pm is None else (own[0].known_pm,) * panel.n_mirs
            files = [f"series_{s}_{one.name}" for one in own]
            samples.append(sample(s, name, own[0].role, *files, concentration=known, added_to=own[0].added_to))
        mine = range(s, options.unknowns, options.series)
        samples += [sample(s, f"unknown_{k}", "sample", f"unknown_{k}") for k in mine]
        samples += [sample(s, f"blank_{k}", "sample", f"blank_{k}") for k in range(s, options.blanks, options.series)]
        assay = make_assay(samples, corrections[s % len(corrections)], unit=UNIT, crowding=crowding[s])
        curves.append(assay.curve.assign(series=s))
        read = assay.readings.set_index(["sample", "class"])
        for k in mine:
            own = read.loc[f"unknown_{k}"].loc[list(panel.mir_names)]
            inside = (own["low"] <= unknowns[k]) & (unknowns[k] <= own["high"])
            held.append(inside.astype(float).where(own["verdict"] == ""))
            all_held.append(inside)
        blanks = assay.readings[assay.readings["sample"].str.startswith("blank_")]
        above.append(blanks.assign(above=blanks["verdict"] != "not detected"))
        recovered.append(assay.readings[assay.readings["recovery"].notna()])
    curves, above, recovered = (pd.concat(one, ignore_index=True) for one in (curves, above, recovered))
    curves["off"] = (curves["slope"] - 1).abs()
    curves["ratio"] = curves["limit_detection"] / curves["limit_poisson"]
    shown = ["series", "class", "slope", "slope_low", "slope_high", "linear_low", "linear_high", "linear_p", "between",
             "crowding_loss", "limit_blank", "limit_detection", "limit_quantitation", "ratio", "standards_seen"]  # fmt: skip
    print(curves[shown].round(3).to_string(index=False))
    by = curves.groupby("class", sort=False)
    print(f"slopes within .03 of 1: {(curves['off'] <= 0.03).mean():.0%} of {len(curves)}; by miR, over all series:")
    print(by["slope"].agg(["mean", "std", "sem"]).round(4))
    print("limit of detection over that of counting:\n", by["ratio"].agg(["min", "mean", "max"]).round(3))
    print("blanks above the limit of blank:\n", above.groupby("class", sort=False)["above"].agg(["mean", "size"]))
    held, all_held = (pd.DataFrame(one, columns=panel.mir_names) for one in (held, all_held))
    told = {
        "held": held.mean(),
        "of those without a verdict": held.count(),
        "all held": all_held.mean(),
        "of": all_held.count(),
    }
    print("unknowns inside their intervals:\n", pd.DataFrame(told).round(3))
    whole = recovered["recovery_low"].le(1) & recovered["recovery_high"].ge(1)
    told = f"mean {recovered['recovery'].mean():.3f}"
    print(f"recoveries whose interval holds all: {whole.mean():.0%} of {len(recovered)}, {told}")


if __name__ == "__main__":
    main()
