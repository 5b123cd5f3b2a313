"""The positions of a blob table on the light of its stack, to be drawn: as they are, and where they would fit."""

import numpy as np

from mirnb.experiments.cutouts import busiest_corner
from mirnb.experiments.placement import FITS, looked_at, misplacement_of, places_of, recorded_frames
from mirnb.imaging.detection import filtered_noise, wavelet

_PART_PX, _PART_OF_ONE_PX, _PART_FOR_SMALL_PX = 100, 200, 40  # sides of the part: a mean of frames has the blobs of all
_SMALL_PX = 5.0  # shift that is hardly seen on a whole frame
AS_THEY_ARE, WHERE_THEY_FIT = "positions of the table", "where they would fit"


def places_on_light(experiment):
    """Positions of an experiment's table on the mean of the frames that are looked at, as `images.draw_places` takes them.

    Frames lie as they were recorded and went through the wavelet filter of detection, as a mean of new fields of view has
    each blob so many times dimmer. Where positions fit other frames, those of one frame are shown on it and on the one that
    fits.
    {} without a table, or with an empty one.
    """
    if experiment.table is None or experiment.table.empty:
        return {}
    stack, found, places = experiment.stack, misplacement_of(experiment), looked_at(places_of(experiment))
    if found.dark:
        places = places[places["frame"].isin(found.dark)]
    if found.frames_on:
        places = places[(places["frame"] + found.frames_on).between(0, len(stack) - 1)]
        places = places[places["frame"] == places["frame"].mode()[0]]
    title = f"{experiment.blobs_path.name}: {found.words or _no_fault(found)}"
    return {"panels": _panels(stack, found, places), "um_per_px": experiment.pixel_size_nm / 1000, "title": title}


def _panels(stack, found, places):
    light, about = _mean_light(stack, places["frame"])
    fitted = found.fitted(places, light.shape)
    sets = {AS_THEY_ARE: _points(places), WHERE_THEY_FIT: _points(fitted)} if found.moves else {AS_THEY_ARE: _points(places)}
    is_small = found.moves and (found.turned, found.scale) == ("", 1.0) and np.abs(found.shift_px).max() < _SMALL_PX
    side_px = _PART_OF_ONE_PX if places["frame"].nunique() == 1 else _PART_FOR_SMALL_PX if is_small else _PART_PX
    corner = busiest_corner(*np.floor(_points(fitted)).T, light.shape, side_px)
    if not found.frames_on:
        return {about: (light, (0, 0), None, sets), "a part of it": (light, corner, side_px, sets)}
    other, other_about = _mean_light(stack, fitted["frame"])
    return {
        f"{about}, as the table says": (light, corner, side_px, {AS_THEY_ARE: _points(places)}),
        other_about: (other, corner, side_px, {WHERE_THEY_FIT: _points(fitted)}),
    }


def _no_fault(found):
    if found.light is None:
        return "too few positions to tell whether they lie on the light"
    return "positions lie on the light" if found.light >= FITS else "whether positions lie on the light cannot be told"


def _points(places):
    return places[["y_px", "x_px"]].to_numpy()


def _mean_light(stack, frames):
    """Filtered mean (rows, cols) of frames in standard deviations of its noise, and what it is of."""
    frames = sorted({int(frame) for frame in frames} & set(range(len(stack))))
    mean = sum(frame.astype(np.float32) for _, frame in recorded_frames(stack, frames)) / len(frames)
    light = wavelet(mean)
    about = f"frame {frames[0] + 1}" if len(frames) == 1 else f"mean of {len(frames)} frames"
    return light / (filtered_noise(light) or 1), about
