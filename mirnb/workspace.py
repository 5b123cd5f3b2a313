"""Open an experiment and its run folder by the path a notebook or a user gives; the demo is made when it is missing."""

from pathlib import Path

from mirnb.experiments.experiment_file import load_experiment
from mirnb.experiments.run_folder import RunFolder
from mirnb.files import ROOT, InputError
from mirnb.simulation.folders import simulate_experiment, simulate_with_single_types
from mirnb.simulation.settings import Settings

DEMO, PRACTICE = "data/demo", "data/practice"


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
    """Open an experiment and its run folder from a notebook's parameters; the demo is simulated when it is not there yet.

    Parameters
    ----------
    experiment : str
        Experiment folder, from the root of the repository.
    out : str
        Run folder, from the root of the repository; reports/<name> when empty.
    quick : bool
        The run folder is reports/<name>-quick then, so that a test never passes for a result.

    Returns
    -------
    Experiment, RunFolder
    """
    if not isinstance(experiment, str) or not isinstance(out, str) or not isinstance(quick, bool):
        raise InputError(
            f"expected experiment and out as text and quick as True or False, got {experiment!r}, {out!r}, {quick!r}"
        )
    folder = ROOT / experiment
    make_demo_if_missing(folder)
    opened = load_experiment(folder)
    return opened, RunFolder(opened, ROOT / (out or f"reports/{opened.name}{'-quick' if quick else ''}"))
