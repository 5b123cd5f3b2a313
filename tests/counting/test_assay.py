"""An assay of samples made by hand, without any confusion: what is read off is known on paper."""

import re

import numpy as np
import pytest

from mirnb.counting.abundance import Sample
from mirnb.counting.assay import make_assay, molecules_on
from mirnb.counting.assay_words import in_words, limits_in_columns, readings_in_columns, recoveries_in_columns
from mirnb.counting.correction import Correction
from mirnb.counting.crowding import Crowding

PERFECT = Correction(["red", "green", "noise"], 1e7 * np.eye(3), n_resamples=600, seed=3)
STEPS = (1.0, 10.0, 100.0, 1000.0)
FIELD_UM2 = 1000.0


def _sample(name, role, *calls, known=(), added_to="", frames=2):
    """Replicates of (red, green) calls, spread evenly over so many frames each."""
    bins = np.repeat([[*one, 50.0] for one in calls], frames, axis=0) / frames
    return Sample(
        name, role, bins, np.repeat(np.arange(len(calls)), frames), FIELD_UM2 * len(calls), concentration=known,
        added_to=added_to,
    )  # fmt: skip


def _standards(*, n_replicates=3, steps=STEPS):
    """Two molecules of red and one of green for each unit."""
    return [_sample(f"s{step:g}", "standard", *[(2 * step, step)] * n_replicates, known=(step, step)) for step in steps]


def _blanks(n=6):
    return [_sample("empty", "blank", *[(0, 0)] * n)]


def _read(assay, sample, name):
    return assay.readings.set_index(["sample", "class"]).loc[(sample, name)]


def test_unknowns_are_read_off_and_their_interval_is_that_of_counting():
    assay = make_assay([*_standards(), *_blanks(), _sample("p", "sample", (60, 400))], PERFECT, unit="pM")
    assert assay.curve["slope"].tolist() == pytest.approx([1, 1], abs=1e-3)
    assert assay.curve["rate_at_1"].tolist() == pytest.approx([2, 1], rel=1e-2)
    red, green = (_read(assay, "p", name) for name in ("red", "green"))
    assert (red["read"], green["read"]) == (pytest.approx(30, rel=0.01), pytest.approx(400, rel=0.01))
    assert red["high"] - red["low"] == pytest.approx(2 * 1.96 * np.sqrt(60) / 2, rel=0.2)
    assert green["high"] - green["low"] == pytest.approx(2 * 1.96 * 400 * np.hypot(1 / 20, 1 / np.sqrt(3333)), rel=0.2)
    assert red["verdict"] == ""


def test_a_spike_is_recovered_less_what_its_sample_holds():
    samples = [_sample("p", "sample", (60, 400)), _sample("x", "spike", (150, 500), known=(50.0, 200.0), added_to="p"),
               _sample("y", "spike", (80, 0), known=(50.0, 0.0))]  # fmt: skip
    assay = make_assay([*_standards(), *_blanks(), *samples], PERFECT)
    assert _read(assay, "x", "red")["recovery"] == pytest.approx((75 - 30) / 50, rel=0.02)
    assert _read(assay, "x", "green")["recovery"] == pytest.approx((500 - 400) / 200, rel=0.05)
    assert _read(assay, "y", "red")["recovery"] == pytest.approx(40 / 50, rel=0.02)
    assert np.isnan(_read(assay, "y", "green")["recovery"])  # none of it was added
    assert "Spike-ins: all of it lies inside the 95 % interval of" in "\n".join(in_words(assay))
    shown = recoveries_in_columns(assay)
    assert set(shown.index) == {("x", "p", "50"), ("x", "p", "200"), ("y", "", "50")}
    assert shown.loc[("y", "", "50"), "green (95 %)"] == "–"


def test_what_is_read_off_is_called_what_it_is_worth():
    calls = {"none": 0, "trace": 2, "little": 8, "enough": 100, "much": 5000}
    samples = [_sample(name, "sample", (n, 50)) for name, n in calls.items()]
    assay = make_assay([*_standards(), *_blanks(40), *samples], PERFECT)
    verdicts = [_read(assay, name, "red")["verdict"] for name in calls]
    assert verdicts == [
        "not detected", "below LoD", "below LoQ", "", "above linear range",
    ]  # fmt: skip


def test_blanks_are_subtracted_by_area():
    standards = [_sample(f"s{step:g}", "standard", *[(2 * step + 20, step)] * 3, known=(step, step)) for step in STEPS]
    large = _sample("empty", "blank", *[(40, 0)] * 3)
    blank = Sample("empty", "blank", large.bins, large.replicate, 2 * large.area_um2)
    assay = make_assay([*standards, blank, _sample("p", "sample", (80, 30))], PERFECT)
    assert assay.curve["slope"][0] == pytest.approx(1, abs=0.01)
    assert _read(assay, "p", "red")["read"] == pytest.approx(30, rel=0.02)


def test_a_mir_that_a_standard_lacks_is_not_of_its_curve():
    standards = [_sample(f"r{step:g}", "standard", *[(2 * step, 0)] * 2, known=(step, 0.0)) for step in STEPS]
    standards += [_sample(f"g{step:g}", "standard", *[(0, step)] * 2, known=(0.0, step)) for step in STEPS]
    assay = make_assay([*standards, *_blanks()], PERFECT)
    assert assay.curve["standards"].tolist() == [8, 8]
    assert set(assay.standards.loc[assay.standards["class"] == "red", "sample"].str[0]) == {"r"}


def test_a_mir_without_any_molecule_has_no_curve_and_the_others_have():
    standards = [_sample(f"s{step:g}", "standard", *[(2 * step, 0)] * 2, known=(step, step)) for step in STEPS]
    assay = make_assay([*standards, *_blanks(), _sample("p", "sample", (60, 0))], PERFECT)
    assert "green: no curve: no molecule of it in any standard that has it." in in_words(assay)
    assert assay.readings["class"].tolist() == ["red"]
    assert limits_in_columns(assay).columns.tolist() == ["red"]


@pytest.mark.parametrize(
    ("samples", "said"),
    [
        (_standards(), "No sample is a blank: there are no limits"),
        ([*_standards(), *_blanks(1)], "There is one blank"),
        ([*_standards(n_replicates=1), *_blanks()], "No standard has a second replicate"),
        ([*_standards(steps=STEPS[:3]), *_blanks()], "The curve has 3 steps, 4 or more are usual: .* tested on 3 alone"),
        ([*_standards(steps=STEPS[:2]), *_blanks()], "The curve has 2 steps, .* cannot be tested"),
        ([*_standards(steps=STEPS[2:3]), *_blanks()], "The curve has 1 step, .* its slope is taken as 1"),
    ],
)
def test_what_a_series_lacks_is_said_and_the_rest_is_given(samples, said):
    assay = make_assay([*samples, _sample("p", "sample", (60, 400))], PERFECT, unit="pM")
    (remark,) = assay.remarks
    assert re.search(said, remark)
    assert _read(assay, "p", "red")["read"] == pytest.approx(30, rel=0.02)
    assert len(in_words(assay)) == 3
    limits_in_columns(assay), readings_in_columns(assay)


def test_a_full_series_lacks_nothing():
    assert make_assay([*_standards(), *_blanks()], PERFECT).remarks == ()


def test_what_crowding_takes_is_made_up_for():
    area = np.array([1e-4, 3e-4])
    crowding = Crowding(area, np.tile(area, (PERFECT.n_resamples, 1)))

    def crowded(step):
        red, green = 2.0 * step, 1.0 * step
        for _ in range(50):  # density is that of what is counted
            density = red + green
            red, green = 2 * step * np.exp(-area[0] * density), step * np.exp(-area[1] * density)
        return red, green

    standards = [_sample(f"s{step:g}", "standard", *[crowded(step)] * 3, known=(step, step)) for step in STEPS]
    assay = make_assay([*standards, *_blanks()], PERFECT, crowding=crowding)
    assert assay.curve["slope"].tolist() == pytest.approx([1, 1], abs=1e-3)
    density = molecules_on(standards[-1], PERFECT)
    assert assay.curve["crowding_loss"].tolist() == pytest.approx(1 - np.exp(-area * density))
    plain = make_assay([*standards, *_blanks()], PERFECT)
    assert plain.curve["linear_high"].tolist() == [100, 100]  # else the range ends where it begins


def test_where_nothing_is_linear_no_standard_lies_in_a_linear_range():
    """Red is the same at every concentration."""
    steps = [_sample(f"s{step:g}", "standard", *[(500, step)] * 3, known=(step, step)) for step in STEPS]
    told = make_assay([*steps, *_blanks()], PERFECT, unit="pM").standards.groupby("class")["in_linear_range"]
    assert not told.any()["red"]
    assert told.all()["green"]
