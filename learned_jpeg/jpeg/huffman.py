"""The Huffman symbols of a file's levels: how often each comes, and how long its code is.

The symbol of an AC level is 16 * run + size: the number of zeros before it, and the number of its
bits, which follow the code. 0 is the end of a block (EOB), 0xF0 a run of sixteen zeros. The symbol
of DC is the size of the difference to the block before. Counts are int64 [256], lengths of codes
float32 [256]. "T.81" is Recommendation ITU-T T.81 | ISO/IEC 10918-1.
"""

from learned_jpeg.jpeg.standard import ZIGZAG
from learned_jpeg.runtime.compiled import compiled, inner

import numpy as np

LONGEST = 16  # bits of a code (T.81, K.2)
# A symbol that does not come is counted as 1 / _RARE, see `code_lengths`.
_RARE = 50

_ZIGZAG = np.array(ZIGZAG)
_SYMBOLS = np.arange(256)
# The bits that follow the code of an AC symbol: the size of a level; n for the symbol of an EOB run
# of 2^n to 2^(n + 1) - 1 blocks, which progressive scans have.
FOLLOWING = np.where(_SYMBOLS % 16, _SYMBOLS % 16, _SYMBOLS // 16)
FOLLOWING[0xF0] = 0


@inner
def size(magnitude):
    """The number of bits of a whole number >= 0 (T.81, table F.1)."""
    bits = 0
    while magnitude:
        bits += 1
        magnitude >>= 1
    return bits


@inner
def _count_block(blocks, block, counts):
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


@compiled("void(int16[:,::1], int64[::1])")
def count_ac(blocks, counts):
    """Adds the AC symbols of int16 blocks [n, 64] to the counts."""
    for block in range(blocks.shape[0]):
        _count_block(blocks, block, counts)


def dc_sizes(blocks):
    """The symbols of DC of blocks [n, 64] in the order of their scan: int [n]."""
    dc = blocks[:, 0].astype(np.int32)
    return np.frexp(np.abs(np.diff(dc, prepend=np.int32(0))).astype(np.float32))[1]


@compiled("void(int16[:,::1], float32[::1], float32[::1])")
def block_bits(blocks, lengths, out):
    """The bits of the AC levels of each block int16 [n, 64], by lengths of codes, into out [n]."""
    counts = np.empty(256, np.int64)
    for block in range(blocks.shape[0]):
        for symbol in range(256):
            counts[symbol] = 0
        _count_block(blocks, block, counts)
        bits = np.float32(0)
        for symbol in range(256):
            if counts[symbol]:
                bits += counts[symbol] * (lengths[symbol] + FOLLOWING[symbol])
        out[block] = bits


@inner
def _swap(order, i, j):
    order[i], order[j] = order[j], order[i]


@inner
def _sort(counts, order, n):
    """Sorts the first n symbols in order by their counts.

    This is quicksort with Hoare's partition around the median of three, then one pass of insertion
    sort. The order of symbols with equal counts decides about the bytes of files, so the sort is
    not that of a library, whose next version may order them otherwise.
    """
    starts, ends = np.empty(64, np.int64), np.empty(64, np.int64)
    starts[0] = 0
    ends[0] = n - 1
    waiting = 1
    while waiting:
        waiting -= 1
        low = starts[waiting]
        high = ends[waiting]
        while high - low >= 15:
            middle = (low + high) >> 1
            if counts[order[middle]] < counts[order[low]]:
                _swap(order, low, middle)
            if counts[order[high]] < counts[order[middle]]:
                _swap(order, middle, high)
            if counts[order[middle]] < counts[order[low]]:
                _swap(order, low, middle)
            pivot = counts[order[middle]]
            _swap(order, middle, high)
            i = low
            j = high - 1
            while True:
                while i < high and counts[order[i]] < pivot:
                    i += 1
                while j >= low and counts[order[j]] > pivot:
                    j -= 1
                if i >= j:
                    break
                _swap(order, i, j)
                i += 1
                j -= 1
            _swap(order, i, high)
            # The shorter part comes next, so that the stack stays small.
            if high - i > i - low:
                starts[waiting] = i + 1
                ends[waiting] = high
                high = i - 1
            else:
                starts[waiting] = low
                ends[waiting] = i - 1
                low = i + 1
            waiting += 1
    for i in range(1, n):
        symbol = order[i]
        j = i
        while j > 0 and counts[symbol] < counts[order[j - 1]]:
            order[j] = order[j - 1]
            j -= 1
        order[j] = symbol


@inner
def _least(counts, lengths, order, weights, parents):
    """Fills in the lengths of the best code for counts [256]; returns the bits of all its codes.
    order [256], weights and parents [513] are scratch space."""
    n = np.int64(0)
    for symbol in range(256):
        lengths[symbol] = 0
        if counts[symbol]:
            order[n] = symbol
            n += 1
    _sort(counts, order, n)
    # The weights of the leaves of a tree, the lightest first, then of the nodes that join two. The
    # first leaf is the code word that stays free (T.81, K.2), of weight 1.
    weights[0] = 1
    for i in range(n):
        weights[i + 1] = counts[order[i]]
    leaf = 0
    joined = n + 1
    for node in range(n + 1, 2 * n + 1):
        weights[node] = 0
        for _ in range(2):  # the two lightest nodes without a parent
            if leaf > n or (joined < node and weights[joined] < weights[leaf]):
                lightest = joined
                joined += 1
            else:
                lightest = leaf
                leaf += 1
            weights[node] += weights[lightest]
            parents[lightest] = node
    depths = weights
    depths[2 * n] = 0
    for i in range(2 * n - 1, -1, -1):
        depths[i] = depths[parents[i]] + 1
    bits = np.int64(0)
    for i in range(n):
        lengths[order[i]] = depths[i + 1]
        bits += depths[i + 1] * counts[order[i]]
    return bits


@compiled("void(int64[:,::1], int64[:,::1], int64[::1])")
def _least_lengths(counts, lengths, bits):
    order = np.empty(256, np.int64)
    weights, parents = np.empty(513, np.int64), np.empty(513, np.int64)
    for row in range(counts.shape[0]):
        bits[row] = _least(counts[row], lengths[row], order, weights, parents)


@compiled("void(int64[:,:,::1], int64[:,::1], int64[:,::1])")
def bits_of_bands(counts, bits, symbols):
    """The bits of first scans of bands, from counts [m, m, 256] of `scans.count_bands`.

    The counts of levels, which are differences, become those of whole bands. bits, symbols [m, m]
    take, for the band from i up to a later j, the bits of all codes and of what follows them, and
    the number of symbols that come.
    """
    lengths, order = np.empty(256, np.int64), np.empty(256, np.int64)
    weights, parents = np.empty(513, np.int64), np.empty(513, np.int64)
    m = counts.shape[0]
    for i in range(m - 2, -1, -1):
        for j in range(i + 1, m):
            for symbol in range(256):
                if symbol & 15 or symbol == 0xF0:
                    counts[i, j, symbol] += counts[i, j - 1, symbol] + counts[i + 1, j, symbol]
                    counts[i, j, symbol] -= counts[i + 1, j - 1, symbol]
            bits[i, j] = _least(counts[i, j], lengths, order, weights, parents)
            symbols[i, j] = 0
            for symbol in range(256):
                if counts[i, j, symbol]:
                    bits[i, j] += counts[i, j, symbol] * FOLLOWING[symbol]
                    symbols[i, j] += 1


def least_lengths(counts):
    """The lengths of the best code for the symbols that come, which leaves a longest word free.

    counts: int64 [..., 256]. Returns (lengths, int64 of the same shape, 0 for a symbol that does
    not come and not limited to LONGEST; the bits of all codes, int64 [...]).

    The code is that of T.81, K.2, built with two queues, one of leaves and one of nodes (J. van
    Leeuwen, 1976).
    """
    lengths, bits = np.empty(counts.shape, np.int64), np.empty(counts.shape[:-1], np.int64)
    _least_lengths(counts.reshape(-1, 256), lengths.reshape(-1, 256), bits.reshape(-1))
    return lengths, bits


def code_lengths(counts):
    """The lengths of the best codes for counts, for all symbols: float32 [..., 256].

    The code is that of T.81, K.2. A symbol that does not come has a length, too, as if it came
    1 / _RARE times, so that a search can weigh it.
    """
    lengths, _ = least_lengths(_RARE * counts + 1)
    return np.minimum(lengths.astype(np.float32), np.float32(LONGEST))


def table(counts):
    """A file's Huffman table: (number of codes of each length 1..LONGEST, symbols in this order).

    counts: int64 [256], not all 0. Source: T.81, K.2.
    """
    lengths, _ = least_lengths(counts)
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
