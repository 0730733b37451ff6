"""Damaged files that can be read, with a warning of their damage."""

import random
import shutil
import subprocess
import zlib
from concurrent.futures import ThreadPoolExecutor

from learned_jpeg.pictures import damage, reading
from learned_jpeg.runtime.errors import UserError

import numpy as np
import pytest
import skimage.data
from makers import chunk, jpeg, lab, picture, png, raw_tiff, saved, tiff
from PIL import Image

DJPEG = shutil.which("djpeg")
MODES = {
    "gray": ("L", {}),
    "colour": ("RGB", {"subsampling": 0}),
    "sampled": ("RGB", {"subsampling": 2}),
    "inks": ("CMYK", {}),
    "restarts": ("RGB", {"restart_marker_blocks": 5}),
    "progressive": ("RGB", {"progressive": True}),
    "progressive gray": ("L", {"progressive": True}),
}


def made(name, image=None):
    mode, options = MODES[name]
    return saved((image or picture()).convert(mode), "JPEG", quality=85, **options)


def scan(data):
    """Where the first scan's data begin."""
    start = data.index(b"\xff\xda")
    return start + 2 + int.from_bytes(data[start + 2 : start + 4], "big")


def flipped(data, rng):
    changed = bytearray(data)
    changed[rng.randrange(scan(data), len(data) - 2)] ^= 1 << rng.randrange(8)
    return bytes(changed)


def cut(data, rng):
    """Without some of the last bytes before the end marker."""
    return data[: -2 - rng.randrange(1, 60)] + data[-2:]


@pytest.mark.parametrize("name", MODES)
def test_nothing_is_said_of_a_whole_jpeg(name):
    assert damage.of_file(made(name)) is None


@pytest.mark.parametrize("name", MODES)
@pytest.mark.parametrize("last", [3, 40, 90])
def test_a_jpeg_without_its_last_bytes_is_damaged(name, last):
    data = made(name)
    assert "premature end" in damage.of_file(data[: -2 - last] + data[-2:])


@pytest.mark.parametrize("name", MODES)
def test_a_jpeg_with_bytes_too_many_is_damaged(name):
    data = made(name)
    assert "extraneous bytes" in damage.of_file(data[:-2] + bytes(9) + data[-2:])


def test_a_code_that_is_none_is_damage_wherever_it_stands():
    """libjpeg-turbo says nothing of it where much of the file is at hand."""
    data = saved(Image.fromarray(skimage.data.astronaut()), "JPEG", quality=90, optimize=True)
    start = data.index(b"\xff\xc4") + 4  # a table: class and number, counts of 16 lengths
    counts = data[start + 1 : start + 17]
    longest = max(length for length, count in enumerate(counts, 1) if count)
    assert longest <= 10  # of the differences of DC: the code of all ones is free
    place = scan(data)
    changed = data[:place] + b"\xff\0" * 2 + data[place:]
    assert "bad Huffman code" in damage._decode_in_steps(changed)
    assert damage.of_file(changed)


@pytest.mark.skipif(DJPEG is None, reason="djpeg is not installed")
@pytest.mark.parametrize("name", MODES)
@pytest.mark.parametrize("change, size", [(flipped, 45), (flipped, 200), (cut, 45)])
def test_damage_is_what_djpeg_says(name, change, size):
    data = made(name, Image.fromarray(skimage.data.astronaut()[:size, :size]))
    rng, said = random.Random(f"{name} {size}"), 0
    for _ in range(30):
        changed = change(data, rng)
        done = subprocess.run([DJPEG, "-scale", "1/8"], input=changed, capture_output=True)
        assert bool(damage.of_file(changed)) == bool(done.stderr), done.stderr
        said += bool(done.stderr)
    assert said > 0 or "restarts" not in name


@pytest.mark.parametrize("name", MODES)
def test_a_jpeg_without_its_end_marker_is_read_with_a_warning(name, tmp_path):
    data, path = made(name), tmp_path / "a.jpg"
    path.write_bytes(data)
    whole = reading.read_source(path)
    path.write_bytes(data[:-2])
    source = reading.read_source(path)
    np.testing.assert_array_equal(source.pixels, whole.pixels)
    assert set(source.warnings) - set(whole.warnings) == {"damaged: its end marker is missing"}
    assert reading.damage(path) == f"{path}: damaged: its end marker is missing"
    np.testing.assert_array_equal(reading.read(path).shape[:2], source.pixels.shape[:2])


@pytest.mark.parametrize("name", MODES)
def test_a_jpeg_that_is_cut_off_is_refused(name, tmp_path):
    data, path = made(name), tmp_path / "a.jpg"
    path.write_bytes(data[: scan(data) + (len(data) - scan(data)) // 2])
    for reader in (reading.read, reading.read_source):
        with pytest.raises(UserError, match="truncated"):
            reader(path)


def test_a_wrong_checksum_of_the_samples_is_damage(tmp_path):
    samples, path = np.asarray(picture()), tmp_path / "a.png"
    data = bytearray(png(samples))
    data[-14] ^= 1  # before IEND: length, name and checksum
    path.write_bytes(data)
    source = reading.read_source(path)
    assert source.warnings == ["damaged: IDAT: CRC error"]
    np.testing.assert_array_equal(source.pixels, samples)
    assert "IDAT" in reading.damage(path)
    path.write_bytes(png(samples, chunk(b"tEXt", b"a\0b")[:-1] + b"!"))
    assert reading.damage(path) is None  # no sample's


def test_what_is_said_of_one_file_is_said_of_no_other(tmp_path):
    """libvips keeps its messages in one list for all threads."""
    bad, deep = tmp_path / "bad.jpg", tmp_path / "deep.png"
    data = jpeg()
    bad.write_bytes(data[:-200] + data[-2:])
    deep.write_bytes(png(np.asarray(picture()).astype(np.uint16) * 257)[:-1000])

    def reason(number):
        try:
            return "; ".join(reading.read_source(bad if number % 2 else deep).warnings)
        except UserError as error:
            return str(error)

    with ThreadPoolExecutor(4) as pool:
        for number, text in enumerate(pool.map(reason, range(40))):
            assert ("png" in text) == (number % 2 == 0), text
            assert ("Corrupt JPEG" in text) == (number % 2 == 1), text


def test_a_picture_of_any_size_is_judged_before_it_is_decoded(tmp_path):
    """A file whose header gives a large size, and which has no end marker."""
    data = bytearray(made("progressive")[:-2])
    place = data.index(b"\xff\xc2") + 5
    data[place : place + 4] = (60_000).to_bytes(2, "big") * 2
    (tmp_path / "a.jpg").write_bytes(data)
    with pytest.raises(UserError, match="limit"):
        reading.read(tmp_path / "a.jpg")


# Other kinds


def tiles():
    """A TIFF without the last bytes of its last tile."""
    return tiff(np.asarray(picture(64, 64)), photometric="rgb", tile=(32, 32))[:-500]


def jpeg_within_tiff():
    """With other bytes within the first strip."""
    data = bytearray(saved(picture(), "TIFF", compression="jpeg"))
    place = data.index(b"\xff\xda") + 60
    data[place : place + 40] = bytes(40)
    return bytes(data)


def stream_without_its_end():
    rows = b"".join(b"\0" + row.tobytes() for row in np.asarray(picture()))
    return png(np.asarray(picture()), packed=zlib.compress(rows)[:-4])


def critical_chunk():
    """A PNG with an unknown chunk that is marked as critical."""
    return png(np.asarray(picture()), chunk(b"ABCD", b"x"))


def end_of_gif():
    """A GIF whose samples are there, and what ends them is not."""
    return saved(picture(), "GIF")[:-2]


def avif():
    data = bytearray(saved(picture(), "AVIF", quality=90))
    data[-200:-100] = bytes(100)
    return bytes(data)


def frame_without_its_size():
    """An AVIF whose frame says that it has no size, behind a delimiter and the sequence header."""
    data = bytearray(saved(picture(), "AVIF"))
    start = data.index(b"mdat") + 4
    assert data[start : start + 3] == b"\x12\0\x0a"
    data[start + 4 + data[start + 3]] ^= 2
    return bytes(data)


@pytest.mark.parametrize(
    "make, words",
    [
        (tiles, "Read error"),
        (frame_without_its_size, "Invalid input"),
        (jpeg_within_tiff, "Corrupt JPEG data"),
        (stream_without_its_end, "Not enough image data"),
        (critical_chunk, "ABCD"),
        (end_of_gif, "end of GIF"),
    ],
)
def test_what_the_decoder_passes_over_is_said(make, words, tmp_path):
    (tmp_path / "a").write_bytes(make())
    source = reading.read_source(tmp_path / "a")
    assert words in " ".join(source.warnings) and "damaged: " in " ".join(source.warnings)
    assert words in reading.damage(tmp_path / "a")


@pytest.mark.parametrize("kind", ["RGB", "LAB"])
def test_a_tiff_that_lacks_strips_is_refused(kind, tmp_path):
    """Pillow shows black there, without a word."""
    data = bytearray(saved(picture() if kind == "RGB" else lab(picture()), "TIFF"))
    start = int.from_bytes(data[4:8], "little") + 2
    tags = {int.from_bytes(data[at : at + 2], "little"): at for at in range(start, start + 120, 12)}
    data[tags[278] + 8] = 20  # rows of a strip, of which there is one
    (tmp_path / "a").write_bytes(data)
    with pytest.raises(UserError, match="strip"):
        reading.read_source(tmp_path / "a")


def test_a_broken_avif_is_said_or_refused(tmp_path):
    (tmp_path / "a").write_bytes(avif())
    try:
        said = " ".join(reading.read_source(tmp_path / "a").warnings)
    except UserError as error:
        said = str(error)
    assert "damaged: " in said or "cannot be read" in said


def test_tags_that_libtiff_minds_are_no_damage(tmp_path):
    samples = np.asarray(picture())
    tags = {270: (2, b"no zero at its end"), 50341: (2, b"private\0")}
    (tmp_path / "a").write_bytes(raw_tiff(samples.tobytes(), (70, 45), 2, [8] * 3, tags))
    source = reading.read_source(tmp_path / "a")
    np.testing.assert_array_equal(source.pixels, samples)
    assert "damaged" not in " ".join(source.warnings)
    assert reading.damage(tmp_path / "a") is None


def test_without_who_could_tell_files_are_read(tmp_path, monkeypatch):
    """Without the extra `pictures`."""
    monkeypatch.setattr(damage.packages, "is_there", lambda name: False)
    data = made("colour")
    for each in (data, data[:-42] + data[-2:], critical_chunk()):
        assert damage.of_file(each) is None
    assert damage.of_file(data[:-2]) == "its end marker is missing"
