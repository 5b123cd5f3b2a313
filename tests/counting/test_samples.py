"""samples.csv and the inputs of quantify: what belongs to which sample, and every way to get it wrong."""

from types import SimpleNamespace

import numpy as np
import pytest
from by_hand import blobs_text, grey_frames, middle_nm, write_folder

from mirnb.counting.samples import gather_inputs
from mirnb.experiments.panel_file import THESIS
from mirnb.experiments.stacks import write_stack
from mirnb.files import InputError

CLASSIFIER = SimpleNamespace(panel=THESIS, trained_on={"pixel_size_nm": 120.0, "dispersion": "down"})


def _stack(path):
    path.parent.mkdir(parents=True, exist_ok=True)
    write_stack(path, grey_frames(), pixel_size_nm=120)
    return path


@pytest.fixture
def stacks(tmp_path):
    return [_stack(tmp_path / name) for name in ("a.tif", "b.ome.tif", "c.tif")]


def _samples(tmp_path, *rows, header="stack,sample,role,replicate"):
    path = tmp_path / "samples.csv"
    path.write_text("\n".join([header, *rows]) + "\n")
    return path


def test_without_a_table_each_stack_is_a_sample(stacks):
    inputs = gather_inputs(stacks, CLASSIFIER)
    assert [one.name for one in inputs] == ["a", "b", "c"]
    assert [one.sample for one in inputs] == ["a", "b", "c"]
    assert all(one.role == "sample" and one.experiment.table is None for one in inputs)


def test_names_differ_even_where_files_do_not(tmp_path):
    given = [_stack(tmp_path / folder / "run.tif") for folder in ("one", "two")]
    assert [one.name for one in gather_inputs(given, CLASSIFIER)] == ["run", "run_2"]
    given = [_stack(tmp_path / folder / "stack.tif") for folder in ("one", "two")]
    assert [one.name for one in gather_inputs(given, CLASSIFIER)] == ["one", "two"]
    given = [_stack(tmp_path / "cache.tif")]
    assert [one.name for one in gather_inputs(given, CLASSIFIER)] == ["cache_2"]  # that folder is taken


def test_the_table_tells_sample_role_and_replicate(tmp_path, stacks):
    table = _samples(tmp_path, "a.tif,mix,sample,1", "b.ome.tif,mix,sample,2", f"{stacks[2]},empty,blank,")
    found = {one.name: (one.sample, one.role, one.replicate) for one in gather_inputs(stacks, CLASSIFIER, samples=table)}
    assert found == {"a": ("mix", "sample", "1"), "b": ("mix", "sample", "2"), "c": ("empty", "blank", "1")}


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        (["a.tif,x,sample,1", "nowhere.tif,x,sample,1"], r"line 3: the stack 'nowhere.tif' is not among the stacks given"),
        (["a.tif,x,sample,1"], "does not name .*b.ome.tif"),
        (["a.tif,x,sample,1", "a.tif,y,sample,1"], r"line 3: .*there twice"),
        (["a.tif,x,sample,1", "b.ome.tif,x,blank,1", "c.tif,y,sample,1"], r"line 3: the sample 'x' is blank here"),
        (["a.tif,x,reference,1", "b.ome.tif,y,reference,1", "c.tif,z,sample,1"], "x, y are both references"),
        (["a.tif,x,control,1"], r"line 2: role must be sample, reference, blank, standard, spike, got 'control'"),
        (["a.tif,,sample,1"], "line 2: sample is empty"),
        ([], "names no stack"),
    ],
)
def test_what_is_wrong_with_a_samples_table_is_said(tmp_path, stacks, rows, said):
    with pytest.raises(InputError, match=said):
        gather_inputs(stacks, CLASSIFIER, samples=_samples(tmp_path, *rows))


def test_a_missing_column_or_file_is_said(tmp_path, stacks):
    with pytest.raises(InputError, match="line 1: column replicate is missing"):
        gather_inputs(stacks, CLASSIFIER, samples=_samples(tmp_path, "a.tif,x,sample", header="stack,sample,role"))
    with pytest.raises(InputError, match="there is no such file"):
        gather_inputs(stacks, CLASSIFIER, samples=tmp_path / "nowhere.csv")


def test_a_name_that_fits_several_stacks_is_refused(tmp_path):
    given = [_stack(tmp_path / folder / "run.tif") for folder in ("one", "two")]
    with pytest.raises(InputError, match="any of several"):
        gather_inputs(given, CLASSIFIER, samples=_samples(tmp_path, "run.tif,x,sample,1"))


def test_one_stack_that_cannot_be_read_leaves_the_others(tmp_path, stacks):
    (tmp_path / "broken.tif").write_text("no TIFF")
    inputs = gather_inputs([stacks[0], tmp_path / "broken.tif", tmp_path / "nowhere.tif"], CLASSIFIER)
    assert [one.experiment is not None for one in inputs] == [True, False, False]
    assert "not a readable TIFF" in inputs[1].error
    assert "no such file" in inputs[2].error


def test_a_frame_smaller_than_a_crop_is_an_error(tmp_path):
    write_stack(tmp_path / "small.tif", grey_frames(shape=(20, 48)), pixel_size_nm=120)
    assert "smaller than a crop" in gather_inputs([tmp_path / "small.tif"], CLASSIFIER)[0].error


def test_nothing_given_and_things_given_twice_are_refused(stacks):
    with pytest.raises(InputError, match="no stacks given"):
        gather_inputs([], CLASSIFIER)
    with pytest.raises(InputError, match="given twice"):
        gather_inputs([stacks[0], stacks[0]], CLASSIFIER)


def test_blob_tables_go_with_stacks_in_their_order(tmp_path, stacks):
    x, y = middle_nm(32, 24)
    tables = []
    for k in range(3):
        tables.append(tmp_path / f"{k}.csv")
        tables[-1].write_text(blobs_text([(1, 1, x, y + 120 * k)]))
    inputs = gather_inputs(stacks, CLASSIFIER, blobs=tables)
    assert [one.experiment.rows.tolist() for one in inputs] == [[32], [33], [34]]
    with pytest.raises(InputError, match="2 tables for 3 stacks"):
        gather_inputs(stacks, CLASSIFIER, blobs=tables[:2])


def test_a_table_of_another_stack_is_that_stacks_error(tmp_path, stacks):
    x, y = middle_nm(32, 24)
    (tmp_path / "far.csv").write_text(blobs_text([(1, 99, x, y)]))
    assert "frame 99" in gather_inputs(stacks[:1], CLASSIFIER, blobs=[tmp_path / "far.csv"])[0].error


def test_an_experiment_folder_brings_its_own(tmp_path):
    folder = write_folder(tmp_path / "mine", dispersion="right")
    one = gather_inputs([folder], CLASSIFIER)[0]
    assert one.name == "mine"
    assert one.experiment.dispersion == "right"
    assert len(one.experiment.table) == 2


def test_an_experiment_of_another_pixel_size_is_its_own_error(tmp_path):
    folder = write_folder(tmp_path / "mine", pixel_size_nm=160)
    assert "160 nm, the classifier was trained at 120" in gather_inputs([folder], CLASSIFIER)[0].error


def test_a_stack_is_turned_as_the_training_data_were(tmp_path):
    frames = np.zeros((1, 60, 80), np.uint16)
    write_stack(tmp_path / "wide.tif", frames, pixel_size_nm=120)
    turned = SimpleNamespace(panel=THESIS, trained_on={"pixel_size_nm": 120.0, "dispersion": "left"})
    assert gather_inputs([tmp_path / "wide.tif"], turned)[0].experiment.stack.frame_shape == (80, 60)


@pytest.mark.parametrize("separator", [";", "\t", ","])
@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_a_table_of_a_spreadsheet_is_read(separator, encoding, tmp_path, stacks):
    rows = ["Stack,Sample,Role,Replicate", "a.tif,Eins,Blank,1", "b.ome.tif,Zwei,SAMPLE,", "c.tif,Drei,Reference,1"]
    text = "\n".join(rows).replace(",", separator)
    (tmp_path / "samples.csv").write_bytes(text.encode(encoding))
    inputs = gather_inputs(stacks, CLASSIFIER, samples=tmp_path / "samples.csv")
    assert [(one.sample, one.role) for one in inputs] == [("Eins", "blank"), ("Zwei", "sample"), ("Drei", "reference")]


def test_a_folder_of_frames_is_one_stack(tmp_path):
    for k in range(3):
        _stack(tmp_path / "day 1" / f"f_{k}.tif")
    (one,) = gather_inputs([tmp_path / "day 1"], CLASSIFIER)
    assert (one.name, len(one.experiment.stack)) == ("day 1", 6)
    (tmp_path / "empty").mkdir()
    (one,) = gather_inputs([tmp_path / "empty"], CLASSIFIER)
    assert "is a folder without a TIFF file" in one.error
