"""Probabilities as counts: each blob falls into a bin, by what it is called and how sure that is.

A call counts as sure when it is more probable than half of the held-out calls of its class. So two bins a class hold most of
what the probabilities tell of a mixture, and what is known of each class stays what was counted among held-out crops.
"""

import numpy as np

from mirnb.experiments.cutouts import MARGIN_PX

N_LEVELS = 2
_TWIN_CROPS = 3000  # of each class, drawn at the noise of a cleaner stack


def bins_of(y_prob, facts):
    """Bin of each blob, (n_blobs,): N_LEVELS times the called class, plus 1 where the call is sure.

    facts : facts.Facts
        Of the classifier.
    """
    called, sure = y_prob.argmax(axis=1), y_prob.max(axis=1)
    return N_LEVELS * called + (sure > _medians(facts)[called])


def _medians(facts):
    called, sure = facts.y_prob.argmax(axis=1), facts.y_prob.max(axis=1)
    return np.array([np.median(sure[called == k]) if (called == k).any() else 0.5 for k in range(facts.y_prob.shape[1])])


def by_class(counts):
    """Counts of bins, along the last axis, as counts of calls of each class."""
    return counts.reshape(*counts.shape[:-1], -1, N_LEVELS).sum(axis=-1)


def held_out_bins(facts, *, detected):
    """Held-out crops by bin, as `Correction` takes them.

    Parameters
    ----------
    detected : bool
        Of the blobs that our own detection finds, as those of stacks without a table; all of them where a class would be
        left without any.

    Returns
    -------
    confusion : ndarray of shape (n_classes, n_bins)
    hidden : ndarray of shape (n_mirs, n_bins)
        Of the noise row: expected pairs of each miR.
    """
    n_classes, bins = facts.y_prob.shape[1], bins_of(facts.y_prob, facts)
    kept = facts.found if detected else np.ones(len(bins), bool)
    if len(np.unique(facts.y_true[kept])) < len(np.unique(facts.y_true)):
        kept = np.ones(len(bins), bool)
    confusion = np.zeros((n_classes, N_LEVELS * n_classes))
    np.add.at(confusion, (facts.y_true[kept], bins[kept]), 1)
    return confusion, np.stack([np.bincount(bins[kept], one[kept], confusion.shape[1]) for one in facts.pairs.T])


def moves_at(classifier, noise, *, seed=3):
    """How calls move when crops have less noise than the training crops, by the twin: the same crops drawn at both.

    Parameters
    ----------
    classifier : Classifier
        With facts and their twin.
    noise : float
        Of a pixel, as a share of that of the training crops.

    Returns
    -------
    moves : ndarray of shape (n_classes, n_bins, n_bins)
        Of each class, noise without pairs last: how often what was called so is now called so; rows sum to 1.
    hidden_moves : ndarray of shape (n_mirs, n_bins, n_bins)
        Of pairs of each miR that are labelled noise.
    """
    facts, n_classes = classifier.facts, classifier.panel.n_mirs + 1
    moves = np.full((2 * n_classes - 1, *(N_LEVELS * n_classes,) * 2), 1e-3)  # a bin the twin never fills stays what it is
    moves[:, *np.diag_indices(N_LEVELS * n_classes)] += 1e-1
    for k in range(n_classes):
        asked = {"shares": np.eye(n_classes)[k]}
        bins = []
        for scale in (1.0, noise):
            crops, _, pair = facts.twin.draw_known(_TWIN_CROPS, [seed, 14, k], noise=scale, **asked)
            wide = np.pad(crops * classifier.trained_on["noise_sd_counts"], ((0, 0), (MARGIN_PX,) * 2, (MARGIN_PX,) * 2))
            bins.append(bins_of(classifier.predict(wide), facts))
        which = np.where(pair >= 0, n_classes + pair, k) if k == n_classes - 1 else np.full(len(pair), k)
        np.add.at(moves, (which, *bins), 1)
    moves /= moves.sum(axis=2, keepdims=True)
    return moves[:n_classes], moves[n_classes:]
