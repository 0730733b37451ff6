"""The Huffman codes of a component's AC levels, which give the search the bits of levels."""

from functools import partial
from typing import NamedTuple

from learned_jpeg.jpeg import huffman, progressive
from learned_jpeg.runtime import threads
from learned_jpeg.search import trellis

import numpy as np

# The longest EOB run whose bits are listed.
_LONGEST_RUN = 32
# One band (ss, se) of all AC positions.
ONE_BAND = ((1, 63),)


class Codes(NamedTuple):
    """The codes of the scans of a component's AC levels.

    bands: (ss, se) of each scan; lengths: float32 [bands, 256] of the codes of its symbols;
    eob_bits: float32 [bands, 1 + _LONGEST_RUN], the bits of EOB runs of 0, 1, 2 .. blocks; bits:
    of all levels that the codes were fitted to.
    """

    bands: tuple
    lengths: np.ndarray
    eob_bits: np.ndarray
    bits: float

    def search(self, x, w, out):
        """Puts the levels of least cost for blocks x [n, 64], with Weights w, into out int16."""
        for calls in self.calls(x, w, out):
            threads.share(calls)

    def calls(self, x, w, out):
        """The functions that make up `search`, for `threads.share`: two lists. The functions of the
        first list choose the levels of parts of the blocks. Those of the second list, which run
        after all of the first, choose the blocks without levels, band by band."""
        size = len(self.bands), len(x)
        cost, full = np.empty(size, np.float32), np.empty(size, np.bool_)
        bands = list(zip(self.bands, self.lengths, self.eob_bits, cost, full, strict=True))
        margins = [trellis.slack(lengths) for lengths in self.lengths]

        def levels(part):
            blocks = x[part], *w.of(part)
            for (band, lengths, eob_bits, cost, full), margin in zip(bands, margins, strict=True):
                found = out[part], cost[part], full[part]
                trellis.search_band(*blocks, *band, lengths, margin, eob_bits[1], *found)

        def eob_runs(band, lengths, eob_bits, cost, full):
            trellis.choose_eob_runs(cost, full, w.bit_price, eob_bits, *band, out)

        parts = threads.parts(len(x))
        return [partial(levels, part) for part in parts], [partial(eob_runs, *b) for b in bands]


def initial(is_progressive):
    """Codes of a typical photograph, before any levels are known.

    is_progressive: whether the file is. The lengths are a least squares fit, see
    `image_utils.estimated_bits`.
    """
    run, size = np.divmod(np.arange(256), 16)
    lengths = 1.2 * (run + 1) + 1.8 + 1.5 * (size - 1) - size
    lengths[0], lengths[0xF0] = 3, 12
    lengths = np.clip(lengths, 1, 16).astype(np.float32)
    return Codes(ONE_BAND, lengths[None], _eob_bits(lengths[None], is_progressive), 0.0)


def fit(blocks, is_progressive, bands=None):
    """The best Codes for the levels of blocks int16 [n, 64].

    is_progressive: whether the file is. bands: the bands of its scans, or None for the cheapest.
    """
    if is_progressive:
        levels = progressive.Levels.of(blocks)
        bands = bands or tuple(progressive.cheapest_bands(levels, 0)[1])
        counts = np.stack([progressive.counted(levels.walk(*band, 0, False))[0] for band in bands])
    else:
        bands, counts = ONE_BAND, np.zeros([1, 256], np.int64)
        huffman.count_ac(blocks, counts[0])
    lengths = huffman.code_lengths(counts)
    bits = float((counts * (lengths + huffman.FOLLOWING)).sum())
    return Codes(bands, lengths, _eob_bits(lengths, is_progressive), bits)


def _eob_bits(lengths, is_progressive):
    eob_bits = np.zeros([len(lengths), 1 + _LONGEST_RUN], np.float32)
    for blocks in range(1, 1 + _LONGEST_RUN):
        n = blocks.bit_length() - 1
        eob_bits[:, blocks] = lengths[:, n << 4] + n if is_progressive else blocks * lengths[:, 0]
    return eob_bits
