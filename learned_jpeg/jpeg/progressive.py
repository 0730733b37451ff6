"""Integers to a progressive file whose scans cost the fewest bits that were found.

A scan has a Huffman code of its own. The means of luma have one scan, those of Cb and Cr another.
The AC levels of each component come in bands of places, and, where that is cheaper, first without
their lowest bits. Bands and bits are chosen by what their scans cost, headers and tables included.
"T.81" is Recommendation ITU-T T.81 | ISO/IEC 10918-1, "JFIF" ITU-T T.871.
"""

import itertools
import struct
from dataclasses import dataclass, replace
from functools import partial

from learned_jpeg.jpeg import huffman, scans
from learned_jpeg.jpeg.standard import BLOCK, ZIGZAG
from learned_jpeg.runtime import threads

import numpy as np

# Where a band may start.
_STARTS = np.array([1, 2, 3, 5, 6, 9, 10, 15, 21, 28, 36, 64])
# The most low bits that come later.
_LOWEST = 3
# Where leaving out one low bit costs so much more, leaving out two is not tried.
_HOPELESS = 1.02
# Bits of a scan's headers, and of its table but for the symbols, each 8 more (T.81, B.2.3, B.2.4).
_HEADERS = 8 * (10 + 21)
# The bands are chosen by some runs of so many blocks.
_RUN, _RUNS = 256, 10

_JFIF = b"\xff\xd8\xff\xe0\0\x10JFIF\0\1\1\0\0\1\0\1\0\0"  # 1.01, square pixels
_NOTHING = np.zeros(0, np.uint8)


@dataclass
class Levels:
    """The AC levels of a component, without zeros; see `scans`."""

    starts: np.ndarray
    places: np.ndarray
    values: np.ndarray

    @classmethod
    def of(cls, blocks):
        def count(part):
            return np.count_nonzero(blocks[part]) - np.count_nonzero(blocks[part, 0])

        def list_levels(part, start):
            scans.list_levels(blocks[part], start, starts[part], places, values)

        parts = threads.parts(len(blocks))
        *firsts, end = np.cumsum([0, *threads.share([partial(count, part) for part in parts])])
        starts = np.empty(len(blocks) + 1, np.int64)
        starts[-1] = end
        places, values = np.empty(end, np.uint8), np.empty(end, np.int16)
        each = zip(parts, firsts, strict=True)
        threads.share([partial(list_levels, part, start) for part, start in each])
        return cls(starts, places, values)

    def walk(self, first, last, low, later):
        """A function of what `scans` wants beside the levels."""
        walk = scans.walk_next if later else scans.walk_first
        return lambda *sink: walk(self.starts, self.places, self.values, first, last, low, *sink)


def counted(*walks):
    """(how often each symbol of scans comes, int64 [256]; how many bits no symbol holds)."""
    table, state = np.zeros((3, 256), np.int64), np.zeros(3, np.int64)
    for walk in walks:
        walk(table, _NOTHING, state)
    return table[0], int(state[0])


def counted_later(levels, parts, first, low):
    """`counted` of the scans of one lower bit of the places from `first` on, of parts of blocks."""
    some = (replace(levels, starts=levels.starts[at : end + 1]) for at, end in parts)
    return counted(*(one.walk(first, 63, low, True) for one in some))


def part(starts, run=_RUN, runs=_RUNS):
    """Runs of blocks, evenly over them, int64 [runs, 2] of the first one and the next behind it;
    and how many times as many blocks there are in all."""
    n = len(starts) - 1
    firsts = np.arange(0, n, max(run, n // runs))
    parts = np.stack([firsts, np.minimum(firsts + run, n)], -1)
    return parts, n / int((parts[:, 1] - parts[:, 0]).sum())


def bits_of_bands(levels, parts, starts, low):
    """(bits, number of symbols), int64 [m, m] each, of first scans of parts of the levels: of the
    bands from starts[i] up to starts[j]."""
    m = len(starts)
    counts = np.zeros([m, m, 256], np.int64)
    bits, symbols = np.zeros([2, m, m], np.int64)
    scans.count_bands(parts, levels.starts, levels.places, levels.values, starts, low, counts)
    huffman.bits_of_bands(counts, bits, symbols)
    return bits, symbols


def cheapest_bands(levels, low):
    """(bits, [(first, last)]) of the cheapest bands of first scans without some low bits."""
    parts, times = part(levels.starts)
    bits, symbols = bits_of_bands(levels, parts, _STARTS, low)
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


def _later_bits(levels, low):
    """About what the scan of one lower bit costs."""
    parts, times = part(levels.starts)
    counts, bits = counted_later(levels, parts, 1, low)
    bits += int(huffman.least_lengths(counts)[1])
    return times * bits + _HEADERS + 8 * np.count_nonzero(counts)


def _plan(levels):
    """[(first, last, low, later)]: the AC scans of a component."""
    least, found, later = np.inf, [], 0.0
    for low in range(_LOWEST + 1):
        bits, bands = cheapest_bands(levels, low)
        if bits + later > _HOPELESS * least:
            break
        if bits + later < least:
            least = bits + later
            found = [(*band, low, False) for band in bands]
            found += [(1, 63, bit, True) for bit in range(low - 1, -1, -1)]
        later += _later_bits(levels, low)
    return found


def packed(walk, counts, bits, of_length, symbols):
    """The data of a scan that is `counted`, with a table as `huffman.table` gives it."""
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


def scan_header(numbers, slot, first, last, high, low):
    """SOS of components by their numbers, with the table for DC or AC of a slot (T.81, B.2.3)."""
    sos = struct.pack(">HHB", 0xFFDA, 6 + 2 * len(numbers), len(numbers))
    for number in numbers:
        sos += bytes([number, slot if first else 16 * slot])
    return sos + bytes([first, last, 16 * high + low])


def _scan(walk, components, first, last, high, low):
    """The bytes of a scan with its table: of components, by their index."""
    slot = min(components[0], 1)
    counts, bits = counted(walk)
    of_length, symbols = huffman.table(counts)
    dht = struct.pack(
        ">HHB16B", 0xFFC4, 19 + len(symbols), 16 * (first > 0) + slot, *of_length
    ) + bytes(symbols)
    sos = scan_header([i + 1 for i in components], slot, first, last, high, low)
    return dht + sos + packed(walk, counts, bits, of_length, symbols)


def write(components, qtables, height, width, factors):
    """The bytes of a JFIF file.

    components: int16 [rows, columns, 8, 8] each, of Y or of Y, Cb, Cr; qtables: [8, 8, 1 or 2] in
    1..255; height, width: in pixels; factors: the sampling factors of each component, each for
    both axes. Values are those that 8-bit JPEG can hold.
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

    def of_means(group):
        means = np.stack([blocks[i][:, 0] for i in group], axis=-1)
        return [partial(_scan, lambda *sink: scans.walk_dc(means, *sink), group, 0, 0, 0, 0)]

    def of_levels(i):
        levels = Levels.of(blocks[i])
        for first, last, low, later in _plan(levels):
            walk = levels.walk(first, last, low, later)
            yield partial(_scan, walk, [i], first, last, low + 1 if later else 0, low)

    groups = [[0], [1, 2]][: 1 + (len(blocks) > 1)]
    calls = [partial(of_means, group) for group in groups]
    calls += [lambda i=i: list(of_levels(i)) for i in range(len(blocks))]
    parts += threads.share(list(itertools.chain.from_iterable(threads.share(calls))))
    return b"".join(parts) + b"\xff\xd9"
