"""From stacks to tables of samples: pooling, verdicts, what fails, and the demo's own samples."""

import shutil
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from mirnb.classifiers.dataset import prepare
from mirnb.classifiers.making import save_rival, train_facts
from mirnb.classifiers.pca_svm import train_pca_svm
from mirnb.counting import quantification
from mirnb.counting.bins import held_out_bins
from mirnb.counting.correction import Correction
from mirnb.counting.counts import CountedStack
from mirnb.counting.crowding import measure_crowding
from mirnb.counting.quantification import in_words, plan_files, plan_notebook, quantify_plan
from mirnb.experiments.blobs import write_table
from mirnb.experiments.experiment_file import load_experiment
from mirnb.experiments.run_folder import RunFolder
from mirnb.experiments.stacks import HeldFrames, Stack, write_stack
from mirnb.files import InputError
from mirnb.simulation.dilution import draw_tube
from mirnb.simulation.folders import simulate_experiment, simulate_samples
from mirnb.simulation.frames import simulate_frames
from mirnb.simulation.settings import Settings, settings_of_experiment

pytestmark = pytest.mark.slow  # trains networks


@pytest.fixture(scope="module")
def classifier(small_settings, tmp_path_factory):
    """A classifier that is quickly trained, of labels enough to correct counts with."""
    settings = replace(small_settings, n_frames=15)
    experiment = load_experiment(simulate_experiment(tmp_path_factory.mktemp("more") / "more", settings=settings, seed=5))
    run = RunFolder(experiment, tmp_path_factory.mktemp("run"))
    data = prepare(run)
    return save_rival(train_pca_svm(data, run), data, run)


@pytest.fixture(scope="module")
def made(small, tmp_path_factory):
    """Folders of a reference, a mixture and a blank."""
    return simulate_samples(small, tmp_path_factory.mktemp("samples"), n_frames=4)


def test_the_samples_of_a_simulated_experiment_are_what_they_say(made):
    counts = {}
    for one in made:
        truth = pd.read_csv(one / "truth.csv")
        counts[one.name] = truth[truth["kind"] == "upper"]["class"].value_counts()
    assert list(counts) == ["reference", "mixture", "blank"]
    assert len(counts["blank"]) == 0
    reference, mixture = (counts[name][["red", "green", "blue"]].to_numpy() for name in ("reference", "mixture"))
    assert reference.max() / reference.min() < 1.6
    assert mixture[1] > mixture[2] > mixture[0]


def test_samples_that_are_there_are_kept_and_others_drawn_anew(small, tmp_path):
    first = simulate_samples(small, tmp_path, n_frames=1)[0] / "stack.tif"
    made = first.stat().st_mtime_ns
    simulate_samples(small, tmp_path, n_frames=1)
    assert first.stat().st_mtime_ns == made
    simulate_samples(small, tmp_path, n_frames=1, seed=4)
    assert first.stat().st_mtime_ns != made


def test_reference_blank_and_replicates_are_put_together(made, classifier, tmp_path, in_process):
    reference, mixture, blank = (str(one / "stack.tif") for one in made)
    samples = tmp_path / "samples.csv"
    rows = [("reference", "known", "reference", 1), ("mixture", "mix", "sample", 1), ("blank", "empty", "blank", 1)]
    write_table(samples, pd.DataFrame(rows, columns=["stack", "sample", "role", "replicate"]))
    plan = plan_files(classifier, [reference, mixture, blank], tmp_path / "out", samples=samples)
    found = quantify_plan(plan, n_resamples=500)
    table = found.abundance.set_index(["sample", "class"])
    assert table.index.get_level_values("sample").unique().tolist() == ["known", "mix", "empty"]
    assert table.loc["mix", "relative_share"].sum() == pytest.approx(1)
    assert table.loc["known", "relative_share"].isna().all()
    assert set(found.fold_changes["sample"]) == {"mix"}
    assert table["classifier"].str.startswith("pca_svm ").all()
    assert table["true"].notna().all()
    assert (table["chance_per_frame"].between(table["chance_per_frame_low"], table["chance_per_frame_high"])).all()
    by_stack = found.stacks.set_index("sample")["chance_per_frame_red"]
    assert table.loc[("mix", "red"), "chance_per_frame"] == by_stack["mix"]
    assert quantification.conclude(found)[0] == "Stacks like the training data: 3 of 3."
    unlike = found.stacks.assign(verdict=["unlike in noise (2.4, training 33 to 34)", *found.stacks["verdict"][1:]])
    told = quantification.conclude(replace(found, stacks=unlike))
    assert told[0] == "Stacks like the training data: 2 of 3."
    assert told[1].endswith("unlike in noise (2.4, training 33 to 34).")
    assert (tmp_path / "out" / "abundance.csv").exists()
    again = pd.read_csv(tmp_path / "out" / "abundance.csv")
    np.testing.assert_allclose(again["molecules"], found.abundance["molecules"])


def test_a_simulated_stack_and_a_classifier_trained_on_simulated_frames_are_two_facts(
    made, classifier, tmp_path, in_process
):
    shutil.copy(made[1] / "stack.tif", tmp_path / "real.tif")  # whose experiment.toml is not beside it
    real = plan_files(classifier, [str(tmp_path / "real.tif")], tmp_path / "real")
    assert (real.results.simulated, real.results.trained_on_simulated) == (False, True)
    assert real.results.badges == ["classifier trained on simulated frames"]
    both = plan_files(classifier, [str(tmp_path / "real.tif"), str(made[1] / "stack.tif")], tmp_path / "both")
    assert both.results.badges == ["simulated", "classifier trained on simulated frames"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(quantification, "count_stacks", _counted_nothing_twice)
        found = quantify_plan(both, n_resamples=100)
    for table in (found.stacks, found.abundance):
        assert table.groupby("sample")["simulated"].first().to_dict() == {"real": False, "mixture": True}
        assert table["trained_on_simulated"].all()
    known = found.abundance.set_index("sample")["true"]
    assert known["real"].isna().all()
    assert (known["mixture"] > 0).all()


def _counted_nothing_twice(inputs, *_, **__):
    """Both stacks hold the same frames, so that counting would refuse one: a few calls in place of it."""
    given = {"bins": np.full((4, 8), 9), "frames": pd.DataFrame({"verdict": [""] * 4, "counted": True})}
    turned = dict.fromkeys(("turned_asked", "turned_red", "turned_green", "turned_blue"), 0)
    values = {"noise_sd_counts": 34.0, "relative_light": 1.0, **turned}
    return [CountedStack(one.name, **given, frame_um2=100.0, values=values) for one in inputs]


def test_stacks_of_one_sample_are_pooled(made, classifier, tmp_path, in_process):
    stacks = [str(one / "stack.tif") for one in made[:2]]
    samples = tmp_path / "samples.csv"
    write_table(samples, pd.DataFrame({"stack": ["reference", "mixture"], "sample": "both", "role": "sample",
                                       "replicate": ["a", "b"]}))  # fmt: skip
    pooled = quantify_plan(plan_files(classifier, stacks, tmp_path / "pooled", samples=samples), n_resamples=500)
    apart = quantify_plan(plan_files(classifier, stacks, tmp_path / "apart"), n_resamples=500)
    assert pooled.abundance["counted"].tolist() == apart.abundance.groupby("class", sort=False)["counted"].sum().tolist()
    assert pooled.abundance["frames"].tolist() == [8] * 3
    assert pooled.abundance["spread_per_frame"].notna().all()


def test_what_failed_is_left_out_and_said(made, classifier, tmp_path, in_process):
    (tmp_path / "broken.tif").write_text("no TIFF")
    plan = plan_files(classifier, [str(made[0] / "stack.tif"), str(tmp_path / "broken.tif")], tmp_path / "out")
    found = quantify_plan(plan, n_resamples=500)
    assert found.abundance["sample"].unique().tolist() == ["reference"]
    assert found.stacks["verdict"].tolist()[1] == "failed"
    assert "not a readable TIFF" in in_words(found.stacks)[1]


def test_nothing_counted_is_an_error_that_names_each_and_nothing_is_trained_for_it(classifier, tmp_path, monkeypatch):
    monkeypatch.setattr(quantification, "train_facts", None)
    plan = plan_files(classifier, ["nowhere.tif", "nor_here.tif"], tmp_path / "out")
    with pytest.raises(InputError, match=r"(?s)no stack could be counted.*nowhere.tif.*nor_here.tif"):
        quantify_plan(plan)


def test_a_stack_of_another_kind_is_unlike_in_plain_words(made, classifier, tmp_path, in_process, rng):
    frames = [frame + rng.normal(0, 60, frame.shape) for _, frame in Stack([made[0] / "stack.tif"]).frames()]
    write_stack(tmp_path / "noisy.tif", frames, pixel_size_nm=120)
    found = quantify_plan(plan_files(classifier, [str(tmp_path / "noisy.tif")], tmp_path / "out"), n_resamples=500)
    assert found.abundance["verdict"].str.contains("unlike in noise").all()
    assert in_words(found.stacks)[0].startswith("noisy: unlike in noise (")


def test_a_frame_that_is_left_out_is_named_and_its_molecules_are_not_true(small, classifier, tmp_path, in_process):
    folder = simulate_experiment(tmp_path / "one", settings=settings_of_experiment(small), seed=31)
    frames = [frame for _, frame in Stack([folder / "stack.tif"]).frames()]
    frames[1] = frames[1] + np.uint16(600)
    write_stack(folder / "stack.tif", frames, pixel_size_nm=120)
    plan = plan_files(classifier, [str(folder / "stack.tif")], tmp_path / "out")
    found, kept = (quantify_plan(plan, n_resamples=100, keep_frames=keep) for keep in (False, True))
    assert found.stacks[["frames", "frames_excluded", "odd_frames"]].to_numpy().tolist() == [
        [3, 1, "2: unlike in brightness"]
    ]
    assert kept.stacks[["frames", "frames_excluded", "odd_frames"]].to_numpy().tolist() == [
        [4, 0, "2: unlike in brightness"]
    ]
    assert in_words(found.stacks)[0].endswith("; frames left out, 2: unlike in brightness")
    assert "left out" not in in_words(kept.stacks)[0]
    assert 0.6 < found.abundance["true"].sum() / kept.abundance["true"].sum() < 0.9
    assert found.abundance["frames"].tolist() == [3] * 3


def test_same_seed_same_table(made, classifier, tmp_path, in_process):
    plan = plan_files(classifier, [str(made[0] / "stack.tif")], tmp_path / "out")
    first, same, other = (quantify_plan(plan, n_resamples=500, seed=seed).abundance for seed in (1, 1, 2))
    pd.testing.assert_frame_equal(first, same)
    assert not np.allclose(first["low"], other["low"])


@pytest.mark.parametrize("missing", ["classifier", "out"])
def test_a_notebook_is_told_what_goes_together(missing, tmp_path):
    given = {"classifier": "c", "stacks": ["s.tif"], "out": str(tmp_path), missing: ""}
    with pytest.raises(InputError, match="stacks need a classifier and out"):
        plan_notebook("data/demo", given.pop("out"), **given)


def test_an_experiment_is_counted_with_its_own_best_classifier(small, tmp_path, in_process):
    plan = plan_notebook(str(small.folder), str(tmp_path / "run"), quick=True)
    found = quantify_plan(plan, n_resamples=500)
    assert plan.classifier.kind == "twin_cnn"
    assert found.abundance["sample"].unique().tolist() == ["reference", "mixture", "blank"]
    assert plan.results.simulated
    assert (tmp_path / "run" / "tables" / "abundance.csv").exists()
    assert (tmp_path / "run" / "counted" / "mixture" / "blobs_classified.csv").exists()
    assert plan_notebook(str(small.folder), str(tmp_path / "run"), quick=True).classifier.folder == plan.classifier.folder


def test_without_a_standard_there_is_no_assay_and_a_sentence_says_so(made, classifier, tmp_path):
    with pytest.raises(InputError, match="no sample is a standard, and without known concentrations there is no curve"):
        plan_notebook("", tmp_path / "out", classifier=classifier, stacks=[made[0]], dilution=True)


def test_dense_molecules_take_from_each_other_and_sparse_ones_hardly(classifier):
    classifier = train_facts(classifier)
    settings = Settings(n_frames=8, frame_shape=(256, 256))
    correction = Correction(classifier.panel.names, *held_out_bins(classifier.facts, detected=True), n_resamples=50, seed=3)

    def stack(pm, seed):
        drawn, own = draw_tube(classifier.panel, settings, (pm,) * 3, seed)
        return HeldFrames([frame for frame, _ in simulate_frames(drawn, own, seed)])

    left = [
        measure_crowding(classifier, correction, [stack(pm, 5), stack(pm, 6)], [stack(0, 7)], density=1.0).left(1.0)
        for pm in (15, 300)
    ]  # 8 and 170 molecules a frame
    assert left[1].mean() < 0.85
    assert left[0].mean() > 0.93


def test_standards_that_failed_make_no_assay(made, classifier, tmp_path, in_process):
    (tmp_path / "broken.tif").write_text("no TIFF")
    samples = tmp_path / "samples.csv"
    samples.write_text(
        "stack,sample,role,replicate,concentration,unit\nbroken.tif,s1,standard,1,10,pM\nmixture,mix,sample,1,,\n"
    )
    plan = plan_files(
        classifier, [str(tmp_path / "broken.tif"), str(made[1] / "stack.tif")], tmp_path / "out", samples=samples
    )
    found = quantify_plan(plan, n_resamples=100)
    assert not quantification.has_standards(found.samples)
    with pytest.raises(InputError, match="no standard could be counted"):
        quantification.assay_plan(plan, found)


def test_one_standard_and_no_blank_are_still_an_assay_that_says_what_it_lacks(made, classifier, tmp_path, in_process):
    samples = tmp_path / "samples.csv"
    samples.write_text(
        "stack,sample,role,replicate,concentration,unit\nreference,s1,standard,1,10,pM\nmixture,mix,sample,1,,\n"
    )
    plan = plan_files(classifier, [str(one / "stack.tif") for one in made[:2]], tmp_path / "out", samples=samples)
    assay = quantification.assay_plan(plan, quantify_plan(plan, n_resamples=100))
    assert len(assay.remarks) == 3  # no blank, one step, one replicate
    assert set(assay.readings["sample"]) == {"mix"}
    assert (tmp_path / "out" / "assay_readings.csv").exists()
