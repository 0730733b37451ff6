"""Scans of arithmetic codes to levels: the scans of sequential and of progressive files.

Arguments are those of `entropy.decode_scan`, but for `conditions` int64 [8] in place of the
lookups: the conditioning 16 * U + L of four tables for DC, then Kx of four tables for AC. A context
is a byte of `contexts` [9, 256]: twice a state of `_STATES`, plus the more probable symbol. The
rows are four for DC, four for AC, and one whose state never changes. `coder` int64 [4] is the code
register, the interval, the bits that are left before the next byte is read, and that byte's offset.
"T.81" is Recommendation ITU-T T.81 | ISO/IEC 10918-1.
"""

from learned_jpeg.jpeg.entropy import AC_REFINEMENT, DC_FIRST, DC_REFINEMENT, SEQUENTIAL
from learned_jpeg.jpeg.standard import ZIGZAG
from learned_jpeg.runtime.compiled import compiled, inner

import numpy as np

# T.81, table D.3: for each state, the interval of the less probable symbol, the next state after
# this symbol, and the next state after the more probable symbol.
_STATES = """
5a1d 1 1  2586 14 2  1114 16 3  080b 18 4  03d8 20 5  01da 23 6  00e5 25 7  006f 28 8  0036 30 9
001a 33 10  000d 35 11  0006 9 12  0003 10 13  0001 12 13  5a7f 15 15  3f25 36 16  2cf2 38 17
207c 39 18  17b9 40 19  1182 42 20  0cef 43 21  09a1 45 22  072f 46 23  055c 48 24  0406 49 25
0303 51 26  0240 52 27  01b1 54 28  0144 56 29  00f5 57 30  00b7 59 31  008a 60 32  0068 62 33
004e 63 34  003b 32 35  002c 33 9  5ae1 37 37  484c 64 38  3a0d 65 39  2ef1 67 40  261f 68 41
1f33 69 42  19a8 70 43  1518 72 44  1177 73 45  0e74 74 46  0bfb 75 47  09f8 77 48  0861 78 49
0706 79 50  05cd 48 51  04de 50 52  040f 50 53  0363 51 54  02d4 52 55  025c 53 56  01f8 54 57
01a4 55 58  0160 56 59  0125 57 60  00f6 58 61  00cb 59 62  00ab 61 63  008f 61 32  5b12 65 65
4d04 80 66  412c 81 67  37d8 82 68  2fe8 83 69  293c 84 70  2379 86 71  1edf 87 72  1aa9 87 73
174e 72 74  1424 72 75  119c 74 76  0f6b 74 77  0d51 75 78  0bb6 77 79  0a40 77 48  5832 80 81
4d1c 88 82  438e 89 83  3bdd 90 84  34ee 91 85  2eae 92 86  299a 93 87  2516 86 71  5570 88 89
4ca9 95 90  44d9 96 91  3e22 97 92  3824 99 93  32b4 99 94  2e17 93 86  56a8 95 96  4f46 101 97
47e5 102 98  41cf 103 99  3c3d 104 100  375e 99 93  5231 105 102  4c0f 106 103  4639 107 104
415e 103 99  5627 105 106  50e7 108 107  4b85 109 103  5597 110 109  504f 111 107  5a10 110 111
5522 112 109  59eb 112 111
"""
_WORDS = _STATES.split()
_EVEN = 113  # a state beyond the table: both symbols stay equally probable
_WIDTHS = np.array([int(word, 16) for word in _WORDS[::3]] + [0x5A1D])
_AFTER_LESS = np.array([*map(int, _WORDS[1::3]), _EVEN])
_AFTER_MORE = np.array([*map(int, _WORDS[2::3]), _EVEN])
# The states in which the less probable symbol becomes the more probable symbol once it comes.
_SWITCH = np.isin(np.arange(_EVEN + 1), [0, 14, 36, 64, 80, 88, 95, 105, 110, 112])
_FIXED = 8  # the row of the context that never changes

_ZIGZAG = np.array(ZIGZAG)


@inner
def _byte(data, coder, stop):
    """Reads a byte into the code register, 0 behind the end (T.81, D.2.6)."""
    if coder[3] < stop:
        coder[0] += np.int64(data[coder[3]]) << 8
        coder[3] += 1


@inner
def _start(data, coder, at, stop):
    """Sets the coder to the start of a part, at a byte (T.81, D.2.7)."""
    coder[0], coder[1], coder[2], coder[3] = 0, 0x10000, 0, at
    _byte(data, coder, stop)
    coder[0] <<= 8
    _byte(data, coder, stop)
    coder[0] <<= 8


@inner
def _bit(data, coder, stop, contexts, row, column):
    """Decodes one decision, 0 or 1, in a context (T.81, D.2.4 and D.2.5)."""
    context = np.int64(contexts[row, column])
    state, symbol = context >> 1, context & 1
    width = _WIDTHS[state]
    coder[1] -= width
    more = coder[1]
    less = coder[0] >> 16 >= more
    if not less and more >= 0x8000:
        return symbol
    if less:
        coder[0] -= more << 16
        coder[1] = width
    if less == (more >= width):
        after, result = _AFTER_LESS[state], 1 - symbol
        if _SWITCH[state]:
            symbol = result
    else:
        after, result = _AFTER_MORE[state], symbol
    contexts[row, column] = 2 * after + symbol
    while coder[1] < 0x8000:
        if coder[2] == 0:
            _byte(data, coder, stop)
            coder[2] = 8
        coder[1] <<= 1
        coder[0] <<= 1
        coder[2] -= 1
    return result


@inner
def _magnitude(data, coder, stop, contexts, row, column, further, twice):
    """Decodes the magnitude of a level less 1, or -1 if it is too large (T.81, F.1.4.3).

    The first decision has its context at `column`, and so has, if `twice`, the second decision, as
    AC has it. The contexts of the decisions on the number of bits start at `further`; the context
    of the bits themselves is 14 columns behind the last of these.
    """
    if not _bit(data, coder, stop, contexts, row, column):
        return np.int64(0)
    top = np.int64(1)
    if twice:
        if not _bit(data, coder, stop, contexts, row, column):
            return np.int64(1)
        top = np.int64(2)
    while _bit(data, coder, stop, contexts, row, further):
        top <<= 1
        further += 1
        if top == 0x8000:
            return np.int64(-1)
    value, bit = top, top >> 1
    while bit:
        if _bit(data, coder, stop, contexts, row, further + 14):
            value |= bit
        bit >>= 1
    return value


@inner
def _dc_difference(data, coder, stop, contexts, row, before, condition):
    """Decodes the difference of DC to the block before (T.81, F.1.4.1).

    before: the column of the context, which depends on the difference before. Returns (difference,
    the next block's `before`, or -1 for a broken code).
    """
    if not _bit(data, coder, stop, contexts, row, before):
        return np.int64(0), np.int64(0)
    sign = _bit(data, coder, stop, contexts, row, before + 1)
    value = _magnitude(data, coder, stop, contexts, row, before + 2 + sign, 20, False)
    if value < 0:
        return value, np.int64(-1)
    top = np.int64(value > 0)
    while 2 * top <= value and top:
        top *= 2
    after = 4 + 4 * sign
    if top < (1 << (condition & 15)) >> 1:
        after = np.int64(0)
    elif top > (1 << (condition >> 4)) >> 1:
        after += 8
    return -value - 1 if sign else value + 1, after


@inner
def _levels(data, coder, stop, contexts, row, condition, ss, se, al, blocks, block):
    """Decodes the levels of a block in a first scan; False for a broken code (T.81, F.1.4.2)."""
    k = ss
    while k <= se and not _bit(data, coder, stop, contexts, row, 3 * k - 3):
        while not _bit(data, coder, stop, contexts, row, 3 * k - 2):
            k += 1
            if k > se:
                return False
        sign = _bit(data, coder, stop, contexts, _FIXED, 0)
        further = 189 if k <= condition else 217
        value = 1 + _magnitude(data, coder, stop, contexts, row, 3 * k - 1, further, True)
        if value == 0:
            return False
        blocks[block, _ZIGZAG[k]] = (-value if sign else value) << al
        k += 1
    return True


@inner
def _corrections(data, coder, stop, contexts, row, ss, se, al, blocks, block):
    """Decodes one more bit of each level; False for a broken code (T.81, G.1.3.3)."""
    last = se  # the last position with a level so far
    while last and blocks[block, _ZIGZAG[last]] == 0:
        last -= 1
    k, one = ss, np.int64(1) << al
    while k <= se:
        if k > last and _bit(data, coder, stop, contexts, row, 3 * k - 3):
            break
        while blocks[block, _ZIGZAG[k]] == 0 and not _bit(
            data, coder, stop, contexts, row, 3 * k - 2
        ):
            k += 1
            if k > se:
                return False
        known = np.int64(blocks[block, _ZIGZAG[k]])
        if known == 0:
            sign = _bit(data, coder, stop, contexts, _FIXED, 0)
            blocks[block, _ZIGZAG[k]] = -one if sign else one
        elif _bit(data, coder, stop, contexts, row, 3 * k - 1):
            blocks[block, _ZIGZAG[k]] = known + one if known > 0 else known - one
        k += 1
    return True


@compiled(
    "int64(uint8[::1], int64[::1], int64, int64, int64, int64[:,::1], int64[::1],"
    "UniTuple(int64, 4), int16[:,::1])"
)
def decode_scan(data, starts, restart, across, down, geometry, conditions, band, blocks):
    """Decodes a scan of across * down MCUs into the blocks; returns how many MCUs are whole."""
    kind, ss, se, al = band
    predictions, before = np.zeros((2, geometry.shape[0]), np.int64)
    contexts, coder = np.zeros((9, 256), np.uint8), np.zeros(4, np.int64)
    mcu, mcus = 0, across * down
    for part in range(starts.size - 1):
        stop = starts[part + 1]
        _start(data, coder, starts[part], stop)
        contexts[:] = 0
        contexts[_FIXED, 0] = 2 * _EVEN
        predictions[:] = 0
        before[:] = 0
        end = min(mcu + restart, mcus)
        while mcu < end:
            for i in range(geometry.shape[0]):
                columns, dc, ac = geometry[i, 2], geometry[i, 4], geometry[i, 5]
                for j in range(columns * geometry[i, 3]):
                    block = geometry[i, 0] + mcu % across * columns + j % columns
                    row = mcu // across * geometry[i, 3] + j // columns
                    block += row * geometry[i, 1]
                    is_valid = True
                    if kind == SEQUENTIAL or kind == DC_FIRST:
                        difference, before[i] = _dc_difference(
                            data, coder, stop, contexts, dc, before[i], conditions[dc]
                        )
                        predictions[i] += difference
                        blocks[block, 0] = predictions[i] << al
                        is_valid = before[i] >= 0 and abs(predictions[i] << al) <= 32767
                    if kind == DC_REFINEMENT:
                        blocks[block, 0] |= _bit(data, coder, stop, contexts, _FIXED, 0) << al
                    elif kind == AC_REFINEMENT:
                        is_valid = _corrections(
                            data, coder, stop, contexts, ac, ss, se, al, blocks, block
                        )
                    elif kind != DC_FIRST and is_valid:
                        is_valid = _levels(
                            data, coder, stop, contexts, ac, conditions[ac], max(ss, 1), se,
                            al, blocks, block,
                        )  # fmt: skip
                    if not is_valid:
                        return mcu
            mcu += 1
    return mcu
