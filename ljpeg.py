"""LearnedJPEG, tables only: the two quantization tables are learned.

The control of Strümpler, Yang and Timofte, "Learning to Improve Image Compression without
Changing the Standard Decoder" (arXiv 2009.12927). One table for luma and one for chroma are
trained through a differentiable JPEG on

    lambda * (MSE_255 + lpips_weight * LPIPS) + total_weight_regularizer * sum(1 / table)

and, with --rate bits, an estimate of the file's bits per pixel.
"""

import sys

import arg_parser
import compress
import training
from image_utils import BLOCK, estimated_bits, round_straight_through
from jpeg_pipeline import JPEGPipeline

import tensorflow as tf

# The trained variable is the table times this ("scale1e-5" in the names of the published runs):
# Adam moves it by about the learning rate, so an entry by lr / TABLE_SCALE levels, 0.1 at the
# published 1e-6, while the weights of a network, of order 0.1, move by 1e-6.
TABLE_SCALE = 1e-5
# At higher learning rates, no step changes an entry by more than this part of its value.
MAX_TABLE_CHANGE = 0.05


class TableAdam(tf.keras.optimizers.Adam):
    """Adam with the relative step of the tables bounded by MAX_TABLE_CHANGE.

    Their gradient is taken with respect to 1/table, in which the rate term is linear. With
    respect to the table it shrinks as 1/table^2, and Adam, whose second moment lasts for a
    thousand steps, would let the first steps' hold the tables still long after.
    """

    def update_step(self, gradient, variable):
        if not variable.name.startswith("qtables"):
            super().update_step(gradient, variable)
            return
        before = tf.identity(variable)
        super().update_step(gradient * tf.square(before / TABLE_SCALE), variable)
        low, high = before * (1 - MAX_TABLE_CHANGE), before * (1 + MAX_TABLE_CHANGE)
        variable.assign(tf.clip_by_value(variable, low, high))


class LJPEG(JPEGPipeline):
    """The pipeline with learned tables."""

    architecture = "ljpeg"
    model_options = ("lmbda", "lpips_weight", "total_weight_regularizer", "rate", "rounding")

    def __init__(self, total_weight_regularizer=0.0, rate="published", **kwargs):
        super().__init__(**kwargs)
        self.rate_of_bits = rate == "bits"
        self.total_weight_regularizer = total_weight_regularizer
        self.scaled_qtables = self.add_weight(
            "qtables",
            [BLOCK, BLOCK, 2],
            initializer=tf.keras.initializers.RandomUniform(
                TABLE_SCALE, 2 * TABLE_SCALE, seed=self.seed
            ),
            constraint=lambda value: tf.clip_by_value(value, TABLE_SCALE, 255 * TABLE_SCALE),
        )

    def get_qtables(self, batch, quality, training):
        return round_straight_through(self.scaled_qtables / TABLE_SCALE)[None]

    def rate(self, coded, height, width):
        rate = self.total_weight_regularizer * tf.reduce_sum(TABLE_SCALE / self.scaled_qtables)
        if self.rate_of_bits:
            bits = estimated_bits(coded.coefficients, coded.unrounded)
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
        return TableAdam(learning_rate)


def main(argv=None):
    """Runs the script; returns its exit status."""
    args = arg_parser.make_parser(__doc__, learned_tables=True, backbone=False).parse_args(argv)
    command = compress.compress if args.command == "compress" else training.train
    return command(LJPEG, args)


if __name__ == "__main__":
    arg_parser.run(main)
