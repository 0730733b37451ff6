"""A frame's coefficients to a progressive file, after a longer search for its scans.

Beside what `progressive` searches, bands may start at more places, each may come without low bits
of its own, later scans may be of the last places alone, and scans share tables where that is
cheaper than one of their own. "T.81" is Recommendation ITU-T T.81 | ISO/IEC 10918-1.
"""

import itertools
import struct
from dataclasses import dataclass
from typing import Any

from learned_jpeg.jpeg import huffman, progressive, scans
from learned_jpeg.jpeg.progressive import Levels, counted

import numpy as np

# Where a band may start.
_STARTS = np.array([*range(1, 14), 15, 17, 19, 21, 25, 28, 32, 36, 43, 50, 64])
# Where the bits that come later may start.
_LATER = (1, 2, 3, 6, 9, 13, 19, 25, 36)
# The most low bits that come later.
_LOWEST = 3
# Bits of a scan's header, and of a table but for the symbols, each 8 more (T.81, B.2.3, B.2.4).
_HEADER, _TABLE = 8 * 10, 8 * 17
# The scans are chosen by some runs of so many blocks.
_RUN, _RUNS = 4096, 4
_SLOTS = 4  # of tables for DC, and as many for AC (T.81, table B.5)


@dataclass
class _Scan:
    """components: their indices; walk: as `Levels.walk` gives it; counts, bits: `counted`."""

    components: list
    first: int
    last: int
    high: int
    low: int
    walk: Any
    counts: np.ndarray
    bits: int

    @classmethod
    def of(cls, walk, components, first=0, last=0, high=0, low=0):
        return cls(components, first, last, high, low, walk, *counted(walk))


def write(frame):
    """The bytes of a `coefficients.Frame` that is complete from its tables to the end marker."""
    tables, slots = [], []
    for component in frame.components:
        entries = component.table.tolist()
        if entries not in tables:
            tables.append(entries)
        slots.append(tables.index(entries))
    dqt = b""
    for slot, entries in enumerate(tables):
        deep = max(entries) > 255
        dqt += struct.pack(f">B64{'H' if deep else 'B'}", 16 * deep + slot, *entries)
    sof = struct.pack(">BHHB", 8, frame.height, frame.width, len(frame.components))
    for component, slot in zip(frame.components, slots, strict=True):
        sof += bytes([component.number, 16 * component.across + component.down, slot])
    found = _of_means(frame)
    for i, component in enumerate(frame.components):
        levels = Levels.of(_blocks(component))
        for first, last, low, later in _plan(levels):
            walk = levels.walk(first, last, low, later)
            found.append(_Scan.of(walk, [i], first, last, low + 1 if later else 0, low))
    numbers = [component.number for component in frame.components]
    return _segment(0xDB, dqt) + _segment(0xC2, sof) + _written(found, numbers) + b"\xff\xd9"


def _segment(marker, payload):
    return struct.pack(">BBH", 0xFF, marker, len(payload) + 2) + payload


def _blocks(component):
    return np.ascontiguousarray(component.blocks).reshape(-1, 64)


def _table_bits(counts):
    """A table with what it codes."""
    return _TABLE + 8 * np.count_nonzero(counts) + int(huffman.least_lengths(counts)[1])


def _joined(items, cost, join):
    """Items, each two of which are joined while that makes them cheaper, best first."""
    items = list(items)
    while True:
        pairs = itertools.combinations(range(len(items)), 2)
        ways = [(cost(join(items[i], items[j])) - cost(items[i]) - cost(items[j]), i, j)
                for i, j in pairs]  # fmt: skip
        gain, i, j = min(ways, default=(0, 0, 0))
        if gain >= 0:
            return items
        items[i] = join(items[i], items.pop(j))


def _of_means(frame):
    """The scans of the means.

    Components with one block in an MCU may share a scan: the order of their blocks stays the
    same, and none is there for whole MCUs alone.
    """

    def scan(components):
        means = [frame.components[i].blocks[..., 0].ravel() for i in components]
        means = np.stack(means, axis=-1)
        return _Scan.of(lambda *sink: scans.walk_dc(means, *sink), components)

    def cost(one):
        return _HEADER + 16 * len(one.components) + one.bits + _table_bits(one.counts)

    single = [i for i, each in enumerate(frame.components) if each.across * each.down == 1]
    apart = [scan([i]) for i in range(len(frame.components)) if i not in single]
    together = _joined(
        [scan([i]) for i in single], cost, lambda a, b: scan(sorted(a.components + b.components))
    )
    return sorted(apart + together, key=lambda one: one.components)


def _plan(levels):
    """[(first, last, low, later)]: the AC scans of a component.

    least[low, i]: bits of the places from _STARTS[i] on without their `low` lowest bits: of a
    band up to some place, and of what follows it; or of all but one bit more, and that bit.
    """
    parts, times = progressive.part(levels.starts, _RUN, _RUNS)
    m = len(_STARTS)
    least, ways = np.full([_LOWEST + 2, m], np.inf), {}  # None: one bit more
    least[:, -1] = 0
    for low in range(_LOWEST, -1, -1):
        bits, symbols = progressive.bits_of_bands(levels, parts, _STARTS, low)
        bits = times * bits + (_HEADER + _TABLE + 8 * symbols)
        for i in range(m - 2, -1, -1):
            band = bits[i, i + 1 :] + least[low, i + 1 :]
            ways[low, i] = i + 1 + int(np.argmin(band))
            least[low, i] = band.min()
            if _STARTS[i] in _LATER and least[low + 1, i] < least[low, i]:
                both = least[low + 1, i] + _later_bits(levels, parts, times, int(_STARTS[i]), low)
                if both < least[low, i]:
                    ways[low, i], least[low, i] = None, both
    first, later, low, i = [], [], 0, 0
    while i < m - 1:
        if (j := ways[low, i]) is None:
            later.append((int(_STARTS[i]), 63, low, True))
            low += 1
        else:
            first.append((int(_STARTS[i]), int(_STARTS[j]) - 1, low, False))
            i = j
    return first + later[::-1]


def _later_bits(levels, parts, times, first, low):
    """About what the scan of one lower bit costs."""
    counts, bits = progressive.counted_later(levels, parts, first, low)
    return times * float(bits + _table_bits(counts)) + _HEADER


def _written(found, numbers):
    """Scans with their tables, in as few segments as the slots allow."""
    data, held = [], [[None] * _SLOTS, [None] * _SLOTS]
    tables = _tables(found)
    for n, (scan, table) in enumerate(zip(found, tables, strict=True)):
        if table not in held[scan.first > 0]:
            data.append(_segment(0xC4, b"".join(_filled(held, found[n:], tables[n:]))))
        slot = held[scan.first > 0].index(table)
        header = (scan.first, scan.last, scan.high, scan.low)
        data.append(progressive.scan_header([numbers[i] for i in scan.components], slot, *header))
        data.append(progressive.packed(scan.walk, scan.counts, scan.bits, *table))
    return b"".join(data)


def _tables(found):
    """A `huffman.table` for each scan, the same one for those that share it."""
    tables = [None] * len(found)
    for ac in (False, True):
        groups = _joined(
            [([n], scan.counts) for n, scan in enumerate(found) if (scan.first > 0) == ac],
            lambda group: _table_bits(group[1]),
            lambda a, b: (a[0] + b[0], a[1] + b[1]),
        )
        for members, counts in groups:
            of_length, symbols = huffman.table(counts)
            for n in members:
                tables[n] = tuple(of_length), tuple(symbols)
    return tables


def _filled(held, found, tables):
    """Fills slots with the tables that are needed next; yields what DHT says of each."""
    for ac, slots in enumerate(held):
        wanted = [
            table for scan, table in zip(found, tables, strict=True) if (scan.first > 0) == ac
        ]
        wanted = list(dict.fromkeys(wanted))[:_SLOTS]
        free = [slot for slot in range(_SLOTS) if slots[slot] not in wanted]
        for table in wanted:
            if table not in slots:
                slot = free.pop(0)
                slots[slot] = table
                yield struct.pack(">17B", 16 * ac + slot, *table[0]) + bytes(table[1])
