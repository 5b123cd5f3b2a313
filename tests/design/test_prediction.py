"""Crops of light and their exposure, and what follows from predicted calls, against numbers known without the code."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from mirnb.counting.correction import Correction
from mirnb.design import prediction
from mirnb.design.predicted_scores import MEAN, confused_with, frames_table, frames_to_tell, least_flux, score_table
from mirnb.design.prediction import FLUX_SHARES, Effort, Prediction, draw_crops, predict_panel
from mirnb.experiments.panel_file import THESIS, load_panel
from mirnb.imaging.crops import cut_crops
from mirnb.simulation.frames import frame_light, simulate_frames
from mirnb.simulation.molecules import draw_sample
from mirnb.simulation.settings import Settings

SMALL = Settings(frame_shape=(256, 256), n_labelled_per_frame=40.0, faint_per_frame=2.0)
QUIET = replace(SMALL, noise_sd_counts=0.5, gain_counts=1e-4, background_fall=0.0)  # next to no noise


@pytest.fixture(scope="module")
def crops():
    return draw_crops(THESIS, QUIET, 120, seed=3)


def test_crops_hold_the_light_of_the_frame_about_each_labelled_blob(crops):
    settings = replace(QUIET, n_frames=3)
    sample = draw_sample(THESIS, settings, 3)
    first = sample[sample["frame"] == 1]
    own = first[first["labelled"] & (first["label"] >= 0) & (first["kind"] != "false")]
    rows, cols = np.floor(own[["y_px", "x_px"]].to_numpy()).astype(int).T
    light = cut_crops(frame_light(first, settings), rows, cols, THESIS.template_window)
    still = replace(crops, error_px=np.zeros_like(crops.error_px))[(crops.frames == 1) & ~crops.false]
    seen = still.expose(1.0, np.random.default_rng(0)) * 0.5  # counts
    np.testing.assert_array_equal(still.y_true, own["label"])
    assert (np.abs(seen - 890 - light) < 4 + 0.02 * light.max(axis=(1, 2), keepdims=True)).all()


def test_with_twice_the_light_a_crop_is_twice_as_bright(crops):
    still = replace(crops, error_px=np.zeros_like(crops.error_px))[~crops.false]
    once, twice = ((still.expose(share, np.random.default_rng(0)) * 0.5 - 890).sum(axis=(1, 2)) for share in (1.0, 2.0))
    np.testing.assert_allclose(twice, 2 * once, rtol=0.02, atol=60)


def test_localisation_errs_less_with_more_light(crops):
    far = replace(crops, error_px=np.full_like(crops.error_px, 1.0), place_px=np.full_like(crops.place_px, 0.5))[
        ~crops.false
    ]
    moved, still = (far.expose(share, np.random.default_rng(0)) for share in (1.0, 4.0))
    same = replace(far, error_px=np.zeros_like(far.error_px))
    np.testing.assert_allclose(still, same.expose(4.0, np.random.default_rng(0)))
    # a blob found a pixel too low and too far right lies a pixel higher and further left in its crop
    np.testing.assert_allclose(moved[:, :-1, :-1], same.expose(1.0, np.random.default_rng(0))[:, 1:, 1:], rtol=0.02, atol=20)


def test_mirrored_crops_keep_the_column_of_the_blob():
    settings = replace(QUIET, faint_per_frame=0.0, tilt_deg=30.0, single_share=1.0, dirt_share=0.0)  # lean to the right
    own = draw_crops(THESIS, settings, 120, seed=4)
    own = replace(own, error_px=np.zeros_like(own.error_px), place_px=np.full_like(own.place_px, 0.5))
    light = own.expose(1.0, np.random.default_rng(1), mirror=True) * 0.5 - 890
    plain = own.expose(1.0, np.random.default_rng(1)) * 0.5 - 890
    upper, left, right = 6, slice(1, 5), slice(6, 10)
    turned = np.abs(light - plain).max(axis=(1, 2)) > 20
    assert 0.3 < turned.mean() < 0.7
    np.testing.assert_allclose(light[:, upper, 5], plain[:, upper, 5], rtol=0.05, atol=20)
    np.testing.assert_allclose(light[turned][:, :, right], plain[turned][:, :, left][:, :, ::-1], rtol=0.05, atol=20)


def test_crops_are_like_those_of_simulated_frames():
    """The fast way against the slow: the brightness of crops of each class, noise included."""
    settings = replace(SMALL, n_frames=40)
    slow, y_slow = [], []
    for frame, blobs in simulate_frames(THESIS, settings, 5):
        own = blobs[blobs["labelled"] & blobs["detected"] & (blobs["label"] >= 0)]
        rows, cols = (np.floor(own[name]).astype(int) for name in ("seen_y_px", "seen_x_px"))
        slow.append(cut_crops(frame, rows.to_numpy(), cols.to_numpy(), THESIS.template_window) / settings.noise_sd_counts)
        y_slow.append(own["label"].to_numpy())
    slow, y_slow = np.concatenate(slow), np.concatenate(y_slow)
    drawn = draw_crops(THESIS, replace(SMALL, background_fall=0.0), 1600, seed=6)
    fast = drawn.expose(1.0, np.random.default_rng(0))
    for k in range(4):
        brightest = [np.ptp(one, axis=(1, 2)) for one in (slow[y_slow == k], fast[drawn.y_true == k])]
        quartiles = [np.quantile(one, [0.25, 0.5, 0.75]) for one in brightest]
        np.testing.assert_allclose(*quartiles, rtol=0.2)
        places = [np.median(one, axis=0).argmax() for one in (slow[y_slow == k], fast[drawn.y_true == k])]
        assert places[0] == places[1] == 65  # row 6, column 5


@pytest.mark.slow
def test_the_same_seed_predicts_the_same():
    one, again = (predict_panel(THESIS, SMALL, effort=Effort(n_crops=300, n_epochs=1), seed=7) for _ in range(2))
    for key in one:
        np.testing.assert_array_equal(one[key], again[key])
    assert one["y_pred"].shape == (len(FLUX_SHARES), len(one["y_true"]))
    first, other = (draw_crops(THESIS, SMALL, 300, seed).light for seed in (7, 8))
    assert not np.array_equal(first, other)


def known(y_true, y_pred):
    """A prediction with the same calls for all light."""
    y_true = np.asarray(y_true)
    return Prediction(y_true, np.arange(len(y_true)) % 5, np.tile(y_pred, (len(FLUX_SHARES), 1)))


def test_scores_are_those_of_the_calls():
    y_true = np.repeat([0, 1, 2, 3], 20)
    y_pred = y_true.copy()
    y_pred[:10] = 1  # half of red is called green
    table = score_table(THESIS, known(y_true, y_pred), Settings(), n_resamples=50)
    table = table[table["flux_share"] == 1].set_index("class")
    assert table.loc["red", "recall"] == 0.5
    assert table.loc["green", "precision"] == pytest.approx(2 / 3)
    assert table.loc["blue", ["f1", "f1_low", "f1_high"]].tolist() == [1, 1, 1]
    assert table.loc[MEAN, "f1"] == pytest.approx((2 / 3 + 0.8 + 1) / 3)
    assert table.loc["red", "flux_counts"] == 1700
    assert table.loc["green", "remark"] == ""  # a quarter of the two is mixed up, and no more


def test_classes_mixed_up_are_named():
    matrix = np.array([[60, 40, 0], [35, 60, 5], [0, 2, 98]])
    assert confused_with(matrix, ["a", "b", "noise"]) == ["cannot be told from b", "cannot be told from a", ""]


def test_the_least_light_lies_between_the_two_that_were_tried():
    rows = [{"class": "a", "flux_share": share, "flux_counts": 1700 * share, "f1": f1}
            for share, f1 in zip(FLUX_SHARES, [0.1, 0.3, 0.5, 0.7, 0.9, 0.9], strict=True)]  # fmt: skip
    table = pd.DataFrame(rows)
    found = least_flux(table, 0.8).iloc[0]
    assert found["flux_share"] == pytest.approx(np.sqrt(2))  # half-way on the logarithm
    assert found["flux_counts"] == pytest.approx(1700 * np.sqrt(2))
    assert least_flux(table, 0.7).iloc[0]["flux_share"] == pytest.approx(1.0)
    assert least_flux(table, 0.05).iloc[0]["remark"] == "or less"
    never = least_flux(table, 0.95).iloc[0]
    assert np.isnan(never["flux_share"])
    assert never["remark"] == "not reached; highest F1 0.900"


def test_frames_needed_without_confusion_are_those_of_two_poisson_counts():
    frames = frames_to_tell(np.diag([50, 50, 50]), [20.0, 5.0, 75.0], 1.5)
    by_hand = [(1 / rate + 1 / (1.5 * rate)) * (3.605 / np.log(1.5)) ** 2 for rate in (20, 5)]
    assert frames.tolist() == np.ceil(by_hand).tolist()


def test_confusion_costs_frames_and_a_singular_matrix_all_of_them():
    mixed = frames_to_tell([[40, 10, 0], [10, 40, 0], [2, 2, 96]], [10.0, 10.0, 50.0], 1.5)
    assert (mixed > frames_to_tell(np.eye(3), [10.0, 10.0, 50.0], 1.5)).all()
    assert np.isinf(frames_to_tell([[25, 25, 0], [25, 25, 0], [0, 0, 50]], [10.0, 10.0, 50.0], 1.5)).all()
    assert np.isnan(frames_to_tell([[0, 0, 0], [0, 5, 0], [0, 0, 5]], [1.0, 1.0, 1.0], 1.5)).all()


def test_after_so_many_frames_the_ratio_is_seen_in_95_of_100_experiments():
    confusion = np.array([[80, 12, 8], [10, 75, 15], [3, 2, 95]])
    per_frame = np.array([12.0, 6.0, 60.0])
    n_frames = frames_to_tell(confusion, per_frame, 1.5)[1]
    yields, rng = confusion / confusion.sum(axis=1, keepdims=True), np.random.default_rng(1)
    more = per_frame * [1, 1.5, 1]
    known_matrix = Correction(range(3), 1e6 * yields, n_resamples=400, seed=3)
    seen = 0
    for stream in range(200):
        counts = [rng.poisson(n_frames * one @ yields) for one in (per_frame, more)]
        drawn = [known_matrix.draws(one, stream=2 * stream + k)[:, 1] for k, one in enumerate(counts)]
        seen += np.percentile(drawn[1] / drawn[0], 2.5) > 1
    assert 0.90 <= seen / 200 <= 0.99


def test_frames_are_told_for_the_mixture_of_the_panel():
    table = frames_table(THESIS, np.diag([9, 9, 9, 9]), Settings()).set_index("class")
    assert table["per_frame"].sum() == pytest.approx(1407 / 30)
    assert table.loc["green", "frames"] > table.loc["red", "frames"]


def test_half_of_what_is_learned_from_has_the_light_of_the_settings(monkeypatch, crops):
    shares = []
    monkeypatch.setattr(prediction, "learn", lambda model, seed, epochs, rate, size, draw: iter([draw(0)]))
    monkeypatch.setattr(prediction, "draw_crops", lambda *_: crops)
    real = prediction.LightCrops.expose

    def watched(self, share, rng, *, mirror=False):
        shares.append((share, mirror, set(self.frames)))
        return real(self, share, rng, mirror=mirror)

    monkeypatch.setattr(prediction.LightCrops, "expose", watched)
    predict_panel(THESIS, QUIET, effort=Effort(100, 1))
    asked, learned = shares[: len(FLUX_SHARES)], shares[-1]
    assert [share for share, _, _ in asked] == list(FLUX_SHARES)
    assert learned[1]
    assert not learned[2] & asked[0][2]  # no frame is in both
    assert 0.3 < np.mean(learned[0] == 1) < 0.7
    assert learned[0].min() >= FLUX_SHARES[0]
    assert learned[0].max() <= FLUX_SHARES[-1]


def test_more_classes_get_more_crops_and_epochs():
    assert Effort(1000, 10).for_panel(THESIS) == Effort(1000, 10)
    assert Effort(1000, 10).for_panel(load_panel("twelve")) == Effort(2000, 20)
