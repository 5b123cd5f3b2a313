"""The kinds of classifiers: names, titles, how each is trained and read."""

from mirnb.classifiers.best import Best
from mirnb.classifiers.best_training import train_best_rival
from mirnb.classifiers.lenet5 import LeNet5, chosen_lenet5
from mirnb.classifiers.matched_filter import MatchedFilter, train_matched_filter
from mirnb.classifiers.pca_svm import PcaSvm, train_pca_svm
from mirnb.files import InputError

PREDICTORS = {one.kind: one for one in (Best, LeNet5, PcaSvm, MatchedFilter)}  # the best first
TITLES = {"matched_filter": "matched filter", "pca_svm": "PCA + SVM", "lenet5": "LeNet-5 (thesis)", "best": "best"}


def read_predictor(kind, folder):
    """Read a fitted classifier of a kind from its files.

    Raises
    ------
    InputError
        If the kind is unknown.
    """
    if kind not in PREDICTORS:
        raise InputError(f"{folder}: a classifier of kind {kind!r}; this version knows {', '.join(PREDICTORS)}")
    return PREDICTORS[kind].read(folder)


def train_rivals(dataset, run, runs, *, recipe=None, singles=(), seed=3):
    """All kinds of classifiers on one dataset: kind -> Rival, the plain rule first, the best last.

    Parameters
    ----------
    dataset : Dataset
    run : RunFolder
    runs : list of Training
        LeNet-5's, of which validation chooses one.
    recipe, singles
        As `best.train_best` takes them.
    seed : int
    """
    found = (
        train_matched_filter(dataset),
        train_pca_svm(dataset, run, seed=seed),
        chosen_lenet5(runs, dataset),
        train_best_rival(dataset, run, recipe=recipe, singles=singles, seed=seed),
    )
    return {one.kind: one for one in found}
