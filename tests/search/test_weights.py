"""The weights that depend on a block's brightness, neighbours and colour component."""

from dataclasses import replace

from learned_jpeg.search import quantizer, tuning, weights

import numpy as np
import pytest

PLAIN = tuning.TUNES["psnr"]
TABLES = np.full([8, 8, 2], 8, np.uint8)


def analysis(pixels, sampling="444"):
    return quantizer.analyse(np.asarray(pixels, np.uint8), TABLES, sampling)


def mask(tune, pixels):
    """The mask of a picture's blocks [rows, columns]."""
    luma, _ = weights.luma_and_chroma(tune, analysis(pixels), 1.0)
    return luma.mask.reshape(np.shape(pixels)[0] // 8, -1)


def texture(size, level, strength):
    random = np.random.default_rng(3)
    return np.repeat(level + random.normal(0, strength, [*size, 1]).round(), 3, -1)


@pytest.mark.parametrize("power", [-0.5, 0.8])
def test_from_black_to_white_the_weight_of_an_error_falls_by_the_exponent(power):
    pixels = np.concatenate([np.zeros([8, 8, 3]), np.full([8, 8, 3], 255)], 1)
    ((black, white),) = mask(replace(PLAIN, brightness_power=power), pixels)
    assert black / white == pytest.approx(np.exp(power), rel=0.01)


def test_a_busy_block_beside_a_calm_block_weighs_more_than_among_busy_blocks():
    pixels = texture([40, 40], 128, 20)
    pixels[:8, :8] = 128
    found = mask(replace(PLAIN, neighbour_mask_power=0.5), pixels) / mask(PLAIN, pixels)
    assert found[0, 0] == 1  # the calm block itself
    assert found[:2, :2].ravel()[1:].min() > 1.5 * found[2:, 2:].max()


def test_without_these_powers_all_blocks_weigh_the_same():
    assert (mask(PLAIN, texture([24, 24], 90, 25)) == 1).all()


@pytest.mark.parametrize("sampling", ["444", "420"])
def test_cb_weight_is_a_factor_on_the_error_of_cb_alone(sampling):
    seen = analysis(texture([32, 32], 128, 20), sampling)
    _, plain = weights.luma_and_chroma(PLAIN, seen, 1.0)
    _, half = weights.luma_and_chroma(replace(PLAIN, cb_weight=0.5), seen, 1.0)
    np.testing.assert_allclose(half[0].squared_weight, 0.5 * plain[0].squared_weight, rtol=1e-6)
    np.testing.assert_array_equal(half[1].squared_weight, plain[1].squared_weight)
    left, of_half = (
        weights.uncompensated_chroma(tune, TABLES, seen)
        for tune in (PLAIN, replace(PLAIN, cb_weight=0.5))
    )
    np.testing.assert_allclose(of_half[0].squared_weight, 0.5 * left[0].squared_weight, rtol=1e-6)
    np.testing.assert_array_equal(of_half[1].squared_weight, left[1].squared_weight)
