"""Bjontegaard's delta rate of many pairs of curves at once, and intervals of it by the bootstrap.

G. Bjontegaard, VCEG-M33, 2001, with the piecewise cubic interpolation of JVET's sheets: the
logarithm of the rate as a function of quality (pchip: F. N. Fritsch, J. Butland, SIAM J. Sci.
Stat. Comput. 5, 1984), averaged over the qualities that both curves have.

The BD-rate of a curve is the mean difference of its bits to an anchor's at equal quality, in
percent. A curve is a row of points in any order. A point is left out if it is not finite, or if
another point of its curve is at least as good at no more bits, so that the other points rise
strictly. A curve with fewer than two such points has no BD-rate.
"""

import numpy as np

RESAMPLES = 1000


def bd_rates(anchor_rate, anchor_quality, tested_rate, tested_quality):
    """The BD-rates of N pairs of curves; a higher quality is a better one.

    anchor_rate, anchor_quality [N, P], tested_rate, tested_quality [N, Q]: rates above 0 in any
    unit. Negate a metric that is better when it is lower.

    Returns (percent [N], negative where the tested curve needs fewer bits, NaN without overlap;
    overlap [N], the shared part of the two quality ranges over the shorter one, in [0, 1]).
    """
    anchor, tested = _Curves(anchor_rate, anchor_quality), _Curves(tested_rate, tested_quality)
    low = np.fmax(anchor.low, tested.low)
    high = np.fmin(anchor.high, tested.high)
    shared = np.where((anchor.count > 1) & (tested.count > 1), high - low, 0.0)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = (tested.integral(low, high) - anchor.integral(low, high)) / shared
        percent = np.where(shared > 0, 100 * np.expm1(mean), np.nan)
        shorter = np.fmin(anchor.high - anchor.low, tested.high - tested.low)
        overlap = np.where(shared > 0, shared / shorter, 0.0)
    return percent, overlap


def rate_ratio(anchor_rate, anchor_quality, tested_rate, tested_quality, number=200):
    """The bits of the tested curve against the anchor's at equal quality, in percent.

    All four are [P]. Returns (qualities [number], percent [number], negative for fewer bits) over
    the qualities that both curves have; two empty arrays where they share none.
    """
    from scipy.interpolate import PchipInterpolator

    curves = [
        _Curves(np.asarray(rate)[None], np.asarray(quality)[None])
        for rate, quality in ((anchor_rate, anchor_quality), (tested_rate, tested_quality))
    ]
    low, high = max(one.low[0] for one in curves), min(one.high[0] for one in curves)
    if min(one.count[0] for one in curves) < 2 or not low < high:
        return np.empty(0), np.empty(0)
    qualities = np.linspace(low, high, number)
    anchor, tested = (
        PchipInterpolator(one.quality[0, : one.count[0]], one.log_rate[0, : one.count[0]])(
            qualities
        )
        for one in curves
    )
    return qualities, 100 * np.expm1(tested - anchor)


def bootstrap_means(values, seed=0, resamples=RESAMPLES):
    """Means over images that are drawn with replacement.

    values [I, P]: figures of images at points; NaN does not count, an infinite figure makes its
    mean infinite. The same seed draws the same images. Returns [resamples, P].
    """
    values = np.asarray(values, np.float64)
    images = len(values)
    drawn = np.random.default_rng(seed).multinomial(images, [1 / images] * images, resamples)
    drawn = drawn.astype(np.float64)
    finite, infinite = np.isfinite(values), np.isinf(values)
    with np.errstate(invalid="ignore", divide="ignore"):
        means = drawn @ np.where(finite, values, 0.0) / (drawn @ finite)
    return np.where(drawn @ infinite > 0, np.inf, means)


def interval(values, confidence=0.95):
    """The confidence interval of a bootstrap's values: (low, high); NaN if most values are NaN."""
    values = values[~np.isnan(values)]
    if len(values) < RESAMPLES / 2:
        return np.nan, np.nan
    return tuple(np.quantile(values, [(1 - confidence) / 2, (1 + confidence) / 2]))


class _Curves:
    """N curves, each with its undominated points in rising order, then NaN.

    count [N]; quality, log_rate [N, P]; low, high [N]: the range of quality.
    """

    def __init__(self, rate, quality):
        rate, quality = np.asarray(rate, np.float64), np.asarray(quality, np.float64)
        if rate.ndim != 2 or rate.shape != quality.shape:
            raise ValueError(f"curves of rates {rate.shape} with qualities {quality.shape}")
        usable = np.isfinite(rate) & np.isfinite(quality) & (rate > 0)
        rate, quality = np.where(usable, rate, np.inf), np.where(usable, quality, -np.inf)
        order = np.lexsort((-quality, rate))
        rate, quality = (np.take_along_axis(x, order, 1) for x in (rate, quality))
        best = np.maximum.accumulate(quality, axis=1)
        keep = np.isfinite(quality)
        keep[:, 1:] &= quality[:, 1:] > best[:, :-1]
        order = np.argsort(~keep, axis=1, kind="stable")
        self.count = keep.sum(axis=1)
        kept = np.take_along_axis(keep, order, 1)
        self.quality = np.where(kept, np.take_along_axis(quality, order, 1), np.nan)
        with np.errstate(divide="ignore"):
            self.log_rate = np.where(kept, np.log(np.take_along_axis(rate, order, 1)), np.nan)
        self.low, self.high = self.quality[:, 0], self._at(self.quality, self.count - 1)

    @staticmethod
    def _at(values, indices):
        """values [N, P] at indices [N]; any value for a negative index."""
        return np.take_along_axis(values, np.maximum(indices, 0)[:, None], 1)[:, 0]

    def _slopes(self):
        """The derivatives [N, P] at the points."""
        step, rise = np.diff(self.quality), np.diff(self.log_rate)
        slope = rise / step
        left, right = slope[:, :-1], slope[:, 1:]
        w1, w2 = 2 * step[:, 1:] + step[:, :-1], step[:, 1:] + 2 * step[:, :-1]
        inner = np.where(left * right > 0, (w1 + w2) / (w1 / left + w2 / right), 0.0)
        slopes = np.full_like(self.quality, np.nan)
        slopes[:, 1:-1] = inner

        def end(first, second):
            h0, h1, d0, d1 = (self._at(x, k) for x in (step, slope) for k in (first, second))
            value = ((2 * h0 + h1) * d0 - h0 * d1) / (h0 + h1)
            value = np.where(np.sign(value) != np.sign(d0), 0.0, value)
            steep = (np.sign(d0) != np.sign(d1)) & (np.abs(value) > 3 * np.abs(d0))
            return np.where(self.count == 2, d0, np.where(steep, 3 * d0, value))

        slopes[:, 0] = end(np.zeros_like(self.count), np.ones_like(self.count))
        np.put_along_axis(
            slopes,
            np.maximum(self.count - 1, 0)[:, None],
            end(self.count - 2, self.count - 3)[:, None],
            1,
        )
        return slopes

    def integral(self, low, high):
        """The integral of the logarithm of the rate over qualities from low to high [N] -> [N]."""
        if self.quality.shape[1] < 3:  # the slopes at the ends need three columns
            pad = ((0, 0), (0, 3 - self.quality.shape[1]))
            self.quality = np.pad(self.quality, pad, constant_values=np.nan)
            self.log_rate = np.pad(self.log_rate, pad, constant_values=np.nan)
        slopes, start, step = self._slopes(), self.quality[:, :-1], np.diff(self.quality)
        y0, y1 = self.log_rate[:, :-1], self.log_rate[:, 1:]
        m0, m1 = step * slopes[:, :-1], step * slopes[:, 1:]

        def antiderivative(quality):
            """The integral of each interval's cubic Hermite polynomial, up to a quality [N]."""
            t = np.clip((quality[:, None] - start) / step, 0, 1)
            a, b = 2 * y0 + m0 - 2 * y1 + m1, -3 * y0 - 2 * m0 + 3 * y1 - m1
            return step * t * (y0 + t * (m0 / 2 + t * (b / 3 + t * a / 4)))

        return np.nansum(antiderivative(high) - antiderivative(low), axis=1)
