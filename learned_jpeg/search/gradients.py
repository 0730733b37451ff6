"""LPIPS of a decoded picture, and its gradient in the DCT coefficients, tile by tile."""

import threading
from typing import NamedTuple

from learned_jpeg.jpeg import transform
from learned_jpeg.jpeg.sampling import Planes, grid
from learned_jpeg.jpeg.standard import BLOCK
from learned_jpeg.metrics import lpips_tf2
from learned_jpeg.runtime.lazy import lazy_import

import numpy as np

kernels = lazy_import("learned_jpeg.search.refining_kernels")

# The side of a tile, and the margin around it that the network sees, in pixels. Multiples of 16
# keep the grids of blocks and the strides of the network where they are.
TILE, MARGIN = 1536, 48

# One tile uses all cores; several at a time would only need more memory.
_one_tile = threading.Lock()


class Tile(NamedTuple):
    """A tile of rows of a picture: (top, bottom, left, right) without a margin (inner) and with the
    margin (outer), in pixels from the first of the rows."""

    inner: tuple
    outer: tuple

    @property
    def area(self):
        """The area of the inner part, in pixels."""
        top, bottom, left, right = self.inner
        return (bottom - top) * (right - left)

    def blocks(self, side):
        """The inner part in blocks of `side` pixels, and its first block (row, column) in the outer
        part."""
        top, bottom, left, right = self.inner
        inner = top // side, -(-bottom // side), left // side, -(-right // side)
        return inner, ((top - self.outer[0]) // side, (left - self.outer[2]) // side)


def parts(side, most):
    """[(start, end)] of parts of about equal size, at most `most`; starts are multiples of 16."""
    count = -(-side // most)
    ends = [16 * round(side * i / count / 16) for i in range(count)] + [side]
    return list(zip(ends, ends[1:], strict=False))


def tiles(height, width, above=0, below=0):
    """The Tiles of rows of a picture. above, below: the number of rows outside these."""
    for top, bottom in parts(height, TILE):
        for left, right in parts(width, TILE):
            outer = (
                max(top - MARGIN, -above),
                min(bottom + MARGIN, height + below),
                max(left - MARGIN, 0),
                min(right + MARGIN, width),
            )
            yield Tile((top, bottom, left, right), outer)


def up_adjoint(gradients):
    """The adjoint of the decoder's upsampling (`sampling.up`) without its rounding.

    gradients: float [n, H, W]. Returns float32 [n, ceil(H / 2), ceil(W / 2)].
    """
    count, height, width = gradients.shape
    halves = np.empty([count, -(-height // 2), -(-width // 2)], np.float32)
    kernels.gather(np.ascontiguousarray(gradients, np.float32), height, width, halves)
    return halves


def to_coefficients(gradients, sampling):
    """The gradient in a decoded picture's coefficients, not divided by tables, from that in RGB.

    gradients: float32 [H, W, 3]; sampling: of `sampling.SAMPLINGS`. Returns Planes of
    float32.
    """
    height, width = gradients.shape[:2]
    luma, chroma = (np.multiply(size, BLOCK) for size in grid(height, width, sampling))
    planes = np.empty([3, *luma], np.float32)
    kernels.to_components(np.ascontiguousarray(gradients), planes)
    of_chroma = planes[1:]
    if sampling == "420":
        of_chroma = np.empty([2, *chroma], np.float32)
        kernels.gather(planes[1:], height, width, of_chroma)
    return Planes(transform.dct(planes[0]), transform.dct(of_chroma))


class TiledLpips:
    """LPIPS between rows of a picture and their decoded pixels, and its gradient.

    pixels: uint8 or uint16 [H, W, 3 or 1], the whole picture; top, bottom: of the rows, outside
    which the network sees the original; sampling: of the file. LPIPS is the mean over the tiles.
    The network's features of the original are kept, 42 bytes a pixel.
    """

    def __init__(self, pixels, top, bottom, sampling):
        self._pixels, self._top, self._sampling = pixels, top, sampling
        self._size = bottom - top, pixels.shape[1]
        below = pixels.shape[0] - bottom
        self._tiles = [(tile, None) for tile in tiles(*self._size, top, below)]

    def _samples(self, tile, decoded=None):
        top, bottom, left, right = tile.outer
        rows = slice(self._top + top, self._top + bottom)
        samples = transform.to_samples(self._pixels[rows, left:right])
        if decoded is not None:
            rows = decoded[max(top, 0) : bottom, left:right]
            samples[max(-top, 0) : max(-top, 0) + len(rows)] = rows
        return np.ascontiguousarray(np.broadcast_to(samples, [*samples.shape[:2], 3]))

    def _each(self, compare):
        """The mean over the tiles of compare(tile, Lpips of the original)."""
        total = 0.0
        for index, (tile, original) in enumerate(self._tiles):
            with _one_tile:
                if original is None:
                    original = lpips_tf2.Lpips(self._samples(tile))
                    self._tiles[index] = tile, original
                total += tile.area / np.prod(self._size) * compare(tile, original)
        return total

    def lpips(self, decoded):
        """LPIPS of the decoded rows, uint8 or float32 [rows, W, 3 or 1]."""
        return self._each(lambda tile, original: original.compare(self._samples(tile, decoded)))

    def gradients(self, decoded, accept):
        """LPIPS of the decoded rows. For each tile, calls accept(tile, Planes) with the gradient in
        the coefficients of its outer part, not divided by tables."""

        def compare(tile, original):
            value, gradients = original.gradient(self._samples(tile, decoded))
            # LPIPS of a tile is a mean over its outer part.
            gradients *= np.float32(gradients[..., 0].size / np.prod(self._size))
            accept(tile, to_coefficients(gradients, self._sampling))
            return value

        return self._each(compare)
