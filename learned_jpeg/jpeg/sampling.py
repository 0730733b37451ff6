"""The geometry of luma and chroma: two grids of blocks, downsampling and upsampling.

Arrays of samples are [..., height, width]. 4:2:0 halves both sides of chroma, rounded up (T.81,
A.1.1).
"""

from typing import NamedTuple

from learned_jpeg.jpeg.standard import BLOCK

import numpy as np

SAMPLINGS = ("444", "420")


class Planes(NamedTuple):
    """The blocks of a picture's components, luma and chroma on grids of their own.

    luma: [..., rows, columns, 8, 8], vertical frequency (or row) on the last axis but one;
    chroma: [..., 2, rows', columns', 8, 8], Cb and Cr, or None for a gray picture.
    """

    luma: np.ndarray
    chroma: np.ndarray | None


def halved(side):
    """The number of chroma samples for `side` luma samples at 4:2:0, along one axis."""
    return -(-side // 2)


def grid(height, width, sampling):
    """The numbers of blocks of a picture of height x width pixels, as the IJG library stores them.

    Returns ((rows, columns) of luma, (rows, columns) of chroma).
    """
    luma = -(-height // BLOCK), -(-width // BLOCK)
    if sampling == "444":
        return luma, luma
    return luma, (-(-halved(height) // BLOCK), -(-halved(width) // BLOCK))


def down(samples):
    """4:2:0 by the mean of 2x2 samples, an odd edge repeated.

    samples: float [..., H, W]. Returns the same type, [..., ceil(H / 2), ceil(W / 2)].
    """
    height, width = samples.shape[-2:]
    edges = [(0, 0)] * (samples.ndim - 2) + [(0, height % 2), (0, width % 2)]
    even = np.pad(samples, edges, "edge") if height % 2 or width % 2 else samples
    rows = even[..., ::2, :] + even[..., 1::2, :]
    return (rows[..., ::2] + rows[..., 1::2]) * samples.dtype.type(0.25)


def up(samples, height, width):
    """4:2:0 back to height x width by the decoder's "fancy" upsampling, bit for bit.

    samples: int [..., ceil(height / 2), ceil(width / 2)], 0 to 255 or with any offset by a whole
    number, as -128 to 127. Returns int32 [..., height, width].

    This is a triangle filter: along each axis the nearer sample has the weight 3/4 and the next
    sample 1/4; samples at an edge are repeated. The rounding alternates between 8 and 7 sixteenths,
    so that the mean stays. Rows of one or two samples are repeated instead. Source:
    h2v2_fancy_upsample in jdsample.c of the IJG library and libjpeg-turbo.
    """
    samples = np.asarray(samples, np.int32)
    rows, columns = samples.shape[-2:]
    if columns <= 2:
        return samples.repeat(2, -2).repeat(2, -1)[..., :height, :width]
    nearer = np.arange(2 * rows) // 2
    next_row = np.clip(nearer + np.tile([-1, 1], rows), 0, rows - 1)
    sums = 3 * samples[..., nearer, :] + samples[..., next_row, :]
    result = np.empty([*sums.shape[:-1], 2 * columns], np.int32)
    before = np.concatenate([sums[..., :1], sums[..., :-1]], -1)
    after = np.concatenate([sums[..., 1:], sums[..., -1:]], -1)
    result[..., ::2] = (3 * sums + before + 8) >> 4
    result[..., 1::2] = (3 * sums + after + 7) >> 4
    return result[..., :height, :width]
