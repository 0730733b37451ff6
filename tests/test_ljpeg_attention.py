"""ljpeg_attention: the effect of the attention on coefficients, and the learned parts."""

import conv_blocks
from image_utils import estimated_bits
from learned_jpeg.jpeg.sampling import SAMPLINGS, Planes, grid
from ljpeg_attention import BACKBONES, LJPEGAttention

import numpy as np
import pytest
import tensorflow as tf


@pytest.fixture(scope="module")
def images(photograph):
    return photograph[None, :64, :64].astype(np.float32) / 255


@pytest.fixture(autouse=True)
def one_backbone(monkeypatch, network):
    monkeypatch.setattr(conv_blocks, "vgg16", lambda weights: network)


@pytest.fixture(scope="module")
def network():
    return conv_blocks.vgg16()


def varied(images, **options):
    """A model whose attention differs from block to block."""
    model = LJPEGAttention(**options)
    model.attention(images)
    kernel = model.attention.conv.kernel
    kernel.assign(tf.random.stateless_normal(kernel.shape, [1, 2], stddev=1e-2))
    return model


def test_the_attention_multiplies_coefficients_before_rounding(images):
    model = varied(images)
    luma = tf.random.stateless_normal([1, 8, 8, 8, 8], [3, 4])
    chroma = tf.random.stateless_normal([1, 2, 8, 8, 8, 8], [5, 6])
    edit = model.edit_coefficients(Planes(luma, chroma), images, None, "444", None)
    factors = model.attention(images)
    np.testing.assert_allclose(edit.y.luma, luma * factors[..., 0], rtol=1e-5)
    for component in (0, 1):
        np.testing.assert_allclose(
            edit.y.chroma[:, component], chroma[:, component] * factors[..., 1], rtol=1e-5
        )


@pytest.mark.parametrize("size", [(64, 64), (40, 56), (8, 8), (24, 8)])
def test_at_420_a_block_of_chroma_takes_the_mean_of_four_blocks(images, size):
    images = images[:, : size[0], : size[1]]
    model = varied(images, sampling="420")
    luma_grid, (rows, columns) = grid(*size, "420")
    y = Planes(tf.ones([1, *luma_grid, 8, 8]), tf.ones([1, 2, rows, columns, 8, 8]))
    edit = model.edit_coefficients(y, images, None, "420", None)
    factors = model.attention(images).numpy()
    np.testing.assert_allclose(edit.y.luma, factors[..., 0], rtol=1e-5)
    for row, column in np.ndindex(rows, columns):
        # The last block is repeated at odd edges, as pixels are.
        below = [min(2 * row + i, luma_grid[0] - 1) for i in (0, 1)]
        right = [min(2 * column + i, luma_grid[1] - 1) for i in (0, 1)]
        expected = np.mean([factors[0, i, j, ..., 1] for i in below for j in right], axis=0)
        for component in (0, 1):
            found = edit.y.chroma[0, component, row, column]
            np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_the_rate_adds_the_mean_of_the_attention(images):
    model = varied(images, total_weight_regularizer=10.0)
    _, coded = model.reconstruct(images)
    tables = 10 * tf.reduce_sum(1e-5 / model.scaled_qtables)
    expected = tables + np.mean(model.attention(images))
    assert float(model.rate(coded, 64, 64)) == pytest.approx(float(expected), rel=1e-5)


@pytest.mark.parametrize("sampling", SAMPLINGS)
def test_the_rate_of_bits_counts_bits_in_place_of_the_attention(images, sampling):
    model = LJPEGAttention(rate="bits", total_weight_regularizer=10.0, sampling=sampling)
    _, coded = model.reconstruct(images)
    expected = estimated_bits(coded.coefficients, coded.unrounded)[0] / 64**2
    expected += 10 * tf.reduce_sum(1e-5 / model.scaled_qtables)
    assert float(model.rate(coded, 64, 64)) == pytest.approx(float(expected), rel=1e-5)


def test_cached_features_stand_in_for_the_backbone(images):
    model = LJPEGAttention()
    expected = model.reconstruct(images)[1].coefficients
    features = model.attention.features(images)
    model.attention._frozen = None  # would raise if it were called
    found = model.reconstruct(images, features=features)[1].coefficients
    for ours, theirs in zip(found, expected, strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_a_frozen_backbone_leaves_tables_and_one_convolution_to_learn(images, training_of):
    model = LJPEGAttention()
    model.reconstruct(images)
    shapes = sorted(tuple(weight.shape) for weight in training_of(model, 1.0).variables)
    assert shapes == [(1, 1, 256, 128), (8, 8, 2), (128,)]


def test_a_trained_backbone_learns_too(images, training_of, monkeypatch):
    monkeypatch.undo()  # a backbone of its own
    model = LJPEGAttention(train_backbone=True)
    model.reconstruct(images)
    model.attention.conv.kernel.assign_add(1e-3 * tf.ones([1, 1, 256, 128]))
    before = model.attention.backbone.get_weights()[0].copy()
    training_of(model, 1e-3).step(tf.cast(255 * images, tf.uint8))
    assert np.abs(model.attention.backbone.get_weights()[0] - before).max() > 1e-5


def test_every_backbone_is_a_function_of_conv_blocks():
    assert all(callable(getattr(conv_blocks, name)) for name in BACKBONES)


def test_the_attention_is_a_rate_so_nothing_is_warned_of(capsys):
    LJPEGAttention().warn_of_options()
    assert capsys.readouterr().err == ""
