"""Targets beyond black and white: the decoder clips them, so their exact value is free.

A sample of the original that is black (or white) may be decoded to anything below black (or above
white). The search uses this freedom in blocks that are black or white in part, to save bits.
"""

from functools import partial

from learned_jpeg.runtime import threads
from learned_jpeg.runtime.lazy import lazy_import

import numpy as np

block_kernels = lazy_import("learned_jpeg.jpeg.block_kernels")

# A sample around 0 below _BLACK is decoded to black, one above _WHITE to white.
_BLACK, _WHITE = np.float32(-127.5), np.float32(126.5)
_ONES = np.ones(64, np.float32)
# How many times the free samples are smoothed.
_ROUNDS = 12


class Clipped:
    """The blocks of a picture that are black or white in part, and their targets.

    original: luma over its table [n, 64]; x: the search's targets, of the same shape, which change
    in place if they are not the array `original`; steps: the table [64].
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
        """The target's samples; free samples are replaced by others that lie further outside."""
        outside = np.where(self._white[part], np.maximum(target, samples), target)
        return np.where(self._black[part], np.minimum(target, samples), outside)

    def _over_table(self, samples):
        """The DCT of samples [n, 64], divided by the table."""
        coefficients = np.empty_like(samples)
        block_kernels.dct_of_blocks(samples, _ONES, coefficients)
        return coefficients / self._steps

    def _smooth(self, target, part):
        """The target's samples with the free samples as smooth as possible.

        Each round moves the AC coefficients towards 0, by two steps at first and less each time,
        and takes the free samples from the result.
        """
        samples = target.copy()
        for i in range(_ROUNDS):
            block_kernels.dct_of_blocks(samples, _ONES, samples)
            ac, less = samples[:, 1:], self._steps[1:] * np.float32(2 * (_ROUNDS - i) / _ROUNDS)
            ac[:] = np.maximum(ac - less, 0) + np.minimum(ac + less, 0)
            block_kernels.idct_of_blocks(samples, _ONES, samples)
            samples = self._beyond(target, samples, part)
        return samples

    def targets(self, w, codes):
        """The targets [n, 64] with the free samples moved to save bits.

        w: luma's Weights; codes: its Codes. The free samples are smoothed first. Then they move
        three times to the samples that the levels of a search decode to.
        """
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
