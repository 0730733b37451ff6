"""The public functions of `learned_jpeg`, and the files of the shipped models."""

import concurrent.futures
import functools
import inspect
import io
import os
import re
import subprocess
import sys
from pathlib import Path

import learned_jpeg
from learned_jpeg.jpeg import jpeg_file
from learned_jpeg.runtime import threads

import numpy as np
import pytest
import skimage.data
from PIL import ExifTags, Image, ImageCms

PROJECT = Path(learned_jpeg.__file__).parent.parent
RUNS = PROJECT / "example_experiments"


@pytest.fixture(scope="module")
def model():
    """name -> the Model, loaded once: a shipped run's or "ljpeg_PIL"."""
    loaded = {}

    def get(name):
        if name not in loaded:
            loaded[name] = learned_jpeg.load(RUNS / name / "train" if "/" in name else name)
        return loaded[name]

    return get


@pytest.fixture(scope="module")
def pixels():
    return skimage.data.astronaut()[400:429, 336:373]


def test_few_names_are_exported_and_all_are_documented():
    names = ["Model", "UserError", "encode", "load", "register_pillow", "save", "transcode"]
    names.append("warm_up")
    assert sorted(learned_jpeg.__all__) == names
    for name in learned_jpeg.__all__:
        value = getattr(learned_jpeg, name)
        assert inspect.getdoc(value)
        assert value.__name__ == name
    public = [name for name in vars(learned_jpeg.Model) if not name.startswith("_")]
    names = ["architecture", "quality_range", "default_quality", "dial", "lmbda", "encode", "save"]
    assert public == names
    assert all(inspect.getdoc(getattr(learned_jpeg.Model, name)) for name in public)


def test_what_is_not_exported_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'decode_all'"):
        _ = learned_jpeg.decode_all


@pytest.mark.parametrize(
    "name, architecture, dial, lmbda",
    [
        ("attention_bits/lambda_001", "ljpeg_attention", None, 0.01),
        ("learned_q_w10/lambda_001", "ljpeg", None, 0.01),
        ("google_baseline_lr_1e-5/lambda_0005", "google_baseline", "quality", 0.005),
        ("ljpeg_PIL", "ljpeg_PIL", "quality", None),
    ],
)
def test_a_model_says_what_it_is(name, architecture, dial, lmbda, model):
    loaded = model(name)
    assert isinstance(loaded, learned_jpeg.Model)
    assert (loaded.architecture, loaded.lmbda) == (architecture, lmbda)
    assert loaded.quality_range == ((1, 100) if dial else None)
    assert (loaded.default_quality is None) == (dial is None)


@pytest.mark.parametrize("sampling", ["444", "420"])
@pytest.mark.parametrize("huffman", jpeg_file.HUFFMAN)
@pytest.mark.parametrize("channels", [1, 3])
def test_every_choice_gives_a_file_that_pillow_shows(model, pixels, sampling, huffman, channels):
    source = pixels[..., :channels]
    data = model("attention_bits/lambda_001").encode(source, sampling=sampling, huffman=huffman)
    *_, height, width, found = jpeg_file.read_jpeg(data)
    assert (height, width) == pixels.shape[:2]
    assert found == (sampling if channels == 3 else "444")
    with Image.open(io.BytesIO(data)) as image:
        assert image.mode == ("L" if channels == 1 else "RGB")
        assert image.info.get("progressive", 0) == (huffman == "progressive")
        shown = np.asarray(image, float).reshape(source.shape)
    assert np.abs(shown - source).mean() < 25


def test_the_quality_moves_the_rate(model, pixels):
    for name in ("ljpeg_PIL", "google_baseline_lr_1e-5/lambda_0005"):
        low, high = model(name).quality_range
        sizes = [len(model(name).encode(pixels, quality)) for quality in (low, 30, high)]
        assert sizes == sorted(set(sizes))
        assert model(name).encode(pixels) == model(name).encode(pixels, model(name).default_quality)


def test_without_a_model_the_searched_default_writes(model, pixels):
    default = model("rdo_visual")
    assert learned_jpeg.encode(pixels) == default.encode(pixels, 75)
    assert len(learned_jpeg.encode(pixels)) < len(model("ljpeg_PIL").encode(pixels, 75))
    options = {"sampling": "420", "huffman": "optimized", "table_scale": 2.0}
    assert learned_jpeg.encode(pixels, 30, **options) == default.encode(pixels, 30, **options)
    anchor = model("ljpeg_PIL")
    assert learned_jpeg.encode(pixels, model=anchor) == anchor.encode(pixels)


def test_the_old_word_for_quality_works_with_a_warning(model, pixels):
    with pytest.warns(DeprecationWarning, match="use quality"):
        old = model("ljpeg_PIL").encode(pixels, dial=30)
    assert old == model("ljpeg_PIL").encode(pixels, quality=30)
    with pytest.warns(DeprecationWarning, match="quality_range"):
        assert model("ljpeg_PIL").dial.low == 1


@pytest.mark.parametrize("mode", ["RGB", "L", "1", "P", "I;16", "YCbCr"])
def test_a_pillow_image_is_the_array_of_its_samples(mode, pixels):
    picture = Image.fromarray(pixels)
    image = picture.convert("L").point(lambda v: 257 * v, "I").convert("I;16")
    image = image if mode == "I;16" else picture.convert(mode)
    samples = image if mode in ("L", "I;16") else image.convert("L" if mode == "1" else "RGB")
    assert learned_jpeg.encode(image) == learned_jpeg.encode(np.asarray(samples))


def test_a_gray_array_needs_no_third_axis(pixels):
    gray = pixels[..., 0]
    assert learned_jpeg.encode(gray) == learned_jpeg.encode(gray[..., None])


@pytest.mark.parametrize("mode", ["RGBA", "LA", "CMYK", "F", "PA"])
def test_a_pillow_image_that_jpeg_cannot_hold_is_refused(mode, pixels):
    image = Image.fromarray(pixels)
    image = image.convert("P").convert(mode) if mode == "PA" else image.convert(mode)
    with pytest.raises(learned_jpeg.UserError, match=f"mode {mode}.*convert"):
        learned_jpeg.encode(image)


def test_metadata_is_what_pillow_reads_back(pixels):
    exif = Image.Exif()
    exif[ExifTags.Base.Artist] = "somebody"
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    xmp = b"<x:xmpmeta xmlns:x='adobe:ns:meta/'></x:xmpmeta>"
    for given in (exif, exif.tobytes()):
        data = learned_jpeg.encode(pixels, exif=given, icc_profile=profile, xmp=xmp)
        with Image.open(io.BytesIO(data)) as image:
            assert image.getexif()[ExifTags.Base.Artist] == "somebody"
            assert image.info["icc_profile"] == profile
            assert image.info["xmp"] == xmp
    # A Pillow image brings its own profile along, as Pillow does.
    image = Image.fromarray(pixels)
    image.info["icc_profile"] = profile
    with Image.open(io.BytesIO(learned_jpeg.encode(image))) as written:
        assert written.info["icc_profile"] == profile


def test_metadata_that_does_not_fit_is_refused(pixels):
    with pytest.raises(learned_jpeg.UserError, match="metadata"):
        learned_jpeg.encode(pixels, exif=b"no TIFF structure")


def test_a_file_is_saved_whole_or_not_at_all(pixels, tmp_path):
    learned_jpeg.save(pixels, tmp_path / "a.jpg", quality=60)
    assert (tmp_path / "a.jpg").read_bytes() == learned_jpeg.encode(pixels, 60)
    with pytest.raises(learned_jpeg.UserError):
        learned_jpeg.save(pixels, tmp_path / "a.jpg", quality=101)
    assert (tmp_path / "a.jpg").read_bytes() == learned_jpeg.encode(pixels, 60)
    buffer = io.BytesIO()
    learned_jpeg.save(pixels, buffer)
    assert buffer.getvalue() == learned_jpeg.encode(pixels)
    with pytest.raises(OSError):
        learned_jpeg.save(pixels, tmp_path / "a.jpg" / "b.jpg")


def test_pillow_saves_by_it_when_asked(pixels, tmp_path):
    learned_jpeg.register_pillow()
    image = Image.fromarray(pixels)
    image.save(tmp_path / "a.jpg", format="LEARNED_JPEG", quality=60, subsampling="4:2:0")
    expected = learned_jpeg.encode(pixels, 60, sampling="420")
    assert (tmp_path / "a.jpg").read_bytes() == expected
    image.save(tmp_path / "b.jpg", quality=60)  # Pillow's own
    assert (tmp_path / "b.jpg").read_bytes() != learned_jpeg.encode(pixels, 60)
    with pytest.raises(learned_jpeg.UserError, match="4:1:1"):
        image.save(tmp_path / "a.jpg", format="LEARNED_JPEG", subsampling="4:1:1")


def test_importing_and_encoding_change_nothing_of_the_hosts():
    code = """
import logging, os, signal, sys, warnings
import PIL.Image, numba, numpy as np
numba.njit(lambda x: x)(1)  # as in a host that has numba for itself
def state():
    return (dict(os.environ), sys.excepthook, signal.getsignal(signal.SIGINT), list(sys.path),
            list(warnings.filters), PIL.Image.MAX_IMAGE_PIXELS,
            logging.getLogger("tensorflow").level, np.geterr(), logging.root.handlers[:])
before = state()
import learned_jpeg
learned_jpeg.encode(np.zeros([40, 40, 3], np.uint8))
assert state() == before
assert not {"argparse", "tensorflow"} & set(sys.modules)
assert "LEARNED_JPEG" not in PIL.Image.SAVE
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=PROJECT, capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_threads_give_the_files_that_one_thread_gives(model):
    pictures = [skimage.data.astronaut()[i : i + 24 + i, :50] for i in range(12)]
    work = [
        (model(name), picture, sampling)
        for name in ("learned_q_w10/lambda_001", "attention_bits/lambda_001")
        for picture in pictures
        for sampling in ("444", "420")
    ]

    def encode(arguments):
        loaded, picture, sampling = arguments
        return loaded.encode(picture, sampling=sampling)

    # Models of which no graph is traced yet: the first threads do it together.
    model("learned_q_w10/lambda_001")._model.graphs.clear()
    model("attention_bits/lambda_001")._model.graphs.clear()
    with concurrent.futures.ThreadPoolExecutor(6) as pool:
        parallel = list(pool.map(encode, work))
    assert parallel == [encode(arguments) for arguments in work]


@pytest.mark.parametrize("channels", [3, 1])
@pytest.mark.parametrize("sampling", ["auto", "444", "420"])
@pytest.mark.parametrize("tune", ["psnr", "visual"])
def test_neither_threads_nor_parts_of_a_picture_change_its_bytes(
    tune, sampling, channels, model, monkeypatch
):
    coffee = skimage.data.coffee()[100:351, :389, :channels].astype(int)
    picture = np.uint8(np.clip(3 * coffee - 90, 0, 255))  # black and white in part
    encode = functools.partial(model("ljpeg_PIL").encode, picture, tune=tune, sampling=sampling)
    expected = encode(threads=1)
    monkeypatch.setattr(threads, "PART", 60)
    assert [encode(threads=number) for number in (1, 2, 3)] == 3 * [expected]


@pytest.mark.parametrize(
    "wrong",
    [
        np.zeros([8], np.uint8),
        np.zeros([8, 8, 4], np.uint8),
        np.zeros([8, 8, 2], np.uint8),
        np.zeros([1, 8, 8, 3], np.uint8),
        np.zeros([8, 8, 3], np.float32),
        np.zeros([8, 8, 3], np.int64),
        np.zeros([0, 8, 3], np.uint8),
        np.zeros([8, 0, 3], np.uint8),
        np.zeros([1, 65501, 3], np.uint8),
        "photo.png",
    ],
    ids=lambda wrong: str(np.shape(wrong)),
)
@pytest.mark.parametrize("name", ["ljpeg_PIL", "attention_bits/lambda_001"])
def test_pixels_of_another_kind_are_refused(wrong, name, model):
    with pytest.raises(learned_jpeg.UserError, match="pixels"):
        model(name).encode(wrong)


@pytest.mark.parametrize(
    "options, word",
    [
        ({"huffman": "arithmetic"}, "arithmetic"),
        ({"sampling": "422"}, "422"),
        ({"quantizer": "floor"}, "floor"),
        ({"tune": "butter"}, "butter"),
        ({"quality": 0}, "quality 0"),
        ({"quality": 101}, "quality 101"),
        ({"table_scale": 0.0}, "table_scale"),
        ({"table_scale": float("nan")}, "table_scale"),
        ({"table_scale": "2"}, "table_scale is '2', not a number"),
        ({"table_scale": None}, "table_scale is None"),
        ({"quality": "75"}, "quality is '75', not a number"),
        ({"quality": b"75"}, "quality is b'75'"),
        ({"quality": [75, 80]}, "quality is"),
        ({"quality": 10**400}, "quality is"),
        ({"quality": 1j}, "quality is"),
        ({"refine": "1"}, "refine is '1'"),
        ({"refine": 1.5}, "refine is 1.5"),
        ({"refine": None}, "refine is None"),
        ({"refine": -1}, "refine is -1"),
        ({"huffman": None}, "huffman is None"),
        ({"sampling": 420}, "sampling is 420"),
        ({"tune": ["psnr"]}, "tune is"),
        ({"tune": {}}, "tune is"),
        ({"exif": "text"}, "exif is str"),
        ({"threads": 0}, "threads is 0"),
        ({"threads": 1.5}, "threads is 1.5"),
        ({"icc_profile": 3}, "icc_profile is int"),
        ({"xmp": "<x/>"}, "xmp is str"),
    ],
)
def test_a_choice_that_does_not_exist_is_refused(options, word, model, pixels):
    with pytest.raises(learned_jpeg.UserError, match=word):
        model("ljpeg_PIL").encode(pixels, **options)


@pytest.mark.parametrize("kind", [int, float, np.float32, np.uint8, np.int64, np.array])
def test_a_number_of_any_kind_is_a_number(kind, model, pixels):
    expected = model("ljpeg_PIL").encode(pixels, 75, table_scale=2)
    assert model("ljpeg_PIL").encode(pixels, kind(75), table_scale=kind(2)) == expected


def test_what_is_no_model_or_picture_is_refused(pixels):
    for wrong in (None, 3, b"rdo_visual", ["rdo_visual"]):
        with pytest.raises(learned_jpeg.UserError, match="neither a model's name nor a folder"):
            learned_jpeg.load(wrong)
    with pytest.raises(learned_jpeg.UserError, match="learned_jpeg.load makes one"):
        learned_jpeg.encode(pixels, model="rdo_visual")
    for wrong in ([[1, 2], [3]], None, "a.png", [[["x"]]]):
        with pytest.raises(learned_jpeg.UserError, match="pixels"):
            learned_jpeg.encode(wrong)


def test_a_shipped_model_is_found_by_its_name_from_everywhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert learned_jpeg.load("rdo_visual").architecture == "ljpeg_rdo"
    assert learned_jpeg.load("learned_bits/lambda_001").lmbda == 0.01
    with pytest.raises(learned_jpeg.UserError, match="name one, of learned_bits/lambda_00005, "):
        learned_jpeg.load("learned_bits")
    (tmp_path / "rdo_visual").mkdir()
    with pytest.raises(learned_jpeg.UserError, match="rdo_visual: no trained model"):
        learned_jpeg.load("rdo_visual")


def test_what_is_no_model_is_named(tmp_path):
    for folder in (tmp_path, tmp_path / "nowhere", "ljpeg", str(RUNS)):
        with pytest.raises(learned_jpeg.UserError, match="no trained model"):
            learned_jpeg.load(folder)


def test_after_warming_up_nothing_is_left_to_compile(tmp_path):
    code = """
import logging, sys
import learned_jpeg
logging.getLogger("learned_jpeg.runtime.compiled").addHandler(logging.StreamHandler(sys.stdout))
logging.getLogger("learned_jpeg.runtime.compiled").setLevel("INFO")
learned_jpeg.warm_up()
print(*{kernel.__module__ for kernel in learned_jpeg.runtime.compiled.KERNELS})
"""
    environment = {**os.environ, "NUMBA_CACHE_DIR": str(tmp_path)}
    said = []
    for _ in range(2):
        done = subprocess.run(
            [sys.executable, "-c", code], cwd=PROJECT, env=environment, capture_output=True
        )
        assert done.returncode == 0, done.stderr
        said.append(done.stdout.decode())
    assert "compiling" in said[0]
    assert "compiling" not in said[1]
    texts = {path: path.read_text() for path in (PROJECT / "learned_jpeg").rglob("*.py")}
    modules = {
        ".".join(path.relative_to(PROJECT).with_suffix("").parts)
        for path, text in texts.items()
        if re.search(r"^@compiled\(", text, re.MULTILINE)
    }
    assert set(said[1].split()) == modules
