"""The metadata of a picture of each kind is in its JPEG file, or named as left out."""

import io
import struct
import zlib

from learned_jpeg.pictures import metadata, reading

import numpy as np
import pytest
import strict
import tifffile
from makers import (
    IPTC,
    XMP,
    bitmap,
    chunk,
    exif,
    jpeg,
    jpeg_segments,
    photoshop,
    picture,
    png,
    raw_tiff,
    resource,
    saved,
    srgb_profile,
    structure,
    tiff,
)
from PIL import Image, PngImagePlugin

RGB = np.asarray(picture(30, 50))
XMP_START = b"http://ns.adobe.com/xap/1.0/\0"


def compressed(data, tmp_path, **options):
    """(Pillow's image of the JPEG file, its bytes, the warnings and notes)."""
    (tmp_path / "a").write_bytes(data)
    source = reading.read_source(tmp_path / "a", **options)
    plain = saved(
        Image.fromarray(
            source.pixels.squeeze(-1) if source.pixels.shape[-1] == 1 else source.pixels
        ),
        "JPEG",
    )
    result = metadata.embed(plain, source.metadata)
    image = Image.open(io.BytesIO(result))
    image.load()
    return image, result, " | ".join([*source.warnings, *source.details])


def rich(kind, orientation=6):
    options = {"exif": exif(orientation).tobytes(), "icc_profile": srgb_profile()}
    if kind in ("PNG", "JPEG", "TIFF"):
        options["dpi"] = (300, 300)
    if kind == "PNG":
        options["pnginfo"] = PngImagePlugin.PngInfo()
        options["pnginfo"].add_itxt("XML:com.adobe.xmp", XMP.decode())
    elif kind in ("JPEG", "WEBP"):
        options["xmp"] = XMP
    elif kind == "TIFF":
        options["exif"] = exif(orientation)
        options["exif"][0x8769] = dict(options["exif"].get_ifd(0x8769))  # or Pillow drops it
        options["exif"][700] = XMP
    return saved(picture(30, 50), kind, **options)


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "TIFF"])
def test_metadata_is_kept(kind, tmp_path):
    image, _, said = compressed(rich(kind), tmp_path)
    assert image.info["icc_profile"] == srgb_profile()
    assert image.getexif()[0x010F] == "A camera"
    assert image.getexif().get_ifd(0x8769)[0x9003] == "2020:01:01 10:00:00"
    assert image.info["xmp"] == XMP
    assert said == ""
    # A TIFF is turned, others keep the tag that turns them.
    turned = kind == "TIFF"
    assert image.size == ((30, 50) if turned else (50, 30))
    assert image.getexif().get(0x0112, 1) == (1 if turned else 6)
    if kind != "WEBP":
        assert image.info["dpi"] == (300, 300)


def test_strip_leaves_nothing(tmp_path):
    image, data, _ = compressed(rich("JPEG"), tmp_path, strip=True)
    assert image.size == (30, 50)  # orientation 6: a quarter turn
    assert {marker for marker, _ in jpeg_segments(data)} <= {0xE0, 0xDB, 0xC0, 0xC4}


def test_an_orientation_in_xmp_alone_is_left_where_it_is(tmp_path):
    xmp = b'<x xmlns:t="http://ns.adobe.com/tiff/1.0/" t:Orientation="6"/>'
    image, _, _ = compressed(saved(picture(30, 50), "JPEG", xmp=xmp), tmp_path)
    assert (image.size, image.info["xmp"]) == ((50, 30), xmp)


@pytest.mark.parametrize(
    "spoilt, words",
    [
        ({"icc_profile": b"no profile at all" * 20}, "ICC profile (broken)"),
        ({"icc_profile": srgb_profile()[:300]}, "ICC profile (broken)"),
        ({"exif": b"Exif\0\0garbage garbage garbage"}, "EXIF ("),
        ({"exif": b"Exif\0\0II*\0\x08\0\0\0\xff\xff"}, "EXIF ("),
        ({"exif": exif(77).tobytes()}, "orientation 77"),
        ({"xmp": b"<no xml"}, "XMP (it is no XML"),
        ({"xmp": b"<!DOCTYPE x [<!ENTITY a 'b'>]><x>&a;</x>"}, "XMP (it has a document type"),
    ],
)
def test_metadata_that_cannot_be_kept_is_named(spoilt, words, tmp_path):
    image, _, said = compressed(saved(picture(), "JPEG", **spoilt), tmp_path)
    assert words in said
    assert "icc_profile" not in image.info
    assert image.getexif().get(0x0112, 1) in range(1, 9)


# JPEG


def test_comments_and_iptc_of_a_jpeg_are_kept(tmp_path):
    both = resource(0x03ED, b"xx") + resource(0x0404, IPTC)
    segments = [(0xFE, b"first"), (0xED, b"Photoshop 3.0\0" + both), (0xFE, b"second")]
    image, data, said = compressed(jpeg(segments), tmp_path)
    kept = jpeg_segments(data)
    assert [payload for marker, payload in kept if marker == 0xFE] == [b"first", b"second"]
    iptc = b"Photoshop 3.0\0" + resource(0x0404, IPTC)
    assert [payload for marker, payload in kept if marker == 0xED] == [iptc]
    assert said == "left out: Photoshop resources"


@pytest.mark.parametrize(
    "segment, words",
    [
        ((0xEB, b"JP\0\1\0\0\0\1" + b"c2pa"), "content credentials"),
        ((0xE2, b"MPF\0" + bytes(20)), "MPF"),
        ((0xE2, b"urn:iso:std:iso:ts:21496:-1\0" + bytes(4)), "gain map"),
        ((0xEC, b"Ducky\0"), "APP12 (Ducky)"),
        ((0xE0, b"JFXX\0\x13" + bytes(9)), "thumbnail"),
        ((0xE2, b"ICC_PROFILE\0\1\2" + srgb_profile()), "a segment is missing"),
        ((0xE5, b"\x1b[2J"), "APP5"),
    ],
)
def test_what_a_jpeg_cannot_pass_on_is_named(segment, words, tmp_path):
    _, data, said = compressed(jpeg([segment]), tmp_path)
    assert said.startswith("left out: ") and words in said
    assert said.isprintable()
    assert segment not in jpeg_segments(data)


def test_a_thumbnail_of_jfif_is_named(tmp_path):
    data = jpeg()
    data = data[:2] + b"\xff\xe0\0\x13JFIF\0\1\1\0\0\1\0\1\1\1abc" + data[20:]
    assert compressed(data, tmp_path)[2] == "left out: JFIF thumbnail"


GAIN_MAP = b"""<?xpacket begin=""?><x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF
 xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><rdf:Description rdf:about=""
 xmlns:hdrgm="http://ns.adobe.com/hdr-gain-map/1.0/" hdrgm:Version="1.0"
 xmlns:dc="http://purl.org/dc/elements/1.1/" dc:format="image/jpeg"
 xmlns:Container="http://ns.google.com/photos/1.0/container/"><Container:Directory><rdf:Seq>
 <rdf:li rdf:parseType="Resource"><Container:Item/></rdf:li></rdf:Seq></Container:Directory>
 <dc:creator>Ann</dc:creator></rdf:Description></rdf:RDF></x:xmpmeta><?xpacket end="w"?>"""
MOTION = b"""<x:xmpmeta xmlns:x="adobe:ns:meta/"><r:D
 xmlns:r="http://www.w3.org/1999/02/22-rdf-syntax-ns#"
 xmlns:G="http://ns.google.com/photos/1.0/camera/" G:MotionPhoto="1" G:MicroVideoOffset='7'
 G:Rating="5"/></x:xmpmeta>"""


def test_xmp_no_longer_promises_a_gain_map(tmp_path):
    second = saved(picture(8, 8, "L"), "JPEG")
    data = jpeg([(0xE1, XMP_START + GAIN_MAP)], second)
    image, result, said = compressed(data, tmp_path)
    assert "gain map" in said and said.count("left out") == 1
    kept = image.info["xmp"]
    assert b"hdrgm:Version" not in kept and b"Directory" not in kept
    assert b"<dc:creator>Ann</dc:creator>" in kept and b'dc:format="image/jpeg"' in kept
    assert result.endswith(b"\xff\xd9") and second not in result


def test_xmp_no_longer_promises_a_video(tmp_path):
    data = jpeg([(0xE1, XMP_START + MOTION)], b"\0\0\0\x18ftypmp42" + bytes(50))
    image, _, said = compressed(data, tmp_path)
    assert "the video behind the picture" in said
    kept = image.info["xmp"]
    assert b"Motion" not in kept and b"MicroVideo" not in kept and b'G:Rating="5"' in kept


@pytest.mark.parametrize("whole", [True, False])
def test_extended_xmp_is_kept_whole_or_not_promised(whole, tmp_path):
    guid = b"0123456789ABCDEF" * 2
    main = b'<x xmlns:n="http://ns.adobe.com/xmp/note/" n:HasExtendedXMP="%s" n="1"/>' % guid
    parts = [
        b"http://ns.adobe.com/xmp/extension/\0"
        + guid
        + struct.pack(">II", 9000, start)
        + bytes(size)
        for start, size in ((0, 5000), (5000, 4000))
    ]
    segments = [(0xE1, XMP_START + main), *((0xE1, part) for part in parts[: 2 if whole else 1])]
    _, data, said = compressed(jpeg(segments), tmp_path)
    kept = [payload for marker, payload in jpeg_segments(data) if marker == 0xE1]
    if whole:
        assert kept == [XMP_START + main, *parts]
        assert said == ""
    else:
        (packet,) = kept
        assert b"HasExtendedXMP" not in packet and b'n="1"' in packet
        assert "extended XMP, which is not complete" in said


@pytest.mark.parametrize("unit, x, y", [(1, 72, 72), (2, 118, 118), (0, 2, 1), (1, 300, 150)])
def test_the_density_of_a_jpeg_is_kept_with_its_unit(unit, x, y, tmp_path):
    data = bytearray(jpeg())
    data[13:18] = struct.pack(">BHH", unit, x, y)
    image, _, said = compressed(bytes(data), tmp_path)
    assert image.info["jfif_unit"] == unit
    assert image.info["jfif_density"] == (x, y)
    assert ("not square" in said) == (x != y)


# PNG


def raw_profile(kind, data):
    text = f"\n{kind}\n{len(data):8}\n{data.hex()}\n".encode()
    keyword = f"Raw profile type {kind}".encode()
    return chunk(b"zTXt", keyword + b"\0\0" + zlib.compress(text))


@pytest.mark.parametrize(
    "kind, data, name, value",
    [
        ("iptc", IPTC, "iptc", IPTC),
        ("8bim", resource(0x0404, IPTC), "iptc", IPTC),
        ("icc", srgb_profile(), "icc", srgb_profile()),
        ("exif", exif().tobytes(), "exif", exif().tobytes()[6:]),
        ("APP1", exif().tobytes(), "exif", exif().tobytes()[6:]),
        ("xmp", XMP, "xmp", XMP),
    ],
)
def test_raw_profiles_in_texts_of_a_png_are_kept(kind, data, name, value, tmp_path):
    (tmp_path / "a").write_bytes(png(RGB, raw_profile(kind, data)))
    source = reading.read_source(tmp_path / "a")
    assert getattr(source.metadata, name) == value
    assert source.warnings == []


def test_texts_and_chunks_of_a_png_are_named_in_one_line(tmp_path):
    chunks = (
        chunk(b"tEXt", b"Comment\0hello")
        + chunk(b"zTXt", b"Raw profile type odd\0\0" + zlib.compress(b"\nodd\n 1\nzz"))
        + chunk(b"tEXt", b"\x1b[2Jerror:\nforged\0x")
        + chunk(b"tIME", bytes(7))
        + chunk(b"caBX", bytes(7))
    )
    said = compressed(png(RGB, chunks), tmp_path)[2]
    assert said == (
        'left out: text "Comment", text "Raw profile type odd", content credentials (C2PA) | '
        'left out: text "\\x1b[2Jerror:\\nforged", chunk tIME'
    )


def test_xmp_that_does_not_fit_is_named(tmp_path):
    packet = b"<x>" + b" " * 1_500_000 + b"</x>"
    text = b"XML:com.adobe.xmp\0\1\0\0\0" + zlib.compress(packet)
    said = compressed(png(RGB, chunk(b"iTXt", text)), tmp_path)[2]
    assert said == "left out: XMP of 1500007 bytes, which does not fit"


@pytest.mark.parametrize(
    "x, y, unit, density",
    [
        (11811, 11811, 1, (1, 300, 300)),
        (2835, 2835, 1, (1, 72, 72)),
        (12000, 12000, 1, (2, 120, 120)),
        (2, 1, 0, (0, 2, 1)),
        (1, 1, 0, None),
        (0, 0, 1, None),
        (2**32 - 1, 2**32 - 1, 1, None),
    ],
)
def test_the_density_of_a_png_is_kept_with_its_unit(x, y, unit, density, tmp_path):
    (tmp_path / "a").write_bytes(png(RGB, chunk(b"pHYs", struct.pack(">IIB", x, y, unit))))
    source = reading.read_source(tmp_path / "a")
    assert source.metadata.density == density
    said = " ".join(source.warnings)
    assert ("not square" in said) == (x != y)
    assert ("resolution" in said) == (density is None and x > 1 or x == 0)


# TIFF


def test_tags_of_a_tiff_are_kept_or_named(tmp_path):
    tags = [
        (270, "s", 0, "A view", True),
        (33550, "d", 3, (1.0, 1.0, 0.0), True),
        (34735, "H", 4, (1, 1, 0, 0), True),
        (33723, "B", len(IPTC), IPTC, True),
        (700, "B", len(XMP), XMP, True),
        (50341, "s", 0, "private", True),
    ]
    image, data, said = compressed(tiff(RGB, extratags=tags), tmp_path)
    assert image.getexif()[270] == "A view"
    assert image.info["xmp"] == XMP
    assert any(IPTC in payload for marker, payload in jpeg_segments(data) if marker == 0xED)
    assert said == "left out: GeoTIFF tags | left out: TIFF tags 50341"


def test_a_tiff_without_resolution_gets_none(tmp_path):
    data = tiff(RGB, resolution=(1, 1), resolutionunit="NONE")
    image, _, _ = compressed(data, tmp_path)
    assert image.info["jfif_unit"] == 0
    image, _, _ = compressed(saved(picture(), "TIFF", compression="jpeg"), tmp_path)
    assert "dpi" not in image.info
    image, _, _ = compressed(
        tiff(RGB, resolution=(100, 100), resolutionunit="CENTIMETER"), tmp_path
    )
    assert (image.info["jfif_unit"], image.info["jfif_density"]) == (2, (100, 100))


def test_xmp_of_a_tiff_that_is_turned_does_not_turn_it_again(tmp_path):
    packet = b'<x xmlns:t="http://ns.adobe.com/tiff/1.0/" t:Orientation="6" t:Make="M"/>'
    tags = [(274, "H", 1, 6, True), (700, "B", len(packet), packet, True)]
    image, _, _ = compressed(tiff(RGB, extratags=tags), tmp_path)
    assert b"Orientation" not in image.info["xmp"] and b't:Make="M"' in image.info["xmp"]


def test_comments_of_others_are_kept(tmp_path):
    data = saved(picture(), "GIF", comment=b"hello")
    assert compressed(data, tmp_path)[0].info["comment"] == b"hello"


# Others


def test_a_profile_in_a_bitmap_is_kept(tmp_path):
    (tmp_path / "a").write_bytes(bitmap(RGB))
    source = reading.read_source(tmp_path / "a")
    np.testing.assert_array_equal(source.pixels, RGB)
    assert source.metadata.icc == srgb_profile()


def test_boxes_of_a_jpeg_2000_are_kept_or_named(tmp_path):
    data = saved(Image.fromarray(RGB), "JPEG2000")
    place = data.index(b"colr") - 4
    size = int.from_bytes(data[place : place + 4], "big")
    profile = b"colr\2\0\0" + srgb_profile()
    header = data.index(b"jp2h") - 4
    boxes = struct.pack(">I", 4 + len(profile)) + profile
    inner = data[header + 8 : place] + boxes
    more = struct.pack(">I4s", 24 + len(XMP), b"uuid")
    more += bytes.fromhex("be7acfcb97a942e89c71999491e3afac") + XMP
    more += struct.pack(">I4s", 12, b"xml ") + b"<x/>"
    changed = (
        data[:header]
        + struct.pack(">I4s", 8 + len(inner), b"jp2h")
        + inner
        + more
        + data[place + size :]
    )
    (tmp_path / "a").write_bytes(changed)
    source = reading.read_source(tmp_path / "a")
    assert source.metadata.icc == srgb_profile()
    assert source.metadata.xmp == XMP
    assert source.warnings == ["left out: xml box"]


def test_the_depth_and_the_codes_of_an_avif_are_used(tmp_path):
    pyvips = pytest.importorskip("pyvips")
    deep = pyvips.Image.new_from_array(RGB.astype(np.uint16) * 257, interpretation="rgb16")
    (tmp_path / "a").write_bytes(deep.heifsave_buffer(compression="av1", bitdepth=10, Q=90))
    assert "more than 8 bits" in " ".join(reading.read_source(tmp_path / "a").warnings)
    data = saved(Image.fromarray(RGB), "AVIF")
    place = data.index(b"colrnclx") + 8
    (tmp_path / "a").write_bytes(data[:place] + struct.pack(">HH", 12, 13) + data[place + 4 :])
    source = reading.read_source(tmp_path / "a")
    assert source.metadata.icc and source.warnings == []


def test_resources_of_a_photoshop_file_are_kept(tmp_path):
    (tmp_path / "a").write_bytes(photoshop(RGB))
    source = reading.read_source(tmp_path / "a")
    np.testing.assert_array_equal(source.pixels, RGB)
    items = source.metadata
    assert (items.iptc, items.xmp, items.icc) == (IPTC, XMP, srgb_profile())
    assert metadata.orientation(items) == 6


# What other programs read of it, which forgive less than Pillow

NAME, RIGHTS, VIEW = "Jürgen Łoś", "© nobody", "A view"
MAIN = {
    270: (2, VIEW.encode() + b"\0"),
    315: (2, NAME.encode() + b"\0"),
    33432: (2, RIGHTS.encode() + b"\0"),
}
EXIF = {
    33434: (5, [1, 250]),
    36864: (7, b"0232"),
    36867: (2, b"2020:01:02 10:00:00\0"),
    37510: (7, b"ASCII\0\0\0hello"),
}
GPS = {0: (1, [2, 3, 0, 0]), 1: (2, b"N\0"), 2: (5, [47, 1, 30, 1, 0, 1])}
INNER = {0x8769: EXIF, 0x8825: GPS}
PARTS = {"main": MAIN, "Exif": EXIF, "GPS": GPS}
PACKET = (
    b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><r:RDF '
    b'xmlns:r="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><r:Description r:about="" '
    b'xmlns:d="http://ns.adobe.com/photoshop/1.0/" d:City="Ulm"/></r:RDF></x:xmpmeta>'
)


def whole(kind):
    """A file of a kind with all metadata that it can hold."""
    image, order = picture(30, 50), ">" if kind.endswith("motorola") else "<"
    structured = structure(MAIN, order, INNER)
    options = {"icc_profile": srgb_profile(), "exif": b"Exif\0\0" + structured}
    if kind.startswith("JPEG"):
        segments = [(0xED, b"Photoshop 3.0\0" + resource(0x0404, IPTC)), (0xFE, b"a comment")]
        return jpeg([*segments, (0xE1, XMP_START + PACKET)], image=image, **options)
    if kind.startswith("TIFF"):
        own = {34675: (7, srgb_profile()), 700: (1, PACKET), 33723: (7, IPTC)}
        return raw_tiff(image.tobytes(), image.size, 2, (8,) * 3, MAIN | own, order, INNER)
    if kind.startswith("texts of PNG"):
        texts = [("exif", b"Exif\0\0" + structured), ("iptc", IPTC), ("xmp", PACKET)]
        return png(RGB, b"".join(raw_profile(name, data) for name, data in texts))
    if kind.startswith("PNG"):
        texts = PngImagePlugin.PngInfo()
        texts.add_itxt("XML:com.adobe.xmp", PACKET.decode())
        return saved(image, "PNG", pnginfo=texts, **options)
    if kind.startswith("PSD"):
        resources = resource(0x0404, IPTC) + resource(0x0422, structured)
        resources += resource(0x0424, PACKET) + resource(0x040F, srgb_profile())
        return photoshop(RGB, resources)
    return saved(image, kind.split()[0], xmp=PACKET, **options)


@pytest.mark.parametrize("order", ["intel", "motorola"])
@pytest.mark.parametrize("kind", ["JPEG", "TIFF", "PNG", "texts of PNG", "WEBP", "AVIF", "PSD"])
def test_other_programs_read_what_is_kept(kind, order, tmp_path):
    _, data, said = compressed(whole(f"{kind} {order}"), tmp_path)
    assert said == ""
    sign = "<" if order == "intel" else ">"
    sent = strict.exif(jpeg([(0xE1, b"Exif\0\0" + structure(MAIN, sign, INNER))]))
    assert strict.exif(data) == sent and len(sent) == len(MAIN) + len(EXIF) + len(GPS)
    iptc = kind not in ("PNG", "WEBP", "AVIF")
    assert strict.photoshop(data) == ({0x0404: IPTC} if iptc else {})
    assert strict.icc(data) == (b"" if kind == "texts of PNG" else srgb_profile())
    kept = jpeg_segments(data)
    assert (0xE1, XMP_START + PACKET) in kept
    assert [payload for marker, payload in kept if marker == 0xFE] == (
        [b"a comment"] if kind == "JPEG" else []
    )
    found = strict.libvips(data)
    assert found["exif-ifd0-Artist"].startswith(NAME)
    assert found["exif-ifd2-DateTimeOriginal"].startswith("2020:01:02 10:00:00")
    assert found["xmp-data"] == PACKET
    if (told := strict.exiftool(data, tmp_path)) is not None:
        assert not [value for name, value in told.items() if name.endswith("Warning")]
        assert told["IFD0:Artist"] == NAME and told["IFD0:Copyright"] == RIGHTS
        assert told["IFD0:ImageDescription"] == VIEW
        assert told["ExifIFD:DateTimeOriginal"] == "2020:01:02 10:00:00"
        assert told["ExifIFD:UserComment"] == "hello"
        assert told["GPS:GPSLatitude"] == 47.5
        assert told["XMP-photoshop:City"] == "Ulm"
        assert told.get("IPTC:Caption-Abstract") == ("hello" if iptc else None)


def test_tags_of_a_bigtiff_are_read_by_others(tmp_path):
    own = [(315, "s", 0, NAME.encode(), True), (40091, "B", 4, b"x\0y\0", True)]
    _, data, said = compressed(tiff(RGB, bigtiff=True, extratags=own), tmp_path)
    assert strict.exif(data) == {
        ("main", 315): NAME.encode() + b"\0",
        ("main", 40091): b"x\0y\0",
    }
    assert said == ""


def test_metadata_of_a_preview_is_that_of_the_picture_behind_it(tmp_path):
    """As in TIFF/EP: the first directory is a thumbnail, and has the camera's descriptions."""
    file = io.BytesIO()
    with tifffile.TiffWriter(file) as writer:
        tags = [(315, "s", 0, NAME.encode(), True), (700, "B", len(PACKET), PACKET, True)]
        writer.write(RGB[::4, ::4], photometric="rgb", subfiletype=1, extratags=tags)
        writer.write(RGB, photometric="rgb", metadata=None, software=False)
    _, data, said = compressed(file.getvalue(), tmp_path)
    assert strict.exif(data)["main", 315] == NAME.encode() + b"\0"
    assert strict.libvips(data)["xmp-data"] == PACKET
    assert said == ""


def test_iptc_keeps_its_last_zeros_and_loses_what_pads_it(tmp_path):
    records = b"\x1c\x02\x00\0\2\0\0" + b"\x1c\x02\xe6\x80\2\0\3a\0\0"
    own = [(33723, "B", len(records) + 3, records + bytes(3), True)]
    _, data, _ = compressed(tiff(RGB, extratags=own), tmp_path)
    assert strict.photoshop(data) == {0x0404: records}


def test_xmp_and_profile_of_a_gif_are_kept(tmp_path):
    plain = saved(picture(30, 50), "GIF")
    place = plain.index(b"\x2c", 13 + 3 * 256)
    profile = srgb_profile()
    blocks = b"".join(
        bytes([len(part)]) + part
        for part in (profile[start : start + 255] for start in range(0, len(profile), 255))
    )
    magic = b"\1" + bytes(range(255, -1, -1)) + b"\0"  # XMP specification, part 3, 1.1.2
    more = b"\x21\xff\x0bXMP DataXMP" + PACKET + magic
    more += b"\x21\xff\x0bICCRGBG1012" + blocks + b"\0"
    image, data, said = compressed(plain[:place] + more + plain[place:], tmp_path)
    assert (image.info["xmp"], strict.icc(data)) == (PACKET, profile)
    assert said == ""


# The orientation, which is to be right whatever else fits


def long_exif(size, orientation=6, order=">"):
    """An EXIF of a number of bytes."""
    tags = {274: (3, [orientation]), 270: (2, b"x\0"), 36864: (7, b"0232")}
    tags[37500] = 7, bytes(size - len(structure(tags | {37500: (7, bytes(6))}, order)) + 6)
    data = structure(tags, order)[:size]  # of an odd number without what pads it
    assert len(data) == size
    return data


def with_exif(kind, exif):
    """A file whose upright picture is 30 x 50 at orientation 6; a JPEG's EXIF in as many segments
    as it takes."""
    if kind == "JPEG":
        parts = [exif[start : start + 65000] for start in range(0, len(exif), 65000)]
        return jpeg([(0xE1, b"Exif\0\0" + part) for part in parts], image=picture(30, 50))
    return saved(picture(30, 50), kind, exif=b"Exif\0\0" + exif)


@pytest.mark.parametrize("kind", ["PNG", "WEBP", "AVIF", "JPEG"])
def test_an_exif_that_does_not_fit_leaves_its_orientation(kind, tmp_path):
    long = with_exif(kind, long_exif(70_000))
    _, data, said = compressed(long, tmp_path)
    assert said == "left out: EXIF of 70000 bytes, which does not fit"
    assert strict.exif(data) == {("main", 274): b"\0\6"}
    assert strict.libvips(data)["orientation"] == 6
    _, data, said = compressed(long, tmp_path, strip=True)
    assert Image.open(io.BytesIO(data)).size == (30, 50)
    assert strict.exif(data) == {}
    none = with_exif(kind, long_exif(70_000, 1))
    _, data, _ = compressed(none, tmp_path)
    assert strict.exif(data).get(("main", 274), b"\0\1") == b"\0\1"


@pytest.mark.parametrize("size", [65_520, 65_527])
def test_an_exif_that_fits_is_kept(size, tmp_path):
    """65,527 bytes: a segment's 65,535 without its length and the six bytes "Exif"."""
    exif = long_exif(size)
    for kind in ("PNG", "JPEG"):
        _, data, said = compressed(with_exif(kind, exif), tmp_path)
        assert said == ""
        assert (0xE1, b"Exif\0\0" + exif) in jpeg_segments(data)
    _, data, said = compressed(with_exif("PNG", long_exif(65_528)), tmp_path)
    assert "does not fit" in said


def test_an_exif_that_goes_on_in_a_second_segment_is_whole(tmp_path):
    exif = long_exif(5000)
    parts = [(0xE1, b"Exif\0\0" + part) for part in (exif[:3000], exif[3000:])]
    _, data, said = compressed(jpeg(parts), tmp_path)
    assert said == "" and (0xE1, b"Exif\0\0" + exif) in jpeg_segments(data)
    other = (0xE1, b"Exif\0\0" + long_exif(900, 3))
    _, data, said = compressed(jpeg([*parts, other]), tmp_path)
    assert said == "left out: a second EXIF"
    assert (0xE1, b"Exif\0\0" + exif) in jpeg_segments(data)


@pytest.mark.parametrize("times", [0, 1, 2, 3])
def test_the_header_of_an_exif_is_written_once(times, tmp_path):
    """PNG and WebP have none, JPEG has one, and files of 1.2 and before have two."""
    exif = structure(MAIN, ">", INNER)
    image = png(RGB, chunk(b"eXIf", times * b"Exif\0\0" + exif))
    _, data, _ = compressed(image, tmp_path)
    assert (0xE1, b"Exif\0\0" + exif) in jpeg_segments(data)
    _, data, _ = compressed(jpeg([(0xE1, (times + 1) * b"Exif\0\0" + exif)]), tmp_path)
    assert (0xE1, b"Exif\0\0" + exif) in jpeg_segments(data)


def test_an_orientation_that_is_none_is_set_to_1_and_the_rest_stays(tmp_path):
    exif = structure(MAIN | {274: (3, [77])}, "<", INNER)
    _, data, said = compressed(jpeg([(0xE1, b"Exif\0\0" + exif)]), tmp_path)
    expected = structure(MAIN | {274: (3, [1])}, "<", INNER)
    assert (0xE1, b"Exif\0\0" + expected) in jpeg_segments(data)
    assert said == "EXIF orientation 77 does not exist; set to 1"
