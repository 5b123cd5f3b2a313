"""What a user hands over and gets back: errors that can be mended, whole writes, JSON, TOML, arrays, fingerprints."""

import contextlib
import hashlib
import json
import math
import os
import tempfile
import tomllib
from pathlib import Path

import numpy as np
import tomli_w

from mirnb import __version__

_HERE = Path(__file__).resolve().parent
_IS_CLONE = (_HERE.parent / "pyproject.toml").is_file() and (_HERE.parent / "notebooks").is_dir()
# relative paths in notebooks start at the root of the repository; at the working folder where mirnb is installed without it
ROOT = _HERE.parent if _IS_CLONE else Path.cwd().resolve()
NOTEBOOK_FOLDER = (_HERE.parent if _IS_CLONE else _HERE) / "notebooks"  # a wheel brings them along


class InputError(ValueError):
    """Something the user can mend; the message names file, row or key, what was expected and what to do."""

    def _render_traceback_(self):  # a notebook shows the message alone
        return [f"{type(self).__name__}: {self}"]


def make_folder(folder):
    """Make a folder and those above it; says in one sentence when that cannot be."""
    try:
        Path(folder).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"{folder}: cannot be written ({error.strerror}); choose another folder") from None


@contextlib.contextmanager
def whole_file(path):
    """Write a file whole or not at all: yields a temporary path beside it, renamed when the block ends well.

    Raises
    ------
    InputError
        If the file cannot be written (folder missing and not to be made, no permission, disk full).
    """
    path = Path(path)
    make_folder(path.parent)
    try:
        handle, name = tempfile.mkstemp(prefix=f".{path.stem}-", suffix=path.suffix, dir=path.parent)
        os.close(handle)
    except OSError as error:
        raise InputError(f"{path}: cannot be written ({error.strerror}); choose another folder") from None
    temporary = Path(name)
    try:
        yield temporary
        temporary.chmod(0o666 & ~_umask())
        temporary.replace(path)
    except OSError as error:
        raise InputError(f"{path}: could not be written ({error.strerror}); nothing was left half-written") from error
    finally:
        temporary.unlink(missing_ok=True)


def _umask():
    mask = os.umask(0)
    os.umask(mask)
    return mask


def read_text(path):
    """The text of a UTF-8 file; says in one sentence what is wrong with it otherwise."""
    try:
        return Path(path).read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise InputError(f"{path}: there is no such file") from None
    except UnicodeDecodeError:
        raise InputError(f"{path}: not a text file in UTF-8; save it as plain UTF-8 text") from None
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from None


def write_json(path, values):
    """Write plain values as JSON; NaN becomes null, NumPy numbers and arrays become plain ones."""
    text = json.dumps(plain(values), indent=1, allow_nan=False)
    with whole_file(path) as temporary:
        temporary.write_text(text + "\n", encoding="utf-8")


def read_json(path):
    """Values of a JSON file."""
    try:
        return json.loads(read_text(path))
    except json.JSONDecodeError as error:
        raise InputError(f"{path}: not a JSON file ({error})") from None


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


def fingerprint(*parts):
    """SHA-256, shortened to 16 hexadecimal digits, of files (`Path`), arrays and plain values together."""
    digest = hashlib.sha256()
    for part in parts:
        if isinstance(part, Path):
            with part.open("rb") as file:
                digest.update(hashlib.file_digest(file, "sha256").digest())
        elif isinstance(part, np.ndarray):
            digest.update(f"{part.dtype}{part.shape}".encode())
            digest.update(np.ascontiguousarray(part).tobytes())
        else:
            digest.update(json.dumps(plain(part), sort_keys=True).encode())
    return digest.hexdigest()[:16]


def cache_key(*parts):
    """`fingerprint` of what a result follows from, this version of mirnb included."""
    return fingerprint(*parts, __version__)


def write_arrays(path, arrays):
    """Write arrays by name as one .npz file, whole or not at all."""
    with whole_file(path) as temporary, temporary.open("wb") as file:
        np.savez_compressed(file, **arrays)


def read_arrays(path):
    """Arrays of an .npz file by name."""
    with np.load(path, allow_pickle=False) as stored:
        return dict(stored)


def cached(path, make, *, beside=()):
    """Arrays of a file, made and written first if it is not there.

    Parameters
    ----------
    make : callable returning a dict of ndarrays
    beside : sequence of path
        Files that `make` writes as well; where one is gone, all are made again.
    """
    if not all(one.exists() for one in (path, *beside)):
        write_arrays(path, make())
    return read_arrays(path)


def write_toml(path, values):
    """Write plain values as a TOML file, whole or not at all."""
    with whole_file(path) as temporary:
        temporary.write_text(tomli_w.dumps(plain(values)), encoding="utf-8")


def read_toml(path):
    """Values of a TOML file."""
    try:
        return tomllib.loads(read_text(path))
    except tomllib.TOMLDecodeError as error:
        raise InputError(f"{path}: not valid TOML: {error}") from None
