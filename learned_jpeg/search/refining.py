"""Refining: the search again and again, each time for what the picture before lacked.

The search sees a model of the error, a sum over the coefficients. What the decoder makes of its
integers is known afterwards, and moves what the next search aims at:

- Chroma's coefficients go to where the squared error is least, given luma's error and the
  decoder's filter, as luma's do within the search itself.
- LPIPS of the decoded picture, D, is added to the search's cost,

      cost * (1 + share * (D / D_0 - 1))

  with cost and D_0 those without refining: for 1% less of D, share % of the cost may be spent, at
  any rate. A step is one of proximal gradient descent, with the search as the proximal operator:
  coefficients move by LPIPS's slope over the curvature of the search's error, in the running mean
  over the steps and by no more than a part of the table's step, without which this does not
  converge (measured).

The best of all steps stays, so that the cost is never above that without refining. A large picture
is analysed and refined in bands of rows, each by itself, so that memory grows by its pixels and
integers alone.
"""

from dataclasses import replace

from learned_jpeg.jpeg import transform
from learned_jpeg.jpeg.sampling import Planes, grid
from learned_jpeg.jpeg.standard import BLOCK, YCBCR_TO_RGB
from learned_jpeg.metrics import lpips_tf2
from learned_jpeg.runtime.lazy import lazy_import
from learned_jpeg.search import weights
from learned_jpeg.search.gradients import Picture, parts, up_adjoint
from learned_jpeg.search.tuning import COMPONENTS, TAKEN_OVER, upsampling_gain

import numpy as np

block_kernels = lazy_import("learned_jpeg.jpeg.block_kernels")
kernels = lazy_import("learned_jpeg.search.refining_kernels")
luma_kernels = lazy_import("learned_jpeg.search.luma")

# LPIPS's share of each tune.
SHARES = {"psnr": 0.0, "visual": 0.2}

# Pixels of a band.
BAND = 8_000_000

# The longest moves, in steps of the table: by LPIPS with a share of 1 (they go with its root), and
# of chroma by the error; and the least weight of the newest slope in the mean, which at first is
# that of all so far.
LONGEST, LONGEST_CHROMA, NEWEST = 0.18, 1.0, 0.25

_PLACES = BLOCK * BLOCK
# How an error of Cb counts for Cr's slope, see tuning.COMPONENTS.
_CROSS = np.float32(np.prod(YCBCR_TO_RGB[:, 1:], 1).sum() / 3)


class _Band:
    """What stays the same over the steps for some rows of a picture.

    analysis: of these; picture: a gradients.Picture, or None without a share of LPIPS.
    """

    def __init__(self, search, analysis, picture, share):
        self.search, self.analysis, self.picture, self.share = search, analysis, picture, share
        self.is_half = analysis.sampling == "420"
        self.sides = Planes(BLOCK, 2 * BLOCK if self.is_half else BLOCK)
        tables = np.moveaxis(np.asarray(analysis.qtables, np.float32), -1, 0)
        self.tables = np.ascontiguousarray(tables).reshape(-1, _PLACES)
        luma, chroma = weights.luma_and_chroma(search.tune, analysis, 1.0)
        self.weights = Planes([luma], chroma)

    def decode(self, integers):
        """What a decoder makes of them: Planes of samples around 0, float32 [H, W] and [2, H', W'],
        whole blocks."""
        luma, chroma = (p if p is None else p.reshape(*p.shape[:-2], _PLACES) for p in integers)
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
        """Moves mean, Planes in steps of the tables, by a step against LPIPS's slope, which has the
        weight `newest`; returns LPIPS."""

        def accept(tile, gradients):
            for i, side in enumerate(self.sides):
                if mean[i] is None:
                    continue
                place, start = map(np.array, tile.blocks(side))
                for j, w in enumerate(self.weights[i]):
                    one, slope = (x[j] if i else x for x in (mean[i], gradients[i]))
                    kernels.move(
                        one.reshape(*one.shape[:2], _PLACES),
                        slope.reshape(*slope.shape[:2], _PLACES),
                        place,
                        start,
                        self.tables[i],
                        w.squared_weight,
                        w.dead_zone_weight,
                        w.mask.reshape(one.shape[:2]),
                        factor,
                        longest,
                        newest,
                    )

        return self.picture.gradients(pixels, accept)

    # The error as it is at full resolution, which the search has no model of at 4:2:0.

    def errors(self, integers, decoded):
        """How far luma and chroma are from what they aim at: samples [3, H, W] at 4:2:0, otherwise
        coefficients [3, rows, columns, 8, 8]; None for a gray picture."""
        if decoded.chroma is None:
            return None
        lost = [x - aim for x, aim in zip(integers, self.analysis.unrounded, strict=True)]
        for each, table in zip(lost, self.tables, strict=True):
            each *= table.reshape(BLOCK, BLOCK)
        if not self.is_half:
            return np.concatenate([lost[0][None], lost[1]])
        errors = np.empty([3, *decoded.luma.shape], np.float32)
        blocks = lost[0].reshape(-1, _PLACES)
        block_kernels.idct_of_blocks(blocks, np.ones(_PLACES, np.float32), blocks)
        errors[0] = transform.from_blocks(lost[0])
        kernels.errors_of_halves(decoded.chroma, self.analysis.chroma_samples, errors[1:])
        return errors

    def chroma_shift(self, integers, errors):
        """How far chroma's integers are best off their coefficients, in steps."""
        gain = upsampling_gain() if self.is_half else np.ones([BLOCK, BLOCK])
        result = np.empty(self.analysis.unrounded.chroma.shape, np.float32)
        for i, found in enumerate(result):
            gradients = np.float32(COMPONENTS[1 + i]) * errors[1 + i]
            gradients += _CROSS * errors[2 - i]
            gradients += np.float32(TAKEN_OVER[i]) * errors[0]
            if self.is_half:
                height, width = self.analysis.height, self.analysis.width
                halves = up_adjoint(gradients[None, :height, :width])[0]
                gradients = transform.dct(_to_whole_blocks(halves))
            curvature = np.float32(COMPONENTS[1 + i] * gain)
            curvature *= self.tables[1].reshape(BLOCK, BLOCK)
            now, aim = integers.chroma[i], self.analysis.unrounded.chroma[i]
            np.clip(now - gradients / curvature - aim, -LONGEST_CHROMA, LONGEST_CHROMA, out=found)
        return result

    def cost(self, found, errors):
        """What a SearchResult costs: luma's error, what is left of chroma's beside it, and bits."""
        cost = found.error[0] + self.search.bit_price(self.analysis.qtables) * found.bits
        if errors is None:
            return cost
        mask = self.weights.luma[0].mask
        left = weights.left_of_chroma(self.search.tune, self.analysis.qtables, mask)
        for each, w in zip(errors[1:], left, strict=True):
            blocks = (transform.dct(each) if self.is_half else each).reshape(-1, _PLACES)
            energy = (np.square(blocks) * mask[:, None]).sum(0, np.float64)
            cost += energy / np.square(self.tables[1]) @ w.squared_weight
        return cost

    def refined(self, steps, told):
        """The integers, Planes of int16, of the best of so many steps and none. told: called after
        each step, and at the end."""
        best, lowest, mean = None, np.inf, Planes(None, None)
        longest = np.float32(LONGEST * self.share**0.5)
        if self.share:
            mean = Planes(*(p if p is None else np.zeros_like(p) for p in self.analysis.unrounded))
        shift = None
        for step in range(steps + 1):
            found = self.search.search(self.analysis, shift)
            decoded = self.decode(found.integers)
            errors = self.errors(found.integers, decoded)
            cost, pixels = self.cost(found, errors), self.pixels(decoded)
            del decoded
            if self.share and not step:
                lpips = self.move(mean, pixels, 1.0, np.inf, 1.0)
                factor = self.share * cost / max(lpips, 1e-9)
                for each in mean:
                    if each is not None:
                        np.clip(each * np.float32(factor), -longest, longest, out=each)
            elif self.share and step < steps:
                newest = max(NEWEST, 1 / (step + 1))
                lpips = self.move(mean, pixels, factor, longest, newest)
            elif self.share:
                lpips = self.picture.lpips(pixels)
            if self.share:
                cost += factor * lpips
            if cost < lowest:
                best, lowest = found.integers, cost
            shift = mean
            if errors is not None and step < steps:
                chroma = self.chroma_shift(found.integers, errors)
                shift = Planes(mean.luma, chroma if mean.chroma is None else chroma + mean.chroma)
            told()
        return best


def _to_whole_blocks(samples):
    """[H, W] with zeros behind it, so that the sides are whole blocks."""
    return np.pad(samples, [(0, -side % BLOCK) for side in samples.shape])


def rows(analysis, top, bottom):
    """The quantizer.Analysis of the rows of pixels from top to bottom of one, whole 16 but for the
    last."""
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
    """The integers of a picture, Planes of int16, refined, and its tables [8, 8, 2].

    search: a quantizer.Trellis; analyse: called with (top, bottom), returns the quantizer.Analysis
    of these rows of pixels, uint8 or uint16 [H, W, 3], or [H, W, 1] for a gray picture; sampling:
    of these; steps: 1 or more; share: of LPIPS in the cost, see above, which pictures that are too
    small for it do not have. progress: called with the part that is done, to 1, in each step.
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

        def told(part=(bottom - top) / height / (steps + 1)):
            nonlocal done
            done += part
            if progress:
                progress(min(done, 1.0))

        picture = Picture(pixels, top, bottom, sampling) if share else None
        analysis = analyse(top, bottom)
        found = _Band(search, analysis, picture, share).refined(steps, told)
        result.luma[top // BLOCK : -(-bottom // BLOCK)] = found.luma
        if found.chroma is not None:
            result.chroma[:, top // side : -(-bottom // side)] = found.chroma
        del picture, found  # before the next ones
    return result, analysis.qtables
