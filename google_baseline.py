"""The baseline of Talebi et al. 2020: a CNN edits the pixels before a standard JPEG encoder.

"Better Compression with Deep Pre-Editing" (arXiv 2002.00113), without its NIMA term: the
distortion is the squared error, the rate the bits per pixel that a factorized entropy model
estimates for the quantized coefficients. While training, Gaussian noise of a standard
deviation drawn from U(0, 0.15) is added to each image, and the quality of the IJG tables is
drawn from U(8, 25). Trained on

    lambda * MSE_255 + bpp.

The CNN's output is added to its input, so that it starts as the identity. Trained with that much
noise for 6,600 steps of four 64x64 crops it is a denoiser, from which photographs without noise
suffer; --max_noise 0 made the better JPEG files.
"""

import arg_parser
import compress
import training
from conv_blocks import ResConvLayer
from image_utils import BLOCK, ijg_qtables
from jpeg_pipeline import JPEGPipeline

import tensorflow as tf
import tensorflow_compression as tfc

MAX_NOISE = 0.15  # standard deviation, on the scale 0 to 1; published
QUALITIES = (8.0, 25.0)
# The entropy model learns at this many times the network's rate. At the network's own, its
# estimate of 16 bits per pixel at the start would need 10,000 steps to come near the files'.
PRIOR_RATE = 100.0


class PriorAdam(tf.keras.optimizers.Adam):
    """Adam with the entropy model's steps PRIOR_RATE times as long."""

    def update_step(self, gradient, variable):
        before = tf.identity(variable)
        super().update_step(gradient, variable)
        if variable.name.startswith("DeepFactorized"):
            variable.assign(before + PRIOR_RATE * (variable - before))


class GoogleBaseline(JPEGPipeline):
    """The pipeline with edited pixels and the IJG tables at a quality."""

    architecture = "google_baseline"
    receptive_field = ResConvLayer.receptive_field
    tile = 512  # 128 channels at full resolution: twice the memory a pixel of the others
    model_options = ("lmbda", "max_noise")

    def __init__(self, max_noise=MAX_NOISE, **kwargs):
        super().__init__(**kwargs)
        self.max_noise = max_noise
        self.network = ResConvLayer()
        # One density for each frequency and channel.
        self.prior = tfc.NoisyDeepFactorized(batch_shape=(BLOCK, BLOCK, 3))

    def edit_image(self, images, training):
        if training:
            batch = tf.shape(images)[0]
            deviation = tf.random.stateless_uniform(
                [batch, 1, 1, 1], self.random_seed(0), maxval=self.max_noise
            )
            noise = tf.random.stateless_normal(tf.shape(images), self.random_seed(1))
            images += deviation * noise
        return tf.clip_by_value(images + self.network(images, training=training), 0.0, 1.0)

    def get_qtables(self, batch, quality, training):
        if training:
            quality = tf.random.stateless_uniform([batch], self.random_seed(2), *QUALITIES)
        return ijg_qtables(tf.reshape(quality, [-1]))

    def rate(self, coded, height, width):
        # The coefficients are whole numbers with the gradient of the rounding surrogate, so
        # the model's probability of them needs no noise in its stead.
        entropy_model = tfc.ContinuousBatchedEntropyModel(
            self.prior, coding_rank=5, compression=False, offset_heuristic=False
        )
        _, bits = entropy_model(coded.coefficients, training=False)
        return tf.reduce_mean(bits) / tf.cast(height * width, tf.float32)

    def make_optimizer(self, learning_rate):
        return PriorAdam(learning_rate)


def main(argv=None):
    """Runs the script; returns its exit status."""
    args = arg_parser.make_parser(
        __doc__, learned_tables=False, backbone=False, max_noise=MAX_NOISE
    ).parse_args(argv)
    command = compress.compress if args.command == "compress" else training.train
    return command(GoogleBaseline, args)


if __name__ == "__main__":
    arg_parser.run(main)
