#!/usr/bin/env bash
# A demonstration on photographs of scikit-image: trains ljpeg at two lambdas, writes JPEG files of
# three other photographs, and compares them with Pillow's files; then compares the shipped default
# model with Pillow, mozjpeg and jpegli. `make demo` installs all packages and runs this script.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
export TF_CPP_MIN_LOG_LEVEL=3

python3 -c "import skimage" 2>/dev/null || {
  echo "error: the package skimage is missing; run: make demo" >&2
  exit 2
}

echo "1/4 Copying photographs to demo/train and demo/photos"
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

echo "2/4 Training two models, about half a minute each"
ARCHITECTURE=ljpeg LAMBDAS="0.0025 0.01" TRAIN_GLOB="demo/train/*.png" LAST_STEP=500 \
  bash batch_job_attention.sh demo/runs/ljpeg

echo "3/4 Measuring the trained models on demo/photos, about a minute"
python3 evaluate.py --batch_dir demo/runs --jpeg_type ljpeg --test_image_glob "demo/photos/*.png" \
  --huffman optimized

echo "4/4 Measuring the shipped default model beside mozjpeg and jpegli, about a minute"
figures=$(
  python3 evaluate.py --batch_dir example_experiments --runs rdo_visual --jpeg_type ljpeg_rdo \
    --output_dir demo/shipped --test_image_glob "demo/photos/*.png" --huffman progressive \
    --qualities 10,25,40,60,80 --encoders pillow_420 mozjpeg_420 jpegli_420 --json
)

python3 - "$figures" <<'PYTHON'
import json
import sys

(shipped,) = json.loads(sys.argv[1])
rates = {
    row["against"]: row["bd_rate"]
    for row in shipped["bd_rates"]
    if row["curve"].startswith("rdo_visual") and row["metric"] == "ssimulacra2"
}
print("\nLearnedJPEG's default model, at equal visible quality (SSIMULACRA2) on demo/photos, needs:")
for name, curve in {
    "libjpeg-turbo": "Pillow 4:2:0", "mozjpeg": "mozjpeg 4:2:0", "jpegli": "jpegli 4:2:0"
}.items():  # fmt: skip
    if curve in rates:
        more = "fewer" if rates[curve] < 0 else "more"
        print(f"  {abs(rates[curve]):4.1f}% {more} bits than {name}")
    else:
        print(f"  {name} is not installed: pip install --no-deps -r requirements-rivals.txt")
print("Open demo/shipped/photos_progressive.html in a browser: it shows the curves, and pictures of")
print("equal bytes. demo/runs has the two trained models, and their page photos_optimized.html.")
PYTHON
