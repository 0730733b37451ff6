"""The search for the setting of a model that gives a file of a wanted size or quality."""

import io
import math
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from learned_jpeg.jobs.settings import Search, Setting
from learned_jpeg.jpeg import jpeg_file
from learned_jpeg.jpeg.transform import to_samples
from learned_jpeg.metrics import measures
from learned_jpeg.runtime.errors import UserError
from learned_jpeg.runtime.lazy import lazy_import

import numpy as np
from PIL import Image, JpegImagePlugin

butteraugli = lazy_import("learned_jpeg.metrics.butteraugli")
ssimulacra2 = lazy_import("learned_jpeg.metrics.ssimulacra2")

TOLERANCE = 0.01  # as a part of the target, as --help promises
# Rows that PSNR takes at a time: their differences, of eight times the memory of the pixels, fit
# into a core's cache.
PSNR_ROWS = 64


def psnr(pixels, data):
    """PSNR in dB of a JPEG file against pixels [H, W, 3 or 1]; inf if they are equal.

    pixels: uint8, or uint16, which is not rounded to 8 bits.
    """
    decoded = jpeg_file.decode(data)[..., : pixels.shape[-1]]  # gray has three equal channels
    total = 0.0
    for start in range(0, len(pixels), PSNR_ROWS):
        part = slice(start, start + PSNR_ROWS)
        difference = to_samples(pixels[part]) - decoded[part]
        total += np.square(difference).sum(dtype=np.float64)
    mse = total / pixels.size
    return float(10 * np.log10(255**2 / mse)) if mse > 0 else math.inf


def sampling(data):
    """The sampling of chroma in a JPEG file: "444", "420", or None for gray and other samplings."""
    with Image.open(io.BytesIO(data), formats=["JPEG"]) as image:
        return {0: "444", 2: "420"}.get(JpegImagePlugin.get_sampling(image))


def _seen(kind, pixels):
    """A function from a JPEG file to a metric of visible error against pixels, taken as sRGB.

    pixels: those of `psnr`. Raises UserError for too small pictures.
    """
    metric = ssimulacra2.Ssimulacra2 if kind == "ssimulacra2" else butteraugli.Butteraugli
    if min(pixels.shape[:2]) < metric.MIN_SIZE:
        height, width = pixels.shape[:2]
        raise UserError(
            f"--target_{kind} needs at least {metric.MIN_SIZE} pixels a side; the picture has "
            f"{width}x{height}"
        )
    levels = np.rint(to_samples(pixels)).astype(np.uint8)
    original = metric(np.broadcast_to(levels, (*levels.shape[:2], 3)))
    return lambda data: original.compare(jpeg_file.decode(data))


class _Kind(NamedTuple):
    """A kind of target.

    quality: whether a file may only be better than the target, not worse; otherwise only smaller.
    at_least: whether the target is a lower bound. width: the part of TOLERANCE that is used. miss:
    function (quantity, aim) -> the file's distance above the aim, about as a part of the aim.
    slope: of the miss against the logarithm of the tables' scale. memory: bytes a pixel that
    measuring takes.
    """

    quality: bool
    at_least: bool
    width: float
    miss: Any
    slope: float
    memory: int = 0


def _logarithmic(quantity, aim):
    return min(math.log(quantity / aim), 9.0)  # a lossless file's PSNR is infinite


def _linear(quantity, aim):
    return quantity / aim - 1  # the quantity may be negative


def _nearer(distance, aim):
    return _logarithmic(aim, max(distance, 1e-9))


KINDS = {
    "bpp": _Kind(False, False, 1.0, _logarithmic, -0.8),
    "size": _Kind(False, False, 1.0, _logarithmic, -0.8),
    "psnr": _Kind(True, True, 0.3, _logarithmic, -0.15),  # 1% would be 0.3 dB
    "ssimulacra2": _Kind(True, True, 1.0, _linear, -0.3, memory=120),
    "butteraugli": _Kind(True, False, 1.0, _nearer, -0.45, memory=150),
}


class TargetFile(NamedTuple):
    """The file that `Target.encode` found, its setting and scale, and the quantity measured."""

    data: bytes
    setting: Setting
    scale: float
    quantity: float


def _turns(search):
    """The samplings of the files on both sides of an aim, the nearer first, where they differ.

    --sampling auto changes between 444 and 420 at a rate where both cost the same; there files
    grow by a fifth at once. A size between needs one of the samplings at a rate where auto would
    choose the other.
    """
    if search.met or len(search.around) < 2:
        return []
    near = sorted(search.around.values(), key=lambda side: side[0])
    samplings = [sampling(found.data) for _, found in near]
    return samplings if samplings[0] != samplings[1] else []


@dataclass(frozen=True)
class Target:
    """A target that a file shall reach: a kind of `--target_KIND`, and a value in its unit."""

    kind: str  # of KINDS: "bpp", "size" in bytes, "psnr" in dB, "ssimulacra2", "butteraugli"
    value: float

    def measure(self, pixels):
        """A function from the bytes of a JPEG file of these pixels [H, W, 3 or 1] to the quantity.

        Raises UserError where the quantity does not exist for these pixels.
        """
        if self.kind == "psnr":
            return lambda data: psnr(pixels, data)
        if KINDS[self.kind].quality:
            return _seen(self.kind, pixels)
        return (
            len if self.kind == "size" else lambda data: measures.bpp(len(data), *pixels.shape[:2])
        )

    def encode(self, pixels, settings, finished):
        """Searches settings, from the coarsest to the finest, or the rate settings of a single one.

        finished: function (setting, scale of its tables) -> the bytes of a file. Returns a
        TargetFile.
        """
        kind, measure = KINDS[self.kind], self.measure(pixels)
        tolerance = kind.width * TOLERANCE / 2
        aim = self.value * (1 + tolerance if kind.at_least else 1 - tolerance)

        def attempt(setting, scale):
            data = finished(setting, scale)
            quantity = measure(data)
            return kind.miss(quantity, aim), TargetFile(data, setting, scale, quantity)

        # As a part of the aim, which is above the target where the target is a lower bound.
        part = tolerance / (1 + tolerance)
        search = Search(attempt, part, -1 if kind.quality else 1, kind.slope)
        of_one = len(settings) == 1 and settings[0].model.rate_setting is not None

        def look(sampling):
            these = [replace(setting, sampling=sampling) for setting in settings]
            if of_one:
                search.on_rate_setting(these[0])
            else:
                search.among_models(these)

        look(None)
        for sampling in _turns(search):
            if not search.met:
                look(sampling)
        if of_one and not search.met and len(search.around) == 2:
            search.below(search.around[False][1].setting)
        return search.best

    def missed(self, quantity):
        """The warning for a file of this quantity where it misses the target; or None.

        A flat picture's finest file may be far below a size, and its coarsest file lossless.
        """
        spare = quantity - self.value if KINDS[self.kind].at_least else self.value - quantity
        if spare >= 0:
            return None
        return f"--target_{self.kind} {self.value:g} is out of reach; {quantity:.6g} is the nearest"
