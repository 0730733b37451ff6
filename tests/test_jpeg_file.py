import concurrent.futures
import io
import random
import struct
import threading

from jpeg_file import HUFFMAN, add_metadata, read_jpeg, write_jpeg

import jpeglib
import numpy as np
import pytest
import scipy.fft
import skimage.data
from PIL import Image, ImageCms

SIZES = [(1, 1), (8, 8), (17, 31), (1, 300), (300, 1), (64, 40)]

# T.81 K.3.3: the number of codes of each length 1..16 of the example tables (DC, AC; luma, chroma)
EXAMPLE_BITS = {
    0x00: [0, 1, 5, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0],
    0x01: [0, 3, 1, 1, 1, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 0],
    0x10: [0, 2, 1, 3, 3, 2, 4, 3, 5, 5, 4, 4, 0, 0, 1, 0x7D],
    0x11: [0, 2, 1, 2, 4, 4, 3, 4, 7, 5, 4, 4, 0, 1, 2, 0x77],
}


def segments(data):
    """(marker, payload) of each segment of a JPEG file, those between scans too."""
    found, i = [], 2
    while data[i + 1] != 0xD9:
        length = struct.unpack_from(">H", data, i + 2)[0]
        found.append((data[i + 1], data[i + 4 : i + 2 + length]))
        i += 2 + length
        while data[i] != 0xFF or data[i + 1] == 0:
            i += 1
    assert i + 2 == len(data)
    return found


def huffman_tables(data):
    """{class and slot: (counts, symbols)} of the DHT segments before the first scan."""
    tables = {}
    for marker, payload in segments(data):
        if marker == 0xDA:
            return tables
        while marker == 0xC4 and payload:
            counts = list(payload[1:17])
            tables[payload[0]] = counts, payload[17 : 17 + sum(counts)]
            payload = payload[17 + sum(counts) :]


def scan_bytes(data):
    start = data.index(b"\xff\xda")
    return data[start + 2 + struct.unpack_from(">H", data, start + 2)[0] :]


def random_picture(height, width, components, seed=0):
    rng = np.random.default_rng(seed)
    blocks = -(-height // 8), -(-width // 8)
    coefficients = rng.integers(-3, 4, blocks + (8, 8, components))
    coefficients[:, :, 0, 0] = rng.integers(-120, 120, blocks + (components,))
    return coefficients, rng.integers(1, 40, (8, 8, 2))


def astronaut(quality, height=203, width=310, **options):
    picture = Image.fromarray(skimage.data.astronaut()[:height, :width])
    file = io.BytesIO()
    picture.save(file, "JPEG", quality=quality, subsampling=0, **options)
    return file.getvalue()


def decode(data):
    return np.asarray(Image.open(io.BytesIO(data)), np.int64)


@pytest.mark.parametrize("huffman", HUFFMAN)
@pytest.mark.parametrize("components", [1, 3])
@pytest.mark.parametrize("height, width", SIZES)
def test_reading_back_gives_the_very_integers(height, width, components, huffman):
    coefficients, qtables = random_picture(height, width, components)
    data = write_jpeg(coefficients, qtables, height, width, huffman)
    back, tables, *size = read_jpeg(data)
    np.testing.assert_array_equal(back, coefficients)
    np.testing.assert_array_equal(tables, qtables[..., : min(components, 2)])
    assert size == [height, width]
    assert decode(data).shape[:2] == (height, width)


@pytest.mark.parametrize("huffman", HUFFMAN)
def test_a_decoder_sees_what_the_integers_say(huffman):
    coefficients, qtables, height, width = read_jpeg(astronaut(90))
    scaled = coefficients * qtables[..., [0, 1, 1]]
    blocks = scipy.fft.idctn(scaled.astype(float), axes=(2, 3), norm="ortho")
    ycc = blocks.transpose(0, 2, 1, 3, 4).reshape(8 * len(blocks), -1, 3)[:height, :width]
    expected = np.clip(np.round(ycc + 128), 0, 255)
    data = write_jpeg(coefficients, qtables, height, width, huffman)
    with Image.open(io.BytesIO(data)) as image:
        image.draft("YCbCr", image.size)  # without the conversion to RGB, which multiplies errors
        difference = np.abs(np.asarray(image, float) - expected)
    assert difference.max() <= 1
    assert difference.mean() < 0.05


@pytest.mark.parametrize("huffman", HUFFMAN)
def test_decoders_of_two_other_libraries_agree(huffman, tmp_path):
    data = write_jpeg(*read_jpeg(astronaut(70)), huffman)
    reference = decode(data)
    path = tmp_path / "a.jpg"
    path.write_bytes(data)
    with jpeglib.version("9f"):  # of the Independent JPEG Group, not libjpeg-turbo
        other = jpeglib.read_spatial(str(path)).spatial.astype(int)
    assert np.mean(np.abs(other - reference) <= 1) > 0.999
    pyvips = pytest.importorskip("pyvips")
    other = pyvips.Image.new_from_buffer(data, "", fail_on="warning").numpy().astype(int)
    assert np.mean(np.abs(other - reference) <= 1) > 0.999


def test_standard_writes_the_example_tables_and_pillows_scan():
    pillow = astronaut(75)
    data = write_jpeg(*read_jpeg(pillow), "standard")
    tables = huffman_tables(data)
    assert {slot: counts for slot, (counts, _) in tables.items()} == EXAMPLE_BITS
    assert tables == huffman_tables(pillow)
    assert scan_bytes(data) == scan_bytes(pillow)


def test_optimized_is_baseline_with_other_tables_and_pillows_optimized_size():
    pillow = astronaut(75, optimize=True)
    data = write_jpeg(*read_jpeg(pillow), "optimized")
    assert 0xC0 in dict(segments(data))
    assert huffman_tables(data).keys() == EXAMPLE_BITS.keys()
    assert all(huffman_tables(data)[slot][0] != EXAMPLE_BITS[slot] for slot in EXAMPLE_BITS)
    assert scan_bytes(data) == scan_bytes(pillow)


def test_progressive_is_progressive_and_smaller_than_optimized_smaller_than_standard():
    coded = {name: write_jpeg(*read_jpeg(astronaut(75)), name) for name in HUFFMAN}
    assert 0xC2 in dict(segments(coded["progressive"]))
    assert len(coded["progressive"]) < len(coded["optimized"]) < len(coded["standard"])


@pytest.mark.parametrize("huffman", HUFFMAN)
@pytest.mark.parametrize("components", [1, 3])
def test_the_header_is_jfif_and_nothing_else(huffman, components):
    data = write_jpeg(*random_picture(20, 20, components), 20, 20, huffman)
    found = segments(data)
    assert found[0] == (0xE0, b"JFIF\0\1\1\0\0\1\0\1\0\0")
    assert {marker for marker, _ in found[1:]} <= {0xDB, 0xC0, 0xC2, 0xC4, 0xDA}
    frame = dict(found)[0xC2 if huffman == "progressive" else 0xC0]
    assert frame[5] == components
    assert frame[6::3] == bytes(range(1, components + 1))  # JFIF: components are numbered from 1
    assert set(frame[7::3]) == {0x11}


@pytest.mark.parametrize("huffman", HUFFMAN)
def test_the_largest_coefficients_of_the_standard_are_held(huffman):
    coefficients = np.zeros((2, 3, 8, 8, 3), np.int32)
    coefficients[:, :, 0, 0] = [[[1023], [-1024], [1023]], [[-1024], [1023], [-1]]]
    coefficients[..., 1, :, :] = 1023
    coefficients[..., 7, 7, :] = -1023
    qtables = np.full((8, 8, 2), 255)
    qtables[0, 0] = 1
    data = write_jpeg(coefficients, qtables, 16, 24, huffman)
    np.testing.assert_array_equal(read_jpeg(data)[0], coefficients)
    assert decode(data).shape == (16, 24, 3)


@pytest.mark.parametrize("huffman", HUFFMAN)
@pytest.mark.parametrize(
    "where, value, words",
    [
        ((0, 0, 0, 1, 0), 1024, "AC coefficient of size 1024"),
        ((1, 1, 7, 7, 2), -1024, "AC coefficient of size 1024"),
        ((0, 0, 3, 1, 1), 1 << 16, "AC coefficient"),
        ((0, 0, 0, 0, 0), 2048, "DC coefficients differ by 2048"),
        ((1, 1, 0, 0, 1), -2048, "DC coefficients differ by 2048"),
        ((1, 0, 0, 0, 1), 1 << 16, "DC coefficients differ"),
    ],
)
def test_a_coefficient_that_jpeg_cannot_hold_is_refused(where, value, words, huffman, capfd):
    coefficients = np.zeros((2, 2, 8, 8, 3), np.int64)
    coefficients[where] = value
    with pytest.raises(ValueError, match=words):
        write_jpeg(coefficients, np.ones((8, 8, 2), int), 16, 16, huffman)
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    "change, words",
    [
        ({"height": 17}, "coefficients of shape"),
        ({"width": 0}, "1 to 65500"),
        ({"coefficients": np.zeros((2, 2, 8, 8, 2), int)}, "coefficients of shape"),
        ({"coefficients": np.zeros((2, 2, 8, 8, 3))}, "coefficients of type float64"),
        ({"qtables": np.zeros((8, 8, 2), int)}, "not in 1..255"),
        ({"qtables": np.full((8, 8, 2), 256)}, "not in 1..255"),
        ({"qtables": np.ones((8, 8, 1), int)}, "tables of shape"),
        ({"qtables": np.ones((8, 8, 2))}, "tables of type float64"),
        ({"huffman": "arithmetic"}, "standard, optimized, progressive"),
    ],
)
def test_a_wrong_argument_is_refused(change, words):
    arguments = {
        "coefficients": np.zeros((2, 2, 8, 8, 3), int),
        "qtables": np.ones((8, 8, 2), int),
        "height": 16,
        "width": 16,
        "huffman": "standard",
    }
    with pytest.raises(ValueError, match=words):
        write_jpeg(**(arguments | change))


def test_threads_give_the_files_that_one_thread_gives():
    pictures = [(*random_picture(80 + i, 120, 3, seed=i), 80 + i, 120) for i in range(12)]
    work = [(*picture, huffman) for picture in pictures for huffman in HUFFMAN]
    start = threading.Barrier(6, timeout=10)

    def both(arguments):
        start.wait()
        data = write_jpeg(*arguments)
        return data, read_jpeg(data)[0]

    with concurrent.futures.ThreadPoolExecutor(6) as pool:
        parallel = list(pool.map(both, work))
    for arguments, (data, coefficients) in zip(work, parallel, strict=True):
        assert data == write_jpeg(*arguments)
        np.testing.assert_array_equal(coefficients, arguments[0])


@pytest.mark.parametrize("huffman", HUFFMAN)
def test_truncated_files_are_refused_in_silence(huffman, capfd):
    data = write_jpeg(*random_picture(17, 31, 3), 17, 31, huffman)
    for length in [*range(0, 40), *range(40, len(data) - 2, 7)]:
        with pytest.raises(ValueError, match="not a readable JPEG"):
            read_jpeg(data[:length])
    assert capfd.readouterr() == ("", "")


def test_garbage_is_refused_in_silence(capfd):
    rng = random.Random(0)
    png = io.BytesIO()
    Image.new("RGB", (8, 8)).save(png, "PNG")
    heads = [
        b"",
        b"\xff\xd8",
        b"\xff\xd8\xff",
        b"\xff\xd8\xff\xc0\0\x11",
        b"hello ",
        png.getvalue(),
    ]
    for head in heads:
        for length in (0, 1, 10, 1000):
            with pytest.raises(ValueError, match="not a readable JPEG"):
                read_jpeg(head + rng.randbytes(length))
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("huffman", HUFFMAN)
def test_a_mutated_file_is_read_or_refused(huffman):
    rng = random.Random(1)
    data = write_jpeg(*random_picture(17, 31, 3), 17, 31, huffman)
    refused = 0
    for _ in range(150):
        mutated = bytearray(data)
        for _ in range(rng.choice([1, 4])):
            mutated[rng.randrange(len(data))] = rng.randrange(256)
        try:
            coefficients, qtables, height, width = read_jpeg(bytes(mutated))
        except ValueError:
            refused += 1
        else:
            assert coefficients.shape[:2] == (-(-height // 8), -(-width // 8))
    assert 0 < refused < 150


@pytest.mark.parametrize(
    "mode, options, words",
    [("CMYK", {}, "CMYK"), ("RGB", {"subsampling": 2}, "subsampled")],
)
def test_a_jpeg_of_another_kind_is_refused(mode, options, words):
    file = io.BytesIO()
    Image.new(mode, (32, 32)).save(file, "JPEG", **options)
    with pytest.raises(ValueError, match=words):
        read_jpeg(file.getvalue())


def test_a_file_with_much_metadata_is_read():
    coefficients, qtables = random_picture(8, 8, 3)
    data = write_jpeg(coefficients, qtables, 8, 8, "standard")
    comments = b"\xff\xfe\0\x03x\xff\xe5\0\x03x\xff\xff\xe5\0\x03x" * 100
    np.testing.assert_array_equal(read_jpeg(data[:20] + comments + data[20:])[0], coefficients)


@pytest.mark.parametrize("icc_size", [500, 65519, 65520, 200_000])
@pytest.mark.parametrize("huffman", ["standard", "progressive"])
def test_metadata_comes_back_through_pillow(icc_size, huffman):
    picture = random_picture(17, 31, 3)
    data = write_jpeg(*picture, 17, 31, huffman)
    icc = random.Random(0).randbytes(icc_size)
    exif = Image.Exif()
    exif[0x0112] = 6  # orientation
    exif = exif.tobytes().removeprefix(b"Exif\0\0")
    xmp = b"<x:xmpmeta xmlns:x='adobe:ns:meta/'/>"
    rich = add_metadata(data, icc=icc, exif=exif, xmp=xmp, dpi=(300, 150.2))
    with Image.open(io.BytesIO(rich)) as image:
        image.load()
        assert image.info["icc_profile"] == icc
        assert image.getexif()[0x0112] == 6
        assert image.info["xmp"] == xmp
        assert image.info["dpi"] == (300, 150)
    np.testing.assert_array_equal(read_jpeg(rich)[0], picture[0])
    np.testing.assert_array_equal(decode(rich), decode(data))


def test_metadata_that_does_not_fit_is_named():
    data = write_jpeg(*random_picture(8, 8, 1), 8, 8, "standard")
    for name, item in [("EXIF", {"exif": bytes(65528)}), ("XMP", {"xmp": bytes(65505)})]:
        with pytest.raises(ValueError, match=name):
            add_metadata(data, **item)
    with pytest.raises(ValueError, match="ICC"):
        add_metadata(data, icc=bytes(65519 * 255 + 1))
    for dpi in [(0, 300), (70000, 72)]:
        with pytest.raises(ValueError, match="dpi"):
            add_metadata(data, dpi=dpi)
    assert add_metadata(data) == data


def test_an_icc_profile_stays_usable():
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    data = add_metadata(write_jpeg(*random_picture(8, 8, 3), 8, 8, "optimized"), icc=profile)
    back = Image.open(io.BytesIO(data)).info["icc_profile"]
    assert "sRGB" in ImageCms.getProfileDescription(ImageCms.ImageCmsProfile(io.BytesIO(back)))
