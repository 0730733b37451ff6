"""The options that all trainings share, and the preset of the published ones."""

import argparse

import arg_parser
from ljpeg import LJPEG
from ljpeg_rdo import LJPEGRDO


def test_a_preset_holds_for_what_is_not_given():
    parser = argparse.ArgumentParser()
    parser.add_argument("--a", type=int, default=1)
    parser.add_argument("--b", type=int, default=2)
    parser.add_argument("--old", action=arg_parser.Preset, const={"a": 10, "b": 20})
    assert vars(parser.parse_args([])) == {"a": 1, "b": 2, "old": False}
    assert parser.parse_args(["--old"]).old
    again = parser.parse_args(["--b", "3", "--old"])
    assert (again.a, again.b) == (10, 3)


def test_the_defaults_are_a_training_of_some_minutes():
    parser = argparse.ArgumentParser()
    arg_parser.add_train_options(parser, LJPEG)
    options = parser.parse_args(["--train_glob", "photos"])
    assert options.last_step < 10_000 and options.settle == 0.2
    assert set(arg_parser.PUBLISHED) <= set(vars(options))


def test_a_model_of_all_rates_has_no_lambda():
    parser = argparse.ArgumentParser()
    arg_parser.add_train_options(parser, LJPEGRDO)
    assert "--lambda" not in parser.format_help()
