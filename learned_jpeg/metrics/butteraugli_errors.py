"""What the differences of two images count for in Butteraugli; see `butteraugli.py`.

Planes are float32 [rows, columns]. A band has two weights: of the difference, and of what is
beyond the original's amplitude, or far below it.
"""

from learned_jpeg.runtime.compiled import compiled, inner

import numpy as np

# The bands: the highest frequencies of X, of Y, high ones of X, Y, middle ones of X, Y, B, low ones
# of X, Y, B. First the weights of the single samples' squares ...
_SQUARES = (
    *((0.0, 0.0), (0.0, 0.0), (0.64 * 400, 400.0), (0.64 * 1.50815703118, 1.50815703118)),
    *((2150.0, 0.0), (10.6195433239, 0.0), (16.2176043152, 0.0)),
    *((29.2353797994, 0.0), (0.844626970982, 0.0), (0.703646627719, 0.0)),
)


def _along(lines, weight, part, halved):
    """The two weights of a sample on lines, and one over the amplitude that halves both."""
    unit = lines / (2 * 3.75 + 1)
    return unit * (0.5 * weight * part) ** 0.5, unit * (0.33 * weight / part) ** 0.5, 0.5 / halved


# ... and then those of the first six bands along lines.
_DENSE, _SPARSE = 0.39905817637, 0.611612573796
_ALONG = (
    _along(_DENSE, 173.5, 0.8, 5.0),
    _along(_DENSE, 1.10039032555, 0.8, 71.7800275169),
    _along(_SPARSE, 6923.99476109, 0.8**0.5, 8051.15833247),
    _along(_SPARSE, 18.7237414387, 0.8**0.5, 4498534.45232),
    _along(_SPARSE, 8246.75321353, 1.0, 1009002.70582),
    _along(_SPARSE, 37.0819870399, 1.0, 130262059.556),
)
_REACH = 4  # samples, of a line from its middle


@compiled("float32[:,:,::1](float32[:,::1])")
def weights(padded):
    """What errors count for by the original's activity: [of low frequencies, of others].

    padded: its `activity`, with 3 samples of infinity around it. Returns [2, rows, columns].
    """
    rows, columns = padded.shape[0] - 6, padded.shape[1] - 6
    result = np.empty((2, rows, columns), np.float32)
    for i in range(rows):
        for j in range(columns):
            # The three least ones of the sample and those 3 away: smooth areas reach this far.
            a = padded[i + 3, j + 3]
            b = c = 2 * a
            for di in (0, 3, 6):
                for dj in (0, 3, 6):
                    if di != 3 or dj != 3:
                        value = padded[i + di, j + dj]
                        c = min(c, max(b, value))
                        b = min(b, max(a, value))
                        a = min(a, value)
            level = 0.45 * a + 0.3 * b + 0.25 * c
            low = 1 + 0.505054525019 / (3.87449418804 * level + 0.20025578522)
            high = 1 + 2.5485944793 / (0.451936922203 * level + 0.829591754942)
            result[0, i, j] = np.square(low / (17.8 * 0.79079917404))
            result[1, i, j] = np.square(high / (17.8 * 0.79079917404))
    return result


@inner
def _beyond(x, y, little, much):
    """How far y is from what lies between a little and much of x."""
    little, much = np.float32(little) * x, np.float32(much) * x
    return min(max(y, min(little, much)), max(little, much)) - y


@compiled("void(float32[:,::1], float32[:,::1], float64, float64, float32[:,::1])")
def _add_squares(a, b, near, far, total):
    near, far = np.float32(near), np.float32(far)
    for i in range(total.shape[0]):
        for j in range(total.shape[1]):
            x, y = a[i, j], b[i, j]
            total[i, j] += near * (x - y) * (x - y) + far * _square(_beyond(x, y, 0.4, 1.0))


@compiled("void(float32[:,::1], float32[:,::1], float64, float64, float64, float32[:,::1])")
def _weigh(a, b, near, far, faint, padded):
    """Makes the differences that are added up along lines: the inner part of padded."""
    near, far, faint = np.float32(near), np.float32(far), np.float32(faint)
    for i in range(a.shape[0]):
        line = padded[i + _REACH, _REACH:]
        for j in range(a.shape[1]):
            x, y = a[i, j], b[i, j]
            error = near * (x - y) + far * _beyond(x, y, 0.55, 1.05)
            line[j] = error / (1 + faint * (abs(x) + abs(y)))


@inner
def _square(x):
    return x * x


@compiled("void(float32[:,::1], float32[:,::1])")
def _add_dense_lines(padded, total):
    """Adds up along all samples of 16 lines, of which four pairs are one, and squares."""
    for i in range(total.shape[0]):
        r0, r1, r2, r3, r4 = padded[i], padded[i + 1], padded[i + 2], padded[i + 3], padded[i + 4]
        r5, r6, r7, r8, out = padded[i + 5], padded[i + 6], padded[i + 7], padded[i + 8], total[i]
        for j in range(total.shape[1]):
            m = r4[j + 4]
            ns, we = m + r3[j + 4] + r5[j + 4], m + r4[j + 3] + r4[j + 5]
            nw, ne = m + r3[j + 3] + r5[j + 5], m + r3[j + 5] + r5[j + 3]
            s = _square(nw + r1[j + 1] + r2[j + 2] + r6[j + 6] + r7[j + 7])
            s += _square(ne + r1[j + 7] + r2[j + 6] + r6[j + 2] + r7[j + 1])
            s += _square(nw + r1[j + 2] + r2[j + 3] + r6[j + 5] + r7[j + 6])
            s += _square(ne + r1[j + 6] + r2[j + 5] + r6[j + 3] + r7[j + 2])
            s += _square(nw + r2[j + 1] + r3[j + 2] + r5[j + 6] + r6[j + 7])
            s += _square(ne + r2[j + 7] + r3[j + 6] + r5[j + 2] + r6[j + 1])
            up, down = r0[j + 4] + r1[j + 4] + r2[j + 4], r6[j + 4] + r7[j + 4] + r8[j + 4]
            s += _square(ns + up + down)
            up, down = r0[j + 5] + r1[j + 5] + r2[j + 5], r6[j + 3] + r7[j + 3] + r8[j + 3]
            s += 2 * _square(ns + up + down)
            up, down = r0[j + 3] + r1[j + 3] + r2[j + 3], r6[j + 5] + r7[j + 5] + r8[j + 5]
            s += 2 * _square(ns + up + down)
            left, right = r4[j] + r4[j + 1] + r4[j + 2], r4[j + 6] + r4[j + 7] + r4[j + 8]
            s += _square(we + left + right)
            left, right = r3[j] + r3[j + 1] + r3[j + 2], r5[j + 6] + r5[j + 7] + r5[j + 8]
            s += 2 * _square(we + left + right)
            left, right = r5[j] + r5[j + 1] + r5[j + 2], r3[j + 6] + r3[j + 7] + r3[j + 8]
            s += 2 * _square(we + left + right)
            out[j] += s


@compiled("void(float32[:,::1], float32[:,::1])")
def _add_sparse_lines(padded, total):
    """The same along about every second sample of 16 lines."""
    for i in range(total.shape[0]):
        r0, r1, r2, r3, r4 = padded[i], padded[i + 1], padded[i + 2], padded[i + 3], padded[i + 4]
        r5, r6, r7, r8, out = padded[i + 5], padded[i + 6], padded[i + 7], padded[i + 8], total[i]
        for j in range(total.shape[1]):
            m = r4[j + 4]
            s = _square(m + r4[j] + r4[j + 2] + r4[j + 6] + r4[j + 8])
            s += _square(m + r0[j + 4] + r2[j + 4] + r6[j + 4] + r8[j + 4])
            s += _square(m + r1[j + 1] + r2[j + 2] + r6[j + 6] + r7[j + 7])
            s += _square(m + r1[j + 7] + r2[j + 6] + r6[j + 2] + r7[j + 1])
            s += _square(m + r0[j + 5] + r2[j + 5] + r6[j + 3] + r8[j + 3])
            s += _square(m + r0[j + 3] + r2[j + 3] + r6[j + 5] + r8[j + 5])
            s += _square(m + r3[j] + r3[j + 2] + r5[j + 6] + r5[j + 8])
            s += _square(m + r5[j] + r5[j + 2] + r3[j + 6] + r3[j + 8])
            s += _square(m + r1[j + 2] + r2[j + 3] + r6[j + 5] + r7[j + 6])
            s += _square(m + r1[j + 6] + r2[j + 5] + r6[j + 3] + r7[j + 2])
            s += _square(m + r2[j + 1] + r3[j + 2] + r5[j + 6] + r6[j + 7])
            s += _square(m + r2[j + 7] + r3[j + 6] + r5[j + 2] + r6[j + 1])
            s += _square(m + r2[j] + r3[j + 2] + r5[j + 6] + r6[j + 8])
            s += _square(m + r2[j + 8] + r3[j + 6] + r5[j + 2] + r6[j])
            s += _square(m + r0[j + 2] + r2[j + 3] + r6[j + 5] + r8[j + 6])
            s += _square(m + r0[j + 6] + r2[j + 5] + r6[j + 3] + r8[j + 2])
            out[j] += s


def seen_errors(a, b, activity_a, activity_b, weights):
    """The error that is seen at each sample, [rows, columns].

    a, b: the bands [10, rows, columns] of an original and of what is compared; activity_a,
    activity_b: what hides errors in them, whose difference is one, too; weights: the original's.
    """
    _, rows, columns = a.shape
    padded = np.zeros((rows + 2 * _REACH, columns + 2 * _REACH), np.float32)
    low, high = np.zeros((2, rows, columns), np.float32)
    for n, scales in enumerate(_ALONG):
        _weigh(a[n], b[n], *scales, padded)
        (_add_dense_lines if n < 2 else _add_sparse_lines)(padded, high)
    for n in range(2, 10):
        _add_squares(a[n], b[n], *_SQUARES[n], high if n < 7 else low)
    _add_squares(activity_a, activity_b, 10.0, 0.0, high)
    return np.sqrt(weights[0] * low + weights[1] * high)
