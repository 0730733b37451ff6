#!/usr/bin/env python3
"""Rate-distortion curves of trained runs and of other encoders, measured on real JPEG files.

Each BATCH_DIR/RUN/lambda_VALUE/train is a point on the curve of its run. A model with a setting for
its rate, such as a quality, gives a point for each value. The JPEG files and their figures go to
_output (trained models) and _output_PIL (other encoders); plots, tables and a page for a browser go
beside these folders. Figures are stored, so an interrupted evaluation continues where it stopped.
"""

import argparse
import contextlib
import functools
import json
import re
import sys
from pathlib import Path

from learned_jpeg.cli import command, options
from learned_jpeg.evaluation import curves, fingerprints, measuring, series
from learned_jpeg.evaluation.report import SHEET_IMAGES, Report
from learned_jpeg.evaluation.tables import PROTOCOLS, count
from learned_jpeg.jobs import workers
from learned_jpeg.jpeg.jpeg_file import HUFFMAN
from learned_jpeg.models import architectures
from learned_jpeg.models.encoding import QUANTIZERS, SAMPLINGS, Coding
from learned_jpeg.pictures import reading
from learned_jpeg.rivals.encoders import ENCODERS
from learned_jpeg.runtime import locks, machine, packages
from learned_jpeg.runtime.errors import UserError
from learned_jpeg.runtime.paths import shown
from learned_jpeg.search.tuning import TUNES

import numpy as np

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
# --quick: pictures that come with the project, a few points of each curve, a few of the curves.
_QUICK = {
    "output_dir": "quick_look",
    "test_image_glob": [str(_PACKAGE / "quick_look" / "*.png")],
    "huffman": "progressive",
    "runs": ["attention_bits", "rdo_visual"],
    "encoders": ["mozjpeg_420"],
    "qualities": [5, 10, 20, 35, 60],
}


def parse_args(argv=None):
    """The options of the command."""
    texts = {"description": __doc__, "usage": _USAGE, "epilog": _EXAMPLES}
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
        help="a first look in about a minute: two of the shipped runs, Pillow and, if it is "
        "installed, mozjpeg on three pictures that come with the project; further options change "
        "this choice",
    )
    said = "folder of the runs, RUN/lambda_VALUE/train or RUN/train (default: the shipped runs)"
    group.add_argument("--batch_dir", metavar="DIR", help=said)
    group.add_argument(
        "--test_image_glob",
        nargs="+",
        metavar="GLOB",
        help='images to measure on, quoted: "KODAK/*.png"; ** searches subfolders. Each glob is a '
        "test set of its own, with the name of its folder",
    )
    group.add_argument(
        "--jpeg_type",
        nargs="*",
        choices=architectures.names(),
        default=list(architectures.trained()),
        help="measure only runs of these architectures; without a value only the other encoders",
    )
    group.add_argument("--runs", nargs="+", metavar="RUN", help="measure only these runs, by name")
    group.add_argument(
        "--google_dir",
        metavar="DIR",
        help="checkpoint folder of a model with a setting for its rate (google_baseline), to "
        "compare all runs with",
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
        type=options.numbers(1, 100),
        metavar="Q,Q,...",
        help="qualities of the encoders, and of models that have a quality (default: those of each "
        "encoder and model)",
    )
    group.add_argument(
        "--rates",
        type=options.numbers(0.01, 24),
        metavar="BPP,BPP,...",
        help="also compare files of equal bytes, searched for each image: at most these bits per "
        "pixel (default: only for the images of the page, at the size of Pillow's 4:4:4 file of "
        f"quality {curves.SHEET_QUALITY})",
    )
    group.add_argument(
        "--metrics",
        nargs="+",
        choices=[metric.name for metric in series.EVERY],
        default=[metric.name for metric in series.SHOWN if metric.name != "butteraugli"],
        metavar="NAME",
        help="metrics to measure; butteraugli and colorvideovdp only if they are named",
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
        help="measure each run once more with these values of --quantizer, --sampling, --tune and "
        "refineN, with commas between them: trellis,420",
    )


def _add_output(group):
    said = "folder of the results (default: --batch_dir, or results)"
    group.add_argument("--output_dir", metavar="DIR", help=said)
    group.add_argument(
        "--focus",
        nargs="+",
        metavar="RUN",
        help="runs that the plots show in colour (default: the best one)",
    )
    group.add_argument(
        "--workers",
        type=options.number(int, 1),
        default=machine.cores(),
        metavar="N",
        help="processes that measure",
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
    """An argparse type: the options of Coding that are chosen, as a tuple of pairs."""
    known = {"quantizer": QUANTIZERS, "sampling": SAMPLINGS, "tune": TUNES}
    found = {}
    for choice in text.split(","):
        if re.fullmatch(r"refine\d{1,4}", choice):
            found["refine"] = int(choice.removeprefix("refine"))
            continue
        names = [name for name, those in known.items() if choice in those]
        if not names or names[0] in found:
            every = " ".join(choice for those in known.values() for choice in those)
            raise argparse.ArgumentTypeError(f"{text!r} is not one or several of {every} refineN")
        found[names[0]] = choice
    return tuple(found.items())


def main(argv=None):
    """The command; returns the exit status. Raises UserError for a mistake of the user's."""
    args = parse_args(argv)
    if "colorvideovdp" in args.metrics and not packages.is_there("pycvvdp"):
        raise ModuleNotFoundError(name="pycvvdp")
    quiet = contextlib.redirect_stdout(sys.stderr) if args.json else contextlib.nullcontext()
    with quiet, reading.limit():
        found = [report.summary() for report in _run(args)]
    if args.json:
        print(json.dumps(found))
    return 0


def _run(args):
    """Measures and shows all test sets; returns their Reports."""
    reports = []
    say = functools.cache(measuring.say)  # once for all sets
    try:
        sets = _find_sets(args.test_image_glob)
        with (
            locks.alone(args.output_dir, "choose another --output_dir"),
            workers.Pool(args.workers, args.dask) as pool,
        ):
            for set_name, images in sets.items():
                reports.append(_report(args, set_name, images, pool, say))
                print("\n".join([""] * (len(reports) > 1) + reports[-1].write()))
    except OSError as error:
        raise UserError(
            f"{error.filename or args.output_dir}: {error.strerror or error}"
        ) from error
    return reports


def _find_sets(globs):
    """{name of a test set: [TestImage]}."""
    sets = {}
    for pattern in globs:
        images, name = curves.find_images(pattern)
        if name in sets:
            raise UserError(
                f"--test_image_glob: two sets have the name {name}; quote a glob, so that the "
                "shell does not make one of each image"
            )
        sets[name] = images
    return sets


def _report(args, set_name, images, pool, say):
    """Measures one test set; returns its Report."""
    found = curves.find_curves(args, set_name, say)
    dots = {dot: f"{curve.name}/{dot.name}" for curve in found for dot in curve.dots}
    measured, images = measuring.measure_all(dots, images, args.metrics, pool)
    # Sizes that nobody asked for are those of the sheet alone.
    names = series.chosen([image.name for image in images], SHEET_IMAGES)
    indices = [i for i, image in enumerate(images) if args.rates or image.name in names]
    sized = {dot: f"{curve.name}/{dot.name}" for curve in found for dot in curve.sized}
    compared = [images[index] for index in indices]
    known = {dot: s for curve in found for dot, s in _known_sizes(curve, measured, indices)}
    searched, _ = measuring.measure_all(sized, compared, args.metrics, pool, known)

    def point(dot, result):
        return series.Point(shown(dot.name), result.figures, dot.folder)

    drawn = [
        series.Series(
            shown(curve.label),
            curve.kind,
            [point(dot, measured[dot]) for dot in curve.dots if not measured[dot].failed],
            {
                dot.fingerprint["dial"]: point(dot, searched[dot].spread(len(images), indices))
                for dot in curve.sized
                if not searched[dot].failed
            },
        )
        for curve in found
    ]
    choices = [f"{name} {choice}" for name, choice in fingerprints.choices(args.coding).items()]
    subject = [shown(set_name), count(len(images), "image"), PROTOCOLS[args.huffman], *choices]
    return Report(
        Path(args.output_dir),
        f"{set_name}_{curves.protocol(args.coding)}",
        ", ".join(subject),
        [one for one in drawn if one.points],
        images,
        indices,
        args.metrics,
        tuple(shown(curve.label) for curve in found if curve.name in (args.focus or ())),
    )


def _known_sizes(curve, measured, indices):
    """Yields (Dot of a searched size, bytes [images, coders]) where all coders are measured."""
    sizes = {
        dot.coders[0]: measured[dot].figures["n_bytes"][indices]
        for dot in curve.dots
        if not measured[dot].failed
    }
    for dot in curve.sized:
        if len(dot.coders) > 1 and set(dot.coders) <= set(sizes):
            known = np.stack([sizes[coder] for coder in dot.coders], axis=1)
            yield dot, np.maximum.accumulate(known, axis=1)


if __name__ == "__main__":
    command.run(main)
