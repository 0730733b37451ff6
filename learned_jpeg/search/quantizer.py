"""The second half of the encoder: DCT coefficients, divided by their tables, to levels.

A quantizer is a function from the `Analysis` of a whole picture to its levels, Planes of int16.
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

# These modules import numba, which takes half a second and which only the search needs.
block_kernels = lazy_import("learned_jpeg.jpeg.block_kernels")
codes = lazy_import("learned_jpeg.search.codes")
downsampling = lazy_import("learned_jpeg.jpeg.downsampling")
huffman = lazy_import("learned_jpeg.jpeg.huffman")
luma_kernels = lazy_import("learned_jpeg.search.luma")
trellis = lazy_import("learned_jpeg.search.trellis")

LARGEST_DC = int(HIGHEST[0, 0])

# Pixels whose DCT is computed at a time: so few that they stay in the cache.
_STRIP = 100_000

_FREQUENCIES = BLOCK * BLOCK
# The codes of AC are fitted to _ENOUGH blocks, in runs of _RUN; those of DC _ROUNDS times.
_ENOUGH, _RUN, _ROUNDS = 4096, 128, 3


@dataclass
class Analysis:
    """A whole picture before its levels are chosen.

    unrounded: Planes of float32, DCT coefficients divided by the tables; qtables: uint8 [8, 8, 2]
    (luma, chroma); sampling: "444" or "420"; height, width: in pixels.
    chroma_samples: float32 [2, height, width], Cb and Cr around 0 at full resolution, or None. The
    search at 4:2:0 needs them if luma is to take over a part of chroma's error.
    log2_bit_price: the lambda map, Planes of float32 [rows, columns] and [2, rows', columns']: log2
    of a factor on the bit price of each block; or None.
    """

    unrounded: Planes
    qtables: np.ndarray
    sampling: str
    height: int
    width: int
    chroma_samples: np.ndarray | None = None
    log2_bit_price: Planes | None = None


def analyse(pixels, qtables, sampling):
    """The Analysis of a picture, by the fast DCT of `block_kernels`.

    At 4:2:0 chroma has the least error behind the decoder's filter, see `downsampling`.

    pixels: uint8 or uint16 [H, W, 3], or [H, W, 1] for a gray picture; qtables: uint8 [8, 8, 2].
    """
    height, width, channels = pixels.shape
    luma_grid, chroma_grid = grid(height, width, sampling)
    scales = 1 / np.asarray(qtables, np.float32).reshape(_FREQUENCIES, 2).T
    scales = np.ascontiguousarray(scales)
    luma, chroma, samples = np.empty([*luma_grid, _FREQUENCIES], np.float32), None, None
    if channels == 3:
        chroma = np.empty([2, *chroma_grid, _FREQUENCIES], np.float32)
        if sampling == "420":
            samples = np.empty([2, height, width], np.float32)
    side = BLOCK if samples is None else 2 * BLOCK  # pixels that a row of chroma's blocks covers
    strip = side * max(1, _STRIP // (side * width))

    def dct_of_strip(top):
        rows = slice(top, top + strip)
        _dct_of_rows(
            pixels[rows],
            scales,
            luma[top // BLOCK : rows.stop // BLOCK],
            None if chroma is None else chroma[:, top // side : rows.stop // side],
            None if samples is None else samples[:, rows],
        )

    threads.share([partial(dct_of_strip, top) for top in range(0, height, strip)])
    if samples is not None and min(height, width) > 4:  # a decoder repeats smaller chroma
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


def _dct_of_rows(pixels, scales, luma, chroma, samples):
    """The DCT of rows of pixels [H, W, 3 or 1], times scales [2, 64], into luma [rows, columns, 64]
    and chroma [2, rows', columns', 64] or None; at 4:2:0 also samples [2, H, W], Cb and Cr around
    0 at full resolution."""
    rgb = transform.to_samples(pixels)
    if chroma is None:
        gray = transform.pad(rgb[..., 0] - np.float32(128), *luma.shape[:2])
        block_kernels.dct_of_plane(gray, scales[0], luma)
        return
    side = BLOCK if samples is None else 2 * BLOCK
    planes = np.empty([3, side * chroma.shape[1], side * chroma.shape[2]], np.float32)
    block_kernels.rgb_to_ycbcr(np.ascontiguousarray(rgb), planes)
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
    """The published quantizer: it rounds each coefficient, halves to even levels."""

    def __call__(self, analysis):
        """Returns the levels of an Analysis: Planes of int16."""
        return Planes(*(None if plane is None else _round(plane) for plane in analysis.unrounded))


def _round(plane):
    result = np.empty(plane.shape, np.int16)
    for index in np.ndindex(plane.shape[:-3]):  # one row of blocks at a time, to save memory
        values = np.clip(np.rint(plane[index]), LOWEST, HIGHEST)
        result[index] = values
    return result


class SearchResult(NamedTuple):
    """The result of a search.

    levels: Planes of int16; error: of luma and of chroma, with the weights of the search; bits: of
    the file without headers and tables; cost: error + bit price * bits.
    """

    levels: Planes
    error: tuple
    bits: float
    cost: float


class Trellis:
    """The search for the levels with the least error plus bit price times bits.

    tune: a name of `tuning.TUNES` or a Tune; exact: the files' tables [8, 8, 2] before they were
    rounded, by which the bit price then varies smoothly with the quality, or None; huffman: of
    `jpeg_file.HUFFMAN`, the codes whose bits are counted. Threads may share a Trellis: it holds
    nothing of a picture.
    """

    def __init__(self, tune="psnr", exact=None, huffman="progressive"):
        self.tune = TUNES[tune] if isinstance(tune, str) else tune
        self._exact = exact
        self._progressive = huffman == "progressive"

    def _factor(self, qtables):
        return 1.0 if self._exact is None else bit_price_factor(self._exact, qtables)

    def bit_price(self, qtables):
        """The price of a bit at the tables of a file [8, 8, 2], in units of the squared error."""
        return self._factor(qtables) * weights.bit_price_of(self.tune, qtables)

    def __call__(self, analysis):
        """Returns the levels of an Analysis: Planes of int16."""
        return self._chosen(analysis, Planes(None, None))[0]

    def search(self, analysis, shift=None):
        """Returns the SearchResult of an Analysis.

        shift: Planes of float, in steps of the tables, or None. The search aims at the coefficients
        plus the shift; error and cost are those against the coefficients alone.
        """
        levels, *components = self._chosen(analysis, shift or Planes(None, None))
        errors, bits = zip(*map(self._counted, components), strict=True)
        cost = sum(errors) + self.bit_price(analysis.qtables) * sum(bits)
        return SearchResult(levels, errors, sum(bits), cost)

    def _chosen(self, analysis, shift):
        """(levels, Planes of int16; [_Component] of luma; [_Component] of chroma, [] for gray)."""
        planes, factor = analysis.unrounded, self._factor(analysis.qtables)
        luma_weights, chroma_weights = weights.luma_and_chroma(self.tune, analysis, factor)
        levels = Planes(
            *(None if plane is None else np.empty(plane.shape, np.int16) for plane in planes)
        )
        original = x = planes.luma.reshape(-1, _FREQUENCIES)
        chroma = []
        if planes.chroma is not None:
            both = (2, -1, _FREQUENCIES)
            chroma = self._choose(
                planes.chroma.reshape(both),
                chroma_weights,
                levels.chroma.reshape(both),
                shift.chroma,
            )
            if self.tune.take_over:
                x = taking_over.targets(analysis, levels.chroma, luma_weights)
        free = None
        if self.tune.clipping:
            steps = np.ravel(analysis.qtables[..., 0]).astype(np.float32)
            free = Clipped(original, x, steps)
        out = levels.luma.reshape(1, -1, _FREQUENCIES)
        moved = None if shift.luma is None else shift.luma[None]
        return levels, self._choose([x], [luma_weights], out, moved, free), chroma

    def _choose(self, planes, all_weights, out, shifts=None, free=None):
        """Searches components float32 [n, 64] that share a DC table; each has AC tables of its own.
        Fills in out, their levels int16 [n, 64]; returns [_Component]."""

        def prepared(x, w, levels, shift):
            shift = None if shift is None else shift.reshape(x.shape)
            target, part = x if shift is None else x + shift, _part(len(x))
            blocks, of_part = target[part], w.of(part)
            chosen = np.empty(blocks.shape, np.int16)
            fitted = codes.initial(self._progressive)
            for bands in (codes.ONE_BAND, None):
                fitted.search(blocks, of_part, chosen)
                fitted = codes.fit(chosen, self._progressive, bands)
            if free is not None:
                x = free.targets(w, fitted)
                target = x if shift is None else x + shift
            return _Component(x, target, w, fitted, levels)

        shifts = [None] * len(out) if shifts is None else shifts
        each = zip(planes, all_weights, out, shifts, strict=True)
        components = threads.share([partial(prepared, *arguments) for arguments in each])
        calls = [c.codes.calls(c.target, c.weights, c.levels) for c in components]
        levels, eob_runs = (sum(lists, []) for lists in zip(*calls, strict=True))
        # DC is one problem along all blocks, the longest for one thread: so it starts first.
        threads.share([partial(_choose_dc, components), *levels])
        threads.share(eob_runs)
        return components

    def _counted(self, components):
        """(error, bits) of components."""
        error = bits = 0.0
        for c in components:
            error += trellis.error(c.x, c.levels, *c.weights[:-1])
            bits += codes.fit(c.levels, self._progressive, c.codes.bands).bits
        if components:
            counts, lengths = _dc_codes(components)
            bits += float(counts @ (lengths + np.arange(256)))
        return error, bits


class _Component(NamedTuple):
    """A component of a picture in the search.

    x: float32 [n, 64], the coefficients that the error is measured against; target: those that the
    levels are chosen for, x plus the shift; weights, codes: of the search; levels: int16 [n, 64].
    """

    x: np.ndarray
    target: np.ndarray
    weights: weights.Weights
    codes: Any
    levels: np.ndarray


def _choose_dc(components):
    """Chooses the DC levels of components, each time with codes that fit those of the last time."""
    lengths = np.full(256, 3, np.float32)
    for _ in range(_ROUNDS):
        for c in components:
            weight = c.weights.squared_weight[0] * c.weights.mask + c.weights.dead_zone_weight[0]
            price = c.weights.bit_price
            trellis.search_dc(c.target, weight, price, lengths, LARGEST_DC, c.levels)
        _, lengths = _dc_codes(components)


def _dc_codes(components):
    """The counts int64 [256] of the DC symbols, and the lengths of the best codes for them."""
    counts = sum(np.bincount(huffman.dc_sizes(c.levels), minlength=256) for c in components)
    return counts, huffman.code_lengths(counts)


def _part(blocks):
    """Runs of blocks, evenly over all, that are enough to fit codes to: an index of blocks."""
    if blocks <= _ENOUGH:
        return slice(None)
    starts = np.linspace(0, blocks - _RUN, _ENOUGH // _RUN).astype(int)
    return (starts[:, None] + np.arange(_RUN)).ravel()
