"""Train classifiers and save them in the run folder."""

import numpy as np

from mirnb.classifiers import scores
from mirnb.classifiers.best_training import QUICK, Recipe, train_best_rival
from mirnb.classifiers.classifier import Classifier, is_of
from mirnb.classifiers.dataset import prepare, single_type_crops
from mirnb.classifiers.folds import count_folds, out_of_fold
from mirnb.classifiers.likeness import training_ranges


def save_rivals(rivals, experiment, dataset, run, *, seed=3, n_resamples=2000, **cleaning):
    """Write classifiers/<kind>/ of each, and their scores on validation and test into metrics.json."""
    metrics = {}
    for kind, one in rivals.items():
        sets = {}
        for name in ("validation", "test"):
            rows = dataset.split[name]
            sets[name] = scores.summarise_test(
                dataset.y_true[rows], one.y_prob[rows], dataset.frames[rows], dataset.panel.names,
                n_resamples=n_resamples, seed=seed,
            )  # fmt: skip
        metrics[kind] = sets
        save_rival(one, experiment, dataset, run, sets["validation"], seed=seed, **cleaning)
    run.add_metrics({"classifiers": metrics})


def save_rival(one, experiment, dataset, run, validation_summary, *, seed=3, **cleaning):
    """Write classifiers/<kind>/ with what it says of crops out of fold and what its training frames are like."""
    rows, y_prob = out_of_fold(dataset, run, one.kind, one.refit, one.y_prob, seed=seed)
    counts = count_folds(dataset, run, rows, y_prob)
    ranges = run.cached("ranges", {}, lambda: {key: np.array(ends) for key, ends in training_ranges(experiment).items()})
    made = Classifier.from_dataset(
        experiment, dataset, one.predictor, validation_summary, counts, {key: ends.tolist() for key, ends in ranges.items()},
        seed=seed, **cleaning,
    )  # fmt: skip
    made.save(run.root / "classifiers" / one.kind)


def best_classifier(experiment, run, *, seed=3, quick=False):
    """Folder of the best classifier of an experiment; it is trained when the run folder has none of the data as they are."""
    folder = run.root / "classifiers" / "best"
    if not is_of(folder, experiment):
        data = prepare(experiment, run, seed=seed, quick=quick)
        singles, recipe = single_type_crops(experiment), QUICK if quick else Recipe()
        one = train_best_rival(data, run, recipe=recipe, singles=singles, seed=seed)
        rows = data.split["validation"]
        validation = scores.summarise(data.y_true[rows], one.y_prob[rows], data.panel.names)
        save_rival(one, experiment, data, run, validation, seed=seed)
    return folder
