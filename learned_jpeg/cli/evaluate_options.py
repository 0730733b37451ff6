"""The options of evaluate.py."""

import argparse
import re
from pathlib import Path

from learned_jpeg.cli import options
from learned_jpeg.evaluation import curves, series
from learned_jpeg.jpeg.jpeg_file import HUFFMAN
from learned_jpeg.models import architectures
from learned_jpeg.models.encoding import QUANTIZERS, SAMPLINGS, Coding
from learned_jpeg.rivals.encoders import ENCODERS
from learned_jpeg.runtime import machine, packages
from learned_jpeg.search.tuning import TUNES

_PACKAGE = Path(curves.__file__).parent
_SHIPPED = str(packages.PROJECT / "example_experiments")
_EXAMPLES = """\
examples:
  python3 evaluate.py --quick
  python3 evaluate.py --test_image_glob "photos/*.png" --runs rdo_visual \\
      --qualities 30,60,90 --huffman progressive --encoders mozjpeg_420 jpegli_420
  python3 evaluate.py --batch_dir experiments --test_image_glob "photos/*.png"
"""
_USAGE = "%(prog)s --quick\n       %(prog)s --test_image_glob GLOB ... [options]"
# The options that people use first, by their `dest`.
_FIRST = (
    "quick test_image_glob batch_dir runs jpeg_type encoders qualities huffman output_dir workers"
).split()
# --quick: pictures of the project, a few curves, and a few points of each.
_QUICK = {
    "output_dir": "quick_look",
    "test_image_glob": [str(_PACKAGE / "quick_look" / "*.png")],
    "huffman": "progressive",
    "runs": ["attention_bits", "rdo_visual"],
    "encoders": ["mozjpeg_420"],
    "qualities": [5, 10, 20, 35, 60],
}


def parse(description, argv=None):
    """The arguments of evaluate.py. description: its docstring."""
    texts = {"description": description, "usage": _USAGE, "epilog": _EXAMPLES}
    parser = argparse.ArgumentParser(formatter_class=options.Formatter, **texts)
    _add_inputs(parser.add_argument_group("what to measure"))
    _add_coding(parser.add_argument_group("how files are written"))
    _add_output(parser.add_argument_group("results and work"))
    options.add_completion(parser)
    options.show_first(parser, _FIRST)
    args = parser.parse_args(argv)
    if args.quick:
        for name, value in _QUICK.items():
            if getattr(args, name) == parser.get_default(name):
                setattr(args, name, value)
    if not args.test_image_glob:
        parser.error("--test_image_glob is needed, or --quick")
    args.output_dir = args.output_dir or args.batch_dir or "results"
    args.batch_dir = args.batch_dir or _SHIPPED
    asked = ENCODERS if "all" in args.encoders else args.encoders
    args.encoders = list(dict.fromkeys([curves.ANCHOR, *asked]))
    args.coding = Coding(args.huffman, args.sampling, args.quantizer, args.tune, args.refine)
    args.also = [Coding(args.huffman, **dict(pairs)) for pairs in dict.fromkeys(args.also)]
    return args


def _add_inputs(group):
    group.add_argument(
        "--quick",
        action="store_true",
        help="measure in about a minute two of the shipped runs, Pillow and, if it is installed, "
        "mozjpeg on three pictures of the project; other options change this choice",
    )
    said = "folder of the runs, RUN/lambda_VALUE/train or RUN/train (default: the shipped runs)"
    group.add_argument("--batch_dir", metavar="DIR", help=said)
    group.add_argument(
        "--test_image_glob",
        nargs="+",
        metavar="GLOB",
        help='images to measure on, quoted: "KODAK/*.png"; ** searches subfolders. Each glob is a '
        "test set, which has the name of the glob's folder",
    )
    group.add_argument(
        "--jpeg_type",
        nargs="*",
        choices=architectures.names(),
        default=list(architectures.trained()),
        help="measure only runs of these architectures; without a value, measure only the other "
        "encoders",
    )
    group.add_argument("--runs", nargs="+", metavar="RUN", help="measure only these runs, by name")
    group.add_argument(
        "--google_dir",
        metavar="DIR",
        help="checkpoint folder of a model with a quality (google_baseline), to compare all runs "
        "with",
    )
    group.add_argument(
        "--encoders",
        nargs="+",
        choices=["all", *ENCODERS],
        default=[curves.ANCHOR],
        metavar="NAME",
        help=f"encoders to compare with: all, or some of {', '.join(ENCODERS)}; {curves.ANCHOR} is "
        "always measured",
    )
    group.add_argument(
        "--qualities",
        type=options.comma_separated(1, 100),
        metavar="Q,Q,...",
        help="qualities of the encoders, and of models that have a quality (default: those of each "
        "encoder and model)",
    )
    group.add_argument(
        "--rates",
        type=options.comma_separated(0.01, 24),
        metavar="BPP,BPP,...",
        help="also compare files of equal bytes, which take at most these bits per pixel of each "
        "image (default: only for the images of the page, at the size of Pillow's 4:4:4 file of "
        f"quality {curves.SHEET_QUALITY})",
    )
    group.add_argument(
        "--metrics",
        nargs="+",
        choices=[metric.name for metric in series.EVERY],
        default=[metric.name for metric in series.SHOWN],
        metavar="NAME",
        help="metrics to measure; colorvideovdp is measured only if it is named here",
    )


def _add_coding(group):
    group.add_argument(
        "--huffman",
        choices=HUFFMAN,
        default="standard",
        help="entropy coding of all files: the example tables of the standard, as in the published "
        "comparison, tables made for each image, or progressive files with such tables",
    )
    options.add_coding_options(group)
    group.add_argument(
        "--also",
        nargs="+",
        type=_choices,
        default=[],
        metavar="CHOICES",
        help="measure each run once more with other values of --quantizer, --sampling, --tune and "
        "--refine, separated by commas: trellis,420,refine3",
    )


def _add_output(group):
    said = "folder of the results (default: --batch_dir, or results)"
    group.add_argument("--output_dir", metavar="DIR", help=said)
    group.add_argument(
        "--focus",
        nargs="+",
        metavar="RUN",
        help="runs that the plots show in colour (default: the best run)",
    )
    group.add_argument(
        "--workers",
        type=options.number(int, 1),
        default=machine.cores(),
        metavar="N",
        help="number of processes that measure",
    )
    group.add_argument(
        "--dask",
        metavar="ADDRESS",
        help="measure on the Dask cluster of this scheduler (tcp://host:8786), whose workers see "
        "this project, the images and the checkpoints under the same paths",
    )
    said = "print the BD-rates as JSON, and all else on standard error"
    group.add_argument("--json", action="store_true", help=said)


def _choices(text):
    """An argparse type: options of Coding, as a tuple of (name, value)."""
    known = {"quantizer": QUANTIZERS, "sampling": SAMPLINGS, "tune": TUNES}
    found = {}
    for choice in text.split(","):
        if re.fullmatch(r"refine\d{1,4}", choice):
            found["refine"] = int(choice.removeprefix("refine"))
            continue
        names = [name for name, values in known.items() if choice in values]
        if not names or names[0] in found:
            every = " ".join(value for values in known.values() for value in values)
            raise argparse.ArgumentTypeError(f"{text!r} is not one or several of {every} refineN")
        found[names[0]] = choice
    return tuple(found.items())
