"""The metadata of a picture: the items that a JPEG file keeps, and the names of all others.

`collect` gathers Items: EXIF, XMP, the ICC profile, IPTC, comments and the density of the pixels.
`embed` puts them into a file.
"""

import math
import re
import struct
from dataclasses import dataclass, field

from learned_jpeg.pictures import colours, exif, mpf, xmp
from learned_jpeg.runtime.paths import shown

APP0, APP1, APP2, APP13, COM = 0xE0, 0xE1, 0xE2, 0xED, 0xFE
SEGMENT = 65533  # the most bytes after a marker's length field
EXIF_HEADER = b"Exif\0\0"
XMP_HEADER = b"http://ns.adobe.com/xap/1.0/\0"
ICC_HEADER = b"ICC_PROFILE\0"
EXTENSION_HEADER = b"http://ns.adobe.com/xmp/extension/\0"
PHOTOSHOP_HEADER = b"Photoshop 3.0\0"
IPTC_RESOURCE = 0x0404  # Photoshop file format: IPTC-NAA
MOST_NAMES, MOST_LETTERS = 20, 120  # a warning names so many items, by so many letters each
# Items that nearly every file loses and few people miss: dates, the names of programs, their
# settings and thumbnails. Of PNG's texts (PNG 3, 11.3.3.1) _WORDS are a person's own words.
_WORDS = "Title|Author|Description|Copyright|Disclaimer|Warning|Comment|Raw profile"
_TRIFLE = re.compile(
    rf'chunk |text "(?!{_WORDS})|TIFF tags|APP\d|JFIF thumbnail|Photoshop resources',
    re.IGNORECASE,
)
NO_DENSITY = 0, 1, 1  # JFIF: no unit, square pixels


@dataclass
class Items:
    """The metadata that `embed` puts into a file.

    density: (unit, x, y) as in JFIF, unit 1 for inches, 2 for centimetres and 0 for a mere ratio.
    left: the names of items that are left out; notes: further lines for the user.
    """

    exif: bytes | None = None  # a TIFF structure
    xmp: bytes | None = None
    extension: list = field(default_factory=list)  # payloads of extended XMP
    icc: bytes | None = None
    iptc: bytes | None = None  # records
    comments: list = field(default_factory=list)
    density: tuple[int, int, int] | None = None
    gain_map: bytes | None = None  # the JPEG file of an Ultra HDR picture's gain map
    gain_map_says: bytes | None = None  # the payload of ISO 21496-1's segment
    convert: bool = False  # whether the profile serves the conversion to sRGB alone
    left: list = field(default_factory=list)
    notes: list = field(default_factory=list)

    def warnings(self):
        """Lines for every user."""
        names = [name for name in self.left if not _TRIFLE.match(name)]
        return [shown(line) for line in (*self.notes, *_left_out(names))]

    def details(self):
        """Further lines, for --verbose."""
        return _left_out([name for name in self.left if _TRIFLE.match(name)])


def _left_out(names):
    names = [shown(name)[:MOST_LETTERS] for name in dict.fromkeys(names)]
    if len(names) > MOST_NAMES:
        names[MOST_NAMES:] = [f"and {len(names) - MOST_NAMES} more"]
    return [f"left out: {', '.join(names)}"] if names else []


def check(items):
    """Leaves out items that are broken or that a JPEG file cannot hold, and notes their names."""
    if items.xmp:
        _check_xmp(items)
    if items.gain_map and not (items.xmp or items.gain_map_says):
        items.gain_map = None
        items.left.append("HDR gain map, whose description is left out")
    if items.exif is not None:
        items.exif = _checked_exif(items, items.exif)
    if items.iptc is not None:
        items.iptc = _checked_iptc(items, items.iptc)
    if items.density is not None:
        items.density = _checked_density(items, items.density)
    kept = [comment for comment in items.comments if len(comment) <= SEGMENT]
    if len(kept) < len(items.comments):
        items.left.append("a comment that does not fit")
    items.comments = kept


def orientation(items):
    """The EXIF orientation, 1 to 8, of Items that are checked."""
    return (exif.orientation(items.exif) if items.exif else None) or 1


def embed(data, items):
    """A JPEG file (bytes, as `write_jpeg` gives it) with Items; the picture stays what it is."""
    head = 2 + 18  # SOI and JFIF's APP0: marker, length 16, "JFIF\0", version, unit, densities
    if data[2:4] != bytes([0xFF, APP0]):
        raise ValueError("not a JFIF file")
    app0 = bytearray(data[2:head])
    struct.pack_into(">BHH", app0, 11, *(items.density or NO_DENSITY))
    segments = []
    if items.exif:
        segments.append((APP1, EXIF_HEADER + items.exif))
    if items.xmp:
        segments.append((APP1, XMP_HEADER + items.xmp))
    segments += [(APP1, EXTENSION_HEADER + part) for part in items.extension]
    if items.icc:
        # Spread over as many APP2 segments as it needs (ICC.1, annex B.4).
        most = SEGMENT - len(ICC_HEADER) - 2
        count = -(-len(items.icc) // most)
        segments += [
            (APP2, ICC_HEADER + bytes([i + 1, count]) + items.icc[i * most : (i + 1) * most])
            for i in range(count)
        ]
    if items.iptc:
        segments.append((APP13, _photoshop(items.iptc)))
    segments += [(COM, comment) for comment in items.comments]
    if items.gain_map_says:
        segments.append((APP2, items.gain_map_says))
    written = b"".join(_segment(*segment) for segment in segments)
    if items.gain_map:
        start = head + len(written) + 4 + len(mpf.HEADER)
        end = len(data) + len(written) + 4 + mpf.SIZE
        written += _segment(APP2, mpf.index(start, end, len(items.gain_map)))
    return data[:2] + bytes(app0) + written + data[head:] + (items.gain_map or b"")


def _segment(marker, payload):
    return struct.pack(">BBH", 0xFF, marker, len(payload) + 2) + payload


def _photoshop(records):
    """IPTC as the payload of a segment: in an image resource of Photoshop's file format."""
    head = struct.pack(">4sHHI", b"8BIM", IPTC_RESOURCE, 0, len(records))
    return PHOTOSHOP_HEADER + head + records + bytes(len(records) % 2)


# The checks of items that are kept


def _checked_exif(items, raw):
    """The EXIF, or an EXIF of its orientation alone where the rest does not fit, or None."""
    while raw.startswith(EXIF_HEADER):  # JPEG's header, which some writers put elsewhere, or twice
        raw = raw[len(EXIF_HEADER) :]
    try:
        exif.check(raw)
        value = exif.orientation(raw)
    except ValueError as error:
        items.left.append(f"EXIF ({error})")
        return None
    if value not in (None, *range(1, 9)):
        items.notes.append(f"EXIF orientation {value} does not exist; set to 1")
        raw, value = exif.oriented(raw, 1), 1
    if len(raw) <= exif.MOST:
        return raw
    items.left.append(f"EXIF of {len(raw)} bytes, which does not fit")
    return exif.minimal(value) if value else None


def _checked_iptc(items, records):
    if len(_photoshop(records)) <= SEGMENT:
        return records
    items.left.append(f"IPTC of {len(records)} bytes, which does not fit")
    return None


def check_profile(items):
    """Leaves out a profile that is broken or too large."""
    if items.icc is None:
        return
    try:
        colours.space(items.icc)
        if len(items.icc) > 255 * (SEGMENT - 14):
            raise ValueError("it does not fit")
    except ValueError as error:
        items.left.append(f"ICC profile ({error})")
        items.icc = None


def _check_xmp(items):
    """Takes out properties of items that are left out; leaves out a packet that does not fit."""
    if len(items.xmp) > SEGMENT - len(XMP_HEADER):
        items.left.append(f"XMP of {len(items.xmp)} bytes, which does not fit")
        items.xmp, items.extension = None, []
        return
    gone = {
        "HDR gain map": xmp.APPLE_GAIN_MAP if items.gain_map else xmp.GAIN_MAPS,
        "motion photo": xmp.MOTION,
        "directory of further pictures": xmp.DIRECTORY,
        "content credentials": xmp.CREDENTIALS,
    }
    if not items.extension:
        gone["extended XMP"] = xmp.EXTENSION
    try:
        listed = items.gain_map and xmp.has_any(items.xmp, xmp.DIRECTORY)
        for name, properties in gone.items():
            if xmp.has_any(items.xmp, properties) and not (listed and properties is xmp.DIRECTORY):
                items.left.append(f"{name} of the XMP")
    except ValueError as error:
        items.left.append(f"XMP ({error})")
        items.xmp, items.extension = None, []
        return
    items.xmp = take_out(items, *gone.values(), listed=listed)
    if items.xmp is None:
        items.extension = []


def leave_gain_map_out(items, why):
    """Leaves out a gain map and all items that describe it."""
    items.notes.append(f"the HDR gain map is left out: {why}")
    items.gain_map = items.gain_map_says = None
    if items.xmp:
        items.xmp = take_out(items, xmp.GAIN_MAP, xmp.DIRECTORY)


def take_out(items, *properties, listed=False):
    """The XMP without these properties, see `xmp.without`; None where that fails.

    listed: add a directory that lists the gain map.
    """
    try:
        packet = xmp.without(items.xmp, *properties)
        return xmp.with_directory(packet, len(items.gain_map)) if listed else packet
    except ValueError as error:
        items.left.append(f"XMP ({error})")
        return None


def _checked_density(items, density):
    unit, *values = density
    try:
        values = [float(value) for value in values]
        if not all(0 < value < 1e6 for value in values):
            raise ValueError
        if abs(values[0] / values[1] - 1) > 0.01:
            ratio = values if unit == 0 else values[::-1]
            items.notes.append(
                f"pixels that are not square ({ratio[0]:g}:{ratio[1]:g}), which most viewers ignore"
            )
        if unit == 0:  # a ratio alone
            if values[0] == values[1]:
                return None
            values = [value / math.gcd(*map(int, values)) for value in values]
        values = [round(value) for value in values]
        if unit not in (0, 1, 2) or not all(1 <= value <= 0xFFFF for value in values):
            raise ValueError
    except (ValueError, TypeError, ArithmeticError):
        items.left.append(f"resolution of {shown(density[1])} x {shown(density[2])}")
        return None
    return unit, *values


def read_photoshop(items, data):
    """Takes IPTC from bytes that hold Photoshop's image resources or the records themselves."""
    if data.startswith(b"\x1c"):
        items.iptc = items.iptc or _unpadded(data)
        return
    offset, others = 0, False
    while data[offset : offset + 4] == b"8BIM" and offset + 12 <= len(data):
        number, length = struct.unpack_from(">HB", data, offset + 4)
        start = offset + 6 + (1 + length + 1) // 2 * 2
        size = int.from_bytes(data[start : start + 4], "big")
        content = data[start + 4 : start + 4 + size]
        if number == IPTC_RESOURCE and len(content) == size:
            items.iptc = items.iptc or content or None
        else:
            others = True
        offset = start + 4 + size + size % 2
    if others:
        items.left.append("Photoshop resources")


def _unpadded(data):
    """IPTC records without the zeros behind the last one: IIM 4.2, section 1.5."""
    offset = 0
    while data[offset : offset + 1] == b"\x1c":
        length, head = int.from_bytes(data[offset + 3 : offset + 5], "big"), 5
        if length & 0x8000:  # an extended record: these bits are the size of its length field
            head += length & 0x7FFF
            length = int.from_bytes(data[offset + 5 : offset + head], "big")
        offset += head + length
    return data if data[offset:].strip(b"\0") else data[:offset]
