"""What counted stacks look like, held to a table written by hand."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from mirnb.counting import looks
from mirnb.counting.samples import Input
from mirnb.experiments.blobs import write_table
from mirnb.experiments.cutouts import busiest_part
from mirnb.experiments.run_folder import RunFolder
from mirnb.experiments.stacks import HeldFrames


@pytest.fixture
def counted(small, tmp_path):
    """A plan with one counted stack: the first four kept blobs of its first frame are called, the fifth is a partner."""
    inside = [k for k in range(len(small.table)) if 40 < small.rows[k] < 200 and 40 < small.cols[k] < 200][:5]
    table = small.table.iloc[inside].reset_index(drop=True)
    calls, sure = ["red", "red", "green", "noise", "blue"], [0.6, 0.9, 0.8, 0.7, 0.9]
    table = table.assign(**{"class": calls}, **{f"p_{name}": 0.0 for name in small.panel.names}, crowded=False)
    table["partner"] = pd.array([pd.NA, pd.NA, pd.NA, pd.NA, 1], dtype="Int64")
    for k, (name, p) in enumerate(zip(calls, sure, strict=True)):
        table.loc[k, f"p_{name}"] = p
    write_table(tmp_path / "mine" / "blobs_classified.csv", table)
    frames = pd.DataFrame({"frame": range(1, 5), "blobs": 60.0, "verdict": ["", "", "moved", ""]})
    write_table(tmp_path / "mine" / "frames.csv", frames.assign(counted=frames["verdict"] == ""))
    one = Input("mine", "mine", replace(small, simulated=None))
    found = SimpleNamespace(stacks=pd.DataFrame({"verdict": ["like the training data"]}))
    return SimpleNamespace(inputs=[one], stacks=tmp_path, classifier=SimpleNamespace(title="a toy")), found, inside


def test_blobs_of_a_counted_stack_lie_where_the_table_says(counted, small):
    plan, found, inside = counted
    one, blobs = looks.first_counted(plan, found)
    assert one.name == "mine"
    assert blobs["class"].tolist() == ["red", "red", "green", "noise"]  # the partner is left out
    assert blobs["p"].tolist() == [0.6, 0.9, 0.8, 0.7]
    assert blobs["row"].tolist() == small.rows[inside[:4]].tolist()
    assert blobs["col"].tolist() == small.cols[inside[:4]].tolist()


def test_blobs_of_frames_that_are_left_out_are_not_shown(counted):
    plan, found, _ = counted
    path = plan.stacks / "mine" / "frames.csv"
    frames = pd.read_csv(path)
    write_table(path, frames.assign(counted=frames["frame"] != 1))
    assert looks.first_counted(plan, found)[1].empty
    assert looks.odd_frames(plan, found).index.tolist() == [("mine", 3)]
    assert looks.frames_to_show(plan, found)["table"]["verdict"].tolist() == ["", "", "moved", ""]


def test_the_least_sure_and_the_brightest_of_each_class_come_first(counted, small):
    plan, found, inside = counted
    rows = looks.molecules_by_class(plan, found)["rows"]
    assert list(rows) == [f"{name}, {what}" for name in ("red", "green", "noise") for what in ("brightest", "least sure")]
    ((_, frame),) = small.stack.frames([small.frame_index[inside[0]]])
    window = small.panel.template_window
    row, col = small.rows[inside[0]], small.cols[inside[0]]
    expected = frame[row - window.above : row + window.below, col - window.left : col + window.right]
    np.testing.assert_array_equal(rows["red, least sure"][0], expected)
    middle = np.s_[window.above - 1 : window.above + 2, window.left - 1 : window.left + 2]
    light = [crop[middle].mean() for crop in rows["red, brightest"]]
    assert light == sorted(light, reverse=True)


def test_a_part_is_shown_where_most_molecules_are():
    frames = HeldFrames([np.zeros((100, 100), np.uint16), np.ones((100, 100), np.uint16)])
    blobs = pd.DataFrame({"frame": [0, 1, 1, 1], "row": [5, 80, 85, 10], "col": [5, 80, 85, 90],
                          "class": ["red", "red", "blue", "noise"]})  # fmt: skip
    shown = busiest_part(frames, blobs, side_px=40)
    assert shown["frame"].max() == 1
    assert shown["corner"] == (60, 60)
    assert len(shown["blobs"]) == 3


def test_more_mirs_are_shown_rather_than_more_molecules():
    frames = HeldFrames([np.zeros((100, 100), np.uint16), np.ones((100, 100), np.uint16)])
    blobs = pd.DataFrame({"frame": [0, 0, 0, 1, 1], "row": 20, "col": [20, 21, 22, 70, 75],
                          "class": ["red", "red", "red", "red", "blue"]})  # fmt: skip
    assert busiest_part(frames, blobs, side_px=40)["frame"].max() == 1
    blobs.loc[len(blobs)] = [1, 70, 5, "red"]
    blobs.loc[len(blobs)] = [1, 71, 6, "red"]
    assert busiest_part(frames, blobs, side_px=40)["corner"][1] >= 40  # where blue is, too


def test_next_steps_are_told_where_nobody_knows_the_classes(counted, small):
    plan, _, _ = counted
    assert looks.next_steps(plan) == []  # its blobs have labels
    unlabelled = replace(plan.inputs[0].experiment, labels=np.full(len(small.rows), -2))
    plan.inputs = [replace(plan.inputs[0], experiment=unlabelled)]
    assert "nobody has measured" in looks.next_steps(plan)[0]
    plan.inputs = [replace(plan.inputs[0], experiment=replace(unlabelled, simulated={"seed": 3}))]
    assert looks.next_steps(plan) == []


def test_without_counts_a_report_says_what_to_do(small, tmp_path):
    (said,), badges, cards = looks.first_sight(RunFolder(small, tmp_path))
    assert said.startswith(f"{len(small.table)} blobs on 4 frames, not yet told apart")
    assert "-p classifier" in said
    assert (badges, cards) == ([], [])


def test_counts_are_told_as_the_tables_have_them(small, tmp_path):
    run = RunFolder(small, tmp_path)
    counts = {"class": ["red", "green"], "molecules": [1234.4, 3.0], "low": [1100.0, 0.0], "high": [1300.0, 9.0]}
    run.table(pd.DataFrame(counts).assign(classifier="twin_cnn abc", share=0.5), "abundance")
    stacks = {"blobs": [5000], "frames": [4], "verdict": ["unlike in noise (2.4, training 33 to 34)"]}
    run.table(pd.DataFrame(stacks).assign(trained_on_simulated=True), "stacks")
    sentences, badges, cards = looks.first_sight(run)
    assert sentences[0] == (
        "Among 5,000 blobs on 4 frames the twin-trained CNN counts 1,234 (1,100 to 1,300) red, 3 (0 to 9) green molecules "
        "(95 %)."
    )
    assert sentences[1] == "Is the stack like the training data? It is unlike in noise (2.4, training 33 to 34)."
    assert badges == ["classifier trained on simulated frames"]
    assert cards[0] == ("1,234", "red (95 %: 1,100 to 1,300)")
