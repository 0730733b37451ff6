import io

from learned_jpeg.metrics.ssim import MsSsim

import numpy as np
import pytest
import scipy.ndimage
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


def reference_ms_ssim(a, b):
    """MS-SSIM as Wang et al. 2003 define it, in float64 with SciPy's Gaussian."""

    def blur(x):
        return scipy.ndimage.gaussian_filter(x, 1.5, radius=5)[5:-5, 5:-5]

    def halve(x):
        x = np.pad(x, [(0, side % 2) for side in x.shape], "edge")
        return x.reshape(x.shape[0] // 2, 2, -1, 2).mean(axis=(1, 3))

    def channel(x, y):
        value = 1
        for scale, weight in enumerate((0.0448, 0.2856, 0.3001, 0.2363, 0.1333)):
            mean_x, mean_y = blur(x), blur(y)
            covariance = blur(x * y) - mean_x * mean_y
            variances = blur(x * x) - mean_x**2 + blur(y * y) - mean_y**2
            term = (2 * covariance + 7.65**2) / (variances + 7.65**2)
            if scale == 4:
                term *= (2 * mean_x * mean_y + 2.55**2) / (mean_x**2 + mean_y**2 + 2.55**2)
            value *= term.mean() ** weight
            x, y = halve(x), halve(y)
        return value

    return np.mean([channel(a[..., c].astype(float), b[..., c].astype(float)) for c in range(3)])


@pytest.mark.parametrize("quality", [5, 30, 90])
def test_ms_ssim_agrees_with_its_definition_and_with_tensorflow(image, quality):
    import tensorflow as tf

    decoded = jpeg(image, quality)
    value = MsSsim(image).compare(decoded)
    assert value == pytest.approx(reference_ms_ssim(image, decoded), abs=1e-9)
    # TensorFlow's own rounding errors in float32 reach 5e-6.
    assert value == pytest.approx(float(tf.image.ssim_multiscale(image, decoded, 255)), abs=1e-5)


def test_ms_ssim_counts_negative_terms_as_0(image):
    assert MsSsim(image).compare(255 - image) == 0


def test_equal_images_give_the_best_value_exactly(image):
    assert MsSsim(image).compare(image.copy()) == 1
