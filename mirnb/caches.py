"""What is computed once is kept: fingerprints of inputs and of this program, arrays in files, damaged ones made again."""

import functools
import hashlib
import json
import platform
import sys
import zipfile
import zlib
from importlib import metadata
from pathlib import Path

import numpy as np

from mirnb import __version__
from mirnb.files import InputError, plain, whole_file

_DAMAGED = (OSError, EOFError, KeyError, ValueError, zipfile.BadZipFile, zlib.error)  # what reading a broken .npz may raise


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


@functools.cache
def program_fingerprint(without=""):
    """Fingerprint of this program: its version and the source of every module, a wing that is named left out."""
    root = Path(__file__).parent
    return fingerprint(__version__, *(path for path in sorted(root.rglob("*.py")) if path.parent.name != without))


@functools.cache
def made_by():
    """What numbers are made with here: Python and the libraries that compute."""
    libraries = (f"{name} {metadata.version(name)}" for name in ("numpy", "keras", "tensorflow"))
    return ", ".join([f"python {platform.python_version()}", *libraries])


def cache_key(*parts):
    """`fingerprint` of what numbers follow from, this program included; how they are drawn does not change them."""
    return fingerprint(*parts, program_fingerprint("plots"))


def write_arrays(path, arrays):
    """Write arrays by name as one .npz file, whole or not at all; not compressed, as noise hardly is."""
    with whole_file(path) as temporary, temporary.open("wb") as file:
        np.savez(file, **arrays)


def read_arrays(path):
    """Arrays of an .npz file by name."""
    try:
        with np.load(path, allow_pickle=False) as stored:
            return dict(stored)
    except _DAMAGED as error:
        raise InputError(f"{path}: damaged or cut off ({str(error)[:200] or type(error).__name__}); copy it again") from None


def stored(path, *, beside=()):
    """Arrays of a file in a cache; None where there is none, or a damaged one, which is said and removed.

    Parameters
    ----------
    beside : sequence of path
        Files that belong to it; where one is gone or damaged, there is none.
    """
    if not path.exists() or not all(map(_is_whole, beside)):
        return None
    try:
        return read_arrays(path)
    except InputError:
        print(f"{path.name}: damaged, and made again", file=sys.stderr)
        path.unlink()
        return None


def cached(path, make, *, beside=()):
    """Arrays of a file, made and written first if it is not there.

    Parameters
    ----------
    make : callable returning a dict of ndarrays
    beside : sequence of path
        Files that `make` writes as well; where one is gone, all are made again.
    """
    found = stored(path, beside=beside)
    if found is None:
        write_arrays(path, make())
        found = read_arrays(path)
    return found


def _is_whole(path):
    """Whether a file is there and, if it is an archive, as Keras's and skops's are, whole."""
    try:
        with zipfile.ZipFile(path) as archive:
            return archive.testzip() is None
    except FileNotFoundError:
        return False
    except _DAMAGED:
        return path.suffix not in (".keras", ".skops", ".npz")
