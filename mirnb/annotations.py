"""Labels given by hand: a file for each annotator, and what they agree on in the blob table, both written label by label.

labels/<annotator>.csv in the experiment's folder has a row for each blob the annotator looked at, with doubt and time. The
two label columns of the blob table, which training reads, hold for each of these blobs what all annotators agree on; where
they differ, or one is not sure, both cells are empty until the blob is settled: labels of the annotator "settled" win. Blobs
no annotator looked at keep what the table says. A lock for each file keeps two browsers from writing over each other.
"""

import csv
import io
import re
from datetime import UTC, datetime
from pathlib import Path

import filelock
import numpy as np
import pandas as pd
from sklearn.metrics import cohen_kappa_score

from mirnb.blobs import LABEL_COLUMNS, UNLABELLED, label_columns, read_labels
from mirnb.files import InputError, make_folder, read_text, whole_file

SETTLED = "settled"
AS_BEFORE = -3  # nobody looked at the blob: what the table said before
_OPENED = {}  # path -> Annotation, of this process
_COLUMNS = ("id", "frame", "x [nm]", "y [nm]", *LABEL_COLUMNS, "doubt", "annotator", "time")


class Annotation:
    """The labels of one annotator, open for writing; use it in a `with` block or call `close`.

    Parameters
    ----------
    experiment : Experiment
    annotator : str
        Letters, digits, - and _.

    Raises
    ------
    InputError
        If the name cannot be a file's, another session has the file open, the folder cannot be written, or the file is not
        of this blob table and panel.
    """

    def __init__(self, experiment, annotator):
        experiment.require_blobs()
        self._experiment, self.annotator = experiment, annotator
        self.path = _path(experiment, annotator)
        make_folder(self.path.parent)
        if self.path in _OPENED:  # in this process: a cell that was run again
            _OPENED[self.path].close()
        self._lock = filelock.FileLock(self.path.with_name(f".{annotator}.lock"))
        try:
            self._lock.acquire(timeout=0)
        except filelock.Timeout:
            raise InputError(
                f"{self.path}: is open in another session (a second browser or notebook?); close that one, or choose "
                "another annotator"
            ) from None
        except OSError as error:
            raise InputError(f"{self.path}: cannot be written ({error.strerror}); is the folder read-only?") from None
        _OPENED[self.path] = self
        try:
            read = read_annotation(experiment, annotator)
            self.labels, self.doubts = (read[name].to_numpy(copy=True) for name in ("label", "doubt"))
            self._times = read["time"].to_list()
            self._table = _Table(experiment)
        except BaseException:
            self.close()
            raise

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        """Let others open the file."""
        self._lock.release()
        if _OPENED.get(self.path) is self:
            del _OPENED[self.path]

    @property
    def looked_at(self):
        """Which blobs have a label or a doubt."""
        return (self.labels != UNLABELLED) | self.doubts

    def set(self, blob, label, *, doubt=False):
        """Give a blob a label and write it; both files are whole, and on disk, when this returns.

        Parameters
        ----------
        blob : int
            Row of the blob table, from 0.
        label : int
            Class, ERASED or UNLABELLED.
        doubt : bool
            Not sure: the label is UNLABELLED then.
        """
        if _OPENED.get(self.path) is not self:
            raise InputError(f"{self.path}: was opened again since; go on there, or run this cell again")
        before = self.labels[blob], self.doubts[blob], self._times[blob]
        self.labels[blob], self.doubts[blob] = UNLABELLED if doubt else label, doubt
        self._times[blob] = datetime.now(UTC).isoformat(timespec="seconds") if self.looked_at[blob] else ""
        try:
            self._write()
            self._table.write([blob], _agreed(self._experiment, [blob], self))
        except BaseException:
            self.labels[blob], self.doubts[blob], self._times[blob] = before
            raise

    def _write(self):
        blobs = np.flatnonzero(self.looked_at)
        _write_annotation(self._experiment, self.annotator, blobs, self.labels[blobs], self.doubts[blobs], self._times)


def give_labels(experiment, annotator, blobs, labels):
    """Give many blobs labels at once, as one annotator; both files are written once.

    Parameters
    ----------
    experiment : Experiment
    annotator : str
    blobs : int ndarray of shape (n,)
        Rows of the blob table, from 0.
    labels : int ndarray of shape (n,)
        Classes or ERASED.
    """
    with Annotation(experiment, annotator) as own:
        now = datetime.now(UTC).isoformat(timespec="seconds")
        for blob, label in zip(blobs, labels, strict=True):
            own.labels[blob], own.doubts[blob], own._times[blob] = label, False, now
        own._write()
        own._table.write(blobs, _agreed(experiment, blobs, own))


def annotators(experiment):
    """Names of the annotators that have a file, in order."""
    return sorted(path.stem for path in (experiment.folder / "labels").glob("*.csv"))


def read_annotation(experiment, annotator):
    """What an annotator said of each blob of the table.

    Returns
    -------
    DataFrame, one row a blob of the table
        label (class, ERASED or UNLABELLED), doubt (bool), time (text); nothing said where there is no file.

    Raises
    ------
    InputError
        If the file has blobs, places or classes that the blob table and the panel do not have.
    """
    n, path = len(experiment.table), _path(experiment, annotator)
    found = pd.DataFrame({"label": np.full(n, UNLABELLED), "doubt": np.zeros(n, bool), "time": [""] * n})
    if not path.exists():
        return found
    rows = list(csv.DictReader(io.StringIO(read_text(path))))
    if not rows:
        return found
    missing = [name for name in _COLUMNS if name not in rows[0]]
    if missing:
        raise InputError(f"{path}, line 1: column {', '.join(missing)} is missing; expected {', '.join(_COLUMNS)}")
    table = pd.DataFrame(rows)
    for name in ("id", "frame", "x [nm]", "y [nm]", *LABEL_COLUMNS):
        text = table[name].fillna("").str.strip()
        table[name] = pd.to_numeric(text.where(text != "", "nan"), errors="coerce")
        wrong = np.flatnonzero(table[name].isna() & (text != ""))
        if len(wrong):
            raise InputError(f"{path}, line {wrong[0] + 2}: {name} must be a number, got {text[wrong[0]]!r}")
    row_of_id = pd.Series(np.arange(n), index=blob_ids(experiment))
    unknown = np.flatnonzero(~table["id"].isin(row_of_id.index))
    if len(unknown):
        raise InputError(
            f"{path}, line {unknown[0] + 2}: id {table['id'][unknown[0]]:g} is no blob of {experiment.blobs_path}"
        )
    twice = np.flatnonzero(table["id"].duplicated())
    if len(twice):
        raise InputError(f"{path}, line {twice[0] + 2}: id {table['id'][twice[0]]:g} is there twice; keep one of the two")
    blobs = row_of_id[table["id"]].to_numpy()
    there = experiment.table.iloc[blobs][["frame", "x [nm]", "y [nm]"]].to_numpy(float)
    moved = np.flatnonzero(np.abs(there - table[["frame", "x [nm]", "y [nm]"]].to_numpy(float)).max(axis=1) > 0.5)
    if len(moved):
        raise InputError(
            f"{path}, line {moved[0] + 2}: blob {table['id'][moved[0]]:g} lies elsewhere in {experiment.blobs_path} "
            f"({len(moved)} such rows); was the table exported anew? Labels are of blobs, by their places"
        )
    found.loc[blobs, "label"] = read_labels(table, experiment.panel.n_mirs, source=str(path))
    found.loc[blobs, "doubt"] = table["doubt"].str.strip().isin(["1", "True", "true"]).to_numpy()
    found.loc[blobs, "time"] = table["time"].to_numpy()
    return found


def blob_ids(experiment):
    """Number of each blob: the table's `id` where it is a name for each, else 1, 2, ..."""
    ids = experiment.table["id"] if "id" in experiment.table else pd.Series(dtype=float)
    good = len(ids) == len(experiment.table) and ids.notna().all() and ids.is_unique
    return ids.to_numpy() if good else np.arange(1, len(experiment.table) + 1)


def agreement(experiment):
    """How well the annotators agree, two by two.

    Returns
    -------
    table : DataFrame
        One row a pair of annotators: both (blobs both gave a label), same (share with the same), kappa (Cohen's; NaN where
        there is no blob or one class alone).
    differing : DataFrame
        One row a blob with different labels that is not settled: id, frame, and each annotator's class.
    """
    names = [name for name in annotators(experiment) if name != SETTLED]
    said = {name: read_annotation(experiment, name) for name in names}
    rows = []
    for k, one in enumerate(names):
        for other in names[k + 1 :]:
            first, second = said[one]["label"].to_numpy(), said[other]["label"].to_numpy()
            both = (first != UNLABELLED) & (second != UNLABELLED)
            told_apart = len(np.unique(np.concatenate([first[both], second[both]]))) > 1
            rows.append(
                {
                    "one": one, "other": other, "both": int(both.sum()),
                    "same": float(np.mean(first[both] == second[both])) if both.any() else np.nan,
                    "kappa": float(cohen_kappa_score(first[both], second[both])) if told_apart else np.nan,
                }
            )  # fmt: skip
    table = pd.DataFrame(rows, columns=["one", "other", "both", "same", "kappa"])
    blobs = disagreements(experiment)
    words = np.array([*experiment.panel.names, "", "erased"], dtype=object)  # UNLABELLED and ERASED count from the end
    columns = {name: words[said[name]["label"].to_numpy()[blobs]] for name in names}
    ids = blob_ids(experiment)[blobs].astype(int)
    return table, pd.DataFrame({"id": ids, "frame": experiment.table["frame"].to_numpy()[blobs], **columns})


def disagreements(experiment):
    """Rows of the blob table that annotators gave different labels and nobody settled."""
    said = [read_annotation(experiment, name) for name in annotators(experiment) if name != SETTLED]
    if len(said) < 2:
        return np.zeros(0, int)
    labels = np.stack([one["label"].to_numpy() for one in said]).astype(float)
    labels[labels == UNLABELLED] = np.nan
    given = np.isfinite(labels).any(axis=0)
    differ = np.zeros(len(given), bool)
    differ[given] = np.nanmin(labels[:, given], axis=0) != np.nanmax(labels[:, given], axis=0)
    settled = read_annotation(experiment, SETTLED)["label"].to_numpy() != UNLABELLED
    return np.flatnonzero(differ & ~settled)


def _agreed(experiment, blobs, own):
    """Label of each of some blobs for the table; own: an Annotation, newer than its file."""
    said = {own.annotator: (own.labels[blobs], own.doubts[blobs])}
    for name in set(annotators(experiment)) - set(said):
        read = read_annotation(experiment, name)
        said[name] = read["label"].to_numpy()[blobs], read["doubt"].to_numpy()[blobs]
    settled, _ = said.get(SETTLED, (np.full(len(blobs), UNLABELLED), None))
    labels, doubts = (np.stack(parts) for parts in zip(*said.values(), strict=True))
    found = []
    for k in range(len(blobs)):
        given = set(labels[:, k]) - {UNLABELLED}
        one = given.pop() if len(given) == 1 else UNLABELLED if given or doubts[:, k].any() else AS_BEFORE
        found.append(settled[k] if settled[k] != UNLABELLED else UNLABELLED if doubts[:, k].any() else one)
    return np.array(found, int)


def _path(experiment, annotator):
    if not isinstance(annotator, str) or not re.fullmatch(r"[A-Za-z0-9_-]{1,40}", annotator):
        raise InputError(f"annotator is letters, digits, - and _ (it names a file), got {annotator!r}")
    return Path(experiment.folder) / "labels" / f"{annotator}.csv"


def _write_annotation(experiment, annotator, blobs, labels, doubts, times):
    table, ids = experiment.table, blob_ids(experiment)
    columns = label_columns(labels, experiment.panel.n_mirs)
    rows = pd.DataFrame(
        {
            "id": ids[blobs].astype(int), **{name: table[name].to_numpy()[blobs] for name in ("frame", "x [nm]", "y [nm]")},
            **columns, "doubt": doubts.astype(int), "annotator": annotator, "time": [times[blob] for blob in blobs],
        }
    )  # fmt: skip
    with whole_file(_path(experiment, annotator)) as temporary:
        rows.to_csv(temporary, index=False, lineterminator="\n")


class _Table:
    """The label columns of the blob table, as text: everything else in the file stays as it is."""

    def __init__(self, experiment):
        self._path, self._n_mirs, self._n = experiment.blobs_path, experiment.panel.n_mirs, len(experiment.table)
        self._lock = filelock.FileLock(experiment.folder / "labels" / ".table.lock")
        self._seen, self._before = None, {}
        self._read()

    def write(self, blobs, labels):
        """Write labels of some blobs, AS_BEFORE among them, the others as they are in the file now."""
        with self._lock:
            self._read()
            cells = label_columns(np.where(labels == AS_BEFORE, UNLABELLED, labels), self._n_mirs)
            texts = zip(*(column.astype("string").fillna("") for column in cells.values()), strict=True)
            for blob, label, new in zip(blobs, labels, texts, strict=True):
                row = self._rows[blob]
                before = self._before.setdefault(blob, [row[at] for at in self._columns])
                for at, text in zip(self._columns, before if label == AS_BEFORE else new, strict=True):
                    row[at] = text
                self._lines[blob] = _line(row)
            with whole_file(self._path) as temporary:
                temporary.write_text("\n".join([self._header, *self._lines]) + "\n", encoding="utf-8")
            self._seen = self._state()

    def _state(self):
        state = self._path.stat()
        return state.st_mtime_ns, state.st_size, state.st_ino

    def _read(self):
        """Read the file if it is another than the one last seen."""
        try:
            state = self._state()
        except FileNotFoundError:
            raise InputError(f"{self._path}: is gone; put the blob table back, nothing was written") from None
        if state == self._seen:
            return
        header, *rows = csv.reader(io.StringIO(read_text(self._path)))
        header = [name.strip() for name in header]
        rows = [row for row in rows if any(cell.strip() for cell in row)]
        if len(rows) != self._n:
            raise InputError(
                f"{self._path}: has {len(rows)} blobs now, and had {self._n} when labelling began; nothing was written, "
                "open it again"
            )
        for name in LABEL_COLUMNS:
            if name not in header:
                header.append(name)
        self._rows = [row[: len(header)] + [""] * (len(header) - len(row)) for row in rows]
        self._columns = [header.index(name) for name in LABEL_COLUMNS]
        self._header, self._lines = _line(header), [_line(row) for row in self._rows]
        self._seen = state


def _line(cells):
    text = io.StringIO()
    csv.writer(text, lineterminator="").writerow(cells)
    return text.getvalue()
