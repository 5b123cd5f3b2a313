"""What crowding takes of calls made by hand; on simulated frames `test_quantification` measures it."""

from types import SimpleNamespace

import numpy as np
import pytest

from mirnb.counting import crowding
from mirnb.counting.correction import Correction
from mirnb.counting.crowding import measure_crowding
from mirnb.experiments.panel_file import THESIS
from mirnb.experiments.stacks import HeldFrames

PERFECT = Correction(["red", "noise"], 1e7 * np.eye(2), n_resamples=300, seed=3)


def _flat(value):
    return HeldFrames([np.full((4, 4), value)] * 5)


def test_of_calls_by_hand_the_area_is_that_of_their_loss(monkeypatch):
    def bins(_, frames, others):  # 100 molecules a frame, of which a tenth is lost where two frames of them are added
        dense = others[0].max() > 0
        return np.tile([180, 20] if dense else [100, 20], (len(frames), 1))

    monkeypatch.setattr(crowding, "_bins_of_sums", bins)
    found = measure_crowding(None, PERFECT, [_flat(7.0)] * 2, [_flat(0.0)], density=50.0)
    assert found.area == pytest.approx([-np.log(0.9) / 50])
    assert found.left(100.0) == pytest.approx([0.81])
    assert found.drawn.shape == (300, 1)
    assert found.drawn.std() == pytest.approx(0, abs=1e-9)  # all frames are alike


def test_more_calls_than_molecules_are_no_area_below_0(monkeypatch):
    monkeypatch.setattr(crowding, "_bins_of_sums", lambda _, frames, others: np.full((len(frames), 2), 10 + others[0].max()))
    assert measure_crowding(None, PERFECT, [_flat(1000.0)], [_flat(0.0)], density=1.0).area == [0.0]


def test_the_sum_of_two_frames_has_the_background_of_one(monkeypatch):
    seen = []
    classifier = SimpleNamespace(look=lambda frames: (seen.extend(frames), None), scale_for=lambda _: 1.0, panel=THESIS)
    nothing = {"y_prob": np.zeros((0, 4)), "frame": np.zeros(0, int), "y_px": np.zeros(0), "x_px": np.zeros(0)}
    monkeypatch.setattr(crowding, "classify_frames", lambda *_: nothing)
    frames = [np.full((5, 5), 900.0), np.full((5, 5), 880.0)]
    frames[0][2, 2], frames[1][3, 3] = 1500, 1400
    classifier.facts = None
    monkeypatch.setattr(crowding, "bins_of", lambda *_: np.zeros(0, int))
    crowding._bins_of_sums(classifier, frames[:1], frames[1:])
    (total,) = seen
    assert (total[0, 0], total[2, 2], total[3, 3]) == (900, 1500, 900 + 1400 - 880)
