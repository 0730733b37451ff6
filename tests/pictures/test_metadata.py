"""Other readers find the metadata that is put into a file."""

import io

from learned_jpeg.pictures import metadata

import pytest
from makers import exif, jpeg, jpeg_segments, srgb_profile
from PIL import Image, ImageCms


def test_embedding_leaves_the_picture_alone():
    items = metadata.Items(
        exif=exif().tobytes()[6:],
        xmp=b"<x/>",
        icc=srgb_profile() + bytes(200_000),
        iptc=b"\x1c\x02x\0\x03odd",
        comments=[b"one", b"two"],
        density=(2, 100, 100),
    )
    data = metadata.embed(jpeg(), items)
    plain, rich = (Image.open(io.BytesIO(each)) for each in (jpeg(), data))
    assert rich.tobytes() == plain.tobytes()
    assert rich.info["icc_profile"] == items.icc
    assert rich.info["xmp"] == b"<x/>"
    assert rich.getexif()[0x010F] == "A camera"
    assert rich.info["photoshop"][0x0404] == items.iptc
    assert (rich.info["jfif_unit"], rich.info["jfif_density"]) == (2, (100, 100))
    assert [payload for marker, payload in jpeg_segments(data) if marker == 0xFE] == [
        b"one",
        b"two",
    ]
    assert jpeg_segments(data)[0][1].startswith(b"JFIF\0")


@pytest.mark.parametrize("size", [3144, 65519, 65520, 255 * 65519])
def test_a_profile_of_any_size_comes_back(size):
    profile = srgb_profile() + bytes(size - len(srgb_profile()))
    data = metadata.embed(jpeg(), metadata.Items(icc=profile))
    image = Image.open(io.BytesIO(data))
    assert image.info["icc_profile"] == profile
    ImageCms.getProfileName(io.BytesIO(image.info["icc_profile"]))


def test_nothing_is_embedded_where_there_is_nothing():
    assert metadata.embed(jpeg(), metadata.Items()) == jpeg()


@pytest.mark.parametrize("size", [65_506, 65_507, 65_508])
def test_iptc_is_kept_where_it_fits(size):
    """Within 65,533 bytes, the 14 of Photoshop's header and the 12 of the resource with it."""
    items = metadata.Items(iptc=b"\x1c" + bytes(size - 1))
    metadata.check(items)
    assert (items.iptc is None) == bool(items.left) == (size > 65_506)
    assert len(metadata.embed(jpeg(), items)) < len(jpeg()) + 65_538


@pytest.mark.parametrize(
    "unit, x, y", [(1, 0, 72), (7, 72, 72), (1, float("nan"), 1), (1, 1e9, 1e9)]
)
def test_a_density_that_is_none_is_named(unit, x, y):
    items = metadata.Items(density=(unit, x, y))
    metadata.check(items)
    assert items.density is None
    assert "resolution" in " ".join(items.left)


def test_a_profile_that_does_not_fit_is_named():
    items = metadata.Items(icc=srgb_profile() + bytes(255 * 65519))
    metadata.check_profile(items)
    assert items.icc is None
    assert items.left == ["ICC profile (it does not fit)"]


def test_a_comment_that_does_not_fit_is_named():
    items = metadata.Items(comments=[b"a", bytes(70_000)])
    metadata.check(items)
    assert items.comments == [b"a"]
    assert items.warnings() == ["left out: a comment that does not fit"]


def test_the_line_of_what_is_left_out_has_an_end():
    items = metadata.Items(left=[f"text {number}" for number in range(5000)] + ["x" * 10**6])
    (line,) = items.warnings()
    assert line.startswith("left out: text 0, text 1, ") and line.endswith(", and 4981 more")
    assert len(metadata.Items(left=["x" * 10**6]).warnings()[0]) < 200
