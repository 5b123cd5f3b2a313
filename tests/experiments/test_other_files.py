import builtins

import numpy as np
import pytest
from other_formats import SHAPE, WRITERS, value, write_lif, write_nd2, write_ndtiff, write_zarr

from mirnb.counting.worker import _stack
from mirnb.experiments.check import check_experiment
from mirnb.experiments.experiment_file import load_experiment, write_new_experiment
from mirnb.experiments.stacks import Stack, stack_fingerprint
from mirnb.files import InputError

for _name in ("pylibCZIrw", "bioio_lif", "bioio_nd2", "ndstorage", "zarr"):
    pytest.importorskip(_name)

every_format = pytest.mark.parametrize("ending", WRITERS)


def write(folder, ending, **how):
    return WRITERS[ending](folder / f"stack{ending}", **how)


def means(stack):
    return [int(frame.mean()) for _, frame in stack.frames()]


@every_format
def test_frames_lie_along_time_in_the_channel_that_is_named(tmp_path, ending):
    path = write(tmp_path, ending)
    stack = Stack([path], take={"channel": "b"})
    assert (len(stack), stack.frame_shape, stack.dtype) == (3, SHAPE, np.uint16)
    assert means(stack) == [value(k, 1) for k in range(3)]
    assert [index for index, _ in stack.frames([2])] == [2]
    assert stack.pixel_size_nm == pytest.approx(80)
    assert means(Stack([path], take={"channel": 1})) == [value(k, 0) for k in range(3)]


@every_format
def test_several_channels_are_asked_for_by_name(tmp_path, ending):
    path = write(tmp_path, ending)
    with pytest.raises(InputError, match=r'2 channels \(1 "a", 2 "b"\).*\[take\] channel = "a" in experiment.toml.*--take'):
        Stack([path])
    with pytest.raises(InputError, match='no channel \'red\' among 1 "a", 2 "b"'):
        Stack([path], take={"channel": "red"})


@every_format
def test_several_planes_are_asked_for_by_number(tmp_path, ending):
    path = write(tmp_path, ending, channels=("a",), n_planes=4)
    with pytest.raises(InputError, match=r"4 planes \(1 to 4\).*\[take\] plane = 1"):
        Stack([path])
    assert len(Stack([path], take={"plane": 3})) == 3


@every_format
def test_frames_lie_along_scenes_of_one_time_each(tmp_path, ending):
    stack = Stack([write(tmp_path, ending, channels=("a",), n_times=1, scenes=("0", "1", "2"))])
    assert means(stack) == [value(scene=s) for s in range(3)]


@every_format
def test_scenes_of_several_times_are_asked_for(tmp_path, ending):
    path = write(tmp_path, ending, channels=("a",), scenes=("0", "1"))
    with pytest.raises(InputError, match=r"2 scenes .* and 3 times \(1 to 3\)"):
        Stack([path])
    assert means(Stack([path], take={"scene": 2})) == [value(k, 0, 1) for k in range(3)]
    assert means(Stack([path], take={"time": 3})) == [value(2, 0, s) for s in range(2)]


@every_format
def test_a_stack_is_turned_and_known_by_what_is_taken(tmp_path, ending):
    path = write(tmp_path, ending)
    turned = Stack([path], quarter_turns=1, take={"channel": "b"})
    assert turned.frame_shape == SHAPE[::-1]
    assert turned.as_recorded().frame_shape == SHAPE
    fingerprints = {stack_fingerprint(Stack([path], take={"channel": one})) for one in "ab"}
    assert len(fingerprints) == 2


@pytest.mark.parametrize("version", [2, 3])
def test_ome_zarr_of_both_versions(tmp_path, version):
    stack = Stack([write_zarr(tmp_path / "a.zarr", version=version)], take={"channel": "b"})
    assert (means(stack), stack.pixel_size_nm) == ([value(k, 1) for k in range(3)], pytest.approx(80))


def test_parts_of_ome_zarr_that_are_not_there_are_told(tmp_path):
    path = write_zarr(tmp_path / "a.zarr", channels=("a",), chunks=(1, 1, 1, 24, 40))
    (path / "0/c/1/0/0/1/0").unlink()
    with pytest.warns(UserWarning, match="1 of its chunks"):
        stack = Stack([path])
    assert means(stack)[0] == value(0)
    (path / "0/c/1/0/0/0/0").unlink()
    with pytest.raises(InputError, match="frame 2 has nothing but zeros"):
        means(stack)


@every_format
def test_a_thousand_frames_are_read_one_by_one(tmp_path, ending):
    stack = Stack([write(tmp_path, ending, channels=("a",), n_times=1000)])
    assert len(stack) == 1000
    assert [int(frame.mean()) for _, frame in stack.frames([0, 999])] == [value(0), value(999)]


def test_a_recording_that_was_stopped_is_told(tmp_path):
    path = write_nd2(tmp_path / "short.nd2", channels=("a",))
    path.write_bytes(path.read_bytes().replace(b"ImageDataSeq|2!", b"SomethingElse2!"))
    stack = Stack([path])
    assert next(stack.frames([1]))[1].mean() == value(1)
    with pytest.raises(InputError, match="frame 3 has nothing but zeros; was the recording stopped"):
        means(stack)


def test_files_of_a_folder_are_one_stack(tmp_path):
    for k in (1, 2, 10):
        write_lif(tmp_path / f"{k}.lif", channels=("a",), n_times=k)
    stack = Stack([tmp_path])
    assert [path.name for path in stack.paths] == ["1.lif", "2.lif", "10.lif"]
    assert len(stack) == 13


@pytest.mark.parametrize("share", [0, 0.3, 0.9])
@pytest.mark.parametrize("ending", [".nd2", ".czi", ".lif"])
def test_a_file_cut_off_is_told_in_one_sentence(tmp_path, ending, share):
    path = WRITERS[ending](tmp_path / f"whole{ending}", channels=("a",))
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])
    with pytest.raises(InputError, match=r"whole\.(nd2|czi|lif): ") as raised:
        means(Stack([path]))
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("ending", ["nd2", "czi", "lif", "zarr"])
def test_a_file_that_is_something_else_is_told_in_one_sentence(tmp_path, ending):
    path = tmp_path / f"odd.{ending}"
    path.write_bytes(b"no picture at all" * 100)
    with pytest.raises(InputError, match=rf"odd\.{ending}: not a readable .* file \(.*copy it again$"):
        Stack([path])


def test_a_folder_of_a_broken_data_set_is_told_in_one_sentence(tmp_path):
    path = write_ndtiff(tmp_path / "a", channels=("a",))
    file = next(path.glob("*.tif"))
    file.write_bytes(file.read_bytes()[:6000])
    with pytest.raises(InputError, match=r"a_1: (frame \d cannot be decoded|not a readable NDTiff)"):
        means(Stack([path]))
    (path / "NDTiff.index").write_bytes(b"12345")
    with pytest.raises(InputError, match="not a readable NDTiff file"):
        Stack([path])
    (tmp_path / "b.zarr").mkdir()
    with pytest.raises(InputError, match="not a readable OME-Zarr file"):
        Stack([tmp_path / "b.zarr"])


@pytest.mark.parametrize(
    ("ending", "package"), [("nd2", "bioio-nd2"), ("czi", "pylibCZIrw"), ("lif", "bioio-lif"), ("zarr", "zarr")]
)
def test_a_reader_that_is_not_installed_is_named_with_what_installs_it(tmp_path, monkeypatch, ending, package):
    path = tmp_path / f"a.{ending}"
    path.write_bytes(b"something")
    for name in ("bioio_nd2", "pylibCZIrw.czi", "bioio_lif", "zarr"):
        monkeypatch.setitem(__import__("sys").modules, name, None)
    with pytest.raises(InputError, match=rf'python -m pip install "mirnb\[formats\]".*python -m pip install {package} '):
        Stack([path])


def test_nothing_of_tiff_is_taken_by_name_and_keys_are_known(tmp_path, small_stack):
    with pytest.raises(InputError, match="is TIFF, nothing of which is taken by name; leave out channel"):
        Stack([small_stack], take={"channel": "a"})
    with pytest.raises(InputError, match="unknown key 'chanel'; known are channel, plane, scene, time"):
        Stack([small_stack], take={"chanel": "a"})


def test_a_file_elsewhere_is_to_be_copied_here():
    with pytest.raises(InputError, match=r"s3://b/a\.nd2: ND2 is read on this machine alone"):
        Stack(["s3://b/a.nd2"])


def test_an_experiment_says_what_is_taken(tmp_path):
    path = write_zarr(tmp_path / "a.ome.zarr")
    folder = tmp_path / "mine"
    write_new_experiment(folder, [path], take={"channel": "b"})
    assert '[take]\nchannel = "b"' in (folder / "experiment.toml").read_text()
    experiment = load_experiment(folder)
    assert means(experiment.stack) == [value(k, 1) for k in range(3)]
    assert experiment.pixel_size_nm == 80
    assert "taken: channel b" in check_experiment(folder).found


def toml_of(folder, stack, more="", nm=80):
    folder.mkdir(exist_ok=True)
    (folder / "experiment.toml").write_text(f"name = 'a'\nstack = '{stack.as_posix()}'\npixel_size_nm = {nm}\n{more}")
    return folder


@pytest.mark.parametrize(
    ("take", "sentence"),
    [
        ("[take]\nchanel = 'b'", r"\[take\] unknown key 'chanel'; known are channel, plane, scene, time"),
        ("[take]\nchannel = 1.5", r"\[take\] channel must be a name in quotes or a number from 1, got 1.5"),
        ("[take]\nplane = true", r"\[take\] plane must be .* got True"),
        ("take = 'b'", "take must be a table"),
        ("[take]\nchannel = 'c'", "no channel 'c'"),
        ("", "2 channels"),
    ],
)
def test_a_choice_that_does_not_fit_is_told(tmp_path, take, sentence):
    with pytest.raises(InputError, match=sentence):
        load_experiment(toml_of(tmp_path / "mine", write_zarr(tmp_path / "a.zarr"), take))


@every_format
@pytest.mark.parametrize(("nm", "told"), [(80, False), (80.7, False), (81, True)])
def test_another_pixel_size_than_the_file_says_is_told(tmp_path, ending, nm, told):
    path = write(tmp_path, ending, channels=("a",))
    check = check_experiment(toml_of(tmp_path / "mine", path, nm=nm))
    assert any("its pixels are 80 nm by the file" in one for one in check.warnings) == told


def test_scenes_of_different_size_are_no_frames_of_one_stack(tmp_path, monkeypatch):
    import other_formats

    path = write_zarr(tmp_path / "a.zarr", channels=("a",), n_times=1, scenes=("0", "1"))
    monkeypatch.setattr(other_formats, "SHAPE", (30, 30))
    write_zarr(path / "1", channels=("a",), n_times=1)
    with pytest.raises(
        InputError, match=r"scene '0' \(48x40\) and '1' \(30x30\) differ; say one, such as \[take\] scene = 1"
    ):
        Stack([path])


def test_workers_open_what_is_taken(tmp_path):
    path = write_zarr(tmp_path / "a.zarr")
    stack = _stack((str(path),), "right", (("channel", "b"),))
    assert (means(stack)[0], stack.frame_shape) == (value(0, 1), SHAPE[::-1])


def test_nothing_of_these_packages_is_imported_for_tiff(small_stack, monkeypatch):
    imported, usual = [], builtins.__import__

    def note(name, *rest):
        imported.append(name)
        return usual(name, *rest)

    monkeypatch.setattr(builtins, "__import__", note)
    assert len(means(Stack([small_stack]))) == 2
    assert not [one for one in imported if one.startswith(("bioio", "zarr", "ndstorage", "nd2"))]


@pytest.fixture
def small_stack(tmp_path):
    from mirnb.experiments.stacks import write_stack

    write_stack(tmp_path / "small.tif", [np.full(SHAPE, 5)] * 2, pixel_size_nm=80)
    return tmp_path / "small.tif"
