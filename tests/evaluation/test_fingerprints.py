from learned_jpeg.evaluation import coders, fingerprints
from learned_jpeg.metrics import measures
from learned_jpeg.models.encoding import Coding

import pytest

ROUNDED = coders.ModelCoder("run/train", "abc", Coding("standard"))
SEARCHED = coders.ModelCoder("ljpeg_PIL", "", Coding(sampling="420", tune="psnr"), rounds=False)
AUTO = coders.ModelCoder("ljpeg_PIL", "", Coding(tune="psnr"), rounds=False)
REFINED = coders.ModelCoder(
    "run/train", "abc", Coding("progressive", "420", "trellis", refine=2), rounds=False
)


@pytest.mark.parametrize(
    ("part", "marked"),
    [
        ("files", {"rounded", "searched", "auto", "refined"}),
        ("search", {"searched", "auto", "refined"}),
        ("auto", {"auto"}),
        ("refining", {"refined"}),
        ("sizes", {"sized"}),
        ("rivals", {"rival"}),
    ],
)
def test_a_version_that_is_counted_up_marks_what_it_is_of_and_nothing_else(
    part, marked, monkeypatch
):
    def found():
        return {
            "rounded": fingerprints.of_model(ROUNDED),
            "searched": fingerprints.of_model(SEARCHED),
            "auto": fingerprints.of_model(AUTO),
            "refined": fingerprints.of_model(REFINED),
            "sized": fingerprints.of_size("1 bit per pixel"),
            "rival": fingerprints.of_encoder("pillow_444", "standard"),
        }

    before = found()
    monkeypatch.setitem(fingerprints.ENCODING, part, fingerprints.ENCODING[part] + 1)
    assert {name for name, after in found().items() if after != before[name]} == marked


def test_a_choice_that_nobody_made_is_not_in_a_fingerprint():
    plain = fingerprints.of_model(ROUNDED)
    assert plain["Huffman choice"] == "standard"
    assert plain["checkpoint"] == "abc"
    assert not {"quantizer", "sampling", "tune"} & set(plain)
    chosen = coders.ModelCoder("run/train", "abc", Coding("standard", sampling="420"))
    assert fingerprints.of_model(chosen) == plain | {"sampling": "420"}


def test_what_has_nothing_to_train_is_known_by_its_name():
    assert fingerprints.of_model(SEARCHED)["checkpoint"] == "ljpeg_PIL"


def test_what_measures_is_in_every_fingerprint(monkeypatch):
    fingerprints.of_metrics.cache_clear()
    monkeypatch.setattr(measures, "versions", lambda: {"metrics": "99"})
    of_encoder = fingerprints.of_encoder("pillow_444", "standard")
    of_model = fingerprints.of_model(ROUNDED)
    assert of_encoder["measuring code"] == of_model["measuring code"]
    assert of_model["measuring code"].startswith("metrics 99, pillow ")
    fingerprints.of_metrics.cache_clear()
