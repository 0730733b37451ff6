"""JPEG files: levels that are written and read back, and the pixels of other decoders."""

import concurrent.futures
import io
import os
import random
import struct
import threading

from learned_jpeg.jpeg import jpeg_file
from learned_jpeg.jpeg.jpeg_file import HUFFMAN, read_jpeg, write_jpeg
from learned_jpeg.jpeg.sampling import SAMPLINGS, Planes, grid, up

import jpeglib
import numpy as np
import pytest
import scipy.fft
import skimage.data
from PIL import Image

SIZES = [(1, 1), (8, 8), (17, 31), (1, 300), (300, 1), (64, 40)]
KINDS = ["gray", *SAMPLINGS]

# T.81 K.3.3: the number of codes of each length 1..16 of the example tables (DC, AC; luma, chroma)
EXAMPLE_BITS = {
    0x00: [0, 1, 5, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0],
    0x01: [0, 3, 1, 1, 1, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 0],
    0x10: [0, 2, 1, 3, 3, 2, 4, 3, 5, 5, 4, 4, 0, 0, 1, 0x7D],
    0x11: [0, 2, 1, 2, 4, 4, 3, 4, 7, 5, 4, 4, 0, 1, 2, 0x77],
}


def segments(data):
    """(marker, payload) of each segment of a JPEG file, also of segments between scans."""
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


def random_picture(height, width, kind="444", seed=0):
    """The arguments of write_jpeg without the last. kind: a sampling, or "gray"."""
    rng = np.random.default_rng(seed)
    sampling = "444" if kind == "gray" else kind
    luma, chroma = grid(height, width, sampling)
    planes = [rng.integers(-3, 4, [*shape, 8, 8]) for shape in (luma, [2, *chroma])]
    for plane in planes:
        plane[..., 0, 0] = rng.integers(-120, 120, plane.shape[:-2])
    planes = Planes(planes[0], None if kind == "gray" else planes[1])
    return planes, rng.integers(1, 40, (8, 8, 2)), height, width, sampling


def zeros(height=16, width=16, sampling="444", dtype=int):
    luma, chroma = grid(height, width, sampling)
    return Planes(np.zeros([*luma, 8, 8], dtype), np.zeros([2, *chroma, 8, 8], dtype))


def assert_planes_equal(found, expected):
    for ours, theirs in zip(found, expected, strict=True):
        if theirs is None:
            assert ours is None
        else:
            np.testing.assert_array_equal(ours, theirs)


def astronaut(quality, height=203, width=310, sampling="444", **options):
    picture = Image.fromarray(skimage.data.astronaut()[:height, :width])
    file = io.BytesIO()
    subsampling = {"444": 0, "420": 2}[sampling]
    picture.save(file, "JPEG", quality=quality, subsampling=subsampling, **options)
    return file.getvalue()


def decode(data):
    return np.asarray(Image.open(io.BytesIO(data)), np.int64)


@pytest.mark.parametrize("huffman", HUFFMAN)
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("height, width", SIZES)
def test_reading_back_gives_the_very_levels(height, width, kind, huffman):
    picture = random_picture(height, width, kind)
    data = write_jpeg(*picture, huffman)
    planes, tables, *rest = read_jpeg(data)
    assert_planes_equal(planes, picture[0])
    assert planes.luma.dtype == np.int16
    np.testing.assert_array_equal(tables, picture[1][..., : 1 if kind == "gray" else 2])
    assert rest == [height, width, picture[4]]
    assert decode(data).shape[:2] == (height, width)


@pytest.mark.parametrize("huffman", HUFFMAN)
@pytest.mark.parametrize("sampling", SAMPLINGS)
def test_a_decoder_shows_the_idct_of_the_levels(huffman, sampling):
    planes, qtables, height, width, _ = read_jpeg(astronaut(90, sampling=sampling))
    samples = []
    for plane, table in zip([planes.luma[None], planes.chroma], [0, 1], strict=True):
        scaled = (plane * qtables[..., table]).astype(float)
        blocks = scipy.fft.idctn(scaled, axes=(3, 4), norm="ortho").swapaxes(2, 3)
        samples.append(blocks.reshape(len(plane), 8 * plane.shape[1], 8 * plane.shape[2]))
    luma, chroma = (np.clip(np.round(part + 128), 0, 255) for part in samples)
    if sampling == "420":
        chroma = up(chroma[:, : -(-height // 2), : -(-width // 2)], height, width)
    ycc = np.concatenate([luma[:, :height, :width], chroma[:, :height, :width]])
    data = write_jpeg(planes, qtables, height, width, sampling, huffman)
    with Image.open(io.BytesIO(data)) as image:
        image.draft("YCbCr", image.size)  # without the conversion to RGB, which multiplies errors
        difference = np.abs(np.asarray(image, float) - np.moveaxis(ycc, 0, -1))
    assert difference.max() <= 1
    assert difference.mean() < 0.05


@pytest.mark.parametrize("sampling", SAMPLINGS)
@pytest.mark.parametrize("huffman", HUFFMAN)
def test_decoders_of_two_other_libraries_agree(huffman, sampling, tmp_path):
    data = write_jpeg(*read_jpeg(astronaut(70, sampling=sampling)), huffman)
    reference = decode(data)
    path = tmp_path / "a.jpg"
    path.write_bytes(data)
    # The first library is the IJG's, not libjpeg-turbo; from version 7 on it upsamples chroma by a
    # larger inverse DCT.
    with jpeglib.version("9f" if sampling == "444" else "6b"):
        other = jpeglib.read_spatial(str(path)).spatial.astype(int)
    assert np.mean(np.abs(other - reference) <= 1) > 0.999
    pyvips = pytest.importorskip("pyvips")
    other = pyvips.Image.new_from_buffer(data, "", fail_on="warning").numpy().astype(int)
    assert np.mean(np.abs(other - reference) <= 1) > 0.999


@pytest.mark.parametrize("sampling", SAMPLINGS)
def test_standard_writes_the_example_tables_and_pillows_scan(sampling):
    pillow = astronaut(75, sampling=sampling)
    data = write_jpeg(*read_jpeg(pillow), "standard")
    tables = huffman_tables(data)
    assert {slot: counts for slot, (counts, _) in tables.items()} == EXAMPLE_BITS
    assert tables == huffman_tables(pillow)
    assert scan_bytes(data) == scan_bytes(pillow)


@pytest.mark.parametrize("sampling", SAMPLINGS)
def test_optimized_is_baseline_with_other_tables_and_pillows_optimized_size(sampling):
    pillow = astronaut(75, sampling=sampling, optimize=True)
    data = write_jpeg(*read_jpeg(pillow), "optimized")
    assert 0xC0 in dict(segments(data))
    assert huffman_tables(data).keys() == EXAMPLE_BITS.keys()
    assert all(huffman_tables(data)[slot][0] != EXAMPLE_BITS[slot] for slot in EXAMPLE_BITS)
    assert scan_bytes(data) == scan_bytes(pillow)


@pytest.mark.parametrize("sampling", SAMPLINGS)
def test_progressive_is_progressive_and_smaller_than_optimized_smaller_than_standard(sampling):
    picture = read_jpeg(astronaut(75, sampling=sampling))
    coded = {name: write_jpeg(*picture, name) for name in HUFFMAN}
    assert 0xC2 in dict(segments(coded["progressive"]))
    assert len(coded["progressive"]) < len(coded["optimized"]) < len(coded["standard"])


@pytest.mark.parametrize("huffman", HUFFMAN)
@pytest.mark.parametrize("kind", KINDS)
def test_the_header_is_jfif_and_nothing_else(huffman, kind):
    data = write_jpeg(*random_picture(20, 20, kind), huffman)
    components = 1 if kind == "gray" else 3
    found = segments(data)
    assert found[0] == (0xE0, b"JFIF\0\1\1\0\0\1\0\1\0\0")
    assert {marker for marker, _ in found[1:]} <= {0xDB, 0xC0, 0xC2, 0xC4, 0xDA}
    frame = dict(found)[0xC2 if huffman == "progressive" else 0xC0]
    assert frame[5] == components
    assert frame[6::3] == bytes(range(1, components + 1))  # JFIF: components are numbered from 1
    # Horizontal and vertical sampling factor of each component (T.81, B.2.2).
    assert list(frame[7::3]) == [0x22 if kind == "420" else 0x11, 0x11, 0x11][:components]


@pytest.mark.parametrize("huffman", HUFFMAN)
def test_the_largest_coefficients_of_the_standard_are_held(huffman):
    planes = zeros(16, 24, dtype=np.int32)
    dc = [[[1023, -1024, 1023]] * 2, [[[-1024, 1023, -1]] * 2] * 2]
    for plane, of_plane in zip(planes, dc, strict=True):
        plane[..., 0, 0] = of_plane
        plane[..., 1, :] = 1023
        plane[..., 7, 7] = -1023
    qtables = np.full((8, 8, 2), 255)
    qtables[0, 0] = 1
    data = write_jpeg(planes, qtables, 16, 24, "444", huffman)
    assert_planes_equal(read_jpeg(data)[0], planes)
    assert decode(data).shape == (16, 24, 3)


@pytest.mark.parametrize("huffman", HUFFMAN)
@pytest.mark.parametrize("sampling", SAMPLINGS)
@pytest.mark.parametrize(
    "plane, index, value, words",
    [
        ("luma", (0, 0, 0, 1), 1024, "AC coefficient of size 1024"),
        ("chroma", (1, 0, 0, 7, 7), -1024, "AC coefficient of size 1024"),
        ("chroma", (0, 0, 0, 3, 1), 1 << 16, "AC coefficient"),
        ("luma", (0, 0, 0, 0), 2048, "DC coefficients differ by 2048"),
        ("luma", (1, 1, 0, 0), -2048, "DC coefficients differ by 2048"),
        ("chroma", (0, 0, 0, 0, 0), -2048, "DC coefficients differ by 2048"),
        ("luma", (1, 0, 0, 0), 1 << 16, "DC coefficients differ"),
    ],
)
def test_a_coefficient_that_jpeg_cannot_hold_is_refused(
    plane, index, value, words, sampling, huffman, capfd
):
    planes = zeros(sampling=sampling, dtype=np.int64)
    getattr(planes, plane)[index] = value
    with pytest.raises(ValueError, match=words):
        write_jpeg(planes, np.ones((8, 8, 2), int), 16, 16, sampling, huffman)
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("huffman", HUFFMAN)
def test_neighbours_of_420_are_those_of_its_scan(huffman):
    """A scan of all components goes through luma two rows of blocks at a time (T.81, A.2.3); in
    progressive files luma's DC has a scan of its own, row by row."""
    in_a_row, in_an_mcu = np.zeros([2, 4, 4, 8, 8], int)
    in_a_row[0, 1:3, 0, 0] = 1024, -1024
    in_an_mcu[[0, 1], [1, 0], 0, 0] = 1024, -1024
    good, bad = in_a_row, in_an_mcu
    if huffman == "progressive":
        good, bad = bad, good

    def written(luma):
        planes = Planes(luma, np.zeros([2, 2, 2, 8, 8], int))
        return write_jpeg(planes, np.ones((8, 8, 2), int), 32, 32, "420", huffman)

    np.testing.assert_array_equal(read_jpeg(written(good))[0].luma, good)
    with pytest.raises(ValueError, match="DC coefficients differ by 2048"):
        written(bad)


@pytest.mark.parametrize(
    "change, words",
    [
        ({"height": 17}, "coefficients of shape"),
        ({"width": 0}, "1 to 65500"),
        ({"width": 65501}, "1 to 65500"),
        ({"sampling": "420"}, "coefficients of shape"),
        ({"sampling": "422"}, "444, 420"),
        ({"planes": Planes(zeros().luma, zeros(8, 16).chroma)}, "coefficients of shape"),
        ({"planes": zeros(dtype=float)}, "coefficients of type float64"),
        ({"planes": zeros(sampling="420")}, "coefficients of shape"),
        ({"qtables": np.zeros((8, 8, 2), int)}, "not in 1..255"),
        ({"qtables": np.full((8, 8, 2), 256)}, "not in 1..255"),
        ({"qtables": np.ones((8, 8, 1), int)}, "tables of shape"),
        ({"qtables": np.ones((8, 8, 2))}, "tables of type float64"),
        ({"huffman": "arithmetic"}, "standard, optimized, progressive"),
    ],
)
def test_a_wrong_argument_is_refused(change, words):
    arguments = {
        "planes": zeros(),
        "qtables": np.ones((8, 8, 2), int),
        "height": 16,
        "width": 16,
        "sampling": "444",
        "huffman": "standard",
    }
    with pytest.raises(ValueError, match=words):
        write_jpeg(**(arguments | change))


def test_files_in_memory_and_on_disk_are_the_same(monkeypatch):
    picture = random_picture(33, 47)
    data = write_jpeg(*picture, "progressive")
    monkeypatch.delattr(os, "memfd_create", raising=False)  # as elsewhere than on Linux
    assert write_jpeg(*picture, "progressive") == data
    assert_planes_equal(read_jpeg(data)[0], picture[0])


def test_threads_give_the_files_that_one_thread_gives():
    pictures = [random_picture(80 + i, 120, SAMPLINGS[i % 2], seed=i) for i in range(12)]
    work = [(*picture, huffman) for picture in pictures for huffman in HUFFMAN]
    start = threading.Barrier(6, timeout=10)

    def both(arguments):
        start.wait()
        data = write_jpeg(*arguments)
        return data, read_jpeg(data)[0]

    with concurrent.futures.ThreadPoolExecutor(6) as pool:
        parallel = list(pool.map(both, work))
    for arguments, (data, planes) in zip(work, parallel, strict=True):
        assert data == write_jpeg(*arguments)
        assert_planes_equal(planes, arguments[0])


@pytest.mark.parametrize("sampling", SAMPLINGS)
@pytest.mark.parametrize("huffman", HUFFMAN)
def test_truncated_files_are_refused_in_silence(huffman, sampling, capfd):
    data = write_jpeg(*random_picture(17, 31, sampling), huffman)
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


@pytest.mark.parametrize("sampling", SAMPLINGS)
@pytest.mark.parametrize("huffman", HUFFMAN)
def test_a_mutated_file_is_read_or_refused(huffman, sampling):
    rng = random.Random(1)
    data = write_jpeg(*random_picture(17, 31, sampling), huffman)
    refused = 0
    for _ in range(150):
        mutated = bytearray(data)
        for _ in range(rng.choice([1, 4])):
            mutated[rng.randrange(len(data))] = rng.randrange(256)
        try:
            planes, qtables, height, width, found = read_jpeg(bytes(mutated))
        except ValueError:
            refused += 1
        else:
            luma, chroma = grid(height, width, found)
            assert planes.luma.shape == (*luma, 8, 8)
            assert planes.chroma is None or planes.chroma.shape == (2, *chroma, 8, 8)
    assert 0 < refused < 150


@pytest.mark.parametrize(
    "mode, options, words",
    [("CMYK", {}, "CMYK"), ("RGB", {"subsampling": 1}, "other sampling than 4:4:4 and 4:2:0")],
)
def test_a_jpeg_of_another_kind_is_refused(mode, options, words):
    file = io.BytesIO()
    Image.new(mode, (32, 32)).save(file, "JPEG", **options)
    with pytest.raises(ValueError, match=words):
        read_jpeg(file.getvalue())


@pytest.mark.parametrize("sampling", SAMPLINGS)
@pytest.mark.parametrize("height, width", [(1, 7), (9, 16), (33, 47)])
def test_files_of_pillow_are_read_at_any_size(height, width, sampling):
    """libjpeg pads to whole MCUs, with blocks outside the picture's grids."""
    data = astronaut(80, height, width, sampling)
    planes, qtables, *rest = read_jpeg(data)
    assert rest == [height, width, sampling]
    np.testing.assert_array_equal(
        decode(write_jpeg(planes, qtables, *rest, "optimized")), decode(data)
    )


def test_a_file_with_two_tables_of_chroma_is_refused():
    file, tables = io.BytesIO(), [[step] * 64 for step in (5, 6, 7)]
    Image.new("RGB", (8, 8)).save(file, "JPEG", subsampling=0, qtables=tables)
    with pytest.raises(ValueError, match="different tables for Cb and Cr"):
        read_jpeg(file.getvalue())


def test_a_file_with_much_metadata_is_read():
    picture = random_picture(8, 8)
    data = write_jpeg(*picture, "standard")
    comments = b"\xff\xfe\0\x03x\xff\xe5\0\x03x\xff\xff\xe5\0\x03x" * 100
    assert_planes_equal(read_jpeg(data[:20] + comments + data[20:])[0], picture[0])


@pytest.mark.parametrize("kind", KINDS)
def test_decode_gives_rgb_as_pillow_shows_it(kind):
    data = write_jpeg(*random_picture(9, 17, kind), "progressive")
    found = jpeg_file.decode(data)
    assert found.dtype == np.uint8
    expected = decode(data)
    expected = expected[..., None] * np.ones(3, int) if kind == "gray" else expected
    np.testing.assert_array_equal(found, expected)
