from learned_jpeg.jpeg import block_kernels
from learned_jpeg.jpeg.sampling import SAMPLINGS
from learned_jpeg.jpeg.standard import ijg_qtables
from learned_jpeg.jpeg.transform import forward
from learned_jpeg.search.quantizer import analyse

import numpy as np
import pytest
import scipy.fft


@pytest.mark.parametrize("sampling", SAMPLINGS)
@pytest.mark.parametrize("size", [(1, 1), (8, 8), (17, 33), (18, 30), (25, 40), (24, 9), (26, 16)])
def test_the_fast_dct_is_the_exact_one(size, sampling):
    qtables = ijg_qtables(60).astype(np.uint8)
    for channels in (1, 3):
        pixels = np.random.default_rng(0).integers(0, 256, [*size, channels], np.uint8)
        found = analyse(pixels, qtables, sampling).unrounded
        expected = forward(pixels, sampling)
        np.testing.assert_allclose(found.luma, expected.luma / qtables[..., 0], atol=1e-3)
        if channels == 3 and sampling == "444":  # at 4:2:0 by `downsampling`
            np.testing.assert_allclose(found.chroma, expected.chroma / qtables[..., 1], atol=1e-3)


def test_halves_are_means_of_samples():
    samples = np.random.default_rng(2).normal(0, 50, [26, 40]).astype(np.float32)
    halves = np.empty([16, 24], np.float32)
    block_kernels.halve(samples, 26, 40, halves)
    expected = samples.reshape(13, 2, 20, 2).mean((1, 3))
    np.testing.assert_allclose(halves, np.pad(expected, [(0, 3), (0, 4)], "edge"), atol=1e-4)


def test_the_inverse_dct_inverts_the_dct():
    block = np.random.default_rng(1).normal(0, 50, [8, 8]).astype(np.float32)
    found, scratch = block.copy(), np.empty([8, 8], np.float32)
    block_kernels.dct(found, scratch)
    np.testing.assert_allclose(found, scipy.fft.dctn(block, norm="ortho"), atol=1e-3)
    block_kernels.idct(found, scratch)
    np.testing.assert_allclose(found, block, atol=1e-3)
