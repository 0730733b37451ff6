"""The command `compress`: image files in, JPEG files out, for every architecture."""

import contextlib
import json
import math
import os
import signal
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import asdict, dataclass, field
from pathlib import Path

from learned_jpeg import api, metadata, metrics, paths, pictures
from learned_jpeg.errors import UserError
from learned_jpeg.files import write_whole
from learned_jpeg.paths import shown
from learned_jpeg.targets import Setting, Target, psnr

from PIL import ImageColor
from tqdm import tqdm

# More pixels than this are not worked on at the same time, so that memory stays bounded.
PIXELS_AT_ONCE = 60_000_000


@dataclass
class Report:
    """What became of one file; `error` is None if all went well."""

    input: str
    output: str
    error: str | None = None
    warnings: list[str] = field(default_factory=list)
    bytes_in: int | None = None
    bytes_out: int | None = None
    width: int | None = None
    height: int | None = None
    bpp: float | None = None
    psnr: float | None = None  # dB against the 8-bit input; None if the file is lossless
    seconds: float | None = None
    lmbda: float | None = None
    dial: float | None = None
    table_scale: float | None = None


@dataclass(frozen=True)
class Options:
    """What holds for each of the files. coding: the keywords of `api.Model.encode`."""

    coding: dict
    background: tuple[int, int, int] | None = None
    strip: bool = False
    force: bool = False
    overwrite_input: bool = False
    target: Target | None = None


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


def compress_file(path, output, settings, options, budget):
    """Compresses one file and writes it whole or not at all.

    settings: of which the first is taken, or the one that reaches options.target.
    Returns Report, in which an error is one of this file's own.
    """
    report = Report(shown(path), shown(output))
    start = time.perf_counter()
    try:
        paths.check(path, output, options.force, options.overwrite_input)
        with budget.hold(math.prod(pictures.size(path))):
            _compress(path, output, settings, options, report)
    except UserError as error:
        report.error = str(error)
    except (OSError, ValueError, MemoryError, *_tensorflow_errors()) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        report.error = f"{report.input}: {reason}"
    report.seconds = time.perf_counter() - start
    return report


def _tensorflow_errors():
    """Its own kind of exception, where a model has brought it along."""
    tensorflow = sys.modules.get("tensorflow")
    return (tensorflow.errors.OpError,) if tensorflow else ()


def _compress(path, output, settings, options, report):
    source = pictures.read_source(path, options.background, options.strip)
    pixels = source.pixels
    report.height, report.width = pixels.shape[:2]
    report.warnings = source.warnings

    def finished(setting, scale):
        data = setting.model.encode(pixels, dial=setting.dial, table_scale=scale, **options.coding)
        return metadata.embed(data, source.metadata)

    if options.target is None:
        setting, scale = settings[0], 1.0
        data = finished(setting, scale)
    else:
        data, setting, scale = options.target.encode(pixels, settings, finished)
        if missed := options.target.missed(pixels, data):
            report.warnings.append(missed)
        report.table_scale = scale
    report.dial, report.lmbda = setting.dial, setting.model.lmbda
    quality = psnr(pixels, data)  # and the proof that the file can be decoded
    report.psnr = quality if math.isfinite(quality) else None
    report.bytes_in, report.bytes_out = path.stat().st_size, len(data)
    report.bpp = metrics.bpp(len(data), report.height, report.width)
    write_whole(output, data)


def make_settings(architecture, args, target):
    """The settings that the arguments allow, from the coarsest to the finest.

    architecture: the class of the script that runs, which holds to its own models.
    """

    def load(folder):
        model = api.load(folder)
        if model.architecture != architecture.architecture:
            raise UserError(
                f"{folder}: holds a model of {model.architecture}; use {model.architecture}.py"
            )
        return model

    dial = getattr(args, "dial", None)
    run_dir = getattr(args, "run_dir", None)
    if run_dir is not None:
        if target is None:
            raise UserError("--run_dir needs a target: --target_bpp, --target_size, --target_psnr")
        folders = sorted(Path(run_dir).glob("lambda_*/train"))
        if not folders:
            raise UserError(f"--run_dir {run_dir}: no lambda_*/train in this folder")
        models = sorted(map(load, folders), key=lambda model: model.lmbda)
        return [Setting(model, dial) for model in models]
    if hasattr(args, "checkpoint_dir"):
        model = load(args.checkpoint_dir)
    else:
        model = api.Model(architecture())
    if target is not None and model.dial is None:
        raise UserError(f"--target_{target.kind} needs --run_dir RUN, to choose a lambda from")
    return [Setting(model, dial)]


def compress_all(pairs, settings, options, jobs):
    """Yields the Report of each (input, output), in the order in which they get done."""
    budget, outputs = PixelBudget(PIXELS_AT_ONCE), set()
    pool = ThreadPoolExecutor(jobs)
    try:
        futures = []
        for path, output in pairs:
            where = os.path.abspath(output)
            if where in outputs:
                error = f"{shown(path)}: {shown(output)} is another input's output already"
                yield Report(shown(path), shown(output), error)
                continue
            outputs.add(where)
            futures.append(pool.submit(compress_file, path, output, settings, options, budget))
        for future in as_completed(futures):
            yield future.result()
    finally:
        pool.shutdown(cancel_futures=True)


def compress(architecture, args):
    """Runs the command `compress` of an architecture's class; returns the exit status."""
    with pictures.limit(args.max_megapixels), _stop_on_sigterm():
        targets = [
            Target(kind, value)
            for kind in ("bpp", "size", "psnr")
            if (value := getattr(args, f"target_{kind}")) is not None
        ]
        options = Options(
            coding={
                name: getattr(args, name) for name in ("huffman", "sampling", "quantizer", "tune")
            },
            background=_color(args.background),
            strip=args.strip,
            force=args.force,
            overwrite_input=args.overwrite_input,
            target=targets[0] if targets else None,
        )
        pairs = paths.name_files(args.inputs, args.output_dir)
        settings = make_settings(architecture, args, options.target)
        start = time.perf_counter()
        reports = {}
        hidden = True if args.quiet or len(pairs) == 1 else None  # None: unless to a file
        with tqdm(total=len(pairs), unit="file", file=sys.stderr, disable=hidden) as bar:
            for report in compress_all(pairs, settings, options, args.jobs or os.cpu_count()):
                reports[report.input] = report
                _print(report, quiet=args.quiet or args.json)
                bar.update()
    reports = [reports[shown(path)] for path, _ in pairs]
    total = _total(reports, time.perf_counter() - start)
    if args.json:
        print(json.dumps({"files": [asdict(report) for report in reports], "total": total}))
    elif not args.quiet and len(reports) > 1:
        print(
            f"{total['files']} of {len(reports)} files: {total['bytes_in']:,} -> "
            f"{total['bytes_out']:,} bytes, {total['bpp']:.3f} bpp, {total['seconds']:.1f} s"
        )
    return 1 if total["failed"] else 0


def _print(report, quiet):
    for warning in report.warnings:
        tqdm.write(f"warning: {report.input}: {warning}", file=sys.stderr)
    if report.error is not None:
        tqdm.write(f"error: {report.error}", file=sys.stderr)
    elif not quiet:
        shown_psnr = "lossless" if report.psnr is None else f"{report.psnr:.2f} dB"
        tqdm.write(
            f"{report.input} -> {report.output}: {report.bytes_in:,} -> {report.bytes_out:,} "
            f"bytes, {report.bpp:.3f} bpp, {shown_psnr}, {report.seconds:.2f} s",
            file=sys.stdout,
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
    """Ends on SIGTERM as on Ctrl-C: the files at work are finished, no other is begun."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
