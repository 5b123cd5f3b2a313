"""What counting has to know of a classifier: what it says of crops it was not trained on, and what its frames are like.

Five folds go over the training and validation crops, each trained anew: that is where the time goes.

The confusion of held-out crops is what counts of new samples are corrected with: there are four times as many of them as of
test crops, and the test set stays untouched.
"""

from dataclasses import dataclass, replace

import numpy as np
from sklearn.model_selection import KFold, StratifiedKFold
from tqdm.auto import tqdm

from mirnb.caches import fingerprint
from mirnb.classifiers.likeness import FEATURES, profile_of, training_ranges
from mirnb.classifiers.scores import confusion
from mirnb.classifiers.twin_cnn_training import twin_of

N_FOLDS = 5


@dataclass(frozen=True, eq=False)
class Facts:
    """Calls of held-out crops, and the ranges of the training frames."""

    confusion: np.ndarray  # (n_classes, n_classes) counts, rows true
    hidden: np.ndarray  # (n_mirs, n_classes) of the noise row: expected pairs of each miR, by predicted class
    profile: np.ndarray  # (n_mirs, likeness.N_BINS) how sure calls of each miR are
    ranges: dict  # likeness.FEATURES -> [low, high] over training frames


def train_folds(one, dataset, run, *, seed):
    """Train a kind on each four of five folds, and a twin of all crops: `Facts`. What was trained before is read back.

    Parameters
    ----------
    one : base.Rival
    seed : int
        Of the folds.
    """
    rows, y_prob = out_of_fold(dataset, run, one.kind, one.refit, one.y_prob, seed=seed)
    return Facts(*count_folds(dataset, run, rows, y_prob), {name: ranges_of(run)[name] for name in FEATURES})


def ranges_of(run):
    """`likeness.training_ranges` of a run's experiment, kept in the run folder."""
    ranges = run.cached("ranges", {}, lambda: training_ranges(run.experiment))
    return {key: ends.tolist() for key, ends in ranges.items()}


def fold_rows(dataset, *, seed):
    """Training and validation crops in order, and the fold each is held out in.

    Returns
    -------
    rows, folds : int ndarrays of shape (n_rows,)
    """
    rows = np.sort(np.concatenate([dataset.split[name] for name in ("training", "validation")]))
    y_true, folds = dataset.y_true[rows], np.zeros(len(rows), int)
    n_folds, few = min(N_FOLDS, len(rows)), np.unique(y_true, return_counts=True)[1].min() < N_FOLDS
    cut = (KFold if few else StratifiedKFold)(n_folds, shuffle=True, random_state=seed)
    for fold, (_, held) in enumerate(cut.split(rows, y_true)):
        folds[held] = fold
    return rows, folds


def out_of_fold(dataset, run, kind, refit, seen, *, seed):
    """Probabilities of every training and validation crop by a classifier that was trained on the other folds.

    Parameters
    ----------
    run : RunFolder
        Keeps each fold as soon as it is done.
    refit : callable
        Takes (training_rows, held_rows, fold from 1), gives probabilities of the held rows.
    seen : object
        Everything the result depends on besides the crops, for `caches.fingerprint`.
    seed : int
        Of the folds.

    Returns
    -------
    rows : int ndarray of shape (n_rows,)
    y_prob : ndarray of shape (n_rows, n_classes)
    """
    rows, folds = fold_rows(dataset, seed=seed)
    y_prob = np.empty((len(rows), dataset.n_classes))
    settings = {"seen": fingerprint(seen, dataset.wide_crops, dataset.crops, dataset.y_true, rows, folds)}
    for fold in tqdm(np.unique(folds), desc=f"folds of {kind}", unit="fold", leave=False):
        held = folds == fold

        def make(held=held, fold=fold):
            return {"y_prob": refit(rows[~held], rows[held], int(fold) + 1)}

        y_prob[held] = run.cached(f"fold_{fold + 1}_{kind}", settings, make)["y_prob"]
    return rows, y_prob


def hidden_pairs(dataset, run, rows):
    """How likely each of the crops is a pair of each miR that a person labelled noise, (n_rows, n_mirs); 0 for others.

    By a twin of all these crops (see `twin`), which asks what their light is, not what a classifier calls them.
    """
    y_true, noise = dataset.y_true[rows], dataset.panel.noise
    found = np.zeros((len(rows), dataset.panel.n_mirs))
    if dataset.noise_sd > 0 and np.any(y_true == noise):

        def make():
            twin = twin_of(replace(dataset, split={**dataset.split, "training": rows}))
            return {"pairs": twin.hidden_pairs}

        settings = {"seen": fingerprint(dataset.wide_crops, dataset.background, dataset.y_true, rows)}
        found[y_true == noise] = run.cached("hidden_pairs", settings, make)["pairs"]
    return found


def count_folds(dataset, run, rows, y_prob):
    """Confusion, hidden pairs and profile of what `out_of_fold` gave, as `Facts` has them."""
    y_pred = y_prob.argmax(axis=1)
    pairs = hidden_pairs(dataset, run, rows)
    hidden = np.stack([np.bincount(y_pred, one, minlength=dataset.n_classes) for one in pairs.T])
    return confusion(dataset.y_true[rows], y_pred, dataset.n_classes), hidden, profile_of(y_prob)
