"""What makes a network and what does not, and how settings are said: known without training one."""

import pytest

from mirnb.classifiers.hyperparameters import (
    FEW_VALUES,
    VALUES,
    Hyperparameters,
    from_text,
    in_text,
    possible_values,
    require_possible,
)
from mirnb.classifiers.lenet5 import build_lenet5
from mirnb.files import InputError

CROP = (34, 10, 3)


def test_the_thesis_network_has_10952_weights_and_that_of_its_sweeps_14472():
    assert Hyperparameters().n_weights(CROP, 4) == 10952
    assert Hyperparameters(padding="same").n_weights(CROP, 4) == 14472


@pytest.mark.parametrize(
    "hyper",
    [
        Hyperparameters(),
        Hyperparameters(padding="same"),
        Hyperparameters(filter1=5, filter2=7, filter3=11, kernel=3, pool=(3, 2)),
        Hyperparameters(kernel=9, pool=(5, 3)),
        Hyperparameters(pool=(1, 1), padding="same"),
    ],
)
def test_weights_are_those_of_the_network(hyper):
    kernel = (hyper.kernel, hyper.kernel)
    sizes = {"filter1": hyper.filter1, "filter2": hyper.filter2, "filter3": hyper.filter3}
    network = build_lenet5(CROP, 4, **sizes, kernel=kernel, pool=hyper.pool, padding=hyper.padding)
    assert hyper.n_weights(CROP, 4) == network.count_params()


@pytest.mark.parametrize("setting", VALUES)
def test_values_are_read_as_they_are_shown(setting):
    assert tuple(from_text(setting, in_text(setting, value)) for value in VALUES[setting]) == VALUES[setting]
    assert set(FEW_VALUES.get(setting, ())) <= set(VALUES[setting])


@pytest.mark.parametrize("setting", VALUES)
def test_all_usual_values_make_a_network_of_the_thesis_crops(setting):
    assert possible_values(setting, CROP, Hyperparameters()) == VALUES[setting]


def test_values_too_large_for_small_crops_are_left_out():
    assert possible_values("kernel", (12, 6, 3), Hyperparameters()) == (1, 2, 3, 4, 5, 6)
    assert possible_values("pool", (12, 6, 3), Hyperparameters()) == ((1, 1), (2, 1), (1, 2), (2, 2), (3, 2))


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"kernel": 11}, "kernel 11.*34x10.*possible are 1 to 10"),
        ({"kernel": 0}, "possible are 1 to 10"),
        ({"pool": (6, 2)}, "pool 6x2.*1 to 5 rows and 1 to 3 columns"),
        ({"pool": (0, 1)}, "pool 0x1"),
        ({"pool": (2, 2, 2)}, "pool 2x2x2"),
        ({"pool": (2, 11), "padding": "same"}, "1 to 34 rows and 1 to 10 columns"),
        ({"filter1": 0}, "filter1 0.*whole number"),
        ({"filter2": 2.5}, "filter2 2.5.*whole number"),
        ({"filter3": True}, "filter3 True"),
        ({"epochs": 0}, "epochs 0"),
        ({"batch_size": -1}, "batch_size -1"),
        ({"learning_rate": 0.0}, "adam 0.*above 0"),
        ({"learning_rate": float("nan"), "optimizer": "sgd"}, "sgd nan"),
        ({"padding": "full"}, "valid and same"),
    ],
)
def test_what_makes_no_network_is_refused_with_what_is_possible(changed, words):
    with pytest.raises(InputError, match=words):
        require_possible(Hyperparameters(**changed), CROP)


@pytest.mark.parametrize(
    ("setting", "text"), [("kernel", "x"), ("pool", "2"), ("pool", "2x2x2"), ("sgd", "fast"), ("filter1", "2.5")]
)
def test_words_that_are_no_value_are_refused(setting, text):
    with pytest.raises(InputError, match=f"{setting} {text}: expected values such as"):
        from_text(setting, text)


def test_an_unknown_setting_is_refused_with_the_known():
    with pytest.raises(InputError, match="filter9: no such setting; there are filter1, filter2"):
        from_text("filter9", "3")


def test_a_rate_belongs_to_its_optimizer():
    hyper = Hyperparameters().having("sgd", 0.1)
    assert (hyper.optimizer, hyper.learning_rate) == ("sgd", 0.1)
    assert hyper.value_of("sgd") == 0.1
    assert hyper.value_of("adam") is None


def test_no_two_configurations_share_a_name():
    every = {Hyperparameters().having(setting, value) for setting, values in VALUES.items() for value in values}
    assert len({hyper.name for hyper in every}) == len(every)


def test_more_takes_longer():
    usual = Hyperparameters().work(CROP, 2421)
    for setting, value in (("filter1", 24), ("kernel", 7), ("pool", (1, 1)), ("epochs", 20), ("batch_size", 16)):
        assert Hyperparameters().having(setting, value).work(CROP, 2421) > usual, setting
