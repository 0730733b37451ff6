"""A frame's levels to a progressive file, after a longer search for its scans.

This search knows more scans than that of `progressive`: bands start at more zigzag positions, each
band has an al of its own, a refinement may hold the last positions alone, and scans share tables
where that is cheaper. "T.81" is Recommendation ITU-T T.81 | ISO/IEC 10918-1.
"""

import itertools
import struct
from dataclasses import dataclass
from typing import Any

from learned_jpeg.jpeg import huffman, progressive, scans
from learned_jpeg.jpeg.progressive import Levels, counted

import numpy as np

# The zigzag positions at which a band may start.
_STARTS = np.array([*range(1, 14), 15, 17, 19, 21, 25, 28, 32, 36, 43, 50, 64])
# The zigzag positions at which a refinement may start.
_REFINEMENT_STARTS = (1, 2, 3, 6, 9, 13, 19, 25, 36)
# The largest al of a first scan.
_MOST_AL = 3
# Bits of a scan's header and of a table's; each symbol of the table takes 8 more (T.81, B.2.3 and
# B.2.4).
_HEADER, _TABLE = 8 * 10, 8 * 17
# The scans are chosen by _RUNS runs of _RUN blocks.
_RUN, _RUNS = 4096, 4
_SLOTS = 4  # for tables of DC, and as many for tables of AC (T.81, table B.5)


@dataclass
class _Scan:
    """components: indices; walk: of `Levels.walk`; counts, bits: of `progressive.counted`."""

    components: list
    ss: int
    se: int
    ah: int
    al: int
    walk: Any
    counts: np.ndarray
    bits: int

    @classmethod
    def of(cls, walk, components, ss=0, se=0, ah=0, al=0):
        return cls(components, ss, se, ah, al, walk, *counted(walk))


def write(frame):
    """The bytes of a complete `coefficients.Frame`, from its tables to the end marker."""
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
    found = _dc_scans(frame)
    for i, component in enumerate(frame.components):
        levels = Levels.of(_blocks(component))
        for ss, se, al, refinement in _plan(levels):
            walk = levels.walk(ss, se, al, refinement)
            found.append(_Scan.of(walk, [i], ss, se, al + 1 if refinement else 0, al))
    numbers = [component.number for component in frame.components]
    return _segment(0xDB, dqt) + _segment(0xC2, sof) + _written(found, numbers) + b"\xff\xd9"


def _segment(marker, payload):
    return struct.pack(">BBH", 0xFF, marker, len(payload) + 2) + payload


def _blocks(component):
    return np.ascontiguousarray(component.blocks).reshape(-1, 64)


def _table_bits(counts):
    """The bits of a table and of all codes of the symbols that are counted."""
    return _TABLE + 8 * np.count_nonzero(counts) + int(huffman.least_lengths(counts)[1])


def _joined(items, cost, join):
    """Joins pairs of items, each time the pair that saves most, until no pair saves anything."""
    items = list(items)
    while True:
        pairs = itertools.combinations(range(len(items)), 2)
        ways = [(cost(join(items[i], items[j])) - cost(items[i]) - cost(items[j]), i, j)
                for i, j in pairs]  # fmt: skip
        change, i, j = min(ways, default=(0, 0, 0))
        if change >= 0:
            return items
        items[i] = join(items[i], items.pop(j))


def _dc_scans(frame):
    """The scans of DC.

    Only components with one block in an MCU share a scan: in a shared scan, others would have
    another order of blocks, and blocks beyond the picture.
    """

    def of(components):
        dc = [frame.components[i].blocks[..., 0].ravel() for i in components]
        dc = np.stack(dc, axis=-1)
        return _Scan.of(lambda *sink: scans.walk_dc(dc, *sink), components)

    def cost(scan):
        return _HEADER + 16 * len(scan.components) + scan.bits + _table_bits(scan.counts)

    single = [i for i, each in enumerate(frame.components) if each.across * each.down == 1]
    apart = [of([i]) for i in range(len(frame.components)) if i not in single]
    together = _joined(
        [of([i]) for i in single], cost, lambda a, b: of(sorted(a.components + b.components))
    )
    return sorted(apart + together, key=lambda scan: scan.components)


def _plan(levels):
    """The AC scans of a component: [(ss, se, al, whether it is a refinement)].

    least[al, i] is the fewest bits for the positions from _STARTS[i] on without their al lowest
    bits: either a band up to a later start and the fewest bits from there on, or the fewest bits
    without al + 1 lowest bits and a refinement of the bit al.
    """
    parts, times = progressive.part(levels.starts, _RUN, _RUNS)
    m = len(_STARTS)
    least, ways = np.full([_MOST_AL + 2, m], np.inf), {}  # the end of the band; None: refinement
    least[:, -1] = 0
    for al in range(_MOST_AL, -1, -1):
        bits, symbols = progressive.bits_of_bands(levels, parts, _STARTS, al)
        bits = times * bits + (_HEADER + _TABLE + 8 * symbols)
        for i in range(m - 2, -1, -1):
            band = bits[i, i + 1 :] + least[al, i + 1 :]
            ways[al, i] = i + 1 + int(np.argmin(band))
            least[al, i] = band.min()
            if _STARTS[i] in _REFINEMENT_STARTS and least[al + 1, i] < least[al, i]:
                both = _refinement_bits(levels, parts, times, int(_STARTS[i]), al)
                both += least[al + 1, i]
                if both < least[al, i]:
                    ways[al, i], least[al, i] = None, both
    first, refinements, al, i = [], [], 0, 0
    while i < m - 1:
        if (j := ways[al, i]) is None:
            refinements.append((int(_STARTS[i]), 63, al, True))
            al += 1
        else:
            first.append((int(_STARTS[i]), int(_STARTS[j]) - 1, al, False))
            i = j
    return first + refinements[::-1]


def _refinement_bits(levels, parts, times, ss, al):
    """About the bits of the refinement of the bit al from a position on."""
    counts, bits = progressive.counted_refinement(levels, parts, ss, al)
    return times * float(bits + _table_bits(counts)) + _HEADER


def _written(found, numbers):
    """The data of all scans, with their tables in as few segments as the slots allow."""
    data, held = [], [[None] * _SLOTS, [None] * _SLOTS]
    tables = _tables(found)
    for n, (scan, table) in enumerate(zip(found, tables, strict=True)):
        if table not in held[scan.ss > 0]:
            data.append(_segment(0xC4, b"".join(_filled(held, found[n:], tables[n:]))))
        slot = held[scan.ss > 0].index(table)
        header = (scan.ss, scan.se, scan.ah, scan.al)
        data.append(progressive.scan_header([numbers[i] for i in scan.components], slot, *header))
        data.append(progressive.packed(scan.walk, scan.counts, scan.bits, *table))
    return b"".join(data)


def _tables(found):
    """The `huffman.table` of each scan; scans that share a table have an equal one."""
    tables = [None] * len(found)
    for ac in (False, True):
        groups = _joined(
            [([n], scan.counts) for n, scan in enumerate(found) if (scan.ss > 0) == ac],
            lambda group: _table_bits(group[1]),
            lambda a, b: (a[0] + b[0], a[1] + b[1]),
        )
        for members, counts in groups:
            of_length, symbols = huffman.table(counts)
            for n in members:
                tables[n] = tuple(of_length), tuple(symbols)
    return tables


def _filled(held, found, tables):
    """Fills slots with the tables of the next scans; yields the entry of DHT for each."""
    for ac, slots in enumerate(held):
        wanted = [table for scan, table in zip(found, tables, strict=True) if (scan.ss > 0) == ac]
        wanted = list(dict.fromkeys(wanted))[:_SLOTS]
        free = [slot for slot in range(_SLOTS) if slots[slot] not in wanted]
        for table in wanted:
            if table not in slots:
                slot = free.pop(0)
                slots[slot] = table
                yield struct.pack(">17B", 16 * ac + slot, *table[0]) + bytes(table[1])
