"""What editing pixels before a standard JPEG encoder can gain at most, against what it gains.

    python3 benchmarks/pixel_edits.py --glob "KODAK/*.png" [--steps 40] [--side 64]

`network` is the shipped google_baseline. `free pixels` has no network: gradient descent moves the
pixels of each crop themselves, through the same differentiable JPEG, on the same loss with the
run's own model of the rate, for this crop and quality alone; lambda is the slope of the unedited
files' curve there. The loss is printed before and after. Since all that pixels can change of a
file is its integers, `search` chooses these directly, by its bits and the squared error.
All have the IJG tables at 4:4:4. Printed are the BD-rates of the scans of real progressive files
in PSNR against unedited pixels, in percent of the bits, over the qualities 5 to 25 that the
network was trained for.
"""

import argparse
import itertools
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from jpeg_pipeline import ROUNDINGS  # noqa: E402
from learned_jpeg.cli.command import run  # noqa: E402
from learned_jpeg.evaluation import bd_rates
from learned_jpeg.jpeg import jpeg_file
from learned_jpeg.jpeg.standard import file_qtables, ijg_qtables  # noqa: E402
from learned_jpeg.metrics import measures
from learned_jpeg.models import checkpoints, shipped
from learned_jpeg.search.quantizer import Round, Trellis, analyse  # noqa: E402
from learned_jpeg.training import crops, evolution

import numpy as np  # noqa: E402
import tensorflow as tf  # noqa: E402
from tqdm import tqdm  # noqa: E402

QUALITIES = 5, 15, 25
RATES = 0.05, 0.02  # of Adam, in levels, at the start; they fall to 0


def deep(pixels):
    """float [..., 3] in [0, 1] as uint16: edits are not rounded to a level."""
    return np.uint16(np.rint(65535 * np.clip(pixels, 0, 1)))


def descend(pipeline, originals, quality, lmbda, rounding, rate, steps):
    """The pixels, uint16 [B, H, W, 3], after so many steps down the loss; the loss before and
    after."""
    pipeline.rounding, wanted = rounding, originals.astype(np.float32) / 255
    pixels = tf.Variable(wanted)
    schedule = tf.keras.optimizers.schedules.CosineDecay(rate / 255, steps)
    optimizer = tf.keras.optimizers.Adam(schedule)

    @tf.function
    def step():
        with tf.GradientTape() as tape:
            edited = tf.clip_by_value(pixels, 0.0, 1.0)
            reconstruction, coded = pipeline.reconstruct(edited, quality)
            mse = tf.reduce_mean(tf.math.squared_difference(255 * reconstruction, 255 * wanted))
            loss = lmbda * mse + pipeline.rate(coded, *originals.shape[1:3])
        optimizer.apply_gradients([(tape.gradient(loss, pixels), pixels)])
        return loss

    losses = [float(step()) for _ in range(steps)]
    return deep(pixels.numpy()), (losses[0], losses[-1])


def files(ways, originals, quality):
    """{way: [(bpp, PSNR) of each original]} of the files of {way: (edited pixels, quantizer)}."""
    qtables = file_qtables(ijg_qtables(float(quality)))
    found = {}
    for name, (edited, choose) in ways.items():
        found[name] = []
        for original, pixels in zip(originals, edited, strict=True):
            size = original.shape[:2]
            integers = choose(analyse(pixels, qtables, "444"))
            data = jpeg_file.write_jpeg(integers, qtables, *size, "444", "progressive")
            psnr = measures.psnr(original, jpeg_file.decode(data))
            # Of the scans: headers are a large part of a crop's file alone.
            found[name].append((evolution.scan_bits(data) / np.prod(size), psnr))
    return found


def main():
    """Prints a line for each way."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--glob", nargs="+", required=True, help="photographs: globs or folders")
    parser.add_argument("--model", default="google_baseline_lr_1e-5/lambda_0005")
    parser.add_argument("--side", type=int, default=64, help="of the crop at each centre")
    parser.add_argument("--steps", type=int, default=40)
    args = parser.parse_args()
    paths, _ = crops.find_images(args.glob, args.side, "--glob")
    originals = np.concatenate(crops.validation_batches(paths, args.side, 1))
    pipeline = checkpoints.restore(shipped.folders(args.model)[0])
    network = pipeline.edit_image
    edited = [network(x[None].astype(np.float32) / 255, False)[0].numpy() for x in originals]
    edited = deep(np.stack(edited))
    pipeline.edit_image = lambda images, training: images
    plain = [files({"": (originals, Round())}, originals, quality)[""] for quality in QUALITIES]
    bpp, psnr = np.mean(plain, 1).T
    slopes = -np.gradient(bpp, 255**2 / 10 ** (psnr / 10))
    curves = {}
    for quality, lmbda in zip(tqdm(QUALITIES, unit="quality"), slopes, strict=True):
        ways = {"unedited": (originals, Round()), "network": (edited, Round())}
        ways["search"] = originals, Trellis("psnr")
        for rounding, rate in itertools.product(ROUNDINGS, RATES):
            name = f"free pixels, {rounding}, steps of {rate}"
            arguments = originals, quality, lmbda, rounding, rate, args.steps
            pixels, losses = descend(pipeline, *arguments)
            ways[name] = pixels, Round()
            tqdm.write(f"quality {quality}: {name}: loss {losses[0]:.4f} -> {losses[1]:.4f}")
        for name, points in files(ways, originals, quality).items():
            curves.setdefault(name, []).append(points)
    # [qualities, crops, (rate, PSNR)] to the means over the crops.
    curves = {name: np.mean(points, 1).T[:, None] for name, points in curves.items()}
    anchor = curves.pop("unedited")
    for name, curve in curves.items():
        print(f"{name:40} {bd_rates.bd_rates(*anchor, *curve)[0][0]:+6.2f}%")


if __name__ == "__main__":
    run(main)
