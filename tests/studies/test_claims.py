"""How claims are judged, and the samples they are judged on."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from mirnb.classifiers import kinds, twin_cnn_training
from mirnb.classifiers.scores import judge
from mirnb.experiments.run_folder import RunFolder
from mirnb.files import InputError
from mirnb.simulation.settings import Settings, settings_of_experiment
from mirnb.studies import claims, learning_curve, thesis


@pytest.mark.parametrize(
    ("gain", "verdict"),
    [((0.1, 0.02, 0.2), "holds"), ((-0.1, -0.2, -0.02), "does not hold"), ((0.01, -0.1, 0.1), "cannot be told")],
)
def test_an_interval_decides(gain, verdict):
    assert judge(*gain[1:]) == verdict


def test_verdicts_are_tallied_by_their_first_words():
    said = ["holds for red", "does not hold: 60% is better", "holds", "cannot be told", "not measured"]
    counted = "holds: 2, does not hold: 1, cannot be told: 1, not measured: 1"
    assert thesis.tally(said, "claims") == f"Of the thesis's 5 claims: {counted}."
    assert thesis.tally([], "claims") == "The thesis names no claims for this panel."


def test_half_the_noise_halves_what_photons_and_camera_make():
    changed = claims._with_noise(Settings(), 0.5)
    assert changed.noise_sd_counts == 17
    shot = [one.gain_counts * (one.background_counts - one.offset_counts) for one in (Settings(), changed)]
    assert shot[1] == pytest.approx(shot[0] / 4)


def test_fewer_noise_blobs_leave_the_mirs_as_they_are():
    changed = claims._with_fewer_noise_blobs(Settings())
    mirs = [one.n_labelled_per_frame * one.mir_share for one in (Settings(), changed)]
    noise = [one.n_labelled_per_frame * (1 - one.mir_share) for one in (Settings(), changed)]
    assert mirs[0] == pytest.approx(mirs[1])
    assert noise[1] == pytest.approx(noise[0] / 2)


def test_wrong_labels_are_as_many_as_said_and_none_of_the_test(small_data):
    wrong = claims._with_wrong_labels(small_data, 0.1, seed=3)
    moved = wrong.y_true != small_data.y_true
    learned = len(small_data.split["training"]) + len(small_data.split["validation"])
    assert moved.sum() == round(0.1 * learned)
    assert not moved[small_data.split["test"]].any()
    assert set(wrong.y_true) <= set(range(4))


def test_the_settings_of_a_simulation_are_read_from_its_experiment(small, small_settings):
    assert settings_of_experiment(small) == small_settings
    foreign = {key: value for key, value in small.simulated.items() if key != "tail_share"}
    assert settings_of_experiment(replace(small, simulated=foreign)) is None
    assert settings_of_experiment(replace(small, simulated=None)) is None


@pytest.mark.slow
def test_every_claim_is_measured_on_a_simulated_experiment_and_said_where_it_cannot_be(
    small, small_data, small_run, short_runs, tmp_path
):
    settings = {"lenet5": {"n_runs": 2, "epochs": 2}, "twin_cnn": {"recipe": twin_cnn_training.QUICK}}
    found = kinds.train_rivals(small_data, small_run, **settings)
    table = claims.measure_claims(RunFolder(small, tmp_path), small_data, short_runs, found, n_runs=1)
    assert len(table) == 8
    assert len(list((tmp_path / "cache").glob("sample-*/experiment.toml"))) == 4  # each sample is one of its own
    assert list(table) == ["claim", "thesis", "measured", "verdict"]
    by_claim = table.set_index("claim")["verdict"]
    assert by_claim["Single-type templates deviate from mixture ones"] == "not measured"  # it names no pretrain
    assert "not measured" not in by_claim.drop("Single-type templates deviate from mixture ones").tolist()
    measured = RunFolder(replace(small, simulated=None), tmp_path / "measured")
    unknown = claims._other_samples(measured, {}, {})
    assert [one.verdict for one in unknown] == ["not measured", "not measured"]


@pytest.mark.slow
def test_the_learning_curve_uses_the_share_it_says_and_leaves_out_what_there_is_nothing_for(small_run):
    curve = learning_curve.measure_learning_curve(
        small_run,
        shares=[0.5, 1.0],
        ways=list(learning_curve.WAYS),
        recipe=twin_cnn_training.QUICK,
        singles=[],
        n_repeats=1,
    )
    assert curve["way"].unique().tolist() == ["labels alone", "twin"]
    labels = curve.groupby("share")["labels"].first()
    assert labels[0.5] == pytest.approx(labels[1.0] / 2, abs=3)
    assert curve["macro_f1_mir"].between(0, 1).all()


@pytest.mark.slow
def test_splits_are_compared_by_crop_and_by_frame(small_settings, tmp_path):
    from mirnb.experiments.experiment_file import load_experiment
    from mirnb.simulation.folders import simulate_experiment

    sample = load_experiment(simulate_experiment(tmp_path / "s", settings=replace(small_settings, n_frames=8)))
    run = RunFolder(sample, tmp_path / "run")
    settings = {"lenet5": {"n_runs": 1}, "twin_cnn": {"recipe": twin_cnn_training.QUICK}}
    means, differences = learning_curve.compare_both_splits(run, seeds=[3], settings=settings)
    assert means.index.tolist() == ["crop", "frame"]
    by_crop = differences.loc["crop"]
    assert (by_crop["low"] <= by_crop["high"]).all()
    assert (tmp_path / "run" / "tables" / "splits_by_frame.csv").exists()
    nothing = learning_curve.compare_both_splits(run, seeds=[], settings={})
    assert all(isinstance(one, pd.DataFrame) and one.empty for one in nothing)
    assert np.isfinite(means.to_numpy()).all()


def test_no_trainings_at_all_are_refused(small_run, small_data, short_runs):
    with pytest.raises(InputError, match="claim_runs must be 1 or more, got 0"):
        claims.measure_claims(small_run, small_data, short_runs, {}, n_runs=0)
