"""An assay in words and tables to be read: what its series of standards lacks, slopes and limits, what was read off."""

import numpy as np

from mirnb.classifiers.scores import as_text, with_interval
from mirnb.counting.standard_curve import LEAST_P, LEAST_STEPS

FEW_STEPS = 4  # of a standard curve; with fewer little can be said of its linearity


def remarks_on(samples, curves, limits):
    """What a series of standards lacks, a sentence each, with what is given all the same."""
    standards = [one for one in samples if one.role == "standard"]
    remarks = []
    if limits is None:
        remarks.append(
            "No sample is a blank: there are no limits, nothing is subtracted, and what crowding takes is not measured. "
            "Curve and readings are given."
        )
    elif limits[0].n_blanks == 1:
        remarks.append("There is one blank: how much blanks differ is not known, and limits hold its counting alone.")
    elif limits[0].uneven:
        remarks.append("Blanks differ by more than counting does; the limits allow for it.")
    n_steps = len({one.concentration for one in standards})
    if n_steps < FEW_STEPS:
        can = f"is tested on {n_steps} alone" if n_steps >= LEAST_STEPS else "cannot be tested"
        slope = "; its slope is taken as 1" if n_steps == 1 else ""
        remarks.append(
            f"The curve has {n_steps} step{'s' * (n_steps > 1)}, {FEW_STEPS} or more are usual: whether it is linear {can}"
            f"{slope}. Concentrations are read off it all the same."
        )
    if all(len(np.unique(one.replicate)) == 1 for one in standards):
        remarks.append(
            "No standard has a second replicate: by how much samples differ that are prepared anew is not known, and "
            "intervals hold counting and confusion alone."
        )
    without = [name for name, curve in curves.items() if not curve.linear]
    if without and n_steps >= LEAST_STEPS:
        remarks.append(
            f"{', '.join(without)}: no {LEAST_STEPS} neighbouring steps lie on a line of slope 1 (p < {LEAST_P:g}), so "
            "there is no linear range; the curve goes through all steps, and what is read off it may be wrong."
        )
    return tuple(remarks)


def in_words(assay):
    """What an assay says, in plain sentences: a list of text."""
    sentences = [_of_curve(row, f" {assay.unit}".rstrip()) for row in assay.curve.to_dict("records")]
    spikes = assay.readings[assay.readings["recovery"].notna()]
    if len(spikes):
        whole = spikes["recovery_low"].le(1) & spikes["recovery_high"].ge(1)
        sentences.append(f"Spike-ins: all of it lies inside the 95 % interval of {whole.sum()} of {len(spikes)} recoveries.")
    return [*sentences, *assay.remarks]


def _of_curve(row, unit):
    if row["remark"]:
        return f"{row['class']}: {row['remark']}."
    parts = [f"{row['class']}: slope {with_interval(row['slope'], row['slope_low'], row['slope_high'])}"]
    if np.isfinite(row["linear_low"]):
        parts[0] += f", linear from {row['linear_low']:.3g} to {row['linear_high']:.3g}{unit} (p = {row['linear_p']:.2g})"
    if row["blanks"]:
        parts.append(f"seen from {as_text(row['limit_detection'], '{:.2g}')}{unit} on (limit of detection)")
        least = row["limit_quantitation"]
        parts.append(f"measured from {least:.2g}{unit} on" if np.isfinite(least) else "nowhere measured as closely as asked")
    return f"{'; '.join(parts)}."


def limits_in_columns(assay):
    """Slope, linear range and limits of each miR, to be read."""
    table, unit = assay.curve[assay.curve["remark"] == ""], f" ({assay.unit})" if assay.unit else ""
    shown = table[["class"]].copy()
    shown["slope (95 %)"] = _with_ends(table, "slope", "{:.2f}")
    ends = table[["linear_low", "linear_high", "linear_p"]].to_numpy(float)
    shown[f"linear{unit}"] = [f"{low:.3g} to {high:.3g} (p = {p:.2g})" if np.isfinite(p) else "–" for low, high, p in ends]
    for key, words in (
        ("blank", "LoB"),
        ("detection", "LoD"),
        ("quantitation", "LoQ"),
        ("poisson", "LoD of counting alone"),
    ):
        shown[f"{words}{unit}"] = [as_text(one, "{:.2g}") for one in table[f"limit_{key}"]]
    seen = zip(table["standards_seen"], table["standards_above"], strict=True)
    shown["standards seen above LoD"] = [f"{n} of {of}" for n, of in seen]
    if "crowding_loss" in table:
        shown["crowding takes, at the top"] = [as_text(one, "{:.1%}") for one in table["crowding_loss"]]
    shown["spread of replicates"] = [as_text(one, "{:.0%}") for one in table["between"]]
    shown["rests on"] = [f"{n} blanks, {of} standards" for n, of in zip(table["blanks"], table["standards"], strict=True)]
    return shown.set_index("class").T.rename_axis(None, axis=1)


def readings_in_columns(assay):
    """Concentrations of samples, read off the curve, a column a miR, with intervals as text; spikes are not among them."""
    own = assay.readings[assay.readings["role"] != "spike"]
    text = [f"{one}, {verdict}" if verdict else one for one, verdict in
            zip(_with_ends(own, "read", "{:.3g}", ends=("low", "high")), own["verdict"], strict=True)]  # fmt: skip
    unit = f" ({assay.unit}, 95 %)" if assay.unit else " (95 %)"
    return _a_column_a_mir(own.assign(text=text), ["sample", "replicates"]).add_suffix(unit)


def recoveries_in_columns(assay):
    """How much of each spike-in is found again, a column a miR, as text."""
    own = assay.readings[assay.readings["recovery"].notna()]
    added = f"added ({assay.unit})" if assay.unit else "added"
    told = own.assign(text=_with_ends(own, "recovery", "{:.0%}"), **{added: own["added"].map("{:.3g}".format)})
    return _a_column_a_mir(told.rename(columns={"added_to": "to"}), ["sample", "to", added]).add_suffix(" (95 %)")


def _a_column_a_mir(table, rows):
    """Texts of a table, a row a sample and a column a miR."""
    names = list(dict.fromkeys(table["class"]))
    wide = table.pivot(index=rows, columns="class", values="text")[names] if len(table) else table[["sample"]]
    return wide.fillna("–").rename_axis(None, axis=1)


def _with_ends(table, key, form, *, ends=None):
    low, high = ends or (f"{key}_low", f"{key}_high")
    return [with_interval(*one, form) for one in table[[key, low, high]].to_numpy(float)]
