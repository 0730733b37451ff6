"""ljpeg_attention: what the attention does to coefficients, and what is learned."""

from image_utils import estimated_bits
from ljpeg_attention import LJPEGAttention

import numpy as np
import pytest
import tensorflow as tf


@pytest.fixture(scope="module")
def images(photograph):
    return photograph[None, :64, :64].astype(np.float32) / 255


def test_the_attention_multiplies_coefficients_before_rounding(images):
    model = LJPEGAttention()
    model(images)
    model.attention.conv.kernel.assign(
        tf.random.stateless_normal(model.attention.conv.kernel.shape, [1, 2], stddev=1e-2)
    )
    y = tf.random.stateless_normal([1, 8, 8, 8, 8, 3], [3, 4])
    edited, attention = model.edit_coefficients(y, images, None)
    np.testing.assert_allclose(edited[..., 0], y[..., 0] * attention[..., 0], rtol=1e-5)
    for chroma in (1, 2):
        np.testing.assert_allclose(
            edited[..., chroma], y[..., chroma] * attention[..., 1], rtol=1e-5
        )


def test_the_rate_adds_the_mean_of_the_attention(images):
    model = LJPEGAttention(total_weight_regularizer=10.0)
    _, coded = model(images)
    tables = 10 * tf.reduce_sum(1e-5 / model.scaled_qtables)
    expected = tables + np.mean(coded.attention)
    assert float(model.rate(coded, 64, 64)) == pytest.approx(float(expected), rel=1e-5)


def test_the_rate_of_bits_counts_bits_in_place_of_the_attention(images):
    model = LJPEGAttention(rate="bits", total_weight_regularizer=10.0)
    _, coded = model(images)
    expected = estimated_bits(coded.coefficients, coded.unrounded)[0] / 64**2
    expected += 10 * tf.reduce_sum(1e-5 / model.scaled_qtables)
    assert float(model.rate(coded, 64, 64)) == pytest.approx(float(expected), rel=1e-5)


def test_cached_features_stand_in_for_the_backbone(images):
    model = LJPEGAttention()
    expected = model(images)[1].coefficients
    features = model.attention.features(images)
    model.attention._frozen = None  # would raise if it were called
    np.testing.assert_array_equal(model(images, features=features)[1].coefficients, expected)


def test_a_frozen_backbone_leaves_tables_and_one_convolution_to_learn(images):
    model = LJPEGAttention()
    model(images)
    shapes = sorted(tuple(weight.shape) for weight in model.trainable_weights)
    assert shapes == [(1, 1, 256, 128), (8, 8, 2), (128,)]


def test_a_trained_backbone_learns_too(images):
    model = LJPEGAttention(train_backbone=True)
    model.compile(optimizer=model.make_optimizer(1e-3))
    model(images)
    model.attention.conv.kernel.assign_add(1e-3 * tf.ones([1, 1, 256, 128]))
    before = model.attention.backbone.get_weights()[0].copy()
    model.train_step({"images": tf.cast(255 * images, tf.uint8)})
    assert np.abs(model.attention.backbone.get_weights()[0] - before).max() > 1e-5
