"""Count the miRs of new samples: from stacks to a table of abundances with intervals, and whether to trust it."""

import functools
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from mirnb.classifiers.classifier import Classifier, classifier_fingerprint, load_classifier
from mirnb.classifiers.likeness import SAME_NOISE, noise_seen
from mirnb.classifiers.making import best_classifier, train_facts
from mirnb.counting import abundance, changes
from mirnb.counting.abundance import Sample, abundance_table, draws_table, estimate_abundances
from mirnb.counting.assay import make_assay, molecules_on
from mirnb.counting.bins import held_out_bins, moves_at
from mirnb.counting.chance import chance_by_stack, chance_rates
from mirnb.counting.changes import fold_changes, replicate_changes
from mirnb.counting.correction import Correction
from mirnb.counting.counts import count_stacks
from mirnb.counting.crowding import measure_crowding
from mirnb.counting.detection_limits import MOST_SPREAD
from mirnb.counting.samples import gather_inputs, is_simulated
from mirnb.counting.truth import true_molecules
from mirnb.experiments.blobs import write_table
from mirnb.experiments.run_folder import Results
from mirnb.files import InputError, make_folder
from mirnb.simulation.dilution import N_FRAMES, simulate_dilution
from mirnb.simulation.folders import simulate_samples
from mirnb.simulation.settings import settings_of_experiment
from mirnb.workspace import open_run, place

MOST_TOLD = 3  # stacks whose verdict stands among the last sentences


@dataclass(frozen=True, eq=False)
class Plan:
    """What is to be counted with what, and where the results go."""

    classifier: Classifier  # with its facts
    inputs: list
    stacks: Path  # gets a folder for each stack
    results: Results


def plan_files(classifier, stacks, out, *, blobs=(), samples=""):
    """Count given stacks, all results below `out` (see `samples.gather_inputs`). classifier : Classifier"""
    make_folder(out)
    inputs = gather_inputs(stacks, classifier, blobs=blobs, samples=samples or None)
    results = _results(out, out, inputs, classifier)
    if any(one.experiment is not None for one in inputs):
        classifier = train_facts(classifier)
    return Plan(classifier, inputs, Path(out), results)


def plan_run(run, *, classifier="", dilution=False, seed=3, quick=False):
    """Count new samples of an experiment with its own best classifier, or another's; results go to its run folder.

    For a simulated experiment small samples are drawn, a reference, a mixture and a blank; another is counted itself, and
    so is one that is counted with another's classifier (its folder, or Classifier).

    dilution : bool
        The samples of a simulated experiment are a dilution series; all but the figures goes to the folder assay.
    """
    experiment, samples, stacks = run.experiment, None, [run.experiment.folder]
    own, settings, folder = not classifier, settings_of_experiment(run.experiment), run.root / "counted"
    tables = run.root / "tables"
    classifier = best_classifier(run, seed=seed, quick=quick) if own else _loaded(classifier)
    if dilution and settings is not None:
        folder = tables = run.root / "assay"
        n_frames = 2 if quick else min(N_FRAMES, settings.n_frames)  # no larger than the experiment itself
        how = {"panel": experiment.panel, "settings": settings, "n_frames": n_frames, "seed": seed}
        samples, stacks = simulate_dilution(run.root / "samples" / "dilution", **how)
    elif own and settings is not None:
        made = simulate_samples(experiment, run.root / "samples", n_frames=2 if quick else 8, seed=seed)
        stacks = [one / "stack.tif" for one in made]
        samples = run.root / "samples" / "samples.csv"
        write_table(samples, pd.DataFrame({"stack": [one.name for one in made], "sample": [one.name for one in made],
                                           "role": ["reference", "sample", "blank"], "replicate": 1}))  # fmt: skip
    inputs = gather_inputs(stacks, classifier, samples=samples)
    results = _results(tables, run.root / "figures", inputs, classifier)
    return Plan(train_facts(classifier), inputs, folder, results)


def _results(tables, figures, inputs, classifier):
    facts = {"simulated": any(map(is_simulated, inputs)), "trained_on_simulated": bool(classifier.trained_on["simulated"])}
    return Results(tables, figures, **facts)


def plan_notebook(experiment, out, *, classifier="", stacks=(), blobs=(), samples="", dilution=False, seed=3, quick=False):
    """`plan_files` when stacks are named, else `plan_run`; a classifier, or its folder; paths as `place` takes them.

    dilution : bool
        For an assay: standards are needed, and simulated where no stacks are named.
    """
    if not stacks:
        run = open_run(experiment, out, quick=quick)
        plan = plan_run(run, classifier=classifier, dilution=dilution, seed=seed, quick=quick)
    elif not (classifier and out):
        raise InputError("stacks need a classifier and out: name all three; without stacks the experiment is counted")
    else:
        plan = plan_files(
            _loaded(classifier), [place(one) for one in stacks], place(out),
            blobs=[place(one) for one in blobs], samples=place(samples) if samples else "",
        )  # fmt: skip
    if dilution and not has_standards(plan.inputs):
        raise InputError(
            f"{samples or 'samples'}: no sample is a standard, and without known concentrations there is no curve; "
            "samples.csv names standards, with their concentration and its unit"
        )
    return plan


def has_standards(samples):
    """Whether an assay can be made of samples, or inputs."""
    return any(one.role == "standard" for one in samples)


def _loaded(classifier):
    return classifier if isinstance(classifier, Classifier) else load_classifier(place(classifier))


@dataclass(frozen=True, eq=False)
class Quantified:
    """Tables of all that was counted."""

    stacks: pd.DataFrame  # one row a stack: what it is like, and whether that is like the training data
    abundance: pd.DataFrame  # one row a sample and miR
    fold_changes: pd.DataFrame
    replicate_changes: pd.DataFrame  # of samples with several replicates
    remark: str  # on the matrix of confusion
    draws: pd.DataFrame  # of the molecules of each sample, as `abundance.draws_table` gives them
    samples: list  # abundance.Sample, what an assay is made of
    correction: Correction


def quantify_plan(plan, *, keep_frames=False, scheduler="", n_resamples=4000, seed=3):
    """Count all stacks of a plan and estimate the abundances of their samples; tables are written.

    keep_frames, scheduler
        As `counts.count_stacks` takes them.

    Raises
    ------
    InputError
        If no stack could be counted.
    """
    classifier = plan.classifier
    counted = count_stacks(plan.inputs, classifier.folder, plan.stacks, keep_frames=keep_frames, scheduler=scheduler)
    if all(one.error for one in counted):
        raise InputError("no stack could be counted:\n" + "\n".join(f"{one.name}: {one.error}" for one in counted))
    corrections = _corrections(classifier, plan.inputs, n_resamples=n_resamples, seed=seed)
    correction, stacks = corrections(1.0), stack_table(plan.inputs, counted, classifier.panel)
    samples = _samples(plan.inputs, counted, classifier, corrections)
    found = estimate_abundances(samples, correction)
    reference = next((one for one in found if one.sample.role == "reference"), None)
    table = abundance_table(found, correction, reference=reference)
    trusted = stacks.groupby("sample")["verdict"].agg(lambda one: "; ".join(dict.fromkeys(one)))
    facts = {"trained_on_simulated": plan.results.trained_on_simulated}
    stacks = stacks.assign(**facts).join(chance_by_stack(stacks, classifier), on="stack")
    made = Quantified(
        stacks,
        table.assign(
            verdict=table["sample"].map(trusted),
            classifier=f"{classifier.kind} {classifier_fingerprint(classifier.folder)}",
            simulated=table["sample"].map(stacks.groupby("sample")["simulated"].any()), **facts,
        ).join(chance_rates(stacks, classifier), on=["sample", "class"]),
        fold_changes(found, correction), replicate_changes(found, correction), correction.remark,
        draws_table(found, correction), samples, correction,
    )  # fmt: skip
    for name in ("stacks", "abundance", "fold_changes", "replicate_changes", "draws"):
        plan.results.table(getattr(made, name), name)
    return made


def assay_plan(plan, found, *, most_spread=MOST_SPREAD):
    """The assay of a plan with standards that was quantified, its tables written: `assay.Assay`.

    Parameters
    ----------
    found : Quantified
    most_spread : float
        Of results at the limit of quantitation, as a share of the amount.
    """
    if not has_standards(found.samples):
        raise InputError("no standard could be counted, so there is no curve; stacks.csv says what is wrong with each")
    unit = next(one.unit for one in plan.inputs if one.role == "standard")
    how = {"unit": unit, "crowding": _crowding(plan, found), "most_spread": most_spread}
    made = make_assay(found.samples, found.correction, **how)
    for name in ("curve", "standards", "readings"):
        plan.results.table(getattr(made, name), f"assay_{name}")
    return made


def _crowding(plan, found):
    """What crowding takes, by the densest standard and blanks of its shape; None without, or without a second frame."""
    standards = [one for one in found.samples if one.role == "standard"]
    rates = [molecules_on(one, found.correction) for one in standards]
    densest = standards[int(np.argmax(rates))]
    opened = [one for one in plan.inputs if one.experiment is not None]
    stacks = [one.experiment.stack for one in opened if one.sample == densest.name and len(one.experiment.stack) > 1]
    shape = stacks[0].frame_shape if stacks else None
    stacks = [one for one in stacks if one.frame_shape == shape]
    blanks = [one.experiment.stack for one in opened if one.role == "blank" and one.experiment.stack.frame_shape == shape]
    if not (stacks and blanks and max(rates) > 0):
        return None
    return measure_crowding(plan.classifier, densest.correction or found.correction, stacks, blanks, max(rates))


def _corrections(classifier, inputs, *, n_resamples, seed):
    """A function: noise of a stack, as a share of that in training -> Correction of its counts, made once for each."""
    detected = all(one.experiment is None or one.experiment.table is None for one in inputs)
    known = held_out_bins(classifier.facts, detected=detected)

    @functools.cache
    def correction_at(noise):
        cleaner = noise < 1 and classifier.facts.twin is not None
        moves = moves_at(classifier, noise, seed=seed) if cleaner else (None, None)
        how = {"moves": moves[0], "hidden_moves": moves[1], "n_resamples": n_resamples, "seed": seed}
        return Correction(classifier.panel.names, *known, **how)

    return correction_at


def _samples(inputs, counted, classifier, corrections):
    """Counted stacks pooled into samples; stacks that failed are left out."""
    pooled = {}
    for one, stack in zip(inputs, counted, strict=True):
        if not stack.error:
            pooled.setdefault(one.sample, []).append((one, stack))
    samples = []
    for name, parts in pooled.items():
        numbers = {label: number for number, label in enumerate(dict.fromkeys(one.replicate for one, _ in parts))}
        replicate = [np.full(len(stack.bins), numbers[one.replicate]) for one, stack in parts]
        area_um2 = sum(len(stack.bins) * stack.frame_um2 for _, stack in parts)
        bins = np.concatenate([stack.bins for _, stack in parts])
        noise = np.mean([noise_seen(stack.values, classifier.trained_on["noise_sd_counts"]) for _, stack in parts])
        truths = [
            true_molecules(one.experiment, one.experiment.panel, is_counted=stack.frames["counted"].to_numpy())
            for one, stack in parts
        ]
        truth = None if any(one is None for one in truths) else np.sum(truths, axis=0)
        own = corrections(round(noise, 2) if noise < 1 - SAME_NOISE else 1.0)
        first = parts[0][0]
        known = {"concentration": first.concentration, "added_to": first.added_to}
        samples.append(Sample(name, first.role, bins, np.concatenate(replicate), area_um2, truth, own, **known))
    return samples


def stack_table(inputs, counted, panel):
    """One row a stack: its sample, whether simulated, frames counted, those left out and those with a verdict (odd_frames),
    blobs, partners, calls, what it is like, verdict, error.
    """
    rows = []
    for one, stack in zip(inputs, counted, strict=True):
        row = {"stack": one.name, "sample": one.sample, "role": one.role, "replicate": one.replicate,
               "simulated": is_simulated(one)}  # fmt: skip
        if stack.error:
            rows.append({**row, "verdict": "failed", "error": stack.error})
            continue
        source = "detected" if one.experiment.table is None else one.experiment.blobs_path.name
        row |= {"frames": len(stack.bins), "frames_excluded": int((~stack.frames["counted"]).sum())}
        row |= {"odd_frames": stack.odd_frames, "blobs": stack.n_blobs, "blobs_from": source, "partners": stack.n_partners}
        row |= {f"called_{name}": int(n) for name, n in zip(panel.names, stack.calls.sum(axis=0), strict=True)}
        row |= stack.values
        row["verdict"] = "like the training data" if not stack.unlike else "unlike in " + ", ".join(stack.unlike)
        rows.append({**row, "error": ""})
    return pd.DataFrame(rows)


def in_words(stacks):
    """What to make of each stack of a `stack_table`: a list of sentences."""
    sentences = []
    for row in stacks.to_dict("records"):
        failed = row["verdict"] == "failed"
        left_out = f"; frames left out, {row['odd_frames']}" if not failed and row["frames_excluded"] else ""
        sentences.append(f"{row['stack']}: " + (f"not counted: {row['error']}" if failed else row["verdict"] + left_out))
    return sentences


def stacks_in_words(stacks):
    """How many stacks of a `stack_table` are like the training data, and what to make of the first of the others."""
    verdicts = stacks["verdict"]
    like, failed = (verdicts == "like the training data").sum(), (verdicts == "failed").sum()
    first = f"Stacks like the training data: {like} of {len(verdicts)}" + (f"; not counted: {failed}." if failed else ".")
    others = in_words(stacks[(verdicts != "like the training data") | (stacks["frames_excluded"] > 0)])
    return [first, *(f"{one}." for one in others[:MOST_TOLD])]


def conclude(found):
    """What was counted, in plain sentences: a list of text. found : Quantified"""
    return [
        *stacks_in_words(found.stacks), *abundance.in_words(found.abundance),
        *changes.in_words(found.fold_changes, found.abundance),
    ]  # fmt: skip
