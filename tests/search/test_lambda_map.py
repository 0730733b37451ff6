from learned_jpeg.search import lambda_map, quantizer
from learned_jpeg.search.tuning import TUNES, shaped_qtables

import numpy as np
import pytest
import tensorflow as tf


@pytest.fixture
def weights():
    random = np.random.default_rng(0)
    start = lambda_map.start(random)
    return start | {"last": random.normal(0, 0.1, start["last"].shape).astype(np.float32)}


def analysis(sampling, height=150, width=90, channels=3):
    pixels = np.random.default_rng(1).integers(0, 256, [height, width, channels], np.uint8)
    pixels[: height // 2] //= 8
    return quantizer.analyse(pixels, shaped_qtables(9, TUNES["visual"]), sampling)


def whole(weights, analysis, log_step, xp=np):
    seen = lambda_map.features(analysis.unrounded, analysis.qtables)
    seen = type(seen)(*(None if part is None else part[None] for part in seen))
    return lambda_map.predict(weights, seen, np.float32(log_step), xp)


def test_the_initial_map_is_0():
    start = lambda_map.start(np.random.default_rng(2))
    found = lambda_map.of_picture(start, analysis("420"), 0.3)
    assert not found.luma.any() and not found.chroma.any()


@pytest.mark.parametrize("sampling", ["444", "420"])
def test_numpy_and_tensorflow_agree(weights, sampling):
    given = analysis(sampling)
    expected = whole(weights, given, -0.4)
    tensors = {name: tf.constant(value) for name, value in weights.items()}
    found = whole(tensors, given, -0.4, tf.experimental.numpy)
    for a, b in zip(found, expected, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5)
    assert 0.01 < np.std(expected.luma) and np.abs(expected.luma).max() < lambda_map.MOST


@pytest.mark.parametrize("sampling", ["444", "420"])
@pytest.mark.parametrize("rows", [4, 8])
def test_the_map_of_parts_is_that_of_the_whole_picture(weights, sampling, rows, monkeypatch):
    given = analysis(sampling)
    expected = whole(weights, given, 0.5)
    monkeypatch.setattr(lambda_map, "ROWS", rows)
    found = lambda_map.of_picture(weights, given, 0.5)
    np.testing.assert_allclose(found.luma, expected.luma[0], rtol=1e-5, atol=1e-6)
    for plane in found.chroma:
        np.testing.assert_allclose(plane, expected.chroma[0], rtol=1e-5, atol=1e-6)
    assert found.luma.shape == given.unrounded.luma.shape[:2]
    assert found.chroma.shape == given.unrounded.chroma.shape[:3]


def test_a_gray_picture_has_a_map_of_luma_alone(weights):
    found = lambda_map.of_picture(weights, analysis("420", channels=1), 0)
    assert found.luma.shape == (19, 12) and found.chroma is None
