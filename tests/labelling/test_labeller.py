"""Going through blobs with keys: what each does, where one is then, what is shown."""

import numpy as np
import pytest

from mirnb import running
from mirnb.experiments.blobs import ERASED, UNLABELLED, read_blobs, read_labels
from mirnb.experiments.cutouts import kept_blobs
from mirnb.experiments.experiment_file import load_experiment
from mirnb.experiments.panel_file import THESIS, panel_from_dict
from mirnb.files import InputError, make_folder
from mirnb.labelling.labeller import (
    ANNOTATORS_DIFFER,
    BY_FRAME,
    CLASSIFIER_DIFFERS,
    DOUBTED,
    OPEN,
    UNCERTAIN_FIRST,
    Labeller,
)
from mirnb.labelling.pictures import display_templates, local_response
from mirnb.labelling.widget import LabellingTool
from mirnb.simulation.folders import simulate_experiment
from mirnb.simulation.frames import ideal_pairs


@pytest.fixture
def sample(tmp_path, small_settings):
    """An experiment without labels."""
    return load_experiment(simulate_experiment(tmp_path / "new", settings=small_settings, labelled=False))


@pytest.fixture
def labeller(sample):
    made = Labeller(sample, "anna")
    yield made
    made.own.close()


def _on_disk(experiment):
    return read_labels(read_blobs(experiment.blobs_path), experiment.panel.n_mirs)


def test_each_key_gives_its_label_and_goes_on(labeller, sample):
    rows = labeller.blobs["table_row"].to_numpy()[labeller.sequence[:6]]
    for key in "1230xs":
        labeller.press(key)
    assert _on_disk(sample)[rows].tolist() == [0, 1, 2, 3, ERASED, UNLABELLED]
    assert labeller.own.doubts[rows[5]]
    assert labeller.position == 6
    given = {"red": 1, "green": 1, "blue": 1, "noise": 1, "erased": 1, "not sure": 1}
    assert labeller.counts() == {**given, "left": len(labeller.blobs) - 6}


def test_keys_of_no_class_do_nothing(labeller, sample):
    for key in ("4", "9", "q", "z", "enter", ""):
        labeller.press(key)
    assert labeller.position == 0
    assert (_on_disk(sample) == UNLABELLED).all()


def test_undo_takes_back_one_after_another_and_shows_the_blob(labeller, sample):
    for key in "12":
        labeller.press(key)
    labeller.press("u")
    assert labeller.position == 1
    assert (_on_disk(sample) != UNLABELLED).sum() == 1
    labeller.press("u")
    labeller.press("u")
    assert "Nothing to undo" in labeller.message
    assert (_on_disk(sample) == UNLABELLED).all()


def test_a_label_given_again_is_put_back_by_undo(labeller, sample):
    labeller.press("1")
    labeller.press("arrowleft")
    labeller.press("3")
    row = labeller.blobs["table_row"].iloc[labeller.sequence[0]]
    assert _on_disk(sample)[row] == 2
    labeller.press("u")
    assert _on_disk(sample)[row] == 0


def test_arrows_stop_at_the_ends(labeller):
    labeller.press("arrowleft")
    assert labeller.position == 0
    assert "first" in labeller.message
    labeller.jump(len(labeller.sequence))
    labeller.press("arrowright")
    assert labeller.position == len(labeller.sequence) - 1
    assert "last" in labeller.message
    labeller.jump(0)
    assert "none of them" in labeller.message


def test_it_goes_on_at_the_same_place(sample):
    first = Labeller(sample, "anna")
    for key in "12312":
        first.press(key)
    again = Labeller(load_experiment(sample.folder), "anna")
    assert again.position == 5
    assert again.counts()["left"] == first.counts()["left"]
    again.own.close()


def test_filters_show_what_they_say(labeller):
    for key in "11230s":
        labeller.press(key)
    labeller.choose(filter="red")
    assert labeller.labels[labeller.sequence].tolist() == [0, 0]
    labeller.choose(filter=DOUBTED)
    assert len(labeller.sequence) == 1
    labeller.choose(filter=OPEN)
    assert len(labeller.sequence) == len(labeller.blobs) - 6
    labeller.choose(filter="erased")
    assert labeller.current is None
    assert "No blob" in labeller.message
    for key in ("1", "u", "arrowleft"):
        labeller.press(key)
    with pytest.raises(InputError, match="'purple': there is all, not labelled"):
        labeller.choose(filter="purple")
    assert CLASSIFIER_DIFFERS not in labeller.filters


def test_blobs_of_a_frame_come_together(labeller):
    assert labeller.order == BY_FRAME
    frames = labeller.blobs["frame"].to_numpy()[labeller.sequence]
    assert (np.diff(frames) >= 0).all()


def test_a_classifier_puts_the_uncertain_first_and_suggests(sample, small_classifier):
    labeller = Labeller(sample, "anna", classifier=small_classifier)
    blobs, _ = kept_blobs(sample, labelled=False)
    sure = small_classifier.predict(small_classifier.cut(sample.stack, blobs)).max(axis=1)
    labeller.choose(order=UNCERTAIN_FIRST)
    np.testing.assert_allclose(labeller.y_prob.max(axis=1), sure, atol=1e-5)
    assert (np.diff(labeller.y_prob.max(axis=1)[labeller.sequence]) >= 0).all()
    name, probability = labeller.suggestion()
    other = (sample.panel.index(name) + 1) % 3
    assert probability == pytest.approx(labeller.y_prob.max(axis=1).min())
    labeller.press(labeller.keys[other])
    labeller.choose(filter=CLASSIFIER_DIFFERS)
    assert len(labeller.sequence) == 1
    labeller.own.close()


def test_others_labels_are_not_shown_but_those_of_the_table_are(sample, tmp_path, small_settings):
    first = Labeller(sample, "anna")
    first.press("1")
    first.own.close()
    second = Labeller(load_experiment(sample.folder), "ben")
    assert second.counts()["red"] == 0
    second.press("2")
    second.choose(filter=ANNOTATORS_DIFFER)
    assert len(second.sequence) == 1
    second.own.close()
    labelled = load_experiment(simulate_experiment(tmp_path / "labelled", settings=small_settings))
    third = Labeller(labelled, "anna")
    assert third.counts()["red"] == np.sum(third.experiment.labels[third.blobs["table_row"]] == 0) > 0
    third.own.close()


def test_pictures_are_of_the_blob(labeller, sample):
    blob = labeller.blobs.iloc[labeller.current]
    pictures = labeller.pictures()
    assert pictures["raw"].shape == sample.panel.crop_window.shape
    assert pictures["response"].shape == (*sample.panel.crop_window.shape, 3)
    assert len(pictures["channels"]) == 3
    top, left, height, width = (round(share * 96) for share in pictures["box"])
    assert (height, width) == sample.panel.crop_window.shape
    ((_, frame),) = sample.stack.frames([int(blob["frame"])])
    start = np.clip(blob["row"] - 48, 0, 160), np.clip(blob["col"] - 48, 0, 160)
    assert (start[0] + top, start[1] + left) == (blob["row"] - 11, blob["col"] - 5)
    assert pictures["raw"].argmax() == frame[blob["row"] - 11 : blob["row"] + 23, blob["col"] - 5 : blob["col"] + 5].argmax()
    assert labeller.pictures(contrast=4)["raw"].mean() > pictures["raw"].mean()


def test_the_response_is_that_of_the_whole_frame(sample):
    from mirnb.imaging.correlation import cross_correlate

    labeller = Labeller(sample, "anna")
    inner = next(k for k in labeller.sequence if 60 < labeller.blobs["row"].iloc[k] < 190)
    blob = labeller.blobs.iloc[inner]
    row, col = int(blob["row"]), int(blob["col"])
    _, clean = labeller._clean(int(blob["frame"]))
    whole = np.stack([cross_correlate(clean, one) for one in labeller.templates], axis=-1)
    expected = whole[row - 11 : row + 23, col - 5 : col + 5]
    found = local_response(clean, row, col, labeller.templates, sample.panel)
    np.testing.assert_allclose(found / found.max(), expected / expected.max(), atol=1e-4)
    labeller.own.close()


def test_ideal_pairs_stand_in_for_templates_until_enough_are_labelled(sample, small):
    templates, about = display_templates(sample)
    assert templates.shape == (3, *THESIS.template_window.shape)
    assert "drawn from the panel" in about
    assert display_templates(small)[1] == "labelled molecules"
    pair = ideal_pairs(THESIS)[0]
    rows = pair.sum(axis=1)
    assert rows.argmax() == 6
    assert 10 <= rows[12:].argmax() + 12 - 6 <= 13  # red's second blob, 11.5 px below


def test_twelve_classes_have_twelve_keys():
    mirs = [{"name": f"m{k}", "dyes": ["Alexa 488", "Alexa 647"], "gap_px": 3.0 + k} for k in range(12)]
    panel = panel_from_dict({"name": "many", "bands_nm": [[507, 532], [673, 714]], "mir": mirs})
    keys = Labeller.keys.fget(type("L", (), {"panel": panel}))
    assert keys == [*"123456789qwe", "0"]


def test_a_stack_that_moved_is_said_and_the_label_is_kept(sample, labeller):
    tool = LabellingTool(labeller)
    frames = labeller.blobs["frame"].to_numpy()[labeller.sequence]
    labeller.jump(int(np.argmax(frames == 1)))  # the last of the first frame
    sample.stack.paths[0].rename(sample.folder / "elsewhere.tif")
    tool._answer(None, {"key": "1"}, None)
    assert tool.view["counts"]["red"] == 1
    tool._answer(None, {"jump": int(np.argmax(frames == 2)) + 1}, None)
    assert tool.view["pictures"] is None
    assert "stack.tif" in tool.view["message"]


def test_what_cannot_be_saved_is_said_and_not_counted(labeller, monkeypatch):
    tool = LabellingTool(labeller)

    def full(*_, **__):
        raise InputError("blobs.csv: could not be written (No space left on device)")

    monkeypatch.setattr(labeller.own, "set", full)
    tool._answer(None, {"key": "1"}, None)
    assert tool.view["message"].startswith("Not saved: blobs.csv")
    assert tool.view["position"] == 1
    assert tool.view["counts"]["red"] == 0


def test_the_widget_describes_classes_with_keys_and_symbols(labeller):
    tool = LabellingTool(labeller)
    assert [one["key"] for one in tool.setup["classes"]] == ["1", "2", "3", "0"]
    assert len({one["symbol"] for one in tool.setup["classes"]}) == 4
    assert tool.view["pictures"]["raw"].startswith("data:image/png;base64,")
    tool._answer(None, {"contrast": 1e9}, None)
    assert tool.view["contrast"] == 16
    tool._answer(None, {"filter": "purple"}, None)
    assert "there is all" in tool.view["message"]


@pytest.mark.slow
def test_the_notebook_runs(sample, tmp_path):
    make_folder(tmp_path / "run" / "notebooks")
    given = {"experiment": sample.folder.as_posix(), "annotator": "anna", "quick": True}
    with running.open_kernel() as kernel:
        running.execute("labelling", tmp_path / "run", given, kernel)
    assert (tmp_path / "run" / "notebooks" / "labelling.ipynb").is_file()
