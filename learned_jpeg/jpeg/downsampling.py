"""Chroma at 4:2:0 with the least squared error behind the decoder's triangle filter.

The mean of 2x2 samples is too smooth, for the filter smooths once more. Let U be the decoder's
filter, s the samples, and c the means of 2x2 samples. The chroma with the least squared error is
(U'U)^-1 U's. Both U'U c and U's are short filters. U'U is nearly diagonal in the DCT of a block,
with the diagonal D of `upsampling_gain`, so one step from c, D^-1 (U's - U'U c), comes close to it.
The PSNR of 4:2:0 files rises at all rates.
"""

from learned_jpeg.jpeg.block_kernels import dct
from learned_jpeg.runtime.compiled import compiled, inner

import numpy as np

# U' and U'U times the mean, along one axis, as filters of the samples 2i - 2 to 2i + 3.
_ADJOINT = np.float32([0, 0.25, 0.75, 0.75, 0.25, 0])
_NORMAL = np.float32([3, 3, 10, 10, 3, 3]) / np.float32(16)


@inner
def _mirrored(i, size):
    """The index of the sample at i, mirrored at the edges of `size` samples; size >= 3."""
    if i < 0:
        return -1 - i
    return 2 * size - 1 - i if i >= size else i


@inner
def _mirror(line, width):
    """Mirrors a line beyond its edges: two samples before it and three behind."""
    line[0], line[1] = line[3], line[2]
    for k in range(3):
        line[width + 2 + k] = line[width + 1 - k]


@compiled("void(float32[:,::1], float32[::1], float32[:,:,::1], int64)")
def fit(samples, scales, chroma, first):
    """Adds the step D^-1 (U's - U'U c) to chroma, the coefficients of c over their table.

    samples: [H, W], Cb or Cr around 0, at least 5 a side; scales: [64], 1 / (upsampling gain *
    table entry); chroma: float32 [rows, columns, 64], changed, whose first row of blocks is `first`
    of the picture.
    """
    height, width = samples.shape
    halves = (height + 1) // 2, (width + 1) // 2
    adjoint, normal = np.empty(width + 5, np.float32), np.empty(width + 5, np.float32)
    strip = np.empty((8, 8 * chroma.shape[1]), np.float32)
    s, t = np.empty((8, 8), np.float32), np.empty((8, 8), np.float32)
    for row in range(chroma.shape[0]):
        for i in range(8):
            for j in range(strip.shape[1]):
                strip[i, j] = 0
        for i in range(min(8, halves[0] - 8 * (first + row))):
            for x in range(width + 5):
                adjoint[x] = normal[x] = 0
            for k in range(6):
                y = _mirrored(16 * (first + row) + 2 * i - 2 + k, height)
                a, b = _ADJOINT[k], _NORMAL[k]
                for x in range(width):
                    adjoint[x + 2] += a * samples[y, x]
                    normal[x + 2] += b * samples[y, x]
            _mirror(adjoint, width)
            _mirror(normal, width)
            for j in range(halves[1]):
                value = np.float32(0)
                for k in range(6):
                    value += _ADJOINT[k] * adjoint[2 * j + k] - _NORMAL[k] * normal[2 * j + k]
                strip[i, j] = value
        for column in range(chroma.shape[1]):
            for i in range(8):
                for j in range(8):
                    s[i, j] = strip[i, 8 * column + j]
            dct(s, t)
            for f in range(64):
                chroma[row, column, f] += s[f >> 3, f & 7] * scales[f]
