"""What was counted in run after run, in one table: is the assay what it was?

A sample that is counted in run after run under one name (a control, a reference, a blank) is to stay what it is. Each run is
held against the mean and the standard deviation of those before it (Levey and Jennings 1950), which is taken to be no less
than what counting and confusion alone make of it, and is out of control by two of the rules of Westgard et al. (1981): it
lies more than 3 standard deviations off, or it and the one before both lie more than 2 off on one side.
"""

import hashlib
import time
from pathlib import Path

import numpy as np
import pandas as pd

from mirnb.experiments.blobs import write_table
from mirnb.files import InputError, shared_lock

COLUMNS = ("date", "run", "sample", "role", "class", "per_1000_um2", "per_1000_um2_low", "per_1000_um2_high",
           "share", "share_low", "share_high", "verdict_of_stacks", "classifier")  # fmt: skip
_WIDTH = 3.92  # of a 95 % interval, standard deviations
LEAST_BEFORE = 3  # runs before one that is judged


def append_run(path, abundance):
    """Add a run to a table of runs, which is made where it is missing: how many rows are new.

    A run whose numbers are there already, counted again, is not added.

    Parameters
    ----------
    path : path
        CSV file.
    abundance : DataFrame
        As `quantification.quantify_plan` gives it.

    Raises
    ------
    InputError
        If the file is another table.
    """
    path = Path(path)
    rows = pd.DataFrame({
        "date": time.strftime("%Y-%m-%d %H:%M"), "run": _run_of(abundance), "sample": abundance["sample"],
        "role": abundance["role"], "class": abundance["class"],
        **{f"per_1000_um2{end}": (1000 * abundance[f"per_um2{end}"]).round(6) for end in ("", "_low", "_high")},
        **{f"share{end}": abundance[f"share{end}"].round(6) for end in ("", "_low", "_high")},
        "verdict_of_stacks": abundance["verdict"], "classifier": abundance["classifier"],
    })  # fmt: skip
    with shared_lock(path.with_name(f".{path.name}.lock")):
        before = _read(path) if path.exists() else rows[:0]
        if rows["run"].iloc[0] in set(before["run"]):
            return 0
        write_table(path, pd.concat([before, rows], ignore_index=True) if len(before) else rows)
    return len(rows)


def _run_of(abundance):
    """What names a run: its samples and numbers, in few letters."""
    own = abundance[["sample", "class", "molecules", "low", "high", "classifier"]].round(6)
    return hashlib.sha256(own.to_csv(index=False).encode()).hexdigest()[:10]


def _read(path):
    try:
        table = pd.read_csv(path, dtype={"run": str, "sample": str, "class": str}, keep_default_na=False, na_values=[""])
    except (pd.errors.ParserError, pd.errors.EmptyDataError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: not a table of runs: {str(error).strip()}; name another file for --history") from None
    missing = [name for name in COLUMNS if name not in table]
    if missing:
        raise InputError(
            f"{path}: column {', '.join(missing)} is missing: not a table that --history writes; name another file"
        )
    return table


def read_runs(path):
    """Runs of samples that were counted several times, in their order, each judged by those before it; none of no path.

    Returns
    -------
    DataFrame
        Columns of the file, and mean_before, sd_before (molecules per 1000 µm²; NaN where fewer than `LEAST_BEFORE` runs
        came before) and verdict: why a run is out of control, else empty.
    """
    table = _read(Path(path)) if path else pd.DataFrame(columns=COLUMNS)
    judged = [_judged(own) for _, own in table.groupby(["sample", "class"], sort=False) if len(own) > 1]
    return (
        pd.concat(judged, ignore_index=True)
        if judged
        else table[:0].assign(mean_before=np.nan, sd_before=np.nan, verdict="")
    )


def _judged(own):
    """Runs of one sample and miR; those out of control do not count in what later ones are held against."""
    good, means, sds, verdicts, off_before = [], [], [], [], 0.0
    counting = (own["per_1000_um2_high"] - own["per_1000_um2_low"]).to_numpy(float) / _WIDTH
    for value, least in zip(own["per_1000_um2"].to_numpy(float), counting, strict=True):
        is_known = len(good) >= LEAST_BEFORE
        mean, sd = (np.mean(good), max(np.std(good, ddof=1), least)) if is_known else (np.nan, np.nan)
        off = (value - mean) / sd if is_known and sd > 0 else 0.0
        twice = abs(off) > 2 and abs(off_before) > 2 and off * off_before > 0
        verdict = (
            "more than 3 standard deviations off" if abs(off) > 3 else "the second beyond 2 on one side" if twice else ""
        )
        means, sds, verdicts = [*means, mean], [*sds, sd], [*verdicts, verdict]
        good += [] if verdict else [value]
        off_before = off
    return own.assign(mean_before=means, sd_before=sds, verdict=verdicts)


def in_words(judged):
    """What a table of `read_runs` says of the last run of each sample: a list of sentences."""
    sentences = []
    for sample, own in judged.groupby("sample", sort=False):
        last = own.groupby("class", sort=False).tail(1)
        odd = [f"{row['class']} ({row['verdict']})" for row in last.to_dict("records") if row["verdict"]]
        n = own.groupby("class", sort=False).size().max()
        if odd:
            sentences.append(f"{sample}: out of control in the last of {n} runs: {', '.join(odd)}.")
        elif last["mean_before"].isna().all():
            sentences.append(f"{sample}: counted in {n} runs; from {LEAST_BEFORE + 1} on each is held against those before.")
        else:
            sentences.append(f"{sample}: in control in the last of {n} runs.")
    return sentences
