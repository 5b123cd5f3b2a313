"""What lies in a simulated sample: its blobs, drawn from settings.

Every molecule is two blobs of its dyes' light, the longer wavelength above. Noise blobs are single dyes, blurred dirt, false
detections, and pairs that a person who labels took for noise.
"""

import numpy as np
import pandas as pd
from scipy.spatial import cKDTree

from mirnb.experiments.blobs import ERASED, UNLABELLED
from mirnb.simulation.settings import MARGIN_PX


def draw_sample(panel, settings, seed):
    """Draw all blobs of a sample, frame by frame, before any light is counted.

    Labelled miRs and noise blobs lie where their crops are kept; a further share of molecules lies across the border.

    Returns
    -------
    DataFrame, one row a blob
        molecule, frame (from 1), kind (upper, lower, single, dirt, faint), class (index; noise for noise blobs), y_px, x_px
        (from the outer corner), flux (counts), sigma_y_px, sigma_x_px, labelled (its crop is kept), label (class index as a
        person gave it, -1 erased, -2 not labelled).
    """
    rng = np.random.default_rng([seed, 1])
    n_labelled = round(settings.n_labelled_per_frame * settings.n_frames)
    n_mirs = round(settings.mir_share * n_labelled)
    per_class = _shared_out(n_mirs, [mir.share for mir in panel.mirs])
    classes = np.concatenate([np.full(n, k) for k, n in enumerate([*per_class, n_labelled - n_mirs])])
    # density goes on beyond the part of the frame in which crops are kept
    window = panel.crop_window
    rows, cols = settings.frame_shape
    inner = (rows - window.shape[0] - 2 * MARGIN_PX) * (cols - window.shape[1] - 2 * MARGIN_PX)
    n_border = rng.poisson(n_labelled * (rows * cols / inner - 1))
    n_faint = rng.poisson(settings.faint_per_frame * settings.n_frames)
    classes = np.concatenate([classes, rng.choice(classes, n_border), np.full(n_faint, panel.noise)])
    labelled = np.arange(len(classes)) < n_labelled
    faint = np.arange(len(classes)) >= n_labelled + n_border

    upper = pd.DataFrame({"class": classes, "labelled": labelled})
    upper["kind"] = np.where(classes < panel.noise, "upper", _noise_kinds(len(classes), settings, rng))
    upper.loc[faint, "kind"] = "faint"
    _hide_pairs(upper, faint, per_class, panel, settings, rng)
    upper["label"] = np.where(labelled, classes, UNLABELLED)
    upper["frame"] = rng.integers(1, settings.n_frames + 1, len(upper))
    upper["y_px"], upper["x_px"] = _place(upper, window, settings, rng)
    upper["flux"] = _flux(upper, panel, settings, rng)
    upper["ratio"] = _flux_ratios(upper, panel, settings, rng)
    upper["sigma_x_px"] = settings.psf_sigma_px
    upper["sigma_y_px"] = _upper_sigma_y(upper, panel, settings, rng)
    dirt = upper["kind"] == "dirt"
    upper.loc[dirt, "sigma_x_px"] = upper.loc[dirt, "sigma_y_px"] * rng.uniform(0.8, 1.25, dirt.sum())
    upper["molecule"] = np.arange(1, len(upper) + 1)
    blobs = pd.concat([upper, _lower_blobs(upper, panel, settings, rng)], ignore_index=True)
    return blobs.sort_values(["frame", "molecule", "kind"], ascending=[True, True, False], ignore_index=True)


def _shared_out(total, shares):
    """Whole numbers in proportion to `shares` that sum to `total` (largest remainders)."""
    exact = total * np.asarray(shares, float) / np.sum(shares)
    numbers = np.floor(exact).astype(int)
    numbers[np.argsort(numbers - exact, kind="stable")[: total - numbers.sum()]] += 1
    return numbers


def _hide_pairs(upper, faint, per_class, panel, settings, rng):
    """Make some noise blobs pairs that a person labelled noise: the lower blob too dim to see, or too close."""
    gap_px = np.array([mir.gap_px for mir in panel.mirs])
    overlooked = np.minimum(settings.overlooked_share * np.exp((5 - gap_px) / 4), 0.5)
    noise = np.flatnonzero((upper["class"] == panel.noise) & ~faint)
    n_overlooked = rng.binomial(per_class, overlooked / (1 - overlooked))  # beside those that were labelled as pairs
    n_unseen = rng.binomial(len(noise), settings.unseen_share)
    hidden_as = np.concatenate([np.repeat(np.arange(panel.n_mirs), n_overlooked), _random_mirs(panel, n_unseen, rng)])
    chosen = rng.permutation(noise)[: len(hidden_as)]
    hidden_as = hidden_as[: len(chosen)]
    upper.loc[chosen, "class"], upper.loc[chosen, "kind"] = hidden_as, "upper"
    upper["unseen"] = False
    upper.loc[chosen[n_overlooked.sum() :], "unseen"] = True


def _random_mirs(panel, n, rng):
    """Classes drawn by the panel's shares."""
    shares = np.array([mir.share for mir in panel.mirs])
    return rng.choice(panel.n_mirs, n, p=shares / shares.sum())


def _noise_kinds(n, settings, rng):
    false_share = 1 - settings.single_share - settings.dirt_share
    return rng.choice(["single", "dirt", "false"], n, p=[settings.single_share, settings.dirt_share, max(false_share, 0)])


def _place(upper, window, settings, rng, *, apart_px=4.0):
    """Positions: labelled blobs where their crop is kept, the others about the border (or anywhere, when faint)."""
    rows, cols = settings.frame_shape
    low = np.array([window.above, window.left]) + MARGIN_PX
    high = np.array([rows - window.below, cols - window.right]) - MARGIN_PX
    kind, labelled, frame = (upper[name].to_numpy() for name in ("kind", "labelled", "frame"))
    solid = kind != "faint"
    on_frame = upper[solid].groupby("frame").indices
    on_frame = {number: np.flatnonzero(solid)[rows] for number, rows in on_frame.items()}
    placed = np.empty((len(upper), 2))
    todo = np.arange(len(upper))
    for _ in range(100):
        anywhere = rng.uniform([0, 0], [rows, cols], (len(todo), 2))
        inside = np.all((anywhere >= low) & (anywhere < high), axis=1)
        placed[todo] = np.where(labelled[todo, None], rng.uniform(low, high, (len(todo), 2)), anywhere)
        bad = ~labelled[todo] & solid[todo] & inside
        crowded = np.zeros(len(upper), bool)
        for number in np.unique(frame[todo]):
            here = on_frame.get(number, np.zeros(0, int))
            pairs = cKDTree(placed[here]).query_pairs(apart_px, output_type="ndarray")
            crowded[here[pairs[:, 1]]] = True  # the later one of two moves
        todo = todo[bad | crowded[todo]]
        if not len(todo):
            break
    return placed[:, 0], placed[:, 1]


def _flux(upper, panel, settings, rng):
    """Log-normal about the median, with a width of its own on either side, and a long tail for a few noise blobs."""
    kind = upper["kind"]
    z = rng.standard_normal(len(kind))
    low = np.log(settings.flux_median / settings.flux_low) / 1.2816
    high = np.log(settings.flux_high / settings.flux_median) / 1.2816
    brightness, shares = (np.array([getattr(mir, key) for mir in panel.mirs]) for key in ("brightness", "share"))
    brightness = np.append(brightness, np.average(brightness, weights=shares))[upper["class"]]  # noise comes through it too
    flux = brightness * settings.flux_median * np.exp(z * np.where(z < 0, low, high))
    bright = (rng.random(len(kind)) < settings.bright_share) & kind.isin(["single", "dirt"])
    flux = np.where(bright, np.exp(rng.uniform(np.log(1e4), np.log(5e5), len(kind))), flux)
    flux = np.where(kind == "dirt", 2 * flux, flux)  # dirt spreads its light, so only brighter dirt is detected
    return np.where(kind == "faint", rng.uniform(150, 700, len(kind)), np.where(kind == "false", 0.0, flux))


def _flux_ratios(upper, panel, settings, rng):
    """Lower blob's share of the upper one's flux; pairs are drawn again until a person sees them, or not, as wanted."""
    typical = np.array([mir.lower_flux for mir in panel.mirs] + [0.0])[upper["class"]]
    todo = (upper["kind"] == "upper").to_numpy()
    wanted = ~upper["unseen"].to_numpy()
    ratio = typical * np.exp(settings.ratio_log_sd * rng.standard_normal(len(upper)))
    for _ in range(100):
        sight = settings.sight_counts * np.exp(settings.sight_log_sd * rng.standard_normal(len(upper)))
        seen = ratio * upper["flux"].to_numpy() >= sight
        todo = todo & (seen != wanted)
        unseen = np.flatnonzero(todo)
        if not len(unseen):
            break
        upper.loc[unseen, "flux"] = _flux(upper.iloc[unseen], panel, settings, rng)
        ratio[unseen] = typical[unseen] * np.exp(settings.ratio_log_sd * rng.standard_normal(len(unseen)))
    return ratio


def _upper_sigma_y(upper, panel, settings, rng):
    """Widths along the rows of upper blobs and noise blobs; a single dye is any dye of the panel."""
    streaks = [panel.streaks(mir.dyes) for mir in panel.mirs]
    own = np.array([pair[0].sd_px for pair in streaks] + [0.0])[upper["class"]]
    which = _random_mirs(panel, len(upper), rng)
    half = rng.integers(0, 2, len(upper))
    alone = np.array([[one.sd_px for one in pair] for pair in streaks])[which, half]
    spread = np.hypot(settings.psf_sigma_px, np.where(upper["kind"] == "upper", own, alone))
    stretched = (half == 1) & upper["kind"].isin(["single", "faint"])
    low, high = _lower_sigma_y(panel)[:, which]
    spread = np.where(stretched, rng.uniform(low, high), spread)
    return np.where(upper["kind"] == "dirt", rng.uniform(*settings.dirt_sigma_px, len(upper)), spread)


def _lower_blobs(upper, panel, settings, rng):
    """The second blob of each miR."""
    lower = upper[upper["kind"] == "upper"].copy()
    n = len(lower)
    gap_px = np.array([mir.gap_px for mir in panel.mirs])[lower["class"]] + settings.along_px * rng.standard_normal(n)
    tilt = np.radians(settings.tilt_deg)
    lower["kind"] = "lower"
    lower["labelled"], lower["label"] = False, ERASED
    lower["y_px"] += gap_px * np.cos(tilt)
    lower["x_px"] += gap_px * np.sin(tilt) + settings.sideways_px * rng.standard_normal(n)
    lower["flux"] *= lower["ratio"]
    lower["sigma_y_px"] = rng.uniform(*_lower_sigma_y(panel)[:, lower["class"]])
    return lower


def _lower_sigma_y(panel):
    """Ends of the range of each miR's lower widths, (2, n_mirs)."""
    return np.array([mir.lower_sigma_y_px for mir in panel.mirs]).T
