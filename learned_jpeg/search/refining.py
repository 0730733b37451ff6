"""Refining: repeated searches, each of which aims to correct the errors of the picture before.

The search minimizes a model of the error, a sum over the coefficients. Each step decodes the
picture, and moves the coefficients at which the next search aims:

- Chroma's coefficients move to the least squared error, given luma's error and the decoder's
  filter.
- LPIPS of the decoded picture, D, is added to the search's cost:

      cost * (1 + share * (D / D_0 - 1))

  where cost and D_0 are those without refining: 1% less of D is worth share % of the cost, at any
  rate. This is proximal gradient descent, with the search as the proximal operator: the
  coefficients move by LPIPS's gradient over the curvature of the search's error. It converges
  because of a running mean over the steps, and of a limit, a part of the table's step.

The result is the best of all steps, so that the cost is never above that without refining. A large
picture is refined in bands of rows, each by itself, so that memory grows by its pixels and levels
alone.
"""

from dataclasses import replace

from learned_jpeg.jpeg import transform
from learned_jpeg.jpeg.sampling import Planes, grid
from learned_jpeg.jpeg.standard import BLOCK, YCBCR_TO_RGB
from learned_jpeg.metrics import lpips_tf2
from learned_jpeg.runtime.lazy import lazy_import
from learned_jpeg.search import weights
from learned_jpeg.search.gradients import TiledLpips, parts, up_adjoint
from learned_jpeg.search.tuning import COMPONENTS, TAKEN_OVER, upsampling_gain

import numpy as np

block_kernels = lazy_import("learned_jpeg.jpeg.block_kernels")
kernels = lazy_import("learned_jpeg.search.refining_kernels")
luma_kernels = lazy_import("learned_jpeg.search.luma")

# The share of LPIPS in the cost of each tune.
SHARES = {"psnr": 0.0, "visual": 0.2}

# Pixels of a band.
BAND = 8_000_000

# The longest moves, in steps of the table: by LPIPS with a share of 1 (others go with the square
# root of the share), and of chroma by its error. NEWEST is the least weight of the newest move in
# the running mean, which is the mean of all moves at first.
LONGEST, LONGEST_CHROMA, NEWEST = 0.18, 1.0, 0.25

_FREQUENCIES = BLOCK * BLOCK
# The weight of Cb's error in Cr's gradient, see tuning.COMPONENTS.
_CROSS = np.float32(np.prod(YCBCR_TO_RGB[:, 1:], 1).sum() / 3)


class _Band:
    """A band of rows of a picture, which is refined by itself.

    search: a quantizer.Trellis; analysis: of the rows; lpips: a gradients.TiledLpips, or None
    without a share of LPIPS.
    """

    def __init__(self, search, analysis, lpips, share):
        self.search, self.analysis, self.lpips, self.share = search, analysis, lpips, share
        self.is_half = analysis.sampling == "420"
        self.sides = Planes(BLOCK, 2 * BLOCK if self.is_half else BLOCK)
        tables = np.moveaxis(np.asarray(analysis.qtables, np.float32), -1, 0)
        self.tables = np.ascontiguousarray(tables).reshape(-1, _FREQUENCIES)
        luma, chroma = weights.luma_and_chroma(search.tune, analysis, 1.0)
        self.weights = Planes([luma], chroma)

    def decode(self, levels):
        """Decodes to Planes of samples around 0, float32 [H, W] and [2, H', W'], whole blocks."""
        luma, chroma = (p if p is None else p.reshape(*p.shape[:-2], _FREQUENCIES) for p in levels)
        if chroma is not None:
            chroma = luma_kernels.decode(chroma, self.tables[1])
        return Planes(luma_kernels.decode(luma[None], self.tables[0])[0], chroma)

    def pixels(self, decoded):
        """The pixels uint8 [H, W, 3 or 1] of decoded Planes."""
        size = self.analysis.height, self.analysis.width
        if decoded.chroma is None:
            return (decoded.luma[: size[0], : size[1], None] + 128).astype(np.uint8)
        pixels = np.empty([*size, 3], np.uint8)
        kernels.show(*decoded, self.is_half, pixels)
        return pixels

    def move(self, mean, pixels, factor, longest, newest):
        """Takes a step against LPIPS's gradient into the running mean; returns LPIPS.

        mean: Planes of moves, in steps of the tables, changed; pixels: decoded; factor: on the
        gradient; longest: the limit of the step; newest: its weight in the mean.
        """

        def accept(tile, gradients):
            for i, side in enumerate(self.sides):
                if mean[i] is None:
                    continue
                inner, start = map(np.array, tile.blocks(side))
                for j, w in enumerate(self.weights[i]):
                    moves, gradient = (x[j] if i else x for x in (mean[i], gradients[i]))
                    kernels.move(
                        moves.reshape(*moves.shape[:2], _FREQUENCIES),
                        gradient.reshape(*gradient.shape[:2], _FREQUENCIES),
                        inner,
                        start,
                        self.tables[i],
                        w.squared_weight,
                        w.dead_zone_weight,
                        w.mask.reshape(moves.shape[:2]),
                        factor,
                        longest,
                        newest,
                    )

        return self.lpips.gradients(pixels, accept)

    # The error of chroma at full resolution, which the search at 4:2:0 has no model of.

    def errors(self, levels, decoded):
        """The errors of Y, Cb and Cr: of samples [3, H, W] at 4:2:0, otherwise of coefficients [3,
        rows, columns, 8, 8]; None for a gray picture."""
        if decoded.chroma is None:
            return None
        planes = [v - x for v, x in zip(levels, self.analysis.unrounded, strict=True)]
        for plane, table in zip(planes, self.tables, strict=True):
            plane *= table.reshape(BLOCK, BLOCK)
        if not self.is_half:
            return np.concatenate([planes[0][None], planes[1]])
        errors = np.empty([3, *decoded.luma.shape], np.float32)
        blocks = planes[0].reshape(-1, _FREQUENCIES)
        block_kernels.idct_of_blocks(blocks, np.ones(_FREQUENCIES, np.float32), blocks)
        errors[0] = transform.from_blocks(planes[0])
        kernels.errors_of_halves(decoded.chroma, self.analysis.chroma_samples, errors[1:])
        return errors

    def chroma_shift(self, levels, errors):
        """The shift of chroma's coefficients to the least squared error, in steps of the table."""
        gain = upsampling_gain() if self.is_half else np.ones([BLOCK, BLOCK])
        result = np.empty(self.analysis.unrounded.chroma.shape, np.float32)
        for i, shift in enumerate(result):
            gradients = np.float32(COMPONENTS[1 + i]) * errors[1 + i]
            gradients += _CROSS * errors[2 - i]
            gradients += np.float32(TAKEN_OVER[i]) * errors[0]
            if self.is_half:
                height, width = self.analysis.height, self.analysis.width
                halves = up_adjoint(gradients[None, :height, :width])[0]
                gradients = transform.dct(_to_whole_blocks(halves))
            curvature = np.float32(COMPONENTS[1 + i] * gain)
            curvature *= self.tables[1].reshape(BLOCK, BLOCK)
            now, x = levels.chroma[i], self.analysis.unrounded.chroma[i]
            np.clip(now - gradients / curvature - x, -LONGEST_CHROMA, LONGEST_CHROMA, out=shift)
        return result

    def cost(self, found, errors):
        """The cost of a SearchResult: luma's error, chroma's uncompensated error, and the bits."""
        cost = found.error[0] + self.search.bit_price(self.analysis.qtables) * found.bits
        if errors is None:
            return cost
        mask = self.weights.luma[0].mask
        chroma_weights = weights.uncompensated_chroma(self.search.tune, self.analysis.qtables, mask)
        for plane, w in zip(errors[1:], chroma_weights, strict=True):
            blocks = (transform.dct(plane) if self.is_half else plane).reshape(-1, _FREQUENCIES)
            energy = (np.square(blocks) * mask[:, None]).sum(0, np.float64)
            cost += energy / np.square(self.tables[1]) @ w.squared_weight
        return cost

    def refined(self, steps, report):
        """The levels, Planes of int16, of the best of 0 to `steps` steps.

        report: a function without arguments, called after each search.
        """
        best, lowest, mean = None, np.inf, Planes(None, None)
        longest = np.float32(LONGEST * self.share**0.5)
        if self.share:
            mean = Planes(*(p if p is None else np.zeros_like(p) for p in self.analysis.unrounded))
        shift = None
        for step in range(steps + 1):
            found = self.search.search(self.analysis, shift)
            decoded = self.decode(found.levels)
            errors = self.errors(found.levels, decoded)
            cost, pixels = self.cost(found, errors), self.pixels(decoded)
            del decoded
            if self.share and not step:
                lpips = self.move(mean, pixels, 1.0, np.inf, 1.0)
                factor = self.share * cost / max(lpips, 1e-9)
                for moves in mean:
                    if moves is not None:
                        np.clip(moves * np.float32(factor), -longest, longest, out=moves)
            elif self.share and step < steps:
                newest = max(NEWEST, 1 / (step + 1))
                lpips = self.move(mean, pixels, factor, longest, newest)
            elif self.share:
                lpips = self.lpips.lpips(pixels)
            if self.share:
                cost += factor * lpips
            if cost < lowest:
                best, lowest = found.levels, cost
            shift = mean
            if errors is not None and step < steps:
                chroma = self.chroma_shift(found.levels, errors)
                shift = Planes(mean.luma, chroma if mean.chroma is None else chroma + mean.chroma)
            report()
        return best


def _to_whole_blocks(samples):
    """Pads samples [H, W] with zeros to whole blocks."""
    return np.pad(samples, [(0, -side % BLOCK) for side in samples.shape])


def rows(analysis, top, bottom):
    """The part of a quantizer.Analysis for the rows of pixels from top to bottom, which are
    multiples of 16 except for the last row."""
    side = BLOCK if analysis.sampling == "444" else 2 * BLOCK
    luma, chroma = (slice(top // each, -(-bottom // each)) for each in (BLOCK, side))

    def of(planes):
        if planes is None or planes.chroma is None:
            return planes and Planes(planes.luma[luma], None)
        return Planes(planes.luma[luma], np.ascontiguousarray(planes.chroma[:, chroma]))

    samples = analysis.chroma_samples
    return replace(
        analysis,
        unrounded=of(analysis.unrounded),
        height=bottom - top,
        chroma_samples=None if samples is None else np.ascontiguousarray(samples[:, top:bottom]),
        log2_bit_price=of(analysis.log2_bit_price),
    )


def refine(search, analyse, pixels, sampling, steps, share, progress=None):
    """The refined levels of a picture, Planes of int16, and its tables [8, 8, 2].

    search: a quantizer.Trellis; analyse: function (top, bottom) -> the quantizer.Analysis of these
    rows; pixels: uint8 or uint16 [H, W, 3], or [H, W, 1] for a gray picture; sampling: of the
    file; steps: 1 or more; share: of LPIPS in the cost, see above, 0 for pictures too small for
    LPIPS; progress: function of the part that is done, to 1, called after each search, or None.
    """
    height, width, channels = pixels.shape
    share = share if min(height, width) >= lpips_tf2.MIN_SIZE else 0
    steps = steps if share or channels == 3 else 0
    luma, chroma = ([*size, BLOCK, BLOCK] for size in grid(height, width, sampling))
    result = Planes(np.empty(luma, np.int16), None)
    if channels == 3:
        result = result._replace(chroma=np.empty([2, *chroma], np.int16))
    side = BLOCK if sampling == "444" else 2 * BLOCK
    done = 0.0
    for top, bottom in parts(height, max(BAND // width, 16)):

        def report(part=(bottom - top) / height / (steps + 1)):
            nonlocal done
            done += part
            if progress:
                progress(min(done, 1.0))

        lpips = TiledLpips(pixels, top, bottom, sampling) if share else None
        analysis = analyse(top, bottom)
        found = _Band(search, analysis, lpips, share).refined(steps, report)
        result.luma[top // BLOCK : -(-bottom // BLOCK)] = found.luma
        if found.chroma is not None:
            result.chroma[:, top // side : -(-bottom // side)] = found.chroma
        del lpips, found  # frees memory before the next band
    return result, analysis.qtables
