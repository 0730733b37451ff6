"""The search by trying everything, in plain Python: what the compiled one is judged by."""

import itertools

from learned_jpeg.jpeg.standard import ZIGZAG


def error(x, v, squares, dead, zone, keep):
    """Of one coefficient."""
    e = abs(float(x) - v)
    return squares * e * e * (1 if v else 1 + keep) + dead * max(e - zone, 0.0) ** 2


def block_bits(levels, lengths):
    """The bits of a block's AC levels, a list of 63 in zigzag order, and of its end."""
    return band_bits(levels, lengths) + (0 if levels[-1] else lengths[0])


def band_bits(levels, lengths):
    """The bits of a block's levels in a band of places, without its end."""
    bits, run = 0, 0
    for level in levels:
        if level == 0:
            run += 1
            continue
        while run > 15:
            bits, run = bits + lengths[0xF0], run - 16
        size = abs(level).bit_length()
        bits, run = bits + lengths[16 * run + size] + size, 0
    return bits


def block_cost(x, levels, weights, lmbda, lengths):
    """x: [64] row-major; levels: 63, in zigzag order; weights: squares, dead, zone [64], keep."""
    places = ZIGZAG[1:]
    squares, dead, zone, keep = weights
    return lmbda * block_bits(levels, lengths) + sum(
        error(x[f], level, squares[f], dead[f], zone[f], keep)
        for f, level in zip(places, levels, strict=True)
    )


def best_block(x, weights, lmbda, lengths):
    """The least cost of any levels between 0 and the rounded one."""
    choices = []
    for f in ZIGZAG[1:]:
        nearest = int(abs(x[f]) + 0.5)
        sign = 1 if x[f] > 0 else -1
        choices.append([sign * level for level in range(nearest + 1)])
    return min(
        block_cost(x, levels, weights, lmbda, lengths) for levels in itertools.product(*choices)
    )


def dc_cost(x, levels, weights, lmbdas, lengths):
    """Of DC levels along a scan."""
    cost, last = 0.0, 0
    for value, level, weight, lmbda in zip(x, levels, weights, lmbdas, strict=True):
        size = abs(level - last).bit_length()
        cost += weight * (value - level) ** 2 + lmbda * (lengths[size] + size)
        last = level
    return cost
