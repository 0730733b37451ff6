"""Masks of importance: the bit price is higher where a mask says that a picture matters less."""

from learned_jpeg.jpeg.sampling import Planes
from learned_jpeg.jpeg.standard import BLOCK

import numpy as np

# log2 of the bit price where a mask is black over that where it is white.
STRENGTH = 4.0


def prices(mask):
    """log2 of a factor on the bit price for each pixel: float32 [H, W], 0 at the mask's maximum.

    mask: [H, W] in [0, 1], larger where the picture matters more. A constant mask changes nothing.
    """
    mask = np.asarray(mask, np.float32)
    return np.float32(STRENGTH) * (mask.max() - mask)


def add(analysis, prices):
    """Adds `prices` [H, W] to the `log2_bit_price` of a quantizer.Analysis of H x W pixels."""
    luma = _means(prices, BLOCK, analysis.unrounded.luma.shape[:2])
    chroma = None
    if analysis.unrounded.chroma is not None:
        side = BLOCK if analysis.sampling == "444" else 2 * BLOCK
        chroma = np.stack([_means(prices, side, analysis.unrounded.chroma.shape[1:3])] * 2)
    if (before := analysis.log2_bit_price) is not None:
        luma += before.luma
        chroma = None if chroma is None else chroma + before.chroma
    analysis.log2_bit_price = Planes(luma, chroma)


def _means(prices, side, grid):
    """The means of a grid [rows, columns] of blocks of side x side pixels, the last repeated."""
    height, width = prices.shape
    edges = [(0, grid[0] * side - height), (0, grid[1] * side - width)]
    blocks = np.pad(prices, edges, "edge").reshape(grid[0], side, grid[1], side)
    return blocks.mean((1, 3), dtype=np.float32)
