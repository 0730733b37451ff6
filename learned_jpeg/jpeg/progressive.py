"""Levels to a progressive file, with a search for the scans that take the fewest bits.

Each scan has a Huffman code of its own. The DC levels of luma have one scan, those of Cb and Cr
another. The AC levels of each component are sent in bands of zigzag positions, at first without
their al lowest bits where that is cheaper. The bands and al are chosen by the bits of their scans,
with headers and tables. "T.81" is Recommendation ITU-T T.81 | ISO/IEC 10918-1, "JFIF" ITU-T T.871.
"""

import itertools
import struct
from dataclasses import dataclass, replace
from functools import partial

from learned_jpeg.jpeg import huffman, scans
from learned_jpeg.jpeg.standard import BLOCK, ZIGZAG
from learned_jpeg.runtime import threads

import numpy as np

# The zigzag positions at which a band may start.
_STARTS = np.array([1, 2, 3, 5, 6, 9, 10, 15, 21, 28, 36, 64])
# The largest al of a first scan.
_MOST_AL = 3
# If an al takes _HOPELESS times the bits of the best al so far, no larger al is tried.
_HOPELESS = 1.02
# Bits of a scan's header and of its table's; each symbol of the table takes 8 more (T.81, B.2.3 and
# B.2.4).
_HEADERS = 8 * (10 + 21)
# The bands are chosen by _RUNS runs of _RUN blocks.
_RUN, _RUNS = 256, 10

_JFIF = b"\xff\xd8\xff\xe0\0\x10JFIF\0\1\1\0\0\1\0\1\0\0"  # version 1.01, square pixels
_NOTHING = np.zeros(0, np.uint8)


@dataclass
class Levels:
    """The AC levels of a component without zeros, as `scans` lists them."""

    starts: np.ndarray
    positions: np.ndarray
    values: np.ndarray

    @classmethod
    def of(cls, blocks):
        """The AC levels of blocks int16 [n, 64], row-major."""

        def count(part):
            return np.count_nonzero(blocks[part]) - np.count_nonzero(blocks[part, 0])

        def list_levels(part, start):
            scans.list_levels(blocks[part], start, starts[part], positions, values)

        parts = threads.parts(len(blocks))
        *firsts, end = np.cumsum([0, *threads.share([partial(count, part) for part in parts])])
        starts = np.empty(len(blocks) + 1, np.int64)
        starts[-1] = end
        positions, values = np.empty(end, np.uint8), np.empty(end, np.int16)
        each = zip(parts, firsts, strict=True)
        threads.share([partial(list_levels, part, start) for part, start in each])
        return cls(starts, positions, values)

    def walk(self, ss, se, al, refinement):
        """The walk of a scan, of `scans`, as a function of (table, out, state)."""
        walk = scans.walk_ac_refinement if refinement else scans.walk_ac_first
        return lambda *sink: walk(self.starts, self.positions, self.values, ss, se, al, *sink)


def counted(*walks):
    """The counts int64 [256] of the symbols of scans, and the number of their bits beside codes."""
    table, state = np.zeros((3, 256), np.int64), np.zeros(3, np.int64)
    for walk in walks:
        walk(table, _NOTHING, state)
    return table[0], int(state[0])


def counted_refinement(levels, parts, ss, al):
    """`counted` of the refinements of the bit al from ss on, of parts [n, 2] of the blocks."""
    of_parts = (replace(levels, starts=levels.starts[at : end + 1]) for at, end in parts)
    return counted(*(of_part.walk(ss, 63, al, True) for of_part in of_parts))


def part(starts, run=_RUN, runs=_RUNS):
    """Runs of blocks, evenly over a component: int64 [runs, 2] of the first block and the end; and
    the number of all blocks over that of the blocks in the runs."""
    n = len(starts) - 1
    firsts = np.arange(0, n, max(run, n // runs))
    parts = np.stack([firsts, np.minimum(firsts + run, n)], -1)
    return parts, n / int((parts[:, 1] - parts[:, 0]).sum())


def bits_of_bands(levels, parts, starts, al):
    """The bits of first scans of parts of the blocks, and how many symbols each scan uses.

    starts [m]: zigzag positions, from 1 to 64. Returns two int64 [m, m]: for the bands from
    starts[i] up to starts[j].
    """
    m = len(starts)
    counts = np.zeros([m, m, 256], np.int64)
    bits, symbols = np.zeros([2, m, m], np.int64)
    scans.count_bands(parts, levels.starts, levels.positions, levels.values, starts, al, counts)
    huffman.bits_of_bands(counts, bits, symbols)
    return bits, symbols


def cheapest_bands(levels, al):
    """The bits of the cheapest first scans with an al, and their bands [(ss, se)]."""
    parts, times = part(levels.starts)
    bits, symbols = bits_of_bands(levels, parts, _STARTS, al)
    cost = times * bits + _HEADERS + 8 * symbols
    least, before = [0.0], [0]
    for j in range(1, len(_STARTS)):
        ways = [least[i] + cost[i, j] for i in range(j)]
        before.append(int(np.argmin(ways)))
        least.append(ways[before[-1]])
    found, j = [], len(_STARTS) - 1
    while j:
        found.append((int(_STARTS[before[j]]), int(_STARTS[j]) - 1))
        j = before[j]
    return least[-1], found[::-1]


def _refinement_bits(levels, al):
    """About the bits of the refinement of the bit al."""
    parts, times = part(levels.starts)
    counts, bits = counted_refinement(levels, parts, 1, al)
    bits += int(huffman.least_lengths(counts)[1])
    return times * bits + _HEADERS + 8 * np.count_nonzero(counts)


def _plan(levels):
    """The AC scans of a component: [(ss, se, al, whether it is a refinement)]."""
    least, found, refinements = np.inf, [], 0.0
    for al in range(_MOST_AL + 1):
        bits, bands = cheapest_bands(levels, al)
        if bits + refinements > _HOPELESS * least:
            break
        if bits + refinements < least:
            least = bits + refinements
            found = [(*band, al, False) for band in bands]
            found += [(1, 63, bit, True) for bit in range(al - 1, -1, -1)]
        refinements += _refinement_bits(levels, al)
    return found


def packed(walk, counts, bits, of_length, symbols):
    """The entropy-coded data of a `counted` scan, with a table of `huffman.table`: bytes."""
    table = np.zeros((3, 256), np.int64)
    _, codes, lengths = table
    code, at = 0, 0
    for length, n in enumerate(of_length, 1):
        for symbol in symbols[at : at + n]:
            codes[symbol], lengths[symbol] = code, length
            code += 1
        at, code = at + n, code << 1
    bits += int(counts @ lengths)
    out, state = np.empty(2 * (bits // 8 + 16), np.uint8), np.zeros(3, np.int64)
    walk(table, out, state)
    held, waiting, end = (int(x) for x in state)
    if waiting:  # the last byte is filled with ones (T.81, F.1.2.3)
        byte = (held + 1 << 8 - waiting) - 1
        out[end : end + 2] = byte, 0
        end += 1 + (byte == 255)
    return out[:end].tobytes()


def scan_header(numbers, slot, ss, se, ah, al):
    """The segment SOS of a scan, of components by their numbers, with one table (T.81, B.2.3)."""
    sos = struct.pack(">HHB", 0xFFDA, 6 + 2 * len(numbers), len(numbers))
    for number in numbers:
        sos += bytes([number, slot if ss else 16 * slot])
    return sos + bytes([ss, se, 16 * ah + al])


def _scan(walk, components, ss, se, ah, al):
    """The segments DHT and SOS and the data of a scan, of components by their index: bytes."""
    slot = min(components[0], 1)
    counts, bits = counted(walk)
    of_length, symbols = huffman.table(counts)
    dht = struct.pack(
        ">HHB16B", 0xFFC4, 19 + len(symbols), 16 * (ss > 0) + slot, *of_length
    ) + bytes(symbols)
    sos = scan_header([i + 1 for i in components], slot, ss, se, ah, al)
    return dht + sos + packed(walk, counts, bits, of_length, symbols)


def write(components, qtables, height, width, factors):
    """The bytes of a JFIF file.

    components: levels int16 [rows, columns, 8, 8] of Y or of Y, Cb and Cr, within what 8-bit JPEG
    can hold; qtables: [8, 8, 1 or 2] in 1..255; height, width: in pixels; factors: the sampling
    factor of each component, the same across and down.
    """
    parts = [_JFIF]
    for i, qtable in enumerate(np.moveaxis(np.asarray(qtables), -1, 0)[: len(components)]):
        entries = bytes(qtable.ravel()[list(ZIGZAG)].astype(np.uint8))
        parts.append(struct.pack(">HHB", 0xFFDB, 67, i) + entries)
    frame = struct.pack(">BHHB", 8, height, width, len(components))
    for i, factor in enumerate(factors):
        frame += bytes([i + 1, 17 * factor, min(i, 1)])
    parts.append(struct.pack(">HH", 0xFFC2, 2 + len(frame)) + frame)

    blocks = [plane.reshape(-1, BLOCK * BLOCK) for plane in components]

    def dc_scans(group):
        dc = np.stack([blocks[i][:, 0] for i in group], axis=-1)
        return [partial(_scan, lambda *sink: scans.walk_dc(dc, *sink), group, 0, 0, 0, 0)]

    def ac_scans(i):
        levels = Levels.of(blocks[i])
        for ss, se, al, refinement in _plan(levels):
            walk = levels.walk(ss, se, al, refinement)
            yield partial(_scan, walk, [i], ss, se, al + 1 if refinement else 0, al)

    groups = [[0], [1, 2]][: 1 + (len(blocks) > 1)]
    calls = [partial(dc_scans, group) for group in groups]
    calls += [lambda i=i: list(ac_scans(i)) for i in range(len(blocks))]
    parts += threads.share(list(itertools.chain.from_iterable(threads.share(calls))))
    return b"".join(parts) + b"\xff\xd9"
