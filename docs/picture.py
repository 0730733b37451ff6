#!/usr/bin/env python3
"""Draws docs/comparison.webp, the picture of the README: one photograph by three encoders, each
file the smallest that is at least as near to the original as LearnedJPEG's at its default quality.

    python3 docs/picture.py

needs mozjpeg, of requirements-rivals.txt. Nearness is SSIMULACRA2's; the photograph is one of
`evaluate.py --quick`.
"""

import io
import sys
from pathlib import Path

DOCS = Path(__file__).resolve().parent
sys.path.insert(0, str(DOCS.parent))

import learned_jpeg  # noqa: E402
from learned_jpeg.metrics.measures import Reference  # noqa: E402
from learned_jpeg.rivals.encoders import ENCODERS  # noqa: E402

import numpy as np  # noqa: E402
from PIL import Image, ImageDraw, ImageFont  # noqa: E402

PHOTOGRAPH = DOCS.parent / "learned_jpeg" / "evaluation" / "quick_look" / "cat.png"
CROP = (0, 40, 170, 160)  # left, top, right, bottom in pixels
ZOOM, GAP, LINE, BAR = 2, 12, 30, 10  # of a pixel; between panels, of a text, of a bar in pixels


def decoded(data):
    """The picture in a file."""
    return Image.open(io.BytesIO(data)).convert("RGB")


def main():
    """Writes the picture."""
    photograph = Image.open(PHOTOGRAPH).convert("RGB")
    pixels = np.asarray(photograph)
    reference = Reference(pixels)

    def score(data):
        return reference.measure(np.asarray(decoded(data)), ["ssimulacra2"])["ssimulacra2"]

    ours = learned_jpeg.encode(pixels)

    def smallest(encoder):
        files = (encoder.encode(pixels, quality, "progressive") for quality in range(40, 100))
        return next(data for data in files if score(data) >= score(ours))

    files = {
        "libjpeg-turbo": smallest(ENCODERS["pillow_420"]),
        "mozjpeg": smallest(ENCODERS["mozjpeg_420"]),
        "LearnedJPEG": ours,
    }
    wide, high = (ZOOM * (CROP[i + 2] - CROP[i]) for i in (0, 1))
    size = ((len(files) + 1) * (wide + GAP) - GAP, LINE + high + GAP + BAR)
    sheet = Image.new("RGB", size, "white")
    draw = ImageDraw.Draw(sheet)
    font = ImageFont.load_default(20)
    most = max(map(len, files.values()))
    for number, (name, data) in enumerate({"original": None, **files}.items()):
        left = number * (wide + GAP)
        label, panel = (name, photograph)
        if data:
            label, panel = f"{name}: {len(data):,} bytes", decoded(data)
            bar = (left, size[1] - BAR, left + wide * len(data) // most, size[1])
            draw.rectangle(bar, "#2a6fb0" if data is ours else "#999999")
        enlarged = panel.crop(CROP).resize((wide, high), Image.Resampling.NEAREST)
        sheet.paste(enlarged, (left, LINE))
        draw.text((left, 0), label, "black", font)
    sheet.save(DOCS / "comparison.webp", quality=90, method=6)


if __name__ == "__main__":
    main()
