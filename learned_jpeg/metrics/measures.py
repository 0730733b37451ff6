"""Quality and rate of a decoded 8-bit image.

A quality metric compares an original with a decoded image, uint8 RGB [H, W, 3] of the same size,
and returns a float, as `psnr(original, decoded)`. `Reference(original).measure(decoded)` measures
several metrics, and several decoded images with the original's part computed once. Other images
raise ValueError; images below a metric's smallest side give NaN:

    metric          range         better  equal images  smallest side
    mse             [0, 65025]    lower   0             1
    psnr            dB            higher  inf           1
    ms_ssim         [0, 1]        higher  1             161
    lpips           [0, about 1]  lower   0             32
    ssimulacra2     (-inf, 100]   higher  100           8
    psnr_hvs_m      dB            higher  inf           8
    butteraugli     [0, inf)      lower   0             8
    colorvideovdp   (-inf, 10]    higher  10            16

mse: mean over pixels and RGB channels, on the scale 0 to 255. psnr: of the mse, with peak 255.
ms_ssim: five scales, mean of the RGB channels, see `ssim.py`. lpips: AlexNet, version 0.1, see
`lpips_tf2.py`. ssimulacra2: 90 is visually lossless, 30 low, see `ssimulacra2.py`. psnr_hvs_m: on
the BT.601 luma, see `psnr_hvs_m.py`. butteraugli: the 3-norm on a screen of 80 nits, 1 is nearly
lossless, 3 low, see `butteraugli.py`. colorvideovdp: in just objectionable differences, measured
only on request, see `colorvideovdp.py`.

The figure of a set of images is `mean_over_images` of the images' figures in these units: PSNR is
averaged in dB, MS-SSIM before `ms_ssim_db`.

Only LPIPS imports TensorFlow.
"""

import functools
import hashlib
import importlib.metadata
import math

from learned_jpeg.metrics import lpips_tf2

import numpy as np

# To be raised when a change of a metric's module changes a figure by more than 1e-4: then stored
# figures are measured again.
VERSION = 2

METRICS = ("mse", "psnr", "ms_ssim", "lpips", "ssimulacra2", "psnr_hvs_m", "butteraugli")

# Metrics that need packages of their own, and time.
ON_REQUEST = ("colorvideovdp",)

_PEAK = 255.0


@functools.cache
def versions():
    """The versions that figures depend on: {name: version or digest} of code, weights, packages."""
    digest = hashlib.sha256(lpips_tf2.WEIGHTS.read_bytes()).hexdigest()
    packages = ("tensorflow", "numpy", "numba")
    return {"metrics": str(VERSION), "LPIPS weights": digest[:16]} | {
        name: importlib.metadata.version(name) for name in packages
    }


class Reference:
    """An original to compare decoded images with; each metric's part of it is computed once.

    Raises ValueError unless the original is uint8 RGB [H, W, 3].
    """

    def __init__(self, original):
        _check(original)
        self._original = original
        self._parts = {}

    def measure(self, decoded, metrics=METRICS):
        """The figures {metric: float} of a decoded image; see the module.

        Raises ValueError unless the image is uint8 RGB of the original's size.
        """
        _check(decoded)
        if decoded.shape != self._original.shape:
            sizes = list(self._original.shape), list(decoded.shape)
            raise ValueError("images differ in size: {} and {}".format(*sizes))
        return {metric: getattr(self, f"_{metric}")(decoded) for metric in metrics}

    def _mse(self, decoded):
        difference = np.subtract(self._original, decoded, dtype=np.int32)
        return float(np.mean(np.square(difference, out=difference), dtype=np.float64))

    def _psnr(self, decoded):
        return _decibel(self._mse(decoded) / _PEAK**2)

    def _ms_ssim(self, decoded):
        from learned_jpeg.metrics.ssim import MsSsim

        return self._compare(MsSsim, decoded)

    def _lpips(self, decoded):
        return self._compare(lpips_tf2.Lpips, decoded)

    def _ssimulacra2(self, decoded):
        from learned_jpeg.metrics.ssimulacra2 import Ssimulacra2

        return self._compare(Ssimulacra2, decoded)

    def _psnr_hvs_m(self, decoded):
        from learned_jpeg.metrics.psnr_hvs_m import PsnrHvsM

        return _decibel(self._compare(PsnrHvsM, decoded))

    def _butteraugli(self, decoded):
        from learned_jpeg.metrics.butteraugli import Butteraugli

        return self._compare(Butteraugli, decoded)

    def _colorvideovdp(self, decoded):
        from learned_jpeg.metrics.colorvideovdp import ColorVideoVDP

        return self._compare(ColorVideoVDP, decoded)

    def error_map(self, decoded):
        """The visible difference at each pixel of a decoded image, by Butteraugli.

        Returns float32 [H, W], where 1 is just visible, or None if the images are too small.
        """
        from learned_jpeg.metrics.butteraugli import Butteraugli

        part = self._part(Butteraugli)
        return part and part.error_map(decoded)

    def _compare(self, metric, decoded):
        """The figure of a metric's class; NaN if the images are too small."""
        part = self._part(metric)
        return part.compare(decoded) if part else math.nan

    def _part(self, metric):
        """The instance of a metric's class for the original, or None if it is too small."""
        if min(self._original.shape[:2]) < metric.MIN_SIZE:
            return None
        if metric not in self._parts:
            self._parts[metric] = metric(self._original)
        return self._parts[metric]


def _single(metric):
    def measure(original, decoded):
        return Reference(original).measure(decoded, [metric])[metric]

    measure.__name__ = metric
    measure.__doc__ = f"The metric {metric} of two images; see the module."
    return measure


mse, psnr, ms_ssim, lpips, ssimulacra2, psnr_hvs_m, butteraugli = map(_single, METRICS)


def ms_ssim_db(value):
    """MS-SSIM on the scale of curves and BD-rates, -10 log10(1 - value), in dB; inf at 1."""
    return _decibel(1 - value)


def mean_over_images(values):
    """The arithmetic mean of the figures of images, without NaN, the figure of too small images.

    The mean of no figures is NaN; a figure of inf makes it inf.
    """
    values = np.asarray(values, np.float64)
    values = values[~np.isnan(values)]
    return float(values.mean()) if values.size else math.nan


def bpp(n_bytes, height, width):
    """Bits per pixel of a file of `n_bytes` that shows `height` x `width` pixels."""
    return 8 * n_bytes / (height * width)


def _check(image):
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3 or image.size == 0:
        raise ValueError(f"not a uint8 image [H, W, 3]: {image.dtype} {list(image.shape)}")


def _decibel(ratio):
    return math.inf if ratio <= 0 else -10 * math.log10(ratio)
