"""Crops, background and noise cut from an experiment's frames (thesis 2.1)."""

import itertools

import numpy as np
from tqdm.auto import tqdm

from mirnb.experiments.panel import NOISE
from mirnb.experiments.stacks import evenly_spread
from mirnb.imaging.correlation import Correlator
from mirnb.imaging.crops import cut_crops, fits
from mirnb.imaging.preprocessing import noise_sd, preprocess

MARGIN_PX = 2  # raw crops are kept so much wider than a template, for mirroring and shifting
N_PATCHES = 6000  # of background, at most


def kept_blobs(experiment, *, labelled=True, n_frames=None):
    """Blobs whose crop window lies inside the frame, a molecule whose row is there twice once.

    Parameters
    ----------
    labelled : bool
        Only blobs with a class.
    n_frames : int, optional
        Only blobs of the first frames.

    Returns
    -------
    blobs : DataFrame
        table_row, frame (from 0), row, col, y (class, -1 erased, -2 not labelled), in table order.
    n_dropped : int
        Blobs left out, nearly all because their window leaves the frame.
    """
    experiment.require_blobs()
    blobs = experiment.blobs
    if labelled:
        blobs = blobs[blobs["y"] >= 0]
    if n_frames is not None:
        blobs = blobs[blobs["frame"] < n_frames]
    inside = fits(experiment.stack.frame_shape, blobs["row"], blobs["col"], experiment.panel.crop_window)
    kept = inside & ~experiment.repeated[blobs["table_row"]]
    return blobs[kept].reset_index(drop=True), int(np.sum(~kept))


def wide_window(panel):
    """Window of raw crops as they are kept: the template window and a margin."""
    return panel.template_window.grown(MARGIN_PX)


def without_margin(wide_crops):
    """Raw crops in the template window, from raw crops as they are kept."""
    return wide_crops[:, MARGIN_PX:-MARGIN_PX, MARGIN_PX:-MARGIN_PX]


def cut_raw_crops(stack, blobs, panel):
    """Raw crops of blobs in the wide window, (n_blobs, rows, cols), counts; the margin is reflected at a frame's edge.

    Parameters
    ----------
    stack : Stack or HeldFrames
    blobs : DataFrame
        frame (from 0), row, col.
    """
    window = wide_window(panel)
    crops = np.empty((len(blobs), *window.shape), stack.dtype)
    for here, frame in _frames_with_blobs(stack, blobs, "raw crops"):
        padded = np.pad(frame, MARGIN_PX, mode="reflect")
        crops[here] = cut_crops(padded, blobs["row"][here] + MARGIN_PX, blobs["col"][here] + MARGIN_PX, window)
    return crops


def cut_background(stack, blobs, held_out, window, *, n_frames=None, n_patches=N_PATCHES, seed=3, apart_px=4):
    """Patches of frames at random places: what the light of a blob would fall upon.

    In the middle of a patch there is no blob. Its neighbours are those of the frame, less the ones that are
    held out: where blobs lie dense there are fewer than beside a blob.

    Parameters
    ----------
    stack : Stack or HeldFrames
    blobs : DataFrame
        frame (from 0), row, col of all blobs.
    held_out : DataFrame
        frame, row, col of blobs whose crops no patch may touch: those of validation and test.
    window : Window
        Of a patch.
    n_frames : int, optional
        The first frames only.
    n_patches : int
        At most, from frames spread evenly; fewer where blobs lie dense.
    apart_px : int
        No blob lies nearer to the middle of a patch, on both axes.

    Returns
    -------
    patches : ndarray of shape (n_patches, *window.shape), the stack's dtype
    """
    rng, (rows, cols) = np.random.default_rng([seed, 5]), stack.frame_shape
    chosen = evenly_spread(min(len(stack), n_frames or len(stack)), max(n_patches // 20, 1))
    n_each = max(n_patches // len(chosen), 1)
    patches = [np.empty((0, *window.shape), stack.dtype)]
    for index, frame in stack.frames(chosen):
        row = rng.integers(window.above, rows - window.below + 1, 6 * n_each)
        col = rng.integers(window.left, cols - window.right + 1, 6 * n_each)
        touches = _near(row, col, held_out[held_out["frame"] == index], window.shape)
        on_blob = _near(row, col, blobs[blobs["frame"] == index], (apart_px, apart_px))
        free = np.flatnonzero(~touches & ~on_blob)[:n_each]
        patches.append(cut_crops(frame, row[free], col[free], window))
    return np.concatenate(patches)


def stack_noise_sd(stack, blobs, window, *, n_patches=2000):
    """Noise of a pixel of a stack, counts: of patches without a blob, as that of training crops is found."""
    patches = cut_background(stack, blobs, blobs[:0], window, n_patches=n_patches)
    return noise_sd(patches if len(patches) else next(stack.frames([0]))[1])


def _near(row, col, blobs, apart_px):
    """Which places have one of the blobs nearer than `apart_px` (rows, cols)."""
    down = np.abs(row[:, None] - blobs["row"].to_numpy()) < apart_px[0]
    right = np.abs(col[:, None] - blobs["col"].to_numpy()) < apart_px[1]
    return np.any(down & right, axis=1)


def cut_response_crops(stack, blobs, templates, window, *, background_percentile=70.0, cap_sds=5.0):
    """Crops of the preprocessed frames' response to all templates, (n_blobs, *window.shape, n_templates), float32."""
    correlator = Correlator(templates, stack.frame_shape, workers=2)
    crops = np.empty((len(blobs), *window.shape, len(templates)), np.float32)
    for here, frame in _frames_with_blobs(stack, blobs, "response crops"):
        clean = preprocess(frame, background_percentile=background_percentile, cap_sds=cap_sds)
        crops[here] = cut_crops(correlator.cross_correlate(clean), blobs["row"][here], blobs["col"][here], window)
    return crops


def busiest_corner(rows, cols, shape, side_px, *, kinds=None):
    """First pixel (row, col) of the square part of a frame, in half steps, that holds most kinds of blobs, then most blobs.

    kinds : Series, optional
        Of each blob; all are alike by default.
    """
    steps = (range(0, max(size - side_px, 0) + 1, max(side_px // 2, 1)) for size in shape)
    corners = list(itertools.product(*steps))
    inside = [(rows >= r) & (rows < r + side_px) & (cols >= c) & (cols < c + side_px) for r, c in corners]
    counts = [(0 if kinds is None else kinds[one].nunique(), int(np.sum(one))) for one in inside]
    return corners[counts.index(max(counts))]


def busiest_part(stack, blobs, *, side_px=320):
    """Where most miRs were called, then most molecules, as `images.draw_frame` takes it: frame, blobs, corner, side_px.

    Parameters
    ----------
    stack : Stack or HeldFrames
    blobs : DataFrame
        frame (from 0), row, col, class (name; "noise" is no molecule); at least one.
    side_px : int
        Of the part that is to be shown.
    """
    called = blobs[blobs["class"] != NOISE]
    kinds = (called if len(called) else blobs).groupby("frame")["class"].agg(["nunique", "size"])
    most = int(kinds.sort_values(["nunique", "size"], ascending=False, kind="stable").index[0])
    ((_, image),) = stack.frames([most])
    here = called[called["frame"] == most]
    corner = busiest_corner(here["row"], here["col"], image.shape, side_px, kinds=here["class"])
    return {"frame": image, "blobs": blobs[blobs["frame"] == most], "corner": corner, "side_px": side_px}


def _frames_with_blobs(stack, blobs, doing):
    """Each frame that holds blobs, with the rows of `blobs` that lie on it; progress goes with it."""
    by_frame = blobs.groupby("frame").indices
    frames = stack.frames(sorted(by_frame))
    for index, frame in tqdm(
        frames, total=len(by_frame), desc=doing, unit="frame", leave=False, disable=len(by_frame) < 100
    ):
        yield by_frame[index], frame
