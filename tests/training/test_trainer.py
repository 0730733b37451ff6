"""The step and the loop of a training, with a model without JPEG."""

import re

from jpeg_pipeline import JPEGPipeline
from learned_jpeg.runtime.errors import UserError
from learned_jpeg.training import trainer

import numpy as np
import pytest
import tensorflow as tf

IMAGES = tf.data.Dataset.from_tensors({"images": np.full([4, 8, 8, 3], 51, np.uint8)}).repeat()


class Toy(JPEGPipeline):
    """Its loss draws a rate setting for a batch and asks NumPy for its value, with a gradient."""

    def __init__(self):
        super().__init__()
        self.level = tf.Variable(0.0)
        self.drawn = []

    def exact(self, level, rate_setting):
        self.drawn.append(float(rate_setting))
        return np.float32((level - rate_setting) ** 2)

    def loss_terms(self, images, rate_setting=None, training=False, features=None):
        rate_setting = tf.random.stateless_uniform([], self.random_seed(0), 1.0, 2.0)

        @tf.custom_gradient
        def error(level):
            value = tf.numpy_function(self.exact, [level, rate_setting], tf.float32)
            return value, lambda upstream: upstream * 2.0 * (level - rate_setting)

        terms = dict.fromkeys(self.loss_names, tf.reduce_mean(images))
        return terms | {"loss": error(self.level)}

    def make_optimizer(self, learning_rate):
        return tf.keras.optimizers.SGD(learning_rate)


def toy(learning_rate=0.05):
    model = trainer.Trainer(Toy())
    model.compile(optimizer=model.pipeline.make_optimizer(learning_rate))
    model.optimizer.build(model.trainable_variables)
    return model


def fit(model, last_step, *callbacks):
    return trainer.fit(model, IMAGES, "folder", last_step, [*callbacks], chief=True)


def test_a_dial_drawn_for_each_batch_follows_from_the_step(capsys):
    whole, parts = toy(), toy()
    assert fit(whole, 40) == fit(parts, 15) == fit(parts, 40) == 0
    drawn = whole.pipeline.drawn
    assert parts.pipeline.drawn == drawn
    assert len(set(drawn)) == 40
    assert 1 <= min(drawn) < 1.2 < 1.8 < max(drawn) <= 2
    level = 0.0
    for rate_setting in drawn:
        level -= 0.05 * 2 * (level - rate_setting)
    np.testing.assert_allclose([whole.pipeline.level, parts.pipeline.level], level, rtol=1e-5)
    assert "folder: the training goes on at step 15" in capsys.readouterr().out


def test_images_come_between_0_and_1():
    step = toy().train_step(next(iter(IMAGES)))
    np.testing.assert_allclose(step["mse"], 0.2)


def test_its_weights_are_the_pipelines():
    model = toy()
    assert [weight is model.pipeline.level for weight in model.trainable_variables] == [True]


def test_the_learning_rate_settles_in_the_last_steps():
    rate = trainer.Settled(lambda step: 0.5, 100, 0.2)
    rates = [float(rate(tf.constant(step))) for step in (0, 40, 80, 90, 100)]
    np.testing.assert_allclose(rates, [0.5, 0.5, 0.5, 0.05, 0.005], rtol=1e-5)


def test_it_says_how_long_it_will_take(monkeypatch, capsys):
    monkeypatch.setattr(trainer, "ESTIMATE_SECONDS", 0.0)
    fit(toy(), 5)
    said = re.findall(r"folder: about \d+ s to step 5 \(.* s a step\)", capsys.readouterr().out)
    assert len(said) == 1


def test_what_is_not_finite_is_not_saved():
    class Saver:
        saved = []

        def save(self, step):
            self.saved.append(step)

    model = toy(learning_rate=1e30)
    with pytest.raises(UserError, match=r"(loss|weights) .* no longer finite at step \d.*--lr"):
        fit(model, 9, trainer.Checkpoints(Saver(), every=1))
    assert len(Saver.saved) < 3
