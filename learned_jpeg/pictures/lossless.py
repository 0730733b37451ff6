"""Rewrites JPEG files without loss: the same coefficients in scans of fewer bytes."""

import io
import struct

from learned_jpeg.jpeg.jpeg_file import APP14
from learned_jpeg.pictures import containers, damage, exif, gain_maps, mpf
from learned_jpeg.pictures.damage import END_MARKER
from learned_jpeg.pictures.metadata import (
    APP0,
    APP1,
    APP2,
    COM,
    EXIF_HEADER,
    ICC_HEADER,
)
from learned_jpeg.runtime.errors import UserError
from learned_jpeg.runtime.lazy import lazy_import

import numpy as np
from PIL import Image

coefficients = lazy_import("learned_jpeg.jpeg.coefficients")
rescan = lazy_import("learned_jpeg.jpeg.rescan")

_JFIF_HEADER, _JFIF_SIZE = b"JFIF\0", 14  # without a thumbnail, JFIF, 10.1


def transcode(data, strip=False):
    """(the bytes of a JPEG file that shows the same pixels, lines for the user).

    Metadata and the bytes behind the picture stay byte by byte; the offsets of further pictures
    in MPF are adapted. strip: keep only the metadata that decides how the picture is shown: JFIF,
    Adobe's marker, the ICC profile and an orientation. The scans stay as they are where no
    smaller scans are found, or where the last bits of a progressive file were never sent:
    decoders smooth such a picture. Arithmetic codes become Huffman codes, which may take more
    bytes.

    Raises UserError: not a JPEG file, one of another kind, or a broken one.
    """
    if containers.kind(data[:64]) != "JPEG":
        raise UserError("not a JPEG file; only JPEG files can be rewritten without loss")
    parts, notes = containers.jpeg_parts(data), []
    try:
        frame = coefficients.read(parts.core)
        if not parts.ended and (frame.arithmetic or not frame.complete):
            raise ValueError("it ends too early")  # arithmetic data may end anywhere
    except ValueError as error:
        raise UserError(f"cannot be rewritten without loss ({error})") from error
    if text := damage.of_file(data):
        notes.append(f"damaged: {text}")
    segments = [part for part in parts.segments if 0xE0 <= part[0] <= 0xEF or part[0] == COM]
    segments = _needed(segments) if strip else segments
    same = data if parts.ended else data + END_MARKER
    if strip:
        same = _with_scans(parts, segments)
        if gain_maps.split(parts.trailer)[0] is not None:
            notes.append("the HDR gain map is left out: --strip leaves out all")
    if not frame.complete:
        notes.append("a progressive file whose last bits were never sent: its scans are kept")
        return same, notes
    picture = rescan.write(frame)
    trailer = b"" if strip else parts.trailer
    anew = b"\xff\xd8" + _written(segments, data, len(picture), trailer, notes) + picture + trailer
    if frame.arithmetic:
        notes.append("arithmetic coding, which few programs read, became Huffman coding")
    elif len(anew) >= len(same):
        return same, notes
    core = parts.core if parts.ended else parts.core + END_MARKER
    if not _same_pixels(core, containers.jpeg_parts(anew).core):
        notes.append("its scans are kept, since a decoder would show new scans differently")
        return same, notes
    return anew, notes


def _segment(marker, payload):
    return struct.pack(">BBH", 0xFF, marker, len(payload) + 2) + payload


def _needed(segments):
    """The segments that decide how a picture is shown."""
    kept = []
    for marker, payload in segments:
        if marker == APP0 and payload.startswith(_JFIF_HEADER):
            kept.append((marker, payload[: _JFIF_SIZE - 2] + b"\0\0"))  # no thumbnail
        elif marker == APP14 or marker == APP2 and payload.startswith(ICC_HEADER):
            kept.append((marker, payload))
        elif marker == APP1 and payload.startswith(EXIF_HEADER):
            try:
                turn = exif.orientation(payload[len(EXIF_HEADER) :]) or 1
            except ValueError:
                continue
            if 2 <= turn <= 8:
                kept.append((marker, EXIF_HEADER + exif.minimal(turn)))
    return kept


def _with_scans(parts, segments):
    """The file with its own tables and scans, and segments in place of its own."""
    core, start = parts.core, 2
    if core[2:4] == bytes([0xFF, APP0]):
        start = 4 + int.from_bytes(core[4:6], "big")
    more = [part for part in segments if part[0] not in (APP0, APP14)]  # which the core has
    written = b"".join(_segment(*part) for part in more)
    return core[:start] + written + core[start:] + (b"" if parts.ended else END_MARKER)


def _written(segments, data, size, trailer, notes):
    """The segments of a file whose picture, without them and SOI, takes `size` bytes."""
    end = 2 + sum(4 + len(payload) for _, payload in segments) + size
    written = b"\xff\xd8"
    for marker, payload in segments:
        if trailer and marker == APP2 and payload.startswith(mpf.HEADER):
            start = data.index(payload) + len(mpf.HEADER)
            new_start = len(written) + 4 + len(mpf.HEADER)
            try:
                payload = mpf.moved(payload, start, new_start, len(data) - len(trailer), end)
            except ValueError as error:
                notes.append(f"index of further pictures (MPF) is broken: {error}")
        written += _segment(marker, payload)
    return written[2:]


def _same_pixels(before, after):
    """Whether Pillow, an independent decoder, shows the same; True if it cannot read `before`."""
    shown = []
    for one in (before, after):
        try:
            with Image.open(io.BytesIO(one), formats=["JPEG"]) as image:
                shown.append(np.asarray(image))
        except (OSError, Image.DecompressionBombError):
            return not shown
    return np.array_equal(*shown)
