"""The command line: names, defaults, help, and errors without tracebacks."""

import argparse
import functools
import re

import arg_parser
import evaluate
import google_baseline
import ljpeg
import ljpeg_attention
import ljpeg_PIL
import ljpeg_rdo
from learned_jpeg.cli import main

import pytest

DEFAULTS = {
    "batchsize": 8,
    "patchsize": 128,
    "lmbda": 0.005,
    "lr": 1e-3,
    "lr_decay": 1.0,
    "settle": 0.2,
    "preprocess_threads": 16,
    "lpips_weight": 0.0,
    "total_weight_regularizer": 0.3,
    "rate": "bits",
    "rounding": "mixed",
}
# The published code's.
PUBLISHED = {
    "batchsize": 8,
    "patchsize": 256,
    "lmbda": 0.01,
    "last_step": 1_000_000,
    "lr": 1e-4,
    "lr_decay": 1.0,
    "settle": 0.0,
    "lpips_weight": 0.0,
    "total_weight_regularizer": 0.0,
    "rate": "published",
    "rounding": "cubic",
}
SCRIPTS = {
    "ljpeg": ljpeg.LJPEG,
    "ljpeg_attention": ljpeg_attention.LJPEGAttention,
    "ljpeg_PIL": ljpeg_PIL.LJPEGPIL,
    "google_baseline": google_baseline.GoogleBaseline,
}


def parse(*arguments, name="ljpeg_attention"):
    return arg_parser.parse(SCRIPTS[name], "x", arguments)


def refusal(capsys, *arguments, name="ljpeg_attention"):
    """The text on stderr for a usage that is refused."""
    with pytest.raises(SystemExit) as exit_:
        parse(*arguments, name=name)
    assert exit_.value.code == 2
    return capsys.readouterr().err


def test_the_published_setting_is_one_option_whose_values_give_way_to_what_is_given():
    for options in (["--published"], ["--published", "--published"]):
        found = vars(parse("train", "--train_glob", "*.png", *options))
        assert {name: found[name] for name in PUBLISHED} == PUBLISHED
        assert found["backbone"] == "vgg16" and not found["train_backbone"]
        assert found["sampling"] == "444"
    for options in (["--lr", "1e-3", "--published"], ["--published", "--lr", "1e-3"]):
        found = vars(parse("train", "--train_glob", "*.png", *options))
        assert {name: found[name] for name in PUBLISHED} == PUBLISHED | {"lr": 1e-3}
    found = vars(parse("train", "--train_glob", "x", "--published", name="google_baseline"))
    assert (found["max_noise"], found["last_step"], found["lr"]) == (0.15, 1_000_000, 1e-4)
    assert (found["frozen_norm"], found["rounding"]) == (False, "cubic")


def test_the_checkpoint_folder_is_taken_on_either_side_of_the_command():
    for line in (["train", "--train_glob", "x"], ["compress", "a.png"]):
        before = parse("--checkpoint_dir", "a", *line)
        after = parse(*line, "--checkpoint_dir", "a")
        assert before.checkpoint_dir == after.checkpoint_dir == "a"
        assert parse(*line).checkpoint_dir is None


OWN = {
    "--lpips_weight": ("1", {"ljpeg", "ljpeg_attention"}),
    "--total_weight_regularizer": ("1", {"ljpeg", "ljpeg_attention"}),
    "--rate": ("bits", {"ljpeg", "ljpeg_attention"}),
    "--rounding": ("mixed", {"ljpeg", "ljpeg_attention", "google_baseline"}),
    "--backbone": ("vgg19", {"ljpeg_attention"}),
    "--backbone_weights": ("f", {"ljpeg_attention"}),
    "--feature_cache": ("f", {"ljpeg_attention"}),
    "--max_noise": ("0.1", {"google_baseline"}),
    "--sampling": ("420", {"ljpeg", "ljpeg_attention", "google_baseline"}),
}


@pytest.mark.parametrize("option", OWN)
def test_an_option_belongs_to_the_architectures_that_read_it(option, capsys):
    value, readers = OWN[option]
    for name in set(SCRIPTS) - {"ljpeg_PIL"}:
        arguments = ["train", "--train_glob", "x", option, value]
        if name in readers:
            found = vars(parse(*arguments, name=name))[option.strip("-")]
            assert str(found).removesuffix(".0") == value
        else:
            assert option in refusal(capsys, *arguments, name=name)


def test_the_anchor_has_nothing_to_train(capsys):
    assert "train" in refusal(capsys, "train", "--train_glob", "x", name="ljpeg_PIL")
    assert "models" in refusal(capsys, "models", name="ljpeg_PIL")
    for option in ("--checkpoint_dir", "--run_dir", "--model"):
        assert option in refusal(capsys, "compress", "a.png", option, "x", name="ljpeg_PIL")


def test_the_dial_is_an_option_of_compress_by_its_name(capsys):
    assert parse("compress", "a.png", name="ljpeg_PIL").dial == 75
    assert parse("compress", "a.png", name="google_baseline").dial == 25
    assert parse("compress", "a.png", "--quality", "12.5", name="google_baseline").dial == 12.5
    assert not hasattr(parse("compress", "a.png", name="ljpeg"), "dial")
    assert "--quality" in refusal(capsys, "compress", "a.png", "--quality", "9", name="ljpeg")
    for value in ("0", "101", "fine"):
        words = refusal(capsys, "compress", "a.png", "--quality", value, name="ljpeg_PIL")
        assert "at least 1 and at most 100" in words and repr(value) in words


@pytest.mark.parametrize("name", SCRIPTS)
def test_what_decides_about_a_file_is_left_to_the_model(name):
    options = parse("compress", "a.png", name=name)
    assert options.huffman == "progressive"
    assert options.sampling is options.quantizer is options.tune is None
    options = parse("compress", "a.png", "--sampling", "420", "--huffman", "standard", name=name)
    assert (options.sampling, options.huffman) == ("420", "standard")


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("--patchsize", "0"),
        ("--batchsize", "-1"),
        ("--lambda", "-0.1"),
        ("--lambda", "nan"),
        ("--lr", "0"),
        ("--lr_decay", "2"),
        ("--last_step", "1.5"),
        ("--lpips_weight", "much"),
        ("--preprocess_threads", "0"),
        ("--seed", "-1"),
    ],
)
def test_a_bad_value_is_named_with_its_bounds(option, value, capsys):
    error = refusal(capsys, "train", "--train_glob", "x", f"{option}={value}")
    assert option in error and repr(value) in error
    assert "at least" in error or "above" in error


@pytest.mark.parametrize(
    "arguments, option",
    [
        (["--sampling", "422"], "--sampling"),
        (["--quantizer", "floor"], "--quantizer"),
        (["--tune", "butter"], "--tune"),
        (["--huffman", "arithmetic"], "--huffman"),
        (["--jobs", "0"], "--jobs"),
        (["--target_bpp", "1", "--target_psnr", "30"], "--target_psnr"),
        (["--target_bpp", "0"], "--target_bpp"),
        (["--target_ssimulacra2", "101"], "at most 100"),
        (["--target_butteraugli", "0"], "above 0"),
        (["--model", "a", "--run_dir", "b"], "--run_dir"),
        (["--max_megapixels", "0"], "--max_megapixels"),
    ],
)
def test_a_choice_that_does_not_exist_is_named(arguments, option, capsys):
    assert option in refusal(capsys, "compress", "a.png", *arguments)


@pytest.mark.parametrize(
    "bounds, good, bad",
    [
        ((int, 1), ["1", "17"], ["0", "1.0", "x", ""]),
        ((float, 0, 1), ["0", "1", "0.5"], ["-0.1", "1.1", "inf", "nan"]),
        ((float, 0), ["0", "-0", "1e9"], ["-1e-9", "-inf", "nan", "inf", "1e400", ""]),
        ((int, 0), ["0", "-0", "2147483647"], ["2147483648", "9" * 5000, "nan", "inf", ""]),
    ],
)
def test_a_number_is_within_its_bounds(bounds, good, bad):
    parse = arg_parser.number(*bounds)
    assert [parse(text) for text in good] == [bounds[0](text) for text in good]
    for text in bad:
        with pytest.raises(argparse.ArgumentTypeError, match=f"at least {bounds[1]}"):
            parse(text)
    with pytest.raises(argparse.ArgumentTypeError, match="above 0"):
        arg_parser.number(float, 0, low_included=False)("0")


def numbers_of_all_scripts(monkeypatch):
    """(script, option, argparse action, its parser) of options that take a number or numbers."""
    parsers = []

    class MadeError(Exception):
        pass

    def made(self, arguments):
        parsers.append(self)
        raise MadeError

    architectures = [*SCRIPTS.values(), ljpeg_rdo.LJPEGRDO]
    scripts = [functools.partial(arg_parser.parse, kind, "x") for kind in architectures]
    with monkeypatch.context() as patch:
        patch.setattr(argparse.ArgumentParser, "parse_args", made)
        for parse in (*scripts, evaluate.parse_args, main.main):
            with pytest.raises(MadeError):
                parse([])
    for name, parser in enumerate(parsers):
        commands = [parser]
        for action in parser._actions:
            if isinstance(action, argparse._SubParsersAction):
                commands += action.choices.values()
        for one in commands:
            for action in one._actions:
                if action.type is not None:
                    yield name, action.option_strings[-1], action, one


@pytest.mark.parametrize(
    "text", ["nan", "inf", "-inf", "-0", "1e400", "-1e400", "", " ", "9" * 400]
)
def test_no_option_takes_a_number_that_is_none(text, monkeypatch):
    found = list(numbers_of_all_scripts(monkeypatch))
    assert len({name for name, *_ in found}) == 7 and len(found) > 100
    for name, option, action, parser in found:
        try:
            value = parser._get_value(action, text)
        except argparse.ArgumentError as error:
            assert option in str(error) and repr(text)[:9] in str(error)
        else:
            assert text == "-0" and str(value) in ("0", "0.0"), (name, option, value)


def test_help_explains_every_option_with_its_default(capsys):
    with pytest.raises(SystemExit) as exit_:
        parse("train", "--help")
    assert exit_.value.code == 0
    text = " ".join(capsys.readouterr().out.split())
    for name, default in DEFAULTS.items():
        option = f"--{'lambda' if name == 'lmbda' else name}"
        explained = re.search(rf"{option} [^ ]+ (?P<text>(?!\[).*?\(default: (.*?)\))", text)
        assert explained and explained[2] == str(default), option
