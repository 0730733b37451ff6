"""XMP without the properties of data that are left out."""

import time

from learned_jpeg.pictures import xmp

import pytest

SPACE = 'xmlns:g="http://ns.google.com/photos/1.0/camera/"'


@pytest.mark.parametrize(
    "packet, expected",
    [
        (f'<x {SPACE} g:MotionPhoto="1" a="2"/>', f'<x {SPACE} a="2"/>'),
        (f"<x {SPACE}><g:MotionPhoto>1</g:MotionPhoto><y/></x>", f"<x {SPACE}><y/></x>"),
        (f"<x {SPACE}><g:MotionPhoto a='b' /><y/></x>", f"<x {SPACE}><y/></x>"),
        (f'<x {SPACE} g:Other="1"/>', f'<x {SPACE} g:Other="1"/>'),
        ('<x g="MotionPhoto"/>', '<x g="MotionPhoto"/>'),
    ],
)
def test_properties_are_taken_out_and_the_rest_stays(packet, expected):
    assert xmp.without(packet.encode(), xmp.MOTION) == expected.encode()


def test_what_cannot_be_taken_out_is_an_error():
    odd = b"<x xmlns='http://ns.google.com/photos/1.0/camera/'><MotionPhoto/></x>"
    assert xmp.has_any(odd, xmp.MOTION)
    with pytest.raises(ValueError, match="cannot be removed"):
        xmp.without(odd, xmp.MOTION)


@pytest.mark.parametrize(
    "packet",
    [b"", b"<x", b"\xff\xfe<x/>", b"<!DOCTYPE x><x/>", b"<a>" * 5000, b"<x>&#0;</x>"],
)
def test_what_is_no_xml_is_an_error(packet):
    with pytest.raises(ValueError):
        xmp.has_any(packet, xmp.MOTION)


def test_a_long_packet_takes_no_long_time():
    """Whatever its shape: what searches it must not go over it again and again."""
    packet = (
        f'<x {SPACE} g:MotionPhoto="1">{"<g:MotionPhoto>" * 4000}{"</g:MotionPhoto>" * 4000}</x>'
    )
    start = time.monotonic()
    with pytest.raises(ValueError):
        xmp.without(packet.encode() + b"", xmp.MOTION)
    assert time.monotonic() - start < 2
