import io

from learned_jpeg.jpeg.sampling import SAMPLINGS, Planes, down, grid
from learned_jpeg.jpeg.standard import RGB_TO_YCBCR, ijg_qtables
from learned_jpeg.jpeg.transform import forward, from_blocks, inverse, to_blocks

import jpeglib
import numpy as np
import pytest
import scipy.fft
from PIL import Image

SIZES = [(1, 1), (1, 9), (7, 2), (5, 3), (8, 8), (16, 16), (17, 33), (33, 17), (40, 300), (301, 50)]
PILLOW = {"444": 0, "420": 2}


def noise(height, width, channels=3):
    """Noise with steps of all sizes, black and white among them."""
    generator = np.random.default_rng(height * 1000 + width)
    pixels = generator.normal(128, 90, [height, width, channels])
    return np.clip(pixels, 0, 255).astype(np.uint8)


def file_and_levels(pixels, path, **options):
    """The pixels that Pillow decodes of its own file, and the file's levels and tables."""
    Image.fromarray(pixels.squeeze(-1) if pixels.shape[-1] == 1 else pixels).save(path, **options)
    jpeg = jpeglib.read_dct(path)
    chroma = None if jpeg.Cb is None else np.stack([jpeg.Cb, jpeg.Cr])
    tables = np.stack([jpeg.get_component_qt(i) for i in range(1 if chroma is None else 2)], -1)
    decoded = np.asarray(Image.open(io.BytesIO(path.read_bytes())))
    return decoded.reshape(*pixels.shape), Planes(jpeg.Y, chroma), tables


@pytest.mark.parametrize("sampling", SAMPLINGS)
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("quality", [5, 60, 97])
def test_the_pixels_are_those_of_pillow(size, sampling, quality, tmp_path):
    path = tmp_path / "x.jpg"
    options = {"quality": quality, "subsampling": PILLOW[sampling]}
    expected, levels, tables = file_and_levels(noise(*size), path, **options)
    assert np.array_equal(inverse(levels, tables, *size, sampling), expected)


@pytest.mark.parametrize("size", [(1, 1), (33, 17)])
def test_the_pixels_of_a_gray_picture_are_those_of_pillow(size, tmp_path):
    path = tmp_path / "x.jpg"
    expected, levels, tables = file_and_levels(noise(*size, 1), path, quality=50)
    assert np.array_equal(inverse(levels, tables, *size, "444"), expected)


@pytest.mark.parametrize("sampling", SAMPLINGS)
@pytest.mark.parametrize("size", SIZES)
def test_forward_is_the_dct_of_the_repeated_picture(size, sampling):
    pixels = noise(*size)
    ycbcr = np.moveaxis(pixels @ RGB_TO_YCBCR.T - [128, 0, 0], -1, 0)
    chroma = ycbcr[1:] if sampling == "444" else down(ycbcr[1:])
    planes = forward(pixels, sampling)
    for samples, found, blocks in [
        (ycbcr[:1], planes.luma[None], grid(*size, sampling)[0]),
        (chroma, planes.chroma, grid(*size, sampling)[1]),
    ]:
        height, width = samples.shape[-2:]
        edges = [(0, 0), (0, 8 * blocks[0] - height), (0, 8 * blocks[1] - width)]
        padded = to_blocks(np.pad(samples, edges, "edge"))
        expected = scipy.fft.dctn(padded, axes=(-2, -1), norm="ortho")
        assert found.shape == expected.shape
        assert found.dtype == np.float32
        np.testing.assert_allclose(found, expected, atol=2e-3)


def test_forward_of_a_gray_picture():
    planes = forward(np.full([9, 9, 1], 130, np.uint8), "420")
    assert planes.chroma is None
    assert planes.luma.shape == (2, 2, 8, 8)
    np.testing.assert_allclose(planes.luma[..., 0, 0], 16, atol=1e-4)


def test_the_inverse_of_forward_is_within_3():
    pixels = noise(24, 40)
    levels = Planes(*(np.rint(plane).astype(np.int16) for plane in forward(pixels, "444")))
    back = inverse(levels, ijg_qtables(100), 24, 40, "444")
    assert np.abs(back.astype(int) - pixels).max() <= 3


def test_blocks_there_and_back():
    samples = np.arange(2 * 16 * 24).reshape(2, 16, 24)
    assert np.array_equal(from_blocks(to_blocks(samples)), samples)
    assert np.array_equal(to_blocks(samples)[1, 1, 2], samples[1, 8:, 16:])
