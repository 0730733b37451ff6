"""X-JPEG's quantization tables for a picture, from the weights in its wheel, in numpy.

M. Tissera: X-JPEG, 2026, https://github.com/trinity-cloud/x-jpeg (MIT licence). The package itself
needs PyTorch. Its network has four convolutions with divisive normalization on a thumbnail, and
gets the energies of the tables' 64 frequencies in the picture.
"""

import functools
import json
import math

from learned_jpeg.jpeg.transform import forward

import numpy as np
from PIL import Image

_THUMBNAIL = (256, 256)
MIN_SIZE = 16  # pixels a side: whole blocks of luma and of chroma at half the resolution

# The parameters of the divisive normalization are trained as square roots (J. Ballé's form).
_PEDESTAL = 2.0**-36
_LEAST = {"beta": math.sqrt(1e-6 + _PEDESTAL), "gamma": 2.0**-18}


def tables(pixels, weights):
    """The tables of luma and of chroma, float64 [8, 8] twice, before they are scaled and rounded.

    pixels: uint8 RGB [H, W, 3], at least MIN_SIZE a side. weights: the path of the wheel's
    model.safetensors.
    """
    values = _weights(weights)
    thumbnail = Image.fromarray(pixels).resize(_THUMBNAIL, Image.Resampling.BICUBIC)
    x = np.asarray(thumbnail, np.float32) / 127.5 - 1
    for block in range(4):
        x = _convolve(x, values, f"blocks.{block}.conv")
        beta, gamma = (_positive(values, f"blocks.{block}.norm", name) for name in _LEAST)
        x /= np.sqrt(np.square(x) @ gamma.T + beta)
    code = _convolve(x, values, "head").transpose(2, 0, 1)
    code += values["stats_scale"][0] * (_energies(pixels) / 5)
    luma, cb, cr = np.rint(1 + 254 / (1 + np.exp(-code.astype(np.float64) / 4)))
    return luma, (cb + cr) / 2


@functools.cache
def _weights(path):
    """{name: float32 array} of a file in the format safetensors."""
    data = path.read_bytes()
    start = 8 + int.from_bytes(data[:8], "little")
    entries = json.loads(data[8:start])
    entries.pop("__metadata__", None)
    values = {}
    for name, entry in entries.items():
        first, last = entry["data_offsets"]
        part = data[start + first : start + last]
        values[name.removeprefix("encoder.")] = np.frombuffer(part, "<f4").reshape(entry["shape"])
    return values


def _convolve(x, values, name):
    """5x5 with a stride of 2 and zeros around: [H, W, C] to [H/2, W/2, C']."""
    padded = np.pad(x, ((2, 2), (2, 2), (0, 0)))
    windows = np.lib.stride_tricks.sliding_window_view(padded, (5, 5), (0, 1))[::2, ::2]
    kernel = values[f"{name}.weight"]
    rows, columns = windows.shape[:2]
    product = windows.reshape(rows * columns, -1) @ kernel.reshape(len(kernel), -1).T
    return product.reshape(rows, columns, -1) + values[f"{name}.bias"]


def _positive(values, name, which):
    return np.square(np.maximum(values[f"{name}.{which}"], _LEAST[which])) - _PEDESTAL


def _energies(pixels):
    """log(1 + the mean magnitude) of each frequency of Y, Cb and Cr at 4:2:0, [3, 8, 8]."""
    height, width = (side // MIN_SIZE * MIN_SIZE for side in pixels.shape[:2])
    luma, chroma = forward(pixels[:height, :width], "420")
    magnitudes = [np.abs(plane).mean(axis=(0, 1)) for plane in (luma, *chroma)]
    return np.log1p(np.stack(magnitudes))
