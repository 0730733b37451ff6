"""The models of `ljpeg_rdo`: learned tables, error weights and bit prices for the search."""

from dataclasses import replace

from learned_jpeg.jpeg import standard
from learned_jpeg.models.model import FileModel, RateSetting
from learned_jpeg.search import lambda_map, learned_tune, quantizer, tuning

import numpy as np

# The least share of LPIPS in refining for the tune visual, see `learned_jpeg.search.refining`.
LEAST_SHARE = 0.1

# The names of a model's parameters, and of its steps of luma at `tuning.SCALES`, by sampling.
PARAMETERS = {"420": "numbers", "444": "numbers_444"}
STEPS = {"420": "steps", "444": "steps_444"}


def start(seed=0, search="visual"):
    """The weights {name: array} before any training, with which a model is the tune `search`."""
    weights = {name: np.zeros(learned_tune.PARAMETERS, np.float32) for name in PARAMETERS.values()}
    steps = np.array(tuning.TUNES[search].luma_steps)
    weights |= {name: steps for name in STEPS.values()}
    return weights | lambda_map.start(np.random.default_rng(seed))


def completed(weights, search):
    """The weights of a model of any version, in the form of `start`.

    Before version 1.3 one set of parameters served both samplings, and steps were the tune's.
    """
    if "numbers" not in weights or "numbers_444" in weights:
        return weights
    parameters = np.asarray(weights["numbers"], np.float32)
    if len(parameters) < learned_tune.PARAMETERS:
        parameters = np.pad(parameters, (0, learned_tune.PARAMETERS - len(parameters)))
    steps = np.array(tuning.TUNES[search].luma_steps)
    both = dict.fromkeys(PARAMETERS.values(), parameters) | dict.fromkeys(STEPS.values(), steps)
    return weights | both


class RDO(FileModel):
    """A learned model of the search, for all qualities and both samplings.

    weights: {name: float32 array}, named as those of `start`; search: the tune that it started
    from; lpips_weight: the weight of LPIPS in its training, and so its share in refining; sampling:
    of its training. Raises ValueError for the weights of another model.
    """

    architecture = "ljpeg_rdo"
    default_model = "rdo_visual"
    rate_setting = RateSetting("quality", 1, 100, 75, (*range(1, 10), *range(10, 91, 5)))
    quantizer = "trellis"
    model_options = ("sampling", "search", "lpips_weight")

    def __init__(self, weights, search="visual", lpips_weight=0.15, sampling="420", **kwargs):
        super().__init__(sampling=sampling, **kwargs)
        self.tune = search
        # Refining is for LPIPS, even if its weight in the training was small.
        self.refine_share = max(lpips_weight, LEAST_SHARE if search == "visual" else 0.0)
        weights = completed(weights, search)
        shapes = {name: value.shape for name, value in start().items()}
        if any(np.shape(weights.get(name)) != shape for name, shape in shapes.items()):
            raise ValueError("its weights are those of another model")
        self.weights = weights

    def complete(self, coding):
        return coding.with_defaults("auto", "trellis", self.sampling)

    def _step(self, rate_setting, sampling):
        steps = tuple(np.asarray(self.weights[STEPS[sampling]]))
        return tuning.step_of(
            float(rate_setting), replace(tuning.TUNES[self.tune], luma_steps=steps)
        )

    def _learned(self, step, sampling):
        parameters = np.asarray(self.weights[PARAMETERS[sampling]])
        return learned_tune.learned(parameters, step, tuning.TUNES[self.tune])

    def get_qtables(self, batch, rate_setting, training):
        step = self._step(rate_setting, self.sampling)
        return self._learned(step, self.sampling)[1].astype(np.float32)[None]

    def file_qtables(self, rate_setting, coding, table_scale=1.0):
        _, exact = self._learned(self._step(rate_setting, coding.sampling), coding.sampling)
        return standard.file_qtables(exact * table_scale)

    def search(self, rate_setting, coding):
        tune, exact = self._learned(self._step(rate_setting, coding.sampling), coding.sampling)
        return quantizer.Trellis(coding.tune or tune, exact, coding.huffman)

    def log2_bit_price(self, analysis, rate_setting):
        weights = {name: np.asarray(value) for name, value in self.weights.items()}
        if not weights["last"].any():
            return None
        step = self._step(rate_setting, analysis.sampling)
        return lambda_map.of_picture(weights, analysis, learned_tune.log_step(step))


ARCHITECTURE = RDO
