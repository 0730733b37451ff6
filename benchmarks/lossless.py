#!/usr/bin/env python3
"""Rewriting JPEG files without loss: bytes and CPU time beside jpegtran and mozjpeg's transcoder.

    python3 benchmarks/lossless.py "KODAK/kodim*.png" [--quality 85] [--subsampling 2]

Pillow first turns other pictures into JPEG files. The decoded pixels before and after are compared.
The script needs jpegtran, and the package mozjpeg-lossless-optimization of requirements-dev.txt.
"""

import argparse
import io
import resource
import subprocess
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from learned_jpeg.jpeg import jpeg_file
from learned_jpeg.pictures import lossless, reading  # noqa: E402

import mozjpeg_lossless_optimization  # noqa: E402
import numpy as np  # noqa: E402
from PIL import Image  # noqa: E402


def jpeg_of(path, quality, subsampling):
    """The bytes of a JPEG file; Pillow turns other pictures into one."""
    data = Path(path).read_bytes()
    if data.startswith(b"\xff\xd8"):
        return data
    file = io.BytesIO()
    pixels = Image.fromarray(reading.read(path))
    pixels.save(file, "JPEG", quality=quality, subsampling=subsampling)
    return file.getvalue()


def jpegtran(data):
    """The file of jpegtran, with the options that its manual gives for the smallest file."""
    command = ["jpegtran", "-copy", "all", "-optimize", "-progressive"]
    return subprocess.run(command, input=data, capture_output=True, check=True).stdout


WAYS = {
    "jpegtran": jpegtran,
    "mozjpeg": mozjpeg_lossless_optimization.optimize,
    "--lossless": lambda data: lossless.transcode(data)[0],
}


def seconds():
    """The CPU seconds of this process and of the processes that it has started."""
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + children.ru_utime + children.ru_stime


def main():
    """Prints a line for each file and one for all."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("images", nargs="+", help="pictures, folders or globs")
    parser.add_argument("--quality", type=int, default=85)
    parser.add_argument("--subsampling", type=int, default=2, help="of Pillow: 0, 1 or 2")
    args = parser.parse_args()
    lossless.transcode(jpeg_of(reading.find(args.images, "images")[0], 85, 2))  # compiles
    print(f"{'':24} {'before':>11}" + "".join(f"{name:>11}" for name in WAYS))
    totals, times, pixels = np.zeros(1 + len(WAYS), int), np.zeros(len(WAYS)), 0
    for path in reading.find(args.images, "images"):
        data = jpeg_of(path, args.quality, args.subsampling)
        shown, sizes = jpeg_file.decode(data), [len(data)]
        for i, way in enumerate(WAYS.values()):
            start = seconds()
            found = way(data)
            times[i] += seconds() - start
            sizes.append(len(found))
            assert np.array_equal(jpeg_file.decode(found), shown)
        totals += sizes
        pixels += shown[..., 0].size
        print(f"{path.name:24} " + "".join(f"{size:11,}" for size in sizes))
    print(f"{'all':24} " + "".join(f"{size:11,}" for size in totals))
    print(
        f"{'smaller by %':36}" + "".join(f"{100 * (1 - n / totals[0]):11.2f}" for n in totals[1:])
    )
    print(f"{'CPU seconds a megapixel':36}" + "".join(f"{1e6 * n / pixels:11.3f}" for n in times))


if __name__ == "__main__":
    main()
