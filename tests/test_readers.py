"""Whatever is in a file, a reader gives what it says or refuses it in words: rows, keys and bytes drawn by hypothesis."""

import copy
import csv
import io
import json
import math
import shutil
import warnings
import zipfile

import numpy as np
import pytest
import roifile
from by_hand import write_folder
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mirnb.classifiers.classifier import load_classifier
from mirnb.classifiers.making import save_rival
from mirnb.classifiers.matched_filter import train_matched_filter
from mirnb.counting.samples import ROLES, read_samples
from mirnb.experiments.blobs import read_blobs, read_labels
from mirnb.experiments.experiment_file import inspect_experiment
from mirnb.experiments.panel_file import THESIS, load_panel, panel_from_dict, write_panel
from mirnb.files import InputError, heard, read_json, write_toml
from mirnb.labelling.rois import read_points

seeded = settings(
    max_examples=200, derandomize=True, deadline=None, database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)  # fmt: skip
ODD = st.sampled_from(
    ["", " ", "nan", "inf", "-inf", "1e999", "abc", "1,5", "0x10", "1_000", "½", "true", "-1", "1.5", "NA", '"']
)
NUMBERS = st.integers(1, 40).map(str) | st.floats(0, 6000).map(repr)
# plain values as TOML and JSON hold them
VALUES = st.recursive(
    st.booleans() | st.integers(-(2**40), 2**40) | st.floats(allow_nan=True) | st.text(max_size=12),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("abc_", min_size=1, max_size=4), inner, max_size=3),
    max_leaves=6,
)


READ = set()  # tests in which something could be read: they would see nothing if all were refused


def read_or_refused(name, read, *words):
    """What is read, or None where it is refused with one of the words in the sentence."""
    try:
        found = read()
    except InputError as error:
        said = str(error)
    else:
        READ.add(name)
        return found
    assert any(word in said for word in words), said
    return None


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("read")


@seeded
@given(
    rows=st.lists(
        st.tuples(st.integers(1, 40).map(str) | ODD, *[NUMBERS | ODD] * 2, *[st.sampled_from(["0", "1", ""]) | ODD] * 2),
        max_size=6,
    ),
    order=st.permutations(range(5)),
)
def test_a_blob_table_reads_as_what_it_says_or_is_refused_in_words(rows, order, folder):
    names = ["frame", "x [nm]", "y [nm]", "is_really_mir", "selected_mir_type"]
    text = io.StringIO()
    csv.writer(text).writerows([[names[k] for k in order], *([row[k] for k in order] for row in rows)])
    path = folder / "blobs.csv"
    path.write_text(text.getvalue(), encoding="utf-8")

    def read():
        table = read_blobs(path)
        return table, read_labels(table, 3, source=str(path))

    found = read_or_refused("blobs", read, f"{path}, line ")
    if found is None:
        return
    table, labels = found
    said = [row for row in rows if any(row)]
    assert len(table) == len(labels) == len(said)
    for read, row in zip(table[names].to_numpy(float), said, strict=True):
        for value, cell in zip(read, row, strict=True):
            assert value == float(cell) if cell.strip() and not np.isnan(value) else math.isnan(value)


@seeded
@given(changes=st.dictionaries(st.sampled_from([*THESIS.to_dict(), "filter", "shape"]), VALUES, max_size=2),
       mir=st.dictionaries(st.sampled_from([*THESIS.to_dict()["mir"][0], "size"]), VALUES, max_size=2))  # fmt: skip
def test_a_panel_is_what_its_values_say_or_is_refused_in_words(changes, mir, folder):
    values = {**THESIS.to_dict(), **changes}
    if isinstance(values["mir"], list) and values["mir"] and isinstance(values["mir"][0], dict):
        values["mir"] = [{**values["mir"][0], **mir}, *values["mir"][1:]]
    panel = read_or_refused("panel", lambda: panel_from_dict(values, source="drawn", folder=folder), "drawn")
    if panel is not None:
        write_panel(folder / "drawn.toml", panel)
        assert load_panel("drawn.toml", folder=folder) == panel


@seeded
@given(values=st.dictionaries(st.sampled_from(["name", "stack", "blobs", "pixel_size_nm", "panel", "dispersion", "pretrain",
                                               "masks", "simulated", "stakc"]), VALUES, max_size=3))  # fmt: skip
def test_an_experiment_is_opened_or_every_problem_is_a_sentence(values, folder):
    sample = write_folder(folder / "sample")
    given_values = {"name": "sample", "stack": "stack.tif", "blobs": "blobs.csv", "pixel_size_nm": 120, **values}
    try:
        write_toml(sample / "experiment.toml", given_values)
    except TypeError:  # what TOML cannot hold
        return
    experiment, problems = inspect_experiment(sample)
    assert all(isinstance(one, str) and len(one) > 20 for one in problems)
    assert experiment is not None or problems
    if not problems:
        READ.add("experiment")
        assert (experiment.name, experiment.pixel_size_nm) == (given_values["name"], given_values["pixel_size_nm"])


@seeded
@given(start=st.integers(0, 80), noise=st.binary(max_size=40), whole=st.booleans())
def test_rois_are_points_of_the_panel_or_refused_in_words(start, noise, whole, folder):
    roi = roifile.ImagejRoi.frompoints(np.array([[3.0, 4.0]]), name="0001-red")
    roi.roitype, roi.position = roifile.ROI_TYPE.POINT, 1
    content = roi.tobytes()
    path = folder / "drawn.roi"
    path.write_bytes(noise if whole else content[:start] + noise + content[start + len(noise) :])
    points = read_or_refused("rois", lambda: read_points(path, THESIS, 5), str(path))
    if points is not None:
        assert points["frame"].between(0, 4).all()
        assert points["label"].between(-1, 3).all()


@seeded
@given(members=st.lists(st.tuples(st.integers(0, 80), st.binary(max_size=40)), max_size=3), cut=st.integers(0, 400),
       name=st.sampled_from(["0001-red.roi", "x", "../red.roi", "0001-red"]))  # fmt: skip
def test_a_set_of_rois_is_points_or_refused_in_words(members, cut, name, folder):
    roi = roifile.ImagejRoi.frompoints(np.array([[3.0, 4.0]]), name="0001-red")
    roi.roitype, roi.position = roifile.ROI_TYPE.POINT, 1
    path, content = folder / "drawn.zip", roi.tobytes()
    with zipfile.ZipFile(path, "w") as archive, warnings.catch_warnings(action="ignore"):  # of names that are there twice
        for start, noise in members:
            archive.writestr(name, content[:start] + noise + content[start + len(noise) :])
    path.write_bytes(path.read_bytes()[: len(path.read_bytes()) - min(cut // 4, 60)])
    points = read_or_refused("roi sets", lambda: read_points(path, THESIS, 5), str(path))
    if points is not None:
        assert np.isfinite(points[["x_px", "y_px"]]).to_numpy().all()


SAMPLE_CELLS = st.sampled_from(
    ["a.tif", "b.tif", "sample", "blank", "reference", "Blank ", "1", "=1", "", '"', "\u00b5", "\x00"]
)


GOOD_ROWS = st.tuples(*map(st.sampled_from, [["a.tif", "b.tif"], ["one", "\u00b5"], ["blank", "Sample"], ["1", ""]])).map(
    list
)


@seeded
@given(header=st.just(["stack", "Sample", "role", "REPLICATE"]) | st.permutations(["stack", "Sample", "role", "REPLICATE"]),
       n_columns=st.integers(3, 6), rows=st.lists(GOOD_ROWS | st.lists(SAMPLE_CELLS, max_size=6), max_size=3),
       separator=st.sampled_from(",;\t "), encoding=st.sampled_from(["utf-8", "utf-16", "cp1252"]))  # fmt: skip
def test_a_samples_table_is_rows_or_refused_in_words(header, n_columns, rows, separator, encoding, folder):
    path = folder / "samples.csv"
    lines = [separator.join(header[: max(n_columns, 3)]), *(separator.join(row) for row in rows)]
    path.write_bytes("\n".join(lines).encode(encoding, "replace"))
    found = read_or_refused("samples", lambda: read_samples(path), str(path))
    for _, row in found or []:
        assert row["role"] in ROLES
        assert row["stack"]


@pytest.fixture(scope="module")
def saved(small_data, small_run, tmp_path_factory):
    """A classifier that is read without Keras: folder, and what its classifier.json says."""
    own = save_rival(train_matched_filter(small_data, small_run), small_data, small_run).folder
    kept = tmp_path_factory.mktemp("classifier") / "filter"
    shutil.copytree(own, kept)
    return kept, read_json(kept / "classifier.json")


@seeded
@given(data=st.data(), value=VALUES, model=st.booleans())
def test_a_classifier_is_read_or_refused_in_words(data, value, model, saved):
    folder, values = saved
    changed = copy.deepcopy(values)
    part = changed
    while True:
        key = data.draw(st.sampled_from(sorted(part)) if isinstance(part, dict) else st.integers(0, len(part) - 1))
        if not isinstance(part[key], dict | list) or not part[key] or data.draw(st.booleans()):
            break
        part = part[key]
    part[key] = value
    if model:
        changed["kind"] = data.draw(st.sampled_from(["lenet5", "twin_cnn", "pca_svm", "none"]))
    (folder / "classifier.json").write_text(json.dumps(changed))
    found = read_or_refused("classifier", lambda: load_classifier(folder), str(folder))
    if found is not None:
        y_prob = found.predict(np.zeros((2, *found.panel.crop_window.shape, found.panel.n_mirs), np.float32))
        np.testing.assert_allclose(y_prob.sum(axis=1), 1, atol=1e-6)
        assert isinstance(repr(found) + found._repr_html_(), str)


@seeded
@given(start=st.integers(0, 400), noise=st.binary(min_size=1, max_size=30), what=st.sampled_from(["toml", "blobs"]))
def test_bytes_at_random_in_a_folder_leave_an_experiment_or_sentences(start, noise, what, folder):
    sample = write_folder(folder / "bytes")
    path = sample / {"toml": "experiment.toml", "blobs": "blobs.csv"}[what]
    content = path.read_bytes()
    at = start % len(content)
    path.write_bytes(content[:at] + noise + content[at + len(noise) :])
    with heard():
        experiment, problems = inspect_experiment(sample)
    assert all(isinstance(one, str) and len(one) > 20 for one in problems)
    assert experiment is not None or problems
    if not problems:
        READ.add("bytes")


def test_not_all_was_refused():
    assert {"blobs", "panel", "experiment", "rois", "roi sets", "samples", "classifier", "bytes"} == READ
