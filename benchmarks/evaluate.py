"""Seconds of an evaluation: the parts of measuring a point, and the command with stored figures.

    python3 benchmarks/evaluate.py --checkpoint_dir RUN/lambda_*/train \
        --test_image_glob "KODAK/*.png" [--points 6] [--batch_dir BATCH]

"encoding" is the time of the first checkpoint alone. "encoding together" is the time of a file when
all checkpoints, or all values of a rate setting, share the outputs of their networks for an image.
The parts are measured in one process, TensorFlow with all cores, per file and per megapixel. The
one-time work at the first image (TensorFlow's graphs, compiled code) is listed separately. The
metrics' work on an original is done once for --points files. With --batch_dir, evaluate.py runs on
that folder twice; at the second time all pickles exist.
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

from learned_jpeg import api  # noqa: E402
from learned_jpeg.evaluation import coders, curves  # noqa: E402
from learned_jpeg.jpeg import jpeg_file  # noqa: E402
from learned_jpeg.metrics import measures  # noqa: E402
from learned_jpeg.models.encoding import Coding  # noqa: E402
from learned_jpeg.pictures import reading  # noqa: E402


@contextmanager
def timed(seconds, part):
    """Adds the time of the block to seconds[part]."""
    start = time.perf_counter()
    yield
    seconds[part] += time.perf_counter() - start


def measure(model, together, path, huffman, rate_setting, points):
    """The seconds of the parts of one image, its files measured `points` times: {part: seconds}.

    together: [(coder, rate setting)] of those that encode it together.
    """
    seconds = defaultdict(float)
    with timed(seconds, "reading the image"):
        original = reading.read(path)
    with timed(seconds, "encoding"):
        data = model.encode(original, rate_setting, huffman=huffman)
    with timed(seconds, "encoding together"):
        for coder, value in together:
            coder.encode(original, value)
    seconds["encoding together"] /= len(together)
    reference = measures.Reference(original)
    for number in range(points):
        with timed(seconds, "decoding"):
            decoded = jpeg_file.decode(data)
        for name in measures.METRICS:
            with timed(seconds, name):
                reference.measure(decoded, [name])
            if number == 0:
                seconds[f"{name}, first file of an image"] = seconds[name]
    return seconds, original.shape[0] * original.shape[1] / 1e6


def main():
    """Runs the benchmark."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--checkpoint_dir", nargs="+", required=True, metavar="DIR")
    parser.add_argument("--test_image_glob", required=True)
    parser.add_argument("--huffman", choices=jpeg_file.HUFFMAN, default="standard")
    parser.add_argument("--dial", type=float, help="the value of the model's rate setting")
    parser.add_argument("--points", type=int, default=6, help="files of an image; default: 6")
    parser.add_argument("--batch_dir")
    args = parser.parse_args()

    images, _ = curves.find_images(args.test_image_glob)
    start = time.perf_counter()
    model = api.load(args.checkpoint_dir[0])
    print(f"TensorFlow's import and the model {time.perf_counter() - start:.2f} s")

    together = [
        (coder, rate_setting)
        for folder in args.checkpoint_dir
        for coder in [coders.ModelCoder(folder, "", Coding(args.huffman), shared="run")]
        for rate_setting in (coder.rate_setting.values if coder.rate_setting else [None])
    ]
    (first, _), *others = (
        measure(model, together, image.path, args.huffman, args.dial, args.points)
        for image in [images[0], *images]
    )
    megapixels = sum(size for _, size in others)
    print(f"{model.architecture}, {len(images)} images, {args.points} files of each; milliseconds:")
    print(f"  {'':36} {'a file':>8} {'a megapixel':>12}   (very first image)")
    total_of_point = 0.0
    for part in first:
        total = 1000 * sum(seconds[part] for seconds, _ in others)
        once = part.startswith(("reading", "encoding")) or "first" in part
        files = 1 if once else args.points
        print(
            f"  {part:36} {total / len(images) / files:8.1f} {total / megapixels / files:12.1f}"
            f"   ({1000 * first[part] / files:.0f})"
        )
        if "first" not in part and part != "encoding":
            total_of_point += total if part == "encoding together" else total / args.points
    print(f"  {'a point of an image, all together':36} {total_of_point / len(images):8.1f}")

    if args.batch_dir:
        command = [sys.executable, PROJECT / "evaluate.py", "--batch_dir", args.batch_dir]
        command += ["--test_image_glob", args.test_image_glob, "--huffman", args.huffman]
        for name in ("a first", "a second"):
            start = time.perf_counter()
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
            print(f"{name} run of evaluate.py: {time.perf_counter() - start:.1f} s")


if __name__ == "__main__":
    main()
