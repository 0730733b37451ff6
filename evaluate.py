#!/usr/bin/env python3
"""Rate-distortion curves of trained runs and of other encoders, measured on real JPEG files.

Each BATCH_DIR/RUN/lambda_VALUE/train is a point on the curve of its run. A model with a setting for
its rate, such as a quality, gives a point for each value. The JPEG files and their figures go to
_output (trained models) and _output_PIL (other encoders); plots, tables and a page for a browser go
beside these folders. Figures are stored, so an interrupted evaluation continues where it stopped.
"""

import contextlib
import functools
import json
import sys
from pathlib import Path

from learned_jpeg.cli import command, evaluate_options
from learned_jpeg.evaluation import curves, fingerprints, measuring, series
from learned_jpeg.evaluation.report import SHEET_IMAGES, SetReport
from learned_jpeg.evaluation.tables import PROTOCOLS, count
from learned_jpeg.jobs import workers
from learned_jpeg.pictures import reading
from learned_jpeg.runtime import locks, packages
from learned_jpeg.runtime.errors import UserError
from learned_jpeg.runtime.paths import shown

import numpy as np


def parse_args(argv=None):
    """The options of the command."""
    return evaluate_options.parse(__doc__, argv)


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
    """Measures and shows all test sets; returns their SetReports."""
    reports = []
    say = functools.cache(measuring.say)  # each line once for all sets
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
                "shell does not split it into images"
            )
        sets[name] = images
    return sets


def _report(args, set_name, images, pool, say):
    """Measures one test set; returns its SetReport."""
    found = curves.find_curves(args, set_name, say)
    points = {point: f"{curve.name}/{point.name}" for curve in found for point in curve.points}
    measured, images = measuring.measure_all(points, images, args.metrics, pool)
    # Without --rates, only the images of the sheet have files of equal bytes.
    names = series.chosen([image.name for image in images], SHEET_IMAGES)
    indices = [i for i, image in enumerate(images) if args.rates or image.name in names]
    sized = {point: f"{curve.name}/{point.name}" for curve in found for point in curve.at_size}
    compared = [images[index] for index in indices]
    known = {point: s for curve in found for point, s in _known_sizes(curve, measured, indices)}
    searched, _ = measuring.measure_all(sized, compared, args.metrics, pool, known)

    def drawn_point(point, result):
        return series.Point(shown(point.name), result.figures, point.folder)

    drawn = [
        series.Series(
            shown(curve.label),
            curve.kind,
            [
                drawn_point(point, measured[point])
                for point in curve.points
                if not measured[point].failed
            ],
            {
                point.fingerprint["dial"]: drawn_point(
                    point, searched[point].spread(len(images), indices)
                )
                for point in curve.at_size
                if not searched[point].failed
            },
        )
        for curve in found
    ]
    choices = [f"{name} {choice}" for name, choice in fingerprints.choices(args.coding).items()]
    subject = [shown(set_name), count(len(images), "image"), PROTOCOLS[args.huffman], *choices]
    return SetReport(
        Path(args.output_dir),
        f"{set_name}_{curves.protocol(args.coding)}",
        ", ".join(subject),
        [curve for curve in drawn if curve.points],
        images,
        indices,
        args.metrics,
        tuple(shown(curve.label) for curve in found if curve.name in (args.focus or ())),
    )


def _known_sizes(curve, measured, indices):
    """Yields (point of a searched size, bytes [images, coders]) where all coders are measured."""
    sizes = {
        point.coders[0]: measured[point].figures["n_bytes"][indices]
        for point in curve.points
        if not measured[point].failed
    }
    for point in curve.at_size:
        if len(point.coders) > 1 and set(point.coders) <= set(sizes):
            known = np.stack([sizes[coder] for coder in point.coders], axis=1)
            yield point, np.maximum.accumulate(known, axis=1)


if __name__ == "__main__":
    command.run(main)
