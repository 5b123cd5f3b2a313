"""From which amount on a miR is seen: limits of blank, detection and quantitation, as CLSI's guideline EP17-A2 defines them.

Limit of blank: what the result of a sample without the miR exceeds 5 times in 100. Limit of detection: the amount whose
result exceeds the limit of blank 95 times in 100. Limit of quantitation: the least amount, from the limit of detection on,
whose results spread by no more than a share that is asked for. Results come of counts, so they are not taken to be normal:
calls of samples are drawn as Poisson about those of the blanks, which are known by as many blanks as there are, and are
corrected as those of a sample are.
"""

from dataclasses import dataclass

import numpy as np
from scipy.stats import chi2, poisson

from mirnb.counting.correction import most_likely

RISK = 0.05  # of a blank to lie above the limit of blank, and of a sample at the limit of detection not to
MOST_SPREAD = 0.2  # of results at the limit of quantitation, as a share of the amount
_N_DRAWS, _N_AMOUNTS = 4000, 28
_MOST_ROUNDS = 4  # in which the range of amounts is made larger, tenfold each


@dataclass(frozen=True, eq=False)
class Limits:
    """Limits of one miR in molecules of a replicate, blanks subtracted; NaN where there is none."""

    blank: float
    detection: float
    quantitation: float
    poisson: float  # limit of detection of counting alone: the calls of these blanks, no miR taken for another
    n_blanks: int
    uneven: bool  # blanks differ by more than counting


def find_limits(correction, blanks, area, *, between=0.0, most_spread=MOST_SPREAD):
    """Limits of each miR: list of Limits.

    Parameters
    ----------
    correction : Correction
    blanks : list of (bins, area)
        Calls of each blank, (n_bins,), and its area.
    area : float
        Of the replicate that limits are told for.
    between : sequence of float, or float
        Standard deviation of replicates beyond counting, as a share, of each miR.
    most_spread : float
        Of results at the limit of quantitation.
    """
    n_mirs = len(correction.names) - 1
    counts, areas = np.array([one for one, _ in blanks], float), np.array([own for _, own in blanks])
    rng = np.random.default_rng([correction.seed, 16])
    rates, uneven = _blank_rates(counts, areas, correction, rng)
    mean = counts.sum(axis=0) / areas.sum() * area
    subtracted = correction.estimate(mean)
    of_blanks = _results(rng.poisson(rates * area), correction)
    limits = []
    for k, share in zip(range(n_mirs), np.broadcast_to(np.nan_to_num(between), n_mirs), strict=True):
        blank = float(np.quantile(of_blanks[:, k], 1 - RISK, method="inverted_cdf"))
        amounts, seen, spread = _profile(correction, rates * area, k, blank, share, rng)
        detection = _first(amounts, seen >= 1 - RISK, seen - (1 - RISK))
        good = (spread <= most_spread) & (amounts >= detection)
        quantitation = max(_first(amounts, good, most_spread - spread), detection) if good.any() else np.nan
        calls = correction.by_class(mean)[k]
        recall = correction.by_class(correction.yields)[k, k]
        limit = poisson_limit(calls) / recall if recall > 0 else np.inf
        limits.append(Limits(blank - subtracted[k], detection, quantitation, limit, len(blanks), uneven))
    return limits


def poisson_limit(background, *, risk=RISK):
    """Molecules that are seen by counting alone: their counts exceed, all but `risk` of times, what a background's do.

    The least c that a Poisson count of the background exceeds `risk` of times at most; then the expectation whose count lies
    above c all but `risk` of times, less the background (Currie 1968, without his normal approximation). Without any
    background it is -ln(risk).
    """
    critical = poisson.ppf(1 - risk, background) if background > 0 else 0
    return float(chi2.ppf(1 - risk, 2 * (critical + 1)) / 2 - background)


def _blank_rates(counts, areas, correction, rng):
    """Calls of blanks on an area drawn by how well they are known, (n_draws, n_bins), and whether blanks differ by more."""
    total = counts.sum(axis=1)
    expected = total.sum() * areas / areas.sum()
    uneven, extra = False, 0.0
    if len(counts) > 1 and total.sum():
        far = np.sum((total - expected) ** 2 / expected)
        uneven = bool(chi2.sf(far, len(counts) - 1) < RISK)
        extra = max(far - (len(counts) - 1), 0) / np.sum(expected) if uneven else 0.0  # variance of the rate, as a share
    prior = 0.5 * len(correction.names) / correction.n_bins
    rates = rng.gamma(counts.sum(axis=0) + prior, size=(_N_DRAWS, counts.shape[1])) / areas.sum()
    return (rates * rng.gamma(1 / extra, extra, (_N_DRAWS, 1)) if extra else rates), uneven


def _results(counts, correction):
    return most_likely(counts.astype(float), correction.yields)


def _profile(correction, blank, k, limit, between, rng):
    """Precision profile: amounts (n,), share of their results above the limit of blank, and their spread as a share."""
    start = 0.5 * (1 + limit)
    for _ in range(_MOST_ROUNDS):
        amounts = start * np.geomspace(1, 300, _N_AMOUNTS)
        n = len(blank) // 4
        drawn = amounts[:, None] * np.exp(between * rng.standard_normal(n))
        counts = rng.poisson(blank[:n] + drawn[:, :, None] * correction.yields[k])
        results = _results(counts.reshape(-1, blank.shape[1]), correction)[:, k].reshape(len(amounts), n)
        seen, spread = (results > limit).mean(axis=1), results.std(axis=1) / amounts
        if seen[-1] >= 1 - RISK:
            return amounts, seen, spread
        start *= 10
    return amounts, seen, spread


def _first(amounts, good, beyond):
    """The amount from which on all is good, read between two by how far each is beyond; NaN where the last is not good."""
    if not good[-1]:
        return np.nan
    last_bad = np.flatnonzero(~good)
    if not len(last_bad):
        return float(amounts[0])
    k = last_bad[-1]
    share = np.clip(-beyond[k] / max(beyond[k + 1] - beyond[k], 1e-12), 0, 1)
    return float(np.exp(np.log(amounts[k]) + share * np.log(amounts[k + 1] / amounts[k])))
