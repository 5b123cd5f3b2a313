"""The thesis's network: its size, its start, and other sizes of it."""

import numpy as np
import pytest

from mirnb.classifiers.lenet5 import build_lenet5, layer_table


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
