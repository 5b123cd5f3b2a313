"""Exploring: which blobs are shown and counted, what a click finds, what a key writes, training again, pictures."""

import json
import threading
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from by_hand import blob, blobs_text, everything_in, middle_nm, write_folder
from lab_browser import CHROMIUM, browser, lab, open_notebook, run_all_from_menu
from PIL import Image

from mirnb.classifiers.classifier import UNSURE
from mirnb.classifiers.dataset import prepare
from mirnb.classifiers.making import save_rival
from mirnb.classifiers.pca_svm import train_pca_svm
from mirnb.experiments.experiment_file import load_experiment
from mirnb.experiments.run_folder import RunFolder
from mirnb.files import InputError
from mirnb.labelling import explorer as exploring
from mirnb.labelling import retraining
from mirnb.labelling.choice import ALONE, CROWDED
from mirnb.labelling.chosen_blob import chosen_pictures, describe
from mirnb.labelling.explore_widget import ExploringTool, open_explorer
from mirnb.labelling.explorer import NOT_LABELLED, Explorer
from mirnb.labelling.frame_blobs import NOT_IN_TABLE
from mirnb.labelling.labeller import Labeller
from mirnb.labelling.pictures import frame_bytes
from mirnb.plots import style
from mirnb.simulation.folders import simulate_experiment

ROOT = Path(__file__).resolve().parents[2]
TOOL = ".mirnb-explore"
# row, col, height in counts, sigma in px: the first two crowd each other, the last is not in the table
PLACED = [(60, 40, 900, 1.1), (66, 42, 500, 1.1), (60, 90, 300, 1.1), (100, 60, 1500, 1.9), (40, 110, 900, 1.1)]


def _frames():
    rng = np.random.default_rng(5)
    light = sum(blob((140, 150), row, col, sigma_px=sigma, height=height) for row, col, height, sigma in PLACED)
    return (rng.normal(900, 10, (2, 140, 150)) + np.stack([light, 0 * light])).astype(np.uint16)


def _rows():
    return [(k + 1, 1, *middle_nm(row, col)) for k, (row, col, *_) in enumerate(PLACED[:4])]


@pytest.fixture
def placed(tmp_path):
    """Blobs by hand on the first frame, four of five in the table; nothing on the second."""
    folder = write_folder(tmp_path / "placed", frames=_frames(), blobs=blobs_text(_rows()))
    return Explorer(RunFolder(load_experiment(folder), tmp_path / "run"))


@pytest.fixture(scope="module")
def svm(small_data, small_run):
    """PCA + SVM, which needs no TensorFlow."""
    return save_rival(train_pca_svm(small_data, small_run), small_data, small_run)


@pytest.fixture
def sample(tmp_path, small_settings):
    """A labelled experiment of its own, its blobs other ones than the small one's."""
    return load_experiment(simulate_experiment(tmp_path / "mine", settings=small_settings, seed=8))


@pytest.fixture
def called(sample, svm, tmp_path):
    made = Explorer(RunFolder(sample, tmp_path / "run"), classifier=svm, annotator="anna")
    yield made
    made.close()


def _shown_places(explorer):
    return set(map(tuple, explorer.blobs.loc[explorer.shown, ["row", "col"]].to_numpy().tolist()))


def test_the_blobs_of_the_table_are_shown_and_others_on_demand(placed):
    assert _shown_places(placed) == {place[:2] for place in PLACED[:4]}
    placed.choose(shows_others=True, threshold_sds=10)
    assert _shown_places(placed) == {place[:2] for place in PLACED}
    (other,) = placed.blobs.index[(placed.blobs["table_row"] == NOT_IN_TABLE) & placed.shown]
    assert tuple(placed.blobs.loc[other, ["row", "col"]]) == PLACED[4][:2]


def test_a_threshold_counts_the_blobs_that_stand_as_high(placed):
    heights = np.sort(placed.blobs.loc[placed.shown, "sds"])
    for n_left, threshold in enumerate((heights[-1] + 1, *((heights[1:] + heights[:-1]) / 2)[::-1], 0)):
        placed.choose(threshold_sds=threshold)
        assert placed.counts()[NOT_LABELLED] == int(placed.shown.sum()) == n_left
    lowest = placed.blobs.loc[placed.shown].sort_values("sds").iloc[0]
    assert (lowest["row"], lowest["col"]) == (60, 90)  # the dimmest


def test_filters_by_brightness_width_and_crowding(placed):
    fit = placed.blobs[placed.shown].set_index(["row", "col"])
    assert fit.loc[(60, 90), "flux"] == pytest.approx(300 * 2 * np.pi * 1.1**2, rel=0.1)
    assert fit.loc[(100, 60), "sigma_px"] == pytest.approx(1.9, rel=0.1)
    placed.choose(least_flux=3300)
    assert (60, 90) not in _shown_places(placed)
    placed.choose(least_flux=0, widest_px=1.6)
    assert (100, 60) not in _shown_places(placed)
    placed.choose(widest_px=np.inf, crowding=CROWDED)
    assert _shown_places(placed) == {(60, 40), (66, 42)}
    placed.choose(crowding=ALONE)
    assert _shown_places(placed) == {(60, 90), (100, 60)}
    crowding = placed.blobs.loc[placed.blobs["row"] == 66, "sds"].iloc[0]
    placed.choose(threshold_sds=crowding + 1)  # the lower neighbour does not stand high enough to crowd
    assert (60, 40) in _shown_places(placed)


def test_a_click_means_the_nearest_shown_blob(placed):
    placed.click(61.5, 41.5)
    shown = describe(placed)
    assert (shown["id"], shown["row"], shown["col"]) == (1, 60, 40)
    assert shown["fit"]["y_px"] == pytest.approx(60.5, abs=0.1)
    assert shown["table"]["x [nm]"] == "4860"
    pictures = chosen_pictures(placed)
    assert pictures["raw"].shape == placed.panel.crop_window.shape
    assert np.unravel_index(pictures["raw"].argmax(), pictures["raw"].shape) == (11, 5)  # where blobs lie in a crop
    assert len(pictures["fitted"]) == 2
    placed.click(120, 20)
    assert describe(placed) is None
    placed.choose(least_flux=3300)
    placed.click(60.5, 90.5)  # hidden
    assert placed.chosen is None


def test_without_a_table_detections_are_shown_and_have_no_labels(tmp_path):
    folder = write_folder(tmp_path / "bare", frames=_frames(), blobs="", toml='name = "bare"\nstack = "stack.tif"\n'
                          'pixel_size_nm = 120\npanel = "thesis"\n')  # fmt: skip
    (folder / "blobs.csv").unlink()
    explorer = Explorer(RunFolder(load_experiment(folder), tmp_path / "run"))
    assert {place[:2] for place in PLACED} <= _shown_places(explorer)
    assert explorer.y_prob is None
    explorer.click(60.5, 40.5)
    explorer.press("1")
    assert "not in the blob table" in explorer.message
    with pytest.raises(InputError, match="no blob table"):
        explorer.train_again()
    assert not (folder / "labels").exists()


def test_looking_writes_nothing(placed):
    before = everything_in(placed.experiment.folder)
    placed.click(60.5, 40.5)
    placed.press("arrowright")
    assert placed.index == 1
    placed.press("m")
    assert everything_in(placed.experiment.folder) == before


def test_a_correction_writes_just_what_the_labelling_tool_writes(small_settings, tmp_path, monkeypatch):
    folders = [simulate_experiment(tmp_path / name / "s", settings=small_settings, labelled=False) for name in "ab"]
    labeller = Labeller(load_experiment(folders[0]), "anna")
    rows = labeller.blobs["table_row"].to_numpy()[labeller.sequence]
    first = labeller.blobs["frame"].iloc[labeller.sequence[0]]
    for key in "12x0su":
        labeller.press(key)
    labeller.own.close()
    explorer = Explorer(RunFolder(load_experiment(folders[1]), tmp_path / "run"), annotator="anna")
    explorer.go_to(first)
    for row, key in zip(rows, "12x0s", strict=False):
        place = explorer.blobs[explorer.blobs["table_row"] == row].iloc[0]
        explorer.click(place["row"] + 0.5, place["col"] + 0.5)
        assert explorer.blobs["table_row"].iloc[explorer.chosen] == row
        explorer.press(key)
    explorer.press("u")
    explorer.close()
    tables = [pd.read_csv(folder / "labels" / "anna.csv").drop(columns="time") for folder in folders]
    pd.testing.assert_frame_equal(*tables)
    assert len(tables[0]) == 4
    assert (folders[0] / "blobs.csv").read_bytes() == (folders[1] / "blobs.csv").read_bytes()
    again = Explorer(RunFolder(load_experiment(folders[1]), tmp_path / "run"), annotator="anna")
    assert again.counts()["red"] == again.counts()["erased"] == 1


def test_calls_are_those_of_the_classifier(called, svm):
    table = svm.classify(called.experiment)
    called.choose(least_probability=0.0)
    own = called.blobs["table_row"].to_numpy()
    names = called.called_names[own != NOT_IN_TABLE]
    expected = table["class"].replace("", "not called").to_numpy()[own[own != NOT_IN_TABLE]]
    assert (names == expected).all()
    called.choose(least_probability=1.01)
    assert called.counts()[UNSURE] == np.sum(expected != "not called")


def test_hidden_classes_are_counted_but_not_shown_nor_clicked(called):
    called.choose(least_probability=0.0)
    counts = called.counts()
    hidden = max(called.panel.names, key=counts.get)
    one = called.blobs[called.passing & (called.called_names == hidden)].iloc[0]
    called.choose(hidden={hidden})
    assert called.counts() == counts
    assert int(called.shown.sum()) == sum(counts.values()) - counts[hidden]
    called.click(one["row"] + 0.5, one["col"] + 0.5)
    assert called.chosen is None or called.called_names[called.chosen] != hidden


def test_keys_go_to_the_next_of_a_group_over_frames(called):
    called.choose(least_probability=0.9)
    visited = []
    while True:
        called.press("n")
        if called.message or (visited and (called.index, called.chosen) == visited[0]):
            break
        visited.append((called.index, called.chosen))
        assert called.called_names[called.chosen] == UNSURE
    n_unsure = 0
    for index in range(len(called.experiment.stack)):
        called.go_to(index)
        n_unsure += called.counts()[UNSURE]
    assert len(set(visited)) == len(visited) == n_unsure > 2
    called.choose(least_probability=0.0)
    called.press("n")
    assert "No further blob is shown as unsure" in called.message


@pytest.mark.slow
def test_training_again_takes_all_labels_and_changes_the_calls(called):
    before = called.y_prob.copy()
    own = np.flatnonzero(np.isfinite(before[:, 0]) & (called.blobs["table_row"] != NOT_IN_TABLE))
    for chosen in own[:3]:
        called.chosen = int(chosen)
        called.press("2")
    called.train_again()
    called.look_after()
    assert called.message.startswith("Training")
    while called.training is not None:
        time.sleep(0.1)
        called.look_after()
    assert called.message.startswith("Trained on all labels. Calls that changed")
    assert called.classifier.trained_on["experiment"] == "mine"
    assert called.classifier.trained_on["fingerprints"] == load_experiment(called.experiment.folder).fingerprints()
    assert np.nanmax(np.abs(called.y_prob - before)) > 0.01
    again = open_explorer(called.run)
    assert again.explorer.classifier.folder == called.run.root / "classifiers" / "pca_svm"


def test_labels_that_are_missing_for_training_are_said(placed):
    placed.click(60.5, 40.5)
    placed.press("1")
    with pytest.raises(InputError, match="4 more of red, 5 more of green, 5 more of blue, 5 more of noise"):
        placed.train_again()
    placed.close()


def test_a_training_that_fails_is_said(called, monkeypatch):
    def failing(*_, **__):
        raise InputError("no light")

    monkeypatch.setattr(retraining, "train_again", failing)
    tool = ExploringTool(called)
    tool._answer(None, {"train": "begin"}, None)
    while called.training is not None:
        tool._answer(None, {"train": "look"}, None)
    assert tool.view["message"] == "Not done: no light"
    assert not tool.view["is_training"]


@pytest.mark.parametrize("suffix", [".png", ".svg", ".pdf"])
def test_views_are_saved_in_a_columns_width(called, tmp_path, suffix):
    before = style.width_in()
    called.choose(hidden={"noise"})
    called.save(tmp_path / f"view{suffix}", corner=(60, 40), side_px=120, grey=(850, 1400))
    called.chosen = int(np.flatnonzero(np.isfinite(called.y_prob[:, 0]))[0])
    called.save_chosen(tmp_path / f"blob{suffix}")
    assert style.width_in() == before
    for name in ("view", "blob"):
        path = tmp_path / f"{name}{suffix}"
        if suffix == ".png":
            assert Image.open(path).width == pytest.approx(85 / 25.4 * 300, abs=2)
        if suffix == ".svg":
            text = path.read_text(encoding="utf-8")
            assert "simulated" in text
            assert "red" in text
            assert "noise (" not in text
    with pytest.raises(InputError, match=r"saved as \.png, \.svg, \.pdf"):
        called.save(tmp_path / "view.gif")


def test_a_frame_in_bytes_can_be_read_back():
    frame = np.linspace(800, 3000, 10_000).reshape(100, 100)
    grey, low, usual, high = frame_bytes(frame)
    back = low + (grey / 255) ** 2 * (high - low)
    inside = (frame > low) & (frame < high)
    assert np.abs(back - frame)[inside].max() < 2 * (high - low) / 255
    assert low < usual < high


def test_few_frames_are_held(tmp_path):
    frames = np.random.default_rng(0).normal(900, 10, (30, 64, 48)).astype(np.uint16)
    folder = write_folder(tmp_path / "long", frames=frames)
    explorer = Explorer(RunFolder(load_experiment(folder), tmp_path / "run"))
    for index in range(30):
        explorer.go_to(index)
        assert explorer.frame.shape == (64, 48)
    assert explorer._look.cache_info().currsize == exploring._FRAMES_HELD


def test_the_widget_answers_and_says_what_went_wrong(called):
    tool = ExploringTool(called)
    assert len(tool.picture) == 256 * 256
    assert called.y_prob is not None  # waits
    tool._answer(None, {"calls": "look"}, None)
    assert sum(tool.view["counts"].values()) == tool.view["n_shown"] == len(tool.view["marks"]["y"])
    assert [one["is_mir"] for one in tool.view["groups"]] == [True] * 3 + [False] * 3
    number = tool.view["number"]
    for content in ({"choose": {"threshold_sds": 1e9}}, {"key": "z"}, {"next": "purple"}, {"click": [1, 1]}, {"frame": 99}):
        tool._answer(None, content, None)
    assert tool.view["number"] == number + 5
    assert tool.view["n_shown"] == 0
    assert tool.view["frame"] == 3
    tool._answer(None, {"save": {"what": "blob", "suffix": ".png"}}, None)
    assert tool.view["message"].startswith("Not done: no blob is chosen")
    tool._answer(None, {"choose": {"threshold_sds": 0}}, None)
    tool._answer(
        None, {"save": {"what": "frame", "suffix": ".pdf", "corner": [0, 0], "side_px": 64, "grey": [850, 1200]}}, None
    )
    assert (called.run.root / "figures" / "explore" / "frame_0004_0_0_64.pdf").is_file()


def test_a_frame_is_shown_before_its_calls_and_questions_for_them_wait_for_nothing(called):
    held = threading.Event()
    called._calls._thread.submit(held.wait)
    tool = ExploringTool(called)
    assert tool.view["is_calling"]
    assert tool.view["counts"] == {}
    assert len(tool.view["marks"]["y"]) == tool.view["n_shown"] == int(called.passing.sum())
    assert {tool.view["groups"][k]["name"] for k in tool.view["marks"]["group"]} == {"not called"}
    number = tool.view["number"]
    tool._answer(None, {"calls": "look"}, None)
    assert tool.view["number"] == number
    tool._answer(None, {"key": "arrowright"}, None)
    assert (tool.view["frame"], tool.view["is_calling"], tool.view["is_answer"]) == (1, True, True)
    held.set()
    counts = called.counts()
    tool._answer(None, {"calls": "look"}, None)
    assert tool.view["counts"] == counts
    assert (tool.view["is_calling"], tool.view["is_answer"]) == (False, False)


def test_a_classifier_that_cannot_be_loaded_is_said_and_labels_are_shown(sample, tmp_path):
    tool = open_explorer(RunFolder(sample, tmp_path / "run"), classifier=tmp_path / "elsewhere")
    with pytest.raises(InputError, match="no classifier here"):
        tool.explorer.y_prob  # noqa: B018
    tool._answer(None, {"calls": "look"}, None)
    assert tool.view["message"].startswith("Not called: ")
    assert not tool.view["has_classifier"]
    assert sum(tool.view["counts"].values()) == tool.view["n_shown"] > 0


def test_a_stack_that_moved_is_said(placed):
    tool = ExploringTool(placed)
    placed.experiment.stack.paths[0].rename(placed.experiment.folder / "elsewhere.tif")
    tool._answer(None, {"key": "arrowright"}, None)
    assert tool.view["message"].startswith("Not shown: ")
    assert "stack.tif" in tool.view["message"]
    (placed.experiment.folder / "elsewhere.tif").rename(placed.experiment.stack.paths[0])
    tool._answer(None, {"frame": 1}, None)
    assert tool.view["message"] == ""


def test_a_label_that_differs_from_the_call_is_marked(called):
    tool = ExploringTool(called)
    called.choose(least_probability=0.0)
    row = int(np.flatnonzero(called.shown & np.isfinite(called.y_prob[:, 0]))[0])
    called.chosen, other = row, (int(called.called[row]) + 1) % 4
    tool._answer(None, {"key": called.keys[other]}, None)
    at = int(np.sum(called.shown[:row]))
    assert tool.view["marks"]["label"][at] == other
    assert tool.view["chosen"]["label"] == called.panel.names[other]


@pytest.fixture
def demo(tmp_path):
    """The demo, and PCA + SVM trained on its first frames alone: in seconds, and again in the same way."""
    run = RunFolder(load_experiment(simulate_experiment(tmp_path / "demo")), tmp_path / "run")
    data = prepare(run, quick=True)
    save_rival(train_pca_svm(data, run), data, run)
    return run


@pytest.fixture
def work(demo, tmp_path):
    """explore.ipynb in a folder of its own, on the demo."""
    notebook = json.loads((ROOT / "notebooks" / "explore.ipynb").read_text(encoding="utf-8"))
    (cell,) = (one for one in notebook["cells"] if "parameters" in one["metadata"].get("tags", []))
    given = {
        'experiment: str = "data/demo"': f'experiment: str = "{demo.experiment.folder.as_posix()}"',
        'out: str = ""': f'out: str = "{demo.root.as_posix()}"',
    }
    text = "".join(cell["source"])
    for usual, own in given.items():
        assert usual in text
        text = text.replace(usual, own)
    cell["source"] = text
    (tmp_path / "work").mkdir()
    (tmp_path / "work" / "explore.ipynb").write_text(json.dumps(notebook), encoding="utf-8")
    return tmp_path / "work"


def _open_window(page, address):
    """Run the notebook; the calls come to the page by themselves."""
    open_notebook(page, address("explore.ipynb"))
    assert run_all_from_menu(page, timeout_s=120) == []
    page.wait_for_selector(f"{TOOL}:not(.calling) .group")
    page.locator(f"{TOOL} .summary").click()


def _after(page, act):
    """Counts of the groups, and how many blobs are shown, when the kernel has answered and the calls are there.

    On a busy machine an answer to what was done before may come first: what is read is the last for a second.
    """
    before = page.locator(TOOL).get_attribute("data-number")
    act()
    number = None
    while number != (number := page.locator(TOOL).get_attribute("data-number")) or number == before:
        page.wait_for_selector(f"{TOOL}:not(.calling):not([data-number='{before}'])")
        page.wait_for_timeout(1000)
    counts = page.locator(f"{TOOL} .group .count").all_inner_texts()
    return [int(one) for one in counts], int(page.locator(f"{TOOL} .summary").inner_text().split()[0])


def _apart_from_others(blobs):
    """One labelled blob of the first frame, away from its border and from others."""
    here = blobs[blobs["frame"] == 0]
    places = here[["row", "col"]].to_numpy()
    nearest = np.sort(np.hypot(*(places[:, None] - places).transpose(2, 0, 1)))[:, 1]
    inside = here["row"].between(60, 960) & here["col"].between(60, 960)
    return here[inside & (here["y"] >= 0) & (nearest > 20)].iloc[0]


@pytest.mark.slow
@pytest.mark.skipif(CHROMIUM is None, reason="no chromium here (apt install chromium)")
def test_on_the_demo_in_a_browser_calls_are_filtered_corrected_and_trained_again(work, demo, tmp_path):
    sample = demo.experiment
    blob, size = _apart_from_others(sample.blobs), sample.stack.frame_shape[0]
    assert (len(sample.stack), size) == (30, 1024)
    with lab(work, tmp_path / "home") as address, browser() as opened:
        page = opened.new_page(viewport={"width": 1400, "height": 1300})
        _open_window(page, address)
        threshold, noise = (page.locator(f"{TOOL} input[data-{one}]") for one in ('name="threshold_sds"', 'group="noise"'))
        low, high = (_after(page, lambda sds=sds: threshold.fill(sds)) for sds in ("5", "12"))
        assert 0 < high[1] == sum(high[0]) < low[1]
        every = _after(page, lambda: threshold.fill("0"))
        assert _after(page, noise.click) == (every[0], every[1] - every[0][3])
        _after(page, noise.click)
        position = {name: (blob[axis] + 0.5) * 560 / size for name, axis in (("x", "col"), ("y", "row"))}
        _after(page, lambda: page.locator(f"{TOOL} canvas.frame").click(position=position))
        rows, given = [int(blob["table_row"])], [(int(blob["y"]) + 1) % 4, 0, 0]
        assert page.locator(f"{TOOL} .name").inner_text().startswith(f"blob {rows[0] + 1}, frame 1")
        _after(page, lambda: page.keyboard.press("1230"[given[0]]))
        for _ in range(2):
            _after(page, lambda: page.keyboard.press("m"))
            rows.append(int(page.locator(f"{TOOL} .name").inner_text().split()[1].strip(",")) - 1)
            _after(page, lambda: page.keyboard.press("1"))
        page.screenshot(path=tmp_path / "window.png")
        page.reload(wait_until="domcontentloaded")
        _open_window(page, address)
        own = pd.read_csv(sample.folder / "labels" / "me.csv")
        assert dict(zip(own["id"] - 1, own["selected_mir_type"], strict=True)) == dict(
            zip(rows, [label if label < 3 else -1 for label in given], strict=True)
        )
        labels = sample.labels.copy()
        labels[rows] = given
        assert (load_experiment(sample.folder).labels == labels).all()
        page.locator(f'{TOOL} [data-name="train"]').click()
        message = page.locator(f"{TOOL} .message", has_text="Trained on all labels")
        message.wait_for(timeout=60_000)
        assert int(message.inner_text().split("frame: ")[1].split()[0]) > 0  # calls that changed
