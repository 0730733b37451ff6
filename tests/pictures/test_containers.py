"""The parts of JPEG, PNG and TIFF files."""

import io
import zlib

from learned_jpeg.pictures import containers

import numpy as np
import pytest
from makers import chunk, jpeg, picture, png, saved, tiff
from PIL import Image


@pytest.mark.parametrize(
    "data, kind",
    [
        (saved(picture(8, 8), "PNG"), "PNG"),
        (saved(picture(8, 8), "JPEG"), "JPEG"),
        (saved(picture(8, 8), "TIFF"), "TIFF"),
        (saved(picture(16, 16), "AVIF"), "AVIF"),
        (tiff(np.zeros([8, 8], np.uint8), bigtiff=True), "TIFF"),
        (b"\0\0\0\x18ftypmif1\0\0\0\0mif1heic", "HEIC"),
        (saved(picture(8, 8), "BMP"), None),
        (b"", None),
    ],
)
def test_a_kind_is_told_by_content(data, kind):
    assert containers.kind(data[:64]) == kind


@pytest.mark.parametrize("options", [{}, {"progressive": True}])
def test_the_core_of_a_jpeg_is_what_decides_about_pixels(options):
    segments = [(0xE1, b"Exif\0\0x"), (0xFE, b"\xff\xd9 comment")]
    parts = containers.jpeg_parts(jpeg(segments, b"behind", **options))
    assert parts.core == jpeg(**options)
    assert parts.trailer == b"behind"
    assert [each for each in parts.segments if each[0] in (0xE1, 0xFE)] == segments


def test_any_cut_of_a_jpeg_keeps_what_is_there():
    data = jpeg([(0xE1, b"Exif\0\0x")], image=picture(16, 16))
    for end in range(len(data)):
        parts = containers.jpeg_parts(data[:end])
        assert parts.trailer == b""
        assert len(parts.core) >= end - 12


def test_the_core_of_a_png_has_its_samples_and_transparency():
    samples = np.asarray(picture())
    data = png(samples, chunk(b"tEXt", b"a\0b") + chunk(b"tRNS", bytes(6)))
    assert containers.png_core(data) == png(samples, chunk(b"tRNS", bytes(6)))


def test_texts_that_would_fill_the_memory_stay_packed():
    bomb = zlib.compress(bytes(containers.MAX_TEXT + 1))
    chunks = [(b"zTXt", b"a\0\0" + bomb), (b"zTXt", b"b\0\0" + zlib.compress(b"text"))]
    assert containers.png_texts(chunks) == [("a", None), ("b", b"text")]
    assert containers.unpacked(b"no stream") is None


def test_the_directories_of_a_tiff_are_its_pages():
    pages = [picture(8, 8 + number) for number in range(3)]
    data = saved(pages[0], "TIFF", save_all=True, append_images=pages[1:])
    found = containers.tiff_directories(io.BytesIO(data))
    assert [(each.page, each.get(256)) for each in found] == [(0, 8), (1, 9), (2, 10)]
    assert Image.open(io.BytesIO(data)).n_frames == 3


def test_a_circle_of_directories_ends():
    data = bytearray(tiff(np.zeros([8, 8], np.uint8)))
    first = int.from_bytes(data[4:8], "little")
    count = int.from_bytes(data[first : first + 2], "little")
    data[first + 2 + 12 * count : first + 6 + 12 * count] = first.to_bytes(4, "little")
    assert len(containers.tiff_directories(io.BytesIO(bytes(data)))) == 1
