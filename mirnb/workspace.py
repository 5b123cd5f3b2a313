"""Open an experiment and its run folder by the path a notebook or a user gives; the demo is made when it is missing."""

import re
from pathlib import Path

from mirnb.experiments.experiment_file import load_experiment
from mirnb.experiments.run_folder import RunFolder
from mirnb.experiments.tiff_files import is_address
from mirnb.files import NOTEBOOK_FOLDER, ROOT, InputError, listed, make_folder, whole_file
from mirnb.simulation.folders import simulate_experiment, simulate_with_single_types
from mirnb.simulation.settings import Settings

DEMO, PRACTICE = "data/demo", "data/practice"


def place(path):
    """A path as the notebooks mean it: from the repository's root, or the working folder where there is none."""
    return path if is_address(path) else ROOT / path


def make_demo_if_missing(folder):
    """Simulate the demo, or the unlabelled practice experiment, if that is the folder asked for and it is not there."""
    folder = Path(folder).resolve()
    if (folder / "experiment.toml").exists():
        return
    if folder == ROOT / DEMO:
        simulate_with_single_types(folder)
    if folder == ROOT / PRACTICE:
        simulate_experiment(folder, settings=Settings(n_frames=5), seed=5, labelled=False)


def open_run(experiment, out="", *, quick=False):
    """Open an experiment and its run folder; the demo is simulated when it is not there yet.

    Parameters
    ----------
    experiment : str or path
        Experiment folder. Relative paths start at the repository's root, or at the working folder where there is none.
    out : str or path
        Run folder; reports/<name> when empty.
    quick : bool
        The run folder is reports/<name>-quick then, so that a test never passes for a result.

    Returns
    -------
    RunFolder
        Holds the experiment.

    Examples
    --------
    >>> run = mirnb.open_run("data/demo")
    >>> run.experiment.panel
    panel 'thesis' (red, green, blue)
    """
    texts = all(isinstance(one, str | Path) for one in (experiment, out))
    if not texts or not isinstance(quick, bool):
        raise InputError(
            f"expected experiment and out as text and quick as True or False, got {experiment!r}, {out!r}, {quick!r}"
        )
    folder = place(experiment)
    make_demo_if_missing(folder)
    return RunFolder(load_experiment(folder), place(out) if out else None, quick=quick)


def copy_notebooks(folder, *, experiment=None):
    """Copy the notebooks into a folder; a file that is there stays as it is: list of path.

    Parameters
    ----------
    experiment : path, optional
        Experiment folder that the copies are to open. Notebooks that are there already then stay, and the others are copied.

    Raises
    ------
    InputError
        If one of them is there already, and no experiment is given: it may have been changed.
    """
    make_folder(folder)
    copies = {source: Path(folder) / source.name for source in listed(NOTEBOOK_FOLDER, "*.ipynb")}
    there = [copy.name for copy in copies.values() if copy.exists()]
    if there and experiment is None:
        raise InputError(f"{folder}: holds {', '.join(there)} already, perhaps changed by you; choose another folder")
    copies = {source: copy for source, copy in copies.items() if not copy.exists()}
    for source, copy in copies.items():
        text = source.read_text(encoding="utf-8")
        if experiment is not None:
            path = Path(experiment).resolve()
            set_to = path.relative_to(ROOT) if path.is_relative_to(ROOT) else path
            text = re.sub(r'experiment: str = \\"[^"]*\\"', f'experiment: str = \\"{set_to.as_posix()}\\"', text)
        with whole_file(copy) as temporary:
            temporary.write_text(text, encoding="utf-8", newline="\n")
    return list(copies.values())
