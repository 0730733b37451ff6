"""JPEG as one differentiable flow whose stages an architecture may replace.

    RGB -> edit_image -> YCbCr, blocks, DCT -> / get_qtables -> edit_coefficients -> rounding
        -> * tables, IDCT, upsampling, RGB: the reconstruction

Files are written from the same stages up to the rounding; a quantizer then chooses the levels of
the whole image (`learned_jpeg.models.encoding`). Importing this module does not import TensorFlow.
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

# The list of architectures: the scripts with a class ARCHITECTURE.
ARCHITECTURES = ("ljpeg_PIL", "ljpeg", "ljpeg_attention", "google_baseline", "ljpeg_rdo")

# The surrogate gradients of the rounding: image_utils has a function `round_<name>` for each.
ROUNDINGS = ("cubic", "mixed")


class Edit(NamedTuple):
    """The edited coefficients of a batch.

    y: Planes, coefficients over their tables. attention: Planes of factors in (0, 1), or None.
    """

    y: Planes
    attention: Planes | None = None


class Coded(NamedTuple):
    """A batch of images behind the encoder.

    coefficients: the levels, Planes of float32 whole numbers. unrounded: the coefficients over
    their tables before they were rounded. qtables: float32 [B or 1, 8, 8, 2], whole numbers in [1,
    255]. edit: Edit.
    """

    coefficients: Planes
    unrounded: Planes
    qtables: Any
    edit: Edit


class DifferentiableJPEG(FileModel):
    """The data flow as a graph; an architecture overrides the stages that it replaces.

    rounding: the surrogate gradient of the coefficients' rounding, one of ROUNDINGS. Other
    arguments are those of FileModel.
    """

    tile = 1024  # side of a tile of `models.tiles` in pixels, a multiple of 16

    def __init__(self, rounding="cubic", **kwargs):
        super().__init__(**kwargs)
        self.rounding = rounding
        self.graphs = {}  # the graphs of `models.tiles`, by sampling

    # The stages that an architecture may replace.

    def edit_image(self, images, training):
        """images [B, H, W, 3] in [0, 1] -> edited images of the same shape and range."""
        return images

    def edit_coefficients(self, y, images, rate_setting, sampling, features):
        """Coefficients y over their tables, Planes -> Edit.

        images: [B, H, W, 3] in [0, 1], H and W multiples of 8; rate_setting: a number or None;
        sampling: of y; features: of the images, from a cache, or None.
        """
        return Edit(y)

    def parts(self):
        """{name: variable or layer} of the model, which a checkpoint holds."""
        kinds = tf.Variable, tf.Module
        return {name: part for name, part in vars(self).items() if isinstance(part, kinds)}

    # The flow.

    @property
    def edits(self):
        """Whether the architecture edits images or coefficients, which needs TensorFlow."""
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

        table_scale: a factor on the tables, for the rates between those of two models, or None;
        sampling: None for the model's own; others: as in the stages above. The YCbCr is that of the
        edited images, around 0, padded to whole blocks.
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
        """The images that a standard decoder makes: [B, height, width, 3], 256 values in [0, 1].

        coefficients: levels, Planes; qtables: [B or 1, 8, 8, 2]; clip: whether samples are clipped,
        as a decoder does. The gradient passes the decoder's rounding straight through. Training
        does not clip: in black or white areas a clipped reconstruction has errors of one sign
        alone, whose gradient moves the table's DC entry far off its optimum.
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

    # Networks whose output several rate-distortion points share.

    @classmethod
    def frozen_network(cls, options):
        """{name: text} that identifies a network which the training does not change, or None.

        options: of the training.
        """
        return None

    @classmethod
    def shared(cls, folder, options):
        if frozen := cls.frozen_network(options):
            return " ".join(map(str, frozen.values()))
        edits = cls.edit_image is not DifferentiableJPEG.edit_image
        return str(folder) if edits else None

    def share(self, remembered):
        """Caches the output of the shared network. remembered: function of a network that returns
        the network with a cache."""
        network = remembered(functools.partial(self.edit_image, training=False))
        self.edit_image = lambda images, training: network(images)


class JPEGPipeline(DifferentiableJPEG):
    """The flow with a loss: the base class of architectures that are trained.

    lmbda: the weight of the distortion against the rate. lpips_weight: the weight of LPIPS against
    the squared error in the distortion; at 0, LPIPS is not computed. seed: of all random numbers.
    """

    portable = False  # whether all parts are variables, for which arrays `weights` can stand
    model_options = ("lmbda", "sampling")  # the arguments of __init__ that shape model or loss

    def __init__(self, lmbda=0.01, lpips_weight=0.0, seed=0, **kwargs):
        super().__init__(**kwargs)
        self.lmbda = lmbda
        self.lpips_weight = lpips_weight
        self.seed = seed
        self.step = None  # a function that returns the number of the step, for `random_seed`
        self.loss_names = ["loss", "mse", "psnr", "rate"] + ["lpips"] * (lpips_weight > 0)

    def rate(self, coded, height, width):
        """The rate term of the loss, a scalar."""
        raise NotImplementedError

    def prepare(self, args, source):
        """Learns before the steps of the training. args: the options of `train`; source: a
        crops.CropSource."""

    def loss_terms(self, images, **options):
        """The scalar terms of the loss, by name; `loss` is the one to minimize.

        loss = lmbda * (MSE on the scale 0 to 255 + lpips_weight * LPIPS) + rate, where each term is
        a mean over the batch. options: those of `reconstruct`.
        """
        reconstruction, coded = self.reconstruct(images, **options)
        squared = tf.math.squared_difference(255.0 * reconstruction, 255.0 * images)
        mse = tf.reduce_mean(squared, axis=[1, 2, 3])
        terms = {
            "mse": tf.reduce_mean(mse),
            # The constant keeps the PSNR of a lossless crop finite.
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

        The seed depends on nothing else, so a resumed run draws the numbers of an unbroken run.
        """
        replica = tf.distribute.get_replica_context().replica_id_in_sync_group
        step = tf.cast(self.step(), tf.int32)
        return tf.stack([self.seed * 16 + salt, step * 1024 + replica])

    def make_optimizer(self, learning_rate):
        """The optimizer that the architecture is trained with."""
        return tf.keras.optimizers.Adam(learning_rate)

    @staticmethod
    def check_options(args):
        """Raises UserError for options of `train` that cannot work together."""

    def warn_of_options(self):
        """Warns on stderr of options of a training that hardly make sense."""

    def frozen_features(self):
        """A function from images to their features [B, rows, columns, channels] that no step
        changes, so that they may be computed once; None without such features."""
        return None

    @classmethod
    def add_options(cls, parser):
        """Adds the options of `train` that set the architecture's own arguments."""
        parser.add_argument(
            "--sampling",
            choices=SAMPLINGS,
            default="444",
            help="sampling of chroma: 444 as published; with 420 the files have a quarter of its "
            "samples, and the loss sees what a decoder makes of them",
        )
