"""A classifier folder and what it says of blobs; training once; Keras without chatter."""

import re
from dataclasses import replace

import numpy as np
import pytest
from by_hand import grey_frames, write_folder

from mirnb.classifiers import lenet5
from mirnb.classifiers.classifier import about_noise, count_classes, load_classifier
from mirnb.experiments import cutouts
from mirnb.experiments.experiment_file import load_experiment
from mirnb.experiments.panel import Window
from mirnb.experiments.panel_file import THESIS, panel_from_dict
from mirnb.experiments.run_folder import RunFolder
from mirnb.files import InputError, read_json, write_json, write_toml
from mirnb.imaging.neighbours import find_crowded


def test_the_thesis_network_has_its_10952_weights():
    layers = lenet5.layer_table(lenet5.build_lenet5((34, 10, 3), 4))
    assert layers["weights"].tolist() == [0, 912, 0, 4816, 0, 0, 5140, 84]
    assert (256,) in layers["shape"].tolist()


def test_a_loaded_classifier_predicts_the_same(small_classifier, small, small_data, tmp_path):
    small_classifier.save(tmp_path / "classifier")
    loaded = load_classifier(tmp_path / "classifier")
    blobs = small_data.blobs[:20]
    crops = loaded.cut(small.stack, blobs)
    np.testing.assert_allclose(loaded.predict(crops), small_classifier.predict(crops), atol=1e-6)
    assert loaded.panel == small_classifier.panel
    for name in ("y_true", "y_prob", "pairs", "found", "confusion", "hidden", "profile"):
        np.testing.assert_array_equal(getattr(loaded.facts, name), getattr(small_classifier.facts, name))
    assert loaded.facts.ranges == small_classifier.facts.ranges
    small_classifier.save(tmp_path / "classifier")  # an earlier one is replaced
    assert sorted(path.name for path in tmp_path.iterdir()) == ["classifier"]


@pytest.mark.parametrize("name", ["templates.tif", "scaler.npz", "model.keras", "classifier.json"])
def test_a_classifier_with_a_file_missing_is_refused(name, small_classifier, tmp_path):
    small_classifier.save(tmp_path / "classifier")
    (tmp_path / "classifier" / name).unlink()
    with pytest.raises(InputError, match=f"{name}.* is missing"):
        load_classifier(tmp_path / "classifier")


def test_a_classifier_that_was_edited_is_refused(small_classifier, tmp_path):
    small_classifier.save(tmp_path / "classifier")
    np.savez(tmp_path / "classifier" / "scaler.npz", mean=np.zeros(1), sd=np.ones(1))
    with pytest.raises(InputError, match=r"scaler\.npz: is not the file this classifier was saved with"):
        load_classifier(tmp_path / "classifier")


@pytest.mark.parametrize("window", ["crop_window", "template_window"])
def test_a_classifier_of_another_window_is_refused(window, small_classifier, tmp_path):
    small_classifier.save(tmp_path / "classifier")
    path = tmp_path / "classifier" / "classifier.json"
    write_json(path, {**read_json(path), window: [40, 10]})
    with pytest.raises(InputError, match=rf"{window} of \[40, 10\]"):
        load_classifier(tmp_path / "classifier")


def test_every_blob_is_classified_but_those_at_the_border(small_classifier, small):
    table = small_classifier.classify(small)
    assert len(table) == len(small.table)
    border = (table["class"] == "").to_numpy()
    kept, _ = cutouts.kept_blobs(small, labelled=False)
    assert np.flatnonzero(~border).tolist() == kept["table_row"].tolist()
    columns = [f"p_{name}" for name in small.panel.names]
    np.testing.assert_allclose(table.loc[~border, columns].sum(axis=1), 1, atol=1e-4)
    assert table.loc[border, columns].isna().all().all()
    assert count_classes(table, small.panel).sum() == len(table)
    expected = np.array(small.panel.names)[table.loc[~border, columns].to_numpy().argmax(axis=1)]
    assert table.loc[~border, "class"].tolist() == expected.tolist()


def test_an_experiment_without_blobs_near_enough_gives_a_whole_table(small_classifier, tmp_path):
    sample = load_experiment(
        write_folder(tmp_path / "s", frames=grey_frames(1, (64, 48)), blobs="frame,x [nm],y [nm]\n1,60,60\n")
    )
    table = small_classifier.classify(sample)
    assert table["class"].tolist() == [""]


def test_another_panel_is_refused(small_classifier, tmp_path):
    values = THESIS.to_dict()
    values["mir"] = values["mir"][:2]
    folder = write_folder(tmp_path / "s", panel="two.toml")
    write_toml(folder / "two.toml", values)
    assert panel_from_dict(values) == load_experiment(folder).panel
    with pytest.raises(InputError, match=r"\(red, green\).*trained on the panel 'thesis' \(red, green, blue\)"):
        small_classifier.classify(load_experiment(folder))


def test_crowded_blobs_by_hand():
    window = Window(above=11, below=23, left=5, right=5)
    #         near pair      23 below: out  22 below: in   5 left: in     another frame
    rows = [50, 53, 200, 223, 300, 322, 400, 400, 500, 500]
    cols = [50, 52, 50, 50, 50, 50, 50, 45, 50, 50]
    frames = [0, 0, 0, 0, 0, 0, 0, 0, 0, 1]
    seen = find_crowded(np.array(frames), np.array(rows), np.array(cols), window)
    assert seen.tolist() == [True, True, False, False, True, False, True, False, False, False]


def test_finished_runs_are_read_back_and_not_trained_again(small_data, small_run, short_runs, monkeypatch):
    def never(*args, **kwargs):
        raise AssertionError("trained again")

    monkeypatch.setattr(lenet5, "learn_side_by_side", never)
    again = lenet5.train_runs(small_data, small_run, n_runs=2, epochs=2)
    np.testing.assert_array_equal(again[1].y_prob, short_runs[1].y_prob)
    with pytest.raises(AssertionError, match="trained again"):
        lenet5.train_runs(small_data, small_run, n_runs=2, epochs=3)


def test_an_interrupted_row_of_runs_goes_on_where_it_stopped(small_data, small, tmp_path, monkeypatch):
    run, real, calls = RunFolder(small, tmp_path), lenet5.learn_side_by_side, []

    def stopped(*args, **kwargs):
        if calls:
            raise KeyboardInterrupt
        calls.append(1)
        return real(*args, **kwargs)

    monkeypatch.setattr(lenet5, "AT_ONCE", 1)
    monkeypatch.setattr(lenet5, "learn_side_by_side", stopped)
    with pytest.raises(KeyboardInterrupt):
        lenet5.train_runs(small_data, run, n_runs=2, epochs=1)
    monkeypatch.setattr(lenet5, "learn_side_by_side", lambda *args, **kwargs: calls.append(2) or real(*args, **kwargs))
    lenet5.train_runs(small_data, run, n_runs=2, epochs=1)
    assert calls == [1, 2]


def test_runs_differ_by_their_weights(short_runs):
    assert not np.allclose(short_runs[0].y_prob, short_runs[1].y_prob, atol=1e-3)


def test_a_stack_of_another_pixel_size_is_refused(small_classifier, tmp_path):
    sample = load_experiment(write_folder(tmp_path / "s", pixel_size_nm=160))
    with pytest.raises(InputError, match="pixels of 160 nm, the classifier was trained at 120"):
        small_classifier.classify(sample)


def test_whole_numbers_of_the_table_stay_whole(small_classifier, small, tmp_path):
    table = small_classifier.classify(small)
    assert str(table["id"].iloc[0]) == "1"
    assert set(table["is_really_mir"].dropna()) <= {0, 1}


@pytest.mark.parametrize(
    ("key", "value", "named"),
    [
        ("trained_on", [1], "trained_on"),
        ("trained_on", {"pixel_size_nm": "120", "noise_sd_counts": 34.0}, "trained_on.pixel_size_nm"),
        ("trained_on", {"pixel_size_nm": 120, "noise_sd_counts": 0}, "trained_on.noise_sd_counts"),
        ("preprocess", {"background_percentile": "70", "cap_sds": 5.0}, "preprocess.background_percentile"),
        ("format", 2, "another format"),
        ("trained_on", {"pixel_size_nm": 120, "noise_sd_counts": 34.0, "light_counts": [1]}, "trained_on.light_counts"),
        ("ranges", {"noise_sd_counts": [30, 35]}, "ranges"),
        ("trained_on", {"pixel_size_nm": 120, "noise_sd_counts": 34.0, "dispersion": "out"}, "trained_on.dispersion"),
        ("kind", "oracle", "kind 'oracle'; known are twin_cnn"),
    ],
)
def test_a_classifier_json_that_was_edited_is_refused_with_the_key(key, value, named, small_classifier, tmp_path):
    small_classifier.save(tmp_path / "classifier")
    path = tmp_path / "classifier" / "classifier.json"
    write_json(path, {**read_json(path), key: value})
    with pytest.raises(InputError, match=re.escape(named)):
        load_classifier(tmp_path / "classifier")
    write_json(path, [])
    for kind in ("", "twin_cnn"):
        with pytest.raises(InputError, match=r"not a classifier this version reads|there is no classifiers/twin_cnn"):
            load_classifier(tmp_path / "classifier", kind=kind)


def test_blobs_less_sure_than_asked_for_are_unsure(small_classifier, small):
    table = small_classifier.classify(small, min_probability=0.6)
    sure = table[[f"p_{name}" for name in small.panel.names]].max(axis=1)
    assert ((table["class"] == "unsure") == (sure < 0.6)).all()
    assert count_classes(table, small.panel)["unsure"] == (sure < 0.6).sum()
    assert count_classes(table, small.panel).sum() == len(table)


def test_another_noise_is_said(small_classifier, small):
    assert about_noise(small_classifier, small) == []
    quiet = replace(small_classifier, trained_on={**small_classifier.trained_on, "noise_sd_counts": 60.0})
    assert "not to be trusted" in about_noise(quiet, small)[0]
