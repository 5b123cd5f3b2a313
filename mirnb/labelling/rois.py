"""Labels from ImageJ's point ROIs, and back: to look at, correct and show them on the stack in ImageJ.

A ROI's name or group says the class: "red", "0001-red", or group 1, 2, ... in the panel's order, noise last. ImageJ counts
points from the centre of the first pixel, blob tables from its outer corner.
"""

import re
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import roifile
from matplotlib.colors import to_rgb

from mirnb.classifiers.classifier import UNSURE
from mirnb.experiments.blobs import ERASED, UNLABELLED, read_blobs
from mirnb.experiments.experiment import QUARTER_TURNS
from mirnb.experiments.experiment_file import turned_pixels
from mirnb.files import InputError, require_file, whole_file

NEAR_PX = 3.0
_POINTS = {"frame": int, "y_px": float, "x_px": float, "label": int, "roi": str}
_LARGEST_BYTES = 200e6  # of a set of ROIs, unpacked
_NAME_OF_ERASED = "erased"


def read_points(path, panel, n_frames, *, unnamed=""):
    """Points of a .roi file or of a .zip of them.

    Parameters
    ----------
    n_frames : int
        Of the stack.
    unnamed : str
        Class of ROIs that name none, or classes of ImageJ's counters 0, 1, ... with commas between; they are refused when
        empty.

    Returns
    -------
    DataFrame, one row a point
        frame (from 0), y_px, x_px (from the outer corner), label (class or ERASED), roi (its name).

    Raises
    ------
    InputError
        If the file is none, or a ROI is no point, names no class, or says no frame of the stack.
    """
    path, rows = Path(path), []
    for one in filter(None, map(str.strip, unnamed.split(","))):
        panel.index(one)
    for roi in _read(path):
        name = roi.name or path.stem
        if roi.roitype != roifile.ROI_TYPE.POINT:
            kind = roi.roitype.name.lower()
            raise InputError(
                f"{path}: {name!r} is a {kind}; only point and multi-point ROIs can be labels, one point a molecule, on its "
                "upper blob (ImageJ's point tool)"
            )
        points = np.atleast_2d(roi.coordinates())
        if not np.isfinite(points).all():
            raise InputError(f"{path}: {name!r} has coordinates that are no numbers; draw the point again")
        labels = _labels_of(roi, len(points), name, panel, path, unnamed)
        # in a hyperstack whose frames lie along one axis the place on the others is 1
        own = max(roi.position, roi.c_position, roi.z_position, roi.t_position)
        positions = [own] * len(points) if roi.counter_positions is None else roi.counter_positions
        for (x, y), position, label in zip(points, positions, labels, strict=True):
            if not (1 <= position <= n_frames or (position == 0 and n_frames == 1)):
                raise InputError(
                    f"{path}: {name!r} lies on frame {position}, the stack has {n_frames}; add ROIs to ImageJ's manager "
                    "with their positions in the stack (0 is none)"
                )
            rows.append({"frame": max(position, 1) - 1, "y_px": y + 0.5, "x_px": x + 0.5, "label": label, "roi": name})
    return pd.DataFrame(rows, columns=list(_POINTS)).astype(_POINTS)


def _read(path):
    require_file(path)
    try:
        if zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as archive:
                unpacked = sum(one.file_size for one in archive.infolist())
            if unpacked > _LARGEST_BYTES:
                raise InputError(f"{path}: would unpack to {unpacked / 1e6:.0f} MB; a set of ROIs is far smaller")
        found = roifile.roiread(path)
    except InputError:
        raise
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror or error})") from None
    except Exception as error:  # whatever an odd file does to the reader
        raise InputError(f"{path}: not a file of ImageJ's ROIs (.roi or .zip): {error}") from None
    return found if isinstance(found, list) else [found]


def _labels_of(roi, n_points, name, panel, path, unnamed):
    """Label of each point: of the ROI, or of the counters its points were counted with."""
    counters = np.zeros(n_points, int) if roi.counters is None else np.asarray(roi.counters, int)
    classes = [one.strip() for one in unnamed.split(",")]
    different = np.unique(counters)
    if (len(different) > 1 or len(classes) > 1) and not roi.group and not _named_in(name, panel):
        if len(classes) <= different.max():
            raise InputError(
                f"{path}: {name!r} has points of counters {', '.join(map(str, different))}, each perhaps a class; give one "
                f"for each from 0 to {different.max()}, such as --class {','.join(panel.names[: different.max() + 1])}"
            )
        return [panel.index(classes[k]) for k in counters]
    return [_label_of(roi, name, panel, path, classes[0])] * n_points


def _named_in(name, panel):
    words = re.split(r"[^A-Za-z0-9]+", name.removesuffix(".roi"))
    return {one for one in [*panel.names, _NAME_OF_ERASED] if one in words or one == name}


def _label_of(roi, name, panel, path, unnamed):
    named = _named_in(name, panel)
    if len(named) == 1:
        (one,) = named
        return ERASED if one == _NAME_OF_ERASED else panel.index(one)
    if not named and 1 <= roi.group <= len(panel.names):
        return roi.group - 1
    if not named and not roi.group and unnamed:
        return panel.index(unnamed)
    raise InputError(
        f"{path}: {name!r} (group {roi.group}) names no class, or several; its name should be or hold one of "
        f"{', '.join([*panel.names, _NAME_OF_ERASED])}, or its group be 1 to {len(panel.names)} in that order"
    )


def nearest_blobs(points, experiment):
    """The blob of each point: the nearest on its frame, each blob once, nearest pairs first.

    Parameters
    ----------
    points : DataFrame
        As `read_points` gives them.

    Returns
    -------
    blobs : int ndarray of shape (n_points,)
        Rows of the blob table, -1 where none is within NEAR_PX or a nearer point has it.
    """
    y, x = (experiment.table[name].to_numpy(float) / experiment.pixel_size_nm for name in ("y [nm]", "x [nm]"))
    blobs, frames = np.full(len(points), -1), experiment.frame_index
    for frame, rows in points.groupby("frame").indices.items():
        own = np.flatnonzero(frames == frame)
        distance = np.hypot(points["y_px"].to_numpy()[rows, None] - y[own], points["x_px"].to_numpy()[rows, None] - x[own])
        taken = np.zeros(len(own), bool)
        for flat in np.argsort(distance, axis=None, kind="stable"):
            point, blob = np.unravel_index(flat, distance.shape)
            if distance[point, blob] > NEAR_PX:
                break
            if blobs[rows[point]] < 0 and not taken[blob]:
                blobs[rows[point]], taken[blob] = own[blob], True
    return blobs


def with_calls(experiment, path):
    """An experiment with the calls of a table that `Classifier.classify` or counting wrote in place of labels.

    Raises
    ------
    InputError
        If it is no such table, or one of another stack or panel.
    """
    table = read_blobs(path, pixel_size_nm=experiment.pixel_size_nm)
    turns, panel = QUARTER_TURNS[experiment.dispersion], experiment.panel
    rows, cols, problems = turned_pixels(table, path, experiment.stack, experiment.pixel_size_nm, turns)
    if "class" not in table:
        problems.insert(0, f"{path}: has no column class; mirnb classify and mirnb quantify write tables with calls")
        table["class"] = ""
    known = {**{name: k for k, name in enumerate(panel.names)}, "": UNLABELLED, UNSURE: UNLABELLED}
    called = table["class"].fillna("").astype(str)
    unknown = sorted(set(called) - set(known))
    if unknown:
        problems.append(f"{path}: calls {', '.join(unknown)}, but the panel has {', '.join(panel.names)}")
    if problems:
        raise InputError("\n".join(problems))
    labels = called.map(known).to_numpy()
    if "partner" in table:  # lower halves of pairs, which counting leaves out
        labels = np.where(table["partner"].fillna("").astype(str) == "", labels, UNLABELLED)
    return replace(experiment, table=table, blobs_path=Path(path), rows=rows, cols=cols, labels=labels)


def write_rois(path, experiment):
    """Write the labels of a blob table as a ROI set (.zip), as `rois_of` gives it.

    Returns
    -------
    int : points written

    Raises
    ------
    InputError
        If there are no labels, or the file is no .zip.
    """
    path = Path(path)
    if path.suffix.lower() != ".zip":
        raise InputError(f"{path}: a set of ROIs is a .zip file")
    rois = rois_of(experiment)
    if not rois:
        raise InputError(
            f"{experiment.blobs_path}: has no labels to export; --calls FILE.csv takes what mirnb classify wrote"
        )
    with whole_file(path) as temporary, zipfile.ZipFile(temporary, "w", zipfile.ZIP_DEFLATED) as archive:
        for roi in rois:
            archive.writestr(f"{roi.name}.roi", roi.tobytes())
    return sum(len(roi.coordinates()) for roi in rois)


def rois_of(experiment):
    """The labels of a blob table as a multi-point ROI for each class and frame, in its colour: list of ImagejRoi."""
    panel, chosen = experiment.panel, (experiment.labels >= 0) | (experiment.labels == ERASED)
    y, x = (experiment.table[name].to_numpy(float) / experiment.pixel_size_nm - 0.5 for name in ("y [nm]", "x [nm]"))
    names, colours = [*panel.names, _NAME_OF_ERASED], [*panel.colours, "#000000"]  # ERASED counts from the end
    rois = []
    for frame in np.unique(experiment.frame_index[chosen]):
        for label in np.unique(experiment.labels[chosen & (experiment.frame_index == frame)]):
            own = np.flatnonzero((experiment.frame_index == frame) & (experiment.labels == label))
            position = int(frame) + 1
            roi = roifile.ImagejRoi.frompoints(np.column_stack([x[own], y[own]]), name=f"{position:04d}-{names[label]}")
            roi.roitype, roi.position = roifile.ROI_TYPE.POINT, position
            roi.group = 0 if label == ERASED else int(label) + 1
            roi.stroke_color = bytes([255, *(round(255 * part) for part in to_rgb(colours[label]))])
            rois.append(roi)
    return rois
