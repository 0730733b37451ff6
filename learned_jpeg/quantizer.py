"""The second half of the encoder: coefficients over their tables to the file's integers.

A quantizer is called with the `Analysis` of one whole picture and returns its integers.
"""

from dataclasses import dataclass
from typing import NamedTuple

from learned_jpeg import transform
from learned_jpeg.lazy import lazy_import
from learned_jpeg.sampling import Planes, grid
from learned_jpeg.standard import BLOCK, IJG_BASE_TABLES
from learned_jpeg.tuning import COMPONENTS, TAKEN_OVER, TUNES, reference_step, upsampling_gain

import numpy as np

# numba and what it compiles: half a second that only the search needs.
block_kernels = lazy_import("learned_jpeg.block_kernels")
huffman = lazy_import("learned_jpeg.huffman")
luma_kernels = lazy_import("learned_jpeg.luma")
trellis = lazy_import("learned_jpeg.trellis")

# What 8-bit JPEG can code (T.81, tables F.1 and F.2): a block of noise at a table of ones can go
# past it, a mean cannot.
LARGEST_AC = 1023
LARGEST_DC = 1024

_PLACES = BLOCK * BLOCK
_LUMA_TABLE = IJG_BASE_TABLES[..., 0]


@dataclass
class Analysis:
    """What is known of one whole picture before its integers are chosen.

    unrounded: Planes of float32, coefficients over the tables; qtables: uint8 [8, 8, 2] (luma,
    chroma); sampling: "444" or "420"; height, width: in pixels.
    chroma_samples: float32 [2, height, width], Cb and Cr around 0 at full resolution: the search
    at 4:2:0 lets luma take over chroma's error if it has them.
    log2_lambda: Planes of float32 [rows, columns] and [2, rows', columns'], how much more the bits
    of a block weigh, in doublings; or None.
    """

    unrounded: Planes
    qtables: np.ndarray
    sampling: str
    height: int
    width: int
    chroma_samples: np.ndarray | None = None
    log2_lambda: Planes | None = None


def analyse(pixels, qtables, sampling):
    """The Analysis of a picture as it is, by the search's own fast transform.

    pixels: uint8 or uint16 [H, W, 3], or [H, W, 1] for a gray picture; qtables: uint8 [8, 8, 2].
    """
    if pixels.dtype == np.uint16:
        pixels = transform.to_levels(pixels)
    height, width, channels = pixels.shape
    luma_grid, chroma_grid = grid(height, width, sampling)
    steps = np.moveaxis(np.asarray(qtables, np.float32), -1, 0)
    scales = np.ascontiguousarray(1 / steps)
    luma = np.empty([*luma_grid, _PLACES], np.float32)
    chroma, samples = np.empty([2, *chroma_grid, _PLACES], np.float32), None
    if channels == 1:
        block_kernels.transform_gray(np.ascontiguousarray(pixels[..., 0]), scales, luma)
    elif sampling == "444":
        block_kernels.transform_444(pixels, scales, luma, chroma)
    else:
        samples = np.empty([2, height, width], np.float32)
        block_kernels.transform_420(pixels, scales, luma, chroma, samples)
    chroma = None if channels == 1 else chroma.reshape(2, *chroma_grid, BLOCK, BLOCK)
    unrounded = Planes(luma.reshape(*luma_grid, BLOCK, BLOCK), chroma)
    return Analysis(unrounded, qtables, sampling, height, width, samples)


class Round:
    """The published way: each coefficient to the nearest integer, halves to even ones."""

    def __call__(self, analysis):
        """Returns Planes of int16 for an Analysis."""
        return Planes(*(None if plane is None else _round(plane) for plane in analysis.unrounded))


def _round(plane):
    result = np.empty(plane.shape, np.int16)
    for index in np.ndindex(plane.shape[:-3]):  # a row of blocks: no copy of all
        values = np.clip(np.rint(plane[index]), -LARGEST_DC, LARGEST_DC)
        ac = values.reshape(-1, _PLACES)[:, 1:]
        np.clip(ac, -LARGEST_AC, LARGEST_AC, out=ac)
        result[index] = values
    return result


class Found(NamedTuple):
    """What the search found: integers (Planes of int16), what they cost, error and rate.

    cost = error + lambda * bits; bits: of the Huffman codes of a sequential file with tables of
    its own, headers apart.
    """

    integers: Planes
    cost: float
    bits: float


class _Weights(NamedTuple):
    """A component's error, per frequency and block; see `trellis`."""

    squares: np.ndarray
    dead: np.ndarray
    zone: np.ndarray
    mask: np.ndarray
    threshold: np.ndarray
    lmbda: np.ndarray


class Trellis:
    """The search: integers of the least error plus lambda times the bits of their Huffman codes.

    tune: a name of `tuning.TUNES` or a Tune; lmbda: a factor on its lambda; rounds: of counting
    the symbols and searching again.
    """

    def __init__(self, tune="psnr", lmbda=1.0, rounds=3, ideal=False):
        self.tune = TUNES[tune] if isinstance(tune, str) else tune
        self._factor = lmbda
        self._rounds = rounds
        self._ideal = ideal

    def __call__(self, analysis):
        """Returns Planes of int16 for an Analysis."""
        return self.search(analysis).integers

    def search(self, analysis):
        """Returns Found for an Analysis."""
        x = _flat(analysis.unrounded.luma)
        gray = analysis.unrounded.chroma is None
        steps = np.moveaxis(np.asarray(analysis.qtables, np.float32), -1, 0)
        steps = np.ascontiguousarray(steps).reshape(-1, _PLACES)
        luma, chroma = self._weights(analysis, x, steps)
        if not gray:
            coded = self._search_chroma(analysis, chroma)
            x = self._take_over(analysis, coded.integers, x, steps, luma)
        found = self._component([x], [luma], luma_order(analysis))
        integers = found[0].reshape(analysis.unrounded.luma.shape)
        if gray:
            return Found(Planes(integers, None), *found[1:])
        planes = Planes(integers, coded.integers)
        return Found(planes, coded.cost + found[1], coded.bits + found[2])

    def _search_chroma(self, analysis, weights):
        planes = analysis.unrounded.chroma
        found = self._component([_flat(plane) for plane in planes], weights, None)
        return Found(found[0].reshape(planes.shape), *found[1:])

    def _weights(self, analysis, x, steps):
        tune, blocks = self.tune, x.shape[0]
        reference = [reference_step(table.reshape(BLOCK, BLOCK)) for table in steps]
        variance, threshold = np.empty((2, blocks), np.float32)
        visibility = np.zeros(_PLACES, np.float32)
        visibility[1:] = (10 / _LUMA_TABLE.ravel()[1:]) ** 2
        luma_kernels.activity(x, steps[0], visibility, variance, threshold)
        mask = ((variance + 60) / 310) ** np.float32(-tune.mask)
        lmbda = self._factor * tune.lmbda * reference[0] ** 2
        extra = analysis.log2_lambda

        def squares(table, weight):
            return np.float32(
                tune.squares
                * weight
                * steps[table] ** 2
                * (reference[table] / steps[table]) ** tune.power
            )

        def lambdas(plane):
            if plane is None:
                return np.full(blocks, lmbda, np.float32)
            return np.float32(lmbda * 2.0 ** np.asarray(plane)).reshape(-1)

        seen = 25.735 / _LUMA_TABLE.ravel()
        dead = np.float32(tune.hvs * seen**2 * steps[0] ** 2)
        zone = np.float32(_LUMA_TABLE.ravel() ** 2 / 100 / steps[0])
        zone[0] = 0
        luma = _Weights(
            squares(0, COMPONENTS[0]), dead, zone, mask, threshold, lambdas(extra and extra.luma)
        )
        if analysis.unrounded.chroma is None:
            return luma, None
        gain = upsampling_gain().ravel() if analysis.sampling == "420" else 1.0
        chroma_grid = analysis.unrounded.chroma.shape[1:3]
        mask = _mean_of_luma(mask.reshape(analysis.unrounded.luma.shape[:2]), chroma_grid).ravel()
        none, blocks = np.zeros(_PLACES, np.float32), mask.size
        return luma, [
            _Weights(
                squares(1, tune.chroma * COMPONENTS[1 + i] * gain),
                none,
                none,
                mask,
                mask,
                lambdas(extra and extra.chroma[i]),
            )
            for i in range(2)
        ]

    def _component(self, planes, weights, order):
        """Searches components that share a DC table; each has an AC table of its own."""
        outs = [np.empty(plane.shape, np.int16) for plane in planes]
        cost = bits = 0.0
        symbols = 0
        dc = np.zeros(256, np.int64)
        if order is None:
            order = np.arange(planes[0].shape[0])
        lengths_dc = np.maximum(np.arange(256), 1).astype(np.float32) * 0 + 3
        for x, w, out in zip(planes, weights, outs, strict=True):
            lengths = _prior()
            for step in _steps(x.shape[0], self._rounds):
                counts = np.zeros(256, np.int64)
                trellis.search_ac(
                    x,
                    w.squares,
                    w.dead,
                    w.zone,
                    w.mask,
                    w.threshold,
                    w.lmbda,
                    lengths,
                    step,
                    LARGEST_AC,
                    out,
                    counts,
                )
                lengths = self._lengths(counts)
            bits += float(counts @ (lengths + _SIZES))
        whole = [w.squares[:1] for w in weights]
        for _ in range(self._rounds):
            dc[:] = 0
            for x, w, out, s in zip(planes, weights, outs, whole, strict=True):
                trellis.search_dc(
                    x,
                    np.float32(1),
                    s[0] * w.mask + w.dead[0],
                    w.lmbda,
                    lengths_dc,
                    order,
                    LARGEST_DC,
                    out,
                )
                huffman.count_dc(out, order, dc)
            lengths_dc = self._lengths(dc)
        bits += float(dc @ (lengths_dc + np.arange(256)))
        for x, w, out in zip(planes, weights, outs, strict=True):
            cost += trellis.error(x, out, w.squares, w.dead, w.zone, w.mask, w.threshold)
        cost += float(weights[0].lmbda[0]) * bits
        return (outs[0] if len(outs) == 1 else np.stack(outs)), cost, bits

    def _lengths(self, counts):
        return huffman.entropies(counts) if self._ideal else huffman.code_lengths(counts)

    def _take_over(self, analysis, integers, x, steps, w):
        """Luma's targets: with the part of chroma's error that they can make up for."""
        x = x.copy()
        factors = (TAKEN_OVER / COMPONENTS[0]).astype(np.float32)
        chroma = integers.reshape(*integers.shape[:-2], _PLACES)
        if analysis.sampling == "444":
            unrounded = analysis.unrounded.chroma.reshape(2, -1, _PLACES)
            luma_kernels.take_over_444(
                x,
                unrounded,
                chroma.reshape(2, -1, _PLACES),
                factors,
                steps[0],
                steps[1],
                w.squares,
                w.dead,
                w.mask,
            )
        elif analysis.chroma_samples is not None:
            decoded = np.empty([2, *np.multiply(chroma.shape[1:3], BLOCK)], np.float32)
            for i in range(2):
                luma_kernels.decode(chroma[i], steps[1], decoded[i])
            luma_kernels.take_over_420(
                x,
                analysis.unrounded.luma.shape[1],
                analysis.chroma_samples,
                decoded,
                factors,
                steps[0],
                w.squares,
                w.dead,
                w.mask,
            )
        return x


_SIZES = np.arange(256, dtype=np.float32) % 16


def _prior():
    """Lengths to start from: least squares over files of photographs, see `estimated_bits`."""
    run, size = np.divmod(np.arange(256), 16)
    lengths = 1.2 * (run + 1) + 1.8 + 1.5 * (size - 1) - size
    lengths[0], lengths[0xF0] = 3, 12
    return np.clip(lengths, 1, 16).astype(np.float32)


def _steps(blocks, rounds):
    """Which part of the blocks each round takes: the last all, those before enough to count."""
    return [max(1, blocks // 4000)] * (rounds - 1) + [1]


def _flat(plane):
    return plane.reshape(-1, _PLACES)


def _mean_of_luma(field, size):
    """The mean of a field of luma's blocks over those that a chroma block covers."""
    if field.shape == size:
        return field
    rows, columns = 2 * size[0] - field.shape[0], 2 * size[1] - field.shape[1]
    field = np.pad(field, [(0, rows), (0, columns)], "edge")
    return field.reshape(size[0], 2, size[1], 2).mean((1, 3), dtype=np.float32)


def luma_order(analysis):
    """The order in which a file's DC scan takes luma's blocks: int64 [n].

    The scan has all components: at 4:2:0 it takes luma's blocks four by four (T.81, A.2.3).
    """
    rows, columns = analysis.unrounded.luma.shape[:2]
    order = np.arange(rows * columns).reshape(rows, columns)
    if analysis.unrounded.chroma is None or analysis.sampling == "444":
        return order.ravel()
    padded = np.pad(order, [(0, rows % 2), (0, columns % 2)], constant_values=-1)
    order = padded.reshape(padded.shape[0] // 2, 2, -1, 2).swapaxes(1, 2).ravel()
    return order[order >= 0]
