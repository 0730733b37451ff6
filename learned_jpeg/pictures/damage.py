"""What is wrong with a file that is read all the same, which Pillow passes over."""

import re
import zlib

from learned_jpeg.pictures import containers
from learned_jpeg.runtime import packages
from learned_jpeg.runtime.lazy import lazy_import

# Without the package's extra `pictures`, damage within the data of a JPEG file is not seen.
_JUDGES = "pyvips", "simplejpeg"
simplejpeg = lazy_import("simplejpeg")

END_MARKER = b"\xff\xd9"  # of a JPEG file
# What libjpeg says of headers, and what its own callers cannot ask for; Pillow can.
_HARMLESS = re.compile("JFIF revision|Adobe color transform|olor conversion|not supported")


def of_file(data):
    """What is wrong with a file (bytes), in words, or None."""
    kind = containers.kind(data[:64])
    if kind == "PNG":
        return _of_png(data)
    if kind != "JPEG":
        return None
    parts = containers.jpeg_parts(data)
    return of_jpeg(parts.core) if parts.ended else "its end marker is missing"


def _of_png(data):
    for name, start, end in containers.png_places(data):
        checksum = data[end : end + 4]
        if name in containers.PNG_CORE and zlib.crc32(data[start - 4 : end]) != int.from_bytes(
            checksum, "big"
        ):
            return f"the checksum of {name.decode()} is wrong"
    return None


def of_jpeg(core):
    """What libjpeg says of a JPEG file whose data are broken, or None."""
    if not all(map(packages.is_there, _JUDGES)):
        return None
    for judge in (_said_at_once, _said_step_by_step):
        text = judge(core)
        if text and not _HARMLESS.search(text):
            return text
    return None


def _said_at_once(core):
    """The last that is said to the end of the file, or None."""
    try:
        *_, space, _ = simplejpeg.decode_jpeg_header(core)
        space = "CMYK" if space in ("CMYK", "YCCK") else "GRAY"
        simplejpeg.decode_jpeg(core, space, min_factor=8)
    except ValueError as error:
        return str(error)
    return None


def _said_step_by_step(core):
    """The first that is said to the last row, or None.

    libjpeg-turbo, with more than 512 bytes at hand, passes over codes that are none.
    """
    steps = (core[place : place + 256] for place in range(0, len(core), 256))
    try:
        with containers.vips() as vips:
            source = vips.SourceCustom()
            source.on_read(lambda size: next(steps, b""))
            vips.Image.jpegload_source(source, access="sequential", shrink=8).avg()
            said = containers.vips_said(vips)
    except ValueError as error:
        said = str(error)
    found = re.search(r"VipsJpeg: ([^;\n]*)", said)
    return found and found[1]
