"""google_baseline: noise, sampled qualities, and an entropy model that predicts files."""

from google_baseline import GoogleBaseline
from jpeg_pipeline import ROUNDINGS
from learned_jpeg.jpeg import jpeg_file
from learned_jpeg.jpeg.sampling import SAMPLINGS
from learned_jpeg.jpeg.standard import ijg_qtables
from learned_jpeg.models import encoding
from learned_jpeg.models.encoding import Coding
from ljpeg_PIL import LJPEGPIL

import numpy as np
import pytest
import tensorflow as tf


@pytest.fixture
def model():
    model = GoogleBaseline()
    model.reconstruct(tf.zeros([1, 16, 16, 3]), 50.0)  # makes the variables
    step = tf.Variable(0, dtype=tf.int64)
    model.step = lambda: step
    return model


@pytest.mark.parametrize("sampling", SAMPLINGS)
def test_an_untrained_model_is_plain_jpeg(model, photograph, sampling):
    pixels, coding = photograph[:123, :155], Coding(sampling=sampling)
    plain = encoding.encode(LJPEGPIL(), pixels, 20.0, coding)
    assert encoding.encode(model, pixels, 20.0, coding) == plain


def test_training_draws_a_quality_between_8_and_25_for_each_image(model):
    drawn = model.get_qtables(64, None, training=True)
    assert drawn.shape == (64, 8, 8, 2)
    coarsest, finest = ijg_qtables(8.0), ijg_qtables(25.0)
    assert (finest <= drawn.numpy()).all() and (drawn.numpy() <= coarsest).all()
    assert len({table.tobytes() for table in drawn.numpy()}) > 16


def test_training_adds_noise_of_a_deviation_up_to_15_percent(model):
    gray = tf.fill([200, 16, 16, 3], 0.5)
    deviations = np.std(model.edit_image(gray, training=True), axis=(1, 2, 3))
    # U(0, 0.15): a mean of 0.075 and a standard deviation of 0.15 / sqrt(12).
    assert np.mean(deviations) == pytest.approx(0.075, abs=0.012)
    assert np.std(deviations) == pytest.approx(0.15 / 12**0.5, abs=0.008)
    np.testing.assert_array_equal(model.edit_image(gray, training=False), gray)


def test_without_noise_training_sees_the_image_itself():
    model = GoogleBaseline(max_noise=0.0)
    model.step = lambda: 0
    gray = tf.fill([1, 16, 16, 3], 0.5)
    np.testing.assert_array_equal(model.edit_image(gray, training=True), gray)


def test_a_frozen_norm_edits_in_training_as_in_files(photograph):
    images = photograph[None, :32, :32].astype(np.float32) / 255
    for frozen in (True, False):
        model = GoogleBaseline(max_noise=0.0, frozen_norm=frozen)
        model.step = lambda: 0
        model.edit_image(images, training=False)
        kernel = model.network.out.kernel
        kernel.assign(tf.random.stateless_normal(kernel.shape, [1, 2], stddev=1e-2))
        in_files = model.edit_image(images, training=False).numpy()
        in_training = model.edit_image(images, training=True).numpy()
        after = model.edit_image(images, training=False).numpy()
        assert np.array_equal(in_training, in_files) == frozen
        assert np.array_equal(after, in_files) == frozen  # the running statistics are as they were


def test_bfloat16_is_for_training_and_changes_little(photograph):
    images = photograph[None, :32, :32].astype(np.float32) / 255
    exact, rough = (GoogleBaseline(max_noise=0.0, frozen_norm=True, bfloat16=b) for b in (0, 1))
    for model in (exact, rough):
        model.step = lambda: 0
        model.edit_image(images, training=False)
    kernel = exact.network.out.kernel
    kernel.assign(tf.random.stateless_normal(kernel.shape, [1, 2], stddev=1e-2))
    rough.network.set_weights(exact.network.get_weights())
    edited = exact.edit_image(images, training=True).numpy()
    np.testing.assert_array_equal(rough.edit_image(images, training=False), edited)
    error = rough.edit_image(images, training=True).numpy() - edited
    assert 0 < np.std(error) < 0.02 * np.std(edited - images)


def test_the_rounding_is_chosen_for_the_loss():
    """Where coefficients round to 0, the gradients are equal; elsewhere that of `mixed` is 1."""
    slopes = {}
    for rounding in ROUNDINGS:
        model = GoogleBaseline(rounding=rounding)
        y = tf.constant(np.full([1, 16, 16, 3], 0.75, np.float32))
        with tf.GradientTape() as tape:
            tape.watch(y)
            model.edit_image = lambda images, training: images
            coded = model.encode(y, 25.0)
            mean = tf.reduce_sum(coded.coefficients.luma[..., 0, 0])
        slopes[rounding] = float(tf.reduce_sum(tape.gradient(mean, y)))
        unrounded = float(coded.unrounded.luma[0, 0, 0, 0, 0])
    away = unrounded - round(unrounded)
    assert slopes["cubic"] / slopes["mixed"] == pytest.approx(3 * away**2, rel=1e-3)


def test_the_draws_follow_from_seed_and_step(model):
    gray = tf.fill([1, 16, 16, 3], 0.5)
    first, again = model.edit_image(gray, True), model.edit_image(gray, True)
    np.testing.assert_array_equal(first, again)
    model.step().assign_add(1)
    assert not np.array_equal(first, model.edit_image(gray, True))


def test_the_entropy_model_learns_a_hundred_times_as_fast(model, photograph, training_of):
    training = training_of(model, 1e-3)
    before = [weight.numpy() for weight in training.variables]
    training.step(photograph[None, :32, :32])
    assert any("DeepFactorized" in weight.name for weight in training.variables)
    for weight, old in zip(training.variables, before, strict=True):
        # Adam's first step is the learning rate itself, wherever there is a gradient.
        step = np.abs(weight.numpy() - old).max()
        expected = 1e-3 * (100 if "DeepFactorized" in weight.name else 1)
        assert step == pytest.approx(expected, rel=0.05) or step < 1e-6, weight.name


@pytest.mark.parametrize("size", [(64, 64), (40, 24)])
def test_at_420_each_block_of_chroma_counts_once(model, size):
    """The estimate is the sum over every block of its component's own densities."""
    model.sampling = "420"
    random = np.random.default_rng(0)
    _, coded = model.reconstruct(random.random([1, *size, 3], np.float32), 25.0)
    luma, chroma = coded.coefficients

    def nats(component, blocks):
        of_all = np.zeros([*blocks.shape, 3], np.float32)
        of_all[..., component] = blocks
        return -float(tf.reduce_sum(model.prior.log_prob(of_all)[..., component]))

    expected = nats(0, luma[0])
    for component in (0, 1):
        blocks = chroma[0, component].numpy()
        # A block beyond luma's last one stands for as many of its blocks as there are.
        rows, columns = luma.shape[1], luma.shape[2]
        spread = blocks.repeat(2, 0).repeat(2, 1)[:rows, :columns]
        expected += 0.25 * nats(1 + component, spread)
    bpp = float(model.rate(coded, *size))
    assert bpp == pytest.approx(expected / np.log(2) / np.prod(size), rel=1e-4)


def test_the_estimated_rate_comes_near_the_files_once_it_is_trained(model, photograph):
    crops = np.stack(
        [photograph[i : i + 64, j : j + 64] for i in range(0, 200, 80) for j in (0, 99)]
    )
    images = crops.astype(np.float32) / 255

    coded = model.encode(images, 25.0)

    def estimate():
        return model.rate(coded, 64, 64)

    optimizer = tf.keras.optimizers.Adam(0.05)

    @tf.function
    def step():
        with tf.GradientTape() as tape:
            bpp = estimate()
        variables = model.prior.trainable_variables
        optimizer.apply_gradients(zip(tape.gradient(bpp, variables), variables, strict=True))

    before = float(estimate())
    for _ in range(150):
        step()

    def file_of(pixels):
        return encoding.encode(model, pixels, 25.0, Coding("optimized"))

    files = [file_of(crop) for crop in crops]
    headers = len(file_of(np.zeros_like(crops[0])))
    bpp = 8 * (np.mean([len(file) for file in files]) - headers) / 64**2
    assert float(estimate()) < 0.5 * before
    assert float(estimate()) == pytest.approx(bpp, rel=0.3)
    assert jpeg_file.read_jpeg(files[0])[2:] == (64, 64, "444")
    # The files hold the levels of the estimate.
    planes = jpeg_file.read_jpeg(files[3])[0]
    for found, expected in zip(planes, coded.coefficients, strict=True):
        np.testing.assert_array_equal(found, expected[3])
