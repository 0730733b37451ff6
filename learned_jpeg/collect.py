"""What belongs to a picture, gathered from files of every kind. See `metadata`."""

import re
import struct

from learned_jpeg import colours, containers, xmp
from learned_jpeg.jpeg_file import APP0, APP1, APP2, EXIF_HEADER, ICC_HEADER, XMP_HEADER
from learned_jpeg.metadata import (
    APP13,
    COM,
    EXTENSION_HEADER,
    IPTC_RESOURCE,
    PHOTOSHOP_HEADER,
    Items,
    check,
    check_profile,
    load_exif,
    take_out,
)
from learned_jpeg.paths import shown

from PIL import ExifTags, Image

APP11 = 0xEB

# The tags of a TIFF that say how its own pixels are stored; Exif 2.3 and TIFF 6.0.
_STRUCTURE = frozenset(
    [*range(254, 269), 273, 274, 277, 278, 279, 280, 281, 282, 283, 284, 288, 289, 290, 291, 292]
    + [293, 296, 297, 301, 317, 318, 319, *range(320, 334), 338, 339, 340, 341, 342, 343, 347]
    + [*range(512, 522), *range(529, 533), 34675, 34665, 34853, 33723, 34377, 700]
)
_DESCRIPTIVE = frozenset([269, 270, 271, 272, 285, 305, 306, 315, 316, 33432])
_GEOTIFF = frozenset([33550, 33922, 34264, 34735, 34736, 34737, 42112, 42113])
_IFDS = (ExifTags.IFD.Exif, ExifTags.IFD.GPSInfo)


def collect(data, decoded):
    """metadata.Items of a file's bytes; decoded: what `decoders.decode` made of them."""
    items = Items()
    gather = {"JPEG": _of_jpeg, "PNG": _of_png, "TIFF": _of_tiff}.get(decoded.kind, _of_image)
    gather(items, data, decoded)
    check(items)
    return items


def _of_jpeg(items, data, decoded):
    parts = containers.jpeg_parts(data)
    profile, extension = {}, []
    for marker, payload in parts.segments:
        if marker == APP0 and payload.startswith(b"JFIF\0") and len(payload) >= 14:
            items.density = struct.unpack_from(">BHH", payload, 7)
            if payload[12] and payload[13]:
                items.left.append("JFIF thumbnail")
        elif marker == APP0 and payload.startswith(b"JFXX\0"):
            items.left.append("JFIF thumbnail")
        elif payload.startswith(EXIF_HEADER) and marker == APP1:
            items.exif = items.exif or payload[len(EXIF_HEADER) :]
        elif payload.startswith(XMP_HEADER) and marker == APP1:
            items.xmp = items.xmp or payload[len(XMP_HEADER) :]
        elif payload.startswith(EXTENSION_HEADER) and marker == APP1:
            extension.append(payload[len(EXTENSION_HEADER) :])
        elif payload.startswith(ICC_HEADER) and marker == APP2 and len(payload) > 14:
            profile[payload[12]] = payload[13], payload[14:]
        elif payload.startswith(PHOTOSHOP_HEADER) and marker == APP13:
            _photoshop(items, payload[len(PHOTOSHOP_HEADER) :])
        elif payload.startswith(b"MPF\0") and marker == APP2:
            items.left.append("index of further pictures (MPF)")
        elif payload.startswith(b"urn:iso:std:iso:ts:21496:-1\0") and marker == APP2:
            items.left.append("HDR gain map")
        elif payload.startswith(b"JP") and marker == APP11:
            items.left.append("JUMBF boxes (content credentials)")
        elif marker == COM:
            items.comments.append(payload)
        elif 0xE0 <= marker <= 0xEF and marker != 0xEE:
            name = re.match(rb"[\x20-\x7e]{2,32}", payload)
            what = f" ({name[0].decode()})" if name else ""
            items.left.append(f"APP{marker - 0xE0}{what}")
    items.extension = _complete_extension(items, extension)
    if profile:
        counts = {count for count, _ in profile.values()}
        if counts == {len(profile)} and set(profile) == set(range(1, len(profile) + 1)):
            items.icc = b"".join(profile[number][1] for number in sorted(profile))
            check_profile(items)
        else:
            items.left.append("ICC profile, of which a segment is missing")
    trailer = parts.trailer.strip(b"\0\xff\r\n ")
    if b"ftyp" in trailer[:4096]:
        items.left.append("the video behind the picture (motion photo)")
    elif trailer.startswith(b"\xd8") or b"\xff\xd8\xff" in trailer:
        items.left.append("a picture behind the picture (gain map or depth)")
    elif trailer:
        items.left.append(f"{len(trailer)} bytes behind the picture")


def _complete_extension(items, parts):
    """The parts of an extended XMP (XMP specification, part 3, 1.1.3.1), if all are there."""
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


def _of_png(items, data, decoded):
    chunks = containers.png_chunks(data)
    single = dict(reversed(chunks))  # the first of each
    for keyword, text in containers.png_texts(chunks):
        if keyword == "XML:com.adobe.xmp" and text is not None:
            items.xmp = items.xmp or text
        elif not _raw_profile(items, keyword, text):
            items.left.append(f'text "{shown(keyword)}"')
    items.exif = single.get(b"eXIf") or items.exif
    if b"pHYs" in single and len(single[b"pHYs"]) == 9:
        items.density = _per_metre(*struct.unpack(">IIB", single[b"pHYs"]))
    if b"acTL" in single:
        items.notes.append("holds several pictures; the first one is taken")
    if b"caBX" in single:
        items.left.append("content credentials (C2PA)")
    known = b"cICP iCCP sRGB gAMA cHRM sBIT eXIf pHYs caBX tEXt zTXt iTXt acTL fcTL fdAT".split()
    for name in dict.fromkeys(name for name, _ in chunks):
        if name not in (*known, *containers.PNG_CORE):
            items.left.append(f"chunk {name.decode('latin-1')}")
    _png_colours(items, single, decoded.space)


def _png_colours(items, single, space):
    """PNG 3, 4.3: cICP before iCCP before sRGB before gAMA and cHRM."""
    codes = single.get(b"cICP", b"")
    try:
        if len(codes) == 4:
            items.icc, note = colours.by_codes(*codes[:2])
            items.notes += [note] if note else []
            items.convert = note is not None or space == "GRAY"
        elif b"iCCP" in single:
            items.icc = containers.unpacked(single[b"iCCP"].partition(b"\0")[2][1:])
            if items.icc is None:
                raise ValueError("it cannot be unpacked")
            check_profile(items)
        elif b"sRGB" not in single and items.icc is None:
            gamma = numbers = None
            if len(single.get(b"gAMA", b"")) == 4:
                gamma = int.from_bytes(single[b"gAMA"], "big") / 1e5 or None
            if len(single.get(b"cHRM", b"")) == 32:
                values = [value / 1e5 for value in struct.unpack(">8I", single[b"cHRM"])]
                white, *rest = zip(values[::2], values[1::2], strict=True)
                numbers = (*rest, white)
            items.icc = colours.by_numbers(gamma, numbers)
            # A JPEG file has too few levels for others than these.
            usual = gamma is None or 1 / 2.7 < gamma < 1 / 1.7
            items.convert = not usual or space == "GRAY"
    except ValueError as error:
        items.icc = None
        items.left.append(f"colour space ({error})")


def _raw_profile(items, keyword, text):
    """ImageMagick's and exiftool's way to put profiles into texts; whether this is one."""
    kind = keyword.removeprefix("Raw profile type ").lower()
    if kind == keyword.lower() or text is None:
        return False
    try:
        data = bytes.fromhex("".join(text.decode("ascii").split()[2:]))
    except ValueError:
        return False
    if kind in ("exif", "app1") and data.startswith(EXIF_HEADER):
        items.exif = items.exif or data[len(EXIF_HEADER) :]
    elif kind in ("xmp", "app1"):
        items.xmp = items.xmp or data.removeprefix(XMP_HEADER)
    elif kind in ("icc", "icm"):
        items.icc = data
        check_profile(items)
    elif kind in ("iptc", "8bim"):
        _photoshop(items, data.removeprefix(PHOTOSHOP_HEADER))
    else:
        return False
    return True


def _of_tiff(items, data, decoded):
    tags = decoded.tags
    exif = Image.Exif()
    for tag in _DESCRIPTIVE & set(tags):
        exif[tag] = tags[tag]
    if 34665 in tags or 34853 in tags:
        full = load_exif(data)
        for ifd in _IFDS:
            if entries := full.get_ifd(ifd):
                exif.get_ifd(ifd).update(entries)
    if len(exif):
        items.exif = exif.tobytes()
    items.xmp = _bytes(tags.get(700))
    items.icc = _bytes(tags.get(34675))
    check_profile(items)
    if iptc := _bytes(tags.get(33723)):
        _photoshop(items, iptc)
    if photoshop := _bytes(tags.get(34377)):
        _photoshop(items, photoshop)
    if 282 in tags and 283 in tags:
        x, y, unit = tags[282], tags[283], tags.get(296, 2)
        if unit in (2, 3):
            items.density = {2: 1, 3: 2}[unit], x, y
        elif x != y:
            items.density = 0, x, y
    if items.xmp and tags.get(274, 1) != 1:
        items.xmp = take_out(items, xmp.ORIENTATION)  # the pixels are turned
    others = sorted(set(tags) - _STRUCTURE - _DESCRIPTIVE)
    if _GEOTIFF & set(others):
        items.left.append("GeoTIFF tags")
    if 50706 in others:
        items.left.append("DNG tags")
    elif rest := [str(tag) for tag in others if tag not in _GEOTIFF]:
        items.left.append(f"TIFF tags {' '.join(rest)}")


def _of_image(items, data, decoded):
    info = decoded.image.info
    exif = info.get("exif")
    items.exif = bytes(exif).removeprefix(EXIF_HEADER) if exif else None
    packet = info.get("xmp")
    items.xmp = packet.encode() if isinstance(packet, str) else _bytes(packet)
    items.icc = info.get("icc_profile") or None
    check_profile(items)
    if comment := info.get("comment"):
        items.comments.append(comment if isinstance(comment, bytes) else str(comment).encode())
    if dpi := info.get("dpi"):
        items.density = 1, *dpi
    codes = data.find(b"colrnclx", 0, 1 << 16)
    if decoded.kind == "AVIF" and items.icc is None and codes >= 0:
        items.icc, note = colours.by_codes(*struct.unpack_from(">HH", data, codes + 8))
        items.notes += [note] if note else []
        items.convert = note is not None


def _photoshop(items, data):
    """IPTC from Photoshop's resources, or as it is."""
    if data.startswith(b"\x1c"):
        items.iptc = items.iptc or data.rstrip(b"\0")
        return
    place, others = 0, False
    while data[place : place + 4] == b"8BIM" and place + 12 <= len(data):
        number, length = struct.unpack_from(">HB", data, place + 4)
        start = place + 6 + (1 + length + 1) // 2 * 2
        size = int.from_bytes(data[start : start + 4], "big")
        content = data[start + 4 : start + 4 + size]
        if number == IPTC_RESOURCE and len(content) == size:
            items.iptc = items.iptc or content or None
        else:
            others = True
        place = start + 4 + size + size % 2
    if others:
        items.left.append("Photoshop resources")


def _per_metre(x, y, unit):
    if unit != 1:
        return 0, x, y
    inches = [value * 0.0254 for value in (x, y)]
    if x % 100 == y % 100 == 0 and any(abs(value - round(value)) > 0.02 for value in inches):
        return 2, x // 100, y // 100
    return 1, *inches


def _bytes(value):
    """A tag's value as bytes, whatever type the file gives it, or None."""
    if isinstance(value, bytes):
        return value or None
    if isinstance(value, str):
        return value.encode("latin-1", "replace")
    if isinstance(value, tuple) and all(isinstance(each, int) for each in value):
        # IPTC in a tag of LONG, in the file's order; the common little endian one
        return (
            struct.pack(f"<{len(value)}I", *value) if max(value, default=0) > 255 else bytes(value)
        )
    return None
