"""The scans of a progressive file as Huffman symbols and bits: counted, or written.

Each walk goes through the blocks in the order of the scan. Its table int64 [3, 256] has, for each
symbol, how often it comes, its code, and how long that is. Where `out` is empty, symbols are
counted; otherwise their codes and all bits go to out uint8, with a 0 after each 255 (T.81,
B.1.1.5). state int64 [3]: the bits that no symbol holds, or the bits that wait for a whole byte,
how many there are, and how many bytes are written.

AC levels come without their zeros, of a component's n blocks: starts int64 [n + 1], and places
uint8 in the zigzag and values int16 from starts[i] to starts[i + 1]. "T.81" is Recommendation
ITU-T T.81 | ISO/IEC 10918-1.
"""

from learned_jpeg.jpeg.huffman import size
from learned_jpeg.jpeg.standard import ZIGZAG
from learned_jpeg.runtime.compiled import compiled, inlined

import numpy as np

_ZIGZAG = np.array(ZIGZAG)
_LONGEST_RUN = 0x7FFF  # blocks without anything more, T.81, G.1.2.2
_MOST_WAITING = 937  # bits of corrections before a block's, for decoders that have room for 1000
_SIXTEEN_ZEROS = np.int64(0xF0)
# Whole numbers of the type that they are to have: numba compiles anew for those in the code.
_ZERO, _ONE = np.int64(0), np.int64(1)


@compiled("void(int16[:,::1], int64, int64[::1], uint8[::1], int16[::1])")
def list_levels(blocks, at, starts, places, values):
    """The levels of blocks int16 [n, 64], those of the first from `at`; fills starts [n]."""
    for i in range(blocks.shape[0]):
        starts[i] = at
        for k in range(1, 64):
            value = blocks[i, _ZIGZAG[k]]
            if value != 0:
                places[at] = k
                values[at] = value
                at += 1


@inlined
def _bits(value, n, out, state):
    held = (state[0] << n) | value
    waiting = state[1] + n
    at = state[2]
    while waiting >= 8:
        waiting -= 8
        byte = (held >> waiting) & 255
        out[at] = byte
        at += 1
        if byte == 255:
            out[at] = 0
            at += 1
    state[0] = held & ((1 << waiting) - 1)
    state[1] = waiting
    state[2] = at


@inlined
def _put(symbol, value, n, table, out, state):
    """A symbol, and n bits after it."""
    if out.size:
        _bits((table[1, symbol] << n) | value, table[2, symbol] + n, out, state)
    else:
        table[0, symbol] += 1
        state[0] += n


@inlined
def _put_all(waiting, n, out, state):
    """Bits, one by one."""
    if not out.size:
        state[0] += n
        return
    for i in range(n):
        _bits(waiting[i], _ONE, out, state)


@inlined
def _put_eob_run(eob_run, table, out, state):
    """The ends of that many blocks, at least one; returns 0."""
    n = size(eob_run) - 1
    _put(n << 4, eob_run - (1 << n), n, table, out, state)
    return _ZERO


@compiled("void(int16[:,::1], int64[:,::1], uint8[::1], int64[::1])")
def walk_dc(means, table, out, state):
    """A DC scan: means int16 [n, components], in its order."""
    last = np.empty(means.shape[1], np.int64)
    for j in range(means.shape[1]):
        last[j] = 0
    for i in range(means.shape[0]):
        for j in range(means.shape[1]):
            difference = means[i, j] - last[j]
            last[j] = means[i, j]
            n = size(abs(difference))
            value = difference if difference >= 0 else difference + (1 << n) - 1
            _put(n, value, n, table, out, state)


@inlined
def _from(places, start, end, first):
    """Where the levels of a band begin among those of a block, from start to end."""
    while start < end and places[start] < first:
        start += 1
    return start


@compiled(
    "void(int64[::1], uint8[::1], int16[::1], int64, int64, int64, int64[:,::1], uint8[::1], "
    "int64[::1])"
)
def walk_first(starts, places, values, first, last, low, table, out, state):
    """The first scan of a band of places, all but the `low` lowest bits (T.81, G.1.2.2)."""
    eob_run = _ZERO
    for block in range(starts.size - 1):
        before, stop = first - 1, starts[block + 1]
        for i in range(_from(places, starts[block], stop, first), stop):
            if places[i] > last:
                break
            magnitude = abs(np.int64(values[i])) >> low
            if magnitude == 0:
                continue
            if eob_run:
                eob_run = _put_eob_run(eob_run, table, out, state)
            run = places[i] - before - 1
            before += run + 1
            while run > 15:
                _put(_SIXTEEN_ZEROS, _ZERO, _ZERO, table, out, state)
                run -= 16
            n = size(magnitude)
            value = magnitude if values[i] > 0 else (1 << n) - 1 - magnitude
            _put(16 * run + n, value, n, table, out, state)
        if before < last:
            eob_run += 1
            if eob_run == _LONGEST_RUN:
                eob_run = _put_eob_run(eob_run, table, out, state)
    if eob_run:
        _put_eob_run(eob_run, table, out, state)


@inlined
def _put_known(eob_run, waiting, n, table, out, state):
    """The ends of that many blocks, at least one, and n corrections that wait for them."""
    _put_eob_run(eob_run, table, out, state)
    _put_all(waiting, n, out, state)


@compiled(
    "void(int64[::1], uint8[::1], int16[::1], int64, int64, int64, int64[:,::1], uint8[::1], "
    "int64[::1])"
)
def walk_next(starts, places, values, first, last, low, table, out, state):
    """A later scan of a band: the bit `low`, all above it being known (T.81, G.1.2.3)."""
    eob_run = waiting = _ZERO
    # Corrections of levels known before: those of blocks that have ended, and of this block.
    of_ends, of_block = np.empty(1024, np.int64), np.empty(1024, np.int64)
    for block in range(starts.size - 1):
        start, stop = starts[block], starts[block + 1]
        start = _from(places, start, stop, first)
        while start < stop and places[stop - 1] > last:
            stop -= 1
        newest = _ZERO
        for i in range(stop - 1, start - 1, -1):
            if abs(values[i]) >> low == 1:
                newest = np.int64(places[i])
                break
        before = first - 1
        run = n = _ZERO
        for i in range(start, stop):
            k, magnitude = places[i], abs(np.int64(values[i])) >> low
            run += k - before - 1
            before = k
            if magnitude == 0:
                run += 1
                continue
            if eob_run and k <= newest and (run > 15 or magnitude == 1):
                _put_known(eob_run, of_ends, waiting, table, out, state)
                eob_run = waiting = _ZERO
            while run > 15 and k <= newest:
                _put(_SIXTEEN_ZEROS, _ZERO, _ZERO, table, out, state)
                _put_all(of_block, n, out, state)
                run -= 16
                n = _ZERO
            if magnitude > 1:
                of_block[n] = magnitude & 1
                n += 1
                continue
            _put(16 * run + 1, np.int64(values[i] > 0), _ONE, table, out, state)
            _put_all(of_block, n, out, state)
            run = n = _ZERO
        if n or run or before < last:
            eob_run += 1
            for i in range(n):
                of_ends[waiting + i] = of_block[i]
            waiting += n
            if eob_run == _LONGEST_RUN or waiting > _MOST_WAITING:
                _put_known(eob_run, of_ends, waiting, table, out, state)
                eob_run = waiting = _ZERO
    if eob_run:
        _put_known(eob_run, of_ends, waiting, table, out, state)


@inlined
def _count_level(run, bits, counts, sign):
    if run > 15:
        counts[0xF0] += sign * (run >> 4)
    counts[16 * (run & 15) + bits] += sign


@inlined
def _count_eob_run(eob_run, counts):
    """Counts the ends of that many blocks, by as many at a time as a symbol may have."""
    counts[(size(_LONGEST_RUN) - 1) << 4] += eob_run // _LONGEST_RUN
    if eob_run % _LONGEST_RUN:
        counts[(size(eob_run % _LONGEST_RUN) - 1) << 4] += 1


@compiled(
    "void(int64[:,::1], int64[::1], uint8[::1], int16[::1], int64[::1], int64, int64[:,:,::1])"
)
def count_bands(parts, starts, places, values, bands, low, counts):
    """Adds what `walk_first` counts for each pair of starts of bands, all pairs in one pass, in
    parts [n, 2] of the blocks: from and up to which.

    bands [m]: where they start, 1 first and 64 at the end; counts int64 [m, m, 256]: of the bands
    from bands[i] up to bands[j]. Symbols of levels are counted as differences: those of a band
    are the sums over its j and those before, and over its i and those after. For the run before a
    level is the same in all bands that hold the level before it; `huffman.bits_of_bands` does that.
    """
    m = bands.size
    band_of = np.empty(64, np.int64)  # the last that starts at a place or before it
    for j in range(1, m):
        for k in range(bands[j - 1], bands[j]):
            band_of[k] = j - 1
    # The first block whose end is not counted yet, and the last level before each band's end.
    waiting, last = np.empty((m, m), np.int64), np.empty(m, np.int64)
    for part in range(parts.shape[0]):
        for i in range(m):
            for j in range(m):
                waiting[i, j] = parts[part, 0]
        for block in range(parts[part, 0], parts[part, 1]):
            before, band = _ZERO, np.int64(-1)  # the last level, and its band
            for at in range(starts[block], starts[block + 1]):
                k = np.int64(places[at])
                magnitude = abs(np.int64(values[at])) >> low
                if magnitude == 0:
                    continue
                bits, here = size(magnitude), band_of[k]
                if band >= 0:
                    _count_level(k - before - 1, bits, counts[band, here + 1], _ONE)
                for i in range(band + 1, here + 1):
                    last[i] = before
                    _count_level(k - bands[i], bits, counts[i, here + 1], _ONE)
                    if i:
                        _count_level(k - bands[i], bits, counts[i - 1, here + 1], -_ONE)
                before, band = k, here
            if band < 0:
                continue
            for j in range(band + 1, m):
                last[j] = before
            for j in range(1, m):
                if last[j] == 0:
                    continue
                following = block + np.int64(last[j] == bands[j] - 1)
                for i in range(band_of[last[j]] + 1):
                    if waiting[i, j] < block:
                        _count_eob_run(block - waiting[i, j], counts[i, j])
                    waiting[i, j] = following
        for i in range(m):
            for j in range(i + 1, m):
                if waiting[i, j] < parts[part, 1]:
                    _count_eob_run(parts[part, 1] - waiting[i, j], counts[i, j])
