"""From frames to crops: each step against its plain way, done once, and refused where it would be wrong."""

from dataclasses import replace

import numpy as np
import pytest
import tifffile
from by_hand import blobs_text, everything_in, grey_frames, middle_nm, write_folder
from scipy.signal import correlate2d

from mirnb.classifiers import dataset
from mirnb.experiments import cutouts
from mirnb.experiments.experiment_file import load_experiment
from mirnb.experiments.panel_file import THESIS
from mirnb.experiments.run_folder import RunFolder
from mirnb.experiments.stacks import HeldFrames
from mirnb.files import InputError
from mirnb.imaging.neighbours import find_crowded
from mirnb.imaging.preprocessing import noise_sd, preprocess
from mirnb.imaging.templates import preprocess_templates
from mirnb.simulation.folders import simulate_experiment
from mirnb.simulation.frames import ideal_pairs

LABELS = "frame,x [nm],y [nm],is_really_mir,selected_mir_type"
MASKS = {mir: f"{mir}.tif" for mir in ("red", "green", "blue")}


def frames_of(sample):
    return {index: frame.copy() for index, frame in sample.stack.frames()}


def masked(folder, **values):
    """An experiment folder with three masks."""
    write_folder(folder, masks=MASKS, **values)
    for k, name in enumerate(MASKS.values()):
        tifffile.imwrite(folder / name, grey_frames(1, (24, 10), seed=k)[0])
    return load_experiment(folder)


def test_blobs_are_kept_by_their_window_label_and_frame(tmp_path):
    cells = [  # row, col, label: the window is rows [r-11, r+23), cols [c-5, c+5) of 64x48
        (11, 5, (1, 0)),
        (10, 5, (1, 0)),
        (41, 43, (0, -1)),
        (42, 43, (0, -1)),
        (30, 4, (1, 1)),
        (30, 44, (1, 1)),
        (30, 20, (1, -1)),
        (30, 20, ("", "")),
    ]
    rows = [(1 + k % 2, *middle_nm(row, col), *label) for k, (row, col, label) in enumerate(cells)]
    sample = load_experiment(write_folder(tmp_path / "s", blobs=blobs_text(rows, LABELS)))
    kept, n_dropped = cutouts.kept_blobs(sample)
    assert kept["table_row"].tolist() == [0, 2]
    assert (kept["row"].tolist(), kept["col"].tolist(), kept["y"].tolist()) == ([11, 41], [5, 43], [0, 3])
    assert n_dropped == 4
    kept, n_dropped = cutouts.kept_blobs(sample, labelled=False, n_frames=1)
    assert kept["table_row"].tolist() == [0, 2, 6]
    assert n_dropped == 1


def test_raw_crops_are_windows_of_the_frames(small, small_data):
    frames = frames_of(small)
    assert small_data.raw_crops.shape[1:] == (24, 10)
    assert small_data.raw_crops.dtype == np.uint16
    for crop, (_, frame, row, col, _) in zip(small_data.raw_crops, small_data.blobs.to_numpy(), strict=True):
        np.testing.assert_array_equal(crop, frames[frame][row - 6 : row + 18, col - 5 : col + 5])


def test_templates_are_medians_of_raw_training_crops_preprocessed_as_frames_are(small_data):
    training = small_data.split["training"]
    raw, y_true = small_data.raw_crops[training], small_data.y_true[training]
    for k, template in enumerate(small_data.templates):
        np.testing.assert_allclose(template, preprocess(np.median(raw[y_true == k], axis=0)), rtol=1e-5, atol=1e-3)


def test_response_crops_are_windows_of_the_slow_correlation_of_preprocessed_frames(small, small_data):
    blobs = small_data.blobs[small_data.blobs["frame"] == 1]
    clean = preprocess(frames_of(small)[1].astype(float)).astype(float)
    assert small_data.crops.shape[1:] == (34, 10, 3)
    for k, template in enumerate(small_data.templates.astype(float)):
        slow = correlate2d(clean / np.linalg.norm(clean), template / np.linalg.norm(template), mode="same")
        for index, row, col in zip(blobs.index, blobs["row"], blobs["col"], strict=True):
            crop = slow[row - 11 : row + 23, col - 5 : col + 5]
            assert np.abs(small_data.crops[index, ..., k] - crop).max() <= 1e-5 * np.ptp(slow)


def test_the_split_covers_every_crop_once_in_60_20_20(small_data):
    together = np.concatenate([small_data.split[name] for name in ("training", "validation", "test")])
    assert sorted(together) == list(range(len(small_data.crops)))
    shares = [len(small_data.split[name]) / len(together) for name in ("training", "validation", "test")]
    np.testing.assert_allclose(shares, [0.6, 0.2, 0.2], atol=0.01)


def test_the_scaler_knows_training_crops_alone(small_data):
    crops = small_data.crops[small_data.split["training"]].astype(float)
    np.testing.assert_allclose(small_data.scaler.mean, crops.mean(axis=0), rtol=1e-5)
    np.testing.assert_allclose(small_data.scaler.sd, crops.std(axis=0), rtol=1e-5)
    assert np.abs(small_data.scaled("training").mean(axis=0)).max() < 1e-4
    assert np.abs(small_data.scaled("test").mean(axis=0)).max() > 0.01  # another sample, so not exactly 0


def test_every_labelled_blob_of_a_simulation_has_its_crop(small, small_data):
    assert len(small_data.crops) == small.labelled.sum() == 240
    counts = small_data.count()
    assert counts["all"].to_dict() == {name: small.count_labels()[name] for name in small.panel.names}
    assert (counts[["training", "validation", "test"]].sum(axis=1) == counts["all"]).all()
    summary = small_data.summary()
    assert sum(summary["counts"].values()) == 240
    assert {name: sum(counts.values()) for name, counts in summary["split"].items()} == {
        name: len(indices) for name, indices in small_data.split.items()
    }


def test_the_split_table_names_row_frame_class_and_set_of_each_crop(small, small_data):
    table = small_data.split_table()
    expected = small.table["frame"].to_numpy()[table["table_row"]]
    np.testing.assert_array_equal(table["frame"], expected)  # from 1, as in the blob table
    for k, name in enumerate(small.panel.names):
        assert set(np.flatnonzero(table["class"] == name)) == set(np.flatnonzero(small_data.y_true == k))
    for name, indices in small_data.split.items():
        assert set(np.flatnonzero(table["set"] == name)) == set(indices)


def test_what_was_prepared_once_is_read_back(small, small_run, small_data, monkeypatch):
    def never(*_, **__):
        raise AssertionError("made again")

    monkeypatch.setattr(dataset, "cut_response_crops", never)
    again = dataset.prepare(small_run)
    np.testing.assert_array_equal(again.crops, small_data.crops)
    np.testing.assert_array_equal(again.templates, small_data.templates)
    assert again.blobs.equals(small_data.blobs)
    for changed in ({"background_percentile": 60.0}, {"cap_sds": 4.0}, {"seed": 4}, {"quick": True}):
        with pytest.raises(AssertionError, match="made again"):
            dataset.prepare(small_run, **changed)


def test_other_masks_in_the_same_files_are_not_answered_from_the_cache(tmp_path):
    x, y = middle_nm(32, 24)
    sample = masked(tmp_path / "s", blobs=blobs_text([(1, x, y)], "frame,x [nm],y [nm]"))
    run = RunFolder(sample, tmp_path / "run")
    before = dataset.prepare(run, unlabelled=True).templates
    for k, name in enumerate(MASKS.values()):
        tifffile.imwrite(tmp_path / "s" / name, grey_frames(1, (24, 10), seed=k + 5)[0])
    after = dataset.prepare(RunFolder(load_experiment(tmp_path / "s"), run.root), unlabelled=True).templates
    assert not np.array_equal(before, after)


def test_a_preparation_that_stops_in_the_middle_leaves_nothing_in_the_cache(small, tmp_path, monkeypatch):
    def stop(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(np, "savez", stop)
    with pytest.raises(KeyboardInterrupt):
        dataset.prepare(RunFolder(small, tmp_path / "run"))
    assert everything_in(tmp_path) == {}


def test_masks_take_the_place_of_the_medians(tmp_path, small_folder):
    for name in ("stack.tif", "blobs.csv"):
        (tmp_path / name).write_bytes((small_folder / name).read_bytes())
    masks = [grey_frames(1, (24, 10), seed=k)[0] for k in range(3)]
    for name, mask in zip(MASKS.values(), masks, strict=True):
        tifffile.imwrite(tmp_path / name, mask)
    inline = ", ".join(f'{mir} = "{name}"' for mir, name in MASKS.items())
    (tmp_path / "experiment.toml").write_text(
        f'name = "s"\nstack = "stack.tif"\nblobs = "blobs.csv"\npixel_size_nm = 120\nmasks = {{{inline}}}\n'
    )
    sample = load_experiment(tmp_path)
    templates = dataset.prepare(RunFolder(sample, tmp_path / "run"), quick=True).templates
    np.testing.assert_allclose(templates, [preprocess(mask.astype(float)) for mask in masks], rtol=1e-5, atol=1e-3)


def test_a_mask_that_is_blank_above_its_background_is_refused_in_words(tmp_path):
    masked(tmp_path / "s")
    dark = np.full((24, 10), 900, np.uint16)
    dark[3, 3] = 100  # not constant, but nothing lies above its 70th percentile
    tifffile.imwrite(tmp_path / "s" / "green.tif", dark)

    def prepare():
        sample = load_experiment(tmp_path / "s")
        dataset.prepare(RunFolder(sample, tmp_path / "run"), unlabelled=True)

    with pytest.raises(InputError, match="green"):
        prepare()


def test_without_labels_all_blobs_are_cut_with_the_masks_and_nothing_is_split(tmp_path):
    sample = masked(tmp_path / "s")
    data = dataset.prepare(RunFolder(sample, tmp_path / "run"), unlabelled=True)
    assert len(data.crops) == 2
    assert data.scaler is None
    assert [len(indices) for indices in data.split.values()] == [0, 0, 0]
    groups = data.groups()
    assert sorted(np.concatenate(list(groups.values()))) == [0, 1]
    assert all(title.startswith("bright in ") for title in groups)
    assert set(data.split_table()["class"]) == {"not labelled"}


def test_an_unlabelled_sample_of_no_kept_blobs_has_crops_of_the_right_shape(tmp_path):
    sample = masked(tmp_path / "s", blobs=blobs_text([(1, *middle_nm(0, 0))], "frame,x [nm],y [nm]"))
    data = dataset.prepare(RunFolder(sample, tmp_path / "run"), unlabelled=True)
    assert data.raw_crops.shape == (0, 24, 10)
    assert data.crops.shape == (0, 34, 10, 3)
    assert all(len(indices) == 0 for indices in data.groups().values())


def test_without_labels_or_masks_templates_are_drawn_from_the_panel(tmp_path):
    sample = load_experiment(write_folder(tmp_path / "s"))
    data = dataset.prepare(RunFolder(sample, tmp_path / "run"), unlabelled=True)
    drawn = preprocess_templates(ideal_pairs(sample.panel))
    np.testing.assert_allclose(data.templates, drawn, rtol=1e-5)
    for mir, template in zip(sample.panel.mirs, data.templates, strict=True):
        profile = template[:, sample.panel.template_window.left]
        lower = sample.panel.template_window.above + mir.gap_px  # where the second blob lies
        assert profile[round(lower)] > 0.1 * profile.max()
    assert "drawn from the panel" in sample.about_labels()


def test_labels_are_asked_for_where_they_are_needed(tmp_path):
    sample = load_experiment(write_folder(tmp_path / "s"))
    before = everything_in(tmp_path)
    with pytest.raises(InputError, match=r"blobs\.csv: has no labels"):
        dataset.prepare(RunFolder(sample, tmp_path / "run"))
    assert everything_in(tmp_path) == before


@pytest.mark.parametrize("quick", [True, False])
def test_too_few_blobs_whose_crops_are_kept_are_counted_by_class(quick, tmp_path):
    labels = [(1, 0)] * 5 + [(1, 1)] * 5 + [(1, 2)] * 4 + [(0, -1)] * 9
    rows = [(1, *middle_nm(30, 10 + k), *label) for k, label in enumerate(labels)]
    rows += [(1, *middle_nm(0, k), 1, 2) for k in range(4)]  # at the border, so not kept
    sample = load_experiment(write_folder(tmp_path / "s", blobs=blobs_text(rows, LABELS)))
    with pytest.raises(InputError, match=r"too few labelled blobs to split.*\(blue 4\)") as caught:
        dataset.prepare(RunFolder(sample, tmp_path / "run"), quick=quick)
    assert "blobs.csv" in str(caught.value)
    assert not (tmp_path / "run").exists()


def test_a_class_that_the_split_leaves_out_of_training_is_told_in_words(tmp_path, monkeypatch):
    """Enough of every class is there, yet an unstratified split may give training none of one."""
    labels = [(1, 0)] * 5 + [(1, 1)] * 5 + [(1, 2)] * 5 + [(0, -1)] * 35
    rows = [(1, *middle_nm(20 + k // 30, 8 + k % 30), *label) for k, label in enumerate(labels)]
    sample = load_experiment(write_folder(tmp_path / "s", blobs=blobs_text(rows, LABELS)))
    green_last = {"training": np.r_[0:5, 10:35], "validation": np.r_[5:8, 35:42], "test": np.r_[8:10, 42:50]}
    monkeypatch.setattr(dataset, "split_by_crop", lambda *_, **__: green_last)
    with pytest.raises(InputError, match="green"):
        dataset.prepare(RunFolder(sample, tmp_path / "run"))


def test_quick_takes_the_first_frames_alone(small, tmp_path, monkeypatch):
    monkeypatch.setattr(dataset, "QUICK_FRAMES", 2)
    data = dataset.prepare(RunFolder(small, tmp_path / "run"), quick=True)
    assert set(data.frames) == {0, 1}


def test_groups_show_each_class_and_the_brightest_of_it(small, small_data):
    groups = small_data.groups(n_each=3)
    assert list(groups) == small.panel.names
    for k, indices in enumerate(groups.values()):
        assert len(indices) == 3
        assert set(small_data.y_true[indices]) == {k}
    brightest = small_data.brightest()
    assert list(brightest) == small.panel.mir_names
    crowded = find_crowded(small_data.frames, small_data.blobs["row"], small_data.blobs["col"], small.panel.crop_window)
    assert crowded.any()
    for k, (crop, raw) in enumerate(brightest.values()):
        own = small_data.crops[(small_data.y_true == k) & ~crowded]
        assert crop[16, 4, k] == own[:, 16, 4, k].max()  # where a template peaks on its molecule: 5 px below, 1 px left
        assert raw.shape == (24, 10)


def test_frames_without_blobs_are_not_read(small, tmp_path):
    blobs, _ = cutouts.kept_blobs(small)
    only_second = blobs[blobs["frame"] == 1].reset_index(drop=True)

    class NoOther(type(small.stack)):
        def frames(self, indices=None):
            assert list(indices) == [1]
            return super().frames(indices)

    stack = NoOther([path for path in small.stack.paths])
    crops = cutouts.cut_raw_crops(stack, only_second, small.panel)
    assert len(crops) == len(only_second)


def test_wide_crops_have_a_margin_that_is_reflected_at_the_edge(tmp_path):
    frames = grey_frames(1, (64, 48))
    x, y = middle_nm(11, 5)  # its crop window starts at row 0 and column 0
    sample = load_experiment(write_folder(tmp_path / "s", frames=frames, blobs=f"frame,x [nm],y [nm]\n1,{x},{y}\n"))
    blobs, _ = cutouts.kept_blobs(sample, labelled=False)
    (crop,) = cutouts.cut_raw_crops(sample.stack, blobs, sample.panel)
    assert crop.shape == (28, 14)
    np.testing.assert_array_equal(crop[:, 2:], frames[0][3:31, :12])
    np.testing.assert_array_equal(crop[:, :2], frames[0][3:31, [2, 1]])  # numpy's reflection leaves the edge out


def test_background_touches_no_held_out_crop_and_no_blob_of_the_table(small):
    blobs, _ = cutouts.kept_blobs(small)
    held_out = blobs.iloc[::3]
    marked = {index: frame.copy() for index, frame in small.stack.frames()}
    for _, frame, row, col, _ in held_out.to_numpy():  # every pixel that a test crop shows
        marked[frame][row - 6 : row + 18, col - 5 : col + 5] = 0
    window = small.panel.template_window
    patches = cutouts.cut_background(HeldFrames(marked.values()), small.blobs, held_out, window, n_patches=200)
    assert len(patches) > 20
    assert patches.min() > 0
    for row, col, frame in zip(small.rows, small.cols, small.frame_index, strict=True):
        marked[frame][row, col] = 0
    middles = cutouts.cut_background(HeldFrames(marked.values()), small.blobs, held_out, window, n_patches=200)
    middles = middles[:, 3:10, 2:9]
    assert middles.min() > 0


def test_part_of_the_training_crops_is_a_part_of_each_class(small, small_run, small_data):
    some = dataset.prepare(small_run, training_share=0.25)
    for name in ("validation", "test"):
        np.testing.assert_array_equal(some.split[name], small_data.split[name])
    assert set(some.split["training"]) < set(small_data.split["training"])
    before, after = (np.bincount(one.y_true[one.split["training"]], minlength=4) for one in (small_data, some))
    np.testing.assert_allclose(after, np.maximum(np.round(before / 4), 1))
    assert not np.array_equal(some.templates, small_data.templates)


def test_few_molecules_of_a_class_are_said(small, small_run, small_data):
    assert small_data.about_few() == "" or "green" in small_data.about_few()
    few = dataset.prepare(small_run, training_share=0.05)
    assert "Warning: few training molecules (" in few.about_few()
    assert "green 1" in few.about_few()


def test_a_split_by_frame_shares_no_frame(tmp_path, small_settings):
    sample = load_experiment(simulate_experiment(tmp_path / "s", settings=replace(small_settings, n_frames=6)))
    data = dataset.prepare(RunFolder(sample, tmp_path / "run"), split_by="frame")
    frames = [set(data.frames[rows]) for rows in data.split.values()]
    assert sum(len(one) for one in frames) == len(set.union(*frames)) == 6


def test_a_split_by_frame_of_few_frames_is_refused(small, tmp_path):
    with pytest.raises(InputError, match="at least 5 frames, they lie on 4"):
        dataset.prepare(RunFolder(small, tmp_path), split_by="frame")


def test_single_type_crops_are_those_of_the_experiments_it_names(tmp_path, small_settings):
    simulate_experiment(tmp_path / "mix_red", settings=replace(small_settings, n_frames=2), only="red")
    folder = simulate_experiment(tmp_path / "mix", settings=replace(small_settings, n_frames=2), pretrain=["../mix_red"])
    ((crops, y_true, noise),) = dataset.single_type_crops(load_experiment(folder))
    assert crops.shape == (len(y_true), 28, 14)
    assert set(y_true) == {0, 3}
    assert noise == pytest.approx(34, rel=0.1)


def test_an_unlabelled_or_foreign_single_type_sample_is_refused(tmp_path, small_settings):
    write_folder(tmp_path / "bare")
    folder = simulate_experiment(tmp_path / "mix", settings=replace(small_settings, n_frames=1), pretrain=["../bare"])
    with pytest.raises(InputError, match="has no labels; an experiment named under pretrain needs them"):
        dataset.single_type_crops(load_experiment(folder))
    write_folder(tmp_path / "bare", pixel_size_nm=200, blobs="frame,x [nm],y [nm]\n1,60,60\n")
    with pytest.raises(InputError, match=r"pixels of 200 nm, .*mix, which names it under pretrain, is at 120"):
        dataset.single_type_crops(load_experiment(folder))


def test_the_shares_of_the_split_are_those_asked_for(small, small_run):
    data = dataset.prepare(small_run, test_share=0.1, validation_share=1 / 9)
    assert {name: len(rows) for name, rows in data.split.items()} == {"training": 192, "validation": 24, "test": 24}


def test_an_experiment_does_not_learn_from_its_own_frames_or_another_panel_first(tmp_path, small_settings):
    settings = replace(small_settings, n_frames=1)
    folder = simulate_experiment(tmp_path / "mix", settings=settings, pretrain=["."])
    with pytest.raises(InputError, match=r"has frames of .*mix, test crops among them"):
        dataset.single_type_crops(load_experiment(folder))
    wider = replace(THESIS, mirs=tuple(replace(mir, gap_px=1.3 * mir.gap_px) for mir in THESIS.mirs))
    simulate_experiment(tmp_path / "wider", settings=settings, panel=wider, seed=5)
    folder = simulate_experiment(tmp_path / "mix2", settings=settings, pretrain=["../wider"])
    with pytest.raises(InputError, match="mix2, which names it under pretrain, is on the panel 'thesis'"):
        dataset.single_type_crops(load_experiment(folder))


@pytest.mark.parametrize("sd", [0.6, 0.9, 1.4, 1.9, 3.7, 34.0])
def test_noise_is_found_in_whole_numbers_too(sd, rng):
    counts = np.rint(900 + sd * rng.standard_normal((20, 200, 200))).astype(np.uint16)
    assert noise_sd(counts) == pytest.approx(np.hypot(sd, 1 / np.sqrt(12)), rel=0.06)  # rounding adds its own
    assert noise_sd(900 + sd * rng.standard_normal((20, 200, 200))) == pytest.approx(sd, rel=0.03)


def test_a_background_cut_off_at_zero_still_has_noise_and_a_constant_one_has_none(rng):
    cut_off = np.maximum(rng.normal(-10, 8, (10, 200, 200)), 0).astype(np.uint16)
    assert noise_sd(cut_off) > 0.5
    assert noise_sd(np.full((2, 20, 20), 7, np.uint16)) == 0


def test_the_noise_of_a_stack_is_that_of_the_crops_it_was_trained_on(small, small_data):
    assert cutouts.stack_noise_sd(small.stack, small.blobs, small.panel.template_window) == pytest.approx(
        small_data.noise_sd, rel=0.03
    )


def test_classes_missing_from_training_are_named(small):
    y_true = np.array([0, 0, 1, 3])
    with pytest.raises(InputError, match="the split leaves no training crop of blue"):
        dataset._require_all_classes(small, y_true)
