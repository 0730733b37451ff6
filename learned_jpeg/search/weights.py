"""What the search weighs: the error of each frequency and block, and lambda, of a Tune."""

from functools import partial, reduce
from typing import NamedTuple

from learned_jpeg.jpeg.standard import BLOCK, IJG_BASE_TABLES
from learned_jpeg.runtime import threads
from learned_jpeg.runtime.lazy import lazy_import
from learned_jpeg.search.tuning import COMPONENTS, TAKEN_OVER, reference_step, upsampling_gain

import numpy as np

luma_kernels = lazy_import("learned_jpeg.search.luma")

_LUMA_TABLE = IJG_BASE_TABLES[..., 0].ravel()
# PSNR-HVS-M (see luma.activity): how much an error is seen, and how much of it AC masks.
_SEEN = 25.735 / _LUMA_TABLE
_VISIBILITY = (10 / _LUMA_TABLE) ** 2
_VISIBILITY[0] = 0
# What is added to a block's variance before it masks, and a middling sum of both.
_LEAST_VARIANCE, _MIDDLING = 60, 310


class Weights(NamedTuple):
    """A component's error and the price of a bit, see `trellis`: squared_weight, dead_zone_weight
    and dead_zone float32 [64] of the frequencies, zeroing_penalty, and mask, masking_threshold and
    bit_price [n] of the blocks."""

    squared_weight: np.ndarray
    dead_zone_weight: np.ndarray
    dead_zone: np.ndarray
    zeroing_penalty: np.float32
    mask: np.ndarray
    masking_threshold: np.ndarray
    bit_price: np.ndarray

    def of(self, blocks):
        """Those of some blocks, by an index."""
        return self._replace(
            mask=self.mask[blocks],
            masking_threshold=self.masking_threshold[blocks],
            bit_price=self.bit_price[blocks],
        )


def bit_price_of(tune, qtables):
    """What a bit costs at the tables of a file, before any factor."""
    step = reference_step(qtables[..., 0])
    return tune.bit_price * step**2 * step / (step + tune.bit_price_knee)


def _squared_weight(tune, qtable, weight):
    steps = qtable.ravel().astype(np.float64)
    scale = (reference_step(qtable) / steps) ** tune.error_table_power
    return np.float32(tune.squared_weight * weight * scale * _places(tune) * steps**2)


def _places(tune):
    """What an error weighs at each frequency."""
    places = np.ones(BLOCK * BLOCK)
    places[0] = tune.dc_weight
    return places


def _chroma(tune):
    """What the squared errors of Cb and Cr weigh."""
    return tune.chroma_weight * COMPONENTS[1:] * [tune.cb_weight, 1]


def _calmest(activity):
    """The least of a field [rows, columns] of each block and those around it."""
    for axis in (0, 1):
        field = np.pad(activity, [(1 - axis, 1 - axis), (axis, axis)], "edge")
        size = activity.shape[axis]
        parts = (np.take(field, range(i, i + size), axis) for i in range(3))
        activity = reduce(np.minimum, parts)
    return activity


def _brightness(analysis):
    """The mean of each block of luma [n], from -1 for black to 1."""
    means = analysis.unrounded.luma[..., 0, 0].ravel()
    return means * np.float32(float(analysis.qtables[0, 0, 0]) / (BLOCK * 128))


def _bit_prices(bit_price, tune, activity, field):
    prices = np.float32(bit_price) * activity ** np.float32(tune.bit_price_texture)
    return prices if field is None else prices * np.exp2(np.float32(field)).ravel()


def luma_and_chroma(tune, analysis, factor):
    """The Weights of luma, and of [Cb, Cr], or None for a gray picture. factor: of lambda."""
    qtables = np.asarray(analysis.qtables)
    size = analysis.unrounded.luma.shape[:2]
    blocks = size[0] * size[1]
    steps = qtables[..., 0].ravel().astype(np.float32)
    variance, masking_threshold = np.empty((2, blocks), np.float32)
    luma, visibility = analysis.unrounded.luma.reshape(blocks, -1), _VISIBILITY.astype(np.float32)

    def active(part):
        luma_kernels.activity(
            luma[part], steps, visibility, variance[part], masking_threshold[part]
        )

    threads.share([partial(active, part) for part in threads.parts(blocks)])
    activity = (variance + _LEAST_VARIANCE) / _MIDDLING
    mask = activity ** np.float32(-tune.mask_power)
    mask *= (activity / _calmest(activity.reshape(size)).ravel()) ** np.float32(
        tune.neighbour_mask_power
    )
    mask *= np.exp(_brightness(analysis) * np.float32(-tune.brightness_power / 2))
    bit_price = factor * bit_price_of(tune, qtables)
    fields = analysis.log2_bit_price
    dead_zone = _LUMA_TABLE**2 / 100 / steps
    dead_zone[0] = 0
    luma = Weights(
        _squared_weight(tune, qtables[..., 0], COMPONENTS[0]),
        np.float32(tune.hvs_weight * _SEEN**2 * _places(tune) * steps**2),
        np.float32(dead_zone),
        np.float32(tune.zeroing_penalty),
        mask,
        masking_threshold,
        _bit_prices(bit_price, tune, activity, None if fields is None else fields.luma),
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
            _squared_weight(tune, qtables[..., 1], _chroma(tune)[i] * gain.ravel()),
            none,
            none,
            np.float32(tune.zeroing_penalty),
            mask,
            mask,
            _bit_prices(bit_price, tune, activity, None if fields is None else fields.chroma[i]),
        )
        for i in range(2)
    ]


def left_of_chroma(tune, qtables, mask):
    """The Weights of what of chroma's error at full resolution luma cannot make up for: [Cb, Cr].

    mask: luma's.
    """
    none = np.zeros(BLOCK * BLOCK, np.float32)
    left = _chroma(tune) * (1 - TAKEN_OVER**2 / COMPONENTS[0] / COMPONENTS[1:])
    return [
        Weights(squared_weight, none, none, np.float32(0), mask, mask, none)
        for squared_weight in (_squared_weight(tune, qtables[..., 1], part) for part in left)
    ]


def _mean_of_luma(field, size):
    """The mean of a field of luma's blocks over those that a chroma block covers."""
    if field.shape == size:
        return field
    rows, columns = 2 * size[0] - field.shape[0], 2 * size[1] - field.shape[1]
    field = np.pad(field, [(0, rows), (0, columns)], "edge")
    return field.reshape(size[0], 2, size[1], 2).mean((1, 3), dtype=np.float32)
