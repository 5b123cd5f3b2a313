"""A simulated dilution series: what is in its tubes, and what its samples.csv says."""

import numpy as np
import pandas as pd
import pytest

from mirnb.counting.concentrations import read_concentrations
from mirnb.counting.samples import read_samples
from mirnb.experiments.experiment_file import load_experiment
from mirnb.experiments.panel_file import THESIS, load_panel
from mirnb.simulation.dilution import PER_PM, STEPS_PM, draw_tube, simulate_dilution, tubes_of
from mirnb.simulation.settings import Settings


def test_five_steps_over_three_decades_three_replicates_six_blanks_two_spikes():
    assert STEPS_PM[0] / STEPS_PM[-1] == pytest.approx(1000)
    roles = pd.Series([one.role for one in tubes_of(3)]).value_counts().to_dict()
    assert roles == {"standard": 15, "blank": 6, "spike": 2, "sample": 1}
    spiked, unknown = (next(one for one in tubes_of(12) if one.sample == name) for name in ("spiked", "unknown"))
    assert spiked.added_to == "unknown"
    assert np.subtract(spiked.drawn_pm, unknown.drawn_pm) == pytest.approx(spiked.known_pm)


def test_a_tube_has_molecules_by_its_concentrations_and_dirt_as_usual():
    settings, drawn, noise = Settings(n_frames=20, frame_shape=(512, 512)), [], []
    for seed in range(200):
        panel, own = draw_tube(THESIS, settings, (40, 20, 10), seed)
        drawn.append([mir.share for mir in panel.mirs])
        noise.append(own.n_labelled_per_frame * own.n_frames * (1 - own.mir_share) * (1 - own.unseen_share))
    expected = np.array([40, 20, 10]) * PER_PM * 512 * 512 * 20
    assert np.mean(drawn, axis=0) == pytest.approx(expected, rel=0.02)
    assert np.var(drawn, axis=0) == pytest.approx(expected, rel=0.35)  # Poisson
    usual = settings.n_labelled_per_frame * (1 - settings.mir_share) * (1 - settings.unseen_share) / 4  # a quarter frame
    assert noise == pytest.approx([usual * 20] * 200)


def test_a_blank_has_no_molecule():
    _, own = draw_tube(THESIS, Settings(n_frames=2), (0, 0, 0), 3)
    assert (own.mir_share, own.unseen_share) == (0, 0)


def test_the_series_is_written_with_its_table_and_stays_where_it_is_there(tmp_path):
    samples, stacks = simulate_dilution(tmp_path / "series", n_frames=1)
    known = read_concentrations(read_samples(samples), samples, THESIS.mir_names)
    assert len(stacks) == 24
    assert len(known) == 17
    assert known["spiked_1"] == ((20.0,) * 3, "pM", "unknown")
    blank = load_experiment(tmp_path / "series" / "blank_1")
    assert not (pd.read_csv(blank.folder / "truth.csv")["class"] != "noise").any()
    made = [one.stat().st_mtime_ns for one in stacks]
    assert simulate_dilution(tmp_path / "series", n_frames=1)[1] == stacks
    assert [one.stat().st_mtime_ns for one in stacks] == made


def test_another_panel_has_a_series_of_its_own():
    six = load_panel("six")
    panel, _ = draw_tube(six, Settings(n_frames=2), (50.0,) * 6, 3)
    assert panel.mir_names == six.mir_names
