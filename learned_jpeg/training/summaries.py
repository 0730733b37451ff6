"""The summaries of a training for TensorBoard."""

import learned_jpeg.runtime.tensorflow_settings  # noqa: F401
from learned_jpeg.jpeg import jpeg_file
from learned_jpeg.jpeg.standard import BLOCK
from learned_jpeg.metrics.measures import bpp, psnr
from learned_jpeg.models import encoding

import numpy as np
import tensorflow as tf

SUMMARY_STEPS = 100  # between two sets of scalars
VALIDATION_STEPS = 200  # between two validations
PICTURE_STEPS = 1000  # between two sets of pictures

PROBES = 4  # the number of crops whose files and pictures are shown

_CODING = encoding.Coding(huffman="standard")


class Summaries(tf.keras.callbacks.Callback):
    """Scalars, validation, the true bpp and PSNR of real files, pictures, the tables.

    The files are always those of the same few training crops, at the default rate setting, so that
    steps can be compared. The validation uses the default and both ends of the rate settings; the
    names of the latter contain the value.

    folder: of the summaries; pipeline: the model's; probes: uint8 [n, size, size, 3]; valid: a
    list of such batches; last_step: a step that always has summaries; chief: whether this process
    writes (every worker must read the distributed variables).
    """

    def __init__(self, folder, pipeline, probes, valid, last_step, chief):
        super().__init__()
        make_writer = tf.summary.create_file_writer if chief else tf.summary.create_noop_writer
        self.writer = make_writer(*[str(folder)] * chief)
        self.pipeline, self.probes, self.valid = pipeline, probes, valid
        self.last_step = last_step
        rate_setting = pipeline.rate_setting
        self.default = rate_setting and rate_setting.default
        self.validated = {"": self.default}  # {prefix of the name: value of the rate setting}
        if rate_setting:
            ends = {rate_setting.values[0], rate_setting.values[-1]} - {rate_setting.default}
            self.validated |= {f"{rate_setting.name}_{value:g}/": value for value in sorted(ends)}
            # As tensors, so that a single graph serves all values.
            self.validated = {
                name: tf.constant(value, tf.float32) for name, value in self.validated.items()
            }

        @tf.function
        def loss_terms(images, rate_setting):
            images = tf.cast(images, tf.float32) / 255.0
            return pipeline.loss_terms(images, rate_setting=rate_setting)

        self.loss_terms = loss_terms

    def on_train_batch_end(self, batch, logs=None):
        step = int(self.model.optimizer.iterations.numpy())
        last = step == self.last_step
        if step % SUMMARY_STEPS and not last:
            return
        with self.writer.as_default(step):
            for name, value in logs.items():
                tf.summary.scalar(name, value)
            tf.summary.scalar("learning_rate", self.model.optimizer.learning_rate)
            self._files()
            if step % PICTURE_STEPS == 0 or step == SUMMARY_STEPS or last:
                self._pictures()
            if step % VALIDATION_STEPS == 0 or step == SUMMARY_STEPS or last:
                self._validate()
        self.writer.flush()
        self.model.reset_metrics()

    def _files(self):
        measured = []
        for image in self.probes:
            data = encoding.encode(self.pipeline, image, self.default, _CODING)
            decoded = jpeg_file.decode(data)
            measured.append([bpp(len(data), *image.shape[:2]), psnr(image, decoded)])
        for name, value in zip(("file/bpp", "file/psnr"), np.mean(measured, 0), strict=True):
            tf.summary.scalar(name, value)

    def _pictures(self):
        images = tf.constant(self.probes, tf.float32) / 255.0
        reconstruction, coded = self.pipeline.reconstruct(images, self.default)
        _images("original", images)
        _images("reconstruction", reconstruction)
        names = ("luma", "chroma")
        for name, table in zip(names, tf.unstack(coded.qtables[:1], axis=-1), strict=True):
            table = tf.image.resize(table[..., None] / 255.0, [128, 128], method="nearest")
            _images(f"qtables/{name}", table)
        for name, blocks in zip(names, coded.edit.attention or (), strict=False):
            # The 8x8 factors of each block, at the block's place in the image.
            flat = tf.reshape(blocks, [*blocks.shape[:-2], BLOCK * BLOCK])
            _images(f"attention/{name}", tf.nn.depth_to_space(flat, BLOCK))

    def _validate(self):
        for prefix, rate_setting in self.validated.items() if self.valid else ():
            terms = [
                {
                    name: value * len(batch)
                    for name, value in self.loss_terms(batch, rate_setting).items()
                }
                for batch in self.valid
            ]
            for name in terms[0]:
                mean = sum(term[name] for term in terms) / sum(map(len, self.valid))
                tf.summary.scalar(f"valid/{prefix}{name}", mean)


def _images(name, images):
    tf.summary.image(name, images, max_outputs=PROBES)
