"""Open an experiment and its run folder by the path a notebook or a user gives; the demo is made when it is missing."""

import json
import re
from pathlib import Path

import nbformat

from mirnb.experiments.experiment_file import load_experiment
from mirnb.experiments.panel_file import THESIS
from mirnb.experiments.run_folder import RunFolder
from mirnb.experiments.tiff_files import is_address
from mirnb.files import NOTEBOOK_FOLDER, ROOT, InputError, listed, make_folder, whole_file
from mirnb.simulation.folders import simulate_experiment, simulate_with_single_types
from mirnb.simulation.settings import Settings, settings_of_experiment

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


_FOUND_ON_DEMO = {
    "06_tuning": "mirnb tune data/demo, 30 repeats, 25 November 2026: F1 on validation stays between .76 and .81 from "
    "9,000 weights to 40,000, that on training rises from .82 to .87; of the thesis's 16 declines of its network one holds "
    "(precision of green beyond 5x5 kernels), 15 cannot be told.",
    "07_optimizers": "mirnb tune data/demo, 30 repeats, 25 November 2026: at a rate of 2e-3 SGD has hardly begun (F1 "
    ".15), it rises to .76 at 2e-1, and at 5e-1 7 of 30 trainings diverge.",
    "08_classifiers": "python -m benchmarks.judge_twin_cnn, five splits, 25 November 2026: mean F1 of the twin-trained "
    "CNN .854, of PCA + SVM .795, of LeNet-5 .788.",
    "09_quantification": "python -m benchmarks.judge_counts, 200 simulated samples of random mixtures, 27 November 2026: "
    "shares err by .0084 on average, of which .0064 is the chance of drawing a sample.",
    "10_panel_design": "mirnb design thesis, 26 November 2026: predicted F1 .84 at 177.5 degrees, .89 at 176, most of the "
    "gain in green; with half the light .71.",
}


def found_on_demo(experiment, notebook):
    """What was found once, with more time than a report takes, if the experiment is the demo: a list of sentences.

    experiment : str
        As `open_run` takes it; empty where a notebook looks at something else.
    """
    if not experiment or place(experiment).resolve() != ROOT / DEMO:
        return []
    demo = load_experiment(ROOT / DEMO)
    as_made = settings_of_experiment(demo) == Settings() and demo.simulated["seed"] == 3 and demo.panel == THESIS
    return [f"Found once on the demo, not in this run: {_FOUND_ON_DEMO[notebook]}"] if as_made else []


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
        notebook = nbformat.read(source, as_version=4)
        if experiment is not None:
            cell = next(one for one in notebook.cells if "parameters" in one.metadata.get("tags", []))
            line = f"experiment: str = {json.dumps(Path(experiment).resolve().as_posix(), ensure_ascii=False)}"
            cell.source = re.sub(r'^experiment: str = "[^"]*"', lambda _, new=line: new, cell.source)
        with whole_file(copy) as temporary:
            nbformat.write(notebook, temporary)
    return list(copies.values())
