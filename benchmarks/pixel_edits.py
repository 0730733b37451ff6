"""The gain of editing pixels before a standard JPEG encoder, by networks or gradient descent.

    python3 benchmarks/pixel_edits.py --glob "KODAK/*.png" [--side 64] [--steps 40]
    python3 benchmarks/pixel_edits.py --glob "photos/*.png" --side 256 --steps 0 --model RUN ...

Each `--model` is a google_baseline, shipped or a folder. `free pixels` has no network: gradient
descent moves the pixels of a crop, through the same differentiable JPEG, on the same loss with the
first model's estimate of the rate, for this crop and quality alone; lambda is the slope of the
unedited files' curve there. The loss is printed before and after. Pixels change only the integers
of a file, and `search` chooses the integers directly, by the file's bits and the squared error. All
rows have the IJG tables. The table has the BD-rates of the scans of real progressive files against
unedited pixels, in percent of the bits, over the qualities 5 to 25 that the networks were trained
for; ~ marks an interval over the crops that includes 0.
"""

import argparse
import itertools
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import learned_jpeg.runtime.tensorflow_settings  # noqa: E402, F401
from jpeg_pipeline import ROUNDINGS  # noqa: E402
from learned_jpeg.cli.command import run  # noqa: E402
from learned_jpeg.evaluation import series, tables  # noqa: E402
from learned_jpeg.jpeg import jpeg_file  # noqa: E402
from learned_jpeg.jpeg.sampling import SAMPLINGS  # noqa: E402
from learned_jpeg.jpeg.standard import file_qtables, ijg_qtables  # noqa: E402
from learned_jpeg.metrics import measures  # noqa: E402
from learned_jpeg.models import checkpoints, shipped  # noqa: E402
from learned_jpeg.search.quantizer import Round, Trellis, analyse  # noqa: E402
from learned_jpeg.training import crops, evolution  # noqa: E402

import numpy as np  # noqa: E402
import tensorflow as tf  # noqa: E402
from tqdm import tqdm  # noqa: E402

QUALITIES = 5, 15, 25
RATES = 0.05, 0.02  # of Adam, in levels, at the start; they fall to 0
METRICS = [metric.name for metric in series.SHOWN]


def deep(pixels):
    """float [..., 3] in [0, 1] as uint16: edits are not rounded to a level."""
    return np.uint16(np.rint(65535 * np.clip(pixels, 0, 1)))


def edited(pipeline, originals):
    """The pixels that a network edits, uint8 [N, H, W, 3], as uint16 of the same shape."""
    images = (x[None].astype(np.float32) / 255 for x in originals)
    return deep(np.concatenate([pipeline.edit_image(x, False).numpy() for x in images]))


def descend(pipeline, originals, quality, lmbda, rounding, rate, steps):
    """The pixels, uint16 [B, H, W, 3], after a number of steps of gradient descent, and the loss
    before and after."""
    pipeline.rounding, wanted = rounding, originals.astype(np.float32) / 255
    pixels = tf.Variable(wanted)
    schedule = tf.keras.optimizers.schedules.CosineDecay(rate / 255, steps)
    optimizer = tf.keras.optimizers.Adam(schedule)

    @tf.function
    def step():
        with tf.GradientTape() as tape:
            moved = tf.clip_by_value(pixels, 0.0, 1.0)
            reconstruction, coded = pipeline.reconstruct(moved, quality)
            mse = tf.reduce_mean(tf.math.squared_difference(255 * reconstruction, 255 * wanted))
            loss = lmbda * mse + pipeline.rate(coded, *originals.shape[1:3])
        optimizer.apply_gradients([(tape.gradient(loss, pixels), pixels)])
        return loss

    losses = [float(step()) for _ in range(steps)]
    return deep(pixels.numpy()), (losses[0], losses[-1])


def point(originals, pixels, choose, quality, sampling):
    """The series.Point of the files of edited pixels, [N, H, W, 3], with integers by `choose`."""
    qtables = file_qtables(ijg_qtables(float(quality)))
    figures = {name: [] for name in ("bpp", *METRICS)}
    for original, these in zip(originals, pixels, strict=True):
        size = original.shape[:2]
        integers = choose(analyse(these, qtables, sampling))
        data = jpeg_file.write_jpeg(integers, qtables, *size, sampling, "progressive")
        # Of the scans: headers are a large part of a crop's file alone.
        found = {"bpp": evolution.scan_bits(data) / np.prod(size)}
        found |= measures.Reference(original).measure(jpeg_file.decode(data), METRICS)
        for name, value in found.items():
            figures[name].append(value)
    figures = {name: np.array(values) for name, values in figures.items()}
    return series.Point(f"{quality}", figures, Path())


def main():
    """Prints a line for each way."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--glob", nargs="+", required=True, help="photographs: globs or folders")
    models = ["google_baseline_lr_1e-5/lambda_0005"]
    parser.add_argument("--model", nargs="+", default=models, metavar="NAME")
    parser.add_argument("--side", type=int, default=64, help="of the crop at each centre")
    parser.add_argument("--steps", type=int, default=40, help="of the descents; 0 for none")
    parser.add_argument("--sampling", choices=SAMPLINGS, default=SAMPLINGS[0])
    args = parser.parse_args()
    paths, _ = crops.find_images(args.glob, args.side, "--glob")
    originals = np.concatenate(crops.validation_batches(paths, args.side, 1))

    def points(pixels, choose):
        return [point(originals, pixels, choose, q, args.sampling) for q in QUALITIES]

    curves = {"unedited": points(originals, Round()), "search": points(originals, Trellis("psnr"))}
    pipelines = {}
    for name in args.model:
        pipelines[name] = checkpoints.restore(shipped.folders(name)[0])
        curves[name] = points(edited(pipelines[name], originals), Round())
    pipeline = pipelines[args.model[0]]
    pipeline.sampling, pipeline.edit_image = args.sampling, lambda images, training: images
    bpp, psnr = np.array([[p.means["bpp"], p.means["psnr"]] for p in curves["unedited"]]).T
    slopes = -np.gradient(bpp, 255**2 / 10 ** (psnr / 10))
    ways = list(itertools.product(ROUNDINGS, RATES)) if args.steps else []
    for rounding, rate in tqdm(ways, unit="descent", disable=not ways):
        name = f"free pixels, {rounding}, steps of {rate}"
        curves[name] = []
        for quality, lmbda in zip(QUALITIES, slopes, strict=True):
            arguments = originals, quality, lmbda, rounding, rate, args.steps
            pixels, losses = descend(pipeline, *arguments)
            tqdm.write(f"quality {quality}: {name}: loss {losses[0]:.4f} -> {losses[1]:.4f}")
            curves[name].append(point(originals, pixels, Round(), quality, args.sampling))
    anchor = series.Series("unedited", "encoder", curves.pop("unedited"))
    rows = [["", *(metric.label for metric in series.SHOWN)]]
    for name, found in curves.items():
        tested = series.Series(name, "run", found)
        deltas = [series.compare(anchor, tested, metric) for metric in series.SHOWN]
        cells = (f"{'~' if d.is_open else ''}{d.percent:+.1f}" for d in deltas)
        rows.append([name, *("-" if "nan" in cell else cell for cell in cells)])
    print(tables.to_markdown(rows))


if __name__ == "__main__":
    run(main)
