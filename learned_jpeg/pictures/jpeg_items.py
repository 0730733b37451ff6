"""The metadata of a JPEG file."""

import re
import struct

from learned_jpeg.pictures import containers, gain_maps, mpf
from learned_jpeg.pictures.metadata import (
    APP0,
    APP1,
    APP2,
    APP13,
    COM,
    EXIF_HEADER,
    EXTENSION_HEADER,
    ICC_HEADER,
    PHOTOSHOP_HEADER,
    XMP_HEADER,
    check_profile,
    read_photoshop,
)

APP11 = 0xEB


def gather(items, data):
    """Puts the metadata of a JPEG file (bytes) into `metadata.Items`."""
    parts = containers.jpeg_parts(data)
    exif, profile, extension = [], {}, []
    items.gain_map, trailer = _gain_map(items, parts.trailer)
    for marker, payload in parts.segments:
        if marker == APP0 and payload.startswith(b"JFIF\0") and len(payload) >= 14:
            items.density = struct.unpack_from(">BHH", payload, 7)
            if payload[12] and payload[13]:
                items.left.append("JFIF thumbnail")
        elif marker == APP0 and payload.startswith(b"JFXX\0"):
            items.left.append("JFIF thumbnail")
        elif payload.startswith(EXIF_HEADER) and marker == APP1:
            part = payload[len(EXIF_HEADER) :]
            if not exif or not part.startswith((b"II*\0", b"MM\0*", EXIF_HEADER)):
                exif.append(part)  # the first, or its next part: exiftool splits a long EXIF
            else:
                items.left.append("a second EXIF")
        elif payload.startswith(XMP_HEADER) and marker == APP1:
            items.xmp = items.xmp or payload[len(XMP_HEADER) :]
        elif payload.startswith(EXTENSION_HEADER) and marker == APP1:
            extension.append(payload[len(EXTENSION_HEADER) :])
        elif payload.startswith(ICC_HEADER) and marker == APP2 and len(payload) > 14:
            profile[payload[12]] = payload[13], payload[14:]
        elif payload.startswith(PHOTOSHOP_HEADER) and marker == APP13:
            read_photoshop(items, payload[len(PHOTOSHOP_HEADER) :])
        elif payload.startswith(mpf.HEADER) and marker == APP2:
            if items.gain_map is None:
                items.left.append("index of further pictures (MPF)")
        elif payload.startswith(gain_maps.ISO_HEADER) and marker == APP2:
            if items.gain_map is None:
                items.left.append("HDR gain map")
            else:
                items.gain_map_says = items.gain_map_says or payload
        elif payload.startswith(b"JP") and marker == APP11:
            items.left.append("JUMBF boxes (content credentials)")
        elif marker == COM:
            items.comments.append(payload)
        elif 0xE0 <= marker <= 0xEF and marker != 0xEE:
            name = re.match(rb"[\x20-\x7e]{2,32}", payload)
            what = f" ({name[0].decode()})" if name else ""
            items.left.append(f"APP{marker - 0xE0}{what}")
    if exif:
        items.exif = b"".join(exif)
    items.extension = _complete_extension(items, extension)
    if profile:
        counts = {count for count, _ in profile.values()}
        if counts == {len(profile)} and set(profile) == set(range(1, len(profile) + 1)):
            items.icc = b"".join(profile[number][1] for number in sorted(profile))
            check_profile(items)
        else:
            items.left.append("ICC profile, of which a segment is missing")
    trailer = trailer.strip(b"\0\xff\r\n ")
    if b"ftyp" in trailer[:4096]:
        items.left.append("the video behind the picture (motion photo)")
    elif trailer.startswith(b"\xd8") or b"\xff\xd8\xff" in trailer:
        items.left.append("a picture behind the picture (gain map or depth)")
    elif trailer:
        items.left.append(f"{len(trailer)} bytes behind the picture")


def _gain_map(items, trailer):
    """The bytes behind a picture as (the JPEG file of its gain map or None, the rest)."""
    found, rest = gain_maps.split(trailer)
    if found is not None and (fault := gain_maps.fault(found)):
        items.left.append(f"HDR gain map, which is broken: {fault}")
        return None, rest
    return found, rest


def _complete_extension(items, parts):
    """The parts of an extended XMP (XMP specification, part 3, 1.1.3.1); [] if one is missing."""
    if not parts:
        return []
    guid = re.search(rb"HasExtendedXMP\s*[=>]\s*[\"']?([0-9A-F]{32})", items.xmp or b"")
    if guid:
        parts = [part for part in parts if part.startswith(guid[1]) and len(part) >= 40]
        pieces = {part[36:40]: len(part) - 40 for part in parts}
        if {sum(pieces.values())} == {int.from_bytes(part[32:36], "big") for part in parts}:
            return parts
    items.left.append("extended XMP, which is not complete")
    return []
