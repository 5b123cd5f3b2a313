"""Is a stack like the frames a classifier was trained on? What is measured of each, and a plain verdict."""

import numpy as np
import pandas as pd

from mirnb.experiments.cutouts import stack_noise_sd
from mirnb.experiments.stacks import HeldFrames, evenly_spread
from mirnb.imaging.detection import detect_frame
from mirnb.imaging.second_blobs import count_pairs

N_LOOKED = 8  # frames of a stack, evenly spread
N_TRAINING = 24  # frames of the training data
N_BINS = 20  # of the profile of probabilities
# feature: (words, how far beyond the range of the training frames passes, as a share)
FEATURES = {
    "noise_sd_counts": ("noise", 0.10),
    "background_counts": ("background", 0.10),
    "blobs_per_um2": ("density", 0.50),
    "psf_sigma_px": ("PSF width", 0.05),
    "flux_counts": ("flux", 0.25),
}
_PROFILE_MARGIN = 0.05  # distance of two profiles that passes beside chance
SAME_NOISE = 0.05  # within so large a share, noise passes for that trained in
DIMMER = 0.6  # relative light of a dimmer stack; another shape of its distribution alone makes .66, as of real molecules
_MIN_HEIGHTS = 20  # blobs that tell how bright a stack is


def pixels_of(found, frame=0):
    """Frame, row and col of detected blobs, as crops are cut about them."""
    rows, cols = (np.floor(found[name]).astype(int) for name in ("y_px", "x_px"))
    return pd.DataFrame({"frame": frame, "row": rows, "col": cols})


def look_at_frame(frame, panel, pixel_size_nm):
    """What a frame is like.

    Returns
    -------
    values : dict
        A number for each of FEATURES; medians over its detected blobs, NaN without any.
    found : DataFrame
        As `detection.detect_frame` gives it.
    """
    found = detect_frame(frame)
    values = {
        "noise_sd_counts": stack_noise_sd(HeldFrames([frame]), pixels_of(found), panel.template_window, n_patches=400),
        "background_counts": float(np.median(frame)),
        "blobs_per_um2": len(found) / (frame.size * (pixel_size_nm / 1000) ** 2),
        "psf_sigma_px": float(found["sigma_px"].median()),
        "flux_counts": float(found["flux"].median()),
    }
    return values, found


def frames_to_look_at(n_frames):
    """Some frames of a stack, evenly spread."""
    return evenly_spread(n_frames, N_LOOKED)


def look_at_frames(frames, panel, pixel_size_nm, light_counts):
    """What a stack is like, from some frames of it.

    Parameters
    ----------
    light_counts : (floor, median)
        Of the training frames, as `light_of` gives them.

    Returns
    -------
    values : dict
        Median of each of FEATURES, and `relative_light`.
    found : list of DataFrame
        Blobs of each frame, as `detection.detect_frame` gives them.
    """
    looked = [look_at_frame(frame, panel, pixel_size_nm) for frame in frames]
    table, found = pd.DataFrame([values for values, _ in looked]), [blobs for _, blobs in looked]
    values = {name: float(table[name].median()) for name in FEATURES}
    return values | {"relative_light": relative_light(found, light_counts)}, found


def light_of(found):
    """How bright blobs stand: the height, counts, that three in four of them reach, and the median of these; 0 without any.

    found : list of DataFrame
    """
    heights = _heights(found)
    return np.percentile(heights, [25, 62.5]).tolist() if len(heights) else [0.0, 0.0]


def relative_light(found, light_counts):
    """How many times as bright a stack's blobs are as those of the training frames; 1 where they are too few to tell.

    A cleaner stack has more dim blobs, so only those are compared that noise as in the training frames would not hide: the
    scale is looked for at which the blobs above the scaled floor have the scaled median.
    """
    (floor, median), heights, scales = light_counts, np.sort(_heights(found)), np.geomspace(1 / 8, 8, 401)
    if len(heights) < _MIN_HEIGHTS:
        return 1.0
    above = np.searchsorted(heights, scales * floor)
    alike = heights[np.minimum((above + len(heights)) // 2, len(heights) - 1)] <= scales * median
    return float(scales[alike.argmax()]) if alike.any() else 1.0


def _heights(found):
    return np.concatenate([np.zeros(0), *(blobs["height"] for blobs in found)])


def noise_seen(values, noise_sd):
    """Noise of a stack as a classifier of raw crops sees it, in units of that of its training crops (see `scale_for`)."""
    return scale_for(values, noise_sd) * values["noise_sd_counts"] / noise_sd


def scale_for(values, noise_sd):
    """What the light of a stack is multiplied by before a classifier of raw crops sees it.

    A noisier stack is brought to the unit of its own noise. A cleaner one is used as it is, in the unit of the training
    noise, but where its blobs are clearly dimmer than those of the training frames: then they give the unit, as long as
    that leaves no more noise than in training.

    Parameters
    ----------
    values : dict
        Of the stack, as `look_at_frames` gives them.
    noise_sd : float
        Of a pixel of the training crops, counts.
    """
    most, light = noise_sd / max(values["noise_sd_counts"], 1e-9), values["relative_light"]  # a background may be flat
    if most < 1 / (1 + SAME_NOISE):
        return most
    return min(1 / light, most) if most > 1 / (1 - SAME_NOISE) and light < DIMMER else 1.0


def training_ranges(experiment):
    """Lowest and highest value of each of FEATURES over training frames: feature -> [low, high].

    And light_counts, of `light_of`, and unknown_share, of pairs with a gap that no miR has (`second_blobs.count_pairs`).
    Frames, not crops, are looked at: no label is used.
    """
    panel, looked, n_pairs = experiment.panel, [], np.zeros(2, int)
    for _, frame in experiment.stack.frames(evenly_spread(len(experiment.stack), N_TRAINING)):
        looked.append(look_at_frame(frame, panel, experiment.pixel_size_nm))
        n_pairs += count_pairs(frame, looked[-1][1], panel, looked[-1][0]["noise_sd_counts"])
    table = pd.DataFrame([values for values, _ in looked])
    ranges = {name: [float(table[name].min()), float(table[name].max())] for name in FEATURES}
    unknown_share = float(n_pairs[1] / max(n_pairs[0], 1))
    return ranges | {"light_counts": light_of([found for _, found in looked]), "unknown_share": unknown_share}


def profile_of(y_prob):
    """How sure calls of each miR are: counts of blobs by their probability, (n_mirs, N_BINS) from 0 to 1; noise is last."""
    y_prob = np.asarray(y_prob)
    called, sure = y_prob.argmax(axis=1), y_prob.max(axis=1)
    return np.stack([np.histogram(sure[called == k], bins=N_BINS, range=(0, 1))[0] for k in range(y_prob.shape[1] - 1)])


def verdict(values, profile, ranges, training_profile):
    """Is it like the training data, and in what not.

    Parameters
    ----------
    values : dict
        Of the stack: median over its frames of each of FEATURES.
    profile : ndarray of shape (n_mirs, N_BINS)
        As `profile_of` counts it.
    ranges, training_profile
        Of the training data.

    Returns
    -------
    unlike : list of str
        A few words for each thing that differs; empty when it is like the training data.
    """
    unlike = []
    for name, (words, margin) in FEATURES.items():
        (low, high), value = ranges[name], values[name]
        if not low * (1 - margin) <= value <= high * (1 + margin):  # NaN is unlike too
            told = [f"{one:,.0f}" if abs(one) >= 1000 else f"{one:.3g}" for one in (value, low, high)]
            unlike.append(f"{words} ({told[0]}, training {told[1]} to {told[2]})")
    distance, limit = profile_distance(profile, training_profile)
    cleaner = values["noise_sd_counts"] < ranges["noise_sd_counts"][0] * (1 - SAME_NOISE)  # calls are surer then, rightly
    if distance > limit and not cleaner:
        unlike.append(f"probabilities (profile {distance:.2f} from the training data's, chance stays under {limit:.2f})")
    return unlike


def profile_distance(profile, training_profile):
    """Largest distance of two cumulated profiles (Kolmogorov and Smirnov), and what chance and a margin allow.

    The training data's is mixed of its miRs as the stack's calls are: another mixture is no reason for a verdict.
    """
    profile, training = np.asarray(profile, float), np.asarray(training_profile, float)
    there = training.sum(axis=1) > 0
    profile, training = profile[there], training[there]
    calls, known = profile.sum(axis=1), training.sum(axis=1)
    if calls.sum() == 0:
        return 0.0, 1.0
    expected = (calls / known) @ training / calls.sum()
    distance = np.abs(np.cumsum(profile.sum(axis=0) / calls.sum() - expected)).max()
    variance = 1 / calls.sum() + ((calls / calls.sum()) ** 2 / known).sum()
    return float(distance), float(_PROFILE_MARGIN + 1.63 * np.sqrt(variance))


def beside_training(stacks, ranges):
    """What stacks are like, as text, with the range of the training frames in the last row.

    Parameters
    ----------
    stacks : DataFrame
        One row a stack: stack, profile_distance, and a column for each of FEATURES.
    ranges : dict
        As `training_ranges` gives them.
    """
    units = {"noise_sd_counts": "{:.1f}", "background_counts": "{:.0f}", "blobs_per_um2": "{:.4f}", "psf_sigma_px": "{:.2f}",
             "flux_counts": "{:.0f}", "profile_distance": "{:.2f}"}  # fmt: skip
    rows = {}
    for row in stacks.to_dict("records"):
        rows[row["stack"]] = {
            name: "" if np.isnan(row.get(name, np.nan)) else form.format(row[name]) for name, form in units.items()
        }
    rows["(training frames)"] = {name: " to ".join(units[name].format(end) for end in ranges[name]) for name in FEATURES}
    return pd.DataFrame.from_dict(rows, orient="index")
