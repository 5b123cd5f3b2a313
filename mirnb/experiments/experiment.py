"""An experiment: a stack, its blobs and what is known of them."""

import os
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd

from mirnb.experiments.blobs import ERASED, UNLABELLED
from mirnb.experiments.panel import Panel
from mirnb.experiments.stacks import Stack, path_fingerprint
from mirnb.experiments.tiff_files import is_address
from mirnb.files import InputError, warn
from mirnb.imaging.neighbours import find_repeated

MOST_UNLIKE_PIXELS = 0.05  # share by which pixels of two stacks may differ in size
QUARTER_TURNS = {"down": 0, "left": 1, "up": 2, "right": 3}  # against the clock, until the dispersion runs down


@dataclass(frozen=True, eq=False, repr=False)
class Experiment:
    """A stack, its blobs and what is known of them. Pixels and masks are turned so that the dispersion runs down."""

    folder: Path
    name: str
    stack: Stack
    table: pd.DataFrame | None  # the blob table as read; None when experiment.toml names none
    blobs_path: Path | None
    rows: np.ndarray  # (n_blobs,) pixel of each blob, turned as the frames are
    cols: np.ndarray
    labels: np.ndarray  # (n_blobs,) class index, ERASED or UNLABELLED
    pixel_size_nm: float
    panel: Panel
    dispersion: str
    masks: np.ndarray | None  # (n_mirs, rows, cols), raw, in panel order
    pretrain: list = field(default_factory=list)  # folders of single-type experiments
    simulated: dict | None = None
    other_paths: tuple = ()  # masks and a panel file

    def __repr__(self):
        blobs = "no blob table" if self.table is None else f"{len(self.rows)} blobs, {int(self.labelled.sum())} labelled"
        kind = "simulated experiment" if self.simulated is not None else "experiment"
        return f"{kind} {self.name!r}: {self.stack!r}\n{blobs}, {self.pixel_size_nm:g} nm a pixel, {self.panel!r}"

    @property
    def blobs(self):
        """One row a blob of the table: table_row, frame (from 0), row, col, y (class, -1 erased, -2 not labelled)."""
        places = {"frame": self.frame_index, "row": self.rows, "col": self.cols, "y": self.labels}
        return pd.DataFrame({"table_row": np.arange(len(self.rows)), **places})

    @property
    def frame_index(self):
        """Frame of each blob, from 0."""
        return self.table["frame"].to_numpy() - 1

    @property
    def labelled(self):
        """Which blobs have a class (noise is one)."""
        return self.labels >= 0

    @cached_property
    def repeated(self):
        """Which rows are a molecule again: within half a pixel of another row of their frame, labelled or further up."""
        y, x = (self.table[name].to_numpy() / self.pixel_size_nm for name in ("y [nm]", "x [nm]"))
        return find_repeated(self.frame_index, y, x, np.lexsort((np.arange(len(y)), ~self.labelled)))

    def warn_of_rows(self):
        """Warn of rows of the table that are left out: off the frame, or a molecule again."""
        if self.table is None:
            return
        rows, cols = self.stack.frame_shape
        off = np.flatnonzero((self.rows < 0) | (self.rows >= rows) | (self.cols < 0) | (self.cols >= cols))
        again = np.flatnonzero(self.repeated)
        if len(off):
            warn(f"{self.blobs_path}: {_rows_lie(off)} off the frame: left out ({_lines(off)})")
        if len(again):
            warn(
                f"{self.blobs_path}: {_rows_lie(again)} within half a pixel of another: left out, so that no molecule "
                f"counts twice ({_lines(again)}); did joining two tables double rows?"
            )

    def fingerprints(self):
        """Fingerprint of each input file, by its path from the experiment folder."""
        paths = [*self.stack.paths, *([self.blobs_path] if self.blobs_path else []), *self.other_paths]
        return {_short(path, self.folder): path_fingerprint(path) for path in [*paths, self.folder / "experiment.toml"]}

    def count_labels(self):
        """Number of blobs per class name, then erased and not labelled."""
        named = [*enumerate(self.panel.names), (ERASED, "erased"), (UNLABELLED, "not labelled")]
        return {name: int(np.sum(self.labels == label)) for label, name in named}

    def about_labels(self):
        """One sentence on the labels, or on what is done without them."""
        if self.labelled.any():
            return "Labels: " + ", ".join(f"{name} {n}" for name, n in self.count_labels().items()) + "."
        templates = "drawn from the panel" if self.masks is None else "the masks named in experiment.toml"
        return (
            f"No labels: there is no split and nothing to train; templates are {templates}, and crops are grouped by the "
            "channel they answer most to."
        )

    def require_alike(self, panel, pixel_size_nm, whose):
        """Raise one sentence if panel or pixel size are others than those `whose`, such as "the classifier was trained"."""
        if self.panel.look != panel.look:
            raise InputError(
                f"{self.folder}: has the {self.panel!r}, {whose} on the {panel!r}: names, dyes, separations or bands differ"
            )
        if abs(self.pixel_size_nm / pixel_size_nm - 1) > MOST_UNLIKE_PIXELS:
            raise InputError(f"{self.folder}: pixels of {self.pixel_size_nm:g} nm, {whose} at {pixel_size_nm:g}")

    def require_blobs(self, *, least=0):
        """Raise one sentence if there is no blob table, or one with fewer blobs."""
        if self.table is None:
            raise InputError(
                f"{self.folder}: experiment.toml names no blobs; export them from ThunderSTORM or run mirnb detect"
            )
        if len(self.table) < least:
            raise InputError(f"{self.blobs_path}: holds no blob, only a header")

    def require_labels(self):
        """Raise one sentence if training is not possible: no labels, or a class of the panel without any."""
        self.require_blobs(least=1)
        if not self.labelled.any():
            raise InputError(
                f"{self.blobs_path}: has no labels; training needs the columns is_really_mir and selected_mir_type "
                "(mirnb check and mirnb classify do without)"
            )
        empty = [name for k, name in enumerate(self.panel.names) if not np.any(self.labels == k)]
        if empty:
            raise InputError(
                f"{self.blobs_path}: no blob is labelled {', '.join(empty)}; training needs some of every class"
            )


def _rows_lie(rows):
    return "1 row lies" if len(rows) == 1 else f"{len(rows)} rows lie"


def _lines(rows, n_named=5):
    """Lines of a file in which rows of a table stand, the first few of them."""
    more = ", ..." if len(rows) > n_named else ""
    return ("line " if len(rows) == 1 else "lines ") + ", ".join(str(row + 2) for row in rows[:n_named]) + more


def _short(path, folder):
    """A path from a folder, whole enough to tell any two files apart; an address stays as it is."""
    if is_address(path):
        return path
    try:
        return Path(os.path.relpath(path.resolve(), folder.resolve())).as_posix()
    except ValueError:  # on another drive
        return path.resolve().as_posix()
