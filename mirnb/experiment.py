"""An experiment folder: reads and checks experiment.toml and all that it names, and writes such folders."""

import glob
import re
import tomllib
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd
import tifffile

from mirnb.blobs import ERASED, UNLABELLED, blob_pixels, read_blobs, read_labels
from mirnb.files import InputError, read_text, whole_file
from mirnb.panel import Panel
from mirnb.panel_file import load_panel, panel_files
from mirnb.stacks import Stack, is_address, path_fingerprint, read_image

QUARTER_TURNS = {"down": 0, "left": 1, "up": 2, "right": 3}  # against the clock, until the dispersion runs down
_KEYS = {
    "name": str, "stack": (str, list), "blobs": str, "pixel_size_nm": float, "panel": str, "dispersion": str,
    "pretrain": list, "masks": dict, "simulated": dict,
}  # fmt: skip
_TYPE_WORDS = {str: "text in quotes", list: "a list", float: "a number", dict: "a table"}


@dataclass(frozen=True)
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
        counts = {name: int(np.sum(self.labels == k)) for k, name in enumerate(self.panel.names)}
        return {
            **counts,
            "erased": int(np.sum(self.labels == ERASED)),
            "not labelled": int(np.sum(self.labels == UNLABELLED)),
        }

    def about_labels(self):
        """One sentence on the labels, or on what is done without them."""
        if self.labelled.any():
            return "Labels: " + ", ".join(f"{name} {n}" for name, n in self.count_labels().items()) + "."
        return (
            "No labels: there is no split and nothing to train; templates are the masks named in experiment.toml, and crops "
            "are grouped by the channel they answer most to."
        )

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


def load_experiment(folder):
    """Read an experiment folder.

    Parameters
    ----------
    folder : path
        Holds experiment.toml.

    Returns
    -------
    Experiment

    Raises
    ------
    InputError
        With every problem found, a line each.
    """
    experiment, problems = inspect_experiment(folder)
    if problems:
        raise InputError("\n".join(problems))
    return experiment


def inspect_experiment(folder):
    """Read an experiment folder and gather its problems instead of stopping at the first.

    Returns
    -------
    experiment : Experiment or None
        None when the stack or the panel could not be read.
    problems : list of str
    """
    folder = Path(folder)
    problems = []

    def attempt(read, *args, **kwargs):
        try:
            return read(*args, **kwargs)
        except InputError as error:
            problems.append(str(error))
            return None

    if not folder.is_dir():
        return None, [f"{folder}: there is no such folder; an experiment is a folder with experiment.toml"]
    toml = folder / "experiment.toml"
    values = attempt(_read_toml, toml)
    if values is None:
        return None, problems
    values, wrong = _checked_values(toml, values)
    problems += wrong
    turns = QUARTER_TURNS[values["dispersion"]]
    panel = attempt(load_panel, values["panel"], folder=folder)
    stack = attempt(lambda: Stack(_stack_paths(folder, values["stack"]), quarter_turns=turns)) if values["stack"] else None
    blobs_path = folder / values["blobs"] if values["blobs"] else None
    table = attempt(read_blobs, blobs_path) if blobs_path else None
    labels = attempt(read_labels, table, panel.n_mirs, source=str(blobs_path)) if panel and table is not None else None
    masks = attempt(_read_masks, toml, folder, values["masks"], panel, turns) if values["masks"] and panel else None
    for name in values["pretrain"]:
        if not (folder / name / "experiment.toml").is_file():
            problems.append(f"{toml}: pretrain names {name!r}, but {folder / name} has no experiment.toml")
    if panel is None or stack is None:
        return None, problems
    shape = panel.crop_window.shape
    if stack.frame_shape[0] < shape[0] or stack.frame_shape[1] < shape[1]:
        problems.append(f"{stack.paths[0]}: a frame of {stack.frame_shape} (rows, cols) is smaller than a crop of {shape}")
    rows = cols = np.zeros(0, int)
    others = [folder / one for one in values["masks"].values()] if masks is not None else []
    others += panel_files(values["panel"], folder=folder)
    if table is not None and values["pixel_size_nm"]:
        rows, cols, wrong = turned_pixels(table, blobs_path, stack, values["pixel_size_nm"], turns)
        problems += wrong
    experiment = Experiment(
        folder=folder, name=values["name"], stack=stack, table=table, blobs_path=blobs_path, rows=rows, cols=cols,
        labels=np.full(len(rows), UNLABELLED) if labels is None else labels, pixel_size_nm=values["pixel_size_nm"],
        panel=panel, dispersion=values["dispersion"], masks=masks,
        pretrain=[folder / name for name in values["pretrain"]], simulated=values["simulated"],
        other_paths=tuple(others),
    )  # fmt: skip
    return experiment, problems


def _short(path, folder):
    """A path from a folder; a file elsewhere keeps the name of its own folder, an address stays whole."""
    if is_address(path):
        return path
    path, folder = path.resolve(), folder.resolve()
    return path.relative_to(folder).as_posix() if path.is_relative_to(folder) else f"{path.parent.name}/{path.name}"


def _read_toml(path):
    try:
        return tomllib.loads(read_text(path))
    except tomllib.TOMLDecodeError as error:
        raise InputError(f"{path}: not valid TOML: {error}") from None


def _checked_values(toml, values):
    """Values with defaults in place of what is wrong, and a sentence for each thing wrong."""
    defaults = {
        "name": "experiment", "stack": "", "blobs": "", "pixel_size_nm": 0.0, "panel": "thesis", "dispersion": "down",
        "pretrain": [], "masks": {}, "simulated": None,
    }  # fmt: skip
    problems = [f"{toml}: unknown key {key!r}; known are {', '.join(_KEYS)}" for key in values if key not in _KEYS]
    good = {}
    for key, kind in _KEYS.items():
        if key not in values:
            continue
        value, kinds = values[key], kind if isinstance(kind, tuple) else (kind,)
        fits = isinstance(value, (int, float) if kind is float else kinds) and not isinstance(value, bool)
        if isinstance(value, list) and fits:
            fits = (bool(value) or key == "pretrain") and all(isinstance(item, str) and item for item in value)
        if isinstance(value, str) and fits:
            fits = bool(value.strip())
        if fits:
            good[key] = value
        else:
            words = " or ".join(_TYPE_WORDS[one] + (" of texts" if one is list else "") for one in kinds)
            problems.append(f"{toml}: {key} must be {words}, got {value!r}")
    for key in ("name", "stack", "pixel_size_nm"):
        if key not in values:
            problems.append(f"{toml}: {key!r} is missing")
    if "name" in good and not re.fullmatch(r"[A-Za-z0-9_-]{1,80}", good["name"]):
        problems.append(f"{toml}: name is letters, digits, - and _ (it names the run folder), got {good.pop('name')!r}")
    if "pixel_size_nm" in good and not 0 < good["pixel_size_nm"] < 1e5:
        problems.append(f"{toml}: pixel_size_nm must be above 0 (nm a pixel, e.g. 120), got {good.pop('pixel_size_nm')!r}")
    if "dispersion" in good and good["dispersion"] not in QUARTER_TURNS:
        problems.append(f"{toml}: dispersion must be {', '.join(QUARTER_TURNS)}, got {good.pop('dispersion')!r}")
    return {**defaults, **good, "pixel_size_nm": float(good.get("pixel_size_nm", 0.0))}, problems


def _stack_paths(folder, names):
    paths = []
    for name in [names] if isinstance(names, str) else names:
        if is_address(name):
            paths.append(name)
        elif any(sign in name for sign in "*?["):
            found = [folder / one for one in glob.glob(name, root_dir=folder, recursive=True)]  # noqa: PTH207 (whole paths too)
            found.sort(key=lambda path: [int(part) if part.isdigit() else part for part in re.split(r"(\d+)", str(path))])
            if not found:
                raise InputError(f"{folder / name}: no file matches")
            paths += found
        else:
            paths.append(folder / name)
    return paths


def _read_masks(toml, folder, names, panel, turns):
    unknown = sorted(set(names) - set(panel.mir_names))
    missing = [name for name in panel.mir_names if name not in names]
    if unknown or missing:
        raise InputError(
            f"{toml}: [masks] needs one file for each of {', '.join(panel.mir_names)}"
            + (f"; unknown {', '.join(unknown)}" if unknown else "")
            + (f"; missing {', '.join(missing)}" if missing else "")
        )
    masks = []
    for name in panel.mir_names:
        if not isinstance(names[name], str):
            raise InputError(f"{toml}: [masks] {name} must be a file name in quotes, got {names[name]!r}")
        path = folder / names[name]
        mask = np.rot90(read_image(path), turns)
        if mask.shape != panel.template_window.shape:
            raise InputError(
                f"{path}: a mask of {mask.shape} (rows, cols); this panel's are {panel.template_window.shape}, the "
                f"upper blob at row {panel.template_window.above}, col {panel.template_window.left}"
            )
        if np.ptp(mask) == 0:
            raise InputError(f"{path}: the mask is constant; expected the median picture of a molecule")
        masks.append(mask.astype(np.float32))
    return np.stack(masks)


def turned_pixels(table, path, stack, pixel_size_nm, turns):
    """Pixels of the blobs of a table turned as the frames are: rows, cols, and a sentence for each kind that cannot be.

    Parameters
    ----------
    table : DataFrame
        As `blobs.read_blobs` gives it.
    path : path
        Of the table, for messages.
    stack : Stack
    pixel_size_nm : float
    turns : int
        Quarter turns of the frames against the clock.
    """
    problems = []
    beyond = np.flatnonzero(table["frame"] > len(stack))
    if len(beyond):
        problems.append(
            f"{path}, line {beyond[0] + 2}: frame {table['frame'].iloc[beyond[0]]}, but the stack has {len(stack)} "
            f"({len(beyond)} such rows); is it the table of another stack?"
        )
    rows, cols = blob_pixels(table, pixel_size_nm)
    n_rows, n_cols = stack.frame_shape if turns % 2 == 0 else stack.frame_shape[::-1]
    outside = np.flatnonzero((rows < 0) | (rows >= n_rows) | (cols < 0) | (cols >= n_cols))
    if len(outside):
        first = outside[0]
        problems.append(
            f"{path}, line {first + 2}: x {table['x [nm]'].iloc[first]:g}, y {table['y [nm]'].iloc[first]:g} nm lies off "
            f"the frame of {n_cols * pixel_size_nm:g} x {n_rows * pixel_size_nm:g} nm ({len(outside)} such rows); "
            f"is pixel_size_nm = {pixel_size_nm:g} right?"
        )
    turned = {
        0: (rows, cols),
        1: (n_cols - 1 - cols, rows),
        2: (n_rows - 1 - rows, n_cols - 1 - cols),
        3: (cols, n_rows - 1 - rows),
    }
    return *turned[turns], problems


def write_experiment(folder, values, *, file_name="experiment.toml"):
    """Write experiment.toml; its stack and blob table must lie in the folder already.

    Parameters
    ----------
    folder : path
    values : dict
        Keys as `load_experiment` reads them: text, numbers, lists of text, and tables of those.
    """
    tables = {key: value for key, value in values.items() if isinstance(value, dict)}
    lines = [f"{key} = {_toml(value)}" for key, value in values.items() if key not in tables]
    for name, table in tables.items():
        lines += ["", f"[{name}]", *(f"{_toml_key(key)} = {_toml(value)}" for key, value in table.items())]
    with whole_file(Path(folder) / file_name) as temporary:
        temporary.write_text("\n".join(lines) + "\n", encoding="utf-8")


def _toml_key(key):
    return key if re.fullmatch(r"[A-Za-z0-9_-]+", key) else _toml(key)


def _toml(value):
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
    if isinstance(value, dict):
        return "{" + ", ".join(f"{_toml_key(key)} = {_toml(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(_toml, value)) + "]"
    return repr(value)


def write_mask(path, template):
    """Write a template as a float32 TIFF, to be named under [masks]."""
    with whole_file(path) as temporary:
        tifffile.imwrite(temporary, np.asarray(template, np.float32))
