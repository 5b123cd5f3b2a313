"""From counts to an assay: a standard curve of each miR, its detection limits, spike-ins recovered, unknowns read off."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from mirnb.classifiers.scores import as_text, percentiles, with_interval
from mirnb.counting.correction import interval
from mirnb.counting.detection_limits import MOST_SPREAD, find_limits
from mirnb.counting.standard_curve import LEAST_P, LEAST_STEPS, Measured, fit_curve

FEW_STEPS = 4  # of a standard curve; with fewer little can be said of its linearity
SPEAKS_UM2 = 1000.0  # area that rates are told for
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


def make_assay(samples, correction, *, unit="", most_spread=MOST_SPREAD):
    """An assay of samples among which there are standards: Assay.

    Parameters
    ----------
    samples : list of abundance.Sample
    correction : Correction
    unit : str
        Of the concentrations.
    most_spread : float
        Of results at the limit of quantitation, as a share of the amount.
    """
    names = correction.names[:-1]
    replicates, blanks = _replicates(samples, correction)
    roles = np.array([one.role for one in replicates.samples])
    curves = {}
    for k, name in enumerate(names):
        has = np.array([one.role == "standard" and one.concentration[k] > 0 for one in replicates.samples])
        measured = replicates.of(has, k, correction)
        if measured.molecules.sum() > 0:
            curves[name] = fit_curve(measured, seed=[correction.seed, 17, k])
    between = [curves[name].between if name in curves else np.nan for name in names]
    area = float(np.median(replicates.area[roles == "standard"]))
    limits = find_limits(correction, blanks, area, between=between, most_spread=most_spread) if blanks else None
    curve = pd.DataFrame([
        _curve_row(name, curves.get(name), limits and limits[k], area) for k, name in enumerate(names)
    ])  # fmt: skip
    standards = _standards_table(replicates, names, curves)
    readings = _readings_table(samples, replicates, curves, curve.set_index("class"), seed=correction.seed)
    return Assay(unit, _with_seen(curve, standards), standards, readings, _remarks(samples, curves, limits), curves)


def _replicates(samples, correction):
    """Replicates of all that are no blanks, blanks subtracted; bins and area of each replicate of the blanks."""
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
        rate, rate_draws = correction.estimate(counts) / all_area, correction.draws(counts, stream=1) / all_area
    area = np.array([part[3] for part in parts])
    molecules = np.array([own.estimate(bins) for _, own, bins, _, _ in parts]) - rate * area[:, None]
    draws = np.array([own.draws(bins, stream=1000 + k) for k, (_, own, bins, _, _) in enumerate(parts)])
    pooled = {one.name: (one.correction or correction).estimate(one.counts) for one in samples if one.role != "blank"}
    shared = np.array([pooled[one.name] * share for one, _, _, _, share in parts])
    return _Replicates(
        [part[0] for part in parts], area, molecules, draws - rate_draws * area[:, None, None], shared
    ), blanks


def _variance(molecules, k, correction):
    """Variance of molecules of a miR where there are none of it, and what each adds."""
    without, at = molecules.copy(), max(molecules[k], 1.0)
    without[k] = 0
    with_it = without.copy()
    with_it[k] = at
    floor = correction.variance(without)[k]
    return floor, max(correction.variance(with_it)[k] - floor, 0) / at


def _curve_row(name, curve, limit, area):
    row = {"class": name}
    if curve is None:
        return {**row, "slope": np.nan, "remark": "no curve: no molecule of it in any standard that has it"}
    low, high = percentiles(curve.drawn[1], (2.5, 97.5))
    row |= {"slope": curve.slope, "slope_low": min(low, curve.slope), "slope_high": max(high, curve.slope),
            "rate_at_1": curve.rate_at(1.0), "between": curve.between}  # fmt: skip
    row |= {
        "linear_low": curve.linear[0] if curve.linear else np.nan,
        "linear_high": curve.linear[1] if curve.linear else np.nan,
    }
    row["linear_p"] = curve.p
    for key in ("blank", "detection", "quantitation", "poisson"):
        row[f"limit_{key}"] = np.nan if limit is None else float(curve.read_off(getattr(limit, key) / area))
    row |= {"blanks": 0 if limit is None else limit.n_blanks, "standards": int(curve.used.sum()), "remark": ""}
    return row


def _with_seen(curve, standards):
    """How many standards from the limit of detection on lie above the limit of blank, of how many."""
    limits = curve.set_index("class")
    own = standards.join(limits[["limit_detection", "limit_blank"]], on="class") if "limit_detection" in limits else None
    if own is None:
        return curve
    own = own[own["concentration"] >= own["limit_detection"]]
    seen = (
        (own["read"] > own["limit_blank"]).groupby(own["class"]).agg(["sum", "size"]).reindex(curve["class"], fill_value=0)
    )
    return curve.assign(standards_seen=seen["sum"].to_numpy(), standards_above_limit=seen["size"].to_numpy())


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
    used = {name: iter(curve.used) for name, curve in curves.items()}
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
    for (sample, name), (value, draws) in read.items():
        one = by_name[sample]
        row = {"sample": sample, "role": one.role, "class": name, "replicates": int((names_of == sample).sum()), "read": value,
               **interval(value, draws), "verdict": _verdict(value, limits.loc[name])}  # fmt: skip
        added = one.concentration[order.index(name)] if one.role == "spike" else 0.0
        base = read.get((one.added_to, name), (0.0, 0.0))
        found, drawn = ((value - base[0]) / added, (draws - base[1]) / added) if added else (np.nan, np.full(1, np.nan))
        ends = interval(found, drawn)
        row |= {"added": added or np.nan, "added_to": one.added_to, "recovery": found}
        rows.append({**row, "recovery_low": ends["low"], "recovery_high": ends["high"]})
    return pd.DataFrame(rows)


def _verdict(value, limits):
    """What a concentration that was read off is worth, in a few words."""
    if value <= limits["limit_blank"]:
        return "not detected"
    if value < limits["limit_detection"]:
        return "above the limit of blank, below that of detection"
    if not value >= limits["limit_quantitation"] and np.isfinite(limits["limit_detection"]):
        return "detected, below the limit of quantitation"
    if value > limits["linear_high"]:
        return "above the linear range: dilute"
    if value < limits["linear_low"]:
        return "below the linear range"
    return "" if np.isfinite(limits["limit_detection"]) else "no limits: no blank"


def _remarks(samples, curves, limits):
    """What a series of standards lacks, a sentence each, with what is given all the same."""
    standards = [one for one in samples if one.role == "standard"]
    remarks = []
    if limits is None:
        remarks.append(
            "No sample is a blank: there are no limits, and nothing is subtracted; curve and concentrations are given."
        )
    elif limits[0].n_blanks == 1:
        remarks.append("There is one blank: how much blanks differ is not known, and limits hold its counting alone.")
    elif limits[0].uneven:
        remarks.append("Blanks differ by more than counting does; the limits allow for it.")
    n_steps = len({one.concentration for one in standards})
    if n_steps < FEW_STEPS:
        tested = (
            f"whether it is linear is tested on {n_steps}"
            if n_steps >= LEAST_STEPS
            else "whether it is linear cannot be tested"
        )
        slope = ", its slope is taken as 1" if n_steps == 1 else ""
        remarks.append(
            f"The curve has {n_steps} step{'s' * (n_steps > 1)} where {FEW_STEPS} or more are usual: {tested}{slope}; "
            "concentrations are read off it all the same."
        )
    if all(len(np.unique(one.replicate)) == 1 for one in standards):
        remarks.append(
            "No standard has a second replicate: how much preparing a sample anew changes it is not known, and intervals hold "
            "counting and confusion alone."
        )
    without = [name for name, curve in curves.items() if not curve.linear]
    if without and n_steps >= LEAST_STEPS:
        remarks.append(
            f"No {LEAST_STEPS} neighbouring steps of {', '.join(without)} lie on a line of slope 1 (p < {LEAST_P:g}): there is no "
            "linear range, the curve goes through all steps, and what is read off it may be wrong."
        )
    return tuple(remarks)


def in_words(assay):
    """What an assay says, in plain sentences: a list of text."""
    unit = f" {assay.unit}" if assay.unit else ""
    sentences = []
    for row in assay.curve.to_dict("records"):
        if row["remark"]:
            sentences.append(f"{row['class']}: {row['remark']}.")
            continue
        slope = with_interval(row["slope"], row["slope_low"], row["slope_high"])
        line = f"{row['class']}: slope {slope}"
        if np.isfinite(row["linear_low"]):
            line += f" from {row['linear_low']:.3g} to {row['linear_high']:.3g}{unit}, which is linear (p = {row['linear_p']:.2g})"
        if row["blanks"]:
            line += f"; seen from {as_text(row['limit_detection'], '{:.3g}')}{unit} on (limit of detection)"
            least = row["limit_quantitation"]
            line += (
                f", measured from {least:.3g}{unit} on" if np.isfinite(least) else ", nowhere measured as closely as asked"
            )
        sentences.append(f"{line}.")
    spikes = assay.readings[assay.readings["recovery"].notna()] if len(assay.readings) else assay.readings
    if len(spikes):
        whole = spikes["recovery_low"].le(1) & spikes["recovery_high"].ge(1)
        sentences.append(
            f"Spike-ins: the whole amount lies inside the 95 % interval of {whole.sum()} of {len(spikes)} recoveries."
        )
    return [*sentences, *assay.remarks]


def limits_in_columns(assay):
    """Slope, linear range and limits of each miR, to be read."""
    table, unit = assay.curve[assay.curve["remark"] == ""], f" ({assay.unit})" if assay.unit else ""
    shown = table[["class"]].copy()
    shown["slope (95 %)"] = _with_ends(table, "slope", "{:.2f}")
    ends = zip(table["linear_low"], table["linear_high"], strict=True)
    shown[f"linear{unit}"] = [f"{low:.3g} to {high:.3g}" if np.isfinite(low) else "–" for low, high in ends]
    shown["p of it"] = [as_text(one, "{:.2g}") for one in table["linear_p"]]
    for key, words in (
        ("blank", "LoB"),
        ("detection", "LoD"),
        ("quantitation", "LoQ"),
        ("poisson", "LoD of counting alone"),
    ):
        shown[f"{words}{unit}"] = [as_text(one, "{:.2g}") for one in table[f"limit_{key}"]]
    seen = zip(table["standards_seen"], table["standards_above_limit"], strict=True)
    shown["standards seen above LoD"] = [f"{n} of {of}" for n, of in seen]
    shown["spread of replicates"] = [as_text(one, "{:.0%}") for one in table["between"]]
    shown["rests on"] = [f"{n} blanks, {of} standards" for n, of in zip(table["blanks"], table["standards"], strict=True)]
    return shown.set_index("class").T.rename_axis(None, axis=1)


def readings_in_columns(assay):
    """Concentrations of samples, read off the curve, with intervals as text; spikes stand in `recoveries_in_columns`."""
    own = assay.readings[assay.readings["role"] != "spike"]
    unit = f"{assay.unit}, " if assay.unit else ""
    text = _with_ends(own, "read", "{:.3g}", ends=("low", "high"))
    return own[["sample", "class", "replicates"]].assign(**{f"read off ({unit}95 %)": text, "": own["verdict"]}).set_index(
        ["sample", "class"]
    )  # fmt: skip


def recoveries_in_columns(assay):
    """How much of each spike-in is found again, as text."""
    own = assay.readings[assay.readings["recovery"].notna()]
    shown = own[["sample", "class", "added_to"]].assign(added=own["added"].map("{:.3g}".format))
    shown["recovered (95 %)"] = _with_ends(own, "recovery", "{:.0%}")
    return shown.set_index(["sample", "class"])


def _with_ends(table, key, form, *, ends=None):
    low, high = ends or (f"{key}_low", f"{key}_high")
    return [with_interval(*one, form) for one in table[[key, low, high]].to_numpy(float)]
