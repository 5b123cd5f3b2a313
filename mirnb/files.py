"""What a user hands over and gets back: errors that can be mended, whole writes, JSON, TOML, links, listings."""

import codecs
import contextlib
import contextvars
import functools
import json
import math
import os
import shutil
import stat
import tempfile
import time
import tomllib
import warnings
from pathlib import Path

import filelock
import numpy as np
import tomli_w

_HERE = Path(__file__).resolve().parent
_IS_CLONE = (_HERE.parent / "pyproject.toml").is_file() and (_HERE.parent / "notebooks").is_dir()
# relative paths in notebooks start at the root of the repository; at the working folder where mirnb is installed without it
ROOT = _HERE.parent if _IS_CLONE else Path.cwd().resolve()
NOTEBOOK_FOLDER = (_HERE.parent if _IS_CLONE else _HERE) / "notebooks"  # a wheel brings them along


_TEMPORARY = ".mirnb-"  # begins the names of files and folders that are being written
_OLD_S = 24 * 3600  # after which nobody is writing them any more


class InputError(ValueError):
    """Something the user can mend; the message names file, row or key, what was expected and what to do."""

    def _render_traceback_(self):  # a notebook shows the message alone
        return [f"{type(self).__name__}: {self}"]


class InputWarning(UserWarning):
    """Something the user should know of an input that can be worked with; the message is a sentence, as of an InputError."""


_LISTENER = contextvars.ContextVar("listener", default=None)  # of this thread alone


def warn(sentence):
    """Warn of an input, wherever in the program that is; a notebook shows no path of this machine beside it."""
    listener = _LISTENER.get()
    if listener is None:
        warnings.warn_explicit(sentence, InputWarning, "mirnb", 0)
    elif sentence not in listener:
        listener.append(sentence)


@contextlib.contextmanager
def heard():
    """Yields a list that gets the sentences of `warn` said inside, each once; they are not shown."""
    said = []
    token = _LISTENER.set(said)
    try:
        yield said
    finally:
        _LISTENER.reset(token)


_RANGES = {  # least and largest value of what notebooks and functions are given, by name
    "background_percentile": (0, 99.9), "cap_sds": (0.1, None), "seed": (0, None), "field_px": (32, None),
    "n_runs": (1, None), "epochs": (1, None), "batch_size": (1, None), "learning_rate": (1e-9, 1e3),
    "n_resamples": (20, None), "repeats": (1, None), "claim_runs": (1, None), "n_splits": (1, None), "subset": (0, None),
    "least_f1": (0, 0.999), "n_crops": (100, None), "n_epochs": (1, None), "test_share": (0.01, 0.9),
    "validation_share": (0.01, 0.9), "training_share": (0.01, 1),
}  # fmt: skip


def require_in_range(prefix="", **values):
    """Raise one sentence that names the value out of its range. prefix : str, before its name"""
    for name, value in values.items():
        low, high = _RANGES.get(name, (None, None))
        if (low is not None and not value >= low) or (high is not None and not value <= high):
            wanted = f"be {low:g} or more" if high is None else f"lie from {low:g} to {high:g}"
            raise InputError(f"{prefix}{name} must {wanted}, got {value!r}")


def make_folder(folder):
    """Make a folder and those above it, as open as the one they lie in; says in one sentence when that cannot be."""
    folder = Path(folder)
    try:
        new = [one for one in (folder, *folder.parents) if not one.exists()]
        folder.mkdir(parents=True, exist_ok=True)
        for one in reversed(new):
            share(one)
    except OSError as error:
        raise InputError(f"{folder}: cannot be written ({error.strerror}); choose another folder") from None


def share(path):
    """Let the group of the folder it lies in write a new file or folder, where it may write in that folder.

    Two accounts then work in one folder whatever their umask. Where a file cannot be of that group nothing is opened.
    """
    above = path.parent.stat()
    if above.st_mode & stat.S_IWGRP and not above.st_mode & stat.S_ISVTX:
        with contextlib.suppress(OSError, AttributeError):  # not of that group; no groups on this system
            os.chown(path, -1, above.st_gid)
        if path.stat().st_gid == above.st_gid:
            path.chmod(path.stat().st_mode | above.st_mode & (0o070 if path.is_dir() else 0o060))


def shared_lock(path):
    """A lock file that all who may write in its folder can take, whatever their umask; a killed process holds none."""
    return filelock.FileLock(path, mode=0o666 & path.parent.stat().st_mode | 0o600)


@contextlib.contextmanager
def whole_file(path):
    """Write a file whole or not at all: yields a temporary path beside it, renamed when the block ends well.

    A link stays one: the file it leads to is written. A file that was there keeps its mode, a new one follows `share`.

    Raises
    ------
    InputError
        If the file cannot be written (folder missing and not to be made, no permission, disk full).
    """
    target = Path(os.path.realpath(path))
    make_folder(target.parent)
    try:
        _remove_old(target.parent)
        handle, name = tempfile.mkstemp(prefix=f"{_TEMPORARY}{target.stem}-", suffix=target.suffix, dir=target.parent)
        os.close(handle)
    except OSError as error:
        raise InputError(f"{path}: cannot be written ({error.strerror}); choose another folder") from None
    temporary = Path(name)
    try:
        yield temporary
        if target.exists():
            temporary.chmod(stat.S_IMODE(target.stat().st_mode))
        else:
            temporary.chmod(0o666 & ~_umask())
            share(temporary)
        temporary.replace(target)
    except OSError as error:
        raise InputError(f"{path}: could not be written ({error.strerror}); nothing was left half-written") from error
    finally:
        temporary.unlink(missing_ok=True)


@contextlib.contextmanager
def whole_folder(folder):
    """Write a folder whole or not at all: yields an empty one, which takes the place of what was there at the end."""
    folder = Path(folder)
    make_folder(folder.parent)
    _remove_old(folder.parent)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f"{_TEMPORARY}{folder.name}-") as made:
        new = Path(made) / "new"
        new.mkdir()
        yield new
        if folder.exists():
            folder.rename(Path(made) / "old")
        new.rename(folder)
    share(folder)


def listed(folder, pattern):
    """Files of a folder by a pattern, in order; hidden ones, such as a killed writer leaves, are passed over."""
    return sorted(path for path in Path(folder).glob(pattern) if not path.name.startswith("."))


@functools.cache
def _remove_old(folder):
    """Remove what writers that were killed left in a folder long ago; looked for once a run."""
    for path in folder.glob(f"{_TEMPORARY}*"):
        with contextlib.suppress(OSError):
            if time.time() - path.stat().st_mtime > _OLD_S:
                shutil.rmtree(path) if path.is_dir() else path.unlink()


def _umask():
    mask = os.umask(0)
    os.umask(mask)
    return mask


def read_text(path):
    """The text of a file in UTF-8, or in UTF-16 as Excel and PowerShell write it; says in one sentence what is wrong."""
    try:
        return Path(path).read_text(encoding=text_encoding(path))
    except UnicodeDecodeError:
        raise InputError(f"{path}: not a text file in UTF-8; save it as plain UTF-8 text") from None
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from None


def require_file(path):
    """Raise one sentence unless a regular file is there: a pipe or a device could be waited for without end."""
    try:
        mode = Path(path).stat().st_mode
    except FileNotFoundError:
        raise InputError(f"{path}: there is no such file") from None
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: cannot be read ({getattr(error, 'strerror', None) or error})") from None
    if stat.S_ISDIR(mode):
        raise InputError(f"{path}: is a folder; expected a file")
    if not stat.S_ISREG(mode):
        raise InputError(f"{path}: is no regular file but a pipe, socket or device; copy its content into a file")


def text_encoding(path):
    """How the text of a file is written: its mark tells, or zeros in every second byte; else UTF-8."""
    require_file(path)
    try:
        with Path(path).open("rb") as file:
            start = file.read(4096)
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from None
    marks = {"utf-32": (codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE), "utf-16": (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)}
    for encoding, marked in marks.items():
        if start.startswith(marked):
            return encoding
    for encoding, first in (("utf-16-le", 1), ("utf-16-be", 0)):
        if len(start) > 1 and not any(start[first::2]) and all(start[1 - first :: 2]):
            return encoding
    return "utf-8-sig"


def write_json(path, values):
    """Write plain values as JSON; NaN becomes null, NumPy numbers and arrays become plain ones."""
    text = json.dumps(plain(values), indent=1, allow_nan=False)
    with whole_file(path) as temporary:
        temporary.write_text(text + "\n", encoding="utf-8")


def read_json(path):
    """Values of a JSON file."""
    text = read_text(path)
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:  # also a number of thousands of digits, and brackets in brackets
        raise InputError(f"{path}: not a JSON file ({str(error)[:200]}); copy it again, or make it again") from None


def plain(value):
    """NumPy's numbers and arrays, tuples and paths as plain ones, NaN as None."""
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if isinstance(value, np.ndarray | np.generic):
        return plain(value.tolist())
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, Path):
        return value.as_posix()
    return value


def write_toml(path, values):
    """Write plain values as a TOML file, whole or not at all."""
    with whole_file(path) as temporary:
        temporary.write_text(tomli_w.dumps(plain(values)), encoding="utf-8")


def read_toml(path):
    """Values of a TOML file."""
    text = read_text(path)
    try:
        return tomllib.loads(text)
    except (ValueError, RecursionError) as error:  # also a number of thousands of digits, and brackets in brackets
        about = ""
        if "\\" in text:
            about = "; a path with backslashes stands in single quotes, or with slashes: 'raw\\a.tif' or \"raw/a.tif\""
        raise InputError(f"{path}: not valid TOML: {str(error)[:200]}{about}") from None
