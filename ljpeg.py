#!/usr/bin/env python3
"""LearnedJPEG, tables only: the two quantization tables are learned.

The control of Strümpler, Yang and Timofte, "Learning to Improve Image Compression without
Changing the Standard Decoder" (arXiv 2009.12927). One table for luma and one for chroma are
trained through a differentiable JPEG on

    lambda * (MSE_255 + lpips_weight * LPIPS) + total_weight_regularizer * sum(1 / table)

and, with --rate bits, an estimate of the file's bits per pixel.
"""

import sys

import arg_parser
from jpeg_pipeline import JPEGPipeline
from learned_jpeg.cli import command
from learned_jpeg.jpeg.standard import BLOCK
from learned_jpeg.runtime.lazy import lazy_import

image_utils = lazy_import("image_utils")
tf = lazy_import("tensorflow")

# The trained variable is the table times this ("scale1e-5" in the names of the published runs).
# Adam moves it by about the learning rate, so a table entry by lr / TABLE_SCALE: 0.1 at the
# published rate of 1e-6, at which the weights of a network, of order 0.1, move by 1e-6.
TABLE_SCALE = 1e-5
# No step changes an entry by more than this part of its value.
MAX_TABLE_CHANGE = 0.05


def table_adam(learning_rate):
    """Adam with the relative step of the tables bounded by MAX_TABLE_CHANGE.

    The gradient of the tables is taken with respect to 1/table, in which the rate term is linear.
    The gradient with respect to the table shrinks as 1/table^2. Adam's second moment remembers a
    thousand steps, so the large gradients of the first steps would stop the tables for long.
    """

    class TableAdam(tf.keras.optimizers.Adam):
        def update_step(self, gradient, variable):
            if not variable.name.startswith("qtables"):
                super().update_step(gradient, variable)
                return
            before = tf.identity(variable)
            super().update_step(gradient * tf.square(before / TABLE_SCALE), variable)
            low, high = before * (1 - MAX_TABLE_CHANGE), before * (1 + MAX_TABLE_CHANGE)
            variable.assign(tf.clip_by_value(variable, low, high))

    return TableAdam(learning_rate)


class LJPEG(JPEGPipeline):
    """The pipeline with learned tables."""

    architecture = "ljpeg"
    model_options = (
        *JPEGPipeline.model_options,
        *("lpips_weight", "total_weight_regularizer", "rate", "rounding"),
    )

    def __init__(self, total_weight_regularizer=0.0, rate="published", **kwargs):
        super().__init__(**kwargs)
        self.rate_of_bits = rate == "bits"
        self.total_weight_regularizer = total_weight_regularizer
        start = tf.keras.initializers.RandomUniform(TABLE_SCALE, 2 * TABLE_SCALE, seed=self.seed)
        self.scaled_qtables = tf.Variable(
            start([BLOCK, BLOCK, 2]),
            name="qtables",
            constraint=lambda value: tf.clip_by_value(value, TABLE_SCALE, 255 * TABLE_SCALE),
        )

    def get_qtables(self, batch, rate_setting, training):
        return image_utils.round_straight_through(self.scaled_qtables / TABLE_SCALE)[None]

    def rate(self, coded, height, width):
        rate = self.total_weight_regularizer * tf.reduce_sum(TABLE_SCALE / self.scaled_qtables)
        if self.rate_of_bits:
            bits = image_utils.estimated_bits(coded.coefficients, coded.unrounded)
            rate += tf.reduce_mean(bits) / tf.cast(height * width, tf.float32)
        return rate

    def warn_of_options(self):
        if not self.total_weight_regularizer and not self.rate_of_bits:
            print(
                "warning: with --total_weight_regularizer 0 nothing keeps the tables from 1, "
                "the finest; published runs use 10",
                file=sys.stderr,
            )

    def make_optimizer(self, learning_rate):
        return table_adam(learning_rate)

    @classmethod
    def add_options(cls, parser):
        super().add_options(parser)
        # The shipped runs with --rate bits have these defaults, and lambdas from 0.0005 to 0.02.
        parser.set_defaults(lmbda=0.005, patchsize=128, lr=1e-3)
        parser.add_argument(
            "--published",
            action=arg_parser.Preset,
            const={
                **arg_parser.PUBLISHED,
                **{"total_weight_regularizer": 0.0, "rate": "published", "rounding": "cubic"},
            },
            help="use the published code's defaults for all options that are not given: a million "
            "steps at a learning rate of 1e-4 on crops of 256x256, its loss and its rounding",
        )
        parser.add_argument(
            "--lpips_weight",
            type=arg_parser.number(float, 0),
            default=0.0,
            metavar="W",
            help="weight of LPIPS (AlexNet, v0.1) beside the squared error in the distortion; "
            "published runs: 0, 500, 5000. With 0 it is not computed",
        )
        parser.add_argument(
            "--total_weight_regularizer",
            type=arg_parser.number(float, 0),
            default=0.3,
            metavar="W",
            help="weight of the tables' rate term, the sum of 1/table over all 128 entries; "
            "published runs: 10",
        )
        parser.add_argument(
            "--rate",
            choices=("published", "bits"),
            default="bits",
            help="rate term beside that of the tables: the mean of the attention, as published, or "
            "an estimate of the file's bits per pixel, with which lambdas are about a tenth",
        )
        arg_parser.add_rounding(parser)


ARCHITECTURE = LJPEG


def main(argv=None):
    """Runs the script; returns its exit status."""
    return arg_parser.main(LJPEG, __doc__, argv)


if __name__ == "__main__":
    command.run(main)
