"""The search for a file's integers: dynamic programming over blocks and along the scan.

Everything is in units of the tables' steps: a block's coefficient x and level v cost

    E = squared_weight * mask * (x - v)^2
        + dead_zone_weight * max(|x - v| - dead_zone * masking_threshold, 0)^2

with squared_weight, dead_zone_weight and dead_zone [64] of the frequency, mask and
masking_threshold [n] of the block, and a symbol bit_price [n] of the block for each of its bits.
An AC coefficient that becomes 0 costs
zeroing_penalty * squared_weight * mask * x^2 beside that. Blocks are float32 [n, 64].
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
    """How many bits a longer run can be cheaper by than a shorter one, at most."""
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
    first,
    last,
    lengths,
    margin,
    end,
    out,
    cost,
    full,
):
    """The best levels of each block in a band of AC places, at least one, into out int16 [n, 64].

    margin: the `slack` of the lengths; end: the bits of a block's end. cost float32 [n]: beyond
    that of no levels at all; full bool [n]: whether the last place has a level, after which no end
    comes.

    States are the places with a level. What follows does not depend on the level, so each has
    one cost; and a place from which another, later one with less cost was reached cannot be
    on the best way, unless the shorter run to it were dearer by more than the margin.
    """
    place = np.empty(64, np.int64)
    reached = np.empty(64, np.float32)
    came = np.empty(64, np.int64)
    level = np.empty(64, np.int64)
    live = np.empty(64, np.int64)
    for block in range(x.shape[0]):
        lam = bit_price[block]
        m = mask[block]
        t = masking_threshold[block]
        place[0] = first - 1
        reached[0] = _ZERO
        live[0] = 0
        alive = n = 1
        best = 0
        best_cost = _FAR
        for k in range(first, last + 1):
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
            a = _error(magnitude, np.float32(nearest), s, d, z) - none + lam * bits
            if lower > 0:
                b = _error(magnitude, np.float32(lower), s, d, z) - none + lam * (bits - 1)
            for i in range(alive):
                p = live[i]
                run = k - place[p] - 1
                before = reached[p]
                if run > 15:
                    before += lam * ((run >> 4) * lengths[0xF0])
                symbol = 16 * (run & 15) + bits
                there = before + lam * lengths[symbol] + a
                if there < least:
                    least = there
                    from_least = p
                    lowered = False
                if lower > 0:
                    there = before + lam * lengths[symbol - 1] + b
                    if there < least:
                        least = there
                        from_least = p
                        lowered = True
            place[n] = k
            reached[n] = least
            came[n] = from_least
            level[n] = lower if lowered else nearest
            kept = 0
            for i in range(alive):
                if reached[live[i]] < least + lam * margin:
                    live[kept] = live[i]
                    kept += 1
            live[kept] = n
            alive = kept + 1
            if k < last:
                least += lam * end
            if least < best_cost:
                best = n
                best_cost = least
            n += 1
        cost[block] = best_cost
        full[block] = place[best] == last
        while best:
            f = _ZIGZAG[place[best]]
            out[block, f] = level[best] if x[block, f] > 0 else -level[best]
            best = came[best]


@compiled(
    "float64(float32[::1], boolean[::1], float32[::1], float32[::1], int64, int64, int16[:,::1])"
)
def choose_eob_runs(cost, full, bit_price, ends, first, last, out):
    """Takes the levels of a band of places from the blocks that are better off without them.

    cost, full, out: as `search_band` leaves them; ends [m]: the bits of the ends of 0, 1, 2 ..
    blocks in a row, which have one symbol; beyond, as many more for each as over the last half.
    Viterbi along the scan: a state is how many blocks in a row have ended. Returns the cost
    beyond that of no levels at all.
    """
    n = cost.size
    most = ends.size - 1
    more = (ends[most] - ends[most // 2]) / (most - most // 2)
    reached, there = np.empty(most + 1, np.float32), np.empty(most + 1, np.float32)
    reached[0] = _ZERO
    for state in range(1, most + 1):
        reached[state] = _FAR
    came = np.empty((n, most + 1), np.int8)  # -1 - the state before, of blocks with levels
    total = 0.0
    best = 0
    for i in range(n):
        lam = bit_price[i]
        there[0] = least = _FAR
        for state in range(most):
            there[state + 1] = reached[state] + lam * (ends[state + 1] - ends[state])
            came[i, state + 1] = state
            least = min(least, there[state + 1])
        longer = reached[most] + lam * more
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
        for state in range(most + 1):  # so that the sums stay small
            reached[state] = there[state] - least
            if reached[state] < reached[best]:
                best = state
    state = best
    for i in range(n - 1, -1, -1):
        state = np.int64(came[i, state])
        if state < 0:
            state = -1 - state
        else:
            for k in range(first, last + 1):
                out[i, _ZIGZAG[k]] = 0
    return total


@compiled("float64(float32[:,::1], float32[::1], float32[::1], float32[::1], int64, int16[:,::1])")
def search_dc(x, weight, bit_price, lengths, largest, out):
    """The best DC levels of all blocks, in the order of their scan; returns their cost.

    Their error is weight [n] * (x - v)^2. Three levels about each are weighed.
    """
    n = x.shape[0]
    came = np.empty((n, 3), np.int8)
    cost, reached = np.empty(3, np.float32), np.empty(3, np.float32)
    # Before the first block there is a 0, the middle one of three.
    cost[0] = cost[2] = _FAR
    cost[1] = _ZERO
    last = np.int64(0)
    total = 0.0
    for i in range(n):
        value = x[i, 0]
        middle = min(max(np.int64(np.floor(value + _HALF)), -largest), largest)
        out[i, 0] = middle
        lam = bit_price[i]
        least = _FAR
        for v in range(3):
            level = middle + v - 1
            cheapest = _FAR
            for u in range(3):
                bits = size(abs(level - last - u + 1))
                to = cost[u] + lam * (lengths[bits] + bits)
                if to < cheapest:
                    cheapest = to
                    came[i, v] = u
            e = value - np.float32(level)
            reached[v] = cheapest + weight[i] * e * e
            if abs(level) > largest:
                reached[v] = _FAR
            least = min(least, reached[v])
        total += least
        for v in range(3):  # so that the sums stay small
            cost[v] = reached[v] - least
        last = middle
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
        some = _ZERO
        for f in range(64):
            some += _error(
                x[block, f],
                np.float32(v[block, f]),
                squared_weight[f] * mask[block],
                dead_zone_weight[f],
                dead_zone[f] * masking_threshold[block],
            )
            if f and not v[block, f]:
                some += (
                    zeroing_penalty * squared_weight[f] * mask[block] * x[block, f] * x[block, f]
                )
        total += some
    return total
