"""EXIF: reads and writes the tags of a TIFF structure, whose values stay byte by byte.

A structure has a header, which gives the order of bytes, and directories of tags: TIFF 6.0,
section 2; Exif 2.32, 4.6. A value of more than four bytes stands outside of its directory.
"""

import struct
from typing import NamedTuple

ORIENTATION = 0x0112
# Tags that hold another directory.
EXIF_IFD, GPS_IFD, INTEROPERABILITY_IFD = 0x8769, 0x8825, 0xA005
_LONG, _SHORT = 4, 3
# Bytes of a value of each type; 129 is Exif 3.0's text in UTF-8, 16 to 18 are BigTIFF's own.
_SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4, 129: 1}
_BIG_SIZES = _SIZES | {16: 8, 17: 8, 18: 8}
_INTEGERS = {1: "B", 3: "H", 4: "I", 13: "I", 16: "Q", 18: "Q"}
MOST = 65535 - 2 - 6  # bytes: a segment of a JPEG file without its length and "Exif\0\0"


class Entry(NamedTuple):
    """A tag's value: its type, the number of values, its first byte, and its number of bytes."""

    kind: int
    count: int
    offset: int
    size: int


class Structure:
    """A TIFF or BigTIFF structure (bytes). Raises ValueError for any other header."""

    def __init__(self, data):
        self.data = data
        self.order = {b"II": "<", b"MM": ">"}.get(data[:2])
        version = self._numbers("H", 2)[0] if self.order else 0
        if version not in (42, 43):
            raise ValueError("it does not begin as EXIF")
        self.big = version == 43
        (self.first,) = self._numbers("Q", 8) if self.big else self._numbers("I", 4)

    def _numbers(self, letters, offset):
        try:
            return struct.unpack_from(self.order + letters, self.data, offset)
        except (struct.error, OverflowError) as error:
            raise ValueError("it is cut off") from error

    def directory(self, offset):
        """{tag: Entry} of the directory at an offset, without values outside of the structure."""
        sizes = _BIG_SIZES if self.big else _SIZES
        number, inline, head = ("Q", 8, 8) if self.big else ("I", 4, 2)
        found = {}
        for index in range(self._numbers("Q" if self.big else "H", offset)[0]):
            start = offset + head + index * (4 + 2 * inline)
            tag, kind, count, where = self._numbers("HH" + 2 * number, start)
            size = sizes.get(kind, 0) * count
            if size <= inline:
                where = start + 4 + inline
            if size and where + size <= len(self.data):
                found[tag] = Entry(kind, count, where, size)
        return found

    def bytes_of(self, entry):
        """The value of an Entry as it is stored."""
        return self.data[entry.offset : entry.offset + entry.size]

    def number(self, entry):
        """The first value of an Entry of whole numbers, or None."""
        letter = _INTEGERS.get(entry.kind)
        return letter and self._numbers(letter, entry.offset)[0]

    def within(self, directory, tag):
        """The directory that a tag of another directory points to; {} where it cannot be read."""
        try:
            return self.directory(self.number(directory[tag]))
        except (KeyError, TypeError, ValueError):
            return {}


def check(data):
    """Raises ValueError where an EXIF has no first directory that can be read."""
    structure = Structure(data)
    if structure.big or not structure.directory(structure.first):
        raise ValueError("no entry")


def orientation(data):
    """The orientation that an EXIF states, which may be any number, or None. Raises ValueError."""
    structure = Structure(data)
    entry = structure.directory(structure.first).get(ORIENTATION)
    return entry and structure.number(entry)


def oriented(data, value):
    """An EXIF whose orientation, which it must have, is replaced."""
    structure = Structure(data)
    entry = structure.directory(structure.first)[ORIENTATION]
    number = struct.pack(structure.order + _INTEGERS[entry.kind], value)
    return data[: entry.offset] + number + data[entry.offset + len(number) :]


def minimal(value):
    """An EXIF of an orientation alone."""
    row = ORIENTATION, _SHORT, 1, struct.pack(">H", value)
    return struct.pack(">2sHIHHHI4sI", b"MM", 42, 8, 1, *row, 0)


def of_tiff(data, offset, tags):
    """The EXIF of a picture in a TIFF file, with all values byte by byte; None where it is empty.

    It holds the given tags of the file's first directory and of the picture's directory, which
    begins at `offset`, and their directories of EXIF, GPS and interoperability. Raises ValueError
    where it is longer than a JPEG file can hold.
    """
    source = Structure(data)
    main = source.directory(source.first) | source.directory(offset)
    exif, gps = source.within(main, EXIF_IFD), source.within(main, GPS_IFD)
    inner = {INTEROPERABILITY_IFD: _part(source.within(exif, INTEROPERABILITY_IFD))}
    inner = {EXIF_IFD: _part(exif, inner), GPS_IFD: _part(gps)}
    main = _part({tag: entry for tag, entry in main.items() if tag in tags}, inner)
    if not any(main):
        return None
    mark = b"II" if source.order == "<" else b"MM"
    head = struct.pack(source.order + "2sHI", mark, 42, 8)
    return head + _written(source, *main, len(head))


def _part(directory, inner=None):
    """(entries, inner) as `_written` takes them."""
    entries = {
        tag: entry
        for tag, entry in directory.items()
        if entry.kind in _SIZES and tag not in (EXIF_IFD, GPS_IFD, INTEROPERABILITY_IFD)
    }
    if sum(entry.size for entry in entries.values()) > MOST:
        raise ValueError("it does not fit")
    return entries, {tag: part for tag, part in (inner or {}).items() if any(part)}


def _written(source, entries, inner, offset):
    """A directory at an offset of a new structure, followed by its longer values.

    source: the Structure of the entries; inner: {tag: (entries, inner)} of the directories that
    its tags point to.
    """
    start = offset + 2 + 12 * (len(entries) + len(inner)) + 4
    rows, behind = [], b""

    def add(tag, kind, count, value):
        nonlocal behind
        if len(value) > 4 or tag in inner:
            where = struct.pack(source.order + "I", start + len(behind))
            behind, value = behind + value + bytes(len(value) % 2), where
        rows.append((tag, kind, count, value))

    for tag, entry in entries.items():
        add(tag, entry.kind, entry.count, source.bytes_of(entry))
    for tag, part in inner.items():
        add(tag, _LONG, 1, _written(source, *part, start + len(behind)))
    packed = [struct.pack(source.order + "HHI4s", *row) for row in sorted(rows)]
    return struct.pack(source.order + "H", len(rows)) + b"".join(packed) + bytes(4) + behind
