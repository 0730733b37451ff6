#!/usr/bin/env bash
# The main job on photographs that scikit-image carries: trains ljpeg at two lambdas, writes JPEG
# files of three photographs that it has not seen, and compares them with Pillow's. `make demo`
# sets up what it needs.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
export TF_CPP_MIN_LOG_LEVEL=3

python3 -c "import skimage" 2>/dev/null || {
  echo "error: the package skimage is missing: make demo" >&2
  exit 2
}

python3 - <<'PYTHON'
from pathlib import Path

import skimage.data
from PIL import Image

for folder, names in {
    "train": ["motorcycle_left", "motorcycle_right", "rocket", "hubble_deep_field", "ihc", "moon",
              "camera", "brick", "grass", "gravel", "coins", "retina"],
    "photos": ["astronaut", "coffee", "chelsea"],
}.items():
    target = Path("demo") / folder
    target.mkdir(parents=True, exist_ok=True)
    for name in names:
        (source,) = Path(skimage.data.__file__).parent.glob(f"{name}.*g")
        Image.open(source).convert("RGB").save(target / f"{name}.png")
PYTHON

echo "Training ljpeg on the photographs in demo/train"
ARCHITECTURE=ljpeg LAMBDAS="0.0025 0.01" TRAIN_GLOB="demo/train/*.png" LAST_STEP=500 \
  bash batch_job_attention.sh demo/runs/ljpeg

echo "Measuring on the photographs in demo/photos"
python3 evaluate.py --batch_dir demo/runs --jpeg_type ljpeg --test_image_glob "demo/photos/*.png" \
  --huffman optimized

echo "What the shipped default, ljpeg_rdo.py, gains on them; also over mozjpeg and jpegli, if they are there"
python3 evaluate.py --batch_dir example_experiments --runs rdo_visual --jpeg_type ljpeg_rdo \
  --output_dir demo/shipped --test_image_glob "demo/photos/*.png" --huffman progressive \
  --qualities 10,25,40,60,80 --encoders mozjpeg_420 jpegli_420

echo "Look first at demo/shipped/photos_progressive.html and demo/runs/photos_optimized.html in a browser:"
echo "curves, and pictures at equal size"
echo "JPEG files: demo/runs/_output/photos/optimized (learned), demo/runs/_output_PIL (Pillow's)"
