"""Fixtures that several test files share."""

import functools
import io
import shutil
import sys
from pathlib import Path

import learned_jpeg.runtime.tensorflow_settings  # noqa: F401
import ljpeg
from learned_jpeg.models import architectures, checkpoints

import numpy as np
import pytest
import skimage.data
import tensorflow as tf
from PIL import Image

# `make quick` leaves these out: whole trainings and evaluations, clusters, browsers, brute force.
SLOW = set(
    "batch_job cluster encoders evaluate feature_cache fuzz google_baseline jobs_page "
    "ljpeg_attention page plots report saving sheet summaries trainer training trellis "
    "view_page workers xjpeg_tables".split()
)


def pytest_collection_modifyitems(items):
    for item in items:
        if item.path.stem.removeprefix("test_") in SLOW:
            item.add_marker(pytest.mark.slow)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item):
    """Skips tests that need tensorflow-compression where it cannot be installed."""
    report = yield
    if (
        sys.version_info >= (3, 12)
        and report.failed
        and "the package tensorflow_compression is missing" in report.longreprtext
    ):
        report.outcome = "skipped"
        report.longrepr = (str(item.path), 0, "no tensorflow-compression for this Python")
    return report


@pytest.fixture(scope="session")
def photograph():
    """A detailed photograph whose sides are no multiples of 8: uint8 [301, 203, 3]."""
    return skimage.data.astronaut()[:301, 100:303]


@pytest.fixture(scope="session")
def decode():
    """Pillow's decoder: the bytes of a file to uint8 [H, W, 3]."""
    return lambda data: np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))


@functools.cache
def _far_from_the_start(name):
    """One model of an architecture for all tests of a process, its graphs traced once."""
    pipeline = checkpoints.build(architectures.script(name), {})
    for number, weight in enumerate(_variables(pipeline)):
        weight.assign_add(tf.random.stateless_normal(weight.shape, [number, 0], stddev=0.02))
    return pipeline


@pytest.fixture(scope="session")
def randomized():
    """(name, high, sampling) -> a model with every weight far from its start; to be read only.

    Learned tables are random whole numbers from 1 to high. It is good until the next call.
    """

    def make(name, high=20, sampling="444"):
        pipeline = _far_from_the_start(name)
        pipeline.sampling = sampling
        if isinstance(pipeline, ljpeg.LJPEG):
            tables = np.random.default_rng(0).integers(1, high + 1, [8, 8, 2])
            pipeline.scaled_qtables.assign(tables * ljpeg.TABLE_SCALE)
        return pipeline

    return make


def _variables(pipeline):
    """The variables that a training moves."""
    found = []
    for part in pipeline.parts().values():
        found += part.trainable_variables if isinstance(part, tf.Module) else [part]
    return found


class Training:
    """The bare step of a training, without Keras's loop around it."""

    def __init__(self, pipeline, optimizer):
        self.pipeline, self.optimizer = pipeline, optimizer
        pipeline.step = lambda: optimizer.iterations
        self._graph = tf.function(self._step, reduce_retracing=True)

    @property
    def variables(self):
        return _variables(self.pipeline)

    def step(self, pixels):
        """pixels: uint8 [B, H, W, 3]. Returns the loss."""
        # Outside of the graph, which must not make variables.
        self.optimizer.build(self.variables)
        return float(self._graph(tf.constant(pixels)))

    def _step(self, pixels):
        with tf.GradientTape() as tape:
            images = tf.cast(pixels, tf.float32) / 255.0
            loss = self.pipeline.loss_terms(images, training=True)["loss"]
        gradients = tape.gradient(loss, self.variables)
        self.optimizer.apply_gradients(zip(gradients, self.variables, strict=True))
        return loss


@pytest.fixture(scope="session")
def training_of():
    """(pipeline, learning rate) -> Training with the architecture's own optimizer."""
    return lambda pipeline, lr: Training(pipeline, pipeline.make_optimizer(lr))


@pytest.fixture(scope="session")
def photos(tmp_path_factory):
    """A folder of six photographs of different sizes, kinds and formats."""
    folder = tmp_path_factory.mktemp("photos")
    for name, image in (
        ("astronaut.png", skimage.data.astronaut()[:200, :160]),
        ("coffee.jpg", skimage.data.coffee()[100:300, 100:350]),
        ("chelsea.bmp", skimage.data.chelsea()[:150, :300]),
        ("camera.png", skimage.data.camera()[:180, :180]),
        ("rocket.png", skimage.data.rocket()[200:400, 200:400]),
        ("wide.png", skimage.data.coins()[:150, :150].astype(np.uint16) * 257),
    ):
        Image.fromarray(image).save(folder / name)
    return folder


@pytest.fixture(scope="session")
def arguments(photos):
    """The arguments of a script that trains in a folder: (folder, *more) -> [str]."""

    def make(folder, *more, glob=None):
        return [
            *("--checkpoint_dir", str(folder), "train", "--train_glob", glob or str(photos / "*")),
            *("--batchsize=2", "--patchsize=32", "--preprocess_threads=2"),
            *("--total_weight_regularizer=10", "--settle=0", *more),
        ]

    return make


@pytest.fixture(scope="session")
def trained(arguments, tmp_path_factory):
    """The folder of an ljpeg trained for 3 steps; for tests that change it, `run`."""
    import ljpeg

    folder = tmp_path_factory.mktemp("trained") / "train"
    assert ljpeg.main(arguments(folder, "--last_step=3")) == 0
    return folder


@pytest.fixture
def run(trained, tmp_path):
    """A copy of `trained` of the test's own."""
    return Path(shutil.copytree(trained, tmp_path / "run"))
