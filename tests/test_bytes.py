"""The bytes of files: which they are, held by digests, and how many at equal quality.

A change that is meant to leave files as they are leaves tests/expected/files.json as it is. One
that gives other bytes counts the version of what it changes up, in `fingerprints.ENCODING`; then

    LEARNED_JPEG_REGENERATE=1 python3 -m pytest -n 0 tests/test_bytes.py

writes the new digests. The pictures are small and chosen so that no decision of the encoder is
nearly a draw: without AVX, with AVX-512, with numba 0.59 or numpy 2.5 they give the same files.
"""

import functools
import hashlib
import json
import os
from pathlib import Path

import learned_jpeg
from learned_jpeg.evaluation import coders, fingerprints
from learned_jpeg.models import encoding, shipped
from learned_jpeg.models.encoding import Coding
from learned_jpeg.rivals.encoders import ENCODERS
from learned_jpeg.search import strengths
from learned_jpeg.search.learned_tune import NUMBERS
from ljpeg_rdo import LJPEGRDO

import numpy as np
import pytest
import skimage.data

EXPECTED = Path(__file__).parent / "expected" / "files.json"
KNOWN = json.loads(EXPECTED.read_text())
REGENERATE = os.environ.get("LEARNED_JPEG_REGENERATE")

QUALITIES = 20, 60, 92
ROUNDED = ("attention_bits/lambda_001", "learned_q_w10/lambda_001")
SEARCHED = {
    "tune psnr": ("ljpeg_PIL", {"tune": "psnr"}),
    "tune visual": ("ljpeg_PIL", {"tune": "visual"}),
    **{name: (name, {}) for name in ("rdo_visual", "rdo_psnr", "rdo_lpips")},
}

load = functools.cache(learned_jpeg.load)


def pictures():
    """{name: uint8 [H, W, 1 or 3]}"""
    astronaut, cat = skimage.data.astronaut(), skimage.data.chelsea()
    photo = astronaut[20:81, 150:233]
    coffee = skimage.data.coffee()[150:211, 200:283].astype(int)
    tiles = [np.tile(one, (6, 11, 1)) for one in (astronaut[100:164, 200:264], cat[:64, :64])]
    return {
        # No coefficient of the rounded models is nearer than 0.003 to where it would go elsewhere.
        "small": astronaut[400:429, 336:373],
        "photo": photo,
        "gray": photo[..., 1:2],
        # A third of it is white.
        "bright": np.uint8(np.clip(2 * coffee - 40, 0, 255)),
        # More than the search fits its codes to, and than `auto` looks at.
        "large": np.concatenate(tiles),
    }


PICTURES = {name: np.ascontiguousarray(pixels) for name, pixels in pictures().items()}


def searched(name, picture, qualities=QUALITIES, **options):
    model, own = SEARCHED[name]
    encode = functools.partial(load(model).encode, PICTURES[picture], **own, **options)
    return [encode(dial=quality) for quality in qualities]


def of_rounded(name):
    encode = functools.partial(load(name).encode, PICTURES["small"])
    return {
        f"{name} {huffman}": [encode(huffman=huffman, sampling="444", quantizer="round")]
        for huffman in ("progressive", "standard")
    }


def of_search(name):
    return {
        f"{name} 444": searched(name, "photo", sampling="444"),
        f"{name} 420": searched(name, "photo", sampling="420"),
        f"{name} auto, bright": searched(name, "bright"),
        f"{name} gray": searched(name, "gray"),
        f"{name} optimized": searched(name, "photo", [60], huffman="optimized"),
        f"{name} large": searched(name, "large", [20]),
    }


def of_strengths():
    random = np.random.default_rng(3)
    weights = {"numbers": np.zeros(NUMBERS, np.float32)} | strengths.start(random)
    weights["last"] = np.float32(random.normal(0, 0.1, weights["last"].shape))
    model = LJPEGRDO(weights=weights)
    return {
        "strengths": [
            encoding.encode(model, PICTURES["small"], 60, Coding(sampling=sampling))
            for sampling in ("444", "420")
        ]
    }


def of_search_for_a_model():
    model = load("learned_q_w10/lambda_001")
    options = {"quantizer": "trellis", "sampling": "420"}
    return {"learned_q_w10/lambda_001 trellis": [model.encode(PICTURES["photo"], **options)]}


def of_refining():
    return {
        f"{name} refined": searched(name, "photo", [60], refine=2)
        for name in ("tune psnr", "rdo_visual")
    }


def of_sizes():
    def model(folder, **coding):
        return coders.Model(str(folder), "", Coding(**coding))

    several = [model(folder) for folder in shipped.folders("learned_bits")[:3]]
    one = [model("ljpeg_PIL", tune="visual")]
    return {
        name: [coders.of_size(these, PICTURES["photo"], size) for size in (700, 1100)]
        for name, these in (("several models", several), ("one model", one))
    }


def of_rivals():
    return {
        f"{name}, {encoder.version()}": [
            encoder.encode(PICTURES["photo"], quality, encoder.huffman("progressive"))
            for quality in (84, 90)
        ]
        for name, encoder in ENCODERS.items()
        if encoder.available()
    }


CASES = {
    **{
        f"files of {name}": ("files", functools.partial(of_rounded, name))
        for name in (*ROUNDED, "google_baseline_lr_1e-5/lambda_0005", "ljpeg_PIL")
    },
    **{f"search, {name}": ("search", functools.partial(of_search, name)) for name in SEARCHED},
    "search, strengths": ("search", of_strengths),
    "search for a model": ("search", of_search_for_a_model),
    "refining": ("refining", of_refining),
    "sizes": ("sizes", of_sizes),
    "rivals": ("rivals", of_rivals),
}


@pytest.mark.parametrize("part, files", CASES.values(), ids=CASES)
def test_no_byte_changes_without_its_version(part, files):
    digests = {name: hashlib.sha256(b"".join(these)).hexdigest() for name, these in files().items()}
    version, known = fingerprints.ENCODING[part], KNOWN[part]
    before = known["digests"] if known["version"] == version else {}
    changed = [name for name, digest in digests.items() if before.get(name, digest) != digest]
    assert not changed, f"other bytes; if they are meant, count ENCODING[{part!r}] up"
    if REGENERATE:
        _write(part, {"version": version, "digests": digests})
    # Of others' encoders only those of the versions that were there.
    elif part != "rivals" or not before:
        assert digests.keys() <= before.keys(), f"no digests of {part} {version} yet, see above"


def _write(part, new):
    content = json.loads(EXPECTED.read_text())
    if content.get(part, new)["version"] == new["version"]:
        new["digests"] = content.get(part, new)["digests"] | new["digests"]
    content[part] = new
    EXPECTED.write_text(json.dumps(content, indent=1) + "\n")
