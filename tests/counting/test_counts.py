"""Stacks counted in parts: same rows whatever does them, in which order, and how often it was stopped."""

import os
import shutil
import threading
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from dask_cluster import kill_after, two_workers

from mirnb.caches import made_by
from mirnb.cluster import OtherProgram
from mirnb.counting import counts
from mirnb.counting.counts import count_stacks
from mirnb.counting.samples import gather_inputs
from mirnb.experiments.blobs import read_blobs, write_table
from mirnb.experiments.stacks import Stack, write_stack
from mirnb.files import InputError, heard, write_toml
from mirnb.simulation.folders import simulate_experiment


@pytest.fixture(scope="module")
def folder(small_classifier, tmp_path_factory):
    """The small classifier on disk."""
    folder = tmp_path_factory.mktemp("classifier") / "lenet5"
    small_classifier.save(folder)
    return folder


@pytest.fixture(scope="module")
def sample_frames(small_settings, tmp_path_factory):
    """Twenty new frames of the small experiment's kind: folder."""
    settings = replace(small_settings, n_frames=20)
    return simulate_experiment(tmp_path_factory.mktemp("new") / "new", settings=settings, seed=8)


def _count(stacks, folder, classifier, out, **options):
    return count_stacks(gather_inputs(stacks, classifier, **options), folder, out)


@pytest.mark.slow
def test_detected_blobs_are_counted_and_written(sample_frames, folder, small_classifier, tmp_path, in_process):
    (one,) = _count([sample_frames / "stack.tif"], folder, small_classifier, tmp_path)
    table = read_blobs(tmp_path / "new" / "blobs_classified.csv")
    assert one.error == ""
    assert one.values["made_by"] == made_by()
    assert len(table) == one.n_blobs > 500
    assert table["id"].tolist() == list(range(1, len(table) + 1))
    assert table["frame"].is_monotonic_increasing
    counted = table[table["class"].notna() & (table["class"] != "") & (table["partner"] == "")]
    assert one.calls.sum() == len(counted)
    assert one.calls.sum(axis=0).tolist() == [int((counted["class"] == name).sum()) for name in small_classifier.panel.names]
    assert one.n_partners == (table["partner"] != "").sum() > 20
    for frame in (1, 20):
        assert one.calls[frame - 1].sum() == (counted["frame"] == frame).sum()


def test_a_partner_names_a_blob_above_it(sample_frames, folder, small_classifier, tmp_path, in_process):
    _count([sample_frames / "stack.tif"], folder, small_classifier, tmp_path)
    table = pd.read_csv(tmp_path / "new" / "blobs_classified.csv").set_index("id")
    lower = table[table["partner"].notna()]
    upper = table.loc[lower["partner"].astype(int)]
    assert (upper["frame"].to_numpy() == lower["frame"].to_numpy()).all()
    down_px = (lower["y [nm]"].to_numpy() - upper["y [nm]"].to_numpy()) / 120
    gaps = np.array([small_classifier.panel.mirs[small_classifier.panel.index(name)].gap_px for name in upper["class"]])
    assert (np.abs(down_px - gaps) <= np.maximum(1.2, 0.1 * gaps) + 1e-3).all()
    assert not lower["crowded"].any()
    assert not upper["crowded"].all()  # its own lower half does not crowd a blob


def test_blobs_of_a_table_get_the_classes_that_classify_gives(small, folder, small_classifier, tmp_path, in_process):
    (one,) = _count([small.folder], folder, small_classifier, tmp_path)
    counted = pd.read_csv(tmp_path / "small" / "blobs_classified.csv")
    straight = small_classifier.classify(small)
    assert len(counted) == len(straight) == one.n_blobs
    merged = counted.merge(straight[["id", "class", "p_red"]], on="id", suffixes=("", "_straight"))
    assert (merged["class"].fillna("") == merged["class_straight"]).mean() > 0.995  # the noise is measured another way
    assert set(straight.columns) <= set(counted.columns)


@pytest.mark.slow
@pytest.mark.parametrize("dispersion", ["left", "up", "right"])
def test_a_turned_stack_gives_the_same_counts(dispersion, sample_frames, folder, small_classifier, tmp_path, in_process):
    turns = {"left": 3, "up": 2, "right": 1}[dispersion]  # as recorded, so that turning it as read brings it back
    frames = [frame for _, frame in Stack([sample_frames / "stack.tif"]).frames()]
    turned = tmp_path / "turned"
    turned.mkdir()
    write_stack(turned / "stack.tif", [np.rot90(frame, turns) for frame in frames], pixel_size_nm=120)
    values = {"name": "turned", "stack": "stack.tif", "pixel_size_nm": 120.0, "panel": "thesis", "dispersion": dispersion}
    write_toml(turned / "experiment.toml", values)
    straight, other = _count([sample_frames / "stack.tif", turned], folder, small_classifier, tmp_path / "out")
    assert (straight.calls == other.calls).all()
    tables = [pd.read_csv(tmp_path / "out" / name / "blobs_classified.csv") for name in ("new", "turned")]
    at, seen = (table[["y [nm]", "x [nm]"]].to_numpy() for table in tables)
    size = 256 * 120
    recorded = {
        "left": (at[:, 1], size - at[:, 0]),
        "up": (size - at[:, 0], size - at[:, 1]),
        "right": (size - at[:, 1], at[:, 0]),
    }
    np.testing.assert_allclose(seen, np.column_stack(recorded[dispersion]), atol=0.1)


@pytest.mark.slow
def test_a_stack_whose_pairs_lie_another_way_fails_and_the_others_finish(
    sample_frames, folder, small_classifier, tmp_path, in_process
):
    frames = [frame for _, frame in Stack([sample_frames / "stack.tif"]).frames()]
    write_stack(tmp_path / "upside.tif", [frame[::-1] for frame in frames], pixel_size_nm=120)
    bad, good = _count([tmp_path / "upside.tif", sample_frames / "stack.tif"], folder, small_classifier, tmp_path / "out")
    assert "second blobs lie up" in bad.error
    assert good.error == ""
    assert not (tmp_path / "out" / "upside").exists()


@pytest.mark.slow
def test_a_frame_that_cannot_be_used_fails_its_stack_alone(sample_frames, folder, small_classifier, tmp_path, in_process):
    frames = [np.full((256, 256), 900, np.float32) for _ in range(40)]
    frames[30][5, 5] = np.nan
    write_stack(tmp_path / "nan.tif", frames, pixel_size_nm=120, dtype=np.float32)
    bad, good = _count([tmp_path / "nan.tif", sample_frames / "stack.tif"], folder, small_classifier, tmp_path / "out")
    assert "frame 31 has NaN" in bad.error
    assert good.calls.sum() > 0


@pytest.mark.slow
def test_a_copy_of_a_stack_is_not_counted_again(sample_frames, folder, small_classifier, tmp_path, in_process):
    (tmp_path / "copy.tif").write_bytes((sample_frames / "stack.tif").read_bytes())
    first, copy = _count([sample_frames / "stack.tif", tmp_path / "copy.tif"], folder, small_classifier, tmp_path / "out")
    assert first.error == ""
    assert "same frames as new" in copy.error


@pytest.mark.slow
def test_frames_at_fault_are_left_out_unless_they_are_kept(sample_frames, folder, small_classifier, tmp_path, in_process):
    frames = [frame for _, frame in Stack([sample_frames / "stack.tif"]).frames()]
    frames[7] = frames[6]  # across parts: the first of the second
    frames[8] = frames[7]
    frames[12] = frames[12] + np.uint16(400)
    write_stack(tmp_path / "odd.tif", frames, pixel_size_nm=120)
    inputs = gather_inputs([tmp_path / "odd.tif"], small_classifier)
    (one,) = count_stacks(inputs, folder, tmp_path / "out")
    (kept,) = count_stacks(inputs, folder, tmp_path / "out", keep_frames=True)
    assert one.odd_frames == kept.odd_frames == "8, 9: moved; 13: unlike in brightness"
    assert (len(one.calls), len(kept.calls)) == (17, 20)
    np.testing.assert_array_equal(one.calls, np.delete(kept.calls, [7, 8, 12], axis=0))
    assert one.n_blobs == kept.n_blobs  # the table has them all
    written = pd.read_csv(tmp_path / "out" / "odd" / "frames.csv")
    assert written["frame"].tolist() == list(range(1, 21))
    assert written["counted"].all()  # of the later count
    assert written["verdict"].notna().sum() == 3


@pytest.mark.slow
def test_a_time_series_is_said(sample_frames, folder, small_classifier, tmp_path, in_process):
    frames = [frame for _, frame in Stack([sample_frames / "stack.tif"]).frames([0])] * 6
    write_stack(tmp_path / "series.tif", frames, pixel_size_nm=120)
    series, sample = _count(
        [tmp_path / "series.tif", sample_frames / "stack.tif"], folder, small_classifier, tmp_path / "out"
    )
    assert any("repeat from frame to frame" in words for words in series.unlike)
    assert any("most frames (5 moved), so that all are counted" in words for words in series.unlike)
    assert len(series.calls) == 6
    assert not any("repeat from frame to frame" in words for words in sample.unlike)


def test_a_stack_without_blobs_counts_none(folder, small_classifier, tmp_path, in_process):
    write_stack(tmp_path / "flat.tif", [np.full((64, 64), 900)] * 3, pixel_size_nm=120)
    (one,) = _count([tmp_path / "flat.tif"], folder, small_classifier, tmp_path / "out")
    assert one.error == ""
    assert one.calls.tolist() == [[0] * 4] * 3
    table = pd.read_csv(tmp_path / "out" / "flat" / "blobs_classified.csv")
    assert len(table) == 0
    assert {"frame", "x [nm]", "class", "p_red", "partner"} <= set(table)
    assert any("density" in words for words in one.unlike)


@pytest.mark.slow
def test_interrupted_work_goes_on_with_what_is_missing(
    sample_frames, folder, small_classifier, tmp_path, in_process, monkeypatch
):
    stacks = [sample_frames / "stack.tif"]
    _count(stacks, folder, small_classifier, tmp_path / "whole")
    with monkeypatch.context() as stopped:
        stopped.setattr(np, "savez", _stopped_after(2))
        with pytest.raises(KeyboardInterrupt):
            _count(stacks, folder, small_classifier, tmp_path / "halves")
    kept = {path: path.stat().st_mtime_ns for path in (tmp_path / "halves" / "cache").rglob("*.npz")}
    assert len(kept) == 2
    assert not (tmp_path / "halves" / "new").exists()
    _count(stacks, folder, small_classifier, tmp_path / "halves")
    assert {path: path.stat().st_mtime_ns for path in kept} == kept
    assert _rows(tmp_path / "halves") == _rows(tmp_path / "whole")


def test_finished_work_starts_no_cluster(sample_frames, folder, small_classifier, tmp_path, in_process, monkeypatch):
    stacks = [sample_frames / "stack.tif"]
    first = _count(stacks, folder, small_classifier, tmp_path)
    monkeypatch.setattr(counts, "open_client", None)
    again = _count(stacks, folder, small_classifier, tmp_path)
    assert (first[0].calls == again[0].calls).all()


def test_another_table_is_counted_anew(small, folder, small_classifier, tmp_path, in_process):
    (one,) = _count([small.folder / "stack.tif"], folder, small_classifier, tmp_path, blobs=[small.blobs_path])
    few = tmp_path / "few.csv"
    few.write_text("\n".join(small.blobs_path.read_text().splitlines()[:50]) + "\n")
    (other,) = _count([small.folder / "stack.tif"], folder, small_classifier, tmp_path, blobs=[few])
    assert (one.n_blobs, other.n_blobs) == (len(small.table), 49)


@pytest.mark.slow
def test_a_worker_that_is_killed_changes_nothing(small_settings, folder, small_classifier, tmp_path):
    """A scheduler and two workers as Dask's own commands start them; one is killed in the middle."""
    frames = simulate_experiment(tmp_path / "many", settings=replace(small_settings, n_frames=96), seed=9) / "stack.tif"
    with two_workers(tmp_path) as (address, (_, *workers)):
        killer = threading.Thread(target=kill_after, args=(workers[0], tmp_path / "killed" / "cache", "0*.npz", 3))
        killer.start()
        inputs = gather_inputs([frames], small_classifier)
        count_stacks(inputs, folder, tmp_path / "killed", scheduler=address)
        killer.join()
        assert workers[0].poll() is not None
        assert workers[1].poll() is None
    count_stacks(inputs, folder, tmp_path / "undisturbed", n_workers=1)
    killed, undisturbed = (
        pd.read_csv(tmp_path / name / "many" / "blobs_classified.csv") for name in ("killed", "undisturbed")
    )
    probabilities = [f"p_{name}" for name in small_classifier.panel.names]
    pd.testing.assert_frame_equal(killed.drop(columns=probabilities), undisturbed.drop(columns=probabilities))
    np.testing.assert_allclose(killed[probabilities], undisturbed[probabilities], atol=1e-5)


@pytest.mark.slow
def test_a_scheduler_that_is_killed_in_the_middle_is_one_sentence_and_work_goes_on(
    sample_frames, folder, small_classifier, tmp_path
):
    with two_workers(tmp_path) as (address, (scheduler, *_)):
        killer = threading.Thread(target=kill_after, args=(scheduler, tmp_path / "out" / "cache", "0*.npz", 1))
        killer.start()
        inputs = gather_inputs([sample_frames / "stack.tif"], small_classifier)
        with pytest.raises(InputError, match="scheduler went away in the middle; what was finished is kept"):
            count_stacks(inputs, folder, tmp_path / "out", scheduler=address)
        killer.join()
    kept = {path: path.stat().st_mtime_ns for path in (tmp_path / "out" / "cache").rglob("0*.npz")}
    assert kept
    count_stacks(inputs, folder, tmp_path / "out", n_workers=1)
    assert all(path.stat().st_mtime_ns == time for path, time in kept.items())


@pytest.mark.slow
def test_a_worker_with_another_mirnb_is_refused(sample_frames, folder, small_classifier, tmp_path):
    """Its classes come in another order; before, it counted by them without a word."""
    shutil.copytree(Path(counts.__file__).parents[1], tmp_path / "other" / "mirnb")
    changed = tmp_path / "other" / "mirnb" / "classifiers" / "likeness.py"
    changed.write_text(changed.read_text().replace("return table", "return table[::-1]") + "\n# another\n")
    with two_workers(tmp_path, environment={**os.environ, "PYTHONPATH": str(tmp_path / "other")}) as (address, _):
        inputs = gather_inputs([sample_frames / "stack.tif"], small_classifier)
        with pytest.raises(OtherProgram, match=r"worker tcp://.* runs mirnb .* with other source, here is"):
            count_stacks(inputs, folder, tmp_path / "out", scheduler=address)
    assert not list((tmp_path / "out").rglob("*.npz"))


def _rows(out):
    return (out / "new" / "blobs_classified.csv").read_bytes()


def _stopped_after(n):
    """`numpy.savez` that is interrupted after so many files."""
    real, calls = np.savez, []

    def save(*args, **arrays):
        calls.append(1)
        if len(calls) > n:
            raise KeyboardInterrupt
        return real(*args, **arrays)

    return save


@pytest.mark.slow
def test_a_molecule_that_is_there_twice_counts_once(sample_frames, folder, small_classifier, tmp_path, in_process):
    table = read_blobs(sample_frames / "blobs.csv")
    doubled = pd.concat([table, table.assign(**{"x [nm]": table["x [nm]"] + 20})]).sort_values("frame", kind="stable")
    counted = []
    for name, rows in (("once", table), ("twice", doubled)):
        write_table(tmp_path / f"{name}.csv", rows)
        with heard() as said:
            counted += _count(
                [sample_frames / "stack.tif"], folder, small_classifier, tmp_path / name, blobs=[tmp_path / f"{name}.csv"]
            )
        assert any("counts twice" in one for one in said) == (name == "twice")
    np.testing.assert_array_equal(counted[1].calls, counted[0].calls)
    assert counted[1].n_blobs == counted[0].n_blobs == len(table)


@pytest.mark.slow
def test_tables_in_the_order_of_other_stacks_are_unlike(sample_frames, folder, small_classifier, small_settings, tmp_path,
                                                         in_process):  # fmt: skip
    other = simulate_experiment(tmp_path / "other", settings=replace(small_settings, n_frames=20), seed=21)
    stacks, tables = ([one / name for one in (sample_frames, other)] for name in ("stack.tif", "blobs.csv"))
    right = _count(stacks, folder, small_classifier, tmp_path / "right", blobs=tables)
    assert not [words for one in right for words in one.unlike if "blob table" in words]
    wrong = _count(stacks, folder, small_classifier, tmp_path / "wrong", blobs=tables[::-1])
    assert all(any("blob table" in words and "another stack's" in words for words in one.unlike) for one in wrong)


def test_a_stack_of_other_pixels_than_the_classifiers_is_unlike(
    sample_frames, folder, small_classifier, tmp_path, in_process
):
    frames = [frame for _, frame in Stack([sample_frames / "stack.tif"]).frames(range(3))]
    write_stack(tmp_path / "a.tif", frames, pixel_size_nm=100)
    with heard() as said:
        (one,) = _count([tmp_path / "a.tif"], folder, small_classifier, tmp_path / "out")
    assert any("100 nm by the file, the classifier was trained at 120 nm" in words for words in said)
    assert any("pixels (100 nm in the file, 120 taken)" in words for words in one.unlike)
