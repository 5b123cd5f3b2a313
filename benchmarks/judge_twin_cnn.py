"""How near is the best classifier to what the light allows? Simulated experiments, split seeds, the same test crops for all.

    python -m benchmarks.judge_twin_cnn default
    python -m benchmarks.judge_twin_cnn wider narrower broken --out /tmp/judged
    python -m benchmarks.judge_twin_cnn twelve --splits 3 4

L is the mean of LeNet-5's ten runs, S is PCA + SVM with C chosen on validation, T the mean prediction of three networks
of its own architecture trained on 100,000 crops drawn with the experiment's true settings (another seed). An experiment
says nothing of its scaled separations: its panel is named "thesis", and the twin has to find them. About 20 minutes each.
With other named panels, M is the matched filter, and T is trained on 50,000 crops.
"""

import argparse
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
from tqdm.auto import tqdm

from mirnb.classifiers import dataset, scores
from mirnb.classifiers.backend import load_keras, predict
from mirnb.classifiers.calibration import chance_calibration_error, expected_calibration_error, reliability
from mirnb.classifiers.lenet5 import train_runs
from mirnb.classifiers.matched_filter import train_matched_filter
from mirnb.classifiers.pca_svm import train_pca_svm
from mirnb.classifiers.twin_cnn import build_twin_cnn, plain_view, twin_cnn_input
from mirnb.classifiers.twin_cnn_training import Recipe, train_twin_cnn_rival
from mirnb.experiments import cutouts
from mirnb.experiments.experiment_file import load_experiment
from mirnb.experiments.panel_file import load_panel
from mirnb.experiments.run_folder import RunFolder
from mirnb.files import write_toml
from mirnb.imaging.crops import cut_crops
from mirnb.simulation.folders import simulate_experiment
from mirnb.simulation.frames import simulate_frames
from mirnb.simulation.settings import Settings


@dataclass(frozen=True)
class Drawn:
    """How an experiment is drawn."""

    settings: Settings
    gap_scale: float = 1.0
    seed: int = 3
    panel_name: str = "thesis"
    rivals: str = "LST"
    n_true_crops: int = 100_000

    @property
    def panel(self):
        panel = load_panel(self.panel_name)
        return replace(panel, mirs=tuple(replace(mir, gap_px=mir.gap_px * self.gap_scale) for mir in panel.mirs))


EXPERIMENTS = {
    "default": Drawn(Settings()),
    "wider": Drawn(
        Settings(background_counts=910, noise_sd_counts=37, flux_low=700, flux_high=5500, tilt_deg=3.0), 1.05, seed=11
    ),
    "narrower": Drawn(
        Settings(background_counts=870, noise_sd_counts=31, flux_low=800, flux_high=4500, tilt_deg=-2.0), 0.95, seed=12
    ),
    "broken": Drawn(
        Settings(
            single_share=0.55,
            dirt_share=0.30,
            faint_per_frame=60.0,
            tail_share=0.25,
            em_gain=True,
            offset_counts=800.0,
            gain_counts=12.8,
        ),
        seed=13,
        rivals="",
    ),
    "six": Drawn(Settings(), panel_name="six", rivals="MT", n_true_crops=50_000),
    "twelve": Drawn(Settings(), panel_name="twelve", rivals="MT", n_true_crops=50_000),
}


def draw_crops(panel, settings, n_crops, seed):
    """Labelled crops in the crop window and their classes, drawn with the true settings."""
    settings = replace(settings, n_frames=int(np.ceil(n_crops / settings.n_labelled_per_frame)))
    crops, y_true = [], []
    for frame, blobs in tqdm(
        simulate_frames(panel, settings, seed), total=settings.n_frames, desc="true settings", leave=False
    ):
        own = blobs[blobs["labelled"] & blobs["detected"] & (blobs["label"] >= 0)]
        rows, cols = (np.floor(own[name].to_numpy()).astype(int) for name in ("seen_y_px", "seen_x_px"))
        crops.append(cut_crops(frame, rows, cols, panel.template_window))
        y_true.append(own["label"].to_numpy())
    return np.concatenate(crops)[:n_crops], np.concatenate(y_true)[:n_crops]


def ceiling(drawn, sample, noise_sd, wide_crops, *, epochs=8):
    """T: probabilities of an experiment's crops by three networks that knew the true settings."""
    keras, n_crops = load_keras(), drawn.n_true_crops
    crops, y_true = draw_crops(drawn.panel, drawn.settings, n_crops, drawn.seed + 5000)
    shown = twin_cnn_input(crops.astype(np.float32) / noise_sd)
    asked = twin_cnn_input(plain_view(wide_crops, cutouts.MARGIN_PX, noise_sd))
    y_prob = []
    for k in tqdm(range(3), desc="ceiling", leave=False):
        model = build_twin_cnn(shown.shape[1:], sample.panel.n_mirs + 1, seed=900 + k)
        schedule = keras.optimizers.schedules.CosineDecay(3e-3, epochs * -(-n_crops // 256))
        model.compile(optimizer=keras.optimizers.Adam(schedule), loss="sparse_categorical_crossentropy")
        keras.utils.set_random_seed(900 + k)
        model.fit(shown, y_true, batch_size=256, epochs=epochs, verbose=0)
        y_prob.append(predict(model, asked))
    return np.mean(y_prob, axis=0)


def judge(name, out, split_seeds):
    """All classifiers on one experiment: scores per split (DataFrame), and the verdicts (dict)."""
    drawn, folder = EXPERIMENTS[name], out / name
    if not (folder / "experiment.toml").exists():
        simulate_experiment(folder, panel=drawn.panel, settings=drawn.settings, seed=drawn.seed)
        values = {"name": name, "stack": "stack.tif", "blobs": "blobs.csv", "pixel_size_nm": 120, "panel": drawn.panel_name}
        write_toml(folder / "experiment.toml", values)
    sample = load_experiment(folder)
    run = RunFolder(sample, out / f"{name}-run")
    rows, sets = [], {"L": [], "S": [], "M": [], "plain": [], "quarter": []}
    first = dataset.prepare(run, seed=split_seeds[0])
    if "T" in drawn.rivals:
        true_prob = run.cached(
            "ceiling", {"name": name}, lambda: {"y_prob": ceiling(drawn, sample, first.noise_sd, first.wide_crops)}
        )["y_prob"]
    for seed in tqdm(split_seeds, desc=name):
        data = dataset.prepare(run, seed=seed)
        found = {"twin_cnn": train_twin_cnn_rival(data, run, seed=seed).y_prob}
        runs = train_runs(data, run, seed=seed) if "L" in drawn.rivals else []
        if "T" in drawn.rivals:
            found["T"] = true_prob
        if "S" in drawn.rivals:
            found["S"] = train_pca_svm(data, run, seed=seed).y_prob
        if "M" in drawn.rivals:
            found["M"] = train_matched_filter(data, run).y_prob
        if name == "broken":  # there the question is another one: does pre-training harm?
            found["plain"] = train_twin_cnn_rival(data, run, seed=seed, recipe=Recipe(twin_epochs=0)).y_prob
        if name == "default":
            quarter = dataset.prepare(run, seed=seed, training_share=0.25)
            found["quarter"] = train_twin_cnn_rival(quarter, run, seed=seed).y_prob
        test = data.split["test"]
        y_true = data.y_true[test]
        called = {kind: [y_prob[test].argmax(axis=1)] for kind, y_prob in found.items()}
        if runs:
            called["L"] = [one.y_prob[test].argmax(axis=1) for one in runs]
        f1 = {
            kind: np.mean([scores.macro_f1_mir(scores.score(y_true, one, data.n_classes)) for one in calls])
            for kind, calls in called.items()
        }
        for kind in set(sets) & set(called):
            against = {"ours": called["twin_cnn"], "theirs": called[kind]}
            if kind == "quarter":
                against = {"ours": called["quarter"], "theirs": called["L"]}
            sets[kind].append({"y_true": y_true, "frames": data.frames[test], **against})
        ece = expected_calibration_error(reliability(y_true, found["twin_cnn"][test]))
        rows.append({"split": seed, **f1, "ece": ece, "ece by chance": chance_calibration_error(found["twin_cnn"][test])})
        print(pd.Series(rows[-1]).round(4).to_dict(), flush=True)
    table = pd.DataFrame(rows).set_index("split")
    table.to_csv(out / f"{name}.csv")
    mean, verdict = table.mean(), {}
    for kind in drawn.rivals.removesuffix("T"):
        verdict[f"T - {kind}"] = mean["T"] - mean[kind]
        verdict[f"closes of T - {kind}"] = (mean["twin_cnn"] - mean[kind]) / (mean["T"] - mean[kind])
    for kind, one in sets.items():
        if one:
            who = "quarter - L" if kind == "quarter" else f"best - {kind}"
            verdict[who] = tuple(round(x, 4) for x in scores.paired_difference(one, sample.panel.n_mirs + 1))
    return table, verdict


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("experiments", nargs="+", choices=EXPERIMENTS)
    parser.add_argument("--out", type=Path, default=Path("reports/judged"), help="where experiments and caches go")
    parser.add_argument("--splits", type=int, nargs="+", default=[3, 4, 5, 6, 7], metavar="SEED")
    options = parser.parse_args()
    for name in options.experiments:
        table, verdict = judge(name, options.out, options.splits)
        print(table.round(4).to_string(), table.mean().round(4).to_dict(), verdict, sep="\n", flush=True)


if __name__ == "__main__":
    main()
