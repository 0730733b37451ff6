"""A small network that says of each block how much its bits may cost the search.

It sees the magnitudes of the coefficients over their tables, of the block and of its neighbours,
and how bright it is. Written on what numpy and TensorFlow share: `xp` is numpy or
tensorflow.experimental.numpy, so files are written without TensorFlow by what was trained with it.
"""

from learned_jpeg.jpeg.sampling import Planes
from learned_jpeg.jpeg.standard import BLOCK

import numpy as np

_PLACES = BLOCK * BLOCK
LUMA, CHROMA = _PLACES, _PLACES - 1  # features of a block
WIDTH = 32
MOST = 2.0  # doublings, either way
ROWS = 64  # of blocks that a picture's are worked on at a time


def start(random):
    """Weights, {name: float32}, with which the map is 0 everywhere. random: numpy's generator."""

    def layer(inputs):
        return random.normal(0, (2 / inputs) ** 0.5, [inputs, WIDTH]).astype(np.float32)

    return {
        "first": layer(LUMA + 2),  # the step, and a constant
        "first_chroma": layer(CHROMA),
        "second": layer(9 * WIDTH + 1),
        "last": np.zeros([WIDTH + 1, 2], np.float32),
    }


def features(unrounded, qtables):
    """What the network sees of a picture: Planes of float32 [rows, columns, LUMA], [.., CHROMA].

    unrounded: Planes, coefficients over tables, luma [rows, columns, 8, 8]; qtables: [8, 8, 2].
    Brightness is in [-1, 1], a magnitude log2(1 + |coefficient / table|); chroma's are means of
    Cb's and Cr's, or None for a gray picture.
    """
    flat = unrounded.luma.reshape(*unrounded.luma.shape[:-2], _PLACES)
    luma = np.log2(1 + np.abs(flat))
    luma[..., 0] = flat[..., 0] * np.float32(float(qtables[0, 0, 0]) / (BLOCK * 128))
    if unrounded.chroma is None:
        return Planes(luma, None)
    chroma = unrounded.chroma.reshape(*unrounded.chroma.shape[:-2], _PLACES)[..., 1:]
    return Planes(luma, np.log2(1 + np.abs(chroma)).mean(0))


def fields(weights, seen, log_step, xp):
    """log2 of the factors on what bits cost, in (-MOST, MOST).

    weights: those of `start`, trained; seen: Planes [B, rows, columns, LUMA] and [B, rows',
    columns', CHROMA], or chroma None; log_step: log4 of the tables' step over 16. Returns Planes
    [B, rows, columns] and [B, rows', columns'], Cb's and Cr's the same.
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


def _halved(field, xp):
    """The mean over 2x2 blocks, an odd edge repeated."""
    for axis in (1, 2):
        if field.shape[axis] % 2:
            last = field[:, -1:] if axis == 1 else field[:, :, -1:]
            field = xp.concatenate([field, last], axis)
    field = 0.5 * (field[:, ::2] + field[:, 1::2])
    return 0.5 * (field[:, :, ::2] + field[:, :, 1::2])


def of_picture(weights, analysis, log_step):
    """The `log2_bit_price` of a quantizer.Analysis: Planes [rows, columns], [2, rows', columns'].

    A part at a time, with the neighbours of its edges, so that memory stays small.
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
        seen = Planes(*(None if one is None else one[None] for one in seen))
        found = fields(weights, seen, np.float32(log_step), np)
        luma.append(found.luma[0, above : above + end - top])
        if other is not None:
            first = above // step
            chroma.append(found.chroma[0, first : first + -(-(end - top) // step)])
    both = np.concatenate(chroma) if chroma else None
    return Planes(np.concatenate(luma), None if both is None else np.stack([both, both]))
