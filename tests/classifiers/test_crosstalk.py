"""Promises of crosstalk against what can be worked on paper, drawn anew, and MAPIE's."""

import re
import warnings
from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import binom, binomtest

from mirnb.classifiers import crosstalk
from mirnb.classifiers.crosstalk import against, errors_allowed, labels_needed, least_promise, promise, promise_table
from mirnb.classifiers.facts import Facts
from mirnb.cli import main
from mirnb.experiments.panel_file import THESIS

MIDDLES = 2.2 * np.eye(4)


def facts_of(y_true, y_prob):
    y_true, y_prob = np.asarray(y_true), np.asarray(y_prob, float)
    return Facts(y_true, y_prob, np.zeros((len(y_true), 3)), np.ones(len(y_true), bool), {}, None)


def drawn(numbers, rng):
    """Classes, and what Bayes says of points about their middles; so sure a classifier should not be, but it is."""
    classes = np.repeat(np.arange(4), numbers)
    points = MIDDLES[classes] + rng.standard_normal((len(classes), 4))
    density = np.exp(-0.5 * ((points[:, None] - MIDDLES) ** 2).sum(axis=2)) ** 1.5
    return classes, density / density.sum(axis=1, keepdims=True)


def test_no_error_of_299_promises_one_in_a_hundred():
    assert [errors_allowed(n, 0.01, 0.05) for n in (0, 298, 299)] == [-1, -1, 0]
    assert labels_needed(0.01, 0.05) == 299
    assert least_promise(298, 0.05) > 0.01 >= least_promise(299, 0.05)
    assert 0.99**299 <= 0.05 < 0.99**298
    assert labels_needed(0.01, 0.05 / 3) == 408  # three miRs share the doubt
    assert least_promise(0, 0.05) == 1


@pytest.mark.parametrize(("n", "share"), [(473, 0.01), (50, 0.1), (500, 0.02), (3000, 0.05)])
def test_as_many_errors_are_allowed_as_the_exact_bound_says(n, share):
    m = errors_allowed(n, share, 0.05)
    bounds = [binomtest(k, n, alternative="less").proportion_ci(0.95, "exact").high for k in (m, m + 1)]
    assert bounds[0] <= share < bounds[1]


def test_what_speaks_against_a_call_is_the_other_mirs():
    np.testing.assert_allclose(against(np.array([[0.6, 0.1, 0.2, 0.1], [0.1, 0.2, 0.1, 0.6]])), [0.3, 0.4])


def test_thresholds_by_hand():
    """Of 408 red ones two are called blue; at 1 % none may be left, so green and blue must be surer than the surer one."""
    sure = np.tile([0.98, 0.01, 0.005, 0.005], (408, 1))
    y_true, y_prob = (
        np.repeat([0, 1, 2], 408),
        np.concatenate([sure[:, order] for order in ([0, 1, 2, 3], [1, 0, 2, 3], [1, 2, 0, 3])]),
    )
    y_prob[:2] = [0.3, 0.0, 0.6, 0.1], [0.04, 0.0, 0.9, 0.06]
    found = promise(facts_of(y_true, y_prob), THESIS, 0.01)
    np.testing.assert_allclose(found.below, [1, 0.04, 0.04])
    np.testing.assert_allclose(found.promised, 0.01)
    assert found.unsure(y_prob)[:3].tolist() == [True, True, False]
    assert found.kept == 1


def test_few_labels_promise_less_and_none_nothing():
    rng = np.random.default_rng(1)
    found = promise(facts_of(*drawn([500, 12, 0, 900], rng)), THESIS, 0.02)
    np.testing.assert_allclose(found.promised, [0.02, 1 - (0.05 / 3) ** (1 / 12), 1])
    said = found.in_words()
    assert said[0] == "at most 2 % of the molecules of red are called another miR (95 % confidence)"
    assert "green: 12 held-out labels promise 28.9 % at the least" in said[1]
    assert "blue: 0 held-out labels promise nothing" in said[2]
    assert all("2 % takes 203 labels" in one for one in said[1:3])
    table = promise_table(facts_of(*drawn([500, 12, 0, 900], rng)), THESIS)
    assert list(table) == ["5% asked for", "2% asked for", "1% asked for"]
    assert table.loc["red called another, of 500 labels", "1% asked for"] == "at most 1.00%"
    assert table.loc["green called another, of 12 labels", "1% asked for"] == f"at most {least_promise(12, 0.05 / 3):.2%}"
    assert table.loc["blue called another, of 0 labels", "1% asked for"] == "at most 100.00%"
    kept = [float(one.rstrip("%")) for one in table.loc["right calls kept"]]
    assert (np.diff(kept) <= 0).all()


def _broken(numbers, *, n_draws=400, share=0.03):
    """Of so many draws of held-out crops, those whose promise molecules break: 200,000 of each miR tell."""
    rng, n_broken = np.random.default_rng(3), 0
    classes, y_prob = drawn([200_000, 200_000, 200_000, 0], rng)
    called, other = y_prob.argmax(axis=1), against(y_prob)
    wrong = {(k, j): np.sort(other[(classes == k) & (called == j)]) for k in range(3) for j in range(3) if j != k}
    for _ in range(n_draws):
        found, rates = promise(facts_of(*drawn(numbers, rng)), THESIS, share), np.zeros(3)
        assert 0 < found.kept < 1
        for (k, j), known in wrong.items():
            rates[k] += np.searchsorted(known, found.below[j]) / 200_000
        n_broken += (rates > found.promised).any()
    print(f"{n_broken} of {n_draws} promises broken")
    return n_broken


@pytest.mark.slow
@pytest.mark.parametrize("numbers", [(450, 450, 450, 900), (300, 2000, 1500, 100)], ids=["alike", "another mixture"])
def test_of_400_promises_at_most_one_in_twenty_is_broken(numbers):
    assert _broken(numbers) <= binom.ppf(0.999, 400, 0.05)


def test_thresholds_that_held_on_the_labels_themselves_break_a_third_of_the_time(monkeypatch):
    monkeypatch.setattr(crosstalk, "errors_allowed", lambda n, share, doubt: int(n * share))
    assert _broken((300, 2000, 1500, 100)) > 400 / 3


@pytest.mark.slow
@pytest.mark.parametrize("method", ["fixed_sequence", "bonferroni_holm"])
def test_mapie_keeps_no_more_at_the_same_promise(method):
    """False positives are the molecules of one miR that are called another; each miR at our confidence, on a grid.

    Its thresholds are stricter than ours, so its promises hold where ours do.
    """
    control = pytest.importorskip("mapie.risk_control", reason="the rival is not installed")
    facts = facts_of(*drawn([800, 600, 700, 500], np.random.default_rng(4)))
    called, other = facts.y_prob.argmax(axis=1), against(facts.y_prob)
    grid, asked = 1 - np.geomspace(1e-5, 1, 400), []
    for k in range(3):
        wrong = np.where((called != k) & (called < 3), 1 - other, 0)
        asking = control.BinaryClassificationController(
            lambda one: np.column_stack([1 - one, one]), "fpr", 0.02, 1 - 0.05 / 3, list_predict_params=grid,
            fwer_method=method, best_predict_param_choice="predicted_positive_fraction",
        )  # fmt: skip
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that no crop is positive
            asking.calibrate(wrong[facts.y_true == k], np.zeros(np.sum(facts.y_true == k), int))
        asked.append(1 - min(asking.valid_predict_params, default=1.0))
    ours, theirs = promise(facts, THESIS, 0.02), [min(asked[j] for j in range(3) if j != k) for k in range(3)]
    right = (called == facts.y_true) & (called < 3)
    kept = np.mean(other[right] <= np.array(theirs)[called[right]])
    print(f"{method}: ours keep {ours.kept:.3f} of the right calls, MAPIE's {kept:.3f}")
    assert (ours.below >= theirs).all()
    assert ours.kept >= kept
    if method == "fixed_sequence":  # the same test, but for the grid and an error more where its products round up
        assert ours.kept - kept < 0.03


def test_calls_that_pass_no_threshold_are_unsure(small_classifier, small, tmp_path, capsys):
    out = tmp_path / "classified.csv"
    plain = small_classifier.classify(small)
    found = promise(small_classifier.facts, small.panel, 0.05)
    table = small_classifier.classify(small, promise=found)
    unsure = found.unsure(np.nan_to_num(table[[f"p_{name}" for name in small.panel.names]].to_numpy()))
    assert unsure.any()
    assert (table["class"] == "unsure").equals((plain["class"] != "") & unsure)
    command = ["classify", str(small_classifier.folder), str(small.folder), "--max-crosstalk", "0.05", "--out", str(out)]
    assert main(command) == 0
    said = capsys.readouterr().out
    assert "held-out labels promise" in said
    assert re.search(rf"unsure +{unsure.sum()}\n", said)
    replace(small_classifier, facts=None).save(tmp_path / "copied")
    assert main([*command[:1], str(tmp_path / "copied"), *command[2:]]) == 1
    assert "saved without the confusion of held-out crops" in capsys.readouterr().err
