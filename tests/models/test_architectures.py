"""The list of architectures: each has the attributes that the commands need."""

import argparse
import inspect
from pathlib import Path

import arg_parser
from jpeg_pipeline import DifferentiableJPEG, RateSetting
from learned_jpeg.models import architectures, encoding
from learned_jpeg.runtime.errors import UserError

import pytest

PROJECT = Path(architectures.__file__).parents[2]


@pytest.fixture(params=architectures.names())
def architecture(request):
    return architectures.script(request.param)


def test_every_script_with_an_architecture_is_listed():
    scripts = {
        path.stem for path in PROJECT.glob("*.py") if "\nARCHITECTURE = " in path.read_text()
    }
    assert set(architectures.names()) == scripts
    assert len(set(architectures.names())) == len(architectures.names())


@pytest.mark.parametrize("name", architectures.names())
def test_the_name_is_that_of_script_and_class(name):
    architecture = architectures.script(name)
    assert issubclass(architecture, DifferentiableJPEG)
    assert architecture.architecture == architecture.__module__ == name


def test_the_error_of_an_unknown_name_lists_the_known_names():
    with pytest.raises(UserError, match="'jpegli'; there are .*ljpeg_attention"):
        architectures.load("jpegli")


def test_all_architectures_but_the_anchor_can_be_trained():
    assert set(architectures.trained()) == set(architectures.names()) - {"ljpeg_PIL"}


def arguments_of(architecture):
    """{name: default} of the arguments of its __init__ and those of its base classes."""
    found = {}
    for kind in architecture.__mro__[:-1]:
        for name, parameter in inspect.signature(kind.__init__).parameters.items():
            if name != "self" and parameter.kind is not parameter.VAR_KEYWORD:
                found.setdefault(name, parameter.default)
    return found


def test_every_option_of_the_model_is_an_argument_and_comes_from_train(architecture):
    parser = argparse.ArgumentParser()
    if architecture.trained:
        arg_parser.add_train_options(parser, architecture)
        architecture.add_options(parser)
        line = ["--train_glob", "x"]
        assert set(architecture.model_options) <= set(vars(parser.parse_args(line)))
        if "--published" in parser.format_help():
            # A model that is built without options, as from an old training, is the published
            # model; the preset's values are defaults at the second parse.
            parser.parse_args([*line, "--published"])
            options = vars(parser.parse_args(line))
            for name in architecture.model_options:
                assert arguments_of(architecture)[name] == options[name], name
    assert set(architecture.model_options) <= set(arguments_of(architecture))
    # Arguments that are not stored with a checkpoint do not shape the model.
    assert set(arguments_of(architecture)) - set(architecture.model_options) <= (
        {"seed", "lmbda", "weights"} | {"lpips_weight", "rounding"}
    )


def test_the_values_of_the_rate_setting_are_within_its_bounds(architecture):
    rate_setting = architecture.rate_setting
    if rate_setting is not None:
        assert isinstance(rate_setting, RateSetting) and rate_setting.name in ("quality", "lambda")
        assert rate_setting.low <= rate_setting.default <= rate_setting.high
        assert rate_setting.values and list(rate_setting.values) == sorted(set(rate_setting.values))
        assert all(rate_setting.low <= value <= rate_setting.high for value in rate_setting.values)


def test_tiles_fit_the_grids_of_both_samplings(architecture):
    assert architecture.tile % 16 == 0
    assert architecture.tile > 2 * architecture.receptive_field
    assert architecture.quantizer in encoding.QUANTIZERS
    assert architecture.tune in encoding.TUNES
