"""The metadata of a picture, gathered from files of every kind. See `metadata`."""

import re
import struct

from learned_jpeg.pictures import colours, exif, jpeg_items, png_items, xmp
from learned_jpeg.pictures.metadata import (
    IPTC_RESOURCE,
    Items,
    check,
    check_profile,
    read_photoshop,
    take_out,
)

# Photoshop file format, image resources.
EXIF_RESOURCE, XMP_RESOURCE = 0x0422, 0x0424
XMP_UUID = bytes.fromhex("be7acfcb97a942e89c71999491e3afac")  # XMP specification, part 3

# The tags of a TIFF that say how its own pixels are stored; Exif 2.3 and TIFF 6.0.
_PIXELS = frozenset(
    [*range(254, 269), 273, 274, 277, 278, 279, 280, 281, 282, 283, 284, 288, 289, 290, 291, 292]
    + [293, 296, 297, 301, 317, 318, 319, *range(320, 334), 338, 339, 340, 341, 342, 343, 347]
    + [*range(512, 522), *range(529, 533), 34675]
)
_ITEMS = frozenset([700, 33723, 34377, 34665, 34853])  # XMP, IPTC, Photoshop's, EXIF, GPS
# Names, dates and rights; Windows's title, comment, author, keywords, subject and rating.
_DESCRIPTIVE = frozenset(
    [269, 270, 271, 272, 285, 305, 306, 315, 316, 18246, 18249, 33432, *range(40091, 40096)]
)
_GEOTIFF = frozenset([33550, 33922, 34264, 34735, 34736, 34737, 42112, 42113])


def collect(data, decoded):
    """The `metadata.Items` of a file's bytes; decoded: the `decoders.Decoded` of the same bytes."""
    items = Items()
    if decoded.kind == "JPEG":
        jpeg_items.gather(items, data)
    elif decoded.kind == "PNG":
        png_items.gather(items, data, decoded.space)
    elif decoded.kind == "TIFF":
        _of_tiff(items, data, decoded)
    else:
        _of_info(items, decoded.image)
        others = {"AVIF": _of_avif, "BMP": _of_bmp, "GIF": _of_gif, "JPEG2000": _of_jpeg2000}
        if decoded.kind in others:
            others[decoded.kind](items, data)
        check_profile(items)
    check(items)
    return items


def _of_tiff(items, data, decoded):
    # A picture behind a preview has its metadata at the preview.
    first = {tag: value for tag, value in decoded.first.items() if tag not in _PIXELS}
    tags = first | decoded.tags
    try:
        items.exif = exif.of_tiff(data, decoded.offset, _DESCRIPTIVE)
    except ValueError as error:
        items.left.append(f"EXIF ({error})")
    items.xmp = _bytes(tags.get(700))
    items.icc = _bytes(tags.get(34675))
    check_profile(items)
    if iptc := _bytes(tags.get(33723)):
        read_photoshop(items, iptc)
    if photoshop := _bytes(tags.get(34377)):
        read_photoshop(items, photoshop)
    if 282 in tags and 283 in tags:
        x, y, unit = tags[282], tags[283], tags.get(296, 2)
        if unit in (2, 3):
            items.density = {2: 1, 3: 2}[unit], x, y
        elif x != y:
            items.density = 0, x, y
    if items.xmp and tags.get(274, 1) != 1:
        items.xmp = take_out(items, xmp.ORIENTATION)  # the pixels are turned
    others = sorted(set(tags) - _PIXELS - _ITEMS - _DESCRIPTIVE)
    if _GEOTIFF & set(others):
        items.left.append("GeoTIFF tags")
    if 50706 in others:
        items.left.append("DNG tags")
    elif rest := [str(tag) for tag in others if tag not in _GEOTIFF]:
        items.left.append(f"TIFF tags {' '.join(rest)}")


def _of_info(items, image):
    """The metadata that Pillow has read."""
    info = image.info
    structure, packet = info.get("exif"), info.get("xmp")
    for number, _, content in getattr(image, "resources", ()):  # Photoshop's
        if number == IPTC_RESOURCE:
            items.iptc = items.iptc or content
        elif number == EXIF_RESOURCE:
            structure = structure or content
        elif number == XMP_RESOURCE:
            packet = packet or content
    items.exif = bytes(structure) if structure else None
    items.xmp = packet.encode() if isinstance(packet, str) else _bytes(packet)
    items.icc = info.get("icc_profile") or None
    if comment := info.get("comment"):
        items.comments.append(comment if isinstance(comment, bytes) else str(comment).encode())
    if dpi := info.get("dpi"):
        items.density = 1, *dpi


def _of_avif(items, data):
    head = data[: 1 << 16]
    codes = head.find(b"colrnclx")
    if items.icc is None and 0 <= codes <= len(head) - 12:
        items.icc, note = colours.by_codes(*struct.unpack_from(">HH", head, codes + 8))
        items.notes += [note] if note else []
        items.convert = note is not None
    if b"tmap" in head:
        items.left.append("HDR gain map")


def _of_bmp(items, data):
    """The profile of a bitmap of version 5, [MS-WMF] 2.2.2.11, which Pillow does not read."""
    if data[14:18] != b"\x7c\0\0\0":
        return
    kind, offset, size = data[70:74], *struct.unpack_from("<II", data, 126)
    if kind == b"DEBM":
        items.icc = data[14 + offset : 14 + offset + size]
    elif kind == b"KNIL":
        items.left.append("ICC profile in another file")


def _of_gif(items, data):
    """XMP (XMP specification, part 3, 1.1.2) and a profile, which Pillow does not read."""
    packet = re.search(rb"\x21\xff\x0bXMP DataXMP(.*?)\x01\xff\xfe\xfd", data, re.DOTALL)
    items.xmp = packet and packet[1]
    profile = re.search(rb"\x21\xff\x0bICCRGBG1012", data)
    if profile:
        offset, parts = profile.end(), []
        while size := int.from_bytes(data[offset : offset + 1]):
            parts.append(data[offset + 1 : offset + 1 + size])
            offset += 1 + size
        items.icc = b"".join(parts) or None


def _of_jpeg2000(items, data):
    """The boxes before the codestream, ISO/IEC 15444-1, annex I, which Pillow does not read."""
    offset = 0
    while offset + 8 <= len(data):
        size, kind = struct.unpack_from(">I4s", data, offset)
        start = offset + 8
        if size < 8 or kind == b"jp2c":
            break
        if kind == b"jp2h":
            offset = start
            continue
        content = data[start : offset + size]
        if kind == b"colr" and content[:1] in (b"\2", b"\3"):
            items.icc = items.icc or content[3:]
        elif kind == b"uuid" and content.startswith(XMP_UUID):
            items.xmp = items.xmp or content[16:]
        elif kind in (b"uuid", b"xml ", b"jumb"):
            items.left.append(f"{kind.decode().strip()} box")
        offset += size


def _bytes(value):
    """A tag's value as bytes, whatever type the file gives it, or None."""
    if isinstance(value, bytes):
        return value or None
    if isinstance(value, str):
        return value.encode("latin-1", "replace")
    if isinstance(value, tuple) and all(isinstance(each, int) for each in value):
        # IPTC in a tag of type LONG has the file's byte order: little endian, which is common
        return (
            struct.pack(f"<{len(value)}I", *value) if max(value, default=0) > 255 else bytes(value)
        )
    return None
