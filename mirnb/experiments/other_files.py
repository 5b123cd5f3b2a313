"""Stacks in other formats than TIFF: ND2, CZI, LIF, OME-Zarr and NDTiff, frame by frame; the extra `formats` installs them.

Frames lie along time, or along scenes (positions of the stage) where each has one time. Where there are several channels,
planes, or both scenes and times, which is meant is asked for, and said by name: [take] in experiment.toml.
"""

import contextlib
import itertools
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mirnb.experiments.other_readers import BioioReader, CziReader, LifReader, NdTiffReader, ZarrReader, is_ome_zarr
from mirnb.experiments.tiff_files import is_address, plausible_nm, require_memory
from mirnb.files import InputError, require_file, warn

_READERS = {  # format: package that reads it, and the reader
    "ND2": ("bioio-nd2", BioioReader), "CZI": ("pylibCZIrw", CziReader), "LIF": ("bioio-lif", LifReader),
    "OME-Zarr": ("zarr", ZarrReader), "NDTiff": ("ndstorage", NdTiffReader),
}  # fmt: skip
_SUFFIXES = {".nd2": "ND2", ".czi": "CZI", ".lif": "LIF", ".zarr": "OME-Zarr"}
_TAKEN_FROM = {"channel": "C", "plane": "Z", "time": "T"}  # key of [take] -> axis of an image
TAKE = ("channel", "plane", "scene", "time")
_MOST_NAMED = 12


@dataclass(frozen=True)
class OtherFrames:
    """The frames of one file."""

    path: Path
    n_frames: int
    shape: tuple[int, int]
    dtype: np.dtype
    axis: str  # along which frames lie: time, scene; empty for a single one
    pixel_size_nm: float | None  # as the file says; None where it says none
    places: tuple  # (scene, index along each axis) of each frame

    @contextlib.contextmanager
    def reading(self):
        """Yields a function that reads the frame of an index."""
        with _opened(self.path) as reader:
            yield lambda index: self._read(reader, index)

    def _read(self, reader, index):
        scene, at = self.places[index]
        try:
            frame = np.asarray(reader.read(scene, at)).reshape(self.shape)
        except Exception as error:  # packages raise whatever they like
            about = f"frame {index + 1} cannot be decoded ({_first_line(error)})"
            raise InputError(f"{self.path}: {about}; copy the file again") from error
        if not frame.any():  # as packages fill in what is not there
            raise InputError(
                f"{self.path}: frame {index + 1} has nothing but zeros; was the recording stopped, or a part not copied?"
            )
        return frame


def format_of(path):
    """The format of a file, folder or address, one of ND2, CZI, LIF, OME-Zarr, NDTiff; None where it is none of them."""
    known = _SUFFIXES.get(Path(path).suffix.lower())
    if known or is_address(path) or not Path(path).is_dir():
        return known
    return "NDTiff" if (Path(path) / "NDTiff.index").is_file() else "OME-Zarr" if is_ome_zarr(Path(path)) else None


def about_take(take):
    """What is wrong with a choice of channel, plane, scene and time: list of sentences."""
    unknown = [f"unknown key {key!r}; known are {', '.join(TAKE)}" for key in take if key not in TAKE]
    wrong = [
        f"{key} must be a name in quotes or a number from 1, got {value!r}"
        for key, value in take.items()
        if key in TAKE and (isinstance(value, bool) or not isinstance(value, str | int) or not str(value).strip())
    ]
    return unknown + wrong


def look_at_other(path, take):
    """What a file holds: OtherFrames.

    Parameters
    ----------
    path : Path or address
    take : dict
        Name, or number from 1, of the channel, plane, scene or time to take.

    Raises
    ------
    InputError
        If the file is missing or damaged, what reads it is not installed, it is in colour, or there are several channels,
        planes, or both scenes and times, and `take` does not say which; it lists what there is.
    """
    with _opened(path) as reader, _sentence(path):
        scene = _number(path, "scene", reader.scenes, take["scene"]) if "scene" in take else None
        image = reader.image(scene or 0)
        _require_grey(path, image)
        names = {key: _names(key, image) for key in _TAKEN_FROM}
        chosen = {key: _number(path, key, names[key], take[key]) for key in _TAKEN_FROM if key in take}
        several = [key for key in ("channel", "plane") if len(names[key]) > 1 and key not in chosen]
        names["scene"] = reader.scenes
        if min(len(reader.scenes), len(names["time"])) > 1 and scene is None and "time" not in chosen:
            several += ["scene", "time"]
        if several:
            raise InputError(_ask(path, several, names))
        scenes = range(len(reader.scenes)) if scene is None else [scene]
        times = [chosen["time"]] if "time" in chosen else range(len(names["time"]))
        _require_alike(path, reader, scenes, image)
        at = {"C": chosen.get("channel", 0), "Z": chosen.get("plane", 0)}
        places = tuple((one, {"T": time, **at}) for one, time in itertools.product(scenes, times))
        shape = image.sizes["Y"], image.sizes["X"]
        require_memory(path, shape, image.dtype)
        axis = "time" if len(times) > 1 else "scene" if len(scenes) > 1 else ""
        said = plausible_nm(image.pixel_um, "um")
        if image.n_missing:
            warn(f"{path}: {image.n_missing} of its chunks are not there, and are read as 0; was it copied whole?")
        return OtherFrames(path, len(places), shape, image.dtype, axis, said, places)


@contextlib.contextmanager
def _opened(path):
    """A file to be read; what is wrong with it, or missing here, is one sentence."""
    if is_address(path):
        raise InputError(f"{path}: {format_of(path)} is read on this machine alone; copy it here, or save it as TIFF")
    known = format_of(path)
    package, reader = _READERS[known]
    if not path.is_dir():
        require_file(path)
        if not path.stat().st_size:
            raise InputError(f"{path}: the file is empty")
    try:
        with _sentence(path):
            opened = reader(path)
    except ImportError as error:
        raise InputError(
            f"{path}: {known} is read by {package}, and {error.name or package} is not installed here; "
            f'python -m pip install "mirnb[formats]" installs all readers, python -m pip install {package} that of {known}'
        ) from None
    try:
        yield opened
    finally:
        opened.close()


@contextlib.contextmanager
def _sentence(path):
    """What packages raise over a file, as one sentence."""
    try:
        yield
    except (InputError, ImportError):
        raise
    except Exception as error:
        what = f"{path}: not a readable {format_of(path)} file ({_first_line(error)})"
        raise InputError(f"{what}; is it whole? copy it again") from None


def _first_line(error):
    said = (str(error).strip() or type(error).__name__).splitlines()[0]
    return (
        said.partition("does not support the image: ")[2].partition("'. ")[2][:200] or said[:200]
    )  # the path once is enough


def _require_grey(path, image):
    more = {axis: n for axis, n in image.sizes.items() if axis not in "TCZYX" and n > 1}
    if "S" in more:
        raise InputError(f"{path}: is a colour image; convert it to grey first")
    if more:
        found = " and ".join(f"{n} along {axis}" for axis, n in more.items())
        raise InputError(f"{path}: has {found}; expected channels, planes and times alone, save one of them as TIFF")
    if image.dtype.kind not in "uif" or 0 in image.sizes.values() or min(image.sizes["Y"], image.sizes["X"]) < 2:
        raise InputError(f"{path}: holds {image.dtype} of {image.sizes}; expected frames of (rows, cols) in grey values")


def _require_alike(path, reader, scenes, image):
    """Refuse scenes that differ in size: they are different pictures, not frames of one stack."""
    for one in scenes[1:]:
        other = reader.image(one)
        if other.sizes != image.sizes or other.dtype != image.dtype:
            sizes = [f"{there.sizes['Y']}x{there.sizes['X']}" for there in (image, other)]
            raise InputError(
                f"{path}: scene {reader.scenes[scenes[0]]!r} ({sizes[0]}) and {reader.scenes[one]!r} ({sizes[1]}) differ; "
                + _how_to_say("scene", reader.scenes)
            )


def _names(key, image):
    n = image.sizes.get(_TAKEN_FROM[key], 1)
    return image.channels if key == "channel" and len(image.channels) == n else tuple(map(str, range(1, n + 1)))


def _number(path, key, names, wanted):
    """Which one is meant, from 0: by a name that no other has, else by its number from 1."""
    if names.count(wanted) == 1:
        return names.index(wanted)
    if str(wanted).isdecimal() and 1 <= int(wanted) <= len(names):
        return int(wanted) - 1
    twice = "several of the name" if names.count(wanted) > 1 else f"no {key}"
    raise InputError(f"{path}: has {twice} {wanted!r} among {_listed(names)}; take one by its name, or its number from 1")


def _listed(names):
    if names == tuple(map(str, range(1, len(names) + 1))):
        return "1" if len(names) == 1 else f"1 to {len(names)}"
    more = ", ..." if len(names) > _MOST_NAMED else ""
    return ", ".join(f'{k} "{name}"' for k, name in enumerate(names[:_MOST_NAMED], 1)) + more


def _ask(path, several, names):
    """A sentence that lists what there is, and says how one of it is chosen."""
    found = " and ".join(f"{len(names[key])} {key}s ({_listed(names[key])})" for key in several)
    choose = [key for key in several if key != "time"]
    meant = "; ".join(_how_to_say(key, names[key]) for key in choose)
    return f"{path}: has {found}, and does not say which are meant; {meant}"


def _how_to_say(key, names):
    value = names[0] if names.count(names[0]) == 1 and names[0] and not names[0].isdecimal() else 1
    written = f'"{value}"' if isinstance(value, str) else value
    return (
        f"say one, such as [take] {key} = {written} in experiment.toml, which mirnb new DIR --stack FILE "
        f'--take "{key}={value}" writes'
    )
