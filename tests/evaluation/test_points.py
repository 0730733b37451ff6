from dataclasses import replace
from pathlib import Path

from learned_jpeg.evaluation import coders
from learned_jpeg.evaluation.points import PointToMeasure, Size, TestImage
from learned_jpeg.models.encoding import Coding

import numpy as np

ANCHOR = coders.EncoderCoder("pillow_444", "standard")


def model_point(**coder):
    fingerprint = {"checkpoint": "abc", "Huffman choice": "standard"}
    model = coders.ModelCoder("ljpeg_PIL", "", Coding("standard"), **coder)
    return PointToMeasure(
        "quality_40", Path("out/set/standard/run/quality_40"), fingerprint, (model,), 40.0
    )


def test_two_images_whose_names_differ_by_their_endings_have_two_files():
    point = PointToMeasure("quality_05", Path("out/quality_05"), {}, (ANCHOR,), 5)
    names = [point.jpeg(TestImage(name, Path(), "")) for name in ("a/b.png", "a/b.bmp")]
    assert names == [Path("out/quality_05/a/b.png.jpg"), Path("out/quality_05/a/b.bmp.jpg")]
    assert point.pickle == Path("out/quality_05.pickle")


def test_a_point_encodes_where_its_dial_stands(photograph):
    point = PointToMeasure("quality_20", Path("out"), {}, (ANCHOR,), 20)
    assert point.encode(photograph) == ANCHOR.encode(photograph, 20)


def test_a_point_of_a_size_has_that_size(photograph):
    model = coders.ModelCoder("ljpeg_PIL", "", Coding("standard"))
    height, width, _ = photograph.shape
    for size, wanted in (
        (Size(ANCHOR, bpp=0.7), 0.7 * height * width / 8),
        (Size(ANCHOR, quality=15), len(ANCHOR.encode(photograph, 15))),
    ):
        data = PointToMeasure(size.name, Path("out"), {}, (model,), size=size).encode(photograph)
        assert 0.99 * wanted <= len(data) <= wanted
    assert size.name == "size_of_quality_15"
    assert size.label == "the size of Pillow 4:4:4 at quality 15"


def test_a_size_in_bits_per_pixel_says_so():
    size = Size(ANCHOR, bpp=0.25)
    assert (size.name, size.label) == ("bpp_0.25", "0.25 bits per pixel")
    assert size.bytes(np.zeros([10, 20, 3], np.uint8)) == 0.25 * 200 / 8


def test_rounded_integers_are_those_of_every_huffman_choice():
    other = model_point().under("optimized")
    assert other.folder == Path("out/set/optimized/run/quality_40")
    assert other.fingerprint == {"checkpoint": "abc", "Huffman choice": "optimized"}
    place = Path("out/set/standard_420/run/lambda_01/quality_40")
    other = replace(model_point(), folder=place).under("progressive")
    assert other.folder == Path("out/set/progressive_420/run/lambda_01/quality_40")


def test_searched_integers_are_those_of_one_huffman_choice():
    assert model_point(rounds=False).under("optimized") is None
    assert PointToMeasure("x", Path("a/b/c"), {}, (ANCHOR,), 5).under("optimized") is None
    size = Size(ANCHOR, bpp=1)
    assert (
        PointToMeasure("x", Path("a/b/c"), {}, model_point().coders, size=size).under("optimized")
        is None
    )


def test_of_a_run_only_the_checkpoints_around_a_size_are_tried():
    class Flat:
        rate_setting = None

        def __init__(self, size):
            self.size = size

        def encode(self, pixels, rate_setting, table_scale=1.0, sampling=None):
            assert 200 < self.size < 900
            return bytes(int(self.size / table_scale))

    sizes = [100, 300, 800, 2000]
    pixels = np.zeros([40, 80, 3], np.uint8)
    point = PointToMeasure("x", Path(), {}, tuple(map(Flat, sizes)), size=Size(ANCHOR, bpp=1.25))
    assert 495 <= len(point.encode(pixels, sizes)) <= 500


def test_beyond_the_checkpoints_of_a_run_the_last_two_are_tried():
    tried = []

    class Flat:
        rate_setting = None

        def __init__(self, size):
            self.size = size

        def encode(self, pixels, rate_setting, table_scale=1.0, sampling=None):
            tried.append(self.size)
            return bytes(self.size)

    sizes = [100, 300, 800]
    coders = tuple(map(Flat, sizes))
    for bpp, ends in ((0.01, {100, 300}), (20, {300, 800})):
        tried.clear()
        point = PointToMeasure("x", Path(), {}, coders, size=Size(ANCHOR, bpp=bpp))
        point.encode(np.zeros([40, 80, 3], np.uint8), sizes)
        assert set(tried) <= ends
