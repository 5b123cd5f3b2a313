"""Files of microscopes that are no TIFF, each opened by its own package: scenes, axes, channels, pixel size, planes.

A reader has `scenes` (names), `image(scene)` (what one of them holds), `read(scene, at)` (one plane of it) and `close()`.
What it needs is imported when a file is opened, and it may raise whatever its package raises.
"""

import contextlib
import importlib
import io
from dataclasses import dataclass
from xml.etree import ElementTree

import numpy as np

_BIOIO = {".nd2": "bioio_nd2", ".lif": "bioio_lif"}
_CZI_TYPES = {"Gray8": "u1", "Gray16": "u2", "Gray32Float": "f4"}
_UM = {"micrometer": 1.0, "nanometer": 1e-3, "millimeter": 1e3, "meter": 1e6}  # units of OME-Zarr


@dataclass(frozen=True)
class Image:
    """What one scene of a file holds."""

    sizes: dict  # axis (T, C, Z, Y, X, or another) -> length
    channels: tuple  # names, as many as there are along C
    dtype: np.dtype
    pixel_um: float | None
    n_missing: int = 0  # parts of its pixels that are not there


class BioioReader:
    """ND2 or LIF, by the reader that bioio has for it."""

    def __init__(self, path):
        self._reader = importlib.import_module(_BIOIO[path.suffix.lower()]).Reader(str(path))
        self.scenes = tuple(map(str, self._reader.scenes))

    def _choose(self, scene):
        if self._reader.current_scene_index != scene:
            self._reader.set_scene(scene)

    def image(self, scene):
        self._choose(scene)
        sizes = dict(zip(self._reader.dims.order, self._reader.dims.shape, strict=True))
        channels = self._reader.channel_names or []
        return Image(sizes, tuple(map(str, channels)), np.dtype(self._reader.dtype), self._reader.physical_pixel_sizes.X)

    def read(self, scene, at):
        self._choose(scene)
        return self._reader.get_image_data("YX", **at)

    def close(self):
        pass  # it opens its file for each frame


class LifReader(BioioReader):
    """LIF; planes come from the package below bioio's reader, which would read all for one, or plan all for each."""

    def __init__(self, path):
        super().__init__(path)
        self._file = importlib.import_module("liffile").LifFile(path)

    def read(self, scene, at):
        image = self._file.images[scene]
        return image.frames(**{axis: index for axis, index in at.items() if axis in image.sizes}).asarray()

    def close(self):
        self._file.close()


class CziReader:
    """CZI, by Zeiss's own library: bioio's reader takes the first scene for the only one where scenes have no names."""

    def __init__(self, path):
        from pylibCZIrw.czi import CziReader as OpenedCzi

        self._file = OpenedCzi(str(path))
        self._about = ElementTree.fromstring(self._file.raw_metadata)
        self._ranges = self._file.total_bounding_box_no_pyramid  # axis -> first and end
        scenes = self._file.scenes_bounding_rectangle_no_pyramid
        self._keys = [*scenes] or [None]
        self._rectangles = [*scenes.values()] or [self._file.total_bounding_rectangle_no_pyramid]
        named = [one.get("Name") or "" for one in self._about.iterfind(".//Image/Dimensions/S/Scenes/Scene")]
        numbers = tuple(str(k) for k in range(1, len(self._keys) + 1))
        self.scenes = tuple(named) if len(named) == len(self._keys) else numbers

    def image(self, scene):
        sizes = {axis: end - first for axis, (first, end) in self._ranges.items()}
        kinds = set(self._file.pixel_types.values())
        if not kinds <= {*_CZI_TYPES, "Bgr24", "Bgr48"}:
            raise ValueError(f"pixels of type {', '.join(sorted(kinds))}")
        colour = bool(kinds - {*_CZI_TYPES})
        box = self._rectangles[scene]
        sizes |= {"Y": box.h, "X": box.w, "S": 3 if colour else 1}
        channels = [one.get("Name") or "" for one in self._about.iterfind(".//Image/Dimensions/Channels/Channel")]
        said = self._about.findtext(".//Scaling/Items/Distance[@Id='X']/Value")  # m
        dtype = np.dtype("u1" if colour else _CZI_TYPES[kinds.pop()])
        return Image(sizes, tuple(channels), dtype, float(said) * 1e6 if said else None)

    def read(self, scene, at):
        plane = {axis: self._ranges[axis][0] + index for axis, index in at.items() if axis in self._ranges}
        return self._file.read(plane=plane, scene=self._keys[scene])[..., 0]

    def close(self):
        self._file.close()


class ZarrReader:
    """OME-Zarr, versions 0.1 to 0.5: one image, or several side by side as bioformats2raw writes them."""

    def __init__(self, path):
        import zarr

        root = zarr.open_group(path, mode="r")
        groups = {name: one for name, one in sorted(root.groups()) if "multiscales" in _ome(one)}
        if "multiscales" in _ome(root):
            groups = {path.name: root}
        if not groups:
            raise ValueError("a plate: name the folder of one field" if "plate" in _ome(root) else "holds no OME image")
        self.scenes = tuple(sorted(groups, key=lambda name: (len(name), name)))
        self._groups = [groups[name] for name in self.scenes]

    def _open(self, scene):
        about = _ome(self._groups[scene])["multiscales"][0]
        array = self._groups[scene][about["datasets"][0]["path"]]
        axes = about.get("axes") or "tczyx"
        axes = [{"name": one} if isinstance(one, str) else one for one in axes]
        return about, array, axes

    def image(self, scene):
        about, array, axes = self._open(scene)
        names = [one["name"].upper() for one in axes]
        sizes = dict(zip(names, array.shape, strict=True))
        labels = [one.get("label") or "" for one in _ome(self._groups[scene]).get("omero", {}).get("channels", [])]
        n_channels = sizes.get("C", 1)
        channels = tuple(labels) if len(labels) == n_channels else ("",) * n_channels
        steps = [*about["datasets"][0].get("coordinateTransformations", []), *about.get("coordinateTransformations", [])]
        pixel_um = _UM.get(axes[-1].get("unit"))
        for one in steps:
            if pixel_um and one.get("type") == "scale":
                pixel_um *= one["scale"][-1]
        return Image(sizes, channels, array.dtype, pixel_um, n_missing=array.nchunks - array.nchunks_initialized)

    def read(self, scene, at):
        _, array, axes = self._open(scene)
        names = [one["name"].upper() for one in axes]
        return np.asarray(array[tuple(slice(None) if name in "YX" else at.get(name, 0) for name in names)])

    def close(self):
        pass


class NdTiffReader:
    """Micro-Manager's NDTiff, a folder; frames by its index, whichever of its files they lie in."""

    _AXES = {"T": "time", "C": "channel", "Z": "z"}  # noqa: RUF012

    def __init__(self, path):
        from ndstorage import NDTiffDataset

        with contextlib.redirect_stdout(io.StringIO()):  # it tells how it gets on
            self._file = NDTiffDataset(str(path))
        self._axes = {name: list(values) for name, values in self._file.axes.items()}
        self.scenes = tuple(map(str, self._axes.get("position", [path.name])))

    def image(self, scene):
        first = self._file.get_image_coordinates_list()[0]
        about = {**self._file.summary_metadata, **self._file.read_metadata(**first)}
        rows, cols = self._file.read_image(**first).shape[:2]
        known = {name: axis for axis, name in self._AXES.items()}
        sizes = {known.get(name, name): len(values) for name, values in self._axes.items() if name != "position"}
        channels = tuple(map(str, self._axes.get("channel", [""])))
        sizes |= {"Y": rows, "X": cols, "S": 1 if self._file.read_image(**first).ndim == 2 else 3}
        return Image(sizes, channels, np.dtype(self._file.dtype), about.get("PixelSizeUm"))

    def read(self, scene, at):
        where = {name: values[0] for name, values in self._axes.items()}
        where |= {name: self._axes[name][at[axis]] for axis, name in self._AXES.items() if name in self._axes}
        if "position" in where:
            where["position"] = self._axes["position"][scene]
        return np.asarray(self._file.read_image(**where))

    def close(self):
        self._file.close()


def is_ome_zarr(path):
    """Whether a folder is of Zarr, by what lies in it."""
    return any((path / name).is_file() for name in (".zgroup", ".zattrs", "zarr.json"))


def _ome(group):
    """What OME-Zarr says of a group, of which newer versions make a table."""
    attributes = dict(group.attrs)
    return attributes.get("ome", attributes)
