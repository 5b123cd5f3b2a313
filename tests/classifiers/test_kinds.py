"""Fitted classifiers: the plain rule by hand, saved and read back, and what they do in another noise."""

from dataclasses import dataclass

import numpy as np
import pytest

from mirnb.classifiers import making, pca_svm, twin_cnn_training
from mirnb.classifiers.base import Rival
from mirnb.classifiers.classifier import load_classifier
from mirnb.classifiers.kinds import KINDS, Kind, train_rivals
from mirnb.classifiers.matched_filter import MatchedFilter
from mirnb.classifiers.twin_cnn import TwinCnn
from mirnb.cli import main
from mirnb.experiments import cutouts
from mirnb.experiments.run_folder import RunFolder
from mirnb.files import InputError, read_json, write_json
from mirnb.plots import draw_rivals
from mirnb.studies import headline
from mirnb.studies.comparison import about, compare, difference, in_columns, in_words

pytestmark = pytest.mark.slow  # trains networks


@pytest.fixture(scope="module")
def all_rivals(small_data, small_run):
    settings = {"lenet5": {"n_runs": 2, "epochs": 2}, "twin_cnn": {"recipe": twin_cnn_training.QUICK}}
    return train_rivals(small_data, small_run, **settings)


def test_the_largest_response_wins_and_below_the_threshold_it_is_noise():
    crops = np.zeros((4, 34, 10, 3), np.float32)
    crops[0, 16, 4, 1] = 0.5  # where a template peaks on its molecule: 5 rows below, 1 column left of the blob
    crops[1, 17, 5, 2] = 0.5  # one pixel off still counts
    crops[2, 16, 4, 0] = 0.05
    crops[3, 25, 4, 0] = 0.9  # far from the blob
    plain = MatchedFilter(threshold=0.1, temperature=0.1, peak=(16, 4))
    y_prob = plain.predict(crops)
    assert y_prob.argmax(axis=1).tolist() == [1, 2, 3, 3]
    np.testing.assert_allclose(y_prob.sum(axis=1), 1)
    assert y_prob[0, 1] == pytest.approx(np.exp(5) / (np.exp(5) + np.exp(1) + 2))
    assert plain.predict(crops[:0]).shape == (0, 4)


def test_its_peak_is_where_the_response_of_a_template_lies(small_data):
    assert MatchedFilter.fit(small_data).peak == (11 + 5, 5 - 1)


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_says_the_same_after_it_was_read_back(kind, all_rivals, small_data, tmp_path):
    one = all_rivals[kind]
    one.predictor.write(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(one.predictor.files)
    again = KINDS[kind].predictor.read(tmp_path)
    crops = small_data.crops if again.reads == "responses" else small_data.wide_crops
    np.testing.assert_allclose(again.predict(crops), one.y_prob, atol=1e-5)
    assert again.predict(crops[:0]).shape == (0, 4)
    assert again.size == one.predictor.size > 0


def test_no_file_of_any_kind_is_a_pickle():
    names = {name for one in KINDS.values() for name in one.predictor.files}
    assert {name.rsplit(".", 1)[1] for name in names} <= {"keras", "skops", "json", "npz"}


class _Level:
    """Stands in for a network: says how noisy the crops it was given are."""

    output_shape = (None, 2)

    def __call__(self, crops, training):
        noise = (4 * np.sinh(crops[..., 1])).std(axis=(1, 2))
        return np.column_stack([noise, np.ones(len(crops))]) / (1 + noise)[:, None]


@pytest.mark.parametrize(("noise_sd", "scale", "seen"), [(34.0, 1.0, 1.0), (10.0, 1.0, 10 / 34), (80.0, 34 / 80, 1.0)])
def test_the_network_sees_light_in_the_unit_of_the_training_noise_times_the_scale(noise_sd, scale, seen, rng):
    crops = 900 + noise_sd * rng.standard_normal((300, 28, 14))
    y_prob = TwinCnn(_Level(), 1.0, 34.0).predict(crops, scale=scale)
    assert (y_prob[:, 0] / y_prob[:, 1]).mean() == pytest.approx(seen, rel=0.06)


def test_twice_the_light_at_half_the_scale_is_the_same(all_rivals, small_data):
    crops = small_data.wide_crops[:20].astype(np.float32)
    ground = np.median(crops, axis=(1, 2), keepdims=True)
    for kind in ("twin_cnn", "pca_svm"):
        predictor = all_rivals[kind].predictor
        twice = predictor.predict(ground + 2 * (crops - ground), scale=0.5)
        np.testing.assert_allclose(twice, predictor.predict(crops), atol=2e-2)


def test_the_c_with_the_best_validation_score_is_chosen(small_data, small_run):
    chosen = pca_svm.train_pca_svm(small_data, small_run, candidates=(1e-6, 2.0))
    assert chosen.note == "C = 2"  # with a C of next to nothing all is noise


def test_rivals_are_compared_on_the_test_crops_alone(all_rivals, small_data):
    table = compare(all_rivals, small_data, n_resamples=200)
    assert len(table) == 4 * 5
    assert list(dict.fromkeys(table["classifier"])) == [KINDS[kind].title for kind in all_rivals]
    test = small_data.split["test"]
    hits = all_rivals["pca_svm"].y_prob[test].argmax(axis=1) == small_data.y_true[test]
    own = table[(table["classifier"] == "PCA + SVM") & (table["class"] == "noise")]
    assert own["recall"].item() == pytest.approx(hits[small_data.y_true[test] == 3].mean())
    assert difference(all_rivals, small_data, "twin_cnn", "twin_cnn")[0] == 0
    assert in_columns(table).loc[("twin-trained CNN", "mean of the miRs"), "recall"] == "–"
    told = about(all_rivals, small_data)
    assert told.loc["LeNet-5 (thesis)", "trained numbers"] == 10952
    assert told.loc["matched filter", "trained numbers"] == 2
    assert len(in_words(all_rivals, small_data)) == 5


def test_every_kind_gets_a_folder_and_scores_in_one_form(all_rivals, small, small_data, tmp_path):
    run = RunFolder(small, tmp_path)
    making.save_rivals(all_rivals, small_data, run, n_resamples=100)
    metrics = read_json(tmp_path / "metrics.json")["classifiers"]
    assert set(metrics) == set(KINDS)
    assert len({frozenset(sets["test"]) for sets in metrics.values()}) == 1
    assert all(0 <= sets["test"]["ece"] <= 1 for sets in metrics.values())
    for kind, one in all_rivals.items():
        loaded = load_classifier(tmp_path / "classifiers" / kind)
        assert loaded.kind == kind
        blobs, _ = cutouts.kept_blobs(small)
        np.testing.assert_allclose(
            loaded.predict(loaded.cut(small.stack, blobs)).argmax(axis=1), one.y_prob.argmax(axis=1), atol=0
        )
        (tmp_path / "classifiers" / kind / one.predictor.files[0]).write_bytes(b"edited")
        with pytest.raises(InputError, match="is not the file this classifier was saved with"):
            load_classifier(tmp_path / "classifiers" / kind)
    with pytest.raises(InputError, match="known are twin_cnn, lenet5, pca_svm, matched_filter"):
        load_classifier(tmp_path / "classifiers" / "twin_cnn", kind="oracle")


@dataclass(frozen=True)
class Toy:
    """A fifth kind: everything is of one class."""

    answer: int

    kind, reads, files, size = "toy", "responses", ("toy.json",), 1

    def predict(self, crops, *, scale=1.0):
        return np.tile(np.eye(4)[self.answer], (len(crops), 1))

    def write(self, folder):
        write_json(folder / "toy.json", self.answer)

    @classmethod
    def read(cls, folder):
        return cls(read_json(folder / "toy.json"))


def train_toy(dataset, run, *, seed=3, answer=3):
    toy = Toy(answer)
    return Rival("toy", toy, toy.predict(dataset.crops), 0.0, lambda _, held, __: toy.predict(held), {"answer": answer})


def test_a_fifth_kind_needs_one_line_in_the_registry(
    all_rivals, small, small_data, small_folder, tmp_path, monkeypatch, capsys
):
    monkeypatch.setitem(KINDS, "toy", Kind(Toy, "a toy", train_toy))
    run = RunFolder(small, tmp_path / "run")
    found = {**all_rivals, "toy": KINDS["toy"].train(small_data, run, answer=1)}
    table = compare(found, small_data, n_resamples=50)
    assert table[(table["classifier"] == "a toy") & (table["class"] == "green")]["recall"].item() == 1
    assert about(found, small_data).loc["a toy", "trained numbers"] == 1
    figure = draw_rivals(table).figure
    assert "a toy" in [text.get_text() for text in figure.legends[0].get_texts()]
    making.save_rivals(found, small_data, run, n_resamples=50)
    assert "a toy" in headline.comparison(read_json(run.root / "metrics.json"), small.panel)[0]
    target = tmp_path / "classified.csv"
    given = [
        "classify",
        str(run.root / "classifiers" / "twin_cnn"),
        str(small_folder),
        "--kind",
        "toy",
        "--out",
        str(target),
    ]
    assert main(given) == 0
    assert "classifier: toy\n" in capsys.readouterr().out
    assert set(np.genfromtxt(target, delimiter=",", names=True, dtype=None, encoding="utf-8")["class"]) == {"green", ""}
    with pytest.raises(SystemExit):
        main(["classify", "--help"])
    assert "matched_filter, toy" in " ".join(capsys.readouterr().out.split())
    counted = making.train_facts(load_classifier(run.root / "classifiers" / "toy"))
    assert counted.facts.confusion[:, 1].sum() == counted.facts.confusion.sum()
