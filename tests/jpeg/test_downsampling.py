from learned_jpeg.jpeg import sampling, transform
from learned_jpeg.search import quantizer
from learned_jpeg.search.gradients import up_adjoint

import numpy as np
import pytest
import skimage.data

ONES = np.ones([8, 8, 2], np.uint8)


def decoded(analysis, height, width):
    """Chroma's samples, and their upsampling by the decoder's filter without its rounding."""
    basis = transform.DCT_MATRIX.astype(np.float32)
    samples = transform.from_blocks(basis.T @ analysis.unrounded.chroma @ basis)
    samples = samples[:, : sampling.halved(height), : sampling.halved(width)]
    return samples, up(samples, height, width)


def up(samples, height, width):
    for axis, size in ((-1, width), (-2, height)):
        x = np.moveaxis(samples, axis, -1)
        before = np.concatenate([x[..., :1], x[..., :-1]], -1)
        after = np.concatenate([x[..., 1:], x[..., -1:]], -1)
        both = np.stack([0.75 * x + 0.25 * before, 0.75 * x + 0.25 * after], -1)
        samples = np.moveaxis(both.reshape(*x.shape[:-1], -1)[..., :size], -1, axis)
    return samples


@pytest.mark.parametrize("size", [(160, 208), (97, 133), (40, 5)])
def test_chroma_has_nearly_the_least_error_behind_the_decoder(size):
    pixels = np.ascontiguousarray(skimage.data.astronaut()[30 : 30 + size[0], 100 : 100 + size[1]])
    analysis = quantizer.analyse(pixels, ONES, "420")
    wanted = analysis.chroma_samples
    start, found = decoded(analysis, *size)
    best = start
    for _ in range(100):  # gradient descent to the least squared error
        best = best + 0.24 * up_adjoint(wanted - up(best, *size))
    errors = [
        np.square(up(one, *size) - wanted).mean() for one in (sampling.down(wanted), start, best)
    ]
    assert errors[1] < errors[2] + 0.2 * (errors[0] - errors[2])
    np.testing.assert_allclose(found, up(start, *size))


def test_flat_chroma_stays_as_it_is():
    pixels = np.full([24, 40, 3], [200, 40, 90], np.uint8)
    chroma = quantizer.analyse(pixels, ONES, "420").unrounded.chroma
    np.testing.assert_allclose(
        chroma[..., 0, 0] / 8, 0 * chroma[..., 0, 0] + chroma[:, :1, :1, 0, 0] / 8
    )
    assert np.abs(chroma).reshape(-1, 64)[:, 1:].max() < 1e-3
