"""What is to be counted: stacks and experiment folders, their blob tables, the sample each belongs to (samples.csv)."""

import csv
import io
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from mirnb.counting.concentrations import COLUMNS as OPTIONAL
from mirnb.counting.concentrations import read_concentrations
from mirnb.counting.truth import simulated_beside
from mirnb.experiments.blobs import UNLABELLED, read_blobs, separator_of
from mirnb.experiments.experiment import QUARTER_TURNS, Experiment
from mirnb.experiments.experiment_file import load_experiment, turned_pixels
from mirnb.experiments.stacks import Stack
from mirnb.files import InputError, read_text

ROLES = ("sample", "reference", "blank", "standard", "spike")
COLUMNS = ("stack", "sample", "role", "replicate")
_TAKEN = ("cache", "notebooks")  # folders beside those of the stacks


@dataclass(frozen=True)
class Input:
    """A stack to be counted; without an experiment it could not be read, and `error` says why."""

    name: str  # no two inputs have the same
    given: str  # as the user wrote it
    experiment: Experiment | None
    error: str = ""
    sample: str = ""
    role: str = "sample"
    replicate: str = ""
    concentration: tuple = ()  # of each miR, where it is known
    unit: str = ""  # of the concentration
    added_to: str = ""  # sample that a spike was added to


def is_simulated(one):
    """Whether the stack of an `Input` is simulated; one that could not be read is not known to be."""
    return one.experiment is not None and one.experiment.simulated is not None


def gather_inputs(stacks, classifier, *, blobs=(), samples=None) -> list[Input]:
    """Open all stacks; those that cannot be read are kept with their error, so that the others go on.

    Parameters
    ----------
    stacks : sequence of str or path
        TIFF files (local or fsspec addresses) or experiment folders. A file has the classifier's pixel size and dispersion.
    blobs : sequence of path
        Blob tables of the stacks, in the same order; without them, experiment folders have their own and blobs of the other
        stacks are detected.
    samples : path, optional
        samples.csv; without it each stack is a sample of its own.

    Raises
    ------
    InputError
        If there are no stacks, one is given twice, blob tables and stacks differ in number, or samples.csv does not fit.
    """
    stacks = [str(one) for one in stacks]
    if not stacks:
        raise InputError("no stacks given; name TIFF files or experiment folders")
    twice = sorted({one for one in stacks if stacks.count(one) > 1})
    if twice:
        raise InputError(f"{', '.join(twice)}: given twice; every molecule would be counted twice")
    if blobs and len(blobs) != len(stacks):
        raise InputError(f"--blobs: {len(blobs)} tables for {len(stacks)} stacks; give one for each, in the same order")
    names = _unique_names(stacks)
    for name, given in zip(names, stacks, strict=True):
        _require_text(given, "the stack's name", name)
    inputs = []
    for k, (name, given) in enumerate(zip(names, stacks, strict=True)):
        try:
            experiment = _open(given, name, classifier, blobs[k] if blobs else None)
            inputs.append(Input(name, given, experiment, sample=name))
        except InputError as error:
            inputs.append(Input(name, given, None, error=str(error), sample=name))
    return _assign(inputs, samples, classifier.panel.mir_names) if samples else inputs


def _require_text(where, what, name):
    """Refuse a name that a spreadsheet would take for a formula when it opens our tables."""
    if name.startswith(("=", "+", "-", "@", "\t", "\r")):
        raise InputError(f"{where}: {what} begins with {name[0]!r}, and a spreadsheet would run {name!r}; rename it")


def _unique_names(stacks):
    """A name for each stack: of its file or folder, with a number where two are the same."""
    names = list(_TAKEN)
    for given in stacks:
        place = Path(given.split("://", 1)[-1])
        stem = place.name
        for suffix in (".tif", ".tiff", ".TIF", ".TIFF", ".nd2", ".czi", ".lif", ".zarr", ".ome"):
            stem = stem.removesuffix(suffix)
        stem = place.parent.name if stem in ("", "stack") and place.parent.name else stem  # "stack" says nothing
        number = 2
        name = stem
        while name in names:
            name, number = f"{stem}_{number}", number + 1
        names.append(name)
    return names[len(_TAKEN) :]


def _open(given, name, classifier, blobs):
    trained = classifier.trained_on
    is_address = "://" in given
    if not is_address and (Path(given) / "experiment.toml").is_file():
        experiment = load_experiment(given)
        experiment.require_alike(classifier.panel, trained["pixel_size_nm"], "the classifier was trained")
    else:
        stack = Stack([given if is_address else Path(given)], quarter_turns=QUARTER_TURNS[trained["dispersion"]])
        stack.warn_of_pixel_size(trained["pixel_size_nm"], "the classifier was trained at")
        nothing, simulated = np.zeros(0, int), simulated_beside(Path(given)) if not is_address else None
        experiment = Experiment(
            folder=Path(given).parent, name=name, stack=stack, table=None, blobs_path=None, rows=nothing, cols=nothing,
            labels=nothing, pixel_size_nm=trained["pixel_size_nm"], panel=classifier.panel,
            dispersion=trained["dispersion"], masks=None, simulated=simulated and simulated.simulated,
        )  # fmt: skip
    crop, frame = classifier.panel.crop_window.shape, experiment.stack.frame_shape
    if frame[0] < crop[0] or frame[1] < crop[1]:
        raise InputError(f"{given}: a frame of {frame} (rows, cols) is smaller than a crop of {crop}")
    return experiment if blobs is None else _with_blobs(experiment, Path(blobs))


def _with_blobs(experiment, path):
    table = read_blobs(path, pixel_size_nm=experiment.pixel_size_nm)
    turns = QUARTER_TURNS[experiment.dispersion]
    rows, cols, problems = turned_pixels(table, path, experiment.stack, experiment.pixel_size_nm, turns)
    if problems:
        raise InputError("\n".join(problems))
    labels = np.full(len(rows), UNLABELLED)
    experiment = replace(experiment, table=table, blobs_path=path, rows=rows, cols=cols, labels=labels)
    experiment.warn_of_rows()
    return experiment


def _assign(inputs, path, mir_names):
    """Sample, role, replicate and concentration of each input, from samples.csv."""
    rows = read_samples(path)
    by_key, assigned = {}, {}
    for one in inputs:
        place = Path(one.given.split("://", 1)[-1])
        for key in {one.given, one.given.rstrip("/\\"), one.name, place.name}:
            by_key.setdefault(key, []).append(one.name)
    for line, row in rows:
        found = by_key.get(row["stack"].rstrip("/\\"), [])
        if len(found) != 1:
            what = "is not among the stacks given" if not found else "may be any of several stacks given; write it as there"
            raise InputError(
                f"{path}, line {line}: the stack {row['stack']!r} {what} ({', '.join(one.given for one in inputs)})"
            )
        if found[0] in assigned:
            raise InputError(f"{path}, line {line}: the stack {row['stack']!r} is there twice")
        assigned[found[0]] = row
    left = [one.given for one in inputs if one.name not in assigned]
    if left:
        raise InputError(f"{path}: does not name {', '.join(left)}; add a row for each stack given")
    roles = {}
    for line, row in rows:
        if roles.setdefault(row["sample"], row["role"]) != row["role"]:
            raise InputError(f"{path}, line {line}: the sample {row['sample']!r} is {row['role']} here, "
                             f"{roles[row['sample']]} above; a sample has one role")  # fmt: skip
    references = [name for name, role in roles.items() if role == "reference"]
    if len(references) > 1:
        raise InputError(f"{path}: {', '.join(references)} are both references; name one sample a reference")
    known = read_concentrations(rows, path, mir_names)
    told = []
    for one in inputs:
        row = assigned[one.name]
        one = replace(one, **{key: row[key] for key in ("sample", "role", "replicate")})
        told.append(
            replace(one, **dict(zip(("concentration", "unit", "added_to"), known.get(row["stack"], ()), strict=False)))
        )
    return told


def read_samples(path):
    """Rows of samples.csv with their line numbers."""
    text = read_text(path)
    reader = csv.DictReader(io.StringIO(text), delimiter=separator_of(text.partition("\n")[0]))
    header = [name.strip().lower() for name in reader.fieldnames or []]
    missing = [name for name in COLUMNS if name not in header]
    if missing:
        raise InputError(
            f"{path}, line 1: column {', '.join(missing)} is missing; expected {', '.join(COLUMNS)}, "
            f"found {', '.join(header) or 'nothing'}"
        )
    known = (*OPTIONAL, *(name for name in header if name.startswith("concentration_")))
    reader.fieldnames, rows = header, []
    for line, row in enumerate(reader, 2):
        row = {key: (row.get(key) or "").strip() for key in (*COLUMNS, *known)}
        if not any(row.values()):
            continue
        row["role"] = row["role"].lower()
        for key in ("stack", "sample"):
            if not row[key]:
                raise InputError(f"{path}, line {line}: {key} is empty; every row names a stack and its sample")
            _require_text(f"{path}, line {line}", key, row[key])
        _require_text(f"{path}, line {line}", "replicate", row["replicate"])
        if row["role"] not in ROLES:
            raise InputError(f"{path}, line {line}: role must be {', '.join(ROLES)}, got {row['role']!r}")
        rows.append((line, {**row, "replicate": row["replicate"] or "1"}))
    if not rows:
        raise InputError(f"{path}: names no stack; one row a stack, with {', '.join(COLUMNS)}")
    return rows
