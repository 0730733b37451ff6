"""Refining: the search again and again, each time for what the picture before lacked.

The search sees a model of the error, a sum over the coefficients. What the decoder makes of its
integers is known afterwards, and moves what the next search aims at:

- Chroma's coefficients go to where the squared error is least, given luma's error and the
  decoder's filter, as luma's do within the search itself.
- A mixture of distortions D of the decoded picture is added to the search's cost,

      cost * (1 + sum of share_i * (D_i / D_i0 - 1))

  with cost and D_i0 those without refining: for 1% less of D_i, share_i % of the cost may be
  spent, at any rate and in any unit. A step is one of proximal gradient descent, with the search as
  the proximal operator: coefficients move by the mixture's gradient over the curvature of
  the search's error, in the running mean over the steps and by no more than a part of the
  table's step, without which this does not converge (measured).

The best of all steps stays, so that the cost is never above that without refining.
"""

from learned_jpeg.jpeg import transform
from learned_jpeg.jpeg.sampling import Planes, halved, up
from learned_jpeg.jpeg.standard import BLOCK, DCT_MATRIX, YCBCR_TO_RGB
from learned_jpeg.metrics import distortions
from learned_jpeg.search import weights
from learned_jpeg.search.slopes import Picture, block_sides, blocks_of, up_adjoint
from learned_jpeg.search.tuning import COMPONENTS, TAKEN_OVER, upsampling_gain

import numpy as np

# The mixture of each tune: shares by the name of a distortion.
MIXTURES = {"psnr": {}, "visual": {"lpips": 0.2}}

# The longest moves, in steps of the table: by a mixture whose shares add up to 1 (they go with the
# root of the sum), and of chroma by the error; and the least weight of the newest gradient in the
# mean, which at first is that of all so far.
LONGEST, LONGEST_CHROMA, NEWEST = 0.18, 1.0, 0.25

_DCT = DCT_MATRIX.astype(np.float32)
# How an error of Cb counts for Cr's gradient, see tuning.COMPONENTS.
_CROSS = np.prod(YCBCR_TO_RGB[:, 1:], 1).sum() / 3


class _Refiner:
    """What stays the same over the steps for one picture."""

    def __init__(self, search, analysis, picture, longest):
        self.search, self.analysis, self.picture = search, analysis, picture
        self.longest = longest
        self.sides = block_sides(analysis.sampling)
        self.tables = np.moveaxis(np.asarray(analysis.qtables, np.float32), -1, 0)
        luma, chroma = weights.luma_and_chroma(search.tune, analysis, 1.0)
        self.weights = Planes([luma], chroma)
        self.masks = Planes(
            *(
                plane if plane is None else one[0].mask.reshape(*plane.shape[-4:-2], 1, 1)
                for plane, one in zip(analysis.unrounded, self.weights, strict=True)
            )
        )

    def decode(self, integers):
        """The pixels that a decoder shows."""
        return transform.inverse(
            integers,
            self.analysis.qtables,
            self.analysis.height,
            self.analysis.width,
            self.analysis.sampling,
        )

    def move(self, shift, decoded, factors, newest):
        """Moves shift, Planes in steps of the tables, by a step against the gradient of factors @
        distortions, which has the weight `newest` in the mean; returns these [names]."""

        def accept(tile, slopes):
            for i, side in enumerate(self.sides):
                if shift[i] is None:
                    continue
                place, mask = tile.blocks(shift[i], side), tile.blocks(self.masks[i], side)
                for j, w in enumerate(self.weights[i]):
                    mean, slope = (x[j] if i else x for x in (place, slopes[i]))
                    squares, dead = (x.reshape(BLOCK, BLOCK) for x in (w.squares, w.dead))
                    step = slope * -self.tables[i] / (2 * (squares * mask + dead))
                    mean += newest * (np.clip(step, -self.longest, self.longest) - mean)

        return self.picture.slopes(decoded, factors, accept)

    # Chroma's error as it is at full resolution, which the search has no model of at 4:2:0.

    def _errors(self, integers, tile):
        """How far luma [h, w] and chroma [2, h, w] are from what they aim at, around a tile."""
        top, bottom, left, right = tile.outer
        size = bottom - top, right - left
        luma, chroma = (
            tile.blocks_around(plane, side)
            for plane, side in zip(integers, self.sides, strict=True)
        )
        aims = [
            tile.blocks_around(plane, side)
            for plane, side in zip(self.analysis.unrounded, self.sides, strict=True)
        ]
        lost = _samples((luma - aims[0]) * self.tables[0])[: size[0], : size[1]]
        if self.analysis.sampling == "444":
            found = _samples((chroma - aims[1]) * self.tables[1])
            return lost, found[:, : size[0], : size[1]]
        halves = [halved(side) for side in size]
        found = transform.samples(chroma, self.tables[1])[:, : halves[0], : halves[1]]
        wanted = self.analysis.chroma_samples[:, top:bottom, left:right]
        return lost, up(found, *size) - wanted

    def chroma_shift(self, integers):
        """How far chroma's integers are best off their coefficients, in steps."""
        gain = upsampling_gain() if self.analysis.sampling == "420" else 1.0
        result = np.empty(self.analysis.unrounded.chroma.shape, np.float32)
        for tile in self.picture.tiles:
            luma, chroma = self._errors(integers, tile)
            slopes = np.empty(chroma.shape, np.float32)
            for i in range(2):
                slopes[i] = COMPONENTS[1 + i] * chroma[i] + _CROSS * chroma[1 - i]
                slopes[i] += TAKEN_OVER[i] * luma
            if self.analysis.sampling == "420":
                slopes = up_adjoint(slopes)
            slopes = tile.within(blocks_of(slopes), self.sides[1])
            place, now, aim = (
                tile.blocks(plane, self.sides[1])
                for plane in (result, integers.chroma, self.analysis.unrounded.chroma)
            )
            for i in range(2):
                curvature = np.float32(COMPONENTS[1 + i] * gain) * self.tables[1]
                best = now[i] - slopes[i] / curvature - aim[i]
                place[i] = np.clip(best, -LONGEST_CHROMA, LONGEST_CHROMA)
        return result

    def shift(self, mean, integers):
        """What the next search is moved by: the mean of the steps, and chroma's shift."""
        if integers.chroma is None:
            return mean
        chroma = self.chroma_shift(integers)
        if mean.chroma is not None:
            chroma += mean.chroma
        return Planes(mean.luma, chroma)

    def cost(self, found):
        """What a Found costs: luma's error, what is left of chroma's beside it, and bits."""
        cost = found.error[0] + self.search.lmbda(self.analysis.qtables) * found.bits
        if found.integers.chroma is None:
            return cost
        left = weights.left_of_chroma(self.search.tune, self.analysis.qtables, self.masks.luma)
        for tile in self.picture.tiles:
            _, chroma = self._errors(found.integers, tile)
            energy = np.square(tile.within(blocks_of(chroma), BLOCK))
            energy = (energy * tile.blocks(self.masks.luma, BLOCK)).sum((1, 2), np.float64)
            for one, w in zip(energy, left, strict=True):
                cost += (one / np.square(self.tables[1])).ravel() @ w.squares
        return cost


def _samples(blocks):
    """Coefficients [..., rows, columns, 8, 8] to samples."""
    return transform.from_blocks(_DCT.T @ blocks @ _DCT)


def refine(search, analysis, pixels, steps, mixture, progress=None):
    """The integers of a picture, Planes of int16, refined.

    search: a quantizer.Trellis; analysis: a quantizer.Analysis of pixels, uint8 or uint16
    [H, W, 3], or [H, W, 1] for a gray picture; steps: 0 or more; mixture: shares of the cost by
    the name of a distortion (of `distortions.TERMS`, see above), of which those that need a larger
    picture are left out. progress: called after each step.
    """
    found = search.search(analysis)
    least = min(pixels.shape[:2])
    mixture = {n: share for n, share in mixture.items() if least >= distortions.MIN_SIZES[n]}
    if not steps or not (mixture or found.integers.chroma is not None):
        return found.integers
    picture = Picture(pixels, mixture, analysis.sampling)
    shares = np.array([*mixture.values()])
    refiner = _Refiner(search, analysis, picture, LONGEST * shares.sum() ** 0.5)
    decoded = refiner.decode(found.integers)
    floor = np.maximum(picture.distortions(decoded), 1e-9)
    factors = shares * refiner.cost(found) / floor
    best, lowest = None, np.inf
    mean = Planes(None, None)
    if mixture:
        mean = Planes(*(p if p is None else np.zeros_like(p) for p in analysis.unrounded))
    for step in range(steps + 1):
        if step < steps:
            values = refiner.move(mean, decoded, factors, max(NEWEST, 1 / (step + 1)))
        else:
            values = picture.distortions(decoded)
        cost = refiner.cost(found) + factors @ values
        if cost < lowest:
            best, lowest = found.integers, cost
        if step < steps:
            found = search.search(analysis, refiner.shift(mean, found.integers))
            decoded = refiner.decode(found.integers)
            if progress:
                progress()
    return best
