import io
from pathlib import Path

from learned_jpeg.metrics.lpips_tf2 import WEIGHTS, lpips

import numpy as np
import pytest
import skimage.data
import tensorflow as tf
from PIL import Image

KODAK = Path(__file__).parents[3] / "shared" / "data" / "kodak"


def convolve(x, kernel, bias, stride, pad):
    """A convolution of [H, W, C] and ReLU by the definition, in float64."""
    x = np.pad(x, ((pad, pad), (pad, pad), (0, 0)))
    windows = np.lib.stride_tricks.sliding_window_view(x, kernel.shape[:2], axis=(0, 1))
    y = np.tensordot(windows[::stride, ::stride], kernel, axes=((3, 4, 2), (0, 1, 2)))
    return np.maximum(y + bias, 0)


def max_pool(x):
    windows = np.lib.stride_tricks.sliding_window_view(x, (3, 3), axis=(0, 1))
    return windows[::2, ::2].max(axis=(3, 4))


def reference_lpips(x, y):
    """LPIPS of two images [H, W, 3] in [0, 1], as the paper and weights/README.md define it."""
    weights = {name: value.astype(np.float64) for name, value in np.load(WEIGHTS).items()}

    def features(image):
        x = (2 * image - 1 - [-0.030, -0.088, -0.188]) / [0.458, 0.448, 0.450]
        for i, (stride, pad) in enumerate([(4, 2), (1, 2), (1, 1), (1, 1), (1, 1)]):
            x = max_pool(x) if i in (1, 2) else x
            layer = f"AlexNet_0/Conv_{i}"
            x = convolve(x, weights[layer + "/kernel"], weights[layer + "/bias"], stride, pad)
            yield x / (np.linalg.norm(x, axis=-1, keepdims=True) + 1e-10)

    return sum(
        ((a - b) ** 2 @ weights[f"NetLinLayer_{i}/Conv_0/kernel"][0, 0]).mean()
        for i, (a, b) in enumerate(zip(features(x), features(y), strict=True))
    )


@pytest.fixture(scope="module")
def crops():
    """Photographs [2, 61, 48, 3] in [0, 1], and the same with noise."""
    astronaut, coffee = skimage.data.astronaut(), skimage.data.coffee()
    x = np.stack([astronaut[60:121, 200:248], coffee[150:211, 250:298]]) / 255
    noise = np.random.default_rng(1).normal(0, [[[[0.05]]], [[[0.2]]]], x.shape)
    return x.astype(np.float32), np.clip(x + noise, 0, 1).astype(np.float32)


@pytest.mark.parametrize("size", [(61, 48), (32, 32), (33, 46)])
def test_agrees_with_the_definition_in_float64(crops, size):
    x, y = (images[:, : size[0], : size[1]] for images in crops)
    expected = [reference_lpips(a, b) for a, b in zip(x, y, strict=True)]
    assert expected[1] > 2 * expected[0] > 0.02
    np.testing.assert_allclose(lpips(x, y), expected, rtol=2e-5)


def test_gives_the_known_value_on_kodak():
    if not KODAK.is_dir():
        pytest.skip("no Kodak images")
    original = Image.open(KODAK / "kodim05.png").convert("RGB")
    file = io.BytesIO()
    original.save(file, "JPEG", quality=30, subsampling="4:4:4")
    x, y = (
        np.asarray(image, np.float32)[np.newaxis] / 255 for image in (original, Image.open(file))
    )
    assert float(lpips(x, y)[0]) == pytest.approx(0.046587, abs=1e-4)


def test_is_zero_on_equal_images_symmetric_and_separate_for_each_image(crops):
    x, y = crops
    np.testing.assert_array_equal(lpips(x, x), [0, 0])
    np.testing.assert_allclose(lpips(x, y), lpips(y, x), rtol=1e-6)
    singly = [lpips(x[i : i + 1], y[i : i + 1])[0] for i in range(2)]
    np.testing.assert_allclose(lpips(x, y), singly, rtol=1e-5)


@pytest.mark.parametrize("argument", [0, 1])
def test_gradient_agrees_with_finite_differences(crops, argument):
    @tf.function
    def gradient(x, y):
        with tf.GradientTape() as tape:
            tape.watch((x, y)[argument])
            value = tf.reduce_sum(lpips(x, y))
        return tape.gradient(value, (x, y)[argument])

    slope = gradient(*(tf.constant(images) for images in crops)).numpy()
    direction = slope / np.linalg.norm(slope)
    step = 0.002

    def value(t):
        moved = [images.astype(np.float64) for images in crops]
        moved[argument] = moved[argument] + t * direction
        return sum(reference_lpips(a, b) for a, b in zip(*moved, strict=True))

    measured = (value(step) - value(-step)) / (2 * step)
    assert np.linalg.norm(slope) == pytest.approx(measured, rel=0.01)


def test_gradient_stays_finite_where_images_are_equal_or_flat(crops):
    for x, y in [(crops[0], crops[0]), (np.zeros_like(crops[0]), np.ones_like(crops[0]))]:
        y = tf.constant(y)
        with tf.GradientTape() as tape:
            tape.watch(y)
            value = lpips(x, y)
        assert np.isfinite(tape.gradient(value, y)).all()


def test_gradient_stays_finite_where_a_feature_vector_is_zero(crops, monkeypatch):
    with np.load(WEIGHTS) as file:
        weights = dict(file)
    weights["AlexNet_0/Conv_4/bias"] = weights["AlexNet_0/Conv_4/bias"] - 1e6

    class Dead(dict):
        __enter__ = __exit__ = lambda self, *_: self

    from learned_jpeg.metrics import lpips_tf2

    monkeypatch.setattr(np, "load", lambda *_, **__: Dead(weights))
    lpips_tf2._weights.cache_clear()
    try:
        x, y = (tf.constant(images) for images in crops)
        with tf.GradientTape() as tape:
            tape.watch(y)
            value = lpips(x, y)
        gradient = tape.gradient(value, y).numpy()
    finally:
        lpips_tf2._weights.cache_clear()
    assert np.isfinite(value).all() and np.isfinite(gradient).all() and gradient.any()


@pytest.mark.parametrize("shape", [(1, 31, 64, 3), (1, 64, 31, 3)])
def test_refuses_images_under_32_pixels(shape):
    with pytest.raises(ValueError, match=f"32 pixels a side or more, not {shape[2]}x{shape[1]}"):
        lpips(tf.zeros(shape), tf.zeros(shape))
