import dataclasses

from learned_jpeg.jpeg import jpeg_file
from learned_jpeg.jpeg.sampling import Planes
from learned_jpeg.metrics import measures
from learned_jpeg.models import encoding, rdo
from learned_jpeg.models.encoding import Coding
from learned_jpeg.search import lambda_map, quantizer
from learned_jpeg.search.learned_tune import PARAMETERS
from ljpeg_PIL import LJPEGPIL
from ljpeg_rdo import LJPEGRDO

import numpy as np
import pytest
import tensorflow as tf
from makers import picture


def photograph(height, width):
    return np.asarray(picture(height, width))


def weights(parameters=None, last=0.0):
    random = np.random.default_rng(3)
    start = rdo.start() | lambda_map.start(random)
    if parameters is not None:
        start |= {name: np.float32(parameters) for name in rdo.PARAMETERS.values()}
    return start | {"last": random.normal(0, last, start["last"].shape).astype(np.float32)}


@pytest.fixture
def model():
    random = np.random.default_rng(4)
    return LJPEGRDO(weights=weights(random.normal(0, 0.1, PARAMETERS), 0.1))


@pytest.mark.parametrize("tune", ["psnr", "visual"])
@pytest.mark.parametrize("quality", [1, 30, 75, 100])
def test_before_anything_is_learned_it_is_the_tune(tune, quality):
    pixels = photograph(96, 128)
    model = LJPEGRDO(search=tune, weights=rdo.start(search=tune))
    expected = encoding.encode(LJPEGPIL(), pixels, quality, Coding(tune=tune))
    assert encoding.encode(model, pixels, quality) == expected


@pytest.mark.parametrize("sampling", ["444", "420"])
def test_any_parameters_give_tables_that_fall_with_the_quality(sampling):
    random = np.random.default_rng(5)
    for _ in range(20):
        model = LJPEGRDO(weights=weights(random.normal(0, 3, PARAMETERS)))
        of = Coding(sampling=sampling)
        tables = np.array([model.file_qtables(quality, of) for quality in range(1, 101)])
        assert tables.dtype == np.uint8 and tables.min() >= 1
        assert (np.diff(tables.astype(int), axis=0) <= 0).all()


@pytest.mark.parametrize("sampling", ["444", "420", "auto"])
@pytest.mark.parametrize("channels", [1, 3])
def test_files_are_those_of_the_search_with_the_lambda_map(model, sampling, channels):
    pixels = photograph(75, 107)[..., :channels]
    data = encoding.encode(model, pixels, 60, Coding(sampling=sampling))
    decoded = jpeg_file.decode(data)[..., :channels]
    assert decoded.shape == pixels.shape
    error = np.square(decoded.astype(float) - pixels).mean()
    assert 0 < error < 150


def test_a_dearer_block_takes_fewer_bits(model):
    pixels = photograph(96, 128)
    found = {}
    for bias in (-0.5, 0.5):
        model.weights["last"] = np.zeros_like(model.weights["last"])
        model.weights["last"][-1] = bias
        found[bias] = len(encoding.encode(model, pixels, 75, Coding(sampling="420")))
    assert found[0.5] < 0.95 * found[-0.5]


def test_the_file_decodes_to_what_the_loss_sees():
    pixels = photograph(96, 128)
    model = LJPEGRDO()
    images = tf.constant(pixels[None], tf.float32) / 255
    reconstruction, coded = model.reconstruct(images, 40.0)
    data = encoding.encode(model, pixels, 40, Coding(sampling="420"))
    integers, qtables, *_ = jpeg_file.read_jpeg(data)
    np.testing.assert_array_equal(coded.qtables[0], qtables)
    # The step and the bit price have single precision in the graph: a few choices may differ.
    for plane, levels in zip(coded.coefficients, integers, strict=True):
        assert (plane[0].numpy() != levels).mean() < 0.005
    in_graph = np.rint(255 * reconstruction[0].numpy()).astype(np.uint8)
    of_file = measures.psnr(pixels, jpeg_file.decode(data))
    assert measures.psnr(pixels, in_graph) == pytest.approx(of_file, abs=0.02)


def test_the_gradient_of_the_lambda_map_is_that_of_the_files():
    """If all bits become dearer, bits and squared error change as those of two searches."""
    model = LJPEGRDO(mse_weight=1, ms_ssim_weight=0, lpips_weight=0, hvs_weight=0)
    # The picture comes twice, since pictures take two points in turn.
    images = tf.constant([photograph(128, 128)] * 2, tf.float32) / 255
    last = model.weights["last"]
    with tf.GradientTape(persistent=True) as tape:
        coded, bits, _ = model._coded(images, tf.constant(8.0), gradients=True)
        decoded = model.decode(coded.coefficients, coded.qtables, 128, 128)
        error, bits = tf.reduce_mean(tf.square(255 * (decoded - images))), tf.reduce_mean(bits)
    gradients = [tape.gradient(what, last)[-1].numpy().sum() for what in (bits, error)]
    found = {}
    for change in (-0.1, 0.1):
        last.assign(tf.concat([tf.zeros([lambda_map.WIDTH, 2]), tf.fill([1, 2], change)], 0))
        coded, bits, _ = model._coded(images, tf.constant(8.0), gradients=False)
        decoded = model.decode(coded.coefficients, coded.qtables, 128, 128)
        found[change] = float(bits[0]), float(tf.reduce_mean(tf.square(255 * (decoded - images))))
    for slope, high, low in zip(gradients, found[0.1], found[-0.1], strict=True):
        assert slope == pytest.approx((high - low) / 0.2, rel=0.5)


def test_one_step_of_training_moves_the_whole_network():
    model = LJPEGRDO(lpips_weight=0, ms_ssim_weight=0, hvs_weight=0.5, mse_weight=0.5)
    model.step = lambda: tf.constant(0)
    model.weights["last"].assign(weights(last=0.1)["last"])
    images = tf.constant(photograph(64, 64)[None], tf.float32) / 255
    with tf.GradientTape() as tape:
        terms = model.loss_terms(images, training=True)
    assert {"loss", "psnr", "rate", "mse", "hvs"} == terms.keys()
    network = [model.parts()[name] for name in lambda_map.start(np.random.default_rng())]
    gradients = tape.gradient(terms["loss"], network)
    assert all(float(tf.reduce_max(tf.abs(gradient))) > 0 for gradient in gradients)


def test_weights_of_another_model_are_refused():
    with pytest.raises(ValueError, match="another model"):
        LJPEGRDO(weights=weights() | {"numbers_444": np.zeros(3, np.float32)})


@pytest.mark.parametrize("search", ["psnr", "visual"])
def test_the_parameters_of_an_earlier_version_serve_both_samplings(search):
    parameters = np.random.default_rng(6).normal(0, 0.1, PARAMETERS).astype(np.float32)
    parameters[34:] = 0  # the earlier version lacks these
    earlier = lambda_map.start(np.random.default_rng(7)) | {"numbers": parameters[:34]}
    model = LJPEGRDO(search=search, weights=earlier)
    same = rdo.start(search=search) | {name: parameters for name in rdo.PARAMETERS.values()}
    for sampling in ("444", "420"):
        files = [
            encoding.encode(one, photograph(48, 64), 60, Coding(sampling=sampling))
            for one in (model, LJPEGRDO(search=search, weights=same))
        ]
        assert files[0] == files[1]


def test_each_sampling_has_parameters_of_its_own():
    changed = rdo.start()
    changed["numbers_444"] = changed["numbers_444"] + np.float32(0.1)
    changed["steps_444"] = changed["steps_444"] * 1.1
    for sampling in ("444", "420"):
        files = [
            encoding.encode(
                LJPEGRDO(weights=one), photograph(48, 64), 60, Coding(sampling=sampling)
            )
            for one in (rdo.start(), changed)
        ]
        assert (files[0] == files[1]) == (sampling == "420")


def test_the_lambda_map_is_that_of_the_picture(model):
    coding = Coding(sampling="420")
    analysis = quantizer.analyse(photograph(96, 128), model.file_qtables(50, coding), "420")
    maps = model.log2_bit_price(analysis, 50)
    assert isinstance(maps, Planes) and np.std(maps.luma) > 0
    cheaper = dataclasses.replace(analysis, log2_bit_price=maps)
    search = model.search(50, coding)
    assert (search(cheaper).luma != search(analysis).luma).any()
