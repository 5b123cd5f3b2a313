"""Known concentrations of standards and spike-ins, as samples.csv tells them."""

import math
import re

from mirnb.files import InputError

COLUMNS = ("concentration", "unit", "added_to")  # beside those that every samples.csv has
KNOWN = ("standard", "spike")  # roles whose concentration is known


def read_concentrations(rows, path, mir_names):
    """Concentration of each miR, unit and added_to of each stack of samples.csv that has them.

    Parameters
    ----------
    rows : list of (line, dict)
        As `samples.read_samples` gives them. `concentration` is that of every miR, `concentration_<miR>` of one of them.
    mir_names : sequence of str

    Returns
    -------
    dict of stack -> (tuple of float, one a miR; unit; sample it was added to, or "")

    Raises
    ------
    InputError
        If one is no number above 0 (0 for some miRs), is missing or not to be there by the role, if units or replicates
        differ, or a spike-in was added to what is no sample.
    """
    columns = {name: f"concentration_{name.lower()}" for name in mir_names}
    for column in rows[0][1]:
        if column.startswith("concentration_") and column not in columns.values():
            raise InputError(f"{path}, line 1: column {column}: the miRs of the classifier are {', '.join(mir_names)}")
    found, first = {}, {}
    for line, row in rows:
        where = f"{path}, line {line}"
        given = {name: row.get(column) or row["concentration"] for name, column in columns.items()}
        if row["role"] not in KNOWN:
            _refuse_known(where, row, given)
            continue
        if not any(given.values()):
            raise InputError(
                f"{where}: {row['sample']!r} is a {row['role']}, its concentration is empty; give it, or make it a sample"
            )
        values = tuple(_number(where, text, name) for name, text in given.items())
        if not max(values) > 0:
            raise InputError(
                f"{where}: concentration must be above 0, got {row['concentration'] or 0}; what has no miR is a blank"
            )
        known = values, row["unit"], row["added_to"]
        line_above, above = first.setdefault(row["sample"], (line, known))
        if above != known:
            raise InputError(f"{where}: concentration, unit or added_to of {row['sample']!r} differ from those in line "
                             f"{line_above}; replicates are of one concentration")  # fmt: skip
        found[row["stack"]] = known
    _check_units(rows, found, path)
    _check_added(rows, found, path)
    return found


def _refuse_known(where, row, given):
    texts = [text for text in given.values() if text]
    if row["role"] == "blank" and all(_is_zero(text) for text in texts):
        return
    if texts:
        raise InputError(
            f"{where}: {row['sample']!r} is a {row['role']} and has a concentration ({texts[0]}); what is known is a "
            "standard (the curve is made of it) or a spike (its recovery is told)"
        )
    if row["added_to"]:
        raise InputError(f"{where}: added_to is for spikes, {row['sample']!r} is a {row['role']}")


def _is_zero(text):
    try:
        return float(text.replace(",", ".")) == 0
    except ValueError:
        return False


def _number(where, text, name):
    """A concentration; a decimal comma is one, but 1,000 may be either."""
    if re.fullmatch(r"[1-9]\d{0,2}(,\d{3})+", text):
        either = f"{text.replace(',', '')} or {text.replace(',', '.', 1)}"
        raise InputError(f"{where}: concentration {text} may be {either}; write it without a comma")
    try:
        value = float(text.replace(",", ".")) if text else 0.0
    except ValueError:
        raise InputError(
            f"{where}: concentration must be a number, its unit stands in the column unit; got {text!r}"
        ) from None
    if not (math.isfinite(value) and value >= 0):
        raise InputError(f"{where}: concentration of {name} must be a number from 0 on, got {text}")
    return value


def _check_units(rows, found, path):
    units = {row["unit"] for _, row in rows if row["stack"] in found}
    if len(units) < 2:
        return
    line, row = next((line, row) for line, row in rows if row["stack"] in found and row["unit"] != min(units - {""}))
    said = f"has the unit {row['unit']}" if row["unit"] else "has no unit"
    raise InputError(
        f"{path}, line {line}: the concentration of {row['sample']!r} {said}, others are in {min(units - {''})}; give all "
        "in one unit"
    )


def _check_added(rows, found, path):
    samples = {row["sample"] for _, row in rows if row["role"] == "sample"}
    for line, row in rows:
        added_to = found[row["stack"]][2] if row["stack"] in found else ""
        if added_to and (row["role"] != "spike" or added_to not in samples):
            raise InputError(
                f"{path}, line {line}: added_to {added_to!r}: a spike is added to a sample of this table "
                f"({', '.join(sorted(samples)) or 'there is none'}); leave it empty where it went into a blank"
            )
