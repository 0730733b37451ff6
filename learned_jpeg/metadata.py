"""What belongs to a picture beside its pixels: EXIF, XMP, the ICC profile, the resolution."""

import io

from learned_jpeg.jpeg_file import add_metadata as embed

from PIL import ExifTags, Image, ImageCms

# The descriptive tags of a TIFF file; the others say how its own pixels are stored.
TIFF_TAGS = (
    ExifTags.Base.ImageDescription,
    ExifTags.Base.Make,
    ExifTags.Base.Model,
    ExifTags.Base.Software,
    ExifTags.Base.DateTime,
    ExifTags.Base.Artist,
    ExifTags.Base.Copyright,
)


def collect(image, notes):
    """`embed`'s items, and notes on what is left out. The image must be loaded."""
    metadata = {
        "exif": _exif(image, notes),
        "xmp": _xmp(image, notes),
        "icc": icc_profile(image, notes),
        "dpi": _dpi(image, notes),
    }
    texts = set(getattr(image, "text", {})) - {"XML:com.adobe.xmp"}
    texts = {name for name in texts if not name.startswith("Raw profile type")}
    texts |= {name for name in ("comment", "photoshop") if image.info.get(name)}
    if texts:
        notes.append(f"texts left out: {', '.join(sorted(texts))}")
    return {name: item for name, item in metadata.items() if item is not None}


def _exif(image, notes):
    try:
        exif = image.getexif()
        if image.format == "TIFF":
            exif = _descriptive(exif)
        raw = image.info.get("exif")
        if not raw:
            # A TIFF's entries are its own; an old PNG has them in a text.
            if (
                not len(exif)
                or image.format != "TIFF"
                and "Raw profile type exif" not in image.info
            ):
                return None
            raw = exif.tobytes()
        orientation = exif.get(ExifTags.Base.Orientation, 1)
        if not len(exif):
            raise ValueError("no entry")
        if orientation not in range(1, 9):
            notes.append(f"EXIF orientation {orientation!r} is none; set to 1")
            exif[ExifTags.Base.Orientation] = 1
            raw = exif.tobytes()
        raw = raw.removeprefix(b"Exif\0\0")
        embed(_EMPTY_JFIF, exif=raw)
    except Exception as error:  # see read_source
        notes.append(f"EXIF left out: {str(error) or type(error).__name__}")
        return None
    return raw


def _descriptive(exif):
    kept = Image.Exif()
    for tag in TIFF_TAGS:
        if tag in exif:
            kept[tag] = exif[tag]
    for ifd in (ExifTags.IFD.Exif, ExifTags.IFD.GPSInfo):
        if entries := exif.get_ifd(ifd):
            kept.get_ifd(ifd).update(entries)
    return kept


def _xmp(image, notes):
    xmp = image.info.get("xmp") or image.info.get("XML:com.adobe.xmp")
    if not xmp:
        return None
    xmp = xmp.encode() if isinstance(xmp, str) else bytes(xmp)
    try:
        embed(_EMPTY_JFIF, xmp=xmp)
    except ValueError as error:
        notes.append(f"XMP left out: {error}")
        return None
    return xmp


def icc_profile(image, notes):
    """The profile of a loaded Pillow image, or None, with a note where it is broken."""
    icc = image.info.get("icc_profile")
    if not icc:
        return None
    try:
        # ICC.1:2022, 7.2: the profile's own size, its colour space and its signature.
        if len(icc) < 128 or icc[36:40] != b"acsp" or int.from_bytes(icc[:4], "big") > len(icc):
            raise ValueError("broken")
        ImageCms.ImageCmsProfile(io.BytesIO(icc))
        embed(_EMPTY_JFIF, icc=icc)
    except (ValueError, OSError, ImageCms.PyCMSError) as error:
        notes.append(f"ICC profile left out: {error}")
        return None
    return icc


def _dpi(image, notes):
    dpi = image.info.get("dpi")
    if dpi is None:
        return None
    try:
        dpi = tuple(float(value) for value in dpi)
        embed(_EMPTY_JFIF, dpi=dpi)
    except (ValueError, TypeError, ArithmeticError) as error:
        notes.append(f"resolution left out: {error}")
        return None
    return dpi


# What `embed` says about an item does not depend on the picture.
_EMPTY_JFIF = bytes.fromhex("ffd8ffe000104a46494600010100000100010000")
