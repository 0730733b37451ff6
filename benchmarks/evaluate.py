"""Seconds of an evaluation: the first one of a dot, by part, and a second one from the pickles.

    python3 benchmarks/evaluate.py --checkpoint_dir RUN/lambda_001/train \
        --test_image_glob "KODAK/*.png" [--batch_dir BATCH]

The parts are those of one process, TensorFlow with all cores; the first image, which pays for
TensorFlow's graphs, is measured apart. With --batch_dir, the command evaluate.py is run on that
folder twice; the second time finds all pickles there.
"""

import argparse
import subprocess
import sys
import time
from collections import defaultdict
from contextlib import contextmanager
from pathlib import Path

PROJECT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(PROJECT))

import dot_cache  # noqa: E402
import evaluate  # noqa: E402
import jpeg_file  # noqa: E402
import metrics  # noqa: E402


@contextmanager
def timed(seconds, part):
    """Adds the time of the block to seconds[part]."""
    start = time.perf_counter()
    yield
    seconds[part] += time.perf_counter() - start


def measure(model, path, huffman, quality):
    """The seconds of each part of the evaluation of one image, {part: seconds}."""
    from image_utils import read_image

    seconds, write_jpeg = defaultdict(float), jpeg_file.write_jpeg

    def timed_write_jpeg(*args):
        with timed(seconds, "file"):
            return write_jpeg(*args)

    with timed(seconds, "reading the image"):
        original = read_image(path)
    jpeg_file.write_jpeg = timed_write_jpeg
    with timed(seconds, "network"):
        data = model.compress(original, huffman=huffman, quality=quality)
    jpeg_file.write_jpeg = write_jpeg
    seconds["network"] -= seconds["file"]
    with timed(seconds, "decoding"):
        decoded = jpeg_file.decode(data)
    for name in dot_cache.METRICS:
        if name != "bpp":
            with timed(seconds, name):
                getattr(metrics, name)(original, decoded)
    return seconds


def main():
    """Runs the benchmark."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--checkpoint_dir", type=Path, required=True)
    parser.add_argument("--test_image_glob", required=True)
    parser.add_argument("--huffman", choices=jpeg_file.HUFFMAN, default="standard")
    parser.add_argument("--quality", type=int, help="for a google_baseline")
    parser.add_argument("--batch_dir")
    args = parser.parse_args()

    images, _ = evaluate.find_images(args.test_image_glob)
    start = time.perf_counter()
    import training

    imported = time.perf_counter()
    model = training.restore(args.checkpoint_dir)
    print(f"TensorFlow's import {imported - start:.2f} s, ", end="")
    print(f"restoring {time.perf_counter() - imported:.2f} s")

    first, *others = (
        measure(model, image.path, args.huffman, args.quality) for image in [images[0], *images]
    )
    total = {part: sum(seconds[part] for seconds in others) for part in first}
    print(f"{model.architecture}, {len(images)} images, seconds:")
    for part, seconds in total.items():
        print(f"  {part:18} {seconds:8.2f}   (first image, graphs included: {first[part]:.2f})")
    print(f"  {'together':18} {sum(total.values()):8.2f}")

    if args.batch_dir:
        command = [sys.executable, PROJECT / "evaluate.py", "--batch_dir", args.batch_dir]
        command += ["--test_image_glob", args.test_image_glob, "--huffman", args.huffman]
        for name in ("a first", "a second"):
            start = time.perf_counter()
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
            print(f"{name} run of evaluate.py: {time.perf_counter() - start:.1f} s")


if __name__ == "__main__":
    main()
