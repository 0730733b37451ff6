import heapq

from learned_jpeg.jpeg import huffman
from learned_jpeg.jpeg.standard import ZIGZAG

import numpy as np
import pytest


def test_the_symbols_are_those_of_the_standard():
    blocks = np.zeros([2, 64], np.int16)
    blocks[0, np.array(ZIGZAG)[[1, 20, 63]]] = [-3, 1, 255]  # runs of 0, 18 and 42
    counts = np.zeros(256, np.int64)
    huffman.count_ac(blocks, counts)
    expected = {0x02: 1, 0x21: 1, 0xA8: 1, 0xF0: 3, 0x00: 1}
    assert {symbol: counts[symbol] for symbol in np.flatnonzero(counts)} == expected


def test_differences_are_taken_in_the_order_of_the_scan():
    blocks = np.zeros([3, 64], np.int16)
    blocks[:, 0] = [5, 4, -2]
    assert huffman.dc_sizes(blocks).tolist() == [3, 1, 3]  # of 5, -1 and -6


@pytest.mark.parametrize("kind", ["few", "many", "steep"])
def test_code_lengths_are_those_of_a_code_that_no_code_beats_by_much(kind):
    generator = np.random.default_rng(0)
    counts = np.zeros(256, np.int64)
    counts[: {"few": 3, "many": 160, "steep": 30}[kind]] = 100
    counts[:30] = {"few": 0, "many": generator.integers(1, 5000, 30), "steep": 2 ** np.arange(30)}[
        kind
    ]
    counts[:3] += 10
    lengths = huffman.code_lengths(counts)
    assert lengths.min() >= 1
    assert lengths.max() <= 16
    used = counts > 0
    assert (2.0 ** -lengths[used]).sum() <= 1.01
    share = counts[used] / counts.sum()
    entropy = -(share * np.log2(share)).sum()
    assert entropy - 1e-3 <= (share * lengths[used]).sum() <= entropy + 1


@pytest.mark.parametrize("kind", ["one", "two", "many", "steep"])
def test_a_table_is_the_best_of_at_most_16_bits_with_one_word_left_free(kind):
    generator = np.random.default_rng(0)
    counts = np.zeros(256, np.int64)
    counts[generator.permutation(256)[:60]] = {
        "one": [9] + [0] * 59,
        "two": [1, 1] + [0] * 58,
        "many": generator.integers(1, 5000, 60),
        "steep": [*2 ** np.arange(1, 31), *[1] * 30],
    }[kind]
    of_length, symbols = huffman.table(counts)
    assert of_length.shape == (16,)
    assert sorted(symbols) == np.flatnonzero(counts).tolist()
    lengths = np.repeat(np.arange(1, 17), of_length)
    # The longest code of ones alone stays free (T.81, C).
    assert (2.0**-lengths).sum() + 2.0 ** -lengths.max() <= 1
    heap, best = [1, *counts[symbols].tolist()], 0
    heapq.heapify(heap)
    while len(heap) > 1:
        joined = heapq.heappop(heap) + heapq.heappop(heap)
        best += joined
        heapq.heappush(heap, joined)
    best -= {"one": 1, "two": 2, "many": lengths.max(), "steep": 0}[
        kind
    ]  # the bits of the free word
    bits = int(counts[symbols] @ lengths)
    if kind == "steep":
        assert lengths.max() == 16 and best - 40 <= bits < 1.001 * best
    else:
        assert bits == best
