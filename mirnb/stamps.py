"""What a finished notebook was made from, kept in it: one that would say the same again need not run again."""

import time
from dataclasses import dataclass
from pathlib import Path

import nbformat

from mirnb.caches import fingerprint, made_by, program_fingerprint
from mirnb.experiments.experiment_file import load_experiment
from mirnb.experiments.stacks import path_fingerprint
from mirnb.experiments.tiff_files import is_address
from mirnb.files import NOTEBOOK_FOLDER, ROOT, whole_file

_ALONE = ("figures", "tables", "templates")  # folders of a run whose files have one notebook each that writes them
_SHARED = ("classifiers", "counted", "metrics.json", "samples")  # what several write, or change afterwards


@dataclass(frozen=True)
class Stamp:
    """Of a notebook that was run to its end."""

    key: str  # of all it follows from
    date: str
    seconds: float
    files: dict  # path in the run folder of what it wrote -> fingerprint; empty where other notebooks write into it, too


def keys_of(parameters, experiment):
    """Name what notebooks follow from: their cells, parameters and the files these name, the experiment, this program.

    Parameters
    ----------
    parameters : dict of dict
        Notebook -> its parameters.

    Returns
    -------
    dict of str
    """
    singles = [load_experiment(folder).fingerprints() for folder in experiment.pretrain]
    inputs = [experiment.name, experiment.fingerprints(), singles, made_by()]
    return {notebook: _key(notebook, given, inputs) for notebook, given in parameters.items()}


def _key(notebook, parameters, inputs):
    given = {name: value for name, value in parameters.items() if name not in ("experiment", "out", "scheduler")}
    named = [one for value in given.values() for one in (value if isinstance(value, list) else [value])]
    files = [_content(one) for one in named if isinstance(one, str) and one]
    return fingerprint(NOTEBOOK_FOLDER / f"{notebook}.ipynb", given, files, inputs, program_fingerprint())


def _content(name):
    """Fingerprint of the file or folder a parameter names; nothing where it names none."""
    if is_address(name):
        return path_fingerprint(name)
    path = ROOT / name
    paths = sorted(one for one in path.rglob("*") if one.is_file()) if path.is_dir() else [path] * path.is_file()
    return [path_fingerprint(one) for one in paths]


def written_in(root):
    """Files of a run folder that notebooks write, and when each was written: path -> ns."""
    inside = (one for name in (*_ALONE, *_SHARED) for one in [root / name, *(root / name).rglob("[!.]*")])
    return {one: one.stat().st_mtime_ns for one in inside if one.is_file()}


def stamp(path, key, *, begun, before):
    """Note in an executed notebook what it was made from, and what it wrote into its run folder: Stamp.

    Parameters
    ----------
    begun : float
        When it was, seconds of the epoch.
    before : dict
        `written_in` the run folder before it.
    """
    root = path.parent.parent
    names = [one.relative_to(root) for one, when in written_in(root).items() if before.get(one) != when]
    files = {name.as_posix(): fingerprint(root / name) if name.parts[0] in _ALONE else "" for name in names}
    notebook = nbformat.read(path, as_version=4)
    date = time.strftime("%Y-%m-%d %H:%M", time.localtime(begun))
    made = Stamp(key, date, round(time.time() - begun, 1), files)
    notebook.metadata["mirnb"] = vars(made)
    with whole_file(path) as temporary:
        nbformat.write(notebook, temporary)
    return made


def stamp_of(path):
    """The stamp of an executed notebook; None where there is none, or a file that was written with it is gone or changed."""
    try:
        found = Stamp(**nbformat.read(path, as_version=4).metadata["mirnb"])
        root = Path(path).parent.parent
        same = all(not seen or fingerprint(root / name) == seen for name, seen in found.files.items())
        return found if same and all((root / name).is_file() for name in found.files) else None
    except Exception:  # what a missing or an odd notebook raises has many names; it is run again
        return None
