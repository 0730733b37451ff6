"""The metadata of a PNG file."""

import struct

from learned_jpeg.pictures import colours, containers
from learned_jpeg.pictures.metadata import (
    EXIF_HEADER,
    PHOTOSHOP_HEADER,
    XMP_HEADER,
    check_profile,
    read_photoshop,
)
from learned_jpeg.runtime.paths import shown


def gather(items, data, space):
    """Puts the metadata of a PNG file (bytes) into `metadata.Items`.

    space: "GRAY" or "RGB".
    """
    chunks = containers.png_chunks(data)
    single = dict(reversed(chunks))  # the first chunk of each type
    for keyword, text in containers.png_texts(chunks):
        if keyword == "XML:com.adobe.xmp" and text is not None:
            items.xmp = items.xmp or text
        elif not _raw_profile(items, keyword, text):
            items.left.append(f'text "{shown(keyword)}"')
    items.exif = single.get(b"eXIf") or items.exif
    if b"pHYs" in single and len(single[b"pHYs"]) == 9:
        items.density = _per_metre(*struct.unpack(">IIB", single[b"pHYs"]))
    if b"acTL" in single:
        items.notes.append("holds several pictures; the first one is taken")
    if b"caBX" in single:
        items.left.append("content credentials (C2PA)")
    known = b"cICP iCCP sRGB gAMA cHRM sBIT eXIf pHYs caBX tEXt zTXt iTXt acTL fcTL fdAT".split()
    for name in dict.fromkeys(name for name, _ in chunks):
        if name not in (*known, *containers.PNG_CORE):
            items.left.append(f"chunk {name.decode('latin-1')}")
    _png_colours(items, single, space)


def _png_colours(items, single, space):
    """PNG 3, 4.3: cICP before iCCP before sRGB before gAMA and cHRM."""
    codes = single.get(b"cICP", b"")
    try:
        if len(codes) == 4:
            items.icc, note = colours.by_codes(*codes[:2])
            items.notes += [note] if note else []
            items.convert = note is not None or space == "GRAY"
        elif b"iCCP" in single:
            items.icc = containers.unpacked(single[b"iCCP"].partition(b"\0")[2][1:])
            if items.icc is None:
                raise ValueError("it cannot be unpacked")
            check_profile(items)
        elif b"sRGB" not in single and items.icc is None:
            gamma = numbers = None
            if len(single.get(b"gAMA", b"")) == 4:
                gamma = int.from_bytes(single[b"gAMA"], "big") / 1e5 or None
            if len(single.get(b"cHRM", b"")) == 32:
                values = [value / 1e5 for value in struct.unpack(">8I", single[b"cHRM"])]
                white, *rest = zip(values[::2], values[1::2], strict=True)
                numbers = (*rest, white)
            items.icc = colours.by_numbers(gamma, numbers)
            # For other gammas the 256 levels of a JPEG file are too few.
            usual = gamma is None or 1 / 2.7 < gamma < 1 / 1.7
            items.convert = not usual or space == "GRAY"
    except ValueError as error:
        items.icc = None
        items.left.append(f"colour space ({error})")


def _raw_profile(items, keyword, text):
    """Reads a profile that ImageMagick or exiftool has put into a text; False for other texts."""
    kind = keyword.removeprefix("Raw profile type ").lower()
    if kind == keyword.lower() or text is None:
        return False
    try:
        data = bytes.fromhex("".join(text.decode("ascii").split()[2:]))
    except ValueError:
        return False
    if kind in ("exif", "app1") and data.startswith(EXIF_HEADER):
        items.exif = items.exif or data
    elif kind in ("xmp", "app1"):
        items.xmp = items.xmp or data.removeprefix(XMP_HEADER)
    elif kind in ("icc", "icm"):
        items.icc = data
        check_profile(items)
    elif kind in ("iptc", "8bim"):
        read_photoshop(items, data.removeprefix(PHOTOSHOP_HEADER))
    else:
        return False
    return True


def _per_metre(x, y, unit):
    if unit != 1:
        return 0, x, y
    inches = [value * 0.0254 for value in (x, y)]
    if x % 100 == y % 100 == 0 and any(abs(value - round(value)) > 0.02 for value in inches):
        return 2, x // 100, y // 100
    return 1, *inches
