"""An experiment: a stack, its blobs and what is known of them."""

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd

from mirnb.experiments.blobs import ERASED, UNLABELLED
from mirnb.experiments.panel import Panel
from mirnb.experiments.stacks import Stack, is_address, path_fingerprint
from mirnb.files import InputError

_MOST_UNLIKE_PIXELS = 0.05  # share by which pixels of two stacks may differ in size
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
        return (
            "No labels: there is no split and nothing to train; templates are the masks named in experiment.toml, and crops "
            "are grouped by the channel they answer most to."
        )

    def require_alike(self, panel, pixel_size_nm, whose):
        """Raise one sentence if panel or pixel size are others than those `whose`, such as "the classifier was trained"."""
        if self.panel.look != panel.look:
            raise InputError(
                f"{self.folder}: has the {self.panel!r}, {whose} on the {panel!r}: names, dyes, separations or bands differ"
            )
        if abs(self.pixel_size_nm / pixel_size_nm - 1) > _MOST_UNLIKE_PIXELS:
            raise InputError(f"{self.folder}: pixels of {self.pixel_size_nm:g} nm, {whose} at {pixel_size_nm:g}")

    def require_blobs(self):
        """Raise one sentence if there is no blob table."""
        if self.table is None:
            raise InputError(
                f"{self.folder}: experiment.toml names no blobs; export them from ThunderSTORM or run mirnb detect"
            )

    def require_labels(self):
        """Raise one sentence if training is not possible: no labels, or a class of the panel without any."""
        self.require_blobs()
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


def _short(path, folder):
    """A path from a folder; a file elsewhere keeps the name of its own folder, an address stays whole."""
    if is_address(path):
        return path
    path, folder = path.resolve(), folder.resolve()
    return path.relative_to(folder).as_posix() if path.is_relative_to(folder) else f"{path.parent.name}/{path.name}"
