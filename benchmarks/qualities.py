"""What a model's qualities look like and cost, beside those of mozjpeg and jpegli.

    python3 benchmarks/qualities.py "photos/*.png" [--model rdo_visual] [--sampling auto] [--jobs 2]

The first table has, at each quality, how far the mean SSIMULACRA2 of the model's files is above
that of mozjpeg's 4:2:0 files, and the bytes that the model needs more, in percent, for the score of
each picture's file of another encoder at that quality: the mean over the pictures, the worst, and
how many pictures need more.

The second table has the mean of the same over the other encoder's files in three ranges of bits a
pixel. A model's bytes between its files are interpolated: their logarithm, linearly in the score.
--others names the encoders.

With --fit the steps of a model of ljpeg_rdo, by which its qualities are, are chosen so that the
mean SSIMULACRA2 is that of mozjpeg's 4:2:0 files, for each sampling, and written into its folder:
give a folder, not a name, and photographs that are not those of a report.
"""

import argparse
import sys
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path

import numpy as np

PROJECT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(PROJECT))

AT = 30, 50, 75, 90, 95
RANGES = (0.15, 0.5), (0.5, 1.2), (1.2, 3.0)
OTHERS = "mozjpeg_420", "jpegli_420", "jpegli_444"
METRICS = "ssimulacra2", "butteraugli", "psnr"
# Qualities of the model's files, and of the others' beside AT.
OWN = 3, 6, 10, 16, 24, 33, 43, 53, 63, 71, 78, 84, 89, 93, 95.5, 97.5, 98.7
MORE = 5, 8, 12, 20, 40, 60, 68, 81, 86, 93, 97, 98


def score(name, value):
    """A figure of a metric so that more is better."""
    return -np.log(max(value, 1e-3)) if name == "butteraugli" else value


def points(path, encoder, qualities, sampling):
    """float64 [qualities, 2 + METRICS] of a picture: quality, bits a pixel and scores."""
    import learned_jpeg
    from learned_jpeg.jpeg.jpeg_file import decode
    from learned_jpeg.metrics.measures import Reference
    from learned_jpeg.pictures import reading
    from learned_jpeg.rivals.encoders import ENCODERS

    pixels = reading.read(path)
    original, rows = Reference(pixels), []
    if encoder in ENCODERS:
        encode = partial(ENCODERS[encoder].encode, huffman="progressive")
    else:
        encode = partial(learned_jpeg.load(encoder).encode, sampling=sampling)
    for quality in qualities:
        data = encode(pixels, quality=quality)
        figures = original.measure(decode(data), METRICS)
        bits = 8 * len(data) / (pixels.shape[0] * pixels.shape[1])
        rows.append([quality, bits, *(score(name, figures[name]) for name in METRICS)])
    return np.array(rows)


def needed(own, other, column):
    """[files] log of the bits of own files over another encoder's, at the score of each of these;
    nan where no two own files are about it."""
    scores = np.maximum.accumulate(own[:, column])
    bits = np.interp(other[:, column], scores, np.log(own[:, 1]), np.nan, np.nan)
    return bits - np.log(other[:, 1])


def percent(value):
    """A mean of logarithms as a signed text in percent."""
    return f"{100 * np.expm1(value):+.1f}"


def mean_score(curves, quality):
    """The mean SSIMULACRA2 at a quality over the pictures' curves."""
    return np.mean([np.interp(quality, curve[:, 0], curve[:, 2]) for curve in curves])


def steps_like(own, anchor, step_of, scales, steps):
    """The steps at the scales at which own files have the mean SSIMULACRA2 of an anchor's, where
    both have files; beyond, the steps that were, by the nearest factor.

    own, anchor: curves; step_of: of a quality; scales, steps: [n].
    """
    scores = np.maximum.accumulate([mean_score(own, quality) for quality in OWN])
    of_scores = np.log([step_of(quality) for quality in OWN])
    qualities = np.where(np.array(scales) > 1, 50 / np.array(scales), 100 - 50 * np.array(scales))
    factors = np.full(len(scales), np.nan)
    for i, quality in enumerate(qualities):
        if AT[0] / 6 <= quality <= AT[-1]:
            wanted = mean_score(anchor, quality)
            if scores[0] <= wanted <= scores[-1]:
                factors[i] = np.interp(wanted, scores, of_scores) - np.log(steps[i])
    known = np.flatnonzero(np.isfinite(factors))
    return np.array(steps) * np.exp(np.interp(np.arange(len(scales)), known, factors[known]))


def fit(folder, measured):
    """Writes the steps of a model's folder. measured: of (encoder, qualities, sampling), curves."""
    from learned_jpeg.models import portable, rdo, shipped
    from learned_jpeg.search import tuning

    model = shipped.load(folder)
    weights = dict(model.weights)
    anchor = measured("mozjpeg_420", sorted({*AT, *MORE}), None)
    for sampling, name in rdo.STEPS.items():
        own = measured(folder, OWN, sampling)
        step_of = lambda quality, sampling=sampling: model._step(quality, sampling)  # noqa: E731
        weights[name] = steps_like(own, anchor, step_of, tuning.SCALES, weights[name]).round(3)
        print(f"{name}: {', '.join(f'{step:g}' for step in weights[name])}")
    portable.write_arrays(weights, folder)


def report(own, others):
    """Prints the tables. own: curves; others: {encoder: curves}."""
    names = [f"{name}, {metric}" for name in others for metric in METRICS[:2]]
    print("| quality | SSIMULACRA2 over mozjpeg's | " + " | ".join(names) + " |")
    print("|---" * (2 + len(names)) + "|")
    for quality in AT:
        above = mean_score(own, quality) - mean_score(others["mozjpeg_420"], quality)
        cells = []
        for curves in others.values():
            for column in (2, 3):
                rows = [other[other[:, 0] == quality] for other in curves]
                found = np.array([needed(*pair, column)[0] for pair in zip(own, rows, strict=True)])
                worst, behind = percent(np.nanmax(found)), np.sum(found > 0)
                cells.append(f"{percent(np.nanmean(found))} (worst {worst}, {behind} behind)")
        print(f"| {quality} | {above:+.1f} | " + " | ".join(cells) + " |")
    print("\n| | " + " | ".join(f"{low} to {high} bpp" for low, high in RANGES) + " |")
    print("|---" * (1 + len(RANGES)) + "|")
    for name, curves in others.items():
        for column, metric in enumerate(METRICS, 2):
            pairs = zip(own, curves, strict=True)
            found = [np.stack([other[:, 1], needed(one, other, column)]) for one, other in pairs]
            bits, more = np.concatenate(found, 1)
            inside = [(low <= bits) & (bits < high) for low, high in RANGES]
            cells = [percent(np.nanmean(more[one])) for one in inside]
            print(f"| {name}, {metric} | " + " | ".join(cells) + " |")


def main():
    """Prints the tables, or fits a model's steps."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("images", nargs="+", help="globs, folders or files")
    parser.add_argument("--model", default="rdo_visual", help="a name or a folder")
    parser.add_argument("--sampling", default="auto")
    parser.add_argument("--others", nargs="+", default=OTHERS, metavar="NAME")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--fit", action="store_true")
    args = parser.parse_args()

    from learned_jpeg.pictures import reading
    from learned_jpeg.rivals import encoders

    names = dict.fromkeys(["mozjpeg_420", *args.others])  # its scores are in the first column
    for name in names:
        encoders.required(name)
    paths = reading.find(args.images, "images")
    with ProcessPoolExecutor(args.jobs) as pool:

        def measured(encoder, qualities, sampling):
            calls = [(path, encoder, qualities, sampling) for path in paths]
            return list(pool.map(points, *zip(*calls, strict=True)))

        if args.fit:
            fit(args.model, measured)
            return
        others = {name: measured(name, sorted({*AT, *MORE}), None) for name in names}
        report(measured(args.model, OWN, args.sampling), others)


if __name__ == "__main__":
    from learned_jpeg.cli import command

    command.run(main)
