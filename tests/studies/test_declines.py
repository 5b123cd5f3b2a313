"""Declines and differences, on tables of sweeps made by hand."""

import numpy as np
import pandas as pd
import pytest

from mirnb.experiments.panel_file import THESIS, panel_from_dict
from mirnb.studies import declines


def _table(setting, scores, *, others=""):
    """A sweep's table: scores is {value: scores of the repeats}, the same for every class and score."""
    rows = [
        {"setting": setting, "value": value, "others": others, "seed": seed, "class": name, "set": set_name,
         "precision": score, "recall": score, "f1": score}
        for value, repeats in scores.items()
        for seed, score in enumerate(repeats)
        for name in THESIS.names
        for set_name in ("training", "validation")
    ]  # fmt: skip
    return pd.DataFrame(rows)


@pytest.mark.parametrize(
    ("beyond", "verdict"),
    [((0.70, 0.71, 0.72), "holds"), ((0.89, 0.90, 0.91), "does not hold"), ((0.78, 0.81, 0.83), "cannot be told")],
)
def test_a_fall_beyond_the_value_is_told_from_a_rise_and_from_chance(beyond, verdict):
    found = declines.measure_declines(_table("filter2", {"8": (0.1,) * 3, "16": (0.79, 0.80, 0.81), "32": beyond}), THESIS)
    assert found.index.unique().tolist() == ["11"]
    assert found["class"].tolist() == ["red", "green", "blue"]
    assert found["verdict"].unique().tolist() == [verdict]
    np.testing.assert_allclose(found["at"], 0.80)
    np.testing.assert_allclose(found["beyond"], np.mean(beyond))
    assert ((found["low"] < found["difference"]) & (found["difference"] < found["high"])).all()


def test_all_larger_values_count_and_smaller_ones_do_not():
    found = declines.measure_declines(_table("sgd", {"0.002": (0.2, 0.3), "0.5": (0.6, 0.7), "0.01": (0.8, 0.9)}), THESIS)
    np.testing.assert_allclose(found["beyond"], 0.75)
    assert set(found["score"]) == {"recall", "precision"}


def test_undefined_scores_are_left_out_and_one_training_tells_nothing():
    scores = {"5": (np.nan, 0.8, 0.8, 0.81), "7": (np.nan, np.nan, 0.5, np.nan)}
    found = declines.measure_declines(_table("kernel", scores), THESIS)
    np.testing.assert_allclose(found["beyond"], 0.5)
    assert set(found["verdict"]) == {"cannot be told"}


def test_each_companion_sweep_is_judged_by_itself():
    tables = [_table("filter1", {"50": (0.8, 0.81), "64": (0.5, 0.51)}),
              _table("filter1", {"50": (0.8, 0.81), "64": (0.9, 0.91)}, others="filter3=30")]  # fmt: skip
    found = declines.measure_declines(pd.concat(tables), THESIS)
    assert found.groupby("with")["verdict"].first().to_dict() == {"": "holds", "filter3=30": "does not hold"}
    assert set(found["class"]) == {"red", "blue"}


def test_the_thesis_says_nothing_of_another_panel():
    mirs = [{"name": "a", "dyes": ["Alexa 488", "Alexa 647"], "gap_px": 9.0}]
    other = panel_from_dict({"name": "other", "bands_nm": [[507, 532], [673, 714]], "mir": mirs})
    assert declines.measure_declines(_table("filter2", {"16": (0.8, 0.8), "32": (0.1, 0.1)}), other).empty
    assert declines.marked_values(other) == {}
    assert declines.marked_values(THESIS)["sgd"] == "0.002"


def test_two_values_compared_on_paper():
    found = declines.compare_values(_table("padding", {"valid": (0.7, 0.8), "same": (0.8, 0.9)}), "valid", "same")
    one = found.loc["red", "f1"]
    assert one["difference"] == pytest.approx(0.1)
    # both have standard error .05 and one degree of freedom, together two: .1 -+ 4.303 * .0707
    assert one["low"] == pytest.approx(0.1 - 4.3027 * 0.0707107, abs=1e-4)
    assert one["high"] == pytest.approx(0.1 + 4.3027 * 0.0707107, abs=1e-4)
