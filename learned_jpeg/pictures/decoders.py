"""From a file's bytes to its samples, by the library that reads the file's kind correctly.

libvips reads TIFF and PNG of 16 bits: it keeps all bits, and knows planes, negatives and palettes
of every make. Pillow reads the other kinds. Only kinds that are listed here are opened: Pillow
would pass an EPS file, which is a program that may never end, to Ghostscript.
"""

import contextlib
import math
from dataclasses import dataclass, field

from learned_jpeg.jpeg.jpeg_file import MAX_SIDE
from learned_jpeg.pictures import colours, containers, libvips
from learned_jpeg.pictures.damage import END_MARKER, of_jpeg, of_samples
from learned_jpeg.runtime.errors import UserError

import numpy as np
from PIL import Image, ImageCms

# The kinds that Pillow may open, beside PNG, JPEG and AVIF, which are known by their first bytes.
PILLOW = ["BMP", "DIB", "GIF", "ICO", "JPEG2000", "PCX", "PPM", "PSD", "QOI", "SGI", "TGA", "WEBP"]
UNREAD = ("HEIC", "JPEG XL", "CR2", "PostScript", "PDF")

# Photometric interpretations of TIFF: the samples of a pixel, and names.
COLOURS = {0: 1, 1: 1, 2: 3, 3: 3, 5: 4, 6: 3, 8: 3}
RGB, SEPARATED, YCBCR, CIELAB, CFA, LINEAR_RAW = 2, 5, 6, 8, 32803, 34892
CMYK = 1  # a value of InkSet
JPEG_COMPRESSIONS = 6, 7  # libtiff's decoders turn their YCbCr into RGB
TURNED = 5  # the first of the orientations that exchange width and height


@dataclass
class Decoded:
    """A picture as it is stored.

    samples: uint8 or uint16 [H, W, C]; kind: of the file; space: "GRAY", "RGB" or "CMYK" (0 is no
    ink); alpha: whether the last channel is alpha, not premultiplied; image: Pillow's image, with
    its info, where Pillow has read the file; tags: the TIFF tags of the picture; first: the TIFF
    tags of the file's first directory; offset: of the picture's directory; notes: lines for the
    user; damage: the damage of the samples, in words, or None.
    """

    samples: np.ndarray
    kind: str
    space: str
    alpha: bool = False
    image: Image.Image | None = None
    tags: dict = field(default_factory=dict)
    first: dict = field(default_factory=dict)
    offset: int = 0
    notes: list = field(default_factory=list)
    damage: str | None = None


def dimensions(file):
    """(width, height) of the picture in an open file, as `decode` gives it.

    Only the header is read, unless it is broken. Raises UserError for a kind that cannot be read.
    """
    head = file.read(64)
    kind = _known(head)
    if kind == "PNG" and len(head) >= 24:
        return int.from_bytes(head[16:20], "big"), int.from_bytes(head[20:24], "big")
    if kind == "TIFF":
        directory = _main_directory(containers.tiff_directories(file))[0]
        size = directory.get(256), directory.get(257)
        return size[::-1] if directory.get(274, 1) >= TURNED else size
    try:
        with _opened(file, kind) as image:
            return image.size
    except Exception:
        if kind != "JPEG":
            raise
        file.seek(0)  # only the metadata may be broken
        core = containers.jpeg_parts(file.read(), True).core
        with _opened(containers.as_file(core), kind) as image:
            return image.size


def check_size(width, height):
    """Raises ValueError for a picture that no JPEG file can hold, or above the limit."""
    if not all(isinstance(side, int) and side > 0 for side in (width, height)):
        raise ValueError("no width and height in its header")
    if max(width, height) > MAX_SIDE:
        raise ValueError(f"{width}x{height} pixels; a JPEG file holds at most {MAX_SIDE} a side")
    most = 2 * (Image.MAX_IMAGE_PIXELS or math.inf)  # Pillow's rule; None is no limit
    if width * height > most:
        raise ValueError(f"{width}x{height} pixels are above --max_megapixels, {most / 1e6:g}")


def decode(data):
    """The Decoded of a file's bytes. Raises UserError, or any error of a decoder."""
    kind = _known(data[:64])
    if kind == "TIFF":
        return _decode_tiff(data)
    if kind == "PNG":
        core = containers.png_core(data)
        if core[24:25] == b"\x10":
            return _decode_png16(core)
        if core[25:26] == b"\3" and b"PLTE" not in dict(containers.png_chunks(core)):
            raise ValueError("its palette is missing")
        data = core
    elif kind == "JPEG":
        parts = containers.jpeg_parts(data, True)
        data = parts.core
        if not parts.ended:
            with _opened(containers.as_file(data), kind):  # checks its size
                # With an end marker a file decodes without a warning, if only that is missing.
                data += END_MARKER * (of_jpeg(data + END_MARKER) is None)
    with _opened(containers.as_file(data), kind) as image:
        if image.format == "PPM" and image.mode == "RGB" and image.tile[0].codec_name == "ppm":
            return _decode_ppm16(image, data)
        return _from_pillow(image, kind, data)


def _known(head):
    if not head:
        raise UserError("the file is empty")
    kind = containers.kind(head)
    if kind in UNREAD:
        raise UserError(f"{kind} cannot be read; convert it to PNG or TIFF")
    return kind


@contextlib.contextmanager
def _opened(file, kind):
    file.seek(0)
    with Image.open(file, formats=[kind] if kind else PILLOW) as image:
        check_size(*image.size)
        yield image


def _from_pillow(image, kind, data):
    decoded = Decoded(None, kind or image.format, "RGB", image=image)
    if getattr(image, "is_animated", False) and image.format != "PSD":  # whose frames are layers
        decoded.notes.append("holds several pictures; the first one is taken")
    # Pillow reduces deeper samples while it decodes, where it has no mode for them.
    if image.mode[0] not in "IF" and containers.bits(image, data) > 8:
        decoded.notes.append("more than 8 bits a sample; reduced to 8")
    image.load()
    gray = image.mode in ("1", "L", "LA", "La") or image.mode[0] in "IF"
    if image.mode[0] in "IF":
        convert = _from_float if image.mode == "F" else _from_integers
        decoded.samples = convert(np.asarray(image))
    elif image.mode == "CMYK":
        decoded.samples, decoded.space = np.asarray(image), "CMYK"
        return decoded
    elif image.has_transparency_data:
        decoded.samples = np.asarray(image.convert("LA" if gray else "RGBA"))
        decoded.alpha = True
    else:
        decoded.samples = np.asarray(image.convert("L" if gray else "RGB"))
    decoded.samples = np.atleast_3d(decoded.samples)
    decoded.space = "GRAY" if gray else "RGB"
    return decoded


def _decode_ppm16(image, data):
    """A binary PPM of more than 255 levels, which Pillow would reduce to 8 bits."""
    (width, height), (_, levels), start = image.size, image.tile[0].args, image.tile[0].offset
    deep = ">u2" if levels > 255 else "u1"
    samples = np.frombuffer(data, deep, 3 * width * height, start).reshape(height, width, 3)
    samples = np.round(np.minimum(samples, levels) * np.float32(0xFFFF / levels))
    return Decoded(samples.astype(np.uint16), "PPM", "RGB", image=image)


def _from_integers(samples):
    """uint16 samples of Pillow's modes of 16 and 32 bits."""
    if samples.min() < 0 or samples.max() > 0xFFFF:
        raise ValueError("samples of more than 16 bits; convert the picture to 8 or 16 bits")
    return samples.astype(np.uint16)


def _from_float(samples):
    low, high = float(np.min(samples)), float(np.max(samples))
    if not 0 <= low <= high <= 1:
        raise ValueError(
            f"floating point samples from {low:g} to {high:g}; only 0 to 1 can be read: convert "
            "the picture to 8 or 16 bits"
        )
    return np.round(samples * np.float32(0xFFFF)).astype(np.uint16)


def _decode_png16(core):
    with libvips.alone() as vips:
        image = vips.Image.pngload_buffer(core, fail_on="error")
        check_size(image.width, image.height)
        samples = np.atleast_3d(image.numpy())
    bands = samples.shape[-1]
    return Decoded(samples, "PNG", "RGB" if bands > 2 else "GRAY", alpha=bands in (2, 4))


def _main_directory(directories):
    """(Directory of the picture itself, not of a preview before it; notes)."""
    full = [each for each in directories if not (each.get(254, 0) & 1 or each.get(255) == 2)]
    if not full:
        raise ValueError("it holds only reduced pictures")
    pages, notes = [each for each in full if each.subifd is None], []
    main = (pages or full)[0]
    if main.get(262) in (CFA, LINEAR_RAW):
        raise ValueError("the raw data of a camera; develop it to TIFF or PNG")
    if len(pages) > 1:
        notes.append("holds several pictures; the first one is taken")
    return main, notes


def _decode_tiff(data):
    directories = containers.tiff_directories(containers.as_file(data))
    directory, notes = _main_directory(directories)
    check_size(directory.get(256), directory.get(257))
    which = {"tags": directory.tags, "first": directories[0].tags, "offset": directory.offset}
    decoded = Decoded(None, "TIFF", "RGB", notes=notes, **which)
    photometric = directory.get(262)
    channels = COLOURS.get(photometric)
    if channels is None:
        raise ValueError(f"TIFF of the colours {photometric!r}; convert it to RGB")
    if photometric == SEPARATED and directory.get(332, CMYK) != CMYK:
        raise ValueError("TIFF of inks that are not CMYK; convert it to RGB")
    is_lab = photometric == CIELAB and directory.get(258) == 8
    if is_lab:  # which libvips would take for LAB of its own kind
        data = containers.tiff_with(data, directory.offset, 262, RGB)
    samples = _tiff_samples(data, directory, decoded)
    if samples.shape[-1] < channels:
        raise ValueError(f"TIFF of {samples.shape[-1]} channels; convert it to RGB")
    extra = directory.get(338, 0) if samples.shape[-1] > channels else 0
    decoded.alpha = extra in (1, 2)  # libvips divides premultiplied colours, 1, by alpha
    kept = channels + decoded.alpha
    if samples.shape[-1] > kept:
        notes.append(f"{samples.shape[-1] - kept} channels beside the colours left out")
        samples = samples[..., :kept]
    if samples.dtype.kind == "f":
        samples = _from_float(samples)
    elif samples.dtype not in (np.uint8, np.uint16):
        raise ValueError(f"samples of {samples.dtype}; convert the picture to 8 or 16 bits")
    if photometric == YCBCR and directory.get(259) not in JPEG_COMPRESSIONS:
        samples = _from_ycbcr(samples, directory)
    if is_lab:
        samples = np.concatenate([_from_lab(samples[..., :3]), samples[..., 3:]], axis=-1)
        notes.append("LAB converted to sRGB")
    decoded.samples = turned(samples, directory.get(274, 1))
    decoded.space = {1: "GRAY", 4: "CMYK"}.get(channels, "RGB")
    return decoded


def _tiff_samples(data, directory, decoded):
    """The samples that libvips reads, [H, W, C] of any type; notes and damage go to `decoded`."""
    options = {} if directory.subifd is None else {"subifd": directory.subifd}
    with libvips.alone() as vips:
        image = vips.Image.tiffload_buffer(data, page=directory.page, fail_on="error", **options)
        check_size(image.width, image.height)
        if image.interpretation == "labs":
            image = image.colourspace("rgb16")
            decoded.notes.append("LAB converted to sRGB")
        samples = np.atleast_3d(image.numpy())
        decoded.damage = of_samples(libvips.noted())
        return samples


def _from_ycbcr(samples, directory):
    """RGB of samples that libtiff leaves as YCbCr."""
    # The default of TIFF 6.0, section 21, and libtiff's for section 20.
    if directory.tags.get(530, (2, 2)) != (1, 1):
        raise ValueError("TIFF of YCbCr with fewer samples of chroma; convert it to RGB")
    top = np.iinfo(samples.dtype).max
    middle = (top + 1) // 2
    luma = directory.tags.get(529, (0.299, 0.587, 0.114))
    reference = directory.tags.get(532, (0, top, middle, top, middle, top))
    rgb = colours.from_ycbcr(samples[..., :3], luma, reference)
    return np.concatenate([rgb, samples[..., 3:]], axis=-1)


def _from_lab(samples):
    """sRGB of TIFF's LAB, uint8 [H, W, 3] whose a and b have a sign."""
    image = Image.fromarray(np.ascontiguousarray(samples), "LAB")
    profiles = ImageCms.createProfile("LAB"), ImageCms.createProfile("sRGB")
    return np.asarray(ImageCms.profileToProfile(image, *profiles, outputMode="RGB"))


def turned(samples, orientation):
    """[H, W, C] turned upright by an EXIF orientation, 1 to 8; other numbers change nothing."""
    if orientation in (5, 7):
        samples = samples.swapaxes(0, 1)
        return samples if orientation == 5 else samples[::-1, ::-1]
    return {
        2: lambda x: x[:, ::-1],
        3: lambda x: x[::-1, ::-1],
        4: lambda x: x[::-1],
        6: lambda x: np.rot90(x, -1),
        8: lambda x: np.rot90(x),
    }.get(orientation, lambda x: x)(samples)
