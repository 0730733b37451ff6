"""Blocks that are black or white in part: what goes beyond is clipped by the decoder, so free."""

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

    original: luma over its table [n, 64]; x: the search's targets, of the same shape.
    """

    def __init__(self, original, x, steps):
        self._x, self._steps = x, steps
        samples = self._samples(original)
        self._white, self._black = samples > _WHITE, samples < _BLACK
        clipped = (self._white | self._black).sum(1)
        self._blocks = np.flatnonzero((0 < clipped) & (clipped < 64))
        self._white, self._black = self._white[self._blocks], self._black[self._blocks]

    def _samples(self, x):
        """The samples of blocks of coefficients over their table [n, 64]."""
        samples = np.empty_like(x)
        block_kernels.idct_of_blocks(x, self._steps, samples)
        return samples

    def _beyond(self, target, samples):
        """The target's samples, but beyond black and white those that are, if they are further."""
        further = np.where(self._white, np.maximum(target, samples), target)
        return np.where(self._black, np.minimum(target, samples), further)

    def _over_table(self, samples):
        coefficients = np.empty_like(samples)
        block_kernels.dct_of_blocks(samples, _AS_IT_IS, coefficients)
        return coefficients / self._steps

    def _smooth(self, target):
        """The target's samples, but beyond black and white what the AC decodes to when it is drawn
        towards 0: by two steps at first, and less with every round. What is free comes to be as
        smooth as it can."""
        samples = target.copy()
        for i in range(_ROUNDS):
            block_kernels.dct_of_blocks(samples, _AS_IT_IS, samples)
            ac, less = samples[:, 1:], self._steps[1:] * np.float32(2 * (_ROUNDS - i) / _ROUNDS)
            ac[:] = np.maximum(ac - less, 0) + np.minimum(ac + less, 0)
            block_kernels.idct_of_blocks(samples, _AS_IT_IS, samples)
            samples = self._beyond(target, samples)
        return samples

    def targets(self, w, codes):
        """The targets with what is free moved to where the bits are least: first as
        smooth as it can be, then where the search itself puts it."""
        if not len(self._blocks):
            return self._x
        target = self._samples(self._x[self._blocks])
        w = w.of(self._blocks)
        x = self._over_table(self._smooth(target))
        levels = np.empty(x.shape, np.int16)
        for _ in range(3):
            codes.search(x, w, levels)
            levels[:, 0] = np.rint(x[:, 0])
            x = self._over_table(self._beyond(target, self._samples(levels.astype(np.float32))))
        result = self._x.copy()
        result[self._blocks] = x
        return result
