"""The pipeline: its reconstruction is what decoders show, for every architecture."""

import jpeg_file
import metrics
from google_baseline import GoogleBaseline
from jpeg_pipeline import JPEGPipeline
from ljpeg import LJPEG, TABLE_SCALE
from ljpeg_attention import LJPEGAttention
from ljpeg_PIL import LJPEGPIL

import numpy as np
import pytest
import tensorflow as tf


class FixedTables(JPEGPipeline):
    """The plain pipeline with given tables."""

    def __init__(self, tables, **kwargs):
        super().__init__(**kwargs)
        self.tables = tf.constant(tables, tf.float32)

    def get_qtables(self, batch, quality, training):
        return self.tables[None]

    def rate(self, coded, height, width):
        return tf.reduce_mean(tf.abs(coded.coefficients))


def random_tables(high, seed=0):
    return np.random.default_rng(seed).integers(1, high + 1, [8, 8, 2])


def randomized(architecture, high):
    """A model of an architecture with every weight far from its start."""
    model = architecture()
    model(tf.zeros([1, 16, 16, 3]), quality=50.0)
    for number, weight in enumerate(model.trainable_weights):
        noise = tf.random.stateless_normal(weight.shape, [number, 0], stddev=0.02)
        weight.assign_add(noise)
    if isinstance(model, LJPEG):
        model.scaled_qtables.assign(random_tables(high) * TABLE_SCALE)
    return model


@pytest.mark.parametrize("high", [2, 20, 150])
@pytest.mark.parametrize("architecture", [LJPEG, LJPEGAttention, GoogleBaseline, LJPEGPIL])
def test_pillow_shows_the_reconstruction(architecture, high, photograph, decode):
    model, quality = randomized(architecture, high), {2: 95.0, 20: 75.0, 150: 10.0}[high]
    shown = decode(model.compress(photograph, "standard", quality)).astype(int)
    reconstruction, _ = model(photograph[None].astype(np.float32) / 255, quality=quality)
    difference = np.abs(shown - np.round(255 * reconstruction[0])).max(-1)
    assert (difference <= 1).mean() >= 0.999
    # Few edits would leave this test without a meaning.
    assert np.abs(shown - photograph).mean() > 0.5


@pytest.mark.parametrize("height,width", [(1, 1), (8, 8), (13, 40), (64, 7)])
def test_any_size_comes_back_in_its_size(height, width, photograph, decode):
    image = photograph[:height, :width]
    model = FixedTables(np.ones([8, 8, 2]))
    reconstruction, coded = model(image[None].astype(np.float32) / 255)
    assert reconstruction.shape == (1, height, width, 3)
    assert coded.coefficients.shape[1:3] == (-(-height // 8), -(-width // 8))
    assert np.abs(255 * reconstruction[0] - image).max() <= 3  # roundings at tables of 1
    assert decode(model.compress(image)).shape == image.shape


def test_a_batch_is_its_images_one_by_one(photograph):
    model = randomized(LJPEGAttention, 30)
    images = np.stack([photograph[:64, :80], photograph[100:164, 50:130]]).astype("f4") / 255
    together, coded = model(images)
    for number in range(2):
        alone, coded_alone = model(images[number : number + 1])
        same = coded_alone.coefficients[0] == coded.coefficients[number]
        assert tf.reduce_mean(tf.cast(same, tf.float32)) > 0.999  # float noise may flip a few
        np.testing.assert_allclose(alone[0], together[number], atol=0.1)


def test_the_file_holds_the_very_integers_and_tables(photograph):
    model = FixedTables(random_tables(60))
    _, coded = model(photograph[None].astype(np.float32) / 255)
    for huffman in jpeg_file.HUFFMAN:
        read = jpeg_file.read_jpeg(model.compress(photograph, huffman))
        np.testing.assert_array_equal(read[0], coded.coefficients[0])
        np.testing.assert_array_equal(read[1], coded.qtables[0])
        assert tuple(read[2:]) == photograph.shape[:2]


@pytest.mark.parametrize("quality", [10, 50, 90])
def test_ijg_tables_give_pillows_jpeg_but_for_rounding(quality, photograph, decode):
    from encoders import ENCODERS

    ours = LJPEGPIL().compress(photograph, "standard", float(quality))
    pillows = ENCODERS["pillow_444"].encode(photograph, quality, "standard")
    assert len(ours) == pytest.approx(len(pillows), rel=0.02)
    psnr = [metrics.psnr(photograph, decode(data)) for data in (ours, pillows)]
    assert psnr[0] == pytest.approx(psnr[1], abs=0.15)


def test_the_loss_is_made_of_its_terms(photograph):
    images = photograph[None, :64, :64].astype(np.float32) / 255
    model = FixedTables(random_tables(60), lmbda=0.03, lpips_weight=200.0)
    terms = {name: float(value) for name, value in model.loss_terms(images).items()}
    reconstruction = model(images)[0].numpy()
    levels = np.round(255 * reconstruction[0]).astype(np.uint8)
    original = photograph[:64, :64]
    assert terms["mse"] == pytest.approx(metrics.mse(original, levels), rel=1e-4)
    assert terms["psnr"] == pytest.approx(metrics.psnr(original, levels), abs=1e-3)
    assert terms["lpips"] == pytest.approx(metrics.lpips(original, levels), abs=1e-4)
    expected = 0.03 * (terms["mse"] + 200 * terms["lpips"]) + terms["rate"]
    assert terms["loss"] == pytest.approx(expected, rel=1e-5)


def test_without_weight_lpips_is_not_computed(photograph, monkeypatch):
    import lpips_tf2

    monkeypatch.setattr(lpips_tf2, "lpips", None)
    images = photograph[None, :64, :64].astype(np.float32) / 255
    assert "lpips" not in FixedTables(random_tables(9)).loss_terms(images)


def test_the_gradient_reaches_pixels_and_agrees_with_the_decoder_where_nothing_clips(photograph):
    """With straight-through roundings, decode is linear: the gradient of a sum is a DCT."""
    coefficients = tf.Variable(np.random.default_rng(0).integers(-3, 4, [1, 1, 1, 8, 8, 3]) * 1.0)
    coefficients = tf.Variable(tf.cast(coefficients, tf.float32))
    tables = tf.constant(random_tables(9)[None], tf.float32)
    with tf.GradientTape() as tape:
        red = tf.reduce_sum(JPEGPipeline.decode(coefficients, tables, 8, 8)[..., 0])
    gradient = tape.gradient(red, coefficients).numpy()[0, 0, 0]
    # Only the means matter to a sum: 8 for luma, 1.402 * 8 for Cr, nothing for Cb.
    expected = np.zeros([8, 8, 3])
    expected[0, 0] = np.array([1, 0, 1.402]) * 8 * tables[0, 0, 0].numpy()[[0, 1, 1]] / 255
    np.testing.assert_allclose(gradient, expected, atol=1e-3)
