"""The metadata of a JPEG file as others read it: by strict rules here, and by other programs."""

import json
import shutil
import struct
import subprocess

import pyvips
from makers import jpeg_segments

_SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 7: 1, 9: 4, 10: 8}
_DIRECTORIES = {0x8769: "Exif", 0x8825: "GPS", 0xA005: "Interop"}
EXIFTOOL = shutil.which("exiftool")


def exif(data):
    """{(directory, tag): bytes of the value, as stored} of a JPEG file's EXIF, or {}.

    Asserts the rules of Exif 2.32 and TIFF 6.0.
    """
    (found,) = [p for m, p in jpeg_segments(data) if m == 0xE1 and p[:4] == b"Exif"] or [None]
    if found is None:
        return {}
    assert found[:6] == b"Exif\0\0"
    body = found[6:]
    order = {b"II*\0": "<", b"MM\0*": ">"}[body[:4]]
    tags, places = {}, set()

    def read(name, place):
        assert place % 2 == 0 and place not in places
        places.add(place)
        (count,) = struct.unpack_from(order + "H", body, place)
        assert count > 0
        before = -1
        for row in range(place + 2, place + 2 + 12 * count, 12):
            tag, kind, number, inside = struct.unpack_from(order + "HHI4s", body, row)
            assert tag > before  # ascending, each once
            before = tag
            size = _SIZES[kind] * number
            if size > 4:
                (where,) = struct.unpack(order + "I", inside)
                assert where % 2 == 0 and 8 <= where and where + size <= len(body)
                inside = body[where : where + size]
            value = inside[:size]
            assert kind != 2 or value.endswith(b"\0")
            if tag in _DIRECTORIES:
                assert (kind, number) == (4, 1)
                read(_DIRECTORIES[tag], *struct.unpack(order + "I", value))
            else:
                tags[name, tag] = value
        (following,) = struct.unpack_from(order + "I", body, place + 2 + 12 * count)
        if name == "main" and following:
            read("thumbnail", following)

    read("main", *struct.unpack_from(order + "I", body, 4))
    return tags


def exiftool(data, tmp_path):
    """{group:tag: value} of what exiftool finds, without its warnings' allowed; None without it."""
    if EXIFTOOL is None:
        return None
    (tmp_path / "read.jpg").write_bytes(data)
    line = [EXIFTOOL, "-json", "-a", "-n", "-G1", tmp_path / "read.jpg"]
    done = subprocess.run(line, capture_output=True, check=True)
    return json.loads(done.stdout)[0]


def libvips(data):
    """{name: value} of the metadata that libvips finds."""
    image = pyvips.Image.jpegload_buffer(data)
    return {name: image.get(name) for name in image.get_fields()}


def photoshop(data):
    """{number: content} of Photoshop's resources in a JPEG file."""
    found = {}
    for marker, payload in jpeg_segments(data):
        if marker == 0xED:
            assert payload.startswith(b"Photoshop 3.0\0")
            place = 14
            while place < len(payload):
                kind, number, name, size = struct.unpack_from(">4sHHI", payload, place)
                assert (kind, name) == (b"8BIM", 0) and number not in found
                found[number] = payload[place + 12 : place + 12 + size]
                assert len(found[number]) == size
                place += 12 + size + size % 2
            assert place == len(payload)
    return found


def icc(data):
    """The ICC profile of a JPEG file, or b""."""
    parts = [p[12:] for m, p in jpeg_segments(data) if m == 0xE2 and p[:12] == b"ICC_PROFILE\0"]
    assert [part[0] for part in parts] == list(range(1, len(parts) + 1))
    assert {part[1] for part in parts} <= {len(parts)}
    profile = b"".join(part[2:] for part in parts)
    assert len(profile) == int.from_bytes(profile[:4], "big")
    return profile
