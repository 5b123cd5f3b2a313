"""TIFF stacks: what tifffile reads, frame by frame, and what is refused in words."""

import fsspec
import numpy as np
import pytest
import tifffile
from by_hand import everything_in, grey_frames, write_set
from fsspec.implementations.memory import MemoryFile

from mirnb.experiments.stacks import HeldFrames, Stack, read_image, stack_fingerprint, write_stack
from mirnb.files import InputError

LAYOUTS = {
    "contiguous": {},
    "page by page": {"contiguous": False},
    "deflate": {"compression": "zlib"},
    "deflate with predictor": {"compression": "zlib", "predictor": True},
    "lzw": {"compression": "lzw"},
    "packbits": {"compression": "packbits"},
    "zstd": {"compression": "zstd"},
    "BigTIFF": {"bigtiff": True},
    "BigTIFF deflate": {"bigtiff": True, "compression": "zlib"},
    "OME": {"ome": True, "metadata": {"axes": "TYX"}},
    "OME deflate": {"ome": True, "metadata": {"axes": "TYX"}, "compression": "zlib"},
    "ImageJ": {"imagej": True, "metadata": {"axes": "TYX"}},
    "ImageJ slices": {"imagej": True, "metadata": {"axes": "ZYX"}},
    "big-endian": {"byteorder": ">"},
    "big-endian deflate": {"byteorder": ">", "compression": "zlib"},
    "strips": {"rowsperstrip": 7},
    "tiles": {"tile": (16, 16)},
    "tiles deflate": {"tile": (16, 16), "compression": "zlib"},
    "no description": {"metadata": None},
}


def save(path, frames, *, contiguous=True, **how):
    """Write frames in one call, or each page for itself."""
    how = {"photometric": "minisblack", **how}
    if contiguous:
        tifffile.imwrite(path, frames, **how)
    else:
        with tifffile.TiffWriter(path) as writer:
            for frame in frames:
                writer.write(frame, contiguous=False, metadata=None, **how)
    return path


def read_all(stack):
    return {index: frame.copy() for index, frame in stack.frames()}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_frames_of_every_kind_of_tiff_are_those_tifffile_reads(layout, tmp_path):
    frames = grey_frames(5)
    path = save(tmp_path / "stack.tif", frames, **LAYOUTS[layout])
    stack = Stack([path])
    assert (len(stack), stack.frame_shape, stack.dtype) == (5, (64, 48), np.uint16)
    read = read_all(stack)
    assert list(read) == [0, 1, 2, 3, 4]
    np.testing.assert_array_equal(np.stack(list(read.values())), frames)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.int16, np.uint32, np.float32, np.float64])
@pytest.mark.parametrize("layout", ["contiguous", "big-endian", "deflate"])
def test_pixels_keep_their_type_and_value(dtype, layout, tmp_path):
    frames = grey_frames(2) - 700 if np.dtype(dtype).itemsize == 1 else grey_frames(2)
    frames = frames.astype(dtype)
    stack = Stack([save(tmp_path / "stack.tif", frames, **LAYOUTS[layout])])
    read = np.stack(list(read_all(stack).values()))
    assert stack.dtype == dtype
    assert read.dtype.newbyteorder("=") == dtype
    np.testing.assert_array_equal(read, frames)


@pytest.mark.parametrize("layout", ["contiguous", "page by page", "deflate", "OME", "ImageJ", "no description"])
def test_a_single_frame_is_a_stack_of_one(layout, tmp_path):
    frames = grey_frames(1)
    how = dict(LAYOUTS[layout])
    if how.get("metadata"):
        how["metadata"] = {"axes": "YX"}
    single = frames if how.get("contiguous") is False else frames[0]
    path = save(tmp_path / "one.tif", single, **how)
    stack = Stack([path])
    assert (len(stack), stack.frame_shape) == (1, (64, 48))
    np.testing.assert_array_equal(read_image(path), frames[0])


def test_frame_counts_go_on_across_files_of_different_layout(tmp_path):
    frames = grey_frames(6)
    paths = [
        save(tmp_path / "a.tif", frames[:3]),
        save(tmp_path / "b.tif", frames[3]),
        save(tmp_path / "c.tif", frames[4:], compression="zlib"),
    ]
    stack = Stack(paths)
    assert len(stack) == 6
    assert stack.paths == paths
    np.testing.assert_array_equal(np.stack(list(read_all(stack).values())), frames)


@pytest.mark.parametrize("wanted", [[0], [2, 3], [1, 4, 5], [], np.array([0, 5])], ids=str)
def test_only_the_frames_asked_for_are_read(wanted, tmp_path):
    frames = grey_frames(6)
    stack = Stack([save(tmp_path / "a.tif", frames[:3]), save(tmp_path / "b.tif", frames[3:], compression="zlib")])
    read = {index: frame.copy() for index, frame in stack.frames(wanted)}
    assert list(read) == list(wanted)
    for index in wanted:
        np.testing.assert_array_equal(read[index], frames[index])


@pytest.mark.parametrize(("turns", "shape"), [(0, (64, 48)), (1, (48, 64)), (2, (64, 48)), (3, (48, 64)), (5, (48, 64))])
def test_frames_are_turned_against_the_clock(turns, shape, tmp_path):
    frames = grey_frames(2)
    stack = Stack([save(tmp_path / "stack.tif", frames)], quarter_turns=turns)
    assert stack.frame_shape == shape
    for index, frame in stack.frames():
        np.testing.assert_array_equal(frame, np.rot90(frames[index], turns))


def test_a_stack_larger_than_a_page_of_memory_is_read_in_parts(tmp_path, monkeypatch):
    path = save(tmp_path / "stack.tif", grey_frames(8))
    largest = 0
    read_array = tifffile.FileHandle.read_array

    def noted(self, dtype, count=-1, *args, **kwargs):
        nonlocal largest
        largest = max(largest, count)
        return read_array(self, dtype, count, *args, **kwargs)

    monkeypatch.setattr(tifffile.FileHandle, "read_array", noted)
    assert len(read_all(Stack([path]))) == 8
    assert largest == 64 * 48  # one frame at a time


def test_what_is_written_is_read_back_and_opens_in_imagej_with_its_pixel_size(tmp_path):
    frames = grey_frames(3)
    write_stack(tmp_path / "new" / "stack.tif", iter(frames), pixel_size_nm=120)
    np.testing.assert_array_equal(np.stack(list(read_all(Stack([tmp_path / "new" / "stack.tif"])).values())), frames)
    with tifffile.TiffFile(tmp_path / "new" / "stack.tif") as tif:
        per_cm = tif.pages[0].tags["XResolution"].value
        assert tif.pages[0].tags["ResolutionUnit"].value == tifffile.RESUNIT.CENTIMETER
    assert 1e7 * per_cm[1] / per_cm[0] == pytest.approx(120)


def test_a_stack_whose_frames_fail_halfway_is_not_written(tmp_path):
    def frames():
        yield grey_frames(1)[0]
        raise InputError("frame 2 is damaged")

    with pytest.raises(InputError, match="frame 2 is damaged"):
        write_stack(tmp_path / "stack.tif", frames(), pixel_size_nm=120)
    assert everything_in(tmp_path) == {}


BAD = {
    "missing": (lambda path: None, "there is no such file"),
    "empty": (lambda path: path.write_bytes(b""), "the file is empty"),
    "text": (lambda path: path.write_text("frame,x,y\n1,2,3\n"), "not a readable TIFF"),
    "png": (lambda path: path.write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(64)), "not a readable TIFF"),
    "folder": (lambda path: path.mkdir(), "a folder without a TIFF file"),
    "only a header": (lambda path: path.write_bytes(b"II*\x00\x08\x00\x00\x00"), "stack.tif: "),
    "no pages": (lambda path: path.write_bytes(b"II*\x00\x00\x00\x00\x00"), "stack.tif: "),
    "colour": (lambda path: tifffile.imwrite(path, np.zeros((64, 48, 3), np.uint8), photometric="rgb"), "colour image"),
    "colour stack": (lambda path: tifffile.imwrite(path, np.zeros((2, 64, 48, 3), np.uint8), photometric="rgb"), "colour"),
    "planar colour": (
        lambda path: tifffile.imwrite(path, np.zeros((3, 64, 48), np.uint8), photometric="rgb", planarconfig="separate"),
        "colour",
    ),
    "colour with alpha": (
        lambda path: tifffile.imwrite(path, np.zeros((64, 48, 4), np.uint8), photometric="rgb", extrasamples=["unassalpha"]),
        "colour",
    ),
    "one row": (lambda path: save(path, np.zeros((1, 500), np.uint16)), "one-dimensional"),
    "one column": (lambda path: save(path, np.zeros((500, 1), np.uint16)), "one-dimensional"),
    "a line": (lambda path: tifffile.imwrite(path, np.zeros(500, np.uint16)), "one-dimensional"),
    "four axes": (
        lambda path: tifffile.imwrite(path, np.zeros((2, 3, 64, 48), np.uint16), imagej=True, metadata={"axes": "TCYX"}),
        "expected frames along one",
    ),
    "complex": (lambda path: save(path, np.zeros((2, 64, 48), np.complex64)), "type complex64"),
    "two sizes": (
        lambda path: save(path, [np.zeros((64, 48), np.uint16), np.zeros((32, 48), np.uint16)], contiguous=False),
        "different shapes",
    ),
}


@pytest.mark.parametrize("kind", BAD)
def test_a_file_that_is_no_grey_stack_is_refused_in_one_sentence(kind, tmp_path, caplog):
    make, words = BAD[kind]
    make(tmp_path / "stack.tif")
    with pytest.raises(InputError, match=words) as caught:
        read_all(Stack([tmp_path / "stack.tif"]))
    assert str(caught.value).startswith(str(tmp_path / "stack.tif"))
    assert "\n" not in str(caught.value)
    assert not caplog.records  # nothing is logged beside it


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("layout", ["contiguous", "deflate"])
def test_a_frame_with_undefined_pixels_is_named(value, layout, tmp_path):
    frames = grey_frames(3, dtype=np.float32)
    frames[1, 5, 6] = value
    stack = Stack([save(tmp_path / "stack.tif", frames, **LAYOUTS[layout])])
    with pytest.raises(InputError, match=r"stack.tif: frame 2 has NaN or infinite pixels"):
        read_all(stack)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_stack_cut_off_anywhere_is_refused_in_one_sentence_and_never_read_as_a_shorter_one(layout, tmp_path, caplog):
    frames = grey_frames(4, (32, 24))
    path = save(tmp_path / "stack.tif", frames, **LAYOUTS[layout])
    whole = path.read_bytes()
    wrong = {}
    for length in range(0, len(whole), 29):  # into the header, the pixels, and the directories between and behind them
        path.write_bytes(whole[:length])
        try:
            read = np.stack(list(read_all(Stack([path])).values()))
        except InputError as error:
            if str(path) not in str(error) or "\n" in str(error):
                wrong[length] = str(error)
        except Exception as error:  # what a user would see as a stack trace
            wrong[length] = repr(error)
        else:
            if not np.array_equal(read, frames):  # all pixels may be there when padding or text at the end is not
                wrong[length] = f"read {len(read)} frames"
    assert not wrong, f"of {len(whole)} bytes, cut to {wrong}"
    assert not caplog.records  # nothing is logged beside it


@pytest.mark.parametrize("layout", ["deflate", "lzw", "zstd", "tiles deflate"])
def test_a_compressed_frame_that_is_garbled_is_named(layout, tmp_path):
    path = save(tmp_path / "stack.tif", grey_frames(4), **LAYOUTS[layout])
    with tifffile.TiffFile(path) as tif:
        page = tif.pages[2]
        start, length = page.dataoffsets[0], page.databytecounts[0]
    content = bytearray(path.read_bytes())
    content[start : start + length] = bytes([255]) * length
    path.write_bytes(bytes(content))
    with pytest.raises(InputError, match=r"stack.tif: frame 3 cannot be decoded"):
        read_all(Stack([path]))


@pytest.mark.parametrize(
    ("second", "words"),
    [
        (grey_frames(2, (48, 64)), "48x64 uint16.*64x48 uint16"),
        (grey_frames(2, dtype=np.uint8), "64x48 uint8.*64x48 uint16"),
    ],
    ids=["shape", "type"],
)
def test_files_of_a_stack_must_hold_frames_of_one_shape_and_type(second, words, tmp_path):
    paths = [save(tmp_path / "a.tif", grey_frames(2)), save(tmp_path / "b.tif", second)]
    with pytest.raises(InputError, match=words) as caught:
        Stack(paths)
    assert str(tmp_path / "b.tif") in str(caught.value)


def test_a_stack_of_no_files_is_refused():
    with pytest.raises(InputError, match="at least one file"):
        Stack([])


def test_an_image_that_is_a_stack_is_refused(tmp_path):
    with pytest.raises(InputError, match="one image, found a stack of 2"):
        read_image(save(tmp_path / "mask.tif", grey_frames(2)))


def test_real_single_molecule_frames_are_read(real_data):
    path = real_data / "detection" / "locan_dstorm.tif"
    if not path.is_file():
        pytest.skip("no real dSTORM frames")
    stack = Stack([path])
    np.testing.assert_array_equal(np.stack(list(read_all(stack).values())), tifffile.imread(path))


# ----------------------------------------------------------------------------------------------------------- addresses


@pytest.fixture
def memory():
    """An empty file system in memory: text address -> written bytes."""
    system = fsspec.filesystem("memory")
    system.store.clear()

    def put(name, path):
        with system.open(f"/{name}", "wb") as file:
            file.write(path.read_bytes())
        return f"memory://{name}"

    yield put
    system.store.clear()


@pytest.mark.parametrize(
    "options",
    [
        {"photometric": "minisblack"},
        {"photometric": "minisblack", "bigtiff": True},
        {"photometric": "minisblack", "compression": "zlib"},
        {"photometric": "minisblack", "metadata": {"axes": "TYX"}, "ome": True},
    ],
    ids=["plain", "big", "compressed", "ome"],
)
def test_a_stack_at_an_address_is_the_local_one(tmp_path, memory, options):
    frames = grey_frames(5)
    tifffile.imwrite(tmp_path / "stack.tif", frames, **options)
    stack = Stack([memory("stack.tif", tmp_path / "stack.tif")], quarter_turns=1)
    assert len(stack) == 5
    local_stack = Stack([tmp_path / "stack.tif"], quarter_turns=1)
    for (index, frame), (_, local) in zip(stack.frames(), local_stack.frames(), strict=True):
        np.testing.assert_array_equal(frame, local, err_msg=str(index))
    assert stack.paths == ["memory://stack.tif"]


def test_one_frame_does_not_read_the_stack(tmp_path, memory, monkeypatch):
    tifffile.imwrite(tmp_path / "stack.tif", grey_frames(300), photometric="minisblack")
    stack = Stack([memory("stack.tif", tmp_path / "stack.tif")])
    read = []
    for name in ("read", "readinto"):
        real = getattr(MemoryFile, name)

        def counted(self, *args, real=real):
            found = real(self, *args)
            read.append(found if isinstance(found, int) else len(found))
            return found

        monkeypatch.setattr(MemoryFile, name, counted)
    next(stack.frames([200]))
    assert sum(read) < 0.1 * (tmp_path / "stack.tif").stat().st_size


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("memory://nowhere.tif", "memory://nowhere.tif: there is no such file"),
        ("nosuch://bucket/stack.tif", "nosuch://bucket/stack.tif: cannot be read"),
    ],
)
def test_what_is_wrong_with_an_address_is_said(address, said, memory):
    with pytest.raises(InputError, match=said):
        Stack([address])


def test_a_missing_package_is_named(monkeypatch):
    def without(*_args, **_options):
        raise ImportError("Install s3fs to access S3")

    monkeypatch.setattr(fsspec, "url_to_fs", without)
    with pytest.raises(InputError, match=r's3://bucket/stack.tif: Install s3fs.*pip install "mirnb\[remote\]"'):
        Stack(["s3://bucket/stack.tif"])


def test_a_damaged_file_at_an_address_is_said(tmp_path, memory):
    tifffile.imwrite(tmp_path / "stack.tif", grey_frames(5), photometric="minisblack")
    (tmp_path / "half.tif").write_bytes((tmp_path / "stack.tif").read_bytes()[:9000])
    (tmp_path / "text.tif").write_text("not a picture")
    (tmp_path / "empty.tif").write_bytes(b"")
    with pytest.raises(InputError, match=r"memory://half.tif: .*cut off"):
        Stack([memory("half.tif", tmp_path / "half.tif")])
    with pytest.raises(InputError, match=r"memory://text.tif: not a readable TIFF"):
        Stack([memory("text.tif", tmp_path / "text.tif")])
    with pytest.raises(InputError, match=r"memory://empty.tif: the file is empty"):
        Stack([memory("empty.tif", tmp_path / "empty.tif")])


def test_the_fingerprint_follows_the_file_at_an_address(tmp_path, memory):
    tifffile.imwrite(tmp_path / "stack.tif", grey_frames(2), photometric="minisblack")
    stack = Stack([memory("stack.tif", tmp_path / "stack.tif")])
    first = stack_fingerprint(stack)
    assert stack_fingerprint(Stack(["memory://stack.tif"])) == first
    assert stack_fingerprint(Stack(["memory://stack.tif"], quarter_turns=2)) != first
    tifffile.imwrite(tmp_path / "stack.tif", grey_frames(2, seed=1), photometric="minisblack")
    memory("stack.tif", tmp_path / "stack.tif")
    assert stack_fingerprint(Stack(["memory://stack.tif"])) != first


def test_the_fingerprint_of_local_files_is_of_their_content(tmp_path):
    for name in ("one", "same", "other"):
        tifffile.imwrite(tmp_path / f"{name}.tif", grey_frames(2, seed=name == "other"), photometric="minisblack")
    one, same, other = (stack_fingerprint(Stack([tmp_path / f"{name}.tif"])) for name in ("one", "same", "other"))
    assert one == same != other


def test_held_frames_are_read_as_a_stack_is():
    frames = grey_frames(3)
    held = HeldFrames(frames)
    assert (len(held), held.frame_shape, held.dtype) == (3, (64, 48), np.uint16)
    assert [index for index, _ in held.frames([0, 2])] == [0, 2]
    np.testing.assert_array_equal(np.stack([frame for _, frame in held.frames()]), frames)


@pytest.mark.parametrize("at", [0, 300_000, -3000])
def test_another_content_of_the_same_size_at_an_address_has_another_fingerprint(at, tmp_path, memory, monkeypatch):
    """Where a file system says nothing of a file's version: head, tail and samples of the content tell."""
    monkeypatch.setattr("fsspec.implementations.memory.MemoryFileSystem.ukey", lambda self, path: "the same")
    tifffile.imwrite(tmp_path / "a.tif", grey_frames(100), photometric="minisblack")
    first = stack_fingerprint(Stack([memory("a.tif", tmp_path / "a.tif")]))
    content = bytearray((tmp_path / "a.tif").read_bytes())
    content[at if at else 400] ^= 1
    (tmp_path / "a.tif").write_bytes(content)
    assert stack_fingerprint(Stack([memory("a.tif", tmp_path / "a.tif")])) != first


def test_every_file_of_a_set_is_in_the_fingerprint(tmp_path):
    write_set(tmp_path / "set", ["x.ome.tif", "x_1.ome.tif"], (2, 2))
    first = stack_fingerprint(Stack([tmp_path / "set" / "x.ome.tif"]))
    content = bytearray((tmp_path / "set" / "x_1.ome.tif").read_bytes())
    content[-5] ^= 1
    (tmp_path / "set" / "x_1.ome.tif").write_bytes(content)
    assert stack_fingerprint(Stack([tmp_path / "set" / "x.ome.tif"])) != first
