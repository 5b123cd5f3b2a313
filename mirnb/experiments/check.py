"""Look through an experiment folder: what was found, what is odd, and every problem at once, in words."""

from dataclasses import dataclass, field

import numpy as np
from scipy.spatial import cKDTree
from tqdm.auto import tqdm

from mirnb.experiments.experiment import QUARTER_TURNS
from mirnb.experiments.experiment_file import inspect_experiment
from mirnb.experiments.panel import Window
from mirnb.experiments.placement import warn_of_places
from mirnb.files import InputError, heard
from mirnb.imaging.crops import cut_crops, fits
from mirnb.imaging.neighbours import find_crowded

_LOOK_AT_FRAMES = 8  # for the direction of the dispersion
MANY_REPEATED = 0.2  # share of blobs where the frame before has one; new fields of view have hardly any


@dataclass(repr=False)
class Check:
    """Sentences about an experiment; problems make it unusable as it is."""

    found: list = field(default_factory=list)
    warnings: list = field(default_factory=list)
    problems: list = field(default_factory=list)

    def __repr__(self):
        told = [*self.found, *(f"warning: {one}" for one in self.warnings), *(f"problem: {one}" for one in self.problems)]
        return "\n".join([*told, f"{len(self.problems)} to mend" if self.problems else "no problem found"])


def check_experiment(folder) -> Check:
    """Check an experiment folder, pixels included."""
    with heard() as said:
        experiment, problems = inspect_experiment(folder)
        if not problems and experiment.table is not None:
            warn_of_places(experiment)
    check = Check(problems=list(problems), warnings=said)
    if experiment is None:
        return check
    stack = experiment.stack
    rows, cols = stack.frame_shape
    check.found += [
        f"name: {experiment.name}" + (" (simulated)" if experiment.simulated is not None else ""),
        f"stack: {len(stack)} frames of {rows}x{cols} {stack.dtype} in {len(stack.paths)} file"
        + ("s" if len(stack.paths) > 1 else ""),
        f"pixel size: {experiment.pixel_size_nm:g} nm, so a frame is {cols * experiment.pixel_size_nm / 1000:.1f} x "
        f"{rows * experiment.pixel_size_nm / 1000:.1f} µm",
        f"panel: {experiment.panel.name} ({', '.join(experiment.panel.mir_names)}), dispersion {experiment.dispersion}",
        "masks: " + ("one for each miR" if experiment.masks is not None else "none, templates come from training crops"),
    ]
    if stack.take:
        check.found.append("taken: " + ", ".join(f"{key} {value}" for key, value in stack.take.items()))
    _read_all_frames(stack, check)
    if experiment.blobs_path is None:
        check.warnings.append("experiment.toml names no blobs; export them from ThunderSTORM or run mirnb detect")
    elif experiment.table is not None and len(experiment.table) == 0:
        check.problems.append(f"{experiment.blobs_path}: holds no blob, only a header")
    elif not check.problems:
        _check_blobs(experiment, check)
    return check


def _read_all_frames(stack, check):
    try:
        for _ in tqdm(stack.frames(), total=len(stack), desc="reading frames", unit="frame", leave=False):
            pass
    except InputError as error:
        check.problems.append(str(error))


def _check_blobs(experiment, check):
    panel = experiment.panel
    check.found.append(f"blobs: {len(experiment.rows)}, {len(experiment.rows) / len(experiment.stack):.0f} a frame")
    counts = experiment.count_labels()
    if experiment.labelled.any():
        check.found.append("labels: " + ", ".join(f"{name} {n}" for name, n in counts.items()))
        for k, name in enumerate(panel.names):
            if not np.any(experiment.labels == k):
                check.warnings.append(f"no blob is labelled {name}; training needs some of every class")
    else:
        check.found.append("labels: none; classifying works, training does not")
    kept = fits(experiment.stack.frame_shape, experiment.rows, experiment.cols, panel.crop_window)
    if not kept.all():
        size = "x".join(map(str, panel.crop_window.shape))
        check.found.append(f"near the border: {np.sum(~kept)} blobs, whose {size} crop leaves the frame, will be left out")
    repeats = share_repeated(experiment.frame_index, experiment.rows, experiment.cols)
    if repeats > MANY_REPEATED:
        check.warnings.append(
            f"{repeats:.0%} of blobs lie where the frame before has one; if this is a time series of one field of view, "
            "every molecule is counted many times"
        )
    try:
        clear = require_dispersion(experiment)
        check.found.append(
            f"direction of the dispersion: second blobs lie {experiment.dispersion}, as said"
            if clear
            else "direction of the dispersion: the blobs do not tell"
        )
    except InputError as error:
        check.problems.append(str(error))


def require_dispersion(experiment):
    """Refuse an experiment whose pairs plainly lie another way than experiment.toml says, as every number would be wrong.

    Returns
    -------
    clear : bool
        Whether the blobs tell the direction at all.

    Raises
    ------
    InputError
    """
    stack, panel, said = experiment.stack, experiment.panel, experiment.dispersion
    blobs = experiment.blobs[~experiment.repeated]
    return require_pairs_along(stack, blobs, panel, said, experiment.folder / "experiment.toml")


def require_pairs_along(stack, blobs, panel, dispersion, source):
    """`require_dispersion` of a stack that was turned for this dispersion, its blobs as `guess_dispersion` takes them."""
    guess, clear = guess_dispersion(stack, blobs, panel, dispersion)
    if clear and guess != dispersion:
        raise InputError(
            f'{source}: dispersion is said to run {dispersion}, but second blobs lie {guess}; set dispersion = "{guess}"'
        )
    return clear


def share_repeated(frames, rows, cols):
    """Share of blobs, from the second frame on, within 1 px of a blob of the frame before: near 0 for new fields of view."""
    at = {frame: np.column_stack([rows[frames == frame], cols[frames == frame]]) for frame in np.unique(frames)}
    near, total = 0, 0
    for frame, here in at.items():
        if frame - 1 in at:
            near += int(np.sum(cKDTree(at[frame - 1]).query(here)[0] <= 1.5))
            total += len(here)
    return near / total if total else 0.0


def guess_dispersion(stack, blobs, panel, dispersion):
    """Where the second, dimmer blob of the pairs lies.

    The mean light in a strip beside each blob, as far away as the panel's gaps reach, is compared between the four sides.
    Labelled miRs are used where there are some, else all blobs that stand alone in the table.

    Parameters
    ----------
    stack : Stack or HeldFrames
    blobs : DataFrame
        frame (from 0), row, col, y (class, negative where none is known).
    dispersion : str
        For which the frames were turned.

    Returns
    -------
    direction : str
        down, up, left or right, in the stack as it was recorded.
    clear : bool
        Whether it stands out from the next best by 4 standard errors.
    """
    near, far = max(min(mir.gap_px for mir in panel.mirs) - 1, 3), max(mir.gap_px for mir in panel.mirs) + 2
    reach = int(np.ceil(far)) + 1
    is_mir = blobs["y"].between(0, panel.noise - 1)
    around = Window(above=reach, below=reach + 1, left=reach, right=reach + 1)
    if is_mir.sum() < 20:  # a lower blob that is detected sees its brighter upper one above: such pairs tell nothing
        is_mir = ~find_crowded(*(blobs[name].to_numpy() for name in ("frame", "row", "col")), around)
    by_frame = dict(list(blobs[is_mir].groupby("frame"))[:_LOOK_AT_FRAMES])
    steps = np.arange(-reach, reach + 1)
    strip = (steps >= near) & (steps <= far)
    middle = np.abs(steps) <= 2
    masks = {
        "down": np.outer(strip, middle), "up": np.outer(strip[::-1], middle),
        "right": np.outer(middle, strip), "left": np.outer(middle, strip[::-1]),
    }  # fmt: skip
    light = []
    for index, frame in stack.frames(by_frame):
        here = by_frame[index][fits(frame.shape, by_frame[index]["row"], by_frame[index]["col"], around)]
        quarters = np.percentile(frame, [25, 50, 75])
        capped = np.minimum(frame.astype(np.float32), quarters[1] + 10 * (quarters[2] - quarters[0]))
        crops = cut_crops(capped, here["row"].to_numpy(), here["col"].to_numpy(), around)
        light.append(np.column_stack([crops[:, mask].mean(axis=1) for mask in masks.values()]))
    light = np.concatenate(light) if light else np.zeros((0, len(masks)))
    if len(light) < 10:
        return "down", False
    order = np.argsort(light.mean(axis=0))
    difference = light[:, order[-1]] - light[:, order[-2]]
    clear = difference.mean() > 4 * difference.std() / np.sqrt(len(difference))
    return _as_recorded(list(masks)[order[-1]], dispersion), bool(clear)


def _as_recorded(direction, said):
    """A direction seen in turned frames, as it was before they were turned against the clock."""
    around = ["down", "right", "up", "left"]  # each a quarter turn against the clock from the one before
    return around[(around.index(direction) - QUARTER_TURNS[said]) % 4]
