"""The scans of a progressive file as Huffman symbols and bits: counted, or written.

A walk goes through the blocks in the order of the scan. Its table int64 [3, 256] has, for each
symbol, its count, its code and the length of the code. If `out` is empty, the walk counts symbols;
otherwise it writes their codes and all other bits to out uint8, with a 0 after each 255 (T.81,
B.1.1.5). state int64 [3]: when counting, (number of bits beside the codes, 0, 0); when writing,
(bits that do not fill a byte yet, their number, number of bytes written).

The AC levels of a component's n blocks are listed without zeros: those of block i have zigzag
positions uint8 and values int16 from starts[i] to starts[i + 1]; starts is int64 [n + 1]. A scan of
the band ss to se sends these positions. A first scan leaves out the al lowest bits of the levels; a
refinement sends the bit al of levels whose higher bits are known. These names are those of "T.81",
Recommendation ITU-T T.81 | ISO/IEC 10918-1.
"""

from learned_jpeg.jpeg.huffman import size
from learned_jpeg.jpeg.standard import ZIGZAG
from learned_jpeg.runtime.compiled import compiled, inlined

import numpy as np

_ZIGZAG = np.array(ZIGZAG)
_LONGEST_RUN = 0x7FFF  # blocks of an EOB run (T.81, G.1.2.2)
# Correction bits up to which an EOB run goes on: a block has at most 63, libjpeg's buffer 1000.
_MOST_CORRECTIONS = 937
_SIXTEEN_ZEROS = np.int64(0xF0)
# Literals would have another type, for which numba compiles the functions again.
_ZERO, _ONE = np.int64(0), np.int64(1)


@compiled("void(int16[:,::1], int64, int64[::1], uint8[::1], int16[::1])")
def list_levels(blocks, at, starts, positions, values):
    """Lists the levels of blocks int16 [n, 64] from the index `at` on; fills starts [n]."""
    for i in range(blocks.shape[0]):
        starts[i] = at
        for k in range(1, 64):
            value = blocks[i, _ZIGZAG[k]]
            if value != 0:
                positions[at] = k
                values[at] = value
                at += 1


@inlined
def _put_bits(value, n, out, state):
    """Writes the n bits of a value."""
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
def _put_symbol(symbol, value, n, table, out, state):
    """Counts or writes a symbol and the n bits of a value behind it."""
    if out.size:
        _put_bits((table[1, symbol] << n) | value, table[2, symbol] + n, out, state)
    else:
        table[0, symbol] += 1
        state[0] += n


@inlined
def _put_corrections(waiting, n, out, state):
    """Counts or writes the first n of a list of correction bits."""
    if not out.size:
        state[0] += n
        return
    for i in range(n):
        _put_bits(waiting[i], _ONE, out, state)


@inlined
def _put_eob_run(eob_run, table, out, state):
    """Counts or writes an EOB run of one block or more; returns 0."""
    n = size(eob_run) - 1
    _put_symbol(n << 4, eob_run - (1 << n), n, table, out, state)
    return _ZERO


@compiled("void(int16[:,::1], int64[:,::1], uint8[::1], int64[::1])")
def walk_dc(dc, table, out, state):
    """The first scan of DC: its levels int16 [n, components], in the order of the scan."""
    before = np.empty(dc.shape[1], np.int64)
    for j in range(dc.shape[1]):
        before[j] = 0
    for i in range(dc.shape[0]):
        for j in range(dc.shape[1]):
            difference = dc[i, j] - before[j]
            before[j] = dc[i, j]
            n = size(abs(difference))
            value = difference if difference >= 0 else difference + (1 << n) - 1
            _put_symbol(n, value, n, table, out, state)


@inlined
def _from(positions, start, stop, ss):
    """The index of the first level of a band among the levels start to stop of a block."""
    while start < stop and positions[start] < ss:
        start += 1
    return start


@compiled(
    "void(int64[::1], uint8[::1], int16[::1], int64, int64, int64, int64[:,::1], uint8[::1], "
    "int64[::1])"
)
def walk_ac_first(starts, positions, values, ss, se, al, table, out, state):
    """A first scan of AC (T.81, G.1.2.2)."""
    eob_run = _ZERO
    for block in range(starts.size - 1):
        before, stop = ss - 1, starts[block + 1]
        for i in range(_from(positions, starts[block], stop, ss), stop):
            if positions[i] > se:
                break
            magnitude = abs(np.int64(values[i])) >> al
            if magnitude == 0:
                continue
            if eob_run:
                eob_run = _put_eob_run(eob_run, table, out, state)
            run = positions[i] - before - 1
            before += run + 1
            while run > 15:
                _put_symbol(_SIXTEEN_ZEROS, _ZERO, _ZERO, table, out, state)
                run -= 16
            n = size(magnitude)
            value = magnitude if values[i] > 0 else (1 << n) - 1 - magnitude
            _put_symbol(16 * run + n, value, n, table, out, state)
        if before < se:
            eob_run += 1
            if eob_run == _LONGEST_RUN:
                eob_run = _put_eob_run(eob_run, table, out, state)
    if eob_run:
        _put_eob_run(eob_run, table, out, state)


@inlined
def _put_corrected_run(eob_run, waiting, n, table, out, state):
    """Counts or writes an EOB run of one block or more, and its n correction bits."""
    _put_eob_run(eob_run, table, out, state)
    _put_corrections(waiting, n, out, state)


@compiled(
    "void(int64[::1], uint8[::1], int16[::1], int64, int64, int64, int64[:,::1], uint8[::1], "
    "int64[::1])"
)
def walk_ac_refinement(starts, positions, values, ss, se, al, table, out, state):
    """A refinement of AC (T.81, G.1.2.3)."""
    eob_run = waiting = _ZERO
    # The correction bits of the EOB run, and those of this block.
    of_run, of_block = np.empty(1024, np.int64), np.empty(1024, np.int64)
    for block in range(starts.size - 1):
        start, stop = starts[block], starts[block + 1]
        start = _from(positions, start, stop, ss)
        while start < stop and positions[stop - 1] > se:
            stop -= 1
        last_new = _ZERO
        for i in range(stop - 1, start - 1, -1):
            if abs(values[i]) >> al == 1:
                last_new = np.int64(positions[i])
                break
        before = ss - 1
        run = n = _ZERO
        for i in range(start, stop):
            k, magnitude = positions[i], abs(np.int64(values[i])) >> al
            run += k - before - 1
            before = k
            if magnitude == 0:
                run += 1
                continue
            if eob_run and k <= last_new and (run > 15 or magnitude == 1):
                _put_corrected_run(eob_run, of_run, waiting, table, out, state)
                eob_run = waiting = _ZERO
            while run > 15 and k <= last_new:
                _put_symbol(_SIXTEEN_ZEROS, _ZERO, _ZERO, table, out, state)
                _put_corrections(of_block, n, out, state)
                run -= 16
                n = _ZERO
            if magnitude > 1:
                of_block[n] = magnitude & 1
                n += 1
                continue
            _put_symbol(16 * run + 1, np.int64(values[i] > 0), _ONE, table, out, state)
            _put_corrections(of_block, n, out, state)
            run = n = _ZERO
        if n or run or before < se:
            eob_run += 1
            for i in range(n):
                of_run[waiting + i] = of_block[i]
            waiting += n
            if eob_run == _LONGEST_RUN or waiting > _MOST_CORRECTIONS:
                _put_corrected_run(eob_run, of_run, waiting, table, out, state)
                eob_run = waiting = _ZERO
    if eob_run:
        _put_corrected_run(eob_run, of_run, waiting, table, out, state)


@inlined
def _count_level(run, bits, counts, sign):
    if run > 15:
        counts[0xF0] += sign * (run >> 4)
    counts[16 * (run & 15) + bits] += sign


@inlined
def _count_eob_run(eob_run, counts):
    """Counts the symbols of an EOB run of any length."""
    counts[(size(_LONGEST_RUN) - 1) << 4] += eob_run // _LONGEST_RUN
    if eob_run % _LONGEST_RUN:
        counts[(size(eob_run % _LONGEST_RUN) - 1) << 4] += 1


@compiled(
    "void(int64[:,::1], int64[::1], uint8[::1], int16[::1], int64[::1], int64, int64[:,:,::1])"
)
def count_bands(parts, starts, positions, values, bands, al, counts):
    """Counts the symbols of the first scans of all bands in one pass, in parts of the blocks.

    parts [n, 2]: first block and end of each part; bands [m]: the positions at which a band may
    start, from 1 to 64; counts int64 [m, m, 256]: takes the counts of the bands from bands[i] up to
    bands[j]. The counts of EOB runs are those of `walk_ac_first`. The counts of levels are
    differences: a band's counts are the sum over its j and the lower ones, and over its i and the
    higher ones, which `huffman.bits_of_bands` takes. For a level follows the same run of zeros in
    all bands that hold the level before it.
    """
    m = bands.size
    band_of = np.empty(64, np.int64)  # the index of the last start up to each position
    for j in range(1, m):
        for k in range(bands[j - 1], bands[j]):
            band_of[k] = j - 1
    # The first block of the EOB run that is not counted yet; the last level before each bands[j].
    waiting, last = np.empty((m, m), np.int64), np.empty(m, np.int64)
    for part in range(parts.shape[0]):
        for i in range(m):
            for j in range(m):
                waiting[i, j] = parts[part, 0]
        for block in range(parts[part, 0], parts[part, 1]):
            before, band = _ZERO, np.int64(-1)  # position of the last level, and its band_of
            for at in range(starts[block], starts[block + 1]):
                k = np.int64(positions[at])
                magnitude = abs(np.int64(values[at])) >> al
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
                next_run = block + np.int64(last[j] == bands[j] - 1)
                for i in range(band_of[last[j]] + 1):
                    if waiting[i, j] < block:
                        _count_eob_run(block - waiting[i, j], counts[i, j])
                    waiting[i, j] = next_run
        for i in range(m):
            for j in range(i + 1, m):
                if waiting[i, j] < parts[part, 1]:
                    _count_eob_run(parts[part, 1] - waiting[i, j], counts[i, j])
