#!/usr/bin/env python3
"""The scans of progressive files: bytes and time beside mozjpeg's lossless transcoder.

    python3 benchmarks/scans.py "KODAK/*.png" [--tune visual] [--qualities 10,25,50,75,90]

Both write the same integers, which the search of `--tune` chooses. The script needs the package
mozjpeg-lossless-optimization of requirements-dev.txt.
"""

import argparse
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from learned_jpeg.jpeg import jpeg_file
from learned_jpeg.pictures import reading
from learned_jpeg.search import tuning
from learned_jpeg.search.quantizer import Trellis, analyse  # noqa: E402

import mozjpeg_lossless_optimization  # noqa: E402
import numpy as np  # noqa: E402


def main():
    """Prints a line for each quality."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("images", nargs="+", help="pictures, folders or globs")
    parser.add_argument("--tune", choices=tuning.TUNES, default="visual")
    parser.add_argument("--qualities", default="10,25,50,75,90", metavar="Q,Q,...")
    args = parser.parse_args()
    images = [reading.read(path) for path in reading.find(args.images, "images")]
    print("quality      bpp   smaller   CPU ms a picture, ours and the transcoder's")
    for quality in map(float, args.qualities.split(",")):
        qtables, rows = tuning.tuned_qtables(quality, args.tune), []
        for pixels in images:
            found = Trellis(args.tune)(analyse(pixels, qtables, "420"))
            picture = found, qtables, *pixels.shape[:2], "420"
            start = time.process_time()
            ours = jpeg_file.write_jpeg(*picture, "progressive")
            between = time.process_time()
            baseline = jpeg_file.write_jpeg(*picture, "optimized")
            theirs = mozjpeg_lossless_optimization.optimize(baseline)
            times = between - start, time.process_time() - between
            rows.append([len(ours), len(theirs), pixels[..., 0].size, *times])
        ours, theirs, size, *times = np.transpose(rows[-len(images) :])
        bpp, less = np.mean(8 * ours / size), 100 * np.mean(1 - ours / theirs)
        print(f"{quality:7g} {bpp:8.3f} {less:8.2f}%   {1e3 * np.mean(times, 1).round(4)}")


if __name__ == "__main__":
    main()
