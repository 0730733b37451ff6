"""4:4:4 or 4:2:0: what costs the search less."""

from learned_jpeg import transform, weights
from learned_jpeg.lazy import lazy_import
from learned_jpeg.sampling import halved, up
from learned_jpeg.standard import BLOCK

import numpy as np

luma_kernels = lazy_import("learned_jpeg.luma")
trellis = lazy_import("learned_jpeg.trellis")

_PLACES = BLOCK * BLOCK
# What coarser tables lose for each bit, over the search's lambda; measured on photographs.
_COARSER = 1.6
# The part of its cost that 4:2:0 may lose by itself and be the cheaper for sure: where 4:4:4 was,
# it lost more than twice as much.
_LITTLE = 0.08


def choose(search, analyses):
    """The sampling that costs the search less: (name, Found, the tables uint8 [8, 8, 2]).

    search: a Trellis; analyses: {"444": ..., "420": ...}, functions that make the Analysis of the
    same picture, called one after the other, so that only one takes memory at a time. Both are
    compared by luma's error, what is left of chroma's at full resolution, and the bits, which
    count for more than to the search: coarser tables, the other way to save them, are a worse one.
    Where chroma at half resolution alone, not quantized, loses little, 4:4:4 is not searched.
    """
    half = analyses["420"]()
    found = {"420": search.search(half)}
    if half.unrounded.chroma is None:
        return "444", found["420"], half.qtables
    # Luma, and so what it hides and makes up for, is the same at both.
    mask = weights.luma_and_chroma(search.tune, half, 1.0)[0].mask
    left = weights.left_of_chroma(search.tune, half.qtables, mask)
    if _lost(half, half.unrounded.chroma, left) < _LITTLE * found["420"].cost:
        return "420", found["420"], half.qtables
    lost = {"420": _lost(half, found["420"].integers.chroma, left)}
    del half
    full = analyses["444"]()
    found["444"] = search.search(full)
    planes, levels = (
        x.reshape(2, -1, _PLACES) for x in (full.unrounded.chroma, found["444"].integers.chroma)
    )
    lost["444"] = _error(planes, levels, left)
    price = _COARSER * search.lmbda(full.qtables)
    costs = {name: one.error[0] + lost[name] + price * one.bits for name, one in found.items()}
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
