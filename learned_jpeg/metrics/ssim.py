"""MS-SSIM: the structure of two images compared under a Gaussian window at several scales.

The pyramid of scales of the original is computed once; `compare` computes that of a decoded image.
Images are uint8 RGB [H, W, 3], planes [3, rows, columns]; sums are float64.
"""

from learned_jpeg.runtime.compiled import compiled, inner

import numpy as np

# The window is 11x11, with sigma 1.5.
RADIUS = 5
_WINDOW = np.exp(-0.5 * (np.arange(-RADIUS, RADIUS + 1) / 1.5) ** 2)
_WINDOW /= _WINDOW.sum()


@inner
def next_row(x, y, row, recent, means):
    """Reads `row` of planes x and y, and fills in the means under the windows that end there.

    recent: float64 [4, 11, columns - 10], a ring buffer of the last rows, blurred horizontally;
    means: float64 [4, columns - 10] of x, y, (x - y)^2 and x^2 + y^2, filled from row 10 on.
    """
    width = recent.shape[2]
    values = np.empty((4, x.shape[1]))
    for j in range(x.shape[1]):
        a, b = float(x[row, j]), float(y[row, j])
        values[0, j], values[1, j] = a, b
        values[2, j], values[3, j] = (a - b) * (a - b), a * a + b * b
    for n in range(4):
        line, source = recent[n, row % 11], values[n]
        for j in range(width):
            total = _WINDOW[5] * source[j + 5]
            total += _WINDOW[4] * (source[j + 4] + source[j + 6])
            total += _WINDOW[3] * (source[j + 3] + source[j + 7])
            total += _WINDOW[2] * (source[j + 2] + source[j + 8])
            total += _WINDOW[1] * (source[j + 1] + source[j + 9])
            total += _WINDOW[0] * (source[j] + source[j + 10])
            line[j] = total
    if row < 10:
        return
    for n in range(4):
        r0, r1 = recent[n, (row + 1) % 11], recent[n, (row + 2) % 11]
        r2, r3 = recent[n, (row + 3) % 11], recent[n, (row + 4) % 11]
        r4, r5 = recent[n, (row + 5) % 11], recent[n, (row + 6) % 11]
        r6, r7 = recent[n, (row + 7) % 11], recent[n, (row + 8) % 11]
        r8, r9 = recent[n, (row + 9) % 11], recent[n, (row + 10) % 11]
        r10, target = recent[n, row % 11], means[n]
        for j in range(width):
            total = _WINDOW[5] * r5[j]
            total += _WINDOW[4] * (r4[j] + r6[j])
            total += _WINDOW[3] * (r3[j] + r7[j])
            total += _WINDOW[2] * (r2[j] + r8[j])
            total += _WINDOW[1] * (r1[j] + r9[j])
            total += _WINDOW[0] * (r0[j] + r10[j])
            target[j] = total


@compiled("float64(float32[:,::1], float32[:,::1], float64, float64, float64)")
def _similarity(x, y, c1, c2, level):
    """The mean SSIM of two planes whose value 0 stands for `level`; without luminance if c1 is 0.

    The structure's term is 1 - variance(x - y) / (variance(x) + variance(y) + c2). It equals the
    usual (2 covariance + c2) / (...), without cancellation between equal images.
    """
    rows, columns = x.shape[0] - 10, x.shape[1] - 10
    recent, means = np.empty((4, 11, columns)), np.empty((4, columns))
    total = 0.0
    for row in range(x.shape[0]):
        next_row(x, y, row, recent, means)
        if row < 10:
            continue
        for j in range(columns):
            a, b, error, energy = means[0, j], means[1, j], means[2, j], means[3, j]
            value = 1 - (error - (a - b) * (a - b)) / (energy - (a * a + b * b) + c2)
            if c1 > 0:
                a, b = a + level, b + level
                value *= (2 * a * b + c1) / (a * a + b * b + c1)
            total += value
    return total / (rows * columns)


def halve(planes):
    """The means of 2x2 samples; an odd last row or column is repeated."""
    x = np.pad(planes, ((0, 0), (0, planes.shape[1] % 2), (0, planes.shape[2] % 2)), "edge")
    return (x[:, ::2, ::2] + x[:, 1::2, ::2] + x[:, ::2, 1::2] + x[:, 1::2, 1::2]) / 4


class MsSsim:
    """MS-SSIM against one original: five scales, mean of the RGB channels.

    Z. Wang, E. P. Simoncelli, A. C. Bovik: Multiscale structural similarity for image quality
    assessment, Asilomar 2003, with single-scale SSIM's constants K1 = 0.01 and K2 = 0.03. Windows
    lie wholly inside the image.
    """

    _WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)  # the finest scale first
    _MID = 128  # variances do not depend on the mean level

    # The coarsest scale, whose side is halved and rounded up four times, must hold one window.
    MIN_SIZE = 2 * RADIUS * 2 ** (len(_WEIGHTS) - 1) + 1

    def __init__(self, original):
        self._pyramid = self._scales(original)

    def compare(self, decoded):
        """The figure in [0, 1]; negative terms count as 0."""
        value = np.ones(3)
        for scale, (x, y) in enumerate(zip(self._pyramid, self._scales(decoded), strict=True)):
            c1 = (0.01 * 255) ** 2 if scale == len(self._WEIGHTS) - 1 else 0.0
            terms = [
                _similarity(a, b, c1, (0.03 * 255) ** 2, self._MID)
                for a, b in zip(x, y, strict=True)
            ]
            value *= np.maximum(terms, 0) ** self._WEIGHTS[scale]
        return float(value.mean())

    def _scales(self, image):
        planes = np.subtract(image.transpose(2, 0, 1), np.float32(self._MID), order="C")
        scales = [planes]
        for _ in self._WEIGHTS[1:]:
            scales.append(halve(scales[-1]))
        return scales
