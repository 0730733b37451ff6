from learned_jpeg.jpeg.sampling import down, grid, up

import numpy as np
import pytest


@pytest.mark.parametrize(
    ("size", "luma", "chroma"),
    [((8, 8), (1, 1), (1, 1)), ((9, 17), (2, 3), (1, 2)), ((1, 33), (1, 5), (1, 3))],
)
def test_the_grids_are_those_of_whole_blocks(size, luma, chroma):
    assert grid(*size, "444") == (luma, luma)
    assert grid(*size, "420") == (luma, chroma)


def test_down_is_the_mean_and_repeats_an_odd_edge():
    samples = np.array([[1, 3, 5], [5, 7, 9], [2, 4, 6]], np.float32)
    assert np.array_equal(down(samples), np.float32([[4, 7], [3, 6]]))
    assert np.array_equal(down(samples[None])[0], down(samples))


def test_up_is_the_triangle_filter():
    samples = np.random.default_rng(0).integers(0, 256, [5, 6])
    padded = np.pad(samples, 1, "edge")
    for row, column in np.ndindex(9, 11):
        y, x = row // 2 + 1, column // 2 + 1
        other_y, other_x = y + 2 * (row % 2) - 1, x + 2 * (column % 2) - 1
        value = (
            9 * padded[y, x]
            + 3 * (padded[y, other_x] + padded[other_y, x])
            + padded[other_y, other_x]
        )
        assert up(samples, 9, 11)[row, column] == (value + 8 - column % 2) // 16


def test_up_repeats_narrow_samples():
    assert np.array_equal(up([[1, 5]], 2, 3), [[1, 1, 5], [1, 1, 5]])
