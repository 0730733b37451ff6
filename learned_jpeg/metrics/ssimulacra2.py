"""SSIMULACRA2: the structure and edges of two images compared in XYB at several scales.

The pyramid of scales of the original is computed once; `compare` computes that of a decoded image.
Images are uint8 RGB [H, W, 3], planes float64 [3, rows, columns].
"""

from learned_jpeg.metrics.ssim import RADIUS, halve, next_row
from learned_jpeg.runtime.compiled import compiled

import numpy as np

# SSIM's constant, for planes in about [0, 1].
_C2 = 0.0009


@compiled("float64[:,::1](float64[:,::1], float64[:,::1])")
def _errors(x, y):
    """SSIMULACRA2's errors of two planes [rows + 10, columns + 10]: [norm 1 or 4, 3].

    The three errors are lost structure, edges that only y has, and edges that only x has.
    """
    rows, columns = x.shape[0] - 10, x.shape[1] - 10
    recent, means = np.empty((4, 11, columns)), np.empty((4, columns))
    s1 = s4 = a1 = a4 = l1 = l4 = 0.0
    for row in range(x.shape[0]):
        next_row(x, y, row, recent, means)
        if row < 10:
            continue
        for j in range(columns):
            a, b, error, energy = means[0, j], means[1, j], means[2, j], means[3, j]
            shift = (a - b) * (a - b)
            lost = (error - shift) / (energy - (a * a + b * b) + _C2)
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
    for i in range(3):
        result[1, i] **= 0.25
    return result


# sRGB to linear light, for 8-bit samples (IEC 61966-2-1).
_SAMPLES = np.arange(256) / 255
LINEAR = np.where(_SAMPLES <= 0.04045, _SAMPLES / 12.92, ((_SAMPLES + 0.055) / 1.055) ** 2.4)

# libjxl's opsin absorbance of linear RGB, and its bias (lib/jxl/opsin_params.h).
_OPSIN = np.array(
    [
        [0.30, 0.622, 0.078],
        [0.23, 0.692, 0.078],
        [0.24342268924547819, 0.20476744424496821, 0.55180986650955360],
    ]
)
_OPSIN_BIAS = 0.0037930732552754493
# From the cube roots to X, Y and B - Y, scaled and shifted to positive values.
_XYB = np.array([[7, -7, 0], [0.5, 0.5, 0], [-0.5, -0.5, 1]])
_XYB_SHIFT = np.array([[0.42], [0.01], [0.55]]) - _XYB @ np.full((3, 1), np.cbrt(_OPSIN_BIAS))

_BAND = 32  # rows that are converted at a time, so that they stay in the cache


class Ssimulacra2:
    """SSIMULACRA2 version 2.1 against one original.

    Source: J. Sneyers, https://github.com/cloudinary/ssimulacra2 (BSD licence). Borders are those
    of the Python package `ssimulacra2`: zeros to the left and right, mirrored samples above and
    below.
    """

    MIN_SIZE = 8
    _SCALES = 6

    # [X, Y, B - Y][scale, the finest first][norm 1, norm 4][the three of `_errors`].
    _WEIGHTS = np.array(
        [
            0, 0.0007376606707406586, 0, 0, 0.0007793481682867309, 0,
            0, 0.0004371155730107379, 0, 1.1041726426657346, 0.00066284834129271,
            0.00015231632783718752,
            0, 0.0016406437456599754, 0, 1.8422455520539298, 11.441172603757666, 0,
            0.0007989109436015163, 0.000176816438078653, 0, 1.8787594979546387, 10.94906990605142,
            0,
            0.0007289346991508072, 0.9677937080626833, 0, 0.00014003424285435884,
            0.9981766977854967, 0.00031949755934435053,
            0.0004550992113792063, 0, 0, 0.0013648766163243398, 0, 0,
            0, 0, 0, 7.466890328078848, 0, 17.445833984131262,
            0.0006235601634041466, 0, 0, 6.683678146179332, 0.00037724407979611296,
            1.027889937768264,
            225.20515300849274, 0, 0, 19.213238186143016, 0.0011401524586618361,
            0.001237755635509985,
            176.39317598450694, 0, 0, 24.43300999870476, 0.28520802612117757, 0.0004485436923833408,
            0, 0, 0, 34.77906344483772, 44.835625328877896, 0,
            0, 0, 0, 0, 0, 0,
            0, 0.0008680556573291698, 0, 0, 0, 0,
            0, 0.0005313191874358747, 0, 0.00016533814161379112, 0, 0,
            0, 0, 0, 0.0004179171803251336, 0.0017290828234722833, 0,
            0.0020827005846636437, 0, 0, 8.826982764996862, 23.19243343998926, 0,
            95.1080498811086, 0.9863978034400682, 0.9834382792465353, 0.0012286405048278493,
            171.2667255897307, 0.9807858872435379,
            0, 0, 0, 0.0005130064588990679, 0, 0.00010854057858411537,
        ]
    )  # fmt: skip

    def __init__(self, original):
        self._pyramid = list(self._scales(original))

    def compare(self, decoded):
        """The figure in (-inf, 100]."""
        errors = [
            [_errors(a, b) for a, b in zip(x, y, strict=True)]
            for x, y in zip(self._pyramid, self._scales(decoded), strict=True)
        ]
        # An image that is too small for all scales has the first weights, as in the package.
        errors = np.array(errors).swapaxes(0, 1).ravel()
        distance = 0.9562382616834844 * (errors @ self._WEIGHTS[: errors.size])
        distance *= 2.326765642916932 + distance * (
            -0.020884521182843837 + distance * 6.248496625763138e-05
        )
        return 100 - 10 * max(distance, 0.0) ** 0.6276336467831387

    def _scales(self, image):
        linear = LINEAR[image.transpose(2, 0, 1)]
        for scale in range(self._SCALES):
            linear = halve(linear) if scale else linear
            if min(linear.shape[1:]) < self.MIN_SIZE:
                return
            yield _positive_xyb(linear)


def _positive_xyb(linear):
    """SSIMULACRA2's XYB of linear RGB, with the margin of the window around it."""
    _, height, width = linear.shape
    planes = np.zeros((3, height + 2 * RADIUS, width + 2 * RADIUS))
    inside = planes[:, RADIUS:-RADIUS, RADIUS:-RADIUS]
    for top in range(0, height, _BAND):
        band = linear[:, top : top + _BAND]
        roots = np.cbrt(_OPSIN @ band.reshape(3, -1) + _OPSIN_BIAS)
        inside[:, top : top + _BAND] = (_XYB @ roots + _XYB_SHIFT).reshape(band.shape)
    planes[:, :RADIUS] = planes[:, 2 * RADIUS - 1 : RADIUS - 1 : -1]
    planes[:, -RADIUS:] = planes[:, -RADIUS - 1 : -2 * RADIUS - 1 : -1]
    return planes
