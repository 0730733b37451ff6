"""Makes files of pictures, by hand where no library writes such files."""

import functools
import importlib.util
import io
import struct
import zlib

from learned_jpeg.runtime.packages import PROJECT

import numpy as np
import skimage.data
import tifffile
from PIL import Image, ImageCms

IPTC = b"\x1c\x02x\0\x05hello"
XMP = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"/>'


def benchmark(name):
    """The module of a script of benchmarks/, which is no package."""
    path = PROJECT / "benchmarks" / f"{name}.py"
    spec = importlib.util.spec_from_file_location(name, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def picture(height=45, width=70, mode="RGB"):
    """A detailed photograph as Pillow's image."""
    pixels = skimage.data.astronaut()[20 : 20 + height, 150 : 150 + width]
    return Image.fromarray(pixels).convert(mode)


def saved(image, kind, **options):
    """The bytes of a file that Pillow writes."""
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def tiff(samples, **options):
    """The bytes of a TIFF of any samples, by tifffile."""
    file = io.BytesIO()
    tifffile.imwrite(file, samples, software=False, metadata=None, **options)
    return file.getvalue()


def chunk(name, data):
    """A chunk of a PNG."""
    body = name + data
    return struct.pack(">I", len(data)) + body + struct.pack(">I", zlib.crc32(body))


def png(samples, chunks=b"", color=None, packed=None):
    """The bytes of a PNG of uint8 or uint16 [H, W, C], with more chunks before the samples."""
    height, width, channels = samples.shape
    deep = samples.dtype == np.uint16
    color = {1: 0, 2: 4, 3: 2, 4: 6}[channels] if color is None else color
    header = struct.pack(">IIBBBBB", width, height, 16 if deep else 8, color, 0, 0, 0)
    rows = samples.astype(">u2" if deep else "u1").reshape(height, -1)
    packed = packed or zlib.compress(b"".join(b"\0" + row.tobytes() for row in rows))
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunks
        + chunk(b"IDAT", packed)
        + chunk(b"IEND", b"")
    )


def jpeg(segments=(), trailer=b"", image=None, **options):
    """The bytes of a JPEG with more segments, (marker, payload), behind the first."""
    data = saved(image or picture(), "JPEG", **{"quality": 95, **options})
    more = b"".join(
        struct.pack(">BBH", 0xFF, marker, len(payload) + 2) + payload
        for marker, payload in segments
    )
    return data[:20] + more + data[20:] + trailer


def jpeg_segments(data):
    """[(marker, payload)] of a JPEG before its scan, read independently of the program."""
    found, file = [], io.BytesIO(data)
    assert file.read(2) == b"\xff\xd8"
    while True:
        prefix, marker, length = struct.unpack(">BBH", file.read(4))
        assert prefix == 0xFF
        if marker == 0xDA:
            return found
        found.append((marker, file.read(length - 2)))


@functools.cache  # a new one has a new date
def srgb_profile():
    """The sRGB profile of LittleCMS."""
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def exif(orientation=6):
    """Pillow's EXIF with an orientation."""
    tags = Image.Exif()
    tags[0x010F] = "A camera"
    tags[0x0112] = orientation
    tags.get_ifd(0x8769)[0x9003] = "2020:01:01 10:00:00"
    return tags


def lab(image):
    """Pillow's image in CIELAB."""
    profiles = ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB")
    return ImageCms.profileToProfile(image, *profiles, outputMode="LAB")


def psnr(a, b):
    """The PSNR in dB of values from 0 to 255."""
    mse = np.mean((np.asarray(a, float) - np.asarray(b, float)) ** 2)
    return np.inf if mse == 0 else 10 * np.log10(255**2 / mse)


def bitmap(samples):
    """The bytes of a BMP of version 5 with a profile, of uint8 [H, W, 3]."""
    rows = b""
    for row in samples[::-1, :, ::-1]:
        rows += row.tobytes() + bytes(-3 * len(row) % 4)
    height, width, _ = samples.shape
    head = struct.pack("<IiiHHIIiiII", 124, width, height, 1, 24, 0, len(rows), 0, 0, 0, 0)
    head += bytes(16) + b"DEBM" + bytes(36 + 12 + 4)
    head += struct.pack("<III", 124 + len(rows), len(srgb_profile()), 0)
    return b"BM" + struct.pack("<IHHI", 0, 0, 0, 138) + head + rows + srgb_profile()


def resource(number, content):
    """An image resource of Photoshop."""
    head = struct.pack(">4sHHI", b"8BIM", number, 0, len(content))
    return head + content + bytes(len(content) % 2)


def photoshop(samples, resources=None):
    """The bytes of a PSD of uint8 [H, W, 3], by default with IPTC, EXIF, XMP and a profile."""
    height, width, _ = samples.shape
    if resources is None:
        resources = resource(0x0404, IPTC) + resource(0x0422, exif().tobytes()[6:])
        resources += resource(0x0424, XMP) + resource(0x040F, srgb_profile())
    head = b"8BPS" + struct.pack(">H6xHIIHH", 1, 3, height, width, 8, 3)
    head += struct.pack(">II", 0, len(resources)) + resources + struct.pack(">IH", 0, 0)
    return head + np.moveaxis(samples, -1, 0).tobytes()


_SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 7: 1, 9: 4, 10: 8}


def directory(tags, place, order="<", inner=None):
    """A directory at an offset of a TIFF structure, followed by the values that it points to.

    tags: {tag: (type, [number] or bytes)}; inner: {tag: tags of the directory that it holds}.
    """
    inner = inner or {}
    start, rows, behind = place + 2 + 12 * (len(tags) + len(inner)) + 4, [], b""
    for tag, (kind, value) in tags.items():
        if not isinstance(value, bytes):
            letter = {1: "B", 3: "H", 4: "I", 5: "I", 7: "B", 9: "i", 10: "i"}[kind]
            value = struct.pack(f"{order}{len(value)}{letter}", *value)
        row = tag, kind, len(value) // _SIZES[kind]
        if len(value) > 4:
            where = struct.pack(order + "I", start + len(behind))
            value, behind = where, behind + value + bytes(len(value) % 2)
        rows.append((*row, value))
    for tag, part in inner.items():
        rows.append((tag, 4, 1, struct.pack(order + "I", start + len(behind))))
        behind += directory(part, start + len(behind), order)
    packed = b"".join(struct.pack(order + "HHI4s", *row) for row in sorted(rows))
    return struct.pack(order + "H", len(rows)) + packed + bytes(4) + behind


def structure(tags, order="<", inner=None):
    """A TIFF structure of one `directory`."""
    head = {"<": b"II", ">": b"MM"}[order] + struct.pack(order + "HI", 42, 8)
    return head + directory(tags, 8, order, inner)


def raw_tiff(samples, size, photometric, bits=(8,), tags=None, order="<", inner=None):
    """The bytes of a TIFF whose strip, uncompressed, is just these bytes; size: (width, height).

    bits: of each sample of a pixel; tags: more, as `directory` takes them, or others.
    """
    known = {256: (4, size[:1]), 257: (4, size[1:]), 258: (3, bits), 259: (3, [1])}
    known |= {262: (3, [photometric]), 277: (3, [len(bits)]), 278: (4, size[1:])}
    known |= {279: (4, [len(samples)]), 284: (3, [1])} | (tags or {})
    length = len(structure(known | {273: (4, [0])}, order, inner))
    return structure(known | {273: (4, [length])}, order, inner) + samples
