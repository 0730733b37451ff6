"""Butteraugli: the difference of two images as the eye sees it, in bands of frequencies.

The bands and the masking of the original are computed once; `compare` computes those of a decoded
image. Images are uint8 RGB [H, W, 3], planes float32 [rows, columns].
"""

from learned_jpeg.metrics import butteraugli_errors as errors
from learned_jpeg.metrics.ssim import halve
from learned_jpeg.metrics.ssimulacra2 import LINEAR
from learned_jpeg.runtime.compiled import compiled, inner

import numpy as np

# Linear light of 8-bit samples in nits; white has 80.
_NITS = np.float32(80 * LINEAR)
# The absorption of red, green and blue light by the eye's three photopsins, and their noise in the
# dark.
_OPSIN = np.array(
    [
        [0.29956550340058319, 0.63373087833825936, 0.077705617820981968],
        [0.22158691104574774, 0.69391388044116142, 0.0987313588422],
        [0.02, 0.02, 0.20480129041026129],
    ],
    np.float32,
)
_DARK = np.array([[1.7557483643287353], [1.7557483643287353], [12.226454707163354]], np.float32)


def _window(sigma):
    """Half of a truncated Gaussian, from its middle on: an odd number of weights."""
    n = np.arange(int(2.25 * sigma) // 2 * 2 + 3)
    return np.float32(np.where(n <= 2.25 * sigma, np.exp(-0.5 * (n / sigma) ** 2), 0))


# The blurs of the eye's adaptation, between the bands, and of the masking.
_ADAPTATION, _LOW, _MIDDLE, _HIGH, _MASKING = map(
    _window, (1.2, 7.15593339443, 3.22489901262, 1.56416327805, 2.7)
)

_LOW_UNITS = np.float32([32.2217497012, 13.7697791434, 47.504615728])[:, np.newaxis, np.newaxis]


@inner
def _row(plane, row, zeros):
    """A row of a plane, zeros outside it."""
    return plane[row] if 0 <= row < len(plane) else zeros


@inner
def _normalization(window, size):
    """1 / (the sum of the window's weights inside) at each of `size` samples of a line."""
    result = np.empty(size, np.float32)
    for j in range(size):
        total = window[0]
        for k in range(1, len(window)):
            total += window[k] * np.float32((j >= k) + (j + k < size))
        result[j] = 1 / total
    return result


@compiled("void(float32[:,::1], float32[::1], float32[:,::1])")
def _blur(plane, window, out):
    """A separable blur by half a window, which leaves out samples outside the plane."""
    rows, columns = plane.shape
    padded, zeros = np.zeros(columns + 2 * len(window), np.float32), np.zeros_like(plane[0])
    inside = padded[len(window) :]
    down, across = _normalization(window, rows), _normalization(window, columns)
    for row in range(rows):
        line = out[row]
        for j in range(columns):
            inside[j] = window[0] * plane[row, j]
        for k in range(1, len(window), 2):
            a, b = _row(plane, row - k, zeros), _row(plane, row + k, zeros)
            c, d = _row(plane, row - k - 1, zeros), _row(plane, row + k + 1, zeros)
            for j in range(columns):
                inside[j] += window[k] * (a[j] + b[j]) + window[k + 1] * (c[j] + d[j])
        for j in range(columns):
            line[j] = window[0] * inside[j]
        for k in range(1, len(window), 2):
            a, b = padded[len(window) - k :], padded[len(window) + k :]
            c, d = padded[len(window) - k - 1 :], padded[len(window) + k + 1 :]
            for j in range(columns):
                line[j] += window[k] * (a[j] + b[j]) + window[k + 1] * (c[j] + d[j])
        for j in range(columns):
            line[j] *= across[j] * down[row]


_CLAMPED = 0.724216145665  # the slope beyond a limit


@compiled("void(float32[:,::1], float64, float64, float64)")
def _scale_around_zero(plane, step, inner, outer):
    """Scales a plane by `inner` in [-step, step], and by `outer` beyond."""
    step, inner, outer = np.float32(step), np.float32(inner), np.float32(outer)
    for i in range(plane.shape[0]):
        line = plane[i]
        for j in range(plane.shape[1]):
            near = min(max(line[j], -step), step)
            line[j] = inner * near + outer * (line[j] - near)


def _parts(planes):
    """Planes [n, rows, columns] in parts of a few rows, which stay in the cache."""
    return (planes[:, top : top + 32] for top in range(0, planes.shape[1], 32))


def _bands(xyb):
    """The bands [10, rows, columns] of XYB [3, rows, columns], which is overwritten.

    Their order is that of `butteraugli_errors`.
    """
    bands = np.empty((10, *xyb.shape[1:]), np.float32)
    for plane, low in zip(xyb, bands[7:], strict=True):
        _blur(plane, _LOW, low)
    xyb -= bands[7:]
    for plane, middle in zip(xyb, bands[4:7], strict=True):
        _blur(plane, _MIDDLE, middle)
    np.subtract(xyb[:2], bands[4:6], out=bands[:2])
    for part in _parts(bands):
        # Luminance masks colour.
        part[0] *= 0.653020556257 + (1 - 0.653020556257) * 46 / (np.square(part[1]) + 46)
        part[9] -= 0.362267051518 * part[8]
        part[7:] *= _LOW_UNITS
    _scale_around_zero(bands[4], 0.29, 0.0, 1.0)
    _scale_around_zero(bands[5], 0.1, 2.0, 1.0)
    for plane, high in zip(bands[:2], bands[2:4], strict=True):
        _blur(plane, _HIGH, high)
    _scale_around_zero(bands[3], 28.4691806922, 1.0, _CLAMPED)
    bands[:2] -= bands[2:4]
    _scale_around_zero(bands[0], 0.04, 0.0, 1.0)
    _scale_around_zero(bands[1], 5.19175294647, 2.69313763794, 2.69313763794 * _CLAMPED)
    _scale_around_zero(bands[2], 1.5, 0.0, 1.0)
    _scale_around_zero(bands[3], 0.132 / 2.155, 2 * 2.155, 2.155)
    return bands


def _activity(bands):
    """The activity near each sample, which masks errors, [rows, columns]."""
    sharp, blurred = np.empty_like(bands[:1]), np.empty_like(bands[0])
    for part, out in zip(_parts(bands), _parts(sharp), strict=True):
        x, y = 2.5 * (part[0] + part[2]), 0.4 * (part[1] + part[3])
        level = np.sqrt(x * x + y * y)
        out[0] = 6.19424080439**0.5 * (np.sqrt(level + 12.61050594197) - 12.61050594197**0.5)
    _blur(sharp[0], _MASKING, blurred)
    return blurred


class Butteraugli:
    """Butteraugli's 3-norm against one original, on a screen whose white has 80 nits.

    Source: J. Alakuijala and others, https://github.com/libjxl/libjxl (BSD licence), version 0.7.
    The constants are those of lib/jxl/butteraugli/butteraugli.cc. The figure is the "3-norm" that
    its program `butteraugli_main` prints: the mean of the norms of order 3, 6 and 12.
    """

    MIN_SIZE = 8

    def __init__(self, original):
        self._scales = []
        for linear in _scales(original):
            bands = _bands(_xyb(linear))
            activity = _activity(bands)
            weights = errors.weights(np.pad(activity, 3, constant_values=np.inf))
            self._scales.append((bands, activity, weights))

    def error_map(self, decoded):
        """The visible difference at each pixel: float32 [H, W]; 1 is just visible."""
        maps = []
        for (bands, activity, weights), linear in zip(self._scales, _scales(decoded), strict=True):
            others = _bands(_xyb(linear))
            maps.append(errors.error_map(bands, others, activity, _activity(others), weights))
        error = maps[0]
        if len(maps) > 1:
            rows, columns = error.shape
            error *= 0.85
            error += 0.5 * maps[1].repeat(2, 0).repeat(2, 1)[:rows, :columns]
        return error

    def compare(self, decoded):
        """The figure in [0, inf); below 1, the difference is hardly visible."""
        error = self.error_map(decoded)
        power, norms = np.float64(error), []
        power *= power * power
        for n in (3, 6, 12):
            norms.append(power.mean() ** (1 / n))
            power *= power
        return float(np.mean(norms))


def _scales(image):
    """Light in nits [3, rows, columns]; then at half the size, if that is not too small."""
    light = np.stack([_NITS[image[..., n]] for n in range(3)])
    yield light
    if min(light.shape[1:]) > 2 * (Butteraugli.MIN_SIZE - 1):
        yield halve(light)


def _xyb(light):
    """X, Y and B, [3, rows, columns], of an eye that is adapted to the light near each sample."""
    xyb, around = np.empty_like(light), np.pad(light, ((0, 0), (2, 2), (2, 2)), "symmetric")
    for plane in around:
        _blur(plane.copy(), _ADAPTATION, plane)
    for now, before, out in zip(*map(_parts, (light, around[:, 2:-2, 2:-2], xyb)), strict=True):
        level = _OPSIN @ before.reshape(3, -1) + _DARK
        response = 19.245013259874995 * np.log(level + 9.9710635769299145) - 23.16046239805755
        signal = (_OPSIN @ now.reshape(3, -1) + _DARK) * (response / level)
        x, y, b = np.maximum(signal, _DARK)
        out[:] = np.stack([x - y, x + y, b]).reshape(out.shape)
    return xyb
