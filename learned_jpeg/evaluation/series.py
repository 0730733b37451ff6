"""Curves of measured figures, for tables, plots and pages.

A figure of a set of images is the mean of the single images' figures.
"""

from dataclasses import dataclass, field
from functools import cache, cached_property
from pathlib import Path

from learned_jpeg.evaluation import bd_rates
from learned_jpeg.metrics import measures

import numpy as np

NEAR = 0.01  # files whose sizes differ by at most this part count as equal


@dataclass(frozen=True)
class Metric:
    """How a metric is shown: label and unit; lower: whether a lower value is better; decimals: in
    tables; db: whether it is shown as -10 log10(1 - value), in dB."""

    name: str
    label: str
    unit: str = ""
    lower: bool = False
    decimals: int = 2
    db: bool = False

    def shown(self, values):
        """Figures on the scale of tables and plots."""
        values = np.asarray(values, np.float64)
        if not self.db:
            return values
        with np.errstate(divide="ignore"):
            return -10 * np.log10(1 - values)

    def quality(self, values):
        """Figures on a scale where more is better."""
        values = self.shown(values)
        return -values if self.lower else values

    @property
    def axis(self):
        """The label of an axis."""
        unit = f" in {self.unit}" if self.unit else ""
        return f"{self.label}{unit} ({'lower' if self.lower else 'higher'} is better)"


SHOWN = (
    Metric("psnr", "PSNR", "dB"),
    Metric("ms_ssim", "MS-SSIM", "dB", decimals=3, db=True),
    Metric("lpips", "LPIPS", lower=True, decimals=4),
    Metric("ssimulacra2", "SSIMULACRA2"),
    Metric("psnr_hvs_m", "PSNR-HVS-M", "dB"),
    Metric("butteraugli", "Butteraugli", lower=True, decimals=3),
)
# With the metrics that are measured on request.
EVERY = (*SHOWN, Metric("colorvideovdp", "ColorVideoVDP", "JOD", decimals=3))


@dataclass
class Point:
    """A point of a curve. figures: {name: float64 [images]} of stored.METRICS and SIZES;
    folder: of its JPEG files, an image's name and .jpg."""

    name: str
    figures: dict
    folder: Path

    def file(self, image):
        """The path of the JPEG file of an image."""
        return self.folder / f"{image}.jpg"

    @cached_property
    def means(self):
        """{metric: mean over the images}."""
        return {name: measures.mean_over_images(column) for name, column in self.figures.items()}


@dataclass
class Series:
    """A curve. kind: "encoder" (the first of all is the anchor), "baseline" or "run"; at_size:
    {size in words: Point} of files that were searched for that size."""

    label: str
    kind: str
    points: list
    at_size: dict = field(default_factory=dict)

    def __post_init__(self):
        self.points.sort(key=lambda point: point.means["bpp"])
        self.resampled = cache(self._resampled)

    def column(self, name):
        """The means of the points, float64 [points]."""
        return np.array([point.means[name] for point in self.points])

    def images(self, name):
        """Every image at every point, float64 [images, points]."""
        return np.stack([point.figures[name] for point in self.points], axis=1)

    def _resampled(self, name):
        """Means over images drawn with replacement, float64 [bd_rates.RESAMPLES, points]."""
        return bd_rates.bootstrap_means(self.images(name))


@dataclass(frozen=True)
class Delta:
    """The BD-rate of a curve against another in percent, negative for fewer bits.

    percent, overlap: of the mean curves, see `bd_rates`; low, high: its interval of 95% over
    images drawn with replacement; images [I]: of each single image, NaN where the curves do not
    overlap.
    """

    percent: float
    overlap: float
    low: float
    high: float
    images: np.ndarray

    @property
    def wins(self):
        """The number of images with fewer bits at equal quality."""
        return int((self.images < 0).sum())

    @property
    def compared(self):
        """The number of images whose curves overlap."""
        return int(np.isfinite(self.images).sum())

    @property
    def is_open(self):
        """Whether the interval includes 0: other images may show the opposite sign."""
        return not (self.high < 0 or self.low > 0)


def compare(anchor, tested, metric):
    """The Delta of one Series against another on a Metric."""

    def rates(pick):
        return bd_rates.bd_rates(
            pick(anchor, "bpp"),
            metric.quality(pick(anchor, metric.name)),
            pick(tested, "bpp"),
            metric.quality(pick(tested, metric.name)),
        )

    (percent,), (overlap,) = rates(lambda series, name: series.column(name)[None])
    single, _ = rates(lambda series, name: series.images(name))
    drawn, _ = rates(lambda series, name: series.resampled(name))
    return Delta(percent, overlap, *bd_rates.interval(drawn), single)


def chosen(names, number):
    """A few of the names of a test set, spread over it."""
    middles = (np.arange(number) + 0.5) * len(names) / number
    return [names[index] for index in sorted({int(middle) for middle in middles})]


def equal(curves, size, index):
    """The files of an image that can be compared at a size, a key of Series.at_size.

    Returns ([(Series, Point)] of the first curve that has a file and those within NEAR of its
    bytes, [Series of the others]).
    """
    found = [(one, one.at_size[size]) for one in curves if size in one.at_size]
    bytes_of = [point.figures["n_bytes"][index] for _, point in found]
    first = next(filter(np.isfinite, bytes_of), np.nan)
    near, far = [], []
    for pair, number in zip(found, bytes_of, strict=True):
        if abs(number / first - 1) <= NEAR:
            near.append(pair)
        elif np.isfinite(number):
            far.append(pair[0])
    return near, far
