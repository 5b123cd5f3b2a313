"""Our counts beside QuaPy's on equal inputs: probabilities of held-out crops and of a sample's blobs."""

import numpy as np
import pytest

from mirnb.classifiers.facts import Facts
from mirnb.counting.bins import bins_of, held_out_bins
from mirnb.counting.correction import Correction

SHARES, MIDDLES = np.array([0.16, 0.04, 0.15, 0.65]), 2.2 * np.eye(4)
HIDDEN = 0.3  # so many pairs as a labelled molecule each are taken for noise, and look halfway like it
N_SAMPLES, N_MIRS = 8, 2000


def _probabilities(classes, hidden, share, rng):
    """Of the labels, as Bayes gives them for points about the middles, those of hidden pairs halfway to noise."""
    halfway = (MIDDLES[:3] + MIDDLES[3]) / 2
    points = np.where(hidden[:, None], halfway[np.minimum(classes, 2)], MIDDLES[classes])
    points = points + rng.standard_normal(points.shape)
    density = SHARES * np.exp(-0.5 * ((points[:, None] - MIDDLES) ** 2).sum(axis=2))
    density[:, 3] += (share * SHARES[:3] * np.exp(-0.5 * ((points[:, None] - halfway) ** 2).sum(axis=2))).sum(axis=1)
    return density / density.sum(axis=1, keepdims=True)


def _blobs(numbers, share, rng):
    """Class, whether hidden, and probabilities of molecules and noise, and of the hidden pairs that come with them."""
    classes = np.repeat(np.arange(4), numbers)
    pairs = np.repeat(np.arange(3), rng.poisson(share * np.array(numbers[:3])))
    classes, hidden = np.concatenate([classes, pairs]), np.arange(len(classes) + len(pairs)) >= len(classes)
    return classes, hidden, _probabilities(classes, hidden, share, rng)


def _share_errors(count, samples):
    return np.mean([np.abs(found / found.sum() - true).mean() for y_prob, true in samples for found in [count(y_prob)[:3]]])


@pytest.fixture(params=[0.0, HIDDEN], ids=["labels are right", "some pairs are labelled noise"])
def judged(request):
    """Held-out crops as `Facts`, and samples: probabilities and true shares."""
    rng = np.random.default_rng(5)
    classes, hidden, y_prob = _blobs(rng.multinomial(3200, SHARES), request.param, rng)
    facts = Facts(np.where(hidden, 3, classes), y_prob, np.eye(4)[classes][:, :3] * hidden[:, None], hidden | True, {}, None)
    samples = []
    for _ in range(N_SAMPLES):
        shares = rng.dirichlet([1, 1, 1])
        numbers = [*rng.poisson(N_MIRS * shares), 3700]
        samples.append((_blobs(numbers, request.param, rng)[2], shares))
    return request.param, facts, samples


@pytest.mark.slow
def test_shares_err_no_more_than_those_of_quapy(judged):
    aggregative = pytest.importorskip("quapy.method.aggregative", reason="the rival is not installed")
    from sklearn.linear_model import LogisticRegression

    share, facts, samples = judged
    correction = Correction(list("rgbn"), *held_out_bins(facts, detected=True), seed=1)
    ours = _share_errors(lambda y_prob: correction.estimate(np.bincount(bins_of(y_prob, facts), minlength=8)), samples)
    theirs = {}
    for name, crisp in {"ACC": True, "PACC": False, "EMQ": False, "KDEyML": False}.items():
        stand_in = LogisticRegression()
        stand_in.classes_ = np.arange(4)
        method = getattr(aggregative, name)(stand_in, fit_classifier=False)
        method.train_prevalence = np.bincount(facts.y_true, minlength=4) / len(facts.y_true)
        method.aggregation_fit(facts.y_prob.argmax(axis=1) if crisp else facts.y_prob, facts.y_true)
        asked = {True: lambda y_prob: y_prob.argmax(axis=1), False: lambda y_prob: y_prob}[crisp]
        theirs[name] = _share_errors(lambda y_prob, m=method, a=asked: np.asarray(m.aggregate(a(y_prob))), samples)
    print(f"ours {ours:.4f},", ", ".join(f"{name} {error:.4f}" for name, error in theirs.items()))
    if share:
        assert ours < 0.8 * min(theirs.values())  # none of them knows of pairs that are labelled noise
    else:
        assert ours < 1.1 * theirs["ACC"]
