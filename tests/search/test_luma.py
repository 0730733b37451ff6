from learned_jpeg.jpeg.sampling import up
from learned_jpeg.jpeg.standard import IJG_BASE_TABLES
from learned_jpeg.jpeg.transform import dct, samples, to_blocks
from learned_jpeg.search import luma
from learned_jpeg.search.clipping import Clipped

import numpy as np

STEPS = np.full(64, 4, np.float32)
ONES = np.ones(64, np.float32)


def flat(blocks):
    return np.ascontiguousarray(blocks.reshape(-1, 64) / STEPS, np.float32)


def test_activity_is_the_variance_and_the_masking_threshold_of_psnr_hvs_m():
    picture = np.random.default_rng(0).normal(0, 30, [8, 24]).astype(np.float32)
    visibility = (10 / IJG_BASE_TABLES[..., 0].ravel().astype(np.float32)) ** 2
    visibility[0] = 0
    coefficients = dct(picture)
    variance, masking_threshold = np.empty((2, 3), np.float32)
    luma.activity(flat(coefficients), STEPS, visibility, variance, masking_threshold)
    for i, block in enumerate(to_blocks(picture)[0]):
        np.testing.assert_allclose(variance[i], block.var(), rtol=1e-4)
        quarters = [block[y : y + 4, x : x + 4] for y in (0, 4) for x in (0, 4)]
        ratio = sum(quarter.var(ddof=1) * 16 for quarter in quarters) / (block.var(ddof=1) * 64)
        energy = (coefficients[0, i].ravel() ** 2 * visibility).sum()
        np.testing.assert_allclose(masking_threshold[i], np.sqrt(energy * ratio) / 32, rtol=1e-4)


def test_luma_takes_over_the_error_of_chroma_behind_the_decoder():
    generator = np.random.default_rng(1)
    height, width = 21, 27
    levels = generator.integers(-3, 4, [2, 2, 2, 64]).astype(np.int16)
    decoded = luma.decode(levels, STEPS)
    for i in range(2):
        expected = samples(levels[i].reshape(2, 2, 8, 8), STEPS.reshape(8, 8))
        assert abs(decoded[i] - expected).max() <= 1
    chroma = generator.normal(0, 30, [2, height, width]).astype(np.float32)
    factors = np.float32([0.4, 0.2])
    x = np.zeros([12, 64], np.float32)
    luma.take_over_420(x, 4, 0, chroma, decoded, factors, STEPS, ONES, 0 * ONES, np.ones(12, "f4"))
    error = chroma - up(decoded[:, :11, :14], height, width)
    change = np.zeros([24, 32], np.float32)
    change[:height, :width] = 0.4 * error[0] + 0.2 * error[1]
    np.testing.assert_allclose(x, flat(dct(change)), atol=0.8)
    np.testing.assert_allclose(x.mean(), flat(dct(change)).mean(), atol=0.01)


def test_only_samples_of_black_and_white_move_and_only_outwards():
    picture = np.full([8, 24], 127, np.float32)
    picture[2:5, 9:12] = -30
    picture[:, 16:] = 10
    original = flat(dct(picture))
    clipped = Clipped(original, original, STEPS)
    assert clipped._blocks.tolist() == [1]
    target = clipped._samples(original[1:2])
    moved = clipped._smooth(target, slice(None))
    np.testing.assert_allclose(np.minimum(moved, 127), target, atol=1e-2)
    before, after = (abs(clipped._over_table(samples)).sum() for samples in (target, moved))
    assert after < before
