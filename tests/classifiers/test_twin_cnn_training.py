"""Training the best classifier: what it may see, what it chooses on, what it keeps."""

from dataclasses import replace

import numpy as np
import pytest

from mirnb.classifiers import twin_cnn_training
from mirnb.experiments import cutouts
from mirnb.experiments.run_folder import RunFolder
from mirnb.files import InputError

pytestmark = pytest.mark.slow  # trains networks

TINY = replace(twin_cnn_training.QUICK, n_networks=2)


@pytest.fixture(scope="module")
def tiny(small_data, small_run):
    return twin_cnn_training.train_twin_cnn(small_data, small_run, recipe=TINY)


def test_networks_are_averaged_and_brought_to_the_temperature_of_validation(tiny, small_data):
    assert len(tiny.model_paths) == 2
    assert tiny.y_prob.shape == (len(small_data.crops), 4)
    np.testing.assert_allclose(tiny.y_prob.sum(axis=1), 1, atol=1e-6)
    assert sorted(tiny.history["network"].unique()) == [1, 2]
    assert tiny.history["stage"].unique().tolist() == ["twin", "labelled crops"]
    assert set(tiny.hidden_share) == {"red", "green", "blue"}


def test_a_finished_training_is_read_back(tiny, small_data, small_run, monkeypatch):
    monkeypatch.setattr(twin_cnn_training, "_train_networks", None)
    again = twin_cnn_training.train_twin_cnn(small_data, small_run, recipe=TINY)
    np.testing.assert_array_equal(again.y_prob, tiny.y_prob)
    assert again.seconds == tiny.seconds


@pytest.mark.parametrize("change", ["seed", "recipe", "labels", "split", "background", "singles"])
def test_anything_else_is_trained_anew(change, tiny, small_data, small_run, monkeypatch):
    class Asked(Exception):
        pass

    def ask(*_):
        raise Asked

    monkeypatch.setattr(twin_cnn_training, "_train_networks", ask)
    data, how = small_data, {"recipe": TINY}
    if change == "seed":
        how["seed"] = 4
    elif change == "recipe":
        how["recipe"] = replace(TINY, tune_rate=1e-4)
    elif change == "labels":
        data = replace(data, blobs=data.blobs.assign(y=np.roll(data.y_true, 1)))
    elif change == "split":
        data = replace(data, split={**data.split, "training": data.split["training"][1:]})
    elif change == "background":
        data = replace(data, background=data.background[1:])
    else:
        how["singles"] = [(data.wide_crops[:9], data.y_true[:9], 34.0)]
    with pytest.raises(Asked):
        twin_cnn_training.train_twin_cnn(data, small_run, **how)


def test_neither_the_twin_nor_the_networks_see_a_test_crop(small_data, small, tmp_path, monkeypatch):
    """With other test crops and labels everything that is learned stays the same, bit for bit."""
    test = small_data.split["test"]
    wide, labels = small_data.wide_crops.copy(), small_data.y_true.copy()
    wide[test], labels[test] = 65535 - wide[test], (labels[test] + 1) % 4
    other = replace(small_data, wide_crops=wide, blobs=small_data.blobs.assign(y=labels))
    recipe, rest = replace(TINY, n_networks=1), np.setdiff1d(np.arange(len(labels)), test)
    one, two = (
        twin_cnn_training.train_twin_cnn(data, RunFolder(small, tmp_path / name), recipe=recipe)
        for name, data in (("one", small_data), ("two", other))
    )
    np.testing.assert_allclose(one.y_prob[rest], two.y_prob[rest], atol=1e-5)
    assert one.temperature == pytest.approx(two.temperature, rel=1e-3)
    assert one.hidden_share == two.hidden_share


def test_the_twin_sees_no_validation_crop_either(small_data, monkeypatch):
    seen = {}

    def note(crops, y_true, panel, background):
        seen.update(crops=crops, y_true=y_true)

    monkeypatch.setattr(twin_cnn_training, "estimate_twin", note)
    twin_cnn_training.twin_of(small_data)
    training = small_data.split["training"]
    np.testing.assert_array_equal(seen["y_true"], small_data.y_true[training])
    light = cutouts.without_margin(small_data.wide_crops[training]) / np.float32(small_data.noise_sd)
    np.testing.assert_allclose(seen["crops"], light - np.median(light, axis=(1, 2), keepdims=True), atol=1e-3)


def test_without_patches_the_twin_falls_back_on_plain_noise(small_data):
    twin = twin_cnn_training.twin_of(replace(small_data, background=small_data.background[:0]))
    assert twin.background.std() == pytest.approx(1, abs=0.02)


def test_single_type_crops_come_between_the_twin_and_the_labels(small_data, small, tmp_path):
    singles = [(small_data.wide_crops[:40], small_data.y_true[:40], small_data.noise_sd)]
    recipe = replace(TINY, n_networks=1)
    both = twin_cnn_training.train_twin_cnn(small_data, RunFolder(small, tmp_path), recipe=recipe, singles=singles)
    assert both.history["stage"].unique().tolist() == ["twin", "single types", "labelled crops"]
    alone = twin_cnn_training.train_twin_cnn(
        small_data, RunFolder(small, tmp_path), recipe=replace(recipe, twin_epochs=0), singles=singles
    )
    assert alone.history["stage"].unique().tolist() == ["single types", "labelled crops"]
    assert alone.hidden_share == {}


def test_a_stack_without_any_noise_is_refused(small_data, small_run):
    with pytest.raises(InputError, match="no noise at all"):
        twin_cnn_training.train_twin_cnn(replace(small_data, noise_sd=0.0), small_run, recipe=TINY)
