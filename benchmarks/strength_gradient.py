"""How much of the true change of each distortion the gradient of the lambda map predicts.

    python3 benchmarks/strength_gradient.py --train_glob "photos/*.png"

The bit price of a group of blocks rises. The "true" change of bits and distortions is measured on
files with the price of these blocks a quarter of a doubling higher and lower, and the price of all
others unchanged. The gradient that trains ljpeg_rdo's network comes from two searches with the
prices of ALL blocks higher and lower, and from the gradients of the distortions between them. Each
row is this gradient's prediction divided by the true change, 1 at best. Groups are thirds of the
blocks by the energy of their AC coefficients.
"""

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

import learned_jpeg.runtime.tensorflow_settings  # noqa: E402, F401
from learned_jpeg.cli.command import run  # noqa: E402
from learned_jpeg.jpeg.sampling import Planes  # noqa: E402
from learned_jpeg.metrics import distortions, lpips_tf2
from learned_jpeg.search import lambda_map
from learned_jpeg.search.learned_tune import PARAMETERS  # noqa: E402
from learned_jpeg.search.tuning import TUNES  # noqa: E402
from learned_jpeg.training.batch_search import DEARER, GAUSS, BatchSearch  # noqa: E402
from learned_jpeg.training.crops import CropSource, find_images  # noqa: E402
from ljpeg_rdo import LJPEGRDO  # noqa: E402

import numpy as np  # noqa: E402
import tensorflow as tf  # noqa: E402

SIZE, BATCH = 192, 4
DISTORTIONS = {
    "mse": lambda a, b: tf.reduce_mean(tf.square(255 * (a - b)), [1, 2, 3]),
    "ms_ssim": distortions.ms_ssim_error,
    "lpips": lpips_tf2.lpips,
    "hvs": distortions.hvs_m_error,
}


def of_levels(model, images, qtables, levels):
    """The sums over a batch of all distortions, [4]."""
    decoded = model.decode(Planes(*levels), qtables, SIZE, SIZE)
    return tf.stack([tf.reduce_sum(measure(images, decoded)) for measure in DISTORTIONS.values()])


def compare(model, search, pixels, step):
    """(predicted changes, true changes): [groups, bits and distortions] of a batch."""
    parameters, images = np.zeros(PARAMETERS), tf.constant(pixels, tf.float32) / 255
    luma, _ = search.features(pixels, parameters, step)
    energy = luma[..., 1:].sum(-1)
    groups = np.digitize(energy, np.quantile(energy, [1 / 3, 2 / 3]))
    none = np.zeros(energy.shape, np.float32)
    chroma = none[:, ::2, ::2]

    found = search.levels(pixels, parameters, step, none, chroma, True)
    qtables, levels, gradients, bits = found[0], found[2:4], found[4], found[6]
    sides = np.resize([GAUSS, -GAUSS], [len(pixels), 1, 1, 1, 1]).astype(np.float32)
    levels = [
        tf.constant(part + slope * sides.reshape([-1] + [1] * (slope.ndim - 1)))
        for part, slope in zip(levels, found[4:6], strict=True)
    ]
    with tf.GradientTape(persistent=True) as tape:
        tape.watch(levels)
        terms = tf.unstack(of_levels(model, images, qtables, levels))
    gradients = [tape.gradient(term, levels[0]).numpy() for term in terms]
    said, true = [], []
    for group in range(3):
        mask = np.float32(groups == group)
        moved = gradients * mask[..., None, None]
        said.append([(bits * mask).sum(), *(float((g * moved).sum()) for g in gradients)])
        ends = []
        for sign in (1, -1):
            end = search.levels(pixels, parameters, step, sign * DEARER * mask, chroma, False)
            ends.append([end[1].sum(), *of_levels(model, images, end[0], end[2:4]).numpy()])
        true.append((np.array(ends[0]) - ends[1]) / (2 * DEARER))
    return np.array(said), np.array(true)


def main(argv=None):
    """Runs the script; returns its exit status."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--train_glob", required=True, help="photographs, quoted")
    parser.add_argument("--crops", type=int, default=48, help="of 192x192 (default: 48)")
    args = parser.parse_args(argv)

    paths, pixels = find_images(args.train_glob, SIZE, "--train_glob")
    source = CropSource(paths, pixels, SIZE, seed=0)
    crops = np.stack(list(source.dataset(4).take(args.crops).as_numpy_iterator()))
    model = LJPEGRDO(weights={"numbers": np.zeros(PARAMETERS)} | lambda_map.start(np.random))
    search = BatchSearch(TUNES["visual"], model.sampling)
    print(f"{'step':>5} {'blocks':<7}" + "".join(f"{name:>9}" for name in ("bits", *DISTORTIONS)))
    for step in (3.0, 10.0, 30.0):
        said, true = np.sum(
            [
                compare(model, search, crops[start : start + BATCH], step)
                for start in range(0, len(crops), BATCH)
            ],
            0,
        )
        for name, row in zip(("smooth", "middle", "busy"), said / true, strict=True):
            print(f"{step:5g} {name:<7}" + "".join(f"{value:9.2f}" for value in row))
    return 0


if __name__ == "__main__":
    run(main)
