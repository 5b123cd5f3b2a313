"""Do the positions of a blob table lie on the light of its stack? If not, the likely causes are tried one by one.

The light at a place is its rank: the share of a frame's pixels with less of it, by the wavelet that blobs are found with,
the brightest within a pixel counting. Places at random have a mean rank of a half, blobs one near 1, whatever the noise.
"""

import functools
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from scipy import ndimage
from scipy.fft import irfft2, next_fast_len, rfft2
from scipy.spatial import cKDTree

from mirnb.experiments.stacks import evenly_spread
from mirnb.files import warn
from mirnb.imaging.detection import detect_frame, wavelet

N_FRAMES, N_SHIFTED = 8, 3  # looked at; and for a shift, which takes longer
MIN_BLOBS = 20  # fewer tell nothing
FITS, NO_LIGHT = 0.8, 0.7  # mean ranks from which on places fit, and up to which there is hardly more light than anywhere
_BETTER = 0.15  # a cause has to be so much better than the table as it is
_RANK_SD = 0.289  # of a place at random: ranks are uniform
_STEPS = 10_000  # of light, for its ranks
_FRAMES_OFF = (1, -1, 2, -2, 3, -3)
_SCALES = 5.0  # positions may be so many times too small or too large
_OFF_PX = 0.4  # median distance from table to fitted positions that is said
_NEAR_PX = 3.0
_TURNED = {  # what becomes of (y, x) on a frame of (rows, cols)
    "": lambda y, x, shape: (y, x),
    "with x and y swapped": lambda y, x, shape: (x, y),
    "with y counted from the bottom": lambda y, x, shape: (shape[0] - y, x),
    "with x counted from the right": lambda y, x, shape: (y, shape[1] - x),
    "turned by half a turn": lambda y, x, shape: (shape[0] - y, shape[1] - x),
    "turned by a quarter with the clock": lambda y, x, shape: (x, shape[1] - y),
    "turned by a quarter against the clock": lambda y, x, shape: (shape[0] - x, y),
    "mirrored at the other diagonal": lambda y, x, shape: (shape[0] - x, shape[1] - y),
}


@dataclass(frozen=True)
class Misplacement:
    """What is wrong with the places of a table, and where they would fit: turned, then larger, then shifted."""

    words: str = ""  # a clause with the likely cause; empty where they fit or cannot be told
    light: float | None = None  # mean rank at the places as they are; None for too few
    turned: str = ""  # of _TURNED
    scale: float = 1.0  # from the corner
    shift_px: tuple = (0.0, 0.0)  # down, right
    frames_on: int = 0
    dark: tuple = ()  # frames (from 0) without light at their places, where others have it

    @property
    def moves(self):
        """Whether the places would fit elsewhere."""
        return (self.turned, self.scale, self.shift_px, self.frames_on) != ("", 1.0, (0.0, 0.0), 0)

    def fitted(self, places, shape):
        """Where places (frame, y_px, x_px) would fit on frames of a shape (rows, cols): a DataFrame with the same rows."""
        y, x = _TURNED[self.turned](places["y_px"], places["x_px"], shape)
        down, right = self.shift_px
        moved = {"y_px": y * self.scale + down, "x_px": x * self.scale + right}
        return places.assign(frame=places["frame"] + self.frames_on, **moved)


def about_places(stack, places, pixel_size_nm):
    """What is wrong with the places of a table in words: those of `find_misplacement`."""
    return find_misplacement(stack, places, pixel_size_nm).words


def find_misplacement(stack, places, pixel_size_nm):
    """What is wrong with the places of a table, and where they would fit.

    Parameters
    ----------
    stack : Stack
    places : DataFrame
        frame (from 0), y_px, x_px (from the outer corner), as the stack was recorded.
    pixel_size_nm : float
        With which nm became pixels.

    Returns
    -------
    Misplacement
    """
    points = {int(frame): own[["y_px", "x_px"]].to_numpy() for frame, own in looked_at(places).groupby("frame")}
    if sum(map(len, points.values())) < MIN_BLOBS:
        return Misplacement()
    recorded = dict(recorded_frames(stack, points))
    ranks = {frame: _ranks(pixels) for frame, pixels in recorded.items()}
    here, _ = _mean_rank(ranks, points)
    if here >= FITS:
        return replace(_without_light(ranks, points) or _offset(recorded, points), light=here)
    causes = [
        *_other_frames(stack, points),
        *_other_scales(ranks, points, pixel_size_nm),
        *_other_origins(recorded, ranks, points),
    ]
    best, cause = max(causes, key=lambda one: one[0], default=(0.0, None))
    if best >= here + _BETTER:
        return replace(cause, light=here)
    unlit = "there is hardly more light at its places than anywhere; is it another stack's table?"
    return Misplacement("" if here >= NO_LIGHT else unlit, light=here)


def looked_at(places):
    """The places on a few frames, evenly spread over those that have some."""
    frames = np.unique(places["frame"])
    return places[places["frame"].isin(frames[evenly_spread(len(frames), N_FRAMES)])] if len(frames) else places


def places_of(experiment):
    """Places of an experiment's table, each once, as `find_misplacement` takes them."""
    y, x = (experiment.table[name].to_numpy() / experiment.pixel_size_nm for name in ("y [nm]", "x [nm]"))
    return pd.DataFrame({"frame": experiment.frame_index, "y_px": y, "x_px": x}).drop_duplicates()


def warn_of_places(experiment):
    """Warn where the table of an experiment does not lie on the light of its stack: every number would be wrong."""
    wrong = misplacement_of(experiment).words
    if wrong:
        stack = experiment.stack.paths[0]
        warn(f"{experiment.blobs_path}: does not fit the light of {stack}: {wrong} (explore.ipynb shows it)")


@functools.lru_cache(maxsize=1)  # of the experiment that is worked on: several splits of it are prepared in a row
def misplacement_of(experiment):
    """`find_misplacement` of an experiment's table."""
    return find_misplacement(experiment.stack, places_of(experiment), experiment.pixel_size_nm)


def recorded_frames(stack, frames):
    """Index and frame of those wanted, as the stack was recorded: not turned."""
    for index, frame in stack.frames(sorted(frames)):
        yield index, np.rot90(frame, -stack.quarter_turns)


def _ranks(frame):
    """Rank of the light at each pixel, (rows, cols) from 0 to 1."""
    light = ndimage.maximum_filter(wavelet(frame), 3)
    low, high = np.percentile(light[::6, ::6], [0, 99.9])  # what is higher has the highest rank
    steps = (np.clip((light - low) / (high - low or 1), 0, 1) * _STEPS).astype(np.int16)
    alike = np.bincount(steps[::6, ::6].ravel(), minlength=_STEPS + 1)
    return ((np.cumsum(alike) - alike / 2) / alike.sum()).astype(np.float32)[steps]


def _mean_rank(ranks, points):
    """Mean rank over the points that lie on their frames, and how many these are."""
    found = [_at(ranks[frame], own) for frame, own in points.items() if frame in ranks]
    found = np.concatenate([np.zeros(0), *found])
    return (float(found.mean()) if len(found) else 0.0), len(found)


def _at(ranks, points):
    rows, cols = np.floor(points).astype(int).T
    inside = (rows >= 0) & (rows < ranks.shape[0]) & (cols >= 0) & (cols < ranks.shape[1])
    return ranks[rows[inside], cols[inside]]


def _stands_out(mean, n, n_points):
    """Whether a mean rank of n points is more than the best of many tries at random places would give."""
    return n >= max(MIN_BLOBS, n_points / 4) and mean > min(max(FITS, 0.5 + 6.5 * _RANK_SD / np.sqrt(n)), 0.93)


def _without_light(ranks, points):
    dark = [frame for frame, own in points.items() if len(own) >= 15 and _at(ranks[frame], own).mean() < NO_LIGHT]
    named = ", ".join(str(frame + 1) for frame in dark)
    words = (
        f"on frame {named}, of {len(points)} looked at, there is hardly more light than anywhere; "
        "are parts of the table another stack's?"
    )
    return Misplacement(words, dark=tuple(dark)) if dark else None


def _median_off(recorded, points):
    """Median (down, right) from places to the blobs beside them, px; 0 where there are few."""
    off = []
    for frame, own in points.items():
        fitted = detect_frame(recorded[frame])[["y_px", "x_px"]].to_numpy()
        if len(fitted) and len(own):
            distance, nearest = cKDTree(fitted).query(own)
            off.append((fitted[nearest] - own)[distance < _NEAR_PX])
    off = np.concatenate([np.zeros((0, 2)), *off])
    return np.median(off, axis=0).tolist() if len(off) >= MIN_BLOBS else [0.0, 0.0]


def _offset(recorded, points):
    """Whether all places lie off the blobs in the same direction, by a fraction of a pixel or a few."""
    down, right = _median_off(recorded, points)
    if max(abs(down), abs(right)) < _OFF_PX:
        return Misplacement()
    words = (
        f"positions fit {right:+.1f} px in x and {down:+.1f} px in y further; "
        "do they count from the middle of the first pixel, or from 1?"
    )
    return Misplacement(words, shift_px=(down, right))


def _other_frames(stack, points):
    """Whether each frame's places fit a neighbouring frame."""
    n_points = sum(map(len, points.values()))
    wanted = {frame + k for frame in points for k in _FRAMES_OFF} & set(range(len(stack)))
    ranks = {frame: _ranks(pixels) for frame, pixels in recorded_frames(stack, wanted)}
    for k in _FRAMES_OFF:
        mean, n = _mean_rank(ranks, {frame + k: own for frame, own in points.items()})
        if _stands_out(mean, n, n_points):
            sign, wrong = ("+", "low") if k > 0 else ("-", "high")
            words = f"positions fit frame {sign} {abs(k)}: rows name it {abs(k)} too {wrong}, frames count from 1"
            yield mean, Misplacement(words, frames_on=k)


def _other_scales(ranks, points, pixel_size_nm):
    """Whether positions fit when they are so many times larger, from the corner."""
    n_points, size = sum(map(len, points.values())), max(next(iter(ranks.values())).shape)
    logs = np.linspace(-1, 1, 2 * int(np.log(_SCALES) * size) + 1) * np.log(_SCALES)  # a pixel apart at the far end
    means = []
    for scale in [*np.exp(logs), pixel_size_nm, 1000.0]:
        mean, n = _mean_rank(ranks, {frame: own * scale for frame, own in points.items()})
        means.append(mean if _stands_out(mean, n, n_points) else 0.0)
    *means, in_pixels, in_um = means
    if (best := max(means)) > 0:
        scale = np.exp(logs[np.array(means) >= best - 0.003].mean())
        set_nm = f"was {pixel_size_nm / scale:.3g} nm set in ThunderSTORM, for {pixel_size_nm:g}?"
        yield best, Misplacement(f"positions fit {scale:.3g} times larger; {set_nm}", scale=float(scale))
    words = f"positions fit {pixel_size_nm:g} times larger; are they in pixels?"
    yield in_pixels, Misplacement(words, scale=pixel_size_nm)
    yield in_um, Misplacement("positions fit 1000 times larger; are they in µm?", scale=1000.0)


def _other_origins(recorded, ranks, points):
    """Whether positions fit when they are shifted, swapped or mirrored."""
    chosen = sorted(points, key=lambda frame: -len(points[frame]))[:N_SHIFTED]
    shape = ranks[chosen[0]].shape
    points = {frame: points[frame][np.abs(points[frame]).max(axis=1) < 2 * max(shape)] for frame in chosen}  # none astray
    n_points = max(sum(map(len, points.values())), 1)
    if sum(len(np.unique(np.floor(own), axis=0)) for own in points.values()) < n_points / 2:
        return  # in a few pixels, as µm are: some bright spot would take them all
    reach = np.max([np.abs(points[frame]).max(initial=0) for frame in chosen])
    size = [next_fast_len(int(length + max(reach, *shape)) + 1, real=True) for length in shape]
    light = {frame: rfft2(ranks[frame] - 0.5, size, workers=2) for frame in chosen}
    for words, turned in _TURNED.items():
        summed = 0
        for frame in chosen:
            y, x = turned(*points[frame].T, shape)
            counts = np.zeros(size, np.float32)
            np.add.at(counts, (np.floor(y).astype(int) % size[0], np.floor(x).astype(int) % size[1]), 1)
            summed = summed + light[frame] * np.conj(rfft2(counts, workers=2))
        fit = irfft2(summed, size, workers=2)
        down, right = (
            int(at - length if at > length / 2 else at)
            for at, length in zip(np.unravel_index(fit.argmax(), fit.shape), size, strict=True)
        )
        mean = 0.5 + float(fit.max()) / n_points
        if not _stands_out(mean, n_points, n_points):
            continue
        moved = {frame: np.add(np.column_stack(turned(*points[frame].T, shape)), (down, right)) for frame in chosen}
        down, right = np.add((down, right), _median_off(recorded, moved)).tolist()
        shift = "" if max(abs(down), abs(right)) <= _NEAR_PX else f"{right:+.0f} px in x and {down:+.0f} px in y further"
        if words or shift:
            about = "" if words else "; do they count from the corner of a ROI?"
            said = f"positions fit {' and '.join(filter(None, [words, shift]))}{about}"
            yield mean, Misplacement(said, turned=words, shift_px=(down, right))
