"""How the bits of a model of ljpeg_rdo at equal quality respond to each of its learned parameters.

    python3 benchmarks/responses.py "photos/*.png" --model DIR [--sampling 420] [--move 0.5]

Each picture has one quality. One parameter after the other goes up and down by a part of its
spread (`learned_tune.SPREADS`), and the bits of the picture's file, at the score of that file, are
compared with those of the model as it is. A row of the table is a parameter: its value at a step of
16, or its change with the step. The cells are the slope of the bits in percent for a change by 0.7
of the spread, for each metric in three ranges of bits a pixel.

With --move the parameters in the folder DIR go to the minimum of a parabola through the three
points, each by itself, but by no more than this part of their spreads. The parabola is that of the
mean over the ranges, by SHARES, and the metrics, by WEIGHTS. Changes of parameters do not quite add
up: small moves, repeated on other photographs, go further than a large one.
"""

import argparse
import sys
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path

import numpy as np

PROJECT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(PROJECT))

WEIGHTS = {"ssimulacra2": 0.45, "butteraugli": 0.45, "psnr": 0.1}
QUALITIES = 12, 22, 33, 45, 57, 67, 75, 82, 88, 92
# Ranges of bits a pixel, and their shares: few files are fine ones.
RANGES = (0.0, 0.55), (0.55, 1.3), (1.3, 9.0)
SHARES = 0.4, 0.4, 0.2
# The parameters change by this part of their spreads; the model's own curve is that of
# steps so many times as large.
PART = 0.7
AROUND = 1.37, 1.15, 1.0, 0.87, 0.73
# What a picture can count for, as a logarithm of the bits; the least curvature of a parabola, in
# percent for a change by PART: less cannot be told from noise.
MOST, FLATTEST = 0.3, 0.03


def moves():
    """The changes of the parameters, [1 + 2 * parameters, parameters]: none, and each up and
    down."""
    from learned_jpeg.search.learned_tune import SPREADS

    each = PART * np.diag(SPREADS)
    return np.concatenate(
        [np.zeros([1, len(each)]), np.stack([each, -each], 1).reshape(-1, len(each))]
    )


def of_picture(folder, sampling, path, quality):
    """(bits a pixel, float64 [moves, metrics]: log of the bits over the model's as it is)."""
    from learned_jpeg.metrics.measures import Reference
    from learned_jpeg.models import encoding, rdo, shipped
    from learned_jpeg.models.encoding import Coding
    from learned_jpeg.pictures import reading
    from learned_jpeg.runtime import threads
    from learned_jpeg.training import evolution

    threads.limit(1)
    pixels, model = reading.read(path), shipped.load(folder)
    original, name = Reference(pixels), rdo.PARAMETERS[sampling]
    step = model._step(quality, sampling)

    def point(change, factor=1.0):
        weights = dict(model.weights) | {name: np.float32(model.weights[name] + change)}
        moved = rdo.RDO(weights, model.tune)
        moved._step = lambda *_: factor * step
        data = encoding.encode(moved, pixels, quality, Coding(sampling=sampling))
        return evolution.point(original, data, WEIGHTS)

    curve = np.array([point(0, factor) for factor in AROUND])
    rows = np.log(2) * np.array([evolution.more_bits(point(one), curve) for one in moves()])
    return 2 ** curve[AROUND.index(1.0), 0] / pixels[..., 0].size, np.clip(rows, -MOST, MOST)


def means(measured):
    """float64 [moves, ranges, metrics]: the bits more, in percent, of what `of_picture` gives."""
    bpp, rows = map(np.array, zip(*measured, strict=True))
    inside = [(low <= bpp) & (bpp < high) for low, high in RANGES]
    return 100 * np.stack([rows[one].mean(0) for one in inside], 1)


def parabolas(more):
    """(slopes, curvatures), each [parameters, ranges, metrics], for a change by PART."""
    up, down = more[1::2] - more[0], more[2::2] - more[0]
    return (up - down) / 2, (up + down) / 2


def moved(parameters, slopes, curvatures, most):
    """The parameters nearer to the fewest bits: float32 [parameters]."""
    from learned_jpeg.search.learned_tune import SPREADS

    of_metrics = np.array([*WEIGHTS.values()]) / sum(WEIGHTS.values())
    slope, curvature = (SHARES @ one @ of_metrics for one in (slopes, curvatures))
    best = np.clip(-slope / (2 * np.maximum(curvature, FLATTEST)), -most / PART, most / PART)
    return np.float32(parameters + PART * best * SPREADS)


def names():
    """Those of the parameters."""
    from learned_jpeg.search import learned_tune as of

    shapes = [
        f"{plane} shape {i}" for plane, n in zip("YC", of.PLANES, strict=True) for i in range(n)
    ]
    each = [*of.FACTORS, *of.DIFFERENCES, *shapes, *of.LATER_FACTORS, *of.LATER_DIFFERENCES]
    return [text for name in each for text in (name, f"{name}, change")]


def main():
    """Prints the table, and moves the parameters."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("images", nargs="+", help="globs, folders or files")
    parser.add_argument("--model", required=True, metavar="DIR", help="a folder with a model.npz")
    parser.add_argument("--sampling", choices=("420", "444"), default="420")
    parser.add_argument("--move", type=float, default=0, metavar="PART", help="of the spreads")
    parser.add_argument("--jobs", type=int, default=2)
    args = parser.parse_args()

    from learned_jpeg.evaluation.tables import to_markdown
    from learned_jpeg.models import portable, rdo, shipped
    from learned_jpeg.pictures import reading
    from learned_jpeg.runtime.progress import bar

    paths = reading.find(args.images, "images")
    # Neighbours in a folder are alike, and no range shall have all pictures of a kind.
    qualities = [QUALITIES[(7 * i + i // 10) % len(QUALITIES)] for i in range(len(paths))]
    with ProcessPoolExecutor(args.jobs) as pool:
        each = pool.map(partial(of_picture, args.model, args.sampling), paths, qualities)
        measured = list(bar(each, total=len(paths), unit="picture"))
    slopes, curvatures = parabolas(means(measured))
    rows = [["", *(f"{metric}, range {i + 1}" for metric in WEIGHTS for i in range(len(RANGES)))]]
    for name, slope in zip(names(), slopes, strict=True):
        rows.append([name, *(f"{value:+.2f}" for value in slope.T.ravel())])
    print(to_markdown(rows))
    if args.move:
        weights, name = dict(shipped.load(args.model).weights), rdo.PARAMETERS[args.sampling]
        weights[name] = moved(weights[name], slopes, curvatures, args.move)
        portable.write_arrays(weights, args.model)


if __name__ == "__main__":
    from learned_jpeg.cli import command

    command.run(main)
