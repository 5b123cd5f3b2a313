"""The labelled crops of an experiment: the thesis's way from frames to crops, each step once, kept in the run folder."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from tqdm.auto import tqdm

from mirnb.correlate import Correlator
from mirnb.crops import cut_crops, fits
from mirnb.files import InputError
from mirnb.preprocess import preprocess
from mirnb.splits import SETS, Scaler, fit_scaler, split_by_crop
from mirnb.templates import median_templates

QUICK_FRAMES = 6
MIN_PER_CLASS = 5  # labelled blobs; with fewer a split can leave a set without the class


@dataclass(frozen=True)
class Dataset:
    """Labelled blobs whose crops were kept, with their crops, split, templates and scaler."""

    blobs: pd.DataFrame  # one row a crop: table_row, frame (from 0), row, col, y
    raw_crops: np.ndarray  # (n_crops, *template window), the stack's dtype, counts
    crops: np.ndarray  # (n_crops, *crop window, n_mirs) response, float32
    split: dict  # set name -> indices of crops
    templates: np.ndarray  # (n_mirs, *template window), preprocessed
    scaler: Scaler | None  # None without labels

    @property
    def y_true(self):
        return self.blobs["y"].to_numpy()

    @property
    def frames(self):
        """Frame of each crop, from 0."""
        return self.blobs["frame"].to_numpy()

    @property
    def n_classes(self):
        return len(self.templates) + 1

    def scaled(self, name):
        """Scaled response crops of a set, as the network takes them."""
        return self.scaler(self.crops[self.split[name]])

    def groups(self, panel, *, n_each=6):
        """Titles and the first crops of each class; without labels, the crops brightest in each channel."""
        if self.scaler is not None:
            return {name: np.flatnonzero(self.y_true == k)[:n_each] for k, name in enumerate(panel.names)}
        brightest = self.crops.max(axis=(1, 2))
        strongest = brightest.argmax(axis=1)
        groups = {}
        for k, name in enumerate(panel.mir_names):
            own = np.flatnonzero(strongest == k)
            groups[f"bright in {name}"] = own[np.argsort(-brightest[own, k])][:n_each]
        return groups

    def brightest(self, panel):
        """Title and (response crop, raw crop) of the brightest crop of each miR; without labels, in each channel."""
        first = self.groups(panel, n_each=len(self.crops))
        chosen = {
            title: indices[np.argmax(self.crops[indices, ..., k].max(axis=(1, 2)))]
            for k, (title, indices) in enumerate(first.items())
            if k < panel.n_mirs and len(indices)
        }
        return {title: (self.crops[index], self.raw_crops[index]) for title, index in chosen.items()}

    def raw_rows(self, panel):
        """Title and raw crops of each group, in counts, for a gallery."""
        return {title: list(self.raw_crops[indices]) for title, indices in self.groups(panel).items()}

    def split_table(self, panel):
        """One row a crop: its row in the blob table (from 0), frame (from 1), pixel, class and set."""
        names = np.full(len(self.blobs), "", dtype=object)
        for name, indices in self.split.items():
            names[indices] = name
        classes = np.array([*panel.names, "not labelled"], dtype=object)[np.where(self.y_true >= 0, self.y_true, -1)]
        return self.blobs.drop(columns="y").assign(frame=self.frames + 1, **{"class": classes, "set": names})

    def summary(self, panel, *, simulated):
        """What metrics.json says of the data: counts per class, counts per set and class, simulated or not."""
        table = self.count(panel)
        return {
            "counts": table["all"].to_dict(),
            "split": {name: table[name].to_dict() for name in self.split},
            "simulated": simulated,
        }

    def count(self, panel):
        """Table of crops per class and set, with a sum."""
        counts = {
            name: [int(np.sum(self.y_true[indices] == k)) for k in range(panel.n_mirs + 1)]
            for name, indices in self.split.items()
        }
        table = pd.DataFrame(counts, index=panel.names)
        return table.assign(all=table.sum(axis=1))


def kept_blobs(experiment, *, labelled=True, n_frames=None):
    """Blobs whose crop window lies inside the frame.

    Parameters
    ----------
    experiment : Experiment
    labelled : bool
        Only blobs with a class.
    n_frames : int, optional
        Only blobs of the first frames.

    Returns
    -------
    blobs : DataFrame
        table_row, frame (from 0), row, col, y (class, -1 erased, -2 not labelled), in table order.
    n_dropped : int
        Blobs left out because their window leaves the frame.
    """
    experiment.require_blobs()
    blobs = pd.DataFrame(
        {
            "table_row": np.arange(len(experiment.rows)),
            "frame": experiment.frame_index,
            "row": experiment.rows,
            "col": experiment.cols,
            "y": experiment.labels,
        }
    )
    if labelled:
        blobs = blobs[blobs["y"] >= 0]
    if n_frames is not None:
        blobs = blobs[blobs["frame"] < n_frames]
    kept = fits(experiment.stack.frame_shape, blobs["row"], blobs["col"], experiment.panel.crop_window)
    return blobs[kept].reset_index(drop=True), int(np.sum(~kept))


def cut_raw_crops(experiment, blobs):
    """Raw crops of blobs in the template window, (n_blobs, rows, cols), counts."""
    window = experiment.panel.template_window
    crops = np.empty((len(blobs), *window.shape), experiment.stack.dtype)
    for here, frame in _frames_with_blobs(experiment, blobs, "raw crops"):
        crops[here] = cut_crops(frame, blobs["row"][here], blobs["col"][here], window)
    return crops


def cut_response_crops(experiment, blobs, templates, *, background_percentile=70.0, cap_sds=5.0):
    """Crops of the preprocessed frames' response to all templates, (n_blobs, rows, cols, n_templates), float32."""
    window = experiment.panel.crop_window
    correlator = Correlator(templates, experiment.stack.frame_shape, workers=2)
    crops = np.empty((len(blobs), *window.shape, len(templates)), np.float32)
    for here, frame in _frames_with_blobs(experiment, blobs, "response crops"):
        clean = preprocess(frame, background_percentile=background_percentile, cap_sds=cap_sds)
        crops[here] = cut_crops(correlator.cross_correlate(clean), blobs["row"][here], blobs["col"][here], window)
    return crops


def _frames_with_blobs(experiment, blobs, doing):
    """Each frame that holds blobs, with the rows of `blobs` that lie on it; progress goes with it."""
    by_frame = blobs.groupby("frame").indices
    frames = experiment.stack.frames(sorted(by_frame))
    for index, frame in tqdm(
        frames, total=len(by_frame), desc=doing, unit="frame", leave=False, disable=len(by_frame) < 100
    ):
        yield by_frame[index], frame


def make_templates(experiment, raw_crops, y_true, split):
    """Raw templates, (n_mirs, rows, cols): the user's masks where there are, else medians of raw training crops."""
    if experiment.masks is not None:
        return experiment.masks
    training = split["training"]
    missing = [name for k, name in enumerate(experiment.panel.mir_names) if not np.any(y_true[training] == k)]
    if missing:
        raise InputError(
            f"{experiment.blobs_path}: the split leaves no training crop of {', '.join(missing)} for a template; label more "
            "or take another seed"
        )
    return median_templates(raw_crops[training], y_true[training], experiment.panel.n_mirs)


def preprocess_templates(templates, *, background_percentile=70.0, cap_sds=5.0):
    """Preprocess each template by its own figures, as frames are (thesis cell 4)."""
    return np.stack([preprocess(one, background_percentile=background_percentile, cap_sds=cap_sds) for one in templates])


def prepare(experiment, run, *, background_percentile=70.0, cap_sds=5.0, seed=3, quick=False, unlabelled=False):
    """Everything the network needs, by the thesis's way; made once per settings and kept in the run folder's cache.

    Parameters
    ----------
    experiment : Experiment
    run : RunFolder
    background_percentile, cap_sds : float
        Of `preprocess`.
    seed : int
        Of the split.
    quick : bool
        The first frames only.
    unlabelled : bool
        Do without labels where there are none: all blobs, no split, no scaler; templates are then the user's masks.

    Returns
    -------
    Dataset

    Raises
    ------
    InputError
        If there are no labels, a class has none, or too few to split.
    """
    labelled = bool(experiment.labelled.any()) or not (unlabelled and experiment.masks is not None)
    if labelled:
        experiment.require_labels()
    settings = {"background_percentile": background_percentile, "cap_sds": cap_sds, "seed": seed, "quick": quick}

    def make():
        blobs, _ = kept_blobs(experiment, labelled=labelled, n_frames=QUICK_FRAMES if quick else None)
        raw_crops = cut_raw_crops(experiment, blobs)
        split = dict.fromkeys(SETS, np.zeros(0, int))
        if labelled:
            _require_enough(experiment, blobs["y"].to_numpy())
            split = split_by_crop(len(blobs), seed=seed)
        raw_templates = make_templates(experiment, raw_crops, blobs["y"].to_numpy(), split)
        cleaning = {"background_percentile": background_percentile, "cap_sds": cap_sds}
        templates = preprocess_templates(raw_templates, **cleaning)
        _require_light(experiment, templates)
        crops = cut_response_crops(experiment, blobs, templates, **cleaning)
        columns = {f"blobs_{name}": blobs[name].to_numpy() for name in blobs}
        return {**columns, **split, "raw_crops": raw_crops, "crops": crops, "templates": templates}

    arrays = run.cached("crops", settings, make)
    blobs = pd.DataFrame({name.removeprefix("blobs_"): arrays[name] for name in arrays if name.startswith("blobs_")})
    split = {name: arrays[name] for name in SETS}
    scaler = fit_scaler(arrays["crops"][split["training"]]) if labelled else None
    return Dataset(blobs, arrays["raw_crops"], arrays["crops"], split, arrays["templates"], scaler)


def _require_light(experiment, templates):
    dark = [name for name, template in zip(experiment.panel.mir_names, templates, strict=True) if not template.any()]
    if dark:
        raise InputError(
            f"{experiment.folder}: the template of {', '.join(dark)} has no light above its background; is it the median "
            "picture of a molecule?"
        )


def _require_enough(experiment, y_true):
    counts = np.bincount(y_true, minlength=experiment.panel.n_mirs + 1)
    few = [f"{name} {n}" for name, n in zip(experiment.panel.names, counts, strict=True) if n < MIN_PER_CLASS]
    if few:
        raise InputError(
            f"{experiment.blobs_path}: too few labelled blobs to split into three sets ({', '.join(few)}); "
            f"every class needs at least {MIN_PER_CLASS} whose crops lie inside the frame"
        )
