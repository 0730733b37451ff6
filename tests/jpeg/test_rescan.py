"""Files with new scans: the pixels that decoders show, and the size."""

import io

from learned_jpeg.jpeg import coefficients, jpeg_file, rescan
from learned_jpeg.jpeg.sampling import Planes

import mozjpeg_lossless_optimization
import numpy as np
import pytest
import skimage.data
from makers import picture, saved
from PIL import Image
from test_coefficients import FACTORS, by_libjpeg, made

HEAD = b"\xff\xd8\xff\xe0\0\x10JFIF\0\1\1\0\0\1\0\1\0\0"


def anew(data):
    return HEAD + rescan.write(coefficients.read(data))


@pytest.mark.parametrize("quality", [30, 75, 85, 95])
@pytest.mark.parametrize("subsampling", [0, 1, 2])
def test_a_file_is_smaller_than_mozjpegs_lossless_transcoder_makes_it(quality, subsampling):
    image = Image.fromarray(skimage.data.astronaut()[:, :501])
    data = saved(image, "JPEG", quality=quality, subsampling=subsampling)
    ours, theirs = anew(data), mozjpeg_lossless_optimization.optimize(data)
    assert len(ours) < len(theirs)
    np.testing.assert_array_equal(Image.open(io.BytesIO(ours)), Image.open(io.BytesIO(data)))


def test_small_pictures_take_no_more_either():
    """In these files the headers take most of the bytes."""
    for side in (1, 8, 17, 64):
        data = saved(picture(side, side), "JPEG", quality=75)
        assert len(anew(data)) <= len(mozjpeg_lossless_optimization.optimize(data))


@pytest.mark.parametrize("factors", FACTORS)
@pytest.mark.parametrize("shared", [False, True])
def test_any_coefficients_and_factors_stay_the_same(factors, shared, tmp_path, monkeypatch):
    """They do so, too, with a table for each scan, which makes more tables than slots."""
    if not shared:
        monkeypatch.setattr(rescan, "_joined", lambda items, cost, join: list(items))
    made(factors, 61, 99).write_dct(tmp_path / "made.jpg")
    data = (tmp_path / "made.jpg").read_bytes()
    before, after = by_libjpeg(data, tmp_path), by_libjpeg(anew(data), tmp_path)
    for component, one, other in zip(
        coefficients.read(data).components, before, after, strict=True
    ):
        rows, columns = component.blocks.shape[:2]
        np.testing.assert_array_equal(one[:rows, :columns], other[:rows, :columns])


def test_refinements_of_any_positions_are_read_back(tmp_path, monkeypatch):
    monkeypatch.setattr(
        rescan,
        "_plan",
        lambda levels: [
            (1, 2, 0, False),
            (3, 8, 1, False),
            (9, 63, 3, False),
            (9, 63, 2, True),
            (9, 63, 1, True),
            (3, 63, 0, True),
        ],
    )
    made([(2, 2), (1, 1), (1, 1)], 61, 99).write_dct(tmp_path / "made.jpg")
    data = (tmp_path / "made.jpg").read_bytes()
    for one, other in zip(
        by_libjpeg(data, tmp_path), by_libjpeg(anew(data), tmp_path), strict=True
    ):
        np.testing.assert_array_equal(one, other)


def test_the_positions_of_a_plan_come_once_and_their_bits_in_order():
    generator = np.random.default_rng(0)
    sizes = np.int16(2.0 ** generator.uniform(0, 9, [3000, 64]) * (generator.random(64) < 0.5))
    for blocks in (
        sizes,
        sizes // 8,
        np.zeros([10, 64], np.int16),
        np.full([5, 64], 900, np.int16),
    ):
        missing = np.full(64, -1)
        for ss, se, al, refinement in rescan._plan(rescan.Levels.of(blocks)):
            assert (missing[ss : se + 1] == (al + 1 if refinement else -1)).all()
            missing[ss : se + 1] = al
        assert (missing[1:] == 0).all()


def test_tables_of_more_than_8_bits_stay_the_same(tmp_path):
    data = saved(picture(), "JPEG", quality=1)  # libjpeg's are at most 255
    wide = b"\xff\xdb\0\x83\x10" + b"\x01\x2c" * 64
    data = data[:2] + data[2:].replace(data[20:89], wide).replace(b"\xff\xc0", b"\xff\xc1")
    frame = coefficients.read(data)
    assert (frame.components[0].table == 300).all()
    assert wide[4:] in anew(data)
    np.testing.assert_array_equal(Image.open(io.BytesIO(anew(data))), Image.open(io.BytesIO(data)))


def test_files_are_no_larger_than_those_of_the_encoder():
    generator = np.random.default_rng(0)
    for most in (2, 30):
        blocks = generator.integers(-most, most + 1, [20, 30, 8, 8], dtype=np.int16)
        blocks *= generator.random(blocks.shape) < 0.2
        flat = np.full([8, 8, 1], 16)
        data = jpeg_file.write_jpeg(Planes(blocks, None), flat, 160, 240, "444", "progressive")
        assert len(anew(data)) <= len(data)
