"""The anchor, `ljpeg_PIL`: the tables of the IJG library; with a tune, the search and its tables.

Nothing is learned.
"""

from learned_jpeg.jpeg import standard
from learned_jpeg.models.model import FileModel, RateSetting
from learned_jpeg.search import quantizer, tuning


class IJG(FileModel):
    """The IJG tables at a quality; with a tune, the search, its tables and its sampling."""

    architecture = "ljpeg_PIL"
    trained = False
    rate_setting = RateSetting(
        "quality", 1, 100, 75, (*range(1, 10), *range(10, 91, 5))
    )  # arXiv 2009.12927

    def get_qtables(self, batch, rate_setting, training):
        return standard.ijg_qtables(rate_setting)[None]

    def complete(self, coding):
        if not coding.tune:
            return super().complete(coding)
        return coding.with_defaults("auto", "trellis", self.sampling)

    def file_qtables(self, rate_setting, coding, table_scale=1.0):
        if not coding.tune:
            return super().file_qtables(rate_setting, coding, table_scale)
        tune = tuning.TUNES[coding.tune]
        return tuning.shaped_qtables(table_scale * tuning.step_of(rate_setting, tune), tune)

    def search(self, rate_setting, coding):
        if not coding.tune:
            return super().search(rate_setting, coding)
        tune = tuning.TUNES[coding.tune]
        exact = tuning.shaped(tuning.step_of(rate_setting, tune), tune)
        return quantizer.Trellis(tune, exact, coding.huffman)


ARCHITECTURE = IJG
