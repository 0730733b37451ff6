"""Pixels to DCT coefficients, and levels to pixels as the IJG decoder does it, in numpy."""

from learned_jpeg.jpeg.sampling import Planes, down, grid, halved, up
from learned_jpeg.jpeg.standard import (
    BLOCK,
    DCT_MATRIX,
    IJG_IDCT_MATRIX,
    RGB_TO_YCBCR,
)

import numpy as np

_COLOURS = np.ascontiguousarray(RGB_TO_YCBCR.T, np.float32)
# The samples 0 to 255 as the TensorFlow graph has them, which multiplies by 1/255 first: so both
# give the same coefficients to the last bit.
_SAMPLES = np.float32(255) * (np.arange(256, dtype=np.float32) * np.float32(1 / 255))
# The matrix from a block's 64 samples, row by row, to its 64 coefficients.
DCT_OF_BLOCK = np.kron(DCT_MATRIX, DCT_MATRIX).astype(np.float32)
_DCT = DCT_OF_BLOCK.T

# Rows of blocks that are transformed at a time, so that intermediate arrays stay small.
_BAND = 16


def to_blocks(samples):
    """[..., H, W] to [..., H/8, W/8, 8, 8]; H and W must be multiples of 8."""
    *batch, height, width = samples.shape
    blocks = samples.reshape(*batch, height // BLOCK, BLOCK, width // BLOCK, BLOCK)
    return np.ascontiguousarray(blocks.swapaxes(-3, -2))


def from_blocks(blocks):
    """The inverse of `to_blocks`."""
    *batch, rows, columns, _, _ = blocks.shape
    return blocks.swapaxes(-3, -2).reshape(*batch, rows * BLOCK, columns * BLOCK)


def pad(samples, rows, columns):
    """Repeats the last samples: [..., H, W] to [..., 8 rows, 8 columns]."""
    height, width = samples.shape[-2:]
    edges = [(0, rows * BLOCK - height), (0, columns * BLOCK - width)]
    return np.pad(samples, [(0, 0)] * (samples.ndim - 2) + edges, "edge")


def dct(samples):
    """The orthonormal DCT-II of whole blocks: float32 [..., H, W] to [..., H/8, W/8, 8, 8]."""
    blocks = to_blocks(samples)
    return (blocks.reshape(-1, BLOCK * BLOCK) @ _DCT).reshape(blocks.shape)


def to_samples(pixels):
    """uint8 or uint16 (257 for each step of 8 bits) to float32 in [0, 255]."""
    samples = pixels.astype(np.float32)
    return samples / np.float32(257) if pixels.dtype == np.uint16 else samples


def to_ycbcr(pixels):
    """RGB uint8 or uint16 [H, W, 3] to YCbCr float32 [3, H, W], each component around 0.

    A gray picture [H, W, 1] becomes its luma [1, H, W].
    """
    if pixels.shape[-1] == 1:
        return to_samples(pixels[None, ..., 0]) - np.float32(128)
    rgb = _SAMPLES[pixels] if pixels.dtype == np.uint8 else to_samples(pixels)
    ycbcr = rgb.reshape(-1, 3) @ _COLOURS
    ycbcr[:, 0] -= np.float32(128)
    return np.moveaxis(ycbcr.reshape(pixels.shape), -1, 0)


def forward(pixels, sampling):
    """The orthonormal DCT coefficients of a picture's components, not divided by any table.

    pixels: uint8 or uint16 [H, W, 3] (RGB), or [H, W, 1] for a gray picture; sampling: of
    `sampling.SAMPLINGS`.
    Returns Planes of float32; DC is 8 times the mean of a block's samples around 0.
    """
    height, width, channels = pixels.shape
    luma_grid, chroma_grid = grid(height, width, sampling)
    luma = np.empty([*luma_grid, BLOCK, BLOCK], np.float32)
    chroma = None
    if channels == 3:
        chroma = np.empty([2, *chroma_grid, BLOCK, BLOCK], np.float32)
    for top in range(0, luma_grid[0], _BAND):
        bottom = min(top + _BAND, luma_grid[0])
        ycbcr = to_ycbcr(pixels[top * BLOCK : bottom * BLOCK])
        luma[top:bottom] = dct(pad(ycbcr[0], bottom - top, luma_grid[1]))
        if chroma is not None:
            halves = ycbcr[1:] if sampling == "444" else down(ycbcr[1:])
            first = top if sampling == "444" else top // 2
            rows = chroma[:, first : first - (-halves.shape[1] // BLOCK)]
            rows[:] = dct(pad(halves, rows.shape[1], chroma_grid[1]))
    return Planes(luma, chroma)


def _idct(blocks):
    """Levels times their table, [..., 8, 8], to samples around 0, as jidctint.c rounds them.

    All products are whole numbers below 2^53, so float64 is exact.
    """
    columns = np.floor(4.0 * IJG_IDCT_MATRIX @ blocks + 0.5)  # PASS1_BITS = 2 bits are kept
    return np.floor(columns @ IJG_IDCT_MATRIX.T / 32.0 + 0.5)


def samples(levels, qtable):
    """The samples that the IJG decoder makes of components with the same table.

    levels: int [..., rows, columns, 8, 8]; qtable: [8, 8].
    Returns int16 [..., 8 rows, 8 columns] in [-128, 127].
    """
    result = np.empty([*levels.shape[:-4], *np.multiply(levels.shape[-4:-2], BLOCK)], np.int16)
    for top in range(0, levels.shape[-4], _BAND):
        band = levels[..., top : top + _BAND, :, :, :] * np.float64(qtable)
        band = from_blocks(np.clip(_idct(band), -128, 127))
        result[..., top * BLOCK : top * BLOCK + band.shape[-2], :] = band
    return result


def inverse(levels, qtables, height, width, sampling):
    """The pixels that the IJG decoder (and so Pillow) makes of a file's levels and tables.

    levels: Planes of int; qtables: [8, 8, 2] (luma, chroma), or [8, 8, 1] for a gray picture;
    sampling: of `sampling.SAMPLINGS`.
    Returns uint8 [height, width, 3], or [height, width, 1] for a gray picture.
    Source: jidctint.c, jdsample.c and jdcolor.c of the IJG library.
    """
    luma = samples(levels.luma, qtables[..., 0])[:height, :width] + np.int32(128)
    if levels.chroma is None:
        return luma[..., None].astype(np.uint8)
    chroma = samples(levels.chroma, qtables[..., 1])
    if sampling == "444":
        chroma = chroma[:, :height, :width].astype(np.int32)
    else:
        chroma = up(chroma[:, : halved(height), : halved(width)], height, width)
    return to_rgb(luma, *chroma)


def to_rgb(luma, cb, cr):
    """YCbCr to RGB uint8 [H, W, 3], as jdcolor.c does it.

    luma: int32 [H, W] in [0, 255]; cb, cr: int32 [H, W] around 0.
    """

    def fixed(factor):
        return int(factor * 2**16 + 0.5)

    half = 2**15
    red = luma + ((fixed(1.40200) * cr + half) >> 16)
    green = luma + ((-fixed(0.34414) * cb - fixed(0.71414) * cr + half) >> 16)
    blue = luma + ((fixed(1.77200) * cb + half) >> 16)
    return np.clip(np.stack([red, green, blue], -1), 0, 255).astype(np.uint8)
