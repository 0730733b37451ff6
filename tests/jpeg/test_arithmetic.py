"""Files of arithmetic codes, which libjpeg-turbo's jpegtran writes and simplejpeg reads."""

import base64
import shutil
import subprocess

from learned_jpeg.jpeg import coefficients
from learned_jpeg.pictures import lossless, reading
from learned_jpeg.runtime.errors import UserError

import numpy as np
import pytest
import simplejpeg
from makers import picture, saved

# Of saved(picture(24, 30), "JPEG", quality=20).
ARITHMETIC = {
    "sequential": base64.b64decode(
        "/9j/4AAQSkZJRgABAQAAAQABAAD/2wBDACgcHiMeGSgjISMtKygwPGRBPDc3PHtYXUlkkYCZlo+AjIqgtObDoKra"
        "rYqMyP/L2u71////m8H////6/+b9//j/2wBDASstLTw1PHZBQXb4pYyl+Pj4+Pj4+Pj4+Pj4+Pj4+Pj4+Pj4+Pj4"
        "+Pj4+Pj4+Pj4+Pj4+Pj4+Pj4+Pj4+Pj4+Pj/yQARCAAYAB4DASIAAhEBAxEB/8wACgAQEAUBEBEF/90ABAAC/9oA"
        "DAMBAAIRAxEAPwDQt7gkCEUk/9DRgZrng4S6LR6CT2HvQP/Z"
    ),
    "progressive": base64.b64decode(
        "/9j/4AAQSkZJRgABAQAAAQABAAD/2wBDACgcHiMeGSgjISMtKygwPGRBPDc3PHtYXUlkkYCZlo+AjIqgtObDoKra"
        "rYqMyP/L2u71////m8H////6/+b9//j/2wBDASstLTw1PHZBQXb4pYyl+Pj4+Pj4+Pj4+Pj4+Pj4+Pj4+Pj4+Pj4"
        "+Pj4+Pj4+Pj4+Pj4+Pj4+Pj4+Pj4+Pj4+Pj/ygARCAAYAB4DASIAAhEBAxEB/8wABgAQARD/2gAMAwEAAhADEAAA"
        "Ac6lAdcRizD/zAAEEAX/2gAIAQEAAQUCwdD/zAAEEQX/2gAIAQMBAT8BwP/MAAQRBf/aAAgBAgEBPwHA/8wABBAF"
        "/9oACAEBAAY/AsD/zAAEEAX/2gAIAQEAAT8hwuj/2gAMAwEAAgADAAAAEDUpdv/MAAQRBf/aAAgBAwEBPxDA/8wA"
        "BBEF/9oACAECAQE/EMD/zAAEEAX/2gAIAQEAAT8QowcdRmlNtXD/2Q=="
    ),
}


@pytest.mark.parametrize("name", ARITHMETIC)
def test_files_become_huffman_codes_of_the_same_pixels(name):
    data = ARITHMETIC[name]
    frame = coefficients.read(data)
    assert frame.arithmetic and frame.progressive == (name == "progressive")
    found, notes = lossless.transcode(data)
    assert len(notes) == 1 and "became Huffman" in notes[0]
    assert not coefficients.read(found).arithmetic
    np.testing.assert_array_equal(simplejpeg.decode_jpeg(data), simplejpeg.decode_jpeg(found))


@pytest.mark.parametrize("name", ARITHMETIC)
def test_files_are_pictures_to_compress(name):
    source = reading.read_source("a.jpg", data=ARITHMETIC[name])
    np.testing.assert_array_equal(source.pixels, simplejpeg.decode_jpeg(ARITHMETIC[name]))
    assert source.warnings == []


@pytest.mark.parametrize("name", ARITHMETIC)
def test_broken_files_are_refused_or_read(name):
    data = ARITHMETIC[name]
    with pytest.raises(UserError, match="ends too early"):
        lossless.transcode(data[:-2])
    generator = np.random.default_rng(0)
    for _ in range(200):
        wrong = bytearray(data)
        wrong[generator.integers(2, len(data))] = generator.integers(256)
        try:
            coefficients.read(bytes(wrong))
        except ValueError as error:
            assert str(error)


@pytest.mark.skipif(not shutil.which("jpegtran"), reason="no jpegtran")
@pytest.mark.parametrize("options", [[], ["-restart", "1"], ["-progressive"],
                                     ["-progressive", "-restart", "3B"]])  # fmt: skip
@pytest.mark.parametrize("mode, quality, subsampling", [
    ("RGB", 100, 0), ("RGB", 75, 1), ("RGB", 10, 2), ("L", 90, 0), ("CMYK", 60, 0),
])  # fmt: skip
def test_levels_are_those_that_went_in(options, mode, quality, subsampling):
    data = saved(picture(77, 101, mode), "JPEG", quality=quality, subsampling=subsampling)
    command = ["jpegtran", "-arithmetic", *options]
    coded = subprocess.run(command, input=data, capture_output=True, check=True).stdout
    sequential, arithmetic = coefficients.read(data), coefficients.read(coded)
    assert arithmetic.arithmetic and arithmetic.complete
    for before, after in zip(sequential.components, arithmetic.components, strict=True):
        np.testing.assert_array_equal(before.blocks, after.blocks)


def test_conditions_are_read_and_checked():
    data = ARITHMETIC["sequential"]
    sos = data.index(b"\xff\xda")
    same = data[:sos] + b"\xff\xcc\0\x06\0\x10\x10\x05" + data[sos:]  # the default conditions
    np.testing.assert_array_equal(coefficients.read(same).stored, coefficients.read(data).stored)
    with pytest.raises(ValueError, match="conditions"):
        coefficients.read(data[:sos] + b"\xff\xcc\0\x04\0\x12" + data[sos:])
