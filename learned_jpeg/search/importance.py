"""More of the bits for what matters more: the price of a bit over a picture, by a mask."""

from learned_jpeg.jpeg.sampling import Planes
from learned_jpeg.jpeg.standard import BLOCK

import numpy as np

# By how many doublings a bit is dearer where a mask is black than where it is white.
STRENGTH = 4.0


def field(mask):
    """Doublings of a bit's price for each pixel, 0 where it matters most: an even mask changes
    nothing.

    mask: [H, W], 0 to 1, more for what matters more. Returns float32 [H, W].
    """
    mask = np.asarray(mask, np.float32)
    return np.float32(STRENGTH) * (mask.max() - mask)


def add(analysis, prices):
    """Adds a `field` to the `log2_bit_price` of a quantizer.Analysis of the same pixels."""
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
    """The means [rows, columns] of blocks of side x side pixels, the last ones repeated."""
    height, width = prices.shape
    edges = [(0, grid[0] * side - height), (0, grid[1] * side - width)]
    blocks = np.pad(prices, edges, "edge").reshape(grid[0], side, grid[1], side)
    return blocks.mean((1, 3), dtype=np.float32)
