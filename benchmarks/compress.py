"""Speed and memory of compressing pictures from memory to the bytes of a progressive JPEG file.

    python3 benchmarks/compress.py [--megapixels 1 12 48] [--encoders ljpeg mozjpeg_444 ...]

Each line is a process of its own, after a first small picture that pays for what is done once.
The picture is one of scikit-image's photographs, enlarged. All encoders have the IJG tables at
one quality, 4:4:4; the networks have random weights, which take as long as trained ones.

For a network, `network` is the part of the seconds that its forward pass over the picture alone
takes, in the same tiles but without their overlap; `file` is the part that `jpeg_file` takes.
The CPU seconds say what a machine that does other things at the same time blurs.
"""

import argparse
import json
import math
import resource
import subprocess
import sys
import time
from pathlib import Path

PROJECT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(PROJECT))

ARCHITECTURES = ("ljpeg_PIL", "ljpeg", "google_baseline", "ljpeg_attention")
OTHERS = ("pillow_444", "mozjpeg_444")


def photograph(megapixels):
    """uint8 [H, W, 3] of 3:2 with about so many pixels."""
    import numpy as np
    import skimage.data
    from PIL import Image

    height = round(math.sqrt(megapixels * 1e6 / 1.5))
    image = Image.fromarray(skimage.data.coffee())
    return np.asarray(image.resize((round(1.5 * height), height), Image.Resampling.LANCZOS))


def make_model(name, quality):
    """A model of an architecture with the IJG tables, and its network over pixels, or None."""
    import arg_parser  # noqa: F401  first: it quietens TensorFlow's start
    import google_baseline
    import ljpeg
    import ljpeg_attention
    import ljpeg_PIL
    from image_utils import ijg_qtables

    import tensorflow as tf

    model = {
        "ljpeg_PIL": ljpeg_PIL.LJPEGPIL,
        "ljpeg": ljpeg.LJPEG,
        "google_baseline": google_baseline.GoogleBaseline,
        "ljpeg_attention": ljpeg_attention.LJPEGAttention,
    }[name]()
    model(tf.zeros([1, 16, 16, 3]), quality=50.0)
    if hasattr(model, "scaled_qtables"):
        model.scaled_qtables.assign(ijg_qtables(quality) * ljpeg.TABLE_SCALE)
    layer = getattr(model, "attention", getattr(model, "network", None))
    if layer is None:
        return model, None

    signature = [tf.TensorSpec([1, None, None, 3])]
    forward = tf.function(lambda images: tf.reduce_sum(layer(images)), input_signature=signature)

    def network(image):
        for top in range(0, image.shape[0], model.tile):
            for left in range(0, image.shape[1], model.tile):
                tile = image[top : top + model.tile, left : left + model.tile]
                height, width = tile.shape[0] // 8 * 8, tile.shape[1] // 8 * 8
                forward(tf.cast(tile[None, :height, :width], tf.float32) / 255.0)

    return model, network


def measure(name, megapixels, quality):
    """The figures of one encoder at one size, as a dict."""
    import jpeg_file

    network, file_seconds = None, [0.0]
    if name in ARCHITECTURES:
        model, network = make_model(name, quality)
        own_quality = None if hasattr(model, "scaled_qtables") else float(quality)
        write_jpeg = jpeg_file.write_jpeg

        def timed_write_jpeg(*args):
            start = time.perf_counter()
            data = write_jpeg(*args)
            file_seconds[0] = time.perf_counter() - start
            return data

        jpeg_file.write_jpeg = timed_write_jpeg

        def encode(image):
            return model.compress(image, quality=own_quality)
    else:
        from encoders import ENCODERS

        def encode(image):
            return ENCODERS[name].encode(image, quality, "progressive")

    small, image = photograph(0.1), photograph(megapixels)
    encode(small)
    start, cpu = time.perf_counter(), time.process_time()
    data = encode(image)
    seconds, cpu = time.perf_counter() - start, time.process_time() - cpu
    figures = {
        "seconds": seconds,
        "cpu": cpu,
        "bytes": len(data),
        "file": file_seconds[0] / seconds,
        # Linux counts in kilobytes. The picture in memory is part of it.
        "megabytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3,
    }
    if network is not None:
        network(small)
        start = time.perf_counter()
        network(image)
        figures["network"] = (time.perf_counter() - start) / seconds
    return figures


def main():
    """Runs the benchmark and prints a table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--megapixels", type=float, nargs="+", default=[1, 12, 48])
    parser.add_argument("--encoders", nargs="+", default=[*OTHERS, *ARCHITECTURES])
    parser.add_argument("--quality", type=int, default=75)
    parser.add_argument("--measure", action="store_true", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.measure:
        print(json.dumps(measure(args.encoders[0], args.megapixels[0], args.quality)))
        return

    print(
        f"{'encoder':16} {'Mpx':>5} {'speed':>18} {'s':>8} {'CPU s':>6} {'/ mozjpeg':>10}"
        f" {'peak MB':>8} {'bpp':>5}  parts"
    )
    for megapixels in args.megapixels:
        anchor = None
        for name in args.encoders:
            command = [sys.executable, __file__, "--measure", "--quality", str(args.quality)]
            command += ["--encoders", name, "--megapixels", str(megapixels)]
            done = subprocess.run(command, capture_output=True, text=True)
            if done.returncode:
                print(f"{name}: failed: {done.stderr.strip().splitlines()[-1:]}")
                continue
            figures = json.loads(done.stdout.splitlines()[-1])
            if name.startswith("mozjpeg"):
                anchor = figures["cpu"]
            ratio = f"{figures['cpu'] / anchor:9.2f}x" if anchor else " " * 10
            parts = [
                f"{part} {figures[part]:.0%}" for part in ("network", "file") if figures.get(part)
            ]
            print(
                f"{name:16} {megapixels:5g} {megapixels / figures['seconds']:12.2f} Mpx/s"
                f" {figures['seconds']:8.2f} {figures['cpu']:6.1f} {ratio}"
                f" {figures['megabytes']:8.0f} {8 * figures['bytes'] / (megapixels * 1e6):5.2f}"
                f"  {', '.join(parts)}",
                flush=True,
            )


if __name__ == "__main__":
    main()
