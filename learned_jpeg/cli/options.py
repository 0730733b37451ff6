"""The options that several commands share, and functions that make options."""

import argparse
import math
import sys

from learned_jpeg.models.encoding import QUANTIZERS, SAMPLINGS, TUNES
from learned_jpeg.runtime.lazy import lazy_import

shtab = lazy_import("shtab")


def number(kind, low, high=None, low_included=True):
    """An argparse type: a `kind` (int or float) within the bounds, or an error that states them.

    high: None for any finite number, and for any whole number of 32 bits.
    """
    most = high if high is not None else {int: 2**31 - 1, float: sys.float_info.max}[kind]

    def parse(text):
        try:
            value = kind(text)
        except ValueError:
            value = math.nan
        if not (low <= value <= most) or (value == low and not low_included):
            bound = f"{'at least' if low_included else 'above'} {low:g}"
            if high is not None or value > low:
                bound += f" and at most {most:g}"
            name = "a whole number" if kind is int else "a number"
            raise argparse.ArgumentTypeError(f"{text!r} is not {name} {bound}")
        return value + 0  # of -0, 0

    return parse


def comma_separated(low, high):
    """An argparse type: numbers with commas between them, sorted."""
    one = number(float, low, high)

    def parse(text):
        values = sorted({one(part) for part in text.split(",")})
        return [int(value) if value.is_integer() else value for value in values]

    return parse


class Formatter(argparse.ArgumentDefaultsHelpFormatter, argparse.RawDescriptionHelpFormatter):
    """Shows defaults in the help, and the description with its own line breaks."""

    def _get_help_string(self, action):
        # "(default: None)", "(default: False)" and "(default: )" say nothing.
        if action.default is None or action.default is False or action.default == []:
            return action.help
        if isinstance(action.default, list):
            return f"{action.help} (default: {' '.join(action.default)})"
        return super()._get_help_string(action)


class _Completion(argparse.Action):
    """Prints the code with which a shell completes the command's options, and ends the program."""

    def __call__(self, parser, namespace, values, option_string=None):
        print(shtab.complete(parser, values))
        parser.exit()


def show_first(parser, names):
    """Moves arguments of a parser, named by their `dest`, to the start of its help."""
    group = parser.add_argument_group("common options")
    groups = parser._action_groups
    groups.insert(0, groups.pop())
    for name in names:
        for other in groups[1:]:
            found = [action for action in other._group_actions if action.dest == name]
            group._group_actions += found
            other._group_actions = [each for each in other._group_actions if each not in found]


def add_completion(parser):
    """Adds --print_completion."""
    parser.add_argument(
        "--print_completion",
        action=_Completion,
        choices=("bash", "zsh", "tcsh"),
        default=argparse.SUPPRESS,
        help="print the code that completes the options of this program in that shell, and exit",
    )


def add_jobs(parser, what="use at most this number of cores"):
    """Adds --jobs."""
    words = f"{what} (default: all that this process may use)"
    parser.add_argument("--jobs", type=number(int, 1), metavar="N", help=words)


def add_coding_options(parser):
    """Adds the options that decide about the coefficients of a file."""
    parser.add_argument(
        "--quantizer",
        choices=QUANTIZERS,
        help="quantization of the DCT coefficients: rounding, or a search for the least sum of "
        "error and bits (trellis) (default: as the model was trained)",
    )
    parser.add_argument(
        "--sampling",
        choices=SAMPLINGS,
        help="resolution of colour: full (444, right for coloured text and lines), half in both "
        "directions (420), or half unless that spoils the picture (auto) (default: as the model "
        "was trained)",
    )
    parser.add_argument(
        "--tune",
        choices=TUNES,
        help="error that the search minimizes: the squared error (psnr), or the visible error "
        "(visual) (default: as the model was trained)",
    )
    parser.add_argument(
        "--refine",
        type=number(int, 0),
        default=0,
        metavar="N",
        help="search N times more, each time for less LPIPS (a metric of visible difference) or, "
        "with --tune psnr, for more PSNR; this takes seconds a megapixel and needs TensorFlow; 3 "
        "is a good number",
    )
