"""Levels are those that libjpeg, under jpeglib, reads; broken files are refused."""

from learned_jpeg.jpeg import coefficients
from learned_jpeg.jpeg.jpeg_file import _without_metadata

import jpeglib
import mozjpeg_lossless_optimization
import numpy as np
import pytest
from makers import picture, saved

FACTORS = [
    [(1, 1)],
    [(2, 2)],
    [(1, 1)] * 3,
    [(2, 1), (1, 1), (1, 1)],
    [(1, 2), (1, 1), (1, 1)],
    [(4, 1), (1, 1), (1, 1)],
    [(2, 2), (1, 2), (2, 1)],
    [(1, 1), (2, 2), (1, 1)],
    [(2, 1)] * 3,
]


def by_libjpeg(data, tmp_path):
    """[int16 [rows, columns, 8, 8]] of each component."""
    (tmp_path / "a.jpg").write_bytes(_without_metadata(data))
    jpeg = jpeglib.read_dct(tmp_path / "a.jpg")
    jpeg.load()
    return [plane for plane in (jpeg.Y, jpeg.Cb, jpeg.Cr, jpeg.K) if plane is not None]


def made(factors, height, width, seed=0):
    """A sequential file of random levels, written by libjpeg."""
    generator = np.random.default_rng(seed)
    most = np.max(factors, axis=0)
    planes = []
    for across, down in factors:
        rows, columns = (
            -(-side * factor // (8 * greatest))
            for side, factor, greatest in ((height, down, most[1]), (width, across, most[0]))
        )
        there = generator.random([rows, columns, 8, 8]) < 0.2
        planes.append(np.int16(there * generator.integers(-300, 301, there.shape)))
    jpeg = jpeglib.from_dct(*planes, qt=np.full([1, 8, 8], 3, np.int16))
    jpeg.height, jpeg.width = height, width
    jpeg.samp_factor = np.array([factor[::-1] for factor in factors])
    return jpeg


@pytest.mark.parametrize("factors", FACTORS)
@pytest.mark.parametrize("progressive", [False, True])
def test_any_sampling_factors_are_read(factors, progressive, tmp_path):
    jpeg = made(factors, 37, 71)
    path = tmp_path / "made.jpg"
    jpeg.write_dct(path)
    data = path.read_bytes()
    if progressive:
        data = mozjpeg_lossless_optimization.optimize(data)
    frame = coefficients.read(data)
    assert [(each.across, each.down) for each in frame.components] == factors
    assert frame.progressive == progressive
    assert frame.complete and (frame.height, frame.width) == (37, 71)
    for component, expected in zip(frame.components, by_libjpeg(data, tmp_path), strict=True):
        rows, columns = component.blocks.shape[:2]
        np.testing.assert_array_equal(
            component.blocks.reshape(rows, columns, 8, 8), expected[:rows, :columns]
        )
        assert (component.table == 3).all()


@pytest.mark.parametrize("mode", ["L", "RGB", "CMYK"])
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"quality": 100, "subsampling": 0},
        {"progressive": True},
        {"progressive": True, "restart_marker_blocks": 3},
        {"restart_marker_blocks": 1, "subsampling": 2},
        {"restart_marker_rows": 1, "optimize": True, "quality": 5},
    ],
)
def test_files_of_pillow_are_read(mode, options, tmp_path):
    data = saved(picture(99, 131, mode), "JPEG", **options)
    frame = coefficients.read(data)
    for component, expected in zip(frame.components, by_libjpeg(data, tmp_path), strict=False):
        rows, columns = component.blocks.shape[:2]
        np.testing.assert_array_equal(
            component.blocks.reshape(rows, columns, 8, 8), expected[:rows, :columns]
        )


def test_tables_are_those_of_the_first_scan(tmp_path):
    """A slot may be filled anew between the scans of two components."""
    data = saved(picture(), "JPEG", subsampling=0, progressive=True)
    second = data.index(b"\xff\xda", data.index(b"\xff\xda") + 2)
    table = b"\xff\xdb\0\x43\0" + bytes([7] * 64)
    before = coefficients.read(data).components[0].table
    frame = coefficients.read(data[:second] + table + data[second:])
    np.testing.assert_array_equal(frame.components[0].table, before)


def test_missing_bits_are_reported(tmp_path):
    data = saved(picture(), "JPEG", progressive=True)
    last = data.rindex(b"\xff\xda")
    last = data.rindex(b"\xff\xc4", 0, last)  # the last scan and its table
    frame = coefficients.read(data[:last] + b"\xff\xd9")
    assert not frame.complete
    assert coefficients.read(data).complete
    assert (frame.components[0].known[1:] == 1).all()  # libjpeg sends luma's last bits last


def spoilt(data, change):
    sos = data.index(b"\xff\xda")
    body = sos + 2 + int.from_bytes(data[sos + 2 : sos + 4], "big")
    return {
        "cut": lambda: data[: (body + len(data)) // 2],
        "cut, with an end marker": lambda: data[: (body + len(data)) // 2] + b"\xff\xd9",
        "no scan": lambda: data[:sos] + b"\xff\xd9",
        "no table of quantization": lambda: data.replace(b"\xff\xdb", b"\xff\xe5"),
        "no Huffman table": lambda: data.replace(b"\xff\xc4", b"\xff\xe5"),
        "a scan twice": lambda: data[:-2] + data[sos:],
        "12 bits": lambda: data.replace(b"\xff\xc0\0\x11\x08", b"\xff\xc1\0\x11\x0c"),
        "lossless": lambda: data.replace(b"\xff\xc0\0\x11", b"\xff\xc3\0\x11"),
        "no size": lambda: data.replace(
            b"\xff\xc0\0\x11\x08" + bytes([0, 45]), b"\xff\xc0\0\x11\x08" + bytes(2)
        ),
        "factors of 0": lambda: data.replace(bytes([3, 1, 0x22, 0]), bytes([3, 1, 0x02, 0])),
        "restarts": lambda: data[:sos] + b"\xff\xdd\0\x04\0\x02" + data[sos:],
    }[change]()


@pytest.mark.parametrize(
    "change, words",
    [
        ("cut", "broken or end too early"),
        ("cut, with an end marker", "broken or end too early"),
        ("no scan", "no picture"),
        ("no table of quantization", "quantization table is missing"),
        ("no Huffman table", "broken"),
        ("a scan twice", "do not follow each other"),
        ("12 bits", "12 bits a sample"),
        ("lossless", "lossless coding"),
        ("no size", "70x0 pixels"),
        ("factors of 0", "sampling factors"),
        ("restarts", "restart markers are missing"),
    ],
)
def test_broken_files_are_refused_with_a_reason(change, words):
    data = saved(picture(), "JPEG")
    coefficients.read(data)
    with pytest.raises(ValueError, match=words):
        coefficients.read(spoilt(data, change))


@pytest.mark.parametrize("progressive", [False, True])
def test_any_bytes_are_read_or_refused(progressive):
    data = saved(picture(), "JPEG", progressive=progressive, optimize=True)
    generator = np.random.default_rng(0)
    for _ in range(300):
        wrong = bytearray(data)
        for offset in generator.integers(2, len(data), 3):
            wrong[offset] = generator.integers(256)
        try:
            coefficients.read(bytes(wrong))
        except ValueError as error:
            assert str(error) and "\n" not in str(error)


def test_a_missing_end_marker_does_not_matter():
    data = saved(picture(), "JPEG")
    whole, without = coefficients.read(data), coefficients.read(data[:-2])
    np.testing.assert_array_equal(whole.stored, without.stored)


def test_fill_bytes_and_what_stands_between_segments_do_not_matter():
    data = saved(picture(), "JPEG")
    sos = data.index(b"\xff\xda")
    filled = data[:sos] + b"\xff\xff" + data[sos:-2] + b"\xff\xff\xff\xd9"
    np.testing.assert_array_equal(coefficients.read(filled).stored, coefficients.read(data).stored)
