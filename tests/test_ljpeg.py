"""ljpeg: the start of its tables, their steps, and their rate."""

from learned_jpeg.models import encoding
from learned_jpeg.models.encoding import Coding
from ljpeg import LJPEG, TABLE_SCALE, table_adam

import numpy as np
import pytest
import tensorflow as tf


def tables(model):
    return (model.scaled_qtables / TABLE_SCALE).numpy()


@pytest.fixture
def trained(photograph, training_of):
    """Trains a model: the tables before it and after each step."""

    def train(lr, steps, lmbda=0.01, start=None, **options):
        model = LJPEG(lmbda=lmbda, total_weight_regularizer=10.0, **options)
        if start is not None:
            model.scaled_qtables.assign(tf.fill([8, 8, 2], start * TABLE_SCALE))
        training = training_of(model, lr)
        history = [tables(model)]
        for number in range(steps):
            training.step(photograph[None, number % 100 :, number % 50 :][:, :64, :64])
            history.append(tables(model))
        return np.array(history)

    return train


def test_tables_start_between_1_and_2_and_follow_the_seed():
    first, again, other = (tables(LJPEG(seed=seed)) for seed in (1, 1, 2))
    assert 1 <= first.min() < 1.1 < 1.9 < first.max() <= 2
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)


@pytest.mark.parametrize("sampling", ["444", "420"])
def test_at_the_published_rate_an_entry_moves_by_a_tenth_of_a_level_a_step(trained, sampling):
    history = trained(1e-6, 10, start=20.0, sampling=sampling)
    # Adam's first step is the learning rate itself, whatever the gradient.
    np.testing.assert_allclose(np.abs(history[1] - history[0]), 0.1, rtol=0.01)
    assert np.abs(np.diff(history, axis=0)).max() < 0.11


def test_at_a_high_rate_tables_neither_stand_still_nor_jump(trained):
    history = trained(1e-4, 60)
    ratio = history[1:] / history[:-1]
    assert ratio.max() <= 1.0501 and ratio.min() >= 0.9499
    assert history[-1].mean() > 10  # from a mean of 1.5
    assert history.min() >= 1 and history.max() <= 255


def test_tables_stay_within_what_a_file_can_hold(trained):
    up = trained(1e-3, 30, lmbda=1e-9, start=200.0)
    down = trained(1e-3, 60, lmbda=1e4, start=4.0)
    assert up[-1].max() == pytest.approx(255, rel=1e-6)
    assert down[-1].min() == pytest.approx(1, rel=1e-6)


def test_the_rate_is_the_weighted_sum_of_inverse_tables():
    model = LJPEG(total_weight_regularizer=10.0)
    assert float(model.rate(None, 0, 0)) == pytest.approx(10 * (1 / tables(model)).sum(), rel=1e-5)


# At 4:2:0 the estimate is less exact, see test_image_utils.
@pytest.mark.parametrize("sampling, tolerance", [("444", 0.05), ("420", 0.1)])
def test_the_rate_of_bits_is_about_the_bpp_of_the_file(photograph, sampling, tolerance):
    model = LJPEG(rate="bits", sampling=sampling)
    model.scaled_qtables.assign(tf.fill([8, 8, 2], 30 * TABLE_SCALE))
    height, width = photograph.shape[:2]
    _, coded = model.reconstruct(photograph[None].astype(np.float32) / 255)
    data = encoding.encode(model, photograph, coding=Coding("standard"))
    bpp = 8 * (len(data) - data.index(b"\xff\xda")) / height / width
    assert float(model.rate(coded, height, width)) == pytest.approx(bpp, rel=tolerance)


@pytest.mark.parametrize("sampling", ["444", "420"])
@pytest.mark.parametrize(("rounding", "low", "high"), [("mixed", 0.75, 1.25), ("cubic", 0, 0.6)])
def test_the_gradient_of_the_bits_is_their_difference(photograph, rounding, low, high, sampling):
    """The difference is between tables 5% coarser and finer; the published surrogate has half."""
    model = LJPEG(rate="bits", rounding=rounding, sampling=sampling)
    images = photograph[None].astype(np.float32) / 255

    def bits(scale):
        model.scaled_qtables.assign(tf.fill([8, 8, 2], scale * 30 * TABLE_SCALE))
        with tf.GradientTape() as tape:
            value = model.loss_terms(images)["rate"]
        gradient = tape.gradient(value, model.scaled_qtables)
        return float(value), float(tf.reduce_sum(gradient * model.scaled_qtables))

    difference = (bits(1.05)[0] - bits(0.95)[0]) / 0.1
    assert difference < 0
    assert low < bits(1.0)[1] / difference < high


def test_only_tables_are_held_back():
    network = tf.Variable([1.0], name="kernel")
    optimizer = table_adam(0.5)
    optimizer.apply_gradients([(tf.constant([1.0]), network)])
    assert network.numpy()[0] == pytest.approx(0.5, abs=1e-3)


def test_a_higher_lambda_gives_finer_tables(trained):
    coarse = trained(1e-4, 150, lmbda=0.001)[-1]
    fine = trained(1e-4, 150, lmbda=1.0)[-1]
    # The high frequencies of smooth crops are cheapest left out at any lambda.
    assert fine[:3, :3, 0].mean() < 0.3 * coarse[:3, :3, 0].mean()


def test_tables_without_a_rate_are_warned_of(capsys):
    LJPEG().warn_of_options()
    assert "--total_weight_regularizer 0" in capsys.readouterr().err
    for options in ({"rate": "bits"}, {"total_weight_regularizer": 1.0}):
        LJPEG(**options).warn_of_options()
        assert capsys.readouterr().err == ""
