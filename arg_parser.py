"""The command line of an architecture's script.

This module has `train` and the options of all trainings; the other commands are the package's.
"""

import argparse
import functools

import learned_jpeg.cli  # noqa: F401, before numpy: one line for what is missing
from jpeg_pipeline import ROUNDINGS
from learned_jpeg.cli import command, options
from learned_jpeg.cli.options import number
from learned_jpeg.runtime.lazy import lazy_import

training = lazy_import("learned_jpeg.training.training")

_EXAMPLES = """\
examples:
  python3 {script} train --train_glob photos
  python3 {script} train --train_glob "photos/*.png" --checkpoint_dir mine --last_step 500
  python3 {script} compress photo.png --model mine
"""
# The options of `train` that people use first, by their `dest`.
_FIRST = (
    "train_glob checkpoint_dir lmbda lpips_weight last_step valid_glob init_checkpoint seed "
    "published evolve against"
).split()
# The defaults of `train` in the published code, for all its architectures.
PUBLISHED = {"last_step": 1_000_000, "lr": 1e-4, "settle": 0.0, "patchsize": 256, "lmbda": 0.01}


class Preset(argparse.Action):
    """A flag whose `const`, {dest: value}, holds for all options that are not given.

    It makes these values the defaults of its parser, so that the arguments must be parsed again.
    """

    def __init__(self, **kwargs):
        super().__init__(nargs=0, default=False, **kwargs)

    def __call__(self, parser, namespace, values, option_string=None):
        parser.set_defaults(**self.const)
        setattr(namespace, self.dest, True)


def add_train_options(parser, architecture):
    """Adds the options of `train` that all architectures read, and --lambda where it is read.

    An architecture's `add_options` sets other defaults where its training needs them.
    """
    options.add_jobs(parser)
    parser.add_argument(
        "--json",
        action="store_true",
        help="print the outcome as JSON, and all else on standard error",
    )
    data = parser.add_argument_group("images")
    data.add_argument(
        "--train_glob",
        nargs="+",
        required=True,
        metavar="GLOB",
        help='training photographs: quoted globs ("photos/*.png"; ** searches subfolders), '
        "folders, or @LIST, a text file with one of these in each line",
    )
    data.add_argument(
        "--valid_glob",
        nargs="+",
        metavar="GLOB",
        help="photographs for the validation loss, which is measured every 200 steps on a crop at "
        "the centre of each photograph (default: no validation)",
    )
    data.add_argument(
        "--downscale",
        type=number(float, 1),
        default=1.0,
        metavar="FACTOR",
        help="shrink the photographs by this factor first, which removes JPEG artifacts from them",
    )
    data.add_argument(
        "--batchsize", type=number(int, 1), default=8, metavar="N", help="number of crops in a step"
    )
    data.add_argument(
        "--patchsize",
        type=number(int, 8),
        default=256,
        metavar="PIXELS",
        help="side of the square crops in pixels; smaller photographs are left out",
    )
    said = "number of photographs decoded at the same time"
    threads = {"default": 16, "metavar": "N", "help": said}
    data.add_argument("--preprocess_threads", type=number(int, 1), **threads)

    if "lmbda" in architecture.model_options:
        parser.add_argument_group("loss").add_argument(
            "--lambda",
            type=number(float, 0, low_included=False),
            default=0.01,
            dest="lmbda",
            metavar="L",
            help="weight of the distortion (the squared error on the scale 0 to 255) against the "
            "rate: higher for better and larger files",
        )

    steps = parser.add_argument_group("optimization")
    steps.add_argument(
        "--last_step",
        type=number(int, 0),
        default=4000,
        metavar="STEP",
        help="train until this step, counted from the first start of the training; with 0 "
        "ljpeg_rdo learns only its tables and error weights, and no network",
    )
    steps.add_argument(
        "--lr",
        type=number(float, 0, low_included=False),
        default=1e-4,
        metavar="RATE",
        help="learning rate of Adam. An entry of a learned table changes by at most lr / 1e-5 and "
        "5%% of its value in a step",
    )
    steps.add_argument(
        "--lr_decay",
        type=number(float, 0, 1, low_included=False),
        default=1.0,
        metavar="FACTOR",
        help="factor on the learning rate after every 10,000 steps",
    )
    steps.add_argument(
        "--settle",
        type=number(float, 0, 1),
        default=0.2,
        metavar="PART",
        help="part of the steps, at the end, during which the learning rate falls to a hundredth",
    )
    steps.add_argument(
        "--seed",
        type=number(int, 0, 2**31 - 1),
        default=0,
        metavar="N",
        help="seed of all random numbers: the same seed gives the same run on one machine",
    )
    steps.add_argument(
        "--checkpoint_steps",
        type=number(int, 1),
        default=200,
        metavar="N",
        help="number of steps between checkpoints, and the most that a power cut can lose",
    )
    steps.add_argument(
        "--init_checkpoint",
        metavar="DIR",
        help="start from the weights in this checkpoint folder of the same architecture, for "
        "example of a neighbouring lambda; its step and optimizer state are not used",
    )


def add_rounding(parser):
    """Adds --rounding, for architectures whose loss has a gradient through the rounding."""
    parser.add_argument(
        "--rounding",
        choices=ROUNDINGS,
        default="mixed",
        help="gradient that stands for the rounding's: cubic, as published, or mixed, with slope 1 "
        "for coefficients that do not become 0, which LPIPS and google_baseline need",
    )


def _add_train(parser, subparsers, architecture):
    """Adds the command `train` of an architecture."""
    name = architecture.architecture
    where = "folder of the checkpoint, its config.json and the TensorBoard summaries"
    parser.add_argument("--checkpoint_dir", metavar="DIR", help=where)
    train = command.add(
        subparsers,
        "train",
        "trains a model, or continues a training (train --help lists the options)",
        "Trains a model on random crops of photographs, or continues where an earlier training in\n"
        "the same folder stopped. Ctrl-C saves the model before the training ends.",
        _EXAMPLES.format(script=f"{name}.py"),
    )
    # Without a default, so that the option counts before and after `train`.
    train.add_argument(
        "--checkpoint_dir",
        default=argparse.SUPPRESS,
        metavar="DIR",
        help=f"{where} (default: train)",
    )
    add_train_options(train, architecture)
    architecture.add_options(train.add_argument_group(f"options of {name}"))
    train.usage = "%(prog)s --train_glob GLOB [options]"
    options.show_first(train, _FIRST)


def parse(architecture, description, argv=None):
    """The arguments of a script, which hold `command`: "train", "compress" or "models".

    architecture: its class; description: its docstring.
    """
    add_train = functools.partial(_add_train, architecture=architecture)
    more = [add_train] if architecture.trained else []
    parser = command.make_parser(architecture, description, more=more)
    args = parser.parse_args(argv)
    if getattr(args, "published", False):  # its values are the defaults now
        args = parser.parse_args(argv)
    return args


def main(architecture, description, argv=None):
    """Runs the command of an architecture's script; returns the exit status."""
    args = parse(architecture, description, argv)
    if args.command == "train":
        args.checkpoint_dir = args.checkpoint_dir or "train"
        return training.train(architecture, args)
    return command.do(architecture, args)
