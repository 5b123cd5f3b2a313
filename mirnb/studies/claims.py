"""The thesis's claims, each measured: what it says, what we find, and whether that holds.

A claim holds when the 95 % interval of the difference it speaks of lies above 0, fails when it lies below, and cannot be
told when it holds 0; cosine similarity is judged by its number alone. The network is LeNet-5 of the thesis, averaged over a
few runs. What needs another sample (less noise, fewer noise blobs) is simulated anew, so on simulated experiments alone.
"""

from dataclasses import asdict, dataclass, replace

import numpy as np
import pandas as pd
from tqdm.auto import tqdm

from mirnb.caches import cache_key
from mirnb.classifiers.dataset import QUICK_FRAMES, prepare
from mirnb.classifiers.lenet5 import train_runs
from mirnb.classifiers.scores import (
    FAILS,
    HOLDS,
    NOT_MEASURED,
    OPEN,
    judge,
    mean_f1,
    paired_difference,
    recall_less_precision,
    with_interval,
)
from mirnb.experiments.cutouts import cut_raw_crops, kept_blobs, without_margin
from mirnb.experiments.experiment_file import load_experiment
from mirnb.experiments.run_folder import RunFolder
from mirnb.files import InputError
from mirnb.imaging.templates import median_templates, preprocess_templates
from mirnb.simulation.folders import simulate_experiment
from mirnb.simulation.settings import settings_of_experiment
from mirnb.studies import thesis
from mirnb.studies.comparison import difference
from mirnb.studies.techniques import compare_techniques, single_type_sample


@dataclass(frozen=True)
class Verdict:
    """One claim."""

    claim: str
    thesis: str  # what it says
    measured: str
    verdict: str


def measure_claims(run, data, runs, rivals, *, n_runs=2):
    """Measure every claim on an experiment: DataFrame, one row a claim: claim, thesis, measured, verdict.

    Parameters
    ----------
    data : Dataset
        Its settings, quick among them, hold for the other samples too.
    runs : list of Training
        LeNet-5's on `data`; others are trained as these were.
    rivals : dict
        As `kinds.train_rivals` gives it.
    n_runs : int
        Trainings of LeNet-5 for each changed sample.

    Raises
    ------
    InputError
        If `n_runs` is below 1.
    """
    if n_runs < 1:
        raise InputError(f"claim_runs must be 1 or more, got {n_runs}")
    few, seed = runs[:n_runs], data.settings["seed"]
    trained = {key: runs[0].settings[key] for key in ("epochs", "learning_rate", "batch_size")}
    how = {"n_runs": len(few), "seed": seed, **trained}
    preparation = {"seed": seed, "quick": data.settings["quick"], **data.cleaning}
    steps = [
        lambda: [_network_beats_miracle(rivals, data), _recall_is_precision(rivals, data)],
        lambda: [_cosine_raises_background(run.experiment, data)],
        lambda: [_partition(run, how, preparation)],
        lambda: _other_samples(run, how, preparation),
        lambda: [_label_errors(run, data, few, how)],
        lambda: [_single_type_templates(run.experiment, data, seed)],
    ]
    bar = tqdm(steps, desc="claims", unit="step", leave=False)
    return pd.DataFrame([one for step in bar for one in step()])


def _gain(difference, low, high):
    return with_interval(difference, low, high, "{:+.3f}")


def _network_beats_miracle(rivals, data):
    gain = difference(rivals, data, "lenet5", "pca_svm")
    printed = ""
    if thesis.is_thesis_panel(data.panel):
        ours = thesis.mean_f1(thesis.RECALL, thesis.PRECISION)
        theirs = thesis.mean_f1(thesis.MIRACLE_RECALL, thesis.MIRACLE_PRECISION)
        printed = f": mean F1 {ours:.3f} against miRACLE's published {theirs:.3f}"
    return Verdict(
        "The network is better than miRACLE",
        f"yes{printed}",
        f"LeNet-5 less PCA + SVM, same crops: {_gain(*gain)}",
        judge(*gain[1:]),
    )


def _recall_is_precision(rivals, data):
    test, n = data.split["test"], data.n_classes
    y_true, y_pred = data.y_true[test], rivals["lenet5"].y_prob[test].argmax(axis=1)
    ends = recall_less_precision(y_true, y_pred, data.frames[test], n)
    names = data.panel.mir_names
    text = ", ".join(f"{name} {_gain(*one)}" for name, one in zip(names, ends[:-1], strict=True))
    apart = [name for name, (_, low, high) in zip(names, ends[:-1], strict=True) if low > 0 or high < 0]
    printed = ""
    if thesis.is_thesis_panel(data.panel):
        printed = ": " + ", ".join(f"{name} {thesis.RECALL[name] - thesis.PRECISION[name]:+.2f}" for name in names)
    verdict = f"{FAILS} for {', '.join(apart)}" if apart else OPEN
    return Verdict("Recall and precision are symmetrical", f"yes{printed}", f"recall less precision: {text}", verdict)


def _cosine_raises_background(experiment, data):
    sample, k = single_type_sample(experiment)
    numbers = compare_techniques(sample, k, data.templates[k], **data.cleaning).numbers["contrast"]
    cross, cosine = numbers["cross-correlation"], numbers["cosine similarity"]
    text = f"molecules stand {cosine:.1f} sd above the background, with cross-correlation {cross:.1f}"
    verdict = judge(cross - cosine, cross - cosine)
    return Verdict("Cosine similarity raises the background", "yes, by eye", text, verdict)


def _partition(run, how, preparation, *, shares=(0.5, 0.6, 0.7, 0.8)):
    """Training shares; what is left is halved into validation and test."""
    found = {}
    for share in shares:
        rest = (1 - share) / 2
        data = prepare(run, test_share=rest, validation_share=rest / (1 - rest), **preparation)
        found[share] = _f1(data, train_runs(data, run, **how))
    text = ", ".join(f"{share:.0%} {mean:.3f} ± {error:.3f}" for share, (mean, error) in found.items())
    gains = {share: _unpaired(one, found[0.6]) for share, one in found.items() if share != 0.6}
    best = max(gains, key=lambda share: gains[share][0])
    if any(low > 0 for _, low, _ in gains.values()):
        verdict = f"{FAILS}: {best:.0%} is better"
    else:
        verdict = HOLDS if all(high < 0 for _, _, high in gains.values()) else OPEN
    text += f"; the best other share {_gain(*gains[best])}"
    return Verdict("60/20/20 is a good partition", "yes", f"F1 by share for training: {text}", verdict)


def _other_samples(run, how, preparation):
    """Less and more background noise, and half the noise blobs: simulated anew with the same molecules' statistics.

    So is the sample as it is, for whoever changed its labels would else see what labels do.
    """
    changes = {"as it is": 1.0, "noise x 0.5": 0.5, "noise x 2": 2.0, "noise blobs x 0.5": None}
    found = {}
    experiment = run.experiment
    settings = settings_of_experiment(experiment)
    if settings is not None:
        if preparation["quick"]:
            settings = replace(settings, n_frames=min(settings.n_frames, QUICK_FRAMES))
        seed = int(experiment.simulated["seed"]) + 50
        for name, factor in changes.items():
            changed = _with_noise(settings, factor) if factor else _with_fewer_noise_blobs(settings)
            key = cache_key(experiment.panel.to_dict(), asdict(changed), seed)
            folder = run.root / "cache" / f"sample-{key}"
            if not (folder / "experiment.toml").exists():
                simulate_experiment(folder, panel=experiment.panel, settings=changed, seed=seed)
            sample = load_experiment(folder)
            other_run = RunFolder(sample, folder / "run")
            other = prepare(other_run, **preparation)
            found[name] = _f1(other, train_runs(other, other_run, **how))
    verdicts = []
    for claim, better, worse in (
        ("Less background noise raises accuracy", "noise x 0.5", "noise x 2"),
        ("Fewer noise blobs raise accuracy", "noise blobs x 0.5", None),
    ):
        if not found:
            verdicts.append(Verdict(claim, "expected", "needs a simulated experiment", NOT_MEASURED))
            continue
        parts = {name: found[name] for name in (better, "as it is", worse) if name}
        gain = _unpaired(found[better], found[worse or "as it is"])
        text = ", ".join(f"{name} {mean:.3f} ± {error:.3f}" for name, (mean, error) in parts.items())
        verdicts.append(Verdict(claim, "expected", f"F1: {text}; {_gain(*gain)}", judge(*gain[1:])))
    return verdicts


def _with_noise(settings, factor):
    """Background noise times `factor`, the part that photons make as well."""
    return replace(settings, noise_sd_counts=settings.noise_sd_counts * factor, gain_counts=settings.gain_counts * factor**2)


def _with_fewer_noise_blobs(settings, share=0.5):
    """As many miRs a frame, but only so large a share of the noise blobs."""
    n_mirs = settings.n_labelled_per_frame * settings.mir_share
    n_all = n_mirs + share * (settings.n_labelled_per_frame - n_mirs)
    return replace(settings, n_labelled_per_frame=n_all, mir_share=n_mirs / n_all)


def _label_errors(run, data, runs, how, *, shares=(0.05, 0.10)):
    test = data.split["test"]
    calls = {0.0: [one.y_prob[test].argmax(axis=1) for one in runs]}
    for share in shares:
        wrong = _with_wrong_labels(data, share, how["seed"])
        calls[share] = [one.y_prob[test].argmax(axis=1) for one in train_runs(wrong, run, **how)]
    y_true, frames = data.y_true[test], data.frames[test]
    f1 = {share: mean_f1(y_true, one, frames, data.n_classes)[0] for share, one in calls.items()}
    against = {"y_true": y_true, "frames": frames, "ours": calls[0.0], "theirs": calls[max(shares)]}
    gain = paired_difference([against], data.n_classes)
    text = ", ".join(f"{share:.0%} wrong {value:.3f}" for share, value in f1.items())
    measured = f"F1: {text}; none less most {_gain(*gain)}"
    return Verdict("Fewer label errors raise accuracy", "expected", measured, judge(*gain[1:]))


def _with_wrong_labels(data, share, seed):
    """The dataset with a share of its training and validation labels moved to another class, drawn at random."""
    rng = np.random.default_rng([seed, 11])
    rows = np.concatenate([data.split["training"], data.split["validation"]])
    chosen = rng.permutation(rows)[: round(share * len(rows))]
    labels = data.y_true.copy()
    labels[chosen] = (labels[chosen] + rng.integers(1, data.n_classes, len(chosen))) % data.n_classes
    return replace(data, blobs=data.blobs.assign(y=labels))


def _single_type_templates(experiment, data, seed, *, n_draws=200):
    """The mixture's template against one of single-type crops; as many crops of the mixture show what chance does."""
    claim, says = "Single-type templates deviate from mixture ones", "yes, by eye"
    if not experiment.pretrain:
        return Verdict(claim, says, "needs single-type samples (pretrain in experiment.toml)", NOT_MEASURED)
    rng = np.random.default_rng([seed, 12])
    parts, apart = [], []
    for folder in experiment.pretrain:
        sample = load_experiment(folder)
        blobs, _ = kept_blobs(sample)
        k = int(np.bincount(blobs["y"][blobs["y"] < data.panel.noise], minlength=1).argmax())
        own = data.split["training"][data.y_true[data.split["training"]] == k]
        alone = without_margin(cut_raw_crops(sample.stack, blobs[blobs["y"] == k].reset_index(drop=True), sample.panel))
        n = min(len(alone), len(own) // 2)
        if n < 5:
            continue

        def template(crops):
            return preprocess_templates(median_templates(crops, np.zeros(len(crops), int), 1), **data.cleaning)[0].ravel()

        drawn = [rng.permutation(own) for _ in range(n_draws)]
        pairs = [(template(data.raw_crops[one[:n]]), template(data.raw_crops[one[n:]])) for one in drawn]
        chance = np.percentile([np.corrcoef(*pair)[0, 1] for pair in pairs], 2.5)
        seen = np.corrcoef(template(alone[:n]), template(data.raw_crops[own]))[0, 1]
        name = data.panel.mir_names[k]
        parts.append(f"{name} {seen:.3f} (chance {chance:.3f})")
        apart += [name] if seen < chance else []
    text = "correlation of the two templates, and what it stays above by chance: " + ", ".join(parts)
    verdict = f"{HOLDS} for {', '.join(apart)}" if apart else OPEN
    return Verdict(claim, says, text, verdict if parts else NOT_MEASURED)


def _f1(data, runs):
    """Mean F1 of LeNet-5's runs on test, and its standard error over frames."""
    test = data.split["test"]
    calls = [one.y_prob[test].argmax(axis=1) for one in runs]
    return mean_f1(data.y_true[test], calls, data.frames[test], data.n_classes)


def _unpaired(ours, theirs):
    """Difference of two means of different crops, with its 95 % interval."""
    gain, error = ours[0] - theirs[0], np.hypot(ours[1], theirs[1])
    return gain, gain - 1.96 * error, gain + 1.96 * error
