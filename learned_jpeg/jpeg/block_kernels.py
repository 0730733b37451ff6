"""The transform of the search: fast, in float32, to within its rounding the one of transform.py.

All of a picture's samples are taken in one pass over strips of blocks. Arrays of blocks are
[rows, columns, 64], the vertical frequency first.
"""

from learned_jpeg.jpeg.standard import RGB_TO_YCBCR
from learned_jpeg.runtime.compiled import compiled

import numpy as np

_COLOURS = RGB_TO_YCBCR.astype(np.float32)
_K = (0.5 * np.cos(np.arange(8) * np.pi / 16)).astype(np.float32)
_C = np.float32(np.sqrt(1 / 8))


@compiled
def _dct_columns(s, t):
    """The DCT of the columns of s [8, 8] into the rows of t, transposed."""
    k1, k2, k3, k5, k6, k7 = _K[1], _K[2], _K[3], _K[5], _K[6], _K[7]
    for j in range(8):
        p0, m0 = s[0, j] + s[7, j], s[0, j] - s[7, j]
        p1, m1 = s[1, j] + s[6, j], s[1, j] - s[6, j]
        p2, m2 = s[2, j] + s[5, j], s[2, j] - s[5, j]
        p3, m3 = s[3, j] + s[4, j], s[3, j] - s[4, j]
        a, b, c, d = p0 + p3, p0 - p3, p1 + p2, p1 - p2
        t[j, 0] = _C * (a + c)
        t[j, 4] = _C * (a - c)
        t[j, 2] = k2 * b + k6 * d
        t[j, 6] = k6 * b - k2 * d
        t[j, 1] = k1 * m0 + k3 * m1 + k5 * m2 + k7 * m3
        t[j, 3] = k3 * m0 - k7 * m1 - k1 * m2 - k5 * m3
        t[j, 5] = k5 * m0 - k1 * m1 + k7 * m2 + k3 * m3
        t[j, 7] = k7 * m0 - k5 * m1 + k3 * m2 - k1 * m3


@compiled
def dct(s, t):
    """s [8, 8] is replaced by its DCT; t [8, 8] is room for work."""
    _dct_columns(s, t)
    _dct_columns(t, s)


@compiled
def _idct_columns(s, t):
    k1, k2, k3, k5, k6, k7 = _K[1], _K[2], _K[3], _K[5], _K[6], _K[7]
    for j in range(8):
        a, c = _C * (s[0, j] + s[4, j]), _C * (s[0, j] - s[4, j])
        b, d = k2 * s[2, j] + k6 * s[6, j], k6 * s[2, j] - k2 * s[6, j]
        p0, p1, p2, p3 = a + b, c + d, c - d, a - b
        s1, s3, s5, s7 = s[1, j], s[3, j], s[5, j], s[7, j]
        m0 = k1 * s1 + k3 * s3 + k5 * s5 + k7 * s7
        m1 = k3 * s1 - k7 * s3 - k1 * s5 - k5 * s7
        m2 = k5 * s1 - k1 * s3 + k7 * s5 + k3 * s7
        m3 = k7 * s1 - k5 * s3 + k3 * s5 - k1 * s7
        t[j, 0], t[j, 7] = p0 + m0, p0 - m0
        t[j, 1], t[j, 6] = p1 + m1, p1 - m1
        t[j, 2], t[j, 5] = p2 + m2, p2 - m2
        t[j, 3], t[j, 4] = p3 + m3, p3 - m3


@compiled
def idct(s, t):
    """The inverse of `dct`, likewise."""
    _idct_columns(s, t)
    _idct_columns(t, s)


@compiled
def _transform_strip(samples, scales, out):
    """samples [8, >= 8 n] to out [n, 64], times scales [8, 8]."""
    s, t = np.empty((8, 8), np.float32), np.empty((8, 8), np.float32)
    for block in range(out.shape[0]):
        for i in range(8):
            for j in range(8):
                s[i, j] = samples[i, 8 * block + j]
        dct(s, t)
        for i in range(8):
            for j in range(8):
                out[block, 8 * i + j] = s[i, j] * scales[i, j]


@compiled
def transform_444(pixels, scales, luma, chroma):
    """uint8 [H, W, 3] to coefficients times scales [2, 8, 8]: luma, chroma [2, ...] filled."""
    height, width = pixels.shape[:2]
    rows, columns = luma.shape[:2]
    strip = np.empty((3, 8, 8 * columns), np.float32)
    for row in range(rows):
        for i in range(8):
            _convert_row(pixels[min(8 * row + i, height - 1)], strip, i, width)
        _transform_strip(strip[0], scales[0], luma[row])
        _transform_strip(strip[1], scales[1], chroma[0, row])
        _transform_strip(strip[2], scales[1], chroma[1, row])


@compiled
def _convert_row(pixels, strip, i, width):
    y, cb, cr = strip[0, i], strip[1, i], strip[2, i]
    half = np.float32(128)
    for j in range(width):
        r, g, b = np.float32(pixels[j, 0]), np.float32(pixels[j, 1]), np.float32(pixels[j, 2])
        y[j] = _COLOURS[0, 0] * r + _COLOURS[0, 1] * g + _COLOURS[0, 2] * b - half
        cb[j] = _COLOURS[1, 0] * r + _COLOURS[1, 1] * g + _COLOURS[1, 2] * b
        cr[j] = _COLOURS[2, 0] * r + _COLOURS[2, 1] * g + _COLOURS[2, 2] * b
    for j in range(width, y.shape[0]):
        y[j], cb[j], cr[j] = y[width - 1], cb[width - 1], cr[width - 1]


@compiled
def transform_420(pixels, scales, luma, chroma, samples):
    """Likewise at 4:2:0; samples float32 [2, H, W] gets Cb and Cr around 0."""
    height, width = pixels.shape[:2]
    rows, columns = luma.shape[:2]
    chroma_rows, chroma_columns = chroma.shape[1:3]
    strip = np.empty((3, 16, 16 * chroma_columns), np.float32)
    halves = np.empty((2, 8, 8 * chroma_columns), np.float32)
    quarter = np.float32(0.25)
    for row in range(chroma_rows):
        for i in range(16):
            y = min(16 * row + i, height - 1)
            # An odd height repeats its last row; below that the last pair of rows goes on.
            if i % 2 and 16 * row + i > height and height % 2 == 0:
                y = height - 1
            elif 16 * row + i >= height and height % 2 == 0 and i % 2 == 0:
                y = height - 2
            _convert_row(pixels[y], strip, i, width)
            if 16 * row + i < height:
                samples[0, y] = strip[1, i, :width]
                samples[1, y] = strip[2, i, :width]
        for c in range(2):
            last = (width + 1) // 2
            for i in range(8):
                upper, lower = strip[1 + c, 2 * i], strip[1 + c, 2 * i + 1]
                for j in range(last):
                    halves[c, i, j] = quarter * (
                        upper[2 * j] + upper[2 * j + 1] + lower[2 * j] + lower[2 * j + 1]
                    )
                for j in range(last, halves.shape[2]):
                    halves[c, i, j] = halves[c, i, last - 1]
            _transform_strip(halves[c], scales[1], chroma[c, row])
        for half in range(min(2, rows - 2 * row)):
            for i in range(8):  # luma repeats its last row alone
                if 16 * row + 8 * half + i >= height:
                    for j in range(strip.shape[2]):
                        strip[0, 8 * half + i, j] = strip[0, (height - 1) - 16 * row, j]
            _transform_strip(strip[0, 8 * half : 8 * half + 8], scales[0], luma[2 * row + half])


@compiled
def transform_gray(pixels, scales, luma):
    """uint8 [H, W] to coefficients times scales [2, 8, 8]: luma filled."""
    height, width = pixels.shape
    rows, columns = luma.shape[:2]
    strip = np.empty((8, 8 * columns), np.float32)
    for row in range(rows):
        for i in range(8):
            y = min(8 * row + i, height - 1)
            for j in range(8 * columns):
                strip[i, j] = np.float32(pixels[y, min(j, width - 1)]) - np.float32(128)
        _transform_strip(strip, scales[0], luma[row])
