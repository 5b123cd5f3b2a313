"""Counts corrected for confusion: matrices worked on paper, published figures, coverage of the intervals."""

import numpy as np
import pandas as pd
import pytest

from mirnb.counting.correction import Correction, corrected_counts
from mirnb.files import InputError

# Published: 4,064 visually labelled molecules, rows true, and the counts of two mixtures (thesis reference 2)
CLASSES = ["noise", "15b", "155", "126"]
LABELLED = np.array([[2465, 104, 20, 60], [83, 570, 1, 2], [43, 1, 94, 5], [190, 3, 9, 414]])
ONE_ONE_ONE = np.array([137680, 30254, 7008, 23021])
TWO_FIVE_THREE = np.array([150738, 25625, 11899, 25969])


def _ratio(mixture, reference):
    ratio = np.asarray(mixture)[1:] / np.asarray(reference)[1:]
    return (ratio / ratio.sum()).round(3).tolist()


def test_published_figures_are_met():
    corrected = [corrected_counts(one, LABELLED, seed=3)["estimate"] for one in (TWO_FIVE_THREE, ONE_ONE_ONE)]
    assert _ratio(TWO_FIVE_THREE, ONE_ONE_ONE) == [0.231, 0.462, 0.307]
    assert _ratio(*corrected) == [0.210, 0.492, 0.298]


def test_classes_may_come_in_any_order():
    counts = pd.Series(TWO_FIVE_THREE, index=CLASSES)
    confusion = pd.DataFrame(LABELLED, index=CLASSES, columns=CLASSES)
    straight = corrected_counts(counts, confusion, seed=3)
    shuffled = corrected_counts(counts.iloc[[2, 0, 3, 1]], confusion.iloc[[3, 1, 0, 2], [1, 3, 2, 0]], seed=3)
    assert list(shuffled.index) == ["155", "noise", "126", "15b"]
    np.testing.assert_allclose(shuffled.loc[CLASSES, "estimate"], straight["estimate"])
    np.testing.assert_allclose(shuffled.loc[CLASSES, ["low", "high"]], straight[["low", "high"]], rtol=0.02)


def test_a_matrix_worked_on_paper():
    # 100 molecules of the first class and 20 of the second: 80 + 2 and 20 + 18 calls
    assert corrected_counts([82, 38], [[8, 2], [1, 9]], seed=1)["estimate"].tolist() == pytest.approx([100, 20])


def test_without_confusion_the_interval_is_that_of_counting():
    found = corrected_counts([400, 2500], np.diag([10**7, 10**7]), seed=1)
    assert found["estimate"].tolist() == pytest.approx([400, 2500])
    half = (found["high"] - found["low"]) / 2
    np.testing.assert_allclose(half, 1.96 * np.sqrt([400, 2500]), rtol=0.05)


def test_few_labelled_molecules_widen_the_interval():
    matrix = np.array([[80, 20], [10, 90]])
    few, many = (corrected_counts([900, 1100], matrix * factor, seed=1) for factor in (1, 1000))
    assert ((few["high"] - few["low"]) > 2 * (many["high"] - many["low"])).all()


def test_intervals_hold_the_truth_in_95_of_100_cases():
    rng = np.random.default_rng(5)
    shares = np.array([[0.92, 0.01, 0.07], [0.06, 0.85, 0.09], [0.03, 0.02, 0.95]])
    molecules = np.array([150.0, 60.0, 1000.0])
    inside = []
    for case in range(300):
        confusion = np.array([rng.multinomial(n, row) for n, row in zip((500, 120, 2000), shares, strict=True)])
        found = corrected_counts(rng.poisson(molecules @ shares), confusion, n_resamples=800, seed=case)
        inside.append((found["low"] <= molecules) & (molecules <= found["high"]))
    assert 0.92 < np.mean(inside) < 0.98


@pytest.mark.parametrize("counts", [[0, 0, 0], [3, 0, 1000], [500, 1, 0]])
def test_never_negative_and_the_estimate_lies_between(counts):
    found = corrected_counts(counts, [[8, 1, 1], [4, 5, 1], [5, 1, 94]], seed=2)
    assert (found >= 0).all(axis=None)
    assert (found["low"] <= found["estimate"]).all()
    assert (found["estimate"] <= found["high"]).all()


def test_where_the_inverse_is_negative_the_rest_still_adds_up():
    found = corrected_counts([0, 1000], [[50, 50], [10, 90]], seed=2)  # noise alone would give 100 false calls
    assert found["estimate"].tolist() == [0, pytest.approx(1000)]


def test_hidden_pairs_go_with_their_mir():
    # noise row 20, 180, of which 20 and 10 are pairs: a labelled molecule stands for 1.1 and .2 calls, noise for 0 and 1
    found = corrected_counts([55, 180], [[90, 10], [20, 180]], hidden=[[20, 10]], seed=1)
    assert found["estimate"].tolist() == pytest.approx([50, 170])


def test_hidden_pairs_take_the_bias_of_other_mixtures_away():
    # every pair, labelled or not, is called right 9 times in 10; a person labels 2 of 3
    confusion, hidden = [[180, 20], [90, 810]], [[90, 10]]
    calls = np.array([0.9 * 1.5 * 600, 800 + 0.1 * 1.5 * 600])  # 600 a person would label, 800 of noise
    plain = corrected_counts(calls, confusion, seed=1)["estimate"]
    with_hidden = corrected_counts(calls, confusion, hidden=hidden, seed=1)["estimate"]
    assert with_hidden[0] == pytest.approx(600)
    assert abs(plain[0] - 600) > 100


def test_a_near_singular_matrix_is_said():
    names = ["red", "green", "noise"]
    confusion = pd.DataFrame([[50, 49, 1], [49, 50, 1], [0, 1, 99]], index=names, columns=names)
    with pytest.warns(UserWarning, match=r"near-singular.*red and green"):
        found = corrected_counts(pd.Series([300, 100, 50], index=names), confusion, seed=1)
    assert "near-singular" in found.attrs["remark"]
    assert found.loc["red", "high"] - found.loc["red", "low"] > 300


def test_a_singular_matrix_gives_wide_intervals_not_an_error():
    with pytest.warns(UserWarning, match="near-singular"):
        found = corrected_counts([50, 50], [[5, 5], [5, 5]], seed=1)
    assert found["low"].max() < 10
    assert found["high"].min() > 90


def test_same_seed_same_numbers_and_another_seed_others():
    one, same, other = (corrected_counts(ONE_ONE_ONE, LABELLED, seed=seed) for seed in (3, 3, 4))
    pd.testing.assert_frame_equal(one, same)
    assert not np.allclose(one["low"], other["low"])


@pytest.mark.parametrize(
    ("counts", "confusion", "said"),
    [
        ([5, 5], [[5, 5], [0, 0]], "no molecule of 1"),
        ([5, 5, 5], [[5, 5], [5, 5]], "3x3"),
        ([5, -1], [[5, 1], [1, 5]], "from 0 on"),
        ([5, np.nan], [[5, 1], [1, 5]], "from 0 on"),
        ([5, 5], [[5, -1], [1, 5]], "from 0 on"),
        ([5, 5], [[5, np.nan], [1, 5]], "from 0 on"),
        (
            pd.Series([5, 5], index=["red", "noise"]),
            pd.DataFrame([[5, 1], [1, 5]], index=["blue", "noise"], columns=["blue", "noise"]),
            "same classes",
        ),
    ],
)
def test_bad_input_is_said(counts, confusion, said):
    with pytest.raises(InputError, match=said):
        corrected_counts(counts, confusion, seed=1)


def test_the_empty_class_is_named():
    names = ["red", "noise"]
    confusion = pd.DataFrame([[0, 0], [1, 5]], index=names, columns=names)
    with pytest.raises(InputError, match="no molecule of red"):
        corrected_counts(pd.Series([1, 2], index=names), confusion, seed=1)


def test_samples_share_the_draws_of_the_matrix():
    correction = Correction(CLASSES, LABELLED, n_resamples=2000, seed=3)
    one, other = (correction.draws(counts, stream=k) for k, counts in enumerate((ONE_ONE_ONE, TWO_FIVE_THREE)))
    # counts are large here, so nearly all of the spread is the matrix's: what is common drops out of a ratio
    assert np.corrcoef(one[:, 2], other[:, 2])[0, 1] > 0.9
    assert np.std(np.log(one[:, 2] / other[:, 2])) < 0.7 * np.std(np.log(one[:, 2]))


def test_fewer_than_twenty_labels_of_a_class_are_said_and_counted_all_the_same():
    few = Correction(["red", "green", "noise"], [[40, 1, 2], [1, 12, 1], [2, 2, 90]], seed=1)
    assert few.remark.startswith("only 14 labelled molecules of green: intervals are wide")
    assert few.estimate([100, 50, 200]).sum() == pytest.approx(350)
    assert Correction(["red", "green", "noise"], [[40, 1, 2], [1, 22, 1], [2, 2, 90]], seed=1).remark == ""


def test_bins_finer_than_classes_narrow_what_calls_leave_open():
    # calls alone cannot tell the classes apart, how sure they are can
    fine = np.array([[300, 100, 50, 150], [100, 300, 150, 50.0]])
    found = Correction(["a", "b"], fine, seed=1, n_resamples=500)
    truth = np.array([500.0, 200.0])
    np.testing.assert_allclose(found.estimate(truth @ (fine / 600)), truth, rtol=1e-3)
    assert found.by_class(found.yields).tolist() == pytest.approx(np.array([[2 / 3, 1 / 3], [2 / 3, 1 / 3]]))
    low, high = np.percentile(found.draws(truth @ (fine / 600))[:, 0], [2.5, 97.5])
    assert low < 500 < high
    assert high - low < 250


def test_calls_that_move_are_brought_back():
    moves = np.array([[[0.5, 0.5], [0.0, 1.0]], [[1.0, 0.0], [0.0, 1.0]]])  # half of the first class's right calls are lost
    moved = Correction(["a", "noise"], [[100, 0], [0, 100]], moves=moves, hidden_moves=moves[:1], seed=1)
    assert moved.estimate([50, 150]).tolist() == pytest.approx([100, 100], rel=1e-3)
