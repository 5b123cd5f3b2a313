"""How well the blobs of denoised stacks are called: as they are, and with the noise added again.

    python -m benchmarks.judge_cleaner reports/demo [--real DENOISED_EXPERIMENT]

Frames are simulated as if they had been denoised, some with half the light, and the blobs a person would label are called by
the twin-trained CNN and by PCA + SVM of a report. Mean F1 over the miRs is against what each blob truly is. Of a real
experiment (folder with experiment.toml and blobs) the reference is independent of classifiers: a blob is a miR where
detection alone finds another below it, at the miR's gap, both eight standard deviations high.
"""

import argparse
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.spatial import cKDTree
from sklearn.metrics import cohen_kappa_score, f1_score

from mirnb.classifiers.classifier import load_classifier, look_at
from mirnb.experiments.cutouts import kept_blobs
from mirnb.experiments.experiment_file import load_experiment
from mirnb.experiments.panel_file import THESIS
from mirnb.experiments.stacks import HeldFrames
from mirnb.imaging.crops import fits
from mirnb.imaging.detection import detect_frame
from mirnb.simulation.frames import simulate_frames
from mirnb.simulation.settings import Settings

STACKS = ((34, 1.0), (18, 1.0), (15, 1.0), (10, 1.0), (4, 1.0), (17, 0.5), (10, 0.5), (4, 0.5))  # noise (counts), light
N_FRAMES, N_DRAWS, USUAL = 6, 8, Settings()
NEAR_PX, OFF_PX, HIGH_SDS = 2.0, 1.2, 8.0


def simulated(noise, light):
    """Frames, their labelled blobs (frame, row, col) and what these truly are."""
    denoised = {"noise_sd_counts": noise / light, "gain_counts": 1e-3} if noise < USUAL.noise_sd_counts else {}
    frames, blobs = [], []
    for k, (frame, own) in enumerate(simulate_frames(THESIS, replace(USUAL, n_frames=N_FRAMES, **denoised), 77)):
        dimmed = USUAL.background_counts + light * (frame.astype(float) - USUAL.background_counts)
        frames.append(np.rint(dimmed).astype(np.uint16))
        blobs.append(own[own["detected"] & ~own["kind"].isin(["faint", "lower"])].assign(frame=k))
    blobs = pd.concat(blobs, ignore_index=True)
    blobs["row"], blobs["col"] = (np.floor(blobs[name]).astype(int) for name in ("seen_y_px", "seen_x_px"))
    blobs = blobs[fits(frames[0].shape, blobs["row"], blobs["col"], THESIS.crop_window)].reset_index(drop=True)
    return frames, blobs, np.where(blobs["kind"] == "upper", blobs["class"], THESIS.noise)


def with_noise(classifier, crops, noise):
    """Calls of crops whose noise is brought to that of training, the mean over draws: this program's way until 0.6."""
    missing = np.sqrt(max(classifier.trained_on["noise_sd_counts"] ** 2 - noise**2, 0))
    rng = np.random.default_rng(10)
    draws = [classifier.predict(crops + missing * rng.standard_normal(crops.shape)) for _ in range(N_DRAWS)]
    return np.mean(draws, axis=0).argmax(axis=1)


def paired(experiment, blobs):
    """Which miR each blob of a table is by detection alone: the one whose gap fits best, noise where there is none below."""
    panel, found = experiment.panel, np.full(len(blobs), experiment.panel.noise)
    gaps = np.array([mir.gap_px for mir in panel.mirs])
    for index, frame in experiment.stack.frames():
        here = np.flatnonzero(blobs["frame"] == index)
        places = detect_frame(frame, threshold_sds=HIGH_SDS)[["y_px", "x_px"]].to_numpy()
        distance, nearest = cKDTree(places).query(blobs[["row", "col"]].to_numpy()[here] + 0.5)
        for one, upper in zip(here[distance < NEAR_PX], nearest[distance < NEAR_PX], strict=True):
            down, right = (places - places[upper]).T
            off = np.abs(down[np.abs(right) < OFF_PX, None] - gaps)
            if off.size and off.min() < OFF_PX:
                found[one] = off.min(axis=0).argmin()
    return found


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("run", type=Path, help="folder of a report")
    parser.add_argument("--real", type=Path, help="folder of a real, denoised experiment")
    options = parser.parse_args()
    classifiers = [load_classifier(options.run / "classifiers" / kind) for kind in ("twin_cnn", "pca_svm")]
    for noise, light in STACKS:
        frames, blobs, y_true = simulated(noise, light)
        for one in classifiers:
            values, crops = one.look(frames)[0], one.cut(HeldFrames(frames), blobs)
            calls = [one.predict(crops, scale=one.scale_for(values)).argmax(axis=1), with_noise(one, crops, noise)]
            f1 = [f1_score(y_true, y_pred, labels=range(THESIS.n_mirs), average="macro") for y_pred in calls]
            print(f"noise {noise:2}, light {light:g} (seen as {values['relative_light']:.2f}), {one.title}: "
                  f"F1 {f1[0]:.3f}, with noise added {f1[1]:.3f}", flush=True)  # fmt: skip
    if options.real:
        experiment = load_experiment(options.real)
        blobs, _ = kept_blobs(experiment, labelled=False)
        reference = paired(experiment, blobs)
        print(f"real: {np.bincount(reference, minlength=experiment.panel.n_mirs + 1)} by detection alone")
        for one in classifiers:
            values, crops = look_at(one, experiment), one.cut(experiment.stack, blobs)
            calls = {
                "as it is": one.predict(crops, scale=one.scale_for(values)).argmax(axis=1),
                "with noise added": with_noise(one, crops, values["noise_sd_counts"]),
            }
            for words, y_pred in calls.items():
                kappa, right = cohen_kappa_score(reference, y_pred), np.mean(reference == y_pred)
                print(f"  {one.title}, {words}: kappa {kappa:.2f}, the same in {right:.1%}")


if __name__ == "__main__":
    main()
