"""The lambda map: a small network gives each block a factor on the price of its bits.

The inputs are the magnitudes of the coefficients over their tables, of the block and its
neighbours, and the block's brightness. The code uses functions that numpy and TensorFlow share:
`xp` is numpy or tensorflow.experimental.numpy. So a network that TensorFlow trains writes files
without it.
"""

from learned_jpeg.jpeg.sampling import Planes
from learned_jpeg.jpeg.standard import BLOCK

import numpy as np

_FREQUENCIES = BLOCK * BLOCK
LUMA, CHROMA = _FREQUENCIES, _FREQUENCIES - 1  # the features of a block
WIDTH = 32  # of the hidden layers
MOST = 2.0  # the largest |log2| of a factor
ROWS = 64  # rows of blocks for which the network runs at a time


def start(random):
    """Initial weights {name: float32}, with which the map is 0. random: a generator of numpy."""

    def layer(inputs):
        return random.normal(0, (2 / inputs) ** 0.5, [inputs, WIDTH]).astype(np.float32)

    return {
        "first": layer(LUMA + 2),  # two more inputs: the step, and a constant
        "first_chroma": layer(CHROMA),
        "second": layer(9 * WIDTH + 1),
        "last": np.zeros([WIDTH + 1, 2], np.float32),
    }


def features(unrounded, qtables):
    """The network's inputs: Planes of float32 [rows, columns, LUMA], [rows', columns', CHROMA].

    unrounded: Planes, coefficients over tables, luma [rows, columns, 8, 8]; qtables: [8, 8, 2].
    The feature of luma's DC is the brightness in [-1, 1]; others are log2(1 + |coefficient /
    table|). Those of chroma are the means of Cb and Cr, or None for a gray picture.
    """
    flat = unrounded.luma.reshape(*unrounded.luma.shape[:-2], _FREQUENCIES)
    luma = np.log2(1 + np.abs(flat))
    luma[..., 0] = flat[..., 0] * np.float32(float(qtables[0, 0, 0]) / (BLOCK * 128))
    if unrounded.chroma is None:
        return Planes(luma, None)
    chroma = unrounded.chroma.reshape(*unrounded.chroma.shape[:-2], _FREQUENCIES)[..., 1:]
    return Planes(luma, np.log2(1 + np.abs(chroma)).mean(0))


def predict(weights, seen, log_step, xp):
    """The lambda map of a batch: log2 of the factors on the bit price, in (-MOST, MOST).

    weights: named as those of `start`; seen: Planes of `features` [B, rows, columns, LUMA] and [B,
    rows', columns', CHROMA], or chroma None; log_step: log4 of the tables' step over 16; xp: see
    above. Returns Planes [B, rows, columns] and [B, rows', columns'], which Cb and Cr share.
    """
    luma, chroma = seen
    rows, columns = luma.shape[1:3]
    ones = xp.ones_like(luma[..., :1])
    hidden = xp.matmul(xp.concatenate([luma, log_step * ones, ones], -1), weights["first"])
    halved = chroma is not None and tuple(chroma.shape[1:3]) != (rows, columns)
    if chroma is not None:
        chroma = xp.matmul(chroma, weights["first_chroma"])
        if halved:
            chroma = xp.repeat(xp.repeat(chroma, 2, 1), 2, 2)[:, :rows, :columns]
        hidden = hidden + chroma
    hidden = xp.pad(xp.maximum(hidden, 0.0), [[0, 0], [1, 1], [1, 1], [0, 0]], "constant")
    around = [
        hidden[:, down : down + rows, right : right + columns]
        for down in range(3)
        for right in range(3)
    ]
    hidden = xp.maximum(xp.matmul(xp.concatenate([*around, ones], -1), weights["second"]), 0.0)
    both = MOST * xp.tanh(xp.matmul(xp.concatenate([hidden, ones], -1), weights["last"]))
    luma, other = both[..., 0], both[..., 1]
    if chroma is None:
        return Planes(luma, None)
    return Planes(luma, _halved(other, xp) if halved else other)


def _halved(values, xp):
    """The means of 2x2 blocks of [B, rows, columns], an odd edge repeated."""
    for axis in (1, 2):
        if values.shape[axis] % 2:
            last = values[:, -1:] if axis == 1 else values[:, :, -1:]
            values = xp.concatenate([values, last], axis)
    values = 0.5 * (values[:, ::2] + values[:, 1::2])
    return 0.5 * (values[:, :, ::2] + values[:, :, 1::2])


def of_picture(weights, analysis, log_step):
    """The `log2_bit_price` of a quantizer.Analysis: Planes [rows, columns], [2, rows', columns'].

    The network runs for ROWS rows of blocks and their neighbours at a time, to save memory.
    """
    unrounded, qtables = analysis.unrounded, analysis.qtables
    rows = unrounded.luma.shape[0]
    luma, chroma = [], []
    for top in range(0, rows, ROWS):
        above, end = min(2, top), min(top + ROWS, rows)
        below = min(end + 2, rows)
        part = unrounded.luma[top - above : below]
        other, step = None, 1
        if unrounded.chroma is not None:
            step = 1 if unrounded.chroma.shape[1] == rows else 2
            other = unrounded.chroma[:, (top - above) // step : -(-below // step)]
        seen = features(Planes(part, other), qtables)
        seen = Planes(*(None if plane is None else plane[None] for plane in seen))
        found = predict(weights, seen, np.float32(log_step), np)
        luma.append(found.luma[0, above : above + end - top])
        if other is not None:
            first = above // step
            chroma.append(found.chroma[0, first : first + -(-(end - top) // step)])
    both = np.concatenate(chroma) if chroma else None
    return Planes(np.concatenate(luma), None if both is None else np.stack([both, both]))
