"""Calls that no mixture explains are said, and good mixtures are seldom accused."""

import numpy as np
import pytest

from mirnb.counting.bins import by_class
from mirnb.counting.correction import Correction
from mirnb.counting.misfit import judge_fit

# Published: 4,064 visually labelled molecules, rows true, and the counts of a sample of one miR (thesis reference 2)
CLASSES = ["noise", "15b", "155", "126"]
LABELLED = np.array([[2465, 104, 20, 60], [83, 570, 1, 2], [43, 1, 94, 5], [190, 3, 9, 414]])
RED_ALONE, ONE_ONE_ONE = [73374, 36678, 424, 1141], [137680, 30254, 7008, 23021]


def test_the_published_counts_of_one_mir_alone_are_explained_by_no_mixture():
    found = judge_fit(RED_ALONE, Correction(CLASSES, LABELLED, seed=3))
    assert found.p < 0.01
    assert found.worst == "126"
    assert found.called == 1141
    assert 2 < (found.expected - found.called) / found.sd < 3.5
    assert str(found).startswith("no mixture explains its calls")
    assert "standard errors fewer" in str(found)


def test_counts_that_are_a_mixture_fit_exactly():
    found = judge_fit(ONE_ONE_ONE, Correction(CLASSES, LABELLED, seed=3))
    assert found.p > 0.05
    assert str(found) == ""


@pytest.mark.parametrize("molecules", [[3000, 0, 0, 0], [60000, 40000, 0, 0], [3000, 300, 300, 300]])
def test_at_most_one_good_mixture_in_twenty_is_accused(molecules):
    rng, shares = np.random.default_rng(3), LABELLED / LABELLED.sum(axis=1, keepdims=True)
    accused = 0
    for seed in range(100):
        confusion = np.array([rng.multinomial(n, row) for n, row in zip(LABELLED.sum(axis=1), shares, strict=True)])
        counts = rng.poisson(np.array(molecules) @ shares)
        accused += bool(str(judge_fit(counts, Correction(CLASSES, confusion, n_resamples=300, seed=seed))))
    assert accused <= 10  # of 100 at 5 %, more would come by chance once in a hundred times


def test_how_sure_the_calls_are_is_no_misfit():
    fine = np.kron(LABELLED, [0.5, 0.5])
    counts = np.kron(np.array(ONE_ONE_ONE) // 100, [0.8, 0.2])
    assert by_class(counts).tolist() == (np.array(ONE_ONE_ONE) // 100).tolist()
    assert judge_fit(counts, Correction(CLASSES, fine, seed=3)).p > 0.05
