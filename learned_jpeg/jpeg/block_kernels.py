"""Colours, chroma means and DCT of blocks for the search: those of transform.py, but faster.

All is float32, and differs from transform.py by rounding alone.
"""

from learned_jpeg.jpeg.standard import RGB_TO_YCBCR
from learned_jpeg.runtime.compiled import compiled, inner

import numpy as np

_COLOURS = RGB_TO_YCBCR.astype(np.float32)
# 1/2 cos(n pi / 16) for n = 1 to 7; _C is that for n = 4.
_K1, _K2, _K3, _, _K5, _K6, _K7 = (0.5 * np.cos(np.arange(1, 8) * np.pi / 16)).astype(np.float32)
_C = np.float32(np.sqrt(1 / 8))


@inner
def _dct_columns(s, t):
    """The DCT of the columns of s [8, 8] into the rows of t, transposed."""
    for j in range(8):
        s0 = s[0, j]
        s7 = s[7, j]
        p0 = s0 + s7
        m0 = s0 - s7
        s1 = s[1, j]
        s6 = s[6, j]
        p1 = s1 + s6
        m1 = s1 - s6
        s2 = s[2, j]
        s5 = s[5, j]
        p2 = s2 + s5
        m2 = s2 - s5
        s3 = s[3, j]
        s4 = s[4, j]
        p3 = s3 + s4
        m3 = s3 - s4
        a = p0 + p3
        b = p0 - p3
        c = p1 + p2
        d = p1 - p2
        t[j, 0] = _C * (a + c)
        t[j, 4] = _C * (a - c)
        t[j, 2] = _K2 * b + _K6 * d
        t[j, 6] = _K6 * b - _K2 * d
        t[j, 1] = _K1 * m0 + _K3 * m1 + _K5 * m2 + _K7 * m3
        t[j, 3] = _K3 * m0 - _K7 * m1 - _K1 * m2 - _K5 * m3
        t[j, 5] = _K5 * m0 - _K1 * m1 + _K7 * m2 + _K3 * m3
        t[j, 7] = _K7 * m0 - _K5 * m1 + _K3 * m2 - _K1 * m3


@inner
def dct(s, t):
    """Replaces s [8, 8] by its DCT; t [8, 8] is scratch space."""
    _dct_columns(s, t)
    _dct_columns(t, s)


@inner
def _idct_columns(s, t):
    """The inverse DCT of the columns of s [8, 8] into the rows of t, transposed."""
    for j in range(8):
        s0 = s[0, j]
        s4 = s[4, j]
        a = _C * (s0 + s4)
        c = _C * (s0 - s4)
        s2 = s[2, j]
        s6 = s[6, j]
        b = _K2 * s2 + _K6 * s6
        d = _K6 * s2 - _K2 * s6
        p0 = a + b
        p1 = c + d
        p2 = c - d
        p3 = a - b
        s1 = s[1, j]
        s3 = s[3, j]
        s5 = s[5, j]
        s7 = s[7, j]
        m0 = _K1 * s1 + _K3 * s3 + _K5 * s5 + _K7 * s7
        m1 = _K3 * s1 - _K7 * s3 - _K1 * s5 - _K5 * s7
        m2 = _K5 * s1 - _K1 * s3 + _K7 * s5 + _K3 * s7
        m3 = _K7 * s1 - _K5 * s3 + _K3 * s5 - _K1 * s7
        t[j, 0] = p0 + m0
        t[j, 7] = p0 - m0
        t[j, 1] = p1 + m1
        t[j, 6] = p1 - m1
        t[j, 2] = p2 + m2
        t[j, 5] = p2 - m2
        t[j, 3] = p3 + m3
        t[j, 4] = p3 - m3


@inner
def idct(s, t):
    """The inverse of `dct`, in the same way."""
    _idct_columns(s, t)
    _idct_columns(t, s)


@compiled("void(float32[:,:,::1], float32[:,:,::1])")
def rgb_to_ycbcr(rgb, planes):
    """RGB float32 [h, w, 3] in [0, 255] to Y, Cb and Cr around 0, float32 [3, h or more, w or
    more]; the last row and column are repeated to the size of the planes."""
    height, width = rgb.shape[0], rgb.shape[1]
    half = np.float32(128)
    for i in range(planes.shape[1]):
        row = min(i, height - 1)
        for j in range(width):
            r, g, b = rgb[row, j, 0], rgb[row, j, 1], rgb[row, j, 2]
            planes[0, i, j] = _COLOURS[0, 0] * r + _COLOURS[0, 1] * g + _COLOURS[0, 2] * b - half
            planes[1, i, j] = _COLOURS[1, 0] * r + _COLOURS[1, 1] * g + _COLOURS[1, 2] * b
            planes[2, i, j] = _COLOURS[2, 0] * r + _COLOURS[2, 1] * g + _COLOURS[2, 2] * b
        for plane in range(3):
            for j in range(width, planes.shape[2]):
                planes[plane, i, j] = planes[plane, i, width - 1]


@compiled("void(float32[:,::1], int64, int64, float32[:,::1])")
def halve(samples, height, width, halves):
    """The means of 2x2 of height x width samples into halves.

    samples: [height or more, width or more], where an odd last row or column is repeated once;
    halves: [half of height or more, half of width or more], where the last means are repeated.
    """
    last = (width + 1) // 2
    quarter = np.float32(0.25)
    for i in range(halves.shape[0]):
        row = 2 * min(i, (height + 1) // 2 - 1)
        for j in range(last):
            halves[i, j] = quarter * (
                samples[row, 2 * j]
                + samples[row, 2 * j + 1]
                + samples[row + 1, 2 * j]
                + samples[row + 1, 2 * j + 1]
            )
        for j in range(last, halves.shape[1]):
            halves[i, j] = halves[i, last - 1]


@compiled("void(float32[:,::1], float32[::1], float32[:,:,::1])")
def dct_of_plane(samples, scales, out):
    """The DCT of blocks times scales [64], of samples [8 rows or more, 8 columns or more], into out
    [rows, columns, 64]."""
    s, t = np.empty((8, 8), np.float32), np.empty((8, 8), np.float32)
    for row in range(out.shape[0]):
        for column in range(out.shape[1]):
            for i in range(8):
                for j in range(8):
                    s[i, j] = samples[8 * row + i, 8 * column + j]
            dct(s, t)
            for i in range(8):
                for j in range(8):
                    out[row, column, 8 * i + j] = s[i, j] * scales[8 * i + j]


@compiled("void(float32[:,::1], float32[::1], float32[:,::1])")
def dct_of_blocks(blocks, scales, out):
    """The DCT of blocks [n, 64], times scales [64]; out may be the array of the blocks."""
    s, t = np.empty((8, 8), np.float32), np.empty((8, 8), np.float32)
    for block in range(blocks.shape[0]):
        for i in range(8):
            for j in range(8):
                s[i, j] = blocks[block, 8 * i + j]
        dct(s, t)
        for i in range(8):
            for j in range(8):
                out[block, 8 * i + j] = s[i, j] * scales[8 * i + j]


@compiled("void(float32[:,::1], float32[::1], float32[:,::1])")
def idct_of_blocks(blocks, scales, out):
    """The inverse DCT of blocks [n, 64] times scales [64]; out may be the array of the blocks."""
    s, t = np.empty((8, 8), np.float32), np.empty((8, 8), np.float32)
    for block in range(blocks.shape[0]):
        for f in range(64):
            s[f >> 3, f & 7] = blocks[block, f] * scales[f]
        idct(s, t)
        for f in range(64):
            out[block, f] = s[f >> 3, f & 7]
