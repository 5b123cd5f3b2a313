"""From counts to an assay: a standard curve of each miR, its detection limits, spike-ins recovered, unknowns read off."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from mirnb.classifiers.scores import percentiles
from mirnb.counting.assay_words import remarks_on
from mirnb.counting.correction import interval
from mirnb.counting.detection_limits import MOST_SPREAD, find_limits
from mirnb.counting.standard_curve import Measured, fit_curve

SPEAKS_UM2 = 1000.0  # area that rates are told for
_NUMBERS = ("slope", "slope_low", "slope_high", "rate_at_1", "between", "linear_low", "linear_high", "linear_p",
            "limit_blank", "limit_detection", "limit_quantitation", "limit_poisson")  # fmt: skip
_READ = ("sample", "reference", "spike")  # roles that are read off the curve


@dataclass(frozen=True, eq=False)
class Assay:
    """Tables of an assay, all concentrations in `unit`."""

    unit: str
    curve: pd.DataFrame  # one row a miR
    standards: pd.DataFrame  # one row a standard's replicate and miR
    readings: pd.DataFrame  # one row a sample or spike and miR
    remarks: tuple  # what is lacking, a sentence each
    curves: dict  # miR -> standard_curve.Curve; those that have one


@dataclass(frozen=True, eq=False)
class _Replicates:
    """All replicates of the samples of an assay: what was found, blanks subtracted."""

    samples: list  # Sample of each replicate
    area: np.ndarray  # (n,) in SPEAKS_UM2
    molecules: np.ndarray  # (n, n_classes)
    draws: np.ndarray  # (n, n_resamples, n_classes)
    pooled: np.ndarray  # (n, n_classes), of the whole sample, as a replicate has them

    def of(self, chosen, k, correction):
        """`Measured` of some replicates and one miR, (n,) bool or int."""
        floor, factor = np.array([_variance(one, k, correction) for one in self.pooled[chosen]]).reshape(-1, 2).T
        known = np.array([one.concentration[k] if one.concentration else np.nan for one in self.samples])[chosen]
        return Measured(known, self.area[chosen], self.molecules[chosen, k], self.draws[chosen][:, :, k], floor, factor)


def make_assay(samples, correction, *, unit="", crowding=None, most_spread=MOST_SPREAD):
    """An assay of samples among which there are standards: Assay.

    Parameters
    ----------
    samples : list of abundance.Sample
    correction : Correction
    unit : str
        Of the concentrations.
    crowding : crowding.Crowding, optional
        What is lost to it is made up for; its densities are molecules on SPEAKS_UM2.
    most_spread : float
        Of results at the limit of quantitation, as a share of the amount.
    """
    names = correction.names[:-1]
    of_blanks = next((one.correction for one in samples if one.role == "blank" and one.correction), correction)
    replicates, blanks = _replicates(samples, correction, of_blanks, crowding)
    roles = np.array([one.role for one in replicates.samples])
    curves = {}
    for k, name in enumerate(names):
        has = np.array([one.role == "standard" and one.concentration[k] > 0 for one in replicates.samples])
        measured = replicates.of(has, k, correction)
        if measured.molecules.sum() > 0:
            curves[name] = fit_curve(measured, seed=[correction.seed, 17, k])
    between = [curves[name].between if name in curves else np.nan for name in names]
    area = float(np.median(replicates.area[roles == "standard"]))
    limits = find_limits(of_blanks, blanks, area, between=between, most_spread=most_spread) if blanks else None
    limit_of = dict(zip(names, limits or [None] * len(names), strict=True))
    curve = pd.DataFrame([_curve_row(name, curves.get(name), limit_of[name], area) for name in names])
    if crowding is not None:
        top = max(molecules_on(one, correction) for one in samples if one.role == "standard")
        curve = curve.assign(crowding_loss=1 - crowding.left(top))
    standards = _standards_table(replicates, names, curves)
    readings = _readings_table(samples, replicates, curves, curve.set_index("class"), seed=correction.seed)
    return Assay(unit, _with_seen(curve, standards), standards, readings, remarks_on(samples, curves, limits), curves)


def molecules_on(sample, correction):
    """Molecules of all miRs of a sample on SPEAKS_UM2, crowding not made up for."""
    return (sample.correction or correction).estimate(sample.counts)[:-1].sum() / sample.area_um2 * SPEAKS_UM2


def _replicates(samples, correction, of_blanks, crowding):
    """Replicates of all that are no blanks, blanks subtracted and crowding made up for; bins and area of those of blanks."""
    parts = []
    for one in samples:
        own = one.correction or correction
        for number in np.unique(one.replicate):
            chosen = one.replicate == number
            parts.append((one, own, one.bins[chosen].sum(axis=0), one.area_um2 / SPEAKS_UM2 * chosen.mean(), chosen.mean()))
    blanks = [(bins, area) for one, _, bins, area, _ in parts if one.role == "blank"]
    parts = [part for part in parts if part[0].role != "blank"]
    rate, rate_draws = np.zeros(len(correction.names)), np.zeros(len(correction.names))
    if blanks:
        counts, all_area = np.sum([bins for bins, _ in blanks], axis=0), sum(area for _, area in blanks)
        rate, rate_draws = (one / all_area for one in (of_blanks.estimate(counts), of_blanks.draws(counts, stream=1)))
    area = np.array([part[3] for part in parts])
    molecules = np.array([own.estimate(bins) for _, own, bins, _, _ in parts]) - rate * area[:, None]
    draws = np.array([own.draws(bins, stream=1000 + k) for k, (_, own, bins, _, _) in enumerate(parts)])
    draws = draws - rate_draws * area[:, None, None]
    if crowding is not None:
        density = molecules[:, :-1].sum(axis=1) / area
        molecules[:, :-1] /= np.array([crowding.left(one) for one in density])
        draws[:, :, :-1] *= np.exp(crowding.drawn * density[:, None, None])
    pooled = {one.name: (one.correction or correction).estimate(one.counts) for one in samples if one.role != "blank"}
    shared = np.array([pooled[one.name] * share for one, _, _, _, share in parts])
    return _Replicates([part[0] for part in parts], area, molecules, draws, shared), blanks


def _variance(molecules, k, correction):
    """Variance of molecules of a miR where there are none of it, and what each adds."""
    without, at = molecules.copy(), max(molecules[k], 1.0)
    without[k] = 0
    with_it = without.copy()
    with_it[k] = at
    floor = correction.variance(without)[k]
    return floor, max(correction.variance(with_it)[k] - floor, 0) / at


def _curve_row(name, curve, limit, area):
    """What is told of a miR's curve and limits; `area` is that of the replicate the limits are of."""
    row = {"class": name, **dict.fromkeys(_NUMBERS, np.nan), "blanks": 0, "standards": 0}
    if curve is None:
        return {**row, "remark": "no curve: no molecule of it in any standard that has it"}
    low, high = percentiles(curve.drawn[1], (2.5, 97.5))
    linear_low, linear_high = curve.linear or (np.nan, np.nan)
    row |= {
        "slope": curve.slope, "slope_low": min(low, curve.slope), "slope_high": max(high, curve.slope),
        "rate_at_1": curve.rate_at(1.0), "between": curve.between, "linear_low": linear_low, "linear_high": linear_high,
        "linear_p": curve.p,
    }  # fmt: skip
    if limit is not None:
        row["blanks"] = limit.n_blanks
        for key in ("blank", "detection", "quantitation", "poisson"):
            row[f"limit_{key}"] = float(curve.read_off(getattr(limit, key) / area))
    return {**row, "standards": int(curve.used.sum()), "remark": ""}


def _with_seen(curve, standards):
    """How many standards from the limit of detection on lie above the limit of blank, and of how many."""
    own = standards.merge(curve[["class", "limit_blank", "limit_detection"]], on="class")
    own = own[own["concentration"] >= own["limit_detection"]]
    seen = (
        (own["read"] > own["limit_blank"]).groupby(own["class"]).agg(["sum", "size"]).reindex(curve["class"], fill_value=0)
    )
    return curve.assign(standards_seen=seen["sum"].to_numpy(), standards_above=seen["size"].to_numpy())


def _standards_table(replicates, names, curves):
    rows = []
    for r, one in enumerate(replicates.samples):
        for k, name in enumerate(names):
            if one.role == "standard" and one.concentration[k] > 0:
                rate = replicates.molecules[r, k] / replicates.area[r]
                read = float(curves[name].read_off(rate)) if name in curves else np.nan
                rows.append({"sample": one.name, "class": name, "concentration": one.concentration[k],
                             "per_1000_um2": rate, "read": read})  # fmt: skip
    table = pd.DataFrame(rows)
    used = {name: iter(curve.used if curve.linear else np.zeros_like(curve.used)) for name, curve in curves.items()}
    return table.assign(in_linear_range=[bool(next(used[name])) if name in used else False for name in table["class"]])


def _readings_table(samples, replicates, curves, limits, *, seed):
    """Concentrations of samples and spikes, read off, and how much of a spike is found again."""
    names_of, read, rows = np.array([one.name for one in replicates.samples]), {}, []
    order = list(limits.index)
    for number, one in enumerate(samples):
        own = np.flatnonzero(names_of == one.name)
        for k, name in enumerate(order):
            if one.role in _READ and name in curves:
                area, rng = replicates.area[own].sum(), np.random.default_rng([seed, 18, number, k])
                rates = replicates.draws[own, :, k].sum(axis=0) / area
                value = float(curves[name].read_off(replicates.molecules[own, k].sum() / area))
                read[one.name, name] = value, curves[name].read_off_draws(rates, rng, n_replicates=len(own))
    by_name = {one.name: one for one in samples}
    columns = ("sample", "role", "class", "replicates", "read", "low", "high", "verdict", "added", "added_to", "recovery",
               "recovery_low", "recovery_high")  # fmt: skip
    for (sample, name), (value, draws) in read.items():
        one, ends = by_name[sample], interval(value, draws)
        added = one.concentration[order.index(name)] if one.role == "spike" else 0.0
        base, base_draws = read.get((one.added_to, name), (0.0, 0.0))
        found, again = np.nan, {"low": np.nan, "high": np.nan}
        if added:
            found = (value - base) / added
            again = interval(found, (draws - base_draws) / added)
        told = sample, one.role, name, int((names_of == sample).sum())
        read_off = value, ends["low"], ends["high"], _verdict(value, limits.loc[name])
        rows.append((*told, *read_off, added or np.nan, one.added_to, found, again["low"], again["high"]))
    return pd.DataFrame(rows, columns=columns)


def _verdict(value, limits):
    """What a concentration that was read off is worth, in a few words."""
    if value <= limits["limit_blank"]:
        return "not detected"
    if value < limits["limit_detection"]:
        return "below LoD"
    if not value >= limits["limit_quantitation"] and np.isfinite(limits["limit_detection"]):
        return "below LoQ"
    if value > limits["linear_high"]:
        return "above linear range"
    if value < limits["linear_low"]:
        return "below linear range"
    return "" if np.isfinite(limits["limit_detection"]) else "no limits"
