"""From pixels to a JPEG file: analysis, quantization of the whole picture, writing."""

from dataclasses import dataclass, replace

from learned_jpeg.jpeg import jpeg_file
from learned_jpeg.jpeg.sampling import SAMPLINGS as FILE_SAMPLINGS
from learned_jpeg.runtime import threads
from learned_jpeg.runtime.errors import UserError
from learned_jpeg.search import auto_sampling, importance, quantizer, refining
from learned_jpeg.search.tuning import TUNES

import numpy as np

QUANTIZERS = ("round", "trellis")
SAMPLINGS = (*FILE_SAMPLINGS, "auto")

# The sampling of a picture is chosen by ENOUGH of its pixels, in strips of STRIP rows.
ENOUGH, STRIP = 500_000, 64
# Rows above and below that influence a block's analysis, beside the receptive field of a network:
# chroma's downsampling and the neighbouring blocks need them.
CONTEXT = 32


@dataclass(frozen=True)
class Coding:
    """How a file is written; None leaves a choice to the model.

    huffman: of `jpeg_file.HUFFMAN`; sampling: of SAMPLINGS; quantizer: of QUANTIZERS; tune: of
    TUNES; refine: number of steps of `refining`. Raises UserError for other values.
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
            is_open = value is None and name != "huffman"
            if not is_open and (not isinstance(value, str) or value not in known):
                raise UserError(f"{name} is {value!r}, not one of {', '.join(known)}")
        if not isinstance(self.refine, int | np.integer) or self.refine < 0:
            raise UserError(f"refine is {self.refine!r}, not a number of steps")

    def quantizer_or(self, default):
        """The quantizer: the search if refine or sampling auto need it, otherwise a default."""
        searched = self.refine or self.sampling == "auto"
        return self.quantizer or ("trellis" if searched else default)

    def with_defaults(self, sampling, quantizer, rounded=None):
        """The same Coding with defaults for the sampling and the quantizer that it leaves open.

        rounded: the default sampling of a file without the search, if it is another.
        """
        quantizer = self.quantizer_or(quantizer)
        sampling = sampling if quantizer == "trellis" else rounded or sampling
        return replace(self, sampling=self.sampling or sampling, quantizer=quantizer)


def encode(
    pipeline,
    pixels,
    rate_setting=None,
    coding=Coding(),
    table_scale=1.0,
    progress=None,
    prices=None,
):
    """The bytes of a standard JPEG file of an image.

    pipeline: a `model.FileModel`; pixels: uint8 or uint16 [H, W, 3], or [H, W, 1] for a gray file;
    rate_setting: a value of the model's RateSetting, None for its default; table_scale: a factor on
    the tables, for the rates between those of two models; progress: function of the part of
    refining that is done, in [0, 1]; prices: [H, W] of `importance.prices`.
    Raises UserError for a choice that the model does not have.
    """
    table_scale = _number("table_scale", table_scale)
    if not 0 < table_scale < float("inf"):
        raise UserError(f"table_scale is {table_scale}, not a factor above 0")
    coding, rate_setting = pipeline.complete(coding), _check_rate_setting(pipeline, rate_setting)
    with threads.at_work():
        return _encoded(pipeline, pixels, rate_setting, coding, table_scale, progress, prices)


def _encoded(pipeline, pixels, rate_setting, coding, table_scale, progress, prices):

    def analysis_of(pixels, prices, sampling):
        sampled = replace(coding, sampling=sampling)
        analysis = pipeline.analyse_picture(pixels, rate_setting, sampled, table_scale)
        if prices is not None:
            importance.add(analysis, prices)
        return analysis

    def search_at(sampling):
        return pipeline.search(rate_setting, replace(coding, sampling=sampling))

    sampling = coding.sampling
    if coding.quantizer == "trellis":
        choose = search_at("420" if sampling == "auto" else sampling)
    elif sampling == "auto":
        raise UserError("sampling auto is a choice of the search: quantizer trellis")
    elif coding.refine:
        raise UserError("refine is searching again: quantizer trellis")
    elif prices is not None:
        raise UserError("importance is what bits cost the search: quantizer trellis")
    else:
        choose = quantizer.Round()
    analysis = None
    if sampling == "auto":
        part = _strips(pixels)
        half = analysis_of(part, prices if part is pixels else None, "420")
        sampling = auto_sampling.choose(half, choose.tune)
        choose = search_at(sampling)
        if part is pixels and sampling == half.sampling:
            analysis = half
        del half
    if coding.refine:
        context = CONTEXT + 16 * -(-pipeline.receptive_field // 16)

        def rows(top, bottom):
            seen = slice(max(top - context, 0), bottom + context)
            part = None if prices is None else prices[seen]
            found = analysis_of(pixels[seen], part, sampling)
            return refining.rows(found, top - seen.start, bottom - seen.start)

        share = refining.SHARES[coding.tune] if coding.tune else pipeline.refine_share
        levels, qtables = refining.refine(
            choose, rows, pixels, sampling, coding.refine, share, progress
        )
    else:
        analysis = analysis or analysis_of(pixels, prices, sampling)
        levels, qtables = choose(analysis), analysis.qtables
    del analysis  # it takes most of the memory
    return jpeg_file.write_jpeg(levels, qtables, *pixels.shape[:2], sampling, coding.huffman)


def _strips(pixels):
    """A part of a picture to choose its sampling by: strips of STRIP rows, evenly over it."""
    height, width = pixels.shape[:2]
    count = max(1, ENOUGH // (STRIP * width))
    if count * STRIP >= height:
        return pixels
    tops = np.linspace(0, height - STRIP, count).astype(int)
    return np.concatenate([pixels[top : top + STRIP] for top in tops])


def _check_rate_setting(pipeline, value):
    rate_setting = pipeline.rate_setting
    if rate_setting is None:
        if value is not None:
            raise UserError(
                f"{pipeline.architecture} has tables of its own: no rate setting to set"
            )
        return None
    value = rate_setting.default if value is None else _number(rate_setting.name, value)
    if not rate_setting.low <= value <= rate_setting.high:
        raise UserError(
            f"{rate_setting.name} {value:g} is not in {rate_setting.low:g} to {rate_setting.high:g}"
        )
    return value


def _number(name, value):
    """A value as a float. Raises UserError for a value that is no number; a text is none."""
    try:
        return float("text" if isinstance(value, str | bytes) else value)
    except (TypeError, ValueError, OverflowError) as error:
        raise UserError(f"{name} is {value!r}, not a number") from error
