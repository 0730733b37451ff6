import pickle

from jpeg_pipeline import RateSetting
from learned_jpeg import api
from learned_jpeg.evaluation import coders
from learned_jpeg.models import checkpoints
from learned_jpeg.models.encoding import Coding
from learned_jpeg.rivals.encoders import ENCODERS
from learned_jpeg.runtime.errors import UserError
from learned_jpeg.runtime.packages import PROJECT

import numpy as np
import pytest


def test_an_encoder_writes_what_it_writes_by_itself(photograph):
    coder = pickle.loads(pickle.dumps(coders.EncoderCoder("pillow_420", "optimized")))
    expected = ENCODERS["pillow_420"].encode(photograph, 30, "optimized")
    assert coder.encode(photograph, 30) == expected
    assert (coder.rate_setting.low, coder.rate_setting.high) == (1, 100)


def test_a_quality_between_whole_numbers_is_rounded_where_an_encoder_has_none(photograph):
    class Whole:
        fractional = False

        def encode(self, image, quality, huffman):
            return repr(quality).encode()

    coders.ENCODERS["whole"] = Whole()
    try:
        assert coders.EncoderCoder("whole", "standard").encode(photograph, 30.4) == b"30"
        Whole.fractional = True
        assert coders.EncoderCoder("whole", "standard").encode(photograph, 30.4) == b"30.4"
    finally:
        del coders.ENCODERS["whole"]


def test_a_model_writes_what_the_api_writes(photograph, decode):
    coding = Coding("optimized", sampling="420")
    coder = pickle.loads(pickle.dumps(coders.ModelCoder("ljpeg_PIL", "", coding)))
    assert coder.rate_setting.name == "quality"
    data = coder.encode(photograph, 40.0)
    assert decode(data).shape == photograph.shape
    assert data == api.load("ljpeg_PIL").encode(
        photograph, 40.0, huffman="optimized", sampling="420"
    )


def test_a_checkpoint_that_changes_meanwhile_is_an_error(trained, photograph):
    digest = checkpoints.describe(trained)[2]
    assert coders.ModelCoder(str(trained), digest, Coding()).encode(photograph, None)
    with pytest.raises(UserError, match="changed while it was evaluated"):
        coders.ModelCoder(str(trained), "another", Coding()).encode(photograph, None)


RUNS = PROJECT / "example_experiments"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("run", "lambdas", "dials"),
    [
        ("attention_bits", ("lambda_0005", "lambda_002"), (None, None)),
        ("google_baseline_lr_1e-5", ("lambda_0005",) * 2, (5.0, 20.0)),
    ],
)
def test_points_that_share_a_network_run_it_once_and_write_the_same_files(
    run, lambdas, dials, photograph, monkeypatch
):
    folders = [str(RUNS / run / name / "train") for name in lambdas]
    pixels = photograph[:90, :70]
    expected = [
        api.load(folder).encode(pixels, rate_setting, huffman="standard")
        for folder, rate_setting in zip(folders, dials, strict=True)
    ]
    models = [coders.ModelCoder(folder, "", Coding("standard"), shared=run) for folder in folders]
    monkeypatch.setattr(coders, "_remembered", {})
    assert models[0].encode(pixels, dials[0]) == expected[0]
    monkeypatch.setattr(coders._remembered[run], "_network", None)
    assert models[1].encode(pixels, dials[1]) == expected[1]
    assert len(models[1].encode(pixels, dials[1], 2.0)) < len(expected[1])


class Flat:
    """A coder of files of a size that its rate setting and its tables' scale decide."""

    def __init__(self, size, rate_setting=None):
        self.size, self.rate_setting, self.tried = size, rate_setting, []

    def encode(self, pixels, rate_setting, table_scale=1.0, sampling=None):
        self.tried.append((rate_setting, table_scale))
        return bytes(int(self.size * (rate_setting or 1) / table_scale))


def test_a_size_is_searched_on_a_dial():
    coder = Flat(100, RateSetting("quality", 1, 100, 50, (5, 10)))
    data = coders.of_size([coder], np.zeros([8, 8, 3], np.uint8), 3210)
    assert 0.99 * 3210 <= len(data) <= 3210
    assert len(set(coder.tried)) == len(coder.tried)  # nothing is encoded twice


def test_a_size_is_searched_among_the_checkpoints_of_a_run():
    run = [Flat(1000), Flat(2000), Flat(4000)]
    data = coders.of_size(run, np.zeros([8, 8, 3], np.uint8), 2500)
    assert 0.99 * 2500 <= len(data) <= 2500
