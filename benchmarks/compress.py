"""Speed and memory of compressing pictures from memory to the bytes of a progressive JPEG file.

    python3 benchmarks/compress.py [--megapixels 1 12 48] [--encoders ljpeg mozjpeg_444 ...]

Each line is a process of its own, after a first small picture that pays for what is done once.
The picture is one of scikit-image's photographs, enlarged. All encoders have the IJG tables at
one quality; the networks have random weights, which take as long as trained ones.

For a network, `network` is the part of the seconds that its forward pass over the picture alone
takes, in the same tiles but without their overlap; `file` is the part that `jpeg_file` takes.
The CPU seconds say what a machine that does other things at the same time blurs.
"""

import argparse
import json
import math
import os
import resource
import subprocess
import sys
import time
from pathlib import Path

PROJECT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(PROJECT))

OTHERS = ("pillow_444", "mozjpeg_444")


def photograph(megapixels):
    """uint8 [H, W, 3] of 3:2 with about so many pixels."""
    import numpy as np
    import skimage.data
    from PIL import Image

    height = round(math.sqrt(megapixels * 1e6 / 1.5))
    image = Image.fromarray(skimage.data.coffee())
    return np.asarray(image.resize((round(1.5 * height), height), Image.Resampling.LANCZOS))


def make_pipeline(name, quality):
    """A pipeline with the IJG tables, where it has no dial for them, and the layer that works on
    pixels, or None."""
    from learned_jpeg.jpeg import standard
    from learned_jpeg.models import architectures, checkpoints

    architecture = architectures.load(name)
    if not architecture.trained:
        return architecture(), None
    pipeline = checkpoints.build(architecture, {})
    if hasattr(pipeline, "scaled_qtables"):
        from ljpeg import TABLE_SCALE

        pipeline.scaled_qtables.assign(standard.ijg_qtables(quality) * TABLE_SCALE)
    return pipeline, getattr(pipeline, "attention", getattr(pipeline, "network", None))


def make_network(layer, tile_side):
    """A function that passes an image, uint8 [H, W, 3], through a layer, tile by tile."""
    import learned_jpeg.runtime.tensorflow_settings  # noqa: E402, F401

    import tensorflow as tf

    signature = [tf.TensorSpec([1, None, None, 3])]
    forward = tf.function(lambda images: tf.reduce_sum(layer(images)), input_signature=signature)

    def network(image):
        for top in range(0, image.shape[0], tile_side):
            for left in range(0, image.shape[1], tile_side):
                tile = image[top : top + tile_side, left : left + tile_side]
                height, width = tile.shape[0] // 8 * 8, tile.shape[1] // 8 * 8
                forward(tf.cast(tile[None, :height, :width], tf.float32) / 255.0)

    return network


def measure(name, megapixels, args):
    """The figures of one encoder at one size, as a dict."""
    from learned_jpeg.jpeg import jpeg_file
    from learned_jpeg.models import architectures

    layer, file_seconds = None, [0.0]
    if name in architectures.names():
        from learned_jpeg.api import Model

        pipeline, layer = make_pipeline(name, args.quality)
        model = Model(pipeline)
        dial = float(args.quality) if model.dial and model.dial.name == "quality" else None
        coding = {"sampling": args.sampling, "quantizer": args.quantizer, "huffman": args.huffman}
        write_jpeg = jpeg_file.write_jpeg

        def timed_write_jpeg(*args):
            start = time.perf_counter()
            data = write_jpeg(*args)
            file_seconds[0] = time.perf_counter() - start
            return data

        jpeg_file.write_jpeg = timed_write_jpeg

        def encode(image):
            return model.encode(image, dial=dial, **coding)
    else:
        from learned_jpeg.rivals.encoders import ENCODERS

        def encode(image):
            return ENCODERS[name].encode(image, args.quality, args.huffman)

    small, image = photograph(0.1), photograph(megapixels)
    encode(small)
    start, cpu = time.perf_counter(), sum(os.times()[:4])  # children's too: cjpeg is a program
    data = encode(image)
    seconds, cpu = time.perf_counter() - start, sum(os.times()[:4]) - cpu
    figures = {
        "seconds": seconds,
        "cpu": cpu,
        "bytes": len(data),
        "file": file_seconds[0] / seconds,
        # Linux counts in kilobytes. The picture in memory is part of it.
        "megabytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3,
    }
    if layer is not None:
        network = make_network(layer, pipeline.tile)
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
    parser.add_argument("--encoders", nargs="+", help="by default two and all architectures")
    parser.add_argument("--quality", type=int, default=75)
    parser.add_argument("--huffman", default="progressive")
    parser.add_argument("--sampling", default="444")
    parser.add_argument("--quantizer", default="round")
    parser.add_argument("--measure", action="store_true", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.measure:
        print(json.dumps(measure(args.encoders[0], args.megapixels[0], args)))
        return

    from learned_jpeg.models import architectures

    print(
        f"{'encoder':16} {'Mpx':>5} {'speed':>18} {'s':>8} {'CPU s':>6} {'/ mozjpeg':>10}"
        f" {'peak MB':>8} {'bpp':>5}  parts"
    )
    for megapixels in args.megapixels:
        anchor = None
        for name in args.encoders or (*OTHERS, *architectures.names()):
            command = [sys.executable, __file__, "--measure", "--quality", str(args.quality)]
            command += ["--encoders", name, "--megapixels", str(megapixels)]
            for option in ("huffman", "sampling", "quantizer"):
                command += [f"--{option}", getattr(args, option)]
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
