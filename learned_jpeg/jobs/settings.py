"""Settings of a model's rate, and the search for the setting that comes nearest to an aim."""

import math
from dataclasses import dataclass, replace

MAX_TRIES = 12


@dataclass(frozen=True)
class Setting:
    """A model at a value of its rate setting, None where it has no rate setting.

    sampling: of chroma; None for that of the options. scale: a factor on the tables. source: the
    name or folder by which `shipped.load` loads the model.
    """

    model: object  # a FileModel
    rate_setting: float | None = None
    sampling: str | None = None
    scale: float = 1.0
    source: str | None = None


class Search:
    """Tries settings and keeps the result that comes nearest to an aim without passing a limit.

    attempt: function (setting, scale of its tables) -> (miss, result); the miss is the distance of
    the result above its aim, on any scale. tolerance: the miss at which the search ends. side: +1
    where the miss must not be above the tolerance, -1 where it must not be below the negative
    tolerance. slope: of the miss against the logarithm of the scale, a first guess.

    best: the best result. around: {whether above the aim: (distance, nearest result)}.
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

    def _zero(self, miss, bracket):
        """Searches the zero of a falling function.

        bracket: {whether value is above 0: (x, value)}, one or both. The method is false position,
        and bisection where false position keeps the same end twice.
        """
        sides = []
        for _ in range(MAX_TRIES):
            if self.met:
                return
            if len(bracket) == 1:
                ((x, value),) = bracket.values()
                x -= 1.2 * 2 ** len(sides) * value / self.slope  # files change in steps
            elif len(sides) > 1 and sides[-1] == sides[-2]:
                x = (bracket[True][0] + bracket[False][0]) / 2
            else:
                (x0, y0), (x1, y1) = bracket.values()
                x = (x0 * y1 - x1 * y0) / (y1 - y0)
            value = miss(x)
            bracket[value > 0] = x, value
            sides.append(value > 0)

    def among_models(self, settings):
        """Searches settings, from the coarsest to the finest, and scales of their tables.

        The nearest setting's tables are scaled first, and the second nearest's where that does not
        suffice. For an aim beyond all settings the first or the last setting is best.
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
        """Searches the scale of a setting's tables; value: the miss at scale 1, if it is known."""
        value = self._miss(setting) if value is None else value
        self._zero(lambda x: self._miss(setting, math.exp(max(x, -9.0))), {value > 0: (0.0, value)})

    def on_rate_setting(self, setting):
        """Searches the values of a model's rate setting; larger values are finer."""
        rate_setting = setting.model.rate_setting
        low, high = -math.log(rate_setting.low), -math.log(rate_setting.high)

        def miss(x):
            value = min(max(math.exp(-x), rate_setting.low), rate_setting.high)
            return self._miss(replace(setting, rate_setting=value))

        low_miss = miss(low)
        high_miss = miss(high) if low_miss < 0 else low_miss
        if low_miss < 0 < high_miss:
            self._zero(miss, {False: (low, low_miss), True: (high, high_miss)})

    def below(self, setting):
        """Searches scales of a setting's tables at slightly coarser values of its rate setting.

        Many entries of a table may step to the next integer at the same rate setting; the entries
        of scaled tables step at other values.
        """
        for part in (0.8, 0.9, 0.7):
            if not self.met:
                value = max(part * setting.rate_setting, setting.model.rate_setting.low)
                coarser = replace(setting, rate_setting=value)
                self.on_scale(coarser)
