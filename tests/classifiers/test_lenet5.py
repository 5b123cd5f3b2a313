"""LeNet-5: its size and start, what its runs share and what they differ in, and when the cache may answer."""

from dataclasses import replace

import numpy as np
import pytest

from mirnb.classifiers import lenet5
from mirnb.classifiers.hyperparameters import Hyperparameters
from mirnb.classifiers.lenet5 import build_lenet5, choose_run, layer_table
from mirnb.experiments.run_folder import RunFolder


class Asked(Exception):
    """Training was started."""


@pytest.fixture
def never_trains(monkeypatch):
    def ask(*_, **settings):
        raise Asked(settings)

    monkeypatch.setattr(lenet5, "learn_side_by_side", ask)


def test_a_run_has_its_losses_its_probabilities_and_a_model_that_gives_them(short_runs, small_data):
    for one in short_runs:
        assert list(one.history) == ["loss", "val_loss"]
        assert len(one.history) == 2
        assert one.history["loss"].iloc[1] < one.history["loss"].iloc[0]
        assert one.y_prob.shape == (len(small_data.crops), 4)
        np.testing.assert_allclose(one.y_prob.sum(axis=1), 1, atol=1e-5)
        assert one.model_path.is_file()
    assert choose_run(short_runs, small_data)[0] in (0, 1)


def test_the_stored_model_gives_the_stored_probabilities(small_classifier, short_runs, small_data):
    np.testing.assert_allclose(small_classifier.predictor.predict(small_data.crops), short_runs[0].y_prob, atol=1e-6)


def test_runs_differ_in_their_initial_weights_alone(small_data, small, tmp_path, monkeypatch):
    asked = []

    def note(crops, y_true, n_classes, hyper, seeds, *, shuffle_seed):
        asked.append((hyper, list(seeds), shuffle_seed))
        raise Asked

    monkeypatch.setattr(lenet5, "learn_side_by_side", note)
    with pytest.raises(Asked):
        lenet5.train_runs(small_data, RunFolder(small, tmp_path), n_runs=2)
    assert asked == [(Hyperparameters(), [300, 301], 3)]  # Adam at 2e-3, ten epochs of batches of 128


def test_a_run_is_the_same_whichever_runs_beside_it(short_runs, small_data, small, tmp_path):
    (alone,) = lenet5.train_runs(small_data, RunFolder(small, tmp_path), n_runs=1, epochs=2)
    np.testing.assert_allclose(alone.y_prob, short_runs[0].y_prob, atol=1e-5)
    np.testing.assert_allclose(alone.history, short_runs[0].history, atol=1e-5)


@pytest.mark.parametrize(
    "change", [{"epochs": 3}, {"learning_rate": 1e-3}, {"batch_size": 64}, {"seed": 4}, {"n_runs": 3}], ids=str
)
def test_other_settings_are_trained_anew(change, short_runs, small_data, small_run, never_trains):
    with pytest.raises(Asked):
        lenet5.train_runs(small_data, small_run, **{"n_runs": 2, "epochs": 2, **change})


def test_other_crops_labels_or_splits_are_trained_anew(short_runs, small_data, small_run, never_trains):
    crops = small_data.crops.copy()
    crops[0, 0, 0, 0] += 1
    blobs = small_data.blobs.assign(y=np.roll(small_data.y_true, 1))
    split = {**small_data.split, "training": small_data.split["training"][::-1]}
    for changed in (replace(small_data, crops=crops), replace(small_data, blobs=blobs), replace(small_data, split=split)):
        with pytest.raises(Asked):
            lenet5.train_runs(changed, small_run, n_runs=2, epochs=2)


def test_fewer_runs_of_the_same_settings_are_read_from_the_cache(short_runs, small_data, small_run, never_trains):
    (only,) = lenet5.train_runs(small_data, small_run, n_runs=1, epochs=2)
    np.testing.assert_array_equal(only.y_prob, short_runs[0].y_prob)


@pytest.mark.parametrize("cut", ["keras", "npz"])
def test_a_run_of_which_half_is_missing_is_trained_anew(
    cut, short_runs, small_data, small, small_run, tmp_path, never_trains
):
    run = RunFolder(small, tmp_path)
    folder = tmp_path / short_runs[0].model_path.parent.relative_to(small_run.root)
    folder.mkdir(parents=True)
    for path in short_runs[0].model_path.parent.iterdir():
        if path.suffix != f".{cut}":
            (folder / path.name).write_bytes(path.read_bytes())
    with pytest.raises(Asked):
        lenet5.train_runs(small_data, run, n_runs=2, epochs=2)


def test_test_crops_are_never_shown_to_the_network(small_data, small, tmp_path, monkeypatch):
    shown = {}

    def note(crops, y_true, *_, **__):
        shown.update(crops=crops, y_true=y_true)
        raise Asked

    monkeypatch.setattr(lenet5, "learn_side_by_side", note)
    with pytest.raises(Asked):
        lenet5.train_runs(small_data, RunFolder(small, tmp_path))
    np.testing.assert_array_equal(shown["crops"], small_data.scaled("training"))
    np.testing.assert_array_equal(shown["y_true"], small_data.y_true[small_data.split["training"]])


def starts_equal(one, other):
    pairs = zip(one.get_weights(), other.get_weights(), strict=True)
    return [np.array_equal(first, second) for first, second in pairs if first.ndim > 1]  # biases start at 0


def test_shapes_go_through_unpadded_pooling():
    table = layer_table(build_lenet5((34, 10, 3), 4))
    assert table["shape"].tolist() == [
        (34, 10, 3),
        (34, 10, 12),
        (17, 5, 12),
        (17, 5, 16),
        (8, 2, 16),
        (256,),
        (20,),
        (4,),
    ]
    assert table["weights"].sum() == 10952


@pytest.mark.parametrize("n_mirs", [1, 5, 12])
def test_any_number_of_classes_has_a_channel_and_a_probability_each(n_mirs, rng):
    model = build_lenet5((40, 10, n_mirs), n_mirs + 1)
    assert model.count_params() == (25 * n_mirs + 1) * 12 + 4816 + (10 * 2 * 16 + 1) * 20 + 21 * (n_mirs + 1)
    y_prob = np.asarray(model(rng.random((3, 40, 10, n_mirs)).astype(np.float32)))
    assert y_prob.shape == (3, n_mirs + 1)
    np.testing.assert_allclose(y_prob.sum(axis=1), 1, atol=1e-5)


def test_filters_kernel_and_pooling_may_be_varied():
    model = build_lenet5((34, 10, 3), 4, filter1=6, filter2=8, filter3=30, kernel=(3, 3), pool=(3, 2))
    # 34x10 -> 11x5 -> 3x2
    assert model.count_params() == (9 * 3 + 1) * 6 + (9 * 6 + 1) * 8 + (3 * 2 * 8 + 1) * 30 + 31 * 4


def test_one_seed_is_one_start_and_another_seed_another():
    first, again, other = (
        build_lenet5((34, 10, 3), 4, seed=1),
        build_lenet5((34, 10, 3), 4, seed=1),
        build_lenet5((34, 10, 3), 4, seed=2),
    )
    assert all(starts_equal(first, again))
    assert not any(starts_equal(first, other))


def test_layers_of_the_same_shape_start_differently():
    weights = [one for one in build_lenet5((34, 10, 12), 4, filter1=12, filter2=12).get_weights() if one.ndim == 4]
    assert weights[0].shape == weights[1].shape
    assert not np.array_equal(*weights)
