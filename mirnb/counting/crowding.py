"""What crowding takes of the molecules, measured on frames of the samples: two laid on each other are twice as dense.

The sum of two frames of a dense sample, less the background of one, holds the molecules and the noise of both. The sum of
each with a frame of a blank has as much noise and half the molecules. What is counted on the former, against what is counted
on the latter, is what as many more molecules leave. Neighbours lie about by chance, so that exp(-area density) is left.
"""

from dataclasses import dataclass

import numpy as np

from mirnb.counting.bins import N_LEVELS, bins_of
from mirnb.counting.correction import most_likely
from mirnb.counting.worker import FRAMES_A_PART, classify_frames
from mirnb.experiments.stacks import evenly_spread
from mirnb.imaging.neighbours import find_partners

N_FRAMES = 12  # of a stack
MOST_STACKS = 3
_N_RESAMPLES = 400


@dataclass(frozen=True, eq=False)
class Crowding:
    """Area that a molecule takes from those of each miR, in the unit of the area that the density was told for."""

    area: np.ndarray  # (n_mirs,), from 0 on
    drawn: np.ndarray  # (n_resamples, n_mirs), with frames drawn anew

    def left(self, density):
        """Share of the molecules of each miR that is counted at a density, (n_mirs,)."""
        return np.exp(-self.area * density)


def measure_crowding(classifier, correction, stacks, blanks, density) -> Crowding:
    """Measure what crowding takes.

    Parameters
    ----------
    classifier : Classifier
        With its facts.
    stacks, blanks : list of Stack
        Of the densest sample, two frames each or more, and of blanks; frames of one shape.
    density : float
        Molecules of all miRs on an area of that sample.
    """
    grounds = [frame for one in blanks[:MOST_STACKS] for frame in _frames(one)]
    together, apart = [], []
    for stack in stacks[:MOST_STACKS]:
        frames = _frames(stack)
        others = [*frames[1:], frames[0]]
        with_blank = [grounds[k % len(grounds)] for k in range(len(frames))]
        together.append(_bins_of_sums(classifier, frames, others))
        apart.append(_bins_of_sums(classifier, frames, with_blank))
    together, apart = np.concatenate(together), np.concatenate(apart)
    rng, n = np.random.default_rng([correction.seed, 19]), len(together)
    chosen = rng.multinomial(n, np.full(n, 1 / n), _N_RESAMPLES)
    chosen[0] = 1  # as they are
    # each frame lies in two sums with another
    counted, alone = (most_likely((chosen @ one).astype(float), correction.yields)[:, :-1] for one in (together, 2 * apart))
    with np.errstate(divide="ignore", invalid="ignore"):
        areas = -np.log(counted / alone) / density
    areas = np.where(np.isfinite(areas), areas, 0.0)
    which = rng.integers(1, _N_RESAMPLES, correction.n_resamples)
    return Crowding(np.maximum(areas[0], 0), areas[which])


def _frames(stack):
    return [frame.astype(np.float32) for _, frame in stack.frames(evenly_spread(len(stack), N_FRAMES))]


def _bins_of_sums(classifier, frames, others):
    """Calls on the sum of each two frames, (n, n_bins), partners left out."""
    sums = [one + other - np.median(other) for one, other in zip(frames, others, strict=True)]
    scale = classifier.scale_for(classifier.look(sums[:FRAMES_A_PART])[0])
    panel, found = classifier.panel, []
    for start in range(0, len(sums), FRAMES_A_PART):
        part = sums[start : start + FRAMES_A_PART]
        blobs = classify_frames(classifier, part, scale)
        y_prob, frame = blobs["y_prob"], blobs["frame"]
        called = np.where(np.isnan(y_prob[:, 0]), -1, np.nan_to_num(y_prob).argmax(axis=1))
        counts = (called >= 0) & (find_partners(frame, blobs["y_px"], blobs["x_px"], called, panel) < 0)
        bins = np.zeros((len(part), N_LEVELS * (panel.n_mirs + 1)), int)
        np.add.at(bins, (frame[counts], bins_of(y_prob[counts], classifier.facts)), 1)
        found.append(bins)
    return np.concatenate(found)
