"""Learned numbers that make another Tune and other tables of one: smooth functions of the rate."""

from dataclasses import replace

from learned_jpeg.standard import BLOCK
from learned_jpeg.tuning import shaped

import numpy as np

# What is learned of the error, see tuning.Tune: logarithms of factors, or differences.
FACTORS = ("lmbda", "squares", "hvs", "chroma")
DIFFERENCES = ("mask", "keep", "busy")
# The shapes, over the frequencies, that the logarithm of a table is a sum of: luma's, whose mean
# the quality sets, and chroma's.
_DOWN, _RIGHT = np.mgrid[:BLOCK, :BLOCK] / (BLOCK - 1)
_SUM, _DIFFERENCE = (_DOWN + _RIGHT) / 2, _DOWN - _RIGHT
_MEAN = np.zeros([BLOCK, BLOCK])
_MEAN[0, 0] = 1
SHAPES = np.stack([_MEAN, _SUM, _SUM**2, _DIFFERENCE, _DIFFERENCE**2, np.ones([BLOCK, BLOCK])])
PLANES = len(SHAPES) - 1, len(SHAPES)
NUMBERS = len(FACTORS) + len(DIFFERENCES) + 2 * sum(PLANES)
# The most of a shape, and of how it changes with the logarithm of the step: tables stay monotone.
LIMITS = 1.5, 0.15


def place(step):
    """log4 of a step over 16, about -2 to 1: where on the axis of the rate."""
    return np.float32(np.log(np.float32(step) / 16) / np.log(4))


def learned(numbers, step, base):
    """(Tune, tables float64 [8, 8, 2] neither rounded nor bounded) at a step.

    numbers: float [NUMBERS], all 0 for `base` as it is, a Tune; step: as `tuning.shaped` takes it.
    No entry falls where the step rises.
    """
    values = iter(np.asarray(numbers, np.float64))
    error = {name: getattr(base, name) * np.exp(next(values)) for name in FACTORS}
    error |= {name: getattr(base, name) + next(values) for name in DIFFERENCES}
    tables = shaped(step, base)
    for plane, count in enumerate(PLANES):
        for shape in SHAPES[:count]:
            level, change = (np.clip(next(values), -most, most) for most in LIMITS)
            tables[..., plane] *= np.exp((level + change * place(step)) * shape)
    return replace(base, **error), tables
