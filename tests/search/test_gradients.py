from learned_jpeg.jpeg.sampling import SAMPLINGS, Planes, grid, halved, up
from learned_jpeg.jpeg.standard import DCT_MATRIX
from learned_jpeg.jpeg.transform import from_blocks, inverse
from learned_jpeg.search import gradients
from learned_jpeg.search.gradients import TiledLpips, tiles, to_coefficients, up_adjoint

import numpy as np
import pytest
from PIL import Image

ONES = np.ones([8, 8, 2], np.uint8)


def random_planes(size, sampling, generator):
    luma, chroma = grid(*size, sampling)
    return Planes(
        generator.integers(-9, 10, [*luma, 8, 8]), generator.integers(-9, 10, [2, *chroma, 8, 8])
    )


@pytest.mark.parametrize("size", [(6, 8), (7, 9), (32, 21)])
def test_the_adjoint_of_the_decoders_upsampling(size):
    generator = np.random.default_rng(0)
    # The decoder's filter rounds nothing if samples are multiples of 16.
    samples = 16 * generator.integers(-99, 99, [2, halved(size[0]), halved(size[1])])
    gradient = generator.normal(size=[2, *size])
    changed = (up(samples, *size) * gradient).sum()
    assert (samples * up_adjoint(gradient)).sum() == pytest.approx(changed, abs=0.01)


@pytest.mark.parametrize("sampling", SAMPLINGS)
@pytest.mark.parametrize("size", [(48, 64), (45, 51)])
def test_coefficients_change_the_decoded_picture_as_their_gradient_says(size, sampling):
    generator = np.random.default_rng(1)
    planes = random_planes(size, sampling, generator)
    gray = Planes(*(np.zeros_like(plane) for plane in planes))
    change = inverse(planes, ONES, *size, sampling) - inverse(gray, ONES, *size, sampling).astype(
        np.float32
    )
    gradient = to_coefficients(change, sampling)
    inner = sum((a * b).sum() for a, b in zip(gradient, planes, strict=True))
    assert inner == pytest.approx((change**2).sum(), rel=0.01)  # but for rounding


@pytest.mark.parametrize("size", [(1, 1), (768, 1537), (1700, 3000)])
def test_tiles_cover_each_pixel_once(size):
    covered = np.zeros(size, int)
    for tile in tiles(*size):
        top, bottom, left, right = tile.inner
        covered[top:bottom, left:right] += 1
        assert top % 16 == left % 16 == tile.outer[0] % 16 == tile.outer[2] % 16 == 0
        assert max(bottom - top, right - left) <= gradients.TILE + 8
        assert tile.area == (bottom - top) * (right - left)
        assert all(0 <= start <= gradients.MARGIN // 8 for start in tile.blocks(8)[1])
    assert (covered == 1).all()


def coded(pixels, decode, tmp_path, quality=20):
    Image.fromarray(pixels).save(tmp_path / "x.jpg", quality=quality)
    return decode((tmp_path / "x.jpg").read_bytes())


def test_the_gradient_is_that_of_finite_differences(photograph, decode, tmp_path):
    pixels = photograph[100:270, 20:190]
    lpips = TiledLpips(pixels, 0, 170, "444")
    decoded = coded(pixels, decode, tmp_path).astype(np.float32)
    found = []
    value = lpips.gradients(decoded, lambda tile, planes: found.append(planes))
    assert value == pytest.approx(lpips.lpips(decoded), rel=1e-3)
    # A step along the gradient in luma alone, which is the same in R, G and B.
    luma = found[0].luma
    step = luma / np.abs(luma).max()
    direction = from_blocks(DCT_MATRIX.T @ step @ DCT_MATRIX)[:170, :170, None]
    little = np.float32(0.5 / np.abs(direction).max())
    up, down = (lpips.lpips(decoded + s * little * direction) for s in (1, -1))
    assert (up - down) / (2 * little) == pytest.approx((luma * step).sum(), rel=0.1)


@pytest.mark.parametrize("bands", [[(0, 300)], [(0, 144), (144, 300)]])
def test_a_picture_in_parts_has_about_the_same_gradient(
    bands, photograph, decode, tmp_path, monkeypatch
):
    photograph = photograph[:300]
    decoded = coded(photograph, decode, tmp_path)

    def luma(bands):
        result = np.zeros([38, 26, 8, 8])
        for start, end in bands:
            lpips = TiledLpips(photograph, start, end, "420")

            def accept(tile, planes, start=start, height=end - start):
                (top, bottom, left, right), (down, across) = tile.blocks(8)
                part = planes.luma[down:, across:][: bottom - top, : right - left]
                result[start // 8 + top : start // 8 + bottom, left:right] = part * height

            lpips.gradients(decoded[start:end], accept)
        return result.ravel()

    whole = luma([(0, 300)])
    monkeypatch.setattr(gradients, "TILE", 160)
    parts = luma(bands)
    assert np.corrcoef(whole, parts)[0, 1] > 0.9
