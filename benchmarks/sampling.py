"""The loss of `--sampling auto` against the better of the two samplings, at equal bytes.

    python3 benchmarks/sampling.py ["photos/*.png" ...] [--model rdo_visual] [--metric ssimulacra2]

Without photographs the script takes the pictures of graphics.py. At each quality it compares the
file of auto with the other sampling's curve over the bytes. A cell names the sampling of auto, and
its distance behind that curve in the metric, if it is behind.
"""

import argparse
import sys
from pathlib import Path

import numpy as np

PROJECT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(PROJECT), str(Path(__file__).parent)]

SAMPLINGS = "444", "420"
AT = 30, 50, 75, 92
CURVE = 8, 14, 20, *AT, 40, 62, 85, 96
BETTER_LOW = ("lpips", "butteraugli")


def curve(model, original, pixels, sampling, metric, options):
    """{quality: (logarithm of the bytes, the metric, higher for better)} of a picture's files."""
    from learned_jpeg.jpeg.jpeg_file import decode

    points = {}
    for quality in CURVE:
        data = model.encode(pixels, quality=quality, sampling=sampling, **options)
        value = original.measure(decode(data), [metric])[metric]
        points[quality] = np.log(len(data)), -value if metric in BETTER_LOW else value
    return points


def behind(point, other):
    """The distance of a point behind a curve at equal bytes; negative in front of the curve."""
    bytes_of, values = map(np.array, zip(*sorted(other.values()), strict=True))
    return np.interp(point[0], bytes_of, values) - point[1]


def rows(model, pictures, metric, options):
    """Yields (name, {quality: (sampling of auto, how far behind the other one)})."""
    from learned_jpeg.jpeg.jpeg_file import read_jpeg
    from learned_jpeg.metrics.measures import Reference

    for name, pixels in pictures:
        original, found = Reference(pixels), {}
        curves = {s: curve(model, original, pixels, s, metric, options) for s in SAMPLINGS}
        for quality in AT:
            data = model.encode(pixels, quality=quality, sampling="auto", **options)
            one = read_jpeg(data)[4]
            (other,) = set(SAMPLINGS) - {one}
            found[quality] = one, behind(curves[one][quality], curves[other])
        yield name, found


def main():
    """Prints the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("images", nargs="*", help="globs, folders or files")
    parser.add_argument("--model", default="rdo_visual")
    parser.add_argument("--tune", help="of ljpeg_PIL")
    parser.add_argument("--metric", default="ssimulacra2", help="of learned_jpeg.metrics.measures")
    args = parser.parse_args()

    import learned_jpeg
    from learned_jpeg.pictures import reading

    import graphics

    model = learned_jpeg.load(args.model)
    pictures = [(name, np.asarray(make())) for name, make in graphics.GRAPHICS.items()]
    if args.images:
        paths = reading.find(args.images, "images")
        pictures = ((Path(path).stem, reading.read(path)) for path in paths)
    options = {"tune": args.tune} if args.tune else {}
    print("| | " + " | ".join(f"quality {quality}" for quality in AT) + " |")
    print("|---" * (1 + len(AT)) + "|")
    worst = []
    for name, found in rows(model, pictures, args.metric, options):
        worst += [far for _, far in found.values()]
        cells = [f"{one}, {far:.1f}" if far > 0 else one for one, far in found.values()]
        print(f"| {name} | " + " | ".join(cells) + " |", flush=True)
    far = sum(value > 1 for value in worst)
    print(f"\n{far} of {len(worst)} files are behind by more than 1, the worst by {max(worst):.1f}")


if __name__ == "__main__":
    from learned_jpeg.cli import command

    command.run(main)
