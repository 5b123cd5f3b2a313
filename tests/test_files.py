"""Whole files or none, fingerprints, plain JSON, and text that says what is wrong with it."""

import errno
import json
import os
import stat
import sys
import time
import warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from by_hand import everything_in

from mirnb.caches import fingerprint
from mirnb.files import InputError, InputWarning, heard, read_json, read_text, warn, whole_file, write_json


def test_a_whole_file_stands_under_its_name_only_when_the_block_has_ended(tmp_path):
    path = tmp_path / "new" / "table.csv"
    with whole_file(path) as temporary:
        temporary.write_text("done")
        assert temporary.suffix == ".csv"
        assert not path.exists()
    assert everything_in(tmp_path) == {Path("new/table.csv"): b"done"}


@pytest.mark.parametrize(
    ("raised", "expected"),
    [
        (OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)), InputError),
        (KeyboardInterrupt(), KeyboardInterrupt),
        (ZeroDivisionError(), ZeroDivisionError),
        (InputError("a frame is damaged"), InputError),
    ],
    ids=["disk full", "ctrl-c", "bug", "bad input"],
)
def test_a_write_that_stops_in_the_middle_leaves_the_old_file_and_nothing_else(raised, expected, tmp_path):
    path = tmp_path / "table.csv"
    path.write_text("old")

    def stop_in_the_middle():
        with whole_file(path) as temporary:
            temporary.write_text("ha")
            raise raised

    with pytest.raises(expected):
        stop_in_the_middle()
    assert everything_in(tmp_path) == {Path("table.csv"): b"old"}


def test_a_full_disk_is_told_with_the_name_of_the_file(tmp_path):
    with (
        pytest.raises(InputError, match=r"table.csv: could not be written \(No space left"),
        whole_file(tmp_path / "table.csv"),
    ):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_a_folder_that_cannot_be_made_is_told_before_any_work(unwritable):
    entered = False
    with pytest.raises(InputError, match=r"cannot be written"), whole_file(unwritable / "table.csv"):
        entered = True
    assert not entered


@pytest.mark.skipif(sys.platform == "win32", reason="permission bits of POSIX")
def test_a_whole_file_has_the_rights_of_any_new_file(tmp_path):
    with whole_file(tmp_path / "whole") as temporary:
        temporary.touch()
    (tmp_path / "plain").touch()
    assert stat.S_IMODE((tmp_path / "whole").stat().st_mode) == stat.S_IMODE((tmp_path / "plain").stat().st_mode)


def test_text_with_a_byte_order_mark_reads_without_it(tmp_path):
    (tmp_path / "table.csv").write_bytes("\ufeffid,µm".encode())
    assert read_text(tmp_path / "table.csv") == "id,µm"


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda path: None, "there is no such file"),
        (lambda path: path.mkdir(), "is a folder"),
        (lambda path: path.write_bytes("µ\n".encode("cp1252")), "not a text file in UTF-8"),
    ],
    ids=["missing", "folder", "cp1252"],
)
def test_text_that_cannot_be_read_is_named(make, words, tmp_path):
    make(tmp_path / "table.csv")
    with pytest.raises(InputError, match=f"table.csv: {words}"):
        read_text(tmp_path / "table.csv")


def test_json_holds_plain_values_and_null_for_what_is_undefined(tmp_path):
    values = {
        "counts": {"red": np.int64(655)},
        "recall": [np.float32(0.5), np.nan, float("inf")],
        "matrix": np.eye(2, dtype=int),
        "window": (24, 10),
        "simulated": np.bool_(True),
        "path": Path("reports") / "demo",
        3: None,
    }
    write_json(tmp_path / "metrics.json", values)
    text = (tmp_path / "metrics.json").read_text()
    assert "NaN" not in text
    assert "Infinity" not in text
    assert json.loads(text) == {
        "counts": {"red": 655},
        "recall": [0.5, None, None],
        "matrix": [[1, 0], [0, 1]],
        "window": [24, 10],
        "simulated": True,
        "path": "reports/demo",
        "3": None,
    }
    assert read_json(tmp_path / "metrics.json") == json.loads(text)


def test_a_file_that_is_no_json_is_named(tmp_path):
    (tmp_path / "metrics.json").write_text('{"half": ')
    with pytest.raises(InputError, match=r"metrics.json: not a JSON file"):
        read_json(tmp_path / "metrics.json")


def test_a_fingerprint_follows_content_and_not_name_or_place(tmp_path):
    for name, content in (("a", "same"), ("b", "same"), ("c", "other")):
        (tmp_path / name).write_text(content)
    assert fingerprint(tmp_path / "a") == fingerprint(tmp_path / "b") != fingerprint(tmp_path / "c")
    assert len(fingerprint(tmp_path / "a")) == 16


def test_a_fingerprint_tells_arrays_apart_by_values_shape_and_type():
    numbers = np.arange(6)
    different = [numbers, numbers.reshape(2, 3), numbers.astype(float), numbers[::-1], np.arange(7)]
    assert len({fingerprint(one) for one in different}) == len(different)
    assert fingerprint(numbers[::2]) == fingerprint(numbers[::2].copy())  # not by how it lies in memory


def test_a_fingerprint_of_settings_does_not_depend_on_their_order():
    assert fingerprint({"a": 1, "b": 2.5}) == fingerprint({"b": 2.5, "a": 1}) != fingerprint({"a": 1, "b": 2})


def test_a_notebook_shows_the_message_of_an_input_error_alone():
    assert InputError("the file is empty")._render_traceback_() == ["InputError: the file is empty"]


def test_a_file_is_written_through_links_to_it(tmp_path):
    (tmp_path / "shared").mkdir()
    (tmp_path / "shared" / "b.csv").write_text("old")
    (tmp_path / "link.csv").symlink_to(tmp_path / "shared" / "b.csv")
    (tmp_path / "link_to_link.csv").symlink_to("link.csv")
    (tmp_path / "ahead.csv").symlink_to(tmp_path / "shared" / "new.csv")
    for name, target in (("link.csv", "b.csv"), ("link_to_link.csv", "b.csv"), ("ahead.csv", "new.csv")):
        with whole_file(tmp_path / name) as temporary:
            temporary.write_text(name)
        assert (tmp_path / name).is_symlink()
        assert (tmp_path / "shared" / target).read_text() == name
    assert sorted(one.name for one in (tmp_path / "shared").iterdir()) == ["b.csv", "new.csv"]


@pytest.mark.parametrize(
    ("folder_mode", "file_mode"),
    [(0o755, 0o644), (0o775, 0o664), (0o2775, 0o664), (0o777, 0o664), (0o1777, 0o644), (0o700, 0o644)],
)
def test_a_new_file_is_as_open_as_its_folder(folder_mode, file_mode, tmp_path):
    (tmp_path / "shared").mkdir()
    (tmp_path / "shared").chmod(folder_mode)
    before = os.umask(0o022)
    try:
        write_json(tmp_path / "shared" / "a.json", {})
        write_json(tmp_path / "shared" / "below" / "b.json", {})
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "shared" / "a.json").stat().st_mode) == file_mode
    opened = stat.S_IMODE((tmp_path / "shared" / "below").stat().st_mode) & 0o022
    assert opened == (0 if folder_mode == 0o1777 else folder_mode & 0o020)


def test_a_file_that_was_there_keeps_its_mode(tmp_path):
    (tmp_path / "a.json").write_text("{}")
    (tmp_path / "a.json").chmod(0o600)
    write_json(tmp_path / "a.json", {"a": 1})
    assert stat.S_IMODE((tmp_path / "a.json").stat().st_mode) == 0o600


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-8-sig"])
def test_text_of_other_encodings_is_read(encoding, tmp_path):
    (tmp_path / "a.txt").write_bytes("stack,sample\na.tif,one".encode(encoding))
    assert read_text(tmp_path / "a.txt") == "stack,sample\na.tif,one"


def test_what_is_said_of_an_input_is_heard_once_and_other_warnings_stay():
    def speak():
        with heard() as said:
            warn("a sentence")
            warn("a sentence")
            warnings.warn("another", RuntimeWarning, stacklevel=1)
        return said

    with pytest.warns(RuntimeWarning, match="another"):
        assert speak() == ["a sentence"]


def test_what_a_thread_hears_is_its_own():
    def speak(k):
        with heard() as said:
            for _ in range(50):
                warn(f"of {k}")
                time.sleep(0.0005)
        return said

    with ThreadPoolExecutor(4) as threads:
        assert list(threads.map(speak, range(4))) == [[f"of {k}"] for k in range(4)]
    with pytest.warns(InputWarning, match="afterwards"):
        warn("afterwards")
