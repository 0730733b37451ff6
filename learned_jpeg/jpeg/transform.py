"""Pixels to DCT coefficients, and the IJG decoder's way back, whole images in numpy."""

from learned_jpeg.jpeg.sampling import Planes, down, grid, halved, up
from learned_jpeg.jpeg.standard import (
    BLOCK,
    DCT_MATRIX,
    IJG_IDCT_MATRIX,
    RGB_TO_YCBCR,
)

import numpy as np

_COLOURS = np.ascontiguousarray(RGB_TO_YCBCR.T, np.float32)
# The levels 0 to 255 as the TensorFlow flow has them, whose graph multiplies by 1/255 first: so
# the two halves give the same coefficients to the last bit.
# Of 16 bits, 257 are a level.
_LEVELS = np.float32(255) * (np.arange(256, dtype=np.float32) * np.float32(1 / 255))
# Of a block's 64 samples, row by row, to its 64 coefficients.
DCT_OF_BLOCK = np.kron(DCT_MATRIX, DCT_MATRIX).astype(np.float32)
_DCT = DCT_OF_BLOCK.T

# What is transformed at a time, in rows of blocks: memory grows with the planes alone.
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
    """[..., H, W] to whole blocks, [..., 8 rows, 8 columns], the last samples repeated."""
    height, width = samples.shape[-2:]
    edges = [(0, rows * BLOCK - height), (0, columns * BLOCK - width)]
    return np.pad(samples, [(0, 0)] * (samples.ndim - 2) + edges, "edge")


def dct(samples):
    """The orthonormal DCT-II of whole blocks: float32 [..., H, W] to [..., H/8, W/8, 8, 8]."""
    blocks = to_blocks(samples)
    return (blocks.reshape(-1, BLOCK * BLOCK) @ _DCT).reshape(blocks.shape)


def to_levels(pixels):
    """uint8 or uint16 to float32 in [0, 255]."""
    levels = pixels.astype(np.float32)
    return levels / np.float32(257) if pixels.dtype == np.uint16 else levels


def to_ycbcr(pixels):
    """uint8 or uint16 [H, W, 3 or 1] to float32 [3 or 1, H, W], each component around 0.

    A gray picture's samples are its luma.
    """
    if pixels.shape[-1] == 1:
        return to_levels(pixels[None, ..., 0]) - np.float32(128)
    levels = _LEVELS[pixels] if pixels.dtype == np.uint8 else to_levels(pixels)
    ycbcr = levels.reshape(-1, 3) @ _COLOURS
    ycbcr[:, 0] -= np.float32(128)
    return np.moveaxis(ycbcr.reshape(pixels.shape), -1, 0)


def forward(pixels, sampling):
    """The orthonormal DCT coefficients of a picture's components, not divided by any table.

    pixels: uint8 or uint16 [H, W, 3] (RGB), or [H, W, 1] for a gray picture; sampling: of
    `SAMPLINGS`.
    Returns Planes of float32; the mean of a block's samples around 0, times 8, is its first.
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
            place = chroma[:, first : first - (-halves.shape[1] // BLOCK)]
            place[:] = dct(pad(halves, place.shape[1], chroma_grid[1]))
    return Planes(luma, chroma)


def _idct(blocks):
    """Dequantized whole numbers [..., 8, 8] to samples around 0, as jidctint.c rounds them.

    Products of integers below 2^53, so exact in float64.
    """
    columns = np.floor(4.0 * IJG_IDCT_MATRIX @ blocks + 0.5)  # it keeps PASS1_BITS = 2 bits
    return np.floor(columns @ IJG_IDCT_MATRIX.T / 32.0 + 0.5)


def samples(integers, qtable):
    """What the IJG decoder makes of one component or more of the same table.

    integers: int [..., rows, columns, 8, 8]; qtable: [8, 8].
    Returns int16 [..., 8 rows, 8 columns] in [-128, 127].
    """
    result = np.empty([*integers.shape[:-4], *np.multiply(integers.shape[-4:-2], BLOCK)], np.int16)
    for top in range(0, integers.shape[-4], _BAND):
        band = integers[..., top : top + _BAND, :, :, :] * np.float64(qtable)
        band = from_blocks(np.clip(_idct(band), -128, 127))
        result[..., top * BLOCK : top * BLOCK + band.shape[-2], :] = band
    return result


def inverse(integers, qtables, height, width, sampling):
    """The pixels that the IJG decoder (and so Pillow) makes of a file's integers and tables.

    integers: Planes of int; qtables: [8, 8, 2] (luma, chroma), or [8, 8, 1] for a gray picture;
    sampling: of `SAMPLINGS`.
    Returns uint8 [height, width, 3], or [height, width, 1] for a gray picture.
    Source: jidctint.c, jdsample.c and jdcolor.c of the IJG library.
    """
    luma = samples(integers.luma, qtables[..., 0])[:height, :width] + np.int32(128)
    if integers.chroma is None:
        return luma[..., None].astype(np.uint8)
    chroma = samples(integers.chroma, qtables[..., 1])
    if sampling == "444":
        chroma = chroma[:, :height, :width].astype(np.int32)
    else:
        chroma = up(chroma[:, : halved(height), : halved(width)], height, width)
    return to_rgb(luma, *chroma)


def to_rgb(luma, cb, cr):
    """int32 [H, W] each, luma 0 to 255, chroma around 0, to uint8 [H, W, 3], as jdcolor.c."""

    def fixed(factor):
        return int(factor * 2**16 + 0.5)

    half = 2**15
    red = luma + ((fixed(1.40200) * cr + half) >> 16)
    green = luma + ((-fixed(0.34414) * cb - fixed(0.71414) * cr + half) >> 16)
    blue = luma + ((fixed(1.77200) * cb + half) >> 16)
    return np.clip(np.stack([red, green, blue], -1), 0, 255).astype(np.uint8)
