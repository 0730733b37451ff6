"""The Huffman symbols of a file's integers: how often each comes, and how long its code is.

A symbol of the AC coefficients is 16 * run + size, 0 the end of a block and 0xF0 sixteen zeros;
one of the DC differences is their size. A size is followed by as many bits. Counts are int64
[256], lengths float32 [256]. "T.81" is Recommendation ITU-T T.81 | ISO/IEC 10918-1.
"""

from learned_jpeg.compiled import compiled
from learned_jpeg.standard import ZIGZAG

import numpy as np

LONGEST = 16  # T.81, K.2: no code is longer

_ZIGZAG = np.array(ZIGZAG)


@compiled
def size(magnitude):
    """The bits of a whole number >= 0 (T.81, table F.1)."""
    bits = 0
    while magnitude:
        bits += 1
        magnitude >>= 1
    return bits


@compiled
def count_ac(blocks, counts):
    """Adds the AC symbols of int16 blocks [n, 64] to the counts."""
    for block in range(blocks.shape[0]):
        run = 0
        for k in range(1, 64):
            value = abs(np.int64(blocks[block, _ZIGZAG[k]]))
            if value == 0:
                run += 1
                continue
            while run > 15:
                counts[0xF0] += 1
                run -= 16
            counts[16 * run + size(value)] += 1
            run = 0
        if run:
            counts[0] += 1


@compiled
def count_dc(blocks, order, counts):
    """Adds the symbols of the DC differences of blocks [n, 64], taken in an order int [n]."""
    last = np.int64(0)
    for block in order:
        value = np.int64(blocks[block, 0])
        counts[size(abs(value - last))] += 1
        last = value


@compiled
def code_lengths(counts):
    """The lengths of the codes that fit the counts best, of all 256 symbols.

    As T.81, K.2 makes them, but for the symbols that do not come: they get a length, too, so
    that a search may weigh them.
    """
    n = counts.shape[0]
    weights = np.empty(n, np.float64)
    for i in range(n):
        weights[i] = max(np.float64(counts[i]), 0.02)
    lengths = np.zeros(n, np.float32)
    group = np.arange(n)
    for _ in range(n - 1):
        a, b = -1, -1
        for i in range(n):
            if weights[i] >= 0:
                if a < 0 or weights[i] < weights[a]:
                    a, b = i, a
                elif b < 0 or weights[i] < weights[b]:
                    b = i
        weights[a] += weights[b]
        weights[b] = -1
        for i in range(n):
            if group[i] == a or group[i] == b:
                group[i] = a
                lengths[i] += 1
    return np.minimum(lengths, np.float32(LONGEST))


@compiled
def block_bits(blocks, lengths, out):
    """The bits of each block's AC levels int16 [n, 64] with these codes, into float32 [n]."""
    for block in range(blocks.shape[0]):
        counts = np.zeros(256, np.int64)
        count_ac(blocks[block : block + 1], counts)
        bits = np.float32(0)
        for symbol in range(256):
            if counts[symbol]:
                bits += counts[symbol] * (lengths[symbol] + symbol % 16)
        out[block] = bits
