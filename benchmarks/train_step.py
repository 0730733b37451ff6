"""Seconds a training step takes, the share spent waiting for input, and peak memory.

    python3 benchmarks/train_step.py --train_glob "photos/*.png"

Each architecture trains in a process of its own with the dataset, the step and the optimizer of
`train`, in a plain loop that can time the two parts of a step; without checkpoints and summaries.
"Waiting" is the time in which no step could run because its crops were not ready. Memory is the
peak of the process.
"""

import argparse
import json
import resource
import subprocess
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

# (architecture, batch, crop, cached features)
CASES = [
    ("ljpeg", 8, 256, False),
    ("ljpeg", 8, 128, False),
    ("ljpeg+lpips", 8, 256, False),
    ("ljpeg_attention", 8, 256, False),
    ("ljpeg_attention", 8, 128, False),
    ("ljpeg_attention", 8, 128, True),
    ("google_baseline", 8, 64, False),
    ("google_baseline+bfloat16", 8, 64, False),
]
# The training options of a case, by the word behind + in its name.
OPTIONS = {"lpips": {"lpips_weight": 500.0}, "bfloat16": {"bfloat16": True}}


def measure(args):
    """Trains one case for some steps and prints a JSON object of its figures."""
    import learned_jpeg.runtime.tensorflow_settings  # noqa: E402, F401
    from learned_jpeg.models import architectures, checkpoints
    from learned_jpeg.training import crops, feature_cache, trainer

    import numpy as np
    import tensorflow as tf

    name, _, option = args.case.partition("+")
    pipeline = checkpoints.build(architectures.load(name), OPTIONS.get(option, {}))
    model = trainer.Trainer(pipeline)
    model.compile(optimizer=pipeline.make_optimizer(1e-5))
    model.optimizer.build(model.trainable_variables)
    paths, pixels = crops.find_images(args.train_glob, args.patch, "--train_glob")
    source = crops.CropSource(paths, pixels, args.patch, seed=0)
    if args.cached:
        images = np.stack(list(source.dataset(2).take(256).as_numpy_iterator()))
        features_of = pipeline.attention.features
        features = np.concatenate(
            [features_of(images[i : i + 8] / np.float32(255)) for i in range(0, 256, 8)]
        )
        dataset = feature_cache.dataset(images, features.astype(np.float16), args.batch, 0, 0)
    else:
        dataset = source.dataset(16).batch(args.batch, drop_remainder=True)
        dataset = dataset.map(lambda images: {"images": images})
    dataset = dataset.prefetch(2)
    step = tf.function(model.train_step)
    waiting, whole = [], []
    batches = iter(dataset)
    for _ in range(args.steps + 5):
        start = time.perf_counter()
        batch = next(batches)
        arrived = time.perf_counter()
        float(step(batch)["loss"])
        waiting.append(arrived - start)
        whole.append(time.perf_counter() - start)
    whole, waiting = np.array(whole[5:]), np.array(waiting[5:])
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(json.dumps([float(np.median(whole)), float(waiting.sum() / whole.sum()), memory]))


def main():
    """Runs every case in a process of its own and prints a Markdown table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--train_glob", required=True, help="photographs, quoted")
    parser.add_argument("--steps", type=int, default=60, help="steps measured of each (60)")
    for hidden in ("--case", "--batch", "--patch", "--cached"):
        parser.add_argument(hidden, type=str if hidden == "--case" else int, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.case:
        measure(args)
        return
    print("| architecture | batch | crop | s/step, median | waiting for input | memory, GiB |")
    print("|---|---|---|---|---|---|")
    for case, batch, patch, cached in CASES:
        command = [sys.executable, __file__, "--train_glob", args.train_glob, "--case", case]
        command += ["--batch", str(batch), "--patch", str(patch), "--cached", str(int(cached))]
        slow = case.startswith("google_baseline") or (case == "ljpeg_attention" and not cached)
        command += ["--steps", str(args.steps // 4 if slow else args.steps)]
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True)
        if done.returncode:  # it has said why
            sys.exit(done.returncode)
        seconds, share, memory = json.loads(done.stdout.splitlines()[-1])
        label = f"`{case}`" + (", cached features" if cached else "")
        row = f"{batch} | {patch} | {seconds:.3f} | {share:.1%} | {memory:.2f}"
        print(f"| {label} | {row} |", flush=True)


if __name__ == "__main__":
    main()
