import io

from learned_jpeg.metrics.ssimulacra2 import Ssimulacra2

import numpy as np
import pytest
import skimage.data
from PIL import Image


def jpeg(image, quality):
    file = io.BytesIO()
    Image.fromarray(image).save(file, "JPEG", quality=quality)
    return np.asarray(Image.open(file))


@pytest.fixture(scope="module")
def image():
    """A photograph of odd size."""
    return np.ascontiguousarray(skimage.data.astronaut()[:203, 100:291])


def reference_ssimulacra2(a, b):
    """The figure by the package `ssimulacra2`, which reads files."""
    from ssimulacra2 import compute_ssimulacra2

    files = [io.BytesIO(), io.BytesIO()]
    for pixels, file in zip((a, b), files, strict=True):
        Image.fromarray(pixels).save(file, "PPM")
    return compute_ssimulacra2(*files)


@pytest.mark.parametrize(
    ("height", "width", "quality"),
    [(203, 191, 5), (203, 191, 90), (64, 150, 30), (33, 15, 30), (9, 8, 50)],
)
def test_ssimulacra2_is_the_packages(image, height, width, quality):
    original = np.ascontiguousarray(image[:height, :width])
    decoded = jpeg(original, quality)
    expected = reference_ssimulacra2(original, decoded)
    assert Ssimulacra2(original).compare(decoded) == pytest.approx(expected, abs=1e-9)


def test_ssimulacra2_of_extremes_is_the_packages():
    noise = np.random.default_rng(0).integers(0, 256, (70, 90, 3), np.uint8)
    black, white = np.zeros_like(noise), np.full_like(noise, 255)
    for a, b in [(noise, black), (white, black), (black, noise), (white, noise)]:
        expected = reference_ssimulacra2(a, b)
        assert Ssimulacra2(a).compare(b) == pytest.approx(expected, rel=1e-9)


def test_equal_images_give_the_best_value_exactly(image):
    assert Ssimulacra2(image).compare(image.copy()) == 100
