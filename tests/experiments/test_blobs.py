"""Blob tables and their labels, by the rules of data/README.md."""

import itertools

import numpy as np
import pandas as pd
import pytest
from by_hand import blobs_text
from sklearn.model_selection import train_test_split

from mirnb.classifiers.splits import fit_scaler, split_by_crop
from mirnb.experiments.blobs import ERASED, UNLABELLED, blob_pixels, label_columns, read_blobs, read_labels, write_table
from mirnb.experiments.panel_file import THESIS
from mirnb.files import InputError
from mirnb.imaging.crops import cut_crops, fits
from mirnb.imaging.templates import median_templates

LABELS = "frame,x [nm],y [nm],is_really_mir,selected_mir_type"


def _labels(*cells):
    return pd.DataFrame(cells, columns=["is_really_mir", "selected_mir_type"], dtype=float)


def test_labels_follow_the_two_columns():
    table = _labels((0, -1), (0, 2), (1, 0), (1, 2), (1, -1), (np.nan, np.nan))
    assert read_labels(table, 3).tolist() == [3, 3, 0, 2, ERASED, UNLABELLED]


def test_a_table_without_label_columns_is_unlabelled():
    assert read_labels(pd.DataFrame({"frame": [1, 2]}), 3).tolist() == [UNLABELLED] * 2


def test_one_point_zero_reads_as_one(tmp_path):
    (tmp_path / "b.csv").write_text(blobs_text([("1.0", 5, 6, "1.0", "2.0")], LABELS))
    table = read_blobs(tmp_path / "b.csv")
    assert table["frame"].tolist() == [1]
    assert read_labels(table, 3).tolist() == [2]


def test_labels_written_are_read_back(tmp_path):
    labels = np.array([0, 1, 2, 3, ERASED, UNLABELLED])
    table = pd.DataFrame({"frame": 1, "x [nm]": 1.0, "y [nm]": 2.0}, index=range(len(labels)))
    write_table(tmp_path / "b.csv", table.assign(**label_columns(labels, 3)))
    written = (tmp_path / "b.csv").read_text().splitlines()
    assert [line.split(",")[-2:] for line in written[4:]] == [["0", "-1"], ["1", "-1"], ["", ""]]
    assert read_labels(read_blobs(tmp_path / "b.csv"), 3).tolist() == labels.tolist()


def test_every_pair_of_label_cells_is_a_class_or_an_error_but_never_a_wrong_class(tmp_path):
    good = {("", ""): UNLABELLED, ("1", "-1"): ERASED, ("1", "0"): 0, ("1", "1"): 1}
    good |= {("0", selected): 2 for selected in ("-1", "0", "1")}  # noise, whatever was selected
    for pair in itertools.product(["", "-1", "0", "1", "2", "0.5"], repeat=2):
        (tmp_path / "b.csv").write_text(blobs_text([(1, 5, 6, *pair)], LABELS))
        table = read_blobs(tmp_path / "b.csv")
        if pair in good:
            assert read_labels(table, 2).tolist() == [good[pair]]
        else:
            with pytest.raises(InputError, match=r"mine\.csv, line 2"):
                read_labels(table, 2, source="mine.csv")


@pytest.mark.parametrize(
    ("nm", "pixel_nm", "pixel"),
    [(0, 120, 0), (119.99, 120, 0), (120, 120, 1), (180, 120, 1), (100.7, 50.3, 2), (-0.01, 120, -1)],
)
def test_the_pixel_of_a_blob_is_the_floor_of_its_nm(nm, pixel_nm, pixel):
    table = pd.DataFrame({"x [nm]": [nm, 7.5 * pixel_nm], "y [nm]": [7.5 * pixel_nm, nm]})
    rows, cols = blob_pixels(table, pixel_nm)
    assert (rows.tolist(), cols.tolist()) == ([7, pixel], [pixel, 7])


def test_an_undefined_number_in_a_column_that_is_not_needed_counts_as_empty(tmp_path):
    (tmp_path / "b.csv").write_text("frame,x [nm],y [nm],chi2,uncertainty [nm]\n1,120,120,38.4,NaN\n1,240,240,,8\n")
    table = read_blobs(tmp_path / "b.csv")
    assert table["uncertainty [nm]"].isna().tolist() == [True, False]
    assert table["chi2"].isna().tolist() == [False, True]


@pytest.mark.parametrize("end", ["", "\n", "\n\n\n", "\r\n", "\n,,,\n"], ids=repr)
def test_blank_lines_at_the_end_are_no_blobs(end, tmp_path):
    (tmp_path / "b.csv").write_bytes(("id,frame,x [nm],y [nm]\n1,1,120,120\n2,1,240,240" + end).encode())
    assert len(read_blobs(tmp_path / "b.csv")) == 2


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"frame,x [nm],y [nm]\n1,1,5,120\n1,1,5,120\n", "line 2"),  # decimal commas in every row
        (b"frame,x [nm],y [nm]\n1,120,120\n1,1,5,120\n", "line 3"),
        (
            b'frame,x [nm],y [nm]\n1,"120,120\n1,120,120\n',
            "EOF inside string starting at row 1",
        ),  # a quote that never closes
        (b"frame,x [nm],y [nm]\n1,120,120\n\n1,120,120\n", "line 3: frame must be a number, got nothing"),
        (b"frame,x [px],y [px]\n1,120,120\n", r"line 1: column x \[nm\], y \[nm\] is missing"),
        (b"frame,x [nm],y [nm],is_really_mir,selected_mir_type\n1,120,120,yes,red\n", "line 2: is_really_mir"),
        (b"frame,x [nm],y [nm]\n1,1\x00,2\n", r"line 2: x \[nm\] must be a number"),
        (b"\n", "the file is empty"),
    ],
    ids=[
        "decimal commas",
        "one decimal comma",
        "open quote",
        "blank line",
        "px",
        "words",
        "null",
        "blank",
    ],
)
def test_a_broken_table_is_told_in_one_line_with_its_file(content, words, tmp_path):
    (tmp_path / "b.csv").write_bytes(content)
    with pytest.raises(InputError, match=words) as caught:
        read_blobs(tmp_path / "b.csv")
    assert str(caught.value).startswith(str(tmp_path / "b.csv"))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("before", ["", "\ufeff"])
def test_quoted_headers_other_columns_and_blank_lines_at_the_end_are_taken(tmp_path, before):
    text = before + '"id","frame","x [nm]","y [nm]","sigma [nm]","note"\n1.0,1.0,119.9,240.0,130,a b\n\n'
    (tmp_path / "b.csv").write_text(text, encoding="utf-8")
    table = read_blobs(tmp_path / "b.csv")
    assert len(table) == 1
    assert table["note"].tolist() == ["a b"]
    assert [index.tolist() for index in blob_pixels(table, 120)] == [[2], [0]]


def test_real_thunderstorm_tables_are_read(real_data):
    assert len(read_blobs(real_data / "cocos_mix" / "thunderstorm.csv")) == 2462
    assert len(read_blobs(real_data / "thunderstorm" / "colicoords_08_storm.csv")) == 23196


def test_windows_are_those_of_the_thesis_panel():
    image = np.arange(100 * 60).reshape(100, 60)
    raw = cut_crops(image, [40], [30], THESIS.template_window)
    crop = cut_crops(image, [40], [30], THESIS.crop_window)
    np.testing.assert_array_equal(raw[0], image[34:58, 25:35])
    np.testing.assert_array_equal(crop[0], image[29:63, 25:35])
    assert raw[0, 6, 5] == crop[0, 11, 5] == image[40, 30]


def test_a_crop_fits_up_to_the_border_and_no_further():
    rows, cols = np.array([11, 10, 77, 78, 40, 40, 40, 40]), np.array([30, 30, 30, 30, 5, 4, 55, 56])
    assert fits((100, 60), rows, cols, THESIS.crop_window).tolist() == [True, False] * 4


def test_no_blobs_give_no_crops_of_the_right_shape():
    response = np.zeros((100, 60, 3), np.float32)
    assert cut_crops(response, [], [], THESIS.crop_window).shape == (0, 34, 10, 3)


def test_a_crop_that_leaves_the_image_is_refused_with_its_place():
    with pytest.raises(ValueError, match=r"34x10 window of blob 1 at row 5, col 30"):
        cut_crops(np.zeros((100, 60)), [40, 5], [30, 30], THESIS.crop_window)


def test_rows_and_columns_of_different_number_are_refused():
    with pytest.raises(ValueError, match="one entry a blob"):
        fits((100, 60), [1, 2], [1], THESIS.crop_window)


def test_the_split_is_that_of_the_thesis():
    split = split_by_crop(4036)
    assert {name: len(indices) for name, indices in split.items()} == {"training": 2421, "validation": 807, "test": 808}
    random = np.random.RandomState(3)
    rest, test = train_test_split(np.arange(4036), test_size=0.2, random_state=random)
    training, _ = train_test_split(rest, test_size=0.25, random_state=random)
    np.testing.assert_array_equal(split["test"], test)
    np.testing.assert_array_equal(split["training"], training)
    assert len(np.unique(np.concatenate(list(split.values())))) == 4036


def test_scaled_training_crops_have_mean_zero_and_sd_one(rng):
    training, other = rng.normal(5, 3, (200, 4, 3, 2)), rng.normal(9, 1, (50, 4, 3, 2))
    scaler = fit_scaler(training)
    assert np.abs(scaler(training).mean(axis=0)).max() < 1e-6
    np.testing.assert_allclose(scaler(training).std(axis=0), 1, rtol=1e-5)
    np.testing.assert_allclose(scaler(other), (other - training.mean(axis=0)) / training.std(axis=0), rtol=1e-4)


def test_constant_pixels_and_crops_of_another_shape():
    scaler = fit_scaler(np.full((5, 2, 2, 1), 7.0))
    assert np.all(scaler(np.full((1, 2, 2, 1), 7.0)) == 0)
    with pytest.raises(ValueError, match=r"fitted on crops of \(2, 2, 1\), got \(3, 2, 1\)"):
        scaler(np.zeros((1, 3, 2, 1)))


def test_a_template_is_the_median_of_its_class():
    crops = np.array([[[1.0]], [[5.0]], [[3.0]], [[100.0]], [[7.0]]])
    templates = median_templates(crops, np.array([0, 0, 0, 2, 1]), 2)
    assert templates[:, 0, 0].tolist() == [3, 7]
    with pytest.raises(ValueError, match="5 crops but 2 labels"):
        median_templates(crops, np.array([0, 1]), 2)
    with pytest.raises(ValueError, match="no training crop of class 1"):
        median_templates(crops, np.array([0, 0, 0, 2, 2]), 2)
