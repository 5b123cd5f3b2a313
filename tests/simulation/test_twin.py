"""A twin of crops made by hand: it finds what they were made of, and reads nothing else."""

import ast
import inspect
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from mirnb.experiments.panel_file import THESIS
from mirnb.imaging.blob_fit import PAIR, SINGLE, draw_light
from mirnb.simulation.twin import Twin, pixel_starts
from mirnb.simulation.twin_estimate import estimate_twin

ROWS, COLS = pixel_starts(THESIS.template_window)
NOISE = THESIS.noise


def made_crops(counts, *, gap_scale=1.0, hidden=0.0, sideways_px=0.0, seed=0):
    """Crops of each class by their counts, in units of the noise: pairs of the panel's gaps, single blobs as noise.

    `hidden` is the share of noise crops that are pairs of the second miR with a lower blob of 12 units, no more.
    """
    rng = np.random.default_rng(seed)
    y_true = np.repeat(np.arange(4), counts)
    n = len(y_true)
    values = np.zeros((n, len(PAIR)))
    values[:, 1] = np.log(80) + 0.5 * rng.standard_normal(n)
    values[:, 2:4] = rng.uniform(-0.5, 0.5, (n, 2))
    values[:, 4:6] = np.log([1.2, 1.12])
    gaps = np.array([mir.gap_px for mir in THESIS.mirs] + [THESIS.mirs[1].gap_px]) * gap_scale
    values[:, 6] = np.log(0.6) + 0.2 * rng.standard_normal(n)
    values[:, 7] = gaps[y_true] + 0.3 * rng.standard_normal(n)
    values[:, 8] = sideways_px + 0.3 * rng.standard_normal(n)
    values[:, 9] = np.log(1.5)
    noise = y_true == NOISE
    unseen = noise & (rng.random(n) < hidden)
    values[unseen, 6] = np.log(12) - values[unseen, 1]
    light = draw_light(values, ROWS, COLS)
    light[noise & ~unseen] = draw_light(values[noise & ~unseen, : len(SINGLE)], ROWS, COLS)
    return light + rng.standard_normal(light.shape), y_true


def ground(n=300, seed=1):
    return np.random.default_rng(seed).standard_normal((n, *THESIS.template_window.shape))


@pytest.mark.parametrize(("gap_scale", "sideways_px"), [(1.0, 0.0), (0.93, 0.4), (1.07, -0.4)])
def test_separations_tilt_and_widths_are_found_from_the_crops(gap_scale, sideways_px):
    crops, y_true = made_crops([120, 60, 120, 100], gap_scale=gap_scale, sideways_px=sideways_px)
    twin = estimate_twin(crops, y_true, THESIS, ground())
    for k, mir in enumerate(THESIS.mirs):
        assert twin.means[k, 7] == pytest.approx(mir.gap_px * gap_scale, abs=0.2)
        assert twin.means[k, 8] == pytest.approx(sideways_px, abs=0.15)
        assert twin.means[k, 5] == pytest.approx(np.log(1.12), abs=0.05)
        assert twin.sds[k, 7] == pytest.approx(0.3, abs=0.2)


@pytest.mark.slow
def test_the_share_of_pairs_among_noise_blobs_is_found():
    crops, y_true = made_crops([100, 100, 100, 500], hidden=0.3)
    hidden = estimate_twin(crops, y_true, THESIS, ground()).hidden_share
    assert hidden[1] == pytest.approx(0.3, abs=0.1)
    assert hidden[1] > 2 * max(hidden[0], hidden[2])
    crops, y_true = made_crops([100, 100, 100, 500])
    assert estimate_twin(crops, y_true, THESIS, ground()).hidden_share[1] < 0.12


def test_drawn_crops_look_like_the_crops_they_were_learned_from():
    crops, y_true = made_crops([150, 80, 150, 300])
    drawn, classes = estimate_twin(crops, y_true, THESIS, ground()).draw(6000, 5)
    assert drawn.shape == (6000, 24, 10)
    assert drawn.dtype == np.float32
    np.testing.assert_allclose(np.bincount(classes) / 6000, np.bincount(y_true) / len(y_true), atol=0.02)
    for k in range(4):
        ours, theirs = drawn[classes == k], crops[y_true == k]
        assert np.corrcoef(ours.mean(axis=0).ravel(), theirs.mean(axis=0).ravel())[0, 1] > 0.98
        light = [np.percentile(one[:, 3:10, 2:8].sum(axis=(1, 2)), [25, 50, 75]) for one in (ours, theirs)]
        np.testing.assert_allclose(*light, rtol=0.2)


def test_one_seed_draws_the_same_crops_and_another_other_ones():
    crops, y_true = made_crops([30, 30, 30, 60])
    twin = estimate_twin(crops, y_true, THESIS, ground())
    first, again, other = (twin.draw(50, seed)[0] for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)


@pytest.mark.parametrize(
    "counts", [[60, 3, 60, 80], [60, 0, 60, 80], [2, 1, 3, 10], [30, 30, 30, 0], [0, 0, 0, 40]], ids=str
)
def test_classes_with_few_crops_or_none_do_not_stop_it(counts):
    crops, y_true = made_crops(counts)
    twin = estimate_twin(crops, y_true, THESIS, ground())
    for k, mir in enumerate(THESIS.mirs):
        if counts[k] < 10:
            assert twin.means[k, 7] == mir.gap_px  # from the panel, not from a handful of crops
    drawn, classes = twin.draw(200, 1)
    assert np.isfinite(drawn).all()
    assert set(classes) <= {k for k in range(4) if counts[k]}


def test_a_panel_of_one_mir_has_a_twin():
    panel = replace(THESIS, mirs=THESIS.mirs[:1])
    crops, y_true = made_crops([60, 0, 0, 60])
    twin = estimate_twin(crops, np.minimum(y_true, 1), panel, ground())
    assert twin.hidden_share.shape == (1,)
    assert set(twin.draw(100, 1)[1]) == {0, 1}


def test_the_twin_knows_nothing_of_the_simulator_or_its_truth():
    for part in (estimate_twin, Twin):
        path = Path(inspect.getsourcefile(part))
        tree = ast.parse(path.read_text())
        imported = {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
        assert {name.split(".")[-1] for name in imported if name.startswith("mirnb")} <= {
            "blob_fit", "dataset", "templates", "twin",
        }  # fmt: skip
        assert not [word for word in ("truth.csv", ".simulated") if word in path.read_text()]
