"""The simulator is realistic: the thesis's network scores on it as it did on the thesis's molecules."""

import numpy as np
import pytest

from mirnb.classifiers import dataset, lenet5
from mirnb.experiments.experiment_file import load_experiment
from mirnb.experiments.run_folder import RunFolder
from mirnb.simulation.folders import simulate_experiment
from mirnb.studies import thesis


@pytest.mark.slow
def test_the_thesis_network_scores_on_the_simulation_near_its_printed_figures(tmp_path):
    losses, scores = [], []
    for simulation_seed in range(3, 8):
        sample = load_experiment(simulate_experiment(tmp_path / f"sample_{simulation_seed}", seed=simulation_seed))
        run = RunFolder(sample, tmp_path / "run")
        data = dataset.prepare(run)
        runs = lenet5.train_runs(data, run, n_runs=2, seed=simulation_seed)
        losses += [one.history["loss"] for one in runs]
        scores.append(lenet5.scores_of_runs(runs, data, sample.panel.mir_names))
    mean = np.mean([table.mean() for table in scores], axis=0)
    ours = dict(zip(scores[0].columns, mean.round(3), strict=True))
    print({name: float(value) for name, value in ours.items()}, np.mean(losses, axis=0).round(3).tolist())
    for key, printed in (("recall", thesis.RECALL), ("precision", thesis.PRECISION)):
        for mir, bound in (("red", 0.08), ("green", 0.15), ("blue", 0.08)):
            assert abs(ours[f"{key} {mir}"] - printed[mir]) <= bound, f"{key} {mir}"
    assert np.abs(np.mean(losses, axis=0) - thesis.LOSS).max() <= 0.06
