"""The codes of a component's AC levels, by which the search knows what they cost in bits."""

from functools import partial
from typing import NamedTuple

from learned_jpeg.jpeg import huffman, progressive
from learned_jpeg.runtime import threads
from learned_jpeg.search import trellis

import numpy as np

# The most ends in a row that are told apart.
_MOST_ENDS = 32
# One band of all places.
ONE = ((1, 63),)


class Codes(NamedTuple):
    """bands: (first, last) of the places of each scan; lengths: float32 [bands, 256] of its
    symbols; ends: float32 [bands, 1 + _MOST_ENDS], the bits of the ends of 0, 1, 2 .. blocks in
    a row; bits: of all levels that the codes were made for."""

    bands: tuple
    lengths: np.ndarray
    ends: np.ndarray
    bits: float

    def search(self, x, w, out):
        """The levels of blocks x [n, 64] that cost least, by their Weights, into out int16."""
        for calls in self.calls(x, w, out):
            threads.share(calls)

    def calls(self, x, w, out):
        """The functions that are `search`, for `threads.share`: first those that find the levels
        of some blocks, and after all of them those that find the blocks without any in a band."""
        size = len(self.bands), len(x)
        cost, full = np.empty(size, np.float32), np.empty(size, np.bool_)
        each = list(zip(self.bands, self.lengths, self.ends, cost, full, strict=True))
        margins = [trellis.slack(lengths) for lengths in self.lengths]

        def levels(part):
            some = x[part], *w.of(part)
            for (band, lengths, ends, cost, full), margin in zip(each, margins, strict=True):
                found = out[part], cost[part], full[part]
                trellis.search_band(*some, *band, lengths, margin, ends[1], *found)

        def without_any(band, lengths, ends, cost, full):
            trellis.choose_eob_runs(cost, full, w.bit_price, ends, *band, out)

        parts = threads.parts(len(x))
        return [partial(levels, part) for part in parts], [partial(without_any, *o) for o in each]


def to_begin_with(in_scans):
    """Codes before any levels are known: least squares over files of photographs, see
    `image_utils.estimated_bits`. in_scans: those of a progressive file."""
    run, size = np.divmod(np.arange(256), 16)
    lengths = 1.2 * (run + 1) + 1.8 + 1.5 * (size - 1) - size
    lengths[0], lengths[0xF0] = 3, 12
    lengths = np.clip(lengths, 1, 16).astype(np.float32)
    return Codes(ONE, lengths[None], _ends(lengths[None], in_scans), 0.0)


def fitting(blocks, in_scans, bands=None):
    """The Codes that fit the levels of blocks int16 [n, 64] best.

    in_scans: those of a progressive file, with scans of `bands`, or else of the cheapest ones.
    """
    if in_scans:
        levels = progressive.Levels.of(blocks)
        bands = bands or tuple(progressive.cheapest_bands(levels, 0)[1])
        counts = np.stack([progressive.counted(levels.walk(*band, 0, False))[0] for band in bands])
    else:
        bands, counts = ONE, np.zeros([1, 256], np.int64)
        huffman.count_ac(blocks, counts[0])
    lengths = huffman.code_lengths(counts)
    bits = float((counts * (lengths + huffman.FOLLOWING)).sum())
    return Codes(bands, lengths, _ends(lengths, in_scans), bits)


def _ends(lengths, in_scans):
    ends = np.zeros([len(lengths), 1 + _MOST_ENDS], np.float32)
    for blocks in range(1, 1 + _MOST_ENDS):
        n = blocks.bit_length() - 1
        ends[:, blocks] = lengths[:, n << 4] + n if in_scans else blocks * lengths[:, 0]
    return ends
