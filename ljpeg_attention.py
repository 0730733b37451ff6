"""LearnedJPEG, the proposed method: learned tables and an attention network.

Strümpler, Yang and Timofte, "Learning to Improve Image Compression without Changing the
Standard Decoder" (arXiv 2009.12927). VGGAttention looks at the image and multiplies each DCT
coefficient, divided by its table entry and not yet rounded, by a factor in (0, 1). Trained on

    lambda * (MSE_255 + lpips_weight * LPIPS) + mean(attention)
    + total_weight_regularizer * sum(1 / table),

or, with --rate bits, with an estimate of the file's bits per pixel instead of mean(attention).
Unlike the published code, the reconstruction in the loss has a decoder's roundings, and the
backbone is VGG16 and frozen unless --backbone vgg19 and --train_backbone are given.
"""

import arg_parser
import compress
import training
from conv_blocks import VGGAttention
from image_utils import per_channel
from ljpeg import LJPEG

import tensorflow as tf


class LJPEGAttention(LJPEG):
    """The pipeline with learned tables and an attention network over the coefficients."""

    architecture = "ljpeg_attention"
    receptive_field = VGGAttention.receptive_field
    tile = 768  # what a network takes, TensorFlow keeps: here 0.6 GB, and 13% for the overlap
    model_options = (*LJPEG.model_options, "backbone", "backbone_weights", "train_backbone")

    def __init__(self, backbone="vgg16", backbone_weights=None, train_backbone=False, **kwargs):
        super().__init__(**kwargs)
        self.attention = VGGAttention(backbone, backbone_weights, train_backbone)

    def edit_coefficients(self, y, images, features):
        attention = self.attention(images, features=features)
        return y * per_channel(attention), attention

    def rate(self, coded, height, width):
        rate = super().rate(coded, height, width)
        return rate if self.rate_of_bits else rate + tf.reduce_mean(coded.attention)

    def warn_of_options(self):
        """None: the attention is a rate term of its own."""


def main(argv=None):
    """Runs the script; returns its exit status."""
    args = arg_parser.make_parser(__doc__, learned_tables=True, backbone=True).parse_args(argv)
    command = compress.compress if args.command == "compress" else training.train
    return command(LJPEGAttention, args)


if __name__ == "__main__":
    arg_parser.run(main)
