"""The bytes of files, compared with digests, and their number at equal quality.

A change that should not change files leaves tests/expected/files.json as it is. A change that gives
other bytes raises the version of the changed part in `fingerprints.ENCODING`; then

    LEARNED_JPEG_REGENERATE=1 python3 -m pytest -n 0 tests/test_bytes.py

writes the new digests. The pictures are small and chosen so that no decision of the encoder is
nearly a draw: files are the same without AVX and with AVX-512, with numba 0.59, with numpy 2.5 and
TensorFlow 2.21.
"""

import functools
import hashlib
import io
import json
import os
from pathlib import Path

import learned_jpeg
from learned_jpeg.evaluation import coders, fingerprints
from learned_jpeg.evaluation.bd_rates import bd_rates
from learned_jpeg.jpeg import jpeg_file
from learned_jpeg.metrics import measures
from learned_jpeg.models import encoding, rdo, shipped
from learned_jpeg.models.encoding import Coding
from learned_jpeg.rivals.encoders import ENCODERS

import numpy as np
import pytest
import skimage.data
from PIL import Image

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
    astronaut = skimage.data.astronaut()
    photo = astronaut[20:81, 150:233]
    coffee = skimage.data.coffee()[150:211, 200:283].astype(int)
    horse = np.where(skimage.data.horse()[180:244, 190:233, None], 255, [170, 0, 60])
    drawing = np.hstack([astronaut[20:84, 150:190], np.uint8(horse)])
    tiles = [astronaut[100:164, 200:264], drawing[:, 8:72]]
    return {
        # No coefficient of the rounded models is nearer than 0.003 to a rounding boundary.
        "small": astronaut[400:429, 336:373],
        "photo": photo,
        "gray": photo[..., 1:2],
        # A third of it is white.
        "bright": np.uint8(np.clip(2 * coffee - 40, 0, 255)),
        # 4:2:0 at the lowest of QUALITIES, 4:4:4 at the highest.
        "beside a drawing": drawing[:61],
        # More than the search fits its codes to, and than `auto` looks at: its upper half
        # alone, a photograph, would have 4:2:0.
        "large": np.concatenate([np.tile(one, (6, 11, 1)) for one in tiles]),
    }


PICTURES = {name: np.ascontiguousarray(pixels) for name, pixels in pictures().items()}


def searched(name, picture, qualities=QUALITIES, **options):
    model, own = SEARCHED[name]
    encode = functools.partial(load(model).encode, PICTURES[picture], **own, **options)
    return [encode(quality=quality) for quality in qualities]


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
        f"{name} bright": searched(name, "bright", sampling="420"),
        f"{name} gray": searched(name, "gray", sampling="444"),
        f"{name} optimized": searched(name, "photo", sampling="420", huffman="optimized"),
        f"{name} large": searched(name, "large", [20], sampling="420"),
    }


def of_auto(name):
    return {
        f"{name} auto, bright": searched(name, "bright"),
        f"{name} auto, beside a drawing": searched(name, "beside a drawing"),
        f"{name} auto, large": searched(name, "large", [60, 92]),
    }


def of_lambda_map():
    weights = rdo.start(seed=3)
    random = np.random.default_rng(3)
    weights["last"] = np.float32(random.normal(0, 0.1, weights["last"].shape))
    return {
        "strengths": [
            encoding.encode(rdo.RDO(weights), PICTURES["small"], 60, Coding(sampling=sampling))
            for sampling in ("444", "420")
        ]
    }


def of_search_for_a_model():
    model = load("learned_q_w10/lambda_001")
    options = {"quantizer": "trellis", "sampling": "420"}
    return {"learned_q_w10/lambda_001 trellis": [model.encode(PICTURES["photo"], **options)]}


def of_refining():
    return {
        f"{name} refined": searched(name, "photo", [60], sampling="420", refine=2)
        for name in ("tune psnr", "rdo_visual")
    }


def of_sizes():
    def model(folder, **coding):
        return coders.ModelCoder(str(folder), "", Coding(**coding))

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
    **{f"auto, {name}": ("auto", functools.partial(of_auto, name)) for name in SEARCHED},
    "search, strengths": ("search", of_lambda_map),
    "search for a model": ("search", of_search_for_a_model),
    "refining": ("refining", of_refining),
    "sizes": ("sizes", of_sizes),
    "rivals": ("rivals", of_rivals),
}


# Packages that also decide about the bytes of a part's files.
FURTHER = {
    "search": ["files"],
    "auto": ["files", "search"],
    "refining": ["files", "search"],
    "sizes": ["files", "search", "auto"],
}


@pytest.mark.parametrize("part, files", CASES.values(), ids=CASES)
def test_no_byte_changes_without_its_version(part, files):
    digests = {name: hashlib.sha256(b"".join(these)).hexdigest() for name, these in files().items()}
    of = fingerprints.versions(*FURTHER.get(part, []), part)
    before = KNOWN[part]["digests"] if KNOWN[part]["of"] == of else {}
    changed = [name for name, digest in digests.items() if before.get(name, digest) != digest]
    assert not changed, f"other bytes; if they are meant, count ENCODING[{part!r}] up"
    if REGENERATE:
        content = json.loads(EXPECTED.read_text())
        kept = content[part]["digests"] if content[part]["of"] == of else {}
        content[part] = {"of": of, "digests": kept | digests}
        EXPECTED.write_text(json.dumps(content, indent=1) + "\n")
    # Of others' encoders only those of the versions that were there.
    elif part != "rivals" or not before:
        assert digests.keys() <= before.keys(), f"no digests of {of} yet, see above"


# The number of bytes

METRICS = "psnr", "butteraugli", "ssimulacra2", "psnr_hvs_m"
CURVE = 15, 30, 45, 60, 75, 88
# Percent of the bits of Pillow's optimized progressive 4:2:0 files that files of the search save at
# equal quality in each of METRICS, the means of the crops.
SPARED = {
    "tune psnr": (34.72, 13.09, 9.22, -27.83),
    "tune visual": (17.86, 24.23, 30.28, 21.09),
    "rdo_visual": (26.15, 29.42, 30.38, 14.23),
}
# A fault in a part of the search costs 0.16 or more in one of them; other arithmetic, see above,
# changes none.
CLOSE = 0.1


def crops():
    """A face with a flag, a rocket in the dusk, a drawing on white below a photograph."""
    face, rocket = skimage.data.astronaut()[:256, 100:356], skimage.data.rocket()
    horse = np.where(skimage.data.horse()[100:196, 60:316, None], 255, [170, 0, 60])
    return face, rocket[100:356, 200:456], np.concatenate([face[:160], np.uint8(horse)])


def pillows(pixels, quality):
    file = io.BytesIO()
    options = {"subsampling": "4:2:0", "optimize": True, "progressive": True}
    Image.fromarray(pixels).save(file, "JPEG", quality=quality, **options)
    return file.getvalue()


def curve(reference, files):
    """The bytes of files [1, files] and their METRICS [metrics, 1, files]."""
    measured = [reference.measure(jpeg_file.decode(data), METRICS) for data in files]
    figures = np.array([[[one[name] for one in measured]] for name in METRICS])
    figures[1] = -np.log(figures[1])
    return np.array([[len(data) for data in files]]), figures


@functools.cache
def anchors():
    """[(crop, its Reference, the curve of Pillow's files)]"""
    found = []
    for crop in map(np.ascontiguousarray, crops()):
        reference = measures.Reference(crop)
        files = [pillows(crop, quality) for quality in CURVE]
        found.append((crop, reference, curve(reference, files)))
    return found


@pytest.mark.parametrize("name", SPARED)
def test_at_equal_quality_files_take_no_more_bytes_than_they_did(name):
    model, own = SEARCHED[name]
    spared = []
    for crop, reference, (anchor_rate, anchor) in anchors():
        files = [load(model).encode(crop, quality=quality, **own) for quality in CURVE]
        rate, found = curve(reference, files)
        pairs = zip(anchor, found, strict=True)
        spared.append([-bd_rates(anchor_rate, one, rate, other)[0][0] for one, other in pairs])
    spared = np.mean(spared, 0)
    lost = dict(zip(METRICS, (SPARED[name] - spared).round(2), strict=True))
    assert max(lost.values()) < CLOSE, f"{name} spares {spared.round(2)}%"
