"""Small files of microscopes that are no TIFF: every pixel is 1 + time + 10 channel + 100 scene, counted from 0."""

import struct

import numpy as np

SHAPE = (48, 40)  # rows, cols
PIXEL_UM = 0.08
_LIF_PIXELS = (
    'DataType="0" ChannelTag="0" Resolution="16" NameOfMeasuredQuantity="" Min="0" Max="1" Unit="" IsLUTInverted="0"'
)


def value(time=0, channel=0, scene=0):
    return 1 + time + 10 * channel + 100 * scene


def plane(*place):
    return np.full(SHAPE, value(*place), np.uint16)


def write_zarr(path, *, channels=("a", "b"), n_times=3, n_planes=1, scenes=("0",), um=PIXEL_UM, version=3, chunks=None):
    """OME-Zarr 0.5 (Zarr 3) or 0.4 (Zarr 2); several scenes lie side by side."""
    import zarr

    root = zarr.open_group(path, mode="w", zarr_format=version)
    for s, name in enumerate(scenes):
        group = root if len(scenes) == 1 else root.create_group(name)
        shape = (n_times, len(channels), n_planes, *SHAPE)
        chunked = {"chunks": chunks or (1, 1, 1, *SHAPE)}
        array = group.create_array("0", shape=shape, dtype="u2", **chunked)
        for t, c in np.ndindex(shape[:2]):
            array[t, c] = value(t, c, s)
        axes = [{"name": one, "type": kind} for one, kind in zip("tcz", ("time", "channel", "space"), strict=True)]
        axes += [{"name": one, "type": "space", "unit": "micrometer"} for one in "yx"]
        scale = [{"type": "scale", "scale": [1.0, 1.0, 1.0, um, um]}]
        about = {"multiscales": [{"axes": axes, "datasets": [{"path": "0", "coordinateTransformations": scale}]}]}
        about["omero"] = {"channels": [{"label": one} for one in channels]}
        group.attrs.update({"ome": about} if version == 3 else about)
    return path


def write_ndtiff(path, *, channels=("a", "b"), n_times=3, n_planes=1, scenes=("0",), um=PIXEL_UM):
    """Micro-Manager's NDTiff, by the package that reads it."""
    from ndstorage import NDTiffDataset

    written = NDTiffDataset(str(path.parent), name=path.name, summary_metadata={}, writable=True)
    for s, c, t, z in np.ndindex(len(scenes), len(channels), n_times, n_planes):
        at = {"time": t, "channel": channels[c]}
        at |= {"z": z} if n_planes > 1 else {}
        at |= {"position": scenes[s]} if len(scenes) > 1 else {}
        written.put_image(at, plane(t, c, s), {"PixelSizeUm": um})
    written.finish()
    written.close()
    return path.parent / f"{path.name}_1"  # as the package calls it


def write_czi(path, *, channels=("a", "b"), n_times=3, n_planes=1, scenes=("0",), um=PIXEL_UM):
    """Zeiss's CZI, by Zeiss's own library."""
    from pylibCZIrw.czi import create_czi

    with create_czi(str(path)) as czi:
        for s, c, t, z in np.ndindex(len(scenes), len(channels), n_times, n_planes):
            where = {"scene": s, "location": (100 * s, 0)} if len(scenes) > 1 else {}
            czi.write(plane(t, c, s)[..., None], plane={"T": t, "C": c, "Z": z}, **where)
        names = dict(enumerate(channels))
        czi.write_metadata("a document", channel_names=names, scale_x=um * 1e-6, scale_y=um * 1e-6)
    return path


def write_lif(path, *, channels=("a", "b"), n_times=3, n_planes=1, scenes=("0",), um=PIXEL_UM):
    """Leica's LIF, by hand: a header in XML, then a block of memory for each scene. Channels are named by their colour."""
    images, blocks, n_bytes = "", [], 2 * SHAPE[0] * SHAPE[1]
    for s, name in enumerate(scenes):
        described = "".join(
            f'<ChannelDescription {_LIF_PIXELS} LUTName="{one}" BytesInc="{c * n_bytes}" BitInc="0"/>'
            for c, one in enumerate(channels)
        )
        step = n_bytes * len(channels)
        lengths = [(1, SHAPE[1], um * 1e-6 * (SHAPE[1] - 1), 2), (2, SHAPE[0], um * 1e-6 * (SHAPE[0] - 1), 2 * SHAPE[1])]
        lengths += [(3, n_planes, 1e-6, step)] * (n_planes > 1) + [(4, n_times, 1.0, step * n_planes)] * (n_times > 1)
        dimensions = "".join(
            f'<DimensionDescription DimID="{one}" NumberOfElements="{n}" Origin="0" Length="{length!r}" Unit="m" '
            f'BitInc="0" BytesInc="{inc}"/>'
            for one, n, length, inc in lengths
        )
        order = np.ndindex(n_times, n_planes, len(channels))
        data = b"".join(plane(t, c, s).astype("<u2").tobytes() for t, _, c in order)
        images += (
            f'<Element Name="{name}"><Data><Image><ImageDescription><Channels>{described}</Channels><Dimensions>{dimensions}'
            f'</Dimensions></ImageDescription></Image></Data><Memory Size="{len(data)}" MemoryBlockID="Block{s}"/></Element>'
        )
        blocks += [_lif_part(f"Block{s}", b"\x2a" + struct.pack("<Q", len(data))) + data]
    header = f'<LMSDataContainerHeader Version="2"><Element Name="f"><Children>{images}</Children></Element>'
    path.write_bytes(_lif_part(header + "</LMSDataContainerHeader>") + b"".join(blocks))
    return path


def _lif_part(text, before=b""):
    inside = before + b"\x2a" + struct.pack("<I", len(text)) + text.encode("utf-16-le")
    return struct.pack("<II", 0x70, len(inside)) + inside


def write_nd2(path, *, channels=("a", "b"), n_times=3, n_planes=1, scenes=("0",), um=PIXEL_UM):
    """Nikon's ND2 in its older form, by hand: chunks of XML, one a frame (channels side by side), and their map."""
    attributes = {
        "uiWidth": SHAPE[1],
        "uiWidthBytes": SHAPE[1] * 2 * len(channels),
        "uiHeight": SHAPE[0],
        "uiBpcInMemory": 16,
    }
    attributes |= {"uiComp": len(channels), "uiBpcSignificant": 16, "eCompression": 2}
    attributes |= {"uiSequenceCount": n_times * n_planes * len(scenes)}
    planes = {
        f"a{c}": {"uiCompCount": 1, "sDescription": one, "pFluorescentProbe": {"uiColor": 0}}
        for c, one in enumerate(channels)
    }
    picture = {"bCalibrated": True, "dCalibration": um, "sPicturePlanes": {"uiCount": len(channels), "sPlaneNew": planes}}
    points = {f"i{s}": {"dPosX": 100.0 * s, "dPosY": 0.0, "dPosName": one} for s, one in enumerate(scenes)}
    loops = [(1, {"uiCount": n_times, "dStart": 0.0, "dPeriod": 1.0, "dDuration": 1.0})] * (n_times > 1)
    loops += [(2, {"uiCount": len(scenes), "Points": points})] * (len(scenes) > 1)
    loops += [(4, {"uiCount": n_planes, "dZStep": 1.0, "dZLow": 0.0, "dZHigh": 1.0})] * (n_planes > 1)
    experiment = {}
    for kind, about in reversed(loops):
        below = {"ppNextLevelEx": {"i0": experiment}} if experiment else {}
        experiment = {"eType": kind, "uLoopPars": about, **below}
    chunks = {"ImageAttributes!": _nd2_xml(attributes), "ImageMetadataSeq|0!": _nd2_xml(picture)}
    chunks |= {"ImageMetadata!": _nd2_xml(experiment)} if experiment else {}
    chunks["CustomData|AcqTimesCache!"] = np.arange(n_times * len(scenes) * n_planes, dtype="<f8").tobytes()
    for k, (t, s, _) in enumerate(np.ndindex(n_times, len(scenes), n_planes)):
        frame = np.stack([plane(t, c, s) for c in range(len(channels))], axis=-1).astype("<u2")
        chunks[f"ImageDataSeq|{k}!"] = bytes(8) + frame.tobytes()  # its time comes first
    content = _nd2_chunk("ND2 FILE SIGNATURE CHUNK NAME01!", b"Ver2.1".ljust(64, b"\0"), n_name=32)
    map_of_chunks = b""
    for name, data in chunks.items():
        content = content.ljust(-(-len(content) // 4096) * 4096, b"\0")
        map_of_chunks += name.encode() + struct.pack("<QQ", len(content), len(data))
        content += _nd2_chunk(name, data)
    end = b"ND2 CHUNK MAP SIGNATURE 0000001!" + struct.pack("<Q", len(content))
    path.write_bytes(content + _nd2_chunk("ND2 FILEMAP SIGNATURE NAME 0001!", map_of_chunks + end))
    return path


def _nd2_chunk(name, data, n_name=4072):
    return struct.pack("<IIQ", 0x0ABECEDA, n_name, len(data)) + name.encode().ljust(n_name, b"\0") + data


def _nd2_xml(values):
    kinds = {bool: "bool", int: "lx_int32", float: "double", str: "CLxStringW"}

    def written(name, one):
        if isinstance(one, dict):
            inside = "".join(written(*item) for item in one.items())
            return f'<{name} runtype="CLxListVariant">{inside}</{name}>'
        return f'<{name} runtype="{kinds[type(one)]}" value="{str(one).lower() if isinstance(one, bool) else one}"/>'

    return f'<variant version="1.0">{written("no_name", values)}</variant>'.encode()


WRITERS = {".nd2": write_nd2, ".zarr": write_zarr, ".ndtiff": write_ndtiff, ".czi": write_czi, ".lif": write_lif}
