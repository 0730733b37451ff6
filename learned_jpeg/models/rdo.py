"""The models of `ljpeg_rdo`: tables, error and bit prices that are learned for the search."""

from learned_jpeg.models.model import Dial, FileModel
from learned_jpeg.search import learned_tune, quantizer, strengths, tuning

import numpy as np

# The least share of LPIPS in refining, where it has a weight, see `learned_jpeg.search.refining`.
LEAST_SHARE = 0.1


def start(seed=0):
    """{name: float32 array} of the weights before any training: the tune as it is."""
    numbers = {"numbers": np.zeros(learned_tune.NUMBERS, np.float32)}
    return numbers | strengths.start(np.random.default_rng(seed))


class RDO(FileModel):
    """A learned model of the search, for all qualities.

    weights: {name: float32 array}, as `start` has them; search: the tune that it started from;
    lpips_weight: of LPIPS in its training, and so in refining; sampling: of its training. Raises
    ValueError for the weights of another model.
    """

    architecture = "ljpeg_rdo"
    default_model = "rdo_visual"
    dial = Dial("quality", 1, 100, 75, (*range(1, 10), *range(10, 91, 5)))
    quantizer = "trellis"
    model_options = ("sampling", "search", "lpips_weight")

    def __init__(self, weights, search="visual", lpips_weight=0.15, sampling="420", **kwargs):
        super().__init__(sampling=sampling, **kwargs)
        self.tune = search
        # Whoever refines wants LPIPS, however small a part it had in the training.
        self.refine_share = max(lpips_weight, LEAST_SHARE) if lpips_weight else 0.0
        shapes = {name: value.shape for name, value in start().items()}
        if any(np.shape(weights.get(name)) != shape for name, shape in shapes.items()):
            raise ValueError("its weights are those of another model")
        self.weights = weights

    def complete(self, coding):
        return coding.with_defaults("auto", "trellis", self.sampling)

    def _step(self, dial):
        return tuning.step_of(float(dial), tuning.TUNES[self.tune])

    def _of_dial(self, dial):
        return learned_tune.learned(
            self.weights["numbers"], self._step(dial), tuning.TUNES[self.tune]
        )

    def get_qtables(self, batch, dial, training):
        return self._of_dial(dial)[1].astype(np.float32)[None]

    def search(self, dial, coding):
        tune, exact = self._of_dial(dial)
        return quantizer.Trellis(coding.tune or tune, exact, coding.huffman)

    def log2_lambda(self, analysis, dial):
        weights = {name: np.asarray(value) for name, value in self.weights.items()}
        if not weights["last"].any():
            return None
        return strengths.of_picture(weights, analysis, learned_tune.place(self._step(dial)))


ARCHITECTURE = RDO
