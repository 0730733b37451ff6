from learned_jpeg.metrics import lpips_tf2, measures
from learned_jpeg.metrics.distortions import MIN_SIZE, hvs_m_error, ms_ssim_error

import numpy as np
import pytest
import tensorflow as tf

# Each distortion, with the least side of its images.
TERMS = [(lpips_tf2.lpips, lpips_tf2.MIN_SIZE), (ms_ssim_error, MIN_SIZE), (hvs_m_error, 8)]


def noisy(image):
    noise = np.random.default_rng(0).normal(0, 9, image.shape)
    return np.clip(image + noise, 0, 255).astype(np.uint8)


def tensor(image):
    return tf.constant(image[None], tf.float32) / 255


def test_distortions_agree_with_the_metrics_of_evaluations(photograph):
    image = photograph[:296, :200]  # whole blocks
    other = noisy(image)
    figures = measures.Reference(image).measure(other, ["ms_ssim", "psnr_hvs_m"])
    error = float(ms_ssim_error(tensor(image), tensor(other))[0])
    assert 1 - error == pytest.approx(figures["ms_ssim"], abs=2e-3)
    # The metric rounds luma to 8 bits.
    psnr = 10 * np.log10(255**2 / float(hvs_m_error(tensor(image), tensor(other))[0]))
    assert psnr == pytest.approx(figures["psnr_hvs_m"], abs=0.1)


@pytest.mark.parametrize("term, least", TERMS)
@pytest.mark.parametrize("level", [0, 255])
def test_equal_and_flat_images_have_no_error_and_a_finite_gradient(term, least, level):
    image = tensor(np.full([168, 176, 3], level, np.uint8))
    with tf.GradientTape() as tape:
        tape.watch(image)
        error = term(tensor(np.full([168, 176, 3], level, np.uint8)), image)
    assert error.numpy() == pytest.approx(0, abs=1e-6)
    assert np.isfinite(tape.gradient(error, image)).all()


@pytest.mark.parametrize("term, least", TERMS)
def test_the_least_size_is_enough(term, least):
    image = np.random.default_rng(1).integers(0, 256, [least, least, 3], np.uint8)
    assert term(tensor(image), tensor(noisy(image)))[0] > 0


def test_a_smaller_image_has_no_ms_ssim():
    image = tensor(np.zeros([MIN_SIZE - 1, 300, 3], np.uint8))
    with pytest.raises(ValueError, match="161"):
        ms_ssim_error(image, image)
