"""The compiled loops of refining: pixels, errors, gradients and moves."""

from learned_jpeg.jpeg.standard import YCBCR_TO_RGB
from learned_jpeg.runtime.compiled import compiled, inner
from learned_jpeg.search.luma import upsampled

import numpy as np

_RGB = YCBCR_TO_RGB.astype(np.float32)
_NEAR, _FAR = np.float32(0.75), np.float32(0.25)


@inner
def _level(sample):
    """A sample around 0 as a value of 8 bits."""
    return np.uint8(min(max(np.floor(sample + np.float32(128.5)), np.float32(0)), np.float32(255)))


@compiled("void(float32[:,::1], float32[:,:,::1], boolean, uint8[:,:,::1])")
def show(luma, chroma, is_half, pixels):
    """Decodes samples to RGB uint8 [H, W, 3], without a decoder's rounding between its steps.

    luma: around 0, [H or more, W or more]; chroma: Cb and Cr, of the same size or, if is_half, of
    half the resolution.
    """
    height, width = pixels.shape[:2]
    halves = chroma[:, : (height + 1) // 2, : (width + 1) // 2]
    line = np.empty((2, 2 * halves.shape[2]), np.float32)
    for y in range(height):
        for n in range(2):
            if is_half:
                upsampled(halves[n], y, line[n])
            else:
                for x in range(width):
                    line[n, x] = chroma[n, y, x]
        for x in range(width):
            for n in range(3):
                change = _RGB[n, 1] * line[0, x] + _RGB[n, 2] * line[1, x]
                pixels[y, x, n] = _level(luma[y, x] + change)


@compiled("void(float32[:,:,::1], float32[:,:,::1], float32[:,:,::1])")
def errors_of_halves(decoded, samples, errors):
    """Fills in the errors of Cb and Cr that are decoded at half the resolution and upsampled.

    samples: the original [2, H, W]; errors: [2, H or more, W or more], 0 outside the picture.
    """
    height, width = samples.shape[1:]
    halves = decoded[:, : (height + 1) // 2, : (width + 1) // 2]
    line = np.empty(2 * halves.shape[2], np.float32)
    for n in range(2):
        for y in range(errors.shape[1]):
            for x in range(errors.shape[2]):
                errors[n, y, x] = 0
            if y < height:
                upsampled(halves[n], y, line)
                for x in range(width):
                    errors[n, y, x] = line[x] - samples[n, y, x]


@compiled("void(float32[:,:,::1], int64, int64, float32[:,:,::1])")
def gather(gradients, height, width, halves):
    """The adjoint of the decoder's upsampling (`sampling.up`) without its rounding.

    gradients: [n, height or more, width or more]; halves: [n, half of height or more, half of width
    or more], filled, 0 outside the picture.
    """
    rows, columns = (height + 1) // 2, (width + 1) // 2
    line = np.empty(2 * columns, np.float32)
    for n in range(gradients.shape[0]):
        for i in range(halves.shape[1]):
            for j in range(halves.shape[2]):
                halves[n, i, j] = 0
            if i >= rows:
                continue
            for x in range(2 * columns):
                line[x] = 0
            for k in range(4):
                y = min(max(2 * i - 1 + k, 0), 2 * rows - 1)
                weight = _FAR if k in (0, 3) else _NEAR
                if y < height:
                    for x in range(width):
                        line[x] += weight * gradients[n, y, x]
            for j in range(columns):
                halves[n, i, j] = _NEAR * (line[2 * j] + line[2 * j + 1]) + _FAR * (
                    line[max(2 * j - 1, 0)] + line[min(2 * j + 2, 2 * columns - 1)]
                )


@compiled("void(float32[:,:,::1], float32[:,:,::1])")
def to_components(gradients, planes):
    """Gradients in RGB [H, W, 3] to those in YCbCr [3, H or more, W or more], 0 outside."""
    height, width = gradients.shape[:2]
    for n in range(3):
        for y in range(planes.shape[1]):
            for x in range(planes.shape[2]):
                planes[n, y, x] = 0
            if y < height:
                for x in range(width):
                    planes[n, y, x] = (
                        gradients[y, x, 0] * _RGB[0, n]
                        + gradients[y, x, 1] * _RGB[1, n]
                        + gradients[y, x, 2] * _RGB[2, n]
                    )


@compiled(
    "void(float32[:,:,::1], float32[:,:,::1], int64[::1], int64[::1], float32[::1], float32[::1],"
    "float32[::1], float32[:,::1], float32, float32, float32)"
)
def move(
    mean,
    gradients,
    inner,
    start,
    steps,
    squared_weight,
    dead_zone_weight,
    mask,
    factor,
    longest,
    newest,
):
    """Takes a step against gradients into the running mean, both in steps of the table.

    mean: [rows, columns, 64], whose blocks inner (top, bottom, left, right) change; gradients:
    [rows', columns', 64], whose block start (row, column) is that of (top, left); steps: the table
    [64]; squared_weight, dead_zone_weight [64] and mask [rows, columns]: see `trellis`; factor: on
    the gradients; longest: the limit of a step; newest: the weight of the step in the mean.
    """
    top, bottom, left, right = inner
    for i in range(top, bottom):
        for j in range(left, right):
            for f in range(64):
                gradient = gradients[i - top + start[0], j - left + start[1], f] * steps[f] * factor
                step = -gradient / (2 * (squared_weight[f] * mask[i, j] + dead_zone_weight[f]))
                step = min(max(step, -longest), longest)
                mean[i, j, f] += newest * (step - mean[i, j, f])
