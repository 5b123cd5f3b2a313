"""What a simulated sample, its optics and its camera are like: settings with their provenance."""

from dataclasses import dataclass, fields

import numpy as np

from mirnb.files import InputError

MARGIN_PX = 2  # no localisation errs by more, so a blob drawn this far inside keeps its crop


@dataclass(frozen=True)
class Settings:
    """What a simulated sample, its optics and its camera are like.

    Measured (published, or seen on real molecules of this kind): frame and pixel, PSF, background, its fall and its noise,
    flux, flux ratio and their spreads, scatter of the lower blob, density, share of noise (gaps, ratios, widths and detected
    lower blobs stand in the panel). Assumed, as nothing is known, and chosen so that the thesis's network scores on the
    simulation as it did on the thesis's molecules: camera offset and gain, the mix of noise blobs, the share of the bright
    tail, faint blobs, and how a person labels (which lower blobs are seen, which pairs pass for one blob).
    """

    n_frames: int = 30  # the thesis's
    frame_shape: tuple[int, int] = (1024, 1024)  # rows, cols; the thesis's
    pixel_size_nm: float = 120.0  # the thesis's
    n_labelled_per_frame: float = 4036 / 30  # measured: about 135
    mir_share: float = 1407 / 4036  # measured: 62 to 70 % of labelled blobs are noise
    psf_sigma_px: float = 1.12  # measured: 1.10 to 1.15
    flux_median: float = 1700.0  # counts under a blob; measured
    flux_low: float = 750.0  # 10th percentile; measured
    flux_high: float = 5000.0  # 90th percentile; measured
    bright_share: float = 0.025  # of noise blobs, 10,000 to 500,000 counts; the tail is measured, its share assumed
    ratio_log_sd: float = 0.45  # spread of the lower blob's share of the upper one's flux; measured
    sideways_px: float = 0.30  # scatter of the lower blob across the dispersion; measured
    along_px: float = 0.35  # and along it; measured
    tilt_deg: float = 0.0  # of the dispersion against the columns
    background_counts: float = 890.0  # in the middle; measured: 870 to 910
    background_fall: float = 0.08  # to the corners, half of it to the edges; measured: a few percent to the edges
    noise_sd_counts: float = 34.0  # of a background pixel; measured
    offset_counts: float = 100.0  # camera offset; assumed
    gain_counts: float = 1.3  # counts per photoelectron; assumed
    em_gain: bool = False  # noise of electron multiplication: as much of it, but skewed
    tail_share: float = 0.0  # of a blob's light, in a halo of 2.5 PSF widths
    single_share: float = 0.80  # of noise blobs: one dye alone; that they are most is measured, the number assumed
    dirt_share: float = 0.12  # of noise blobs: blurred dirt; assumed. The rest are false detections
    dirt_sigma_px: tuple[float, float] = (1.8, 3.5)  # assumed
    faint_per_frame: float = 20.0  # single dyes below detection, 150 to 700 counts; assumed
    sight_counts: float = 660.0  # flux of a lower blob that a person who labels sees every second time; assumed
    sight_log_sd: float = 0.3  # how sharp that sight is; assumed
    unseen_share: float = 0.10  # of noise blobs: miRs whose lower blob was not seen, so labelled noise; assumed
    overlooked_share: float = 0.18  # of pairs 5 px apart that a person takes for one blob, e-fold less each 4 px; assumed


def settings_of(panel, **others):
    """The default settings with what the panel says of its camera, and others on top.

    Raises
    ------
    InputError
        If the camera has less noise than the light of its background alone.
    """
    own = {**panel.camera, "psf_sigma_px": panel.psf_sigma_px} if panel.camera else {}
    settings = Settings(**{**own, **others})
    shot_sd = np.sqrt(max(settings.gain_counts * (settings.background_counts - settings.offset_counts), 0))
    if not settings.background_counts >= settings.offset_counts or settings.noise_sd_counts < 0.95 * shot_sd:
        raise InputError(
            f"panel {panel.name!r}, camera: a background of {settings.background_counts:g} counts over an offset of "
            f"{settings.offset_counts:g}, at {settings.gain_counts:g} counts an electron, has shot noise of {shot_sd:.1f} "
            f"by itself, but noise_sd_counts is {settings.noise_sd_counts:g}; it holds all noise of a background pixel"
        )
    return settings


def localisation_error_px(sigma_y_px, sigma_x_px, flux, settings):
    """Standard deviation of where a blob is found, on each axis; the background limits it (Thompson et al. 2002)."""
    area = sigma_y_px * sigma_x_px
    return np.sqrt(8 * np.pi) * area * settings.noise_sd_counts / np.maximum(flux, settings.flux_low)


def settings_of_experiment(experiment):
    """The settings a simulated experiment was drawn with; None when it was not, or not by this simulator."""
    told = {key: tuple(value) if isinstance(value, list) else value for key, value in (experiment.simulated or {}).items()}
    known = {one.name: told[one.name] for one in fields(Settings) if one.name in told}
    return Settings(**known) if "seed" in told and len(known) == len(fields(Settings)) else None
