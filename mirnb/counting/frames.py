"""What each frame of a stack is like, and a verdict against its own stack and the training data: is it to be counted?

A frame is compared with the median of its stack, in units of how far frames differ by chance: as the stack's own do, as so
many blobs must, and never less than a floor. Few frames tell little of that: up to FEW are accused only where they lie
outside the range of the training frames, too. Pairs of a dye that the panel does not know may be on all frames of a stack:
they are compared with what there is among known ones.
"""

import numpy as np
import pandas as pd
from scipy.spatial import cKDTree
from scipy.stats import poisson

from mirnb.experiments.check import MANY_REPEATED
from mirnb.imaging.detection import COLUMNS, fit_windows, wavelet
from mirnb.imaging.preprocessing import noise_sd
from mirnb.imaging.second_blobs import count_pairs

FEW = 8  # frames
CAUSES = (  # of several the first is told
    "saturated", "moved", "defocused", "dirty", "bleached", "unlike in brightness", "empty", "tilted", "unknown pairs"
)  # fmt: skip
_FAR = 4.0  # spreads
_FULL_SCALES = [2**bits - 1 for bits in (8, 10, 12, 14, 16)]  # of cameras
_MANY_SATURATED = 1e-3  # of pixels
_WIDE = 1.6  # PSF widths: what is wider is no molecule
_DRIFT_PX, _SAME_PX = 10, 1.5  # a field of view that is seen again may have drifted so far; blobs that near are the same
_EMPTY = 0.2  # of the blobs of the stack's other frames
_BLEACHED = 0.6  # of the light at the start
_STEPS = 6  # of a fit; the last ones of detection's 25 hardly move what a frame's blobs have in common, and take longest
_KERNEL = wavelet(np.pad([[1.0]], 12))[6:-6, 6:-6]  # of the filter, which reaches 6 px
_CLEAR, _HARDLY_CLEAR = 3.0, 2.0  # standard errors, of a stack's median frame and of one frame
_UNKNOWN_SHARE = (0.02, 0.06)  # of second blobs have a gap of no miR: simulated ones, and, dirt among them, most real ones
_CHANCE_UNKNOWN = 0.002  # that a frame has so many more than its stack
_ANGLES_DEG = np.arange(-30, 31)
_SPREADS = {  # measure: (least spread, spread of a frame with one blob), most in natural logarithms
    "background_counts": (0.02, 0), "noise_sd_counts": (0.03, 0), "flux_counts": (0.08, 1.2), "sharpness": (0.03, 0.5),
    "narrow_sigma_px": (0.025, 0.2), "lean_deg": (0.8, 9.0), "uneven_counts": (10, 0), "wide_blobs": (0.5, 0),
}  # fmt: skip
_RANGES = {"background_counts": "background_counts", "noise_sd_counts": "noise_sd_counts", "flux_counts": "flux_counts",
           "narrow_sigma_px": "psf_sigma_px"}  # fmt: skip


def fit_given(frame, rows, cols):
    """Blobs of a table as `detection.detect_frame` gives its own, as far and as exactly as measures need them.

    rows, cols : int ndarray of shape (n_blobs,)
    """
    reach = _KERNEL.shape[0] // 2
    inside = np.all([rows >= reach, rows < frame.shape[0] - reach, cols >= reach, cols < frame.shape[1] - reach], axis=0)
    if not inside.any():
        return pd.DataFrame(columns=list(COLUMNS), dtype=float)
    rows, cols = rows[inside], cols[inside]
    steps = np.arange(-reach, reach + 1)
    around = frame[rows[:, None, None] + steps[:, None], cols[:, None, None] + steps]
    return fit_windows(frame, rows, cols, n_steps=_STEPS).assign(height=(around * _KERNEL).sum(axis=(1, 2))).dropna()


def measure_frame(frame, found, panel):
    """Measures of a frame: a dict of numbers, NaN where it has no blob.

    Parameters
    ----------
    frame : ndarray of shape (rows, cols), counts, dispersion down
    found : DataFrame
        Its blobs, as `detection.detect_frame` or `fit_given` gives them.

    Returns
    -------
    dict
        blobs, background_counts (median), uneven_counts (5th to 95th percentile of the medians of 64 blocks),
        noise_sd_counts, narrow_sigma_px (a quarter of the blobs is narrower), flux_counts (of the median blob), sharpness
        (how high the median blob stands in the filtered frame, as a share of its flux), wide_blobs (wider than molecules),
        pairs and unknown_pairs (as `second_blobs.count_pairs` counts them), saturated_share (of pixels at the camera's full
        scale), lean_deg (of the dispersion against the columns), lean_sds (how clear that is: of the light below blobs, in
        standard errors).
    """
    sigma_px, flux = found["sigma_px"].to_numpy(), found["flux"].to_numpy()
    step, noise = max(min(frame.shape) // 128, 1), noise_sd(frame[:: max(len(frame) // 32, 1)])
    pairs, unknown_pairs = count_pairs(frame, found, panel, noise)
    thin = frame[::step, ::step]
    rows, cols = (size // 8 for size in thin.shape)
    blocks = np.median(thin[: 8 * rows, : 8 * cols].reshape(8, rows, 8, cols), axis=(1, 3))
    highest, empty = frame.max(), not len(found)
    full = frame.dtype.kind in "iu" and int(highest) in _FULL_SCALES
    return {
        "blobs": float(len(found)),
        "background_counts": float(np.median(thin)),
        "uneven_counts": float(np.subtract(*np.percentile(blocks, [95, 5]))),
        "noise_sd_counts": noise,
        "narrow_sigma_px": np.nan if empty else float(np.percentile(sigma_px, 25)),
        "flux_counts": np.nan if empty else float(np.median(flux)),
        "sharpness": np.nan if empty else float(np.median(found["height"] / flux)),
        "wide_blobs": float(np.sum(sigma_px > _WIDE * panel.psf_sigma_px)),
        "pairs": float(pairs),
        "unknown_pairs": float(unknown_pairs),
        "saturated_share": np.count_nonzero(frame == highest) / frame.size if full else 0.0,
        **_light_below(frame, found, panel, noise),
    }


def _light_below(frame, found, panel, noise):
    """Angle along which the light below blobs lies, to the right above 0, and its standard errors above other angles."""
    gaps = [mir.gap_px for mir in panel.mirs]
    steps = np.arange(int(min(gaps)) - 1, int(np.ceil(max(gaps))) + 2)
    half = int(steps[-1] * np.tan(np.radians(_ANGLES_DEG[-1]))) + 2
    rows, cols = (np.floor(found[name].to_numpy()).astype(int) for name in ("y_px", "x_px"))
    inside = (rows + steps[-1] < frame.shape[0]) & (cols >= half) & (cols + half < frame.shape[1])
    if inside.sum() < 2:
        return {"lean_deg": np.nan, "lean_sds": 0.0}
    across = np.arange(-half, half + 1)
    light = frame[rows[inside, None, None] + steps[:, None], cols[inside, None, None] + across].astype(np.float32)
    light -= np.median(light, axis=(1, 2), keepdims=True)
    light = np.clip(light, -3 * noise, 8 * noise)  # neighbours that are bright do not outweigh the rest
    shift_px = np.tan(np.radians(_ANGLES_DEG))[:, None] * steps
    weights = np.exp(-0.5 * ((across - shift_px[:, :, None]) / 1.3) ** 2)  # (angles, rows, cols)
    each = np.einsum("nrc,arc->na", light, weights.astype(np.float32))  # (n_blobs, angles); small, so without threads
    best = each.mean(axis=0).argmax()
    more = each[:, best] - each.mean(axis=1)
    more = np.sign(more) * np.sqrt(np.abs(more))  # a few bright ones tell less than many
    sds = more.mean() / max(more.std() / np.sqrt(len(more)), 1e-9)
    return {"lean_deg": float(_ANGLES_DEG[best]), "lean_sds": float(sds)}


def share_seen_again(before, here):
    """Share of a frame's blobs that the frame before has, too, in the same places but for a drift of all.

    before, here : ndarray of shape (n_blobs, 2), px
    """
    if not len(before) or not len(here):
        return 0.0
    near = cKDTree(before).query_ball_point(here, _DRIFT_PX)
    steps = np.concatenate([here[k] - before[one] for k, one in enumerate(near)])
    if not len(steps):
        return 0.0
    return min(int(max(map(len, cKDTree(steps).query_ball_point(steps, _SAME_PX / 2)))) / len(here), 1.0)


def judge_frames(measures, ranges):
    """What is wrong with each frame of a stack: (n_frames,) of text, one of CAUSES, empty where nothing is.

    Parameters
    ----------
    measures : DataFrame
        One row a frame, as `measure_frame` gives them, and repeated_share (`share_seen_again`).
    ranges : dict
        As `likeness.training_ranges` gives them.
    """
    far = {name: _spreads_off(measures, name, ranges) for name in _SPREADS}
    blobs, wide = measures["blobs"].to_numpy(), measures["wide_blobs"].to_numpy()
    usual, usual_slim = np.median(blobs), np.median(blobs - wide)
    many_wide = far["wide_blobs"] > _FAR
    has_slim = blobs - wide > 0.5 * usual_slim  # molecules are there as usual, beside what is wide
    saturated, clear = measures["saturated_share"].to_numpy(), measures["lean_sds"].to_numpy()
    light = np.max([np.abs(far[name]) for name in ("background_counts", "noise_sd_counts", "flux_counts")], axis=0)
    is_so = {
        "saturated": saturated > max(_MANY_SATURATED, 5 * np.median(saturated)),
        "moved": (measures["repeated_share"].to_numpy() > MANY_REPEATED) & (blobs >= 5),
        "defocused": (far["narrow_sigma_px"] > _FAR) & (far["sharpness"] < -1) & ~(many_wide & has_slim),
        "dirty": (many_wide & has_slim) | (far["uneven_counts"] > _FAR) & (np.abs(far["background_counts"]) < _FAR),
        "unlike in brightness": light > _FAR,
        "empty": (usual >= 10) & (blobs < _EMPTY * usual),
        "bleached": _is_bleached(measures),
        "tilted": (np.abs(far["lean_deg"]) > _FAR) & (clear > _HARDLY_CLEAR) & (np.median(clear) > _CLEAR),
        "unknown pairs": _has_unknown_pairs(measures, ranges),
    }
    verdict = np.full(len(measures), "", dtype=object)
    for cause in reversed(CAUSES):
        verdict[is_so[cause]] = cause
    return verdict


def _spreads_off(measures, name, ranges):
    """How far each frame lies from the stack's median, in spreads; 0 where there is nothing to compare."""
    value, (floor, of_one_blob) = measures[name].to_numpy(float), _SPREADS[name]
    with np.errstate(divide="ignore", invalid="ignore"):
        if name not in ("lean_deg", "uneven_counts"):
            value = np.sqrt(value + 0.375) if name == "wide_blobs" else np.log(value)  # Anscombe's
        of_blobs = of_one_blob / np.sqrt(measures["blobs"].to_numpy())
    known = np.isfinite(value)
    if known.sum() < 2:
        return np.zeros(len(value))
    usual, spread = _middle_and_spread(value[known])
    if name == "lean_deg":  # the dispersion is to run along the columns, as that of the training frames
        usual = 0.0
    off = np.where(known, (value - usual) / np.maximum(max(spread, floor), of_blobs), 0.0)
    if known.sum() > FEW:
        return off
    if name not in _RANGES:
        return off if known.sum() > 2 else np.zeros(len(off))
    low, high = ranges[_RANGES[name]]
    raw = measures[name].to_numpy()
    return np.where((raw < low) | (raw > high), off, 0.0)


def _middle_and_spread(values):
    """Middle of the half of the values that lie closest together, and their spread, whatever the others are.

    The half is Rousseeuw's (1984). Where nearly half of the frames are at fault it holds all of the others, so its closest
    part tells the spread.
    """
    half = _closest(np.sort(values), len(values) // 2 + 1)
    part = _closest(half, len(values) // 3 + 1)
    return float(np.median(half)), float((part[-1] - part[0]) / 0.8)  # of a normal distribution, between few and many


def _closest(values, n):
    """The n of sorted values that lie closest together."""
    first = int((values[n - 1 :] - values[: len(values) - n + 1]).argmin())
    return values[first : first + n]


def _is_bleached(measures):
    """Frames whose blobs have lost light, where blobs lose it steadily over the stack."""
    with np.errstate(divide="ignore"):
        flux, blobs = np.log(measures["flux_counts"].to_numpy()), np.log(measures["blobs"].to_numpy())
    known = np.flatnonzero(np.isfinite(flux))
    if len(known) <= FEW:
        return np.zeros(len(measures), bool)
    light = flux + blobs  # what is too dim to be found is missing in the one and shows in the other
    total, error, fitted = _trend(light, known)
    own, own_error, _ = _trend(flux, known)
    steady = total < -_FAR * error and own < -own_error
    return steady & (fitted < np.log(_BLEACHED))


def _has_unknown_pairs(measures, ranges):
    """Frames with more pairs of a gap that no miR has than chance allows, or, where most frames have many, than is usual."""
    pairs, unknown = measures["pairs"].to_numpy(), measures["unknown_pairs"].to_numpy()
    least, many = (max(share, ranges.get("unknown_share", 0)) for share in _UNKNOWN_SHARE)  # not kept before 0.8
    sds = 2 * (np.sqrt(unknown + 0.375) - np.sqrt(many * pairs + 0.375))  # Anscombe's
    if np.median(sds) * np.sqrt(len(sds)) > _CLEAR:
        return unknown > many * pairs
    own = np.median(unknown / np.maximum(pairs, 1))
    return poisson.sf(unknown - 1, max(least, own) * pairs) < _CHANCE_UNKNOWN


def _trend(values, known):
    """Change over a stack by the median slope of two frames (Theil and Sen), its standard error, and the line from 0 on."""
    apart = known[None, :] - known[:, None]
    pairs = apart > 0
    slope = np.median((values[known][None, :] - values[known][:, None])[pairs] / apart[pairs])
    left = values[known] - slope * known
    spread = 1.4826 * np.median(np.abs(left - np.median(left)))
    length = len(values) - 1
    return slope * length, spread * np.sqrt(12 / len(known)), slope * np.arange(len(values))


def frames_in_words(verdict):
    """Which frames have which verdict, as text: "3, 7 to 9: defocused; 12: moved"; frames count from 1."""
    parts = []
    for cause in dict.fromkeys(one for one in verdict if one):
        which = np.flatnonzero(verdict == cause) + 1
        runs = np.split(which, np.flatnonzero(np.diff(which) > 1) + 1)
        told = [str(run[0]) if len(run) == 1 else f"{run[0]}{', ' if len(run) == 2 else ' to '}{run[-1]}" for run in runs]
        parts.append(f"{', '.join(told)}: {cause}")
    return "; ".join(parts)
