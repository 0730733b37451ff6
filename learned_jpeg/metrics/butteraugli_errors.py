"""The errors of two images in Butteraugli, from their bands; see `butteraugli.py`.

Planes are float32 [rows, columns]. A band has two weights: of the difference, and of the part of
it by which the amplitude exceeds the original's, or falls far below it.
"""

from learned_jpeg.runtime.compiled import compiled, inner

import numpy as np

# The bands: the highest frequencies of X, Y; high ones of X, Y; middle ones of X, Y, B; low ones of
# X, Y, B. These are the weights of the squared differences of single samples.
_SQUARES = (
    *((0.0, 0.0), (0.0, 0.0), (0.64 * 400, 400.0), (0.64 * 1.50815703118, 1.50815703118)),
    *((2150.0, 0.0), (10.6195433239, 0.0), (16.2176043152, 0.0)),
    *((29.2353797994, 0.0), (0.844626970982, 0.0), (0.703646627719, 0.0)),
)


def _malta_weights(lines, weight, part, halved):
    """The two weights of a sample on a line, and 1 / the amplitude that halves both."""
    unit = lines / (2 * 3.75 + 1)
    return unit * (0.5 * weight * part) ** 0.5, unit * (0.33 * weight / part) ** 0.5, 0.5 / halved


# The weights of the first six bands in the Malta filter, which adds up differences along lines.
_DENSE, _SPARSE = 0.39905817637, 0.611612573796
_MALTA = (
    _malta_weights(_DENSE, 173.5, 0.8, 5.0),
    _malta_weights(_DENSE, 1.10039032555, 0.8, 71.7800275169),
    _malta_weights(_SPARSE, 6923.99476109, 0.8**0.5, 8051.15833247),
    _malta_weights(_SPARSE, 18.7237414387, 0.8**0.5, 4498534.45232),
    _malta_weights(_SPARSE, 8246.75321353, 1.0, 1009002.70582),
    _malta_weights(_SPARSE, 37.0819870399, 1.0, 130262059.556),
)
_REACH = 4  # samples of a line to each side of its middle


@compiled("float32[:,:,::1](float32[:,::1])")
def weights(padded):
    """The weights of errors by the original's masking: [2, rows, columns], of the low bands and of
    the others.

    padded: the original's activity, with 3 samples of infinity around it.
    """
    rows, columns = padded.shape[0] - 6, padded.shape[1] - 6
    result = np.empty((2, rows, columns), np.float32)
    for i in range(rows):
        for j in range(columns):
            # The three least values of the sample and its neighbours at a distance of 3.
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
def _beyond(x, y, lower, upper):
    """The distance of y from the interval between lower * x and upper * x."""
    lower, upper = np.float32(lower) * x, np.float32(upper) * x
    return min(max(y, min(lower, upper)), max(lower, upper)) - y


@compiled("void(float32[:,::1], float32[:,::1], float64, float64, float32[:,::1])")
def _add_squares(a, b, weight, beyond, total):
    """Adds the weighted squares of the differences of two bands to total."""
    weight, beyond = np.float32(weight), np.float32(beyond)
    for i in range(total.shape[0]):
        for j in range(total.shape[1]):
            x, y = a[i, j], b[i, j]
            total[i, j] += weight * (x - y) * (x - y) + beyond * _square(_beyond(x, y, 0.4, 1.0))


@compiled("void(float32[:,::1], float32[:,::1], float64, float64, float64, float32[:,::1])")
def _weigh(a, b, weight, beyond, damping, padded):
    """Puts the weighted differences of two bands into the inner part of padded."""
    weight, beyond, damping = np.float32(weight), np.float32(beyond), np.float32(damping)
    for i in range(a.shape[0]):
        line = padded[i + _REACH, _REACH:]
        for j in range(a.shape[1]):
            x, y = a[i, j], b[i, j]
            error = weight * (x - y) + beyond * _beyond(x, y, 0.55, 1.05)
            line[j] = error / (1 + damping * (abs(x) + abs(y)))


@inner
def _square(x):
    return x * x


@compiled("void(float32[:,::1], float32[:,::1])")
def _add_malta(padded, total):
    """The Malta filter: adds the squares of the sums along 16 lines, four pairs of them equal."""
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
def _add_sparse_malta(padded, total):
    """The Malta filter of lower frequencies: lines of about every second sample."""
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


def error_map(a, b, activity_a, activity_b, weights):
    """The visible difference at each sample, [rows, columns].

    a, b: the bands [10, rows, columns] of an original and of a decoded image; activity_a,
    activity_b: their activities, whose difference is an error, too; weights: of `weights`, for the
    original.
    """
    _, rows, columns = a.shape
    padded = np.zeros((rows + 2 * _REACH, columns + 2 * _REACH), np.float32)
    low, high = np.zeros((2, rows, columns), np.float32)
    for n, scales in enumerate(_MALTA):
        _weigh(a[n], b[n], *scales, padded)
        (_add_malta if n < 2 else _add_sparse_malta)(padded, high)
    for n in range(2, 10):
        _add_squares(a[n], b[n], *_SQUARES[n], high if n < 7 else low)
    _add_squares(activity_a, activity_b, 10.0, 0.0, high)
    return np.sqrt(weights[0] * low + weights[1] * high)
