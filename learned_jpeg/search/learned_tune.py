"""Learned parameters that make another Tune and tables of one: smooth functions of the rate."""

from dataclasses import replace

from learned_jpeg.jpeg.standard import BLOCK
from learned_jpeg.search.tuning import shaped

import numpy as np

# What is learned of the error, see tuning.Tune: logarithms of factors, and differences.
FACTORS = ("bit_price", "hvs_weight", "chroma_weight", "dc_weight")
DIFFERENCES = ("mask_power", "zeroing_penalty", "bit_price_texture", "error_table_power")
# The same, behind the tables' in the parameters; models of versions before 1.3 lack them.
LATER_FACTORS, LATER_DIFFERENCES = (
    ("cb_weight",),
    ("neighbour_mask_power", "brightness_power", "chroma_mask_power"),
)
# The shapes, over the frequencies, that the logarithm of a table is a sum of: luma's, whose mean
# the quality sets, and chroma's.
_DOWN, _RIGHT = np.mgrid[:BLOCK, :BLOCK] / (BLOCK - 1)
_SUM, _DIFFERENCE = (_DOWN + _RIGHT) / 2, _DOWN - _RIGHT
_MEAN = np.zeros([BLOCK, BLOCK])
_MEAN[0, 0] = 1
SHAPES = np.stack([_MEAN, _SUM, _SUM**2, _DIFFERENCE**2, np.ones([BLOCK, BLOCK])])
PLANES = len(SHAPES) - 1, len(SHAPES)
_TABLES = slice(8, 8 + sum(PLANES))  # the pairs of the tables
# The most of a shape, and of how it changes with the logarithm of the step: tables stay monotone.
LIMITS = 3.0, 0.4

# How far each parameter is tried from where it is, to begin with: at a step of 16, and its change
# with `log_step`.
_SPREAD = [0.1, 0.3, 0.15, 0.3, 0.06, 0.06, 0.05, 0.2] + [0.15] * sum(PLANES) + [0.2, 0.1, 0.3, 0.3]
SPREADS = np.outer(_SPREAD, [1, 0.7]).ravel()
PARAMETERS = len(SPREADS)


def log_step(step):
    """log4 of a step over 16, about -2 to 1: where on the axis of the rate."""
    return np.float32(np.log(np.float32(step) / 16) / np.log(4))


def learned(parameters, step, base):
    """(Tune, tables float64 [8, 8, 2] neither rounded nor bounded) at a step.

    parameters: float [PARAMETERS], pairs of a value at a step of 16 and its change with `log_step`,
    all 0 for `base` as it is, a Tune; step: as `tuning.shaped` takes it. No entry falls where the
    step rises.
    """
    pairs, at = np.asarray(parameters, np.float64).reshape(-1, 2), [1, float(log_step(step))]
    of_error, of_tables, later = np.split(pairs, [_TABLES.start, _TABLES.stop])
    values = iter(np.concatenate([of_error, later]) @ at)
    error = {}
    for factors, differences in (FACTORS, DIFFERENCES), (LATER_FACTORS, LATER_DIFFERENCES):
        error |= {name: getattr(base, name) * np.exp(next(values)) for name in factors}
        error |= {name: getattr(base, name) + next(values) for name in differences}
    error["zeroing_penalty"] = max(error["zeroing_penalty"], 0.0)
    tables = shaped(step, base)
    values = iter(np.clip(of_tables, np.negative(LIMITS), LIMITS) @ at)
    for plane, count in enumerate(PLANES):
        for shape in SHAPES[:count]:
            tables[..., plane] *= np.exp(next(values) * shape)
    return replace(base, **error), tables
