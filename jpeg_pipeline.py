"""JPEG as one differentiable flow whose stages an architecture may replace.

    RGB -> edit_image -> YCbCr, blocks, DCT -> / get_qtables -> edit_coefficients -> rounding
        -> * tables, IDCT, upsampling, RGB: the reconstruction

Files are written from the same stages up to the rounding, which a quantizer does for the whole
image (`learned_jpeg.models.encoding`). Importing this module does not import TensorFlow.
"""

import functools
from typing import Any, NamedTuple

from learned_jpeg.jpeg import standard
from learned_jpeg.jpeg.sampling import SAMPLINGS, Planes
from learned_jpeg.models import tiles
from learned_jpeg.models.model import FileModel, RateSetting
from learned_jpeg.runtime.lazy import lazy_import

image_utils = lazy_import("image_utils")
lpips_tf2 = lazy_import("learned_jpeg.metrics.lpips_tf2")
tf = lazy_import("tensorflow")

__all__ = ["ARCHITECTURES", "ROUNDINGS", "Coded", "RateSetting", "Edit", "JPEGPipeline"]

# The one list of architectures: the scripts with a class ARCHITECTURE.
ARCHITECTURES = ("ljpeg_PIL", "ljpeg", "ljpeg_attention", "google_baseline", "ljpeg_rdo")

# The surrogate gradients of the rounding: image_utils has a function `round_<name>` for each.
ROUNDINGS = ("cubic", "mixed")


class Edit(NamedTuple):
    """What an architecture makes of the coefficients of a batch.

    y: Planes, the coefficients over their tables. attention: Planes of factors in (0, 1), or
    None.
    """

    y: Planes
    attention: Planes | None = None


class Coded(NamedTuple):
    """What the encoder decided about a batch of images.

    coefficients: Planes float32, whole numbers. unrounded: the same before they were rounded.
    qtables: float32 [B or 1, 8, 8, 2], whole numbers in [1, 255]. edit: Edit.
    """

    coefficients: Planes
    unrounded: Planes
    qtables: Any
    edit: Edit


class DifferentiableJPEG(FileModel):
    """The data flow as a graph; an architecture overrides the stages that it replaces.

    rounding: the surrogate gradient of the coefficients' rounding, one of ROUNDINGS. sampling: of
    chroma, one of SAMPLINGS.
    """

    tile = 1024  # side in pixels of what is analysed at a time, a multiple of 16

    def __init__(self, rounding="cubic", **kwargs):
        super().__init__(**kwargs)
        self.rounding = rounding
        self.graphs = {}  # the analysis as a graph for each sampling, see models.tiles

    # The stages that an architecture may replace.

    def edit_image(self, images, training):
        """images [B, H, W, 3] in [0, 1] -> the same."""
        return images

    def edit_coefficients(self, y, images, rate_setting, sampling, features):
        """y: Planes, coefficients over tables; images [B, H, W, 3] in [0, 1], H and W multiples
        of 8; sampling: of y; features: those of a cache, or None -> Edit."""
        return Edit(y)

    def parts(self):
        """{name: variable or layer}: what a checkpoint holds of the model."""
        kinds = tf.Variable, tf.Module
        return {name: part for name, part in vars(self).items() if isinstance(part, kinds)}

    # The flow.

    @property
    def edits(self):
        """Whether image or coefficients are edited, by what needs TensorFlow."""
        plain, stages = DifferentiableJPEG, ("edit_image", "edit_coefficients")
        return any(getattr(type(self), name) is not getattr(plain, name) for name in stages)

    def analyse(
        self,
        images,
        rate_setting=None,
        training=False,
        features=None,
        table_scale=None,
        sampling=None,
    ):
        """images [B, H, W, 3] in [0, 1] -> (Edit, qtables [B or 1, 8, 8, 2], YCbCr).

        table_scale: a factor on the tables, for the rates between those of two models. sampling:
        None for the model's own. YCbCr is the edited image's, around 0, padded to whole blocks.
        """
        sampling = sampling or self.sampling
        images = image_utils.pad(self.edit_image(images, training), 8, (1, 2))
        qtables = tf.cast(self.get_qtables(tf.shape(images)[0], rate_setting, training), tf.float32)
        if table_scale is not None:
            qtables = tf.clip_by_value(tf.round(qtables * table_scale), 1.0, 255.0)
        ycbcr = image_utils.rgb_to_ycbcr(255.0 * images)
        tables = image_utils.over_planes(qtables)
        samples = image_utils.split(ycbcr, sampling)
        y = Planes(
            *(
                image_utils.dct(image_utils.to_blocks(part)) / table
                for part, table in zip(samples, tables, strict=True)
            )
        )
        return self.edit_coefficients(y, images, rate_setting, sampling, features), qtables, ycbcr

    def encode(self, images, rate_setting=None, training=False, features=None):
        """images [B, H, W, 3] in [0, 1] -> Coded, with the surrogate gradient of the rounding."""
        edit, qtables, _ = self.analyse(images, rate_setting, training, features)
        rounded = getattr(image_utils, f"round_{self.rounding}")
        coefficients = (
            tf.clip_by_value(rounded(part), standard.LOWEST, standard.HIGHEST) for part in edit.y
        )
        return Coded(Planes(*coefficients), edit.y, qtables, edit)

    def decode(self, coefficients, qtables, height, width, clip=True):
        """What a standard decoder makes of them: [B, height, width, 3], 256 levels in [0, 1].

        The gradient passes the decoder's roundings straight through. clip: as a decoder does.
        Training goes without: where the image is black or white, a clipped reconstruction has
        an error, and so a gradient, on one side of the original only, which pulls the table's
        entry for the mean, 1000 levels wide there, far off its optimum.
        """

        def clipped(x, low, high):
            return tf.clip_by_value(x, low, high) if clip else x

        luma, chroma = (
            clipped(image_utils.from_blocks(image_utils.idct_decoder(part * table)), -128.0, 127.0)
            for part, table in zip(coefficients, image_utils.over_planes(qtables), strict=True)
        )
        ycbcr = image_utils.merge(luma, chroma, height, width, self.sampling)
        rgb = image_utils.round_straight_through(image_utils.ycbcr_to_rgb(ycbcr))
        return clipped(rgb, 0.0, 255.0) / 255.0

    def reconstruct(self, images, rate_setting=None, training=False, features=None):
        """images [B, H, W, 3] in [0, 1] -> (reconstruction of the same shape, Coded)."""
        coded = self.encode(images, rate_setting, training, features)
        height, width = tf.shape(images)[1], tf.shape(images)[2]
        return self.decode(coded.coefficients, coded.qtables, height, width, not training), coded

    def analyse_picture(self, pixels, rate_setting, coding, table_scale=1.0):
        if self.edits:
            return tiles.analyse(self, pixels, rate_setting, coding, table_scale)
        return super().analyse_picture(pixels, rate_setting, coding, table_scale)

    # What several points of a rate-distortion curve share.

    @classmethod
    def frozen_network(cls, options):
        """{what: text} that the output of a network follows from which no training changes, by
        the options of the training; None without such a network."""
        return None

    @classmethod
    def shared(cls, folder, options):
        if frozen := cls.frozen_network(options):
            return " ".join(map(str, frozen.values()))
        edits = cls.edit_image is not DifferentiableJPEG.edit_image
        return str(folder) if edits else None

    def share(self, remembered):
        """Takes from memory what that network gives. remembered: a network to one that calls it
        only for images that it does not know."""
        network = remembered(functools.partial(self.edit_image, training=False))
        self.edit_image = lambda images, training: network(images)


class JPEGPipeline(DifferentiableJPEG):
    """The flow with a loss: what an architecture that is trained derives from.

    lmbda: weight of the distortion against the rate. lpips_weight: weight of LPIPS beside the
    squared error in the distortion; at 0 it is not computed. seed: of all that is random.
    """

    portable = False  # whether its parts are all variables that numpy, as `weights`, can stand for
    model_options = ("lmbda", "sampling")  # the arguments of __init__ that shape model or loss

    def __init__(self, lmbda=0.01, lpips_weight=0.0, seed=0, **kwargs):
        super().__init__(**kwargs)
        self.lmbda = lmbda
        self.lpips_weight = lpips_weight
        self.seed = seed
        self.step = None  # a function that gives the optimizer's count, for `random_seed`
        self.loss_names = ["loss", "mse", "psnr", "rate"] + ["lpips"] * (lpips_weight > 0)

    def rate(self, coded, height, width):
        """The rate term of the loss, a scalar."""
        raise NotImplementedError

    def prepare(self, args, source):
        """What is learned before the steps, if anything; args: the options of `train`; source: a
        crops.CropSource."""

    def loss_terms(self, images, **options):
        """The scalar terms of the loss, by name; `loss` is the one to minimize.

        loss = lmbda * (MSE on the scale 0 to 255 + lpips_weight * LPIPS) + rate; each is the
        mean over the batch. options: those of `reconstruct`.
        """
        reconstruction, coded = self.reconstruct(images, **options)
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
            terms["lpips"] = tf.reduce_mean(lpips_tf2.lpips(images, reconstruction))
            distortion += self.lpips_weight * terms["lpips"]
        terms["loss"] = self.lmbda * distortion + terms["rate"]
        return terms

    def random_seed(self, salt):
        """A seed [2] of the stateless generators for this step, replica and purpose (`salt`).

        It follows from the step alone, so a resumed run draws what an unbroken one would.
        """
        replica = tf.distribute.get_replica_context().replica_id_in_sync_group
        step = tf.cast(self.step(), tf.int32)
        return tf.stack([self.seed * 16 + salt, step * 1024 + replica])

    def make_optimizer(self, learning_rate):
        """The optimizer that the architecture is trained with."""
        return tf.keras.optimizers.Adam(learning_rate)

    @staticmethod
    def check_options(args):
        """Raises UserError for options of `train` that are good each and cannot work together."""

    def warn_of_options(self):
        """Says on stderr what about the options of a training cannot be meant."""

    def frozen_features(self):
        """What gives the features [B, rows, columns, channels] of images that no step changes, so
        that they may be computed once; None where all is trained."""
        return None

    @classmethod
    def add_options(cls, parser):
        """Adds the options of `train` that the architecture's own arguments come from."""
        parser.add_argument(
            "--sampling",
            choices=SAMPLINGS,
            default="444",
            help="sampling of chroma: 444 as published; with 420 the files have a quarter of its "
            "samples, and the loss sees what a decoder makes of them",
        )
