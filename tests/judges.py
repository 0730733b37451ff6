"""The reports of other programs on damage in a picture's file: in words, or None."""

import contextlib
import io
import logging
import os
import re
import shutil
import subprocess
import warnings

import pyvips
from PIL import Image

DJPEG = shutil.which("djpeg")
# Reports on strange headers of whole pictures.
_STRANGE = re.compile("JFIF revision|Adobe color transform")
# Pillow's errors for data that are cut, or that a decoder cannot decode.
_BROKEN = re.compile("truncated|broken|decoder error|corrupt|not enough data|unrecognized data")
_OF_SAMPLES = re.compile("JPEG data|error at|ecoding error|incorrect data|enough|Bad code|remature")
_notes = []
pyvips.cache_set_max(0)


def djpeg(data):
    """The report of libjpeg's own program on a JPEG file; None where it is not installed."""
    if DJPEG is None or not data.startswith(b"\xff\xd8\xff"):
        return None
    line = [DJPEG, "-scale", "1/8", "-grayscale"]
    done = subprocess.run(line, input=data, capture_output=True, timeout=60)
    said = done.stderr.decode(errors="replace").strip()
    if "color conversion" in said:  # of inks
        done = subprocess.run(line[:3], input=data, capture_output=True, timeout=60)
        said = done.stderr.decode(errors="replace").strip()
    return None if _STRANGE.search(said) else said or None


def libvips(data):
    """The report of libvips, with its strictest settings."""
    said = _said_by_libvips(data, "warning")
    if said is None or _STRANGE.search(said):
        return None
    if kind(data) == "TIFF" and not _OF_SAMPLES.search(said):  # libtiff warns of tags
        return _said_by_libvips(data, "error")
    return said


def _said_by_libvips(data, level):
    _notes.clear()
    try:
        with _silent():
            pyvips.Image.new_from_buffer(_samples(data), "", fail_on=level).write_to_memory()
    except pyvips.Error as error:
        lines = dict.fromkeys([*_notes, *error.detail.splitlines(), error.message])
        return "; ".join(line for line in lines if "bad seek" not in line)
    finally:
        pyvips.vips_lib.vips_error_clear()
    return None


class _Notes(logging.Handler):
    def emit(self, record):
        _notes.append(record.getMessage())


def pillow(data):
    """Pillow's error while it decodes; a file that it does not open is of another kind."""
    with warnings.catch_warnings(), _silent():
        warnings.simplefilter("ignore")
        with contextlib.suppress(Exception), Image.open(io.BytesIO(_samples(data))) as image:
            try:
                image.load()
            except OSError as error:
                return str(error) if _BROKEN.search(str(error)) else None
    return None


@contextlib.contextmanager
def _silent():
    """A context that hides the messages that libtiff and GLib print."""
    before, nothing = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nothing, 2)
    try:
        yield
    finally:
        os.dup2(before, 2)
        os.close(before)
        os.close(nothing)


def _samples(data):
    """A PNG without texts and similar chunks, whose checksums do not concern the picture."""
    if not data.startswith(b"\x89PNG\r\n\x1a\n"):
        return data
    parts, place = [data[:8]], 8
    while place + 8 <= len(data):
        end = place + 12 + int.from_bytes(data[place : place + 4], "big")
        if not data[place + 4] & 0x20 or data[place + 4 : place + 8] == b"tRNS":
            parts.append(data[place:end])
        place = end
    return b"".join(parts)


logging.getLogger("pyvips").addHandler(_Notes(logging.WARNING))

ALL = {"djpeg": djpeg, "libvips": libvips, "Pillow": pillow}


def kind(data):
    """The name of a format by the first bytes of a file, for a table."""
    if data[4:8] == b"ftyp":
        return "AVIF"
    for name, start in _KINDS:
        if re.match(start, data, re.DOTALL):
            return name
    return "other"


_KINDS = (
    ("PNG", rb"\x89PNG"),
    ("JPEG", rb"\xff\xd8\xff"),
    ("TIFF", rb"II[*+]|MM\0[*+]"),
    ("WEBP", rb"RIFF....WEBP"),
    ("GIF", rb"GIF8"),
    ("BMP", rb"BM"),
    ("PNM", rb"P[1-7fF]"),
    ("QOI", rb"qoif"),
    ("JPEG 2000", rb"\0\0\0\x0cjP  |\xffO\xffQ"),
    ("PSD", rb"8BPS"),
    ("SGI", rb"\x01\xda"),
    ("PCX", rb"\x0a[\0-\x05]\x01"),
    ("ICO", rb"\0\0\x01\0"),
)
