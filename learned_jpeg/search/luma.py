"""Luma's blocks in the search: their texture, and the errors of chroma that they compensate."""

from functools import partial

from learned_jpeg.jpeg.block_kernels import dct, idct
from learned_jpeg.jpeg.standard import YCBCR_TO_RGB
from learned_jpeg.runtime import threads
from learned_jpeg.runtime.compiled import compiled, inner

import numpy as np

_ZERO, _HALF = np.float32(0), np.float32(0.5)
_RGB = YCBCR_TO_RGB.astype(np.float32)


@compiled("void(float32[:,::1], float32[::1], float32[::1], float32[::1], float32[::1])")
def activity(x, steps, visibility, variance, masking_threshold):
    """Fills in the variance [n] of the samples, and the masking threshold [n], of each block.

    x: coefficients over their table, float32 [n, 64]; steps: the table [64]; visibility: [64], the
    weight of AC energy in the masking threshold. The threshold is PSNR-HVS-M's: it grows with the
    variances of the block's quarters over that of the block.
    Source: Ponomarenko et al., "On between-coefficient contrast masking of DCT basis functions"
    (VPQM 2007), and maskeff in the authors' psnrhvsm.m.
    """
    s, t = np.empty((8, 8), np.float32), np.empty((8, 8), np.float32)
    for block in range(x.shape[0]):
        energy, visible = _ZERO, _ZERO
        for f in range(64):
            c = x[block, f] * steps[f]
            s[f >> 3, f & 7] = c
            energy += c * c
            visible += c * c * visibility[f]
        energy -= s[0, 0] * s[0, 0]
        variance[block] = max(energy, _ZERO) / 64
        if energy < 1e-3:
            masking_threshold[block] = 0
            continue
        s[0, 0] = 0
        idct(s, t)
        variances = _ZERO
        for quarter in range(4):
            first, second = _ZERO, _ZERO
            for i in range(4):
                for j in range(4):
                    value = s[4 * (quarter >> 1) + i, 4 * (quarter & 1) + j]
                    first += value
                    second += value * value
            variances += second - first * first / 16
        ratio = (variances * 16 / 15) / (energy * 64 / 63)
        masking_threshold[block] = np.sqrt(max(visible * ratio, _ZERO)) / 32


@inner
def _clip(sample):
    return min(max(sample, np.float32(-128)), np.float32(127))


def decode(levels, steps):
    """Decodes levels [planes, rows, columns, 64] with a table [64].

    Returns the samples around 0, whole numbers, float32 [planes, 8 rows, 8 columns].
    """
    planes, rows, columns = levels.shape[:3]
    result = np.empty([planes, 8 * rows, 8 * columns], np.float32)

    def decoded(plane, part):
        lines = result[plane, 8 * part.start : 8 * part.stop]
        _decode(levels[plane, part].astype(np.float32, copy=False), steps, lines)

    parts = threads.parts(rows, columns)
    threads.share([partial(decoded, plane, part) for plane in range(planes) for part in parts])
    return result


@compiled("void(float32[:,:,::1], float32[::1], float32[:,::1])")
def _decode(levels, steps, samples):
    s, t = np.empty((8, 8), np.float32), np.empty((8, 8), np.float32)
    for row in range(levels.shape[0]):
        for column in range(levels.shape[1]):
            for f in range(64):
                s[f >> 3, f & 7] = levels[row, column, f] * steps[f]
            idct(s, t)
            for i in range(8):
                for j in range(8):
                    samples[8 * row + i, 8 * column + j] = _clip(np.floor(s[i, j] + _HALF))


@inner
def _move_target(change, block, x, steps, squared_weight, dead_zone_weight, mask):
    """Moves a block's target by a part of a change: the squared error's part of the weight."""
    for f in range(64):
        s = squared_weight[f] * mask[block]
        x[block, f] += change[f >> 3, f & 7] / steps[f] * (s / (s + dead_zone_weight[f]))


@compiled(
    "void(float32[:,::1], UniTuple(float32[:,::1], 2), UniTuple(int16[:,::1], 2), float32[::1],"
    "float32[::1], float32[::1], float32[::1], float32[::1], float32[::1])"
)
def take_over_444(
    x, chroma, levels, factors, steps, chroma_steps, squared_weight, dead_zone_weight, mask
):
    """Adds to luma x its part of chroma's error, at 4:4:4.

    x: coefficients over the table [n, 64]; chroma: the same of Cb and Cr; levels: theirs; factors:
    [2], on Cb's and Cr's error.
    """
    cb, cr = chroma
    cb_levels, cr_levels = levels
    change = np.empty((8, 8), np.float32)
    for block in range(x.shape[0]):
        for f in range(64):
            change[f >> 3, f & 7] = chroma_steps[f] * (
                factors[0] * (cb[block, f] - cb_levels[block, f])
                + factors[1] * (cr[block, f] - cr_levels[block, f])
            )
        _move_target(change, block, x, steps, squared_weight, dead_zone_weight, mask)


@compiled(
    "void(float32[:,::1], int64, int64, float32[:,:,::1], float32[:,:,::1], float32[::1],"
    "float32[::1], float32[::1], float32[::1], float32[::1])"
)
def take_over_420(
    x, columns, first, samples, decoded, factors, steps, squared_weight, dead_zone_weight, mask
):
    """Adds to luma x its part of chroma's error, at 4:2:0.

    x: coefficients over the table [n, 64], whole rows of `columns` blocks from row `first` on;
    samples: chroma [2, H, W] around 0; decoded: its decoded samples [2, H', W'] at half the
    resolution, which the decoder's triangle filter upsamples here without its rounding.
    """
    height, width = samples.shape[1:]
    last_row, last = (height + 1) // 2 - 1, (width + 1) // 2 - 1
    s, t = np.empty((8, 8), np.float32), np.empty((8, 8), np.float32)
    strip = np.empty((8, 8 * columns), np.float32)
    sums = np.empty(last + 3, np.float32)
    a, b = factors[0], factors[1]
    for row in range(x.shape[0] // columns):
        for i in range(8):
            for j in range(8 * columns):
                strip[i, j] = 0
            y = 8 * (first + row) + i
            if y >= height:
                continue
            near, other = y // 2, min(max(y // 2 + 2 * (y % 2) - 1, 0), last_row)
            for j in range(last + 1):
                sums[j + 1] = np.float32(3 / 16) * (
                    a * decoded[0, near, j] + b * decoded[1, near, j]
                ) + np.float32(1 / 16) * (a * decoded[0, other, j] + b * decoded[1, other, j])
            sums[0], sums[last + 2] = sums[1], sums[last + 1]
            for j in range(width):
                near = (j >> 1) + 1
                strip[i, j] = (
                    a * samples[0, y, j]
                    + b * samples[1, y, j]
                    - 3 * sums[near]
                    - sums[near - 1 + 2 * (j & 1)]
                )
        for column in range(columns):
            for i in range(8):
                for j in range(8):
                    s[i, j] = strip[i, 8 * column + j]
            dct(s, t)
            block = row * columns + column
            _move_target(s, block, x, steps, squared_weight, dead_zone_weight, mask)


@inner
def upsampled(plane, y, out):
    """Upsamples row y of chroma [H', W'] by the decoder's triangle filter without its rounding."""
    rows, columns = plane.shape
    near, other = y // 2, min(max(y // 2 + 2 * (y % 2) - 1, 0), rows - 1)
    before = np.float32(0.75) * plane[near, 0] + np.float32(0.25) * plane[other, 0]
    here = before
    for j in range(columns):
        after = here
        if j + 1 < columns:
            after = np.float32(0.75) * plane[near, j + 1] + np.float32(0.25) * plane[other, j + 1]
        out[2 * j] = np.float32(0.75) * here + np.float32(0.25) * before
        out[2 * j + 1] = np.float32(0.75) * here + np.float32(0.25) * after
        before, here = here, after


@compiled(
    "void(float32[:,::1], float32[:,::1], float32[:,:,::1], float32[:,:,::1], float32[:,::1])"
)
def rgb_errors(luma, shown, samples, decoded, errors):
    """Adds the squared errors of each block, in RGB behind clipping, to errors [rows, columns].

    luma [H, W] and samples [2, H, W] are the original's luma and chroma; shown [H, W] and decoded
    [2, H', W'], at half the resolution, those of the file; all around 0.
    """
    columns = errors.shape[1]
    chroma = np.empty((2, 2 * decoded.shape[2]), np.float32)
    line = np.empty(8 * columns, np.float32)
    height, width = samples.shape[1:]
    for y in range(height):
        for n in range(2):
            upsampled(decoded[n], y, chroma[n])
        for x in range(line.size):
            line[x] = 0
        for n in range(3):
            b, r = _RGB[n, 1], _RGB[n, 2]
            for x in range(width):
                first = _clip(luma[y, x] + b * samples[0, y, x] + r * samples[1, y, x])
                second = _clip(shown[y, x] + b * chroma[0, x] + r * chroma[1, x])
                line[x] += (first - second) * (first - second)
        for column in range(columns):
            for x in range(8 * column, 8 * column + 8):
                errors[y // 8, column] += line[x]
