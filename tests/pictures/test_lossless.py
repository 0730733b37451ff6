"""JPEG files rewritten without loss: pixels, metadata, and the bytes behind the picture."""

import io
import shutil
import struct
import subprocess

from learned_jpeg.pictures import lossless
from learned_jpeg.runtime.errors import UserError

import numpy as np
import pytest
from makers import IPTC, XMP, exif, jpeg, jpeg_segments, picture, saved, srgb_profile
from PIL import Image

ADOBE_RGB = 0xEE, b"Adobe\0\x64\0\0\0\0\0"
ICC = 0xE2, b"ICC_PROFILE\0\1\1" + srgb_profile()
SEGMENTS = [
    (0xE1, b"Exif\0\0" + exif(1).tobytes()[6:]),
    (0xE1, b"http://ns.adobe.com/xap/1.0/\0" + XMP),
    (0xFE, b"a comment"),
    ICC,
    (0xED, b"Photoshop 3.0\0" + IPTC),
    (0xE7, b"of a camera"),
    (0xFE, b""),
]


def of_metadata(data):
    return [part for part in jpeg_segments(data) if part[0] >= 0xE0]


def shows_the_same(one, other):
    """Compares by Pillow, and by libjpeg-turbo's own program where it is installed."""
    with Image.open(io.BytesIO(one)) as a, Image.open(io.BytesIO(other)) as b:
        assert a.mode == b.mode
        np.testing.assert_array_equal(a, b)
    if shutil.which("djpeg"):
        shown = [
            subprocess.run(["djpeg"], input=data, capture_output=True, check=True).stdout
            for data in (one, other)
        ]
        assert shown[0] == shown[1]


@pytest.mark.parametrize("progressive", [False, True])
@pytest.mark.parametrize("mode, options", [
    ("L", {}),
    ("RGB", {"subsampling": 0}),
    ("RGB", {"subsampling": 1}),
    ("RGB", {"subsampling": 2, "restart_marker_blocks": 5}),
    ("RGB", {"keep_rgb": True}),
    ("CMYK", {}),
    ("CMYK", {"subsampling": 2}),
])  # fmt: skip
def test_pixels_stay_the_same(mode, options, progressive):
    data = saved(picture(99, 131, mode), "JPEG", progressive=progressive, **options)
    found, notes = lossless.transcode(data)
    shows_the_same(data, found)
    assert len(found) < len(data) and notes == []
    assert lossless.transcode(found)[0] == found  # there is nothing more to gain


def test_inverted_cmyk_by_adobes_marker_stays_so():
    data = saved(picture(40, 50, "CMYK"), "JPEG")
    assert b"Adobe" in data
    for strip in (False, True):
        found, _ = lossless.transcode(data, strip)
        assert of_metadata(found) == of_metadata(data)
        shows_the_same(data, found)


def test_metadata_stays_byte_by_byte_and_in_order():
    data = jpeg(SEGMENTS)
    found, _ = lossless.transcode(data)
    assert of_metadata(found) == of_metadata(data)
    assert len(found) < len(data)


def test_strip_leaves_what_decides_how_the_picture_is_shown():
    data = jpeg([*SEGMENTS, ADOBE_RGB])
    found, _ = lossless.transcode(data, strip=True)
    assert of_metadata(found) == [of_metadata(data)[0], ICC, ADOBE_RGB]
    shows_the_same(data, found)


@pytest.mark.parametrize("orientation", [1, 6])
def test_strip_keeps_an_orientation_and_no_more_of_the_exif(orientation):
    data = jpeg([(0xE1, b"Exif\0\0" + exif(orientation).tobytes()[6:])])
    found, _ = lossless.transcode(data, strip=True)
    with Image.open(io.BytesIO(found)) as image:
        expected = {} if orientation == 1 else {0x0112: orientation}
        assert dict(image.getexif()) == expected
        assert ("exif" in image.info) == bool(expected)


def test_strip_leaves_out_a_thumbnail():
    data = jpeg()
    small = b"JFIF\0\1\2\1\0\x48\0\x48\1\1" + b"rgb"
    data = data[:2] + struct.pack(">BBH", 0xFF, 0xE0, len(small) + 2) + small + data[20:]
    assert of_metadata(lossless.transcode(data)[0]) == [(0xE0, small)]
    assert of_metadata(lossless.transcode(data, strip=True)[0]) == [(0xE0, small[:12] + b"\0\0")]


def test_what_stands_behind_the_picture_stays():
    data = jpeg(trailer=b"\0\0\0\x18ftypmp42 a video")
    found, _ = lossless.transcode(data)
    assert found.endswith(b"\xff\xd9\0\0\0\x18ftypmp42 a video")
    assert lossless.transcode(data, strip=True)[0].endswith(b"\xff\xd9")


def test_further_pictures_are_found_by_their_index():
    """As Pillow finds them, in a file that Pillow writes."""
    file, images = io.BytesIO(), [picture(), picture(30, 40), picture(20, 20, "L")]
    images[0].save(file, "MPO", save_all=True, append_images=images[1:])
    data = file.getvalue()
    found, notes = lossless.transcode(data)
    assert len(found) < len(data) and notes == []
    with Image.open(io.BytesIO(data)) as before, Image.open(io.BytesIO(found)) as after:
        assert after.format == "MPO" and after.n_frames == 3
        for frame in range(3):
            before.seek(frame)
            after.seek(frame)
            np.testing.assert_array_equal(before, after)
    first, before = (Image.open(io.BytesIO(one)).mpinfo[0xB002][0]["Size"] for one in (found, data))
    assert found[first:] == data[before:]


def test_a_broken_index_is_named_and_stays():
    data = jpeg([(0xE2, b"MPF\0II*\0\x08\0\0\0\0\0")], trailer=b"\xff\xd8\xff\xd9")
    found, notes = lossless.transcode(data)
    assert notes == ["index of further pictures (MPF) is broken: it has no entries"]
    assert of_metadata(found) == of_metadata(data)


@pytest.mark.parametrize("progressive", [False, True])
def test_a_missing_end_marker_is_a_warning(progressive):
    data = saved(picture(), "JPEG", progressive=progressive)
    found, notes = lossless.transcode(data[:-2])
    assert notes == ["damaged: its end marker is missing"]
    assert found == lossless.transcode(data)[0]


@pytest.mark.parametrize("strip", [False, True])
def test_a_file_whose_last_bits_were_never_sent_keeps_its_scans(strip):
    """Decoders smooth what they have: libjpeg shows other pixels for the same coefficients."""
    data = jpeg(SEGMENTS, progressive=True)
    last = data.rindex(b"\xff\xc4", 0, data.rindex(b"\xff\xda"))
    data = data[:last] + b"\xff\xd9"
    found, notes = lossless.transcode(data, strip)
    assert "never sent" in notes[0]
    shows_the_same(data, found)
    if strip:
        assert of_metadata(found) == [of_metadata(data)[0], ICC]
        assert found.endswith(data[data.index(b"\xff\xdb") :])
    else:
        assert found == data


def test_a_file_that_is_small_already_stays_as_it_is():
    small, _ = lossless.transcode(saved(picture(), "JPEG"))
    with Image.open(io.BytesIO(small)) as image:
        assert image.info["progressive"]
    assert lossless.transcode(small) == (small, [])


@pytest.mark.parametrize("data, words", [
    (saved(picture(), "PNG"), "not a JPEG file"),
    (b"", "not a JPEG file"),
    (saved(picture(), "JPEG").replace(b"\xff\xc0\0\x11\x08", b"\xff\xc1\0\x11\x0c"), "12 bits"),
    (saved(picture(), "JPEG")[:900] + b"\xff\xd9", "end too early"),
    (saved(picture(), "JPEG", progressive=True)[:-40], "too early"),
])  # fmt: skip
def test_what_cannot_be_is_refused_in_one_line(data, words):
    with pytest.raises(UserError, match=words) as error:
        lossless.transcode(data)
    assert "\n" not in str(error.value)


def test_bytes_of_any_kind_never_show_other_pixels():
    """Of files with three wrong bytes, those that are written are shown alike."""
    data, generator, done = saved(picture(), "JPEG", optimize=True), np.random.default_rng(1), 0
    for _ in range(60):
        wrong = bytearray(data)
        for place in generator.integers(2, len(data), 1):
            wrong[place] = generator.integers(256)
        try:
            found, _ = lossless.transcode(bytes(wrong))
            with Image.open(io.BytesIO(wrong)) as a, Image.open(io.BytesIO(found)) as b:
                np.testing.assert_array_equal(a, b)
            done += 1
        except (UserError, OSError):
            continue
    assert done > 5
