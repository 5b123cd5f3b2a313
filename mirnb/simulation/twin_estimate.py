"""Estimate a simulated twin (see `twin`) from training crops alone.

Every training crop is fitted with the blobs its label speaks of (`blob_fit`), from wide neutral priors: two blobs about the
panel's gap for a miR, one for noise. The priors of a miR are then taken from the fits themselves and the fit is repeated
(empirical Bayes), which takes the noise of the fits out of the spreads. A noise blob may also be a pair whose lower blob a
person did not see: how often, and how bright that blob is, is found by expectation and maximisation over all noise crops.
"""

import numpy as np
from scipy import ndimage

from mirnb.imaging.blob_fit import PAIR, SINGLE, draw_light, fit_blobs, huber, pixel_sd
from mirnb.imaging.templates import MIN_MOLECULES
from mirnb.simulation.twin import LOWER_FLUX, Twin, pixel_starts

_NEUTRAL_SD = {
    "background": 1.0, "log_flux": 1.5, "y_px": 0.6, "x_px": 0.6, "log_sigma_y": 0.5, "log_sigma_x": 0.5,
    "log_ratio": 0.8, "sideways_px": 0.8, "log_lower_sigma_y": 0.3,
}  # fmt: skip
_NEUTRAL_MEAN = {"log_sigma_y": np.log(1.25), "log_sigma_x": np.log(1.2), "log_ratio": np.log(0.5),
                 "log_lower_sigma_y": np.log(1.4)}  # fmt: skip
_GAP_SD = 0.15  # of the panel's gap: it may be measured, or computed from the dyes


def estimate_twin(crops, y_true, panel, background) -> Twin:
    """Estimate a twin from training crops.

    Parameters
    ----------
    crops : ndarray of shape (n_crops, *panel.template_window.shape)
        Training crops in units of the noise, background near 0.
    y_true : int ndarray of shape (n_crops,)
    panel : Panel
        Its gaps are where the search starts.
    background : ndarray of shape (n_patches, *panel.template_window.shape)
        Patches of the frames without a blob in their middle, in the same units.
    """
    window, crops = panel.template_window, np.asarray(crops, float)
    rows, cols = pixel_starts(window)
    middle = crops[:, window.above - 2 : window.above + 5, window.left - 2 : window.left + 5]  # where fits start from
    log_light = np.log(np.maximum(middle.sum(axis=(1, 2)), 8))
    own = [y_true == k for k in range(panel.n_mirs)]
    pairs = [_fit_pairs(crops[i], rows, cols, log_light[i], mir.gap_px) for i, mir in zip(own, panel.mirs, strict=True)]
    fits, learned = zip(*pairs, strict=True)
    means, sds = _spreads(fits, learned, panel)
    noise = y_true == panel.noise
    noise_donors, hidden = _fit_noise(crops[noise], rows, cols, log_light[noise], means, sds)
    shot = _shot_noise(crops[noise], draw_light(noise_donors[0], rows, cols))
    shares = np.bincount(y_true, minlength=panel.n_mirs + 1) / max(len(y_true), 1)
    return Twin(window, shares, [one.values for one in fits], means, sds, noise_donors, hidden, shot, background)


def _neutral(log_light, gap_px):
    """Wide priors, one row a crop: (mean, sd), as SINGLE, or as PAIR when there is a gap."""
    names = SINGLE if gap_px is None else PAIR
    mean = np.tile([_NEUTRAL_MEAN.get(name, 0.0) for name in names], (len(log_light), 1))
    sd = np.tile([_NEUTRAL_SD.get(name, 0.0) for name in names], (len(log_light), 1))
    mean[:, 1] = log_light
    if gap_px is not None:
        mean[:, 7], sd[:, 7] = gap_px, _GAP_SD * gap_px
    return mean, sd


def _fit_pairs(crops, rows, cols, log_light, gap_px):
    """Fits of one miR's crops, and the mean and spread of its shape; the spread is learned when there are enough crops."""
    mean, sd = _neutral(log_light, gap_px)
    fit = fit_blobs(crops, rows, cols, mean, sd)
    learned = _spread(fit, mean.mean(axis=0), sd.mean(axis=0)) if len(crops) >= MIN_MOLECULES else None
    if learned is not None:  # once more, with what was learned as the prior
        mean[:, 4:], sd[:, 4:] = learned[0][4:], np.maximum(learned[1][4:], 0.03)
        fit = fit_blobs(crops, rows, cols, mean, sd, start=fit.values, n_steps=6)
    return fit, learned


def _spread(fit, neutral_mean, neutral_sd, *, weight=4):
    """Mean and true spread of the parameters over crops, without the noise of their fits: the most likely normal ones.

    The neutral values, no wider than .3, weigh as much as `weight` crops.
    """
    spreads = np.geomspace(0.01, 1.5, 40)[:, None, None]  # (spread, crop, parameter)
    variance = spreads**2 + fit.sd**2
    mean = (fit.values / variance).sum(axis=1) / (1 / variance).sum(axis=1)
    off = np.minimum((fit.values - mean[:, None]) ** 2 / variance, 9)  # a fit gone astray counts as 3 sd
    best = np.argmin((off + np.log(variance)).sum(axis=1), axis=0)
    n, each = len(fit.values), np.arange(fit.values.shape[1])
    mean = (n * mean[best, each] + weight * neutral_mean) / (n + weight)
    square = spreads[best, 0, 0] ** 2
    return mean, np.sqrt((n * square + weight * np.minimum(neutral_sd, 0.3) ** 2) / (n + weight))


def _spreads(fits, learned, panel):
    """Means and spreads of every miR; one with too few crops takes all but its gap from the others together."""
    known = [one for one in learned if one is not None]
    means, sds = np.empty((len(learned), len(PAIR))), np.empty((len(learned), len(PAIR)))
    for k, mir in enumerate(panel.mirs):
        if learned[k] is not None:
            means[k], sds[k] = learned[k]
        elif known:
            means[k], sds[k] = (np.mean(one, axis=0) for one in zip(*known, strict=True))
        else:
            mean, sd = _neutral(np.array([np.log(50.0)]), mir.gap_px)
            means[k], sds[k] = mean[0], np.minimum(sd[0], 0.5)
        if learned[k] is None:
            means[k, 7], sds[k, 7] = mir.gap_px, 0.08 * mir.gap_px
    return means, sds


def _fit_noise(crops, rows, cols, log_light, means, sds, *, n_rounds=4):
    """What each noise crop may be, how likely, and its parameters then.

    Hypotheses: one narrow blob (a dye), one wide blob (dirt), or a pair of miR k with a lower blob of flux f. Evidence is
    the likelihood at the most probable parameters times the share of each prior that the light leaves possible (Laplace). A
    pair's lower flux enters linearly, so that the likelihood of all fluxes follows from one fit.

    Returns
    -------
    values : list of ndarray of shape (n, 6) or (n, 10)
        Narrow, wide, then each miR's pair.
    posterior : ndarray of shape (n, 2 + n_mirs * n_fluxes)
    """
    n, n_mirs = len(crops), len(means)
    log_evidence = np.full((n, 2 + n_mirs * len(LOWER_FLUX)), -np.inf)
    if n == 0:
        return [np.zeros((0, len(SINGLE)))] * 2 + [np.zeros((0, len(PAIR)))] * n_mirs, log_evidence
    prior_mean, prior_sd = _neutral(log_light, None)
    pairs = []
    for k in range(n_mirs):
        mean, sd = _neutral(log_light, means[k, 7])
        mean[:, 4:], sd[:, 4:] = means[k, 4:], np.maximum(sds[k, 4:], 0.03)
        sd[:, 6] = 2.0
        fit = fit_blobs(crops, rows, cols, mean, sd, n_steps=12)
        pairs.append(fit.values)
        start = 2 + k * len(LOWER_FLUX)
        log_evidence[:, start : start + len(LOWER_FLUX)] = _pair_evidence(crops, rows, cols, fit, mean, sd)
    widths = [(np.log([1.3, 1.15]), np.array([0.2, 0.1])), (np.log([2.2, 2.2]), np.array([0.4, 0.4]))]
    shares = np.full(log_evidence.shape[1], 0.2 / (log_evidence.shape[1] - 2))
    shares[:2] = 0.7, 0.1
    singles = [None, None]
    for _ in range(n_rounds):
        for c, (mean, sd) in enumerate(widths):
            prior_mean[:, 4:], prior_sd[:, 4:] = mean, sd
            start = None if singles[c] is None else singles[c].values
            singles[c] = fit = fit_blobs(
                crops, rows, cols, prior_mean, prior_sd, start=start, n_steps=12 if start is None else 4
            )
            occam = np.log(np.minimum(fit.sd[:, 4:] / sd, 1)).sum(axis=1)
            shape_cost = (((fit.values - prior_mean) / prior_sd)[:, 2:] ** 2).sum(axis=1)
            residual = (crops - draw_light(fit.values, rows, cols)) / pixel_sd(crops)
            log_evidence[:, c] = occam - 0.5 * (shape_cost + huber(residual.reshape(n, -1)).sum(axis=1))
        posterior, shares = _expect(log_evidence, shares)
        for c, fit in enumerate(singles):
            weight = posterior[:, c] + 1e-9
            mean = np.average(fit.values[:, 4:], axis=0, weights=weight)
            square = (fit.values[:, 4:] - mean) ** 2 + fit.sd[:, 4:] ** 2
            widths[c] = mean, np.clip(np.sqrt(np.average(square, axis=0, weights=weight)), 0.03, 0.6)
    return [fit.values for fit in singles] + pairs, posterior


def _pair_evidence(crops, rows, cols, fit, mean, sd):
    """Log evidence of each lower flux of `_LOWER_FLUX`, (n, n_fluxes), for pairs of one miR.

    Where the light tells the lower blob's place, at the most probable place (Laplace). Where it does not, that place would
    follow the noise; there the evidence is averaged over the places the miR's lower blobs have (three by three nodes).
    """
    shape = [4, 5, 7, 8, 9]
    occam = np.log(np.minimum(fit.sd[:, shape] / sd[:, shape], 1)).sum(axis=1)
    off = (fit.values - mean) / sd
    known = occam - 0.5 * (off[:, [2, 3, *shape]] ** 2).sum(axis=1)
    at_best = known[:, None] - 0.5 * _cost_by_lower_flux(crops, rows, cols, fit.values)
    told = fit.sd[:, 7] < 0.6 * sd[:, 7]
    values = fit.values.copy()
    values[:, 9] = mean[:, 9]
    upper = np.log(np.minimum(fit.sd[:, [4, 5]] / sd[:, [4, 5]], 1)).sum(axis=1) - 0.5 * (off[:, [2, 3, 4, 5]] ** 2).sum(
        axis=1
    )
    nodes = []
    for down, down_weight in ((-1.732, 1 / 6), (0, 2 / 3), (1.732, 1 / 6)):
        for right, right_weight in ((-1.732, 1 / 6), (0, 2 / 3), (1.732, 1 / 6)):
            values[:, 7], values[:, 8] = mean[:, 7] + down * sd[:, 7], mean[:, 8] + right * sd[:, 8]
            cost = _cost_by_lower_flux(crops, rows, cols, values)
            nodes.append(np.log(down_weight * right_weight) - 0.5 * cost)
    averaged = upper[:, None] + np.logaddexp.reduce(nodes, axis=0)
    return np.where(told[:, None], at_best, averaged)


def _expect(log_evidence, shares, *, n_rounds=30):
    """Posterior of each crop's hypotheses and the shares of the hypotheses over all crops, by expectation and maximisation.

    The shares of neighbouring lower fluxes are smoothed in every round: noise alone would make peaks of them.
    """
    evidence = np.exp(log_evidence - log_evidence.max(axis=1, keepdims=True))
    posterior = np.zeros_like(evidence)
    for _ in range(n_rounds):
        posterior = evidence * shares
        posterior /= posterior.sum(axis=1, keepdims=True)
        shares = (posterior.sum(axis=0) + 1 / len(shares)) / (len(posterior) + 1)
        by_mir = shares[2:].reshape(-1, len(LOWER_FLUX))
        shares[2:] = ndimage.convolve1d(by_mir, [0.25, 0.5, 0.25], axis=1, mode="reflect").ravel()
    return posterior, shares


def _cost_by_lower_flux(crops, rows, cols, values):
    """Cost of each crop for each lower flux of `_LOWER_FLUX`, the shape as given; background and upper flux follow."""
    n = len(crops)
    upper = values[:, : len(SINGLE)].copy()
    upper[:, :2] = 0
    lower = upper.copy()
    lower[:, 2] += values[:, 7]
    lower[:, 3] += values[:, 8]
    lower[:, 4] = values[:, 9]
    sd = pixel_sd(crops).reshape(n, -1)
    columns = np.stack([np.ones_like(crops), draw_light(upper, rows, cols), draw_light(lower, rows, cols)], axis=-1)
    columns = columns.reshape(n, -1, 3) / sd[:, :, None]
    normal = columns.transpose(0, 2, 1) @ columns + 1e-9 * np.eye(3)
    light = crops.reshape(n, -1) / sd
    best = np.linalg.solve(normal, np.einsum("nmp,nm->np", columns, light)[:, :, None])[:, :, 0]
    lower_sd = np.sqrt(np.linalg.inv(normal)[:, 2, 2])
    off = (LOWER_FLUX - best[:, 2:]) / lower_sd[:, None]
    return huber(light - np.einsum("nmp,np->nm", columns, best)).sum(axis=1)[:, None] + off**2


def _shot_noise(crops, light):
    """Variance that light adds to a pixel, per unit of light: least squares over pixels of middling light."""
    lit = (light > 2) & (light < 15)
    residual = (crops - light)[lit]
    if len(residual) < 100:
        return 0.0
    residual = np.clip(residual, -6, 6)
    columns = np.column_stack([np.ones(len(residual)), light[lit], light[lit] ** 2])
    return float(np.clip(np.linalg.lstsq(columns, residual**2, rcond=None)[0][1], 0, 1))
