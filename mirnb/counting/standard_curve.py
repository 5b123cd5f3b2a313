"""A standard curve: molecules on an area against the known concentrations of standards, on logarithmic axes."""

from dataclasses import dataclass, fields

import numpy as np
from scipy.optimize import minimize_scalar
from scipy.stats import chi2

LEAST_P = 0.01  # of the test of a linear range: one good series of a hundred is told otherwise
LEAST_STEPS = 3  # of a linear range
_N_ROUNDS, _LEAST = 50, 1e-3
_SLOPES = 0.2, 5.0  # no curve of counts is flatter or steeper


@dataclass(frozen=True, eq=False)
class Measured:
    """Replicates of samples, one miR: what was found on which area, and what is known of it."""

    concentration: np.ndarray  # (n,), above 0
    area: np.ndarray  # (n,)
    molecules: np.ndarray  # (n,), blanks subtracted: may lie below 0
    draws: np.ndarray  # (n, n_resamples), those of one column of the same draw of the matrix and the blanks
    floor: np.ndarray  # (n,), variance that counting gives a replicate without this miR
    factor: np.ndarray  # (n,), what each molecule of it adds

    def variance(self, expected):
        """Of the molecules of each replicate, by counting alone, where so many are expected."""
        return self.floor + self.factor * expected

    def only(self, chosen):
        return Measured(*(getattr(self, one.name)[chosen] for one in fields(self)))


@dataclass(frozen=True, eq=False)
class Curve:
    """ln(molecules on an area) = level + slope ln(concentration)."""

    level: float
    slope: float
    drawn: np.ndarray  # (2, n_resamples), level and slope drawn anew
    between: float  # standard deviation of replicates beyond counting, as a share; NaN where none has a second one
    n_free: int  # degrees of freedom that is known from
    linear: tuple  # concentrations between which it is linear; empty where none are found
    p: float  # of the test of that range; NaN without one
    used: np.ndarray  # (n,) bool, replicates it was fitted to

    def read_off(self, rate):
        """Concentration at which so many molecules are found on an area; 0 where none are."""
        with np.errstate(divide="ignore"):
            return np.exp((np.log(np.maximum(rate, 0)) - self.level) / self.slope)

    def rate_at(self, concentration):
        """Molecules on an area at a concentration."""
        return np.exp(self.level + self.slope * np.log(concentration))

    def read_off_draws(self, rates, rng, *, n_replicates=1):
        """Concentrations that belong to rates drawn anew, (n_resamples,), each by its own draw of the curve."""
        spread = _drawn_between(self.between, self.n_free, rng, len(rates)) / np.sqrt(n_replicates)
        rates = np.maximum(rates, 0) * np.exp(spread * rng.standard_normal(len(rates)))
        with np.errstate(divide="ignore"):
            return np.exp((np.log(rates) - self.drawn[0]) / self.drawn[1])


def fit_curve(standards, *, seed):
    """Fit a standard curve to the replicates of one miR, over the range where it is linear.

    A point weighs one over the variance of its logarithm: counting, and the spread of replicates beyond it. Zero counts take
    part, as the fit is one of Poisson counts through a logarithmic link (McCullagh and Nelder 1989). With one concentration
    alone the slope is taken as 1.

    Parameters
    ----------
    standards : Measured
    seed : sequence of int
        Of what is drawn for the spread of replicates.
    """
    between, n_free = spread_between(standards)
    rng = np.random.default_rng(seed)
    everything = np.ones(len(standards.area), bool)
    linear, p = _linear_range(standards, np.nan_to_num(between))
    used = (standards.concentration >= linear[0]) & (standards.concentration <= linear[1]) if linear else everything
    own = standards.only(used)
    level, slope, weights = _fit(own, np.nan_to_num(between))
    return Curve(
        level, slope, _drawn_lines(own, (level, slope), weights, between, n_free, rng), between, n_free, linear, p, used
    )


def spread_between(standards):
    """Standard deviation of replicates of one concentration beyond counting, as a share, and its degrees of freedom.

    The most likely one beside counting (Patterson and Thompson 1971). NaN where there is no second replicate.
    """
    groups = [np.flatnonzero(standards.concentration == one) for one in np.unique(standards.concentration)]
    groups = [standards.only(one) for one in groups if len(one) > 1 and standards.molecules[one].sum() > 0]
    n_free = sum(len(one.area) - 1 for one in groups)
    if not n_free:
        return np.nan, 0

    def unlikely(share):
        total = 0.0
        for one in groups:
            expected = one.molecules.sum() * one.area / one.area.sum()
            variance, lost = one.variance(expected) + (share * expected) ** 2, 1 - 1 / len(one.area)
            total += np.sum(lost * np.log(variance) + (one.molecules - expected) ** 2 / variance)
        return total

    found = minimize_scalar(unlikely, bounds=(0, 3), method="bounded", options={"xatol": 1e-4}).x
    return (float(found) if unlikely(found) < unlikely(0.0) else 0.0), n_free


def _fit(own, between, slope=None):
    """Level, slope (fitted where it is not given) and weights of the points, by reweighted least squares."""
    x = np.log(own.concentration)
    level = np.log(max(own.molecules.sum(), 0.5) / (own.area * own.concentration).sum())
    fitted = 1.0 if slope is None else slope
    is_fixed = slope is not None or len(np.unique(x)) < 2
    for _ in range(_N_ROUNDS):
        signal = own.area * np.exp(level + fitted * x)
        weights = 1 / (own.variance(signal) / signal**2 + between**2)
        z = np.log(signal / own.area) + np.clip(own.molecules / signal - 1, -1, 3)
        before, mean = (level, fitted), np.average(x, weights=weights)
        if not is_fixed:
            fitted = np.clip((weights * (x - mean) * z).sum() / (weights * (x - mean) ** 2).sum(), *_SLOPES)
        level = np.average(z, weights=weights) - fitted * mean
        if np.allclose(before, (level, fitted), rtol=1e-9):
            break
    return float(level), float(fitted), weights


def _drawn_lines(own, line, weights, between, n_free, rng):
    """Level and slope with counts, matrix, blanks and what replicates spread by drawn anew: (2, n_resamples)."""
    x, (level, slope) = np.log(own.concentration), line
    signal = own.area * np.exp(level + slope * x)
    ratio = own.draws / signal[:, None]
    whole = np.maximum(
        np.average(ratio, axis=0, weights=signal), _LEAST
    )  # what all points share, such as the matrix, is taken out first
    spread = _drawn_between(between, n_free, rng, ratio.shape[1]) * rng.standard_normal(ratio.shape)
    off = np.log(whole) + ratio / whole - 1 + spread  # of the logarithm, from the line
    mean = np.average(x, weights=weights)
    turn = 0.0
    if len(np.unique(x)) > 1:
        turn = (weights * (x - mean)) @ off / (weights * (x - mean) ** 2).sum()
    turned = np.clip(slope + turn * np.ones(ratio.shape[1]), *_SLOPES)
    return np.stack([level + np.average(off, axis=0, weights=weights) + (slope - turned) * mean, turned])


def _drawn_between(between, n_free, rng, n):
    """The spread of replicates drawn anew by how well it is known, (n,); 0 where nothing is known."""
    return np.sqrt(between**2 * n_free / rng.chisquare(n_free, n)) if n_free else np.zeros(n)


def _linear_range(standards, between):
    """The most neighbouring steps that a line of slope 1 explains, by chi squared of their means: its ends, p; () without.

    Of several ranges of as many steps it is that with the largest p.
    """
    steps, best = np.unique(standards.concentration), ((), np.nan)
    for n in range(len(steps), LEAST_STEPS - 1, -1):
        for first in range(len(steps) - n + 1):
            p = _p_linear(standards, between, steps[first], steps[first + n - 1])
            if p >= LEAST_P and not best[1] >= p:
                best = (float(steps[first]), float(steps[first + n - 1])), p
        if best[0]:
            return best
    return best


def _p_linear(standards, between, low, high):
    """Chance that steps on a line of slope 1 lie as far from it as these."""
    own = standards.only((standards.concentration >= low) & (standards.concentration <= high))
    level, _, _ = _fit(own, between, slope=1.0)
    expected = np.exp(level) * own.concentration * own.area
    variance = own.variance(expected) + (between * expected) ** 2
    steps, far = np.unique(own.concentration), 0.0
    for step in steps:
        here = own.concentration == step
        far += (own.molecules[here].sum() - expected[here].sum()) ** 2 / variance[here].sum()
    return float(chi2.sf(far, len(steps) - 1))
