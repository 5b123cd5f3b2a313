"""What a worker does of counting: look at a stack, find and classify the blobs of a few frames."""

import functools
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from mirnb.caches import made_by
from mirnb.classifiers.classifier import load_classifier
from mirnb.classifiers.likeness import frames_to_look_at, pixels_of
from mirnb.counting.chance import call_turned
from mirnb.counting.frames import fit_given, measure_frame
from mirnb.experiments.blobs import UNLABELLED
from mirnb.experiments.check import require_pairs_along
from mirnb.experiments.experiment import QUARTER_TURNS
from mirnb.experiments.placement import about_places
from mirnb.experiments.stacks import HeldFrames, Stack
from mirnb.files import heard
from mirnb.imaging.crops import fits
from mirnb.imaging.detection import detect_frame

FRAMES_A_PART = 8
FITTED = ("sigma_px", "flux", "offset", "bkgstd")


@dataclass(frozen=True)
class Job:
    """A stack as it travels to workers: plain values alone."""

    name: str
    paths: tuple  # of str
    dispersion: str
    pixel_size_nm: float
    n_frames: int
    key: str  # of the classifier, the stack and its blobs: names its folder in the cache
    take: tuple = ()  # (key, value) of what is taken of the files


@functools.lru_cache(maxsize=2)
def _unpacked(files):
    """The classifier of a folder's files, loaded once a worker."""
    with tempfile.TemporaryDirectory() as folder:
        for name, content in files:
            (Path(folder) / name).write_bytes(content)
        return load_classifier(folder)


@functools.lru_cache(maxsize=2)
def _stack(paths, dispersion, take):
    with heard():  # the client has said what there is to say
        return Stack(paths, quarter_turns=QUARTER_TURNS[dispersion], take=dict(take))


def look_at_stack(packed, job, places):
    """What a stack is like, from a few frames of it; runs on a worker.

    Parameters
    ----------
    packed : dict
        Name and content of the classifier's files.
    job : Job
    places : DataFrame or None
        Of a blob table, as `placement.about_places` takes them; None: blobs are detected.

    Returns
    -------
    dict of arrays without dimensions
        What `likeness.look_at_frames` and `chance.call_turned` give; and misplaced, text: how the table does not fit the
        light, empty where it does.

    Raises
    ------
    InputError
        If a frame cannot be read, or pairs plainly lie another way than the dispersion is said to run.
    """
    classifier, stack = _unpacked(tuple(packed.items())), _stack(job.paths, job.dispersion, job.take)
    frames = [frame for _, frame in stack.frames(frames_to_look_at(len(stack)))]
    values, found = classifier.look(frames)
    blobs = pd.concat([pixels_of(one, k) for k, one in enumerate(found)], ignore_index=True)
    require_pairs_along(HeldFrames(frames), blobs.assign(y=UNLABELLED), classifier.panel, job.dispersion, job.name)
    half = blobs[blobs["frame"] % 2 == 0].assign(frame=blobs["frame"] // 2)  # three calls a blob take a while
    values |= call_turned(classifier, frames[::2], half, classifier.scale_for(values))
    misplaced = "" if places is None else about_places(stack, places, job.pixel_size_nm)
    return {name: np.array(value) for name, value in {**values, "misplaced": misplaced}.items()}


def count_part(packed, job, start, blobs, scale):
    """Find and classify the blobs of a few frames of a stack; runs on a worker.

    Parameters
    ----------
    packed : dict
        Name and content of the classifier's files.
    job : Job
    start : int
        First frame, from 0.
    blobs : DataFrame or None
        Blobs of a table on these frames (see `classify_frames`); None: they are detected.
    scale : float
        Of the stack, as `likeness.scale_for` gives it.

    Returns
    -------
    dict of arrays, as `classify_frames` gives them, frames counted in the stack; a row of measures of each frame, as
    `frames.measure_frame` gives them; and made_by, text
    """
    classifier, stack = _unpacked(tuple(packed.items())), _stack(job.paths, job.dispersion, job.take)
    frames = [frame for _, frame in stack.frames(range(start, min(start + FRAMES_A_PART, len(stack))))]
    if blobs is None:
        found = [detect_frame(frame) for frame in frames]
    else:
        blobs = blobs.assign(frame=blobs["frame"] - start)
        given = [blobs.loc[blobs["frame"] == k, ["row", "col"]].to_numpy() for k in range(len(frames))]
        found = [fit_given(frame, *own.T) for frame, own in zip(frames, given, strict=True)]
    measures = pd.DataFrame([measure_frame(*one, classifier.panel) for one in zip(frames, found, strict=True)])
    arrays = classify_frames(classifier, frames, scale, blobs=blobs, found=found)
    return {**arrays, "frame": arrays["frame"] + start, "made_by": np.array(made_by()),
            **{f"measured_{name}": measures[name].to_numpy() for name in measures}}  # fmt: skip


def classify_frames(classifier, frames, scale=1.0, *, blobs=None, found=None):
    """Find and classify the blobs of frames.

    Parameters
    ----------
    frames : list of ndarray (rows, cols), dispersion down
    scale : float
        Of the stack they are from.
    blobs : DataFrame, optional
        table_row, frame (from 0, in `frames`), row, col; without it blobs are detected.
    found : list of DataFrame, optional
        Of each frame, as `detection.detect_frame` gives them, where they are known.

    Returns
    -------
    dict of arrays, one row a blob, in the order of frames
        frame, y_prob (n_blobs, n_classes; NaN where the crop leaves the frame), and table_row, row, col of given blobs or
        y_px, x_px, sigma_px, flux, offset, bkgstd of detected ones.
    """
    if blobs is None:
        found = [detect_frame(frame) for frame in frames] if found is None else found
        found = pd.concat([one.assign(frame=k) for k, one in enumerate(found)], ignore_index=True)
        blobs = pixels_of(found, found["frame"])
        columns = {name: found[name].to_numpy() for name in ("y_px", "x_px", *FITTED)}
    else:
        columns = {name: blobs[name].to_numpy() for name in ("table_row", "row", "col")}
    y_prob = np.full((len(blobs), classifier.panel.n_mirs + 1), np.nan, np.float32)
    kept = fits(frames[0].shape, blobs["row"], blobs["col"], classifier.panel.crop_window)
    asked = blobs[kept].reset_index(drop=True)
    y_prob[kept] = classifier.predict(classifier.cut(HeldFrames(frames), asked), scale=scale)
    return {"frame": blobs["frame"].to_numpy(), "y_prob": y_prob, **columns}
