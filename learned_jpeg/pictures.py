"""The one reader of pictures, for training, evaluation and compression."""

import contextlib
import io
import warnings
from dataclasses import dataclass
from typing import Any

from learned_jpeg import metadata, paths
from learned_jpeg.errors import UserError
from learned_jpeg.jpeg_file import MAX_SIDE
from learned_jpeg.paths import shown

import numpy as np
from PIL import Image, ImageCms, ImageOps

WHITE = (255, 255, 255)

# Pillow hands an EPS to Ghostscript, a program in a file that may never end.
EXCLUDED_FORMATS = {"EPS"}


def find(patterns, option):
    """The files that a glob, a folder or @LIST names, or several of them: sorted [Path].

    Raises UserError, naming the option, where one of them finds nothing.
    """
    patterns = [patterns] if isinstance(patterns, str) else patterns
    return sorted({path for pattern in patterns for path in paths.expand(pattern, option)[1]})


def size(path):
    """(width, height) of a picture, from its header. Raises UserError, naming the file."""
    with _reading(path), _open(path) as image:
        return image.size


def read(path, background=WHITE):
    """Reads one still image as RGB uint8 [height, width, 3].

    Transparency is laid over `background` (RGB, 0 to 255). Raises UserError, naming the file.
    """
    pixels = read_source(path, background).pixels
    return np.repeat(pixels, 3, axis=-1) if pixels.shape[-1] == 1 else pixels


@contextlib.contextmanager
def _reading(path):
    try:
        yield
    except UserError:
        raise
    # Whatever a parser of forty formats stumbles over in a broken file.
    except Exception as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise UserError(f"{shown(path)}: cannot be read as an image ({reason})") from error


@dataclass
class Source:
    """What a file holds: pixels uint8 [H, W, 3] or gray [H, W, 1], and `add_metadata`'s items."""

    pixels: np.ndarray
    metadata: dict[str, Any]
    warnings: list[str]


def read_source(path, background=None, strip=False):
    """Reads one still image of any kind that Pillow knows.

    background: RGB under transparent pixels; None is white, with a warning. strip: leave the
    metadata out; an EXIF orientation is then carried out on the pixels.

    Returns Source. Raises UserError, naming the file and the reason.
    """
    notes = []
    with _reading(path):
        image = _load(path, notes)
        items = {} if strip else metadata.collect(image, notes)
        if strip or (image.info.get("exif") and "exif" not in items):
            # Nothing will tell a viewer to turn the picture.
            image = ImageOps.exif_transpose(image)
        pixels = _pixels(image, background, items, notes)
    return Source(pixels, items, notes)


def _open(path):
    Image.init()
    return Image.open(path, formats=[name for name in Image.ID if name not in EXCLUDED_FORMATS])


def _load(path, notes):
    with _open(path) as image:
        if max(image.size) > MAX_SIDE:
            raise UserError(
                f"{shown(path)}: {image.width}x{image.height} pixels; a JPEG file holds at most "
                f"{MAX_SIDE} a side"
            )
        if getattr(image, "is_animated", False):
            notes.append("holds several pictures; the first one is taken")
        # Where Pillow has no mode for them, it reduces deeper samples while it decodes.
        if image.mode[0] in "IF" or any(";16" in str(tile) for tile in image.tile):
            notes.append("more than 8 bits a sample; reduced to 8")
        image.load()
        return image


def _pixels(image, background, items, notes):
    """uint8 [H, W, 3 or 1]; drops a profile of other channels from the metadata."""
    gray = image.mode in ("1", "L", "LA", "La") or image.mode[0] in "IF"
    if image.mode in ("CMYK", "LAB"):
        image = _to_srgb(image, items, notes)
    if image.has_transparency_data and background is None:
        if image.mode not in ("RGBA", "LA") or image.getchannel("A").getextrema()[0] < 255:
            notes.append("transparent parts are laid on white (--background chooses)")
    pixels = _to_rgb(image, background or WHITE)
    if gray and len(set(background or WHITE)) == 1:
        pixels = pixels[..., :1].copy()
    icc = items.get("icc")
    space = {1: b"GRAY", 3: b"RGB "}[pixels.shape[-1]]
    if icc is not None and icc[16:20] != space:
        notes.append(f"ICC profile left out: it is for {icc[16:20].decode('latin-1').strip()!r}")
        del items["icc"]
    return pixels


def _to_srgb(image, items, notes):
    """CMYK or L*a*b* to sRGB by the file's own profile where it has a usable one."""
    icc = items.pop("icc", None) or metadata.icc_profile(image, [])
    notes.append(f"{image.mode} converted to sRGB")
    srgb = ImageCms.createProfile("sRGB")
    try:
        if image.mode == "LAB":
            profile = ImageCms.createProfile("LAB")
        elif icc is not None and icc[16:20] == b"CMYK":
            profile = ImageCms.ImageCmsProfile(io.BytesIO(icc))
        else:
            return image.convert("RGB")
        return ImageCms.profileToProfile(image, profile, srgb, outputMode="RGB")
    except ImageCms.PyCMSError as error:
        notes.append(f"ICC profile not applied: {error}")
        return image.convert("RGB")


def _to_rgb(image, background):
    """A loaded Pillow image as RGB uint8 [height, width, 3]; see `read`."""
    if image.mode.startswith("I") or image.mode == "F":
        # Pillow clips 16-bit gray to 8 bit where it should scale it.
        samples = np.asarray(image, np.float64)
        if image.mode != "F":
            samples = samples / 257.0
        gray = np.clip(np.round(samples), 0, 255).astype(np.uint8)
        return np.repeat(gray[..., None], 3, axis=-1)
    if image.has_transparency_data:
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, (*background, 255)), image)
    return np.array(image.convert("RGB"))


@contextlib.contextmanager
def limit(megapixels):
    """Pillow's guard against a picture that is small only as a file, at our limit."""
    before = Image.MAX_IMAGE_PIXELS
    Image.MAX_IMAGE_PIXELS = int(megapixels * 1e6 / 2)  # Pillow refuses twice this
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what matters among Pillow's warnings is in a report
        try:
            yield
        finally:
            Image.MAX_IMAGE_PIXELS = before
