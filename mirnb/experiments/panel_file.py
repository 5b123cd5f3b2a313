"""Panels from TOML files: the named ones, which lie in `experiments/panels`, and the user's own (see data/README.md)."""

import itertools
import math
import re
from dataclasses import fields
from pathlib import Path

from mirnb.experiments.panel import NOISE, MirClass, Panel
from mirnb.experiments.spectra import EXCITED_NM, bands_of, exciting, read_points, spectrum_of
from mirnb.files import InputError, read_toml, write_toml

MAX_CLASSES = 12
WIDEST_GAP_PX = 60.0
_NAMED = Path(__file__).parent / "panels"
# Okabe and Ito's hues first, then hues between them: told apart with every common colour vision, for lines and markers
_COLOURS = (
    "#D55E00", "#009E73", "#0072B2", "#CC79A7", "#E69F00", "#56B4E9",
    "#882255", "#44AA99", "#332288", "#999933", "#AA4499", "#661100",
)  # fmt: skip
_LINE_STYLES = ("-", "--", "-.", ":")
_MARKERS = ("o", "s", "^", "D", "v", "P", "X", "<", ">", "*", "p", "h")
_KNOWN_LINES = (*_LINE_STYLES, "solid", "dashed", "dashdot", "dotted")
_KNOWN_MARKERS = (*_MARKERS, ".", ",", "1", "2", "3", "4", "8", "H", "+", "x", "d", "|", "_")
_KEYS = ("name", "mir", "bands_nm", "filter", "prism_angle_deg", "lasers_nm", "dyes", "camera")
# what a camera may be said to be: lowest and highest value; the rest of `settings.Settings` is the sample's
_CAMERA = {
    "pixel_size_nm": (80, 160), "psf_sigma_px": (0.7, 2.0), "noise_sd_counts": (0.1, 1e4), "background_counts": (0, 6e4),
    "offset_counts": (0, 6e4), "gain_counts": (1e-3, 1e4),
}  # fmt: skip
# the median light under an upper blob is that of the thesis's panel, whose bands let half of the upper dyes' light through;
# its lower blobs have half of what the transmitted shares of the two dyes say (geometric mean of the three)
_USUAL_TRANSMITTED, _LOWER_BY_TRANSMITTED = 0.5, 0.5
_WIDTH_SPREAD = 0.1  # of the lower blob, as a share, where no range is given


def panel_from_dict(values, *, source="panel", folder="."):
    """Make a panel from plain values; what is not given of a miR is computed from its dyes.

    Parameters
    ----------
    values : dict
        `name`; `bands_nm` (list of [low, high]) or `filter` (points, or a CSV file's name); `prism_angle_deg`, `lasers_nm`,
        `dyes` (name -> points, or a CSV file's name) and `camera`, all optional; and `mir`, a list of tables with at least
        `name` and `dyes`, and any further field of `MirClass`.
    source : str
        Where the values come from, for messages.
    folder : path
        Of the files that are named.

    Raises
    ------
    InputError
        On an unknown or missing key, a value of the wrong type or out of range, a name used twice, dyes that are not seen or
        not excited, a laser inside a pass band, pairs of twice the same dye, two classes of the same pair, or more than 12
        classes.
    """
    _refuse_unknown(values, _KEYS, source)
    for key in ("name", "mir"):
        if key not in values:
            raise InputError(f"{source}: {key!r} is missing")
    if ("bands_nm" in values) == ("filter" in values):
        both = "both are there" if "filter" in values else "'bands_nm' is missing, and so is 'filter'"
        raise InputError(
            f"{source}: a panel has either bands_nm, a list of [low, high] in nm, or filter, a CSV file; {both}"
        )
    name = _typed(values, "name", str, source)
    angle = float(_typed(values, "prism_angle_deg", float, source, 177.5))
    require_angle(angle, source)
    transmission = _spectrum(values["filter"], f"{source}: filter", folder, highest=1.0) if "filter" in values else None
    bands = _bands(values, source) if transmission is None else bands_of(transmission)
    own_dyes = _typed(values, "dyes", dict, source, {})
    own_dyes = {dye: _spectrum(points, f"{source}: dyes, {dye}", folder) for dye, points in own_dyes.items()}
    camera = _camera(_typed(values, "camera", dict, source, {}), source)
    lasers = _lasers(values, bands, source)
    tables = _typed(values, "mir", list, source)
    if not 1 <= len(tables) <= MAX_CLASSES:
        raise InputError(f"{source}: a panel has 1 to {MAX_CLASSES} miR classes, got {len(tables)}")
    bare = Panel(name, (), bands, angle, lasers, transmission, own_dyes, camera)
    mirs = tuple(_mir_class(table, k, bare, f"{source}: mir {k + 1}") for k, table in enumerate(tables))
    names = [mir.name for mir in mirs]
    twice = sorted({name for name in names if names.count(name) > 1})
    if not any(mir.share > 0 for mir in mirs):
        raise InputError(f"{source}: at least one class needs a share above 0")
    if twice:
        raise InputError(f"{source}: class names must differ, {', '.join(twice)} came twice")
    for one, other in itertools.combinations(mirs, 2):
        if set(one.dyes) == set(other.dyes) and one.gap_px == other.gap_px:
            raise InputError(
                f"{source}: {one.name} and {other.name} are of the same two dyes, {' and '.join(one.dyes)}, equally far "
                "apart: nothing tells them apart; choose another pair for one of them"
            )
    return Panel(name, mirs, bands, angle, lasers, transmission, own_dyes, camera)


def require_angle(angle_deg, source):
    """Raise one sentence if prisms cannot stand at this angle."""
    if not 90 < angle_deg < 180:
        raise InputError(f"{source}: prism_angle_deg must lie between 90 and 180 (180 disperses nothing), got {angle_deg:g}")


def _bands(values, source):
    bands = _typed(values, "bands_nm", list, source)
    if not bands or not all(
        isinstance(band, list) and len(band) == 2 and all(_is_number(edge) for edge in band) and band[0] < band[1]
        for band in bands
    ):
        raise InputError(f"{source}: bands_nm must be a list of [low, high] in nm, got {bands!r}")
    return tuple((float(low), float(high)) for low, high in bands)


def _spectrum(given, source, folder, *, highest=math.inf):
    """A spectrum from points, or from the CSV file of that name."""
    if isinstance(given, str):
        path = Path(folder) / given
        try:
            return spectrum_of(read_points(path), path, highest=highest)
        except InputError as error:
            raise InputError(f"{source}: {error}") from None
    is_points = isinstance(given, list) and all(
        isinstance(one, list) and len(one) == 2 and all(map(_is_number, one)) for one in given
    )
    if not is_points:
        raise InputError(f"{source}: expected the name of a CSV file or a list of [nm, value], got {given!r}")
    return spectrum_of(given, source, highest=highest)


def _camera(values, source):
    _refuse_unknown(values, [*_CAMERA, "em_gain", "frame_shape"], f"{source}: camera")
    found = {}
    for key, value in values.items():
        if key == "em_gain":
            found[key] = _typed(values, key, bool, f"{source}: camera")
        elif key == "frame_shape":
            if not (
                isinstance(value, list) and len(value) == 2 and all(type(one) is int and 64 <= one <= 8192 for one in value)
            ):
                raise InputError(f"{source}: camera frame_shape must be [rows, cols], each 64 to 8192, got {value!r}")
            found[key] = tuple(value)
        else:
            found[key] = float(_typed(values, key, float, f"{source}: camera"))
            _require_between(found[key], *_CAMERA[key], f"{source}: camera {key}")
    return found


def _lasers(values, bands, source):
    lasers = _typed(values, "lasers_nm", list, source, [])
    if not all(_is_number(one) and 200 < one < 1200 for one in lasers):
        raise InputError(f"{source}: lasers_nm must be a list of wavelengths in nm, got {lasers!r}")
    for laser in lasers:
        for low, high in bands:
            if low <= laser <= high:
                raise InputError(
                    f"{source}: the laser at {laser:g} nm lies in the pass band from {low:g} to {high:g} nm: its light "
                    "would flood the frames; leave it out of the band"
                )
    return tuple(float(one) for one in lasers)


def _mir_class(table, k, panel, source):
    """One class of a panel that is known but for its classes."""
    if not isinstance(table, dict):
        raise InputError(f"{source}: expected a table with name and dyes, got {table!r}")
    _refuse_unknown(table, [field.name for field in fields(MirClass)], source)
    for key in ("name", "dyes"):
        if key not in table:
            raise InputError(f"{source}: {key!r} is missing")
    name = _typed(table, "name", str, source)
    if not re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_-]{0,39}", name) or name == NOISE:
        raise InputError(f"{source}: a class name is letters, digits, - and _, and not {NOISE!r}; got {name!r}")
    dyes = _typed(table, "dyes", list, source)
    if len(dyes) != 2 or not all(isinstance(dye, str) for dye in dyes):
        raise InputError(f"{source}: dyes must be two names, got {dyes!r}")
    values = {
        key: float(_typed(table, key, float, source))
        for key in ("brightness", "lower_flux", "lower_detected", "share", "gap_px")
        if key in table
    }
    if "lower_sigma_y_px" in table:
        values["lower_sigma_y_px"] = _width_range(table, source)
    values = {**light_of(panel, dyes, source), **values}
    if not 1 <= values["gap_px"] <= WIDEST_GAP_PX:
        raise InputError(
            f"{source}: gap_px must lie between 1 and {WIDEST_GAP_PX:g} px, got {values['gap_px']:g} for {' + '.join(dyes)}"
        )
    for key, top in (("brightness", 100.0), ("lower_flux", 10.0), ("lower_detected", 1.0), ("share", 1e9)):
        if key in values:
            _require_between(values[key], 0, top, f"{source}: {key}")
    colour = _typed(table, "colour", str, source, "") or _COLOURS[k]
    if not re.fullmatch(r"#[0-9A-Fa-f]{6}", colour):
        raise InputError(f"{source}: colour must look like #D55E00, got {colour!r}")
    line_style = _typed(table, "line_style", str, source, "") or _LINE_STYLES[k % len(_LINE_STYLES)]
    marker = _typed(table, "marker", str, source, "") or _MARKERS[k]
    for key, value, known in (("line_style", line_style, _KNOWN_LINES), ("marker", marker, _KNOWN_MARKERS)):
        if value not in known:
            raise InputError(f"{source}: {key} {value!r} of {name}: known are {' '.join(known)}")
    mir = _typed(table, "mir", str, source, "")
    return MirClass(name, (dyes[0], dyes[1]), mir=mir, colour=colour, line_style=line_style, marker=marker, **values)


def light_of(panel, dyes, source):
    """What a pair of dyes looks like on a panel's microscope: gap_px, brightness, lower_flux and lower_sigma_y_px.

    Both dyes are taken to emit as they do on average in the thesis's panel; how much of it is seen follows from the filter.

    Raises
    ------
    InputError
        If the dyes are one and the same, unknown, out of the dispersion's range, or not seen.
    """
    if dyes[0] == dyes[1]:
        raise InputError(f"{source}: the two dyes must differ, got {dyes[0]!r} twice")
    try:
        upper, lower = panel.streaks(dyes)
    except InputError as error:
        raise InputError(f"{source}: {error}") from None
    for dye in dyes:
        peak_nm = panel.dyes[dye].peak_nm
        if panel.lasers_nm and not exciting(peak_nm, panel.lasers_nm):
            lasers = ", ".join(f"{one:g}" for one in panel.lasers_nm)
            raise InputError(
                f"{source}: {dye}: this dye is not seen: no laser ({lasers} nm) lies {EXCITED_NM[0]:g} to "
                f"{EXCITED_NM[1]:g} nm below its emission peak at {peak_nm:g} nm"
            )
    width_px = math.hypot(panel.psf_sigma_px, lower.sd_px)
    return {
        "gap_px": round(lower.centroid_px - upper.centroid_px, 2),
        "brightness": round(upper.transmitted / _USUAL_TRANSMITTED, 2),
        "lower_flux": round(_LOWER_BY_TRANSMITTED * min(lower.transmitted / upper.transmitted, 20), 3),
        "lower_sigma_y_px": tuple(round(width_px * share, 2) for share in (1 - _WIDTH_SPREAD, 1 + _WIDTH_SPREAD)),
    }


def _width_range(table, source):
    ends = _typed(table, "lower_sigma_y_px", list, source)
    if len(ends) != 2 or not all(map(_is_number, ends)) or not 0.5 <= ends[0] <= ends[1] <= 20:
        raise InputError(f"{source}: lower_sigma_y_px must be [low, high] within 0.5 to 20 px, got {ends!r}")
    return float(ends[0]), float(ends[1])


def _refuse_unknown(values, known, source):
    unknown = sorted(set(values) - set(known))
    if unknown:
        raise InputError(f"{source}: unknown key {', '.join(unknown)}; known are {', '.join(sorted(known))}")


def _require_between(value, low, high, source):
    if not low <= value <= high:
        raise InputError(f"{source} must lie between {low:g} and {high:g}, got {value:g}")


def _is_number(value):
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _typed(values, key, kind, source, default=None):
    value = values.get(key, default)
    if not (_is_number(value) if kind is float else isinstance(value, kind)):
        wanted = {str: "text in quotes", float: "a number", list: "a list", dict: "a table", bool: "true or false"}[kind]
        raise InputError(f"{source}: {key} must be {wanted}, got {value!r}")
    return value


def load_panel(name, *, folder="."):
    """A panel by its name, or from a TOML file.

    Parameters
    ----------
    name : str
        Of a named panel, or of a file.
    folder : path
        Where the file lies; files that it names lie beside it.

    Raises
    ------
    InputError
        If there is neither a panel of that name nor such a file, or the file does not describe a panel.
    """
    path = _NAMED / f"{name}.toml" if name in PANEL_NAMES else Path(folder) / name
    source = f"panel {name}" if name in PANEL_NAMES else str(path)
    return panel_from_dict(_read(path, name), source=source, folder=path.parent)


def _read(path, name):
    if not path.is_file():
        raise InputError(f"panel {name!r}: neither a named panel ({', '.join(PANEL_NAMES)}) nor a file {path}")
    return read_toml(path)


def write_panel(path, panel):
    """Write a panel as a file that `load_panel` reads."""
    write_toml(path, panel.to_dict())


def panel_files(name, *, folder="."):
    """Files that a panel is read from, those of its spectra among them; none of a named panel."""
    if name in PANEL_NAMES:
        return []
    path = Path(folder) / name
    values = _read(path, name)
    named = [values.get("filter"), *values.get("dyes", {}).values()]
    return [path, *(path.parent / one for one in named if isinstance(one, str))]


def is_named(panel):
    """Whether a panel is the named one of its name."""
    return panel.name in PANEL_NAMES and load_panel(panel.name) == panel


PANEL_NAMES = ("thesis", "six", "twelve")
THESIS = load_panel("thesis")
