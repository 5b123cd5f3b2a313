"""What is saved, what is trained, and when: classifier folders of a run, the best one, and what counting has to know."""

import shutil
from dataclasses import replace

import numpy as np
import pytest

from mirnb.classifiers import making
from mirnb.classifiers.base import Rival
from mirnb.classifiers.classifier import load_classifier
from mirnb.classifiers.dataset import prepare
from mirnb.classifiers.lenet5 import chosen_lenet5
from mirnb.classifiers.making import best_classifier, save_rival, train_facts
from mirnb.classifiers.matched_filter import train_matched_filter
from mirnb.classifiers.twin_cnn_training import QUICK
from mirnb.experiments.experiment_file import load_experiment
from mirnb.experiments.run_folder import RunFolder
from mirnb.files import InputError, read_json, write_json

pytestmark = pytest.mark.slow  # trains networks


def never(*_, **__):
    raise AssertionError("something was trained")


@pytest.fixture
def own(small_folder, tmp_path):
    """A run of a copy of the small experiment, with a saved matched filter."""
    run = RunFolder(load_experiment(shutil.copytree(small_folder, tmp_path / "small")), tmp_path / "run")
    data = prepare(run)
    return run, data, save_rival(train_matched_filter(data, run), data, run)


def test_saving_trains_nothing_and_says_so(small, small_data, short_runs, tmp_path):
    one = replace(chosen_lenet5(short_runs, small_data), refit=never)
    saved = save_rival(one, small_data, RunFolder(small, tmp_path))
    assert saved.facts is None
    assert "trained when it is first needed" in repr(saved)
    assert not list(tmp_path.rglob("fold_*"))
    rows = small_data.split["validation"]
    hits = (one.y_prob[rows].argmax(axis=1) == small_data.y_true[rows]).mean()
    confusion = np.array(saved.trained_on["validation"]["confusion"])
    assert np.trace(confusion) / confusion.sum() == pytest.approx(hits)


def test_what_counting_needs_is_trained_once_and_then_read(own, monkeypatch):
    run, data, saved = own
    whole = train_facts(saved)
    n = len(data.split["training"]) + len(data.split["validation"])
    assert whole.facts.confusion.sum() == n
    assert set(whole.facts.ranges) == {
        "noise_sd_counts",
        "background_counts",
        "blobs_per_um2",
        "psf_sigma_px",
        "flux_counts",
        "unknown_share",
    }
    monkeypatch.setattr(making, "train_folds", never)
    again = train_facts(load_classifier(run.root / "classifiers" / "matched_filter"))
    np.testing.assert_array_equal(again.facts.confusion, whole.facts.confusion)
    assert train_facts(whole) is whole


def test_saved_again_unchanged_it_keeps_what_was_trained_and_otherwise_does_not(own, monkeypatch):
    run, data, saved = own
    whole = train_facts(saved)
    monkeypatch.setattr(making, "train_folds", never)
    again = save_rival(train_matched_filter(data, run), data, run)
    np.testing.assert_array_equal(again.facts.confusion, whole.facts.confusion)
    np.testing.assert_array_equal(
        train_facts(saved).facts.confusion, whole.facts.confusion
    )  # that object knew nothing of it
    other = prepare(run, seed=4)
    assert save_rival(train_matched_filter(other, run), other, run).facts is None


def test_from_within_its_folder_the_run_is_found(own, monkeypatch):
    run, _, saved = own
    monkeypatch.chdir(saved.folder)
    assert train_facts(load_classifier(".")).facts is not None
    monkeypatch.chdir(run.root / "classifiers")
    assert train_facts(load_classifier("matched_filter")).facts is not None


def test_a_copy_in_classifier_finds_its_run_too(own):
    run, _, saved = own
    shutil.copytree(saved.folder, run.root / "classifier")
    assert train_facts(load_classifier(run.root)).folder == run.root / "classifier"


def test_away_from_its_run_the_way_out_is_told(own, tmp_path):
    moved = shutil.copytree(own[2].folder, tmp_path / "elsewhere" / "matched_filter")
    with pytest.raises(
        InputError, match=r"matched_filter: .*confusion of held-out crops.*mirnb report DIR --only 09.*looked for"
    ):
        train_facts(load_classifier(moved))


def test_when_its_experiment_has_changed_the_way_out_is_told(own):
    run, _, saved = own
    with run.experiment.blobs_path.open("a") as file:
        file.write("\n")
    with pytest.raises(InputError, match="has changed since it was trained"):
        train_facts(saved)


def test_the_best_is_trained_once_and_then_read_back(own, monkeypatch):
    run, _, _ = own
    first = best_classifier(run, quick=True)
    assert first.kind == "twin_cnn"
    assert first.trained_on["training"]["recipe"]["n_networks"] == QUICK.n_networks
    monkeypatch.setattr(making, "train_twin_cnn_rival", never)
    assert best_classifier(run, quick=True).folder == first.folder
    with pytest.raises(AssertionError, match="something was trained"):
        best_classifier(run)  # a quick one never passes for the best


def test_a_folder_of_a_format_before_classifies_and_is_trained_on_folds_anew_to_count(own):
    whole = train_facts(own[2])
    path = whole.folder / "classifier.json"
    values = read_json(path)
    files = {name: one for name, one in values["files"].items() if name != "held_out.npz"}
    for form in (3, 4):
        write_json(path, {**values, "format": form, "files": files, "confusion": [[1] * 4] * 4})
        read = load_classifier(whole.folder)
        assert read.facts is None
        np.testing.assert_array_equal(train_facts(read).facts.confusion, whole.facts.confusion)
    write_json(path, {**values, "format": 2})
    with pytest.raises(InputError, match=r"another format.*mirnb report"):
        load_classifier(whole.folder)


def test_a_rival_says_what_it_was_trained_with(own):
    run, data, _ = own
    assert isinstance(train_matched_filter(data, run), Rival)
    assert train_matched_filter(data, run).settings == {}
