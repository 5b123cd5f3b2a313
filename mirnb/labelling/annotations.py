"""Labels given by hand: a file for each annotator, and what they agree on in the blob table, both written label by label.

labels/<annotator>.csv in the experiment's folder has a row for each blob the annotator looked at, with doubt and time. The
two label columns of the blob table, which training reads, hold for each of these blobs what all annotators agree on; where
they differ, or one is not sure, both cells are empty until the blob is settled: labels of the annotator "settled" win. Blobs
no annotator looked at keep what the table says. A lock for each file keeps two browsers from writing over each other.
"""

import contextlib
import re
from datetime import UTC, datetime
from pathlib import Path

import filelock
import numpy as np
import pandas as pd

from mirnb.experiments.blobs import LABEL_COLUMNS, UNLABELLED, label_columns, read_blobs, read_labels
from mirnb.files import InputError, listed, make_folder, shared_lock, whole_file
from mirnb.labelling.label_table import AS_BEFORE, LabelTable, file_state

SETTLED = "settled"
_OPENED = {}  # path -> Annotation, of this process
_COLUMNS = ("id", "frame", "x [nm]", "y [nm]", *LABEL_COLUMNS, "doubt", "annotator", "time")


class Annotation:
    """The labels of one annotator, open for writing; use it in a `with` block or call `close`.

    Parameters
    ----------
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
        self._lock = shared_lock(self.path.with_name(f".{annotator}.lock"))
        try:
            self._lock.acquire(timeout=0)
        except filelock.Timeout:
            raise InputError(
                f"{self.path}: is open in another session (a second browser or notebook?); close that one, or choose "
                "another annotator"
            ) from None
        except OSError as error:
            raise InputError(
                f"{self.path}: cannot be written ({error.strerror}); is the folder read-only, or "
                f"{self._lock.lock_file} another user's? That one may be removed while nobody labels"
            ) from None
        _OPENED[self.path] = self
        try:
            read = read_annotation(experiment, annotator)
            self.labels, self.doubts = (read[name].to_numpy(copy=True) for name in ("label", "doubt"))
            self._times, self._read = read["time"].to_numpy(object, copy=True), {}
            self._table = LabelTable(experiment)
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
        """Give a blob a label: `give` for one."""
        self.give([blob], [label], doubts=doubt)

    def give(self, blobs, labels, *, doubts=False):
        """Give blobs labels and write them; both files are whole, and on disk, when this returns.

        Parameters
        ----------
        blobs : sequence of int
            Rows of the blob table, from 0.
        labels : sequence of int
            Classes, ERASED or UNLABELLED.
        doubts : bool, or sequence of bool
            Not sure: the label is UNLABELLED then.

        Raises
        ------
        InputError
            If a file cannot be written, or the blob table is another one by now; nothing is given then.
        """
        if _OPENED.get(self.path) is not self:
            raise InputError(f"{self.path}: was opened again since; go on there, or run this cell again")
        before = self.labels.copy(), self.doubts.copy(), self._times.copy()
        self.labels[blobs], self.doubts[blobs] = np.where(doubts, UNLABELLED, labels), doubts
        now = datetime.now(UTC).isoformat(timespec="seconds")
        self._times[blobs] = np.where(self.looked_at[blobs], now, "")
        try:
            agreed = self._agreed(blobs)
            _write_annotation(self)
            self._table.write(blobs, agreed)
        except BaseException:
            self.labels, self.doubts, self._times = before
            with contextlib.suppress(InputError):  # of the two files the first may have been written
                _write_annotation(self)
            raise

    def _agreed(self, blobs):
        """Label of each of some blobs for the table: what all annotators agree on, settled ones as they were settled."""
        said = [(self.annotator, self.labels, self.doubts), *self._others()]
        settled = next((labels[blobs] for name, labels, _ in said if name == SETTLED), np.full(len(blobs), UNLABELLED))
        labels, doubts = (np.stack([one[at][blobs] for one in said]) for at in (1, 2))
        found = []
        for k in range(len(blobs)):
            given = set(labels[:, k]) - {UNLABELLED}
            agreed = given.pop() if len(given) == 1 else UNLABELLED if given else AS_BEFORE
            found.append(settled[k] if settled[k] != UNLABELLED else UNLABELLED if doubts[:, k].any() else agreed)
        return np.array(found, int)

    def _others(self):
        """Name, labels and doubts of the other annotators; a file is read again when it has changed."""
        for name in annotators(self._experiment):
            if name == self.annotator:
                continue
            state = file_state(_path(self._experiment, name))
            if self._read.get(name, (None,))[0] != state:
                read = read_annotation(self._experiment, name)
                self._read[name] = state, read["label"].to_numpy(), read["doubt"].to_numpy()
            yield name, *self._read[name][1:]


def annotators(experiment):
    """Names of the annotators that have a file, in order."""
    return [path.stem for path in listed(experiment.folder / "labels", "*.csv")]


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
    if not path.exists() or not path.stat().st_size:
        return found
    table = read_blobs(path)
    missing = [name for name in _COLUMNS if name not in table]
    if missing:
        raise InputError(f"{path}, line 1: column {', '.join(missing)} is missing; expected {', '.join(_COLUMNS)}")
    if not len(table):
        return found
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
    apart = np.abs(there - table[["frame", "x [nm]", "y [nm]"]].to_numpy(float)).max(axis=1)
    moved = np.flatnonzero(~(apart <= 0.5))  # an empty cell is elsewhere, too
    if len(moved):
        raise InputError(
            f"{path}, line {moved[0] + 2}: blob {table['id'][moved[0]]:g} lies elsewhere in {experiment.blobs_path} "
            f"({len(moved)} such rows); was the table exported anew? Labels are of blobs, by their places"
        )
    found.loc[blobs, "label"] = read_labels(table, experiment.panel.n_mirs, source=str(path))
    found.loc[blobs, "doubt"] = table["doubt"].str.strip().isin(["1", "True", "true"]).to_numpy()
    found.loc[blobs, "time"] = table["time"].to_numpy()
    return found


def labels_before(experiment, annotator):
    """Labels of the blob table that no other annotator gave: what this one may see."""
    others = [read_annotation(experiment, name) for name in annotators(experiment) if name != annotator]
    seen = np.any([(one["label"] != UNLABELLED) | one["doubt"] for one in others], axis=0) if others else False
    return np.where(seen, UNLABELLED, experiment.labels)


def blob_ids(experiment):
    """Number of each blob: the table's `id` where it is a name for each, else 1, 2, ..."""
    ids = experiment.table["id"] if "id" in experiment.table else pd.Series(dtype=float)
    good = len(ids) == len(experiment.table) and ids.notna().all() and ids.is_unique
    return ids.to_numpy() if good else np.arange(1, len(experiment.table) + 1)


def _path(experiment, annotator):
    if not isinstance(annotator, str) or not re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_-]{0,39}", annotator):
        raise InputError(f"annotator is letters, digits, - and _ (it names a file), got {annotator!r}")
    return Path(experiment.folder) / "labels" / f"{annotator}.csv"


def _write_annotation(own):
    """Write an annotator's file: a row for each blob looked at."""
    experiment, blobs = own._experiment, np.flatnonzero(own.looked_at)
    table, ids = experiment.table, blob_ids(experiment)
    rows = pd.DataFrame(
        {
            "id": ids[blobs].astype(int), **{name: table[name].to_numpy()[blobs] for name in ("frame", "x [nm]", "y [nm]")},
            **label_columns(own.labels[blobs], experiment.panel.n_mirs), "doubt": own.doubts[blobs].astype(int),
            "annotator": own.annotator, "time": own._times[blobs],
        }
    )  # fmt: skip
    with whole_file(own.path) as temporary:
        rows.to_csv(temporary, index=False, lineterminator="\n")
