"""Abundances of samples: blanks, replicates, detection limits and ratios, worked on paper."""

import numpy as np
import pandas as pd
import pytest

from mirnb.counting.abundance import (
    Sample,
    abundance_table,
    draws_table,
    estimate_abundances,
    in_columns,
    in_words,
    relative_in_columns,
)
from mirnb.counting.changes import fold_changes, replicate_changes
from mirnb.counting.changes import in_words as changes_in_words
from mirnb.counting.correction import Correction

NAMES = ["red", "green", "noise"]


def _sample(name, per_frame, n_frames=10, *, role="sample", replicate=None, area_um2=100.0):
    calls = np.tile(per_frame, (n_frames, 1))
    return Sample(name, role, calls, np.zeros(n_frames, int) if replicate is None else np.asarray(replicate), area_um2)


def _perfect(n=10**6):
    return Correction(NAMES, np.diag([n] * 3), n_resamples=4000, seed=3)


def _table(*samples, correction=None):
    correction = correction or _perfect()
    found = estimate_abundances(samples, correction)
    reference = next((one for one in found if one.sample.role == "reference"), None)
    return abundance_table(found, correction, reference=reference).set_index(["sample", "class"])


def test_numbers_rates_and_shares_on_paper():
    row = _table(_sample("one", [30, 10, 60], area_um2=500.0)).loc[("one", "red")]
    assert row[["counted", "molecules", "share", "per_frame", "per_um2"]].tolist() == pytest.approx(
        [300, 300, 0.75, 30, 0.6]
    )
    assert row["share_low"] < 0.75 < row["share_high"]
    assert row["per_frame_low"] == pytest.approx(row["low"] / 10)


def test_blanks_are_subtracted_frame_by_frame():
    blank = _sample("empty", [3, 0, 50], n_frames=5, role="blank")
    table = _table(_sample("one", [30, 10, 60]), blank)
    assert table.loc[("one", "red"), "molecules"] == pytest.approx(270)
    assert table.loc[("one", "green"), "molecules"] == pytest.approx(100)
    assert table.loc[("empty", "red"), "molecules"] == pytest.approx(15)


def test_what_a_blank_has_more_of_is_none():
    table = _table(_sample("one", [2, 10, 60]), _sample("empty", [3, 0, 50], role="blank"))
    assert table.loc[("one", "red"), ["molecules", "low"]].tolist() == [0, 0]
    assert "below its detection limit" in table.loc[("one", "red"), "remark"]


@pytest.mark.filterwarnings("error")
def test_a_sample_with_less_than_the_blank_has_no_shares():
    table = _table(_sample("one", [1, 1, 60]), _sample("empty", [300, 300, 50], role="blank"))
    assert table.loc["one", ["share", "share_low", "share_high"]].isna().all(axis=None)


def test_without_anything_to_confuse_the_limit_is_curries():
    table = _table(_sample("one", [0, 10, 60]))
    assert table.loc[("one", "red"), "detection_limit"] == pytest.approx(2.71, abs=0.3)


@pytest.mark.slow
def test_an_absent_class_seldom_passes_its_detection_limit():
    confusion = np.array([[900, 10, 90], [20, 850, 130], [60, 30, 5910]])
    correction, rng = Correction(NAMES, confusion, n_resamples=500, seed=3), np.random.default_rng(1)
    shares = confusion / confusion.sum(axis=1, keepdims=True)
    passed = []
    for _ in range(200):
        calls = rng.poisson(np.array([40.0, 0.0, 80.0]) @ shares, (10, 3))
        sample = Sample("one", "sample", calls, np.zeros(10, int), 100.0)
        one = estimate_abundances([sample], correction)[0]
        passed.append(one.molecules[1] > one.limit[1])
    assert np.mean(passed) < 0.05


def test_replicates_that_differ_widen_the_interval_and_their_spread_is_told():
    rows = np.concatenate([np.tile([20, 10, 60], (10, 1)), np.tile([60, 10, 60], (10, 1))])
    apart = Sample("apart", "sample", rows, np.repeat([0, 1], 10), 100.0)
    same = _sample("same", [40, 10, 60], n_frames=20, replicate=np.repeat([0, 1], 10))
    table = _table(apart, same)
    widths = table["high"] - table["low"]
    assert table.loc[("apart", "red"), "molecules"] == table.loc[("same", "red"), "molecules"] == pytest.approx(800)
    assert widths["apart", "red"] > 3 * widths["same", "red"]
    assert widths["apart", "green"] == pytest.approx(widths["same", "green"], rel=0.1)
    assert table.loc[("apart", "red"), "spread_per_frame"] == pytest.approx(np.std([20, 60], ddof=1))
    assert np.isnan(_table(_sample("one", [1, 1, 1])).loc[("one", "red"), "spread_per_frame"])


def test_frames_that_differ_widen_numbers_but_not_shares():
    rng = np.random.default_rng(2)
    density = rng.gamma(4, 1 / 4, 40)[:, None]
    uneven = Sample("uneven", "sample", rng.poisson(density * [40, 20, 60]), np.zeros(40, int), 100.0)
    even = Sample("even", "sample", rng.poisson([40, 20, 60], (40, 3)), np.zeros(40, int), 100.0)
    table = _table(uneven, even)
    relative = (table["high"] - table["low"]) / table["molecules"]
    assert relative["uneven", "red"] > 2 * relative["even", "red"]
    of_shares = table["share_high"] - table["share_low"]
    assert of_shares["uneven", "red"] == pytest.approx(of_shares["even", "red"], rel=0.25)


def test_relative_shares_divide_by_the_reference():
    table = _table(_sample("known", [30, 10, 60], role="reference"), _sample("one", [15, 15, 60]))
    assert table.loc[("one", "red"), "relative_share"] == pytest.approx(0.25)  # 15/30 against 15/10
    assert np.isnan(table.loc[("known", "red"), "relative_share"])
    shown = relative_in_columns(table.reset_index())
    assert list(shown.index) == [("one", "red"), ("one", "green")]


def test_a_reference_that_lacks_a_mir_gives_no_relative_shares_and_says_so():
    table = _table(_sample("known", [30, 0, 60], role="reference"), _sample("one", [15, 15, 60]))
    assert table.loc["one", ["relative_share", "relative_low", "relative_high"]].isna().all(axis=None)
    assert "none in the reference" in table.loc[("one", "green"), "remark"]
    assert table.loc[("one", "red"), "remark"] == ""


def test_fold_changes_compare_the_same_area():
    correction = _perfect()
    found = estimate_abundances(
        [_sample("small", [30, 10, 60], area_um2=100.0), _sample("large", [30, 40, 60], area_um2=300.0)], correction
    )
    folds = fold_changes(found, correction).set_index("class")
    assert folds["fold_change"].to_dict() == pytest.approx({"red": 1 / 3, "green": 4 / 3})
    assert (folds["low"] < folds["fold_change"]).all()
    assert (folds["fold_change"] < folds["high"]).all()


def test_fold_change_against_none_is_without_an_upper_end():
    correction = _perfect()
    found = estimate_abundances([_sample("none", [0, 10, 60]), _sample("some", [30, 10, 60])], correction)
    folds = fold_changes(found, correction).set_index("class")
    assert np.isinf(folds.loc["red", "fold_change"])
    assert folds.loc["red", "low"] > 10


def test_no_blobs_at_all():
    table = _table(_sample("nothing", [0, 0, 0]))
    assert table["molecules"].tolist() == [0, 0]
    assert table["share"].isna().all()
    assert "–" in in_columns(table.reset_index())["share (95 %)"].iloc[0]


def _row(sample, name, molecules, ends, share, ends_of_share, *, true=np.nan, limit=5.0, role="sample"):
    return {
        "sample": sample, "role": role, "class": name, "molecules": molecules, "low": ends[0], "high": ends[1],
        "share": share, "share_low": ends_of_share[0], "share_high": ends_of_share[1], "true": true,
        "detection_limit": limit,
        "misfit_p": 1.0,
    }  # fmt: skip


def test_a_sample_is_told_in_words():
    rows = [
        _row("one", "red", 60, (50, 70), 0.6, (0.55, 0.65), true=65),
        _row("one", "green", 40, (30, 50), 0.4, (0.35, 0.45), true=20),
        _row("two", "red", 3, (0, 9), 0.6, (0.2, 0.8)),
        _row("two", "green", 2, (0, 8), 0.4, (0.1, 0.7)),
        _row("three", "red", 0, (0, 0), np.nan, (np.nan, np.nan)),
        _row("three", "green", 0, (0, 3), np.nan, (np.nan, np.nan)),
        _row("empty", "red", 9, (0, 15), 0.5, (0.1, 0.9), role="blank"),
        _row("empty", "green", 1, (0, 2), 0.5, (0.1, 0.9), role="blank"),
    ]
    assert in_words(pd.DataFrame(rows)) == [
        "one: red is its most frequent miR: holds, 60 (50 to 70) molecules, 60.0% (55.0% to 65.0%) of all miRs.",
        "two: red is its most frequent miR: cannot be told, 3 (0 to 9) molecules, 60.0% (20.0% to 80.0%) of all miRs.",
        "three: no molecule of any miR.",
        "Below their detection limit, not told from none: all 2 of two; all 2 of three; green of empty.",
        "True numbers of molecules inside their 95 % intervals: 1 of 2; outside: green of one.",
    ]
    assert in_words(pd.DataFrame(rows[:1])) == [
        "one: 60 (50 to 70) molecules of red.",
        "Every miR of every sample lies above its detection limit.",
        "True numbers of molecules inside their 95 % intervals: 1 of 1.",
    ]


def test_true_numbers_stand_beside_and_nothing_is_a_share_of_none():
    known = Sample("one", "sample", np.tile([30, 10, 60], (10, 1)), np.zeros(10, int), 100.0, np.array([290, 0]))
    found = estimate_abundances([known, _sample("two", [3, 1, 60])], _perfect())
    table = abundance_table(found, _perfect())
    assert table["true"].tolist()[:2] == [290, 0]
    assert table["true_share"].tolist()[:2] == [1, 0]
    assert table["true"].isna().tolist() == table["true_share"].isna().tolist() == [False, False, True, True]
    assert in_columns(table)["true"].tolist() == ["290", "0", "–", "–"]
    assert "true" not in in_columns(table[2:])
    nothing = Sample("none", "sample", np.zeros((10, 3), int), np.zeros(10, int), 100.0, np.zeros(2, int))
    table = abundance_table(estimate_abundances([nothing], _perfect()), _perfect())
    assert table[["share", "true_share", "counted_share"]].isna().all(axis=None)
    assert in_columns(table)["true share"].tolist() == ["–", "–"]


def test_replicates_are_compared_one_by_one_with_the_whole_of_the_other_sample():
    calls = np.concatenate([np.tile([20, 10, 60], (5, 1)), np.tile([40, 10, 60], (5, 1))])
    two = Sample("two", "sample", calls, np.repeat([0, 1], 5), 100.0)
    found = estimate_abundances([_sample("one", [10, 10, 60]), two, _sample("empty", [0, 0, 9], role="blank")], _perfect())
    own = replicate_changes(found, _perfect())
    assert own[["sample", "against"]].drop_duplicates().to_numpy().tolist() == [["two", "one"]]
    assert own.set_index(["class", "replicate"])["fold_change"].to_dict() == pytest.approx(
        {("red", 1): 2, ("red", 2): 4, ("green", 1): 1, ("green", 2): 1}, rel=1e-3
    )
    pooled = fold_changes(found, _perfect()).set_index("class")["fold_change"]
    assert pooled["red"] == pytest.approx(3, rel=1e-3)


def test_samples_differ_where_the_interval_leaves_1_out_and_one_of_them_has_any():
    rows = [
        ("two", "one", "red", 3.0, 2.0, 4.0),
        ("two", "one", "green", 0.0, 0.0, 0.0),
        ("two", "one", "blue", 1.1, 0.8, 1.5),
    ]
    folds = pd.DataFrame(rows, columns=["sample", "against", "class", "fold_change", "low", "high"])
    table = pd.DataFrame(
        [
            _row(name, mir, n, (0, n), 0.5, (0, 1))
            for name in ("one", "two")
            for mir, n in (("red", 9), ("green", 1), ("blue", 9))
        ]
    )
    said = "two has more or less than one on the same area: "
    assert changes_in_words(folds, table) == [said + "holds for red; cannot be told for green, blue."]
    table.loc[1, "molecules"] = 50  # one sample has green above its limit: then none is less
    assert changes_in_words(folds, table) == [said + "holds for red, green; cannot be told for blue."]


def test_intervals_of_any_function_follow_from_the_joint_draws():
    samples, correction = [_sample("one", [30, 10, 60]), _sample("two", [3, 1, 60])], _perfect()
    found = estimate_abundances(samples, correction)
    draws = draws_table(found, correction)
    assert list(draws) == ["sample", "draw", "red", "green"]
    assert draws.groupby("sample")["draw"].agg(["size", "max"]).to_numpy().tolist() == [[4000, 3999]] * 2
    own = draws[draws["sample"] == "one"]
    table = abundance_table(found, correction).set_index(["sample", "class"])
    low, high = np.percentile(own["red"] / (own["red"] + own["green"]), [2.5, 97.5])
    assert (low, high) == pytest.approx(tuple(table.loc[("one", "red"), ["share_low", "share_high"]]), abs=1e-3)
    # on paper: of 300 and 100 Poisson counts the log of the ratio has the variance 1 / 300 + 1 / 100
    assert np.log(own["red"] / own["green"]).std() == pytest.approx(np.sqrt(1 / 300 + 1 / 100), rel=0.06)


def test_calls_that_no_mixture_explains_are_said_in_the_table_and_in_words():
    apart = Correction(NAMES, [[900, 0, 100], [0, 900, 100], [50, 50, 900]], n_resamples=1000, seed=3)
    odd = _sample("odd", [300, 0, 100])  # so much noise cannot be without some called green
    good = _sample("good", [140, 50, 910])  # of 100 red and 1,000 noise
    table = abundance_table(estimate_abundances([odd, good], apart), apart)
    p = table.set_index(["sample", "class"])["misfit_p"]
    assert p["odd", "red"] < 0.025 < p["good", "red"]
    said = [one for one in in_words(table) if "no mixture explains" in one]
    assert len(said) == 1
    assert said[0].startswith("odd: no mixture explains its calls")
