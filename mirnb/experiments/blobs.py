"""Blob tables: ThunderSTORM's CSV in and out, labels, nm to pixels.

Positions are in nm from the outer corner of the first pixel: the pixel that holds a blob is floor(nm / pixel_size_nm).
Labels are two more columns, `is_really_mir` and `selected_mir_type`, both empty where nobody labelled.
"""

import csv
import re
from pathlib import Path

import numpy as np
import pandas as pd

from mirnb.experiments.other_tables import read_picasso, read_rapidstorm
from mirnb.files import InputError, text_encoding, warn, whole_file

ERASED = -1  # labelled, then taken out by hand
UNLABELLED = -2
_BEYOND = 2**31  # no frame number or pixel is as large
LABEL_COLUMNS = ("is_really_mir", "selected_mir_type")
_NEEDED = ("frame", "x [nm]", "y [nm]")
_OPTIONAL = (
    "id", "sigma [nm]", "intensity [photon]", "offset [photon]", "bkgstd [photon]", "chi2",
    "uncertainty [nm]", "uncertainty_xy [nm]",
)  # fmt: skip
_SEPARATORS = ",;\t"
_WORKBOOKS = (b"PK\x03\x04", b"\xd0\xcf\x11\xe0")


def read_blobs(path, *, pixel_size_nm=None):
    """Read a blob table as ThunderSTORM exports it (CSV or its tab-separated XLS), Picasso (HDF5) or rapidSTORM (text).

    Every column is kept, known ones become numbers. What is no number in a column that is not needed counts as empty, and is
    warned of.

    Parameters
    ----------
    path : path
        A table with a header; `frame` (from 1), `x [nm]` and `y [nm]` are needed.
    pixel_size_nm : float, optional
        Brings Picasso's positions from pixels to nm, by default as its yaml says, and moves rapidSTORM's by half a pixel.

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
    encoding = text_encoding(path)
    with path.open("rb") as file:
        start = file.read(64)
    if start.startswith(b"\x89HDF"):
        return read_picasso(path, pixel_size_nm)
    if start.startswith(b"# <localizations"):
        return read_rapidstorm(path, pixel_size_nm)
    if start.startswith(_WORKBOOKS):
        raise InputError(f"{path}: is an Excel workbook; save it as CSV")
    separator, names = _header(path, encoding)
    table = _read_cells(path, encoding, separator, names)
    for name in (*_NEEDED, *_OPTIONAL, *LABEL_COLUMNS):
        if name in table:
            column = table[name].str.replace(",", ".", regex=False) if separator == ";" else table[name]
            table[name] = _numbers(path, column, name, needed=name not in _OPTIONAL, may_be_empty=name not in _NEEDED)
    fractional = np.flatnonzero((table["frame"] % 1 != 0) | (table["frame"] < 1) | (table["frame"] > _BEYOND))
    if len(fractional):
        row = fractional[0]
        raise InputError(f"{path}, line {row + 2}: frame must be a whole number from 1, got {table['frame'].iloc[row]:g}")
    table["frame"] = table["frame"].astype(int)
    return table


def separator_of(line):
    """What separates the cells of a table, by its header: commas, semicolons or tabs."""
    return max(_SEPARATORS, key=lambda sign: len(re.sub('"[^"]*"', "", line).split(sign)))


def _header(path, encoding):
    """What separates the cells, and the names of the columns; refused in one sentence."""
    with path.open(encoding=encoding, errors="replace", newline="") as lines:
        line = lines.readline()
        separator = separator_of(line)
        names = [name.strip() for name in next(csv.reader([line.rstrip("\r\n")], delimiter=separator), [])]
    if not any(names):
        raise InputError(f"{path}: the file is empty; expected a table with frame, x [nm] and y [nm]")
    if len(names) == 1 and "," in names[0]:
        raise InputError(
            f"{path}, line 1: the whole header is quoted as one field; take the outer quotes (and doubled inner ones) away "
            'so that it reads "id","frame","x [nm]",...'
        )
    twice = sorted({name for name in names if name and names.count(name) > 1})
    if twice:
        raise InputError(f"{path}, line 1: column {', '.join(twice)} is there twice; remove one of the two")
    missing = [name for name in _NEEDED if name not in names]
    if missing:
        raise InputError(
            f"{path}, line 1: column {', '.join(missing)} is missing; found {', '.join(filter(None, names[:12]))}. "
            "A ThunderSTORM export with positions in nm has it"
        )
    lonely = [name for name in LABEL_COLUMNS if name in names]
    if len(lonely) == 1:
        other = next(name for name in LABEL_COLUMNS if name not in lonely)
        raise InputError(f"{path}, line 1: labels need both columns; {lonely[0]} is there, {other} is not")
    return separator, names


def _read_cells(path, encoding, separator, names):
    """The cells below the header: known columns as numbers where all cells are, else as text; NaN where empty."""
    with path.open(encoding=encoding, errors="replace", newline="") as lines:
        try:
            for line, row in enumerate(csv.reader(lines, delimiter=separator), 1):
                if len(row) > len(names) and any(cell.strip() for cell in row[len(names) :]):
                    raise InputError(
                        f"{path}, line {line}: has {len(row)} cells, the header {len(names)}; are there decimal commas, "
                        "or a column without a name?"
                    )
        except csv.Error as error:
            raise InputError(f"{path}: not a table: {error}") from None
    known = {*_NEEDED, *_OPTIONAL, *LABEL_COLUMNS} if separator != ";" else ()  # with semicolons go decimal commas
    try:
        table = pd.read_csv(
            path, sep=separator, header=0, names=range(len(names)), index_col=False, skip_blank_lines=False,
            dtype={k: str for k, name in enumerate(names) if name not in known}, keep_default_na=False, na_values=[""],
            low_memory=False, encoding=encoding, encoding_errors="replace",
        )  # fmt: skip
    except pd.errors.ParserError as error:
        raise InputError(f"{path}: not a table: {str(error).strip()}") from None
    filled = np.flatnonzero(table.notna().any(axis=1))  # blank lines at the end are none
    table = table.iloc[: filled[-1] + 1 if len(filled) else 0]
    nameless = [k for k, name in enumerate(names) if not name]
    for k in nameless:
        if k > 0 and table[k].notna().any():  # a first one is the index that pandas writes
            raise InputError(f"{path}, line 1: column {k + 1} has no name; give it one, or remove it")
    table = table.drop(columns=nameless).set_axis([name for name in names if name], axis=1)
    texts = [name for name in table if name not in known]
    return table.assign(**{name: table[name].fillna("") for name in texts})


def _numbers(path, column, name, *, needed, may_be_empty=False):
    """A column as finite numbers, NaN where empty; what is none is refused where it is needed, else warned of."""
    if column.dtype.kind in "iuf":
        numbers = column.to_numpy(float)
        empty = np.isnan(numbers)
    else:
        column = column.fillna("").astype(str).str.strip()
        empty = (column.str.lower().isin(["", "nan"]) if may_be_empty else column == "").to_numpy()
        numbers = pd.to_numeric(column.where(~empty, "nan"), errors="coerce").to_numpy(float)
    wrong = ~np.isfinite(numbers) & ~(empty & may_be_empty)
    if not wrong.any():
        return numbers
    row = int(np.argmax(wrong))
    got = "nothing" if empty[row] else repr(str(column.iloc[row]))
    more = f" ({wrong.sum()} such rows)" if wrong.sum() > 1 else ""
    if needed:
        raise InputError(f"{path}, line {row + 2}: {name} must be a number, got {got}{more}")
    warn(f"{path}, line {row + 2}: {name} is {got}, no number, and counts as empty{more}")
    return np.where(wrong, np.nan, numbers)


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
