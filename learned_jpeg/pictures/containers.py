"""The segments, chunks and directories of JPEG, PNG and TIFF files, before decoding.

A decoder gets only the parts that decide about pixels, so that no broken text, profile or checksum
keeps a picture from being read.
"""

import io
import re
import struct
import zlib
from dataclasses import dataclass, field

from learned_jpeg.jpeg.jpeg_file import APP14, SOS

from PIL import TiffImagePlugin

PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
# The chunks that decide about the samples of a PNG: the critical ones and transparency.
PNG_CORE = (b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND")
MAX_PAGES = 20  # pages of a TIFF that are read: the picture, its reductions, one more
MAX_TEXT = 1 << 24  # bytes of a compressed text; a longer text is not unpacked

# T.81, table B.1
JPEG_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
# A marker in entropy coded data is 0xFF and neither a stuffed zero, nor a restart, nor a fill.
_MARKER = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]")

_KINDS = (  # (kind, first bytes of the file)
    ("PNG", PNG_SIGNATURE),
    ("JPEG", b"\xff\xd8\xff"),
    ("TIFF", b"II*\0"),
    ("TIFF", b"MM\0*"),
    ("TIFF", b"II+\0"),
    ("TIFF", b"MM\0+"),
    ("GIF", b"GIF8"),
    ("JPEG XL", b"\xff\x0a"),
    ("JPEG XL", b"\0\0\0\x0cJXL "),
    ("PostScript", b"%!PS"),
    ("PostScript", b"\xc5\xd0\xd3\xc6"),
    ("PDF", b"%PDF"),
)


def kind(head):
    """The kind of a file by its first 64 bytes: "PNG", "JPEG", "TIFF", "HEIC", ..., or None."""
    if head[:4] == b"II*\0" and head[8:10] == b"CR":
        return "CR2"  # a TIFF that begins with a preview
    for name, start in _KINDS:
        if head.startswith(start):
            return name
    if head[4:8] == b"ftyp":
        brands = head[8 : int.from_bytes(head[:4], "big")]
        if b"avif" in brands or b"avis" in brands:
            return "AVIF"
        if re.search(b"hei[cfmsx]|hev[cx]|mif1|msf1", brands):
            return "HEIC"
    return None


@dataclass
class JpegParts:
    """The parts of a JPEG file.

    segments: [(marker, payload)] before the first scan, and comments behind it; core: the file's
    bytes without metadata; ended: whether it has an end marker; trailer: the bytes behind it.
    """

    segments: list = field(default_factory=list)
    core: bytes = b""
    ended: bool = False
    trailer: bytes = b""


def jpeg_parts(data, check=False):
    """The JpegParts of a file. From the first broken segment on, the core has all bytes.

    check: raise ValueError for samples of other than 8 bits, which cannot be read.
    """
    parts, kept, offset = JpegParts(), [data[:2]], 2
    while True:
        found = _MARKER.match(data, offset) or _MARKER.search(data, offset)
        if found is None or found.start() + 4 > len(data) and data[found.start() + 1] != 0xD9:
            kept.append(data[offset:])
            break
        kept.append(data[offset : found.start()])
        offset, marker = found.start(), data[found.start() + 1]
        if marker == 0xD9:
            kept.append(data[offset : offset + 2])
            parts.ended, parts.trailer = True, data[offset + 2 :]
            break
        end = offset + 2 + int.from_bytes(data[offset + 2 : offset + 4], "big")
        if not (0xE1 <= marker <= 0xEF or marker == 0xFE) or marker == APP14:
            kept.append(data[offset:end])
        if marker != SOS:
            parts.segments.append((marker, data[offset + 4 : end]))
        if check and marker in JPEG_FRAMES and data[offset + 4 : offset + 5] not in (b"", b"\x08"):
            raise ValueError(f"{data[offset + 4]} bits a sample; only JPEG of 8 bits can be read")
        offset = end
    parts.core = b"".join(kept)
    return parts


def _png_places(data):
    """(type, start of the payload, its end) of each chunk of a PNG file, up to a broken one."""
    offset = len(PNG_SIGNATURE)
    while offset + 8 <= len(data):
        length, name = struct.unpack_from(">I4s", data, offset)
        yield name, offset + 8, offset + 8 + length
        offset += 12 + length
        if name == b"IEND":
            break


def png_chunks(data):
    """[(type, payload)] of the chunks of a PNG file, up to a broken one."""
    return [(name, data[start:end]) for name, start, end in _png_places(data)]


def png_core(data, unknown=False):
    """A PNG file's bytes without metadata; checksums stay as they are.

    unknown: keep chunks of unknown kinds that are marked as critical for the pixels.
    """
    spans = [
        (start, end)
        for name, start, end in _png_places(data)
        if name in PNG_CORE or unknown and not name[0] & 0x20  # PNG 3, 5.4
    ]
    return PNG_SIGNATURE + b"".join(data[start - 8 : end + 4] for start, end in spans)


def png_texts(chunks):
    """[(keyword, bytes)] of tEXt, zTXt and iTXt; None for a text that cannot be unpacked."""
    texts = []
    for name, payload in chunks:
        if name not in (b"tEXt", b"zTXt", b"iTXt"):
            continue
        keyword, _, text = payload.partition(b"\0")
        packed = name == b"zTXt"
        if packed:
            text = text[1:]
        if name == b"iTXt":
            packed = text[:1] == b"\1"
            text = text[2:].split(b"\0", 2)[-1]
        texts.append((keyword.decode("latin-1"), unpacked(text) if packed else text))
    return texts


def unpacked(data):
    """The bytes of a zlib stream of at most MAX_TEXT, or None."""
    try:
        stream = zlib.decompressobj()
        result = stream.decompress(data, MAX_TEXT)
        return result if stream.eof else None
    except zlib.error:
        return None


@dataclass(frozen=True)
class Directory:
    """A picture in a TIFF file.

    tags: {number: value}; offset: of the directory's first byte in the file; page: the number of
    its page; subifd: its number among the directories within that page, or None for the page.
    """

    tags: dict
    offset: int
    page: int
    subifd: int | None = None

    def get(self, tag, default=None):
        """A tag's first value."""
        value = self.tags.get(tag, default)
        return value[0] if isinstance(value, tuple) and value else value


def tiff_directories(file):
    """[Directory] of an open TIFF file: its pages, and the directories within the first page."""
    file.seek(0)
    header = file.read(16)
    big = header[2:3] == b"+" or header[3:4] == b"+"
    header = header if big else header[:8]
    offset = TiffImagePlugin.ImageFileDirectory_v2(header).next
    directories, seen = [], set()
    while offset and offset not in seen and len(seen) < MAX_PAGES:
        seen.add(offset)
        tags, following = _tags(file, header, offset)
        directories.append(Directory(tags, offset, len(seen) - 1))
        offset = following
    if directories:
        offsets = directories[0].tags.get(330, ())
        offsets = offsets if isinstance(offsets, tuple) else (offsets,)
        for number, offset in enumerate(offsets[:MAX_PAGES]):
            if isinstance(offset, int):
                directories.append(Directory(_tags(file, header, offset)[0], offset, 0, number))
    return directories


def tiff_with(data, offset, tag, value):
    """A TIFF file's bytes with a new value of a tag, one number of 16 bits, in the directory at an
    offset."""
    order = "<" if data[:2] == b"II" else ">"
    big = struct.unpack_from(f"{order}H", data, 2)[0] == 43
    (count,) = struct.unpack_from(order + ("Q" if big else "H"), data, offset)
    first, size, within = (8, 20, 12) if big else (2, 12, 8)
    changed = bytearray(data)
    for entry in range(offset + first, min(offset + first + size * count, len(data) - size), size):
        if struct.unpack_from(f"{order}H", data, entry)[0] == tag:
            struct.pack_into(f"{order}H", changed, entry + within, value)
    return bytes(changed)


def _tags(file, header, offset):
    directory = TiffImagePlugin.ImageFileDirectory_v2(header)
    file.seek(offset)
    directory.load(file)
    return {tag: value for tag in directory if (value := _value(directory, tag)) is not None}, (
        directory.next
    )


def _value(directory, tag):
    try:
        return directory[tag]
    except Exception:  # a broken value spoils only its own tag
        return None


def as_file(data):
    """Bytes as an open file."""
    return io.BytesIO(data)


def bits(image, data):
    """The bits of a sample in a file that Pillow reads as 8 bits."""
    if image.format == "AVIF":
        offset = data.find(b"av1C", 0, 1 << 16)
        flags = data[offset + 6 : offset + 7] if offset >= 0 else b""
        return 10 if flags and flags[0] & 0x40 else 8  # high_bitdepth, AV1-ISOBMFF 2.3.3
    if image.format == "JPEG2000":
        offset = data.find(b"\xff\x4f\xff\x51")  # SOC and SIZ, ISO/IEC 15444-1, A.5.1
        depth = data[offset + 42 : offset + 43] if offset >= 0 else b""
        return (depth[0] & 0x7F) + 1 if depth else 8
    return 16 if any(";16" in str(tile) for tile in image.tile) else 8
