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
def test_the_fast_transform_is_the_exact_one(size, sampling):
    qtables = ijg_qtables(60).astype(np.uint8)
    for channels in (1, 3):
        pixels = np.random.default_rng(0).integers(0, 256, [*size, channels], np.uint8)
        found = analyse(pixels, qtables, sampling).unrounded
        expected = forward(pixels, sampling)
        np.testing.assert_allclose(found.luma, expected.luma / qtables[..., 0], atol=1e-3)
        if channels == 3 and sampling == "444":  # at 4:2:0 by `halving`
            np.testing.assert_allclose(found.chroma, expected.chroma / qtables[..., 1], atol=1e-3)


def test_at_420_the_kernel_takes_means_of_samples():
    pixels = np.random.default_rng(2).integers(0, 256, [25, 40, 3], np.uint8)
    luma, chroma = np.empty([4, 5, 64], np.float32), np.empty([2, 2, 3, 64], np.float32)
    scales, samples = np.ones([2, 8, 8], np.float32), np.empty([2, 25, 40], np.float32)
    block_kernels.transform_420(pixels, scales, luma, chroma, samples)
    expected = forward(pixels, "420").chroma
    np.testing.assert_allclose(chroma.reshape(expected.shape), expected, atol=1e-3)


def test_there_and_back():
    block = np.random.default_rng(1).normal(0, 50, [8, 8]).astype(np.float32)
    found, room = block.copy(), np.empty([8, 8], np.float32)
    block_kernels.dct(found, room)
    np.testing.assert_allclose(found, scipy.fft.dctn(block, norm="ortho"), atol=1e-3)
    block_kernels.idct(found, room)
    np.testing.assert_allclose(found, block, atol=1e-3)
