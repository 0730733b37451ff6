"""Files that once failed, where they lie beside the project; each kind has its own test, too."""

import io
from pathlib import Path

from learned_jpeg import api
from learned_jpeg.pictures import metadata, reading
from learned_jpeg.runtime import paths
from learned_jpeg.runtime.errors import UserError

import numpy as np
import pytest
import strict
from makers import psnr
from PIL import Image

FAULTS = Path(__file__).resolve().parent.parent.parent / "shared" / "faults"
pytestmark = pytest.mark.skipif(not FAULTS.is_dir(), reason="no such files here")

# (name, the words said in one line or the refusal; "" for none). The picture is the same in most.
ROWS = [
    ("t_rgb16_planar.tif", ""),
    ("t_w16.tif", ""),
    ("t_f32_01.tif", ""),
    ("t_pal8cm.tif", ""),
    ("t_jpeg_rgb.tif", ""),
    ("t_geotiff.tif", "left out: GeoTIFF tags"),
    ("t_xmp_iptc.tif", ""),
    ("png_gama1.png", "converted to sRGB"),
    ("png_cicp_p3.png", ""),
    ("png_cicp_pq.png", "HDR (PQ)"),
    ("png_icc_p3.png", ""),
    ("png_g16_trns.png", "white"),
    ("png_huge_ztxt.png", 'text "Comment"'),
    ("png_xmp_1.5M.png", "XMP of 1500287 bytes"),
    ("png_badcrc_anc.png", "text"),
    ("png_rawprofile_iptc.png", ""),
    ("png_rawprofile_icc.png", ""),
    ("png_phys_aspect.png", "not square (2:1)"),
    ("j_aspect.jpg", "not square (2:1)"),
    ("j_gainmap_xmp.jpg", "gain map"),
    ("j_motion.jpg", "motion photo"),
    ("j_xmp_ext.jpg", ""),
    ("j_jumbf.jpg", "content credentials"),
    ("j_icc_missingseg.jpg", "a segment is missing"),
    ("j_baselinecut_eoi.jpg", "damaged"),
    ("w_esc.png", "\\x1b[2J"),
]


def read(name, **options):
    return reading.read_source(FAULTS / name, **options)


def in_srgb(name):
    pixels = read(name, srgb=True).pixels
    deep = pixels.dtype == np.uint16
    return np.broadcast_to(pixels / (257 if deep else 1), (72, 97, 3))


@pytest.mark.parametrize("name, words", ROWS)
def test_each_is_said_and_shown(name, words):
    source = read(name)
    said = " | ".join([*source.warnings, *source.details])
    assert (words in said) if words else said.strip(" |") == ""
    assert said.isprintable()
    data = api.load("ljpeg_PIL").encode(source.pixels, quality=95)
    image = Image.open(io.BytesIO(metadata.embed(data, source.metadata)))
    assert image.size == (97, 72)
    xmp = image.info.get("xmp", b"")
    assert not any(
        word in xmp for word in (b"hdrgm:Version", b"MotionPhoto", b"Container:Directory")
    )
    if "missingseg" not in name and "pal8cm" not in name and "cut" not in name:
        gray = source.pixels.shape[-1] == 1
        expected = np.asarray(Image.open(FAULTS / "t_geotiff.tif").convert("L" if gray else "RGB"))
        shown = in_srgb(name)[..., 0] if gray else in_srgb(name)
        assert psnr(shown, expected) > (35 if name != "png_g16_trns.png" else 10)


def test_a_palette_of_8_bits_is_a_picture():
    assert 100 < read("t_pal8cm.tif").pixels.mean() < 140


def test_a_transparent_corner_is_white():
    pixels = read("png_g16_trns.png").pixels
    assert (pixels == 65535).any()


def test_wide_gamut_is_converted_where_the_profile_goes():
    source = read("png_icc_p3.png", strip=True)
    assert "converted to sRGB" in " ".join(source.warnings)
    assert source.metadata.icc is None
    assert (source.pixels != read("png_icc_p3.png").pixels).any()


@pytest.mark.parametrize("name", ["t_dnglike.dng", "RuntimeError_open.avif"])
def test_what_is_refused_is_refused_everywhere(name):
    for reader in (reading.read, reading.read_source):
        with pytest.raises(UserError, match=f"{name}: cannot be read as an image"):
            reader(FAULTS / name)


SECOND = FAULTS / "second"


@pytest.mark.parametrize(
    "name, words",
    [
        ("flipped_byte_RGB.jpg", "damaged: Corrupt JPEG data"),
        ("stale_first.jpg", "damaged"),
        ("half.tif", "no width and height in its header"),
        ("no_palette.png", "its palette is missing"),
        ("b_cut16.png", "png"),
        ("exif.tif", ""),
        ("ycbcr_raw.tif", ""),
    ],
)
def test_each_of_the_second_list_is_said(name, words):
    try:
        said = " ".join(reading.read_source(SECOND / name).warnings)
    except UserError as error:
        said = str(error)
    assert (words in said) if words else not said
    assert name == "stale_first.jpg" or "JPEG" not in said or name.endswith("RGB.jpg")


def test_exif_and_colours_of_a_tiff_are_those_that_others_see():
    source = reading.read_source(SECOND / "exif.tif")
    data = api.encode(source.pixels, quality=95, exif=source.metadata.exif)
    found = strict.libvips(data)
    assert found["exif-ifd0-Artist"].startswith("A. Nobody")
    assert strict.exif(data)["main", 33432] == b"(c) nobody\0"
    pixels = reading.read_source(SECOND / "ycbcr_raw.tif").pixels
    shown = np.asarray(Image.open(SECOND / "ycbcr_raw.tif").convert("RGB"))
    assert np.abs(pixels.astype(int) - shown).max() <= 2


def test_a_list_with_a_mark_is_read():
    assert [path.name for path in paths.expand(f"@{SECOND / 'list_bom.txt'}")[1]] == ["photo.png"]
