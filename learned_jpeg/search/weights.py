"""The weights of the error at each frequency and block, and the bit prices, by a Tune."""

from functools import partial, reduce
from typing import NamedTuple

from learned_jpeg.jpeg.sampling import Planes
from learned_jpeg.jpeg.standard import BLOCK, IJG_BASE_TABLES
from learned_jpeg.runtime import threads
from learned_jpeg.runtime.lazy import lazy_import
from learned_jpeg.search.tuning import COMPONENTS, TAKEN_OVER, reference_step, upsampling_gain

import numpy as np

luma_kernels = lazy_import("learned_jpeg.search.luma")

_LUMA_TABLE = IJG_BASE_TABLES[..., 0].ravel()
# PSNR-HVS-M (see luma.activity): the sensitivity to an error, and the weight of AC in the masking.
_SENSITIVITY = 25.735 / _LUMA_TABLE
_VISIBILITY = (10 / _LUMA_TABLE) ** 2
_VISIBILITY[0] = 0
# A constant that is added to a block's variance, and a typical sum of both, which has activity 1.
_LEAST_VARIANCE, _TYPICAL_VARIANCE = 60, 310


class Weights(NamedTuple):
    """The weights of a component's error, and its bit prices, as `trellis` defines them.

    squared_weight, dead_zone_weight, dead_zone: float32 [64] of the frequencies; mask,
    masking_threshold, bit_price: float32 [n] of the blocks.
    """

    squared_weight: np.ndarray
    dead_zone_weight: np.ndarray
    dead_zone: np.ndarray
    zeroing_penalty: np.float32
    mask: np.ndarray
    masking_threshold: np.ndarray
    bit_price: np.ndarray

    def of(self, blocks):
        """The Weights of a part of the blocks, by an index."""
        return self._replace(
            mask=self.mask[blocks],
            masking_threshold=self.masking_threshold[blocks],
            bit_price=self.bit_price[blocks],
        )


def bit_price_of(tune, qtables):
    """The price of a bit at the tables of a file [8, 8, 2], before any factor."""
    step = reference_step(qtables[..., 0])
    return tune.bit_price * step**2 * step / (step + tune.bit_price_knee)


def _squared_weight(tune, qtable, weight):
    steps = qtable.ravel().astype(np.float64)
    scale = (reference_step(qtable) / steps) ** tune.error_table_power
    return np.float32(tune.squared_weight * weight * scale * _frequency_weights(tune) * steps**2)


def _frequency_weights(tune):
    """The factor on the weight of an error at each frequency [64]."""
    factors = np.ones(BLOCK * BLOCK)
    factors[0] = tune.dc_weight
    return factors


def _chroma_weights(tune):
    """The weights of the squared errors of Cb and Cr [2]."""
    return tune.chroma_weight * COMPONENTS[1:] * [tune.cb_weight, 1]


def _calmest(activity):
    """The least activity [rows, columns] of each block and its neighbours."""
    for axis in (0, 1):
        padded = np.pad(activity, [(1 - axis, 1 - axis), (axis, axis)], "edge")
        size = activity.shape[axis]
        shifted = (np.take(padded, range(i, i + size), axis) for i in range(3))
        activity = reduce(np.minimum, shifted)
    return activity


def _brightness(analysis):
    """The mean of each block of luma [n], from -1 for black to 1 for white."""
    dc = analysis.unrounded.luma[..., 0, 0].ravel()
    return dc * np.float32(float(analysis.qtables[0, 0, 0]) / (BLOCK * 128))


def _bit_prices(bit_price, tune, activity, lambda_map):
    """The price of a bit in each block [n]."""
    prices = np.float32(bit_price) * activity ** np.float32(tune.bit_price_texture)
    return prices if lambda_map is None else prices * np.exp2(np.float32(lambda_map)).ravel()


def luma_and_chroma(tune, analysis, factor):
    """The Weights of luma, and of [Cb, Cr], or None for a gray picture.

    factor: on the bit price.
    """
    qtables = np.asarray(analysis.qtables)
    size = analysis.unrounded.luma.shape[:2]
    blocks = size[0] * size[1]
    steps = qtables[..., 0].ravel().astype(np.float32)
    variance, masking_threshold = np.empty((2, blocks), np.float32)
    luma, visibility = analysis.unrounded.luma.reshape(blocks, -1), _VISIBILITY.astype(np.float32)

    def fill(part):
        luma_kernels.activity(
            luma[part], steps, visibility, variance[part], masking_threshold[part]
        )

    threads.share([partial(fill, part) for part in threads.parts(blocks)])
    activity = (variance + _LEAST_VARIANCE) / _TYPICAL_VARIANCE
    mask = activity ** np.float32(-tune.mask_power)
    mask *= (activity / _calmest(activity.reshape(size)).ravel()) ** np.float32(
        tune.neighbour_mask_power
    )
    mask *= np.exp(_brightness(analysis) * np.float32(-tune.brightness_power / 2))
    bit_price = factor * bit_price_of(tune, qtables)
    maps = analysis.log2_bit_price or Planes(None, [None, None])
    dead_zone = _LUMA_TABLE**2 / 100 / steps
    dead_zone[0] = 0
    luma = Weights(
        _squared_weight(tune, qtables[..., 0], COMPONENTS[0]),
        np.float32(tune.hvs_weight * _SENSITIVITY**2 * _frequency_weights(tune) * steps**2),
        np.float32(dead_zone),
        np.float32(tune.zeroing_penalty),
        mask,
        masking_threshold,
        _bit_prices(bit_price, tune, activity, maps.luma),
    )
    if analysis.unrounded.chroma is None:
        return luma, None
    gain = upsampling_gain() if analysis.sampling == "420" else np.ones([BLOCK, BLOCK])
    covered = analysis.unrounded.chroma.shape[1:3]
    mask, activity = (_mean_of_luma(x.reshape(size), covered).ravel() for x in (mask, activity))
    mask = mask ** np.float32(tune.chroma_mask_power)
    none = np.zeros(BLOCK * BLOCK, np.float32)
    return luma, [
        Weights(
            _squared_weight(tune, qtables[..., 1], _chroma_weights(tune)[i] * gain.ravel()),
            none,
            none,
            np.float32(tune.zeroing_penalty),
            mask,
            mask,
            _bit_prices(bit_price, tune, activity, maps.chroma[i]),
        )
        for i in range(2)
    ]


def uncompensated_chroma(tune, qtables, mask):
    """The Weights of [Cb, Cr] for the part of chroma's error that luma cannot compensate.

    mask: luma's; the error is at full resolution.
    """
    none = np.zeros(BLOCK * BLOCK, np.float32)
    parts = _chroma_weights(tune) * (1 - TAKEN_OVER**2 / COMPONENTS[0] / COMPONENTS[1:])
    return [
        Weights(squared_weight, none, none, np.float32(0), mask, mask, none)
        for squared_weight in (_squared_weight(tune, qtables[..., 1], part) for part in parts)
    ]


def _mean_of_luma(values, size):
    """The means of luma's blocks [rows, columns] over those that each chroma block covers."""
    if values.shape == size:
        return values
    rows, columns = 2 * size[0] - values.shape[0], 2 * size[1] - values.shape[1]
    values = np.pad(values, [(0, rows), (0, columns)], "edge")
    return values.reshape(size[0], 2, size[1], 2).mean((1, 3), dtype=np.float32)
