"""Train a classifier again while a tool goes on: in a thread of its own, which says how far it is."""

import threading
import time

import numpy as np
from tqdm.auto import tqdm

from mirnb.classifiers.dataset import MIN_PER_CLASS
from mirnb.classifiers.making import train_again
from mirnb.experiments.cutouts import kept_blobs
from mirnb.experiments.experiment_file import load_experiment
from mirnb.experiments.run_folder import RunFolder
from mirnb.files import InputError


class Retraining:
    """A training on all labels on disk, in the way of a classifier; it begins at once.

    Parameters
    ----------
    run : RunFolder
        Its experiment is read again, for the labels given since.
    classifier : Classifier, optional
    quick : bool
        As `making.train_again` takes them.

    Raises
    ------
    InputError
        If labels are missing; it says how many of which class.
    """

    def __init__(self, run, classifier=None, *, quick=False):
        experiment = load_experiment(run.experiment.folder)
        missing = missing_labels(experiment)
        if missing:
            raise InputError(missing)
        self._how = RunFolder(experiment, run.root), classifier, quick
        self._start, self._made, self._error = time.monotonic(), None, None
        self._thread = threading.Thread(target=self._train, daemon=True)
        self._thread.start()

    def _train(self):
        run, classifier, quick = self._how
        try:
            self._made = train_again(run, classifier, quick=quick)
        except Exception as error:  # of whatever kind: it is told where the result is asked for
            self._error = error

    @property
    def is_done(self):
        return not self._thread.is_alive()

    def progress(self):
        """What it is at, in a few words."""
        bars = [f"{one.desc} {one.n} of {one.total}" for one in list(tqdm._instances) if one.desc and one.total]
        return f"Training: {time.monotonic() - self._start:.0f} s" + "".join(f", {bar}" for bar in bars)

    def result(self):
        """The new classifier, when it is done; raises what went wrong."""
        self._thread.join()
        if self._error is not None:
            raise self._error
        return self._made


def missing_labels(experiment):
    """A sentence on the labels that are missing for a training; empty when there are enough."""
    if experiment.table is None:
        return "There is no blob table, so there are no labels to train on; mirnb detect writes one."
    labels = kept_blobs(experiment)[0]["y"].to_numpy()
    few = {name: MIN_PER_CLASS - int(np.sum(labels == k)) for k, name in enumerate(experiment.panel.names)}
    few = ", ".join(f"{n} more of {name}" for name, n in few.items() if n > 0)
    return few and f"Not enough labels to train on: {few} ({MIN_PER_CLASS} of each class are the least)."
