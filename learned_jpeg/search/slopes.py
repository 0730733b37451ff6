"""Distortions of a whole picture and their gradient in its coefficients, tile by tile."""

import atexit
import functools
import threading
from typing import NamedTuple

from learned_jpeg.jpeg import transform
from learned_jpeg.jpeg.sampling import Planes
from learned_jpeg.jpeg.standard import BLOCK, YCBCR_TO_RGB
from learned_jpeg.metrics import distortions
from learned_jpeg.runtime.lazy import lazy_import

import numpy as np

tf = lazy_import("tensorflow")

# Pixels: the side of what is differentiated at a time, and what is seen around it. Whole 16, so
# that blocks and the strides of the networks stay where they are.
TILE, MARGIN = 768, 96

_COLOURS = YCBCR_TO_RGB.astype(np.float32)

# One tile has all cores; more at a time would only take more memory.
_one_tile = threading.Lock()


def block_sides(sampling):
    """Pixels that a block of luma and one of chroma cover: Planes."""
    return Planes(BLOCK, BLOCK if sampling == "444" else 2 * BLOCK)


class Tile(NamedTuple):
    """A part of a picture, and what is seen of it and around it: (top, bottom, left, right)."""

    inner: tuple
    outer: tuple

    @property
    def area(self):
        """Of the inner part, in pixels."""
        top, bottom, left, right = self.inner
        return (bottom - top) * (right - left)

    def blocks(self, plane, side):
        """The part of a plane [..., rows, columns, 8, 8] whose blocks are `side` pixels."""
        return _cut(plane, self.inner, side)

    def blocks_around(self, plane, side):
        """The same of the outer part."""
        return _cut(plane, self.outer, side)

    def within(self, plane, side):
        """The inner part of blocks of the outer one."""
        first = self.outer[0], self.outer[0], self.outer[2], self.outer[2]
        return _cut(plane, tuple(np.subtract(self.inner, first)), side)


def _cut(plane, box, side):
    top, bottom, left, right = box
    return plane[..., top // side : -(-bottom // side), left // side : -(-right // side), :, :]


def tiles(height, width):
    """Tiles of a picture: parts of about equal size, at most TILE, that start at whole 16."""

    def parts(side):
        count = -(-side // TILE)
        ends = [16 * round(side * i / count / 16) for i in range(count)] + [side]
        return list(zip(ends, ends[1:], strict=False))

    for top, bottom in parts(height):
        for left, right in parts(width):
            outer = (
                max(top - MARGIN, 0),
                min(bottom + MARGIN, height),
                max(left - MARGIN, 0),
                min(right + MARGIN, width),
            )
            yield Tile((top, bottom, left, right), outer)


@functools.cache
def _graphs(names):
    """Graphs of (original, decoded) [H, W, 3] in 0 to 255 to the distortions by name, and with
    factors [names] to these and the gradient [H, W, 3] of their weighted sum."""
    image = tf.TensorSpec([None, None, 3])
    terms = [distortions.TERMS[name] for name in names]

    def values(original, decoded):
        x, y = original[None] / 255.0, decoded[None] / 255.0
        return tf.stack([term(x, y)[0] for term in terms])

    def gradient(original, decoded, factors):
        with tf.GradientTape() as tape:
            tape.watch(decoded)
            found = values(original, decoded)
            total = tf.reduce_sum(found * factors)
        slope = tape.gradient(total, decoded)
        return found, tf.where(tf.math.is_finite(slope), slope, 0.0)

    return (
        tf.function(values, [image, image], autograph=False),
        tf.function(gradient, [image, image, tf.TensorSpec([len(names)])], autograph=False),
    )


# Graphs that outlive TensorFlow cannot be let go of in silence.
atexit.register(_graphs.cache_clear)


def up_adjoint(slopes):
    """The adjoint of the decoder's upsampling, but for its rounding (see `sampling.up`).

    slopes: float [..., H, W]. Returns [..., ceil(H / 2), ceil(W / 2)].
    """
    for axis in (-1, -2):
        x = np.moveaxis(slopes, axis, -1)
        x = np.pad(x, [(0, 0)] * (x.ndim - 1) + [(0, x.shape[-1] % 2)])
        even, odd = x[..., ::2], x[..., 1::2]
        y = 0.75 * (even + odd)
        y[..., :-1] += 0.25 * even[..., 1:]
        y[..., 1:] += 0.25 * odd[..., :-1]
        y[..., 0] += 0.25 * even[..., 0]
        y[..., -1] += 0.25 * odd[..., -1]
        slopes = np.moveaxis(y, -1, axis)
    return slopes


def blocks_of(slopes):
    """The DCT of samples' gradients [..., H, W], for blocks that lie in the picture in part."""
    height, width = slopes.shape[-2:]
    edges = [(0, 0)] * (slopes.ndim - 2) + [(0, -height % BLOCK), (0, -width % BLOCK)]
    return transform.dct(np.pad(slopes, edges).astype(np.float32, copy=False))


def to_coefficients(slopes, sampling):
    """The gradient of a decoded picture carried to its coefficients, not over any table.

    slopes: float32 [H, W, 3], of RGB; sampling: of `sampling.SAMPLINGS`. Returns Planes of float32.
    """
    slopes = np.moveaxis(slopes @ _COLOURS, -1, 0)
    chroma = slopes[1:] if sampling == "444" else up_adjoint(slopes[1:])
    return Planes(blocks_of(slopes[0]), blocks_of(chroma))


class Picture:
    """Distortions of decoded pictures against one original, and how to lessen them.

    pixels: uint8 or uint16 [H, W, 3 or 1]; names: of `distortions.TERMS`; sampling: of the
    file. A distortion is the mean over the tiles.
    """

    def __init__(self, pixels, names, sampling):
        self._pixels, self._names, self._sampling = pixels, tuple(names), sampling
        self.tiles = list(tiles(*pixels.shape[:2]))

    def _images(self, decoded, tile):
        top, bottom, left, right = tile.outer
        for picture in (self._pixels, decoded):
            levels = transform.to_levels(picture[top:bottom, left:right])
            yield tf.constant(np.broadcast_to(levels, [*levels.shape[:2], 3]))

    def _shares(self):
        """The tiles, and the part of the picture that each is; none if nothing is asked for."""
        height, width = self._pixels.shape[:2]
        return [(tile, tile.area / (height * width)) for tile in self.tiles if self._names]

    def distortions(self, decoded):
        """The distortions, float64 [names], of what a file decodes to, of the pixels' shape."""
        total = np.zeros(len(self._names))
        for tile, share in self._shares():
            with _one_tile:
                total += share * _graphs(self._names)[0](*self._images(decoded, tile)).numpy()
        return total

    def slopes(self, decoded, factors, accept):
        """The same; and calls accept(tile, Planes) with the gradient of factors @ distortions in
        the coefficients of each tile's inner part, not over any table."""
        total = np.zeros(len(self._names))
        height, width = self._pixels.shape[:2]
        for tile, share in self._shares():
            with _one_tile:
                values, slopes = _graphs(self._names)[1](
                    *self._images(decoded, tile), np.float32(factors)
                )
            total += share * values.numpy()
            slopes = slopes.numpy()
            # Each figure is a mean over all that is seen.
            slopes *= np.float32(slopes[..., 0].size / (height * width))
            planes = to_coefficients(slopes, self._sampling)
            sides = block_sides(self._sampling)
            accept(tile, Planes(*map(tile.within, planes, sides)))
        return total
