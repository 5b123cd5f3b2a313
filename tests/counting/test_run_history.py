"""A table of runs: added to, never twice, judged by the rules that laboratories use."""

import numpy as np
import pandas as pd
import pytest

from mirnb.counting.run_history import append_run, in_words, read_runs
from mirnb.files import InputError


def _abundance(per_um2, *, wide=1e-5, samples=("control",)):
    rows = []
    for name in samples:
        for k, mir in enumerate(["red", "NA"], 1):
            rate = {
                "per_um2": per_um2 * k,
                "per_um2_low": (per_um2 - wide / 2) * k,
                "per_um2_high": (per_um2 + wide / 2) * k,
            }
            rows.append({
                "sample": name, "role": "reference", "class": mir, "molecules": 1e5 * per_um2 * k, "low": 0.0, "high": 1.0,
                **rate, "share": 0.5, "share_low": 0.4, "share_high": 0.6, "verdict": "like the training data",
                "classifier": "twin_cnn abc",
            })  # fmt: skip
    return pd.DataFrame(rows)


def _runs(path, values):
    for value in values:
        append_run(path, _abundance(value / 1000))
    return read_runs(path)


def test_runs_are_added_and_one_that_is_there_is_not_added_again(tmp_path):
    path = tmp_path / "runs.csv"
    assert append_run(path, _abundance(0.010)) == 2
    assert append_run(path, _abundance(0.011)) == 2
    assert append_run(path, _abundance(0.010)) == 0
    table = pd.read_csv(path, keep_default_na=False)
    assert table["per_1000_um2"].tolist() == [10, 20, 11, 22]
    assert table["class"].tolist() == ["red", "NA"] * 2
    assert table["run"].nunique() == 2


def test_a_sample_of_one_run_alone_is_no_history(tmp_path):
    append_run(tmp_path / "runs.csv", _abundance(0.010, samples=("once",)))
    assert len(read_runs(tmp_path / "runs.csv")) == 0
    assert len(read_runs("")) == 0


def test_each_run_is_held_against_those_before_it(tmp_path):
    # mean of 10, 11, 12 is 11 and their standard deviation 1: 14.1 lies 3.1 off, and does not count in what follows
    judged = _runs(tmp_path / "runs.csv", [10, 11, 12, 14.1, 11.3])
    own = judged[judged["class"] == "red"]
    assert own["mean_before"].tolist()[3:] == pytest.approx([11, 11])
    assert own["sd_before"].tolist()[3:] == pytest.approx([1, 1])
    assert own["mean_before"].isna().tolist() == [True] * 3 + [False] * 2
    assert own["verdict"].tolist() == ["", "", "", "more than 3 standard deviations off", ""]


def test_runs_that_happen_to_agree_are_not_taken_to_be_surer_than_their_counting(tmp_path):
    for value in (0.010, 0.01001, 0.00999, 0.0105):  # 5 % more, where an interval is 10 % to either side
        append_run(tmp_path / "runs.csv", _abundance(value, wide=0.002))
    judged = read_runs(tmp_path / "runs.csv")
    assert (judged["verdict"] == "").all()
    assert judged["sd_before"].dropna().tolist() == pytest.approx([2 / 3.92, 4 / 3.92])


def test_two_in_a_row_beyond_2_on_one_side_are_out_of_control(tmp_path):
    # 13.2 lies 2.2 off; then mean and standard deviation are 11.55 and 1.36, and 14.9 lies 2.5 off on the same side
    judged = _runs(tmp_path / "runs.csv", [10, 11, 12, 13.2, 14.9])
    assert judged.loc[judged["class"] == "red", "verdict"].tolist()[3:] == ["", "the second beyond 2 on one side"]
    (said,) = in_words(judged)
    assert said.startswith("control: out of control in the last of 5 runs: red (the second beyond 2 on one side)")


def test_what_is_in_control_is_said_and_what_is_too_short_to_judge(tmp_path):
    assert in_words(_runs(tmp_path / "a.csv", [10, 11])) == [
        "control: counted in 2 runs; from 4 on each is held against those before."
    ]
    assert in_words(_runs(tmp_path / "b.csv", [10, 11, 12, 11.5])) == ["control: in control in the last of 4 runs."]


@pytest.mark.parametrize("content", ["", "a,b\n1,2\n", "\x00\x01"])
def test_another_file_is_refused_and_stays_as_it_is(tmp_path, content):
    path = tmp_path / "other.csv"
    path.write_text(content)
    with pytest.raises(InputError, match=r"other\.csv: .*name another file"):
        append_run(path, _abundance(0.010))
    assert path.read_text() == content


def test_a_control_that_never_varied_is_no_reason_to_divide_by_0(tmp_path):
    path = tmp_path / "runs.csv"
    append_run(path, _abundance(0.010))
    table = pd.read_csv(path, keep_default_na=False)
    pd.concat([table.assign(run=f"r{k}") for k in range(4)]).to_csv(path, index=False)
    judged = read_runs(path)
    assert (judged["verdict"] == "").all()
    assert np.isfinite(judged["sd_before"].dropna()).all()
