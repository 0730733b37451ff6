import itertools

from learned_jpeg.jpeg.standard import ZIGZAG
from learned_jpeg.search import trellis

import numpy as np
import pytest
import trellis_reference as reference

NONE = np.zeros(64, np.float32)


def lengths_of(generator):
    return generator.uniform(1, 16, 256).astype(np.float32)


def search(
    x,
    squared_weight,
    dead_zone_weight,
    dead_zone,
    bit_price,
    lengths,
    zeroing_penalty=0.0,
    band=(1, 63),
    eob_bits=None,
):
    """The levels that the search finds, and their cost.

    eob_bits: of EOB runs of 0, 1, .. blocks; by default each block has an end of its own.
    """
    blocks = len(x)
    out, full = np.full([blocks, 64], 99, np.int16), np.empty(blocks, np.bool_)
    one, price = np.ones(blocks, np.float32), np.full(blocks, bit_price, np.float32)
    cost = np.empty(blocks, np.float32)
    eob_bits = np.float32(lengths[0] * np.arange(33) if eob_bits is None else eob_bits)
    x, squared_weight, dead_zone_weight, dead_zone = map(
        np.ascontiguousarray, (x, squared_weight, dead_zone_weight, dead_zone)
    )
    weights = (
        squared_weight,
        dead_zone_weight,
        dead_zone,
        np.float32(zeroing_penalty),
        one,
        one,
        price,
    )
    margin = trellis.slack(lengths)
    trellis.search_band(x, *weights, *band, lengths, margin, eob_bits[1], out, cost, full)
    return out, trellis.choose_eob_runs(cost, full, price, eob_bits, *band, out)


def sparse_blocks(generator, count, most):
    """Blocks with up to `most` coefficients that do not round to 0, at random positions."""
    x = generator.uniform(-0.49, 0.49, [count, 64])
    for block in x:
        positions = generator.choice(
            np.arange(1, 64), generator.integers(0, most + 1), replace=False
        )
        block[positions] = generator.laplace(0, 1.5, len(positions))
    return x.astype(np.float32)


@pytest.mark.parametrize(("hidden", "zeroing_penalty"), [(False, 0.0), (True, 0.0), (True, 0.5)])
def test_no_levels_of_a_block_cost_less(hidden, zeroing_penalty):
    generator = np.random.default_rng(hidden)
    lengths = lengths_of(generator)
    squared_weight = generator.uniform(0.2, 2, 64).astype(np.float32)
    dead_zone_weight = generator.uniform(0.2, 2, 64).astype(np.float32) * hidden
    dead_zone = generator.uniform(0, 2, 64).astype(np.float32) * hidden
    x = sparse_blocks(generator, 1000, 4)
    found, _ = search(
        x, squared_weight, dead_zone_weight, dead_zone, 0.15, lengths, zeroing_penalty
    )
    for block, levels in zip(x, found, strict=True):
        error = squared_weight, dead_zone_weight, dead_zone, zeroing_penalty
        cost = reference.block_cost(block, levels[ZIGZAG[1:]].tolist(), error, 0.15, lengths)
        assert cost <= reference.best_block(block, error, 0.15, lengths) + 1e-4


def test_dense_blocks_cost_what_the_search_says_and_no_more_than_rounded_blocks():
    generator = np.random.default_rng(2)
    lengths = lengths_of(generator)
    squared_weight = np.ones(64, np.float32)
    x = generator.laplace(0, 3, [300, 64]).astype(np.float32)
    found, total = search(x, squared_weight, NONE, NONE, 0.2, lengths)
    costs = []
    for block, levels in zip(x, found, strict=True):
        levels = levels[ZIGZAG[1:]].tolist()
        rounded = np.trunc(block + np.copysign(0.5, block))[ZIGZAG[1:]].astype(int).tolist()
        cost, plain = (
            reference.block_cost(block, given, (squared_weight, NONE, NONE, 0.0), 0.2, lengths)
            for given in (levels, rounded)
        )
        assert cost <= plain + 1e-4
        costs.append(cost - float((block[1:].astype(np.float64) ** 2).sum()))
    np.testing.assert_allclose(total, sum(costs), rtol=1e-4)


@pytest.mark.parametrize("band", [(1, 63), (3, 20)])
def test_eob_runs_cost_the_least(band):
    """Every subset of the blocks is tried without levels, the others with the search's levels."""
    generator = np.random.default_rng(4)
    squared_weight = np.ones(64, np.float32)
    for bit_price in (0.05, 0.15, 0.3):
        lengths = lengths_of(generator)
        eob_bits = np.concatenate([[0], np.cumsum(generator.uniform(0, 3, 32)) + 2])
        x = sparse_blocks(generator, 9, 2)
        x[:, ZIGZAG[band[1]]] = 0  # a block with a level there has no end
        found, total = search(
            x, squared_weight, NONE, NONE, bit_price, lengths, band=band, eob_bits=eob_bits
        )
        positions = ZIGZAG[band[0] : band[1] + 1]
        paid = np.full(33, -100)  # so cheap that all blocks with nonzero coefficients have levels
        every, _ = search(
            x, squared_weight, NONE, NONE, bit_price, lengths, band=band, eob_bits=paid
        )
        assert len(np.unique(every[:, positions].any(1))) == 2

        def cost(
            levels,
            bit_price=bit_price,
            lengths=lengths,
            x=x,
            eob_bits=eob_bits,
            positions=positions,
        ):
            bits, run = 0.0, 0
            for block in levels[:, positions]:
                if block.any():
                    bits += eob_bits[run] + reference.band_bits(block.tolist(), lengths)
                    run = 0
                run += 1
            return bit_price * (bits + eob_bits[run]) + ((x - levels)[:, positions] ** 2).sum()

        best = min(
            cost(np.where(np.array(kept)[:, None], every, 0))
            for kept in itertools.product((False, True), repeat=len(x))
        )
        assert cost(found) == pytest.approx(best, rel=1e-5)
        zero = float((x[:, positions] ** 2).sum())
        assert total == pytest.approx(cost(found) - zero, rel=1e-4, abs=1e-4)


def test_dc_levels_are_the_best_of_all_near_the_rounded_ones():
    generator = np.random.default_rng(3)
    lengths = lengths_of(generator)
    for _ in range(100):
        x = np.zeros([5, 64], np.float32)
        x[:, 0] = generator.normal(0, 4, 5)
        weights, bit_prices = generator.uniform(0.2, 2, [2, 5]).astype(np.float32) * [[1], [0.3]]
        weights, bit_prices = weights.astype(np.float32), bit_prices.astype(np.float32)
        out = np.zeros([5, 64], np.int16)
        trellis.search_dc(x, weights, bit_prices, lengths, 1024, out)
        scan = x[:, 0], weights, bit_prices
        middle = np.floor(scan[0] + 0.5).astype(int)
        best = min(
            reference.dc_cost(scan[0], (middle + moves).tolist(), *scan[1:], lengths)
            for moves in itertools.product((-1, 0, 1), repeat=5)
        )
        found = reference.dc_cost(scan[0], out[:, 0].tolist(), *scan[1:], lengths)
        assert found <= best + 1e-4


def test_levels_stay_within_the_bounds_of_a_file():
    x = np.full([2, 64], 5000, np.float32) * np.float32([[1], [-1]])
    lengths = np.full(256, 4, np.float32)
    found, _ = search(x, np.ones(64, np.float32), NONE, NONE, 0.1, lengths)
    assert abs(found[:, 1:]).max() == 1023
    out = np.zeros([2, 64], np.int16)
    one = np.ones(2, np.float32)
    trellis.search_dc(x, one, one, lengths, 1024, out)
    assert out[:, 0].tolist() == [1024, -1024]
