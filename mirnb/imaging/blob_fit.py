"""Fit one blob, or the two of a molecule, to many crops at once: Gaussians integrated over pixels, damped least squares.

Crops come in units of the background's noise, with their background near 0. Every parameter has a Gaussian prior, so that a
dim blob, which the light alone does not pin down, keeps a sensible shape; the answer is the most probable value and its
standard error.
"""

from dataclasses import dataclass

import numpy as np
from scipy import special

SINGLE = ("background", "log_flux", "y_px", "x_px", "log_sigma_y", "log_sigma_x")
MODEL_ERROR = 0.05  # share of a blob's light that is not explained
OUTLIER_SDS = 4.0  # pixels further off count less
_AT_ONCE = 128  # crops: their derivatives stay near the processor, and their memory is used again
PAIR = (*SINGLE, "log_ratio", "gap_px", "sideways_px", "log_lower_sigma_y")


@dataclass(frozen=True)
class Fit:
    """Most probable parameters of each crop, (n_crops, n_parameters) as SINGLE or PAIR name them, and how sure they are."""

    values: np.ndarray
    sd: np.ndarray
    cost: np.ndarray  # (n_crops,) sum of squared residuals, light and prior, in units of the noise


def profile(pixels, centre, log_sigma):
    """Share of a Gaussian's light on each pixel of a row: ndarray of shape (n, n_pixels).

    Parameters
    ----------
    pixels : ndarray of shape (n_pixels,)
        Where each pixel starts.
    centre, log_sigma : ndarray of shape (n,)
    """
    return np.diff(special.ndtr(_edges(pixels, centre, log_sigma)))


def profile_derivatives(pixels, centre, log_sigma):
    """Derivatives of `profile` by centre and by log_sigma, each (n, n_pixels)."""
    edges = _edges(pixels, centre, log_sigma)
    density = np.exp(-0.5 * edges**2) / np.sqrt(2 * np.pi)
    return -np.diff(density) / np.exp(log_sigma)[:, None], -np.diff(edges * density)


def _edges(pixels, centre, log_sigma):
    """Where each pixel starts, and the last one ends, in standard deviations from the centre."""
    return (np.append(pixels, pixels[-1] + 1)[None] - centre[:, None]) / np.exp(log_sigma)[:, None]


def _blobs(values):
    """Each blob of a molecule: (flux, centre y, centre x, log sigma y, log sigma x), every one (n,)."""
    named = dict(zip(PAIR, values.T, strict=False))
    flux = np.exp(named["log_flux"])
    upper = flux, named["y_px"], named["x_px"], named["log_sigma_y"], named["log_sigma_x"]
    if values.shape[1] == len(SINGLE):
        return [upper]
    lower = (
        flux * np.exp(named["log_ratio"]), named["y_px"] + named["gap_px"], named["x_px"] + named["sideways_px"],
        named["log_lower_sigma_y"], named["log_sigma_x"],
    )  # fmt: skip
    return [upper, lower]


def _outer(flux, along, across):
    return flux[:, None, None] * along[:, :, None] * across[:, None, :]


def draw_light(values, rows, cols):
    """Light of one or two blobs on a background: ndarray of shape (n, n_rows, n_cols), of the dtype of `values`.

    Parameters
    ----------
    values : ndarray of shape (n, 6) or (n, 10)
        Parameters in the order of SINGLE or PAIR.
    rows, cols : ndarray of shape (n_rows,), (n_cols,)
        Where each pixel starts, from the corner that y_px and x_px are measured from.
    """
    light = values[:, 0][:, None, None]
    for flux, y, x, log_sigma_y, log_sigma_x in _blobs(values):
        light = light + _outer(flux, profile(rows, y, log_sigma_y), profile(cols, x, log_sigma_x))
    return light


def light_derivatives(values, rows, cols):
    """Derivative of `draw_light` by each parameter, (n, n_parameters, n_rows, n_cols)."""
    parts = [np.ones((len(values), len(rows), len(cols)))]
    for number, (flux, y, x, log_sigma_y, log_sigma_x) in enumerate(_blobs(values)):
        along, across = profile(rows, y, log_sigma_y), profile(cols, x, log_sigma_x)
        along_by_y, along_by_sigma = profile_derivatives(rows, y, log_sigma_y)
        across_by_x, across_by_sigma = profile_derivatives(cols, x, log_sigma_x)
        blob, down, right, narrower = (
            _outer(flux, *one)
            for one in ((along, across), (along_by_y, across), (along, across_by_x), (along, across_by_sigma))
        )
        taller = _outer(flux, along_by_sigma, across)
        if number == 0:
            parts += [blob, down, right, taller, narrower]
        else:  # the lower blob moves, brightens and widens with the upper one
            for k, more in ((1, blob), (2, down), (3, right), (5, narrower)):
                parts[k] = parts[k] + more
            parts += [blob, down, right, taller]
    return np.stack(parts, axis=1)


def huber(residual):
    """Square of a residual in units of its sd; beyond OUTLIER_SDS it grows in proportion, so that a neighbour says less."""
    size = np.abs(residual)
    return np.where(size <= OUTLIER_SDS, size**2, 2 * OUTLIER_SDS * size - OUTLIER_SDS**2)


def pixel_sd(crops):
    """What a pixel may be off: the noise, of unit size, and MODEL_ERROR of its light, as no blob is quite Gaussian."""
    return np.sqrt(1 + (MODEL_ERROR * np.maximum(crops, 0)) ** 2)


def fit_blobs(crops, rows, cols, prior_mean, prior_sd, *, start=None, n_steps=20) -> Fit:
    """Fit SINGLE or PAIR, whichever the prior has, to each crop.

    Parameters
    ----------
    crops : ndarray of shape (n, n_rows, n_cols)
        In units of the noise, background near 0.
    rows, cols : ndarray
        Where each pixel starts (see `draw_light`).
    prior_mean, prior_sd : ndarray of shape (n_parameters,) or (n, n_parameters)
    start : ndarray of shape (n, n_parameters), optional
        The prior's mean by default.
    """
    crops = np.asarray(crops, float)
    prior_mean, prior_sd = (np.broadcast_to(one, (len(crops), np.shape(one)[-1])) for one in (prior_mean, prior_sd))
    values = np.array(prior_mean if start is None else start, float)
    some = [slice(first, first + _AT_ONCE) for first in range(0, max(len(crops), 1), _AT_ONCE)]
    parts = [_fit(crops[one], rows, cols, prior_mean[one], prior_sd[one], values[one], n_steps) for one in some]
    return Fit(*map(np.concatenate, zip(*parts, strict=True)))


def _fit(crops, rows, cols, prior_mean, prior_sd, values, n_steps):
    """What `Fit` holds, of a few crops."""
    sd = pixel_sd(crops)
    n_pixels = len(rows) * len(cols)

    def cost_of(values):
        light, by_parameter = draw_light(values, rows, cols), light_derivatives(values, rows, cols)
        residual = ((crops - light) / sd).reshape(len(crops), n_pixels)
        from_prior = (values - prior_mean) / prior_sd
        weight = np.minimum(1, OUTLIER_SDS / np.maximum(np.abs(residual), 1e-9))
        slope = (by_parameter / sd[:, None]).reshape(len(crops), values.shape[1], n_pixels)
        weighted = slope * weight[:, None]
        gradient = np.einsum("npm,nm->np", weighted, residual) - from_prior / prior_sd
        curvature = weighted @ slope.transpose(0, 2, 1)
        curvature += np.eye(values.shape[1]) / prior_sd[:, :, None] ** 2
        return huber(residual).sum(axis=1) + (from_prior**2).sum(axis=1), gradient, curvature

    limits = 0.7 * np.where(np.arange(values.shape[1]) == 0, 3, 1)
    values, cost, curvature = damped_steps(cost_of, values, n_steps=n_steps, largest_step=limits)
    return values, np.sqrt(np.einsum("npp->np", np.linalg.inv(curvature))), cost


def damped_steps(cost_of, values, *, n_steps, largest_step):
    """Least squares by damped steps (Levenberg and Marquardt), for many fits at once.

    Parameters
    ----------
    cost_of : callable
        Takes values (n, n_parameters); gives cost (n,), gradient (n, n_parameters) that points where the cost falls, and
        curvature (n, n_parameters, n_parameters).
    values : ndarray of shape (n, n_parameters)
        Where the fits start.
    largest_step : float or ndarray of shape (n_parameters,)

    Returns
    -------
    values, cost, curvature
        Of each fit where its cost was lowest.
    """
    damping = np.full(len(values), 1e-2)
    cost, gradient, curvature = cost_of(values)
    for _ in range(n_steps):
        diagonal = np.einsum("npp->np", curvature)
        damped = curvature + np.eye(values.shape[1]) * (damping[:, None] * diagonal)[:, :, None]
        step = np.linalg.solve(damped, gradient[:, :, None])[:, :, 0]
        trial = values + np.clip(step, -largest_step, largest_step)
        new_cost, new_gradient, new_curvature = cost_of(trial)
        better = new_cost < cost
        values, cost = np.where(better[:, None], trial, values), np.where(better, new_cost, cost)
        gradient = np.where(better[:, None], new_gradient, gradient)
        curvature = np.where(better[:, None, None], new_curvature, curvature)
        damping = np.clip(np.where(better, damping / 4, damping * 6), 1e-6, 1e6)
    return values, cost, curvature
