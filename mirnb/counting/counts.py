"""Count stacks: frames in small parts, in parallel, each part kept as soon as it is done; memory stays flat.

A part is a few frames of a stack: blobs are detected (or come from a table), classified, and kept in the cache as plain
arrays. A worker that is lost costs its parts, which another does again; a run that was stopped goes on with those missing.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from distributed import KilledWorker
from tqdm.auto import tqdm

from mirnb.caches import cache_key, read_arrays, stored, write_arrays
from mirnb.classifiers.classifier import classifier_fingerprint, load_classifier
from mirnb.classifiers.likeness import profile_distance, profile_of, verdict
from mirnb.cluster import in_turn, open_client, submit
from mirnb.counting.bins import N_LEVELS, bins_of, by_class
from mirnb.counting.frames import frames_in_words, judge_frames, share_seen_again
from mirnb.counting.worker import FITTED, FRAMES_A_PART, Job, count_part, look_at_stack
from mirnb.experiments.blobs import write_table
from mirnb.experiments.check import MANY_REPEATED
from mirnb.experiments.experiment import MOST_UNLIKE_PIXELS, QUARTER_TURNS
from mirnb.experiments.placement import looked_at, places_of
from mirnb.experiments.stacks import stack_fingerprint
from mirnb.experiments.tiff_files import is_address
from mirnb.files import InputError, whole_file
from mirnb.imaging.detection import as_thunderstorm
from mirnb.imaging.neighbours import find_crowded, find_partners


@dataclass(frozen=True)
class CountedStack:
    """A stack that was counted, or the error that stopped it."""

    name: str
    error: str = ""
    bins: np.ndarray | None = None  # (n_counted, n_bins) blobs in each of `bins.bins_of`, partners left out
    frames: pd.DataFrame | None = None  # one row a frame: frame (from 1), its measures, verdict, counted
    n_blobs: int = 0
    n_partners: int = 0
    frame_um2: float = 0.0  # of a frame, where blobs are counted: their crops lie inside
    values: dict | None = None  # what `worker.look_at_stack` says, profile_distance, repeated_share and made_by
    unlike: tuple = ()  # what is not like the training data

    @property
    def calls(self):
        """Blobs called each class, (n_counted, n_classes)."""
        return by_class(self.bins)

    @property
    def odd_frames(self):
        """Frames with a verdict, as text."""
        return frames_in_words(self.frames["verdict"].to_numpy())


def count_stacks(inputs, classifier_folder, out, *, keep_frames=False, scheduler="", n_workers=None):
    """Find, classify and count the blobs of stacks.

    Parameters
    ----------
    inputs : list of samples.Input
    out : path
        Gets <name of the stack>/blobs_classified.csv and frames.csv of each, and a cache.
    keep_frames : bool
        Count frames that are out of focus, dirty, ... (`frames.CAUSES`), too.
    scheduler, n_workers
        As `cluster.open_client` takes them.

    Returns
    -------
    list of CountedStack, in the order of `inputs`
        One that failed has its error; the others are complete.
    """
    out = Path(out)
    classifier, version = load_classifier(classifier_folder), classifier_fingerprint(classifier_folder)
    jobs, errors, known = {}, {}, {}
    for one in inputs:
        try:
            if one.experiment is None:
                raise InputError(one.error)
            job = _job(one, version)
            if known.setdefault(job.key, one.name) != one.name:
                raise InputError(f"{one.given}: has the same frames as {known[job.key]}; it would be counted twice")
            jobs[one.name] = job
        except (InputError, OSError) as error:
            errors[one.name] = str(error)
    experiments = {one.name: one.experiment for one in inputs}
    cache = out / "cache"
    if any(stored(path) is None for job in jobs.values() for path in _parts(job, cache)):
        with open_client(scheduler, n_workers=n_workers) as client:
            errors |= _run(client, jobs, experiments, classifier, cache)
    counted = []
    for one in tqdm(inputs, desc="tables", unit="stack", leave=False):
        if one.name in errors:
            counted.append(CountedStack(one.name, error=errors[one.name]))
        else:
            counted.append(_gather(jobs[one.name], one.experiment, classifier, cache, out / one.name, keep_frames))
    return counted


def _job(one, version):
    experiment = one.experiment
    table = [] if experiment.table is None else [experiment.blobs_path]
    settings = experiment.pixel_size_nm, experiment.dispersion, FRAMES_A_PART
    key = cache_key(version, stack_fingerprint(experiment.stack), *settings, *table)
    paths = tuple(path if is_address(path) else str(path.resolve()) for path in experiment.stack.paths)
    take, n_frames = tuple(experiment.stack.take.items()), len(experiment.stack)
    return Job(one.name, paths, experiment.dispersion, experiment.pixel_size_nm, n_frames, key, take)


def _parts(job, cache):
    """Files of a job in the cache: the look at the stack, then each part by its first frame."""
    starts = range(0, job.n_frames, FRAMES_A_PART)
    return [cache / job.key / "look.npz", *(cache / job.key / f"{start:06d}.npz" for start in starts)]


def _run(client, jobs, experiments, classifier, cache):
    """Do all that is missing, first a look at each stack, then the parts; returns the errors of the stacks that failed."""
    files = {path.name: path.read_bytes() for path in sorted(Path(classifier.folder).iterdir()) if path.is_file()}
    packed = client.submit(dict, files, pure=False)  # a task, so that it can be made again where it was lost
    errors = {}
    looks = {(name, None): _parts(job, cache)[0] for name, job in jobs.items()}
    parts = {(name, FRAMES_A_PART * k): path for name, job in jobs.items() for k, path in enumerate(_parts(job, cache)[1:])}

    def looking(name, _):
        experiment = experiments[name]
        places = None if experiment.table is None else looked_at(places_of(experiment))
        return submit(client, look_at_stack, packed, jobs[name], places)

    def counting(name, start):
        blobs = _blobs_of_part(experiments[name], start)
        look = {key: value.item() for key, value in read_arrays(looks[name, None]).items()}
        return submit(client, count_part, packed, jobs[name], start, blobs, classifier.scale_for(look))

    _each(client, looks, looking, errors, jobs, "looking at stacks")
    _each(client, parts, counting, errors, jobs, "counting")
    return errors


def _each(client, files, send, errors, jobs, doing):
    """Make each file that is missing; the files of a stack that failed are passed over."""
    todo = [task for task, path in files.items() if stored(path) is None]
    done = in_turn(client, todo, lambda task: None if task[0] in errors else send(*task))
    for task, future in tqdm(done, total=len(todo), desc=doing, unit="part", leave=False, disable=not todo):
        if future is None:
            continue
        name = task[0]
        try:
            arrays = future.result()
        except InputError as error:
            errors[name] = str(error)
        except KilledWorker:
            errors[name] = f"{jobs[name].paths[0]}: workers died over it several times, perhaps for want of memory"
        except Exception as error:  # of one stack: the others go on
            errors[name] = f"{jobs[name].paths[0]}: {type(error).__name__}: {str(error)[:200]}"
        else:
            write_arrays(files[task], arrays)


def _blobs_of_part(experiment, start):
    """Blobs of the table that lie on the frames of a part, frame by frame; None without a table."""
    if experiment.table is None:
        return None
    blobs = experiment.blobs
    blobs = blobs[blobs["frame"].between(start, start + FRAMES_A_PART - 1) & ~experiment.repeated]
    return blobs.sort_values("frame", kind="stable", ignore_index=True)


def _gather(job, experiment, classifier, cache, folder, keep_frames):
    """Go through the parts of a stack: write its tables, count its calls, say whether it is like the training data."""
    panel, facts, n_bins = classifier.panel, classifier.facts, N_LEVELS * (classifier.panel.n_mirs + 1)
    look, *parts = _parts(job, cache)
    values = {name: value.item() for name, value in read_arrays(look).items()}
    frames = _judged(parts, experiment, facts.ranges, keep_frames)
    write_table(folder / "frames.csv", frames)
    is_counted = frames["counted"].to_numpy()
    bins, profile, n_blobs, n_partners, makers = np.zeros((job.n_frames, n_bins), int), 0, 0, 0, set()
    with whole_file(folder / "blobs_classified.csv") as temporary, temporary.open("w", encoding="utf-8", newline="") as file:
        for number, path in enumerate(parts):
            part = read_arrays(path)
            makers.add(part["made_by"].item())
            table, y_prob = _part_table(part, experiment, panel, first_id=n_blobs + 1), part["y_prob"]
            table.to_csv(file, index=False, header=number == 0, lineterminator="\n")
            counted = np.isfinite(y_prob[:, 0]) & table["partner"].isna().to_numpy() & is_counted[part["frame"]]
            np.add.at(bins, (part["frame"][counted], bins_of(y_prob[counted], facts)), 1)
            profile = profile + profile_of(y_prob[counted])
            n_blobs, n_partners = n_blobs + len(table), n_partners + int(table["partner"].notna().sum())
    rows, cols = experiment.stack.frame_shape
    crop = panel.crop_window.shape
    frame_um2 = (rows - crop[0] + 1) * (cols - crop[1] + 1) * (job.pixel_size_nm / 1000) ** 2
    values["made_by"] = "; ".join(sorted(makers))
    values["repeated_share"] = float(frames["repeated_share"][1:].median()) if len(frames) > 1 else 0.0
    unlike = _unlike(values, profile, facts, experiment)
    odd = frames.loc[frames["verdict"] != "", "verdict"]
    if len(odd) and is_counted.all() and not keep_frames:
        told = ", ".join(f"{n} {cause}" for cause, n in odd.value_counts().items())
        unlike.append(f"most frames ({told}), so that all are counted")
    return CountedStack(
        job.name, bins=bins[is_counted], frames=frames, n_blobs=n_blobs, n_partners=n_partners, frame_um2=frame_um2,
        values=values, unlike=tuple(unlike),
    )  # fmt: skip


def _judged(parts, experiment, ranges, keep_frames):
    """Measures of all frames of a stack, a verdict on each, and whether it is counted; all are where most are at fault."""
    measured, again, before = [], [], np.zeros((0, 2))
    for start, path in zip(range(0, len(experiment.stack), FRAMES_A_PART), parts, strict=True):
        part = read_arrays(path)
        own = {name.removeprefix("measured_"): part[name] for name in part if name.startswith("measured_")}
        measured.append(pd.DataFrame(own))
        places = np.column_stack(_places(part, experiment))
        for frame in range(start, start + len(measured[-1])):
            here = places[part["frame"] == frame]
            again.append(share_seen_again(before, here))
            before = here
    frames = pd.concat(measured, ignore_index=True).assign(repeated_share=again)
    verdict = judge_frames(frames, ranges)
    excluded = (verdict != "") & (not keep_frames)
    frames.insert(0, "frame", np.arange(1, len(frames) + 1))
    return frames.assign(verdict=verdict, counted=~excluded | (2 * excluded.sum() > len(frames)))


def _unlike(values, profile, facts, experiment):
    """What of a stack is unlike the training data, a few words each; `values` lose misplaced and get profile_distance."""
    misplaced = values.pop("misplaced")
    unlike = verdict(values, profile, facts.ranges, facts.profile)
    if misplaced:
        unlike.append(f"its blob table, which does not fit its light: {misplaced}")
    if not experiment.stack.has_pixels_of(experiment.pixel_size_nm, within=MOST_UNLIKE_PIXELS):
        unlike.append(f"pixels ({experiment.stack.pixel_size_nm:.4g} nm in the file, {experiment.pixel_size_nm:.4g} taken)")
    values["profile_distance"] = profile_distance(profile, facts.profile)[0]
    if values["repeated_share"] > MANY_REPEATED:
        unlike.append(
            f"{values['repeated_share']:.0%} of blobs repeat from frame to frame: a time series counts them many times"
        )
    return unlike


def _places(part, experiment):
    """Where the blobs of a part lie, on frames turned so that the dispersion runs down: y_px, x_px."""
    if "table_row" not in part:
        return part["y_px"], part["x_px"]
    turns, shape = QUARTER_TURNS[experiment.dispersion], experiment.stack.frame_shape
    table = experiment.table.iloc[part["table_row"]]
    seen = (table[name].to_numpy() / experiment.pixel_size_nm for name in ("y [nm]", "x [nm]"))
    return _turned_back(*seen, shape if turns % 2 == 0 else shape[::-1], -turns % 4)


def _part_table(part, experiment, panel, *, first_id):
    """Blobs of a part as they are written: a blob table with class, probabilities, crowded and partner."""
    y_prob, frame = part["y_prob"], part["frame"]
    y_px, x_px = _places(part, experiment)
    if "table_row" in part:
        table = experiment.table.iloc[part["table_row"]].reset_index(drop=True)
        rows, cols = part["row"], part["col"]
        ids = table["id"].astype(int).to_numpy() if "id" in table and table["id"].notna().all() else part["table_row"] + 1
    else:
        rows, cols = np.floor(y_px).astype(int), np.floor(x_px).astype(int)
        turns = QUARTER_TURNS[experiment.dispersion]
        recorded_y, recorded_x = _turned_back(y_px, x_px, experiment.stack.frame_shape, turns)
        found = pd.DataFrame({"frame": frame + 1, "y_px": recorded_y, "x_px": recorded_x, **{k: part[k] for k in FITTED}})
        table = as_thunderstorm(found, experiment.pixel_size_nm, first_id=first_id)
        ids = table["id"].to_numpy()
    near_border = np.isnan(y_prob[:, 0])
    called = np.where(near_border, -1, np.nan_to_num(y_prob).argmax(axis=1))
    names = np.array([*panel.names, ""], dtype=object)
    table["class"] = names[called]
    for k, name in enumerate(panel.names):
        table[f"p_{name}"] = y_prob[:, k].astype(float).round(6)
    upper = find_partners(frame, y_px, x_px, called, panel)
    alone, crowded = upper < 0, np.zeros(len(upper), bool)  # its own lower half does not crowd a blob
    crowded[alone] = find_crowded(frame[alone], rows[alone], cols[alone], panel.crop_window)
    table["crowded"] = crowded
    table["partner"] = pd.array(np.where(upper >= 0, ids[upper], 0), dtype="Int64") if len(ids) else pd.array([], "Int64")
    table.loc[upper < 0, "partner"] = pd.NA
    return table


def _turned_back(y_px, x_px, frame_shape, turns):
    """Positions on a frame that was turned against the clock by so many quarters, as they were before."""
    rows, cols = frame_shape  # as turned
    return [(y_px, x_px), (x_px, rows - y_px), (rows - y_px, cols - x_px), (cols - x_px, y_px)][turns]
