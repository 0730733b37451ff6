"""4:4:4 or 4:2:0: by what halving the resolution of chroma does to the picture, seen in RGB."""

from learned_jpeg.jpeg.sampling import halved
from learned_jpeg.jpeg.standard import BLOCK
from learned_jpeg.runtime.lazy import lazy_import
from learned_jpeg.search.tuning import reference_step

import numpy as np

luma_kernels = lazy_import("learned_jpeg.search.luma")

_PLACES = BLOCK * BLOCK
# The part of a file's error that halved chroma may be by itself, and the most that a tune can make
# of it.
_PART, _MOST = 0.55, 0.9
# Coefficients smaller than this are dropped: the search leaves about this much error.
_DROPPED = 0.6


def choose(analysis, tune):
    """The sampling of a picture by its Analysis at 4:2:0: "420", or "444" where that spoils it.

    The error of chroma at half the resolution, not quantized, is held to that of the picture as a
    simple quantizer codes it, both after clipping and in RGB. Blocks count by the square of their
    error: a few lines in a plain picture are what is looked at.
    """
    planes, tables = analysis.unrounded, np.float32(analysis.qtables)
    if planes.chroma is None or (tables == 1).all():  # the finest tables are to lose nothing
        return "444"
    steps = tables[..., 0].ravel(), tables[..., 1].ravel()
    luma, chroma = _decoded(planes.luma[None], steps[0])[0], _decoded(planes.chroma, steps[1])
    coded = _decoded(_quantized(planes.luma)[None], steps[0])[0]
    halves = _error(analysis, luma, luma, chroma)
    files = _error(analysis, luma, coded, _decoded(_quantized(planes.chroma), steps[1]))
    part = min(_PART + tune.fine_chroma_error / reference_step(tables[..., 0]), _MOST)
    return "444" if halves > part * files else "420"


def _quantized(coefficients):
    """Whole levels of coefficients over their steps [..., 8, 8], as float32."""
    levels = np.copysign(np.float32(1 - _DROPPED), coefficients)
    levels += coefficients
    np.trunc(levels, levels)
    levels[..., 0, 0] = np.rint(coefficients[..., 0, 0])
    return levels


def _decoded(levels, steps):
    """Samples around 0, [n, 8 rows, 8 columns], of levels [n, rows, columns, 8, 8]."""
    return luma_kernels.decode(levels.reshape(*levels.shape[:3], _PLACES), steps)


def _error(analysis, luma, shown, chroma):
    """Of a picture that is shown with this luma, and chroma at half the resolution."""
    height, width = analysis.height, analysis.width
    blocks = np.zeros([-(-height // BLOCK), -(-width // BLOCK)], np.float32)
    chroma = np.ascontiguousarray(chroma[:, : halved(height), : halved(width)])
    luma_kernels.rgb_errors(luma, shown, analysis.chroma_samples, chroma, blocks)
    return float(np.sqrt(np.mean(np.square(blocks, dtype=np.float64))))
