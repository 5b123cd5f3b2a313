"""False calls without labels: pairs across the dispersion are no molecules, so what is called there is called by chance.

A frame is turned by a quarter, both ways, and the same blobs are asked about: their windows now lie to the right and to
the left. Blobs neighbour each other there as often as along the dispersion, but for the lower halves of molecules, which
along it come with their upper ones: blobs beside one are left out. How often a blob is called a miR so, times the single
blobs on a frame, are the calls that are no molecules. Single are those called noise, less the molecules that are missed.
"""

import numpy as np
import pandas as pd
from scipy.stats import chi2

from mirnb.experiments.stacks import HeldFrames
from mirnb.imaging.crops import fits

ASKED, TURNED = "turned_asked", "turned_"  # how many blobs were asked about so, and how many were called each miR
_BESIDE_PX = 3.5  # further off the line of a pair a blob is not taken for its lower half


def call_turned(classifier, frames, blobs, scale):
    """Call the blobs of frames as if the dispersion ran across.

    Parameters
    ----------
    frames : list of ndarray (rows, cols), dispersion down
    blobs : DataFrame
        frame (from 0, in `frames`), row, col.
    scale : float
        Of their stack, as `likeness.scale_for` gives it.

    Returns
    -------
    dict of int
        ASKED, blobs of both turns together that were asked about, and TURNED and the name of a miR, those called it.
    """
    panel, n = classifier.panel, np.zeros(classifier.panel.n_mirs + 1, int)
    gaps = np.array([*(mir.gap_px for mir in panel.mirs), np.nan])
    upright, called = _call(classifier, frames, blobs, scale)
    lower = upright.assign(row=upright["row"] + gaps[called])[called < panel.noise]
    for side in (1, -1):
        turned = [np.ascontiguousarray(frame[:, ::side].T) for frame in frames]
        across = [one["col"] if side == 1 else frames[0].shape[1] - 1 - one["col"] for one in (blobs, lower)]
        asked, halves = (one.assign(row=col, col=one["row"]) for one, col in zip((blobs, lower), across, strict=True))
        asked = asked[~_holds(asked, halves, panel.template_window.below)]
        n += np.bincount(_call(classifier, turned, asked, scale)[1], minlength=len(n))
    return {ASKED: int(n.sum()), **{TURNED + name: int(n[k]) for k, name in enumerate(panel.mir_names)}}


def _call(classifier, frames, blobs, scale):
    """Blobs whose window lies inside the frame, and what each is called, (n_kept,)."""
    kept = fits(frames[0].shape, blobs["row"], blobs["col"], classifier.panel.crop_window)
    asked = blobs[kept].reset_index(drop=True)
    return asked, classifier.predict(classifier.cut(HeldFrames(frames), asked), scale=scale).argmax(axis=1)


def _holds(blobs, halves, below):
    """Which blobs have one of the lower halves below them, nearer than `below` px and near the line: (n_blobs,) bool."""
    found, by_frame = np.zeros(len(blobs), bool), halves.groupby("frame").indices
    for frame, own in blobs.groupby("frame").indices.items():
        down, right = (
            halves[name].to_numpy()[by_frame.get(frame, [])] - blobs[name].to_numpy()[own, None] for name in ("row", "col")
        )
        found[own] = ((down > 0) & (down < below) & (np.abs(right) < _BESIDE_PX)).any(axis=1)
    return found


def chance_rates(stacks, classifier, *, by="sample"):
    """Calls of each miR on a frame that chance alone makes, of stacks pooled.

    Parameters
    ----------
    stacks : DataFrame
        As `quantification.stack_table` gives it: frames, calls of each class and what `call_turned` counted.
    classifier : Classifier
        With its facts: so many molecules are missed for each call of a miR as among held-out crops, pairs labelled noise
        among them.
    by : str
        Column whose equal values are pooled.

    Returns
    -------
    DataFrame indexed by `by` and class
        chance_per_frame, chance_per_frame_low, chance_per_frame_high: with the exact 95 % interval of a Poisson count
        (Garwood 1936). NaN where no blob could be asked about.
    """
    names, facts = classifier.panel.mir_names, classifier.facts
    missed = (facts.confusion[:-1, -1].sum() + facts.hidden[:, -1].sum()) / max(facts.confusion[:, :-1].sum(), 1)
    counts = [ASKED, *(prefix + name for name in names for prefix in (TURNED, "called_")), "called_noise", "frames"]
    sums = stacks[stacks["verdict"] != "failed"].groupby(by, sort=False)[counts].sum()
    single = sums["called_noise"] - missed * sums[["called_" + name for name in names]].sum(axis=1)
    each = single.clip(lower=0) / sums["frames"] / sums[ASKED].where(sums[ASKED] > 0)
    parts = {}
    for name in names:
        n = sums[TURNED + name]
        low, high = np.nan_to_num(chi2.ppf(0.025, 2 * n) / 2), chi2.ppf(0.975, 2 * n + 2) / 2
        values = {"": n * each, "_low": low * each, "_high": high * each}
        parts[name] = pd.DataFrame({f"chance_per_frame{end}": value for end, value in values.items()})
    return pd.concat(parts, names=["class"]).swaplevel()


def chance_by_stack(stacks, classifier):
    """The rates of `chance_rates` of each stack in columns: chance_per_frame_<miR>, chance_per_frame_low_<miR>, ..."""
    rates = chance_rates(stacks, classifier, by="stack").unstack()
    return rates.set_axis([f"{rate}_{name}" for rate, name in rates.columns], axis=1)
