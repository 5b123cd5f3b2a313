"""How well are blobs found? Against the truth of simulated frames, and against the tables of real ones.

    python -m benchmarks.judge_detection --real ../shared/real

Simulated: 10 frames of default settings, with all blobs that send light, faint ones too. Real, where the folder is there:
`cocos_mix` with 34 counts of noise (its authors took the camera's away) and as it is, against ThunderSTORM's table, which
knows nothing of the made-up ground between crops; a frame of the SMLM challenge's tubulins against its truth; rapidSTORM's
localisations of five dSTORM frames. A blob is found where it and a detection are each other's nearest, within 1.5 pixels;
"brighter" is the recall of the brighter half. Then errors of isolated blobs beside the smallest that their light allows
(Cramer and Rao). Half a minute.
"""

import argparse
import os
import time
from pathlib import Path

import numpy as np
import pandas as pd
import tifffile
from scipy.spatial import cKDTree
from scipy.special import ndtr

from mirnb.experiments.blobs import read_blobs
from mirnb.experiments.panel_file import THESIS
from mirnb.imaging.detection import detect_frame
from mirnb.simulation.frames import simulate_frames
from mirnb.simulation.settings import Settings

SEED = 3
NOISE_SD, SIGMA_PX = 34.0, 1.15
PLACE = ["y_px", "x_px"]


def matched(found, true, *, reach_px=1.5):
    """Rows of two tables of places that are each other's nearest and within reach."""
    if not len(found) or not len(true):
        return np.empty(0, int), np.empty(0, int)
    far, nearest = cKDTree(true).query(found)
    back = cKDTree(found).query(true)[1]
    mutual = np.flatnonzero((back[nearest] == np.arange(len(found))) & (far < reach_px))
    return mutual, nearest[mutual]


def judge(frames, table):
    """The table with `seen`, which detections are right, and milliseconds a frame."""
    right, seen, seconds = [], np.zeros(len(table), bool), 0.0
    for number, frame in enumerate(frames, 1):
        start = time.perf_counter()
        found = detect_frame(frame)
        seconds += time.perf_counter() - start
        here = np.flatnonzero(table["frame"] == number)
        rows, truths = matched(found[PLACE].to_numpy(), table[PLACE].to_numpy()[here])
        right.append(np.isin(np.arange(len(found)), rows))
        seen[here[truths]] = True
    return table.assign(seen=seen), np.concatenate(right), 1000 * seconds / len(frames)


def show(name, table, right, milliseconds):
    brighter = table["flux"] >= table["flux"].median()
    print(
        f"{name:44s} {len(right):6d} {len(table):6d} {table['seen'].mean():7.3f} {table.loc[brighter, 'seen'].mean():9.3f} "
        f"{right.mean():9.3f} {milliseconds:9.0f}"
    )


def simulated():
    frames, blobs = zip(*simulate_frames(THESIS, Settings(n_frames=10), SEED), strict=True)
    table = pd.concat(blobs, ignore_index=True)
    return frames, table[(table["kind"] != "false") & (table["flux"] > 0)].reset_index(drop=True)


def cocos_mix(folder):
    frames = tifffile.imread(folder / "cocos_mix" / "stack_denoised.tif")
    table = read_blobs(folder / "cocos_mix" / "thunderstorm.csv")
    flux = table["intensity [photon]"]
    return frames, table.assign(y_px=table["y [nm]"] / 120, x_px=table["x [nm]"] / 120, flux=flux)


def tubulins(folder):
    table = pd.read_csv(folder / "detection" / "tubulins1_00020.csv", skipinitialspace=True)
    table = table.assign(frame=1, y_px=table["ynano"] / 150, x_px=table["xnano"] / 150, flux=table["intensity"])
    return [tifffile.imread(folder / "detection" / "tubulins1_00020.tif")], table


def dstorm(folder):
    """RapidSTORM counts frames from 0, and nm from the middle of the first pixel: 16,954.5 nm to that of the 128th."""
    frames = tifffile.imread(folder / "detection" / "locan_dstorm.tif")
    x_nm, y_nm, frame, amplitude = np.loadtxt(folder / "detection" / "locan_dstorm_rapidstorm.txt", usecols=(0, 1, 2, 3)).T
    pixel_nm = 16954.5 / 127
    table = pd.DataFrame(
        {"frame": frame.astype(int) + 1, "y_px": y_nm / pixel_nm + 0.5, "x_px": x_nm / pixel_nm + 0.5, "flux": amplitude}
    )
    return frames, table[table["frame"] <= len(frames)].reset_index(drop=True)


def light(values, shape):
    """Light of a Gaussian (y, x, sigma in px, flux, offset) on each pixel."""
    y, x, sigma_px, flux, offset = values
    along, across = (np.diff(ndtr((np.arange(n + 1) - at) / sigma_px)) for n, at in zip(shape, (y, x), strict=True))
    return flux * np.outer(along, across) + offset


def smallest_error_px(flux, inside):
    """Bound on the error along y and x of five parameters fitted to 7x7 pixels, a blob lying so in the middle one."""
    values = np.array([*(3 + inside), SIGMA_PX, flux, 890.0])
    steps = np.diag([1e-4, 1e-4, 1e-4, 0.1, 0.1])
    slopes = [(light(values + step, (7, 7)) - light(values - step, (7, 7))).ravel() / (2 * step.sum()) for step in steps]
    return np.sqrt(np.diag(np.linalg.inv(np.array(slopes) @ np.array(slopes).T))[:2]) * NOISE_SD


def show_errors(flux, rng, *, n_frames=5, n_across=20, apart_px=24):
    """Errors of isolated blobs, one in each square of a grid, beside the bound."""
    errors, bounds, n_true, shares = [], [], 0, []
    corners = apart_px * np.indices((n_across, n_across)).reshape(2, -1).T
    for _ in range(n_frames):
        inside = rng.uniform(size=corners.shape)
        frame = NOISE_SD * rng.standard_normal((n_across * apart_px,) * 2)
        for (row, col), place in zip(corners, inside, strict=True):
            blob = light((*(apart_px // 2 + place), SIGMA_PX, flux, 890.0), (apart_px, apart_px))
            frame[row : row + apart_px, col : col + apart_px] += blob
        found, true = detect_frame(frame), corners + apart_px // 2 + inside
        rows, truths = matched(found[PLACE].to_numpy(), true)
        errors.append(found[PLACE].to_numpy()[rows] - true[truths])
        bounds += [smallest_error_px(flux, place) for place in inside[truths]]
        shares += list(found["flux"].to_numpy()[rows] / flux)
        n_true += len(true)
    errors, bound = np.concatenate(errors), np.sqrt((np.array(bounds) ** 2).mean(axis=0))
    rms = np.sqrt((errors**2).mean(axis=0))
    numbers = (len(errors) / n_true, *rms, bound.mean(), *rms / bound, np.median(shares))
    print(f"{flux:6d}{n_true:10d}" + "".join(f"{number:10.4f}" for number in numbers))


def main():
    beside = Path(__file__).resolve().parents[2] / "shared" / "real"
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--real", type=Path, default=Path(os.environ.get("MIRNB_REAL_DATA") or beside), help="real data")
    folder = parser.parse_args().real
    rng = np.random.default_rng(SEED)
    print(f"{'':44s} {'found':>6s} {'table':>6s} {'recall':>7s} {'brighter':>9s} {'precision':>9s} {'ms/frame':>9s}")
    frames, table = simulated()
    table, right, milliseconds = judge(frames, table)
    show("simulated, all blobs", table, right, milliseconds)
    upper = table[(table["kind"] == "upper") & (table["flux"] > 1500)]
    show("simulated, upper blobs above 1,500 counts", upper, right, milliseconds)
    if folder.is_dir():
        frames, table = cocos_mix(folder)
        noisy = [frame + NOISE_SD * rng.standard_normal(frame.shape) for frame in frames]
        show("cocos_mix, 34 counts of noise added", *judge(noisy, table))
        show("cocos_mix, as it is", *judge(frames, table))
        show("tubulins1_00020, against the truth", *judge(*tubulins(folder)))
        show("locan_dstorm, against rapidSTORM", *judge(*dstorm(folder)))
    else:
        print(f"no real data at {folder}; --real names the folder")
    names = ("blobs", "recall", "y, px", "x, px", "bound", "y/bound", "x/bound", "flux/true")
    print(f"\n{'flux':>6s}" + "".join(f"{name:>10s}" for name in names))
    for flux in (1500, 2500, 5000):
        show_errors(flux, rng)


if __name__ == "__main__":
    main()
