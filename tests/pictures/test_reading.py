"""Every kind of picture gives the pixels that it shows, or an error in one line."""

import io
import os
import shutil
import struct
import subprocess
import time
import zlib

from learned_jpeg.pictures import reading
from learned_jpeg.runtime.errors import UserError

import numpy as np
import pytest
from makers import chunk, exif, jpeg, lab, picture, png, raw_tiff, saved, srgb_profile, tiff
from PIL import Image

RGB = np.asarray(picture())
GRAY = np.asarray(picture(mode="L"))
WIDE = RGB.astype(np.uint16) * 257


def read(data, tmp_path, name="a.png", **options):
    (tmp_path / name).write_bytes(data)
    return reading.read_source(tmp_path / name, **options)


def levels(source):
    """The pixels on the scale of 8 bits."""
    return source.pixels / (257 if source.pixels.dtype == np.uint16 else 1)


def moving(kind, **options):
    others = [picture().transpose(Image.Transpose.FLIP_LEFT_RIGHT)]
    return saved(picture(), kind, save_all=True, append_images=others, **options)


def palette():
    """A palette picture and what it looks like."""
    image = picture().quantize(64)
    return image, np.asarray(image.convert("RGB"))


def tiff_palette(scale):
    image, _ = palette()
    colours = np.zeros([3, 256], np.uint16)
    entries = np.asarray(image.getpalette()).reshape(-1, 3).T
    colours[:, : entries.shape[1]] = entries
    return tiff(np.asarray(image), photometric="palette", colormap=colours * np.uint16(scale))


def with_preview():
    """A TIFF whose first page is a preview."""
    file = io.BytesIO()
    import tifffile

    with tifffile.TiffWriter(file) as writer:
        writer.write(RGB[::4, ::4], photometric="rgb", subfiletype=1, metadata=None)
        writer.write(RGB, photometric="rgb", metadata=None)
    return file.getvalue()


STRANGE = chunk(b"zTXt", b"Comment\0\0" + zlib.compress(bytes(3_000_000)))
BROKEN_CHECKSUM = chunk(b"tEXt", b"a\0b")[:-1] + b"!"

# The exact pixels of each kind, and a word of its warning.
EXACT = {
    "rgb.png": (lambda: saved(picture(), "PNG"), RGB, ""),
    "gray.png": (lambda: saved(picture(mode="L"), "PNG"), GRAY, ""),
    "bits.png": (lambda: saved(picture(mode="1"), "PNG"), np.asarray(picture(mode="1")) * 255, ""),
    "palette.png": (lambda: saved(palette()[0], "PNG"), palette()[1], ""),
    "text.png": (lambda: png(RGB, STRANGE), RGB, 'text "Comment"'),
    "checksum.png": (lambda: png(RGB, BROKEN_CHECKSUM), RGB, 'text "a"'),
    "rgb16.png": (lambda: png(WIDE), RGB, ""),
    "gray16.png": (lambda: png(WIDE[..., :1]), RGB[..., 0], ""),
    "rgb.tif": (lambda: tiff(RGB), RGB, ""),
    "gray16.tif": (lambda: tiff(WIDE[..., 1]), RGB[..., 1], ""),
    "negative.tif": (lambda: tiff(255 - GRAY, photometric="miniswhite"), GRAY, ""),
    "negative16.tif": (
        lambda: tiff(65535 - WIDE[..., 1], photometric="miniswhite"),
        RGB[..., 1],
        "",
    ),
    "planes.tif": (lambda: tiff(np.moveaxis(RGB, -1, 0), photometric="rgb"), RGB, ""),
    "planes16.tif": (lambda: tiff(np.moveaxis(WIDE, -1, 0), photometric="rgb"), RGB, ""),
    "float.tif": (lambda: tiff((GRAY / 255).astype("f4")), GRAY, ""),
    "float_rgb.tif": (lambda: tiff((RGB / 255).astype("f4"), photometric="rgb"), RGB, ""),
    "palette.tif": (lambda: tiff_palette(257), palette()[1], ""),
    "palette_of_8_bits.tif": (lambda: tiff_palette(1), palette()[1], ""),
    "bits.tif": (
        lambda: saved(picture(mode="1"), "TIFF", compression="group4"),
        np.asarray(picture(mode="1")) * 255,
        "",
    ),
    "lzw.tif": (lambda: saved(picture(), "TIFF", compression="tiff_lzw"), RGB, ""),
    "big.tif": (lambda: tiff(RGB, bigtiff=True), RGB, ""),
    "bigendian.tif": (lambda: tiff(WIDE, byteorder=">"), RGB, ""),
    "preview.tif": (with_preview, RGB, ""),
    "pages.tif": (lambda: moving("TIFF"), RGB, "the first"),
    "moving.png": (lambda: moving("PNG"), RGB, "the first"),
    "moving.webp": (lambda: moving("WEBP", lossless=True), RGB, "the first"),
    "mask.tif": (
        lambda: tiff(np.dstack([RGB, GRAY]), photometric="rgb", extrasamples=["unspecified"]),
        RGB,
        "1 channels beside",
    ),
    "a.bmp": (lambda: saved(picture(), "BMP"), RGB, ""),
    "a.ppm": (lambda: saved(picture(), "PPM"), RGB, ""),
    "16.ppm": (lambda: b"P6 70 45 65535\n" + WIDE.astype(">u2").tobytes(), RGB, ""),
    "16_of_few_levels.ppm": (
        lambda: b"P6 70 45 51\n" + (RGB // 5).tobytes(),
        RGB // 5 * 5,
        "",
    ),
    "16.pgm": (lambda: b"P5 70 45 65535\n" + WIDE[..., 1].astype(">u2").tobytes(), RGB[..., 1], ""),
    "a.qoi": (lambda: saved(picture(), "QOI"), RGB, ""),
    "a.jp2": (lambda: saved(picture(), "JPEG2000"), RGB, ""),
    "a.tga": (lambda: saved(picture(), "TGA"), RGB, ""),
    "a.jpg": (jpeg, np.asarray(Image.open(io.BytesIO(jpeg()))), ""),
    "gray.jpg": (
        lambda: saved(picture(mode="L"), "JPEG"),
        np.asarray(Image.open(io.BytesIO(saved(picture(mode="L"), "JPEG")))),
        "",
    ),
    "1x1.png": (lambda: saved(picture(1, 1), "PNG"), np.asarray(picture(1, 1)), ""),
    "1x5000.png": (
        lambda: saved(picture(40, 60).resize((1, 5000)), "PNG"),
        np.asarray(picture(40, 60).resize((1, 5000))),
        "",
    ),
}


@pytest.mark.parametrize("name", EXACT)
def test_every_kind_is_read_as_it_looks(name, tmp_path):
    make, expected, warning = EXACT[name]
    source = read(make(), tmp_path, name)
    expected = expected if expected.ndim == 3 else expected[..., None]
    deep = source.pixels.dtype == np.uint16
    assert deep == any(word in name for word in ("16", "float", "bigendian"))
    np.testing.assert_array_equal(
        source.pixels, expected.astype(np.uint16) * 257 if deep else expected
    )
    said = " ".join([*source.warnings, *source.details])
    assert (warning in said) if warning else said == ""
    assert reading.size(tmp_path / name) == expected.shape[1::-1]
    rgb = reading.read(tmp_path / name)
    np.testing.assert_array_equal(rgb, np.broadcast_to(expected, rgb.shape))


@pytest.mark.parametrize(
    "name, make, words",
    [
        ("lab.tif", lambda: saved(lab(picture()), "TIFF"), "LAB"),
        ("cmyk.jpg", lambda: saved(picture(mode="CMYK"), "JPEG", quality=95), "CMYK"),
        ("cmyk.tif", lambda: saved(picture(mode="CMYK"), "TIFF"), "CMYK"),
        ("ycbcr.tif", lambda: saved(picture(), "TIFF", compression="jpeg", quality=95), ""),
        ("a.avif", lambda: saved(picture(), "AVIF", quality=90), ""),
        ("moving.gif", lambda: moving("GIF"), "the first"),
    ],
)
def test_other_colours_come_near(name, make, words, tmp_path):
    source = read(make(), tmp_path, name)
    # Inks of no profile show a less colourful picture; its lightness is about the same.
    tolerance = 40 if "cmyk" in name else 6
    assert np.abs(source.pixels.astype(int) - RGB).mean() < tolerance
    assert words in " ".join(source.warnings)


def test_floats_of_16_bits_keep_theirs(tmp_path):
    samples = (GRAY / 255).astype("f2")
    source = read(tiff(samples), tmp_path)
    np.testing.assert_array_equal(source.pixels[..., 0], np.round(samples.astype("f4") * 65535))


@pytest.mark.parametrize("depth, words", [(8, ""), (12, "more than 8 bits")])
def test_depth_that_is_lost_is_said(depth, words, tmp_path):
    data = bytearray(saved(picture(), "JPEG2000"))
    place = data.index(b"\xff\x4f\xff\x51") + 42
    assert data[place] == 7
    data[place : place + 9 : 3] = bytes([depth - 1] * 3)  # of each component
    data[data.index(b"ihdr") + 14] = depth - 1
    (tmp_path / "a.jp2").write_bytes(data)
    assert words in " ".join(reading.read_source(tmp_path / "a.jp2").warnings)
    if not words:
        assert reading.read_source(tmp_path / "a.jp2").warnings == []


def hole(samples, alpha):
    return np.concatenate([samples, np.full_like(samples[..., :1], alpha)], axis=-1)


TRANSPARENT = {
    "rgba.png": lambda: png(hole(RGB, 64)),
    "rgba16.png": lambda: png(hole(WIDE, 64 * 257)),
    "ga.png": lambda: png(hole(RGB[..., :1], 64)),
    "rgba.tif": lambda: tiff(hole(RGB, 64), photometric="rgb", extrasamples=["unassalpha"]),
    "premultiplied.tif": lambda: tiff(
        hole(np.round(RGB * (64 / 255)).astype(np.uint8), 64),
        photometric="rgb",
        extrasamples=["assocalpha"],
    ),
    "rgba.webp": lambda: saved(Image.fromarray(hole(RGB, 64)), "WEBP", lossless=True),
}


@pytest.mark.parametrize("name", TRANSPARENT)
@pytest.mark.parametrize("background", [None, (0x20, 0x40, 0x80)])
def test_transparency_is_laid_on_the_background(name, background, tmp_path):
    source = read(TRANSPARENT[name](), tmp_path, name, background=background)
    samples = RGB[..., :1] if name == "ga.png" else RGB
    under = np.asarray(background or (255, 255, 255), float)
    expected = samples * (64 / 255) + under * (191 / 255)
    assert np.abs(levels(source) - expected).max() <= 1
    assert source.pixels.shape[-1] == (1 if name == "ga.png" and background is None else 3)
    assert ("white" in " ".join(source.warnings)) == (background is None)


def test_a_transparent_value_is_transparent(tmp_path):
    samples = WIDE[..., :1].copy()
    samples[:5, :5] = 1234
    deep = read(png(samples, chunk(b"tRNS", struct.pack(">H", 1234))), tmp_path)
    assert (deep.pixels[:5, :5] == 65535).all()
    image = picture(mode="L")
    flat = read(saved(image, "PNG", transparency=image.getpixel((0, 0))), tmp_path)
    assert flat.pixels[0, 0] == 255
    np.testing.assert_array_equal(flat.pixels[GRAY != GRAY[0, 0]][:, 0], GRAY[GRAY != GRAY[0, 0]])


def test_opaque_alpha_is_no_word(tmp_path):
    source = read(png(hole(RGB, 255)), tmp_path)
    np.testing.assert_array_equal(source.pixels, RGB)
    assert source.warnings == []


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_tiff_is_turned_upright(orientation, tmp_path):
    image = picture()
    upright = Image.open(io.BytesIO(saved(image, "PNG", exif=exif(orientation))))
    from PIL import ImageOps

    expected = np.asarray(ImageOps.exif_transpose(upright))
    tags = [(274, "H", 1, orientation, True)]
    source = read(tiff(RGB, extratags=tags), tmp_path, "a.tif")
    np.testing.assert_array_equal(source.pixels, expected)
    assert reading.size(tmp_path / "a.tif") == expected.shape[1::-1]
    # In others the tag stays, and goes with the pixels where it goes.
    data = saved(image, "PNG", exif=exif(orientation))
    np.testing.assert_array_equal(read(data, tmp_path).pixels, RGB)
    np.testing.assert_array_equal(read(data, tmp_path, strip=True).pixels, expected)


# Colours


def linear(x):
    return np.where(x <= 0.04045, x / 12.92, ((x + 0.055) / 1.055) ** 2.4)


def test_a_linear_png_is_shown_in_srgb(tmp_path):
    samples = np.round(linear(RGB / 255) * 65535).astype(np.uint16)
    source = read(png(samples, chunk(b"gAMA", struct.pack(">I", 100_000))), tmp_path)
    assert np.abs(levels(source) - RGB).max() <= 0.03
    assert "converted to sRGB" in " ".join(source.warnings)
    assert source.metadata.icc is None
    gray = read(png(samples[..., :1], chunk(b"gAMA", struct.pack(">I", 100_000))), tmp_path)
    assert np.abs(levels(gray) - RGB[..., :1]).max() <= 0.03


def test_pq_is_shown_in_srgb(tmp_path):
    # SMPTE ST 2084's inverse, at 203 cd/m2 for white.
    y = (linear(GRAY[..., None] / 255) * 203 / 10000) ** 0.1593017578125
    signal = ((0.8359375 + 18.8515625 * y) / (1 + 18.6875 * y)) ** 78.84375
    samples = np.repeat(np.round(signal * 65535).astype(np.uint16), 3, axis=-1)
    source = read(png(samples, chunk(b"cICP", bytes([9, 16, 0, 1]))), tmp_path)
    assert np.abs(levels(source) - GRAY[..., None]).max() <= 2
    assert "HDR (PQ)" in " ".join(source.warnings)


@pytest.mark.parametrize(
    "chunks",
    [
        chunk(b"sRGB", b"\0") + chunk(b"gAMA", struct.pack(">I", 100_000)),
        chunk(b"gAMA", struct.pack(">I", 45455)),
        chunk(b"cICP", bytes([1, 13, 0, 1])) + chunk(b"gAMA", struct.pack(">I", 100_000)),
        chunk(b"cICP", bytes([77, 13, 0, 1])),
        chunk(b"gAMA", struct.pack(">I", 0)),
        chunk(b"gAMA", b"x"),
    ],
)
def test_srgb_is_left_alone(chunks, tmp_path):
    source = read(png(RGB, chunks), tmp_path)
    np.testing.assert_array_equal(source.pixels, RGB)
    assert source.metadata.icc is None
    assert source.warnings == []


P3_TO_SRGB = [[1.2249, -0.2247, 0], [-0.0420, 1.0419, 0], [-0.0197, -0.0786, 1.0979]]
P3_NUMBERS = struct.pack(">8I", 31270, 32900, 68000, 32000, 26500, 69000, 15000, 6000)


@pytest.mark.parametrize(
    "chunks", [chunk(b"cICP", bytes([12, 13, 0, 1])), chunk(b"cHRM", P3_NUMBERS)]
)
def test_wide_gamut_is_kept_or_converted(chunks, tmp_path):
    source = read(png(RGB, chunks), tmp_path)
    np.testing.assert_array_equal(source.pixels, RGB)
    assert source.metadata.icc
    light = np.clip(linear(RGB / 255) @ np.transpose(P3_TO_SRGB), 0, 1)
    signal = np.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055)
    for options in ({"strip": True}, {"srgb": True}):
        source = read(png(RGB, chunks), tmp_path, **options)
        assert np.abs(source.pixels - 255 * signal).max() <= 1.5
        assert source.metadata.icc is None
        assert "converted to sRGB" in " ".join(source.warnings)


def test_strip_leaves_srgb_alone(tmp_path):
    source = read(saved(picture(), "PNG", icc_profile=srgb_profile()), tmp_path, strip=True)
    np.testing.assert_array_equal(source.pixels, RGB)
    assert source.warnings == []


def test_a_gray_file_does_not_get_a_profile_of_rgb(tmp_path):
    source = read(saved(picture(mode="L"), "PNG", icc_profile=srgb_profile()), tmp_path)
    assert source.metadata.icc is None
    assert "ICC profile (it is for 'RGB')" in " ".join(source.warnings)


# TIFF's photometric interpretations

YCC = np.asarray(picture(mode="YCbCr"))


@pytest.mark.parametrize("compression", [None, "tiff_lzw", "tiff_adobe_deflate", "packbits"])
def test_ycbcr_of_a_tiff_is_shown_in_its_colours(compression, tmp_path):
    data = saved(picture(mode="YCbCr"), "TIFF", compression=compression)
    source = read(data, tmp_path, "a.tif")
    shown = np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))
    assert np.abs(source.pixels.astype(int) - shown).max() <= 2
    assert source.warnings == []


# TIFF 6.0, section 21: the parts of red, green and blue; section 20: codes of black and white.
LUMA_709 = {529: (5, [2126, 10000, 7152, 10000, 722, 10000])}
STUDIO = {532: (5, [16, 1, 235, 1, 128, 1, 240, 1, 128, 1, 240, 1])}


def ycbcr(red, blue):
    y = RGB @ [red, 1 - red - blue, blue]
    return np.stack([y, (RGB[..., 2] - y) / (2 - 2 * blue), (RGB[..., 0] - y) / (2 - 2 * red)], -1)


@pytest.mark.parametrize(
    "tags, planes",
    [
        ({}, ycbcr(0.299, 0.114) + [0, 128, 128]),
        (LUMA_709, ycbcr(0.2126, 0.0722) + [0, 128, 128]),
        (STUDIO, ycbcr(0.299, 0.114) * [219 / 255, 112 / 127, 112 / 127] + [16, 128, 128]),
    ],
)
@pytest.mark.parametrize("deep", [False, True])
@pytest.mark.parametrize("order", ["<", ">"])
def test_ycbcr_is_that_of_its_tags(tags, planes, deep, order, tmp_path):
    levels_ = np.clip(np.rint(planes * (257 if deep else 1)), 0, 65535 if deep else 255)
    if deep and 532 in tags:
        tags = {532: (5, [n * 257 if n > 1 else n for n in tags[532][1]])}
    elif deep:  # the middle of 65536 codes
        levels_[..., 1:] = np.rint((planes[..., 1:] - 128) * 257) + 32768
    samples = levels_.astype(f"{order}u{1 + deep}").tobytes()
    data = raw_tiff(samples, (70, 45), 6, [8 << deep] * 3, tags | {530: (3, [1, 1])}, order)
    source = read(data, tmp_path, "a.tif")
    assert np.abs(levels(source) - RGB).max() <= 2


@pytest.mark.parametrize(
    "photometric, channels, tags, words",
    [
        (6, 3, {530: (3, [2, 2])}, "YCbCr with fewer samples"),
        (6, 3, {}, "YCbCr with fewer samples"),  # TIFF's default is 2, 2
        (6, 3, {530: (3, [1, 1]), 529: (5, [0, 1, 0, 1, 0, 1])}, "YCbCr numbers give no colours"),
        (6, 3, {530: (3, [1, 1]), 532: (5, [0, 1] * 6)}, "YCbCr numbers give no colours"),
        (5, 4, {332: (3, [2])}, "inks that are not CMYK"),
        (5, 3, {332: (3, [2])}, "inks that are not CMYK"),
        (5, 3, {}, "3 channels"),
        (2, 1, {}, "1 channels"),
        (9, 3, {}, "colours 9"),
        (10, 3, {}, "colours 10"),
        (32844, 1, {}, "colours 32844"),
        (99, 3, {}, "colours 99"),
    ],
)
def test_colours_that_are_not_read_are_refused(photometric, channels, tags, words, tmp_path):
    samples = np.repeat(GRAY[..., None], channels, axis=-1).tobytes()
    (tmp_path / "a.tif").write_bytes(raw_tiff(samples, (70, 45), photometric, [8] * channels, tags))
    with pytest.raises(UserError, match=words):
        reading.read_source(tmp_path / "a.tif")


def packed_bits(bits):
    """GRAY of fewer bits, and what it looks like."""
    few, each = GRAY >> (8 - bits), 8 // bits
    rows = np.pad(few, ((0, 0), (0, -few.shape[1] % each))).reshape(len(few), -1, each)
    shifts = 8 - bits * np.arange(1, each + 1)
    return (rows << shifts).sum(-1).astype(np.uint8), few * (255 // (2**bits - 1))


@pytest.mark.parametrize("bits", [1, 2, 4])
@pytest.mark.parametrize("photometric", [0, 1, 3])
def test_fewer_bits_are_shown_as_they_are_meant(bits, photometric, tmp_path):
    rows, shown = packed_bits(bits)
    rows = 255 - rows if photometric == 0 else rows
    entries = np.linspace(0, 65535, 2**bits).astype(int)
    tags = {320: (3, [*entries, *entries[::-1], *entries])} if photometric == 3 else {}
    data = raw_tiff(rows.tobytes(), (70, 45), photometric, [bits], tags)
    source = read(data, tmp_path, "a.tif")
    shown = np.stack([shown, 255 - shown, shown], -1) if photometric == 3 else shown[..., None]
    np.testing.assert_array_equal(source.pixels, shown)


def magick(path):
    """What ImageMagick shows of a file, or None without it."""
    if (program := shutil.which("convert")) is None:
        return None
    line = [program, path, "-colorspace", "sRGB", "-depth", "8", "ppm:-"]
    shown = subprocess.run(line, capture_output=True, check=True).stdout
    return np.asarray(Image.open(io.BytesIO(shown)).convert("RGB"))


@pytest.mark.parametrize(
    "compression", [None, "tiff_lzw", "tiff_adobe_deflate", "packbits", "jpeg"]
)
@pytest.mark.parametrize("mode", ["L", "RGB", "YCbCr", "P", "LAB", "I;16"])
def test_a_tiff_is_shown_as_others_show_it(mode, compression, tmp_path):
    """However it is compressed; CMYK has as many looks as there are profiles."""
    if compression == "jpeg" and mode not in ("L", "RGB"):
        pytest.skip("no such TIFF")
    images = {"LAB": lambda: lab(picture()), "P": lambda: palette()[0]}
    image = images.get(mode, lambda: picture(mode="RGB" if mode == "I;16" else mode))()
    if mode == "I;16":
        image = Image.fromarray(WIDE[..., 1])
    data = saved(image, "TIFF", compression=compression)
    source = read(data, tmp_path, "a.tif")
    shown = np.broadcast_to(levels(source), (45, 70, 3))
    if mode != "I;16":
        pillows = np.asarray(Image.open(io.BytesIO(data)).convert("RGB"), float)
        assert np.abs(shown - pillows).mean() < 1
    if (magicks := magick(tmp_path / "a.tif")) is not None:
        assert np.abs(shown - magicks).mean() < 2


# What is not a whole picture


def half_a_jpeg():
    data = saved(picture(), "JPEG", quality=95)
    return data[: len(data) // 2] + b"\xff\xd9"


def test_half_a_jpeg_is_said(tmp_path):
    said = " ".join(read(half_a_jpeg(), tmp_path).warnings)
    assert "damaged: Corrupt JPEG data" in said
    assert "\n" not in said


def test_a_broken_segment_does_not_keep_a_jpeg_from_being_read(tmp_path):
    broken = [(0xE1, b"Exif\0\0II*\0garbage"), (0xE2, b"MPF\0II*\0\xff\xff\xff\xff"), (0xED, b"x")]
    source = read(jpeg(broken), tmp_path, "a.jpg")
    np.testing.assert_array_equal(source.pixels, np.asarray(Image.open(io.BytesIO(jpeg()))))


def bomb(side=50_000):
    """A small PNG that declares side x side gray pixels."""
    rows = zlib.compressobj(9)
    packed = b"".join(rows.compress(bytes(side + 1)) for _ in range(20)) + rows.flush()
    data = png(np.zeros([8, 8, 1], np.uint8), packed=packed)
    header = struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0)
    return data[:8] + chunk(b"IHDR", header) + data[33:]


def raw_of_a_camera():
    return tiff(GRAY, photometric=32803)


def unreadable_avif():
    """A file that makes a plugin raise what is no OSError, by a grid of tiles that is none."""
    data = bytearray(saved(picture(), "AVIF"))
    place = data.find(b"av01", 64)
    data[place : place + 4] = b"zzzz"
    return bytes(data)


HEIC = b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(100)
HOSTILE = {
    "truncated.png": (lambda: saved(picture(), "PNG")[:-900], ""),
    "truncated.jpg": (lambda: saved(picture(), "JPEG")[:-300], ""),
    "truncated.gif": (lambda: saved(picture(), "GIF")[:-1000], ""),
    "truncated.tif": (lambda: tiff(RGB)[:-1000], ""),
    "text.png": (lambda: b"this is a text\n" * 30, ""),
    "bomb.png": (bomb, "limit"),
    "empty.jpg": (lambda: b"", ""),
    "zeros.png": (lambda: bytes(4000), ""),
    "wide.ppm": (lambda: b"P6 70000 1 255\n" + bytes(210_000), "65500"),
    "script.png": (
        lambda: b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n{} loop\n",
        "PDF|Post",
    ),
    "script.tga": (lambda: b"\xc5\xd0\xd3\xc6" + bytes(30), "PostScript"),
    "phone.jpg": (lambda: HEIC, "HEIC cannot be read"),
    "a.jxl": (lambda: b"\xff\x0a" + bytes(50), "JPEG XL"),
    "raw.dng": (raw_of_a_camera, "camera"),
    "a.cr2": (lambda: tiff(RGB)[:8] + b"CR\2\0" + tiff(RGB)[12:], "CR2 cannot be read"),
    "hdr.tif": (lambda: tiff((GRAY / 100).astype("f4")), "0 to 1"),
    "nan.tif": (lambda: tiff(np.full([9, 9], np.nan, "f4")), "0 to 1"),
    "u32.tif": (lambda: tiff(GRAY.astype("u4")), "16 bits"),
    "signed.tif": (lambda: tiff(GRAY.astype("i2")), "16 bits"),
    "double.tif": (lambda: tiff(GRAY / 255), ""),
    "short.tif": (lambda: tiff(RGB)[:60], ""),
    "a.avif": (unreadable_avif, ""),
    "negative.bmp": (
        lambda: b"BM" + struct.pack("<IIIIiiHHI", 90, 0, 54, 40, -5, -5, 1, 24, 0),
        "",
    ),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_file_is_an_error_in_one_line(name, tmp_path, capfd):
    make, words = HOSTILE[name]
    (tmp_path / name).write_bytes(make())
    start = time.monotonic()
    for reader in (reading.read, reading.read_source):
        with pytest.raises(UserError, match=words) as error:
            reader(tmp_path / name)
        assert str(error.value).startswith(f"{tmp_path / name}: ")
        assert "\n" not in str(error.value)
    assert time.monotonic() - start < 5
    assert capfd.readouterr() == ("", "")


def test_a_size_that_is_no_number_of_pixels_is_refused(tmp_path):
    """The width as a fraction, of which nothing is larger or smaller."""
    data = tiff(GRAY)
    assert data.count(b"\0\1\4\0\1\0\0\0") == 1
    (tmp_path / "a.tif").write_bytes(data.replace(b"\0\1\4\0\1", b"\0\1\5\0\1"))
    with pytest.raises(UserError, match="no width and height in its header"):
        reading.size(tmp_path / "a.tif")


@pytest.mark.parametrize(
    "make, words",
    [
        (lambda: png(RGB[..., :1], color=3), "its palette is missing"),
        (lambda: raw_tiff(bytes(99), (70, 45), 1)[:8] + bytes(6), "no width and height"),
    ],
)
def test_a_reason_is_in_words(make, words, tmp_path):
    (tmp_path / "a.png").write_bytes(make())
    with pytest.raises(UserError, match=words):
        reading.read(tmp_path / "a.png")


def test_a_reason_of_a_programs_own_is_none(tmp_path, monkeypatch):
    (tmp_path / "a.png").write_bytes(saved(picture(), "PNG"))
    for error in (AssertionError(), KeyError(3), TypeError("'NoneType' object is not iterable")):

        def fail(data, error=error):
            raise error

        monkeypatch.setattr(reading.decoders, "decode", fail)
        with pytest.raises(UserError, match=r"image \(its data are broken"):
            reading.read(tmp_path / "a.png")


def test_what_a_decoder_raises_names_the_file(tmp_path, monkeypatch):
    (tmp_path / "a.png").write_bytes(saved(picture(), "PNG"))
    for kind in (RuntimeError, NotImplementedError, struct.error, KeyError, RecursionError):

        def fail(data, kind=kind):
            raise kind("two\nlines")

        monkeypatch.setattr(reading.decoders, "decode", fail)
        with pytest.raises(UserError, match=r"a.png: .*lines.*\)$") as error:
            reading.read(tmp_path / "a.png")
        assert "\n" not in str(error.value)


def test_a_file_that_vanishes_or_may_not_be_read_is_named(tmp_path):
    for reader in (reading.read, reading.read_source, reading.size):
        with pytest.raises(UserError, match="gone.png: no such file"):
            reader(tmp_path / "gone.png")
        with pytest.raises(UserError, match="cannot be read"):
            reader(tmp_path)


def test_the_limit_of_pixels_is_the_callers(tmp_path):
    picture(100, 101).save(tmp_path / "a.png")
    picture(100, 101).save(tmp_path / "a.tif")
    for path in (tmp_path / "a.png", tmp_path / "a.tif"):
        with reading.limit(0.0099), pytest.raises(UserError, match="limit"):
            reading.read(path)
        with reading.limit(0.0103):
            assert reading.read(path).shape == (100, 101, 3)


def test_find_takes_folders_globs_and_lists_and_each_file_once(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("b/2.png", "a/1.png", "a/3.jpg"):
        os.makedirs(os.path.dirname(name), exist_ok=True)
        open(name, "w").close()
    (tmp_path / "list.txt").write_text("b\n")
    found = reading.find(["a/*.png", "@list.txt", "a"], "--train_glob")
    assert list(map(str, found)) == ["a/1.png", "a/3.jpg", "b/2.png"]
    assert reading.find("b", "--train_glob") == found[2:]
    with pytest.raises(UserError, match="--valid_glob 'c/"):
        reading.find(["a", "c/*"], "--valid_glob")
