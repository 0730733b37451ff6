"""A model at a place of its rate axis, and the search for the one that comes nearest to an aim."""

import math
from dataclasses import dataclass, replace

MAX_TRIES = 12


@dataclass(frozen=True)
class Setting:
    """A model at a value of its rate setting, None where it has none.

    sampling: of chroma, None for what the files are to have anyway. scale: of the tables. source:
    what `shipped.load` makes the model of.
    """

    model: object  # a FileModel
    rate_setting: float | None = None
    sampling: str | None = None
    scale: float = 1.0
    source: str | None = None


class Search:
    """Tries settings and keeps the result that comes nearest to an aim without passing a limit.

    attempt: function (setting, scale of its tables) -> (miss, result): how far above its aim the
    result is, on any scale. tolerance: the miss at which the search ends. side: +1 where the miss
    must not be above the tolerance, -1 where it must not be below minus that. slope: of the miss
    against the logarithm of the scale, a first guess.

    best: the result. around: {whether above the aim: (how far from it, the nearest result)}.
    """

    def __init__(self, attempt, tolerance, side, slope):
        self.attempt, self.tolerance, self.side, self.slope = attempt, tolerance, side, slope
        self.best, self._rank, self.around = None, (True, math.inf), {}

    @property
    def met(self):
        """Whether the best result is within the tolerance."""
        return self._rank <= (False, self.tolerance)

    def _miss(self, setting, scale=1.0):
        value, result = self.attempt(setting, scale)
        rank = self.side * value > self.tolerance, abs(value)
        if rank < self._rank:
            self.best, self._rank = result, rank
        if abs(value) < self.around.get(value > 0, (math.inf,))[0]:
            self.around[value > 0] = abs(value), result
        return value

    def _zero(self, miss, ends):
        """Looks for the place where a falling function is 0.

        ends: {whether above 0: (place, value)}, one or both. False position, and bisection where
        that keeps one end for long.
        """
        sides = []
        for _ in range(MAX_TRIES):
            if self.met:
                return
            if len(ends) == 1:
                ((place, value),) = ends.values()
                place -= 1.2 * 2 ** len(sides) * value / self.slope  # files change in steps
            elif len(sides) > 1 and sides[-1] == sides[-2]:
                place = (ends[True][0] + ends[False][0]) / 2
            else:
                (x0, y0), (x1, y1) = ends.values()
                place = (x0 * y1 - x1 * y0) / (y1 - y0)
            value = miss(place)
            ends[value > 0] = place, value
            sides.append(value > 0)

    def among_models(self, settings):
        """Searches settings, from the coarsest to the finest, and scales of the nearest's tables.

        Where these have no step that is near enough, the next nearest's are tried. Beyond the
        ends the first or the last one is best.
        """
        low, high = 0, len(settings) - 1
        low_miss = self._miss(settings[low])
        high_miss = self._miss(settings[high]) if high and low_miss < 0 else low_miss
        if low_miss >= 0 or high_miss <= 0:
            return
        while high - low > 1:
            middle = (low + high) // 2
            value = self._miss(settings[middle])
            if value < 0:
                low, low_miss = middle, value
            else:
                high, high_miss = middle, value
        for index, value in sorted([(low, low_miss), (high, high_miss)], key=lambda x: abs(x[1])):
            self.on_scale(settings[index], value)

    def on_scale(self, setting, value=None):
        """Searches the scale of a setting's tables; value: the miss without one, if it is known."""
        value = self._miss(setting) if value is None else value
        self._zero(
            lambda place: self._miss(setting, math.exp(max(place, -9.0))), {value > 0: (0.0, value)}
        )

    def on_rate_setting(self, setting):
        """Searches the values of a model's rate setting, whose larger ones are the finer."""
        rate_setting = setting.model.rate_setting
        low, high = -math.log(rate_setting.low), -math.log(rate_setting.high)

        def miss(place):
            value = min(max(math.exp(-place), rate_setting.low), rate_setting.high)
            return self._miss(replace(setting, rate_setting=value))

        low_miss = miss(low)
        high_miss = miss(high) if low_miss < 0 else low_miss
        if low_miss < 0 < high_miss:
            self._zero(miss, {False: (low, low_miss), True: (high, high_miss)})

    def below(self, setting):
        """Searches the scales of a setting's tables, and of some of a coarser rate setting.

        Many entries of a table may make their step at one value of the rate setting; scaled ones do
        elsewhere.
        """
        for part in (0.8, 0.9, 0.7):
            if not self.met:
                value = max(part * setting.rate_setting, setting.model.rate_setting.low)
                coarser = replace(setting, rate_setting=value)
                self.on_scale(coarser)
