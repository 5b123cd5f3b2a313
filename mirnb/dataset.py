"""The labelled crops of an experiment: the thesis's way from frames to crops, each step once, kept in the run folder."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from tqdm.auto import tqdm

from mirnb.experiment import load_experiment
from mirnb.files import InputError
from mirnb.imaging.correlation import Correlator
from mirnb.imaging.crops import cut_crops, fits
from mirnb.imaging.preprocessing import noise_sd, preprocess
from mirnb.imaging.templates import MIN_MOLECULES, median_templates, preprocess_templates
from mirnb.panel import Panel
from mirnb.splits import SETS, Scaler, fit_scaler, split_by_crop, split_by_frame
from mirnb.stacks import path_fingerprint

QUICK_FRAMES = 6
MARGIN_PX = 2  # raw crops are kept so much wider than a template, for mirroring and shifting
N_PATCHES = 6000  # of background, at most
MIN_PER_CLASS = 5  # labelled blobs; with fewer a split can leave a set without the class


@dataclass(frozen=True)
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


def wide_window(panel):
    """Window of raw crops as they are kept: the template window and a margin."""
    return panel.template_window.grown(MARGIN_PX)


def without_margin(wide_crops):
    """Raw crops in the template window, from raw crops as they are kept."""
    return wide_crops[:, MARGIN_PX:-MARGIN_PX, MARGIN_PX:-MARGIN_PX]


def cut_raw_crops(experiment, blobs):
    """Raw crops of blobs in the wide window, (n_blobs, rows, cols), counts; the margin is reflected at a frame's edge."""
    window = wide_window(experiment.panel)
    crops = np.empty((len(blobs), *window.shape), experiment.stack.dtype)
    for here, frame in _frames_with_blobs(experiment, blobs, "raw crops"):
        padded = np.pad(frame, MARGIN_PX, mode="reflect")
        crops[here] = cut_crops(padded, blobs["row"][here] + MARGIN_PX, blobs["col"][here] + MARGIN_PX, window)
    return crops


def cut_background(experiment, held_out, *, n_frames=None, n_patches=N_PATCHES, seed=3, apart_px=4):
    """Patches of the frames in the template window, at random places: what the light of a blob would fall upon.

    In the middle of a patch there is no blob of the table. Its neighbours are those of the frame, less the ones that are
    held out: where blobs lie dense there are fewer than beside a blob.

    Parameters
    ----------
    experiment : Experiment
    held_out : DataFrame
        frame, row, col of blobs whose crops no patch may touch: those of validation and test.
    n_frames : int, optional
        The first frames only.
    n_patches : int
        At most, from frames spread evenly; fewer where blobs lie dense.
    seed : int
    apart_px : int
        No blob of the table lies nearer to the middle of a patch, on both axes.

    Returns
    -------
    patches : ndarray of shape (n_patches, *template window), the stack's dtype
    """
    window, rng = experiment.panel.template_window, np.random.default_rng([seed, 5])
    rows, cols = experiment.stack.frame_shape
    n_frames = min(len(experiment.stack), n_frames or len(experiment.stack))
    chosen = np.unique(np.linspace(0, n_frames - 1, min(n_frames, max(n_patches // 20, 1))).round().astype(int))
    n_each = max(n_patches // len(chosen), 1)
    patches = [np.empty((0, *window.shape), experiment.stack.dtype)]
    taken = pd.DataFrame({"frame": experiment.frame_index, "row": experiment.rows, "col": experiment.cols})
    for index, frame in experiment.stack.frames(chosen):
        row = rng.integers(window.above, rows - window.below + 1, 6 * n_each)
        col = rng.integers(window.left, cols - window.right + 1, 6 * n_each)
        touches = _near(row, col, held_out[held_out["frame"] == index], window.shape)
        on_blob = _near(row, col, taken[taken["frame"] == index], (apart_px, apart_px))
        free = np.flatnonzero(~touches & ~on_blob)[:n_each]
        patches.append(cut_crops(frame, row[free], col[free], window))
    return np.concatenate(patches)


def stack_noise_sd(experiment, *, n_patches=2000):
    """Noise of a pixel of a stack, counts: of patches without a blob, as that of training crops is found."""
    nothing = pd.DataFrame({"frame": [], "row": [], "col": []})
    patches = cut_background(experiment, nothing, n_patches=n_patches)
    return noise_sd(patches if len(patches) else next(experiment.stack.frames([0]))[1])


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
        if sample.panel.look != experiment.panel.look:
            raise InputError(
                f"{folder}: named under pretrain, but its panel {sample.panel.name!r} ({', '.join(sample.panel.mir_names)}) "
                f"is another one than {experiment.panel.name!r} (names, dyes, separations or bands)"
            )
        files = ({path_fingerprint(path) for path in one.stack.paths} for one in (sample, experiment))
        if set.intersection(*files):
            raise InputError(f"{folder}: named under pretrain, but has frames of {experiment.folder}, test crops among them")
        if abs(sample.pixel_size_nm / experiment.pixel_size_nm - 1) > 0.05:
            raise InputError(f"{folder}: named under pretrain, but has pixels of {sample.pixel_size_nm:g} nm, not "
                             f"{experiment.pixel_size_nm:g}")  # fmt: skip
        sample.require_blobs()
        if not sample.labelled.any():
            raise InputError(f"{sample.blobs_path}: has no labels; an experiment named under pretrain needs them")
        blobs, _ = kept_blobs(sample)
        if len(blobs):
            found.append((cut_raw_crops(sample, blobs), blobs["y"].to_numpy(), stack_noise_sd(sample)))
    return found


def _near(row, col, blobs, apart_px):
    """Which places have one of the blobs nearer than `apart_px` (rows, cols)."""
    down = np.abs(row[:, None] - blobs["row"].to_numpy()) < apart_px[0]
    right = np.abs(col[:, None] - blobs["col"].to_numpy()) < apart_px[1]
    return np.any(down & right, axis=1)


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
    return median_templates(raw_crops[training], y_true[training], experiment.panel.n_mirs)


def prepare(
    experiment, run, *, background_percentile=70.0, cap_sds=5.0, seed=3, quick=False, unlabelled=False, split_by="crop",
    test_share=0.20, validation_share=0.25, training_share=1.0,
):  # fmt: skip
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
    split_by : "crop" or "frame"
        The thesis's split, or whole frames.
    test_share, validation_share : float
        As `splits.split_by_crop` takes them.
    training_share : float
        Use only so large a part of the training crops; the others are left out, validation and test stay.

    Returns
    -------
    Dataset

    Raises
    ------
    InputError
        If there are no labels, a class has none, or too few to split.
    ValueError
        If the run folder is another experiment's: its cache would answer for that one.
    """
    if split_by not in ("crop", "frame"):
        raise ValueError(f"split_by must be crop or frame, got {split_by!r}")
    if run.experiment.folder.resolve() != experiment.folder.resolve():
        raise ValueError(f"{experiment.folder}: the run folder {run.root} is that of {run.experiment.folder}")
    labelled = bool(experiment.labelled.any()) or not (unlabelled and experiment.masks is not None)
    if labelled:
        experiment.require_labels()
    settings = {
        "background_percentile": background_percentile, "cap_sds": cap_sds, "seed": seed, "quick": quick,
        "split_by": split_by, "test_share": test_share, "validation_share": validation_share,
        "training_share": training_share,
    }  # fmt: skip

    def make():
        n_frames = QUICK_FRAMES if quick else None
        blobs, _ = kept_blobs(experiment, labelled=labelled, n_frames=n_frames)
        wide_crops = cut_raw_crops(experiment, blobs)
        split = dict.fromkeys(SETS, np.zeros(0, int))
        if labelled:
            _require_enough(experiment, blobs["y"].to_numpy())
            shares = {"test_share": test_share, "validation_share": validation_share, "seed": seed}
            by_frame = split_by == "frame"
            split = split_by_frame(blobs["frame"], **shares) if by_frame else split_by_crop(len(blobs), **shares)
            split["training"] = some_of_each_class(blobs["y"].to_numpy(), split["training"], training_share, seed=seed)
            _require_all_classes(experiment, blobs["y"].to_numpy()[split["training"]])
        held_out = blobs.iloc[np.concatenate([split["validation"], split["test"]])]
        background = cut_background(experiment, held_out, n_frames=n_frames, seed=seed)
        raw_templates = make_templates(experiment, without_margin(wide_crops), blobs["y"].to_numpy(), split)
        cleaning = {"background_percentile": background_percentile, "cap_sds": cap_sds}
        templates = preprocess_templates(raw_templates, **cleaning)
        _require_light(experiment, templates)
        crops = cut_response_crops(experiment, blobs, templates, **cleaning)
        columns = {f"blobs_{name}": blobs[name].to_numpy() for name in blobs}
        return {
            **columns, **split, "wide_crops": wide_crops, "crops": crops, "templates": templates, "background": background,
        }  # fmt: skip

    arrays = run.cached("crops", settings, make)
    blobs = pd.DataFrame({name.removeprefix("blobs_"): arrays[name] for name in arrays if name.startswith("blobs_")})
    split = {name: arrays[name] for name in SETS}
    scaler = fit_scaler(arrays["crops"][split["training"]]) if labelled else None
    background = arrays["background"]
    seen = background if len(background) else arrays["wide_crops"][split["training"]]
    return Dataset(
        blobs, arrays["wide_crops"], arrays["crops"], split, arrays["templates"], scaler, background, noise_sd(seen),
        experiment.panel,
    )  # fmt: skip


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
