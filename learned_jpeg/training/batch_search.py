"""The search on the batches of a training, on all cores."""

import functools
import os
from concurrent.futures import ThreadPoolExecutor

from learned_jpeg.jpeg import huffman, jpeg_file
from learned_jpeg.jpeg.sampling import Planes
from learned_jpeg.jpeg.standard import BLOCK, file_qtables
from learned_jpeg.runtime import machine
from learned_jpeg.search import lambda_map
from learned_jpeg.search.learned_tune import learned
from learned_jpeg.search.quantizer import Trellis, analyse

import numpy as np

DEARER = 0.25  # doublings of the bit price up and down, in the two searches of a gradient
# The mean of a gradient between two ends is its mean at these points: Gauss's two point rule.
GAUSS = DEARER / 3**0.5


class BatchSearch:
    """Searches batches of pictures, uint8 [B, H, W, 3], at any step, by any learned parameters.

    base: the Tune that the parameters change, see `learned_tune`; sampling: of the files.
    """

    def __init__(self, base, sampling):
        self.base, self.sampling = base, sampling

    def _made(self, parameters, step):
        """(Trellis, tables uint8 [8, 8, 2]) of a file."""
        tune, exact = learned(parameters, step, self.base)
        return Trellis(tune, exact), file_qtables(exact)

    def features(self, pixels, parameters, step):
        """The features of `lambda_map`'s network: float32 [B, rows, columns, features], twice, of
        luma and of chroma."""
        _, qtables = self._made(parameters, step)

        def one(image):
            return lambda_map.features(analyse(image, qtables, self.sampling).unrounded, qtables)

        return _for_all(one, pixels)

    def levels(self, pixels, parameters, step, luma, chroma, gradients):
        """The search with lambda maps luma [B, rows, columns] and chroma: a tuple of float32.

        The tuple has the tables [1, 8, 8, 2], the bits [B], and the levels of luma and of chroma.
        With gradients, bits and levels are the means of two searches, with a higher and a lower bit
        price, and four derivatives follow: of the levels and of the blocks' bits by the maps, each
        of luma and chroma. The mean slope of a quadratic error between two points is the slope of
        the line through both.
        """
        search, qtables = self._made(parameters, step)

        def one(image, luma, chroma):
            analysis = analyse(image, qtables, self.sampling)

            def found(change):
                analysis.log2_bit_price = Planes(luma + change, np.stack([chroma + change] * 2))
                return search.search(analysis)

            if not gradients:
                plain = found(0)
                return [np.float32(plain.bits), *map(np.float32, plain.levels)]
            dear, cheap = found(DEARER), found(-DEARER)
            pairs = list(zip(dear.levels, cheap.levels, strict=True))
            result = [np.float32((dear.bits + cheap.bits) / 2)]
            result += [(np.float32(a) + b) / 2 for a, b in pairs]
            result += [(np.float32(a) - b) / (2 * DEARER) for a, b in pairs]
            of_luma, *of_chroma = (
                _bits(a) - _bits(b)
                for planes in pairs
                for a, b in zip(*(np.reshape(p, [-1, *p.shape[-4:]]) for p in planes), strict=True)
            )
            # Cb and Cr share their map.
            return [*result, of_luma / (2 * DEARER), sum(of_chroma) / (2 * DEARER)]

        return np.float32(qtables)[None], *_for_all(one, pixels, luma, chroma)

    def file(self, image, step, parameters):
        """The bytes of the file of one picture, progressive."""
        search, qtables = self._made(parameters, step)
        integers = search(analyse(image, qtables, self.sampling))
        size = image.shape[:2]
        return jpeg_file.write_jpeg(integers, qtables, *size, self.sampling, "progressive")


def _for_all(function, *batch):
    """The results of a function for all images, stacked."""
    return tuple(map(np.stack, zip(*_pool().map(function, *batch), strict=True)))


@functools.cache
def _pool():
    """A pool with the number of threads that `machine.limit` allows TensorFlow."""
    return ThreadPoolExecutor(int(os.environ.get("TF_NUM_INTRAOP_THREADS") or machine.cores()))


def _bits(integers):
    """The bits of blocks int16 [rows, columns, 8, 8]: float32 [rows, columns]."""
    blocks = integers.reshape(-1, BLOCK * BLOCK)
    counts = np.zeros(256, np.int64)
    huffman.count_ac(blocks, counts)
    bits = np.empty(len(blocks), np.float32)
    huffman.block_bits(blocks, huffman.code_lengths(counts), bits)
    sizes = huffman.dc_sizes(blocks)
    bits += huffman.code_lengths(np.bincount(sizes, minlength=256))[sizes] + sizes
    return bits.reshape(integers.shape[:2])
