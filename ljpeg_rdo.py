"""LearnedJPEG for the search: what is learned is learned for the integers that it chooses.

The integers of a file are found by dynamic programming over the very Huffman codes that it will
have (`learned_jpeg.quantizer`). Learned are what the search does not find by itself: the tables as
smooth functions of the rate, what the search takes for an error, and a small network that says
for each block how much its bits may cost. One model serves all qualities. Trained on

    log2(bpp) + sum over the metrics of weight * worth * log2(distortion),

the logarithm of the bits needed at equal quality in the weighted mean over the metrics, where a
metric's worth is that of halving its distortion, in doublings of the bits.

The search runs in the training as it does for a file. The network's gradient is that of two more
searches, with all bits a little dearer and cheaper; the tables and the error learn from the
difference between two more, with all of them moved a little to either side at random.
"""

import functools
import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import arg_parser
from jpeg_pipeline import Coded, Dial, Edit, JPEGPipeline
from learned_jpeg import command, sampling, strengths, tuning
from learned_jpeg.lazy import lazy_import
from learned_jpeg.sampling import Planes
from learned_jpeg.standard import BLOCK

import numpy as np

distortions = lazy_import("learned_jpeg.distortions")
huffman = lazy_import("learned_jpeg.huffman")
lpips_tf2 = lazy_import("learned_jpeg.lpips_tf2")
quantizer = lazy_import("learned_jpeg.quantizer")
tf = lazy_import("tensorflow")
transform = lazy_import("learned_jpeg.transform")

FINEST, COARSEST = 1.2, 60.0  # the steps of the tables in training, about 2.5 and 0.12 bpp
DEARER = 0.25  # how much dearer and cheaper, in doublings, the bits of the two other searches are
MOVED = 0.05  # how far tables and error are moved to either side, as logarithms

# What is learned of the error, see tuning.Tune: logarithms of factors, or differences.
FACTORS = ("lmbda", "squares", "hvs", "chroma")
DIFFERENCES = ("mask", "busy")
# The shapes, over the frequencies, that the logarithm of a table is a sum of: luma's, whose mean
# the quality sets, and chroma's.
_DOWN, _RIGHT = np.mgrid[:BLOCK, :BLOCK] / (BLOCK - 1)
_SUM, _DIFFERENCE = (_DOWN + _RIGHT) / 2, _DOWN - _RIGHT
_MEAN = np.zeros([BLOCK, BLOCK])
_MEAN[0, 0] = 1
SHAPES = np.stack([_MEAN, _SUM, _SUM**2, _DIFFERENCE, _DIFFERENCE**2, np.ones([BLOCK, BLOCK])])
PLANES = len(SHAPES) - 1, len(SHAPES)
NUMBERS = len(FACTORS) + len(DIFFERENCES) + 2 * sum(PLANES)
# The most of a shape, and of how it changes with the logarithm of the step: tables stay monotone.
LIMITS = 1.5, 0.15

# A metric's weight is an option; its worth: doublings of bpp for a halved distortion, the mean
# slope of mozjpeg's 4:2:0 files of photographs from 0.15 to 2.5 bpp.
WORTH = {"mse": 0.92, "ms_ssim": 0.78, "lpips": 0.86, "hvs": 0.56}


class LJPEGRDO(JPEGPipeline):
    """The pipeline with learned tables, error and strengths for the search."""

    architecture = "ljpeg_rdo"
    default_model = "rdo_visual"
    dial = Dial("quality", 1, 100, 75, (*range(1, 10), *range(10, 91, 5)))
    quantizer = "trellis"
    model_options = ("sampling", "search", *(f"{name}_weight" for name in WORTH))

    def __init__(
        self,
        search="visual",
        mse_weight=0.2,
        ms_ssim_weight=0.4,
        lpips_weight=0.2,
        hvs_weight=0.2,
        weights=None,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.tune = search
        each = mse_weight, ms_ssim_weight, lpips_weight, hvs_weight
        self.metric_weights = {name: w for name, w in zip(WORTH, each, strict=True) if w > 0}
        self.loss_names = ["loss", "psnr", "rate", *self.metric_weights]
        if weights is None:
            weights = {"numbers": np.zeros(NUMBERS, np.float32)}
            weights |= strengths.start(np.random.default_rng(self.seed))
            weights = {name: tf.Variable(value, name=name) for name, value in weights.items()}
        self.weights = weights

    def parts(self):
        return self.weights

    # What the numbers mean

    def _learned(self, numbers, step):
        """(Tune, tables [8, 8, 2] not rounded) of a step, by learned numbers [NUMBERS]."""
        base = tuning.TUNES[self.tune]
        values = iter(np.asarray(numbers, np.float64))
        error = {name: getattr(base, name) * np.exp(next(values)) for name in FACTORS}
        error |= {name: getattr(base, name) + next(values) for name in DIFFERENCES}
        place, tables = _place(step), tuning.shaped(step, base)
        for plane, count in enumerate(PLANES):
            for shape in SHAPES[:count]:
                level, change = (np.clip(next(values), -most, most) for most in LIMITS)
                tables[..., plane] *= np.exp((level + change * place) * shape)
        return replace(base, **error), tables

    # Files

    def complete(self, coding):
        return coding.with_defaults("auto", "trellis")

    def _step(self, dial):
        return tuning.step_of(float(dial), tuning.TUNES[self.tune])

    def _of_dial(self, dial):
        return self._learned(self.weights["numbers"], self._step(dial))

    def get_qtables(self, batch, dial, training):
        return self._of_dial(dial)[1].astype(np.float32)[None]

    def search(self, dial, coding):
        tune, exact = self._of_dial(dial)
        if coding.tune:
            tune = tuning.TUNES[coding.tune]
        return quantizer.Trellis(tune, functools.partial(tuning.lambda_factor, exact))

    def log2_lambda(self, analysis, dial):
        weights = {name: np.asarray(value) for name, value in self.weights.items()}
        return strengths.of_picture(weights, analysis, _place(self._step(dial)))

    # Training

    def encode(self, images, dial=None, training=False, features=None):
        """As JPEGPipeline's, with the search in place of the rounding."""
        return self._coded(images, self._drawn(dial, training), training)[0]

    def _drawn(self, dial, training):
        """The step of a dial's value, or in training one at random: a tensor."""
        if training:
            ends = np.log([FINEST, COARSEST]).astype(np.float32)
            return tf.exp(tf.random.stateless_uniform([], self.random_seed(0), *ends))
        dial = self.dial.default if dial is None else dial
        step = tf.numpy_function(lambda q: np.float32(self._step(q)), [dial], tf.float32)
        return tf.ensure_shape(step, [])

    def _coded(self, images, step, slopes):
        """(Coded, bits [B], fields: Planes) at a step; slopes: with a gradient of the fields."""
        batch, height, width = images.shape[:3]
        luma, chroma = sampling.grid(height, width, self.sampling)
        pixels, numbers = _pixels(images), tf.stop_gradient(self.weights["numbers"])
        seen = tf.numpy_function(self._seen, [pixels, numbers, step], [tf.float32] * 2)
        seen = Planes(
            tf.ensure_shape(seen[0], [batch, *luma, strengths.LUMA]),
            tf.ensure_shape(seen[1], [batch, *chroma, strengths.CHROMA]),
        )
        fields = strengths.fields(self.weights, seen, _place(step), tf.experimental.numpy)
        blocks = [batch, *luma, BLOCK, BLOCK], [batch, 2, *chroma, BLOCK, BLOCK]
        grids = [batch, *luma], [batch, *chroma]
        found = tf.numpy_function(
            functools.partial(self._found, slopes=slopes),
            [pixels, numbers, step, *fields],
            [tf.float32] * (8 if slopes else 4),
        )
        shapes = [[1, BLOCK, BLOCK, 2], [batch], *blocks] + [*blocks, *grids] * slopes
        qtables, bits, *parts = (
            tf.ensure_shape(part, shape) for part, shape in zip(found, shapes, strict=True)
        )
        levels = Planes(*parts[:2])
        if slopes:
            luma, chroma = (field - tf.stop_gradient(field) for field in fields)
            levels = Planes(
                levels.luma + parts[2] * luma[..., None, None],
                levels.chroma + parts[3] * chroma[:, None, ..., None, None],
            )
            bits += tf.reduce_sum(parts[4] * luma, [1, 2])
            bits += tf.reduce_sum(parts[5] * chroma, [1, 2])
        return Coded(levels, levels, qtables, Edit(levels)), bits, fields

    def _file_of(self, numbers, step):
        """(Trellis, tables uint8 [8, 8, 2]) of a step by learned numbers."""
        tune, exact = self._learned(numbers, step)
        qtables = np.clip(np.rint(exact), 1, 255).astype(np.uint8)
        return quantizer.Trellis(tune, tuning.lambda_factor(exact, qtables)), qtables

    def _seen(self, pixels, numbers, step):
        _, qtables = self._file_of(numbers, step)

        def one(image):
            unrounded = quantizer.analyse(image, qtables, self.sampling).unrounded
            return strengths.features(unrounded, qtables)

        return _for_all(one, pixels)

    def _found(self, pixels, numbers, step, luma, chroma, slopes):
        """The tables [1, 8, 8, 2], the bits [B] and the levels, luma's and chroma's.

        With slopes how levels and bits change with the fields as well, each of luma and chroma.
        """
        search, qtables = self._file_of(numbers, step)

        def one(image, luma, chroma):
            analysis = quantizer.analyse(image, qtables, self.sampling)

            def found(change):
                analysis.log2_lambda = Planes(luma + change, np.stack([chroma + change] * 2))
                return search.search(analysis)

            plain = found(0)
            result = [np.float32(plain.bits), *map(np.float32, plain.integers)]
            if slopes:
                dear, cheap = found(DEARER).integers, found(-DEARER).integers
                result += [
                    np.float32(a - b) / (2 * DEARER) for a, b in zip(dear, cheap, strict=True)
                ]
                luma, chroma = (
                    (_ac_bits(a, codes) - _ac_bits(b, codes)) / (2 * DEARER)
                    for a, b, codes in zip(dear, cheap, plain.integers, strict=True)
                )
                result += [luma, chroma.sum(0)]  # Cb and Cr share their field
            return result

        return np.float32(qtables)[None], *_for_all(one, pixels, luma, chroma)

    def _moved(self, pixels, numbers, step, luma, chroma):
        """What a decoder makes of the files by other numbers, and their bits."""
        search, qtables = self._file_of(numbers, step)

        def one(image, luma, chroma):
            analysis = quantizer.analyse(image, qtables, self.sampling)
            analysis.log2_lambda = Planes(luma, np.stack([chroma] * 2))
            found = search.search(analysis)
            decoded = transform.inverse(found.integers, qtables, *image.shape[:2], self.sampling)
            return np.float32(decoded) / np.float32(255), np.float32(found.bits)

        return _for_all(one, pixels, luma, chroma)

    def loss_terms(self, images, dial=None, training=False, features=None):
        """The terms of the loss, by name: `loss`, the means of `psnr` (dB) and `rate` (bpp), and
        the mean distortion of each metric that has a weight."""
        step = self._drawn(dial, training)
        coded, bits, fields = self._coded(images, step, training)
        height, width = images.shape[1:3]
        decoded = self.decode(coded.coefficients, coded.qtables, height, width)
        terms = self._terms(images, decoded, bits)
        if training:
            numbers = self.weights["numbers"]
            signs = tf.random.stateless_uniform([NUMBERS], self.random_seed(1), 0, 2, tf.int32)
            signs = 2 * tf.cast(signs, tf.float32) - 1
            losses = []
            for side in (MOVED, -MOVED):
                decoded, bits = tf.numpy_function(
                    self._moved,
                    [_pixels(images), numbers + side * signs, step, *fields],
                    [tf.float32] * 2,
                )
                decoded = tf.ensure_shape(decoded, images.shape)
                losses.append(
                    self._terms(images, decoded, tf.ensure_shape(bits, bits.shape))["loss"]
                )
            slope = tf.stop_gradient((losses[0] - losses[1]) / (2 * MOVED) * signs)
            terms["loss"] += tf.reduce_sum(slope * (numbers - tf.stop_gradient(numbers)))
        return terms

    def _terms(self, images, decoded, bits):
        mse = tf.reduce_mean(tf.math.squared_difference(255 * decoded, 255 * images), [1, 2, 3])
        measures = {
            "mse": lambda: mse,
            "ms_ssim": lambda: distortions.ms_ssim_error(images, decoded),
            "lpips": lambda: lpips_tf2.lpips(images, decoded),
            "hvs": lambda: distortions.hvs_m_error(images, decoded),
        }
        terms = {
            "psnr": tf.reduce_mean(-10.0 * tf.experimental.numpy.log10(mse / 255.0**2 + 1e-10)),
            "rate": tf.reduce_mean(bits) / (images.shape[1] * images.shape[2]),
        }
        loss = tf.math.log(terms["rate"])
        for name, weight in self.metric_weights.items():
            terms[name] = tf.reduce_mean(measures[name]())
            loss += weight * WORTH[name] * tf.math.log(terms[name] + 1e-9)
        return terms | {"loss": loss / np.log(2.0).astype(np.float32)}

    @classmethod
    def add_options(cls, parser):
        super().add_options(parser)
        parser.set_defaults(sampling="420")
        parser.add_argument(
            "--search",
            choices=tuning.TUNES,
            default="visual",
            help="tables and error to start from, as `ljpeg_PIL.py compress --tune` has them",
        )
        names = {"mse": "PSNR", "ms_ssim": "MS-SSIM", "lpips": "LPIPS", "hvs": "PSNR-HVS-M"}
        for (name, shown), default in zip(names.items(), (0.2, 0.4, 0.2, 0.2), strict=True):
            parser.add_argument(
                f"--{name}_weight",
                type=arg_parser.number(float, 0),
                default=default,
                metavar="W",
                help=f"weight of {shown} in the loss; those of all metrics usually add up to 1",
            )


def _place(step):
    """log4 of a step over 16, about -2 to 1."""
    log = np.log if isinstance(step, (float, np.floating)) else tf.math.log
    return log(step / 16.0) / np.float32(np.log(4.0))


def _pixels(images):
    return tf.cast(tf.round(255.0 * images), tf.uint8)


def _for_all(function, *batch):
    """What a function gives of each image, stacked; on all cores."""
    return tuple(map(np.stack, zip(*_pool().map(function, *batch), strict=True)))


@functools.cache
def _pool():
    return ThreadPoolExecutor(os.cpu_count())


def _ac_bits(integers, codes_of):
    """The AC bits of blocks [..., 8, 8] by the Huffman codes of others; float32 [...]."""
    counts = np.zeros(256, np.int64)
    huffman.count_ac(codes_of.reshape(-1, BLOCK * BLOCK), counts)
    bits = np.empty(integers.shape[:-2], np.float32)
    huffman.block_bits(
        integers.reshape(-1, BLOCK * BLOCK), huffman.code_lengths(counts), bits.reshape(-1)
    )
    return bits


ARCHITECTURE = LJPEGRDO


def main(argv=None):
    """Runs the script; returns its exit status."""
    return command.main(LJPEGRDO, __doc__, argv)


if __name__ == "__main__":
    command.run(main)
