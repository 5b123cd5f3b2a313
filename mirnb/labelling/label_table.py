"""The label columns of a blob table, written blob by blob as text: everything else in the file stays as it is."""

import csv
import io

import numpy as np

from mirnb.experiments.blobs import LABEL_COLUMNS, UNLABELLED, label_columns, separator_of
from mirnb.files import InputError, read_text, shared_lock, whole_file

AS_BEFORE = -3  # nobody looked at the blob: what the table said before


def file_state(path):
    """What changes when a file is written."""
    state = path.stat()
    return state.st_mtime_ns, state.st_size, state.st_ino


class LabelTable:
    """The label columns of an experiment's blob table, open for writing by one of several sessions.

    Parameters
    ----------
    experiment : Experiment
        Its labels/ folder is there.

    Raises
    ------
    InputError
        Also from `write`: if the file is gone, or has another number of blobs than the experiment.
    """

    def __init__(self, experiment):
        self._pixel_size_nm = experiment.pixel_size_nm
        self._path, self._n_mirs, self._n = experiment.blobs_path, experiment.panel.n_mirs, len(experiment.table)
        self._lock = shared_lock(experiment.folder / "labels" / ".table.lock")
        self._seen, self._before = None, {}
        self._read()

    def write(self, blobs, labels):
        """Write labels of some blobs, the others as they are in the file now.

        Parameters
        ----------
        blobs : sequence of int
            Rows of the table, from 0.
        labels : int ndarray of shape (n,)
            Classes, ERASED, UNLABELLED, or AS_BEFORE.
        """
        with self._lock:
            self._read()
            cells = label_columns(np.where(labels == AS_BEFORE, UNLABELLED, labels), self._n_mirs)
            texts = zip(*(column.astype("string").fillna("") for column in cells.values()), strict=True)
            for blob, label, new in zip(blobs, labels, texts, strict=True):
                row = self._rows[blob]
                before = self._before.setdefault(blob, [row[at] for at in self._columns])
                for at, text in zip(self._columns, before if label == AS_BEFORE else new, strict=True):
                    row[at] = text
                self._lines[blob] = self._line(row)
            with whole_file(self._path) as temporary:
                temporary.write_text("\n".join([self._header, *self._lines]) + "\n", encoding="utf-8")
            self._seen = file_state(self._path)

    def _read(self):
        """Read the file if it is another than the one last seen."""
        try:
            state = file_state(self._path)
        except FileNotFoundError:
            raise InputError(f"{self._path}: is gone; put the blob table back, nothing was written") from None
        if state == self._seen:
            return
        text = self._text()
        self._separator = separator_of(text.partition("\n")[0])
        header, *rows = csv.reader(io.StringIO(text), delimiter=self._separator)
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
        self._header, self._lines = self._line(header), [self._line(row) for row in self._rows]
        self._seen = state

    def _text(self):
        try:
            text = read_text(self._path)
        except InputError:  # no text at all, such as Picasso's
            text = ""
        if not all(name in text.partition("\n")[0] for name in ("frame", "x [nm]", "y [nm]")):
            raise InputError(
                f"{self._path}: labels are written into a table in ThunderSTORM's columns, in UTF-8; save this one so and "
                'name that in experiment.toml: python -c "from mirnb.experiments.blobs import read_blobs, write_table; '
                f"write_table('blobs.csv', read_blobs('{self._path.name}', pixel_size_nm={self._pixel_size_nm:g}))\""
            )
        return text

    def _line(self, cells):
        text = io.StringIO()
        csv.writer(text, lineterminator="", delimiter=self._separator).writerow(cells)
        return text.getvalue()
