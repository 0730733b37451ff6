"""MS-SSIM and SSIMULACRA2: structure compared under a Gaussian window on a pyramid of scales.

Both are a pyramid of the original, made once, and a `compare` of it with a decoded image's. Images
are uint8 RGB [H, W, 3], planes [3, rows, columns]; sums are taken in float64.
"""

from learned_jpeg.compiled import compiled

import numpy as np

# Both take a window of 11x11 with sigma 1.5.
_RADIUS = 5
_WINDOW = np.exp(-0.5 * (np.arange(-_RADIUS, _RADIUS + 1) / 1.5) ** 2)
_WINDOW /= _WINDOW.sum()


@compiled
def _next_row(x, y, row, recent, means):
    """Takes in `row` of two planes and gives what the window shows that ends there.

    recent: float64 [4, 11, columns - 10], the last rows blurred horizontally, as a ring.
    means: float64 [4, columns - 10], filled from row 10 on: of x, y, (x - y)^2 and x^2 + y^2.
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


@compiled
def _similarity(x, y, c1, c2, level):
    """Mean SSIM of two planes whose zero stands for `level`; where c1 is 0, without luminance.

    The structure's term is 1 - variance(x - y) / (variance(x) + variance(y) + c2), which is the
    usual (2 covariance + c2) / (...) without its cancellation between equal images.
    """
    rows, columns = x.shape[0] - 10, x.shape[1] - 10
    recent, means = np.empty((4, 11, columns)), np.empty((4, columns))
    total = 0.0
    for row in range(x.shape[0]):
        _next_row(x, y, row, recent, means)
        if row < 10:
            continue
        for j in range(columns):
            a, b, error, squares = means[0, j], means[1, j], means[2, j], means[3, j]
            value = 1 - (error - (a - b) * (a - b)) / (squares - (a * a + b * b) + c2)
            if c1 > 0:
                a, b = a + level, b + level
                value *= (2 * a * b + c1) / (a * a + b * b + c1)
            total += value
    return total / (rows * columns)


# SSIMULACRA2's C2, on planes in about [0, 1].
_S2_C2 = 0.0009


@compiled
def _errors(x, y):
    """SSIMULACRA2's errors of two planes [rows + 10, columns + 10] as [norm 1 or 4, 3].

    The three: structure lost, edges that the original has not, edges that it has alone.
    """
    rows, columns = x.shape[0] - 10, x.shape[1] - 10
    recent, means = np.empty((4, 11, columns)), np.empty((4, columns))
    s1 = s4 = a1 = a4 = l1 = l4 = 0.0
    for row in range(x.shape[0]):
        _next_row(x, y, row, recent, means)
        if row < 10:
            continue
        for j in range(columns):
            a, b, error, squares = means[0, j], means[1, j], means[2, j], means[3, j]
            shift = (a - b) * (a - b)
            lost = (error - shift) / (squares - (a * a + b * b) + _S2_C2)
            lost = max(lost + shift - lost * shift, 0.0)
            s1 += lost
            s4 += (lost * lost) * (lost * lost)
            edge_x, edge_y = abs(x[row - 5, j + 5] - a), abs(y[row - 5, j + 5] - b)
            change = (1 + edge_y) / (1 + edge_x) - 1
            more, less = max(change, 0.0), max(-change, 0.0)
            a1 += more
            a4 += (more * more) * (more * more)
            l1 += less
            l4 += (less * less) * (less * less)
    n = rows * columns
    result = np.empty((2, 3))
    result[0, 0], result[0, 1], result[0, 2] = s1 / n, a1 / n, l1 / n
    result[1, 0], result[1, 1], result[1, 2] = s4 / n, a4 / n, l4 / n
    result[1] **= 0.25
    return result


def _halve(planes):
    """Means of 2x2 samples; an odd last row or column is repeated."""
    x = np.pad(planes, ((0, 0), (0, planes.shape[1] % 2), (0, planes.shape[2] % 2)), "edge")
    return (x[:, ::2, ::2] + x[:, 1::2, ::2] + x[:, ::2, 1::2] + x[:, 1::2, 1::2]) / 4


class MsSsim:
    """MS-SSIM against one original: five scales, mean of the RGB channels.

    Z. Wang, E. P. Simoncelli, A. C. Bovik: Multiscale structural similarity for image quality
    assessment, Asilomar 2003, with single-scale SSIM's constants K1 = 0.01 and K2 = 0.03. The
    window stays wholly inside.
    """

    _WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)  # the finest scale first
    _MID = 128  # variances do not depend on the mean level

    # The coarsest scale, the side halved and rounded up four times, must hold one window.
    MIN_SIZE = 2 * _RADIUS * 2 ** (len(_WEIGHTS) - 1) + 1

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
            scales.append(_halve(scales[-1]))
        return scales


# sRGB to linear light, for 8-bit samples (IEC 61966-2-1).
_SAMPLES = np.arange(256) / 255
_LINEAR = np.where(_SAMPLES <= 0.04045, _SAMPLES / 12.92, ((_SAMPLES + 0.055) / 1.055) ** 2.4)

# libjxl's opsin absorbance, from linear RGB, and its bias (lib/jxl/opsin_params.h).
_OPSIN = np.array(
    [
        [0.30, 0.622, 0.078],
        [0.23, 0.692, 0.078],
        [0.24342268924547819, 0.20476744424496821, 0.55180986650955360],
    ]
)
_OPSIN_BIAS = 0.0037930732552754493
# From the cube roots to X, Y and B - Y, scaled and shifted into the positive.
_XYB = np.array([[7, -7, 0], [0.5, 0.5, 0], [-0.5, -0.5, 1]])
_XYB_SHIFT = np.array([[0.42], [0.01], [0.55]]) - _XYB @ np.full((3, 1), np.cbrt(_OPSIN_BIAS))

_BAND = 32  # rows that are transformed at a time, for the cache


class Ssimulacra2:
    """SSIMULACRA2 version 2.1 against one original.

    By J. Sneyers, https://github.com/cloudinary/ssimulacra2 (BSD licence): the constants are from
    there. Borders are those of the Python package `ssimulacra2`: zeros beside the image, above and
    below its mirror image.
    """

    MIN_SIZE = 8
    _SCALES = 6

    # [X, Y, B - Y][scale, the finest first][norm 1, norm 4][the three of `_errors`].
    _WEIGHTS = np.array(
        [
            0,
            0.0007376606707406586,
            0,
            0,
            0.0007793481682867309,
            0,
            0,
            0.0004371155730107379,
            0,
            1.1041726426657346,
            0.00066284834129271,
            0.00015231632783718752,
            0,
            0.0016406437456599754,
            0,
            1.8422455520539298,
            11.441172603757666,
            0,
            0.0007989109436015163,
            0.000176816438078653,
            0,
            1.8787594979546387,
            10.94906990605142,
            0,
            0.0007289346991508072,
            0.9677937080626833,
            0,
            0.00014003424285435884,
            0.9981766977854967,
            0.00031949755934435053,
            0.0004550992113792063,
            0,
            0,
            0.0013648766163243398,
            0,
            0,
            0,
            0,
            0,
            7.466890328078848,
            0,
            17.445833984131262,
            0.0006235601634041466,
            0,
            0,
            6.683678146179332,
            0.00037724407979611296,
            1.027889937768264,
            225.20515300849274,
            0,
            0,
            19.213238186143016,
            0.0011401524586618361,
            0.001237755635509985,
            176.39317598450694,
            0,
            0,
            24.43300999870476,
            0.28520802612117757,
            0.0004485436923833408,
            0,
            0,
            0,
            34.77906344483772,
            44.835625328877896,
            0,
            0,
            0,
            0,
            0,
            0,
            0,
            0,
            0.0008680556573291698,
            0,
            0,
            0,
            0,
            0,
            0.0005313191874358747,
            0,
            0.00016533814161379112,
            0,
            0,
            0,
            0,
            0,
            0.0004179171803251336,
            0.0017290828234722833,
            0,
            0.0020827005846636437,
            0,
            0,
            8.826982764996862,
            23.19243343998926,
            0,
            95.1080498811086,
            0.9863978034400682,
            0.9834382792465353,
            0.0012286405048278493,
            171.2667255897307,
            0.9807858872435379,
            0,
            0,
            0,
            0.0005130064588990679,
            0,
            0.00010854057858411537,
        ]
    )

    def __init__(self, original):
        self._pyramid = list(self._scales(original))

    def compare(self, decoded):
        """The figure in (-inf, 100]."""
        errors = [
            [_errors(a, b) for a, b in zip(x, y, strict=True)]
            for x, y in zip(self._pyramid, self._scales(decoded), strict=True)
        ]
        # Where an image is too small for all scales, the weights move up: the package does so.
        errors = np.array(errors).swapaxes(0, 1).ravel()
        distance = 0.9562382616834844 * (errors @ self._WEIGHTS[: errors.size])
        distance *= 2.326765642916932 + distance * (
            -0.020884521182843837 + distance * 6.248496625763138e-05
        )
        return 100 - 10 * max(distance, 0.0) ** 0.6276336467831387

    def _scales(self, image):
        linear = _LINEAR[image.transpose(2, 0, 1)]
        for scale in range(self._SCALES):
            linear = _halve(linear) if scale else linear
            if min(linear.shape[1:]) < self.MIN_SIZE:
                return
            yield _positive_xyb(linear)


def _positive_xyb(linear):
    """XYB of linear RGB as SSIMULACRA2 takes it, with the window's margin around it."""
    _, height, width = linear.shape
    planes = np.zeros((3, height + 2 * _RADIUS, width + 2 * _RADIUS))
    inside = planes[:, _RADIUS:-_RADIUS, _RADIUS:-_RADIUS]
    for top in range(0, height, _BAND):
        band = linear[:, top : top + _BAND]
        roots = np.cbrt(_OPSIN @ band.reshape(3, -1) + _OPSIN_BIAS)
        inside[:, top : top + _BAND] = (_XYB @ roots + _XYB_SHIFT).reshape(band.shape)
    planes[:, :_RADIUS] = planes[:, 2 * _RADIUS - 1 : _RADIUS - 1 : -1]
    planes[:, -_RADIUS:] = planes[:, -_RADIUS - 1 : -2 * _RADIUS - 1 : -1]
    return planes
