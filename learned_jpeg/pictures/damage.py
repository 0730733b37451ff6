"""Damage in files that can still be read, of which Pillow says nothing."""

import re

from learned_jpeg.pictures import containers, libvips
from learned_jpeg.runtime import packages
from learned_jpeg.runtime.lazy import lazy_import

simplejpeg = lazy_import("simplejpeg")

# Without the package's extra `pictures`, damage within a file's data is not found.
_STRICT = "pyvips", "simplejpeg"
END_MARKER = b"\xff\xd9"  # of a JPEG file
# Messages about headers, about features that a library lacks, and about the call itself.
_HARMLESS = re.compile(
    "JFIF revision|Adobe color transform|olor conversion|determine subsampling|"
    "^(?!.*Invalid input).*([Nn]ot supported|[Uu]nsupported)"
)
# Messages of libtiff and its decoders about samples, not about tags.
_OF_SAMPLES = re.compile(
    "Corrupt|[Pp]remature|(Read|Seek|Decoding) error|Not enough|incorrect data|Bad code"
)


def of_file(data):
    """The damage of a file (bytes), in words, or None; for TIFF see `of_samples`."""
    kind = containers.kind(data[:64])
    if kind == "JPEG":
        parts = containers.jpeg_parts(data)
        return of_jpeg(parts.core) if parts.ended else "its end marker is missing"
    if kind in ("PNG", "GIF", "AVIF"):
        return _strictly_read(containers.png_core(data, True) if kind == "PNG" else data)
    return None


def of_samples(lines):
    """The first of libvips's messages on a TIFF that means broken samples, or None."""
    return next((line for line in lines if _OF_SAMPLES.search(line)), None)


def _strictly_read(data):
    """The reason for which libvips, which is stricter than Pillow, refuses a file; or None."""
    if not all(map(packages.is_there, _STRICT)):
        return None
    try:
        with libvips.alone() as vips:
            vips.Image.new_from_buffer(data, "", fail_on="warning", access="sequential").avg()
    except ValueError as error:
        return None if _HARMLESS.search(str(error)) else str(error)
    return None


def of_jpeg(core):
    """libjpeg's message on a JPEG file whose data are broken, or None."""
    if not all(map(packages.is_there, _STRICT)):
        return None
    for decode in (_decode_at_once, _decode_in_steps):
        text = decode(core)
        if text and not _HARMLESS.search(text):
            return text
    return None


def _decode_at_once(core):
    """The last message of a decoder that gets the whole file, or None."""
    try:
        *_, space, _ = simplejpeg.decode_jpeg_header(core)
        space = "CMYK" if space in ("CMYK", "YCCK") else "GRAY"
        simplejpeg.decode_jpeg(core, space, min_factor=8)
    except ValueError as error:
        return str(error)
    return None


def _decode_in_steps(core):
    """The first message of a decoder that gets 256 bytes at a time, or None.

    With more than 512 bytes at hand, libjpeg-turbo says nothing of invalid codes.
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
