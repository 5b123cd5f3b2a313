"""The verbs of `import mirnb` that need several wings; relative paths start where `workspace.place` says."""

from pathlib import Path

from mirnb.counting.quantification import Quantified, plan_notebook, quantify_plan
from mirnb.experiments.check import check_experiment
from mirnb.experiments.experiment_file import load_experiment
from mirnb.experiments.panel_file import load_panel
from mirnb.experiments.stacks import Stack
from mirnb.imaging.detection import detect_stack
from mirnb.labelling.explore_widget import open_explorer
from mirnb.labelling.widget import open_tool
from mirnb.simulation.folders import simulate_experiment, simulate_with_single_types
from mirnb.simulation.settings import settings_of
from mirnb.workspace import make_demo_if_missing, open_run, place


def simulate(folder, *, panel="thesis", frames=30, seed=3, only=None):
    """Write a simulated experiment with its truth, and beside it a small sample of each miR alone: path of the folder.

    Parameters
    ----------
    panel : str
        A named panel (thesis, six, twelve) or a panel file.
    seed : int
        Same seed, same files.
    only : str, optional
        Only this miR and noise, in one folder.

    Examples
    --------
    >>> folder = mirnb.simulate("data/next", panel="twelve", frames=1)
    >>> (folder / "truth.csv").exists()
    True
    """
    drawn = load_panel(panel, folder=place("."))
    how = {"panel": drawn, "settings": settings_of(drawn, n_frames=frames), "seed": seed}
    if only:
        return simulate_experiment(place(folder), only=only, **how)
    return simulate_with_single_types(place(folder), **how)


def check(folder):
    """What an experiment folder holds, and everything that is wrong with it: `check.Check`.

    Examples
    --------
    >>> mirnb.check("data/mine").problems
    []
    """
    return check_experiment(place(folder))


def detect(stack, *, pixel_size_nm=None, take=None):
    """Blobs of a stack by ThunderSTORM's default recipe: DataFrame in its columns.

    Parameters
    ----------
    stack : path, or an address such as s3://bucket/stack.tif
    pixel_size_nm : float, optional
        As the file says by default, else 120.
    take : dict, optional
        Such as {"channel": "Alexa 488"}, where a file other than TIFF has several.

    Examples
    --------
    >>> list(mirnb.detect("new/a.tif"))[:4]
    ['id', 'frame', 'x [nm]', 'y [nm]']
    """
    opened = Stack([place(stack)], take=take)
    return detect_stack(opened, pixel_size_nm=opened.choose_pixel_size(pixel_size_nm))


def quantify(classifier, stacks, out, *, blobs=(), samples="", keep_frames=False, scheduler="", seed=3) -> Quantified:
    """Count the miRs of stacks: tables of abundances with intervals, and of what each stack is like.

    Parameters
    ----------
    classifier : Classifier, or path of its folder
    stacks : path, or sequence of path
        TIFF files, addresses or experiment folders.
    out : path
        Folder for the tables.
    blobs : sequence of path
        Blob tables of the stacks, in their order; they are detected without.
    samples : path
        samples.csv; each stack is a sample of its own without.
    keep_frames : bool
        Count frames that are out of focus, dirty, moved, ..., too.
    scheduler : str
        Address of a Dask cluster; processes of this machine when empty.
    seed : int
        Of the intervals.

    Raises
    ------
    InputError
        If an input does not fit, or no stack could be counted.

    Examples
    --------
    >>> counted = mirnb.quantify(ours, ["new/a.tif"], out="counted")
    >>> list(counted.abundance["class"])
    ['red', 'green', 'blue']
    """
    stacks = [stacks] if isinstance(stacks, str | Path) else stacks
    plan = plan_notebook("", out, classifier=classifier, stacks=stacks, blobs=blobs, samples=samples)
    return quantify_plan(plan, keep_frames=keep_frames, scheduler=scheduler, seed=seed)


def label(experiment, annotator, *, classifier=""):
    """The labelling tool, to be shown as the last line of a cell; each label is on disk before the next blob shows.

    Parameters
    ----------
    annotator : str
        Whose labels these are: letters, digits, - and _.
    classifier : path
        Folder of a classifier, for suggestions; none when empty.

    Examples
    --------
    >>> tool = mirnb.label("data/practice", "me")
    >>> tool.view["total"] > 0
    True
    """
    make_demo_if_missing(place(experiment))
    return open_tool(load_experiment(place(experiment)), annotator, classifier=place(classifier) if classifier else "")


def explore(experiment, *, classifier="", annotator="me", out="", quick=False):
    """A window on the frames of an experiment, to be shown as the last line of a cell: calls, filters, labels, training.

    Parameters
    ----------
    classifier : path
        Folder of a classifier; when empty, the best of the run folder if it has one.
    annotator : str
        Whose labels corrections are.
    out : path
        Run folder; reports/<name> when empty.
    quick : bool
        Another run folder, and short training where there was no classifier: for the tests.

    Examples
    --------
    >>> window = mirnb.explore("data/demo")
    >>> sum(window.explorer.counts().values()) > 0
    True
    """
    run = open_run(experiment, out, quick=quick)
    return open_explorer(run, classifier=place(classifier) if classifier else "", annotator=annotator, quick=quick)
