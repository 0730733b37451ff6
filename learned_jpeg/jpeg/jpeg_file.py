"""Levels and tables to a real JPEG file and back, without loss.

`progressive` writes progressive files; libjpeg (package jpeglib) writes baseline files. Nothing
here computes a DCT or rounds.

"T.81" is Recommendation ITU-T T.81 | ISO/IEC 10918-1, "JFIF" ITU-T T.871.
"""

import contextlib
import io
import os
import pathlib
import struct
import tempfile
import threading
from functools import partial

from learned_jpeg.jpeg.sampling import SAMPLINGS, Planes, grid
from learned_jpeg.runtime import threads
from learned_jpeg.runtime.lazy import lazy_import

import numpy as np
from PIL import Image

# Only baseline files need jpeglib; only progressive files need numba and its compiled code.
jpeglib = lazy_import("jpeglib")
progressive = lazy_import("learned_jpeg.jpeg.progressive")

HUFFMAN = ("standard", "optimized", "progressive")

MAX_SIDE = 65500  # libjpeg's limit (JPEG_MAX_DIMENSION)
MAX_AC = 1023  # 8-bit precision, T.81 table F.2
MAX_DC_DIFFERENCE = 2047  # 8-bit precision, T.81 table F.1

SOS, APP1, APP14 = 0xDA, 0xE1, 0xEE
FRAMES = (0xC0, 0xC1, 0xC2)  # baseline, extended sequential, progressive; all Huffman coded

# jpeglib collects a file's markers in C globals while it reads.
_reading = threading.Lock()


def write_jpeg(
    planes: Planes, qtables: np.ndarray, height: int, width: int, sampling: str, huffman: str
) -> bytes:
    """Return a JFIF file that holds exactly these levels. Safe to call from several threads.

    Args:
      planes: levels, Planes of int, each on its grid of `sampling.grid`; chroma is None for a
        gray file.
      qtables: int [8, 8, 2], luma and chroma, in 1..255, row-major; also [8, 8, 1] for gray.
      height, width: of the picture in pixels, 1..65500.
      sampling: of chroma, one of `sampling.SAMPLINGS`.
      huffman: `standard` writes a baseline file with the example tables of T.81 K.3, `optimized`
        a baseline file with tables of its own, `progressive` a progressive file with scans and
        tables of its own.

    Raises:
      ValueError: a wrong shape or type, or a value that 8-bit JPEG cannot hold.
    """
    if huffman not in HUFFMAN:
        raise ValueError(f"huffman is {huffman!r}, not one of {', '.join(HUFFMAN)}")
    components = [planes.luma] if planes.chroma is None else [planes.luma, *planes.chroma]
    qtables = np.asarray(qtables)
    _check(components, qtables, height, width, sampling, huffman)

    components = [plane.astype(np.int16, order="C", copy=False) for plane in components]
    luma = 2 if sampling == "420" and len(components) > 1 else 1
    factors = [luma, 1, 1][: len(components)]
    if huffman == "progressive":
        return progressive.write(components, qtables, height, width, factors)
    tables = np.moveaxis(qtables, -1, 0)[: min(len(components), 2)].astype(np.int16, order="C")
    jpeg = jpeglib.from_dct(*components, qt=tables)
    jpeg.height, jpeg.width = int(height), int(width)
    jpeg.samp_factor = np.repeat(factors, 2).reshape(-1, 2)
    with _scratch() as path:
        jpeg.write_dct(path, flags=["+OPTIMIZE_CODING"] if huffman == "optimized" else [])
        return _number_components(bytearray(path.read_bytes()))


@contextlib.contextmanager
def _scratch():
    """The path of a temporary file for jpeglib, which takes paths alone; in memory if possible."""
    if hasattr(os, "memfd_create") and os.path.exists("/proc/self/fd"):
        descriptor = os.memfd_create("image.jpg")
        try:
            yield pathlib.Path(f"/proc/self/fd/{descriptor}")
        finally:
            os.close(descriptor)
        return
    with tempfile.TemporaryDirectory() as folder:
        yield pathlib.Path(folder, "image.jpg")


def decode(data: bytes) -> np.ndarray:
    """Return the pixels that Pillow, a standard decoder, decodes: uint8 RGB [H, W, 3]."""
    with Image.open(io.BytesIO(data)) as file:
        return np.asarray(file.convert("RGB"))


def read_jpeg(data: bytes) -> tuple[Planes, np.ndarray, int, int, str]:
    """Return (planes, qtables, height, width, sampling) of a gray, 4:4:4 or 4:2:0 JPEG file.

    Shapes are `write_jpeg`'s, planes int16 and tables int32; a gray file has one table.

    Raises:
      ValueError: the data are no JPEG file, or a truncated or broken one, or one of another kind.
    """
    try:
        # Pillow raises an error for a truncated file, where libjpeg, under jpeglib, only prints.
        with Image.open(io.BytesIO(data), formats=["JPEG"]) as image:
            image.load()
            components = image.mode
        data = _without_metadata(data)
    except (OSError, SyntaxError, ValueError, struct.error, Image.DecompressionBombError) as error:
        raise ValueError(f"not a readable JPEG file: {error}") from error
    if components not in ("L", "RGB"):
        raise ValueError(f"a JPEG file with components {components}; only gray and YCbCr are read")

    with _scratch() as path:
        path.write_bytes(data)
        try:
            with _reading:
                jpeg = jpeglib.read_dct(path)
                jpeg.load()
        except OSError as error:
            raise ValueError("not a readable JPEG file") from error

    planes = [jpeg.Y] if components == "L" else [jpeg.Y, jpeg.Cb, jpeg.Cr]
    factors = [tuple(factor) for factor in np.asarray(jpeg.samp_factor)[: len(planes)]]
    samplings = {(1, 1): "444", (2, 2): "420"}
    sampling = "444" if len(planes) == 1 else samplings.get(factors[0])
    if sampling is None or any(factor != (1, 1) for factor in factors[1:]):
        raise ValueError("a JPEG file of another sampling than 4:4:4 and 4:2:0")
    tables = [jpeg.get_component_qt(i) for i in range(len(planes))]
    if not np.array_equal(tables[1:2], tables[2:3]):
        raise ValueError("a JPEG file with different tables for Cb and Cr")
    qtables = np.stack(tables[:2], axis=-1).astype(np.int32)
    # libjpeg may return more blocks than the picture has, up to whole MCUs.
    grids = grid(jpeg.height, jpeg.width, sampling)
    luma, *chroma = (
        plane[:rows, :columns]
        for plane, (rows, columns) in zip(planes, (grids[0], *grids[1:] * 2), strict=False)
    )
    planes = Planes(luma, np.stack(chroma) if chroma else None)
    return planes, qtables, jpeg.height, jpeg.width, sampling


def _check(components, qtables, height, width, sampling, huffman):
    if not (1 <= height <= MAX_SIDE and 1 <= width <= MAX_SIDE):
        raise ValueError(f"a picture of {width}x{height}: JPEG holds 1 to {MAX_SIDE} pixels a side")
    if sampling not in SAMPLINGS:
        raise ValueError(f"sampling is {sampling!r}, not one of {', '.join(SAMPLINGS)}")
    luma, chroma = grid(height, width, sampling)
    needed = [luma, chroma, chroma][: len(components)]
    for plane, (rows, columns) in zip(components, needed, strict=True):
        if plane.shape != (rows, columns, 8, 8):
            raise ValueError(
                f"coefficients of shape {plane.shape} for {width}x{height} pixels at {sampling}; "
                f"{(rows, columns, 8, 8)} is needed"
            )
    tables = (8, 8, 2), (8, 8, 1)
    if qtables.shape not in tables[: 2 if len(components) == 1 else 1]:
        raise ValueError(f"tables of shape {qtables.shape}; {tables[0]} is needed")
    for name, values in (*(("coefficients", plane) for plane in components), ("tables", qtables)):
        if not np.issubdtype(values.dtype, np.integer):
            raise ValueError(f"{name} of type {values.dtype}; integers are needed")
    if qtables.min() < 1 or qtables.max() > 255:
        raise ValueError(f"table entries from {qtables.min()} to {qtables.max()}, not in 1..255")

    def check_levels(plane):
        dc = plane[..., 0, 0].astype(np.int64)  # 64 bits: no difference overflows
        interleaved = huffman != "progressive" and sampling == "420" and len(components) > 1
        if interleaved and plane is components[0]:
            dc = _in_mcus(dc)
        difference = np.abs(np.diff(dc.ravel(), prepend=0)).max()
        if difference > MAX_DC_DIFFERENCE:
            raise ValueError(
                f"neighbouring DC coefficients differ by {difference}; "
                f"8-bit JPEG holds {MAX_DC_DIFFERENCE}"
            )
        flat = plane.reshape(-1, 64)
        largest = max(int(flat.max(axis=0)[1:].max()), -int(flat.min(axis=0)[1:].min()))
        if largest > MAX_AC:
            raise ValueError(f"an AC coefficient of size {largest}; 8-bit JPEG holds {MAX_AC}")

    threads.share([partial(check_levels, plane) for plane in components])


def _in_mcus(values):
    """The values of luma's blocks [rows, columns] in the order of a 4:2:0 scan (T.81, A.2.3)."""
    rows, columns = values.shape
    whole = np.pad(values, [(0, rows % 2), (0, columns % 2)], "edge")
    rows, columns = whole.shape
    return whole.reshape(rows // 2, 2, columns // 2, 2).swapaxes(1, 2)


def _segments(data):
    """Yield (marker, start, end) of the segments before the first scan's data."""
    start = 2
    while True:
        while data[start + 1 : start + 2] == b"\xff":  # T.81 B.1.1.2: fill bytes
            start += 1
        prefix, marker, length = struct.unpack_from(">BBH", data, start)
        if prefix != 0xFF or length < 2:
            raise ValueError("broken segment")
        yield marker, start, start + 2 + length
        if marker == SOS:
            return
        start += 2 + length


def _number_components(data: bytearray) -> bytes:
    """Number the components from 1, as JFIF wants; jpeglib numbers them from 0."""
    for marker, start, _ in _segments(data):
        if marker in FRAMES:
            first, step = start + 10, 3
        elif marker == SOS:
            first, step = start + 5, 2
        else:
            continue
        for i in range(data[first - 1]):
            data[first + step * i] = i + 1
    return bytes(data)


def _without_metadata(data: bytes) -> bytes:
    """Leave out the metadata, which jpeglib may fail on; JFIF and Adobe give the colour space."""
    kept, end, frame = [data[:2]], 2, None
    for marker, start, end in _segments(data):
        if marker in FRAMES:
            frame = marker
        if not (APP1 <= marker <= 0xEF or marker == 0xFE) or marker == APP14:
            kept.append(data[start:end])
    if frame is None:
        raise ValueError("neither baseline nor progressive Huffman coding")
    return b"".join(kept) + data[end:]
