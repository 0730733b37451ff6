#!/usr/bin/env python3
"""LearnedJPEG, the proposed method: learned tables and an attention network.

Strümpler, Yang and Timofte, "Learning to Improve Image Compression without Changing the
Standard Decoder" (arXiv 2009.12927). From the image, VGGAttention computes a factor in (0, 1) for
each DCT coefficient, which is divided by its table entry, multiplied by the factor and rounded.
Trained on

    lambda * (MSE_255 + lpips_weight * LPIPS) + mean(attention)
    + total_weight_regularizer * sum(1 / table),

or, with --rate bits, with an estimate of the file's bits per pixel instead of mean(attention).
Unlike the published code, the reconstruction in the loss has a decoder's rounding, and the backbone
is a frozen VGG16 unless --backbone vgg19 and --train_backbone are given. At 4:2:0, a chroma block
has the mean factors of the four blocks that it covers.
"""

import arg_parser
from jpeg_pipeline import Edit
from learned_jpeg.cli import command
from learned_jpeg.jpeg.sampling import Planes
from learned_jpeg.models import checkpoints
from learned_jpeg.runtime.errors import UserError
from learned_jpeg.runtime.lazy import lazy_import
from ljpeg import LJPEG

conv_blocks = lazy_import("conv_blocks")
image_utils = lazy_import("image_utils")
tf = lazy_import("tensorflow")

BACKBONES = ("vgg16", "vgg19")  # functions of conv_blocks


class LJPEGAttention(LJPEG):
    """The pipeline with learned tables and an attention network over the coefficients."""

    architecture = "ljpeg_attention"
    receptive_field = 24  # conv_blocks.VGGAttention's
    tile = 768  # the network takes 0.6 GB, which TensorFlow keeps; the overlap costs 13%
    model_options = (*LJPEG.model_options, "backbone", "backbone_weights", "train_backbone")
    file_options = ("backbone_weights",)

    def __init__(self, backbone="vgg16", backbone_weights=None, train_backbone=False, **kwargs):
        super().__init__(**kwargs)
        network = getattr(conv_blocks, backbone)(backbone_weights)
        self.attention = conv_blocks.VGGAttention(network, train_backbone)

    @classmethod
    def frozen_network(cls, options):
        if options.get("train_backbone"):
            return None
        weights = options.get("backbone_weights")
        return {
            "backbone": options.get("backbone", "vgg16"),
            "backbone_weights": weights and checkpoints.sha256(weights),
        }

    def frozen_features(self):
        return None if self.attention.train_backbone else self.attention.features

    def share(self, remembered):
        network, edit_coefficients = remembered(self.attention.features), self.edit_coefficients
        self.edit_coefficients = lambda y, images, rate_setting, sampling, _: edit_coefficients(
            y, images, rate_setting, sampling, network(images)
        )

    def edit_coefficients(self, y, images, rate_setting, sampling, features):
        luma, chroma = tf.unstack(self.attention(images, features=features), axis=-1)
        if sampling == "420":
            blocks = image_utils.pad(chroma, 2, (1, 2))
            rows = 0.5 * (blocks[:, ::2] + blocks[:, 1::2])
            chroma = 0.5 * (rows[:, :, ::2] + rows[:, :, 1::2])
        attention = Planes(luma, chroma)
        return Edit(Planes(y.luma * luma, y.chroma * chroma[:, None]), attention=attention)

    def rate(self, coded, height, width):
        rate = super().rate(coded, height, width)
        if self.rate_of_bits:
            return rate
        return rate + 0.5 * sum(map(tf.reduce_mean, coded.edit.attention))

    @staticmethod
    def check_options(args):
        if args.feature_cache and args.train_backbone:
            raise UserError("--feature_cache holds features that --train_backbone would change")

    def warn_of_options(self):
        """Nothing: the attention is a rate term of its own."""

    @classmethod
    def add_options(cls, parser):
        super().add_options(parser)
        parser.set_defaults(last_step=10_000)
        parser.add_argument(
            "--backbone",
            choices=BACKBONES,
            default="vgg16",
            help="pretrained network: vgg16 comes with the project; vgg19, the published one, is "
            "downloaded by Keras",
        )
        parser.add_argument(
            "--backbone_weights",
            metavar="FILE",
            help="file with the weights of the backbone: for vgg16 an .npz like "
            "weights/vgg16_imagenet_block3.npz, for vgg19 Keras's "
            "vgg19_weights_tf_dim_ordering_tf_kernels_notop.h5",
        )
        parser.add_argument(
            "--train_backbone",
            action="store_true",
            help="train the backbone too, as published; the checkpoint then contains it",
        )
        parser.add_argument(
            "--feature_cache",
            metavar="DIR",
            help="train on a fixed set of crops, whose backbone features are computed once and "
            "kept in this folder; runs of the same images, crops and backbone may share it "
            "(default: `features` in the checkpoint's folder if a frozen backbone would see more "
            "crops than the set has; none with --published)",
        )
        parser.add_argument(
            "--cached_crops",
            type=arg_parser.number(int, 0),
            default=4000,
            metavar="N",
            help="number of crops in this set; 0 trains on new crops at every step",
        )


ARCHITECTURE = LJPEGAttention


def main(argv=None):
    """Runs the script; returns its exit status."""
    return arg_parser.main(LJPEGAttention, __doc__, argv)


if __name__ == "__main__":
    command.run(main)
