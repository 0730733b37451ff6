"""Blocks that are black or white in part: what goes beyond is clipped by the decoder, so free."""

from functools import partial

from learned_jpeg.runtime import threads
from learned_jpeg.runtime.lazy import lazy_import

import numpy as np

block_kernels = lazy_import("learned_jpeg.jpeg.block_kernels")

# Samples around 0 that round to black or white.
_BLACK, _WHITE = np.float32(-127.5), np.float32(126.5)
_AS_IT_IS = np.ones(64, np.float32)
# How often what is free is smoothed.
_ROUNDS = 12


class Clipped:
    """Blocks that are black or white in part: the decoder clips what goes beyond, so it is free.

    original: luma over its table [n, 64]; x: the search's targets, of the same shape, which are
    changed where they are another array.
    """

    def __init__(self, original, x, steps):
        self._x, self._steps, self._shared = x, steps, x is original

        def clipped(part):
            samples = self._samples(original[part])
            white, black = samples > _WHITE, samples < _BLACK
            number = (white | black).sum(1)
            blocks = np.flatnonzero((0 < number) & (number < 64))
            return part.start + blocks, white[blocks], black[blocks]

        found = threads.share([partial(clipped, part) for part in threads.parts(len(x))])
        self._blocks, self._white, self._black = map(np.concatenate, zip(*found, strict=True))

    def _samples(self, x):
        """The samples of blocks of coefficients over their table [n, 64]."""
        samples = np.empty_like(x)
        block_kernels.idct_of_blocks(x, self._steps, samples)
        return samples

    def _beyond(self, target, samples, part):
        """The target's samples, but beyond black and white those that are, if they are further."""
        further = np.where(self._white[part], np.maximum(target, samples), target)
        return np.where(self._black[part], np.minimum(target, samples), further)

    def _over_table(self, samples):
        coefficients = np.empty_like(samples)
        block_kernels.dct_of_blocks(samples, _AS_IT_IS, coefficients)
        return coefficients / self._steps

    def _smooth(self, target, part):
        """The target's samples, but beyond black and white what the AC decodes to when it is drawn
        towards 0: by two steps at first, and less with every round. What is free comes to be as
        smooth as it can."""
        samples = target.copy()
        for i in range(_ROUNDS):
            block_kernels.dct_of_blocks(samples, _AS_IT_IS, samples)
            ac, less = samples[:, 1:], self._steps[1:] * np.float32(2 * (_ROUNDS - i) / _ROUNDS)
            ac[:] = np.maximum(ac - less, 0) + np.minimum(ac + less, 0)
            block_kernels.idct_of_blocks(samples, _AS_IT_IS, samples)
            samples = self._beyond(target, samples, part)
        return samples

    def targets(self, w, codes):
        """The targets with what is free moved to where the bits are least: first as
        smooth as it can be, then where the search itself puts it."""
        if not len(self._blocks):
            return self._x
        x, w = self._x[self._blocks], w.of(self._blocks)
        target, levels = np.empty_like(x), np.empty(x.shape, np.int16)

        def smoothed(part):
            target[part] = self._samples(x[part])
            x[part] = self._over_table(self._smooth(target[part], part))

        def moved(part):
            levels[part, 0] = np.rint(x[part, 0])
            samples = self._samples(levels[part].astype(np.float32))
            x[part] = self._over_table(self._beyond(target[part], samples, part))

        parts = threads.parts(len(x))
        threads.share([partial(smoothed, part) for part in parts])
        for _ in range(3):
            codes.search(x, w, levels)
            threads.share([partial(moved, part) for part in parts])
        result = self._x.copy() if self._shared else self._x
        result[self._blocks] = x
        return result
