"""Vary one setting over its values and repeats, the others fixed (thesis 2.3): trained in parallel, each training kept.

Trainings of one configuration that differ in their seeds alone go side by side, a few at a time; such groups go to the
workers of a Dask client, the longest first. What a training leaves is small: its confusion counts. They lie in the run
folder's cache, one file a training: a sweep that was stopped goes on with what is missing, and sweeps that have a training
in common share it.
"""

import time
from dataclasses import dataclass

import dask
import numpy as np
import pandas as pd
from distributed import KilledWorker
from tqdm.auto import tqdm

from mirnb.caches import cache_key, made_by, read_arrays, stored, write_arrays
from mirnb.classifiers.backend import load_keras
from mirnb.classifiers.hyperparameters import VALUES, Hyperparameters, from_text, in_text, possible_values, require_possible
from mirnb.classifiers.scores import as_text, confusion, macro_f1_mir, score_confusion
from mirnb.classifiers.side_by_side import predict_side_by_side, train_side_by_side
from mirnb.cluster import ask, in_turn, open_client, submit
from mirnb.files import InputError

NETWORK = ("filter1", "filter2", "filter3", "kernel", "pool", "padding")  # in the order the thesis tells of them
OPTIMIZERS = ("sgd", "adam")
SETS = ("training", "validation")
USUAL = Hyperparameters()
GROUP = 5  # trainings side by side on one thread; more are not faster, and more is lost with a worker
_BAR = "{desc}: {percentage:3.0f}%|{bar}| {elapsed}<{remaining}{postfix}"


@dataclass(frozen=True)
class Sweep:
    """One setting varied over values, the others fixed."""

    setting: str
    values: tuple
    fixed: Hyperparameters = USUAL

    @property
    def others(self):
        """What is fixed at another value than the thesis's: "filter3=30", mostly nothing."""
        usual = USUAL.having(self.setting, self.values[0])
        own = self.fixed.having(self.setting, self.values[0])
        named = [name for name in VALUES if own.value_of(name) != usual.value_of(name)]
        return ", ".join(f"{name}={in_text(name, own.value_of(name))}" for name in named)

    @property
    def name(self):
        """For files: filter1, filter1_filter3-30."""
        return "_".join([self.setting, *self.others.replace("=", "-").split(", ")]).rstrip("_")

    @property
    def configurations(self):
        return [self.fixed.having(self.setting, value) for value in self.values]


def plan(settings, crop_shape, *, few=False, quick=False) -> list[Sweep]:
    """The sweeps of some settings, with those of the usual values that make a network for these crops.

    filter1 is swept a second time with filter3 at 30, as for the thesis's Fig 5.

    Parameters
    ----------
    settings : sequence of str
        Of `hyperparameters.VALUES`; "kernel=3,5,7" gives values of one's own.
    crop_shape : (rows, cols, channels)
    few : bool
        About five values of each, for a report.
    quick : bool
        Two values, for tests.

    Raises
    ------
    InputError
        If there is no such setting, or a value is none.
    """
    sweeps = []
    for text in settings:
        setting, _, given = text.partition("=")
        values = tuple(from_text(setting, one.strip()) for one in given.split(",")) if given else ()
        values = values or possible_values(setting, crop_shape, USUAL, few=few or quick)
        values = values[:2] if quick else values
        sweeps.append(Sweep(setting, values))
        if setting == "filter1":
            sweeps.append(Sweep(setting, values, USUAL.having("filter3", 30)))
    return sweeps


def tune(sweeps, data, run, *, n_repeats=30, seed=3, scheduler=""):
    """Do the trainings of some sweeps that are not in the cache yet, all together, and gather what they found.

    Parameters
    ----------
    sweeps : sequence of Sweep
    data : Dataset
        Learned from its training crops, looked at on them and on validation; test crops are not touched.
    n_repeats : int
        Trainings of each value; they differ in their initial weights alone.
    seed : int
        Repeat k starts from weights made from (seed, k); all see the crops in one order, made from `seed`.
    scheduler : str
        Address of a Dask cluster; processes of this machine when empty.

    Returns
    -------
    DataFrame
        One row a sweep, value, repeat, class and set: setting, value (as text), others (see `Sweep.others`), seed, class,
        set, precision, recall, f1 (NaN where undefined), seconds (a training's share of its group's), and, of the training,
        macro_f1_mir (mean F1 over the miRs; 0 where it diverged), weights, diverged (the loss became NaN: no scores), and
        made_by (Python and libraries of the worker).

    Raises
    ------
    InputError
        Before any training if a value makes no network; after all others if workers died over a training.
    """
    if n_repeats < 1:
        raise InputError(f"repeats must be 1 or more, got {n_repeats}")
    crop_shape = data.crops.shape[1:]
    for sweep in sweeps:
        for hyper in sweep.configurations:
            require_possible(hyper, crop_shape)
    crops = {f"x_{name}": data.scaled(name) for name in SETS} | {f"y_{name}": data.y_true[data.split[name]] for name in SETS}
    folder = run.root / "cache" / f"tuning-{cache_key(*crops.values(), data.n_classes, seed)}"
    seeds = [100 * seed + k for k in range(n_repeats)]
    wanted = dict.fromkeys(hyper for sweep in sweeps for hyper in sweep.configurations)
    missing = {hyper: [one for one in seeds if stored(_file(folder, hyper, one)) is None] for hyper in wanted}
    if any(missing.values()):
        _train_missing({hyper: own for hyper, own in missing.items() if own}, crops, data.n_classes, seed, folder, scheduler)
    rows = [row for sweep in sweeps for row in _rows(sweep, seeds, folder, data)]
    return pd.DataFrame(rows).drop_duplicates(ignore_index=True)  # a value may be asked for twice


def rows_of(table, setting, others=""):
    """Rows of one sweep."""
    return table[(table["setting"] == setting) & (table["others"] == others)]


def macro_f1(table):
    """Mean F1 over the miRs of each training: DataFrame of setting, value, others, seed, set, macro_f1_mir, weights.

    A training that diverged has 0: it finds nothing.
    """
    keys = ["setting", "others", "value", "seed", "set", "weights"]
    return table.groupby(keys, sort=False)["macro_f1_mir"].first().reset_index()


def summary(table):
    """Median over the repeats of the mean F1 over the miRs, a column a set, with the weights and how many diverged."""
    keys = ["setting", "others", "value"]
    found = macro_f1(table)
    medians = {name: found[found["set"] == name].groupby(keys, sort=False)["macro_f1_mir"].median() for name in SETS}
    first = table.groupby([*keys, "seed"], sort=False)[["weights", "diverged", "seconds"]].first().groupby(keys, sort=False)
    return pd.DataFrame(medians).assign(
        weights=first["weights"].first(), diverged=first["diverged"].sum(), seconds=first["seconds"].mean()
    )


def tell(summary):
    """What the medians of `summary` say of each sweep: a list of sentences."""
    sentences = []
    for (setting, others), own in summary.groupby(level=["setting", "others"], sort=False):
        f1 = own["validation"].droplevel(["setting", "others"])
        gap, n_diverged = (own["training"] - own["validation"]).to_numpy(), own["diverged"].sum()
        sentences.append(
            f"{setting}{others and f', {others}'}: median F1 on validation from {f1.min():.3f} ({f1.idxmin()}) to "
            f"{f1.max():.3f} ({f1.idxmax()}); training less validation {gap.min():+.3f} to {gap.max():+.3f}"
            + (f"; diverged trainings: {n_diverged}." if n_diverged else ".")
        )
    return sentences


def about_steps(steps):
    """What the coordinate descent chose, from the steps of `descend`: a list of sentences."""
    sentences = []
    for one in steps.to_dict("records"):
        before, chosen = (f"{one[key]} ({as_text(one[f'f1 {key}'], '{:.3f}')})" for key in ("before", "chosen"))
        moved = f"from {before} to {chosen}" if one["before"] != one["chosen"] else f"stays at {chosen}"
        sentences.append(f"Coordinate descent: {one['setting']} {moved}.")
    return sentences


def write_tables(table, sweeps, run):
    """Write the rows of each sweep as tables/tuning_<sweep>.csv; returns the names of the tables."""
    for sweep in sweeps:
        run.table(rows_of(table, sweep.setting, sweep.others), f"tuning_{sweep.name}")
    return [f"tables/tuning_{sweep.name}.csv" for sweep in sweeps]


def descend(settings, data, run, *, n_repeats=30, few=False, quick=False, seed=3, scheduler=""):
    """Coordinate descent (thesis 2.3.1): one setting after another goes to its best value, the others where they are.

    Best is the highest median over the repeats of the mean F1 over the miRs on validation, then the fewest weights.

    Parameters
    ----------
    settings : sequence of str
        In the order they are varied; a setting may come again.
    data, run, n_repeats, seed, scheduler
        As `tune` takes them.
    few, quick : bool
        As `plan` takes them.

    Returns
    -------
    chosen : Hyperparameters
    steps : DataFrame
        One row a setting: setting, before, chosen, and the median F1 on validation of both.
    """
    chosen, steps = USUAL, []
    for setting in settings:
        values = plan([setting], data.crops.shape[1:], few=few, quick=quick)[0].values
        before = chosen.value_of(setting)
        values = tuple(dict.fromkeys([*values, *([] if before is None else [before])]))
        sweep = Sweep(setting, values, chosen)
        found = macro_f1(tune([sweep], data, run, n_repeats=n_repeats, seed=seed, scheduler=scheduler))
        scores = found[found["set"] == "validation"].groupby("value", sort=False)
        ranked = pd.DataFrame({"f1": scores["macro_f1_mir"].median(), "weights": scores["weights"].first()})
        best = ranked.sort_values(["f1", "weights"], ascending=[False, True], kind="stable").index[0]
        words = "" if before is None else in_text(setting, before)
        steps.append(
            {
                "setting": setting, "before": words, "f1 before": ranked["f1"].get(words, np.nan), "chosen": best,
                "f1 chosen": ranked["f1"][best],
            }
        )  # fmt: skip
        chosen = chosen.having(setting, next(value for value in values if in_text(setting, value) == best))
    return chosen, pd.DataFrame(steps)


def _file(folder, hyper, seed):
    return folder / f"{hyper.name}-seed{seed}.npz"


def _train_missing(missing, crops, n_classes, seed, folder, scheduler):
    """Train what is missing, {hyperparameters: seeds}, the longest first; each is written as soon as it is there."""
    with dask.config.set({"distributed.admin.large-graph-warning-threshold": "1GB"}), open_client(scheduler) as client:
        n_at_once = None if all(ask(client, _has_gpu).values()) else GROUP
        groups = [
            (hyper, tuple(seeds[start : start + (n_at_once or len(seeds))]))
            for hyper, seeds in missing.items()
            for start in range(0, len(seeds), n_at_once or len(seeds))
        ]
        n, *crop_shape = crops["x_training"].shape
        work = {hyper: hyper.work(crop_shape, n) for hyper in missing}
        groups.sort(key=lambda group: (-work[group[0]], group[0].name))
        sent = client.submit(dict, crops, pure=False)  # a task, so that it can be made again where it was lost

        def send(group):
            hyper, seeds = group
            return submit(client, train_group, sent, n_classes, hyper, seeds, seed)

        failed, n_done, n_all = {}, 0, sum(len(seeds) for seeds in missing.values())
        total = sum(work[hyper] * len(seeds) for hyper, seeds in groups)
        with tqdm(total=total, desc="tuning", leave=False, bar_format=_BAR) as bar:
            for (hyper, seeds), future in in_turn(client, groups, send):
                try:
                    trained = future.result()
                except KilledWorker:
                    failed[hyper.name] = "workers died over it several times, perhaps for want of memory"
                except Exception as error:  # what a network too large does to TensorFlow has many names
                    failed[hyper.name] = f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}"[:200]
                else:
                    for seed, arrays in zip(seeds, trained, strict=True):
                        write_arrays(_file(folder, hyper, seed), arrays)
                    n_done += len(seeds)
                bar.set_postfix_str(f"{n_done} of {n_all} trainings", refresh=False)
                bar.update(work[hyper] * len(seeds))
    if failed:
        words = "; ".join(f"{name} ({why})" for name, why in failed.items())
        raise InputError(
            f"could not be trained: {words}. The other trainings are kept; leave these values out, or run again"
        )


def _has_gpu():
    return bool(load_keras().distribution.list_devices("gpu"))


def train_group(arrays, n_classes, hyper, seeds, shuffle_seed):
    """Train the networks of some seeds side by side and count what they call; runs on a worker.

    Parameters
    ----------
    arrays : dict
        x_training, y_training, x_validation, y_validation.
    seeds : sequence of int

    Returns
    -------
    list of dict of arrays, one a seed
        training, validation (confusion counts, rows true), diverged (the loss became NaN), seconds (its share), made_by.
    """
    start = time.perf_counter()
    model = train_side_by_side(
        arrays["x_training"], arrays["y_training"], n_classes, hyper, seeds, shuffle_seed=shuffle_seed
    )
    found = [{"diverged": np.array(False)} for _ in seeds]
    for name in SETS:
        for one, y_prob in zip(found, predict_side_by_side(model, arrays[f"x_{name}"]), strict=True):
            one[name] = confusion(arrays[f"y_{name}"], y_prob.argmax(axis=1), n_classes)
            one["diverged"] |= not np.isfinite(y_prob).all()
    seconds = np.array((time.perf_counter() - start) / len(seeds))
    return [{**one, "seconds": seconds, "made_by": np.array(made_by())} for one in found]


def _rows(sweep, seeds, folder, data):
    """Rows of a sweep's table, read from the cache."""
    for value, hyper in zip(sweep.values, sweep.configurations, strict=True):
        weights = hyper.n_weights(data.crops.shape[1:], data.n_classes)
        for seed in seeds:
            arrays = read_arrays(_file(folder, hyper, seed))
            diverged = bool(arrays["diverged"])
            for name in SETS:
                scores = score_confusion(arrays[name])
                overall = 0.0 if diverged else float(macro_f1_mir(scores))
                for k, mir in enumerate(data.panel.names):
                    yield {
                        "setting": sweep.setting, "value": in_text(sweep.setting, value), "others": sweep.others,
                        "seed": seed, "class": mir, "set": name,
                        **{key: np.nan if diverged else scores[key][k] for key in ("precision", "recall", "f1")},
                        "macro_f1_mir": overall, "weights": weights, "diverged": diverged,
                        "seconds": float(arrays["seconds"]), "made_by": arrays["made_by"].item(),
                    }  # fmt: skip
