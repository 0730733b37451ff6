"""Scans of Huffman codes to coefficients: sequential ones and those of a progressive file.

Blocks are int16 [n, 64], row-major, those of all components of a file in one array. data are the
bytes of a scan without stuffing and markers, with MORE at the end; a place in them is a bit's.
A function that moves the place returns it, -1 where the bits are no code. lookups int32 [8,
65536]: of the tables for DC, then those for AC, (length << 8) + symbol for each 16 bits that come
next, 0 for those that no code begins. "T.81" is Recommendation ITU-T T.81 | ISO/IEC 10918-1.
"""

from learned_jpeg.jpeg.standard import ZIGZAG
from learned_jpeg.runtime.compiled import compiled, inner

import numpy as np

# Bytes that a block may take beyond the end before that is seen: 64 codes with as many bits.
MORE = 64 * 4 + 4
SEQUENTIAL, DC_FIRST, DC_NEXT, AC_FIRST, AC_NEXT = range(5)

_ZIGZAG = np.array(ZIGZAG)


@inner
def _next(data, at, n):
    """n bits from a place on, 0 to 16."""
    byte = at >> 3
    three = (np.int64(data[byte]) << 16) | (np.int64(data[byte + 1]) << 8) | data[byte + 2]
    return ((three >> (8 - (at & 7))) & 0xFFFF) >> (16 - n)


@inner
def _signed(data, at, n):
    """A number of n bits whose first one is its sign (T.81, F.2.2.1)."""
    if n == 0:
        return np.int64(0)
    value = _next(data, at, n)
    return value if value >> (n - 1) else value - (1 << n) + 1


@inner
def _difference(data, at, lookups, dc):
    """(place, difference of DC)."""
    code = np.int64(lookups[dc, _next(data, at, 16)])
    n = code & 255
    if code == 0 or n > 15:
        return np.int64(-1), np.int64(0)
    at += code >> 8
    return at + n, _signed(data, at, n)


@inner
def _levels(data, at, lookups, ac, first, last, low, eob_run, blocks, block):
    """(place, blocks that end at once): levels that are not known yet (T.81, F.2.2, G.2)."""
    if eob_run:
        return at, eob_run - 1
    k = first
    while k <= last:
        code = np.int64(lookups[ac, _next(data, at, 16)])
        if code == 0:
            return np.int64(-1), eob_run
        at += code >> 8
        run, n = (code >> 4) & 15, code & 15
        if n == 0 and run < 15:
            return at + run, (1 << run) - 1 + _next(data, at, run)
        k += run
        if k > last:
            return np.int64(-1), eob_run
        if n:
            blocks[block, _ZIGZAG[k]] = _signed(data, at, n) << low
            at += n
        k += 1
    return at, eob_run


@inner
def _corrected(data, at, value, low):
    """(place, value): a level that is known, with one bit more."""
    if _next(data, at, 1):
        value += (1 << low) if value > 0 else -(1 << low)
    return at + 1, value


@inner
def _corrections(data, at, lookups, ac, first, last, low, eob_run, blocks, block):
    """(place, blocks that end at once): one bit more of each level (T.81, G.1.2.3)."""
    k = first
    while k <= last and eob_run == 0:
        code = np.int64(lookups[ac, _next(data, at, 16)])
        if code == 0:
            return np.int64(-1), eob_run
        at += code >> 8
        run, n, value = (code >> 4) & 15, code & 15, np.int64(0)
        if n == 0 and run < 15:
            eob_run = (1 << run) + _next(data, at, run)
            at += run
            break
        if n > 1:
            return np.int64(-1), eob_run
        if n:
            value = np.int64(1 << low) if _next(data, at, 1) else np.int64(-(1 << low))
            at += 1
        while k <= last:
            place = _ZIGZAG[k]
            known = np.int64(blocks[block, place])
            if known:
                at, blocks[block, place] = _corrected(data, at, known, low)
            elif run == 0:
                blocks[block, place] = value
                break
            else:
                run -= 1
            k += 1
        if k > last:
            return np.int64(-1), eob_run
        k += 1
    if eob_run:
        while k <= last:
            place = _ZIGZAG[k]
            known = np.int64(blocks[block, place])
            if known:
                at, blocks[block, place] = _corrected(data, at, known, low)
            k += 1
        eob_run -= 1
    return at, eob_run


@compiled(
    "int64(uint8[::1], int64[::1], int64, int64, int64, int64[:,::1], int32[:,::1],"
    "UniTuple(int64, 4), int16[:,::1])"
)
def decode_scan(data, starts, restart, across, down, geometry, lookups, band, blocks):
    """Puts what a scan holds into the blocks; returns how many MCUs of across * down are whole.

    starts int64 [n + 1]: in bytes, of the parts between restart markers; restart: MCUs of each.
    geometry int64 [components, 6]: the first block, blocks in a stored row, blocks of an MCU
    across and down, tables for DC and AC. band: (kind, first, last, low), kind one of SEQUENTIAL,
    DC_FIRST, ...
    """
    kind, first, last, low = band
    means = np.zeros(geometry.shape[0], np.int64)
    mcu, mcus = 0, across * down
    for part in range(starts.size - 1):
        at, stop, eob_run = 8 * starts[part], 8 * starts[part + 1], np.int64(0)
        means[:] = 0
        following = min(mcu + restart, mcus)
        while mcu < following:
            for i in range(geometry.shape[0]):
                columns, dc, ac = geometry[i, 2], geometry[i, 4], geometry[i, 5]
                for part in range(columns * geometry[i, 3]):
                    block = geometry[i, 0] + mcu % across * columns + part % columns
                    row = mcu // across * geometry[i, 3] + part // columns
                    block += row * geometry[i, 1]
                    if kind == SEQUENTIAL or kind == DC_FIRST:
                        at, difference = _difference(data, at, lookups, dc)
                        means[i] += difference
                        blocks[block, 0] = means[i] << low
                        if abs(means[i] << low) > 32767:
                            at = np.int64(-1)
                    if kind == DC_NEXT:
                        blocks[block, 0] |= _next(data, at, 1) << low
                        at += 1
                    elif kind == AC_NEXT:
                        at, eob_run = _corrections(
                            data, at, lookups, ac, first, last, low, eob_run, blocks, block
                        )
                    elif kind != DC_FIRST and at >= 0:
                        at, eob_run = _levels(
                            data, at, lookups, ac, max(first, 1), last, low, eob_run, blocks, block
                        )
                        if kind == SEQUENTIAL:
                            eob_run = np.int64(0)
                    if at < 0 or at > stop:
                        return mcu
            mcu += 1
    return mcu
