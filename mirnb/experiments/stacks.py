"""TIFF stacks, on this machine or at any address fsspec knows (s3://, gs://, ...), frame by frame, never whole in memory."""

import contextlib
import logging
from dataclasses import dataclass
from pathlib import Path

import fsspec
import numpy as np
import tifffile

from mirnb.files import InputError, fingerprint, whole_file


@dataclass(frozen=True)
class _File:
    path: Path | str  # text for an address
    n_frames: int
    shape: tuple[int, int]
    dtype: np.dtype


class Stack:
    """Frames of one or more TIFF files; frame counts go on across files.

    Parameters
    ----------
    paths : sequence of path or text
        TIFF, OME-TIFF or BigTIFF files, compressed or not, each one frame (rows, cols) or a stack (frames, rows, cols). Text
        with :// is an address.
    quarter_turns : int
        Frames are turned by so many quarters against the clock when read, so that the dispersion runs down.

    Raises
    ------
    InputError
        If a file is missing, no TIFF, cut off, empty, in colour or one-dimensional, or files differ in frame shape; or an
        address cannot be read.
    """

    def __init__(self, paths, *, quarter_turns=0):
        self.quarter_turns = quarter_turns % 4
        self._files = [_look_at(path if is_address(path) else Path(path)) for path in paths]
        if not self._files:
            raise InputError("a stack needs at least one TIFF file, none was given")
        first = self._files[0]
        for file in self._files[1:]:
            if (file.shape, file.dtype) != (first.shape, first.dtype):
                raise InputError(
                    f"{file.path}: frames of {_size(file.shape)} {file.dtype}, but those of {first.path} are "
                    f"{_size(first.shape)} {first.dtype}; a stack holds frames of one shape and type"
                )
        self.dtype = first.dtype
        self.frame_shape = first.shape if self.quarter_turns % 2 == 0 else first.shape[::-1]  # (rows, cols) as turned

    def __len__(self):
        return sum(file.n_frames for file in self._files)

    def __repr__(self):
        files = f"{self.paths[0]}" + (f" and {len(self.paths) - 1} more" if len(self.paths) > 1 else "")
        return f"Stack of {len(self)} frames, {_size(self.frame_shape)} {self.dtype}: {files}"

    @property
    def paths(self):
        """Of its files: Path, or text for an address."""
        return [file.path for file in self._files]

    def frames(self, indices=None):
        """Read frames one at a time.

        Parameters
        ----------
        indices : increasing sequence of int, optional
            Frames to read, from 0; all by default.

        Yields
        ------
        index : int
        frame : ndarray of shape `frame_shape`, turned so that the dispersion runs down

        Raises
        ------
        InputError
            If a frame cannot be decoded, or has NaN or infinite pixels.
        """
        wanted = range(len(self)) if indices is None else [int(index) for index in indices]
        first = 0
        for file in self._files:
            here = [index for index in wanted if first <= index < first + file.n_frames]
            if here:
                with _opened(file.path) as series:
                    for index in here:
                        frame = _read(series, index - first, file)
                        if frame.dtype.kind == "f" and not np.isfinite(frame).all():
                            raise InputError(
                                f"{file.path}: frame {index + 1} has NaN or infinite pixels; replace them first"
                            )
                        yield index, np.rot90(frame, self.quarter_turns)
            first += file.n_frames


def evenly_spread(n_frames, n_wanted):
    """Indices of at most `n_wanted` frames, spread evenly over a stack."""
    return np.unique(np.linspace(0, n_frames - 1, min(n_wanted, n_frames)).round().astype(int))


def is_address(path):
    """Whether it is text such as s3://bucket/stack.tif, not a path of this machine."""
    return isinstance(path, str) and "://" in path


def path_fingerprint(path):
    """Fingerprint of a file: of its content, or of an address and what its file system says of the file's version."""
    if not is_address(path):
        return fingerprint(Path(path))
    with _answers(path):
        system, inner = fsspec.url_to_fs(path)
        system.invalidate_cache()
        return fingerprint(path, system.size(inner), system.ukey(inner))


def stack_fingerprint(stack):
    """Fingerprint of all files of a stack and of how it is turned."""
    return fingerprint(stack.quarter_turns, [path_fingerprint(path) for path in stack.paths])


@contextlib.contextmanager
def _answers(address):
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


def write_stack(path, frames, *, pixel_size_nm, big=False, dtype=np.uint16):
    """Write frames one after another as a TIFF that ImageJ opens with its pixel size; whole or not at all.

    Parameters
    ----------
    frames : iterable of ndarray (rows, cols)
    big : bool
        BigTIFF, needed from 4 GiB on.
    """
    per_cm = 1e7 / pixel_size_nm
    with whole_file(path) as temporary, tifffile.TiffWriter(temporary, bigtiff=big) as writer:
        for frame in frames:
            writer.write(
                frame.astype(dtype, copy=False), contiguous=True, photometric="minisblack",
                resolution=(per_cm, per_cm), resolutionunit="CENTIMETER",
            )  # fmt: skip


def read_image(path):
    """One image (rows, cols) from a TIFF file, such as a mask."""
    stack = Stack([path])
    if len(stack) != 1:
        raise InputError(f"{path}: expected one image, found a stack of {len(stack)}")
    return next(frame for _, frame in stack.frames())


@contextlib.contextmanager
def _opened(path):
    """The first image series of a TIFF file; what tifffile only logs about a damaged file becomes an error."""
    heard = _Heard()
    logger = logging.getLogger("tifffile")
    logger.addHandler(heard)
    propagate, logger.propagate = logger.propagate, False
    with contextlib.ExitStack() as opened:
        try:
            file, length = path, 0
            if is_address(path):
                with _answers(path):
                    system, inner = fsspec.url_to_fs(path)
                    file, length = opened.enter_context(system.open(inner, "rb")), system.size(inner)
            tif = opened.enter_context(tifffile.TiffFile(file))
            series = list(tif.series)
            length = length or path.stat().st_size
            for one in series:
                _check_length(path, one, length)
        except InputError:
            raise
        except FileNotFoundError:
            raise InputError(f"{path}: there is no such file") from None
        except OSError as error:
            raise InputError(f"{path}: cannot be read ({error.strerror or error})") from None
        except Exception as error:  # of many kinds, when a file is not what it says it is
            if not (length or (not is_address(path) and path.stat().st_size)):
                raise InputError(f"{path}: the file is empty") from None
            if isinstance(error, tifffile.TiffFileError):
                raise InputError(f"{path}: not a readable TIFF file ({error})") from None
            raise InputError(f"{path}: damaged or cut off in the middle ({error}); copy the file again") from None
        finally:
            logger.removeHandler(heard)
            logger.propagate = propagate
        if heard.messages:
            raise InputError(f"{path}: damaged or cut off in the middle ({heard.messages[0]}); copy the file again")
        if len(series) > 1:
            shapes = " and ".join(str(one.shape) for one in series[:3])
            raise InputError(f"{path}: holds images of different shapes ({shapes}); save the frames alone")
        yield series[0] if series else None


class _Heard(logging.Handler):
    def __init__(self):
        super().__init__(logging.WARNING)
        self.messages = []

    def emit(self, record):
        self.messages.append(record.getMessage())


def _look_at(path):
    with _opened(path) as series:
        if series is None or 0 in series.shape:
            raise InputError(f"{path}: holds no image")
        if "S" in series.axes or (series.axes.startswith("C") and len(series.shape) > 2):
            raise InputError(f"{path}: is a colour image (axes {series.axes}); convert it to grey first")
        axes, shape = series.axes, series.shape
        if not (axes.endswith("YX") and min(shape[-2:]) > 1):
            raise InputError(f"{path}: is one-dimensional (axes {axes} of {shape}); expected frames of (rows, cols)")
        if len(shape) > 3:
            raise InputError(f"{path}: has axes {axes} of {shape}; expected (frames, rows, cols)")
        if series.dtype.kind not in "uif":
            raise InputError(f"{path}: has pixels of type {series.dtype}; expected grey values")
        n_frames = shape[0] if len(shape) == 3 else 1
        return _File(path, n_frames, shape[-2:], np.dtype(series.dtype))


def _check_length(path, series, length):
    ends = [0 if series.dataoffset is None else series.dataoffset + series.nbytes]
    for page in series.pages:
        if page is not None:
            ends += [start + length for start, length in zip(page.dataoffsets, page.databytecounts, strict=False)]
    if max(ends) > length:
        raise InputError(
            f"{path}: is cut off in the middle ({max(ends)} bytes expected, {length} there); copy the file again"
        )


def _read(series, index, file):
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


def _size(shape):
    return "x".join(map(str, shape))


class HeldFrames:
    """A few frames in memory, to be read as a `Stack` is.

    Parameters
    ----------
    frames : sequence of ndarray of shape (rows, cols)
        At least one, all of one shape and type.
    """

    def __init__(self, frames):
        self._frames = list(frames)
        self.frame_shape, self.dtype = self._frames[0].shape, self._frames[0].dtype

    def __len__(self):
        return len(self._frames)

    def frames(self, indices=None):
        """Index and frame of those wanted, all by default."""
        for index in range(len(self)) if indices is None else indices:
            yield int(index), self._frames[int(index)]
