"""What is wrong with a file that is read all the same, which Pillow passes over."""

import re

from learned_jpeg.pictures import containers, libvips
from learned_jpeg.runtime import packages
from learned_jpeg.runtime.lazy import lazy_import

simplejpeg = lazy_import("simplejpeg")

# Without the package's extra `pictures`, damage within a file's data is not seen.
_JUDGES = "pyvips", "simplejpeg"
END_MARKER = b"\xff\xd9"  # of a JPEG file
# What is said of headers, of what a program has no way for, and of its callers' ways.
_HARMLESS = re.compile(
    "JFIF revision|Adobe color transform|olor conversion|determine subsampling|"
    "^(?!.*Invalid input).*([Nn]ot supported|[Uu]nsupported)"
)
# What libtiff and its decoders say of samples, and not of tags.
_OF_SAMPLES = re.compile(
    "Corrupt|[Pp]remature|(Read|Seek|Decoding) error|Not enough|incorrect data|Bad code"
)


def of_file(data):
    """What is wrong with a file (bytes), in words, or None; a TIFF's decoder tells by itself."""
    kind = containers.kind(data[:64])
    if kind == "JPEG":
        parts = containers.jpeg_parts(data)
        return of_jpeg(parts.core) if parts.ended else "its end marker is missing"
    if kind in ("PNG", "GIF", "AVIF"):
        return _strictly_read(containers.png_core(data, True) if kind == "PNG" else data)
    return None


def of_samples(lines):
    """What of libvips's notes on a TIFF tells of broken samples, or None."""
    return next((line for line in lines if _OF_SAMPLES.search(line)), None)


def _strictly_read(data):
    """What libvips refuses a file for, which is strict where Pillow is not; or None."""
    if not all(map(packages.is_there, _JUDGES)):
        return None
    try:
        with libvips.alone() as vips:
            vips.Image.new_from_buffer(data, "", fail_on="warning", access="sequential").avg()
    except ValueError as error:
        return None if _HARMLESS.search(str(error)) else str(error)
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
    steps = (core[offset : offset + 256] for offset in range(0, len(core), 256))
    try:
        with libvips.alone() as vips:
            source = vips.SourceCustom()
            source.on_read(lambda size: next(steps, b""))
            vips.Image.jpegload_source(source, access="sequential", shrink=8).avg()
            said = "; ".join(libvips.noted())
    except ValueError as error:
        said = str(error)
    found = re.search("VipsJpeg: ([^;]*)", said)
    return found and found[1]
