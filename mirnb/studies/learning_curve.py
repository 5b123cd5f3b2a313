"""The twin-trained CNN with more labels, with and without each kind of pre-training; how much a split decides."""

from dataclasses import replace

import numpy as np
import pandas as pd
from tqdm.auto import tqdm

from mirnb.classifiers.calibration import expected_calibration_error, reliability
from mirnb.classifiers.dataset import prepare
from mirnb.classifiers.kinds import KINDS, train_rivals
from mirnb.classifiers.scores import mir_f1, paired_difference
from mirnb.classifiers.splits import MIN_FRAMES
from mirnb.classifiers.twin_cnn_training import QUICK, Recipe, train_twin_cnn

WAYS = {  # name -> (draw a twin?, single-type samples first?)
    "labels alone": (False, False),
    "twin": (True, False),
    "single types": (False, True),
    "twin, single types": (True, True),
}
_SHORT = Recipe(n_networks=1, twin_crops=20_000, twin_epochs=4, plain_epochs=20)


def plan(*, full=False, quick=False):
    """How much of the learning curve is measured: shares, ways, recipe and repeats for `measure_learning_curve`."""
    if quick:
        return {"shares": [1.0], "ways": list(WAYS), "recipe": QUICK, "n_repeats": 1}
    if full:
        return {"shares": [0.05, 0.1, 0.25, 0.5, 1.0], "ways": list(WAYS), "recipe": _SHORT, "n_repeats": 3}
    return {"shares": [0.25, 1.0], "ways": ["labels alone", "twin"], "recipe": _SHORT, "n_repeats": 1}


def measure_learning_curve(run, *, shares, ways, recipe, singles, n_repeats=1, seed=3, **preparation):
    """Mean F1 over the miRs on test, against the share of the training labels that is used.

    Every share has templates, twin and networks of its own, from its own training labels; validation, which chooses epoch
    and temperature, and test stay as they are.

    Parameters
    ----------
    shares : sequence of float
        Of the training labels.
    ways : sequence of str
        Keys of WAYS.
    recipe : twin_cnn_training.Recipe
    singles : sequence
        As `dataset.single_type_crops` gives them.
    n_repeats : int
        Splits, with seeds from `seed` on.
    **preparation
        Passed on to `dataset.prepare`.

    Returns
    -------
    DataFrame, one row a training: share, labels (number), way, seed, macro_f1_mir
    """
    ways = [way for way in ways if len(singles) or not WAYS[way][1]]
    wanted = [(share, way, seed + k) for k in range(n_repeats) for share in shares for way in ways]
    rows = []
    for share, way, one_seed in tqdm(wanted, desc="learning curve", unit="training", leave=False):
        data = prepare(run, seed=one_seed, training_share=share, **preparation)
        has_twin, has_singles = WAYS[way]
        own = recipe if has_twin else replace(recipe, twin_epochs=0)
        trained = train_twin_cnn(data, run, recipe=own, singles=singles if has_singles else (), seed=one_seed)
        test = data.split["test"]
        f1 = mir_f1(data.y_true[test], trained.y_prob[test].argmax(axis=1), data.n_classes)
        labels = len(data.split["training"])
        rows.append({"share": share, "labels": labels, "way": way, "seed": one_seed, "macro_f1_mir": f1})
    return pd.DataFrame(rows)


def compare_splits(run, *, split_by, seeds, settings, **preparation):
    """All kinds of classifiers over several split seeds; `settings` of each kind are as `kinds.train_rivals` takes them.

    Returns
    -------
    table : DataFrame, one row a seed: mean F1 over the miRs of each kind on test, the calibration error of twin_cnn
    differences : DataFrame, one row a pair of kinds: difference, low and high at 95 %, over all splits together
    """
    rows, pairs = [], {("twin_cnn", "lenet5"): [], ("twin_cnn", "pca_svm"): [], ("lenet5", "pca_svm"): []}
    for seed in tqdm(seeds, desc=f"split by {split_by}", unit="split", leave=False):
        data = prepare(run, seed=seed, split_by=split_by, **preparation)
        found = train_rivals(data, run, seed=seed, **settings)
        test = data.split["test"]
        calls = {kind: [one.y_prob[test].argmax(axis=1)] for kind, one in found.items()}
        f1 = {KINDS[kind].title: mir_f1(data.y_true[test], one[0], data.n_classes) for kind, one in calls.items()}
        error = expected_calibration_error(reliability(data.y_true[test], found["twin_cnn"].y_prob[test]))
        rows.append({"split seed": seed, **f1, "ECE of the twin-trained CNN": error})
        for (ours, theirs), sets in pairs.items():
            sets.append(
                {"y_true": data.y_true[test], "frames": data.frames[test], "ours": calls[ours], "theirs": calls[theirs]}
            )
    differences = [
        {"of": KINDS[ours].title, "less": KINDS[theirs].title}
        | dict(zip(("difference", "low", "high"), paired_difference(sets, data.n_classes), strict=True))
        for (ours, theirs), sets in pairs.items()
    ]
    return pd.DataFrame(rows), pd.DataFrame(differences)


def compare_both_splits(run, *, seeds, **how):
    """`compare_splits` by crop and, where there are frames enough, by frame: (means over the seeds, differences).

    Both stand in the run's tables too.
    """
    means, differences, experiment = {}, [], run.experiment
    enough = len(np.unique(experiment.frame_index[experiment.labelled])) >= MIN_FRAMES
    for by in (("crop", "frame") if enough else ("crop",)) if len(seeds) else ():
        scores, pairs = compare_splits(run, split_by=by, seeds=seeds, **how)
        run.table(scores, f"splits_by_{by}")
        means[by] = scores.drop(columns="split seed").mean()
        differences.append(pairs.assign(**{"split by": by}))
    if not means:
        return pd.DataFrame(), pd.DataFrame()
    run.table(pd.concat(differences), "split_differences")
    table = pd.concat(differences).set_index(["split by", "of", "less"])
    return pd.DataFrame(means).T.rename_axis("split by").round(3), table.round(3)
