"""The options that the commands share, and what options are made with."""

import argparse
import math
import sys

from learned_jpeg.models.encoding import QUANTIZERS, SAMPLINGS, TUNES
from learned_jpeg.runtime.lazy import lazy_import

shtab = lazy_import("shtab")


def number(kind, low, high=None, low_included=True):
    """An argparse type: a `kind` (int or float) within the bounds, or an error that states them.

    high: None for any finite number, and any whole one of 32 bits.
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


def numbers(low, high):
    """An argparse type: numbers with commas between them, sorted."""
    one = number(float, low, high)

    def parse(text):
        values = sorted({one(part) for part in text.split(",")})
        return [int(value) if value.is_integer() else value for value in values]

    return parse


class Formatter(argparse.ArgumentDefaultsHelpFormatter, argparse.RawDescriptionHelpFormatter):
    """Defaults in the help, where there are some, and the description as it is."""

    def _get_help_string(self, action):
        # "(default: None)" and "(default: False)" tell nobody anything.
        if action.default is None or action.default is False:
            return action.help
        return super()._get_help_string(action)


class _Completion(argparse.Action):
    """Prints what a shell needs to complete the command's options, and ends it."""

    def __call__(self, parser, namespace, values, option_string=None):
        print(shtab.complete(parser, values))
        parser.exit()


def add_completion(parser):
    """Adds --print_completion."""
    parser.add_argument(
        "--print_completion",
        action=_Completion,
        choices=("bash", "zsh", "tcsh"),
        default=argparse.SUPPRESS,
        help="print what that shell needs to complete the options of the script, called by its "
        "name, and exit",
    )


def add_jobs(parser, what="cores that are made use of"):
    """Adds --jobs."""
    words = f"{what}; as many as this process may use"
    parser.add_argument("--jobs", type=number(int, 1), metavar="N", help=words)


def add_coding_options(parser):
    """Adds what else than the entropy coding decides how a file is written."""
    parser.add_argument(
        "--quantizer",
        choices=QUANTIZERS,
        help="what chooses the integers: rounding, or a search for the least error and bits "
        "together; by default what the model was trained for",
    )
    parser.add_argument(
        "--sampling",
        choices=SAMPLINGS,
        help="sampling of chroma; auto takes 4:4:4 where 4:2:0 would spoil the image; by "
        "default what the model was trained for",
    )
    parser.add_argument(
        "--tune",
        choices=TUNES,
        help="the error that the search minimizes: the squared one, or that of the eye; by "
        "default what the model was trained for",
    )
    parser.add_argument(
        "--refine",
        type=number(int, 0),
        default=0,
        metavar="N",
        help="search N times more, each time nearer to what the eye (LPIPS) or, with --tune psnr, "
        "PSNR sees of the file before; takes seconds per megapixel, and --quantizer trellis",
    )
