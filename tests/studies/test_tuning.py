"""Sweeps: every training kept, nothing done twice, the same table whatever does the work."""

import json
import subprocess
import sys
import threading

import numpy as np
import pandas as pd
import pytest
from dask_cluster import kill_after, two_workers

from mirnb.caches import made_by
from mirnb.classifiers.hyperparameters import Hyperparameters
from mirnb.classifiers.scores import macro_f1_mir, score
from mirnb.classifiers.side_by_side import predict_side_by_side, train_side_by_side
from mirnb.cli import main
from mirnb.experiments.run_folder import RunFolder
from mirnb.files import InputError
from mirnb.studies import tuning
from mirnb.studies.tuning import Sweep, descend, plan, rows_of, summary, tune, write_tables

SHORT = Hyperparameters(epochs=2, batch_size=32)
KERNELS = Sweep("kernel", (3, 5), SHORT)


@pytest.fixture
def run(small, small_run, tmp_path):
    """A run folder of its own."""
    return RunFolder(small, tmp_path / "run")


def _files(run):
    return {path.name: path.stat().st_mtime_ns for path in (run.root / "cache").rglob("*-seed*.npz")}


@pytest.mark.slow
def test_one_row_a_training_class_and_set_with_the_scores_of_its_predictions(small_data, run, in_process):
    table = tune([KERNELS], small_data, run, n_repeats=2)
    assert len(table) == 2 * 2 * 4 * 2
    assert list(table)[:9] == ["setting", "value", "others", "seed", "class", "set", "precision", "recall", "f1"]
    assert {"seconds", "diverged", "weights"} <= set(table)
    assert set(table["made_by"]) == {made_by()}
    assert table["value"].unique().tolist() == ["3", "5"]
    assert table["seed"].unique().tolist() == [300, 301]
    y_true = small_data.y_true[small_data.split["training"]]
    model = train_side_by_side(small_data.scaled("training"), y_true, 4, SHORT.having("kernel", 3), [301])
    for name in ("training", "validation"):
        y_pred = predict_side_by_side(model, small_data.scaled(name))[0].argmax(axis=1)
        scores = score(small_data.y_true[small_data.split[name]], y_pred, 4)
        own = table[(table["value"] == "3") & (table["seed"] == 301) & (table["set"] == name)]
        assert own["class"].tolist() == small_data.panel.names
        for key in ("precision", "recall", "f1"):
            np.testing.assert_allclose(own[key], scores[key])
        np.testing.assert_allclose(own["macro_f1_mir"], macro_f1_mir(scores))


@pytest.mark.slow
def test_what_is_finished_is_not_trained_again(small_data, run, in_process, monkeypatch):
    first = tune([KERNELS], small_data, run, n_repeats=2)
    with monkeypatch.context() as idle:
        idle.setattr(tuning, "open_client", None)
        again = tune([KERNELS], small_data, run, n_repeats=2)
    pd.testing.assert_frame_equal(first, again)
    before = _files(run)
    more = tune([Sweep("kernel", (3, 5, 1), SHORT), Sweep("filter3", (20, 10), SHORT)], small_data, run, n_repeats=3)
    after = _files(run)
    assert before.items() <= after.items()
    assert len(after) == 3 * 4  # kernel 5 and filter3 20 are one configuration
    kept = rows_of(more, "kernel", first["others"].iloc[0])
    kept = kept[kept["seed"].isin([300, 301]) & (kept["value"] != "1")].reset_index(drop=True)
    pd.testing.assert_frame_equal(first, kept)


@pytest.mark.slow
def test_a_value_asked_for_twice_stands_in_the_table_once(small_data, run, in_process):
    once = tune([KERNELS], small_data, run, n_repeats=1)
    twice = tune([KERNELS, Sweep("kernel", (5, 5), SHORT)], small_data, run, n_repeats=1)
    pd.testing.assert_frame_equal(once, twice)


def test_another_seed_is_another_sweep(small_data, run, in_process):
    one = tune([Sweep("kernel", (3,), SHORT)], small_data, run, n_repeats=1, seed=3)
    other = tune([Sweep("kernel", (3,), SHORT)], small_data, run, n_repeats=1, seed=4)
    assert other["seed"].unique().tolist() == [400]
    assert not np.allclose(one["f1"].fillna(0), other["f1"].fillna(0))


@pytest.mark.slow
def test_interrupted_trainings_are_kept_and_the_rest_gone_on_with(small_data, run, small, tmp_path, in_process, monkeypatch):
    whole = RunFolder(small, tmp_path / "whole")
    undisturbed = tune([KERNELS], small_data, whole, n_repeats=3)
    real, calls = np.savez, []

    def stopping(*args, **arrays):
        calls.append(1)
        if len(calls) > 4:
            raise KeyboardInterrupt
        return real(*args, **arrays)

    with monkeypatch.context() as stopped:
        stopped.setattr(np, "savez", stopping)
        with pytest.raises(KeyboardInterrupt):
            tune([KERNELS], small_data, run, n_repeats=3)
    kept = _files(run)
    assert len(kept) == 4
    table = tune([KERNELS], small_data, run, n_repeats=3)
    assert kept.items() <= _files(run).items()
    pd.testing.assert_frame_equal(table.drop(columns="seconds"), undisturbed.drop(columns="seconds"))


@pytest.mark.parametrize(
    ("sweep", "words"),
    [
        (Sweep("kernel", (3, 11), SHORT), "kernel 11.*possible are 1 to 10"),
        (Sweep("pool", ((2, 2), (6, 3)), SHORT), "pool 6x3.*possible are 1 to 5 rows and 1 to 3 columns"),
        (Sweep("adam", (1e-3, -1.0), SHORT), "adam -1"),
    ],
)
def test_values_that_make_no_network_are_refused_before_any_training(sweep, words, small_data, run, monkeypatch):
    monkeypatch.setattr(tuning, "open_client", None)
    with pytest.raises(InputError, match=words):
        tune([KERNELS, sweep], small_data, run, n_repeats=1)
    assert not run.root.exists()


def test_no_repeats_are_refused(small_data, run):
    with pytest.raises(InputError, match="repeats must be 1 or more, got 0"):
        tune([KERNELS], small_data, run, n_repeats=0)


def test_a_diverged_training_is_a_marked_row_without_scores(small_data, run, in_process, monkeypatch):
    def exploded(model, crops):
        y_prob = predict_side_by_side(model, crops)
        y_prob[1, 3:] = np.nan if len(crops) > len(small_data.split["validation"]) else y_prob[1, 3:]
        return y_prob

    monkeypatch.setattr(tuning, "predict_side_by_side", exploded)
    table = tune([Sweep("sgd", (0.01,), SHORT)], small_data, run, n_repeats=3)
    assert table.groupby("seed")["diverged"].all().to_dict() == {300: False, 301: True, 302: False}
    diverged = table[table["diverged"]]
    assert diverged[["precision", "recall", "f1"]].isna().all(axis=None)
    assert (diverged["macro_f1_mir"] == 0).all()
    assert summary(table)["diverged"].tolist() == [1]


@pytest.mark.slow
def test_a_value_that_fails_costs_its_own_trainings_alone(small_data, run, in_process, monkeypatch):
    real = tuning.train_group

    def failing(arrays, n_classes, hyper, seeds, shuffle_seed):
        if hyper.kernel == 3:
            raise MemoryError("OOM when allocating a tensor\nwith more lines")
        return real(arrays, n_classes, hyper, seeds, shuffle_seed)

    with monkeypatch.context() as broken:
        broken.setattr(tuning, "train_group", failing)
        with pytest.raises(
            InputError, match=r"could not be trained: 12-16-20-k3-.*\(MemoryError: OOM when allocating a tensor\)"
        ):
            tune([KERNELS], small_data, run, n_repeats=2)
    assert len(_files(run)) == 2
    assert len(tune([KERNELS], small_data, run, n_repeats=2)) == 32


def test_workers_without_mirnb_are_said(small_data, run, in_process, monkeypatch):
    def lacking(*_):
        raise ModuleNotFoundError("No module named 'mirnb'", name="mirnb")

    monkeypatch.setattr(tuning, "_has_gpu", lacking)
    with pytest.raises(InputError, match="the workers lack mirnb; install mirnb"):
        tune([KERNELS], small_data, run, n_repeats=1)


def test_the_plan_is_the_thesis_sweeps():
    every = plan(tuning.NETWORK + tuning.OPTIMIZERS, (34, 10, 3))
    assert [sweep.name for sweep in every] == [
        "filter1", "filter1_filter3-30", "filter2", "filter3", "kernel", "pool", "padding", "sgd", "adam",
    ]  # fmt: skip
    assert [len(sweep.values) for sweep in every] == [8, 8, 8, 8, 8, 8, 2, 8, 8]
    assert all(len(sweep.values) <= 5 for sweep in plan(tuning.NETWORK + tuning.OPTIMIZERS, (34, 10, 3), few=True))
    (own,) = plan(["kernel=3,7"], (34, 10, 3))
    assert own == Sweep("kernel", (3, 7))
    with pytest.raises(InputError, match="filter9: no such setting"):
        plan(["filter9"], (34, 10, 3))


def test_medians_are_those_of_the_repeats():
    rows = [
        {"setting": "kernel", "others": "", "value": value, "seed": seed, "set": name, "weights": 7, "diverged": False,
         "macro_f1_mir": f1 + (0.1 if name == "training" else 0), "seconds": 2.0}
        for value, scores in {"5": (0.1, 0.7, 0.2), "3": (0.6, 0.5, 0.4)}.items()
        for seed, f1 in enumerate(scores)
        for name in ("training", "validation")
    ]  # fmt: skip
    found = summary(pd.DataFrame(rows))
    assert found.index.get_level_values("value").tolist() == ["5", "3"]
    np.testing.assert_allclose(found["validation"], [0.2, 0.5])
    np.testing.assert_allclose(found["training"], [0.3, 0.6])
    said = "kernel: median F1 on validation from 0.200 (5) to 0.500 (3); training less validation +0.100 to +0.100"
    assert tuning.tell(found) == [said + "."]
    assert tuning.tell(found.assign(diverged=[0, 2])) == [said + "; diverged trainings: 2."]


def test_the_descent_goes_to_the_highest_median_on_validation_then_to_the_fewest_weights(small_data, run, monkeypatch):
    asked = []

    def fake(sweeps, data, run, **how):
        """Validation likes kernel 3 and filter3 of 20 and 30 alike; training likes the largest of everything."""
        (sweep,) = sweeps
        asked.append(sweep)
        rows = []
        for hyper, value in zip(sweep.configurations, sweep.values, strict=True):
            liked = -abs(hyper.kernel - 3) / 10 + (0 if hyper.filter3 in (20, 30) else -0.3)
            for name, f1 in (("training", 0.1 * sweep.values.index(value)), ("validation", 0.9 + liked)):
                rows.append(
                    {"setting": sweep.setting, "others": "", "value": str(value), "seed": 1, "set": name,
                     "weights": hyper.n_weights((34, 10, 3), 4), "macro_f1_mir": f1}
                )  # fmt: skip
        return pd.DataFrame(rows)

    monkeypatch.setattr(tuning, "tune", fake)
    chosen, steps = descend(["kernel", "filter3"], small_data, run)
    assert chosen == Hyperparameters(kernel=3)
    assert asked[1].fixed.kernel == 3
    assert steps["chosen"].tolist() == ["3", "20"]
    assert steps["before"].tolist() == ["5", "20"]
    np.testing.assert_allclose(steps["f1 before"], [0.7, 0.9])
    np.testing.assert_allclose(steps["f1 chosen"], [0.9, 0.9])


@pytest.mark.slow
def test_each_sweep_has_its_table(small_data, run, in_process):
    sweeps = [KERNELS, Sweep("kernel", (3,), SHORT.having("filter3", 30))]
    table = tune(sweeps, small_data, run, n_repeats=1)
    names = write_tables(table, sweeps, run)
    assert len(set(names)) == 2
    assert sum(len(pd.read_csv(run.root / name)) for name in names) == len(table)


@pytest.mark.slow
def test_the_command_writes_the_tables_and_goes_on_where_it_was(small_folder, tmp_path, in_process, capsys):
    command = ["tune", str(small_folder), "--setting", "kernel=1,3", "--repeats", "1", "--out", str(tmp_path / "run")]
    assert main(command) == 0
    assert "tables/tuning_kernel.csv" in capsys.readouterr().out
    table = pd.read_csv(tmp_path / "run" / "tables" / "tuning_kernel.csv")
    assert sorted(table["value"].unique()) == [1, 3]
    files = {path: path.stat().st_mtime_ns for path in (tmp_path / "run" / "cache").rglob("*-seed*.npz")}
    assert main([*command[:-4], "--repeats", "2", *command[-2:]]) == 0
    assert files.items() <= {path: path.stat().st_mtime_ns for path in (tmp_path / "run" / "cache").rglob("*.npz")}.items()


@pytest.mark.parametrize(
    ("setting", "words"),
    [("kernel=40", "possible are 1 to 10"), ("colour", "no such setting"), ("pool=2", "expected values such as 1x1, 2x1")],
)
def test_the_command_refuses_in_one_line(setting, words, small_folder, tmp_path, capsys):
    assert main(["tune", str(small_folder), "--setting", setting, "--out", str(tmp_path / "run")]) == 1
    error = capsys.readouterr().err.strip()
    assert words in error
    assert "\n" not in error


@pytest.mark.slow
def test_a_worker_that_is_killed_changes_nothing(small_data, small, tmp_path):
    """A scheduler and two workers as Dask's own commands start them; one is killed in the middle."""
    sweeps = [Sweep("kernel", (1, 2, 3), Hyperparameters(epochs=5, batch_size=32))]
    killed, undisturbed = (RunFolder(small, tmp_path / name) for name in ("killed", "undisturbed"))
    with two_workers(tmp_path) as (address, (_, *workers)):
        killer = threading.Thread(target=kill_after, args=(workers[0], killed.root, "*-seed*.npz", 5))
        killer.start()
        table = tune(sweeps, small_data, killed, n_repeats=7, scheduler=address)
        killer.join()
        assert workers[0].poll() is not None
        assert workers[1].poll() is None
    other = tune(sweeps, small_data, undisturbed, n_repeats=7)
    pd.testing.assert_frame_equal(table.drop(columns="seconds"), other.drop(columns="seconds"))


_TRAIN_MANY = """
import json, numpy as np, psutil
from mirnb.classifiers.hyperparameters import Hyperparameters
from mirnb.studies.tuning import train_group
rng = np.random.default_rng(0)
arrays = {}
for name, n in (("training", 512), ("validation", 128)):
    arrays["x_" + name] = rng.normal(size=(n, 34, 10, 3)).astype(np.float32)
    arrays["y_" + name] = rng.integers(0, 4, n)
memory = []
for k in range(40):
    train_group(arrays, 4, Hyperparameters(epochs=1), range(5 * k, 5 * k + 5), 3)
    memory.append(psutil.Process().memory_info().rss / 2**20)
print(json.dumps(memory))
"""


@pytest.mark.slow
def test_memory_stays_flat_over_two_hundred_trainings():
    """Forty groups of five: the last of them against the second."""
    done = subprocess.run([sys.executable, "-c", _TRAIN_MANY], capture_output=True, text=True, check=True)
    memory_mib = json.loads(done.stdout.splitlines()[-1])
    assert memory_mib[39] <= 1.05 * memory_mib[1], memory_mib
