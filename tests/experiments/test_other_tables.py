"""Tables as they come: other separators, texts and programs; one value or row that nobody needs stops nothing."""

import h5py
import numpy as np
import pytest
import roifile
from by_hand import blobs_text, middle_nm, write_folder

from mirnb.cli import main
from mirnb.experiments.blobs import read_blobs
from mirnb.experiments.check import check_experiment
from mirnb.experiments.cutouts import kept_blobs
from mirnb.experiments.experiment_file import load_experiment, write_new_experiment
from mirnb.experiments.stacks import Stack
from mirnb.files import InputError, heard
from mirnb.imaging.detection import detect_frame

ROWS = [(1, 1, 2940.5, 3900.25, 38.4), (2, 2, 1500.0, 1740.75, 41.0)]
HEADER = "id,frame,x [nm],y [nm],chi2"


def _like(table):
    assert table["frame"].tolist() == [1, 2]
    np.testing.assert_allclose(table[["x [nm]", "y [nm]"]], [[2940.5, 3900.25], [1500.0, 1740.75]])
    np.testing.assert_allclose(table["chi2"], [38.4, 41.0])


WRITTEN = {
    "commas": (blobs_text(ROWS, HEADER), "utf-8"),
    "tabs, ThunderSTORM's XLS": (blobs_text(ROWS, HEADER).replace(",", "\t"), "utf-8"),
    "semicolons": (blobs_text(ROWS, HEADER).replace(",", ";"), "utf-8"),
    "semicolons and decimal commas": (blobs_text(ROWS, HEADER).replace(",", ";").replace(".", ","), "utf-8"),
    "commas at line ends": (
        "\n".join(line + ",,," for line in blobs_text(ROWS, HEADER).splitlines()) + "\n,,,,,,,\n",
        "utf-8",
    ),
    "commas at the ends of rows alone": (blobs_text(ROWS, HEADER).replace("38.4", "38.4,,"), "utf-8"),
    "UTF-16": (blobs_text(ROWS, HEADER), "utf-16"),
    "UTF-16 without a mark": (blobs_text(ROWS, HEADER), "utf-16-le"),
    "UTF-16 of the other order": (blobs_text(ROWS, HEADER), "utf-16-be"),
    "UTF-16 with tabs": (blobs_text(ROWS, HEADER).replace(",", "\t"), "utf-16"),
    "UTF-8 with a mark": (blobs_text(ROWS, HEADER), "utf-8-sig"),
    "a code page": (blobs_text([(*row, "µ") for row in ROWS], HEADER + ",remark [µ]"), "cp1252"),
}


@pytest.mark.parametrize("case", WRITTEN)
def test_a_table_is_read_however_it_was_written(case, tmp_path):
    text, encoding = WRITTEN[case]
    (tmp_path / "b.xls").write_bytes(text.encode(encoding))
    with heard() as said:
        _like(read_blobs(tmp_path / "b.xls"))
    assert said == []


@pytest.mark.parametrize("value", ["Infinity", "-Infinity", "∞", "\ufffd", "#DIV/0!", "1e999"])
@pytest.mark.parametrize("column", ["chi2", "uncertainty [nm]", "sigma [nm]"])
def test_what_is_no_number_in_a_column_nobody_needs_counts_as_empty_and_is_said(column, value, tmp_path):
    rows = [(1, 2940, 3900, 7.5), (2, 1500, 1740, value), (2, 1900, 1740, value)]
    folder = write_folder(tmp_path / "s", blobs=blobs_text(rows, f"frame,x [nm],y [nm],{column}"))
    check = check_experiment(folder)
    assert check.problems == []
    assert [one for one in check.warnings if "line 3" in one and column in one and "(2 such rows)" in one], check.warnings
    np.testing.assert_array_equal(read_blobs(folder / "blobs.csv")[column], [7.5, np.nan, np.nan])


def test_a_column_without_a_name_is_told_of_by_its_place(tmp_path):
    (tmp_path / "b.csv").write_text("frame,x [nm],y [nm],,\n1,5,5,7,\n")
    with pytest.raises(InputError, match="line 1: column 4 has no name"):
        read_blobs(tmp_path / "b.csv")


def test_a_workbook_is_told_of(tmp_path):
    (tmp_path / "b.xls").write_bytes(b"\xd0\xcf\x11\xe0" + bytes(100))
    with pytest.raises(InputError, match="is an Excel workbook; save it as CSV"):
        read_blobs(tmp_path / "b.xls")


# --------------------------------------------------------------------------------------------------- rows off and rows twice


@pytest.mark.parametrize(("x_nm", "y_nm"), [(-35, 3900), (48 * 120, 3900), (2940, -1), (2940, 64 * 120 + 35), (99999, 3900)])
def test_a_row_off_the_frame_is_left_out_counted_and_said(x_nm, y_nm, tmp_path):
    rows = [(1, *middle_nm(14 + k // 8, 8 + 4 * (k % 8))) for k in range(48)]
    folder = write_folder(tmp_path / "s", blobs=blobs_text([*rows, (2, x_nm, y_nm)], "frame,x [nm],y [nm]"))
    check = check_experiment(folder)
    assert check.problems == []
    assert [one for one in check.warnings if "1 row lies off the frame: left out (line 50)" in one], check.warnings
    blobs, n_dropped = kept_blobs(load_experiment(folder), labelled=False)
    assert (len(blobs), n_dropped) == (48, 1)


@pytest.mark.parametrize("apart_nm", [0, 30, 59])
def test_rows_that_are_there_twice_are_named_and_count_once(apart_nm, tmp_path):
    rows = [(1 + k % 2, *middle_nm(14 + k, 8 + k)) for k in range(20)]
    again = [(frame, x + apart_nm, y) for frame, x, y in rows[5:8]]
    folder = write_folder(tmp_path / "s", blobs=blobs_text([*rows, *again], "frame,x [nm],y [nm]"))
    check = check_experiment(folder)
    assert [one for one in check.warnings if "3 rows lie within half a pixel" in one and "lines 22, 23, 24" in one], (
        check.warnings
    )
    assert kept_blobs(load_experiment(folder), labelled=False)[0]["table_row"].tolist() == list(range(20))


def test_rows_further_apart_or_on_other_frames_are_not_twice(tmp_path):
    rows = [(1, *middle_nm(20, 20)), (2, *middle_nm(20, 20)), (1, middle_nm(20, 20)[0] + 61, middle_nm(20, 20)[1])]
    folder = write_folder(tmp_path / "s", blobs=blobs_text(rows, "frame,x [nm],y [nm]"))
    with heard() as said:
        assert not load_experiment(folder).repeated.any()
    assert said == []


def test_of_two_rows_the_labelled_one_stays(tmp_path):
    x, y = middle_nm(30, 20)
    text = f"frame,x [nm],y [nm],is_really_mir,selected_mir_type\n1,{x},{y},,\n1,{x},{y},1,2\n"
    with heard():
        experiment = load_experiment(write_folder(tmp_path / "s", blobs=text))
    assert experiment.repeated.tolist() == [True, False]


# ------------------------------------------------------------------------------------------------------------ other programs


def write_picasso(path, yaml="Frames: 2\n---\nPixelsize: 130\nGenerated by: Picasso Localize\n"):
    columns = [("frame", "u4"), ("x", "f4"), ("y", "f4"), ("photons", "f4"), ("sx", "f4"), ("sy", "f4"), ("bg", "f4"),
               ("lpx", "f4"), ("lpy", "f4")]  # fmt: skip
    locs = np.array([(0, 24.0, 32.0, 900, 1.0, 1.2, 5, 0.1, 0.1), (1, 12.0, 14.0, 800, 1.1, 1.1, 5, 0.1, 0.1)], columns)
    with h5py.File(path, "w") as file:
        file.create_dataset("locs", data=locs)
    if yaml:
        path.with_suffix(".yaml").write_text(yaml)
    return path


def test_picassos_localisations_are_read_in_nm_from_the_outer_corner(tmp_path):
    table = read_blobs(write_picasso(tmp_path / "a_locs.hdf5"))
    assert table["frame"].tolist() == [1, 2]
    np.testing.assert_allclose(table[["x [nm]", "y [nm]"]], [[24.5 * 130, 32.5 * 130], [12.5 * 130, 14.5 * 130]])
    np.testing.assert_allclose(table["sigma [nm]"], 1.1 * 130, rtol=1e-6)
    np.testing.assert_allclose(table["intensity [photon]"], [900, 800])


@pytest.mark.parametrize(("yaml", "warned"), [("Pixelsize: 130\n", True), ("Pixelsize: 120\n", False), ("", False)])
def test_an_experiment_may_name_picassos_file(yaml, warned, tmp_path):
    folder = write_folder(tmp_path / "s", blobs=None, toml=None)
    write_picasso(folder / "locs.hdf5", yaml)
    (folder / "experiment.toml").write_text('name = "s"\nstack = "stack.tif"\nblobs = "locs.hdf5"\npixel_size_nm = 120\n')
    with heard() as said:
        experiment = load_experiment(folder)
    assert any("a pixel is 130 nm" in one for one in said) == warned
    assert (experiment.rows.tolist(), experiment.cols.tolist()) == ([32, 14], [24, 12])


def test_a_new_experiment_takes_the_pixel_size_of_picasso_where_the_stack_has_none(tmp_path):
    folder = write_folder(tmp_path / "s", blobs=None, toml=None)
    table = write_picasso(folder / "locs.hdf5", "Pixelsize: 120\n")
    toml = write_new_experiment(tmp_path / "new", [folder / "stack.tif"], blobs=table)
    assert load_experiment(toml.parent).pixel_size_nm == 120
    write_picasso(folder / "locs.hdf5", "")
    table.with_suffix(".yaml").unlink()
    with pytest.raises(InputError, match="add --pixel-size NM"):
        write_new_experiment(tmp_path / "other", [folder / "stack.tif"], blobs=table)


def test_picassos_file_without_a_pixel_size_or_without_localisations_is_told_of(tmp_path):
    with pytest.raises(InputError, match="does not say Pixelsize"):
        read_blobs(write_picasso(tmp_path / "a.hdf5", yaml="Frames: 2\n"))
    with h5py.File(tmp_path / "b.hdf5", "w") as file:
        file["clusters"] = np.zeros(3)
    with pytest.raises(InputError, match="no file of Picasso's localisations"):
        read_blobs(tmp_path / "b.hdf5", pixel_size_nm=120)
    (tmp_path / "c.hdf5").write_bytes((tmp_path / "a.hdf5").read_bytes()[:700])
    with pytest.raises(InputError, match=r"c\.hdf5: (damaged|is no)"):
        read_blobs(tmp_path / "c.hdf5", pixel_size_nm=120)


RAPIDSTORM = (
    '# <localizations insequence="true" repetitions="variable">'
    '<field identifier="Position-0-0" unit="nanometer" /><field identifier="Position-1-0" unit="nanometer" />'
    '<field identifier="ImageNumber-0-0" unit="frame" /><field identifier="Amplitude-0-0" unit="A/D count" />'
    "</localizations>\n"
)


def test_rapidstorms_text_is_read_from_the_outer_corner(tmp_path):
    (tmp_path / "a.txt").write_text(RAPIDSTORM + "2880 3840 0 900\n1440 1680 1 800\n")
    table = read_blobs(tmp_path / "a.txt", pixel_size_nm=120)
    assert table["frame"].tolist() == [1, 2]
    np.testing.assert_allclose(table[["x [nm]", "y [nm]"]], [middle_nm(32, 24), middle_nm(14, 12)])
    for line, words in (("1 2 3\n", "line 2: expected 4 numbers, got '1 2 3'"), ("1 2 3 x\n", "line 2: expected 4 numbers")):
        (tmp_path / "a.txt").write_text(RAPIDSTORM + line)
        with pytest.raises(InputError, match=words):
            read_blobs(tmp_path / "a.txt")


def test_real_localisations_of_rapidstorm_lie_on_the_light_of_their_frames(real_data):
    nm = 133.5  # 128 px reach, from middle to middle, 16,954.5 nm by its header
    table = read_blobs(real_data / "detection" / "locan_dstorm_rapidstorm.txt", pixel_size_nm=nm)
    off = []
    for index, frame in Stack([real_data / "detection" / "locan_dstorm.tif"]).frames():
        found = detect_frame(frame)
        for _, row in table[table["frame"] == index + 1].iterrows():
            apart = found[["x_px", "y_px"]].to_numpy() - row[["x [nm]", "y [nm]"]].to_numpy(float) / nm
            off.append(apart[np.hypot(*apart.T).argmin()])
    assert len(off) >= 4
    assert np.abs(np.median(off, axis=0)).max() < 0.1


def test_labels_are_not_written_into_a_table_of_another_program(tmp_path, capsys):
    folder = write_folder(tmp_path / "s", blobs=RAPIDSTORM + "2880 3840 0 900\n")
    before = (folder / "blobs.csv").read_bytes()
    roi = roifile.ImagejRoi.frompoints([[24, 32]], name="red")
    roi.roitype, roi.position = roifile.ROI_TYPE.POINT, 1
    roi.tofile(tmp_path / "red.roi")
    assert main(["import-rois", str(folder), str(tmp_path / "red.roi")]) == 1
    assert "labels are written into a table in ThunderSTORM's columns" in capsys.readouterr().err
    assert (folder / "blobs.csv").read_bytes() == before


def test_the_index_that_pandas_writes_is_passed_over(tmp_path):
    (tmp_path / "b.csv").write_text(",frame,x [nm],y [nm]\n0,1,5,7\n1,2,6,8\n")
    assert list(read_blobs(tmp_path / "b.csv")) == ["frame", "x [nm]", "y [nm]"]


def test_odd_files_of_other_programs_are_sentences(tmp_path):
    with h5py.File(tmp_path / "a.hdf5", "w") as file:
        file.create_group("locs")
    with pytest.raises(InputError, match="no file of Picasso's localisations"):
        read_blobs(tmp_path / "a.hdf5", pixel_size_nm=120)
    with pytest.raises(InputError, match="does not say Pixelsize"):
        read_blobs(write_picasso(tmp_path / "b.hdf5", yaml="Pixelsize: -\n"))
    (tmp_path / "c.txt").write_text(RAPIDSTORM + "1 2 nan 4\n")
    with pytest.raises(InputError, match="localisation 1 has no position or no frame"):
        read_blobs(tmp_path / "c.txt")
    assert read_blobs(write_picasso(tmp_path / "d.hdf5"))["id"].tolist() == [1, 2]
