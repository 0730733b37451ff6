"""4:4:4 or 4:2:0: the choice for a picture, by the error in RGB of chroma at half resolution."""

from learned_jpeg.jpeg.sampling import halved
from learned_jpeg.jpeg.standard import BLOCK
from learned_jpeg.runtime.lazy import lazy_import
from learned_jpeg.search.tuning import reference_step

import numpy as np

luma_kernels = lazy_import("learned_jpeg.search.luma")

_FREQUENCIES = BLOCK * BLOCK
# 4:2:0 may cause an error of this part of a photograph's error; a tune can raise the part up to
# _MOST.
_PART, _MOST = 0.66, 1.08
# In a graphic less: people look at its lines. 4:4:4 is dear where much of a file is chroma, so the
# factor on that part is by chroma's share of the coefficients that are not 0.
_CHEAP, _DEARER = 0.58, 0.62
# A graphic is a picture with so large a part of plain blocks, whose samples deviate from their mean
# by less than _PLAIN, as the sum of the squares.
_GRAPHIC, _PLAIN = 0.6, 1.0
# The simple quantizer sets coefficients below this to 0, so that its error is about the search's.
_DEAD_ZONE = 0.6


def choose(analysis, tune):
    """The sampling of a picture: "420", or "444" if 4:2:0 spoils it.

    analysis: of the picture at 4:2:0; tune: a tuning.Tune. The error of chroma at half the
    resolution, not quantized, is compared with the error of a simple quantizer, both in RGB after
    clipping. A block counts by the square of its error, so that a few lines in a plain picture
    count.
    """
    planes, tables = analysis.unrounded, np.float32(analysis.qtables)
    if planes.chroma is None or (tables == 1).all():  # quality 100 keeps all it can
        return "444"
    steps = tables[..., 0].ravel(), tables[..., 1].ravel()
    luma, chroma = _decoded(planes.luma[None], steps[0])[0], _decoded(planes.chroma, steps[1])
    levels, chroma_levels = _quantized(planes.luma), _quantized(planes.chroma)
    halves = _error(analysis, luma, luma, chroma)
    coded = _decoded(levels[None], steps[0])[0], _decoded(chroma_levels, steps[1])
    files = _error(analysis, luma, *coded)
    part = min(_PART + tune.fine_chroma_error / reference_step(tables[..., 0]), _MOST)
    nonzero = np.count_nonzero(levels), np.count_nonzero(chroma_levels)
    share = nonzero[1] / max(sum(nonzero), 1)
    graphic = min(_plain_blocks(planes.luma, tables[..., 0]) / _GRAPHIC, 1.0)
    part *= 1 - graphic * (1 - _CHEAP - _DEARER * share)
    return "444" if halves > part * files else "420"


def _plain_blocks(coefficients, table):
    """The part of blocks, of coefficients over their table [..., 8, 8], that have no AC."""
    ac = table.copy()
    ac[0, 0] = 0
    return np.mean(np.square(coefficients * ac).sum((-2, -1)) < _PLAIN)


def _quantized(coefficients):
    """The levels of the simple quantizer, float32, of coefficients over their table [..., 8, 8]."""
    levels = np.copysign(np.float32(1 - _DEAD_ZONE), coefficients)
    levels += coefficients
    np.trunc(levels, levels)
    levels[..., 0, 0] = np.rint(coefficients[..., 0, 0])
    return levels


def _decoded(levels, steps):
    """The samples around 0, [n, 8 rows, 8 columns], of levels [n, rows, columns, 8, 8]."""
    return luma_kernels.decode(levels.reshape(*levels.shape[:3], _FREQUENCIES), steps)


def _error(analysis, luma, shown, chroma):
    """The error of a picture that is shown with luma `shown` and chroma at half the resolution."""
    height, width = analysis.height, analysis.width
    blocks = np.zeros([-(-height // BLOCK), -(-width // BLOCK)], np.float32)
    chroma = np.ascontiguousarray(chroma[:, : halved(height), : halved(width)])
    luma_kernels.rgb_errors(luma, shown, analysis.chroma_samples, chroma, blocks)
    return float(np.sqrt(np.mean(np.square(blocks, dtype=np.float64))))
