"""The loss of trained models, and their real files, on the centres of photographs.

    python3 benchmarks/model_loss.py --glob "photos/*.png" RUN/lambda_*/train ...

Prints for each model the terms of its loss, the bits per pixel of its progressive files and their
PSNR, as means over the crops. These figures compare trainings of the same loss.
"""

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from learned_jpeg.jpeg import jpeg_file
from learned_jpeg.metrics import measures
from learned_jpeg.models import checkpoints, encoding
from learned_jpeg.training import crops

import numpy as np  # noqa: E402


def measure(folder, images):
    """{term: mean} of the model in a folder for images uint8 [N, H, W, 3]."""
    pipeline, found = checkpoints.restore(folder), []
    rate_setting = pipeline.rate_setting and pipeline.rate_setting.default
    for image in images:
        terms = pipeline.loss_terms(image[None].astype(np.float32) / 255, rate_setting=rate_setting)
        file = encoding.encode(pipeline, image, rate_setting)
        terms["file bpp"] = measures.bpp(len(file), *image.shape[:2])
        terms["file psnr"] = measures.psnr(image, jpeg_file.decode(file))
        found.append({name: float(value) for name, value in terms.items()})
    return {name: np.mean([terms[name] for terms in found]) for name in found[0]}


def main():
    """Runs the measurement."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folders", nargs="+", metavar="DIR")
    parser.add_argument("--glob", nargs="+", required=True)
    parser.add_argument("--patchsize", type=int, default=384)
    args = parser.parse_args()
    paths, _ = crops.find_images(args.glob, args.patchsize, "--glob", 1.0)
    images = np.concatenate(list(crops.validation_batches(paths, args.patchsize, 8, 1.0)))
    for folder in args.folders:
        terms = measure(folder, images)
        print(folder, *(f"{name} {value:.4g}" for name, value in terms.items()), sep="  ")


if __name__ == "__main__":
    main()
