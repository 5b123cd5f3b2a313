"""Calls on a stack as pictures and for other programs, read back by what these programs read with."""

import h5py
import numpy as np
import pandas as pd
import pytest
import roifile
import tifffile
from matplotlib.image import imread

from mirnb.cli import main
from mirnb.experiments.blobs import write_table
from mirnb.experiments.other_tables import read_picasso
from mirnb.labelling.overlay import write_overlay
from mirnb.labelling.rois import with_calls


@pytest.fixture
def calls(small, tmp_path):
    """A table with calls: the first blob green, the second unsure, all others noise."""
    table = small.table.assign(**{"class": ["green", "unsure", *["noise"] * (len(small.table) - 2)], "p_green": 0.25})
    write_table(tmp_path / "calls.csv", table)
    return tmp_path / "calls.csv"


@pytest.fixture
def called(small, calls):
    return with_calls(small, calls)


def test_napari_gets_a_point_where_the_blob_lies(called, small, tmp_path):
    write_overlay(tmp_path / "points.csv", called)
    points = pd.read_csv(tmp_path / "points.csv")
    assert list(points)[:5] == ["index", "axis-0", "axis-1", "axis-2", "class"]  # what napari tells a points file by
    first = small.table.iloc[0]
    assert points.loc[0, "class"] == "green"
    assert points.loc[0, "p_green"] == 0.25
    expected = [first["frame"] - 1, first["y [nm]"] / 120 - 0.5, first["x [nm]"] / 120 - 0.5]
    assert points.loc[0, ["axis-0", "axis-1", "axis-2"]].tolist() == pytest.approx(expected)
    assert len(points) == len(small.table) - 1  # the unsure one is left out


def test_picasso_gets_localisations_that_come_back_where_they_were(called, small, tmp_path):
    write_overlay(tmp_path / "locs.hdf5", called)
    back = read_picasso(tmp_path / "locs.hdf5")
    kept = small.table.drop(index=1).sort_values("frame", kind="stable")
    np.testing.assert_allclose(back[["x [nm]", "y [nm]"]], kept[["x [nm]", "y [nm]"]], atol=0.05)
    np.testing.assert_array_equal(back["frame"], kept["frame"])
    with h5py.File(tmp_path / "locs.hdf5") as file:
        assert np.sum(file["locs"]["group"] == 1) == 1
    assert "Pixelsize: 120\n" in (tmp_path / "locs.yaml").read_text()


def test_picassos_own_reader_takes_them(called, small, tmp_path):
    io = pytest.importorskip("picasso.io")
    write_overlay(tmp_path / "locs.hdf5", called)
    locs, info = io.load_locs(str(tmp_path / "locs.hdf5"))
    assert len(locs) == len(small.table) - 1
    assert info[0]["Frames"] == len(small.stack)


def test_imagej_gets_the_stack_with_its_points(called, small, tmp_path):
    write_overlay(tmp_path / "over.tif", called)
    with tifffile.TiffFile(tmp_path / "over.tif") as file:
        assert file.is_imagej
        frames, rois = file.asarray(), [roifile.ImagejRoi.frombytes(one) for one in file.imagej_metadata["Overlays"]]
    for index, frame in small.stack.frames():
        np.testing.assert_array_equal(frames[index], frame)
    (green,) = [roi for roi in rois if "green" in roi.name]
    assert green.position == small.table["frame"][0]
    expected = small.table[["x [nm]", "y [nm]"]].iloc[0] / 120 - 0.5
    assert green.coordinates()[0] == pytest.approx(expected, abs=0.01)


def test_a_picture_shows_the_frame_that_is_asked_for(called, tmp_path):
    assert write_overlay(tmp_path / "a.png", called).startswith("frame 1 ")  # the green one's
    assert write_overlay(tmp_path / "b.png", called, frame=2) == "frame 3 with its calls"
    assert (imread(tmp_path / "a.png").shape != imread(tmp_path / "b.png").shape) or (
        imread(tmp_path / "a.png") != imread(tmp_path / "b.png")
    ).any()
    write_overlay(tmp_path / "a.svg", called)
    assert "frame 1</text>" in (tmp_path / "a.svg").read_text(encoding="utf-8")


def test_a_file_is_shown_as_its_experiment_is(small, calls, tmp_path, capsys):
    given = [str(small.stack.paths[0]), str(calls), "--pixel-size", "120", "--out", str(tmp_path / "a.csv")]
    assert main(["overlay", *given]) == 0
    assert f"{len(small.table) - 1} points for napari: {tmp_path / 'a.csv'}" in capsys.readouterr().out
    assert main(["overlay", str(small.folder), str(calls), "--out", str(tmp_path / "b.csv")]) == 0
    assert (tmp_path / "a.csv").read_bytes() == (tmp_path / "b.csv").read_bytes()


@pytest.mark.parametrize(
    ("changed", "out", "words"),
    [
        ({}, "a.gif", r"a\.gif: must end with \.png, \.svg, \.pdf, \.zip, \.tif, \.csv, \.hdf5"),
        ({"class": "unsure"}, "a.png", "has no calls and no labels to show"),
        ({"class": "violet"}, "a.png", "calls violet, but the panel has red, green, blue, noise"),
    ],
)
def test_what_cannot_be_shown_is_one_sentence(changed, out, words, small, calls, tmp_path, capsys):
    write_table(calls, pd.read_csv(calls).assign(**changed))
    assert main(["overlay", str(small.folder), str(calls), "--out", str(tmp_path / out)]) == 1
    said = capsys.readouterr().err
    assert pd.Series([said]).str.contains(words)[0], said
    assert not (tmp_path / out).exists()


def test_picasso_needs_uncertainties(small, calls, tmp_path, capsys):
    table = pd.read_csv(calls)
    write_table(calls, table.drop(columns=[name for name in table if "uncertainty" in name]))
    assert main(["overlay", str(small.folder), str(calls), "--out", str(tmp_path / "a.hdf5")]) == 1
    assert "Picasso needs a column uncertainty_xy [nm]" in capsys.readouterr().err
    assert not (tmp_path / "a.hdf5").exists()


def test_frames_beyond_the_stack_are_refused(small, calls, tmp_path, capsys):
    given = ["overlay", str(small.folder), str(calls), "--frame", "99", "--out", str(tmp_path / "a.png")]
    assert main(given) == 1
    assert "frame 99: the stack has 4" in capsys.readouterr().err
