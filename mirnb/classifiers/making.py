"""Save trained classifiers in the run folder, find the best of one, and train what counting has to know of it."""

import os
from pathlib import Path

from mirnb import __version__
from mirnb.classifiers.classifier import Classifier, add_facts, is_of, load_classifier
from mirnb.classifiers.dataset import prepare
from mirnb.classifiers.folds import ranges_of, train_folds
from mirnb.classifiers.kinds import KINDS
from mirnb.classifiers.scores import summarise, summarise_test
from mirnb.classifiers.twin_cnn_training import QUICK, train_twin_cnn_rival
from mirnb.experiments.experiment_file import load_experiment
from mirnb.experiments.run_folder import RunFolder
from mirnb.files import InputError, plain


def save_rivals(rivals, dataset, run, *, seed=3, n_resamples=2000):
    """Write classifiers/<kind>/ of each, and their scores on validation and test into metrics.json."""
    metrics = {}
    for kind, one in rivals.items():
        metrics[kind] = {
            name: summarise_test(
                dataset.y_true[rows], one.y_prob[rows], dataset.frames[rows], dataset.panel.names,
                n_resamples=n_resamples, seed=seed,
            )
            for name, rows in dataset.split.items() if name != "training"
        }  # fmt: skip
        save_rival(one, dataset, run, validation=metrics[kind]["validation"])
    run.add_metrics({"classifiers": metrics})


def save_rival(one, dataset, run, *, validation=None):
    """Write classifiers/<kind>/ and return the classifier; nothing is trained.

    Parameters
    ----------
    one : base.Rival
    validation : dict, optional
        Its scores on validation; `scores.summarise` by default.
    """
    if validation is None:
        rows = dataset.split["validation"]
        validation = summarise(dataset.y_true[rows], one.y_prob[rows], dataset.panel.names)
    experiment = run.experiment
    trained_on = {
        "experiment": experiment.name, "simulated": run.simulated, "dispersion": experiment.dispersion,
        "fingerprints": experiment.fingerprints(), "seed": dataset.settings["seed"],
        "pixel_size_nm": experiment.pixel_size_nm, "noise_sd_counts": dataset.noise_sd,
        "light_counts": ranges_of(run)["light_counts"],
        "n_training": len(dataset.split["training"]), "validation": validation,
        "folder": Path(os.path.relpath(experiment.folder.resolve(), run.root.resolve())).as_posix(),  # from the run folder
        "preparation": dataset.settings, "training": one.settings, "mirnb": __version__,
    }  # fmt: skip
    folder = run.root / "classifiers" / one.kind
    given = {**dataset.cleaning, "trained_on": trained_on, "facts": _facts_before(folder, trained_on)}
    Classifier(dataset.panel, dataset.templates, one.predictor, **given).save(folder)
    return load_classifier(folder)


def _facts_before(folder, trained_on):
    """Facts of a classifier that is saved there already, when it was trained on the same data in the same way."""
    try:
        before = load_classifier(folder)
    except InputError:  # none, or one that is damaged
        return None
    same = ("fingerprints", "preparation", "training", "mirnb")
    return before.facts if all(before.trained_on.get(key) == plain(trained_on[key]) for key in same) else None


def best_classifier(run, *, seed=3, quick=False) -> Classifier:
    """The best classifier of an experiment, trained once and then read back from its run folder.

    Parameters
    ----------
    seed : int
        Of the split and the training, when it is trained.
    quick : bool
        Few frames and one epoch, for the tests; such a one never passes for the best.

    Examples
    --------
    >>> ours = mirnb.best_classifier(run, quick=True)  # without: as good as it gets, in minutes
    >>> table = ours.classify(run.experiment)
    >>> list(table)[-5:]
    ['p_red', 'p_green', 'p_blue', 'p_noise', 'crowded']
    """
    folder = run.root / "classifiers" / "twin_cnn"
    if is_of(folder, run.experiment) and (saved := load_classifier(folder)).trained_on["preparation"]["quick"] == quick:
        return saved
    data = prepare(run, seed=seed, quick=quick)
    return save_rival(train_twin_cnn_rival(data, run, recipe=QUICK if quick else None, seed=seed), data, run)


def train_again(run, classifier=None, *, quick=False):
    """A classifier trained on all labels there are now, in the way of another one: saved in the run folder, and loaded.

    Parameters
    ----------
    classifier : Classifier, optional
        Its kind and settings are taken; without, the best kind is trained.
    quick : bool
        Without a classifier: few frames and one epoch, for the tests.

    Raises
    ------
    InputError
        If there are too few labels of a class.
    """
    if classifier is None:
        return best_classifier(run, quick=quick)
    made = classifier.trained_on
    data = prepare(run, **made["preparation"])
    return save_rival(KINDS[classifier.kind].train(data, run, seed=made["seed"], **made["training"]), data, run)


def train_facts(classifier):
    """The classifier with `facts`, which counting needs; where it has none, they are trained and put into its folder.

    Raises
    ------
    InputError
        If the classifier does not lie in the run folder it was trained in, or its experiment has changed or is gone.
    """
    if classifier.facts is None:  # others may have counted with it since
        classifier = load_classifier(classifier.folder)
    if classifier.facts is not None:
        return classifier
    run, made = _run_of(classifier), classifier.trained_on
    data = prepare(run, **made["preparation"])
    one = KINDS[classifier.kind].train(data, run, seed=made["seed"], **made["training"])
    add_facts(classifier.folder, train_folds(one, data, run, seed=made["seed"]))
    return load_classifier(classifier.folder)


def _run_of(classifier):
    """The run folder a classifier lies in, with the experiment it was trained on as it was then."""
    folder, trained_on = Path(classifier.folder).resolve(), classifier.trained_on
    root = folder.parents[1] if folder.parent.name == "classifiers" else folder.parent
    sentence = (
        f"{folder}: this classifier was saved without the confusion of held-out crops, which counts are corrected with. "
        f"mirnb report DIR --only 09 makes it for the best classifier of {trained_on['experiment']!r}"
    )
    place = root / trained_on.get("folder", "")
    if not ((root / "classifiers").is_dir() and (place / "experiment.toml").is_file()):
        raise InputError(f"{sentence}; here its run was looked for in {root}, its experiment in {place}")
    experiment = load_experiment(place)
    if experiment.fingerprints() != trained_on["fingerprints"]:
        raise InputError(f"{sentence}; {place} has changed since it was trained")
    return RunFolder(experiment, root)
