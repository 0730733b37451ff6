from learned_jpeg.metrics import measures
from learned_jpeg.metrics.distortions import MIN_SIZE, MIN_SIZES, TERMS, hvs_m_error, ms_ssim_error

import numpy as np
import pytest
import tensorflow as tf


def noisy(image):
    noise = np.random.default_rng(0).normal(0, 9, image.shape)
    return np.clip(image + noise, 0, 255).astype(np.uint8)


def tensor(image):
    return tf.constant(image[None], tf.float32) / 255


def test_they_agree_with_the_metrics_of_evaluations(photograph):
    image = photograph[:296, :200]  # whole blocks
    other = noisy(image)
    figures = measures.Reference(image).measure(other, ["ms_ssim", "psnr_hvs_m"])
    error = float(ms_ssim_error(tensor(image), tensor(other))[0])
    assert 1 - error == pytest.approx(figures["ms_ssim"], abs=2e-3)
    # The metric rounds luma to 8 bits.
    psnr = 10 * np.log10(255**2 / float(hvs_m_error(tensor(image), tensor(other))[0]))
    assert psnr == pytest.approx(figures["psnr_hvs_m"], abs=0.1)


@pytest.mark.parametrize("name", TERMS)
@pytest.mark.parametrize("level", [0, 255])
def test_equal_and_flat_images_have_no_error_and_a_finite_gradient(name, level):
    image = tensor(np.full([168, 176, 3], level, np.uint8))
    with tf.GradientTape() as tape:
        tape.watch(image)
        error = TERMS[name](tensor(np.full([168, 176, 3], level, np.uint8)), image)
    assert error.numpy() == pytest.approx(0, abs=1e-6)
    assert np.isfinite(tape.gradient(error, image)).all()


@pytest.mark.parametrize("name", TERMS)
def test_the_least_size_is_enough(name):
    image = np.random.default_rng(1).integers(0, 256, [MIN_SIZES[name]] * 2 + [3], np.uint8)
    assert TERMS[name](tensor(image), tensor(noisy(image)))[0] > 0


def test_a_smaller_image_has_no_ms_ssim():
    image = tensor(np.zeros([MIN_SIZE - 1, 300, 3], np.uint8))
    with pytest.raises(ValueError, match="161"):
        ms_ssim_error(image, image)
