"""Simulated stacks with a fault in some of their frames: eight kinds, five strengths and places each."""

import numpy as np
import pandas as pd
from scipy import ndimage

from mirnb.counting.frames import measure_frame, share_seen_again
from mirnb.experiments.panel_file import THESIS
from mirnb.imaging.detection import detect_frame
from mirnb.simulation.frames import expose, frame_light
from mirnb.simulation.molecules import draw_sample
from mirnb.simulation.settings import Settings

SETTINGS = Settings(n_frames=16, frame_shape=(512, 512), n_labelled_per_frame=32)  # as dense as the demo
ALL = range(16)
FAULTS = {  # kind: (frames from 0, strength)
    "defocus": [([5], 1.0), (range(8, 12), 0.8), ([1, 6, 9, 14], 1.5), (range(10, 16), 2.2), (range(3, 10), 1.2)],  # px
    "tilt": [(range(6), 4), (range(9, 16), 8), ([2, 5, 8, 11, 14], 12), (range(4, 11), 16), (ALL, 10)],  # degrees
    "gain": [(range(5), 0.5), (range(11, 16), 0.7), (range(9, 16), 1.5), (range(1, 8), 2.5), ([3, 7, 12], 4.0)],  # times
    "bleaching": [(ALL, 0.7), (ALL, 0.5), (ALL, 0.35), (ALL, 0.2), (ALL, 0.1)],  # light of the last frame, times
    "dust": [([4, 5], 15), ([0, 1, 2, 3], 20), (range(7, 13), 30), (range(1, 7), 60), (range(9, 16), 40)],  # specks a frame
    "fifth dye": [
        (ALL, 0.3),
        (ALL, 0.6),
        (ALL, 1.2),
        (range(5, 11), 1.0),
        (range(10, 16), 2.0),
    ],  # pairs a miR
    "doubled": [([8], 0), ([2, 6, 12], 0), ([1, 3, 5, 9, 11, 13], 0), ([4, 5, 6], 0), ([3, 6, 9, 12, 15], 2)],  # px of drift
    "stray light": [([2, 3, 4, 5], 100), (range(6), 400), (range(8, 13), 1500), (range(2, 8), -800), (range(9, 16), 3000)],
}  # counts; less than 0: rising over the frame from none
CAUSES = {"defocus": "defocused", "gain": "unlike in brightness", "bleaching": "bleached", "dust": "dirty",
          "doubled": "moved", "stray light": "unlike in brightness", "tilt": "tilted",
          "fifth dye": "unknown pairs"}  # fmt: skip
GAP_PX = 9.0  # of the pairs with a fifth dye


def faulty_stack(kind="", number=0, *, settings=SETTINGS, seed=0):
    """Frames of a simulated stack with a fault, and which frames have it; without a kind a clean one.

    Returns
    -------
    frames : list of uint16 ndarray of shape (rows, cols)
    has_fault : bool ndarray of shape (n_frames,)
    """
    which, strength = FAULTS[kind][number] if kind else ((), 0)
    sample, frames = draw_sample(THESIS, settings, seed), []
    for k in range(settings.n_frames):
        own, rng = kind if k in which else "", np.random.default_rng([seed, 2, k])
        blobs = sample[(sample["frame"] == k + 1) & (sample["kind"] != "false")]
        if own == "doubled":
            frames.append(_again(frames[-1], strength, settings, rng))
            continue
        light = frame_light(_changed(blobs, own, strength, k, np.random.default_rng([seed, 3, k])), settings)
        if own == "defocus":
            light = ndimage.gaussian_filter(light, strength)
        if own == "stray light":
            light += strength if strength > 0 else np.linspace(0, -strength, light.shape[1])
        frame = expose(light, settings, rng)
        if own == "gain":
            frame = (settings.offset_counts + (frame - settings.offset_counts) * strength).clip(0, 65535).astype(np.uint16)
        frames.append(frame)
    return frames, np.isin(np.arange(settings.n_frames), list(which))


def _again(frame, drift_px, settings, rng):
    """The field of view of the frame before: the very same frame, or exposed once more after a drift."""
    if not drift_px:
        return frame.copy()
    light = np.roll(frame.astype(float), (drift_px, -drift_px), (0, 1))
    return np.rint(light + settings.noise_sd_counts * rng.standard_normal(frame.shape)).clip(0, 65535).astype(np.uint16)


def _changed(blobs, kind, strength, k, rng):
    """Blobs of a frame as a fault changes them."""
    if kind == "bleaching":
        return blobs.assign(flux=blobs["flux"] * strength ** (k / 15))
    if kind == "tilt":
        upper = blobs[blobs["kind"] == "upper"].set_index("molecule")["y_px"]
        down_px = np.where(blobs["kind"] == "lower", blobs["y_px"] - blobs["molecule"].map(upper), 0)
        turn = np.radians(strength)
        return blobs.assign(x_px=blobs["x_px"] + down_px * np.sin(turn), y_px=blobs["y_px"] - down_px * (1 - np.cos(turn)))
    if kind == "dust":
        y, x = rng.uniform(0, 512, (2, strength))
        flux, sigma = np.exp(rng.uniform(np.log(3e3), np.log(5e4), strength)), rng.uniform(1.8, 4.5, strength)
        specks = {"y_px": y, "x_px": x, "flux": flux, "sigma_y_px": sigma, "sigma_x_px": sigma}
        return pd.concat([blobs, pd.DataFrame(specks)], ignore_index=True)
    if kind == "fifth dye":
        upper = blobs[blobs["kind"] == "upper"]
        more = upper.sample(round(strength * len(upper)), replace=True, random_state=int(rng.integers(1 << 31)))
        places = dict(zip(("y_px", "x_px"), rng.uniform(10, 490, (2, len(more))), strict=True))
        more = more.assign(**places)
        lower = more.assign(y_px=more["y_px"] + GAP_PX, flux=0.6 * more["flux"], sigma_y_px=1.5)
        return pd.concat([blobs, more, lower], ignore_index=True)
    return blobs


def measured(frames):
    """Measures of frames, as counting makes them."""
    rows, before = [], np.zeros((0, 2))
    for frame in frames:
        found = detect_frame(frame)
        here = found[["y_px", "x_px"]].to_numpy()
        rows.append({**measure_frame(frame, found, THESIS), "repeated_share": share_seen_again(before, here)})
        before = here
    return pd.DataFrame(rows)


def is_right(verdict, kind, number, has_fault):
    """Whether the cause is named, on no frame without the fault, and on two of three that have it.

    Bleaching begins nowhere: of its frames those count that have less than half of their light, and more than .85 is none.
    """
    named, must = verdict == CAUSES.get(kind), has_fault
    if kind == "bleaching":
        light = FAULTS[kind][number][1] ** (np.arange(len(verdict)) / 15)
        has_fault, must = light < 0.85, light < 0.5 if light[-1] < 0.5 else light <= light[-1]
    wrong = (verdict != "") & ~has_fault
    return bool(not wrong.any() and named[must].mean() >= 2 / 3)
