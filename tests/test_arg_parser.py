"""The command line: names, defaults, help, and errors without tracebacks."""

import re

import arg_parser

import pytest

PUBLISHED = {
    "checkpoint_dir": "train",
    "batchsize": 8,
    "patchsize": 256,
    "lmbda": 0.01,
    "last_step": 1_000_000,
    "lr": 1e-4,
    "lr_decay": 1.0,
    "preprocess_threads": 16,
    "lpips_weight": 0.0,
    "total_weight_regularizer": 0.0,
    "rate": "published",
    "rounding": "cubic",
}


def parse(*arguments, learned_tables=True, backbone=True):
    parser = arg_parser.make_parser("x", learned_tables=learned_tables, backbone=backbone)
    return parser.parse_args(arguments)


def test_defaults_are_the_published_ones():
    options = vars(parse("train", "--train_glob", "*.png"))
    assert {name: options[name] for name in PUBLISHED} == PUBLISHED
    assert options["backbone"] == "vgg16" and not options["train_backbone"]


def test_the_checkpoint_folder_is_taken_on_either_side_of_train():
    before = parse("--checkpoint_dir", "a", "train", "--train_glob", "x")
    after = parse("train", "--train_glob", "x", "--checkpoint_dir", "a")
    assert before.checkpoint_dir == after.checkpoint_dir == "a"


def test_the_loss_of_learned_tables_belongs_to_them_alone(capsys):
    options = {"--lpips_weight": "1", "--total_weight_regularizer": "1"}
    options |= {"--rate": "bits", "--rounding": "mixed"}
    for option, value in options.items():
        with pytest.raises(SystemExit):
            parse("train", "--train_glob", "x", option, value, learned_tables=False, backbone=False)
        assert option in capsys.readouterr().err


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
    with pytest.raises(SystemExit) as exit_:
        parse("train", "--train_glob", "x", f"{option}={value}")
    assert exit_.value.code == 2
    error = capsys.readouterr().err
    assert option in error and repr(value) in error
    assert "at least" in error or "above" in error


def test_help_explains_every_option_with_its_default(capsys):
    with pytest.raises(SystemExit) as exit_:
        parse("train", "--help")
    assert exit_.value.code == 0
    text = " ".join(capsys.readouterr().out.split())
    for name, default in PUBLISHED.items():
        option = f"--{'lambda' if name == 'lmbda' else name}"
        explained = re.search(rf"{option} [^ ]+ (?P<text>(?!\[).*?\(default: (.*?)\))", text)
        assert explained and explained[2] == str(default), option


def test_a_users_mistake_is_one_line_and_status_2(capsys):
    def main():
        raise arg_parser.UserError("photo.png: broken")

    with pytest.raises(SystemExit) as exit_:
        arg_parser.run(main)
    assert exit_.value.code == 2
    assert capsys.readouterr().err == "error: photo.png: broken\n"


def test_the_status_of_main_is_that_of_the_process():
    with pytest.raises(SystemExit) as exit_:
        arg_parser.run(lambda: 143)
    assert exit_.value.code == 143
