"""4:4:4 or 4:2:0: what costs the search less."""

from learned_jpeg.jpeg import transform
from learned_jpeg.jpeg.sampling import halved, up
from learned_jpeg.jpeg.standard import BLOCK
from learned_jpeg.runtime.lazy import lazy_import
from learned_jpeg.search import weights

import numpy as np

luma_kernels = lazy_import("learned_jpeg.search.luma")
trellis = lazy_import("learned_jpeg.search.trellis")

_PLACES = BLOCK * BLOCK
# The part of its cost that 4:2:0 may lose by itself and be taken: where 4:4:4 gains, that is more
# than twice as much.
_LITTLE = 0.08


def choose(search, analyses):
    """The sampling that costs the search less: (name, Found, the tables uint8 [8, 8, 2]).

    search: a Trellis; analyses: {"444": ..., "420": ...}, functions that make the Analysis of the
    same picture, called one after the other, so that only one takes memory at a time. Both are
    compared by luma's error, what is left of chroma's at full resolution, and the bits, at the
    price of saving them by coarser tables. Where chroma at half resolution alone, not quantized,
    loses little, 4:4:4 is not searched.
    """
    half = analyses["420"]()
    found = {"420": search.search(half)}
    if half.unrounded.chroma is None:
        return "444", found["420"], half.qtables
    # Luma, and so what it hides and makes up for, is the same at both.
    luma = weights.luma_and_chroma(search.base, half, 1.0)[0]
    left = weights.left_of_chroma(search.base, half.qtables, luma.mask)
    price = search.price(half.qtables)

    def cost_of_luma(analysis, one):
        planes, levels = (x.luma.reshape(-1, _PLACES) for x in (analysis.unrounded, one.integers))
        return trellis.error(planes, levels, *luma[:-1]) + price * one.bits

    costs = {"420": cost_of_luma(half, found["420"])}
    if _lost(half, half.unrounded.chroma, left) < _LITTLE * costs["420"]:
        return "420", found["420"], half.qtables
    costs["420"] += _lost(half, found["420"].integers.chroma, left)
    del half
    full = analyses["444"]()
    found["444"] = search.search(full)
    planes, levels = (
        x.reshape(2, -1, _PLACES) for x in (full.unrounded.chroma, found["444"].integers.chroma)
    )
    costs["444"] = cost_of_luma(full, found["444"]) + _error(planes, levels, left)
    best = min(costs, key=costs.get)
    return best, found[best], full.qtables


def _lost(analysis, levels, left):
    """The error of Cb and Cr at full resolution, of levels of 4:2:0, whole or not."""
    steps = analysis.qtables[..., 1].ravel().astype(np.float32)
    size = analysis.height, analysis.width
    decoded = np.empty([2, *np.multiply(levels.shape[1:3], BLOCK)], np.float32)
    for plane, out in zip(levels.reshape(*levels.shape[:3], _PLACES), decoded, strict=True):
        luma_kernels.decode(plane, steps, out)
    shown = up(decoded[:, : halved(size[0]), : halved(size[1])], *size)
    error = np.subtract(analysis.chroma_samples, shown, dtype=np.float32)
    error = transform.dct(transform.pad(error, *analysis.unrounded.luma.shape[:2]))
    error = error.reshape(2, -1, _PLACES) / steps
    return _error(error, np.zeros(error.shape, np.int16), left)


def _error(planes, levels, left):
    """The error of levels of Cb and Cr, [2, n, 64] both, by their Weights `left`."""
    return sum(
        trellis.error(plane, chosen, *w[:-1])
        for plane, chosen, w in zip(planes, levels, left, strict=True)
    )
