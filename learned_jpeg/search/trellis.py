"""The search for a file's levels: dynamic programming within blocks and along the scan.

Coefficients are in steps of their table. A coefficient x with the level v has the error

    E = squared_weight * mask * (x - v)^2
        + dead_zone_weight * max(|x - v| - dead_zone * masking_threshold, 0)^2

and an AC coefficient that becomes 0 has an additional zeroing_penalty * squared_weight * mask *
x^2. squared_weight, dead_zone_weight and dead_zone [64] belong to the frequency, mask and
masking_threshold [n] to the block. The cost is the error plus the bits times the block's bit_price
[n]. Blocks are float32 [n, 64], row-major; ss and se are the first and the last zigzag position of
a scan's band, as in the standard.
"""

from learned_jpeg.jpeg.huffman import size
from learned_jpeg.jpeg.standard import HIGHEST, ZIGZAG
from learned_jpeg.runtime.compiled import compiled, inner

import numpy as np

_ZIGZAG = np.array(ZIGZAG)
_LARGEST = int(HIGHEST[0, 1])
_HALF = np.float32(0.5)
_ZERO = np.float32(0)
_FAR = np.float32(1e30)


@inner
def _error(x, v, squared_weight, dead_zone_weight, dead_zone):
    e = abs(x - v)
    beyond = max(e - dead_zone, _ZERO)
    return squared_weight * e * e + dead_zone_weight * beyond * beyond


def slack(lengths):
    """The most bits by which a longer run of zeros is cheaper than a shorter run, at equal size."""
    runs, sizes = np.arange(63)[:, None], np.arange(1, 11)
    cost = lengths[16 * (runs & 15) + sizes] + (runs >> 4) * np.float64(lengths[0xF0])
    cheapest_after = np.minimum.accumulate(cost[::-1])[::-1]
    return max(0.0, float((cost[:-1] - cheapest_after[1:]).max()))


@compiled(
    "void(float32[:,::1], float32[::1], float32[::1], float32[::1], float32, float32[::1],"
    "float32[::1], float32[::1], int64, int64, float32[::1], float64, float32, int16[:,::1],"
    "float32[::1], boolean[::1])"
)
def search_band(
    x,
    squared_weight,
    dead_zone_weight,
    dead_zone,
    zeroing_penalty,
    mask,
    masking_threshold,
    bit_price,
    ss,
    se,
    lengths,
    margin,
    eob_bits,
    out,
    cost,
    full,
):
    """The best levels of each block in a band, at least one nonzero level, into out int16 [n, 64].

    lengths: of the band's codes; margin: the `slack` of the lengths; eob_bits: the bits of the end
    of one block. Fills cost float32 [n], the cost beyond that of a block without levels, and full
    bool [n], whether position se has a level, so that no end follows.

    A state is a position with a level; only the cheapest way to it counts, since no later cost
    depends on its level. A state is dropped once a later state is cheaper by the margin: for any
    next level, its run of zeros is the shorter one, and costs at most the margin more.
    """
    position = np.empty(64, np.int64)
    reached = np.empty(64, np.float32)
    came = np.empty(64, np.int64)
    level = np.empty(64, np.int64)
    live = np.empty(64, np.int64)
    for block in range(x.shape[0]):
        price = bit_price[block]
        m = mask[block]
        t = masking_threshold[block]
        position[0] = ss - 1
        reached[0] = _ZERO
        live[0] = 0
        alive = n = 1
        best = 0
        best_cost = _FAR
        for k in range(ss, se + 1):
            f = _ZIGZAG[k]
            value = x[block, f]
            out[block, f] = 0
            magnitude = abs(value)
            if magnitude < _HALF:
                continue
            s = squared_weight[f] * m
            d = dead_zone_weight[f]
            z = dead_zone[f] * t
            nearest = min(np.int64(magnitude + _HALF), _LARGEST)
            none = _error(magnitude, _ZERO, s, d, z) + zeroing_penalty * s * magnitude * magnitude
            bits = size(nearest)
            lower = (1 << (bits - 1)) - 1
            least = _FAR
            from_least = -1
            lowered = False
            a = _error(magnitude, np.float32(nearest), s, d, z) - none + price * bits
            if lower > 0:
                b = _error(magnitude, np.float32(lower), s, d, z) - none + price * (bits - 1)
            for i in range(alive):
                p = live[i]
                run = k - position[p] - 1
                before = reached[p]
                if run > 15:
                    before += price * ((run >> 4) * lengths[0xF0])
                symbol = 16 * (run & 15) + bits
                there = before + price * lengths[symbol] + a
                if there < least:
                    least = there
                    from_least = p
                    lowered = False
                if lower > 0:
                    there = before + price * lengths[symbol - 1] + b
                    if there < least:
                        least = there
                        from_least = p
                        lowered = True
            position[n] = k
            reached[n] = least
            came[n] = from_least
            level[n] = lower if lowered else nearest
            kept = 0
            for i in range(alive):
                if reached[live[i]] < least + price * margin:
                    live[kept] = live[i]
                    kept += 1
            live[kept] = n
            alive = kept + 1
            if k < se:
                least += price * eob_bits
            if least < best_cost:
                best = n
                best_cost = least
            n += 1
        cost[block] = best_cost
        full[block] = position[best] == se
        while best:
            f = _ZIGZAG[position[best]]
            out[block, f] = level[best] if x[block, f] > 0 else -level[best]
            best = came[best]


@compiled(
    "float64(float32[::1], boolean[::1], float32[::1], float32[::1], int64, int64, int16[:,::1])"
)
def choose_eob_runs(cost, full, bit_price, eob_bits, ss, se, out):
    """Sets the levels of a band to 0 in the blocks where that is cheaper, in EOB runs.

    cost, full, out: as `search_band` leaves them; eob_bits [m]: the bits of EOB runs of 0, 1, 2 ..
    blocks; a longer run takes the mean slope of the list's second half for each block. This is the
    Viterbi algorithm along the scan; a state is the length of the EOB run so far. Returns the cost
    beyond that of no levels at all.
    """
    n = cost.size
    most = eob_bits.size - 1
    more = (eob_bits[most] - eob_bits[most // 2]) / (most - most // 2)
    reached, there = np.empty(most + 1, np.float32), np.empty(most + 1, np.float32)
    reached[0] = _ZERO
    for state in range(1, most + 1):
        reached[state] = _FAR
    came = np.empty((n, most + 1), np.int8)  # the state before; -1 - that of blocks with levels
    total = 0.0
    best = 0
    for i in range(n):
        price = bit_price[i]
        there[0] = least = _FAR
        for state in range(most):
            there[state + 1] = reached[state] + price * (eob_bits[state + 1] - eob_bits[state])
            came[i, state + 1] = state
            least = min(least, there[state + 1])
        longer = reached[most] + price * more
        if longer < there[most]:
            there[most] = longer
            came[i, most] = most
        to = 0 if full[i] else 1
        with_levels = reached[best] + cost[i]
        if with_levels < there[to]:
            there[to] = with_levels
            came[i, to] = -1 - best
        least = min(least, min(there[most], there[to]))
        total += least
        best = 0
        for state in range(most + 1):  # relative to the least, so that float32 is exact enough
            reached[state] = there[state] - least
            if reached[state] < reached[best]:
                best = state
    state = best
    for i in range(n - 1, -1, -1):
        state = np.int64(came[i, state])
        if state < 0:
            state = -1 - state
        else:
            for k in range(ss, se + 1):
                out[i, _ZIGZAG[k]] = 0
    return total


@compiled("float64(float32[:,::1], float32[::1], float32[::1], float32[::1], int64, int16[:,::1])")
def search_dc(x, weight, bit_price, lengths, largest, out):
    """The best DC levels of all blocks along their scan, into out int16 [n, 64].

    The error is weight [n] * (x - v)^2. The search knows three levels for each block: the nearest,
    at most `largest`, and its two neighbours. Returns the cost.
    """
    n = x.shape[0]
    came = np.empty((n, 3), np.int8)
    cost, reached = np.empty(3, np.float32), np.empty(3, np.float32)
    # The level before the first block is 0, the middle of three.
    cost[0] = cost[2] = _FAR
    cost[1] = _ZERO
    before = np.int64(0)
    total = 0.0
    for i in range(n):
        value = x[i, 0]
        middle = min(max(np.int64(np.floor(value + _HALF)), -largest), largest)
        out[i, 0] = middle
        price = bit_price[i]
        least = _FAR
        for v in range(3):
            level = middle + v - 1
            cheapest = _FAR
            for u in range(3):
                bits = size(abs(level - before - u + 1))
                to = cost[u] + price * (lengths[bits] + bits)
                if to < cheapest:
                    cheapest = to
                    came[i, v] = u
            e = value - np.float32(level)
            reached[v] = cheapest + weight[i] * e * e
            if abs(level) > largest:
                reached[v] = _FAR
            least = min(least, reached[v])
        total += least
        for v in range(3):  # relative to the least, so that float32 is exact enough
            cost[v] = reached[v] - least
        before = middle
    v = 0
    for u in range(1, 3):
        if cost[u] < cost[v]:
            v = u
    for i in range(n - 1, -1, -1):
        out[i, 0] += v - 1
        v = came[i, v]
    return total


@compiled(
    "float64(float32[:,::1], int16[:,::1], float32[::1], float32[::1], float32[::1], float32,"
    "float32[::1], float32[::1])"
)
def error(
    x, v, squared_weight, dead_zone_weight, dead_zone, zeroing_penalty, mask, masking_threshold
):
    """The error of levels v int16 [n, 64], summed over all blocks and frequencies."""
    total = 0.0
    for block in range(x.shape[0]):
        of_block = _ZERO
        for f in range(64):
            of_block += _error(
                x[block, f],
                np.float32(v[block, f]),
                squared_weight[f] * mask[block],
                dead_zone_weight[f],
                dead_zone[f] * masking_threshold[block],
            )
            if f and not v[block, f]:
                of_block += (
                    zeroing_penalty * squared_weight[f] * mask[block] * x[block, f] * x[block, f]
                )
        total += of_block
    return total
