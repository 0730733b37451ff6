"""The index of the pictures in a file: Multi-Picture Format, CIPA DC-007.

It is the payload of an APP2 segment, a TIFF structure behind "MPF\\0". The offsets of pictures
count from the start of that structure; the first picture's offset is 0.
"""

import struct

from learned_jpeg.pictures.exif import Structure

HEADER = b"MPF\0"
_VERSION, _COUNT, _ENTRIES = 0xB000, 0xB001, 0xB002
_UNDEFINED, _LONG = 7, 4
_ENTRY = 16  # bytes: attributes, size, offset, and two numbers of other entries
SIZE = len(HEADER) + 8 + 2 + 3 * 12 + 4 + 2 * _ENTRY  # bytes of an `index`
_PRIMARY, _JPEG = 0x030000, 0  # attributes of the baseline picture, and of others


def moved(payload, start, new_start, end, new_end):
    """The payload of an index for a file whose first picture is rewritten.

    start, new_start: offsets of the index's structure in the old and the new file; end, new_end:
    ends of the first picture, behind which the others stay as they are. Raises ValueError for a
    broken index.
    """
    structure = Structure(payload[len(HEADER) :])
    entry = structure.directory(structure.first).get(_ENTRIES)
    if entry is None:
        raise ValueError("it has no entries")
    result = bytearray(payload)
    for offset in range(entry.offset, entry.offset + entry.size - _ENTRY + 1, _ENTRY):
        layout, offset = structure.order + "II", len(HEADER) + offset + 4
        size, where = struct.unpack_from(layout, payload, offset)
        if where == 0:
            size = new_end
        elif start + where >= end:
            where += new_end - end - new_start + start
        struct.pack_into(layout, result, offset, size, where)
    return bytes(result)


def index(start, end, size):
    """The payload of an index of two pictures, the second behind the first.

    start: offset of the structure in the file; end: of the first picture; size: of the second
    picture, in bytes.
    """
    tags = [(_VERSION, _UNDEFINED, 4, b"0100"), (_COUNT, _LONG, 1, struct.pack(">I", 2))]
    offset = 8 + 2 + 12 * 3 + 4
    tags.append((_ENTRIES, _UNDEFINED, 2 * _ENTRY, struct.pack(">I", offset)))
    structure = b"MM\0*" + struct.pack(">IH", 8, len(tags))
    structure += b"".join(struct.pack(">HHI4s", *tag) for tag in tags) + bytes(4)
    structure += struct.pack(">IIIHH", _PRIMARY, end, 0, 0, 0)
    structure += struct.pack(">IIIHH", _JPEG, size, end - start, 0, 0)
    return HEADER + structure
