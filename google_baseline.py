#!/usr/bin/env python3
"""The baseline of Talebi et al. 2020: a CNN edits the pixels before a standard JPEG encoder.

"Better Compression with Deep Pre-Editing" (arXiv 2002.00113), without its NIMA term: the
distortion is the squared error, the rate the bits per pixel that a factorized entropy model
estimates for the quantized coefficients. While training, Gaussian noise of a standard
deviation drawn from U(0, 0.15) is added to each image, and the quality of the IJG tables is
drawn from U(8, 25). Trained on

    lambda * MSE_255 + bpp.

The CNN's output is added to its input, so that it starts as the identity. Three defaults differ
from the published training, for they made better JPEG files: no noise (after 6,600 steps of four
64x64 crops with noise, the CNN is a denoiser, which harms photographs without noise), the gradient
of --rounding mixed, and batch normalization as in files.
"""

import argparse

import arg_parser
from jpeg_pipeline import JPEGPipeline, RateSetting
from learned_jpeg.cli import command
from learned_jpeg.jpeg import standard
from learned_jpeg.runtime.lazy import lazy_import

conv_blocks = lazy_import("conv_blocks")
tf = lazy_import("tensorflow")
tfc = lazy_import("tensorflow_compression")

MAX_NOISE = 0.15  # standard deviation, on the scale 0 to 1; published
QUALITIES = (8.0, 25.0)
# The learning rate of the entropy model is that of the network times this. The estimate starts at
# 16 bits per pixel; at the network's rate it would take 10,000 steps to come near that of files.
PRIOR_RATE = 100.0


def prior_adam(learning_rate):
    """Adam with the entropy model's steps PRIOR_RATE times as long."""

    class PriorAdam(tf.keras.optimizers.Adam):
        def update_step(self, gradient, variable):
            before = tf.identity(variable)
            super().update_step(gradient, variable)
            if variable.name.startswith("DeepFactorized"):
                variable.assign(before + PRIOR_RATE * (variable - before))

    return PriorAdam(learning_rate)


class GoogleBaseline(JPEGPipeline):
    """The pipeline with edited pixels and the IJG tables at a quality."""

    architecture = "google_baseline"
    rate_setting = RateSetting(
        "quality", 1, 100, 25, (5, 10, 15, 20, 25)
    )  # points: arXiv 2009.12927
    receptive_field = 13  # conv_blocks.ResConvLayer's
    tile = 512  # 128 channels at full resolution take much memory
    model_options = (
        *JPEGPipeline.model_options,
        *("max_noise", "frozen_norm", "bfloat16", "rounding"),
    )

    def __init__(self, max_noise=MAX_NOISE, frozen_norm=False, bfloat16=False, **kwargs):
        super().__init__(**kwargs)
        self.max_noise = max_noise
        self.frozen_norm = frozen_norm
        self.bfloat16 = bfloat16
        self.network = conv_blocks.ResConvLayer()
        # One density for each frequency and channel.
        self.prior = tfc.NoisyDeepFactorized(batch_shape=(standard.BLOCK, standard.BLOCK, 3))

    def edit_image(self, images, training):
        if training:
            batch = tf.shape(images)[0]
            deviation = tf.random.stateless_uniform(
                [batch, 1, 1, 1], self.random_seed(0), maxval=self.max_noise
            )
            noise = tf.random.stateless_normal(tf.shape(images), self.random_seed(1))
            images += deviation * noise
        change = self.network(
            images, training and not self.frozen_norm, bfloat16=training and self.bfloat16
        )
        return tf.clip_by_value(images + change, 0.0, 1.0)

    def get_qtables(self, batch, rate_setting, training):
        if training:
            rate_setting = tf.random.stateless_uniform([batch], self.random_seed(2), *QUALITIES)
        return standard.ijg_qtables(tf.reshape(rate_setting, [-1]), tf.experimental.numpy)

    def rate(self, coded, height, width):
        # The levels are whole numbers with a surrogate gradient, so that the entropy model needs no
        # noise in place of rounding.
        luma, chroma = coded.coefficients
        rows, columns = tf.shape(luma)[1], tf.shape(luma)[2]
        share = 1.0
        if self.sampling == "420":
            # The entropy model takes all three components at once: it gets each block of chroma
            # four times.
            chroma, share = tf.repeat(tf.repeat(chroma, 2, axis=2), 2, axis=3), 0.25
        together = tf.concat([luma[:, None], chroma[:, :, :rows, :columns]], axis=1)
        log_probability = self.prior.log_prob(tf.transpose(together, [0, 2, 3, 4, 5, 1]))
        nats = -tf.reduce_sum(log_probability * [1.0, share, share], axis=[1, 2, 3, 4, 5])
        return tf.reduce_mean(nats) / tf.math.log(2.0) / tf.cast(height * width, tf.float32)

    def make_optimizer(self, learning_rate):
        return prior_adam(learning_rate)

    @classmethod
    def add_options(cls, parser):
        super().add_options(parser)
        parser.set_defaults(lmbda=0.005, patchsize=64, last_step=600, lr=3e-4)
        parser.add_argument(
            "--published",
            action=arg_parser.Preset,
            const={
                **arg_parser.PUBLISHED,
                **{"max_noise": MAX_NOISE, "frozen_norm": False, "rounding": "cubic"},
            },
            help="use the published code's defaults for all options that are not given: "
            "a million steps on crops of 256x256, with noise",
        )
        parser.add_argument(
            "--max_noise",
            type=arg_parser.number(float, 0, 1),
            default=0.0,
            metavar="SIGMA",
            help="largest standard deviation of the Gaussian noise on the images (0 to 1)",
        )
        parser.add_argument(
            "--frozen_norm",
            action=argparse.BooleanOptionalAction,
            default=True,
            help="use the running statistics of batch normalization in training too, as for files; "
            "those of small batches differ",
        )
        parser.add_argument(
            "--bfloat16",
            action="store_true",
            help="compute the network's products in bfloat16 in training: 1.7 times as fast on a "
            "CPU with AVX512_BF16 or AMX, slow on others",
        )
        arg_parser.add_rounding(parser)


ARCHITECTURE = GoogleBaseline


def main(argv=None):
    """Runs the script; returns its exit status."""
    return arg_parser.main(GoogleBaseline, __doc__, argv)


if __name__ == "__main__":
    command.run(main)
