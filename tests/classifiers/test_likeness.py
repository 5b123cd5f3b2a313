"""Whether a stack is like the training data: what is measured of a frame, and the verdict."""

import numpy as np
import pandas as pd
import pytest
from by_hand import blob

from mirnb.classifiers.likeness import (
    FEATURES,
    N_BINS,
    beside_training,
    evenly_spread,
    frames_to_look_at,
    light_of,
    look_at_frame,
    look_at_frames,
    profile_distance,
    profile_of,
    relative_light,
    scale_for,
    training_ranges,
    verdict,
)
from mirnb.experiments.panel_file import THESIS

RANGES = {name: [10.0, 20.0] for name in FEATURES}
EVEN = np.full((2, N_BINS), 50)


def _values(**changed):
    return {**dict.fromkeys(FEATURES, 15.0), **changed}


def test_a_frame_made_by_hand_is_measured(rng):
    frame = 900 + rng.normal(0, 20, (200, 200))
    for row in range(20, 190, 40):
        for col in range(20, 190, 40):
            frame += blob((200, 200), row, col, sigma_px=1.3, height=300)
    values, found = look_at_frame(frame, THESIS, 120.0)
    assert len(found) == 25
    assert values["noise_sd_counts"] == pytest.approx(20, rel=0.03)
    assert values["background_counts"] == pytest.approx(900, abs=2)
    assert values["blobs_per_um2"] == pytest.approx(25 / 24**2)
    assert values["psf_sigma_px"] == pytest.approx(1.3, rel=0.05)
    assert values["flux_counts"] == pytest.approx(300 * 2 * np.pi * 1.3**2, rel=0.05)


def test_an_empty_frame_has_no_width_and_no_flux(rng):
    values, found = look_at_frame(900 + rng.normal(0, 20, (100, 100)), THESIS, 120.0)
    assert len(found) == 0
    assert np.isnan(values["psf_sigma_px"])
    assert values["blobs_per_um2"] == 0


def _found(heights):
    return [pd.DataFrame({"height": heights})]


def _heights(n, rng):
    return 60 * np.exp(0.8 * rng.standard_normal(n))


@pytest.mark.parametrize("times", [0.5, 1.0, 1.4])
def test_light_is_compared_of_blobs_that_both_can_see(times, rng):
    trained = light_of(_found((one := _heights(4000, rng))[one > 40]))  # the rest noise hides
    seen = relative_light(_found(times * _heights(3000, rng)), trained)
    assert seen == pytest.approx(times, rel=0.08)


def test_too_few_blobs_or_an_older_classifier_tell_no_light():
    assert relative_light(_found([100.0] * 5), (40.0, 80.0)) == 1
    assert relative_light(_found([100.0] * 500), (0.0, 0.0)) == 1
    assert light_of([]) == [0.0, 0.0]


@pytest.mark.parametrize(
    ("noise", "light", "scale"),
    [
        (34, 1.0, 1.0), (35, 0.5, 1.0),  # the noise of training
        (68, 1.0, 0.5), (68, 0.5, 0.5),  # noisier: its own noise is the unit
        (10, 1.0, 1.0), (10, 1.2, 1.0), (10, 0.8, 1.0),  # cleaner: as it is
        (10, 2.0, 1.0), (10, 0.5, 2.0), (20, 0.5, 1.7),  # unless it is dimmer; never noisier than in training
        (0, 1.0, 1.0), (0, 0.5, 2.0),  # without any noise
    ],
)  # fmt: skip
def test_what_light_is_multiplied_by(noise, light, scale):
    assert scale_for({"noise_sd_counts": noise, "relative_light": light}, 34.0) == pytest.approx(scale)


def test_a_few_frames_of_a_stack_are_looked_at(small):
    assert frames_to_look_at(1).tolist() == [0]
    assert frames_to_look_at(1000).tolist()[:4] == [0, 143, 285, 428]
    frames = [frame for _, frame in small.stack.frames()]
    known = light_of(look_at_frames(frames, small.panel, small.pixel_size_nm, (0.0, 0.0))[1])
    values, found = look_at_frames(frames, small.panel, small.pixel_size_nm, known)
    assert values["relative_light"] == pytest.approx(1, abs=0.06)  # of few blobs
    assert len(found) == len(frames)


def test_training_frames_are_like_themselves(small):
    ranges = training_ranges(small)
    for _, frame in small.stack.frames():
        values, _ = look_at_frame(frame, small.panel, small.pixel_size_nm)
        assert verdict(values, EVEN, ranges, EVEN) == []


@pytest.mark.parametrize("name", FEATURES)
def test_each_difference_is_said_by_name(name):
    words, margin = FEATURES[name]
    assert verdict(_values(**{name: 20 * (1 + margin) - 0.01}), EVEN, RANGES, EVEN) == []
    for value in (20 * (1 + margin) + 0.1, 10 * (1 - margin) - 0.1, np.nan):
        said = verdict(_values(**{name: value}), EVEN, RANGES, EVEN)
        assert len(said) == 1
        assert said[0].startswith(f"{words} (")
        assert "training 10 to 20" in said[0]


def test_other_probabilities_are_said():
    unsure = np.zeros((2, N_BINS))
    unsure[:, 8:12] = 100
    assert "probabilities" in verdict(_values(), unsure, RANGES, EVEN)[0]
    assert profile_distance(EVEN, EVEN)[0] == 0


def test_few_calls_are_no_reason_for_a_verdict(rng):
    profile = np.bincount(rng.integers(0, 2 * N_BINS, 6), minlength=2 * N_BINS).reshape(2, N_BINS)
    assert verdict(_values(), profile, RANGES, EVEN) == []
    assert verdict(_values(), np.zeros((2, N_BINS)), RANGES, EVEN) == []


def test_another_mixture_is_no_reason_for_a_verdict():
    training = np.zeros((2, N_BINS))
    training[0, 18], training[1, 12] = 900, 100  # the second miR is called less surely
    mixture = training[::-1].sum(axis=1, keepdims=True) * training / training.sum(axis=1, keepdims=True)
    assert verdict(_values(), mixture, RANGES, training) == []
    assert "probabilities" in verdict(_values(), mixture[::-1], RANGES, training)[0]


def test_the_profile_counts_calls_of_mirs_alone():
    y_prob = np.array([[0.97, 0.02, 0.01], [0.1, 0.1, 0.8], [0.2, 0.52, 0.28]])
    profile = profile_of(y_prob)
    assert profile.sum() == 2
    assert profile[0, 19] == profile[1, 10] == 1
    assert profile_of(np.zeros((0, 3))).tolist() == np.zeros((2, N_BINS)).tolist()


def test_looked_at_frames_are_spread():
    assert evenly_spread(100, 3).tolist() == [0, 50, 99]
    assert evenly_spread(2, 8).tolist() == [0, 1]


def test_the_table_ends_with_the_training_frames():
    stacks = pd.DataFrame([{"stack": "a"}, {"stack": "b", **_values()}])
    table = beside_training(stacks, RANGES)
    assert table.index.tolist() == ["a", "b", "(training frames)"]
    assert table.loc["(training frames)", "noise_sd_counts"] == "10.0 to 20.0"
    assert table.loc["a", "noise_sd_counts"] == ""


def test_a_cleaner_stack_may_be_called_more_surely():
    sure = np.zeros((2, N_BINS), int)
    sure[:, -1] = 1000
    assert any("probabilities" in one for one in verdict(_values(), sure, RANGES, EVEN))
    assert [one.split()[0] for one in verdict(_values(noise_sd_counts=3.0), sure, RANGES, EVEN)] == ["noise"]
