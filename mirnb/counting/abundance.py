"""Abundances of the miRs of samples: blanks subtracted, replicates pooled, shares, detection limits."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from mirnb.classifiers.scores import HOLDS, OPEN, as_text, with_interval
from mirnb.counting.correction import Correction, interval
from mirnb.counting.misfit import LEAST_P, Misfit, judge_fit

MIN_FRAMES = 5  # fewer say nothing of how frames differ


@dataclass(frozen=True)
class Sample:
    """Calls of a sample, frame by frame, and what they are corrected with."""

    name: str
    role: str  # one of `samples.ROLES`
    bins: np.ndarray  # (n_frames, n_bins) blobs in each bin of the correction, partners left out
    replicate: np.ndarray  # (n_frames,) number of the replicate each frame belongs to
    area_um2: float  # of all frames together, where blobs are counted
    truth: np.ndarray | None = None  # (n_mirs,) molecules of a simulated sample, as `truth.true_molecules` counts them
    correction: Correction | None = None  # of its own noise, where its stacks are cleaner than the training frames
    concentration: tuple = ()  # of each miR, where it is known
    added_to: str = ""  # sample that a spike was added to

    @property
    def n_frames(self):
        return len(self.bins)

    @property
    def counts(self):
        return self.bins.sum(axis=0)


@dataclass(frozen=True)
class Abundance:
    """Molecules of each class in a sample, blanks subtracted, with draws that samples share the matrix of."""

    sample: Sample
    molecules: np.ndarray  # (n_classes,)
    draws: np.ndarray  # (n_resamples, n_classes)
    limit: np.ndarray  # (n_classes,) molecules, detection limit
    spread: np.ndarray  # (n_classes,) standard deviation between replicates of molecules a frame; NaN with one
    replicate_rates: np.ndarray  # (n_replicates, n_classes) molecules a frame of each, blanks subtracted
    misfit: Misfit


def estimate_abundances(samples, correction):
    """Molecules of each class in each sample: list of Abundance, blanks as they are.

    Blanks, pooled, are subtracted frame by frame from the others. Replicates are pooled; by how much they differ beyond
    chance widens the intervals, and so do differences between frames beyond chance.

    Parameters
    ----------
    samples : sequence of Sample
    """
    blanks = [one for one in samples if one.role == "blank"]
    blank_rate, blank_draws = 0.0, 0.0
    if blanks:
        n_frames = sum(one.n_frames for one in blanks)
        counts, own = np.sum([one.counts for one in blanks], axis=0), blanks[0].correction or correction
        blank_rate = own.estimate(counts) / n_frames
        blank_draws = own.draws(counts, stream=1) / n_frames
    found = []
    for number, one in enumerate(samples, 2):
        own = one.correction or correction
        molecules, draws = own.estimate(one.counts), own.draws(one.counts, stream=number)
        rates = _replicate_rates(one, own)
        spread, factor = _differences(one, rates, own, number)
        draws = draws * factor
        blank = one.role != "blank" and len(blanks)
        limit = _detection_limit(molecules, own, np.std(blank_draws * one.n_frames, axis=0) if blank else 0.0)
        if blank:
            molecules = np.maximum(molecules - blank_rate * one.n_frames, 0)
            draws = np.maximum(draws - blank_draws * one.n_frames, 0)
            rates = np.maximum(rates - blank_rate, 0)
        fit = judge_fit(one.counts, own, stream=number)
        found.append(Abundance(one, molecules, draws, limit, spread, rates, fit))
    return found


def _replicate_rates(sample, correction):
    """Molecules a frame of each replicate, (n_replicates, n_classes)."""
    each = [sample.bins[sample.replicate == number] for number in np.unique(sample.replicate)]
    return np.array([correction.estimate(one.sum(axis=0)) / len(one) for one in each])


def _differences(sample, rates, correction, stream):
    """Spread between replicates (n_classes,), and what draws are multiplied by for differences beyond chance."""
    rng, n = np.random.default_rng([correction.seed, 13, stream]), correction.n_resamples
    if len(rates) > 1:
        mean, n_each = rates.mean(axis=0), sample.n_frames / len(rates)
        with np.errstate(invalid="ignore", divide="ignore"):
            extra = rates.var(axis=0, ddof=1) / mean**2 - 1 / (mean * n_each)
        extra = np.sqrt(np.maximum(np.nan_to_num(extra, posinf=0.0, neginf=0.0), 0) / len(rates))
        return rates.std(axis=0, ddof=1), np.exp(rng.standard_t(len(rates) - 1, (n, 1)).clip(-20, 20) * extra)
    totals = correction.by_class(sample.bins)[:, :-1].sum(axis=1)
    extra = 0.0
    if len(totals) >= MIN_FRAMES and totals.mean() > 0:
        beyond = max(totals.var(ddof=1) - totals.mean(), 0)
        extra = np.sqrt(beyond / len(totals)) / totals.mean()
    return np.full(len(correction.names), np.nan), np.exp(extra * rng.standard_normal((n, 1)))


def _detection_limit(molecules, correction, blank_sd):
    """Molecules a class must have to be told from none 95 times in 100 (Currie 1968), given the other classes and blanks."""
    yields, drawn_yields = correction.by_class(correction.yields), correction.by_class(correction.drawn_yields)
    own = np.diagonal(yields)
    others = molecules[:, None] * yields * (1 - np.eye(len(own)))
    drawn = np.einsum("k,nkj->nj", molecules, drawn_yields * (1 - np.eye(len(own))))
    variance = others.sum(axis=0) + drawn.var(axis=0) + (blank_sd * own) ** 2
    return (2.71 + 3.29 * np.sqrt(variance)) / np.maximum(own, 1e-9)


def abundance_table(found, correction, *, reference=None):
    """One row a sample and miR.

    Parameters
    ----------
    found : list of Abundance
    reference : Abundance, optional
        A mixture in which all miRs are equally frequent.

    Returns
    -------
    DataFrame
        sample, role, class, frames, counted, counted_share, molecules, low, high, true (of simulated samples, as
        `truth.true_molecules` counts them), share, share_low, share_high, true_share, per_frame, per_frame_low,
        per_frame_high, per_um2, per_um2_low, per_um2_high, detection_limit, spread_per_frame (standard deviation between
        replicates), misfit_p (share of good samples whose calls fit as badly), relative_share, relative_low, relative_high
        (against the reference; NaN without one), remark.
    """
    n_mirs, rows = len(correction.names) - 1, []
    for one in found:
        sample, mirs, drawn = one.sample, one.molecules[:n_mirs], one.draws[:, :n_mirs]
        molecules = interval(mirs, drawn)
        share = _share(mirs)
        shares = interval(share, _share(drawn))
        counted = correction.by_class(sample.counts)[:n_mirs]
        true = np.full(n_mirs, np.nan) if sample.truth is None else np.asarray(sample.truth, float)
        relative = dict.fromkeys(("value", "low", "high"), np.full(n_mirs, np.nan))
        if reference is not None and sample.role == "sample":
            relative = relative_shares(one, reference, n_mirs)
        for k, name in enumerate(correction.names[:n_mirs]):
            row = {
                "sample": sample.name, "role": sample.role, "class": name, "frames": sample.n_frames,
                "counted": int(counted[k]), "counted_share": _share(counted)[k],
                "molecules": mirs[k], "low": molecules["low"][k], "high": molecules["high"][k],
                "true": true[k], "share": share[k], "share_low": shares["low"][k], "share_high": shares["high"][k],
                "true_share": _share(true)[k],
            }  # fmt: skip
            for unit, size in (("per_frame", sample.n_frames), ("per_um2", sample.area_um2)):
                row |= {unit: mirs[k] / size, f"{unit}_low": molecules["low"][k] / size,
                        f"{unit}_high": molecules["high"][k] / size}  # fmt: skip
            below = "below its detection limit" if mirs[k] < one.limit[k] else ""
            lacking = "none in the reference" if reference is not None and not reference.molecules[k] else ""
            remarks = (below, lacking, correction.remark, str(one.misfit))
            row |= {
                "detection_limit": one.limit[k], "spread_per_frame": one.spread[k], "misfit_p": one.misfit.p,
                "relative_share": relative["value"][k], "relative_low": relative["low"][k],
                "relative_high": relative["high"][k], "remark": "; ".join(filter(None, remarks)),
            }  # fmt: skip
            rows.append(row)
    return pd.DataFrame(rows)


def draws_table(found, correction):
    """Draws of the molecules of each miR, one row a sample and draw: numbers of one row belong together.

    Any function of them, drawn so, has its 95 % interval between the 2.5th and 97.5th percentile of its values.
    """
    n_mirs = len(correction.names) - 1
    parts = [pd.DataFrame(one.draws[:, :n_mirs].round(2), columns=correction.names[:n_mirs]) for one in found]
    named = {one.sample.name: part.rename_axis("draw").reset_index() for one, part in zip(found, parts, strict=True)}
    return pd.concat(named, names=["sample"]).reset_index(level="sample")


def _share(numbers):
    """Shares of the sum along the last axis; NaN of nothing."""
    with np.errstate(invalid="ignore", divide="ignore"):
        return numbers / numbers.sum(axis=-1, keepdims=True)


def relative_shares(one, reference, n_mirs):
    """Shares of a sample's miRs against a reference in which all are equally frequent: value, low, high, each (n_mirs,).

    Each miR is divided by what was found of it in the reference, so that what holds for a miR in both (its labelling, its
    detection) drops out (thesis reference 2). NaN when the reference lacks a miR.
    """
    with np.errstate(invalid="ignore", divide="ignore"):
        known = np.where(reference.molecules[:n_mirs] > 0, reference.molecules[:n_mirs], np.nan)
        value = _share(one.molecules[:n_mirs] / known)
        drawn = _share(one.draws[:, :n_mirs] / reference.draws[:, :n_mirs])
    ends = interval(value, drawn)
    return {"value": value, **{key: np.where(np.isnan(value), np.nan, end) for key, end in ends.items()}}


def in_words(table):
    """What an `abundance_table` says, in plain sentences: a list of text."""
    sentences = []
    for name, own in table[table["role"] != "blank"].groupby("sample", sort=False):
        if own["share"].isna().all():
            sentences.append(f"{name}: no molecule of any miR.")
            continue
        most = own.loc[own["share"].idxmax()]
        n = with_interval(*most[["molecules", "low", "high"]], "{:.0f}")
        share = with_interval(*most[["share", "share_low", "share_high"]], "{:.1%}")
        others = own.drop(index=most.name)
        if others.empty:
            sentences.append(f"{name}: {n} molecules of {most['class']}.")
        else:
            verdict = HOLDS if most["share_low"] > others["share_high"].max() else OPEN
            sentences.append(
                f"{name}: {most['class']} is its most frequent miR: {verdict}, {n} molecules, {share} of all miRs."
            )
    for name, own in table[table["misfit_p"] < LEAST_P].groupby("sample", sort=False):
        sentences.append(f"{name}: {own['remark'].iloc[0].split('; ')[-1]}.")
    below = table[table["molecules"] < table["detection_limit"]]
    if len(below):
        sentences.append(f"Below their detection limit, not told from none: {_by_sample(below, table)}.")
    else:
        sentences.append("Every miR of every sample lies above its detection limit.")
    known = table[table["true"].notna()]
    if len(known):
        inside = known["true"].between(known["low"], known["high"])
        sentences.append(
            f"True numbers of molecules inside their 95 % intervals: {inside.sum()} of {len(known)}"
            + ("." if inside.all() else f"; outside: {_by_sample(known[~inside], table)}.")
        )
    return sentences


def _by_sample(rows, table):
    """miRs of some rows of a table, by sample, as text."""
    n_mirs = table["class"].nunique()
    parts = []
    for name, own in rows.groupby("sample", sort=False):
        parts.append(f"{', '.join(own['class']) if len(own) < max(n_mirs, 2) else f'all {n_mirs}'} of {name}")
    return "; ".join(parts) or "none"


def in_columns(table):
    """Molecules and shares of an `abundance_table` to be read: a row a sample and miR, intervals as text."""
    shown = table[["sample", "class", "counted"]].copy()
    shown["molecules (95 %)"] = _with_ends(table, "molecules", "low", "high", "{:.0f}")
    shown["share (95 %)"] = _with_ends(table, "share", "share_low", "share_high", "{:.1%}")
    shown["share as counted"] = table["counted_share"].map(_formatted("{:.1%}"))
    if table["true"].notna().any():
        shown["true"], shown["true share"] = (
            table[key].map(_formatted(form)) for key, form in (("true", "{:.0f}"), ("true_share", "{:.1%}"))
        )
    below = np.where(table["molecules"] < table["detection_limit"], ", below", "")
    shown["detection limit"] = table["detection_limit"].map(_formatted("{:.0f}")) + below
    return shown.set_index(["sample", "class"])


def rates_in_columns(table):
    """Molecules a frame and on an area, calls by chance, intervals as text, and the spread of replicates."""
    shown = table[["sample", "class", "frames"]].copy()
    shown["a frame (95 %)"] = _with_ends(table, "per_frame", "per_frame_low", "per_frame_high", "{:.1f}")
    shown["per 1000 µm² (95 %)"] = _with_ends(table, "per_um2", "per_um2_low", "per_um2_high", "{:.2f}", times=1000)
    if "chance_per_frame" in table:
        ends = ("chance_per_frame", "chance_per_frame_low", "chance_per_frame_high")
        shown["calls by chance, a frame (95 %)"] = _with_ends(table, *ends, "{:.2f}")
    if table["spread_per_frame"].notna().any():
        shown["spread of replicates, a frame"] = table["spread_per_frame"].map(_formatted("{:.1f}"))
    return shown.set_index(["sample", "class"])


def relative_in_columns(table):
    """Relative shares of samples against the reference, with intervals as text; empty without a reference."""
    own = table[table["relative_share"].notna()]
    text = _with_ends(own, "relative_share", "relative_low", "relative_high", "{:.1%}")
    return own[["sample", "class"]].assign(**{"relative share (95 %)": text}).set_index(["sample", "class"])


def _with_ends(table, key, low, high, form, *, times=1):
    return [with_interval(*(times * one), form) for one in table[[key, low, high]].to_numpy(float)]


def _formatted(form):
    return lambda value: as_text(value, form)
