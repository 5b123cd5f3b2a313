"""Read and check experiment.toml and all that it names."""

import functools
import os
import re
from pathlib import Path

import numpy as np
import tifffile

from mirnb.experiments.blobs import UNLABELLED, blob_pixels, read_blobs, read_labels, write_table
from mirnb.experiments.experiment import QUARTER_TURNS, Experiment
from mirnb.experiments.other_files import about_take
from mirnb.experiments.other_tables import picasso_pixel_size
from mirnb.experiments.panel_file import load_panel, panel_files
from mirnb.experiments.stacks import Stack, find_files, read_image
from mirnb.experiments.tiff_files import is_address
from mirnb.files import InputError, make_folder, read_toml, whole_file, write_toml
from mirnb.imaging.detection import detect_stack

_KEYS = {
    "name": str, "stack": (str, list), "blobs": str, "pixel_size_nm": float, "panel": str, "dispersion": str,
    "pretrain": list, "masks": dict, "simulated": dict, "take": dict,
}  # fmt: skip
_ASTRAY_PX, _MOST_ASTRAY = 3, 0.05  # a fit may end so far off the frame, and such a share of fits further
_NEW = "--stack FILE [--blobs FILE]"
_TYPE_WORDS = {str: "text in quotes", list: "a list", float: "a number", dict: "a table"}


def load_experiment(folder) -> Experiment:
    """Read an experiment folder.

    Parameters
    ----------
    folder : path
        Holds experiment.toml.

    Raises
    ------
    InputError
        With every problem found, a line each.
    """
    experiment, problems = inspect_experiment(folder)
    if problems:
        raise InputError("\n".join(problems))
    return experiment


def write_new_experiment(folder, stacks, *, blobs=None, pixel_size_nm=None, panel="thesis", take=None):
    """Write the experiment.toml of a stack and its blob table; both stay where they are.

    Parameters
    ----------
    stacks : sequence of path or address
    blobs : path, optional
        Detected, and written as blobs.csv into the folder, by default.
    pixel_size_nm : float, optional
        As the stack says by default, else as Picasso's yaml beside the blobs.
    take : dict, optional
        Channel, plane, scene or time that is taken, as `Stack` has it.

    Returns
    -------
    path of experiment.toml

    Raises
    ------
    InputError
        If there is one already, a file cannot be read, or nobody says how large a pixel is.
    """
    folder, names = Path(folder), [str(one) for one in stacks]
    toml = folder / "experiment.toml"
    if toml.exists():
        raise InputError(f"{toml}: is there already; change it by hand, or name another folder")
    load_panel(panel)
    stack = Stack([path for one in names for path in find_files(Path(), one)], take=take)
    size = pixel_size_nm or stack.pixel_size_nm or (picasso_pixel_size(blobs) if blobs else None)
    if not size:
        raise InputError(f"{names[0]}: does not say how large its pixels are; add --pixel-size NM")
    if blobs:
        read_blobs(blobs, pixel_size_nm=size)
    elif (folder / "blobs.csv").exists():
        raise InputError(
            f"{folder / 'blobs.csv'}: is there already, perhaps of an earlier try; name it (--blobs), or another folder"
        )
    make_folder(folder)
    if not blobs:
        blobs = folder / "blobs.csv"
        write_table(blobs, detect_stack(stack, pixel_size_nm=size))

    def from_folder(name):
        if is_address(name):
            return name
        whole = Path(name).resolve()
        same_drive = whole.anchor == folder.resolve().anchor
        return (Path(os.path.relpath(whole, folder.resolve())) if same_drive else whole).as_posix()

    values = {
        "name": re.sub(r"[^A-Za-z0-9_-]+", "-", folder.resolve().name).strip("-")[:80] or "experiment",
        "stack": from_folder(names[0]) if len(names) == 1 else [from_folder(one) for one in names],
        "blobs": from_folder(blobs), "pixel_size_nm": round(float(size), 3),
        "panel": from_folder(panel) if Path(panel).is_file() else panel,
    }  # fmt: skip
    write_toml(toml, values | ({"take": stack.take} if stack.take else {}))
    return toml


def experiment_of_stack(name, *, panel="thesis", pixel_size_nm=None):
    """A stack by itself as an experiment, without blobs.

    Raises
    ------
    InputError
        If it cannot be read, or nobody says how large a pixel is.
    """
    stack = Stack(find_files(Path(), str(name)))
    size, nothing = pixel_size_nm or stack.pixel_size_nm, np.zeros(0, int)
    if not size:
        raise InputError(f"{name}: does not say how large its pixels are; add --pixel-size NM")
    return Experiment(
        folder=Path(name).parent, name=Path(name).stem, stack=stack, table=None, blobs_path=None, rows=nothing, cols=nothing,
        labels=nothing, pixel_size_nm=size, panel=load_panel(panel), dispersion="down", masks=None,
    )  # fmt: skip


def inspect_experiment(folder):
    """Read an experiment folder and gather its problems instead of stopping at the first.

    Returns
    -------
    experiment : Experiment or None
        None when the stack or the panel could not be read.
    problems : list of str
    """
    folder, problems = Path(folder), []
    if not folder.is_dir():
        return None, [_about_missing(folder)]
    toml, attempt = folder / "experiment.toml", functools.partial(_attempt, problems)
    values = attempt(_read_settings, toml)
    if values is None:
        return None, problems
    values, wrong = _checked_values(toml, values)
    problems += wrong
    turns = QUARTER_TURNS[values["dispersion"]]
    panel = attempt(load_panel, values["panel"], folder=folder)
    how = {"quarter_turns": turns, "take": values["take"]}
    stack = attempt(lambda: Stack(find_files(folder, values["stack"]), **how)) if values["stack"] else None
    blobs_path = folder / values["blobs"] if values["blobs"] else None
    table = attempt(read_blobs, blobs_path, pixel_size_nm=values["pixel_size_nm"]) if blobs_path else None
    labels = attempt(read_labels, table, panel.n_mirs, source=str(blobs_path)) if panel and table is not None else None
    masks = attempt(_read_masks, toml, folder, values["masks"], panel, turns) if values["masks"] and panel else None
    pretrain = {name: folder / name for name in values["pretrain"]}
    absent = [name for name, one in pretrain.items() if not (one / "experiment.toml").is_file()]
    problems += [f"{toml}: pretrain names {name!r}, but {pretrain[name]} has no experiment.toml" for name in absent]
    if panel is None or stack is None:
        return None, problems
    shape = panel.crop_window.shape
    if stack.frame_shape[0] < shape[0] or stack.frame_shape[1] < shape[1]:
        problems.append(f"{stack.paths[0]}: a frame of {stack.frame_shape} (rows, cols) is smaller than a crop of {shape}")
    rows = cols = np.zeros(0, int)
    others = [] if masks is None else [folder / one for one in values["masks"].values()]
    if table is not None and values["pixel_size_nm"]:
        rows, cols, wrong = turned_pixels(table, blobs_path, stack, values["pixel_size_nm"], turns)
        problems += wrong
    experiment = Experiment(
        folder=folder, name=values["name"], stack=stack, table=table, blobs_path=blobs_path, rows=rows, cols=cols,
        labels=np.full(len(rows), UNLABELLED) if labels is None else labels, pixel_size_nm=values["pixel_size_nm"],
        panel=panel, dispersion=values["dispersion"], masks=masks, pretrain=list(pretrain.values()),
        simulated=values["simulated"], other_paths=(*others, *panel_files(values["panel"], folder=folder)),
    )  # fmt: skip
    stack.warn_of_pixel_size(experiment.pixel_size_nm, "experiment.toml says")
    if not problems:
        experiment.warn_of_rows()
    return experiment, problems


def _about_missing(folder):
    if folder.is_file():
        return f"{folder}: is a file, no experiment folder; mirnb new DIR --stack {folder} makes one of it"
    return f"{folder}: there is no such folder; mirnb new {folder} {_NEW} makes one"


def _read_settings(toml):
    if not toml.exists():
        raise InputError(f"{toml}: there is no such file; mirnb new {toml.parent} {_NEW} writes it")
    return read_toml(toml)


def _attempt(problems, read, *args, **kwargs):
    try:
        return read(*args, **kwargs)
    except InputError as error:
        problems.append(str(error))


def _checked_values(toml, values):
    """Values with defaults in place of what is wrong, and a sentence for each thing wrong."""
    defaults = {
        "name": "experiment", "stack": "", "blobs": "", "pixel_size_nm": 0.0, "panel": "thesis", "dispersion": "down",
        "pretrain": [], "masks": {}, "simulated": None, "take": {},
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
    if "name" in good and not re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_-]{0,79}", good["name"]):
        problems.append(f"{toml}: name is letters, digits, - and _ (it names the run folder), got {good.pop('name')!r}")
    if "pixel_size_nm" in good and not 0 < good["pixel_size_nm"] < 1e5:
        problems.append(f"{toml}: pixel_size_nm must be above 0 (nm a pixel, e.g. 120), got {good.pop('pixel_size_nm')!r}")
    if wrong := about_take(good.get("take", {})):
        problems += [f"{toml}: [take] {one}" for one in wrong]
        del good["take"]
    if "dispersion" in good and good["dispersion"] not in QUARTER_TURNS:
        problems.append(f"{toml}: dispersion must be {', '.join(QUARTER_TURNS)}, got {good.pop('dispersion')!r}")
    return {**defaults, **good, "pixel_size_nm": float(good.get("pixel_size_nm", 0.0))}, problems


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
    off = np.maximum.reduce([-rows, rows - n_rows + 1, -cols, cols - n_cols + 1])  # px beyond the last one
    outside = np.flatnonzero(off > _ASTRAY_PX)
    if len(outside) > _MOST_ASTRAY * len(table):
        first = outside[0]
        problems.append(
            f"{path}, line {first + 2}: x {table['x [nm]'].iloc[first]:g}, y {table['y [nm]'].iloc[first]:g} nm lies off "
            f"the frame of {n_cols * pixel_size_nm:g} x {n_rows * pixel_size_nm:g} nm ({len(outside)} such rows); "
            f"is pixel_size_nm = {pixel_size_nm:g} right?"
        )
    up, left = n_rows - 1 - rows, n_cols - 1 - cols  # counted from the other ends
    turned = [(rows, cols), (left, rows), (up, left), (cols, up)]
    return *turned[turns], problems


def write_mask(path, template):
    """Write a template as a float32 TIFF, to be named under [masks]."""
    with whole_file(path) as temporary:
        tifffile.imwrite(temporary, np.asarray(template, np.float32))
