import io

from learned_jpeg.metrics.psnr_hvs_m import PsnrHvsM

import numpy as np
import pytest
import skimage.data
from PIL import Image


def reference(a, b):
    """The masked error by the package `psnr-hvsm`, in its variant for NumPy."""
    from psnr_hvsm import BACKENDS

    functions = BACKENDS["numpy"]
    with np.errstate(invalid="ignore"):  # flat blocks
        return functions["hvs_hvsm_mse"](*(functions["bt601ycbcr"](x)[0] for x in (a, b)))[1]


@pytest.mark.parametrize("quality", [5, 50, 95])
def test_agrees_with_the_package(quality):
    image = np.ascontiguousarray(skimage.data.astronaut()[:200, 100:292])
    file = io.BytesIO()
    Image.fromarray(image).save(file, "JPEG", quality=quality)
    decoded = np.asarray(Image.open(file))
    assert PsnrHvsM(image).compare(decoded) == pytest.approx(reference(image, decoded), rel=1e-6)


def test_flat_blocks_agree_with_the_package():
    image = np.zeros((16, 24, 3), np.uint8)
    image[:8, :8], image[8:, 8:16], image[:8, 16:20] = 77, 255, 130
    decoded = image.copy()
    decoded[:8, :8], decoded[3, 20] = 80, 9
    assert PsnrHvsM(image).compare(decoded) == pytest.approx(reference(image, decoded), rel=1e-6)


def test_the_error_of_flat_images_is_the_weighted_difference_of_luma():
    # Flat gray: only DC differs. BT.601 luma is 16 + 219 / 255 of the level, rounded: 102 and 119,
    # and the contrast sensitivity of DC is 1.608443 (Ponomarenko et al. 2007).
    a, b = (np.full((19, 33, 3), level, np.uint8) for level in (100, 120))
    expected = (17 * 1.608443 / 255) ** 2
    assert PsnrHvsM(a).compare(b) == pytest.approx(expected, rel=1e-6)
    b[16:], b[:, 32:] = 0, 0  # beyond the last whole block
    assert PsnrHvsM(a).compare(b) == pytest.approx(expected, rel=1e-6)
