"""Networks trained side by side against each alone, and against Keras's own way: the slow path."""

import numpy as np
import pytest

from mirnb.classifiers.backend import load_keras
from mirnb.classifiers.hyperparameters import Hyperparameters
from mirnb.classifiers.lenet5 import build_lenet5
from mirnb.classifiers.scores import mir_f1
from mirnb.classifiers.side_by_side import learn_side_by_side, predict_side_by_side, train_side_by_side, weights_of

pytestmark = pytest.mark.slow  # trains networks

SEEDS = (4, 5, 6, 7, 8)


@pytest.fixture(scope="module")
def crops(small_data):
    """Scaled crops and classes of training and of validation."""
    return {
        name: (small_data.scaled(name), small_data.y_true[small_data.split[name]]) for name in ("training", "validation")
    }


def _five_steps(crops, hyper, seeds):
    """Weights after five steps of 16 crops, a list for each seed."""
    x, y = (values[:80] for values in crops["training"])
    model = train_side_by_side(x, y, 4, hyper, seeds)
    return [weights_of(model, number) for number in range(len(seeds))]


def _largest_difference(one, other):
    return max(float(np.abs(a - b).max()) for a, b in zip(one, other, strict=True))


@pytest.mark.parametrize(
    "changed",
    [
        {},
        {"optimizer": "sgd", "learning_rate": 0.1},
        {"filter1": 5, "filter2": 7, "filter3": 11, "kernel": 3, "pool": (3, 2), "padding": "same"},
    ],
)
def test_a_network_does_not_depend_on_those_beside_it(changed, crops):
    hyper = Hyperparameters(epochs=1, batch_size=16, **changed)
    together = _five_steps(crops, hyper, SEEDS)
    for seeds in ((6,), (8, 4)):
        for seed, weights in zip(seeds, _five_steps(crops, hyper, seeds), strict=True):
            assert _largest_difference(weights, together[SEEDS.index(seed)]) < 1e-5


@pytest.mark.parametrize("optimizer", ["Adam", "SGD"])
def test_five_steps_are_those_of_keras(optimizer, crops):
    hyper = Hyperparameters(epochs=1, batch_size=16, optimizer=optimizer.lower(), learning_rate=5e-3)
    together = _five_steps(crops, hyper, SEEDS)
    keras = load_keras()
    x, y = (values[:80] for values in crops["training"])
    model = build_lenet5(x.shape[1:], 4, seed=SEEDS[1])
    model.compile(getattr(keras.optimizers, optimizer)(5e-3), loss="sparse_categorical_crossentropy")
    order = np.random.default_rng([3, 9]).permutation(80)
    for start in range(0, 80, 16):
        model.train_on_batch(x[order[start : start + 16]], y[order[start : start + 16]])
    assert _largest_difference(model.get_weights(), together[1]) < 1e-5


def test_losses_are_those_that_keras_tells(crops):
    """Two batches, the last not full: Keras's mean over the crops, each with the weights it met."""
    x, y = (values[:50] for values in crops["training"])
    hyper = Hyperparameters(epochs=2, batch_size=32)
    losses = np.array([one for _, one in learn_side_by_side(x, y, 4, hyper, SEEDS[:3])])
    assert losses.shape == (2, 3)
    model = build_lenet5(x.shape[1:], 4, seed=SEEDS[1])
    model.compile(load_keras().optimizers.Adam(2e-3), loss="sparse_categorical_crossentropy")
    rng, expected = np.random.default_rng([3, 9]), []
    for _ in range(2):
        order, found = rng.permutation(50), []
        for rows in (order[:32], order[32:]):
            model.reset_metrics()
            found.append(len(rows) * model.test_on_batch(x[rows], y[rows]))
            model.train_on_batch(x[rows], y[rows])
        expected.append(sum(found) / 50)
    np.testing.assert_allclose(losses[:, 1], expected, atol=1e-4)


def test_a_last_batch_that_is_not_full_counts_as_keras_counts_it(crops):
    hyper = Hyperparameters(epochs=1, batch_size=128, optimizer="sgd", learning_rate=0.1)
    x, y = (values[:50] for values in crops["training"])
    model = build_lenet5(x.shape[1:], 4, seed=4)
    model.compile(load_keras().optimizers.SGD(0.1), loss="sparse_categorical_crossentropy")
    model.train_on_batch(x, y)
    assert _largest_difference(model.get_weights(), weights_of(train_side_by_side(x, y, 4, hyper, [4]), 0)) < 1e-5


def test_final_scores_do_not_depend_on_how_many_run_together(crops):
    hyper = Hyperparameters(batch_size=32, epochs=20)
    found = {}
    for seeds in (SEEDS, SEEDS[:1], SEEDS[1:3]):
        model = train_side_by_side(*crops["training"], 4, hyper, seeds)
        for seed, y_prob in zip(seeds, predict_side_by_side(model, crops["validation"][0]), strict=True):
            found.setdefault(seed, []).append(mir_f1(crops["validation"][1], y_prob.argmax(axis=1), 4))
    assert max(found[SEEDS[0]]) > 0.5  # it did learn
    for scores in found.values():
        assert np.ptp(scores) <= 0.01


def test_a_training_starts_anew_whatever_ran_before(crops):
    slow, fast = (Hyperparameters(epochs=1, batch_size=16, learning_rate=rate) for rate in (1e-3, 1e-2))
    first = _five_steps(crops, slow, SEEDS[:2])
    other = _five_steps(crops, fast, SEEDS[:2])
    again = _five_steps(crops, slow, SEEDS[:2])
    assert _largest_difference(first[0], again[0]) == 0
    assert _largest_difference(first[0], other[0]) > 1e-3


def test_predictions_are_those_of_each_network_alone(crops):
    x, _ = crops["validation"]
    model = train_side_by_side(*crops["training"], 4, Hyperparameters(epochs=1), SEEDS)
    y_prob = predict_side_by_side(model, x, batch_size=20)
    assert y_prob.shape == (len(SEEDS), len(x), 4)
    for number in (0, 4):
        alone = build_lenet5(x.shape[1:], 4)
        alone.set_weights(weights_of(model, number))
        np.testing.assert_allclose(y_prob[number], load_keras().ops.convert_to_numpy(alone(x)), atol=1e-5)


def test_a_loss_that_explodes_ends_in_nan_and_not_in_an_error(crops):
    hyper = Hyperparameters(epochs=3, batch_size=16, optimizer="sgd", learning_rate=9.0)
    x, y = crops["training"]
    model = train_side_by_side(1e20 * x, y, 4, hyper, [4])
    assert np.isnan(predict_side_by_side(model, x)).any()


def test_a_network_that_explodes_leaves_its_neighbours_alone(crops):
    """NaN in the weights of one: its own predictions alone become NaN, and a step leaves the others as they would be."""
    hyper = Hyperparameters(epochs=1, batch_size=16)
    x, y = (values[:16] for values in crops["training"])
    healthy = weights_of(train_side_by_side(x, y, 4, hyper, SEEDS[:2]), 1)
    model = train_side_by_side(x, y, 4, hyper, SEEDS[:2])
    dense = model.get_layer("dense").get_weights()[0]
    dense[0] = np.nan
    model.get_layer("dense").set_weights([dense])
    y_prob = predict_side_by_side(model, x)
    assert np.isnan(y_prob[0]).all()
    assert np.isfinite(y_prob[1]).all()
    assert _largest_difference(weights_of(model, 1), healthy) == 0
    model.train_on_batch(x, y, sample_weight=np.ones(16, np.float32))
    assert np.isfinite(np.concatenate([values.ravel() for values in weights_of(model, 1)])).all()
