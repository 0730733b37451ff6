"""The command `compress`: image files in, JPEG files out, for every architecture."""

import contextlib
import json
import os
import signal
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import asdict, replace

from learned_jpeg.jobs.one_picture import Options, Report, compress_file
from learned_jpeg.jobs.targets import KINDS, Setting, Target
from learned_jpeg.models import checkpoints, shipped
from learned_jpeg.models.encoding import Coding
from learned_jpeg.pictures import reading
from learned_jpeg.runtime import machine, paths
from learned_jpeg.runtime.errors import Stopped, UserError
from learned_jpeg.runtime.paths import STDIO, shown

from PIL import ImageColor
from tqdm import tqdm

# Pixels that are worked on at the same time: no more than this, nor than what the memory holds.
PIXELS_AT_ONCE = 60_000_000
BYTES_A_PIXEL = 60  # without a target's


class PixelBudget:
    """Lets workers pass while their pictures together stay within a number of pixels.

    A picture above it passes alone.
    """

    def __init__(self, pixels):
        self._free = self._total = pixels
        self._changed = threading.Condition()

    @contextlib.contextmanager
    def hold(self, pixels):
        """Waits for room for a picture and keeps it within the context."""
        pixels = min(pixels, self._total)
        with self._changed:
            self._changed.wait_for(lambda: self._free >= pixels)
            self._free -= pixels
        try:
            yield
        finally:
            with self._changed:
                self._free += pixels
                self._changed.notify_all()


def make_settings(architecture, args, target):
    """The settings that the arguments allow, from the coarsest to the finest.

    architecture: the class of the script that runs, which holds to its own models.
    """
    if not architecture.trained:
        return [Setting(architecture(), args.dial)]
    folders = shipped.folders(args.model, architecture.architecture)
    dial = getattr(args, "dial", None)
    for folder in folders:
        name = checkpoints.read_config(folder)["architecture"]
        if name != architecture.architecture:
            raise UserError(f"{shown(folder)}: holds a model of {name}; use {name}.py")
    if target is None:
        folders = [folders[len(folders) // 2]]
    settings = [Setting(shipped.load(folder), dial) for folder in folders]
    if target is not None and settings[0].model.dial is None and len(settings) == 1:
        raise UserError(
            f"--target_{target.kind} needs a --model with several lambdas to choose from, "
            "RUN/lambda_*/train"
        )
    return settings


def compress_all(pairs, settings, options, jobs):
    """Yields (number, Report) of the (input, output)s, in the order in which they get done."""
    each = BYTES_A_PIXEL + (KINDS[options.target.kind].memory if options.target else 0)
    budget = PixelBudget(min(PIXELS_AT_ONCE, machine.memory() // each))
    outputs = set()
    pool = ThreadPoolExecutor(jobs)
    try:
        numbers = {}
        for number, (path, output) in enumerate(pairs):
            where = os.path.abspath(output)
            if where in outputs:
                error = f"{shown(path)}: {shown(output)} is another input's output already"
                yield number, Report(shown(path), shown(output), error)
                continue
            outputs.add(where)
            work = pool.submit(compress_file, path, output, settings, options, budget)
            numbers[work] = number
        for work in as_completed(numbers):
            yield numbers[work], work.result()
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


def compress(architecture, args):
    """Runs the command `compress` of an architecture's class; returns the exit status."""
    with reading.limit(args.max_megapixels), _stop_on_sigterm():
        options, jobs = make_options(args), machine.limit(args.jobs)
        pairs = paths.name_files(args.inputs, args.output_dir)
        settings = make_settings(architecture, args, options.target)
        # Where the file goes to the standard output, nothing else does.
        out = sys.stderr if pairs[0][1] == STDIO else sys.stdout
        start = time.perf_counter()
        reports = {}
        of_one, steps = len(pairs) == 1, None if options.target else args.refine
        # None: unless to a file
        hidden = True if args.quiet or (of_one and not args.refine) else None
        with tqdm(
            total=steps if of_one else len(pairs),
            unit="step" if of_one else "file",
            file=sys.stderr,
            disable=hidden,
            leave=not of_one,
        ) as bar:
            if of_one:
                options = replace(options, progress=bar.update)
            try:
                for number, report in compress_all(pairs, settings, options, jobs):
                    reports[number] = report
                    _print(report, None if args.quiet or args.json else out)
                    bar.update(not of_one)
            except KeyboardInterrupt as stop:
                options.door.shut()
                raise Stopped from stop
    reports = [reports[number] for number in sorted(reports)]
    total = _total(reports, time.perf_counter() - start)
    if args.json:
        files = [asdict(report) for report in reports]
        print(json.dumps({"files": files, "total": total}), file=out)
    elif not args.quiet and len(reports) > 1:
        print(
            f"{total['files']} of {len(reports)} files: {total['bytes_in']:,} -> "
            f"{total['bytes_out']:,} bytes, {total['bpp']:.3f} bpp, {total['seconds']:.1f} s"
        )
    return 1 if total["failed"] else 0


def make_options(args):
    """Options of the command's arguments."""
    if args.skip_larger and (args.strip or args.srgb):
        raise UserError("--skip_larger keeps files as they are; --strip and --srgb do not")
    target = None
    for kind in KINDS:
        if (value := getattr(args, f"target_{kind}")) is not None:
            target = Target(kind, value)
    return Options(
        coding=Coding(args.huffman, args.sampling, args.quantizer, args.tune, args.refine),
        background=_color(args.background),
        strip=args.strip,
        srgb=args.srgb,
        skip_larger=args.skip_larger,
        force=args.force,
        overwrite_input=args.overwrite_input,
        target=target,
    )


def _print(report, out):
    """out: a stream for what went well, or None."""
    for warning in report.warnings:
        tqdm.write(f"warning: {report.input}: {warning}", file=sys.stderr)
    if report.error is not None:
        tqdm.write(f"error: {report.error}", file=sys.stderr)
    elif out is not None:
        loss = "lossless" if report.psnr is None else f"{report.psnr:.2f} dB"
        if report.kept:
            loss = "kept as it is"
        elif report.from_jpeg:
            loss += " beside the input's own loss"
        tqdm.write(
            f"{report.input} -> {report.output}: {report.bytes_in:,} -> {report.bytes_out:,} "
            f"bytes, {report.bpp:.3f} bpp, {loss}, {report.seconds:.2f} s",
            file=out,
        )


def _total(reports, seconds):
    done = [report for report in reports if report.error is None]
    bytes_out = sum(report.bytes_out for report in done)
    pixels = sum(report.width * report.height for report in done)
    return {
        "files": len(done),
        "failed": len(reports) - len(done),
        "bytes_in": sum(report.bytes_in for report in done),
        "bytes_out": bytes_out,
        "bpp": 8 * bytes_out / pixels if pixels else 0.0,
        "seconds": seconds,
    }


def _color(text):
    if text is None:
        return None
    try:
        return ImageColor.getrgb(text)[:3]
    except ValueError as error:
        raise UserError(
            f"--background {text!r} is no colour; a name or #rrggbb is (white, #202020)"
        ) from error


@contextlib.contextmanager
def _stop_on_sigterm():
    """Ends on SIGTERM as on Ctrl-C: no other file is written."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
