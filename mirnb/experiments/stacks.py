"""Stacks, frame by frame, never whole in memory: TIFF, here or at any address of fsspec (s3://, ...), and other formats."""

import glob
import itertools
import os
import re
from pathlib import Path

import fsspec
import numpy as np
import tifffile

from mirnb.caches import fingerprint
from mirnb.experiments.other_files import about_take, format_of, look_at_other
from mirnb.experiments.tiff_files import answers, is_address, look_at_all
from mirnb.files import InputError, warn, whole_file

_SUFFIXES = (".tif", ".tiff", ".btf", ".tf8")
_USUAL_NM = 120.0  # the thesis's microscope
_SAMPLE = 2**16  # bytes
SAME_PIXELS = 0.01  # share by which two pixel sizes may differ and be the same


class Stack:
    """Frames of one or more files; frame counts go on across files.

    Parameters
    ----------
    paths : sequence of path or text
        TIFF, OME-TIFF or BigTIFF files, compressed or not, each one frame (rows, cols) or a stack (frames, rows, cols), its
        frames along any one axis; or folders of them. Text with :// is an address. Files that name each other (OME sets) are
        read whole, every frame once, whichever of them is given. Or ND2, CZI, LIF, OME-Zarr, NDTiff (`other_files`).
    quarter_turns : int
        Frames are turned by so many quarters against the clock when read, so that the dispersion runs down.
    take : dict, optional
        Name, or number from 1, of the channel, plane, scene or time that is taken of files other than TIFF.

    Raises
    ------
    InputError
        If a file is missing, of no format that is read, cut off, empty, in colour or one-dimensional, or files differ in
        frame shape; an address cannot be read; or there are several channels, say, and `take` does not say which.
    """

    def __init__(self, paths, *, quarter_turns=0, take=None):
        self.quarter_turns, self.take = quarter_turns % 4, dict(take or {})
        self._files = _look_at([one for path in paths for one in _in_folder(path)], self.take)
        if not self._files:
            raise InputError("a stack needs at least one file, none was given")
        first = self._files[0]
        for file in self._files[1:]:
            if (file.shape, file.dtype) != (first.shape, first.dtype):
                raise InputError(
                    f"{file.path}: frames of {_size(file.shape)} {file.dtype}, but those of {first.path} are "
                    f"{_size(first.shape)} {first.dtype}; a stack holds frames of one shape and type"
                )
        if any(file.axis == "C" for file in self._files):
            warn(f"{first.path}: its {len(self)} frames lie along the axis of channels, and are taken for frames")
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

    @property
    def pixel_size_nm(self):
        """As its first file says (ImageJ, OME, or a resolution that can be a microscope's); None where it says none."""
        return self._files[0].pixel_size_nm

    def has_pixels_of(self, taken_nm, *, within=SAME_PIXELS):
        """Whether the file says that size of pixels, but for a share `within`; also where either is not known."""
        return not self.pixel_size_nm or not taken_nm or abs(taken_nm / self.pixel_size_nm - 1) <= within

    def as_recorded(self):
        """The same stack, not turned."""
        return Stack(self.paths, take=self.take)

    def warn_of_pixel_size(self, taken_nm, source):
        """Warn where the file says another size of pixels than is taken. source : str, such as "experiment.toml says" """
        if not self.has_pixels_of(taken_nm):
            warn(f"{self.paths[0]}: its pixels are {self.pixel_size_nm:.4g} nm by the file, {source} {taken_nm:.4g} nm")

    def choose_pixel_size(self, given_nm=None):
        """The size of pixels that is given, else the file's, else 120 nm; where the first two differ that is warned of."""
        if given_nm is not None:
            self.warn_of_pixel_size(given_nm, "given are")
        return given_nm or self.pixel_size_nm or _USUAL_NM

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
                with file.reading() as read:
                    for index in here:
                        frame = read(index - first)
                        if frame.dtype.kind == "f" and not np.isfinite(frame).all():
                            raise InputError(
                                f"{file.path}: frame {index + 1} has NaN or infinite pixels; replace them first"
                            )
                        yield index, np.rot90(frame, self.quarter_turns)
            first += file.n_frames


def evenly_spread(n_frames, n_wanted):
    """Indices of at most `n_wanted` frames, spread evenly over a stack."""
    return np.unique(np.linspace(0, n_frames - 1, min(n_wanted, n_frames)).round().astype(int))


def find_files(folder, names):
    """Files of a stack as experiment.toml names them: files, patterns, folders, addresses: list of path or text.

    A file that is there by the letter comes before what its name would mean as a pattern. Files of a pattern or folder come
    in the order of the numbers in their names.
    """
    found = []
    for name in [names] if isinstance(names, str) else names:
        if is_address(name):
            found.append(name)
            continue
        path = folder / name
        if not path.exists() and "\\" in name:
            path = folder / name.replace("\\", "/")
        if path.exists() or not any(sign in name for sign in "*?["):
            if not path.exists() and not name.isprintable():
                raise InputError(
                    f"{folder / 'experiment.toml'}: {name!r} is no name of a file; a path with backslashes stands in single "
                    "quotes, or with slashes: 'raw\\a.tif' or \"raw/a.tif\""
                )
            found.append(path)
            continue
        matching = [folder / one for one in glob.glob(name, root_dir=folder, recursive=True)]  # noqa: PTH207 (whole paths too)
        if not matching:
            raise InputError(f"{path}: no file matches")
        found += sorted(matching, key=_by_numbers)
    return found


def _by_numbers(path):
    return [int(part) if part.isdigit() else part for part in re.split(r"(\d+)", str(path))]


def _look_at(paths, take):
    """What files hold, of whatever formats: list of TiffFrames and OtherFrames."""
    if wrong := about_take(take):
        raise InputError(f"take: {'; '.join(wrong)}")
    found = []
    for is_other, some in itertools.groupby(paths, key=lambda path: format_of(path) is not None):
        found += [look_at_other(one, take) for one in dict.fromkeys(some)] if is_other else look_at_all(list(some))
        if take and not is_other:
            raise InputError(f"{found[-1].path}: is TIFF, nothing of which is taken by name; leave out {', '.join(take)}")
    return found


def _in_folder(path):
    """The files of a folder, TIFF where there are some, or the file itself; some formats are folders."""
    path = path if is_address(path) else Path(path)
    if is_address(path) or not os.path.isdir(path) or format_of(path):  # noqa: PTH112 (raises nothing where it may not be read)
        return [path]
    inside = [one for one in path.iterdir() if not one.name.startswith(".")]
    files = [one for one in inside if one.suffix.lower() in _SUFFIXES] or [one for one in inside if format_of(one)]
    if not files:
        raise InputError(f"{path}: is a folder without a TIFF file; name the file of the stack, or a folder of its frames")
    return sorted(files, key=_by_numbers)


def path_fingerprint(path):
    """Fingerprint of a file: of its whole content; of a folder, of all its files.

    Of an address, of what its file system says of its version, and of samples of its content: head, tail, and fourteen
    places between, 64 KiB each.
    """
    if not is_address(path):
        inside = sorted(one for one in Path(path).rglob("*") if one.is_file()) if Path(path).is_dir() else []
        return fingerprint(*[one.relative_to(path).as_posix() for one in inside], *(inside or [Path(path)]))
    with answers(path):
        system, inner = fsspec.url_to_fs(path)
        system.invalidate_cache()
        size = system.size(inner)
        with system.open(inner, "rb", cache_type="none") as file:
            samples = [_bytes_at(file, start) for start in np.linspace(0, max(size - _SAMPLE, 0), 16).astype(int)]
        return fingerprint(path, size, system.ukey(inner), np.frombuffer(b"".join(samples), np.uint8))


def _bytes_at(file, start):
    file.seek(int(start))
    return file.read(_SAMPLE)


def stack_fingerprint(stack):
    """Fingerprint of all files of a stack, of what is taken of them and of how it is turned."""
    return fingerprint(stack.quarter_turns, stack.take, [path_fingerprint(path) for path in stack.paths])


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
