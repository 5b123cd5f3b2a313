"""Out of fold: nobody is asked about crops they learned from, and the test set stays out of it."""

from dataclasses import replace

import numpy as np
import pytest

from mirnb.classifiers import folds
from mirnb.classifiers.backend import load_keras
from mirnb.classifiers.facts import Facts
from mirnb.classifiers.folds import N_PATCHES, detected, fold_rows, hidden_pairs, out_of_fold, twin_of_rows
from mirnb.classifiers.lenet5 import chosen_lenet5
from mirnb.classifiers.likeness import N_BINS
from mirnb.classifiers.matched_filter import train_matched_filter
from mirnb.classifiers.pca_svm import train_pca_svm
from mirnb.classifiers.twin_cnn_training import Recipe, train_twin_cnn, train_twin_cnn_rival, tune_again
from mirnb.simulation.twin import Twin

SHORT = Recipe(n_networks=2, twin_crops=400, twin_epochs=1, single_epochs=0, tune_epochs=2)


def test_folds_cover_training_and_validation_once_and_hold_every_class(small_data):
    rows, number = fold_rows(small_data, seed=3)
    assert sorted(rows) == sorted([*small_data.split["training"], *small_data.split["validation"]])
    assert not set(rows) & set(small_data.split["test"])
    assert sorted(set(number)) == list(range(folds.N_FOLDS))
    for fold in range(folds.N_FOLDS):
        assert set(small_data.y_true[rows[number == fold]]) == set(small_data.y_true[rows])


def test_nobody_is_asked_about_what_they_learned_from(small_data, small_run):
    asked = []

    def refit(learned, held, fold):
        assert not set(learned) & set(held)
        assert not (set(learned) | set(held)) & set(small_data.split["test"])
        asked.extend(held)
        return np.full((len(held), small_data.n_classes), fold)

    rows, y_prob = out_of_fold(small_data, small_run, "spy", refit, "spied", seed=3)
    assert sorted(asked) == rows.tolist()
    assert sorted(set(y_prob[:, 0])) == [1, 2, 3, 4, 5]


def test_what_is_known_by_heart_is_worth_nothing_out_of_fold(small_data, small_run, rng):
    nonsense = replace(
        small_data, blobs=small_data.blobs.assign(y=rng.integers(0, small_data.n_classes, len(small_data.blobs)))
    )

    def refit(learned, held, _):
        by_heart = {nonsense.wide_crops[row].tobytes(): nonsense.y_true[row] for row in learned}
        called = [by_heart.get(nonsense.wide_crops[row].tobytes(), 0) for row in held]
        return np.eye(nonsense.n_classes)[called]

    rows, y_prob = out_of_fold(nonsense, small_run, "by heart", refit, "x", seed=3)
    assert (y_prob.argmax(axis=1) == nonsense.y_true[rows]).mean() < 0.45


def test_finished_folds_are_kept_when_stopped(small_data, small_run):
    done = []

    def refit(learned, held, fold):
        if len(done) == 2:
            raise KeyboardInterrupt
        done.append(fold)
        return np.ones((len(held), small_data.n_classes))

    with pytest.raises(KeyboardInterrupt):
        out_of_fold(small_data, small_run, "stopped", refit, "y", seed=3)
    again = []
    out_of_fold(
        small_data, small_run, "stopped", lambda _, held, fold: again.append(fold) or np.ones((len(held), 4)), "y", seed=3
    )
    assert (done, again) == ([1, 2], [3, 4, 5])


def test_counts_add_up(rng):
    y_true, y_prob = rng.integers(0, 4, 200), rng.dirichlet(np.ones(4), 200)
    pairs = np.where((y_true == 3)[:, None], rng.dirichlet(np.ones(4), 200)[:, :3], 0)
    facts = Facts(y_true, y_prob, pairs, np.ones(200, bool), {}, None)
    np.testing.assert_array_equal(facts.confusion.sum(axis=1), np.bincount(y_true, minlength=4))
    np.testing.assert_array_equal(facts.confusion.sum(axis=0), np.bincount(y_prob.argmax(axis=1), minlength=4))
    assert (facts.hidden.sum(axis=0) <= facts.confusion[3] + 1e-9).all()
    assert facts.hidden.sum() == pytest.approx(pairs.sum())
    assert facts.profile.shape == (3, N_BINS)
    assert facts.profile.sum() == (y_prob.argmax(axis=1) < 3).sum()


def test_only_noise_crops_may_be_hidden_pairs(small_data, small_run):
    rows, _ = fold_rows(small_data, seed=3)
    pairs = hidden_pairs(small_data, twin_of_rows(small_data, small_run, rows), rows)
    noise = small_data.y_true[rows] == small_data.panel.noise
    assert (pairs[~noise] == 0).all()
    assert (pairs[noise].sum(axis=1) <= 1 + 1e-6).all()
    assert pairs[noise].sum() > 0
    assert (hidden_pairs(small_data, None, rows) == 0).all()


def test_a_twin_is_read_back_as_it_was_written(small_data, small_run):
    rows, _ = fold_rows(small_data, seed=3)
    twin = twin_of_rows(small_data, small_run, rows)
    again = Twin.from_arrays(twin.to_arrays(), twin.window)
    for one, other in zip(twin.draw(50, 3), again.draw(50, 3), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5)
    assert len(twin.background) <= 2 * N_PATCHES


def test_blobs_that_detection_finds_are_marked(small_data, small_run):
    rows, _ = fold_rows(small_data, seed=3)
    found = detected(small_data, small_run, rows)
    y_true = small_data.y_true[rows]
    assert found.shape == y_true.shape
    assert found[y_true < small_data.panel.noise].mean() > 0.9  # molecules are bright; noise may be a false detection
    assert 0.5 < found[y_true == small_data.panel.noise].mean() < 1


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["matched_filter", "pca_svm", "lenet5", "twin_cnn"])
def test_each_kind_says_something_of_crops_it_did_not_see(kind, small_data, small_run, short_runs):
    made = {
        "matched_filter": lambda: train_matched_filter(small_data, small_run),
        "pca_svm": lambda: train_pca_svm(small_data, small_run),
        "lenet5": lambda: chosen_lenet5(short_runs, small_data),
        "twin_cnn": lambda: train_twin_cnn_rival(small_data, small_run, recipe=SHORT),
    }[kind]()
    rows, y_prob = out_of_fold(small_data, small_run, kind, made.refit, made.y_prob, seed=3)
    np.testing.assert_allclose(y_prob.sum(axis=1), 1, rtol=1e-5)
    accuracy = (y_prob.argmax(axis=1) == small_data.y_true[rows]).mean()
    assert accuracy > np.bincount(small_data.y_true[rows]).max() / len(rows) - 0.1
    again = out_of_fold(small_data, small_run, kind, None, made.y_prob, seed=3)[1]  # read back
    np.testing.assert_array_equal(y_prob, again)


@pytest.mark.slow
def test_folds_of_best_start_from_the_weights_before_the_labels(small_data, small_run):
    trained = train_twin_cnn(small_data, small_run, recipe=SHORT)
    models = tune_again(small_data, replace(trained, tuned_epochs=[0, 0]), recipe=SHORT)(np.arange(20), 1)
    for model, path in zip(models, trained.model_paths, strict=True):
        before = load_keras().saving.load_model(path.with_name(f"pretrained_{path.name}"), compile=False)
        for one, other in zip(model.get_weights(), before.get_weights(), strict=True):
            np.testing.assert_array_equal(one, other)
