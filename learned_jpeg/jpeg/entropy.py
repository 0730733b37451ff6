"""Scans of Huffman codes to levels: the scans of sequential and of progressive files.

Blocks of levels are int16 [n, 64], row-major; one array holds the blocks of all components. `data`
uint8 is a scan without stuffing and markers, and PADDING bytes behind it. `at` is an offset into
the data in bits; a function that reads bits returns the offset behind them, or -1 if the bits are
no code. `lookups` int32 [8, 65536] has four tables for DC, then four for AC: for each value of the
next 16 bits (length << 8) + symbol of the code that they begin with, or 0 if no code begins so.
A scan holds the zigzag positions ss to se, without the al lowest bits of their levels. These names
are those of "T.81", Recommendation ITU-T T.81 | ISO/IEC 10918-1.
"""

from learned_jpeg.jpeg.standard import ZIGZAG
from learned_jpeg.runtime.compiled import compiled, inner

import numpy as np

# Bytes that one block may read behind the end of a broken scan: 64 codes of 16 bits, each with 16
# more bits.
PADDING = 64 * 4 + 4
# The kinds of scans. A refinement sends one more bit of levels that an earlier scan began.
SEQUENTIAL, DC_FIRST, DC_REFINEMENT, AC_FIRST, AC_REFINEMENT = range(5)

_ZIGZAG = np.array(ZIGZAG)


@inner
def _bits(data, at, n):
    """The next n bits, 0 to 16, as a number."""
    byte = at >> 3
    three = (np.int64(data[byte]) << 16) | (np.int64(data[byte + 1]) << 8) | data[byte + 2]
    return ((three >> (8 - (at & 7))) & 0xFFFF) >> (16 - n)


@inner
def _signed(data, at, n):
    """The next n bits as a number whose first bit is its sign (EXTEND of T.81, F.2.2.1)."""
    if n == 0:
        return np.int64(0)
    value = _bits(data, at, n)
    return value if value >> (n - 1) else value - (1 << n) + 1


@inner
def _dc_difference(data, at, lookups, dc):
    """Returns (at, the difference of DC to the block before)."""
    code = np.int64(lookups[dc, _bits(data, at, 16)])
    n = code & 255
    if code == 0 or n > 15:
        return np.int64(-1), np.int64(0)
    at += code >> 8
    return at + n, _signed(data, at, n)


@inner
def _levels(data, at, lookups, ac, ss, se, al, eob_run, blocks, block):
    """Reads the levels of a block in a first scan (T.81, F.2.2, G.2).

    eob_run: how many blocks from this one on have no more levels. Returns (at, the next block's).
    """
    if eob_run:
        return at, eob_run - 1
    k = ss
    while k <= se:
        code = np.int64(lookups[ac, _bits(data, at, 16)])
        if code == 0:
            return np.int64(-1), eob_run
        at += code >> 8
        run, n = (code >> 4) & 15, code & 15
        if n == 0 and run < 15:
            return at + run, (1 << run) - 1 + _bits(data, at, run)
        k += run
        if k > se:
            return np.int64(-1), eob_run
        if n:
            blocks[block, _ZIGZAG[k]] = _signed(data, at, n) << al
            at += n
        k += 1
    return at, eob_run


@inner
def _corrected(data, at, value, al):
    """Reads the correction bit of a level that is not 0 so far; returns (at, level)."""
    if _bits(data, at, 1):
        value += (1 << al) if value > 0 else -(1 << al)
    return at + 1, value


@inner
def _corrections(data, at, lookups, ac, ss, se, al, eob_run, blocks, block):
    """Reads one more bit of each level of a block (T.81, G.1.2.3); otherwise as `_levels`."""
    k = ss
    while k <= se and eob_run == 0:
        code = np.int64(lookups[ac, _bits(data, at, 16)])
        if code == 0:
            return np.int64(-1), eob_run
        at += code >> 8
        run, n, value = (code >> 4) & 15, code & 15, np.int64(0)
        if n == 0 and run < 15:
            eob_run = (1 << run) + _bits(data, at, run)
            at += run
            break
        if n > 1:
            return np.int64(-1), eob_run
        if n:
            value = np.int64(1 << al) if _bits(data, at, 1) else np.int64(-(1 << al))
            at += 1
        while k <= se:
            f = _ZIGZAG[k]
            known = np.int64(blocks[block, f])
            if known:
                at, blocks[block, f] = _corrected(data, at, known, al)
            elif run == 0:
                blocks[block, f] = value
                break
            else:
                run -= 1
            k += 1
        if k > se:
            return np.int64(-1), eob_run
        k += 1
    if eob_run:
        while k <= se:
            f = _ZIGZAG[k]
            known = np.int64(blocks[block, f])
            if known:
                at, blocks[block, f] = _corrected(data, at, known, al)
            k += 1
        eob_run -= 1
    return at, eob_run


@compiled(
    "int64(uint8[::1], int64[::1], int64, int64, int64, int64[:,::1], int32[:,::1],"
    "UniTuple(int64, 4), int16[:,::1])"
)
def decode_scan(data, starts, restart, across, down, geometry, lookups, band, blocks):
    """Decodes a scan of across * down MCUs into the blocks; returns how many MCUs are whole.

    starts int64 [n + 1]: the offsets, in bytes, of the parts between restart markers, and of the
    end; restart: the MCUs of a part. geometry int64 [components, 6]: the component's first block,
    blocks in a stored row, blocks of an MCU across and down, rows of `lookups` for DC and AC.
    band: (kind, ss, se, al), kind one of SEQUENTIAL, DC_FIRST, ...
    """
    kind, ss, se, al = band
    predictions = np.zeros(geometry.shape[0], np.int64)
    mcu, mcus = 0, across * down
    for part in range(starts.size - 1):
        at, stop, eob_run = 8 * starts[part], 8 * starts[part + 1], np.int64(0)
        predictions[:] = 0
        end = min(mcu + restart, mcus)
        while mcu < end:
            for i in range(geometry.shape[0]):
                columns, dc, ac = geometry[i, 2], geometry[i, 4], geometry[i, 5]
                for j in range(columns * geometry[i, 3]):
                    block = geometry[i, 0] + mcu % across * columns + j % columns
                    row = mcu // across * geometry[i, 3] + j // columns
                    block += row * geometry[i, 1]
                    if kind == SEQUENTIAL or kind == DC_FIRST:
                        at, difference = _dc_difference(data, at, lookups, dc)
                        predictions[i] += difference
                        blocks[block, 0] = predictions[i] << al
                        if abs(predictions[i] << al) > 32767:
                            at = np.int64(-1)
                    if kind == DC_REFINEMENT:
                        blocks[block, 0] |= _bits(data, at, 1) << al
                        at += 1
                    elif kind == AC_REFINEMENT:
                        at, eob_run = _corrections(
                            data, at, lookups, ac, ss, se, al, eob_run, blocks, block
                        )
                    elif kind != DC_FIRST and at >= 0:
                        at, eob_run = _levels(
                            data, at, lookups, ac, max(ss, 1), se, al, eob_run, blocks, block
                        )
                        if kind == SEQUENTIAL:
                            eob_run = np.int64(0)
                    if at < 0 or at > stop:
                        return mcu
            mcu += 1
    return mcu
