"""The classes of a panel: names, dyes, colours, line styles, order, noise last. The only place that knows them.

A panel holds 1 to 12 miR classes. Each miR carries two dyes, so it shows as two blobs `gap_px` apart along the dispersion;
template and crop windows follow from the largest gap. `panel_file` reads panels, the named ones too.
"""

import math
from dataclasses import asdict, dataclass, field, replace

from mirnb.experiments.prism import PIXEL_NM, PSF_SIGMA_PX, dispersed, streak
from mirnb.experiments.spectra import DYES, Spectrum
from mirnb.files import InputError, plain

NOISE = "noise"
NOISE_COLOUR = "#999999"


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
    brightness: float = 1.0  # light of its upper blobs, as a share of a sample's median flux
    lower_flux: float = 0.5  # light of the lower blob, as a share of the upper one's
    lower_sigma_y_px: tuple[float, float] = (1.35, 1.65)  # range of the lower blob's width along the dispersion
    lower_detected: float = 0.1  # share of its lower blobs that are detected as blobs of their own
    share: float = 1.0  # relative abundance in simulated samples
    colour: str = ""
    line_style: str = ""
    marker: str = ""


@dataclass(frozen=True, repr=False)
class Panel:
    """The miR classes in order, with the optics they are seen through. Class k is `mirs[k]`, noise comes last."""

    name: str
    mirs: tuple[MirClass, ...]
    bands_nm: tuple[tuple[float, float], ...]
    prism_angle_deg: float = 177.5
    lasers_nm: tuple[float, ...] = ()
    transmission: Spectrum | None = None  # of a measured filter; `bands_nm` are then where it lets most through
    own_dyes: dict[str, Spectrum] = field(default_factory=dict)  # beside those of `spectra.DYES`
    camera: dict = field(default_factory=dict)  # what of `settings.Settings` is this microscope's own

    def __repr__(self):
        return f"panel {self.name!r} ({', '.join(self.mir_names)})"

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
    def dyes(self):
        """All dyes that can be named: name -> `Dye` or `Spectrum`."""
        return {**DYES, **self.own_dyes}

    @property
    def pixel_size_nm(self):
        return self.camera.get("pixel_size_nm", PIXEL_NM)

    @property
    def psf_sigma_px(self):
        return self.camera.get("psf_sigma_px", PSF_SIGMA_PX * PIXEL_NM / self.pixel_size_nm)

    @property
    def look(self):
        """What of a panel decides how its molecules look: classifiers are good for panels of the same look alone."""
        mirs = [(mir.name, mir.dyes, mir.gap_px) for mir in self.mirs]
        return mirs, self.bands_nm, self.transmission, self.prism_angle_deg

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
        values = {
            "name": self.name, "prism_angle_deg": self.prism_angle_deg, "lasers_nm": self.lasers_nm,
            "dyes": {name: one.points for name, one in self.own_dyes.items()}, "camera": self.camera,
            "mir": [asdict(mir) for mir in self.mirs],
        }  # fmt: skip
        if self.transmission is None:
            values["bands_nm"] = self.bands_nm
        else:
            values["filter"] = self.transmission.points
        return plain({key: value for key, value in values.items() if value})

    def streak(self, dye):
        """Where the light of a dye lands on this panel's microscope (`prism.streak`)."""
        return streak(
            dye, self.bands_nm, self.prism_angle_deg, transmission=self.transmission, dyes=self.dyes,
            pixel_size_nm=self.pixel_size_nm,
        )  # fmt: skip

    def streaks(self, dyes):
        """Streaks of some dyes from the top down: of two, the longer wavelength lies above."""
        return tuple(sorted((self.streak(dye) for dye in dyes), key=lambda one: one.centroid_px))

    def at_angle(self, prism_angle_deg):
        """The panel at another prism angle: all separations, and what dispersion adds to the widths, go with it."""
        by = dispersed(prism_angle_deg) / dispersed(self.prism_angle_deg)
        psf = self.psf_sigma_px

        def wider(sigma_px):
            return math.hypot(psf, by * math.sqrt(max(sigma_px**2 - psf**2, 0)))

        mirs = tuple(
            replace(mir, gap_px=by * mir.gap_px, lower_sigma_y_px=tuple(map(wider, mir.lower_sigma_y_px)))
            for mir in self.mirs
        )
        return self if by == 1 else replace(self, prism_angle_deg=prism_angle_deg, mirs=mirs)
