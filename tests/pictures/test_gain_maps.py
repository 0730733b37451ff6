"""Gain maps of Ultra HDR pictures: carried over, or left out and named."""

import functools
import io
import struct
from xml.etree import ElementTree

from learned_jpeg.jobs import one_picture
from learned_jpeg.jobs.running import PixelBudget
from learned_jpeg.jobs.targets import Setting, Target
from learned_jpeg.models import shipped
from learned_jpeg.models.encoding import Coding
from learned_jpeg.pictures import gain_maps, lossless, mpf, reading, xmp

import numpy as np
import pytest
import pyvips
from makers import exif, jpeg, jpeg_segments, picture, saved, srgb_profile
from PIL import Image

XMP_START = b"http://ns.adobe.com/xap/1.0/\0"
HEAD = (
    '<x:xmpmeta xmlns:x="adobe:ns:meta/">'
    '<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
    '<rdf:Description rdf:about="" xmlns:hdrgm="http://ns.adobe.com/hdr-gain-map/1.0/"'
)
TAIL = "</rdf:RDF></x:xmpmeta>"
VALUES = (
    f'{HEAD} hdrgm:Version="1.0" hdrgm:GainMapMin="0" hdrgm:GainMapMax="2" hdrgm:Gamma="1" '
    'hdrgm:OffsetSDR="0.015625" hdrgm:OffsetHDR="0.015625" hdrgm:HDRCapacityMin="0" '
    f'hdrgm:HDRCapacityMax="2" hdrgm:BaseRenditionIsHDR="False"/>{TAIL}'
)


def of_xmp(size, more="", video=b""):
    """A picture as phones of 2023 wrote it, whose map takes a wrong `size`."""
    gain_map = jpeg([(0xE1, XMP_START + VALUES.encode())], image=picture(24, 36, "L"))
    item = (
        '<rdf:li rdf:parseType="Resource"><C:Item I:Semantic="{}" I:Mime="image/jpeg"{}/></rdf:li>'
    )
    items = item.format("Primary", "") + item.format("GainMap", f' I:Length="{size}"') + more
    packet = (
        f'{HEAD} xmlns:C="http://ns.google.com/photos/1.0/container/" xmlns:dc="http://purl.org/dc/'
        'elements/1.1/" xmlns:I="http://ns.google.com/photos/1.0/container/item/" '
        f'hdrgm:Version="1.0" dc:format="image/jpeg"><C:Directory><rdf:Seq>{items}</rdf:Seq>'
        f"</C:Directory></rdf:Description>{TAIL}"
    )
    segments = [(0xE1, XMP_START + packet.encode())]
    index = mpf.index(0, 0, 0)
    place = 20 + 4 + len(segments[0][1]) + 8
    end = len(jpeg([*segments, (0xE2, index)]))
    segments.append((0xE2, mpf.index(place, end, len(gain_map))))
    return jpeg(segments, gain_map + video), gain_map


@functools.cache
def of_iso():
    """A picture as libultrahdr writes it, and the map that libvips finds in it."""
    if not pyvips.type_find("VipsForeignSave", "uhdrsave_buffer"):
        pytest.skip("a libvips without Ultra HDR")
    linear = 4 * (np.asarray(picture(160, 200), np.float32) / 255) ** 2.2
    image = pyvips.Image.new_from_array(linear).copy(interpretation="scrgb")
    data = image.uhdrsave_buffer(Q=95)
    return data, fields(data)["gainmap-data"]


def fields(data):
    """{name: value} of the gain map's fields that libvips finds."""
    image = pyvips.Image.uhdrload_buffer(data)
    return {name: image.get(name) for name in image.get_fields() if name.startswith("gainmap")}


def anew(data, tmp_path, quality=50.0, **options):
    """(the bytes of the result, the FileReport)."""
    (tmp_path / "in.jpg").write_bytes(data)
    settings = [Setting(shipped.load("ljpeg_PIL"), quality)]
    options = one_picture.Options(Coding(), force=True, **options)
    files = tmp_path / "in.jpg", tmp_path / "out.jpg"
    report = one_picture.compress_file(*files, settings, options, PixelBudget(10**6))
    assert report.error is None
    return (tmp_path / "out.jpg").read_bytes(), report


def test_a_map_of_iso_21496_is_carried_over(tmp_path):
    data, gain_map = of_iso()
    found, report = anew(data, tmp_path)
    assert len(found) < 0.8 * len(data) and report.warnings == []
    assert fields(found) == fields(data)
    assert found.endswith(gain_map)
    says = [payload for _, payload in jpeg_segments(data) if b"21496" in payload]
    assert says == [payload for _, payload in jpeg_segments(found) if b"21496" in payload]


@pytest.mark.parametrize("strip", [False, True])
def test_without_loss_a_map_stays_unless_it_is_stripped(strip):
    data, gain_map = of_iso()
    found, notes = lossless.transcode(data, strip)
    assert len(found) < len(data) and found.endswith(gain_map) != strip
    if not strip:
        assert fields(found) == fields(data) and notes == []
    else:
        assert any("gain map" in note for note in notes)
        assert len(jpeg_segments(found)) < len(jpeg_segments(data))


def test_a_map_of_xmp_is_carried_over_and_its_length_is_right(tmp_path):
    data, gain_map = of_xmp(12345)
    found, report = anew(data, tmp_path)
    assert report.warnings == [] and found.endswith(gain_map)
    (packet,) = (part[len(XMP_START) :] for _, part in jpeg_segments(found) if part[:4] == b"http")
    assert b'hdrgm:Version="1.0"' in packet and b'dc:format="image/jpeg"' in packet
    item = "{http://ns.google.com/photos/1.0/container/item/}"
    items = [
        each.attrib
        for each in ElementTree.fromstring(packet).iter()
        if item + "Mime" in each.attrib
    ]
    assert [each[item + "Semantic"] for each in items] == ["Primary", "GainMap"]
    assert items[1][item + "Length"] == str(len(gain_map))
    if pyvips.type_find("VipsForeignLoad", "uhdrload_buffer"):
        assert fields(found) == fields(data)
        assert fields(found)["gainmap-max-content-boost"] == [4, 4, 4]


@pytest.mark.parametrize("made", [of_iso, lambda: of_xmp(1)])
def test_the_index_of_pictures_is_right(made, tmp_path):
    """As Pillow reads it."""
    data, gain_map = made()
    for found in (anew(data, tmp_path)[0], lossless.transcode(data)[0]):
        with Image.open(io.BytesIO(found)) as image:
            assert image.format == ("MPO" if made is of_iso else "JPEG")  # by its hdrgm
            entries = image._getmp()[0xB002]
            assert [each["Size"] for each in entries] == [len(found) - len(gain_map), len(gain_map)]
            assert entries[0]["Attribute"]["MPType"] == "Baseline MP Primary Image"
            place = found.index(b"MPF\0") + 4 + entries[1]["DataOffset"]
            assert found[place:] == gain_map


def test_metadata_and_size_count_with_a_map(tmp_path):
    data, gain_map = of_xmp(1)
    target = Target("size", len(gain_map) + 2000)
    found, report = anew(data, tmp_path, target=target)
    assert report.warnings == [] and len(found) == report.bytes_out
    assert 0.99 * target.value <= len(found) <= target.value


def test_a_video_behind_a_map_is_left_out_and_named(tmp_path):
    video = (
        '<rdf:li rdf:parseType="Resource"><C:Item I:Semantic="MotionPhoto" I:Mime="video/mp4" '
        'I:Length="16"/></rdf:li>'
    )
    data, gain_map = of_xmp(1, video, b"\0\0\0\x10ftypmp42\0\0\0\0")
    found, report = anew(data, tmp_path)
    assert found.endswith(gain_map) and b"MotionPhoto" not in found
    assert "the video behind the picture" in report.warnings[0]
    assert lossless.transcode(data)[0].endswith(b"ftypmp42\0\0\0\0")


def test_strip_and_a_conversion_leave_a_map_out_and_say_so(tmp_path):
    data, _ = of_iso()  # which has a profile
    for options in ({"strip": True}, {"srgb": True}):
        found, report = anew(data, tmp_path, **options)
        assert any("gain map is left out" in line for line in report.warnings)
        assert b"21496" not in found and b"MPF\0" not in found
        assert gain_maps.split(found[10:])[0] is None


def test_a_conversion_takes_the_promise_out_of_the_xmp(tmp_path):
    data, _ = of_xmp(1)
    icc = struct.pack(">BBH", 0xFF, 0xE2, len(srgb_profile()) + 16) + b"ICC_PROFILE\0\1\1"
    data = data[:20] + icc + srgb_profile() + data[20:]
    found, report = anew(data, tmp_path, srgb=True)
    assert report.warnings == [] and b"hdrgm:Version" in found  # nothing was to be converted
    black = pyvips.Image.black(1, 1, bands=3).copy(interpretation="srgb")
    profile = black.icc_transform("p3").get("icc-profile-data")  # of other colours
    icc = struct.pack(">BBH", 0xFF, 0xE2, len(profile) + 16) + b"ICC_PROFILE\0\1\1"
    found, report = anew(of_xmp(1)[0][:20] + icc + profile + of_xmp(1)[0][20:], tmp_path, srgb=True)
    assert any("gain map is left out" in line for line in report.warnings)
    assert b" hdrgm:" not in found and b"GainMap" not in found


def test_an_orientation_turns_both(tmp_path):
    data, gain_map = of_xmp(1)
    turned = b"Exif\0\0" + exif(6).tobytes()[6:]
    data = data[:20] + struct.pack(">BBH", 0xFF, 0xE1, len(turned) + 2) + turned + data[20:]
    found, report = anew(data, tmp_path)
    assert report.warnings == [] and found.endswith(gain_map)
    found, report = anew(data, tmp_path, strip=True)
    assert any("gain map is left out" in line for line in report.warnings)


@pytest.mark.parametrize(
    "spoil",
    [
        lambda data, size: data[:-40],
        lambda data, size: data[: -size // 3] + b"\xff\xd9",
        lambda data, size: data.replace(b"\xff\xc0\0\x0b\x08", b"\xff\xc0\0\x0b\x0c"),
    ],
)
def test_a_broken_map_is_one_line_and_no_promise(spoil, tmp_path):
    data, gain_map = of_xmp(1)
    start = len(data) - len(gain_map)
    data = data[:start] + spoil(data[start:], len(gain_map))
    found, report = anew(data, tmp_path)
    assert len(report.warnings) == 1 and "gain map, which is broken" in report.warnings[0]
    assert b" hdrgm:" not in found and b"GainMap" not in found and b"MPF\0" not in found
    with Image.open(io.BytesIO(found)) as image:
        assert image.format == "JPEG"


def test_a_map_that_is_not_there_is_named(tmp_path):
    data, gain_map = of_xmp(1)
    found, report = anew(data[: -len(gain_map)], tmp_path)
    assert "HDR gain map of the XMP" in report.warnings[0] and b" hdrgm:" not in found


def test_a_picture_behind_the_picture_that_is_no_map_is_named(tmp_path):
    data = jpeg(trailer=saved(picture(20, 20), "JPEG"))
    source_warnings = anew(data, tmp_path)[1].warnings
    assert "a picture behind the picture" in source_warnings[0]


def test_xmp_without_rdf_gets_no_directory():
    with pytest.raises(ValueError, match="no RDF"):
        xmp.with_directory(b"<x/>", 1)


def test_reading_keeps_the_map_beside_the_picture(tmp_path):
    data, gain_map = of_xmp(1)
    (tmp_path / "a.jpg").write_bytes(data)
    assert reading.read_source(tmp_path / "a.jpg").metadata.gain_map == gain_map
