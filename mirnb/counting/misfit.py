"""Are there counts that no mixture of the classes explains? A posterior predictive check (Gelman, Meng and Stern 1996).

Samples are drawn that the most likely mixture could as well have given, with the matrix drawn anew for each, and are fitted
as the sample was. Where its counts lie further from their fit than those of nearly all of them, that is said.
"""

from dataclasses import dataclass

import numpy as np

from mirnb.counting.correction import most_likely

LEAST_P = 0.025  # further than all but so many: of samples of one class alone, the worst case, less than 5 % are accused
_N_DRAWS, _ROUNDING = 1000, 1e-9


@dataclass(frozen=True)
class Misfit:
    """How far the calls of a sample lie from those of the nearest mixture."""

    p: float  # share of good samples whose calls lie as far
    worst: str  # class whose calls lie furthest, in standard deviations
    called: float
    expected: float
    sd: float  # of the calls, with that of the matrix

    def __str__(self):
        """A sentence where calls do not fit, else empty."""
        if self.p >= LEAST_P:
            return ""
        return (
            f"no mixture explains its calls (p = {self.p:.2g}): {self.called:,.0f} blobs are called {self.worst}, the "
            f"nearest mixture has {self.expected:,.0f}, {abs(self.called - self.expected) / self.sd:.1f} standard errors "
            f"{'fewer' if self.called < self.expected else 'more'}"
        )


def judge_fit(counts, correction, *, stream=0):
    """How far the calls of a sample lie from the mixture that fits them best.

    Calls alone are judged, not how sure they are: that differs a little between a classifier and those of its folds.

    Parameters
    ----------
    counts : ndarray of shape (n_bins,)
    correction : Correction
    stream : int
        Another number for each sample: what is drawn for it.
    """
    counts, yields = (correction.by_class(np.asarray(one, float)) for one in (counts, correction.yields))
    rng, drawn = np.random.default_rng([correction.seed, 15, stream]), correction.by_class(correction.drawn_yields)
    molecules = most_likely(counts[None], yields[None], n_rounds=2000)[0]
    predicted = molecules @ drawn[:_N_DRAWS]  # (n_draws, n_classes)
    expected, variance = molecules @ yields, np.maximum(predicted.mean(axis=0) + predicted.var(axis=0), 1e-9)
    again = rng.poisson(predicted).astype(float)
    refitted = most_likely(again, yields) @ yields
    far, others = (((one - fit) ** 2 / variance).sum(axis=-1) for one, fit in ((counts, expected), (again, refitted)))
    far, others = (np.where(one < _ROUNDING, 0, one) for one in (far, others))  # many mixtures fit exactly
    worst = int((np.abs(counts - expected) / np.sqrt(variance)).argmax())
    p = (1 + np.sum(others >= far)) / (1 + len(others))
    return Misfit(float(p), correction.names[worst], counts[worst], expected[worst], float(np.sqrt(variance[worst])))
