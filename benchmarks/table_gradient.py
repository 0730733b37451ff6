"""How much of the true change of the loss the gradient of the tables predicts, by each surrogate.

    python3 benchmarks/table_gradient.py --train_glob "photos/*.png"

The tables are those of the IJG library at a quality. The "true" change of a term of the loss, when
all entries of a group grow by 1%, is measured by the exact loss on random crops with tables 10%
coarser and 10% finer. Each surrogate's row is its gradient's prediction divided by the true change,
1 at best. The groups are diagonals of the tables.
"""

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

import learned_jpeg.runtime.tensorflow_settings  # noqa: E402, F401
from jpeg_pipeline import ROUNDINGS  # noqa: E402
from learned_jpeg.cli.command import run  # noqa: E402
from learned_jpeg.jpeg.standard import ijg_qtables  # noqa: E402
from learned_jpeg.training.crops import CropSource, find_images  # noqa: E402
from ljpeg import LJPEG, TABLE_SCALE  # noqa: E402

import numpy as np  # noqa: E402
import tensorflow as tf  # noqa: E402

TERMS = ("mse", "lpips", "rate")
CHANGE = 0.1  # up and down, as a part of an entry
BATCH = 8


def groups():
    """{name: the entries of the group, 0 or 1 [8, 8, 2]}."""
    diagonal = np.add.outer(np.arange(8), np.arange(8))
    masks = {"all": np.ones([8, 8, 2], np.float32)}
    for channel, letter in enumerate("YC"):
        for name, low, high in (("mean", 0, 0), ("1-2", 1, 2), ("3-5", 3, 5), ("6-14", 6, 14)):
            masks[f"{letter} {name}"] = mask = np.zeros([8, 8, 2], np.float32)
            mask[..., channel] = (diagonal >= low) & (diagonal <= high)
    return masks


@tf.function
def values(model, images):
    """TERMS of uint8 [B, H, W, 3] as a tensor."""
    terms = model.loss_terms(tf.cast(images, tf.float32) / 255.0, training=True)
    return tf.stack([terms[name] for name in TERMS])


@tf.function
def gradients(model, images):
    """The gradients of TERMS with respect to the tables, [terms, 8, 8, 2]."""
    with tf.GradientTape(persistent=True) as tape:
        terms = tf.unstack(values(model, images))
    return TABLE_SCALE * tf.stack([tape.gradient(term, model.scaled_qtables) for term in terms])


def mean(function, model, crops, qtables):
    """The mean over batches of crops of a function of a model with these tables."""
    model.scaled_qtables.assign(qtables * TABLE_SCALE)
    starts = range(0, len(crops), BATCH)
    return np.mean([function(model, tf.constant(crops[i : i + BATCH])) for i in starts], 0)


def main(argv=None):
    """Runs the script; returns its exit status."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--train_glob", required=True, help="photographs, quoted")
    parser.add_argument("--quality", type=float, default=15.0, help="of the tables (default: 15)")
    parser.add_argument("--crops", type=int, default=160, help="of 128x128 (default: 160)")
    args = parser.parse_args(argv)

    paths, pixels = find_images(args.train_glob, 128, "--train_glob")
    source = CropSource(paths, pixels, 128, seed=0)
    crops = np.stack(list(source.dataset(4).take(args.crops).as_numpy_iterator()))
    qtables, masks = ijg_qtables(args.quality), groups()
    models = {name: LJPEG(lpips_weight=1.0, rate="bits", rounding=name) for name in ROUNDINGS}
    exact = next(iter(models.values()))  # all are, forward
    true = {
        group: (
            mean(values, exact, crops, qtables * (1 + CHANGE * mask))
            - mean(values, exact, crops, qtables * (1 - CHANGE * mask))
        )
        / (2 * CHANGE)
        for group, mask in masks.items()
    }
    seen = {name: mean(gradients, model, crops, qtables) for name, model in models.items()}
    print(f"{'':14}" + "".join(f"{group:>9}" for group in masks))
    for number, term in enumerate(TERMS):
        print(f"{term + ', true':14}" + "".join(f"{true[g][number] / 100:9.2g}" for g in masks))
        for name, slopes in seen.items():
            shares = [
                np.sum(slopes[number] * qtables * mask) / (true[group][number] or np.nan)
                for group, mask in masks.items()
            ]
            print(f"  {name:12}" + "".join(f"{share:9.2f}" for share in shares))
    return 0


if __name__ == "__main__":
    run(main)
