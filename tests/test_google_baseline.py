"""google_baseline: noise, sampled qualities, and an entropy model that predicts files."""

import jpeg_file
from google_baseline import GoogleBaseline
from image_utils import ijg_qtables

import numpy as np
import pytest
import tensorflow as tf


@pytest.fixture
def model():
    model = GoogleBaseline()
    model(tf.zeros([1, 16, 16, 3]), quality=50.0)
    model.compile(optimizer=model.make_optimizer(1e-3))
    return model


def test_it_starts_as_plain_jpeg(model, photograph):
    from ljpeg_PIL import LJPEGPIL

    assert model.compress(photograph, quality=20.0) == LJPEGPIL().compress(photograph, quality=20.0)


def test_training_draws_a_quality_between_8_and_25_for_each_image(model):
    drawn = model.get_qtables(64, None, training=True)
    assert drawn.shape == (64, 8, 8, 2)
    coarsest, finest = ijg_qtables(8.0).numpy(), ijg_qtables(25.0).numpy()
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
    model.compile(optimizer=model.make_optimizer(1e-3))
    gray = tf.fill([1, 16, 16, 3], 0.5)
    np.testing.assert_array_equal(model.edit_image(gray, training=True), gray)


def test_the_draws_follow_from_seed_and_step(model):
    gray = tf.fill([1, 16, 16, 3], 0.5)
    first, again = model.edit_image(gray, True), model.edit_image(gray, True)
    np.testing.assert_array_equal(first, again)
    model.optimizer.iterations.assign_add(1)
    assert not np.array_equal(first, model.edit_image(gray, True))


def test_the_entropy_model_learns_a_hundred_times_as_fast(model, photograph):
    before = [weight.numpy() for weight in model.trainable_variables]
    model.train_step({"images": tf.constant(photograph[None, :32, :32])})
    for weight, old in zip(model.trainable_variables, before, strict=True):
        # Adam's first step is the learning rate itself, wherever there is a gradient.
        step = np.abs(weight.numpy() - old).max()
        expected = 1e-3 * (100 if "DeepFactorized" in weight.name else 1)
        assert step == pytest.approx(expected, rel=0.05) or step < 1e-6, weight.name


def test_the_estimated_rate_comes_near_the_files_once_it_is_trained(model, photograph):
    crops = np.stack(
        [photograph[i : i + 64, j : j + 64] for i in range(0, 200, 40) for j in (0, 99)]
    )
    images = crops.astype(np.float32) / 255

    coded = model.encode(images, quality=25.0)

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
    files = [model.compress(crop, "optimized", 25.0) for crop in crops]
    headers = len(model.compress(np.zeros_like(crops[0]), "optimized", 25.0))
    bpp = 8 * (np.mean([len(file) for file in files]) - headers) / 64**2
    assert float(estimate()) < 0.5 * before
    assert float(estimate()) == pytest.approx(bpp, rel=0.3)
    assert jpeg_file.read_jpeg(files[0])[2:] == (64, 64)
