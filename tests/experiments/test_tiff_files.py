"""TIFF files as microscopes write them: every frame once, however it is named; sizes of pixels; what only looks damaged."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import tifffile
from by_hand import grey_frames, ome_text, write_folder, write_ome, write_set

from mirnb.experiments.check import check_experiment
from mirnb.experiments.experiment_file import load_experiment
from mirnb.experiments.stacks import Stack
from mirnb.files import InputError, heard

LENGTHS = (4, 3, 1)  # frames of the files of a set
SETS = {
    "Micro-Manager": (["x.ome.tif", "x_1.ome.tif", "x_2.ome.tif"], LENGTHS, False),
    "Micro-Manager, header in the first": (["x.ome.tif", "x_1.ome.tif", "x_2.ome.tif"], LENGTHS, True),
    "one file a frame": ([f"T_Cycle00001_Ch1_{k + 1:06d}.ome.tif" for k in range(12)], (1,) * 12, False),
    "names that sort otherwise": (["z.ome.tif", "b.ome.tif", "a.ome.tif"], LENGTHS, False),
}
NAMED = {
    "first file": lambda names: names[0],
    "last file": lambda names: names[-1],
    "all files": lambda names: names,
    "all files backwards": lambda names: names[::-1],
    "pattern": lambda names: "*.ome.tif",
    "folder": lambda names: ".",
    "twice": lambda names: [names[0], names[0]],
}


@pytest.mark.parametrize("named", NAMED)
@pytest.mark.parametrize("kind", SETS)
def test_every_frame_of_files_that_name_each_other_is_read_once_however_they_are_named(kind, named, tmp_path):
    names, lengths, only_first_knows = SETS[kind]
    frames = write_set(tmp_path / "set", names, lengths, only_first_knows=only_first_knows)
    stack_of = NAMED[named](names)
    folder = write_folder(tmp_path / "sample")
    stack_of = f"../set/{stack_of}" if isinstance(stack_of, str) else [f"../set/{one}" for one in stack_of]
    (folder / "experiment.toml").write_text(f'name = "s"\nstack = {stack_of!r}\npixel_size_nm = 120\n')
    with heard() as said:
        stack = load_experiment(folder).stack
    assert said == []
    assert len(stack) == len(frames)
    np.testing.assert_array_equal(np.stack([frame for _, frame in stack.frames()]), frames)
    assert sorted(path.name for path in stack.paths) == sorted(names)


def test_a_renamed_file_of_a_set_and_one_renamed_alone_are_read(tmp_path):
    frames = grey_frames(7)
    text = ome_text([("x.ome.tif", 4), ("x_1.ome.tif", 3)], own_id="urn:uuid:x.ome.tif")
    write_ome(tmp_path / "sample.ome.tif", frames[:4], text)
    write_ome(tmp_path / "x_1.ome.tif", frames[4:], text.replace("'urn:uuid:x.ome.tif'", "'urn:uuid:x_1.ome.tif'"))
    stack = Stack([tmp_path / "sample.ome.tif"])
    np.testing.assert_array_equal(np.stack([frame for _, frame in stack.frames()]), frames)
    write_ome(tmp_path / "other.ome.tif", frames[:4], ome_text([("x_1.ome.tif", 4)]))  # another file has its old name by now
    assert len(Stack([tmp_path / "other.ome.tif"])) == 4


@pytest.mark.parametrize("promised", [10, 300])
def test_a_recording_that_stopped_early_is_read_as_far_as_it_went_and_said(promised, tmp_path):
    frames = grey_frames(6)
    folder = write_folder(tmp_path / "s", blobs="frame,x [nm],y [nm]\n6,2940,3900\n")
    write_ome(folder / "stack.tif", frames, ome_text([("stack.tif", 6)], promised=promised))
    check = check_experiment(folder)
    assert check.problems == []
    assert [one for one in check.warnings if f"promises {promised} frames, 6 are there" in one]
    np.testing.assert_array_equal(np.stack([frame for _, frame in load_experiment(folder).stack.frames()]), frames)


def test_a_file_of_a_set_that_is_missing_is_said(tmp_path):
    write_set(tmp_path / "set", ["x.ome.tif", "x_1.ome.tif", "x_2.ome.tif"], LENGTHS)
    (tmp_path / "set" / "x_1.ome.tif").unlink()
    with heard() as said:
        assert len(Stack([tmp_path / "set" / "x.ome.tif"])) == 5
    assert "promises 8 frames, 5 are there" in said[0]


def test_positions_of_one_recording_are_frames(tmp_path):
    frames = grey_frames(6)
    write_ome(tmp_path / "a.ome.tif", frames, ome_text([("a.ome.tif", 2)], images=3))
    with heard() as said:
        np.testing.assert_array_equal(np.stack([frame for _, frame in Stack([tmp_path / "a.ome.tif"]).frames()]), frames)
    assert said == []


def test_two_channels_of_an_ome_file_are_refused(tmp_path):
    write_ome(tmp_path / "a.ome.tif", grey_frames(6), ome_text([("a.ome.tif", 6)], sizes={"T": 3, "C": 2}))
    with pytest.raises(InputError, match="3 along T and 2 along C"):
        Stack([tmp_path / "a.ome.tif"])


@pytest.mark.parametrize("how", [{"imagej": True}, {}, {"compression": "deflate"}])
def test_a_file_cut_off_after_it_was_looked_at_is_refused(how, tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", grey_frames(3), photometric="minisblack", **how)
    stack = Stack([tmp_path / "a.tif"])
    content = (tmp_path / "a.tif").read_bytes()
    (tmp_path / "a.tif").write_bytes(content[: len(content) // 2])
    with pytest.raises(InputError, match="cut off in the middle"):
        next(stack.frames([0]))


# ------------------------------------------------------------------------------------------------- what is logged, no damage


@pytest.mark.parametrize("tag", [305, 270, 315, 65000], ids=["Software", "ImageDescription", "Artist", "of a camera"])
@pytest.mark.parametrize("text", [b"\xff\xfe\x81 undecodable \x9d\x81", b"\xb5m \xe9\x81\x8d\x8f"])
def test_a_text_that_cannot_be_decoded_is_no_damage(tag, text, tmp_path):
    frames = grey_frames(3)
    with tifffile.TiffWriter(tmp_path / "a.tif") as writer:
        writer.write(
            frames, photometric="minisblack", metadata=None, software=False, extratags=[(tag, 2, len(text) + 1, text, True)]
        )
    np.testing.assert_array_equal(np.stack([frame for _, frame in Stack([tmp_path / "a.tif"]).frames()]), frames)


def test_an_ome_header_that_is_cut_off_or_no_xml_is_passed_over(tmp_path):
    frames = grey_frames(2)
    for k, text in enumerate([ome_text([("a.tif", 2)])[:200], "<OME>&undefined;</OME>", "<OME></OME>"]):
        path = write_ome(tmp_path / f"{k}.ome.tif", frames, text)
        np.testing.assert_array_equal(np.stack([frame for _, frame in Stack([path]).frames()]), frames)


# ------------------------------------------------------------------------------------------------------------ names and axes


@pytest.mark.parametrize("name", ["a\tb.tif", "day1 [640 nm].tif", "day1 [640 nm]/Pos[0].tif", "what?.tif", "a*b.tif"])
def test_a_name_that_is_there_comes_before_a_pattern(name, tmp_path):
    folder = write_folder(tmp_path / "s", stack=name)
    (folder / name).parent.mkdir(exist_ok=True)
    (folder / "stack.tif").rename(folder / name)
    assert len(load_experiment(folder).stack) == 2


@pytest.mark.parametrize(("axes", "warned"), [("CYX", True), ("ZYX", False), ("TYX", False)])
def test_frames_may_lie_along_any_one_axis_of_imagej(axes, warned, tmp_path):
    frames = grey_frames(5)
    tifffile.imwrite(tmp_path / "a.tif", frames, imagej=True, metadata={"axes": axes})
    with heard() as said:
        np.testing.assert_array_equal(np.stack([frame for _, frame in Stack([tmp_path / "a.tif"]).frames()]), frames)
    assert any("along the axis of channels" in one for one in said) == warned


@pytest.mark.parametrize("shape", [(5, 1, 1), (1, 5, 1), (1, 1, 5), (1, 1, 1, 5)])
def test_axes_of_length_one_are_no_axes(shape, tmp_path):
    frames = grey_frames(5)
    tifffile.imwrite(tmp_path / "a.tif", frames.reshape(*shape, 64, 48), photometric="minisblack")
    np.testing.assert_array_equal(np.stack([frame for _, frame in Stack([tmp_path / "a.tif"]).frames()]), frames)


@pytest.mark.parametrize("name", [r'"raw\tiff.tif"', r'"raw\new.tif"', r'"raw\bad.tif"'])
def test_backslashes_in_toml_are_told_of(name, tmp_path):
    folder = write_folder(tmp_path / "s", stack=f"raw:{name}")
    problems = check_experiment(folder).problems
    assert any("single quotes" in one and "slashes" in one for one in problems), problems


def test_a_path_with_backslashes_in_single_quotes_is_found_everywhere(tmp_path):
    folder = write_folder(tmp_path / "s", stack=r"raw:'raw\tiff.tif'")
    (folder / "raw").mkdir()
    (folder / "stack.tif").rename(folder / "raw" / "tiff.tif")
    assert len(load_experiment(folder).stack) == 2


@pytest.mark.parametrize("ending", ["sif", "h5", "raw"])
def test_another_format_is_named_with_the_way_out(ending, tmp_path):
    (tmp_path / f"a.{ending}").write_bytes(b"\x89HDF\r\n\x1a\n" + bytes(200))
    with pytest.raises(InputError, match=r"not TIFF; open it in Fiji .* save it as TIFF"):
        Stack([tmp_path / f"a.{ending}"])


# -------------------------------------------------------------------------------------------------------------- pixel sizes


SIZES = {
    "ImageJ, micron": (dict(imagej=True, resolution=(1 / 0.08, 1 / 0.08), metadata={"unit": "micron"}), 80),
    "ImageJ, \\u00B5m": (dict(imagej=True, resolution=(1 / 0.08, 1 / 0.08), metadata={"unit": "\\u00B5m"}), 80),
    "ImageJ, nm": (dict(imagej=True, resolution=(1 / 80, 1 / 80), metadata={"unit": "nm"}), 80),
    "ImageJ, pixel": (dict(imagej=True, resolution=(1, 1), metadata={"unit": "pixel"}), None),
    "ImageJ, one micron, as nobody said": (dict(imagej=True, resolution=(1, 1), metadata={"unit": "micron"}), None),
    "OME, µm": (dict(ome=True, metadata={"axes": "TYX", "PhysicalSizeX": 0.08}), 80),
    "OME, nm": (dict(ome=True, metadata={"axes": "TYX", "PhysicalSizeX": 80, "PhysicalSizeXUnit": "nm"}), 80),
    "cm": (dict(resolution=(1e7 / 80, 1e7 / 80), resolutionunit="CENTIMETER"), 80),
    "for printing": (dict(resolution=(300, 300), resolutionunit="INCH"), None),
    "none": ({}, None),
}


@pytest.mark.parametrize("case", SIZES)
def test_the_pixel_size_in_a_file_is_read(case, tmp_path):
    how, size_nm = SIZES[case]
    tifffile.imwrite(tmp_path / "a.tif", grey_frames(2), photometric="minisblack", **how)
    assert Stack([tmp_path / "a.tif"]).pixel_size_nm == (size_nm and pytest.approx(size_nm, rel=1e-4))


def _positions(folder, n_positions, n_frames):
    """Files of a recording at several positions of the stage, whose headers tell of all of them."""
    folder.mkdir()
    whole = [ome_text([(f"a_Pos{k}.ome.tif", n_frames)]) for k in range(n_positions)]
    images = "".join(text[text.index("<Image") : text.index("</OME>")] for text in whole)
    text = whole[0][: whole[0].index("<Image")] + images + "</OME>"
    frames = grey_frames(n_positions * n_frames).reshape(n_positions, n_frames, 64, 48)
    for k in range(n_positions):
        write_ome(folder / f"a_Pos{k}.ome.tif", frames[k], text)
    return frames


def test_a_file_of_a_position_holds_that_position_alone(tmp_path):
    frames = _positions(tmp_path / "set", 3, 4)
    for k in range(3):
        with heard() as said:
            stack = Stack([tmp_path / "set" / f"a_Pos{k}.ome.tif"])
        assert said == []
        np.testing.assert_array_equal(np.stack([frame for _, frame in stack.frames()]), frames[k])
    assert len(Stack([tmp_path / "set"])) == 12


def test_a_set_renamed_as_a_whole_is_read_without_a_warning(tmp_path):
    (tmp_path / "set").mkdir()
    frames, names = grey_frames(6), ["x.ome.tif", "x_1.ome.tif", "x_2.ome.tif"]
    for k, name in enumerate(names):
        text = ome_text([(one, 2) for one in names], own_id=f"urn:uuid:{name}")
        write_ome(tmp_path / "set" / f"mine_{k}.ome.tif", frames[2 * k : 2 * k + 2], text)
    with heard() as said:
        np.testing.assert_array_equal(np.stack([frame for _, frame in Stack([tmp_path / "set"]).frames()]), frames)
    assert said == []


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('SizeT="5"', 'SizeT="five"'),
        ('SizeT="5"', 'SizeT="5.0"'),
        ('FileName="a.ome.tif"', ""),
        ("a.ome.tif", "a" * 5000),
        ("</OME>", '<BinaryOnly MetadataFile="b.ome.tif"/></OME>'),
    ],
)
def test_an_odd_header_leaves_the_pages(old, new, tmp_path):
    frames = grey_frames(5)
    (tmp_path / "b.ome.tif").write_bytes(b"no TIFF")
    path = write_ome(tmp_path / "a.ome.tif", frames, ome_text([("a.ome.tif", 5)]).replace(old, new))
    with heard():
        np.testing.assert_array_equal(np.stack([frame for _, frame in Stack([path]).frames()]), frames)


def test_a_damaged_file_in_one_thread_is_no_damage_of_another(tmp_path):
    """Workers may have several threads, and tifffile one log."""
    tifffile.imwrite(tmp_path / "good.tif", grey_frames(3), photometric="minisblack")
    content = (tmp_path / "good.tif").read_bytes()
    (tmp_path / "bad.tif").write_bytes(content[:8] + bytes(range(200)) + content[208:])

    def read(name):
        try:
            return len(Stack([tmp_path / name]))
        except InputError:
            return 0

    with ThreadPoolExecutor(2) as threads:
        found = list(threads.map(read, ["good.tif", "bad.tif"] * 40))
    assert found[::2] == [3] * 40
