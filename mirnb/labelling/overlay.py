"""Calls on a stack as a picture or for another program, by the ending of the file: ImageJ, napari, Picasso.

ImageJ, napari and Picasso count positions from the middle of the first pixel; a blob table from its outer corner.
"""

from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import tifffile

from mirnb import plots
from mirnb.experiments.blobs import UNLABELLED
from mirnb.files import InputError, whole_file
from mirnb.labelling.rois import rois_of, write_rois

PICTURES = (".png", ".svg", ".pdf")
_LARGEST_BYTES = 4e9  # that ImageJ's TIFF holds
_OF_IMAGEJ = ("uint8", "uint16", "float32")
_OF_PICASSO = {"photons": "intensity [photon]", "bg": "offset [photon]"}
_UNCERTAINTY = ("uncertainty_xy [nm]", "uncertainty [nm]")


def write_overlay(path, experiment, *, frame=None):
    """Write what an experiment's blobs are called: what was written, in words.

    Parameters
    ----------
    path : path
        .png, .svg, .pdf: a frame with its calls; .zip: ImageJ's ROIs; .tif: the stack with them as its overlay; .csv:
        points of napari; .hdf5: localisations of Picasso, with a .yaml beside it.
    experiment : Experiment
        Its labels are what is drawn (see `rois.with_calls`).
    frame : int, optional
        Of a picture, from 0; by default the one with most molecules.

    Raises
    ------
    InputError
        If the ending is another one, nothing is called, or the format cannot hold the stack.
    """
    path = Path(path)
    if not np.any(experiment.labels != UNLABELLED):
        raise InputError(f"{experiment.blobs_path}: has no calls and no labels to show")
    if path.suffix.lower() in PICTURES:
        return _write_picture(path, experiment, frame)
    if path.suffix.lower() not in _WRITERS:
        raise InputError(f"{path}: must end with {', '.join([*PICTURES, *_WRITERS])}")
    return _WRITERS[path.suffix.lower()](path, experiment)


def _write_picture(path, experiment, frame):
    panel, shown = experiment.panel, experiment.labels >= 0
    blobs = experiment.blobs[shown].assign(**{"class": np.array(panel.names)[experiment.labels[shown]]})
    if frame is None:
        called = blobs[blobs["class"] != panel.names[panel.noise]]
        frame = int((called if len(called) else blobs)["frame"].mode()[0])
    if not 0 <= frame < len(experiment.stack):
        raise InputError(f"frame {frame + 1}: the stack has {len(experiment.stack)}")
    ((_, image),) = experiment.stack.frames([frame])
    plots.use_style()
    about = {"um_per_px": experiment.pixel_size_nm / 1000, "title": f"{experiment.name}, frame {frame + 1}"}
    ax = plots.draw_frame(image, blobs[blobs["frame"] == frame], panel, **about)
    with whole_file(path) as temporary:
        ax.figure.savefig(temporary, bbox_inches="tight", metadata={"Date": None} if path.suffix.lower() == ".svg" else None)
    return f"frame {frame + 1} with its calls"


def _write_rois(path, experiment):
    return f"{write_rois(path, experiment)} points, ROIs to open on the stack in ImageJ"


def _write_imagej(path, experiment):
    """The stack as it was recorded, with the ROIs as its overlay."""
    stack = experiment.stack.as_recorded()
    shape = (len(stack), *stack.frame_shape)
    if stack.dtype.name not in _OF_IMAGEJ or np.prod(shape, dtype=float) * stack.dtype.itemsize > _LARGEST_BYTES:
        raise InputError(
            f"{path}: ImageJ's TIFF holds {', '.join(_OF_IMAGEJ)} of up to 4 GB, not {stack.dtype} {shape}; write .zip, and "
            "open it on the stack"
        )
    rois, per_um = rois_of(experiment), 1000 / experiment.pixel_size_nm
    with whole_file(path) as temporary:
        tifffile.imwrite(
            temporary, (one for _, one in stack.frames()), shape=shape, dtype=stack.dtype, imagej=True,
            resolution=(per_um, per_um), metadata={"axes": "ZYX", "unit": "um", "Overlays": [one.tobytes() for one in rois]},
        )  # fmt: skip
    return f"the stack with {sum(len(one.coordinates()) for one in rois)} points as ImageJ's overlay"


def _write_napari(path, experiment):
    """Points as napari reads them: index, axis-0 (frame), axis-1 (row), axis-2 (col), and what is known of each."""
    places, chosen = _places(experiment)
    names = np.array(experiment.panel.names)[experiment.labels[chosen]]
    points = pd.DataFrame({"index": np.arange(len(places), dtype=float), "axis-0": places["frame"].astype(float),
                           "axis-1": places["y"], "axis-2": places["x"], "class": names})  # fmt: skip
    known = [name for name in experiment.table if name.startswith("p_")]
    with whole_file(path) as temporary:
        points.join(experiment.table[chosen][known].reset_index(drop=True)).to_csv(temporary, index=False)
    return f"{len(points)} points for napari"


def _write_picasso(path, experiment):
    """Localisations as Picasso keeps them, the class as their group, which it colours by."""
    places, chosen = _places(experiment)
    table, nm = experiment.table[chosen], experiment.pixel_size_nm
    uncertainty = next((name for name in _UNCERTAINTY if name in table), None)
    if uncertainty is None:
        raise InputError(f"{experiment.blobs_path}: Picasso needs a column {_UNCERTAINTY[0]}; mirnb detect writes one")
    columns = {"frame": places["frame"], "x": places["x"], "y": places["y"]}
    columns |= {name: table[own] for name, own in _OF_PICASSO.items() if own in table}
    if "sigma [nm]" in table:
        columns |= dict.fromkeys(("sx", "sy"), table["sigma [nm]"] / nm)
    columns |= dict.fromkeys(("lpx", "lpy"), table[uncertainty] / nm) | {"group": experiment.labels[chosen]}
    kinds = {"frame": "u4", "group": "i4"}
    locs = np.empty(len(places), [(name, kinds.get(name, "f4")) for name in columns])
    for name, values in columns.items():
        locs[name] = values
    locs = locs[np.argsort(locs["frame"], kind="stable")]
    rows, cols = experiment.stack.as_recorded().frame_shape
    about = f"Generated by: mirnb\nFrames: {len(experiment.stack)}\nHeight: {rows}\nWidth: {cols}\nPixelsize: {nm:g}\n"
    with whole_file(path) as temporary, h5py.File(temporary, "w") as file:
        file.create_dataset("locs", data=locs)
    with whole_file(path.with_suffix(".yaml")) as temporary:
        temporary.write_text(about, encoding="utf-8")
    groups = ", ".join(f"{k} {name}" for k, name in enumerate(experiment.panel.names))
    return f"{len(locs)} localisations for Picasso, groups {groups}"


def _places(experiment):
    """Frame (from 0), y and x (px from the middle of the first) of the called blobs as recorded, and which these are."""
    chosen = experiment.labels >= 0
    table = experiment.table[chosen]
    at = {axis: table[f"{axis} [nm]"].to_numpy() / experiment.pixel_size_nm - 0.5 for axis in "yx"}
    return pd.DataFrame({"frame": experiment.frame_index[chosen], **at}), chosen


_WRITERS = {".zip": _write_rois, ".tif": _write_imagej, ".csv": _write_napari, ".hdf5": _write_picasso}
