"""Blob tables of other programs, in ThunderSTORM's columns: Picasso's HDF5 and rapidSTORM's text.

Both count positions from the middle of the first pixel, and frames from 0; a blob table from its outer corner, and from 1.
"""

import re
from pathlib import Path

import h5py
import numpy as np
import pandas as pd

from mirnb.experiments.stacks import SAME_PIXELS
from mirnb.files import InputError, read_text, warn

_OF_PICASSO = {"intensity [photon]": "photons", "offset [photon]": "bg"}
_OF_RAPIDSTORM = {"intensity [photon]": "Amplitude-0-0", "offset [photon]": "LocalBackground-0-0", "chi2": "FitResidues-0-0"}
_FWHM_SDS = 2.3548  # of a Gaussian


def picasso_pixel_size(path):
    """The size of a pixel, nm, by the yaml beside a file of Picasso's; None where nothing says it."""
    yaml = Path(path).parent / f"{Path(path).stem}.yaml"
    text = read_text(yaml) if yaml.is_file() else ""
    found = re.search(r"^\s*Pixelsize:\s*(\d+(?:\.\d*)?(?:[eE][+-]?\d+)?)\s*$", text, re.MULTILINE)
    return float(found[1]) if found else None


def read_picasso(path, pixel_size_nm=None):
    """Read localisations of Picasso: a dataset `locs` in an HDF5 file, and the size of a pixel in the yaml beside it.

    Parameters
    ----------
    pixel_size_nm : float, optional
        By default the yaml's.

    Returns
    -------
    DataFrame
        frame (from 1), x and y (nm from the outer corner), sigma (nm), photons, background and uncertainty where there.

    Raises
    ------
    InputError
        If the file has no such dataset, positions are no numbers, or nobody says the size of a pixel.
    """
    try:
        with h5py.File(path, "r", locking=False) as file:
            locs = file["locs"][:] if isinstance(file.get("locs"), h5py.Dataset) else np.empty(0)
    except OSError as error:
        raise InputError(f"{path}: damaged or cut off in the middle ({error}); copy the file again") from None
    if not {"frame", "x", "y"} <= set(locs.dtype.names or ()):
        raise InputError(f"{path}: is no file of Picasso's localisations; expected a dataset locs with frame, x and y")
    yaml, said = path.with_suffix(".yaml"), picasso_pixel_size(path)
    if said and pixel_size_nm and abs(said / pixel_size_nm - 1) > SAME_PIXELS:
        warn(f"{yaml}: says that a pixel is {said:g} nm, {pixel_size_nm:g} nm is taken; positions in pixels stay the same")
    nm = pixel_size_nm or said
    if not nm:
        raise InputError(f"{path}: has positions in pixels, and {yaml.name} beside it does not say Pixelsize, in nm")
    table = {"frame": locs["frame"] + 1.0, **{f"{axis} [nm]": (locs[axis] + 0.5) * nm for axis in "xy"}}
    for name, one, other in (("sigma [nm]", "sx", "sy"), ("uncertainty_xy [nm]", "lpx", "lpy")):
        if {one, other} <= set(locs.dtype.names):
            table[name] = (locs[one] + locs[other]) / 2 * nm
    table |= {name: locs[own] for name, own in _OF_PICASSO.items() if own in locs.dtype.names}
    return _finite(path, pd.DataFrame(table).astype(float))


def read_rapidstorm(path, pixel_size_nm=None):
    """Read localisations of rapidSTORM: a first line that names the fields, then a line each.

    Parameters
    ----------
    pixel_size_nm : float, optional
        By half of which positions are moved to the outer corner; they stay as they are without.

    Raises
    ------
    InputError
        If position in nm or frame are missing, or a line is none of numbers.
    """
    header, _, body = read_text(path).partition("\n")
    fields = [dict(re.findall(r'(\w+)="([^"]*)"', field)) for field in re.findall(r"<field ([^>]*)/>", header)]
    names = [field.get("identifier", "") for field in fields]
    units = {field.get("identifier"): field.get("unit") for field in fields}
    if not {"Position-0-0", "Position-1-0", "ImageNumber-0-0"} <= set(names) or units["Position-0-0"] != "nanometer":
        raise InputError(f"{path}, line 1: rapidSTORM's fields lack positions in nanometer, or the image number")
    rows = [line.split() for line in body.splitlines() if line.strip()]
    try:
        values = pd.DataFrame(np.array(rows, float).reshape(-1, len(names)), columns=names)
    except ValueError:
        wrong = next((k for k, row in enumerate(rows) if len(row) != len(names) or not _are_numbers(row)), 0)
        raise InputError(f"{path}, line {wrong + 2}: expected {len(names)} numbers, got {' '.join(rows[wrong])!r}") from None
    half = (pixel_size_nm or 0) / 2
    table = pd.DataFrame({"frame": values["ImageNumber-0-0"] + 1, "x [nm]": values["Position-0-0"] + half,
                          "y [nm]": values["Position-1-0"] + half})  # fmt: skip
    if {"PSFWidth-0-0", "PSFWidth-1-0"} <= set(names):
        table["sigma [nm]"] = (values["PSFWidth-0-0"] + values["PSFWidth-1-0"]) / 2 / _FWHM_SDS
    return _finite(path, table.assign(**{name: values[own] for name, own in _OF_RAPIDSTORM.items() if own in names}))


def _are_numbers(cells):
    try:
        return bool([float(cell) for cell in cells])
    except ValueError:
        return False


def _finite(path, table):
    """The table with a number for each row, refused where a position or a frame is none."""
    wrong = np.flatnonzero(~np.isfinite(table[["x [nm]", "y [nm]"]]).all(axis=1) | ~table["frame"].between(1, 2**31))
    if len(wrong):
        raise InputError(f"{path}: localisation {wrong[0] + 1} has no position or no frame ({len(wrong)} such)")
    return table.astype({"frame": int}).assign(id=np.arange(1, len(table) + 1))
