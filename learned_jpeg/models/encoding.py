"""From pixels to a JPEG file: analysed tile by tile, quantized as a whole, written."""

import functools
import threading
from dataclasses import dataclass, replace

from learned_jpeg.jpeg import jpeg_file, transform
from learned_jpeg.jpeg.sampling import SAMPLINGS as FILE_SAMPLINGS
from learned_jpeg.jpeg.sampling import Planes, grid
from learned_jpeg.jpeg.standard import BLOCK
from learned_jpeg.runtime.errors import UserError
from learned_jpeg.runtime.lazy import lazy_import
from learned_jpeg.search import auto_sampling, quantizer, refining
from learned_jpeg.search.quantizer import Analysis
from learned_jpeg.search.tuning import TUNES

import numpy as np

tf = lazy_import("tensorflow")

QUANTIZERS = ("round", "trellis")
SAMPLINGS = (*FILE_SAMPLINGS, "auto")

# What is searched at both samplings to choose one: pixels, in strips of so many rows.
ENOUGH, STRIP = 500_000, 64

# One tile has all cores; more at a time would only take more memory.
_one_tile = threading.Lock()


@dataclass(frozen=True)
class Coding:
    """How a file is written; None leaves a choice to what the model was trained for.

    huffman: of `jpeg_file.HUFFMAN`; sampling: of SAMPLINGS; quantizer: of QUANTIZERS; tune: of
    TUNES; refine: steps of `refining`. Raises UserError for what is not among them.
    """

    huffman: str = "progressive"
    sampling: str | None = None
    quantizer: str | None = None
    tune: str | None = None
    refine: int = 0

    def __post_init__(self):
        choices = {"sampling": SAMPLINGS, "quantizer": QUANTIZERS, "tune": TUNES}
        for name, known in {"huffman": jpeg_file.HUFFMAN, **choices}.items():
            value = getattr(self, name)
            if value not in known and (value is not None or name == "huffman"):
                raise UserError(f"{name} is {value!r}, not one of {', '.join(known)}")
        if self.refine < 0:
            raise UserError(f"refine is {self.refine}, not a number of steps")

    def with_defaults(self, sampling, quantizer):
        """The same with sampling and quantizer chosen."""
        return replace(
            self, sampling=self.sampling or sampling, quantizer=self.quantizer or quantizer
        )


def encode(pipeline, pixels, dial=None, coding=Coding(), table_scale=1.0, progress=None):
    """One image to the bytes of a standard JPEG file.

    pipeline: a JPEGPipeline; pixels: uint8 or uint16 [H, W, 3], or [H, W, 1] for a gray file;
    dial: where on the model's dial, None for its default; table_scale: a factor on the tables,
    for the rates between those of two models; progress: called after each step of refining.
    Raises UserError for a choice that the model does not have.
    """
    if not 0 < table_scale < float("inf"):
        raise UserError(f"table_scale is {table_scale}, not a factor above 0")
    coding, dial = pipeline.complete(coding), _check_dial(pipeline, dial)

    def analysis_of(pixels, sampling):
        return analyse(pipeline, pixels, dial, replace(coding, sampling=sampling), table_scale)

    sampling = coding.sampling
    if coding.quantizer == "trellis":
        choose = pipeline.search(dial, coding)
    elif sampling == "auto":
        raise UserError("sampling auto is what the search finds cheaper: quantizer trellis")
    elif coding.refine:
        raise UserError("refine is searching again: quantizer trellis")
    else:
        choose = quantizer.Round()
    integers = None
    if sampling == "auto":
        part = _strips(pixels)
        analyses = {name: functools.partial(analysis_of, part, name) for name in FILE_SAMPLINGS}
        sampling, found, qtables = auto_sampling.choose(choose, analyses)
        if part is pixels and not coding.refine:
            integers = found.integers
    if integers is None:
        analysis = analysis_of(pixels, sampling)
        qtables = analysis.qtables
        if coding.refine:
            integers = _refine(pipeline, choose, analysis, pixels, coding, progress)
        else:
            integers = choose(analysis)
        del analysis  # the most of the memory
    return jpeg_file.write_jpeg(integers, qtables, *pixels.shape[:2], sampling, coding.huffman)


def _refine(pipeline, search, analysis, pixels, coding, progress):
    mixture = refining.MIXTURES[coding.tune] if coding.tune else pipeline.refine_weights
    return refining.refine(search, analysis, pixels, coding.refine, mixture, progress)


def _strips(pixels):
    """Enough of a picture to choose its sampling by: strips of STRIP rows, evenly over it."""
    height, width = pixels.shape[:2]
    count = max(1, ENOUGH // (STRIP * width))
    if count * STRIP >= height:
        return pixels
    tops = np.linspace(0, height - STRIP, count).astype(int)
    return np.concatenate([pixels[top : top + STRIP] for top in tops])


def _check_dial(pipeline, value):
    dial = pipeline.dial
    if dial is None:
        if value is not None:
            raise UserError(f"{pipeline.architecture} has tables of its own: no dial to set")
        return None
    value = dial.default if value is None else value
    if not dial.low <= value <= dial.high:
        raise UserError(f"{dial.name} {value:g} is not in {dial.low:g} to {dial.high:g}")
    return float(value)


def analyse(pipeline, pixels, dial, coding, table_scale=1.0):
    """The first half of the encoder on a whole image: Analysis.

    coding: a complete Coding, with one sampling. The networks see tiles that overlap by their
    receptive field, so that memory does not grow with the image by more than the image and its
    coefficients; the result is the same.
    """
    if not pipeline.edits:
        qtables = pipeline.file_qtables(dial, coding, table_scale)
        if coding.quantizer == "trellis":
            analysis = quantizer.analyse(pixels, qtables, coding.sampling)
            analysis.log2_lambda = pipeline.log2_lambda(analysis, dial)
            return analysis
        planes = transform.forward(pixels, coding.sampling)
        for plane, table in zip(planes, np.moveaxis(qtables, -1, 0), strict=True):
            if plane is not None:
                plane /= table.astype(np.float32)
        return Analysis(planes, qtables, coding.sampling, *pixels.shape[:2])
    return _analyse_tiles(pipeline, pixels, dial, coding, table_scale)


def _analyse_tiles(pipeline, pixels, dial, coding, table_scale):
    height, width, channels = pixels.shape
    sampling, samples = coding.sampling, None
    if coding.quantizer == "trellis" and sampling == "420" and channels == 3:
        samples = np.empty([2, height, width], np.float32)
    luma, chroma = ([*size, BLOCK, BLOCK] for size in grid(height, width, sampling))
    planes = Planes(np.empty(luma, np.float32), np.empty([2, *chroma], np.float32))
    steps = Planes(BLOCK, BLOCK if sampling == "444" else 2 * BLOCK)  # pixels a block
    margin = -(-pipeline.receptive_field // steps.chroma) * steps.chroma
    analyse_tile = _tile_function(pipeline, sampling)
    for top in range(0, height, pipeline.tile):
        for left in range(0, width, pipeline.tile):
            above, before = min(margin, top), min(margin, left)
            tile = pixels[
                top - above : top + pipeline.tile + margin,
                left - before : left + pipeline.tile + margin,
            ]
            tile = np.broadcast_to(transform.to_levels(tile), [*tile.shape[:2], 3])
            with _one_tile:
                *coded, qtables, chroma = analyse_tile(tile, dial or 0.0, table_scale)
            if samples is not None:
                place = samples[:, top : top + pipeline.tile, left : left + pipeline.tile]
                place[:] = chroma[
                    :, above : above + place.shape[1], before : before + place.shape[2]
                ]
            for plane, part, step in zip(planes, coded, steps, strict=True):
                place = plane[
                    ...,
                    top // step : (top + pipeline.tile) // step,
                    left // step : (left + pipeline.tile) // step,
                    :,
                    :,
                ]
                rows, columns = above // step, before // step
                place[:] = part[
                    ..., rows : rows + place.shape[-4], columns : columns + place.shape[-3], :, :
                ]
    if channels == 1:
        planes = Planes(planes.luma, None)
    return Analysis(planes, qtables.numpy(), sampling, height, width, samples)


def _tile_function(pipeline, sampling):
    """The pipeline's first half as a graph: (levels [H, W, 3], dial, scale of the tables) to the
    coefficients over their tables, luma and chroma, the tables, uint8 [8, 8, 2], and the edited
    Cb and Cr around 0, [2, H, W] and what is beyond to whole blocks."""
    if sampling in pipeline.graphs:
        return pipeline.graphs[sampling]

    @tf.function(
        input_signature=[
            tf.TensorSpec([None, None, 3]),
            tf.TensorSpec([]),
            tf.TensorSpec([]),
        ],
        autograph=False,
    )
    def analyse_tile(tile, dial, table_scale):
        images = tile[None] / 255.0
        dial = dial if pipeline.dial else None
        edit, qtables, ycbcr = pipeline.analyse(
            images, dial, table_scale=table_scale, sampling=sampling
        )
        chroma = tf.transpose(ycbcr[0, ..., 1:], [2, 0, 1])
        return edit.y.luma[0], edit.y.chroma[0], tf.cast(qtables[0], tf.uint8), chroma

    pipeline.graphs[sampling] = analyse_tile
    return analyse_tile
