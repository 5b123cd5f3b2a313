"""The classes of a panel: names, dyes, colours, line styles, order, noise last. The only place that knows them.

A panel holds 1 to 12 miR classes. Each miR carries two dyes, so it shows as two blobs `gap_px` apart along the dispersion;
template and crop windows follow from the largest gap. The panel named "thesis" is the thesis's; others are read from a
TOML file (see data/README.md).
"""

import math
import re
import tomllib
from dataclasses import asdict, dataclass, fields
from pathlib import Path

from mirnb.files import InputError, read_text
from mirnb.optics import streak

NOISE = "noise"
NOISE_COLOUR = "#999999"
MAX_CLASSES = 12

# Okabe and Ito's hues first, then hues between them: told apart with every common colour vision, for lines and markers
_COLOURS = (
    "#D55E00", "#009E73", "#0072B2", "#CC79A7", "#E69F00", "#56B4E9",
    "#882255", "#44AA99", "#332288", "#999933", "#AA4499", "#661100",
)  # fmt: skip
_LINE_STYLES = ("-", "--", "-.", ":")
_MARKERS = ("o", "s", "^", "D", "v", "P", "X", "<", ">", "*", "p", "h")


@dataclass(frozen=True)
class Window:
    """A rectangle about a blob's pixel: rows [row - above, row + below) and columns [col - left, col + right)."""

    above: int
    below: int
    left: int
    right: int

    @property
    def shape(self):
        return (self.above + self.below, self.left + self.right)

    def grown(self, by_px):
        """The window with so many pixels more on every side."""
        return Window(self.above + by_px, self.below + by_px, self.left + by_px, self.right + by_px)


@dataclass(frozen=True)
class MirClass:
    """One miR of a panel and how its molecules look."""

    name: str
    dyes: tuple[str, str]
    gap_px: float  # distance between its two blobs
    mir: str = ""  # the microRNA it stands for
    lower_flux: float = 0.5  # light of the lower blob, as a share of the upper one's
    lower_detected: float = 0.1  # share of its lower blobs that are detected as blobs of their own
    share: float = 1.0  # relative abundance in simulated samples
    colour: str = ""
    line_style: str = ""
    marker: str = ""


@dataclass(frozen=True)
class Panel:
    """The miR classes in order, with the optics they are seen through. Class k is `mirs[k]`, noise comes last."""

    name: str
    mirs: tuple[MirClass, ...]
    bands_nm: tuple[tuple[float, float], ...]
    prism_angle_deg: float = 177.5

    @property
    def n_mirs(self):
        return len(self.mirs)

    @property
    def mir_names(self):
        return [mir.name for mir in self.mirs]

    @property
    def names(self):
        """Names of all classes, noise last."""
        return [*self.mir_names, NOISE]

    @property
    def noise(self):
        """Index of the noise class."""
        return len(self.mirs)

    @property
    def colours(self):
        return [*(mir.colour for mir in self.mirs), NOISE_COLOUR]

    @property
    def line_styles(self):
        return [*(mir.line_style for mir in self.mirs), "-"]

    @property
    def markers(self):
        return [*(mir.marker for mir in self.mirs), "."]

    @property
    def look(self):
        """What of a panel decides how its molecules look: classifiers are good for panels of the same look alone."""
        return [(mir.name, mir.dyes, mir.gap_px) for mir in self.mirs], self.bands_nm, self.prism_angle_deg

    def index(self, name):
        """Index of a class by its name."""
        if name not in self.names:
            raise InputError(f"panel {self.name!r} has no class {name!r}; its classes are {', '.join(self.names)}")
        return self.names.index(name)

    @property
    def template_window(self):
        """Window of templates and raw crops: 24x10 for the thesis's panel; the widest pair fits with 6 px to spare."""
        return Window(above=6, below=math.ceil(max(mir.gap_px for mir in self.mirs)) + 6, left=5, right=5)

    @property
    def crop_window(self):
        """Window of response crops: 34x10 for the thesis's panel; 5 rows more on both sides than a template."""
        template = self.template_window
        return Window(above=template.above + 5, below=template.below + 5, left=template.left, right=template.right)

    def to_dict(self):
        """Plain values, as `panel_from_dict` and a panel file take them."""
        values = asdict(self)
        mirs = [dict(mir, dyes=list(mir["dyes"])) for mir in values.pop("mirs")]
        return {**values, "bands_nm": [list(band) for band in self.bands_nm], "mir": mirs}


def panel_from_dict(values, *, source="panel"):
    """Make a panel from plain values; gaps that are not given are computed from the dyes.

    Parameters
    ----------
    values : dict
        `name`, `bands_nm` (list of [low, high]), `prism_angle_deg` (optional) and `mir`, a list of tables with at least
        `name` and `dyes`, and any further field of `MirClass`.
    source : str
        Where the values come from, for messages.

    Raises
    ------
    InputError
        On an unknown or missing key, a value of the wrong type, a name used twice, dyes that are not seen, pairs of twice
        the same dye, or more than 12 classes.
    """
    _refuse_unknown(values, {field.name for field in fields(Panel)} - {"mirs"} | {"mir"}, source)
    for key in ("name", "bands_nm", "mir"):
        if key not in values:
            raise InputError(f"{source}: {key!r} is missing")
    name = _typed(values, "name", str, source)
    bands = _typed(values, "bands_nm", list, source)
    if not bands or not all(
        isinstance(band, list) and len(band) == 2 and all(_is_number(edge) for edge in band) and band[0] < band[1]
        for band in bands
    ):
        raise InputError(f"{source}: bands_nm must be a list of [low, high] in nm, got {bands!r}")
    angle = float(_typed(values, "prism_angle_deg", float, source, 177.5))
    if not 90 < angle < 180:
        raise InputError(f"{source}: prism_angle_deg must lie between 90 and 180 (180 disperses nothing), got {angle:g}")
    tables = _typed(values, "mir", list, source)
    if not 1 <= len(tables) <= MAX_CLASSES:
        raise InputError(f"{source}: a panel has 1 to {MAX_CLASSES} miR classes, got {len(tables)}")
    mirs = tuple(_mir_class(table, k, bands, angle, f"{source}: mir {k + 1}") for k, table in enumerate(tables))
    names = [mir.name for mir in mirs]
    twice = sorted({name for name in names if names.count(name) > 1})
    if not any(mir.share > 0 for mir in mirs):
        raise InputError(f"{source}: at least one class needs a share above 0")
    if twice:
        raise InputError(f"{source}: class names must differ, {', '.join(twice)} came twice")
    return Panel(name=name, mirs=mirs, bands_nm=tuple((float(a), float(b)) for a, b in bands), prism_angle_deg=angle)


def _mir_class(table, k, bands_nm, angle_deg, source):
    if not isinstance(table, dict):
        raise InputError(f"{source}: expected a table with name and dyes, got {table!r}")
    _refuse_unknown(table, {field.name for field in fields(MirClass)}, source)
    for key in ("name", "dyes"):
        if key not in table:
            raise InputError(f"{source}: {key!r} is missing")
    name = _typed(table, "name", str, source)
    if not re.fullmatch(r"[A-Za-z0-9_-]{1,40}", name) or name == NOISE:
        raise InputError(f"{source}: a class name is letters, digits, - and _, and not {NOISE!r}; got {name!r}")
    dyes = _typed(table, "dyes", list, source)
    if len(dyes) != 2 or not all(isinstance(dye, str) for dye in dyes):
        raise InputError(f"{source}: dyes must be two names, got {dyes!r}")
    if dyes[0] == dyes[1]:
        raise InputError(f"{source}: the two dyes must differ, got {dyes[0]!r} twice")
    try:
        centroids_px = [streak(dye, bands_nm, angle_deg).centroid_px for dye in dyes]
    except InputError as error:
        raise InputError(f"{source}: {error}") from None
    values = {
        key: float(_typed(table, key, float, source))
        for key in ("lower_flux", "lower_detected", "share", "gap_px")
        if key in table
    }
    values.setdefault("gap_px", round(abs(centroids_px[0] - centroids_px[1]), 2))
    if not 1 <= values["gap_px"] <= 60:
        raise InputError(f"{source}: gap_px must lie between 1 and 60 px, got {values['gap_px']:g} for {' + '.join(dyes)}")
    for key, top in (("lower_flux", 10.0), ("lower_detected", 1.0), ("share", 1e9)):
        if key in values and not 0 <= values[key] <= top:
            raise InputError(f"{source}: {key} must lie between 0 and {top:g}, got {values[key]:g}")
    colour = _typed(table, "colour", str, source, "") or _COLOURS[k]
    if not re.fullmatch(r"#[0-9A-Fa-f]{6}", colour):
        raise InputError(f"{source}: colour must look like #D55E00, got {colour!r}")
    return MirClass(
        name=name,
        dyes=(dyes[0], dyes[1]),
        mir=_typed(table, "mir", str, source, ""),
        colour=colour,
        line_style=_typed(table, "line_style", str, source, "") or _LINE_STYLES[k % len(_LINE_STYLES)],
        marker=_typed(table, "marker", str, source, "") or _MARKERS[k],
        **values,
    )


def _refuse_unknown(values, known, source):
    unknown = sorted(set(values) - set(known))
    if unknown:
        raise InputError(f"{source}: unknown key {', '.join(unknown)}; known are {', '.join(sorted(known))}")


def _is_number(value):
    return isinstance(value, int | float) and not isinstance(value, bool)


def _typed(values, key, kind, source, default=None):
    value = values.get(key, default)
    if not (_is_number(value) if kind is float else isinstance(value, kind)):
        wanted = {str: "text in quotes", float: "a number", list: "a list"}[kind]
        raise InputError(f"{source}: {key} must be {wanted}, got {value!r}")
    return value


# Measured on real molecules: gaps, flux ratios, lower blobs detected; share: the thesis's labels of each class
THESIS = panel_from_dict(
    {
        "name": "thesis",
        "prism_angle_deg": 177.5,
        "bands_nm": [[507, 532], [586, 625], [673, 714]],
        "mir": [
            {"name": "red", "mir": "miR-15b-5p", "dyes": ["Alexa 488", "Alexa 647"], "gap_px": 11.5,
             "lower_flux": 0.40, "lower_detected": 0.13, "share": 655},
            {"name": "green", "mir": "miR-155-5p", "dyes": ["Alexa 546", "Alexa 647"], "gap_px": 4.75,
             "lower_flux": 0.70, "lower_detected": 0.28, "share": 141},
            {"name": "blue", "mir": "miR-126-3p", "dyes": ["Alexa 488", "Alexa 568"], "gap_px": 6.5,
             "lower_flux": 0.38, "lower_detected": 0.03, "share": 611},
        ],
    },
    source="panel thesis",
)  # fmt: skip
NAMED_PANELS = {"thesis": THESIS}


def load_panel(name, *, folder="."):
    """A panel by its name, or from a TOML file beside the experiment.

    Raises
    ------
    InputError
        If there is neither a panel of that name nor such a file, or the file does not describe a panel.
    """
    if name in NAMED_PANELS:
        return NAMED_PANELS[name]
    path = Path(folder) / name
    if not path.is_file():
        raise InputError(f"panel {name!r}: neither a named panel ({', '.join(NAMED_PANELS)}) nor a file {path}")
    try:
        values = tomllib.loads(read_text(path))
    except tomllib.TOMLDecodeError as error:
        raise InputError(f"{path}: not a TOML file: {error}") from None
    return panel_from_dict(values, source=str(path))


def blob_streaks(panel, mir):
    """Streaks of a miR's two dyes: (upper, lower). The longer wavelength lies above."""
    streaks = [streak(dye, panel.bands_nm, panel.prism_angle_deg) for dye in mir.dyes]
    return tuple(sorted(streaks, key=lambda one: one.centroid_px))
