"""From counts of calls to numbers of molecules, corrected for confusion, with intervals.

A matrix of confusion says how often a molecule of each class is called each class. Counts are brought back through its
inverse (Forman 2008). Both the counts and the matrix are known from few molecules: intervals come from drawing both anew,
counts as Poisson and each row of the matrix as multinomial, with the conjugate priors.

A person who labels takes some pairs for noise, and a classifier finds some of these. How many there are follows the miRs
of the sample, not its noise: `hidden`, what a twin takes for pairs among the crops labelled noise, moves their calls from
the noise row to the rows of the miRs. Estimates stay in the unit of the labels: molecules a person would have labelled.
"""

import warnings
from functools import cached_property

import numpy as np
import pandas as pd

from mirnb.classifiers.scores import percentiles
from mirnb.files import InputError

FEW = 20  # labelled molecules of a class; with fewer its row of the matrix is hardly known, which is said
NEAR_SINGULAR = 20.0  # condition number of the matrix from which it is said


def corrected_counts(counts, confusion, *, hidden=None, n_resamples=10_000, seed):
    """Numbers of molecules of each class from counts of calls, corrected for confusion.

    Parameters
    ----------
    counts : Series or sequence of shape (n_classes,)
        Blobs called each class, noise included.
    confusion : DataFrame or ndarray of shape (n_classes, n_classes)
        Counts of molecules whose class is known, rows true, columns predicted. Where both have names, these say which is
        which, in any order; else the order of the one is that of the other.
    hidden : ndarray of shape (n_classes - 1, n_classes), optional
        Of the last row, noise: expected pairs of each miR by predicted class.
    n_resamples : int
        Draws of the counts and the matrix.

    Returns
    -------
    DataFrame, one row a class in the order of `counts`
        estimate, low, high (95 %), never negative. `attrs["remark"]` says when the matrix is near-singular, and a warning
        does too: the classes can then hardly be told apart, and the intervals are wide.

    Raises
    ------
    InputError
        If shapes or names differ, a count is negative or not a number, or a class has no molecule in the matrix.
    """
    names = list(counts.index) if isinstance(counts, pd.Series) else list(range(len(counts)))
    if isinstance(confusion, pd.DataFrame):
        confusion = _in_order(confusion, names, named=isinstance(counts, pd.Series))
    correction = Correction(names, confusion, hidden, n_resamples=n_resamples, seed=seed)
    if correction.remark:
        warnings.warn(correction.remark, stacklevel=2)
    estimate = correction.estimate(counts)
    table = pd.DataFrame({"estimate": estimate, **interval(estimate, correction.draws(counts))}, index=names)
    table.attrs["remark"] = correction.remark
    return table


def _in_order(confusion, names, *, named):
    if not named:
        names = list(confusion.index)
    if set(confusion.index) != set(names) or set(confusion.columns) != set(names) or len(names) != len(confusion):
        raise InputError(
            f"counts are of {', '.join(map(str, names))}, the confusion matrix has the rows "
            f"{', '.join(map(str, confusion.index))} and the columns {', '.join(map(str, confusion.columns))}; "
            "name the same classes in all three"
        )
    return confusion.loc[names, names].to_numpy()


class Correction:
    """A confusion matrix ready to correct counts with; all counts that one object corrects share its draws of the matrix.

    Parameters
    ----------
    names : sequence
        Of the classes, for messages.
    confusion, hidden, n_resamples, seed
        As `corrected_counts` takes them, in the order of `names`; columns may be finer than classes, so many `bins` a class.
    moves, hidden_moves : ndarray, optional
        As `bins.moves_at` gives them, where counts are of a cleaner stack than the matrix.
    """

    def __init__(self, names, confusion, hidden=None, *, moves=None, hidden_moves=None, n_resamples=10_000, seed):
        self.names, self.n_resamples, self.seed = list(names), n_resamples, seed
        self.confusion, self.moves = np.asarray(confusion, float), (moves, hidden_moves)
        n = len(self.names)
        if self.confusion.shape[:1] != (n,) or self.confusion.shape[1] % n:
            raise InputError(f"{n} classes need a confusion matrix of {n}x{n}, got {self.confusion.shape}")
        self.n_bins = self.confusion.shape[1]
        if not (np.isfinite(self.confusion).all() and (self.confusion >= 0).all()):
            raise InputError("a confusion matrix holds counts of molecules: numbers from 0 on, none missing")
        empty = [str(name) for name, row in zip(self.names, self.confusion, strict=True) if not row.sum()]
        if empty:
            raise InputError(
                f"the confusion matrix has no molecule of {', '.join(empty)}: without labelled ones nothing is known of "
                "how they are called; label some and train again"
            )
        self.hidden = np.zeros((n - 1, self.n_bins)) if hidden is None else np.asarray(hidden, float)
        self.yields = _yields(self.confusion, self.hidden, *self.moves)

    def by_class(self, yields):
        """Yields or counts, bins along the last axis, of each called class."""
        return yields.reshape(*yields.shape[:-1], len(self.names), -1).sum(axis=-1)

    @property
    def condition(self):
        """Condition number: 1 when no class is mistaken, infinite when two cannot be told apart."""
        return float(np.linalg.cond(self._shares))

    @property
    def _shares(self):
        yields = self.by_class(self.yields)
        return yields / yields.sum(axis=1, keepdims=True)

    @property
    def remark(self):
        """What is weak about the matrix, in a clause or two, else empty: few molecules of a class, or near-singular."""
        rows = zip(self.names, self.confusion.sum(axis=1), strict=True)
        few = ", ".join(f"{n:.0f} labelled molecules of {name}" for name, n in rows if n < FEW)
        few = few and f"only {few}: intervals are wide, and estimates lean towards their prior; label {FEW} or more"
        return "; ".join(filter(None, [few, self._singular()]))

    def _singular(self):
        if self.condition < NEAR_SINGULAR:
            return ""
        shares = self._shares
        apart = np.abs(shares[:, None] - shares[None]).sum(axis=2) + 9 * np.eye(len(shares))
        one, other = np.unravel_index(np.argmin(apart), apart.shape)
        return (
            f"the confusion matrix is near-singular (condition number {self.condition:.3g}): {self.names[one]} and "
            f"{self.names[other]} are called nearly the same, so their numbers can hardly be told apart"
        )

    @cached_property
    def drawn_yields(self):
        """Yields drawn anew, (n_resamples, n_classes, n_bins)."""
        rng = np.random.default_rng([self.seed, 11])
        confusion = rng.gamma(self.confusion + 1 / self.n_bins, size=(self.n_resamples, *self.confusion.shape))
        return _yields(confusion, rng.gamma(self.hidden, size=(self.n_resamples, *self.hidden.shape)), *self.moves)

    def estimate(self, counts):
        """Molecules of each class that make counts of bins most likely, (n_classes,), none below 0."""
        return _unmix(self._checked(counts), self.yields[None], n_rounds=2000)[0]

    def variance(self, molecules):
        """Variance that counting alone gives estimates of so many molecules, (n_classes,): the bound of Cramer and Rao."""
        expected = np.maximum(molecules @ self.yields, 1e-3)
        return np.diagonal(np.linalg.pinv((self.yields / expected) @ self.yields.T))

    def draws(self, counts, *, stream=0):
        """Molecules of each class with counts and matrix drawn anew, (n_resamples, n_classes).

        stream : int
            Counts of different samples are drawn independently of each other: another number for each.
        """
        rng = np.random.default_rng([self.seed, 12, stream])
        prior = 0.5 * len(self.names) / self.n_bins  # half a blob a class
        drawn = rng.gamma(self._checked(counts) + prior, size=(self.n_resamples, self.n_bins))
        return _unmix(drawn, self.drawn_yields)

    def _checked(self, counts):
        counts = np.asarray(counts, float)
        if counts.shape != (self.n_bins,):
            raise InputError(f"expected one count for each of {self.n_bins} classes, got {counts.shape}")
        if not (np.isfinite(counts).all() and (counts >= 0).all()):
            raise InputError(f"counts are numbers from 0 on, got {counts.tolist()}")
        return counts


def _yields(confusion, hidden, moves=None, hidden_moves=None):
    """Calls of each bin that a labelled molecule of each true class stands for, (..., n_classes, n_bins).

    Rows of miRs hold, beside their own calls, those of the hidden pairs that come with them, so they may sum to above 1;
    the row of noise, the last, is without them and sums to 1.
    """
    rows, labelled = confusion.copy(), confusion.sum(axis=-1, keepdims=True)
    rows[..., -1, :] = np.maximum(rows[..., -1, :] - hidden.sum(axis=-2), 1e-9)
    labelled[..., -1, :] = rows[..., -1, :].sum(axis=-1, keepdims=True)
    if moves is not None:
        rows, hidden = np.einsum("...kb,kbc->...kc", rows, moves), np.einsum("...kb,kbc->...kc", hidden, hidden_moves)
    rows[..., :-1, :] += hidden
    return rows / labelled


def _unmix(counts, yields, *, n_rounds=300):
    """Solve counts = molecules @ yields for molecules from 0 on, each row of counts with its own matrix: (n, n_classes)."""
    counts = np.broadcast_to(counts, (len(yields), yields.shape[-1]))
    if yields.shape[1] < yields.shape[2]:
        return most_likely(counts, yields, n_rounds=n_rounds)
    across = yields.transpose(0, 2, 1)
    singular = np.linalg.cond(across) > 1e12
    safe = np.where(singular[:, None, None], np.eye(yields.shape[-1]), across)
    molecules = np.linalg.solve(safe, counts[:, :, None])[:, :, 0]
    outside = np.flatnonzero(singular | (molecules < 0).any(axis=1))
    if len(outside):
        molecules[outside] = most_likely(counts[outside], yields[outside])
    return molecules


def most_likely(counts, yields, *, n_rounds=300):
    """Molecules from 0 on that make Poisson counts most likely, by expectation and maximisation: (n, n_classes).

    counts : (n, n_bins)
    yields : (n, n_classes, n_bins), or (n_classes, n_bins) for all
    """
    total, n = counts.sum(axis=1, keepdims=True), yields.shape[-2]
    molecules, each = np.broadcast_to(total / n, (len(counts), n)), yields.sum(axis=-1)
    for _ in range(n_rounds):
        expected = _times(molecules, yields)
        ratio = np.divide(counts, expected, out=np.zeros_like(counts, float), where=expected > 0)
        molecules = molecules * _times(ratio, yields.swapaxes(-1, -2)) / each
    return np.where(molecules < 1e-6 * total, 0, molecules)


def _times(rows, matrices):
    """Each row times its own matrix, or the one of all: (n, ...)."""
    return rows @ matrices if matrices.ndim == 2 else (rows[:, None] @ matrices)[:, 0]


def interval(value, draws):
    """Ends of a value's 95 % interval from its draws along the first axis, low and high; the value lies between."""
    low, high = percentiles(draws, (2.5, 97.5))
    return {"low": np.fmin(low, value), "high": np.fmax(high, value)}
