"""The search for a file's integers: dynamic programming over blocks and along the scan.

Everything is in units of the tables' steps: a block's coefficient x and level v cost

    E = squares * mask * (x - v)^2 + dead * max(|x - v| - zone * threshold, 0)^2

with squares, dead and zone [64] of the frequency, mask and threshold [n] of the block, and a
symbol lmbda [n] of the block for each of its bits. An AC coefficient that becomes 0 costs
keep * squares * mask * x^2 beside that. Blocks are float32 [n, 64].
"""

from learned_jpeg.compiled import compiled
from learned_jpeg.huffman import size
from learned_jpeg.standard import ZIGZAG

import numpy as np

_ZIGZAG = np.array(ZIGZAG)
_HALF = np.float32(0.5)
_ZERO = np.float32(0)
_FAR = np.float32(1e30)


@compiled
def _error(x, v, squares, dead, zone):
    e = abs(x - v)
    beyond = max(e - zone, _ZERO)
    return squares * e * e + dead * beyond * beyond


@compiled
def slack(lengths):
    """How many bits a longer run can be cheaper by than a shorter one, at most."""
    most = _ZERO
    for bits in range(1, 11):
        dearest = _ZERO
        for run in range(62, -1, -1):
            cost = lengths[16 * (run & 15) + bits] + (run >> 4) * lengths[0xF0]
            if run < 62:
                most = max(most, cost - dearest)
                dearest = min(dearest, cost)
            else:
                dearest = cost
    return most


@compiled
def search_ac(
    x, squares, dead, zone, keep, mask, threshold, lmbda, lengths, step, largest, out, counts
):
    """The best AC levels of every step-th block into out int16 [n, 64]; their symbols counted.

    Returns the cost beyond that of blocks without any level, all blocks together.

    States are the places with a level. What follows does not depend on the level, so each has
    one cost; and a place from which another, later one with less cost was reached cannot be
    on the best way, unless the shorter run to it were dearer by more than `slack`.
    """
    place = np.empty(64, np.int64)
    cost = np.empty(64, np.float32)
    came = np.empty(64, np.int64)
    level = np.empty(64, np.int64)
    live = np.empty(64, np.int64)
    margin = slack(lengths)
    total = 0.0
    for block in range(0, x.shape[0], step):
        lam, m, t = lmbda[block], mask[block], threshold[block]
        end = lam * lengths[0]
        n = 1
        place[0], cost[0], came[0], level[0] = 0, _ZERO, 0, 0
        live[0], alive = 0, 1
        best, best_cost = 0, end
        for k in range(1, 64):
            f = _ZIGZAG[k]
            value = x[block, f]
            out[block, f] = 0
            magnitude = abs(value)
            if magnitude < _HALF:
                continue
            s, d, z = squares[f] * m, dead[f], zone[f] * t
            nearest = min(np.int64(magnitude + _HALF), largest)
            none = _error(magnitude, _ZERO, s, d, z) + keep * s * magnitude * magnitude
            bits = size(nearest)
            lower = (1 << (bits - 1)) - 1
            least, least_from, least_level = _FAR, -1, 0
            a = _error(magnitude, np.float32(nearest), s, d, z) - none + lam * bits
            if lower > 0:
                b = _error(magnitude, np.float32(lower), s, d, z) - none + lam * (bits - 1)
            for i in range(alive):
                p = live[i]
                run = k - place[p] - 1
                before = cost[p]
                if run > 15:
                    before += lam * ((run >> 4) * lengths[0xF0])
                symbol = 16 * (run & 15) + bits
                reached = before + lam * lengths[symbol] + a
                if reached < least:
                    least, least_from, least_level = reached, p, nearest
                if lower > 0:
                    reached = before + lam * lengths[symbol - 1] + b
                    if reached < least:
                        least, least_from, least_level = reached, p, lower
            place[n], cost[n], came[n], level[n] = k, least, least_from, least_level
            kept = 0
            for i in range(alive):
                if cost[live[i]] < least + lam * margin:
                    live[kept] = live[i]
                    kept += 1
            live[kept] = n
            alive = kept + 1
            least += end if k < 63 else _ZERO
            if least < best_cost:
                best, best_cost = n, least
            n += 1
        total += best_cost
        if place[best] < 63:
            counts[0] += 1
        while best:
            before = came[best]
            f = _ZIGZAG[place[best]]
            run = place[best] - place[before] - 1
            out[block, f] = level[best] if x[block, f] > 0 else -level[best]
            counts[0xF0] += run >> 4
            counts[16 * (run & 15) + size(level[best])] += 1
            best = before
    return total


@compiled
def search_dc(x, weight, lmbda, lengths, largest, out):
    """The best DC levels of all blocks, in the order of their scan; returns their cost.

    Their error is weight [n] * (x - v)^2. Three levels about each are weighed.
    """
    n = x.shape[0]
    came = np.empty((n, 3), np.int8)
    cost, reached = np.zeros(3, np.float32), np.empty(3, np.float32)
    total = 0.0
    last = np.int64(0)
    for i in range(n):
        value = x[i, 0]
        middle = np.int64(np.floor(value + _HALF))
        middle = min(max(middle, -largest), largest)
        lam = lmbda[i]
        for v in range(3):
            least, least_from = _FAR, 0
            for u in range(3 if i else 1):
                bits = size(abs(middle + v - last - u)) if i else size(abs(middle + v - 1))
                to = cost[u] + lam * (lengths[bits] + bits)
                if to < least:
                    least, least_from = to, u
            e = value - np.float32(middle + v - 1)
            reached[v] = least + weight[i] * e * e
            if abs(middle + v - 1) > largest:
                reached[v] = _FAR
            came[i, v] = least_from
        least = min(reached[0], min(reached[1], reached[2]))
        total += least
        for v in range(3):  # so that the sums stay small
            cost[v] = reached[v] - least
        last = middle
    v = 0
    for u in range(1, 3):
        if cost[u] < cost[v]:
            v = u
    for i in range(n - 1, -1, -1):
        middle = np.int64(np.floor(x[i, 0] + _HALF))
        middle = min(max(middle, -largest), largest)
        out[i, 0] = middle + v - 1
        v = came[i, v]
    return total


@compiled
def error(x, v, squares, dead, zone, keep, mask, threshold):
    """The error of levels v int16 [n, 64], summed over all blocks and frequencies."""
    total = 0.0
    for block in range(x.shape[0]):
        some = _ZERO
        for f in range(64):
            some += _error(
                x[block, f],
                np.float32(v[block, f]),
                squares[f] * mask[block],
                dead[f],
                zone[f] * threshold[block],
            )
            if f and not v[block, f]:
                some += keep * squares[f] * mask[block] * x[block, f] * x[block, f]
        total += some
    return total
