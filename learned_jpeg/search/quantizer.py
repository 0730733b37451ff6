"""The second half of the encoder: coefficients over their tables to the file's integers.

A quantizer is called with the `Analysis` of one whole picture and returns its integers.
"""

from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

from learned_jpeg.jpeg import transform
from learned_jpeg.jpeg.sampling import Planes, grid
from learned_jpeg.jpeg.standard import BLOCK, HIGHEST, LOWEST
from learned_jpeg.runtime import threads
from learned_jpeg.runtime.lazy import lazy_import
from learned_jpeg.search import taking_over, weights
from learned_jpeg.search.clipping import Clipped
from learned_jpeg.search.tuning import TUNES, bit_price_factor, upsampling_gain

import numpy as np

# numba and what it compiles: half a second that only the search needs.
block_kernels = lazy_import("learned_jpeg.jpeg.block_kernels")
codes = lazy_import("learned_jpeg.search.codes")
downsampling = lazy_import("learned_jpeg.jpeg.downsampling")
huffman = lazy_import("learned_jpeg.jpeg.huffman")
luma_kernels = lazy_import("learned_jpeg.search.luma")
trellis = lazy_import("learned_jpeg.search.trellis")

LARGEST_DC = int(HIGHEST[0, 0])

# Pixels that are transformed at a time: little memory, near the core.
_STRIP = 100_000

_PLACES = BLOCK * BLOCK
# The codes are fitted to so many blocks, in runs; those of the means so often.
_ENOUGH, _RUN, _ROUNDS = 4096, 128, 3


@dataclass
class Analysis:
    """What is known of one whole picture before its integers are chosen.

    unrounded: Planes of float32, coefficients over the tables; qtables: uint8 [8, 8, 2] (luma,
    chroma); sampling: "444" or "420"; height, width: in pixels.
    chroma_samples: float32 [2, height, width], Cb and Cr around 0 at full resolution: the search
    at 4:2:0 lets luma take over chroma's error if it has them.
    log2_bit_price: Planes of float32 [rows, columns] and [2, rows', columns'], how much more the
    bits of a block weigh, in doublings; or None.
    """

    unrounded: Planes
    qtables: np.ndarray
    sampling: str
    height: int
    width: int
    chroma_samples: np.ndarray | None = None
    log2_bit_price: Planes | None = None


def analyse(pixels, qtables, sampling):
    """The Analysis of a picture as it is, by the search's own fast transform. At 4:2:0 chroma is
    what the decoder makes the least error of, not the mean of 2x2 samples.

    pixels: uint8 or uint16 [H, W, 3], or [H, W, 1] for a gray picture; qtables: uint8 [8, 8, 2].
    """
    height, width, channels = pixels.shape
    luma_grid, chroma_grid = grid(height, width, sampling)
    scales = 1 / np.asarray(qtables, np.float32).reshape(_PLACES, 2).T
    scales = np.ascontiguousarray(scales)
    luma, chroma, samples = np.empty([*luma_grid, _PLACES], np.float32), None, None
    if channels == 3:
        chroma = np.empty([2, *chroma_grid, _PLACES], np.float32)
        if sampling == "420":
            samples = np.empty([2, height, width], np.float32)
    side = BLOCK if samples is None else 2 * BLOCK  # pixels that a row of chroma's blocks covers
    strip = side * max(1, _STRIP // (side * width))

    def transformed(top):
        rows = slice(top, top + strip)
        _transform(
            pixels[rows],
            scales,
            luma[top // BLOCK : rows.stop // BLOCK],
            None if chroma is None else chroma[:, top // side : rows.stop // side],
            None if samples is None else samples[:, rows],
        )

    threads.share([partial(transformed, top) for top in range(0, height, strip)])
    if samples is not None and min(height, width) > 4:  # the decoder repeats what is smaller
        gain = upsampling_gain().astype(np.float32).ravel()
        scales_of_fit = scales[1] / gain

        def fitted(plane, part):
            downsampling.fit(samples[plane], scales_of_fit, chroma[plane, part], part.start)

        parts = threads.parts(*chroma_grid)
        threads.share([partial(fitted, plane, part) for plane in range(2) for part in parts])
    unrounded = Planes(
        luma.reshape(*luma_grid, BLOCK, BLOCK),
        None if chroma is None else chroma.reshape(2, *chroma_grid, BLOCK, BLOCK),
    )
    return Analysis(unrounded, qtables, sampling, height, width, samples)


def _transform(pixels, scales, luma, chroma, samples):
    """The coefficients of some rows of a picture, times scales [2, 8, 8], into luma [rows, columns,
    64] and chroma [2, ..], or None; at 4:2:0 also samples [2, H, W], Cb and Cr around 0."""
    levels = transform.to_levels(pixels)
    if chroma is None:
        gray = transform.pad(levels[..., 0] - np.float32(128), *luma.shape[:2])
        block_kernels.dct_of_plane(gray, scales[0], luma)
        return
    side = BLOCK if samples is None else 2 * BLOCK
    planes = np.empty([3, side * chroma.shape[1], side * chroma.shape[2]], np.float32)
    block_kernels.convert(np.ascontiguousarray(levels), planes)
    block_kernels.dct_of_plane(planes[0], scales[0], luma)
    if samples is not None:
        samples[:] = planes[1:, : samples.shape[1], : samples.shape[2]]
    for plane, out in zip(planes[1:], chroma, strict=True):
        if samples is not None:
            halves = np.empty([BLOCK * out.shape[0], BLOCK * out.shape[1]], np.float32)
            block_kernels.halve(plane, *samples.shape[1:], halves)
            plane = halves
        block_kernels.dct_of_plane(plane, scales[1], out)


class Round:
    """The published way: each coefficient to the nearest integer, halves to even ones."""

    def __call__(self, analysis):
        """Returns Planes of int16 for an Analysis."""
        return Planes(*(None if plane is None else _round(plane) for plane in analysis.unrounded))


def _round(plane):
    result = np.empty(plane.shape, np.int16)
    for index in np.ndindex(plane.shape[:-3]):  # a row of blocks: no copy of all
        values = np.clip(np.rint(plane[index]), LOWEST, HIGHEST)
        result[index] = values
    return result


class SearchResult(NamedTuple):
    """What the search found.

    integers: Planes of int16; error: of luma and of chroma, as the search weighs it; bits: of the
    file's Huffman codes, headers and tables apart; cost: error + lambda * bits.
    """

    integers: Planes
    error: tuple
    bits: float
    cost: float


class Trellis:
    """The search: integers of the least error plus lambda times the bits of their Huffman codes.

    tune: a name of `tuning.TUNES` or a Tune; exact: the tables of the files, [8, 8, 2], before
    they were rounded, which lambda then follows, or None; huffman: of `jpeg_file.HUFFMAN`, whose
    bits are counted. It keeps nothing of a picture: threads may share it.
    """

    def __init__(self, tune="psnr", exact=None, huffman="progressive"):
        self.tune = TUNES[tune] if isinstance(tune, str) else tune
        self._exact = exact
        self._progressive = huffman == "progressive"

    def _factor(self, qtables):
        return 1.0 if self._exact is None else bit_price_factor(self._exact, qtables)

    def bit_price(self, qtables):
        """What a bit costs at the tables of a file [8, 8, 2]."""
        return self._factor(qtables) * weights.bit_price_of(self.tune, qtables)

    def __call__(self, analysis):
        """Returns Planes of int16 for an Analysis."""
        return self._chosen(analysis, Planes(None, None))[0]

    def search(self, analysis, shift=None):
        """Returns a SearchResult for an Analysis.

        shift: Planes of float, in steps, added to what the integers are chosen for, but not to
        what error and cost are counted from; or None.
        """
        integers, *found = self._chosen(analysis, shift or Planes(None, None))
        errors, bits = zip(*map(self._counted, found), strict=True)
        cost = sum(errors) + self.bit_price(analysis.qtables) * sum(bits)
        return SearchResult(integers, errors, sum(bits), cost)

    def _chosen(self, analysis, shift):
        """Planes of int16; and [_Component] of luma, and of chroma, which there may be none of."""
        planes, factor = analysis.unrounded, self._factor(analysis.qtables)
        luma_weights, chroma_weights = weights.luma_and_chroma(self.tune, analysis, factor)
        integers = Planes(
            *(None if one is None else np.empty(one.shape, np.int16) for one in planes)
        )
        original = x = planes.luma.reshape(-1, _PLACES)
        chroma = []
        if planes.chroma is not None:
            both = (2, -1, _PLACES)
            chroma = self._choose(
                planes.chroma.reshape(both),
                chroma_weights,
                integers.chroma.reshape(both),
                shift.chroma,
            )
            if self.tune.take_over:
                x = taking_over.targets(analysis, integers.chroma, luma_weights)
        free = None
        if self.tune.clipping:
            steps = np.ravel(analysis.qtables[..., 0]).astype(np.float32)
            free = Clipped(original, x, steps)
        out = integers.luma.reshape(1, -1, _PLACES)
        moved = None if shift.luma is None else shift.luma[None]
        return integers, self._choose([x], [luma_weights], out, moved, free), chroma

    def _choose(self, planes, all_weights, out, shifts=None, free=None):
        """Searches components that share a DC table; each has an AC table of its own, as the scans
        of a progressive file have. Fills out int16 [components, n, 64]; returns [_Component]."""

        def prepared(x, w, levels, shift):
            shift = None if shift is None else shift.reshape(x.shape)
            target, part = x if shift is None else x + shift, _part(len(x))
            some, of_part = target[part], w.of(part)
            chosen = np.empty(some.shape, np.int16)
            found = codes.to_begin_with(self._progressive)
            for bands in (codes.ONE, None):
                found.search(some, of_part, chosen)
                found = codes.fitting(chosen, self._progressive, bands)
            if free is not None:
                x = free.targets(w, found)
                target = x if shift is None else x + shift
            return _Component(x, target, w, found, levels)

        shifts = [None] * len(out) if shifts is None else shifts
        each = zip(planes, all_weights, out, shifts, strict=True)
        components = threads.share([partial(prepared, *one) for one in each])
        calls = [one.codes.calls(one.target, one.weights, one.levels) for one in components]
        levels, ends = (sum(some, []) for some in zip(*calls, strict=True))
        # The means are one problem for all blocks, which nobody can help with: so they go first.
        threads.share([partial(_choose_means, components), *levels])
        threads.share(ends)
        return components

    def _counted(self, components):
        """(error, bits) of what `_choose` found."""
        error = bits = 0.0
        for one in components:
            error += trellis.error(one.x, one.levels, *one.weights[:-1])
            bits += codes.fitting(one.levels, self._progressive, one.codes.bands).bits
        if components:
            counts, lengths = _of_means(components)
            bits += float(counts @ (lengths + np.arange(256)))
        return error, bits


class _Component(NamedTuple):
    """x, target: what its levels [n, 64] are held to, and chosen for, which a shift may tell
    apart; and what they are chosen by."""

    x: np.ndarray
    target: np.ndarray
    weights: weights.Weights
    codes: Any
    levels: np.ndarray


def _choose_means(components):
    lengths = np.full(256, 3, np.float32)
    for _ in range(_ROUNDS):
        for one in components:
            weight = (
                one.weights.squared_weight[0] * one.weights.mask + one.weights.dead_zone_weight[0]
            )
            price = one.weights.bit_price
            trellis.search_dc(one.target, weight, price, lengths, LARGEST_DC, one.levels)
        _, lengths = _of_means(components)


def _of_means(components):
    """How often each DC symbol comes, int64 [256], and the lengths of codes that fit that."""
    counts = sum(np.bincount(huffman.dc_sizes(one.levels), minlength=256) for one in components)
    return counts, huffman.code_lengths(counts)


def _part(blocks):
    """Runs of blocks, evenly over them, that are enough to fit codes to: an index."""
    if blocks <= _ENOUGH:
        return slice(None)
    starts = np.linspace(0, blocks - _RUN, _ENOUGH // _RUN).astype(int)
    return (starts[:, None] + np.arange(_RUN)).ravel()
