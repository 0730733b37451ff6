"""Gain maps: the second picture of an Ultra HDR file, which says how bright each pixel can be.

The values of a gain map stand in its own file, in the segment of ISO 21496-1 or in Adobe's XMP
properties. The picture before it only says that a gain map follows.
"""

from learned_jpeg.pictures import containers, xmp
from learned_jpeg.pictures.metadata import APP1, APP2, XMP_HEADER

from PIL import Image

ISO_HEADER = b"urn:iso:std:iso:ts:21496:-1\0"
_START = b"\xff\xd8\xff"


def split(trailer):
    """The bytes behind a picture as (the JPEG file of its gain map or None, the rest)."""
    offset = trailer.find(_START)
    while offset >= 0:
        parts = containers.jpeg_parts(trailer[offset:])
        end = len(trailer) - len(parts.trailer)
        if any(_tells(*segment) for segment in parts.segments):
            return trailer[offset:end], trailer[:offset] + trailer[end:]
        offset = trailer.find(_START, end)
    return None, trailer


def _tells(marker, payload):
    """Whether a segment has a gain map's values."""
    if marker == APP2:
        return payload.startswith(ISO_HEADER)
    if marker != APP1 or not payload.startswith(XMP_HEADER):
        return False
    try:
        return xmp.has_any(payload[len(XMP_HEADER) :], xmp.GAIN_MAP)
    except ValueError:
        return False


def fault(data):
    """The damage of a gain map's file, in words, or None."""
    parts = containers.jpeg_parts(data)
    if not parts.ended:
        return "its end is missing"
    try:
        with Image.open(containers.as_file(parts.core), formats=["JPEG"]) as image:
            image.load()
    except Exception as error:  # Pillow raises errors of any kind for a broken file
        return " ".join(str(error).split()) or type(error).__name__
    return None
