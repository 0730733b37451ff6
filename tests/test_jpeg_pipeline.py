"""The pipeline: its reconstruction is the picture of decoders, for every architecture."""

import functools

from jpeg_pipeline import ROUNDINGS, JPEGPipeline
from learned_jpeg.jpeg import jpeg_file
from learned_jpeg.jpeg.sampling import SAMPLINGS, Planes, grid
from learned_jpeg.metrics import lpips_tf2, measures
from learned_jpeg.models import architectures, encoding
from learned_jpeg.models.encoding import Coding

import numpy as np
import pytest
import tensorflow as tf

SIZES = [(1, 1), (8, 8), (13, 40), (64, 7), (1, 37), (40, 3), (17, 18)]


class FixedTables(JPEGPipeline):
    """The plain pipeline with given tables."""

    architecture = "fixed"

    def __init__(self, tables, **kwargs):
        super().__init__(**kwargs)
        self.tables = tf.constant(tables, tf.float32)

    def get_qtables(self, batch, rate_setting, training):
        return self.tables[None]

    def rate(self, coded, height, width):
        return tf.reduce_mean(tf.abs(coded.coefficients.luma))


class Graph(FixedTables):
    """The plain pipeline, whose files come from the TensorFlow graph, too."""

    def edit_image(self, images, training):
        return tf.identity(images)


@functools.cache
def of_ones(kind, sampling):
    """A model with tables of ones, its graph traced once for all tests."""
    return kind(np.ones([8, 8, 2]), sampling=sampling)


def random_tables(high, seed=0):
    return np.random.default_rng(seed).integers(1, high + 1, [8, 8, 2])


def batch_of(*pixels):
    return np.stack(pixels).astype(np.float32) / 255


def rate_of(pipeline, value):
    return None if pipeline.rate_setting is None else value


@pytest.mark.parametrize("sampling", SAMPLINGS)
@pytest.mark.parametrize("high", [2, 20, 150])
@pytest.mark.parametrize(
    "name", [n for n in architectures.names() if n != "ljpeg_rdo"]
)  # has its own
def test_pillow_shows_the_reconstruction(name, high, sampling, photograph, decode, randomized):
    model, pixels = randomized(name, high, sampling), photograph[:173, 60:]
    rate_setting = rate_of(model, {2: 95.0, 20: 75.0, 150: 10.0}[high])
    shown = decode(encoding.encode(model, pixels, rate_setting, Coding("standard"))).astype(int)
    reconstruction, _ = model.reconstruct(batch_of(pixels), rate_setting)
    difference = np.abs(shown - np.round(255 * reconstruction[0])).max(-1)
    # The last bits of a network depend on the cores, and may change a level of a block.
    assert (difference <= 1).mean() >= (0.997 if model.edits else 0.999)
    # With few edits this test would show nothing.
    assert np.abs(shown - pixels).mean() > 0.5


@pytest.mark.parametrize("sampling", SAMPLINGS)
@pytest.mark.parametrize("height,width", SIZES)
def test_any_size_comes_back_in_its_size(height, width, sampling, photograph, decode):
    image = photograph[:height, :width]
    model = of_ones(FixedTables, sampling)
    reconstruction, coded = model.reconstruct(batch_of(image))
    assert reconstruction.shape == (1, height, width, 3)
    luma, chroma = grid(height, width, sampling)
    assert coded.coefficients.luma.shape == (1, *luma, 8, 8)
    assert coded.coefficients.chroma.shape == (1, 2, *chroma, 8, 8)
    if sampling == "444":
        assert np.abs(255 * reconstruction[0] - image).max() <= 3  # roundings at tables of 1
    # A decoder shows it, also if it is narrow, where chroma is upsampled in another way.
    shown = decode(encoding.encode(model, image))
    assert shown.shape == image.shape
    # A difference of 1 in Cb, where a coefficient lies between two levels, is 2 in blue.
    assert np.abs(255 * reconstruction[0] - shown).max() <= 2


@pytest.mark.parametrize("sampling", SAMPLINGS)
def test_a_batch_is_its_images_one_by_one(sampling, photograph, randomized):
    model = randomized("ljpeg_attention", 30, sampling)
    images = batch_of(photograph[:64, :80], photograph[100:164, 50:130])
    together, coded = model.reconstruct(images)
    for number in range(2):
        alone, coded_alone = model.reconstruct(images[number : number + 1])
        for one, both in zip(coded_alone.coefficients, coded.coefficients, strict=True):
            same = tf.cast(one[0] == both[number], tf.float32)
            assert tf.reduce_mean(same) > 0.999  # float noise may flip a few
        np.testing.assert_allclose(alone[0], together[number], atol=0.1)


@pytest.mark.parametrize("kind", [FixedTables, Graph])
@pytest.mark.parametrize("sampling", SAMPLINGS)
def test_the_file_holds_the_very_levels_and_tables(photograph, sampling, kind):
    model = kind(random_tables(60), sampling=sampling)
    _, coded = model.reconstruct(batch_of(photograph))
    for huffman in jpeg_file.HUFFMAN:
        planes, qtables, *size, found = jpeg_file.read_jpeg(
            encoding.encode(model, photograph, coding=Coding(huffman))
        )
        assert (*size, found) == (*photograph.shape[:2], sampling)
        np.testing.assert_array_equal(qtables, coded.qtables[0])
        for ours, expected in zip(planes, coded.coefficients, strict=True):
            np.testing.assert_array_equal(ours, expected[0])


def extreme(kind):
    """Pictures whose levels at tables of 1 reach the bounds of JPEG."""
    random = np.random.default_rng(0)
    rows, columns = np.mgrid[:48, :40]
    if kind == "noise":
        picture = 255 * random.integers(0, 2, [48, 40, 3])
    elif kind == "checks":
        picture = 255 * ((rows + columns) % 2)[..., None] * np.ones(3, int)
    elif kind == "stripes":  # of a frequency of the DCT, so that one coefficient has all the energy
        cosines = np.cos((2 * (columns % 8) + 1) * np.pi * (1 + rows // 8) / 16)
        picture = 255 * (cosines > 0)[..., None] * np.ones(3, int)
    elif kind == "colours":
        corners = random.integers(0, 2, [6, 5, 3])
        picture = 255 * corners.repeat(8, 0).repeat(8, 1)
    else:
        picture = np.full([48, 40, 3], {"black": 0, "white": 255}[kind])
    return picture.astype(np.uint8)


@pytest.mark.parametrize("model", [FixedTables, Graph])
@pytest.mark.parametrize("sampling", SAMPLINGS)
@pytest.mark.parametrize("kind", ["black", "white", "noise", "checks", "stripes", "colours"])
def test_levels_out_of_range_are_clipped_alike_in_graph_and_file(kind, sampling, model, decode):
    pixels, model = extreme(kind), of_ones(model, sampling)
    reconstruction, coded = model.reconstruct(batch_of(pixels))
    data = encoding.encode(model, pixels)
    for ours, expected in zip(jpeg_file.read_jpeg(data)[0], coded.coefficients, strict=True):
        np.testing.assert_array_equal(ours, expected[0])
    luma = coded.coefficients.luma.numpy()
    assert luma[..., 0, 0].min() >= -1024 and np.abs(luma.reshape(-1, 64)[:, 1:]).max() <= 1023
    if kind == "black":
        assert set(luma[..., 0, 0].ravel()) == {-1024.0}
    if kind == "stripes":  # the bounds are reached indeed
        assert np.abs(coded.unrounded.luma.numpy().reshape(-1, 64)[:, 1:]).max() > 900
    shown = decode(data).astype(int)
    assert (np.abs(shown - np.round(255 * reconstruction[0])) <= 1).mean() >= 0.999


@pytest.mark.parametrize("rounding", ROUNDINGS)
def test_a_coefficient_beyond_what_jpeg_holds_is_clipped(rounding):
    """The flow clips; no picture gets that far without an architecture's edits."""

    class Louder(FixedTables):
        def edit_coefficients(self, y, images, rate_setting, sampling, features):
            edit = super().edit_coefficients(y, images, rate_setting, sampling, features)
            return edit._replace(y=Planes(*(4.0 * part for part in edit.y)))

    pixels, model = extreme("noise"), Louder(np.ones([8, 8, 2]), rounding=rounding)
    coded = model.encode(batch_of(pixels))
    for unrounded, part in zip(coded.unrounded, coded.coefficients, strict=True):
        # 8-bit JPEG (T.81, F.1.2): 11 bits for DC, 10 for AC.
        low, high = -1023 * np.ones([8, 8]), 1023 * np.ones([8, 8])
        low[0, 0] = -1024
        np.testing.assert_array_equal(part, np.clip(np.round(unrounded), low, high))
    assert np.abs(coded.unrounded.luma).max() > 1024
    planes = jpeg_file.read_jpeg(encoding.encode(model, pixels))[0]
    for ours, expected in zip(planes, coded.coefficients, strict=True):
        np.testing.assert_array_equal(ours, expected[0])


# The loss


@pytest.mark.parametrize("sampling", SAMPLINGS)
def test_the_loss_is_made_of_its_terms(photograph, sampling):
    images = batch_of(photograph[:64, :64])
    model = FixedTables(random_tables(60), lmbda=0.03, lpips_weight=200.0, sampling=sampling)
    terms = {name: float(value) for name, value in model.loss_terms(images).items()}
    assert sorted(terms) == sorted(model.loss_names)
    reconstruction, coded = model.reconstruct(images)
    levels = np.round(255 * reconstruction[0].numpy()).astype(np.uint8)
    original = photograph[:64, :64]
    assert terms["rate"] == pytest.approx(float(model.rate(coded, 64, 64)))
    assert terms["mse"] == pytest.approx(measures.mse(original, levels), rel=1e-4)
    assert terms["psnr"] == pytest.approx(measures.psnr(original, levels), abs=1e-3)
    assert terms["lpips"] == pytest.approx(measures.lpips(original, levels), abs=1e-4)
    expected = 0.03 * (terms["mse"] + 200 * terms["lpips"]) + terms["rate"]
    assert terms["loss"] == pytest.approx(expected, rel=1e-5)


def test_without_weight_lpips_is_not_computed(photograph, monkeypatch):
    monkeypatch.setattr(lpips_tf2, "lpips", None)
    model = FixedTables(random_tables(9))
    terms = model.loss_terms(batch_of(photograph[:64, :64]))
    assert sorted(terms) == sorted(model.loss_names) == ["loss", "mse", "psnr", "rate"]


@pytest.mark.parametrize("name", architectures.trained())
def test_every_part_of_a_model_learns_at_420(name, photograph, training_of):
    """All parts learn from the first step, but those behind zeros and those of evolution."""
    model = architectures.script(name)(sampling="420")
    side = 176 if "ms_ssim_weight" in model.model_options else 32
    crop = photograph[:side, :side]
    model.reconstruct(batch_of(crop), rate_of(model, 20.0))  # makes the variables
    training = training_of(model, 1e-3)
    before = [variable.numpy() for variable in training.variables]
    losses = [training.step(crop[None]) for _ in range(2)]
    assert np.isfinite(losses).all()
    for part in training.pipeline.parts().values():
        if not getattr(part, "trainable", True):
            continue
        own = {id(v) for v in getattr(part, "trainable_variables", [part])}
        moved = [
            not np.array_equal(variable, old)
            for variable, old in zip(training.variables, before, strict=True)
            if id(variable) in own
        ]
        assert moved and any(moved)


@pytest.mark.parametrize("sampling", SAMPLINGS)
def test_the_gradient_reaches_coefficients_as_the_linear_decoder_would(sampling):
    """With straight-through rounding, decode is linear: the gradient of a sum is a DCT."""
    side, blocks = (8, 1) if sampling == "444" else (16, 2)
    random = np.random.default_rng(0)
    luma = tf.Variable(random.integers(-3, 4, [1, blocks, blocks, 8, 8]).astype("f4"))
    chroma = tf.Variable(random.integers(-3, 4, [1, 2, 1, 1, 8, 8]).astype("f4"))
    tables = tf.constant(random_tables(9)[None], tf.float32)
    model = FixedTables(tables[0], sampling=sampling)
    with tf.GradientTape() as tape:
        picture = model.decode(Planes(luma, chroma), tables, side, side)
        red = tf.reduce_sum(picture[..., 0])
    luma_gradient, chroma_gradient = tape.gradient(red, [luma, chroma])
    # Only DC matters to a sum: 8 for luma, 1.402 * 8 for Cr, nothing for Cb; at 4:2:0 a
    # sample of chroma stands in four pixels.
    mean = np.zeros([8, 8])
    mean[0, 0] = 8 * tables[0, 0, 0, 0] / 255
    np.testing.assert_allclose(luma_gradient, np.broadcast_to(mean, luma.shape), atol=1e-3)
    np.testing.assert_allclose(chroma_gradient[0, 0], 0, atol=1e-6)
    mean[0, 0] = 1.402 * 8 * tables[0, 0, 0, 1] / 255 * blocks**2
    found = chroma_gradient[0, 1, 0, 0].numpy()
    np.testing.assert_allclose(found[0, 0], mean[0, 0], rtol=1e-4)
    if sampling == "444":
        np.testing.assert_allclose(found, mean, atol=1e-3)


def test_training_is_not_clipped_and_files_are():
    model = FixedTables(np.full([8, 8, 2], 90))
    images = batch_of(extreme("colours"))
    shown, trained = (model.reconstruct(images, training=flag)[0].numpy() for flag in (False, True))
    assert shown.min() == 0 and shown.max() == 1
    assert trained.min() < 0 and trained.max() > 1


# Parts and choices


@pytest.mark.parametrize(
    "name, parts",
    [
        ("ljpeg_PIL", set()),
        ("ljpeg", {"scaled_qtables"}),
        ("ljpeg_attention", {"scaled_qtables", "attention"}),
        ("google_baseline", {"network", "prior"}),
    ],
)
def test_the_parts_are_what_published_checkpoints_hold(name, parts, randomized):
    """The names of the parts are those in the files, as `model/scaled_qtables`."""
    assert set(randomized(name).parts()) == parts


def test_a_table_scale_scales_the_tables_of_graph_and_file_alike(photograph):
    pixels = photograph[:40, :40]
    for kind in (FixedTables, Graph):
        model = kind(random_tables(200))
        for scale in (0.003, 0.7, 2.0):
            data = encoding.encode(model, pixels, table_scale=scale)
            edit, qtables, _ = model.analyse(batch_of(pixels), table_scale=scale)
            np.testing.assert_array_equal(jpeg_file.read_jpeg(data)[1], qtables[0])
            # Halves may go either way.
            expected = np.clip(random_tables(200) * scale, 1, 255)
            assert np.abs(qtables[0] - expected).max() <= 0.5 + 1e-3


def test_a_model_completes_the_choices_that_are_left_open():
    model = FixedTables(random_tables(9), sampling="420")
    assert model.complete(Coding()) == Coding("progressive", "420", "round")
    chosen = Coding("standard", "444", "round", "visual")
    assert model.complete(chosen) == chosen


def test_the_seed_follows_from_seed_salt_and_step():
    def draws(seed, salt, step):
        model = FixedTables(random_tables(9), seed=seed)
        model.step = lambda: step
        return tuple(model.random_seed(salt).numpy())

    places = [(seed, salt, step) for seed in (0, 5) for salt in (0, 1, 2) for step in (0, 1, 99)]
    assert len({draws(*place) for place in places}) == len(places)
    assert draws(5, 2, 99) == draws(5, 2, 99)
