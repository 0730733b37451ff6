"""The gain of each learned part of a ljpeg_rdo model, and of refining: BD-rates and time.

    python3 benchmarks/learned_parts.py "photos/*.png" [--model rdo_visual] [--refine 0 3]

Each row is an encoder whose files, progressive at 4:2:0, are decoded and measured in five metrics.
Its BD-rate is in percent against the anchor, computed as in benchmarks/quantizer.py. The first row,
`ljpeg_PIL.py compress --tune`, has no learned part. Time is CPU time from pixels to file.
"""

import argparse
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from learned_jpeg.cli.command import run  # noqa: E402
from learned_jpeg.evaluation.bd_rates import bd_rates  # noqa: E402
from learned_jpeg.models import encoding, portable, shipped
from learned_jpeg.models.checkpoints import read_config  # noqa: E402
from learned_jpeg.pictures import reading
from learned_jpeg.rivals import encoders  # noqa: E402
from ljpeg_rdo import LJPEGRDO  # noqa: E402

import numpy as np  # noqa: E402
from quantizer import METRICS, curve  # noqa: E402

QUALITIES = (5, 9, 16, 28, 45, 66, 80, 90, 95)  # of the model
ANCHOR_QUALITIES = (10, 18, 30, 45, 60, 75, 85, 91, 95)
# What each row has of the model: the tables and the error, the lambda map.
ROWS = {"nothing": (), "tables, error": ("numbers",), "+ lambda map": ("numbers", "last")}


def main(argv=None):
    """Runs the script; returns its exit status."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("images", nargs="+", help="globs, folders or files")
    parser.add_argument("--model", default="rdo_visual", help="its name or folder")
    parser.add_argument("--anchor", default="mozjpeg_420", help="of evaluate.py's encoders")
    parser.add_argument("--metrics", nargs="+", choices=METRICS, default=METRICS)
    parser.add_argument("--refine", nargs="+", type=int, default=[0], help="steps, a row each")
    parser.add_argument("--number", type=int, help="take only this number of pictures, the first")
    args = parser.parse_args(argv)

    images = [reading.read(path) for path in reading.find(args.images, "images")[: args.number]]
    folder = shipped.folders(args.model)[0]
    options, weights = read_config(folder)["options"], portable.read(folder)
    anchor = encoders.required(args.anchor)

    def rival(pixels, quality):
        return anchor.encode(pixels, quality, "progressive"), 0.0

    against = curve(images, rival, ANCHOR_QUALITIES, args.metrics)
    print(f"| {args.anchor} | " + " | ".join(args.metrics) + " | CPU s / Mpx |")
    print("|---|" + "---|" * (len(args.metrics) + 1))
    network = weights["last"].any()
    rows = [(name, parts, 0) for name, parts in ROWS.items() if network or "last" not in parts]
    rows = rows if 0 in args.refine else []
    rows += [(f"+ refine {n}", ("numbers", "last"), n) for n in args.refine if n]
    for name, parts, refine in rows:
        learned = {k: v * (k in parts or k not in ("numbers", "last")) for k, v in weights.items()}
        pipeline = LJPEGRDO(search=options["search"], weights=learned)
        coding = encoding.Coding(sampling="420", refine=refine)

        def encode(pixels, quality, pipeline=pipeline, coding=coding):
            start = time.process_time()
            data = encoding.encode(pipeline, pixels, quality, coding)
            return data, time.process_time() - start

        encode(images[0][:64, :64], 50)  # compiles
        rate, figures, seconds = curve(images, encode, QUALITIES, args.metrics)
        cells = [
            f"{np.nanmean(bd_rates(against[0], against[1][metric], rate, figures[metric])[0]):+.1f}"
            for metric in args.metrics
        ]
        print(f"| {name} | " + " | ".join(cells) + f" | {seconds:.3f} |", flush=True)
    return 0


if __name__ == "__main__":
    run(main)
