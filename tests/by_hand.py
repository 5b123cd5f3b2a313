"""What tests make by hand: molecules of two round blobs, and experiment folders of a few small frames."""

import json
from pathlib import Path

import numpy as np
import tifffile

PIXEL_NM = 120.0


def blob(shape, row, col, *, sigma_px=1.1, height=1.0):
    """A round blob whose middle is the middle of pixel (row, col)."""
    rows, cols = np.indices(shape)
    return height * np.exp(-((rows - row) ** 2 + (cols - col) ** 2) / (2 * sigma_px**2))


def two_blobs(*, gap_px, shape=(24, 10), at=(6, 5), lower=0.5):
    """A molecule: a blob at pixel `at` and a dimmer one `gap_px` below."""
    return blob(shape, *at) + blob(shape, at[0] + gap_px, at[1], height=lower)


def place(picture, *, at, shape):
    """A picture on an empty frame, its first pixel at `at`."""
    frame = np.zeros(shape)
    frame[at[0] : at[0] + picture.shape[0], at[1] : at[1] + picture.shape[1]] = picture
    return frame


def grey_frames(n_frames=2, shape=(64, 48), *, dtype=np.uint16, seed=0):
    """Frames in which every pixel differs from its neighbours, so that no mix-up of pixels goes unseen."""
    return np.random.default_rng(seed).integers(800, 1000, (n_frames, *shape)).astype(dtype)


def toml_text(**values):
    """An experiment.toml; None leaves a key out, text starting with `raw:` is taken as it is."""
    given = {"name": "sample", "stack": "stack.tif", "blobs": "blobs.csv", "pixel_size_nm": 120, **values}
    lines = []
    for key, value in given.items():
        if isinstance(value, str) and value.startswith("raw:"):
            lines.append(f"{key} = {value.removeprefix('raw:')}")
        elif isinstance(value, dict):
            inline = ", ".join(f"{name} = {json.dumps(item)}" for name, item in value.items())
            lines.append(f"{key} = {{{inline}}}")
        elif value is not None:
            lines.append(f"{key} = {json.dumps(value)}")
    return "\n".join(lines) + "\n"


def blobs_text(rows, header="id,frame,x [nm],y [nm]"):
    """A blob table as text: one tuple of cells a row."""
    return "\n".join([header, *(",".join(map(str, row)) for row in rows)]) + "\n"


def middle_nm(row, col, pixel_nm=PIXEL_NM):
    """x and y of the middle of a pixel, nm from the outer corner of the first."""
    return (col + 0.5) * pixel_nm, (row + 0.5) * pixel_nm


def write_folder(folder, *, frames=None, blobs=None, toml=None, **values):
    """An experiment folder: two frames of 64x48, a blob in the middle of each, experiment.toml with `values`."""
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    tifffile.imwrite(folder / "stack.tif", grey_frames() if frames is None else frames, photometric="minisblack")
    x, y = middle_nm(32, 24)
    (folder / "blobs.csv").write_text(blobs_text([(1, 1, x, y), (2, 2, x, y)]) if blobs is None else blobs)
    (folder / "experiment.toml").write_text(toml_text(**values) if toml is None else toml)
    return folder


def everything_in(folder):
    """Path and content of every file below a folder, to see that nothing was left or changed."""
    return {path.relative_to(folder): path.read_bytes() for path in Path(folder).rglob("*") if path.is_file()}


_OME = 'xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06"'


def ome_text(files, *, sizes=None, own_id="", extra="", images=1, promised=None):
    """An OME header: files is a list of (name, frames)."""
    sizes = sizes or {"T": promised or sum(n for _, n in files)}
    planes, first = "", 0
    for name, n in files:
        for plane in range(n):
            planes += f'<TiffData FirstT="{first + plane}" FirstC="0" FirstZ="0" IFD="{plane}" PlaneCount="1">'
            planes += f'<UUID FileName="{name}">urn:uuid:{name}</UUID></TiffData>'
        first += n
    size = " ".join(f'Size{axis}="{sizes.get(axis, 1)}"' for axis in "TZC")
    pixels = (
        f'<Pixels ID="Pixels:0" DimensionOrder="XYZCT" Type="uint16" SizeX="48" SizeY="64" {size} {extra}>{planes}</Pixels>'
    )
    image = "".join(f'<Image ID="Image:{k}">{pixels}</Image>' for k in range(images))
    return f'<?xml version="1.0"?><OME {_OME} {f"UUID={own_id!r}" if own_id else ""}>{image}</OME>'


def write_ome(path, frames, text):
    tifffile.imwrite(path, frames, photometric="minisblack", metadata=None, description=text.encode())
    return path


def write_set(folder, names, lengths, *, only_first_knows=False):
    """A set of files, each of which names all: frames, in order."""
    folder.mkdir()
    frames, first = grey_frames(sum(lengths)), 0
    text = ome_text(list(zip(names, lengths, strict=True)))
    for name, n in zip(names, lengths, strict=True):
        own = text
        if only_first_knows and name != names[0]:
            own = (
                f'<?xml version="1.0"?><OME {_OME}><BinaryOnly MetadataFile="{names[0]}" UUID="urn:uuid:{names[0]}"/></OME>'
            )
        write_ome(folder / name, frames[first : first + n], own)
        first += n
    return frames
