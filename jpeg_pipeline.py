"""JPEG as one differentiable Keras model whose stages an architecture may replace."""

import threading
from typing import NamedTuple

import jpeg_file
from image_utils import (
    BLOCK,
    ROUNDINGS,
    dct,
    from_blocks,
    idct_decoder,
    pad_to_blocks,
    per_channel,
    rgb_to_ycbcr,
    round_straight_through,
    to_blocks,
    ycbcr_to_rgb,
)

import numpy as np
import tensorflow as tf

# What 8-bit JPEG can code. A block of noise at a table of ones can go past it; its mean cannot.
_LARGEST = np.full([BLOCK, BLOCK, 1], jpeg_file.MAX_AC, np.float32)
_LARGEST[0, 0] += 1


class Coded(NamedTuple):
    """What the encoder decided about a batch of images.

    coefficients: float32 [B, ceil(H/8), ceil(W/8), 8, 8, 3], whole numbers.
    unrounded: the same before they were rounded.
    qtables: float32 [B or 1, 8, 8, 2], whole numbers in [1, 255].
    attention: float32 [B, ceil(H/8), ceil(W/8), 8, 8, 2] in (0, 1), or None.
    """

    coefficients: tf.Tensor
    unrounded: tf.Tensor
    qtables: tf.Tensor
    attention: tf.Tensor = None


class JPEGPipeline(tf.keras.Model):
    """The encoder's data flow; an architecture overrides the stages that it replaces.

    lmbda: weight of the distortion against the rate. lpips_weight: weight of LPIPS beside the
    squared error in the distortion; at 0 it is not computed. rounding: the name of the surrogate
    gradient of the coefficients' rounding, see `image_utils.ROUNDINGS`.
    """

    architecture = None  # its name, which is its script's
    receptive_field = 0  # pixels to each side of a block that decide about it
    tile = 1024  # side in pixels of what `compress` takes at a time, a multiple of 8
    model_options = ()  # the arguments of __init__ that shape the model or its loss

    def __init__(self, lmbda=0.01, lpips_weight=0.0, rounding="cubic", seed=0):
        super().__init__()
        # On some GPUs a product of matrices has 10 bits of mantissa unless this is off.
        tf.config.experimental.enable_tensor_float_32_execution(False)
        self.lmbda = lmbda
        self.lpips_weight = lpips_weight
        self.round = ROUNDINGS[rounding]
        self.seed = seed
        self._one_tile = threading.Lock()
        names = ["loss", "mse", "psnr", "rate"] + ["lpips"] * (lpips_weight > 0)
        means = [tf.keras.metrics.Mean(name=name) for name in names]
        # Behind a closure Keras does not find them: no running mean in any checkpoint.
        self._get_metrics = lambda: means
        # A metric's result is the mean over all replicas already; Keras would add them up.
        self.distribute_reduction_method = "first"

    # The stages that an architecture may replace.

    def edit_image(self, images, training):
        """images [B, H, W, 3] in [0, 1] -> the same."""
        return images

    def get_qtables(self, batch, quality, training):
        """batch: number of images; quality: a number or None -> [batch or 1, 8, 8, 2]."""
        raise NotImplementedError

    def edit_coefficients(self, y, images, features):
        """y [B, H/8, W/8, 8, 8, 3]: coefficients over tables; images [B, H, W, 3] in [0, 1], H
        and W multiples of 8; features: those of a cache, or None -> (y, attention or None)."""
        return y, None

    def rate(self, coded, height, width):
        """The rate term of the loss, a scalar."""
        raise NotImplementedError

    # The flow.

    def encode(self, images, quality=None, training=False, features=None, table_scale=None):
        """images [B, H, W, 3] in [0, 1] -> Coded."""
        images = pad_to_blocks(self.edit_image(images, training))
        qtables = self.get_qtables(tf.shape(images)[0], quality, training)
        if table_scale is not None:
            qtables = tf.clip_by_value(tf.round(qtables * table_scale), 1.0, 255.0)
        y = dct(to_blocks(rgb_to_ycbcr(255.0 * images))) / _over_blocks(qtables)
        y, attention = self.edit_coefficients(y, images, features)
        return Coded(self.round(y), y, qtables, attention)

    @staticmethod
    def decode(coefficients, qtables, height, width, clip=True):
        """What a standard decoder makes of them: [B, height, width, 3], 256 levels in [0, 1].

        The gradient passes the decoder's roundings straight through. clip: as a decoder does.
        Training goes without: where the image is black or white, a clipped reconstruction has
        an error, and so a gradient, on one side of the original only, which pulls the table's
        entry for the mean, 1000 levels wide there, far off its optimum.
        """

        def clipped(x, low, high):
            return tf.clip_by_value(x, low, high) if clip else x

        samples = from_blocks(idct_decoder(coefficients * _over_blocks(qtables)))
        ycbcr = clipped(samples[:, :height, :width], -128.0, 127.0)
        return clipped(round_straight_through(ycbcr_to_rgb(ycbcr)), 0.0, 255.0) / 255.0

    def call(self, images, quality=None, training=False, features=None):
        """images [B, H, W, 3] in [0, 1] -> (reconstruction of the same shape, Coded)."""
        coded = self.encode(images, quality, training, features)
        height, width = tf.shape(images)[1], tf.shape(images)[2]
        return self.decode(coded.coefficients, coded.qtables, height, width, not training), coded

    @tf.function(
        input_signature=[
            tf.TensorSpec([None, None, 3], tf.uint8),
            tf.TensorSpec([]),
            tf.TensorSpec([]),
        ]
    )
    def _encode_tile(self, image, quality, table_scale):
        """uint8 [H, W, 3] -> coefficients int16 [3, H/8, W/8, 8, 8], tables uint8 [8, 8, 2]."""
        images = tf.cast(image, tf.float32)[None] / 255.0
        coded = self.encode(images, quality, table_scale=table_scale)
        coefficients = tf.clip_by_value(coded.coefficients[0], -_LARGEST, _LARGEST)
        planes = tf.transpose(tf.cast(coefficients, tf.int16), [4, 0, 1, 2, 3])
        return planes, tf.cast(coded.qtables[0], tf.uint8)

    def compress(self, image, huffman="progressive", quality=None, table_scale=1.0):
        """One image to the bytes of a standard JPEG file.

        image: uint8 [H, W, 3], or [H, W, 1] for a gray file; huffman: one of
        `jpeg_file.HUFFMAN`; quality: in [1, 100], for the architectures with IJG tables alone;
        table_scale: a factor on the tables, for the rates between those of two models.

        The networks see tiles that overlap by their receptive field, so that memory does not
        grow with the image by more than the image and its coefficients; the file is the same.
        """
        height, width, channels = image.shape
        planes = np.empty([channels, -(-height // BLOCK), -(-width // BLOCK), BLOCK, BLOCK], "i2")
        margin = -(-self.receptive_field // BLOCK) * BLOCK
        for top in range(0, height, self.tile):
            for left in range(0, width, self.tile):
                above, before = min(margin, top), min(margin, left)
                tile = image[
                    top - above : top + self.tile + margin,
                    left - before : left + self.tile + margin,
                ]
                tile = np.broadcast_to(tile, [*tile.shape[:2], 3])
                # One tile has all cores; more at a time would only take more memory.
                with self._one_tile:
                    coded, qtables = self._encode_tile(tile, quality or 0.0, table_scale)
                place = planes[
                    :,
                    top // BLOCK : (top + self.tile) // BLOCK,
                    left // BLOCK : (left + self.tile) // BLOCK,
                ]
                rows, columns = above // BLOCK, before // BLOCK
                place[:] = coded[
                    :channels, rows : rows + place.shape[1], columns : columns + place.shape[2]
                ]
        coefficients = np.moveaxis(planes, 0, -1)
        return jpeg_file.write_jpeg(coefficients, qtables.numpy(), height, width, huffman)

    # Training and validation.

    def loss_terms(self, images, **encode_options):
        """The scalar terms of the loss, by name; `loss` is the one to minimize.

        loss = lmbda * (MSE on the scale 0 to 255 + lpips_weight * LPIPS) + rate; each is the
        mean over the batch.
        """
        reconstruction, coded = self(images, **encode_options)
        squared = tf.math.squared_difference(255.0 * reconstruction, 255.0 * images)
        mse = tf.reduce_mean(squared, axis=[1, 2, 3])
        terms = {
            "mse": tf.reduce_mean(mse),
            # A floor far below a level keeps a lossless crop finite.
            "psnr": tf.reduce_mean(-10.0 * tf.experimental.numpy.log10(mse / 255.0**2 + 1e-10)),
            "rate": self.rate(coded, tf.shape(images)[1], tf.shape(images)[2]),
        }
        distortion = terms["mse"]
        if self.lpips_weight > 0:
            from lpips_tf2 import lpips

            terms["lpips"] = tf.reduce_mean(lpips(images, reconstruction))
            distortion += self.lpips_weight * terms["lpips"]
        terms["loss"] = self.lmbda * distortion + terms["rate"]
        return terms

    @property
    def metrics(self):
        return self._get_metrics()

    def train_step(self, data):
        """Keras's step. data: {"images": uint8 [B, H, W, 3], "features": cached ones or none}."""
        images = tf.cast(data["images"], tf.float32) / 255.0
        features = tf.cast(data["features"], tf.float32) if "features" in data else None
        with tf.GradientTape() as tape:
            terms = self.loss_terms(images, training=True, features=features)
            # Gradients are summed over replicas; the loss is the mean over the whole batch.
            loss = terms["loss"] / tf.distribute.get_strategy().num_replicas_in_sync
        variables = self.trainable_variables
        self.optimizer.apply_gradients(zip(tape.gradient(loss, variables), variables, strict=True))
        for metric in self.metrics:
            metric.update_state(terms[metric.name])
        return {metric.name: metric.result() for metric in self.metrics}

    def random_seed(self, salt):
        """A seed [2] of the stateless generators for this step, replica and purpose (`salt`).

        It follows from the step alone, so a resumed run draws what an unbroken one would.
        """
        replica = tf.distribute.get_replica_context().replica_id_in_sync_group
        step = tf.cast(self.optimizer.iterations, tf.int32)
        return tf.stack([self.seed * 16 + salt, step * 1024 + replica])

    def warn_of_options(self):
        """Says on stderr what about the options of a training cannot be meant."""

    def make_optimizer(self, learning_rate):
        """The optimizer that the architecture is trained with."""
        return tf.keras.optimizers.Adam(learning_rate)


def _over_blocks(qtables):
    """Tables [B or 1, 8, 8, 2] in the shape that spreads them over blocks and channels."""
    return per_channel(qtables)[:, None, None]
