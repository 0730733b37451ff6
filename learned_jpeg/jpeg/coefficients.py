"""A JPEG file's levels and tables, as they are in the file.

The reader knows sequential and progressive files, Huffman and arithmetic codes, 8 bits a sample,
and all components and sampling factors that libjpeg reads. "T.81" is Recommendation ITU-T T.81 |
ISO/IEC 10918-1.
"""

import re
import struct
from dataclasses import dataclass, field

from learned_jpeg.jpeg import arithmetic, entropy
from learned_jpeg.jpeg.standard import BLOCK

import numpy as np

DQT, DHT, DAC, DRI, SOS, EOI = 0xDB, 0xC4, 0xCC, 0xDD, 0xDA, 0xD9
# The frames that can be read (T.81, table B.1).
PROGRESSIVE, ARITHMETIC = (0xC2, 0xCA), (0xC9, 0xCA)
FRAMES = (0xC0, 0xC1, *PROGRESSIVE, 0xC9)
_LOSSLESS = 0xC3, 0xCB
MOST_COMPONENTS = 4  # in a scan (T.81, B.2.3)
MOST_IN_MCU = 10  # blocks of an MCU (T.81, B.2.3)

# A marker: 0xFF, perhaps several times, and neither a stuffed zero nor a restart.
_MARKER = re.compile(rb"\xff+[^\x00\xff\xd0-\xd7]")
_RESTART = re.compile(rb"\xff+([\xd0-\xd7])")
_STUFFED = re.compile(rb"\xff+\x00")
_UNKNOWN = -1


@dataclass
class Component:
    """A component of a frame.

    number: its identifier in the file; across, down: its sampling factors; slot: the number of its
    quantization table; table: that table, uint16 [64] in zigzag order; blocks: levels int16 [rows,
    columns, 64], row-major; known: int8 [64], the al of the last scan of each zigzag position, -1
    for a position that no scan held.
    """

    number: int
    across: int
    down: int
    slot: int
    blocks: np.ndarray = None
    first: int = 0  # the index of its first block in Frame.stored
    stride: int = 0  # blocks in a row of Frame.stored
    table: np.ndarray | None = None
    known: np.ndarray = field(default_factory=lambda: np.full(64, _UNKNOWN, np.int8))


@dataclass
class Frame:
    """A picture of height x width pixels."""

    height: int
    width: int
    progressive: bool
    arithmetic: bool
    components: list
    stored: np.ndarray = None  # int16 [n, 64], the blocks of whole MCUs of all components

    @property
    def complete(self):
        """Whether all bits of all coefficients were sent."""
        return all((component.known == 0).all() for component in self.components)

    def mcus(self):
        """The number of MCUs (across, down) of a scan of several components."""
        across = BLOCK * max(component.across for component in self.components)
        down = BLOCK * max(component.down for component in self.components)
        return -(-self.width // across), -(-self.height // down)

    def allocate(self):
        """Allocates the blocks of all components."""
        most_across = max(component.across for component in self.components)
        most_down = max(component.down for component in self.components)
        across, down = self.mcus()
        sizes = [across * each.across * down * each.down for each in self.components]
        self.stored, first = np.zeros([sum(sizes), 64], np.int16), 0
        for component, size in zip(self.components, sizes, strict=True):
            component.first, component.stride = first, across * component.across
            blocks = self.stored[first : first + size].reshape(-1, component.stride, 64)
            rows = -(-self.height * component.down // (BLOCK * most_down))
            columns = -(-self.width * component.across // (BLOCK * most_across))
            component.blocks = blocks[:rows, :columns]
            first += size


class _Reader:
    """The state that the segments of a file change."""

    def __init__(self):
        self.frame, self.restart = None, 0
        self.tables = {}
        self.lookups = np.zeros([8, 1 << 16], np.int32)
        self.conditions = np.array([0x10] * 4 + [5] * 4)  # T.81, F.1.4.4.1.4 and F.1.4.4.2.1

    def segment(self, marker, payload, data):
        """Reads a segment. data: the entropy-coded data behind the segment of a scan."""
        if marker == DQT:
            self._quantization(payload)
        elif marker == DHT:
            self._huffman(payload)
        elif marker == DRI:
            (self.restart,) = struct.unpack(">H", payload)
        elif marker in FRAMES:
            self._start(marker, payload)
        elif marker == SOS:
            self._scan(payload, data)
        elif marker == DAC:
            self._conditioning(payload)
        elif 0xC0 <= marker <= 0xCF and marker != 0xC8:
            raise ValueError(f"{'lossless' if marker in _LOSSLESS else 'hierarchical'} coding")

    def _quantization(self, payload):
        """DQT: T.81, B.2.4.1."""
        while payload:
            deep, slot = divmod(payload[0], 16)
            size = 64 << deep
            if deep > 1 or slot > 3 or len(payload) < 1 + size:
                raise ValueError("a broken quantization table")
            entries = np.frombuffer(payload, ">u2" if deep else "u1", 64, 1)
            self.tables[slot] = entries.astype(np.uint16)
            payload = payload[1 + size :]

    def _huffman(self, payload):
        """DHT: T.81, B.2.4.2 and C."""
        while payload:
            kind, slot = divmod(payload[0], 16)
            of_length = payload[1:17]
            symbols = payload[17 : 17 + sum(of_length)]
            if kind > 1 or slot > 3 or len(symbols) < sum(of_length):
                raise ValueError("a broken Huffman table")
            lookup, code, at = self.lookups[4 * kind + slot], 0, 0
            lookup[:] = 0
            for length, n in enumerate(of_length, 1):
                for symbol in symbols[at : at + n]:
                    span = 1 << (16 - length)
                    if code + span > 1 << 16:
                        raise ValueError("a broken Huffman table")
                    lookup[code : code + span] = (length << 8) + symbol
                    code += span
                at += n
            payload = payload[17 + len(symbols) :]

    def _conditioning(self, payload):
        """DAC: T.81, B.2.4.3."""
        for table, value in struct.iter_unpack("BB", payload):
            kind, slot = divmod(table, 16)
            if kind > 1 or slot > 3 or (value & 15 > value >> 4 if kind == 0 else value > 63):
                raise ValueError("broken conditions of arithmetic coding")
            self.conditions[4 * kind + slot] = value

    def _start(self, marker, payload):
        """SOF: T.81, B.2.2."""
        if self.frame is not None:
            raise ValueError("a second frame")
        bits, height, width, n = struct.unpack_from(">BHHB", payload)
        if bits != 8:
            raise ValueError(f"{bits} bits a sample; only 8 are read")
        if not (height and width and 1 <= n <= MOST_COMPONENTS and len(payload) == 6 + 3 * n):
            raise ValueError(f"a picture of {width}x{height} pixels and {n} components")
        components = []
        for number, factors, slot in struct.iter_unpack("BBB", payload[6:]):
            if not all(1 <= factor <= 4 for factor in divmod(factors, 16)):
                raise ValueError("broken sampling factors")
            components.append(Component(number, *divmod(factors, 16), slot))
        if len({component.number for component in components}) < n:
            raise ValueError("two components with the same number")
        self.frame = Frame(height, width, marker in PROGRESSIVE, marker in ARITHMETIC, components)
        self.frame.allocate()

    def _scan(self, payload, data):
        """SOS: T.81, B.2.3."""
        if self.frame is None or len(payload) != 4 + 2 * payload[0]:
            raise ValueError("a broken scan")
        ss, se, bits = payload[-3:]
        ah, al = divmod(bits, 16)
        if not self.frame.progressive:
            ss, se, ah, al = 0, 63, 0, 0
        numbers = {component.number: component for component in self.frame.components}
        chosen = [numbers.get(number) for number in payload[1:-3:2]]
        alone = len(chosen) == 1
        if None in chosen or not chosen or ss > se or se > 63 or al > 13:
            raise ValueError("a broken scan")
        if self.frame.progressive and (se if ss == 0 else not alone):
            raise ValueError("a broken scan")
        geometry = np.zeros([len(chosen), 6], np.int64)
        for row, component, slots in zip(geometry, chosen, payload[2:-3:2], strict=True):
            dc, ac = divmod(slots, 16)
            if dc > 3 or ac > 3:
                raise ValueError("a broken scan")
            factors = (1, 1) if alone else (component.across, component.down)
            row[:] = component.first, component.stride, *factors, dc, 4 + ac
            known = component.known[ss : se + 1]
            if (known != (ah if ah else _UNKNOWN)).any() or ah and al != ah - 1:
                raise ValueError("scans that do not follow each other")
            known[:] = al
            if component.table is None:
                component.table = self.tables.get(component.slot)
                if component.table is None:
                    raise ValueError("a quantization table is missing")
        if alone:
            down, across = chosen[0].blocks.shape[:2]
        else:
            across, down = self.frame.mcus()
            if geometry[:, 2:4].prod(1).sum() > MOST_IN_MCU:
                raise ValueError("a broken scan")
        if not self.frame.progressive:
            kind = entropy.SEQUENTIAL
        elif ss == 0:
            kind = entropy.DC_REFINEMENT if ah else entropy.DC_FIRST
        else:
            kind = entropy.AC_REFINEMENT if ah else entropy.AC_FIRST
        mcus = across * down
        restart = self.restart or mcus
        plain, starts = _parts(data, -(-mcus // restart))
        band = kind, ss, se, al
        coding, tables = entropy, self.lookups
        if self.frame.arithmetic:
            coding, tables = arithmetic, self.conditions
        whole = coding.decode_scan(
            plain, starts, restart, across, down, geometry, tables, band, self.frame.stored
        )
        if whole < mcus:
            raise ValueError("its data are broken or end too early")


def _parts(data, n):
    """A scan's data without stuffing, as `entropy` reads them, and the offsets of its n parts."""
    parts, at = [], 0
    for marker in _RESTART.finditer(data):
        if marker[1][0] != 0xD0 + len(parts) % 8:
            raise ValueError("a restart marker out of order")
        parts.append(data[at : marker.start()])
        at = marker.end()
    parts.append(data[at:])
    if len(parts) > n and not parts[n]:  # a restart marker that ends the scan
        del parts[n:]
    if len(parts) != n:
        raise ValueError("restart markers are missing")
    plain = [_STUFFED.sub(b"\xff", part) for part in parts]
    starts = np.cumsum([0, *map(len, plain)], dtype=np.int64)
    plain = bytearray().join([*plain, bytes(entropy.PADDING)])
    return np.frombuffer(plain, np.uint8), starts


def read(data):
    """The Frame of a JPEG file (bytes). A file may lack the end marker.

    Raises ValueError: the file is broken, or of another kind than the reader knows.
    """
    reader, at = _Reader(), 2
    while found := _MARKER.search(data, at):
        marker, at = data[found.end() - 1], found.end()
        if marker == EOI:
            break
        end = at + int.from_bytes(data[at : at + 2], "big")
        payload = data[at + 2 : end]
        if len(payload) != end - at - 2:
            raise ValueError("a broken segment")
        at = end
        if marker == SOS:
            after = _MARKER.search(data, at)
            at = after.start() if after else len(data)
        try:
            reader.segment(marker, payload, data[end:at])
        except (struct.error, IndexError) as error:  # a segment that is too short
            raise ValueError("a broken segment") from error
    if reader.frame is None or reader.frame.components[0].table is None:
        raise ValueError("there is no picture in it")
    return reader.frame
