"""The search by trying all levels, in plain Python, to compare the compiled search with."""

import itertools

from learned_jpeg.jpeg.standard import ZIGZAG


def error(x, v, squared_weight, dead_zone_weight, dead_zone, zeroing_penalty):
    """The error of a coefficient x with the level v."""
    e = abs(float(x) - v)
    return (
        squared_weight * e * e * (1 if v else 1 + zeroing_penalty)
        + dead_zone_weight * max(e - dead_zone, 0.0) ** 2
    )


def block_bits(levels, lengths):
    """The bits of a block's AC levels, a list of 63 in zigzag order, and of its EOB."""
    return band_bits(levels, lengths) + (0 if levels[-1] else lengths[0])


def band_bits(levels, lengths):
    """The bits of a block's levels in a band, without its EOB."""
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


def block_cost(x, levels, weights, bit_price, lengths):
    """The cost of a block: its error, and its bits times the bit price.

    x: [64] row-major; levels: 63, in zigzag order; weights: squared_weight, dead_zone_weight,
    dead_zone [64], zeroing_penalty.
    """
    squared_weight, dead_zone_weight, dead_zone, zeroing_penalty = weights
    return bit_price * block_bits(levels, lengths) + sum(
        error(x[f], level, squared_weight[f], dead_zone_weight[f], dead_zone[f], zeroing_penalty)
        for f, level in zip(ZIGZAG[1:], levels, strict=True)
    )


def best_block(x, weights, bit_price, lengths):
    """The least cost of a block of any levels between 0 and the rounded coefficients."""
    choices = []
    for f in ZIGZAG[1:]:
        nearest = int(abs(x[f]) + 0.5)
        sign = 1 if x[f] > 0 else -1
        choices.append([sign * level for level in range(nearest + 1)])
    return min(
        block_cost(x, levels, weights, bit_price, lengths) for levels in itertools.product(*choices)
    )


def dc_cost(x, levels, weights, bit_prices, lengths):
    """The cost of DC levels along a scan."""
    cost, before = 0.0, 0
    for value, level, weight, bit_price in zip(x, levels, weights, bit_prices, strict=True):
        size = abs(level - before).bit_length()
        cost += weight * (value - level) ** 2 + bit_price * (lengths[size] + size)
        before = level
    return cost
