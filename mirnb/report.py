"""Run the notebooks through papermill, one after another, and have their pages made."""

import contextlib
import itertools
import json
import time
from pathlib import Path

import filelock
from tqdm.auto import tqdm

from mirnb.classifiers.classifier import copy_classifier, is_of
from mirnb.classifiers.kinds import KINDS
from mirnb.contents import ASSAY, MINUTES, NOTEBOOKS
from mirnb.design.prediction import Effort
from mirnb.experiments.check import require_dispersion
from mirnb.experiments.cutouts import kept_blobs
from mirnb.experiments.experiment_file import load_experiment
from mirnb.experiments.panel_file import PANEL_NAMES
from mirnb.experiments.placement import warn_of_places
from mirnb.experiments.run_folder import RunFolder
from mirnb.experiments.tiff_files import is_address
from mirnb.files import ROOT, InputError, make_folder, require_in_range, shared_lock
from mirnb.notebook_pages import is_rendered, render_notebook
from mirnb.pages import write_index
from mirnb.running import execute, open_kernel, parameters_of
from mirnb.simulation.settings import settings_of_experiment
from mirnb.stamps import keys_of, stamp, stamp_of, written_in

_FIXED = {"experiment", "out", "quick"}  # set by the command itself


def list_parameters(only=()):
    """What notebooks can be told, a line each: name, type, default and meaning, below the notebook's name."""
    lines = []
    for notebook in _choose(only):
        lines.append(notebook)
        for name, info in parameters_of(notebook).items():
            if name not in _FIXED:
                lines.append(f"  -p {name} {info['default']}  ({info['inferred_type_name']}) {info['help']}")
    return lines


def make_report(folder, *, out=None, only=(), quick=False, fresh=False, parameters=None):
    """Run the notebooks on an experiment and write its report: path of index.html.

    Parameters
    ----------
    folder : path
        Experiment folder.
    out : path, optional
        Run folder; reports/<name> by default.
    only : sequence of str
        Notebooks to run, by name or number; all by default.
    quick : bool
        Few frames and one epoch, to see whether everything runs.
    fresh : bool
        Run every notebook, also one whose parameters, inputs and code are those it ran with before.
    parameters : dict of str to str, optional
        Notebook parameters as typed by the user; converted by the type each notebook declares.

    Raises
    ------
    InputError
        If a parameter or notebook is unknown, a value does not fit, a notebook fails (kept as *.failed.ipynb), or another
        report is being written into the folder.
    """
    chosen, parameters = _choose(only), parameters or {}
    experiment = load_experiment(folder)
    experiment.require_blobs(least=1)
    without = _without_labels(parameters)
    if not only and not experiment.labelled.any():
        chosen = without
        counting = "" if "classifier" in parameters else "; -p classifier CLASSIFIER_DIR has its blobs called and counted"
        print(f"{experiment.blobs_path}: no labels, so notebooks that train or test are left out{counting}", flush=True)
    elif any(notebook not in without for notebook in chosen):
        experiment.require_labels()
        if not only and settings_of_experiment(experiment) is None and "samples" not in parameters:
            chosen = tuple(one for one in chosen if one != ASSAY)  # there are no standards
    if not len(kept_blobs(experiment, labelled=False)[0]):
        raise InputError(f"{experiment.blobs_path}: no blob's crop lies inside its frame; there is nothing to look at")
    warn_of_places(experiment)
    require_dispersion(experiment)
    run = RunFolder(experiment, out, quick=quick)
    given = _converted(chosen, parameters)
    make_folder(run.root / "notebooks")
    with _alone(run.root):
        return _report(chosen, run, given, folder, quick=quick, fresh=fresh)


@contextlib.contextmanager
def _alone(root):
    """Refuse to write a report into a folder while another is written there."""
    try:
        held = shared_lock(root / ".report.lock").acquire(timeout=0)
    except filelock.Timeout:
        raise InputError(
            f"{root}: another report is being written there; wait for it, or choose another folder (--out)"
        ) from None
    with held:
        yield


def _report(chosen, run, given, folder, *, quick, fresh):
    """Run notebooks with what they are given, all in the run folder: path of index.html."""
    fixed = {"experiment": _from_root(folder), "out": _from_root(run.root), "quick": quick}
    usual = _defaults(chosen)
    set_by_user = {**{key: value for values in given.values() for key, value in values.items()}, "quick": quick}
    changed = {key: value for key, value in set_by_user.items() if value != usual.get(key, False)}
    parameters = {notebook: {**fixed, **given[notebook]} for notebook in chosen}
    keys = keys_of(parameters, run.experiment)
    stamps = {notebook: stamp_of(run.root / "notebooks" / f"{notebook}.ipynb") for notebook in chosen}
    kept = [one for one in chosen if not fresh and stamps[one] is not None and stamps[one].key == keys[one]]
    to_run = [one for one in chosen if one not in kept]
    if to_run or not (run.root / "settings.json").exists():
        run.write_settings({**usual, **set_by_user}, changed)
    print(_plan_in_words(to_run, kept, run), flush=True)
    for one in kept:
        if not is_rendered(run.root / "notebooks" / f"{one}.ipynb"):  # the report was killed just then
            render_notebook(run.root / "notebooks" / f"{one}.ipynb")
    if to_run:
        _run_all(to_run, run, parameters, keys, kept)
    kinds = [kind for kind in KINDS if is_of(run.root / "classifiers" / kind, run.experiment)]
    if kinds:  # they are listed with the best first
        copy_classifier(run.root / "classifiers" / kinds[0], run.root / "classifier")
    return write_index(run, done=chosen)


def _plan_in_words(to_run, kept, run):
    unchanged = f"{len(kept)} unchanged since they were run (--fresh runs them, too)" if kept else ""
    if not to_run:
        return f"{unchanged}; nothing to run"
    minutes = max(sum(map(MINUTES.get, to_run)), 1)
    return (
        f"{len(to_run)} notebooks to run, about {minutes:.0f} minute{'s' * (round(minutes) > 1)} the first time on two cores"
        f"{unchanged and f'; {unchanged}'}; {run.root / 'index.html'} shows what is there already"
    )


def _run_all(notebooks, run, parameters, keys, kept):
    """Run notebooks one after another, the page and a bar growing with them."""
    done, progress, notebook = list(kept), _Progress(notebooks), notebooks[0]
    try:
        with open_kernel() as kernel:
            for k, notebook in enumerate(notebooks):
                write_index(run, done=done, now=notebook, to_come=notebooks[k + 1 :])
                path = run.root / "notebooks" / f"{notebook}.ipynb"
                begun, before = time.time(), written_in(run.root)
                execute(notebook, run.root, parameters[notebook], kernel, on_progress=progress.of(notebook))
                stamp(path, keys[notebook], begun=begun, before=before)
                render_notebook(path)
                done.append(notebook)
    except BaseException as error:
        why = str(error) if isinstance(error, InputError) else f"in the middle of {notebook}."
        with contextlib.suppress(InputError):
            write_index(run, done=done, stopped=why)
        raise
    finally:
        progress.bar.close()


class _Progress:
    """A bar that goes with the usual minutes of notebooks and says how many are left at the pace so far."""

    def __init__(self, chosen):
        self._usual, self._start = sum(map(MINUTES.get, chosen)), time.perf_counter()
        self._before = dict(zip(chosen, itertools.accumulate(map(MINUTES.get, chosen), initial=0), strict=False))
        self.bar = tqdm(total=self._usual, desc="report", bar_format="{desc}: {percentage:3.0f}%|{bar}| {elapsed}{postfix}")

    def of(self, notebook):
        """What is to be told the share of a notebook that is done."""

        def show(share):
            self.bar.n = self._before[notebook] + share * MINUTES[notebook]
            elapsed = (time.perf_counter() - self._start) / 60
            left = (self._usual - self.bar.n) * (elapsed / self.bar.n if self.bar.n > 0.1 * self._usual else 1)
            self.bar.set_postfix_str(f"{notebook}, about {max(left, 0):.0f} min left", refresh=False)
            self.bar.update(0)
            self.bar.refresh()

        show(0.0)
        return show


def quantification_page(out, *, history="", **counted):
    """Run notebook 09 over what `quantification.quantify_plan` has counted already: path of its page.

    **counted
        classifier, stacks, blobs, samples, keep_frames and seed, as they were counted with.
    """
    return _page_alone("09_quantification", Path(out), _as_counted(out, **counted, history=history))


def assay_page(out, **counted):
    """Run notebook 11 over an assay that was counted already, as `quantification_page` does: path of its page."""
    return _page_alone(ASSAY, Path(out), _as_counted(out, **counted))


def _as_counted(out, *, classifier, stacks, blobs=(), **others):
    """Parameters of a notebook for what was counted, paths from the repository root."""

    def place(text):
        return text if is_address(text) else _from_root(text)

    given = {"out": place(out), "classifier": place(classifier), "stacks": [place(one) for one in stacks],
             "blobs": [place(one) for one in blobs]}  # fmt: skip
    return given | {key: place(one) if key in ("samples", "history") and one else one for key, one in others.items()}


def design_page(out, *, panels, **chosen):
    """Run notebook 10 over what `planning.design` has predicted already: path of its page."""
    named = [one if one in PANEL_NAMES else _from_root(one) for one in panels]
    return _page_alone("10_panel_design", Path(out), {"out": _from_root(out), "panels": named, **vars(Effort()), **chosen})


def _page_alone(notebook, out, given):
    make_folder(out / "notebooks")
    with open_kernel() as kernel:
        execute(notebook, out, {"experiment": "", **given}, kernel)
    return render_notebook(out / "notebooks" / f"{notebook}.ipynb", has_index=False)


def _from_root(path):
    path = Path(path).resolve()
    return path.relative_to(ROOT).as_posix() if path.is_relative_to(ROOT) else path.as_posix()


def _without_labels(parameters):
    """Notebooks that do without labels: counting where somebody else's classifier is named."""
    counting = ["09"] if parameters.get("classifier") else []
    return tuple(one for one in NOTEBOOKS if one[:2] in ["01", "02", *counting, "10"])


def _choose(only):
    if not only:
        return NOTEBOOKS
    chosen = []
    for name in only:
        stem = Path(name).stem
        match = [notebook for notebook in NOTEBOOKS if notebook == stem or notebook[:2] == stem.zfill(2)]
        if not match:
            raise InputError(f"--only {name}: no such notebook; there are {', '.join(NOTEBOOKS)}")
        chosen += match
    return tuple(notebook for notebook in NOTEBOOKS if notebook in chosen)


def _converted(notebooks, parameters):
    """Parameters for each notebook that declares them, converted by their declared type."""
    declared = {name: parameters_of(name) for name in notebooks}
    known = {key: info["inferred_type_name"] for names in declared.values() for key, info in names.items()}
    values = {}
    for key, text in parameters.items():
        if key in _FIXED:
            raise InputError(f"-p {key}: is set by the command itself (DIR, --out, --quick)")
        if key not in known:
            names = ", ".join(sorted(set(known) - _FIXED))
            raise InputError(f"-p {key}: no notebook that is to run has this parameter; known are {names}")
        values[key] = _as_declared(key, text, known[key])
        require_in_range("-p ", **{key: values[key]})
    return {name: {key: value for key, value in values.items() if key in declared[name]} for name in notebooks}


def _defaults(notebooks):
    """What the notebooks' parameters are unless told otherwise."""
    defaults = {}
    for name in notebooks:
        for key, info in parameters_of(name).items():
            if key not in _FIXED:
                defaults[key] = _as_declared(key, info["default"], info["inferred_type_name"])
    return defaults


def _as_declared(key, text, kind):
    try:
        if kind == "bool":
            return {"true": True, "false": False}[text.lower()]
        if kind == "int":
            return int(text)
        if kind == "float":
            return float(text)
        if kind == "list":
            value = json.loads(text)
            if not isinstance(value, list):
                raise ValueError
            return value
    except (KeyError, ValueError):
        wanted = {"bool": "True or False", "int": "a whole number", "float": "a number", "list": "a list such as [34, 10]"}
        raise InputError(f"-p {key} {text}: expected {wanted[kind]}") from None
    return text
