"""Blob tables: ThunderSTORM's CSV in and out, labels, nm to pixels.

Positions are in nm from the outer corner of the first pixel: the pixel that holds a blob is floor(nm / pixel_size_nm).
Labels are two more columns, `is_really_mir` and `selected_mir_type`, both empty where nobody labelled.
"""

import csv
import io
from pathlib import Path

import numpy as np
import pandas as pd

from mirnb.files import InputError, read_text, whole_file

ERASED = -1  # labelled, then taken out by hand
UNLABELLED = -2
_BEYOND = 2**31  # no frame number or pixel is as large
LABEL_COLUMNS = ("is_really_mir", "selected_mir_type")
_NEEDED = ("frame", "x [nm]", "y [nm]")
_OPTIONAL = (
    "id", "sigma [nm]", "intensity [photon]", "offset [photon]", "bkgstd [photon]", "chi2",
    "uncertainty [nm]", "uncertainty_xy [nm]",
)  # fmt: skip


def read_blobs(path):
    """Read a blob table as ThunderSTORM exports it; every column is kept, known ones become numbers.

    Parameters
    ----------
    path : path
        CSV with a header; `frame` (from 1), `x [nm]` and `y [nm]` are needed.

    Returns
    -------
    DataFrame, one row a blob in file order
        `frame` is int; the label columns, when there, are float with NaN where empty.

    Raises
    ------
    InputError
        Names the file and, where there is one, the row (the header being line 1).
    """
    path = Path(path)
    text = read_text(path)
    header = next(csv.reader(io.StringIO(text)), [])
    _check_header(path, header)
    for line, row in enumerate(csv.reader(io.StringIO(text)), 1):
        if len(row) > len(header) and any(cell.strip() for cell in row[len(header) :]):
            raise InputError(
                f"{path}, line {line}: has {len(row)} cells, the header {len(header)}; are there decimal commas, or a "
                "column without a name?"
            )
    try:
        table = pd.read_csv(io.StringIO(text), dtype=str, keep_default_na=False, skip_blank_lines=False, index_col=False)
    except pd.errors.ParserError as error:
        raise InputError(f"{path}: not a table: {str(error).strip()}") from None
    while len(table) and (table.iloc[-1].isna() | (table.iloc[-1] == "")).all():
        table = table.iloc[:-1]  # blank lines at the end
    table.columns = [name.strip() for name in header]
    for name in _NEEDED:
        table[name] = _numbers(path, table, name)
    for name in (*_OPTIONAL, *LABEL_COLUMNS):
        if name in table:
            table[name] = _numbers(path, table, name, may_be_empty=True)
    fractional = np.flatnonzero((table["frame"] % 1 != 0) | (table["frame"] < 1) | (table["frame"] > _BEYOND))
    if len(fractional):
        row = fractional[0]
        raise InputError(f"{path}, line {row + 2}: frame must be a whole number from 1, got {table['frame'].iloc[row]:g}")
    table["frame"] = table["frame"].astype(int)
    return table


def _check_header(path, header):
    if not header:
        raise InputError(f"{path}: the file is empty; expected a table with frame, x [nm] and y [nm]")
    names = [name.strip() for name in header]
    if len(names) == 1 and "," in names[0]:
        raise InputError(
            f"{path}, line 1: the whole header is quoted as one field; take the outer quotes (and doubled inner ones) away "
            'so that it reads "id","frame","x [nm]",...'
        )
    if len(names) == 1 and ";" in names[0]:
        raise InputError(f"{path}, line 1: columns are separated by semicolons; export the table with commas")
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise InputError(f"{path}, line 1: column {', '.join(twice)} is there twice; remove one of the two")
    missing = [name for name in _NEEDED if name not in names]
    if missing:
        raise InputError(
            f"{path}, line 1: column {', '.join(missing)} is missing; found {', '.join(names[:12])}. "
            "A ThunderSTORM export with positions in nm has it"
        )
    lonely = [name for name in LABEL_COLUMNS if name in names]
    if len(lonely) == 1:
        other = next(name for name in LABEL_COLUMNS if name not in lonely)
        raise InputError(f"{path}, line 1: labels need both columns; {lonely[0]} is there, {other} is not")


def _numbers(path, table, name, *, may_be_empty=False):
    text = table[name].fillna("").str.strip()
    empty = (text.str.lower().isin(["", "nan"]) if may_be_empty else text == "").to_numpy()
    numbers = pd.to_numeric(text.where(~empty, "nan"), errors="coerce").to_numpy(float)
    wrong = ~np.isfinite(numbers) & ~(empty & may_be_empty)
    if wrong.any():
        row = int(np.argmax(wrong))
        got = "nothing" if empty[row] else repr(text.iloc[row])
        more = f" ({wrong.sum()} such rows)" if wrong.sum() > 1 else ""
        raise InputError(f"{path}, line {row + 2}: {name} must be a number, got {got}{more}")
    return numbers


def read_labels(table, n_mirs, *, source="blob table"):
    """Class of each blob from the two label columns.

    Parameters
    ----------
    table : DataFrame
        As `read_blobs` gives it.
    n_mirs : int
        miR classes of the panel; noise is class `n_mirs`.
    source : str
        The file, for messages.

    Returns
    -------
    labels : int ndarray of shape (n_blobs,)
        0 to n_mirs - 1 for miRs, n_mirs for noise, -1 erased by hand, -2 not labelled (also without label columns).

    Raises
    ------
    InputError
        If one of the two cells is empty, or a value lies outside the panel.
    """
    if LABEL_COLUMNS[0] not in table:
        return np.full(len(table), UNLABELLED)
    really, selected = (table[name].to_numpy(float) for name in LABEL_COLUMNS)
    half = np.flatnonzero(np.isnan(really) != np.isnan(selected))
    if len(half):
        given, empty = LABEL_COLUMNS if np.isnan(selected[half[0]]) else LABEL_COLUMNS[::-1]
        raise InputError(f"{source}, line {half[0] + 2}: {given} has a value but {empty} is empty; give both or none")
    labelled = ~np.isnan(really)
    bad = np.flatnonzero(labelled & ~np.isin(really, (0, 1)))
    if len(bad):
        raise InputError(f"{source}, line {bad[0] + 2}: is_really_mir must be 0 or 1, got {really[bad[0]]:g}")
    bad = np.flatnonzero(labelled & ~np.isin(selected, np.arange(-1, n_mirs)))
    if len(bad):
        raise InputError(
            f"{source}, line {bad[0] + 2}: selected_mir_type must be -1 to {n_mirs - 1} for this panel of {n_mirs} miRs, "
            f"got {selected[bad[0]]:g}"
        )
    labels = np.where(really == 0, n_mirs, np.where(labelled, selected, UNLABELLED))
    return labels.astype(int)


def label_columns(labels, n_mirs):
    """The two label columns of a blob table from classes; noise is written 0, -1 and erased 1, -1.

    Returns
    -------
    dict of two pandas Series of nullable integers, empty where not labelled
    """
    labels = np.asarray(labels)
    unlabelled = labels == UNLABELLED
    noise = labels == n_mirs
    really, selected = (~noise).astype(int), np.where(noise, -1, labels)
    columns = (pd.array(values, dtype="Int64") for values in (really, selected))
    return {name: pd.Series(c).mask(unlabelled) for name, c in zip(LABEL_COLUMNS, columns, strict=True)}


def blob_pixels(table, pixel_size_nm):
    """The pixel that holds each blob: (rows, cols), int ndarrays of shape (n_blobs,)."""
    nm = (table[name].to_numpy(float) for name in ("y [nm]", "x [nm]"))
    rows, cols = (np.floor(np.clip(one / pixel_size_nm, -_BEYOND, _BEYOND)).astype(int) for one in nm)
    return rows, cols


def write_table(path, table):
    """Write a table as CSV, whole or not at all."""
    with whole_file(path) as temporary:
        table.to_csv(temporary, index=False, lineterminator="\n")
