#!/usr/bin/env python3
"""LearnedJPEG with a search: learned tables, error weights and bit prices for the search.

The search chooses the quantized coefficients of a file by dynamic programming over the file's own
Huffman codes (`learned_jpeg.search.quantizer`). A model has three learned parts: the tables, as
smooth functions of the rate; the weights of the search's error; and, if there are steps
(--last_step), a small network that gives each block a factor on the price of its bits. One model
serves all qualities.

Tables and error weights are learned first, by evolution: files are written, decoded and measured
(learned_jpeg/training/evolution.py). The network then learns by gradient descent on

    log2(bpp) + sum over the metrics of weight * worth * log2(distortion).

The worth of a metric is the number of doublings of the bits that halve its distortion, so the loss
is the log2 of the bits at equal quality, in the weighted mean over the metrics. The search runs in
this training as for a file; its gradient is the difference of two searches, with all bits a little
dearer and a little cheaper (benchmarks/strength_gradient.py).
"""

import functools
from pathlib import Path

import arg_parser
from jpeg_pipeline import Coded, Edit, JPEGPipeline
from learned_jpeg.cli import command
from learned_jpeg.jpeg import sampling
from learned_jpeg.jpeg.sampling import Planes
from learned_jpeg.jpeg.standard import BLOCK
from learned_jpeg.models import checkpoints, rdo
from learned_jpeg.models.rdo import RDO
from learned_jpeg.rivals import encoders
from learned_jpeg.runtime import machine
from learned_jpeg.runtime.lazy import lazy_import
from learned_jpeg.search import lambda_map, learned_tune, tuning

import numpy as np

batch_search = lazy_import("learned_jpeg.training.batch_search")
distortions = lazy_import("learned_jpeg.metrics.distortions")
evolution = lazy_import("learned_jpeg.training.evolution")
lpips_tf2 = lazy_import("learned_jpeg.metrics.lpips_tf2")
tf = lazy_import("tensorflow")
workers = lazy_import("learned_jpeg.jobs.workers")

# The finest and coarsest step of a tune's tables in training: about 4 and 0.1 bpp for visual, 2.5
# and 0.12 bpp for psnr.
STEPS = {"visual": (0.7, 70.0), "psnr": (3.5, 110.0)}
# Evolution has SETS sets of CROPS crops, each crop at another step.
CROPS, SETS = 64, 4

# A metric's worth: the doublings of bpp that halve its distortion, on average over mozjpeg's 4:2:0
# files of photographs from 0.15 to 2.5 bpp.
WORTH = {"mse": 0.92, "ms_ssim": 0.78, "lpips": 0.86, "hvs": 0.56}
# An invisible distortion of each metric, which is added so that flat crops do not count too much.
LEAST = {"mse": 0.2, "ms_ssim": 3e-4, "lpips": 2e-3, "hvs": 0.05}
# {name of the option of a weight: (the metric of files, its name in texts)}.
METRICS = {
    "mse": ("psnr", "PSNR"),
    "ms_ssim": ("ms_ssim", "MS-SSIM"),
    "lpips": ("lpips", "LPIPS"),
    "ssimulacra2": ("ssimulacra2", "SSIMULACRA2"),
    "hvs": ("psnr_hvs_m", "PSNR-HVS-M"),
    "butteraugli": ("butteraugli", "Butteraugli"),
}


class LJPEGRDO(RDO, JPEGPipeline):
    """The learned model of the search, with its training."""

    portable = True
    model_options = ("sampling", "search", *(f"{name}_weight" for name in METRICS))

    def __init__(
        self,
        search="visual",
        mse_weight=0.15,
        ms_ssim_weight=0.0,
        lpips_weight=0.0,
        ssimulacra2_weight=0.5,
        hvs_weight=0.0,
        butteraugli_weight=0.35,
        sampling="420",
        weights=None,
        seed=0,
        **kwargs,
    ):
        if weights is None:
            fixed = {*rdo.PARAMETERS.values(), *rdo.STEPS.values()}
            weights = {
                name: tf.Variable(value, name=name, trainable=name not in fixed)
                for name, value in rdo.start(seed, search).items()
            }
        super().__init__(weights, search, lpips_weight, sampling, seed=seed, **kwargs)
        each = mse_weight, ms_ssim_weight, lpips_weight, ssimulacra2_weight, hvs_weight
        each += (butteraugli_weight,)
        self.all_weights = {name: w for name, w in zip(METRICS, each, strict=True) if w > 0}
        # SSIMULACRA2 and Butteraugli have no gradient here.
        self.metric_weights = {n: w for n, w in self.all_weights.items() if n in WORTH}
        self.loss_names = ["loss", "psnr", "rate", *self.metric_weights]

    @property
    def batches(self):
        """The search for the batches of a training."""
        return batch_search.BatchSearch(tuning.TUNES[self.tune], self.sampling)

    def parts(self):
        return self.weights

    def prepare(self, args, source):
        """Learns tables and error weights by evolution."""
        if not args.evolve:
            return
        parameters, search = self.weights[rdo.PARAMETERS[self.sampling]], self.batches
        anchor = functools.partial(evolution.around, search)
        if args.against is not None:
            anchor = functools.partial(evolution.files_of, args.against)
        steps = np.geomspace(*STEPS[self.tune], CROPS)
        crops = [source.crops(position)[0] for position in range(SETS * CROPS)]
        weights = {METRICS[name][0]: weight for name, weight in self.all_weights.items()}
        made_of = {"crops": evolution.digest(crops), "anchor": args.against or "the tune"}
        folder, start = Path(args.checkpoint_dir), parameters.numpy()
        print(f"{folder}: tables and error weights first, by evolution; its state is saved")
        with workers.Pool(args.jobs or machine.cores(), option="--jobs") as pool:
            bits = [
                evolution.Bits(pool, search.file, anchor, crops[i::SETS], steps, weights)
                for i in range(SETS)
            ]
            parameters.assign(
                evolution.evolve(bits, start, args.evolve, args.seed, folder, made_of)
            )

    def encode(self, images, rate_setting=None, training=False, features=None):
        """The encoder of JPEGPipeline, with the search in place of the rounding."""
        return self._coded(images, self._drawn(rate_setting, training), training)[0]

    def _drawn(self, rate_setting, training):
        """The step at a rate setting, or in training a random step: a tensor []."""
        if training:
            limits = np.log(STEPS[self.tune]).astype(np.float32)
            return tf.exp(tf.random.stateless_uniform([], self.random_seed(0), *limits))
        rate_setting = self.rate_setting.default if rate_setting is None else rate_setting
        step = tf.numpy_function(
            lambda q: np.float32(self._step(q, self.sampling)), [rate_setting], tf.float32
        )
        return tf.ensure_shape(step, [])

    def _coded(self, images, step, gradients):
        """(Coded, bits [B], lambda map, Planes) at a step. gradients: whether in the lambda map."""
        batch, height, width = images.shape[:3]
        luma, chroma = sampling.grid(height, width, self.sampling)
        parameters = tf.stop_gradient(self.weights[rdo.PARAMETERS[self.sampling]])
        pixels = _pixels(images)
        seen = tf.numpy_function(
            self.batches.features, [pixels, parameters, step], [tf.float32] * 2
        )
        seen = Planes(
            tf.ensure_shape(seen[0], [batch, *luma, lambda_map.LUMA]),
            tf.ensure_shape(seen[1], [batch, *chroma, lambda_map.CHROMA]),
        )
        log_step = tf.numpy_function(learned_tune.log_step, [step], tf.float32)
        log_step = tf.ensure_shape(log_step, [])
        maps = lambda_map.predict(self.weights, seen, log_step, tf.experimental.numpy)
        blocks = [batch, *luma, BLOCK, BLOCK], [batch, 2, *chroma, BLOCK, BLOCK]
        grids = [batch, *luma], [batch, *chroma]
        found = tf.numpy_function(
            functools.partial(self.batches.levels, gradients=gradients),
            [pixels, parameters, step, *maps],
            [tf.float32] * (8 if gradients else 4),
        )
        shapes = [[1, BLOCK, BLOCK, 2], [batch], *blocks] + [*blocks, *grids] * gradients
        qtables, bits, *parts = (
            tf.ensure_shape(part, shape) for part, shape in zip(found, shapes, strict=True)
        )
        levels = Planes(*parts[:2])
        if gradients:
            luma, chroma = (plane - tf.stop_gradient(plane) for plane in maps)
            # Pictures take Gauss's two points in turn.
            side = (
                batch_search.GAUSS
                * tf.cast(1 - 2 * (tf.range(batch) % 2), tf.float32)[:, None, None]
            )
            levels = Planes(
                levels.luma + parts[2] * (luma + side)[..., None, None],
                levels.chroma + parts[3] * (chroma + side)[:, None, ..., None, None],
            )
            bits += tf.reduce_sum(parts[4] * luma, [1, 2])
            bits += tf.reduce_sum(parts[5] * chroma, [1, 2])
        return Coded(levels, levels, qtables, Edit(levels)), bits, maps

    def loss_terms(self, images, rate_setting=None, training=False, features=None):
        """The terms of the loss, by name: `loss`, the means of `psnr` (dB) and `rate` (bpp), and
        the mean distortion of each metric with a weight."""
        step = self._drawn(rate_setting, training)
        coded, bits, maps = self._coded(images, step, training)
        height, width = images.shape[1:3]
        decoded = self.decode(coded.coefficients, coded.qtables, height, width)
        mse = tf.reduce_mean(tf.math.squared_difference(255 * decoded, 255 * images), [1, 2, 3])
        measures = {
            "mse": lambda: mse,
            "ms_ssim": lambda: distortions.ms_ssim_error(images, decoded),
            "lpips": lambda: lpips_tf2.lpips(images, decoded),
            "hvs": lambda: distortions.hvs_m_error(images, decoded),
        }
        rate = bits / (images.shape[1] * images.shape[2])
        terms = {
            "psnr": tf.reduce_mean(-10.0 * tf.experimental.numpy.log10(mse / 255.0**2 + 1e-10)),
            "rate": tf.reduce_mean(rate),
        }
        loss = tf.math.log(rate)
        for name, weight in self.metric_weights.items():
            distortion = measures[name]()
            terms[name] = tf.reduce_mean(distortion)
            loss += weight * WORTH[name] * tf.math.log(distortion + LEAST[name])
        return terms | {"loss": tf.reduce_mean(loss) / np.log(2.0).astype(np.float32)}

    @classmethod
    def add_options(cls, parser):
        super().add_options(parser)
        defaults = checkpoints.defaults(cls)
        parser.set_defaults(sampling=defaults["sampling"], batchsize=6, patchsize=192)
        parser.set_defaults(lr=1e-3, last_step=0, settle=0.6)
        parser.add_argument(
            "--search",
            choices=tuning.TUNES,
            default=defaults["search"],
            help="start from the tables and weights of this --tune of `ljpeg_PIL.py compress`",
        )
        parser.add_argument(
            "--evolve",
            type=arg_parser.number(int, 0),
            default=500,
            metavar="N",
            help="number of tables and error weights that the evolution tries, before the steps; 0 "
            "keeps those of --search",
        )
        parser.add_argument(
            "--against",
            choices=encoders.ENCODERS,
            metavar="NAME",
            help="encoder, such as mozjpeg_420, whose files the evolution compares with, in each "
            "metric and at each rate: one of evaluate.py's --encoders (default: the tune --search)",
        )
        for name, (_, shown) in METRICS.items():
            parser.add_argument(
                f"--{name}_weight",
                type=arg_parser.number(float, 0),
                default=defaults[f"{name}_weight"],
                metavar="W",
                help=f"weight of {shown} in the loss; all weights usually add up to 1",
            )


def _pixels(images):
    return tf.cast(tf.round(255.0 * images), tf.uint8)


ARCHITECTURE = LJPEGRDO


def main(argv=None):
    """Runs the script; returns its exit status."""
    return arg_parser.main(LJPEGRDO, __doc__, argv)


if __name__ == "__main__":
    command.run(main)
