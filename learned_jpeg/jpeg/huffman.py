"""The Huffman symbols of a file's integers: how often each comes, and how long its code is.

A symbol of the AC coefficients is 16 * run + size, 0 the end of a block and 0xF0 sixteen zeros;
one of the DC differences is their size. A size is followed by as many bits. Counts are int64
[256], lengths float32 [256]. "T.81" is Recommendation ITU-T T.81 | ISO/IEC 10918-1.
"""

from learned_jpeg.jpeg.standard import ZIGZAG
from learned_jpeg.runtime.compiled import compiled

import numpy as np

LONGEST = 16  # T.81, K.2: no code is longer
# How many times rarer than once a symbol that does not come is taken to be.
_RARE = 50

_ZIGZAG = np.array(ZIGZAG)
_SYMBOLS = np.arange(256)
# The bits that follow an AC symbol: of a level its size, of 2^n ends or more, which a progressive
# scan has, n.
FOLLOWING = np.where(_SYMBOLS % 16, _SYMBOLS % 16, _SYMBOLS // 16)
FOLLOWING[0xF0] = 0


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
def count_dc(blocks, counts):
    """Adds the symbols of the DC differences of blocks [n, 64], in the order of their scan."""
    last = np.int64(0)
    for block in range(blocks.shape[0]):
        value = np.int64(blocks[block, 0])
        counts[size(abs(value - last))] += 1
        last = value


@compiled
def block_bits(blocks, lengths, out):
    """The bits of each block's AC levels int16 [n, 64] with these codes, into float32 [n]."""
    for block in range(blocks.shape[0]):
        counts = np.zeros(256, np.int64)
        count_ac(blocks[block : block + 1], counts)
        bits = np.float32(0)
        for symbol in range(256):
            if counts[symbol]:
                bits += counts[symbol] * (lengths[symbol] + FOLLOWING[symbol])
        out[block] = bits


@compiled
def least_lengths(counts, lengths):
    """The lengths of the best code for the symbols that come, one of its longest words left free,
    into int64 [256], 0 for the others; they may be longer than LONGEST. Returns the bits.

    It is that of T.81, K.2, found in place (A. Moffat and J. Katajainen, 1995).
    """
    lengths[:] = 0
    coming = np.flatnonzero(counts)
    coming = coming[np.argsort(counts[coming])]
    n = 1 + coming.size
    if n == 1:
        return 0
    # The free word counts 1 and is the rarest.
    tree = np.ones(n, np.int64)
    tree[1:] = counts[coming]
    # The two least weights are joined, n - 1 times; a joined one keeps where it went.
    leaf = joined = 0
    for new in range(n - 1):
        weight = 0
        for _ in range(2):
            if leaf >= n or (joined < new and tree[joined] < tree[leaf]):
                weight += tree[joined]
                tree[joined] = new
                joined += 1
            else:
                weight += tree[leaf]
                leaf += 1
        tree[new] = weight
    # From where they went to how deep they are, and from those to the depths of the leaves.
    tree[n - 2] = 0
    for i in range(n - 3, -1, -1):
        tree[i] = tree[tree[i]] + 1
    places, depth, inner, leaf = 1, 0, n - 2, n - 1
    while places:
        taken = 0
        while inner >= 0 and tree[inner] == depth:
            taken += 1
            inner -= 1
        while places > taken:
            tree[leaf] = depth
            leaf -= 1
            places -= 1
        places = 2 * taken
        depth += 1
    bits = 0
    for i in range(1, n):
        symbol = coming[i - 1]
        lengths[symbol] = tree[i]
        bits += tree[i] * counts[symbol]
    return bits


@compiled
def code_lengths(counts):
    """The lengths of the codes that fit the counts best, of all 256 symbols: float32 [256].

    As T.81, K.2 makes them, but for the symbols that do not come: they get a length, too, as if
    each came one time in _RARE more, so that a search may weigh them.
    """
    lengths = np.empty(256, np.int64)
    least_lengths(_RARE * counts + 1, lengths)
    return np.minimum(lengths.astype(np.float32), np.float32(LONGEST))


def table(counts):
    """A table for a file: how many codes have each length 1..LONGEST, and their symbols in order.

    counts: of the symbols that come, at least one. T.81, K.2 and K.3.
    """
    lengths = np.zeros(256, np.int64)
    least_lengths(counts, lengths)
    symbols = [int(s) for s in np.lexsort([np.arange(256), lengths]) if lengths[s]]
    of_length = np.bincount(lengths[symbols], minlength=max(lengths.max(), LONGEST) + 1)
    of_length[lengths.max()] += 1
    for long in range(len(of_length) - 1, LONGEST, -1):
        while of_length[long]:
            short = long - 2
            while not of_length[short]:
                short -= 1
            of_length[long] -= 2
            of_length[long - 1] += 1
            of_length[short] -= 1
            of_length[short + 1] += 2
    of_length[np.flatnonzero(of_length)[-1]] -= 1
    return of_length[1 : LONGEST + 1], symbols
