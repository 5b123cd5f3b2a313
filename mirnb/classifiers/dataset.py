"""The labelled crops of an experiment: the thesis's way from frames to crops, each step once, kept in the run folder."""

import html
from dataclasses import dataclass

import numpy as np
import pandas as pd

from mirnb.classifiers.splits import SETS, Scaler, fit_scaler, split_by_crop, split_by_frame
from mirnb.experiments.cutouts import (
    cut_background,
    cut_raw_crops,
    cut_response_crops,
    kept_blobs,
    stack_noise_sd,
    without_margin,
)
from mirnb.experiments.experiment_file import load_experiment
from mirnb.experiments.panel import Panel
from mirnb.experiments.placement import warn_of_places
from mirnb.experiments.stacks import path_fingerprint
from mirnb.files import InputError, require_in_range
from mirnb.imaging.neighbours import find_crowded
from mirnb.imaging.preprocessing import noise_sd
from mirnb.imaging.responses import response_peak
from mirnb.imaging.templates import MIN_MOLECULES, median_templates, preprocess_templates
from mirnb.simulation.frames import ideal_pairs

QUICK_FRAMES = 6
MIN_PER_CLASS = 5  # labelled blobs; with fewer a split can leave a set without the class


@dataclass(frozen=True, eq=False, repr=False)
class Dataset:
    """Labelled blobs whose crops were kept, with their crops, split, templates and scaler."""

    blobs: pd.DataFrame  # one row a crop: table_row, frame (from 0), row, col, y
    wide_crops: np.ndarray  # (n_crops, *template window grown by MARGIN_PX), the stack's dtype, counts
    crops: np.ndarray  # (n_crops, *crop window, n_mirs) response, float32
    split: dict  # set name -> indices of crops
    templates: np.ndarray  # (n_mirs, *template window), preprocessed
    scaler: Scaler | None  # None without labels
    background: np.ndarray  # (n_patches, *template window), counts, of no blob and of no validation or test crop
    noise_sd: float  # of a background pixel, counts, from the patches
    panel: Panel
    settings: dict  # what `prepare` was given

    def __repr__(self):
        sets = ", ".join(f"{len(rows)} {name}" for name, rows in self.split.items())
        rows, cols, _ = self.crops.shape[1:]
        return f"dataset of {len(self.crops)} crops {rows}x{cols} ({sets}), {self.panel!r}"

    def _repr_html_(self):
        return f"<p>{html.escape(repr(self))}</p>{self.count().to_html()}"

    @property
    def cleaning(self):
        """How frames and templates were preprocessed: background_percentile and cap_sds."""
        return {key: self.settings[key] for key in ("background_percentile", "cap_sds")}

    @property
    def raw_crops(self):
        """Raw crops in the template window, (n_crops, rows, cols), counts."""
        return without_margin(self.wide_crops)

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

    def about_few(self):
        """One sentence on miRs with few training molecules; empty when there are enough of each."""
        counts = {name: int(np.sum(self.y_true[self.split["training"]] == k)) for k, name in enumerate(self.panel.mir_names)}
        few = ", ".join(f"{name} {n}" for name, n in counts.items() if n < MIN_MOLECULES)
        return few and (
            f"Warning: few training molecules ({few}; {MIN_MOLECULES} are needed to learn a miR's look from them). The twin "
            "takes their brightness and widths from the other miRs and their separation from the panel; label more."
        )

    def called(self, y_prob):
        """Blobs with the class that probabilities (n_crops, n_classes) call them: frame (from 0), row, col, class."""
        return self.blobs[["frame", "row", "col"]].assign(**{"class": np.array(self.panel.names)[np.argmax(y_prob, axis=1)]})

    def groups(self, *, n_each=6):
        """Titles and the first crops of each class; without labels, the crops brightest in each channel."""
        if self.scaler is not None:
            return {name: np.flatnonzero(self.y_true == k)[:n_each] for k, name in enumerate(self.panel.names)}
        light = self._light()
        groups = {}
        for k, name in enumerate(self.panel.mir_names):
            own = np.flatnonzero(light.argmax(axis=1) == k)
            groups[f"bright in {name}"] = own[np.argsort(-light[own, k])][:n_each]
        return groups

    def _light(self):
        """Response of each crop to each template where it peaks on a molecule: (n_crops, n_mirs)."""
        row, col = response_peak(self.panel.template_window, self.panel.crop_window)
        return self.crops[:, row, col]

    def brightest(self):
        """Title and (response crop, raw crop) of the brightest crop of each miR; without labels, in each channel.

        Its own template's response at the blob decides, and blobs with another one in their window are passed over as long
        as there are others: what shines may be the neighbour.
        """
        crowded = find_crowded(self.frames, self.blobs["row"], self.blobs["col"], self.panel.crop_window)
        light = self._light() - crowded[:, np.newaxis] * self.crops.max(initial=0)
        chosen = {
            title: indices[np.argmax(light[indices, k])]
            for k, (title, indices) in enumerate(self.groups(n_each=len(self.crops)).items())
            if k < self.panel.n_mirs and len(indices)
        }
        return {title: (self.crops[index], self.raw_crops[index]) for title, index in chosen.items()}

    def raw_rows(self):
        """Title and raw crops of each group, in counts, for a gallery."""
        return {title: list(self.raw_crops[indices]) for title, indices in self.groups().items()}

    def split_table(self):
        """One row a crop: its row in the blob table (from 0), frame (from 1), pixel, class and set."""
        names = np.full(len(self.blobs), "", dtype=object)
        for name, indices in self.split.items():
            names[indices] = name
        classes = np.array([*self.panel.names, "not labelled"], dtype=object)[np.where(self.y_true >= 0, self.y_true, -1)]
        return self.blobs.drop(columns="y").assign(frame=self.frames + 1, **{"class": classes, "set": names})

    def summary(self):
        """What metrics.json says of the data: counts per class, counts per set and class."""
        table = self.count()
        return {"counts": table["all"].to_dict(), "split": {name: table[name].to_dict() for name in self.split}}

    def count(self):
        """Table of crops per class and set, with a sum."""
        counts = {
            name: [int(np.sum(self.y_true[indices] == k)) for k in range(self.panel.n_mirs + 1)]
            for name, indices in self.split.items()
        }
        table = pd.DataFrame(counts, index=self.panel.names)
        return table.assign(all=table.sum(axis=1))


def single_type_crops(experiment):
    """Labelled raw crops of the experiments named under `pretrain`, each with one miR and noise.

    Returns
    -------
    list of (wide_crops, y_true, noise_sd)
        y_true as the experiment's own panel has it.

    Raises
    ------
    InputError
        If one of them has another panel or pixel size, no labels, or frames of the experiment itself.
    """
    found = []
    for folder in experiment.pretrain:
        sample = load_experiment(folder)
        sample.require_alike(
            experiment.panel, experiment.pixel_size_nm, f"{experiment.folder}, which names it under pretrain, is"
        )
        files = ({path_fingerprint(path) for path in one.stack.paths} for one in (sample, experiment))
        if set.intersection(*files):
            raise InputError(f"{folder}: named under pretrain, but has frames of {experiment.folder}, test crops among them")
        sample.require_blobs()
        if not sample.labelled.any():
            raise InputError(f"{sample.blobs_path}: has no labels; an experiment named under pretrain needs them")
        blobs, _ = kept_blobs(sample)
        if len(blobs):
            noise = stack_noise_sd(sample.stack, sample.blobs, sample.panel.template_window)
            found.append((cut_raw_crops(sample.stack, blobs, sample.panel), blobs["y"].to_numpy(), noise))
    return found


def prepare(
    run, *, background_percentile=70.0, cap_sds=5.0, seed=3, quick=False, unlabelled=False, split_by="crop",
    test_share=0.20, validation_share=0.25, training_share=1.0,
) -> Dataset:  # fmt: skip
    """Everything the network needs, by the thesis's way; made once per settings and kept in the run folder's cache.

    Parameters
    ----------
    run : RunFolder
        Its experiment is cut.
    background_percentile, cap_sds : float
        Of `preprocess`.
    seed : int
        Of the split.
    quick : bool
        The first frames only.
    unlabelled : bool
        Do without labels where there are none: all blobs, no split, no scaler; templates are then the user's masks, or
        drawn from the panel.
    split_by : "crop" or "frame"
        The thesis's split, or whole frames.
    test_share, validation_share : float
        As `splits.split_by_crop` takes them.
    training_share : float
        Use only so large a part of the training crops; the others are left out, validation and test stay.

    Raises
    ------
    InputError
        If there are no labels, a class has none, or too few to split.

    Examples
    --------
    >>> data = mirnb.prepare(run)
    >>> sorted(data.split)
    ['test', 'training', 'validation']
    """
    experiment = run.experiment
    require_in_range(
        background_percentile=background_percentile, cap_sds=cap_sds, seed=seed, test_share=test_share,
        validation_share=validation_share, training_share=training_share,
    )  # fmt: skip
    if split_by not in ("crop", "frame"):
        raise ValueError(f"split_by must be crop or frame, got {split_by!r}")
    labelled = bool(experiment.labelled.any()) or not unlabelled
    if labelled:
        experiment.require_labels()
    settings = {
        "background_percentile": background_percentile, "cap_sds": cap_sds, "seed": seed, "quick": quick,
        "split_by": split_by, "test_share": test_share, "validation_share": validation_share,
        "training_share": training_share,
    }  # fmt: skip

    arrays = run.cached("crops", settings, lambda: _cut_all(experiment, settings, labelled=labelled))
    blobs = pd.DataFrame({name.removeprefix("blobs_"): arrays[name] for name in arrays if name.startswith("blobs_")})
    split = {name: arrays[name] for name in SETS}
    scaler = fit_scaler(arrays["crops"][split["training"]]) if labelled else None
    background = arrays["background"]
    seen = background if len(background) else arrays["wide_crops"][split["training"]]
    return Dataset(
        blobs, arrays["wide_crops"], arrays["crops"], split, arrays["templates"], scaler, background, noise_sd(seen),
        experiment.panel, settings,
    )  # fmt: skip


def _cut_all(experiment, settings, *, labelled):
    """Blobs, split, templates, crops and background as arrays."""
    n_frames, stack, panel = QUICK_FRAMES if settings["quick"] else None, experiment.stack, experiment.panel
    warn_of_places(experiment)
    blobs, _ = kept_blobs(experiment, labelled=labelled, n_frames=n_frames)
    y_true, wide_crops = blobs["y"].to_numpy(), cut_raw_crops(stack, blobs, panel)
    split = dict.fromkeys(SETS, np.zeros(0, int))
    if labelled:
        _require_enough(experiment, y_true)
        shares = {key: settings[key] for key in ("test_share", "validation_share", "seed")}
        by_frame = settings["split_by"] == "frame"
        split = split_by_frame(blobs["frame"], **shares) if by_frame else split_by_crop(len(blobs), **shares)
        split["training"] = some_of_each_class(y_true, split["training"], settings["training_share"], seed=settings["seed"])
        _require_all_classes(experiment, y_true[split["training"]])
    held_out, window = blobs.iloc[np.concatenate([split["validation"], split["test"]])], panel.template_window
    background = cut_background(stack, experiment.blobs, held_out, window, n_frames=n_frames, seed=settings["seed"])
    cleaning = {key: settings[key] for key in ("background_percentile", "cap_sds")}
    learned, raw_templates = split["training"], experiment.masks
    if raw_templates is None and not labelled:
        raw_templates = ideal_pairs(panel)
    elif raw_templates is None:  # the user brought none: medians of raw training crops
        raw_templates = median_templates(without_margin(wide_crops[learned]), y_true[learned], panel.n_mirs)
    templates = preprocess_templates(raw_templates, **cleaning)
    _require_light(experiment, templates)
    crops = cut_response_crops(stack, blobs, templates, panel.crop_window, **cleaning)
    columns = {f"blobs_{name}": blobs[name].to_numpy() for name in blobs}
    return {**columns, **split, "wide_crops": wide_crops, "crops": crops, "templates": templates, "background": background}


def some_of_each_class(y_true, rows, share, *, seed):
    """A part of `rows`, drawn class by class: that share of each, and at least one."""
    if share >= 1:
        return rows
    rng = np.random.default_rng([seed, 6])
    kept = []
    for k in np.unique(y_true[rows]):
        own = rng.permutation(rows[y_true[rows] == k])
        kept.append(own[: max(round(share * len(own)), 1)])
    return np.sort(np.concatenate(kept))


def _require_all_classes(experiment, y_true):
    missing = [name for k, name in enumerate(experiment.panel.names) if not np.any(y_true == k)]
    if missing:
        raise InputError(
            f"{experiment.blobs_path}: the split leaves no training crop of {', '.join(missing)}; label more or take "
            "another seed"
        )


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
