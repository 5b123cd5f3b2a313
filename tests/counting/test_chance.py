"""Calls that chance makes: pairs laid by hand across a frame and along it, rates worked on paper."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy.stats import poisson

from mirnb.classifiers.classifier import Classifier
from mirnb.classifiers.facts import Facts
from mirnb.counting.abundance import rates_in_columns
from mirnb.counting.chance import ASKED, TURNED, call_turned, chance_by_stack, chance_rates
from mirnb.experiments.cutouts import wide_window
from mirnb.experiments.panel_file import THESIS
from mirnb.experiments.stacks import HeldFrames
from mirnb.imaging.crops import fits
from mirnb.simulation.frames import draw_light

RED_PX, GREEN_PX, BLUE_PX = (mir.gap_px for mir in THESIS.mirs)


class Rule:
    """A pair is where light lies below a blob at a miR's gap, and nowhere nearer."""

    reads = "raw crops"

    def predict(self, crops, *, scale):
        row, col = wide_window(THESIS).above, wide_window(THESIS).left
        lit = np.column_stack([crops[:, row + int(mir.gap_px), col - 1 : col + 2].max(axis=1) > 100 for mir in THESIS.mirs])
        alone = ~lit.any(axis=1, keepdims=True)
        return np.concatenate([lit / np.maximum(lit.sum(axis=1, keepdims=True), 1), alone], axis=1)


def facts_of(y_true, called):
    n = len(y_true)
    return Facts(np.array(y_true), np.eye(4)[called], np.zeros((n, 3)), np.ones(n, bool), {}, None)


def called(*places, shape=(300, 240)):
    """What `call_turned` counts on a frame with blobs at places (y, x) in px."""
    y, x = np.array(places, float).reshape(-1, 2).T
    lit = pd.DataFrame({"y_px": y, "x_px": x, "flux": 5000.0, "sigma_y_px": 1.1, "sigma_x_px": 1.1})
    blobs = pd.DataFrame({"frame": 0, "row": y.astype(int), "col": x.astype(int)})
    n = call_turned(Classifier(THESIS, None, Rule()), [draw_light(lit, shape, 1.1)], blobs, 1.0)
    return [n[ASKED], *(n[TURNED + name] for name in THESIS.mir_names)]


@pytest.mark.slow
@pytest.mark.parametrize(("n_blobs", "n_frames"), [(50, 200), (100, 60), (200, 20)])
def test_rates_are_within_a_fifth_of_the_truth(n_blobs, n_frames):
    """Single blobs alone, at three densities: what is called along the dispersion is false, every call of it."""
    rng, shape, ruled = np.random.default_rng(n_blobs), (512, 512), Classifier(THESIS, None, Rule())
    frames, parts = [], []
    for k in range(n_frames):
        lit = pd.DataFrame(rng.uniform(0, 512, (n_blobs, 2)), columns=["y_px", "x_px"])
        frames.append(draw_light(lit.assign(flux=5000.0, sigma_y_px=1.1, sigma_x_px=1.1), shape, 1.1))
        parts.append(lit.astype(int).set_axis(["row", "col"], axis=1).assign(frame=k))
    blobs = pd.concat(parts, ignore_index=True)
    inside = blobs[fits(shape, blobs["row"], blobs["col"], THESIS.crop_window)].reset_index(drop=True)
    n = np.bincount(ruled.predict(ruled.cut(HeldFrames(frames), inside)).argmax(axis=1), minlength=4)
    calls = {f"called_{name}": one for name, one in zip(THESIS.names, n, strict=True)}
    row = {"sample": "one", "verdict": "", "frames": n_frames, **calls, **call_turned(ruled, frames, blobs, 1.0)}
    rates = chance_rates(pd.DataFrame([row]), replace(ruled, facts=facts_of([0, 1, 2, 3], [0, 1, 2, 3])))
    assert n[:3].sum() > 100
    assert rates["chance_per_frame"].sum() == pytest.approx(n[:3].sum() / n_frames, rel=0.2)


def test_a_pair_across_is_called_from_both_its_ends_and_one_along_is_not():
    assert called((100.5, 100.5), (100.5, 100.5 + RED_PX)) == [4, 2, 0, 0]
    assert called((100.5, 100.5), (100.5 + RED_PX, 100.5)) == [4, 0, 0, 0]
    assert called((100.5, 100.5), (100.5, 100.5 + BLUE_PX), (200.5, 90.5)) == [6, 0, 0, 2]


def test_a_lower_half_beside_a_blob_is_no_chance_neighbour():
    upper, lower, single = (100.5, 100.5), (100.5 + BLUE_PX, 100.5), (100.5 + BLUE_PX, 100.5 - RED_PX)
    assert called(upper, lower, single) == [5, 1, 0, 0]  # the lower half itself sees the single one


def test_a_window_that_leaves_the_turned_frame_is_not_asked_about():
    assert called((100.5, 12.5)) == [1, 0, 0, 0]
    assert called() == [0, 0, 0, 0]


def test_rates_on_paper():
    stacks = pd.DataFrame(
        {"stack": ["a", "b", "c"], "sample": ["one", "one", "blank"], "verdict": ["like the training data"] * 3,
         "frames": [10, 30, 20], "called_red": [300, 700, 0], "called_green": 0, "called_blue": [100, 500, 0],
         "called_noise": [900, 2700, 0], ASKED: [600, 1000, 0],
         "turned_red": [3, 5, 0], "turned_green": 0, "turned_blue": [6, 2, 0]}
    )  # fmt: skip
    facts = facts_of([0, 0, 1, 1, 2, 2, 2, 2, 2, 3], [0, 0, 1, 1, 2, 2, 2, 2, 3, 3])
    facts.pairs[-1] = 0.6, 0, 0.4  # a hidden pair, called noise
    known = Classifier(THESIS, None, None, facts=facts)
    rates = chance_rates(stacks, known)  # 2 missed for 8 calls: 3600 called noise less 1600 / 4 on 40 frames, 80 a frame
    red = rates.loc[("one", "red")]
    assert red["chance_per_frame"] == pytest.approx(80 * 8 / 1600)
    low, high = (red[f"chance_per_frame_{end}"] / 80 * 1600 for end in ("low", "high"))
    assert [poisson.sf(7, low), poisson.cdf(8, high)] == pytest.approx([0.025, 0.025])  # 8 or more, 8 or fewer
    green = rates.loc[("one", "green")]
    assert green.tolist() == pytest.approx([0, 0, -np.log(0.025) * 80 / 1600])
    assert rates.loc["blank"].isna().all(axis=None)
    by_stack = chance_by_stack(stacks, known)
    assert by_stack.loc["a", "chance_per_frame_red"] == pytest.approx((900 - 400 / 4) / 10 * 3 / 600)
    assert by_stack.loc["b", "chance_per_frame_low_green"] == 0


def test_the_table_to_be_read_has_the_rates_where_they_are_known():
    table = pd.DataFrame(
        {"sample": "one", "class": ["red"], "frames": 10, "spread_per_frame": np.nan, "chance_per_frame": 0.4,
         "chance_per_frame_low": 0.1727, "chance_per_frame_high": 0.788}
        | {f"{unit}{end}": 1.0 for unit in ("per_frame", "per_um2") for end in ("", "_low", "_high")}
    )  # fmt: skip
    assert rates_in_columns(table)["calls by chance, a frame (95 %)"].tolist() == ["0.40 (0.17 to 0.79)"]
    assert not any("chance" in name for name in rates_in_columns(table.drop(columns="chance_per_frame")))
