"""The public face: `encode`, `save`, `load` and `transcode`. See docs/python.md."""

import functools
import importlib
import os
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO

from learned_jpeg.jpeg.jpeg_file import MAX_SIDE
from learned_jpeg.models import encoding, shipped
from learned_jpeg.models.encoding import Coding
from learned_jpeg.models.model import FileModel, RateSetting
from learned_jpeg.pictures import lossless, metadata
from learned_jpeg.runtime.errors import UserError
from learned_jpeg.runtime.files import write_whole
from learned_jpeg.runtime.threads import at_work

import numpy as np
from PIL import Image

DEFAULT_MODEL = "rdo_visual"
# Pillow's modes whose samples are those of a file; the others of _AS are converted without loss.
_SAMPLES = ("RGB", "L", "I;16")
_AS = {"1": "L", "P": "RGB", "YCbCr": "RGB", "HSV": "RGB"}


class Model:
    """A model that writes JPEG files. `load` makes one; it may be used by several threads."""

    def __init__(self, model: FileModel) -> None:
        self._model = model

    @property
    def architecture(self) -> str:
        """The name of its architecture."""
        return str(self._model.architecture)

    @property
    def quality_range(self) -> tuple[float, float] | None:
        """The lowest and the highest `quality`, or None for a model of one rate."""
        rate_setting = self._model.rate_setting
        return None if rate_setting is None else (rate_setting.low, rate_setting.high)

    @property
    def default_quality(self) -> float | None:
        """The `quality` of `encode` without any, or None for a model of one rate."""
        rate_setting = self._model.rate_setting
        return None if rate_setting is None else rate_setting.default

    @property
    def dial(self) -> RateSetting | None:
        """Deprecated: what `quality_range` and `default_quality` say."""
        _deprecated("Model.dial", "quality_range and default_quality")
        return self._model.rate_setting

    @property
    def lmbda(self) -> float | None:
        """The weight of the distortion that it was trained with; None if it had none."""
        return self._model.lmbda

    def encode(
        self,
        image: "np.typing.ArrayLike | Image.Image",
        quality: float | None = None,
        *,
        sampling: str | None = None,
        refine: int = 0,
        huffman: str = "progressive",
        quantizer: str | None = None,
        tune: str | None = None,
        table_scale: float = 1.0,
        exif: "bytes | Image.Exif | None" = None,
        icc_profile: bytes | None = None,
        xmp: bytes | None = None,
        progress: Callable[[float], object] | None = None,
        threads: int | None = None,
        dial: float | None = None,
    ) -> bytes:
        """One picture to the bytes of a standard JPEG file.

        Args:
          image: a Pillow image, of mode RGB or L or one that converts to these without loss; or an
            array, uint8 or uint16 [H, W, 3] of sRGB, or [H, W] or [H, W, 1] for a gray file. 1 to
            65500 pixels a side. A Pillow image's ICC profile goes into the file, as with Pillow.
          quality: 1 to 100 on about mozjpeg's scale, more for better and larger files, whole or
            not; None for the model's default, 75 for the shipped ones of the search.
          sampling: of chroma, "444", "420", or "auto" for the one that suits the picture; None for
            what the model was trained for, like quantizer and tune.
          refine: steps of searching again for what is seen, seconds a megapixel each; quantizer
            "trellis" alone has them, and it needs TensorFlow.
          huffman: "progressive", "optimized" (sequential), or "standard" (the example tables).
          quantizer: "round", or "trellis" for the search.
          tune: the error that the search minimizes, "psnr" or "visual".
          table_scale: a factor on the quantization tables, for rates between two models'.
          exif, icc_profile, xmp: metadata of the file, as Pillow's `Image.save` takes them.
          progress: called with the part of refining that is done, 0 to 1, in each step.
          threads: how many a large picture may have, beside other pictures at the same time; None
            for the cores that the process may use. The bytes are the same with any number.
          dial: deprecated, the former name of quality.

        Raises:
          UserError: an image of another kind, a choice that does not exist, or metadata that a
            JPEG file cannot hold.
        """
        if dial is not None:
            _deprecated("dial", "quality")
            quality = dial
        if isinstance(image, Image.Image) and icc_profile is None:
            icc_profile = image.info.get("icc_profile")
        items = _items(exif, icc_profile, xmp)
        coding = Coding(huffman, sampling, quantizer, tune, refine)
        if threads is not None and (not isinstance(threads, int | np.integer) or threads < 1):
            raise UserError(f"threads is {threads!r}, not 1 or more")
        pixels = _pixels(image)
        with at_work(threads):
            data = encoding.encode(self._model, pixels, quality, coding, table_scale, progress)
        return metadata.embed(data, items)

    def save(
        self,
        image: "np.typing.ArrayLike | Image.Image",
        path: "str | os.PathLike[str] | BinaryIO",
        quality: float | None = None,
        **options: Any,
    ) -> None:
        """Writes the file of a picture, whole or not at all, over one that exists.

        path: of the file, or a binary file object. image, quality, options: those of `encode`.
        Raises UserError like `encode`, and OSError where the file cannot be written.
        """
        data = self.encode(image, quality, **options)
        if isinstance(path, str | os.PathLike):
            write_whole(Path(path), data)
        else:
            path.write(data)


def _deprecated(old: str, new: str) -> None:
    warnings.warn(f"{old} is deprecated: use {new}", DeprecationWarning, stacklevel=3)


def _pixels(image: "np.typing.ArrayLike | Image.Image") -> "np.typing.NDArray[Any]":
    """The array of an image: uint8 or uint16 [H, W, 3] or [H, W, 1]. Raises UserError."""
    if isinstance(image, Image.Image):
        if image.has_transparency_data or image.mode not in (*_SAMPLES, *_AS):
            raise UserError(
                f"an image of mode {image.mode}{' with transparency' * image.has_transparency_data}"
                ': JPEG has none of that; convert it first, with image.convert("RGB") say'
            )
        image = image.convert(_AS.get(image.mode, image.mode))
    try:
        pixels = np.asarray(image)
    except ValueError as error:  # of lists of different lengths
        raise UserError(f"no array of pixels: {error}") from error
    if pixels.ndim == 2:
        pixels = pixels[..., None]
    if (
        pixels.dtype not in (np.uint8, np.uint16)
        or pixels.ndim != 3
        or pixels.shape[2] not in (1, 3)
    ):
        raise UserError(
            f"pixels are {pixels.dtype} {list(pixels.shape)}; uint8 or uint16 [H, W, 3], [H, W] or "
            "[H, W, 1] is needed"
        )
    if not all(1 <= side <= MAX_SIDE for side in pixels.shape[:2]):
        raise UserError(f"pixels are {list(pixels.shape)}; JPEG holds 1 to {MAX_SIDE} a side")
    # Of one kind, for which all is compiled: read-only, flipped and strided arrays are copied.
    return np.require(pixels, requirements=["C", "W"])


def _items(
    exif: "bytes | Image.Exif | None", icc_profile: bytes | None, xmp: bytes | None
) -> metadata.Items:
    """The metadata of a file. Raises UserError for what it cannot hold."""
    if isinstance(exif, Image.Exif):
        exif = exif.tobytes()
    for name, item in {"exif": exif, "icc_profile": icc_profile, "xmp": xmp}.items():
        if not isinstance(item, bytes | None):
            raise UserError(f"{name} is {type(item).__name__}: bytes are needed")
    items = metadata.Items(
        exif=exif.removeprefix(metadata.EXIF_HEADER) if exif else None, icc=icc_profile, xmp=xmp
    )
    metadata.check(items)
    if lines := items.warnings():
        raise UserError(f"metadata that a JPEG file cannot hold: {'; '.join(lines)}")
    return items


def load(folder: str | os.PathLike[str]) -> Model:
    """The trained model in a checkpoint folder, or by the name of a shipped one.

    Names are "rdo_visual" and the others that the command `learned-jpeg models` lists, in a clone
    also those of its runs, "attention_bits/lambda_001" say, and "ljpeg_PIL", which has nothing to
    train. A folder that exists goes first.

    Raises UserError where there is none, or several, or it is broken.
    """
    return Model(shipped.load(folder))


@functools.cache
def _default() -> Model:
    return load(DEFAULT_MODEL)


def _chosen(model: Model | None) -> Model:
    if not isinstance(model, Model | None):
        raise UserError(f"model is {model!r}: learned_jpeg.load makes one of a name or a folder")
    return model or _default()


def encode(
    image: "np.typing.ArrayLike | Image.Image",
    quality: float | None = None,
    *,
    model: Model | None = None,
    **options: Any,
) -> bytes:
    """One picture to the bytes of a JPEG file: `Model.encode` of the default model, "rdo_visual".

    model: another one, of `load`.
    """
    return _chosen(model).encode(image, quality, **options)


def save(
    image: "np.typing.ArrayLike | Image.Image",
    path: "str | os.PathLike[str] | BinaryIO",
    quality: float | None = None,
    *,
    model: Model | None = None,
    **options: Any,
) -> None:
    """Writes the file of a picture: `Model.save` of the default model, "rdo_visual".

    model: another one, of `load`.
    """
    _chosen(model).save(image, path, quality, **options)


def transcode(data: bytes, *, strip: bool = False) -> bytes:
    """A JPEG file to a smaller one, without loss: every decoder shows the same pixels.

    Coefficients and tables stay, entropy coding is made anew; metadata and what stands behind the
    picture stay byte by byte. Where nothing becomes smaller, these are the bytes that came, and
    also where the last bits of a progressive file were never sent, which decoders smooth over.

    Args:
      data: the file: gray, YCbCr, RGB, CMYK or YCCK of any sampling factors, 8 bits a sample,
        sequential or progressive. One that only lacks its end marker is read, with a warning.
        Arithmetic codes become Huffman codes, which may take more bytes, with a warning.
      strip: leave out all metadata but what decides how the picture is shown: JFIF, Adobe's
        marker, the ICC profile, and an EXIF orientation.

    Raises:
      UserError: not a JPEG file, one of another kind, or a broken one.
    """
    found, notes = lossless.transcode(data, strip)
    for note in notes:
        warnings.warn(note, stacklevel=2)
    return bytes(found)


# The modules of kernels.
_COMPILED = {
    "jpeg": ("arithmetic", "block_kernels", "entropy", "downsampling", "huffman", "scans"),
    "search": ("luma", "refining_kernels", "trellis"),
    "metrics": ("butteraugli", "butteraugli_errors", "ssim", "ssimulacra2"),
}


def warm_up() -> None:
    """Does once what a first file would wait for: compiles all kernels, and keeps them.

    For a container's image, say: as the user who runs it, or where that user may read. What is
    there already is not compiled again.
    """
    for folder, modules in _COMPILED.items():
        for module in modules:
            importlib.import_module(f"learned_jpeg.{folder}.{module}")
    for kernel in importlib.import_module("learned_jpeg.runtime.compiled").KERNELS:
        kernel.ready()
