"""TIFF files as microscopes write them: which frames a file holds, which files belong together, what a header says of them.

tifffile opens a whole OME set from any of its files; here a file gives its own pages alone, and its OME header says which
other files go with it.
"""

import contextlib
import logging
import math
import threading
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

import fsspec
import numpy as np
import psutil
import tifffile

from mirnb.files import InputError, read_text, require_file, warn

_OWN_PAGES = {"is_ome": False, "is_mmstack": False, "is_ndtiff": False}
_SAYS_NOTHING_OF_PIXELS = ("TiffTag", "metadata", "description", "GDAL", "Geo", "ImageJ series of unknown order")  # in a log
_OTHERS = {
    "sif": "Andor's", "oib": "Olympus's", "oif": "Olympus's", "vsi": "Olympus's", "ims": "Imaris's", "spe": "Princeton's",
    "dcimg": "Hamamatsu's", "h5": "HDF5's", "hdf5": "HDF5's", "raw": "a camera's raw", "dat": "a camera's raw",
}  # fmt: skip
_NM = {"pm": 1e-3, "å": 0.1, "nm": 1.0, "nanometer": 1.0, "µm": 1e3, "μm": 1e3, "um": 1e3, "micron": 1e3, "microns": 1e3,
       "micrometer": 1e3, "\\u00b5m": 1e3, "mm": 1e6, "cm": 1e7, "inch": 2.54e7}  # fmt: skip
_TIMES_HELD = 12  # a frame while it is filtered and correlated
_UNIT_OF_TAG = {2: "inch", 3: "cm"}
_SMALLEST_NM, _LARGEST_NM, _NOT_SET_NM = 1.0, 2e4, 1e3  # beyond, it is a printer's resolution; one micron means: nobody said


@dataclass(frozen=True)
class TiffFrames:
    """The frames of one file."""

    path: Path | str  # text for an address
    n_frames: int
    shape: tuple[int, int]
    dtype: np.dtype
    axis: str  # along which frames lie, as tifffile names it (T, Z, C, ...); empty for a single one
    pixel_size_nm: float | None  # as the file says; None where it says none
    whole_set: tuple  # paths of this file and those that belong to it, in the order of their frames
    header: object = None  # _OmeHeader, which all files of a set share

    @contextlib.contextmanager
    def reading(self):
        """Yields a function that reads the frame of an index."""
        with opened(self.path, is_known=True) as tif:
            series = one_series(tif, self.path)
            yield lambda index: read_frame(series, index, self)


@dataclass(frozen=True)
class _OmeHeader:
    files: tuple  # names of those that belong together, in the order of their frames
    own: str  # that of the file it was read from, which may be called otherwise by now; empty when it is not among them
    axis: str
    n_frames: int
    pixel_size_nm: float | None


def is_address(path):
    """Whether it is text such as s3://bucket/stack.tif, not a path of this machine."""
    return isinstance(path, str) and "://" in path


def look_at_all(paths):
    """What files hold, and those that OME headers name beside them: list of TiffFrames, every file once.

    A set is whole whichever of its files is given, and its files come in the order of their frames. Where a header promises
    more frames than there are, that is warned of.
    """
    looked, sets = {}, {}
    for path in paths:
        if path not in sets:
            looked[path] = look_at(path)
            sets.update(dict.fromkeys(looked[path].whole_set, looked[path].whole_set))
    found = []
    for whole_set in dict.fromkeys(sets[path] for path in paths):
        header = next(looked[path].header for path in whole_set if path in looked)
        found += [looked.get(path) or look_at(path, header) for path in whole_set]
    _warn_of_missing(found)
    return found


def _warn_of_missing(found):
    """Warn where there are fewer frames than an OME header promises for all files that have it."""
    by_header = {}
    for one in found:
        if one.header:
            by_header.setdefault((one.header.files, one.header.n_frames), []).append(one)
    for (_, n_promised), files in by_header.items():
        n_frames = sum(one.n_frames for one in files)
        if n_frames < n_promised:
            warn(
                f"{files[0].path}: the header promises {n_promised} frames, {n_frames} are there and read; was the "
                "recording stopped early, or is a file of the set missing?"
            )


def look_at(path, header=None):
    """What a file holds: TiffFrames.

    Parameters
    ----------
    header : _OmeHeader, optional
        Of the set it belongs to, if that was read from another of its files already.

    Raises
    ------
    InputError
        If the file is missing, no TIFF, cut off, empty, in colour or one-dimensional, or holds frames along two axes.
    """
    with opened(path) as tif:
        given, series = header, one_series(tif, path)
        header = given or _ome_header(tif, path)
        if series is None or 0 in series.shape:
            raise InputError(f"{path}: holds no image")
        axes, shape = series.get_axes(squeeze=False), series.get_shape(squeeze=False)
        if axes.endswith("S") and shape[-1] == 1:
            axes, shape = axes[:-1], shape[:-1]
        if "S" in axes and shape[axes.index("S")] > 1:
            raise InputError(f"{path}: is a colour image (axes {axes}); make it grey, or save its frames as minisblack")
        if not (axes.endswith("YX") and min(shape[-2:]) > 1):
            raise InputError(f"{path}: is one-dimensional (axes {axes} of {shape}); expected frames of (rows, cols)")
        if series.dtype.kind not in "uif":
            raise InputError(f"{path}: has pixels of type {series.dtype}; expected grey values")
        require_memory(path, shape[-2:], np.dtype(series.dtype))
        axis = _only_axis(path, dict(zip(axes[:-2], shape[:-2], strict=True)))
        n_frames = math.prod(shape[:-2]) if series.dataoffset is not None else min(math.prod(shape[:-2]), len(series.pages))
        said = header.pixel_size_nm if header else _pixel_size_nm(tif)
        axis = header.axis if header else axis
        whole_set = (path,) if given else _set_of(path, header)
        return TiffFrames(path, n_frames, tuple(shape[-2:]), np.dtype(series.dtype), axis, said, whole_set, header)


def _set_of(path, header):
    if header is None or not header.own or is_address(path):
        return (path,)
    files = [path if name == header.own else path.parent / name for name in header.files]
    return tuple(one for one in files if one == path or one.is_file())


def require_memory(path, shape, dtype):
    """Refuse frames that could not be worked on here; a frame is held several times over, as floating-point numbers."""
    needed, there = shape[0] * shape[1] * max(dtype.itemsize, 4) * _TIMES_HELD, psutil.virtual_memory().total
    if needed > there:
        raise InputError(
            f"{path}: frames of {shape[0]}x{shape[1]} {dtype} take about {needed / 1e9:.1f} GB each to work on, "
            f"this machine has {there / 1e9:.1f}; cut them into fields"
        )


def _only_axis(path, sizes):
    """The axis along which frames lie; two or more are refused, as nobody could say which frames are meant."""
    long = [axis for axis, n in sizes.items() if n > 1]
    if len(long) > 1:
        found = " and ".join(f"{sizes[axis]} along {axis}" for axis in long)
        raise InputError(f"{path}: has axes {found}; expected frames along one, save one channel or plane of it alone")
    return long[0] if long else ""


@contextlib.contextmanager
def opened(path, *, is_known=False):
    """A TIFF file to be read, its own pages alone, all looked through unless it is known; what is wrong is one sentence."""
    _NOTED.messages = damage = []
    with contextlib.ExitStack() as stack:
        try:
            file, length = path, 0
            if is_address(path):
                with answers(path):
                    system, inner = fsspec.url_to_fs(path)
                    file, length = stack.enter_context(system.open(inner, "rb")), system.size(inner)
            else:
                require_file(path)
            tif = stack.enter_context(tifffile.TiffFile(file, **_OWN_PAGES))
            length = length or path.stat().st_size
            for one in tif.series:
                _check_length(path, one, length, pages=[] if is_known and one.dataoffset is not None else one.pages)
        except InputError:
            raise
        except OSError as error:
            raise InputError(f"{path}: cannot be read ({error.strerror or error})") from None
        except Exception as error:  # of many kinds, when a file is not what it says it is
            raise InputError(_about_no_tiff(path, error, length)) from None
        finally:
            _NOTED.messages = None
        if damage:
            raise InputError(f"{path}: damaged or cut off in the middle ({damage[0]}); copy the file again")
        yield tif


def _about_no_tiff(path, error, length):
    if not (length or (not is_address(path) and path.stat().st_size)):
        return f"{path}: the file is empty"
    ending = str(path).rsplit(".", 1)[-1].lower()
    if ending in _OTHERS:
        return (
            f"{path}: is a file in {_OTHERS[ending]} format, not TIFF; open it in Fiji (Plugins > Bio-Formats, or "
            "File > Import for raw and HDF5) and save it as TIFF"
        )
    if isinstance(error, tifffile.TiffFileError):
        return f"{path}: not a readable TIFF file ({error}); save the frames as TIFF"
    return f"{path}: damaged or cut off in the middle ({error}); copy the file again"


_NOTED = threading.local()  # messages: of the file that this thread is opening


def _note(record):
    """Keep what tifffile only logs of a file that is being opened, when it says that pages are damaged."""
    messages = getattr(_NOTED, "messages", None)
    if messages is None:
        return True
    if not any(words in record.getMessage() for words in _SAYS_NOTHING_OF_PIXELS):
        messages.append(record.getMessage())
    return False


logging.getLogger("tifffile").addFilter(_note)


@contextlib.contextmanager
def answers(address):
    """What a file system at an address may raise, as one sentence."""
    try:
        yield
    except InputError:
        raise
    except FileNotFoundError:
        raise InputError(f"{address}: there is no such file") from None
    except ImportError as error:
        raise InputError(
            f'{address}: {error}; s3:// and gs:// need more packages: python -m pip install "mirnb[remote]"'
        ) from None
    except Exception as error:  # file systems raise whatever they like
        raise InputError(f"{address}: cannot be read ({str(error) or type(error).__name__})") from None


def one_series(tif, path):
    """The frames of an open file as tifffile's series; None where it holds no image."""
    series = list(tif.series)
    if len(series) > 1:
        shapes = " and ".join(str(one.shape) for one in series[:3])
        raise InputError(f"{path}: holds images of different shapes ({shapes}); save the frames alone")
    return series[0] if series else None


def _check_length(path, series, length, *, pages):
    ends = [0 if series.dataoffset is None else series.dataoffset + series.nbytes]
    for page in pages:
        if page is not None:
            ends += [start + length for start, length in zip(page.dataoffsets, page.databytecounts, strict=False)]
    if max(ends) > length:
        raise InputError(
            f"{path}: is cut off in the middle ({max(ends)} bytes expected, {length} there); copy the file again"
        )


def read_frame(series, index, file):
    """One frame of a file, (rows, cols). file : TiffFrames"""
    if series.dataoffset is not None:  # one block: read its part, so that a stack never lies in memory
        n_pixels = file.shape[0] * file.shape[1]
        offset = series.dataoffset + index * n_pixels * file.dtype.itemsize
        dtype = file.dtype.newbyteorder(series.parent.byteorder)
        pixels = series.parent.filehandle.read_array(dtype, n_pixels, offset)
        return pixels.reshape(file.shape).astype(file.dtype, copy=False)
    try:
        return np.squeeze(series.pages[index].asarray()).reshape(file.shape)
    except Exception as error:  # decoders raise whatever they like
        raise InputError(f"{file.path}: frame {index + 1} cannot be decoded ({error}); copy the file again") from error


def _ome_header(tif, path):
    """What the OME header of an open file says, its own or that in the file it refers to; None without one."""
    try:
        root = _ome_root(tif.pages.first.description if len(tif.pages) else "")
        own_id, here = "" if root is None else root.get("UUID"), "" if is_address(path) else path.name
        elsewhere = _parts(root, "BinaryOnly")[0].get("MetadataFile") if _parts(root, "BinaryOnly") else ""
        if elsewhere and here and (path.parent / elsewhere).is_file():
            root = _ome_root(_description(path.parent / elsewhere))
        return _read_header(path, _parts(root, "Image"), own_id, here)
    except InputError:
        raise
    except (ValueError, TypeError, OSError, AttributeError, IndexError, tifffile.TiffFileError):
        return None  # not as a header is: the pages are there all the same


def _parts(element, name):
    return [] if element is None else [one for one in element.iter() if one.tag.endswith(f"}}{name}")]


def _read_header(path, images, own_id, here):
    """The header of the images (one for each position of a stage) that lie in a file, and of the files these go on in."""

    def is_own(uuid):
        return uuid.get("FileName") == here or bool(own_id and uuid.text == own_id)

    images = [one for one in images if any(map(is_own, _parts(one, "UUID")))] or images
    uuids = [uuid for one in images for uuid in _parts(one, "UUID") if uuid.get("FileName")]
    pixels = [one for image in images for one in _parts(image, "Pixels")]
    if not pixels:
        return None
    axes, n_frames = [], 0
    for one in pixels:
        samples = [int(channel.get("SamplesPerPixel", 1)) for channel in _parts(one, "Channel")]
        sizes = {axis: int(one.get(f"Size{axis}", 1)) for axis in "TZC"}
        sizes["C"] //= max(samples[:1] or [1])
        axes.append(_only_axis(path, sizes))
        n_frames += math.prod(sizes.values())
    own = next((uuid.get("FileName") for uuid in uuids if is_own(uuid)), "")
    names = dict.fromkeys(uuid.get("FileName") for uuid in uuids)  # in the order of their planes
    said = plausible_nm(pixels[0].get("PhysicalSizeX"), pixels[0].get("PhysicalSizeXUnit", "µm"))
    return _OmeHeader(tuple(names), own, max(axes), n_frames, said)


def _ome_root(text):
    try:
        return ElementTree.fromstring(text) if text.rstrip().endswith("OME>") else None
    except ElementTree.ParseError:
        return None


def _description(path):
    if path.suffix.lower() not in (".tif", ".tiff"):
        return read_text(path)
    with tifffile.TiffFile(path, **_OWN_PAGES) as tif:
        return tif.pages.first.description


def _pixel_size_nm(tif):
    """Pixel size by ImageJ's unit or by the resolution tags; None where they say none."""
    tags = tif.pages.first.tags
    per_unit = tags.valueof("XResolution")
    if not isinstance(per_unit, tuple) or 0 in per_unit[:2]:
        return None
    unit = (tif.imagej_metadata or {}).get("unit") or _UNIT_OF_TAG.get(tags.valueof("ResolutionUnit"), "")
    return plausible_nm(per_unit[1] / per_unit[0], unit)


def plausible_nm(size, unit):
    """A size of pixels in nm, if it can be a microscope's."""
    try:
        nm = float(size) * _NM[str(unit).lower()]
    except (TypeError, ValueError, KeyError):
        return None
    return nm if _SMALLEST_NM <= nm <= _LARGEST_NM and nm != _NOT_SET_NM else None
