"""The one reader of pictures, for training, evaluation and compression."""

import contextlib
import io
import warnings
from dataclasses import dataclass
from pathlib import Path

from learned_jpeg.pictures import colours, decoders, metadata
from learned_jpeg.pictures.collect import collect
from learned_jpeg.pictures.colours import BAND
from learned_jpeg.pictures.damage import of_file as damage_of
from learned_jpeg.runtime import paths
from learned_jpeg.runtime.errors import UserError
from learned_jpeg.runtime.paths import shown

import numpy as np
from PIL import Image, UnidentifiedImageError

WHITE = (255, 255, 255)
DEFAULT_MEGAPIXELS = 200.0


@dataclass
class Source:
    """The content of a file.

    pixels: uint8 or uint16 [H, W, 3] or gray [H, W, 1]; warnings: lines for every user; details:
    further lines, for --verbose; bytes_in: the bytes of the file; jpeg: the file itself where it
    is a JPEG, or None; converted: whether `strip` or `srgb` turned the picture or converted its
    colours.
    """

    pixels: np.ndarray
    metadata: metadata.Items
    warnings: list[str]
    details: list[str]
    bytes_in: int
    jpeg: bytes | None = None
    converted: bool = False


def find(patterns, option):
    """The files that one or several globs, folders or @LISTs name: sorted [Path].

    Raises UserError, naming the option, where one of the patterns names no file.
    """
    patterns = [patterns] if isinstance(patterns, str) else patterns
    return sorted({path for pattern in patterns for path in paths.expand(pattern, option)[1]})


@contextlib.contextmanager
def limit(megapixels=DEFAULT_MEGAPIXELS):
    """Refuses larger pictures, in all threads, within the context; Pillow's warnings are hidden."""
    before = Image.MAX_IMAGE_PIXELS
    # Pillow's guard against a picture that is small only as a file: it refuses twice this.
    Image.MAX_IMAGE_PIXELS = int(megapixels * 1e6 / 2)
    try:
        with warnings.catch_warnings():
            # `Source.warnings` has those of Pillow's warnings that matter.
            warnings.filterwarnings("ignore", module=r"PIL\.")
            yield
    finally:
        Image.MAX_IMAGE_PIXELS = before


def size(path, data=None):
    """(width, height) of a picture, from its header. Raises UserError, naming the file.

    data: the file's bytes, where they are known already.
    """
    with naming(path), open(path, "rb") if data is None else io.BytesIO(data) as file:
        width, height = decoders.dimensions(file)
        decoders.check_size(width, height)
        return width, height


def read(path, background=WHITE):
    """Reads one still image as RGB uint8 [height, width, 3].

    16-bit samples are rounded to 8 bit, gray and palettes become RGB, transparency is laid over
    `background` (RGB, 0 to 255), CMYK is converted. Of an animation, the first frame is taken.
    Raises UserError, naming the file.
    """
    with naming(path):
        decoded, items = _decode(Path(path).read_bytes())
        pixels = _pixels(decoded, background, items)
    if pixels.dtype == np.uint16:
        pixels = _to_8_bits(pixels)
    return np.repeat(pixels, 3, axis=-1) if pixels.shape[-1] == 1 else pixels


def damage(path):
    """A line on the damage of a file that can still be read, such as half a JPEG, or None.

    Raises UserError, naming the file.
    """
    with naming(path):
        data = Path(path).read_bytes()
        text = decoders.decode(data).damage or damage_of(data)
    return text and f"{shown(path)}: damaged: {text}"


def read_source(path, background=None, strip=False, srgb=False, data=None):
    """Reads one still image with its metadata.

    background: RGB under transparent pixels; None is white, with a warning. strip: leave the
    metadata out; the picture is then turned upright by its EXIF orientation and converted to
    sRGB. srgb: convert it in any case. data: the file's bytes, where they are known already.

    Returns Source. Raises UserError, naming the file and the reason.
    """
    with naming(path):
        data = Path(path).read_bytes() if data is None else data
        decoded, items = _decode(data)
        orientation = metadata.orientation(items)
        pixels = _pixels(decoded, background, items, strip or srgb)
        jpeg = data if decoded.kind == "JPEG" else None
        if text := decoded.damage or damage_of(data):
            items.notes.append(f"damaged: {text}")
    if items.gain_map and (strip or pixels is not decoded.samples):
        why = "--strip leaves out all" if strip else "it is for the colours before the conversion"
        metadata.leave_gain_map_out(items, why)
    if strip:
        # Nothing will tell a viewer to turn the picture.
        pixels = np.ascontiguousarray(decoders.turned(pixels, orientation))
        items = metadata.Items(notes=items.notes)
    converted = (strip or srgb) and pixels is not decoded.samples
    return Source(pixels, items, items.warnings(), items.details(), len(data), jpeg, converted)


@contextlib.contextmanager
def naming(path):
    """Turns any error at a file into a UserError that names the file."""
    try:
        yield
    except UserError as error:
        raise UserError(f"{shown(path)}: {error}") from error
    except FileNotFoundError as error:
        raise UserError(f"{shown(path)}: no such file") from error
    except MemoryError as error:
        raise UserError(f"{shown(path)}: not enough memory") from error
    # The parsers of twenty formats raise errors of any kind for a broken file.
    except Exception as error:
        if isinstance(error, UnidentifiedImageError):
            raise UserError(f"{shown(path)}: cannot be read as an image") from error
        reason = shown(" ".join(str(error).split()))
        if not reason or not isinstance(error, (OSError, ValueError, SyntaxError, RuntimeError)):
            reason = f"its data are broken{reason and ': '}{reason}"  # the error says too little
        if isinstance(error, OSError) and error.strerror:
            raise UserError(f"{shown(path)}: cannot be read ({error.strerror})") from error
        raise UserError(f"{shown(path)}: cannot be read as an image ({reason})") from error


def _decode(data):
    decoded = decoders.decode(data)
    items = collect(data, decoded)
    items.notes[:0] = decoded.notes
    return decoded, items


def _pixels(decoded, background, items, srgb=False):
    """Pixels, uint8 or uint16 [H, W, 3 or 1]; drops a profile of other channels from the items."""
    samples, alpha = decoded.samples, None
    if decoded.alpha:
        samples, alpha = samples[..., :-1], samples[..., -1:]
    samples = _right_colours(samples, decoded.space, items, srgb)
    if alpha is not None:
        if background is None and alpha.min() < np.iinfo(alpha.dtype).max:
            items.notes.append("transparent parts become white (--background chooses a colour)")
        samples = _laid_on(samples, alpha, background or WHITE)
    if samples.shape[-1] == 3 and items.icc and colours.space(items.icc) == "GRAY":
        items.left.append("ICC profile (it is for gray)")
        items.icc = None
    return samples


def _right_colours(samples, space, items, srgb):
    """The samples in the profile that stays in the items, or in sRGB where no profile stays."""
    try:
        if space == "CMYK":
            items.notes.append("CMYK converted to sRGB")
            profile, items.icc = items.icc, None
            return colours.to_srgb(samples, profile)
        if items.icc is None:
            return samples
        wanted = ("RGB", "GRAY") if items.convert else (space,)
        if colours.space(items.icc) not in wanted:
            items.left.append(f"ICC profile (it is for {colours.space(items.icc)!r})")
            items.icc = None
        elif srgb or items.convert:
            if colours.space(items.icc) == "GRAY" or not colours.is_srgb(items.icc):
                items.notes.append("colours converted to sRGB")
                samples = colours.to_srgb(samples, items.icc)
            items.icc = None
    except ValueError as error:
        items.left.append(f"ICC profile ({error})")
        items.icc = None
        if space == "CMYK":
            return colours.to_srgb(samples, None)
    return samples


def _laid_on(samples, alpha, background):
    """Samples, uint8 or uint16 [H, W, C], with alpha [H, W, 1], laid over a colour of 8 bits.

    Gray stays gray on a gray background.
    """
    if samples.shape[-1] == 1 and len(set(background)) > 1:
        samples = np.repeat(samples, 3, axis=-1)
    top = np.iinfo(samples.dtype).max
    under = np.asarray(background[: samples.shape[-1]], np.uint64) * (top // 255)
    result = np.empty_like(samples)
    for start in range(0, len(samples), BAND):
        part = slice(start, start + BAND)
        opaque = alpha[part].astype(np.uint64)
        over = samples[part] * opaque + under * (top - opaque)
        result[part] = (over + top // 2) // top
    return result


def _to_8_bits(samples):
    result = np.empty(samples.shape, np.uint8)
    for start in range(0, len(samples), BAND):
        part = slice(start, start + BAND)
        result[part] = (samples[part].astype(np.uint32) + 128) // 257
    return result
