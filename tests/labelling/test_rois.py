"""ImageJ's ROIs in and out: points by hand, the exact way round, and what is refused."""

import shutil

import numpy as np
import pandas as pd
import pytest
import roifile

from mirnb.cli import main
from mirnb.experiments.blobs import ERASED, LABEL_COLUMNS, UNLABELLED, read_blobs, read_labels, write_table
from mirnb.experiments.experiment_file import load_experiment
from mirnb.experiments.panel_file import THESIS
from mirnb.files import InputError
from mirnb.labelling.rois import nearest_blobs, read_points, with_calls, write_rois
from mirnb.simulation.folders import simulate_experiment
from mirnb.simulation.settings import Settings


def _write(path, roi, position=0):
    roi.roitype, roi.position = roifile.ROI_TYPE.POINT, position
    roi.tofile(path)
    return path


def test_real_points_of_imagej_are_read(real_data):
    path = real_data / "imagej" / "multipoint.roi"
    points = read_points(path, THESIS, 1, unnamed="blue")
    assert len(points) == 14
    assert points["label"].unique().tolist() == [2]
    np.testing.assert_allclose(points[["x_px", "y_px"]] - 0.5, roifile.roiread(path).coordinates())
    with pytest.raises(InputError, match=r"'multipoint' \(group 0\) names no class"):
        read_points(path, THESIS, 1)


def test_real_points_with_a_group_are_labels(real_data, tmp_path):
    roi = roifile.roiread(real_data / "imagej" / "multipoint.roi")
    roi.group = 2
    points = read_points(_write(tmp_path / "green.roi", roi), THESIS, 1)
    assert len(points) == 14
    assert points["label"].unique().tolist() == [1]
    assert (points["x_px"].iloc[0], points["y_px"].iloc[0]) == pytest.approx((150.16667, 36.5))


def test_real_polygons_are_refused(real_data):
    with pytest.raises(InputError, match="is a polygon; only point and multi-point ROIs can be labels"):
        read_points(real_data / "imagej" / "polygons_RoiSet.zip", THESIS, 1)


def test_lines_are_refused(tmp_path):
    roi = roifile.ImagejRoi.frompoints([[1, 2], [3, 4]], name="red")
    roi.roitype = roifile.ROI_TYPE.POLYLINE
    roi.tofile(tmp_path / "line.roi")
    with pytest.raises(InputError, match="is a polyline; only point"):
        read_points(tmp_path / "line.roi", THESIS, 1)


@pytest.mark.parametrize(
    ("name", "group", "label"),
    [("red", 0, 0), ("0001-blue", 0, 2), ("noise_7", 1, 3), ("erased", 0, ERASED), ("0001-0077-0068", 3, 2), ("a", 4, 3)],
)
def test_the_name_or_the_group_says_the_class(name, group, label, tmp_path):
    roi = roifile.ImagejRoi.frompoints([[5, 7]], name=name)
    roi.group = group
    points = read_points(_write(tmp_path / "one.roi", roi, 2), THESIS, 3)
    assert points.loc[0, ["frame", "y_px", "x_px", "label"]].tolist() == [1, 7.5, 5.5, label]


@pytest.mark.parametrize(("name", "group"), [("purple", 0), ("red-or-blue", 0), ("a", 5), ("reddish", 0)])
def test_a_roi_without_a_class_is_refused(name, group, tmp_path):
    roi = roifile.ImagejRoi.frompoints([[5, 7]], name=name)
    roi.group = group
    with pytest.raises(InputError, match=r"names no class, or several; .*red, green, blue, noise, erased"):
        read_points(_write(tmp_path / "one.roi", roi, 1), THESIS, 3)


@pytest.mark.parametrize("position", [0, 4])
def test_a_roi_on_no_frame_is_refused(position, tmp_path):
    roi = roifile.ImagejRoi.frompoints([[5, 7]], name="red")
    with pytest.raises(InputError, match=f"lies on frame {position}, the stack has 3"):
        read_points(_write(tmp_path / "one.roi", roi, position), THESIS, 3)


def test_what_is_no_roi_file_is_refused(tmp_path):
    (tmp_path / "odd.roi").write_text("not a roi")
    (tmp_path / "odd.zip").write_bytes(b"PK not a zip")
    for name, words in (
        ("odd.roi", "not a file of ImageJ"),
        ("odd.zip", "not a file of ImageJ"),
        ("none.roi", "no such file"),
    ):
        with pytest.raises(InputError, match=words):
            read_points(tmp_path / name, THESIS, 1)


def test_labels_go_to_the_nearest_blob_within_3_px(tmp_path, small_settings):
    folder = simulate_experiment(tmp_path / "new", settings=small_settings, labelled=False)
    sample = load_experiment(folder)
    first = np.flatnonzero(sample.frame_index == 0)
    y, x = (sample.table[name].to_numpy()[first] / 120 for name in ("y [nm]", "x [nm]"))
    gaps = np.hypot(y[:, None] - y, x[:, None] - x)
    np.fill_diagonal(gaps, np.inf)
    lonely = first[np.argmax(gaps.min(axis=1))]
    at = sample.table["x [nm]"][lonely] / 120 - 0.5, sample.table["y [nm]"][lonely] / 120 - 0.5
    points = [[at[0] + 2.9, at[1]], [at[0] - 3.1, at[1]], [at[0], at[1] + 1]]  # near, too far, nearest
    roi = roifile.ImagejRoi.frompoints(points, name="green")
    read = read_points(_write(tmp_path / "three.roi", roi, 1), sample.panel, len(sample.stack))
    assert nearest_blobs(read, sample).tolist() == [-1, -1, lonely]
    assert nearest_blobs(read.iloc[:1], sample).tolist() == [lonely]


@pytest.mark.slow
def test_the_way_round_is_exact_for_four_thousand_blobs(tmp_path, capsys):
    """Labels of a whole simulated experiment, erased ones among them, to ROIs and back on the unlabelled table."""
    sample = load_experiment(simulate_experiment(tmp_path / "labelled", settings=Settings(n_frames=30)))
    shutil.copytree(sample.folder, tmp_path / "bare")
    write_table(tmp_path / "bare" / "blobs.csv", sample.table.drop(columns=list(LABEL_COLUMNS)))
    bare = load_experiment(tmp_path / "bare")
    assert len(sample.table) > 4000
    assert main(["export-rois", str(sample.folder), "--out", str(tmp_path / "rois.zip")]) == 0
    assert main(["import-rois", str(bare.folder), str(tmp_path / "rois.zip")]) == 0
    assert "points became labels of imagej" in capsys.readouterr().out
    back = read_labels(read_blobs(bare.blobs_path), bare.panel.n_mirs)
    assert (back == sample.labels).all()
    assert (bare.folder / "labels" / "imagej.csv").is_file()


def test_rois_have_the_colours_and_frames_of_their_classes(small, tmp_path):
    assert write_rois(tmp_path / "set.zip", small) == int((small.labels != UNLABELLED).sum())
    rois = {roi.name: roi for roi in roifile.roiread(tmp_path / "set.zip")}
    green = rois["0002-green.roi" if "0002-green.roi" in rois else "0002-green"]
    assert green.position == 2
    assert green.group == 2
    assert green.stroke_color == bytes([255, 0x00, 0x9E, 0x73])
    assert len(green.coordinates()) == np.sum((small.labels == 1) & (small.frame_index == 1))


def test_points_without_a_blob_are_reported(tmp_path, small_settings, capsys):
    folder = simulate_experiment(tmp_path / "new", settings=small_settings, labelled=False)
    _write(tmp_path / "far.roi", roifile.ImagejRoi.frompoints([[-50, -50]], name="red"), 1)
    assert main(["import-rois", str(folder), str(tmp_path / "far.roi")]) == 0
    said = capsys.readouterr().out
    assert "0 of 1 points" in said
    assert "no blob within 3 px: red, frame 1" in said


def test_export_says_what_it_needs(tmp_path, small, small_settings, capsys):
    bare = simulate_experiment(tmp_path / "bare", settings=small_settings, labelled=False)
    assert main(["export-rois", str(bare), "--out", str(tmp_path / "set.zip")]) == 1
    assert "has no labels to export" in capsys.readouterr().err
    assert main(["export-rois", str(small.folder), "--out", str(tmp_path / "set.roi")]) == 1
    assert "is a .zip file" in capsys.readouterr().err


@pytest.mark.parametrize("axis", ["c", "z", "t"])
def test_points_of_a_hyperstack_lie_on_the_frame_of_its_one_axis(axis, tmp_path):
    roi = roifile.ImagejRoi.frompoints([[3, 4]], name="red", **{axis: 6})
    assert read_points(_write(tmp_path / "a.roi", roi), THESIS, 10)["frame"].tolist() == [6]
    with pytest.raises(InputError, match="lies on frame 7, the stack has 5"):
        read_points(tmp_path / "a.roi", THESIS, 5)


def _counted(path, counters):
    roi = roifile.ImagejRoi.frompoints(np.arange(2.0 * len(counters)).reshape(-1, 2), name="0001")
    roi.counters, roi.counter_positions = np.array(counters, np.uint8), np.ones(len(counters), np.uint32)
    return _write(path, roi, 1)


def test_points_of_several_counters_are_not_made_one_class(tmp_path):
    path = _counted(tmp_path / "a.roi", [0, 1, 1, 2])
    for given in ("red", "red,green"):
        with pytest.raises(InputError, match=r"points of counters 0, 1, 2, .* such as --class red,green,blue"):
            read_points(path, THESIS, 1, unnamed=given)
    assert read_points(path, THESIS, 1, unnamed="blue, noise,red")["label"].tolist() == [2, 3, 3, 0]
    assert read_points(_counted(tmp_path / "b.roi", [0, 0]), THESIS, 1, unnamed="green")["label"].tolist() == [1, 1]
    named = roifile.roiread(path)
    named.name = "0001-red"
    named.tofile(tmp_path / "c.roi")
    assert read_points(tmp_path / "c.roi", THESIS, 1)["label"].tolist() == [0] * 4


def test_several_classes_are_of_counters_also_where_a_roi_has_but_one(tmp_path):
    assert read_points(_counted(tmp_path / "a.roi", [1, 1, 1]), THESIS, 1, unnamed="red,green")["label"].tolist() == [
        1,
        1,
        1,
    ]
    with pytest.raises(InputError, match="counters 2"):
        read_points(_counted(tmp_path / "b.roi", [2, 2]), THESIS, 1, unnamed="red,green")


def test_calls_are_exported_as_labels_are(small, tmp_path):
    called = small.table.assign(**{"class": ["green", "unsure", "", *["noise"] * (len(small.table) - 3)]})
    called["partner"] = pd.array([pd.NA] * len(called), dtype="Int64")
    called.loc[len(called) - 1, "partner"] = 1  # the lower half of another's pair
    write_table(tmp_path / "calls.csv", called)
    sample = with_calls(small, tmp_path / "calls.csv")
    assert sample.labels.tolist() == [1, UNLABELLED, UNLABELLED, *[3] * (len(called) - 4), UNLABELLED]
    assert write_rois(tmp_path / "set.zip", sample) == len(called) - 3
    rois = {roi.name: roi for roi in roifile.roiread(tmp_path / "set.zip")}
    (point,) = next(roi for name, roi in rois.items() if "green" in name).coordinates()
    assert point * 120 + 60 == pytest.approx(called[["x [nm]", "y [nm]"]].iloc[0], abs=0.1)


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        (lambda table: table, "has no column class; mirnb classify and mirnb quantify write tables with calls"),
        (lambda table: table.assign(**{"class": "violet"}), "calls violet, but the panel has red, green, blue, noise"),
        (lambda table: table.assign(**{"class": "red", "frame": 99}), "frame 99, but the stack has 4"),
    ],
)
def test_a_table_that_holds_no_calls_of_this_stack_is_refused(changed, words, small, tmp_path):
    write_table(tmp_path / "calls.csv", changed(small.table))
    with pytest.raises(InputError, match=words):
        with_calls(small, tmp_path / "calls.csv")
