"""The scans of a progressive file as Huffman symbols and bits: counted, or written.

Each walk goes through the blocks in the order of the scan. Where its `out` is empty, symbols are
added to counts [256]; otherwise their codes [256] and all bits go to out uint8, with a 0 after
each 255 (T.81, B.1.1.5). state int64 [3]: the bits that no symbol holds, or the bits that wait
for a whole byte, how many there are, and how many bytes are written.

AC levels come without their zeros, of a component's n blocks: starts int64 [n + 1], and places
uint8 in the zigzag and values int16 from starts[i] to starts[i + 1]. "T.81" is Recommendation
ITU-T T.81 | ISO/IEC 10918-1.
"""

from learned_jpeg.jpeg.huffman import size
from learned_jpeg.jpeg.standard import ZIGZAG
from learned_jpeg.runtime.compiled import compiled

import numpy as np

_ZIGZAG = np.array(ZIGZAG)
_LONGEST_RUN = 0x7FFF  # blocks without anything more, T.81, G.1.2.2
_MOST_WAITING = 937  # bits of corrections before a block's, for decoders that have room for 1000


@compiled
def count_levels(blocks, starts):
    """Where each block's levels start, of int16 [n, 64]."""
    starts[0] = 0
    for i in range(blocks.shape[0]):
        n = 0
        for k in range(1, 64):
            n += blocks[i, k] != 0
        starts[i + 1] = starts[i] + n


@compiled
def list_levels(blocks, starts, places, values):
    """The levels themselves."""
    for i in range(blocks.shape[0]):
        n = starts[i]
        for k in range(1, 64):
            value = blocks[i, _ZIGZAG[k]]
            if value != 0:
                places[n], values[n] = k, value
                n += 1


@compiled
def _bits(value, n, out, state):
    held, waiting, at = (state[0] << n) | value, state[1] + n, state[2]
    while waiting >= 8:
        waiting -= 8
        byte = (held >> waiting) & 255
        out[at] = byte
        at += 1
        if byte == 255:
            out[at] = 0
            at += 1
    state[0], state[1], state[2] = held & ((1 << waiting) - 1), waiting, at


@compiled
def _put(symbol, value, n, counts, codes, lengths, out, state):
    """A symbol, and n bits after it."""
    if out.size:
        _bits((codes[symbol] << n) | value, lengths[symbol] + n, out, state)
    else:
        counts[symbol] += 1
        state[0] += n


@compiled
def _put_all(waiting, n, out, state):
    """Bits, one by one."""
    if not out.size:
        state[0] += n
        return
    for i in range(n):
        _bits(np.int64(waiting[i]), 1, out, state)


@compiled
def _put_ends(ends, counts, codes, lengths, out, state):
    """The ends of that many blocks."""
    n = size(ends) - 1
    _put(n << 4, ends - (1 << n), n, counts, codes, lengths, out, state)


@compiled
def end(out, state):
    """Fills the last byte with ones (T.81, F.1.2.3)."""
    if state[1]:
        n = 8 - state[1]
        _bits((1 << n) - 1, n, out, state)


@compiled
def walk_dc(means, counts, codes, lengths, out, state):
    """A DC scan: means int16 [n, components], in its order."""
    last = np.zeros(means.shape[1], np.int64)
    for i in range(means.shape[0]):
        for j in range(means.shape[1]):
            difference = means[i, j] - last[j]
            last[j] = means[i, j]
            n = size(abs(difference))
            value = difference if difference >= 0 else difference + (1 << n) - 1
            _put(n, value, n, counts, codes, lengths, out, state)


@compiled
def _span(places, start, end, first, last):
    """Where the levels of a band are among those of a block, from start to end."""
    while start < end and places[start] < first:
        start += 1
    while start < end and places[end - 1] > last:
        end -= 1
    return start, end


@compiled
def walk_first(starts, places, values, first, last, low, counts, codes, lengths, out, state):
    """The first scan of a band of places, all but the `low` lowest bits (T.81, G.1.2.2)."""
    ends = 0
    for block in range(starts.size - 1):
        before = first - 1
        start, stop = _span(places, starts[block], starts[block + 1], first, last)
        for i in range(start, stop):
            k, magnitude = np.int64(places[i]), abs(np.int64(values[i])) >> low
            if magnitude == 0:
                continue
            if ends:
                _put_ends(ends, counts, codes, lengths, out, state)
                ends = 0
            run = k - before - 1
            while run > 15:
                _put(0xF0, 0, 0, counts, codes, lengths, out, state)
                run -= 16
            n = size(magnitude)
            value = magnitude if values[i] > 0 else (1 << n) - 1 - magnitude
            _put(16 * run + n, value, n, counts, codes, lengths, out, state)
            before = k
        if before < last:
            ends += 1
            if ends == _LONGEST_RUN:
                _put_ends(ends, counts, codes, lengths, out, state)
                ends = 0
    if ends:
        _put_ends(ends, counts, codes, lengths, out, state)


@compiled
def walk_next(starts, places, values, first, last, low, counts, codes, lengths, out, state):
    """A later scan of a band: the bit `low`, all above it being known (T.81, G.1.2.3)."""
    ends = waiting = 0
    # Corrections of levels known before: those of blocks that have ended, and of this block.
    of_ends, of_block = np.empty((2, 1024), np.uint8)
    for block in range(starts.size - 1):
        start, stop = _span(places, starts[block], starts[block + 1], first, last)
        newest = 0
        for i in range(start, stop):
            if abs(np.int64(values[i])) >> low == 1:
                newest = np.int64(places[i])
        before, run, n = first - 1, 0, 0
        for i in range(start, stop):
            k, magnitude = np.int64(places[i]), abs(np.int64(values[i])) >> low
            run += k - before - 1
            before = k
            if magnitude == 0:
                run += 1
                continue
            if ends and k <= newest and (run > 15 or magnitude == 1):
                _put_ends(ends, counts, codes, lengths, out, state)
                _put_all(of_ends, waiting, out, state)
                ends = waiting = 0
            while run > 15 and k <= newest:
                _put(0xF0, 0, 0, counts, codes, lengths, out, state)
                _put_all(of_block, n, out, state)
                run, n = run - 16, 0
            if magnitude > 1:
                of_block[n] = magnitude & 1
                n += 1
                continue
            sign = np.int64(values[i] > 0)
            _put(16 * run + 1, sign, 1, counts, codes, lengths, out, state)
            _put_all(of_block, n, out, state)
            run = n = 0
        if n or run or before < last:
            ends += 1
            of_ends[waiting : waiting + n] = of_block[:n]
            waiting += n
            if ends == _LONGEST_RUN or waiting > _MOST_WAITING:
                _put_ends(ends, counts, codes, lengths, out, state)
                _put_all(of_ends, waiting, out, state)
                ends = waiting = 0
    if ends:
        _put_ends(ends, counts, codes, lengths, out, state)
        _put_all(of_ends, waiting, out, state)


@compiled
def count_bands(starts, places, values, bands, low, counts):
    """Adds what `walk_first` counts for each pair of starts of bands, all pairs in one pass.

    bands [m]: where they start, and 64 at the end; counts int64 [m, m, 256]: of the bands from
    bands[i] up to bands[j]. Symbols of levels are counted once, at the first such j alone.
    """
    m = bands.size
    next_band = np.empty(64, np.int64)
    for j in range(1, m):
        next_band[bands[j - 1] : bands[j]] = j
    ends = np.zeros((m, m), np.int64)
    last_of = np.empty(m, np.int64)
    for block in range(starts.size - 1):
        for i in range(m - 1):
            last_of[:] = 0
            before = bands[i] - 1
            for at in range(starts[block], starts[block + 1]):
                k = np.int64(places[at])
                magnitude = abs(np.int64(values[at])) >> low
                if k < bands[i] or magnitude == 0:
                    continue
                run, j = k - before - 1, next_band[k]
                counts[i, j, 0xF0] += run >> 4
                counts[i, j, 16 * (run & 15) + size(magnitude)] += 1
                last_of[j] = before = k
            last = np.int64(0)
            for j in range(i + 1, m):
                last = max(last, last_of[j])
                if last and ends[i, j]:
                    counts[i, j, (size(ends[i, j]) - 1) << 4] += 1
                    ends[i, j] = 0
                if last < bands[j] - 1:
                    ends[i, j] += 1
                    if ends[i, j] == _LONGEST_RUN:
                        counts[i, j, (size(ends[i, j]) - 1) << 4] += 1
                        ends[i, j] = 0
    for i in range(m):
        for j in range(i + 1, m):
            if ends[i, j]:
                counts[i, j, (size(ends[i, j]) - 1) << 4] += 1
