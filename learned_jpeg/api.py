"""The public functions: `encode`, `save`, `load` and `transcode`. See docs/python.md."""

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
# Pillow's modes whose samples a file can have; the modes of _AS are converted without loss.
_SAMPLES = ("RGB", "L", "I;16")
_AS = {"1": "L", "P": "RGB", "YCbCr": "RGB", "HSV": "RGB"}


class Model:
    """A model that writes JPEG files. `load` makes one; it may be used by several threads."""

    def __init__(self, model: FileModel) -> None:
        self._model = model

    @property
    def architecture(self) -> str:
        """The name of the model's architecture."""
        return str(self._model.architecture)

    @property
    def quality_range(self) -> tuple[float, float] | None:
        """The lowest and the highest `quality`, or None for a model without a quality."""
        rate_setting = self._model.rate_setting
        return None if rate_setting is None else (rate_setting.low, rate_setting.high)

    @property
    def default_quality(self) -> float | None:
        """The `quality` that `encode` takes by default, or None for a model without a quality."""
        rate_setting = self._model.rate_setting
        return None if rate_setting is None else rate_setting.default

    @property
    def dial(self) -> RateSetting | None:
        """Deprecated: use `quality_range` and `default_quality`."""
        _deprecated("Model.dial", "quality_range and default_quality")
        return self._model.rate_setting

    @property
    def lmbda(self) -> float | None:
        """The weight of the distortion in the model's training; None if it had no such weight."""
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
          image: a Pillow image, of mode RGB or L or of a mode that converts to these without loss;
            or an array, uint8 or uint16 [H, W, 3] of sRGB, or [H, W] or [H, W, 1] for a gray file.
            1 to 65500 pixels a side. A Pillow image's ICC profile goes into the file, as with
            Pillow.
          quality: 1 to 100 on about mozjpeg's scale, higher for better and larger files, also
            fractions; None for the model's default, 75 for the shipped models of the search.
          sampling: the resolution of chroma: "444" full, "420" half in both directions, or "auto"
            for the better of both; None, as for quantizer and tune, for the model's default.
          refine: the number of further searches for less visible error; each takes seconds a
            megapixel, and needs TensorFlow and the quantizer "trellis".
          huffman: "progressive", "optimized" (sequential), or "standard" (the example tables).
          quantizer: "round", or "trellis" for the search.
          tune: the error that the search minimizes, "psnr" or "visual".
          table_scale: a factor on the quantization tables, for rates between two models'.
          exif, icc_profile, xmp: metadata of the file, as in Pillow's `Image.save`.
          progress: called with the part of refining that is done, 0 to 1, in each step.
          threads: the most threads for a large picture; other pictures at the same time have their
            own. None for the cores that the process may use. The bytes do not depend on it.
          dial: deprecated, the former name of quality.

        Raises:
          UserError: an image of another kind, a value that an option does not have, or metadata
            that a JPEG file cannot hold.
        """
        if dial is not None:
            _deprecated("dial", "quality")
            quality = dial
        if isinstance(image, Image.Image) and icc_profile is None:
            icc_profile = image.info.get("icc_profile")
        items = _items(exif, icc_profile, xmp)
        coding = Coding(huffman, sampling, quantizer, tune, refine)
        if threads is not None and (not isinstance(threads, int | np.integer) or threads < 1):
            raise UserError(f"threads is {threads!r}; a whole number of 1 or more is needed")
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
                ': a JPEG file cannot hold it; convert it first, as by image.convert("RGB")'
            )
        image = image.convert(_AS.get(image.mode, image.mode))
    try:
        pixels = np.asarray(image)
    except ValueError as error:  # of lists of different lengths
        raise UserError(f"the image is no array of pixels: {error}") from error
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
        raise UserError(
            f"pixels are {list(pixels.shape)}; a JPEG file has 1 to {MAX_SIDE} pixels a side"
        )
    # The kernels are compiled for contiguous, writable arrays: others are copied.
    return np.require(pixels, requirements=["C", "W"])


def _items(
    exif: "bytes | Image.Exif | None", icc_profile: bytes | None, xmp: bytes | None
) -> metadata.Items:
    """The metadata of a file. Raises UserError for metadata that it cannot hold."""
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
    """The trained model in a checkpoint folder, or the shipped model of a name.

    Names are "rdo_visual" and the others that the command `learned-jpeg models` lists; in a clone
    also its runs, such as "attention_bits/lambda_001", and "ljpeg_PIL", which is not trained. A
    folder that exists goes before a name.

    Raises UserError where there is no model, or several, or a broken one.
    """
    return Model(shipped.load(folder))


@functools.cache
def _default() -> Model:
    return load(DEFAULT_MODEL)


def _chosen(model: Model | None) -> Model:
    if not isinstance(model, Model | None):
        raise UserError(
            f"model is {model!r}, which is no Model: learned_jpeg.load makes one from a name or a "
            "folder"
        )
    return model or _default()


def encode(
    image: "np.typing.ArrayLike | Image.Image",
    quality: float | None = None,
    *,
    model: Model | None = None,
    **options: Any,
) -> bytes:
    """One picture to the bytes of a JPEG file: `Model.encode` of the default model, "rdo_visual".

    model: another model, made by `load`.
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

    model: another model, made by `load`.
    """
    _chosen(model).save(image, path, quality, **options)


def transcode(data: bytes, *, strip: bool = False) -> bytes:
    """Rewrites a JPEG file with fewer bytes, without loss: every decoder shows the same pixels.

    Coefficients and tables stay, and the entropy coding is new. Metadata and the bytes behind the
    picture stay byte by byte. The result is `data` itself where it would not become smaller, and
    where the last bits of a progressive file were never sent: decoders smooth such a picture.

    Args:
      data: the file: gray, YCbCr, RGB, CMYK or YCCK of any sampling factors, 8 bits a sample,
        sequential or progressive. A file that only lacks its end marker is read, with a warning.
        Arithmetic codes become Huffman codes, which may take more bytes, with a warning.
      strip: keep only the metadata that decides how the picture is shown: JFIF, Adobe's marker,
        the ICC profile, and an EXIF orientation.

    Raises:
      UserError: not a JPEG file, a JPEG file of another kind, or a broken file.
    """
    found, notes = lossless.transcode(data, strip)
    for note in notes:
        warnings.warn(note, stacklevel=2)
    return bytes(found)


# The modules with compiled kernels.
_COMPILED = {
    "jpeg": ("arithmetic", "block_kernels", "entropy", "downsampling", "huffman", "scans"),
    "search": ("luma", "refining_kernels", "trellis"),
    "metrics": ("butteraugli", "butteraugli_errors", "ssim", "ssimulacra2"),
}


def warm_up() -> None:
    """Compiles all kernels, and keeps them on disk, so that a first file does not wait for that.

    Call it for example while a container's image is built, as the user who runs the container, or
    where that user may read. Kernels that are on disk already are not compiled again.
    """
    for folder, modules in _COMPILED.items():
        for module in modules:
            importlib.import_module(f"learned_jpeg.{folder}.{module}")
    for kernel in importlib.import_module("learned_jpeg.runtime.compiled").KERNELS:
        kernel.ready()
