"""Quality and rate of a decoded 8-bit image, one call each, and BD-rate between two curves.

Every quality metric takes the original and the decoded image, uint8 RGB [H, W, 3] of one size,
and returns a float. They raise ValueError for anything else, and return NaN for an image that is
too small for the metric's definition:

    metric          range         better  equal images  smallest side
    mse             [0, 65025]    lower   0             1
    psnr            dB            higher  inf           1
    ms_ssim         [0, 1]        higher  1             161
    lpips           [0, about 1]  lower   0             32
    ssimulacra2     (-inf, 100]   higher  100           8
    psnr_hvs_m      dB            higher  inf           8

A figure for a set of images is `mean_over_images` of the single images' figures in these units:
PSNR is averaged in dB, MS-SSIM before `ms_ssim_db`.

Nothing here imports TensorFlow until LPIPS is asked for.
"""

import contextlib
import functools
import importlib.metadata
import io
import math
from typing import NamedTuple

import numpy as np
from PIL import Image

# Count up when a change here changes a figure, so that stored figures are measured again.
VERSION = 1

_PEAK = 255.0


def versions():
    """What the figures depend on, as {name: version}: this module and the metrics' packages."""
    packages = ("ssimulacra2", "psnr-hvsm")
    return {"metrics": str(VERSION)} | {name: importlib.metadata.version(name) for name in packages}


def mean_over_images(values):
    """Arithmetic mean of figures of single images, without the NaN of too small ones.

    NaN if nothing is left; inf as soon as one figure is.
    """
    values = np.asarray(values, np.float64)
    values = values[~np.isnan(values)]
    return float(values.mean()) if values.size else math.nan


def bpp(n_bytes, height, width):
    """Bits per pixel of a file of `n_bytes` that shows `height` x `width` pixels."""
    return 8 * n_bytes / (height * width)


def mse(a, b):
    """Mean squared error over pixels and RGB channels, in squared 8-bit levels."""
    _check(a, b)
    return float(np.mean(np.square(a.astype(np.int32) - b), dtype=np.float64))


def psnr(a, b):
    """PSNR over RGB in dB, peak 255."""
    return _decibel(mse(a, b) / _PEAK**2)


# Z. Wang, E. P. Simoncelli, A. C. Bovik: Multiscale structural similarity for image quality
# assessment, Asilomar 2003: the weights of the five scales, finest first, and the constants of
# single-scale SSIM: an 11x11 Gaussian window with sigma 1.5, K1 = 0.01, K2 = 0.03.
_MS_SSIM_WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)
_WINDOW_RADIUS = 5
_WINDOW = np.exp(-0.5 * (np.arange(-_WINDOW_RADIUS, _WINDOW_RADIUS + 1) / 1.5) ** 2)
_WINDOW = (_WINDOW / _WINDOW.sum()).astype(np.float32)
_MID = np.float32(128)
_C1 = np.float32((0.01 * _PEAK) ** 2)
_C2 = np.float32((0.03 * _PEAK) ** 2)

# The coarsest scale, the side halved and rounded up four times, must hold one window.
_MS_SSIM_MIN_SIZE = 2 * _WINDOW_RADIUS * 2 ** (len(_MS_SSIM_WEIGHTS) - 1) + 1


def ms_ssim(a, b):
    """MS-SSIM with five scales, mean of the RGB channels, in [0, 1]; negative terms count as 0."""
    _check(a, b)
    if min(a.shape[:2]) < _MS_SSIM_MIN_SIZE:
        return math.nan
    # Variances do not depend on the mean level; around 0 they lose less in float32.
    x, y = (np.subtract(image.transpose(2, 0, 1), _MID, order="C") for image in (a, b))
    value = np.ones(3)
    for scale, weight in enumerate(_MS_SSIM_WEIGHTS):
        if scale > 0:
            x, y = _halve(x), _halve(y)
        mean_x, mean_y = _blur(x), _blur(y)
        covariance = _blur(x * y) - mean_x * mean_y
        variances = _blur(x * x + y * y) - (mean_x * mean_x + mean_y * mean_y)
        similarity = (2 * covariance + _C2) / (variances + _C2)
        if scale == len(_MS_SSIM_WEIGHTS) - 1:
            mean_x, mean_y = mean_x + _MID, mean_y + _MID
            similarity *= (2 * mean_x * mean_y + _C1) / (mean_x * mean_x + mean_y * mean_y + _C1)
        value *= np.maximum(similarity.mean(axis=(1, 2), dtype=np.float64), 0) ** weight
    return float(value.mean())


def ms_ssim_db(value):
    """MS-SSIM on the scale of the plots, -10 log10(1 - value), in dB; inf at 1."""
    return _decibel(1 - value)


def lpips(a, b):
    """LPIPS (AlexNet v0.1), see `lpips_tf2.py`."""
    _check(a, b)
    # The smallest side that lpips_tf2 takes, known only once TensorFlow is there.
    function, min_size = _lpips_function()
    if min(a.shape[:2]) < min_size:
        return math.nan
    return float(function(*(image[np.newaxis].astype(np.float32) / 255 for image in (a, b)))[0])


def ssimulacra2(a, b):
    """SSIMULACRA2 as the package `ssimulacra2` computes it; 90 is visually lossless, 30 low."""
    _check(a, b)
    if min(a.shape[:2]) < 8:
        return math.nan
    from ssimulacra2 import compute_ssimulacra2

    return float(compute_ssimulacra2(_ppm(a), _ppm(b)))


def psnr_hvs_m(a, b):
    """PSNR-HVS-M in dB on the BT.601 luma, as the package `psnr-hvsm` computes it.

    Its 8x8 blocks do not overlap; rows and columns beyond the last whole block do not count.
    """
    _check(a, b)
    height, width = (side // 8 * 8 for side in a.shape[:2])
    if min(height, width) == 0:
        return math.nan
    backend = _psnr_hvsm_backend()
    luma_a, luma_b = (backend["bt601ycbcr"](image[:height, :width])[0] for image in (a, b))
    with np.errstate(invalid="ignore"):  # flat blocks; the package then takes 0
        _, masked_mse = backend["hvs_hvsm_mse"](luma_a, luma_b)
    return _decibel(masked_mse)


class BDRate(NamedTuple):
    """Mean rate difference at equal quality, and how much of the curves it speaks of.

    percent: negative where the tested encoder needs fewer bits; NaN without overlap.
    overlap: shared part of the two quality ranges over the shorter of them, in [0, 1].
    """

    percent: float
    overlap: float


def bd_rate(anchor_bpp, anchor_quality, tested_bpp, tested_quality, lower_is_better=False):
    """Bjontegaard's delta rate of a tested curve against an anchor (pchip on log rate).

    G. Bjontegaard, VCEG-M33, 2001; the piecewise cubic variant of JVET's sheets, by `bjontegaard`.

    Points may come in any order and number. A point is left out if it is not finite, or if another
    of its curve is at least as good at no more bits, so that what remains rises strictly. A curve
    with fewer than two such points has no BD-rate.

    Args:
      anchor_bpp, tested_bpp: rates, any unit, positive.
      anchor_quality, tested_quality: as many values of one metric. PSNR in dB; MS-SSIM and LPIPS
        as they are.
      lower_is_better: True for MSE and LPIPS.

    Returns:
      BDRate(percent, overlap).

    Raises:
      ValueError: rates and qualities of a curve differ in number.
    """
    anchor = _front(anchor_bpp, anchor_quality, lower_is_better)
    tested = _front(tested_bpp, tested_quality, lower_is_better)
    if min(len(anchor), len(tested)) < 2:
        return BDRate(math.nan, 0.0)
    (low_a, high_a), (low_t, high_t) = ((curve[0, 1], curve[-1, 1]) for curve in (anchor, tested))
    shared = min(high_a, high_t) - max(low_a, low_t)
    if shared <= 0:
        return BDRate(math.nan, 0.0)
    import bjontegaard  # brings Matplotlib along

    percent = bjontegaard.bd_rate(
        *anchor.T, *tested.T, method="pchip", require_matching_points=False, min_overlap=0
    )
    return BDRate(float(percent), float(shared / min(high_a - low_a, high_t - low_t)))


def _front(rate, quality, lower_is_better):
    """The undominated points of a curve as rows (rate, quality), both strictly rising."""
    rate, quality = np.asarray(rate, np.float64), np.asarray(quality, np.float64)
    if rate.ndim != 1 or rate.shape != quality.shape:
        raise ValueError(f"a curve of {rate.size} rates has {quality.size} qualities")
    quality = -quality if lower_is_better else quality
    usable = np.isfinite(rate) & np.isfinite(quality) & (rate > 0)
    points = np.stack([rate, quality], axis=1)[usable]
    points = points[np.lexsort((-points[:, 1], points[:, 0]))]
    best_before = np.maximum.accumulate(np.append(-np.inf, points[:, 1]))[:-1]
    return points[points[:, 1] > best_before]


def _check(a, b):
    for image in (a, b):
        if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3 or image.size == 0:
            raise ValueError(f"not a uint8 image [H, W, 3]: {image.dtype} {list(image.shape)}")
    if a.shape != b.shape:
        raise ValueError(f"images differ in size: {list(a.shape)} and {list(b.shape)}")


def _decibel(ratio):
    return -10 * math.log10(ratio) if ratio > 0 else math.inf


def _halve(x):
    """Means of 2x2 pixels of [C, H, W]; an odd last row or column is repeated."""
    x = np.pad(x, ((0, 0), (0, x.shape[1] % 2), (0, x.shape[2] % 2)), "edge")
    return (x[:, ::2, ::2] + x[:, 1::2, ::2] + x[:, ::2, 1::2] + x[:, 1::2, 1::2]) / 4


def _blur(x):
    """[C, H, W] under the Gaussian window, where it lies wholly inside.

    Slices beat scipy.ndimage and TensorFlow's depthwise convolution here.
    """
    for axis in (1, 2):
        x = x.swapaxes(axis, 1)
        size = x.shape[1] - 2 * _WINDOW_RADIUS
        shifted = [x[:, k : k + size] for k in range(len(_WINDOW))]
        blurred = _WINDOW[_WINDOW_RADIUS] * shifted[_WINDOW_RADIUS]
        for k in range(_WINDOW_RADIUS):
            blurred += _WINDOW[k] * (shifted[k] + shifted[-1 - k])
        x = blurred.swapaxes(axis, 1)
    return x


@functools.cache
def _lpips_function():
    """LPIPS as one graph for images of any size, and the smallest side that it takes."""
    import lpips_tf2

    import tensorflow as tf

    images = tf.TensorSpec([None, None, None, 3], tf.float32)
    return tf.function(lpips_tf2.lpips, input_signature=[images, images]), lpips_tf2.MIN_SIZE


@functools.cache
def _psnr_hvsm_backend():
    """The package's functions; the compiled ones where its wheel has them: twice as fast."""
    with contextlib.redirect_stdout(io.StringIO()):  # on import it advertises PyTorch
        import psnr_hvsm
    return psnr_hvsm.BACKENDS.get("cpp", psnr_hvsm.BACKENDS["numpy"])


def _ppm(image):
    """The image as a lossless file in memory, for a package that only reads files."""
    file = io.BytesIO()
    Image.fromarray(image).save(file, "PPM")
    return file
