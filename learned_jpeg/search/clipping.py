"""Blocks that are black or white in part: what goes beyond is clipped by the decoder, so free."""

from learned_jpeg.runtime.lazy import lazy_import

import numpy as np

luma_kernels = lazy_import("learned_jpeg.search.luma")


class Clipped:
    """Blocks that are black or white in part: the decoder clips what goes beyond, so it is free.

    original: luma over its table [n, 64]; x: the search's targets, of the same shape.
    """

    def __init__(self, original, x, steps):
        self._x, self._steps = x, steps
        found = np.empty(len(x), np.bool_)
        luma_kernels.clipped(original, steps, found)
        self._blocks = np.flatnonzero(found)
        self._original = original[self._blocks]

    def targets(self, w, codes):
        """The targets with what is free moved to where the bits are least: first as
        smooth as it can be, then where the search itself puts it."""
        if not len(self._blocks):
            return self._x
        before = self._x[self._blocks]
        w = w.of(self._blocks)
        x = np.empty_like(before)
        luma_kernels.smooth_free(self._original, before, self._steps, 12, x)
        levels = np.empty(x.shape, np.int16)
        for _ in range(3):
            codes.search(x, w, levels)
            levels[:, 0] = np.rint(x[:, 0])
            luma_kernels.move_free(self._original, before, levels, self._steps, x)
        result = self._x.copy()
        result[self._blocks] = x
        return result
