"""The kinds of classifiers, the best first. A kind is a file beside this one, and a line here.

Its file has a predictor, which reads crops of the response ("responses", thesis 2.1) or raw crops ("raw crops", wide, in
counts) and writes its own files (none of them a pickle), and a function that trains one: see `base`.
"""

from collections.abc import Callable
from dataclasses import dataclass

from mirnb.classifiers.lenet5 import LeNet5, train_lenet5
from mirnb.classifiers.matched_filter import MatchedFilter, train_matched_filter
from mirnb.classifiers.pca_svm import PcaSvm, train_pca_svm
from mirnb.classifiers.twin_cnn import TwinCnn
from mirnb.classifiers.twin_cnn_training import train_twin_cnn_rival


@dataclass(frozen=True)
class Kind:
    """A kind of classifier."""

    predictor: type  # of a fitted one; its `kind` is the name
    title: str
    train: Callable  # (dataset, run, *, seed, ...) -> base.Rival; what it trained once is read back from the run folder


_ALL = (
    Kind(TwinCnn, "twin-trained CNN", train_twin_cnn_rival),
    Kind(LeNet5, "LeNet-5 (thesis)", train_lenet5),
    Kind(PcaSvm, "PCA + SVM", train_pca_svm),
    Kind(MatchedFilter, "matched filter", train_matched_filter),
)
KINDS = {one.predictor.kind: one for one in _ALL}


def train_rivals(dataset, run, *, seed=3, **settings):
    """All kinds on one dataset: kind -> Rival, the best last.

    Parameters
    ----------
    **settings
        Of a kind, by its name: what its `train` takes besides, such as lenet5={"n_runs": 10}.
    """
    return {name: KINDS[name].train(dataset, run, seed=seed, **settings.get(name, {})) for name in reversed(KINDS)}
