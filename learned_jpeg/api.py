"""The public face: `load` a trained model, `encode` pictures. See docs/python.md."""

import os
from collections.abc import Callable
from typing import Any

from jpeg_pipeline import Dial, JPEGPipeline
from learned_jpeg.jpeg.jpeg_file import MAX_SIDE
from learned_jpeg.models import architectures, encoding
from learned_jpeg.models.encoding import Coding
from learned_jpeg.runtime.errors import UserError
from learned_jpeg.runtime.lazy import lazy_import

import numpy as np

checkpoints = lazy_import("learned_jpeg.models.checkpoints")
shipped = lazy_import("learned_jpeg.models.shipped")


class Model:
    """A trained model, or an architecture that has nothing to train, that writes JPEG files."""

    def __init__(self, pipeline: JPEGPipeline) -> None:
        self._pipeline = pipeline

    @property
    def architecture(self) -> str:
        """The name of its architecture."""
        return str(self._pipeline.architecture)

    @property
    def dial(self) -> Dial | None:
        """Its Dial (name, low, high, default, values), or None for a model of one rate."""
        return self._pipeline.dial

    @property
    def lmbda(self) -> float | None:
        """The weight of the distortion that it was trained with; None if it was not trained."""
        return self._pipeline.lmbda if self._pipeline.trained else None

    def encode(
        self,
        pixels: np.ndarray,
        *,
        dial: float | None = None,
        huffman: str = "progressive",
        sampling: str | None = None,
        quantizer: str | None = None,
        tune: str | None = None,
        table_scale: float = 1.0,
        refine: int = 0,
        progress: Callable[[], object] | None = None,
    ) -> bytes:
        """One picture to the bytes of a standard JPEG file. Safe to call from several threads.

        Args:
          pixels: uint8 or uint16 [H, W, 3], sRGB, or [H, W, 1] for a gray file; 1 to 65500 a
            side.
          dial: where on the model's dial; None for its default.
          huffman: "progressive", "optimized" (sequential), or "standard" (the example tables).
          sampling: of chroma, "444" or "420"; None for what the model was trained for, like
            quantizer and tune.
          table_scale: a factor on the quantization tables, for rates between two models'.
          refine: steps of searching again for what is seen; quantizer "trellis" alone has them.
          progress: called after each of them.

        Raises:
          UserError: pixels of another kind, or a choice that does not exist.
        """
        pixels = np.asarray(pixels)
        if (
            pixels.dtype not in (np.uint8, np.uint16)
            or pixels.ndim != 3
            or pixels.shape[2] not in (1, 3)
        ):
            raise UserError(
                f"pixels are {pixels.dtype} {list(pixels.shape)}; uint8 or uint16 [H, W, 3] or "
                "[H, W, 1] is needed"
            )
        if not all(1 <= side <= MAX_SIDE for side in pixels.shape[:2]):
            raise UserError(f"pixels are {list(pixels.shape)}; JPEG holds 1 to {MAX_SIDE} a side")
        coding = Coding(huffman, sampling, quantizer, tune, refine)
        return encoding.encode(self._pipeline, pixels, dial, coding, table_scale, progress)


def load(folder: str | os.PathLike[str]) -> Model:
    """The trained model in a checkpoint folder, or by the name of a shipped one.

    Names are "rdo_visual" or "attention_bits/lambda_001", as `models` of the scripts lists them,
    and "ljpeg_PIL", which has nothing to train. A folder that exists goes first.

    Raises UserError where there is none, or several, or it is broken.
    """
    if str(folder) in architectures.NAMES and not architectures.load(str(folder)).trained:
        return Model(architectures.load(str(folder))())
    if not os.path.exists(folder):
        found = shipped.folders(folder)
        if len(found) > 1:
            names = ", ".join(f"{folder}/{path.parent.name}" for path in found)
            raise UserError(f"{folder}: one model for each lambda; name one, of {names}")
        folder = found[0]
    return Model(checkpoints.restore(folder))


def encode(pixels: np.ndarray, **options: Any) -> bytes:
    """One picture to the bytes of a JPEG file by "ljpeg_PIL"; options are `Model.encode`'s."""
    return load("ljpeg_PIL").encode(pixels, **options)
