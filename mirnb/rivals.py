"""Every kind of classifier trained on the same crops, and compared on the same test crops."""

import time
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from mirnb import __version__, evaluate
from mirnb.augment import plain_view
from mirnb.best import QUICK, Recipe, train_best, tune_again
from mirnb.calibration import apply_temperature, expected_calibration_error, fit_temperature, reliability
from mirnb.classifier import Classifier, is_of
from mirnb.dataset import prepare, single_type_crops
from mirnb.experiments.cutouts import MARGIN_PX
from mirnb.files import fingerprint, whole_file
from mirnb.folds import count_folds, out_of_fold
from mirnb.likeness import training_ranges
from mirnb.models import MIRACLE_C, best_input, noisy_copies, pca_svm, predict
from mirnb.predictors import Best, LeNet5, MatchedFilter, PcaSvm, flat_crops
from mirnb.quiet import load_keras
from mirnb.splits import fit_scaler
from mirnb.training import train

SVM_C = (MIRACLE_C, 0.5, 2.0, 10.0)  # tried; validation chooses
TITLES = {"matched_filter": "matched filter", "pca_svm": "PCA + SVM", "lenet5": "LeNet-5 (thesis)", "best": "best"}


@dataclass(frozen=True)
class Rival:
    """A trained classifier and what it says of every crop of a dataset."""

    kind: str
    predictor: object
    y_prob: np.ndarray  # (n_crops, n_classes)
    seconds: float  # of training, when it was trained
    refit: Callable  # (training_rows, held_rows, fold from 1) -> probabilities of the held rows, trained on the others
    note: str = ""


def train_matched_filter(dataset):
    """The plain rule on a dataset: its threshold from training crops."""
    start = time.perf_counter()
    predictor = MatchedFilter.fit(dataset)
    seconds = time.perf_counter() - start

    def refit(rows, held, _):
        return MatchedFilter.fit(_learning_from(dataset, rows)).predict(dataset.crops[held])

    note = f"threshold {predictor.threshold:.2g}"
    return Rival("matched_filter", predictor, predictor.predict(dataset.crops), seconds, refit, note)


def _learning_from(dataset, rows):
    """A dataset whose training crops are `rows`; templates and responses stay."""
    return replace(dataset, split={**dataset.split, "training": rows})


def train_pca_svm(dataset, run, *, seed=3, candidates=SVM_C):
    """miRACLE's classifier with the C that has the best mean F1 over the miRs on validation; kept in the run folder.

    Parameters
    ----------
    dataset : Dataset
    run : RunFolder
    seed : int
        Of the noise copies.
    candidates : sequence of float
        Values of C to try; between equals the first stays.
    """
    rows = [dataset.split[name] for name in ("training", "validation")]
    key = fingerprint(list(candidates), seed, dataset.noise_sd, dataset.wide_crops, dataset.y_true, *rows, __version__)
    folder = run.root / "cache" / f"pca_svm-{key}"
    if not (folder / "values.npz").exists():
        start = time.perf_counter()
        training, validation = rows
        checked = flat_crops(dataset.wide_crops[validation])
        fitted = [_fit_pca_svm(dataset, training, one, seed) for one in candidates]
        y_checked = dataset.y_true[validation]
        scores = [np.nan_to_num(evaluate.mir_f1(y_checked, one.predict(checked), dataset.n_classes)) for one in fitted]
        chosen = int(np.argmax(scores))
        predictor = PcaSvm(fitted[chosen], 1.0, dataset.noise_sd)
        temperature = fit_temperature(y_checked, predictor.predict(dataset.wide_crops[validation]))
        predictor = PcaSvm(predictor.pipeline, temperature, dataset.noise_sd)
        folder.mkdir(parents=True, exist_ok=True)
        predictor.write(folder)
        y_prob, seconds = predictor.predict(dataset.wide_crops), time.perf_counter() - start
        with whole_file(folder / "values.npz") as temporary, temporary.open("wb") as file:
            np.savez(file, y_prob=y_prob, seconds=seconds, C=candidates[chosen])
    with np.load(folder / "values.npz", allow_pickle=False) as stored:
        y_prob, seconds, chosen_c = stored["y_prob"], float(stored["seconds"]), float(stored["C"])
    predictor = PcaSvm.read(folder)

    def refit(rows, held, _):
        pipeline = _fit_pca_svm(dataset, rows, chosen_c, seed)
        found = np.zeros((len(held), dataset.n_classes))  # a fold may lack a class
        found[:, pipeline.classes_] = replace(predictor, pipeline=pipeline).predict(dataset.wide_crops[held])
        return found

    return Rival("pca_svm", predictor, y_prob, seconds, refit, f"C = {chosen_c:g}")


def _fit_pca_svm(dataset, rows, C, seed):
    crops, y_true = noisy_copies(dataset.wide_crops[rows], dataset.y_true[rows], dataset.noise_sd, seed=seed)
    return pca_svm(C=C, seed=seed).fit(flat_crops(crops), y_true)


def chosen_lenet5(runs, dataset):
    """The LeNet-5 that validation chooses among its runs, as a rival."""
    best, _ = evaluate.choose_run(runs, dataset)
    one = runs[best]
    model = load_keras().saving.load_model(one.model_path, safe_mode=True, compile=False)

    def refit(rows, held, _):
        scaler = fit_scaler(dataset.crops[rows])
        crops, asked = scaler(dataset.crops[rows]), scaler(dataset.crops[held])
        watched = asked, dataset.y_true[held]
        again, _ = train(crops, dataset.y_true[rows], watched, dataset.n_classes, seed=one.seed, **one.settings)
        return predict(again, asked)

    note, seconds = f"run {best + 1} of {len(runs)}", sum(each.seconds for each in runs)
    return Rival("lenet5", LeNet5(dataset.scaler, model), one.y_prob, seconds, refit, note)


def train_best_rival(dataset, run, *, recipe=None, singles=(), seed=3):
    """The best classifier, as a rival."""
    trained = train_best(dataset, run, recipe=recipe, singles=singles, seed=seed)

    def refit(rows, held, fold):
        crops = best_input(plain_view(dataset.wide_crops[held], MARGIN_PX, dataset.noise_sd))
        models = tune_again(dataset, trained, rows, fold, recipe=recipe, seed=seed)
        return apply_temperature(np.mean([predict(one, crops) for one in models], axis=0), trained.temperature)

    note = f"{len(trained.model_paths)} networks, temperature {trained.temperature:.2f}"
    return Rival("best", Best.from_training(trained), trained.y_prob, trained.seconds, refit, note)


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


def compare(rivals, dataset, *, n_resamples=2000, seed=3):
    """Scores of every kind on the test crops, with 95 % intervals from resampling frames.

    Returns
    -------
    DataFrame, one row a kind and class
        classifier, class, and for each of recall, precision and f1 the value, low and high; "mean of the miRs" is a class
        too, with f1 alone.
    """
    test, names = dataset.split["test"], dataset.panel.names
    y_true, frames = dataset.y_true[test], dataset.frames[test]
    rows = []
    for kind, one in rivals.items():
        y_pred = one.y_prob[test].argmax(axis=1)
        scores = evaluate.score(y_true, y_pred, len(names))
        ends = evaluate.bootstrap_intervals(y_true, y_pred, frames, len(names), n_resamples=n_resamples, seed=seed)
        for k, name in enumerate(names):
            row = {"classifier": TITLES[kind], "class": name}
            for key in ("recall", "precision", "f1"):
                row |= {key: scores[key][k], f"{key} low": ends[key][0, k], f"{key} high": ends[key][1, k]}
            rows.append(row)
        low, high = ends["macro_f1_mir"]
        overall = {"f1": float(evaluate.macro_f1_mir(scores)), "f1 low": low, "f1 high": high}
        rows.append({"classifier": TITLES[kind], "class": "mean of the miRs", **overall})
    return pd.DataFrame(rows)


def in_columns(table):
    """`compare` to be read: a row a classifier and class; recall, precision and F1 each with its interval as text."""
    shown = table[["classifier", "class"]].copy()
    for key in ("recall", "precision", "f1"):
        shown[key] = [
            "" if np.isnan(value) else f"{value:.2f} ({low:.2f} to {high:.2f})"
            for value, low, high in table[[key, f"{key} low", f"{key} high"]].to_numpy()
        ]
    return shown.set_index(["classifier", "class"])


def about(rivals, dataset):
    """What each kind costs and how far its probabilities can be trusted: DataFrame by classifier.

    mean F1 over the miRs on test; its difference from LeNet-5's with a 95 % interval; calibration error as the classifier
    gives its probabilities, and at the temperature validation would choose; training time; trained numbers; remarks.
    """
    test, validation = dataset.split["test"], dataset.split["validation"]
    y_true = dataset.y_true[test]
    rows = []
    for kind, one in rivals.items():
        y_prob = one.y_prob[test]
        f1 = evaluate.mir_f1(y_true, y_prob.argmax(axis=1), dataset.n_classes)
        gain, low, high = difference(rivals, dataset, kind, "lenet5")
        temperature = fit_temperature(dataset.y_true[validation], one.y_prob[validation])
        tempered = apply_temperature(y_prob, temperature)
        rows.append(
            {
                "classifier": TITLES[kind],
                "F1, mean of the miRs": round(f1, 3),
                "less LeNet-5's (95 %)": "" if kind == "lenet5" else f"{gain:+.3f} ({low:+.3f} to {high:+.3f})",
                "ECE": round(expected_calibration_error(reliability(y_true, y_prob)), 3),
                "ECE, temperature on validation": round(expected_calibration_error(reliability(y_true, tempered)), 3),
                "training, s": round(one.seconds, 1),
                "trained numbers": one.predictor.size,
                "remarks": one.note,
            }
        )
    return pd.DataFrame(rows).set_index("classifier")


def difference(rivals, dataset, ours, theirs):
    """Mean F1 over the miRs of one kind less another's on the same test crops: (difference, low, high) at 95 %."""
    test = dataset.split["test"]
    calls = {kind: [rivals[kind].y_prob[test].argmax(axis=1)] for kind in (ours, theirs)}
    one = {"y_true": dataset.y_true[test], "frames": dataset.frames[test], "ours": calls[ours], "theirs": calls[theirs]}
    return evaluate.paired_difference([one], dataset.n_classes)


def save_rivals(rivals, experiment, dataset, run, *, seed=3, n_resamples=2000, **cleaning):
    """Write classifiers/<kind>/ of each, and their scores on validation and test into metrics.json."""
    metrics = {}
    for kind, one in rivals.items():
        sets = {}
        for name in ("validation", "test"):
            rows = dataset.split[name]
            sets[name] = evaluate.summarise_test(
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
        validation = evaluate.summarise(data.y_true[rows], one.y_prob[rows], data.panel.names)
        save_rival(one, experiment, data, run, validation, seed=seed)
    return folder


def in_words(rivals, dataset):
    """What the comparison says, in plain sentences: a list of text."""
    test = dataset.split["test"]
    y_true = dataset.y_true[test]
    f1 = {kind: evaluate.mir_f1(y_true, one.y_prob[test].argmax(axis=1), dataset.n_classes) for kind, one in rivals.items()}
    order = sorted(f1, key=f1.get, reverse=True)
    sentences = [
        "Mean F1 over the miRs, same test crops: " + ", ".join(f"{TITLES[kind]} {f1[kind]:.3f}" for kind in order) + "."
    ]
    for ours, theirs in (("best", "lenet5"), ("best", "pca_svm"), ("lenet5", "pca_svm"), ("lenet5", "matched_filter")):
        gain, low, high = difference(rivals, dataset, ours, theirs)
        word = "is better than" if low > 0 else "is worse than" if high < 0 else "cannot be told from"
        sentences.append(f"{TITLES[ours]} {word} {TITLES[theirs]}: {gain:+.3f} ({low:+.3f} to {high:+.3f}).")
    return sentences
