"""Compresses one picture: a file in, a JPEG file out, and a report."""

import contextlib
import math
import os
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

from learned_jpeg.jobs import masks, page, without_loss
from learned_jpeg.jobs.masks import Masks
from learned_jpeg.jobs.records import Entry, Records
from learned_jpeg.jobs.targets import Target, psnr, sampling
from learned_jpeg.metrics import measures
from learned_jpeg.models import encoding
from learned_jpeg.models.encoding import Coding
from learned_jpeg.pictures import metadata, reading
from learned_jpeg.runtime import paths, threads
from learned_jpeg.runtime.errors import RunError, UserError
from learned_jpeg.runtime.files import write_whole
from learned_jpeg.runtime.paths import STDIO, shown
from learned_jpeg.search import importance


@dataclass
class FileReport:
    """The outcome for one file, which --json prints; `error` is None if all went well."""

    input: str
    output: str
    error: str | None = None
    warnings: list[str] = field(default_factory=list)
    details: list[str] = field(default_factory=list)  # further lines, for --verbose
    skipped: bool = False  # the output exists and is kept
    bytes_in: int | None = None
    bytes_out: int | None = None
    width: int | None = None
    height: int | None = None
    bpp: float | None = None
    psnr: float | None = None  # dB against the input; None if the file is lossless
    ssimulacra2: float | None = None  # where it is the target
    butteraugli: float | None = None  # where it is the target
    from_jpeg: bool = False  # the input is a JPEG file, whose own loss `psnr` does not count
    kept: bool = False  # the output is the input's bytes, see Options.skip_larger
    lossless: bool = False  # the output has the input's coefficients and tables
    seconds: float | None = None
    lmbda: float | None = None  # of a model that was trained with one
    dial: float | None = None  # the value of the model's rate setting, where it has one
    quality: float | None = None  # the same, where that setting is a quality
    table_scale: float | None = None
    sampling: str | None = None  # of chroma; None for gray


@dataclass
class Finished:
    """A file's report, and its bytes where it shall be written.

    entry: its Entry in the options' records; views: the pictures of `page.views`; mask: the file
    of its mask; mask_data: the mask's bytes, where they are known already.
    """

    report: FileReport
    data: bytes | None = None
    entry: Entry | None = None
    views: tuple[bytes, bytes] | None = None
    mask: Path | None = None
    mask_data: bytes | None = None


class OutputWriter:
    """Writes the output files, each whole, and reports each, until it is closed.

    tell: called with each Finished, one at a time; records: those of the Options. Whenever the
    user stops a run, each written file is reported, and each file that is reported is written.
    """

    def __init__(self, tell=lambda finished: None):
        self._lock, self._open = threading.Lock(), True
        self._tell, self.records = tell, None

    def close(self):
        """Waits for a file that is being written; no further file is written."""
        with self._lock:
            self._open = False

    def write(self, output, finished):
        """Writes the bytes of a Finished, if it has any, and reports it."""
        with self._lock:
            if self._open:
                if finished.data is not None:
                    self._write(output, finished)
                self._tell(finished)

    def _write(self, output, finished):
        try:
            if output == STDIO:
                sys.stdout.buffer.write(finished.data)
                sys.stdout.buffer.flush()
            elif finished.entry is None:
                write_whole(output, finished.data)
            else:
                self.records.write(output, finished.data, finished.entry)
        except BrokenPipeError:
            raise
        except OSError as error:
            finished.report.error = f"{shown(output)}: cannot be written ({error.strerror})"


@dataclass(frozen=True)
class Options:
    """The options that hold for all files.

    srgb: convert the colours to sRGB. skip_larger: keep the coefficients of a JPEG file whose
    result is not smaller, even if a target asks for such a result. lossless: keep them in any case.
    skip_existing: skip a file whose output exists. records: of earlier runs, whose outputs are
    skipped while they are up to date. refining: function (name of a picture) -> function that is
    called with the part of the refining that is done. trying: called before each encoding. views:
    pixels a side of the views on a page, or None. masks: those of --importance, or None.
    elsewhere: function that makes the files in place of `make`, or None.
    """

    coding: Coding
    background: tuple[int, int, int] | None = None
    strip: bool = False
    srgb: bool = False
    skip_larger: bool = False
    lossless: bool = False
    force: bool = False
    overwrite_input: bool = False
    skip_existing: bool = False
    records: Records | None = None
    target: Target | None = None
    refining: Callable = lambda name: None
    views: int | None = None
    masks: Masks | None = None
    elsewhere: Callable | None = None
    trying: Callable = lambda: None
    writer: OutputWriter = field(default_factory=OutputWriter)


def compress_file(path, output, settings, options, budget):
    """Compresses one file and writes it whole or not at all.

    settings: the Settings; the first counts, or the one that reaches options.target.
    Returns a FileReport, which has an error that concerns this file alone.
    """
    finished = encode_file(path, output, settings, options, budget)
    options.writer.write(output, finished)
    return finished.report


def encode_file(path, output, settings, options, budget):
    """`compress_file` without the writing: Finished."""
    finished = Finished(report := FileReport(shown(path), shown(output)))
    with telling(report):
        if not _is_done(path, output, options, finished):
            data = sys.stdin.buffer.read() if path == STDIO else paths.read_pipe(path)
            if options.elsewhere:
                options.elsewhere(path, data, settings, options, finished)
            else:
                with budget.hold(math.prod(reading.size(path, data))):
                    make(path, data, settings, options, finished)
    return finished


@contextlib.contextmanager
def telling(report):
    """Puts an error that concerns one file into its report, and the seconds of the context."""
    start = time.perf_counter()
    try:
        yield
    except (BrokenPipeError, RunError):
        raise
    except UserError as error:
        report.error = str(error)
    except (OSError, ValueError, MemoryError, *tensorflow_errors()) as error:
        reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
        report.error = f"{report.input}: {shown(reason.splitlines()[0])}"
    report.seconds = time.perf_counter() - start


def _is_done(path, output, options, finished):
    """Whether a file can be skipped. Raises UserError where its output may not be written."""
    mine = False
    if options.masks:
        finished.mask = options.masks.of(path, output)
    if options.records is not None:
        finished.entry = options.records.entry(path, finished.mask)
        mine, current = options.records.state(path, output, finished.entry)
        finished.report.skipped = current
    elif options.skip_existing:
        finished.report.skipped = os.path.exists(output) and os.path.isfile(path)
        finished.report.skipped &= not paths.is_same(path, output)
    if not finished.report.skipped:
        paths.check(path, output, options.force or mine, options.overwrite_input)
    return finished.report.skipped


def tensorflow_errors():
    """TensorFlow's exceptions as a tuple, () where no model has imported it."""
    tensorflow = sys.modules.get("tensorflow")
    return (tensorflow.errors.OpError,) if tensorflow else ()


@threads.at_work()
def make(path, data, settings, options, finished):
    """Fills in a Finished. data: the file's bytes, where they are known already."""
    if options.lossless:
        finished.data = without_loss.transcoded(path, data, options, finished.report)
        return
    source = reading.read_source(path, options.background, options.strip, options.srgb, data)
    prices = None
    if mask := finished.mask:
        try:
            prices = importance.prices(
                masks.read(mask, source.pixels.shape[:2], finished.mask_data)
            )
        except UserError as error:
            raise UserError(f"{finished.report.input}: {error}") from error
    elif options.masks:
        source.warnings.append("has no mask of its name; all its parts count the same")
    finished.data = compress_source(source, settings, options, finished.report, prices)
    if options.views and not finished.report.lossless:
        finished.views = page.views(source.pixels, finished.data, source.metadata, options.views)


def compress_source(source, settings, options, report, prices=None):
    """The bytes of the JPEG file of a reading.Source; fills in the report without its seconds.

    settings, options: those of `compress_file`; prices: those of `encoding.encode`. Without a
    target, prices do not change the number of bytes.
    """
    pixels = source.pixels
    report.height, report.width = pixels.shape[:2]
    report.bytes_in, report.from_jpeg = source.bytes_in, source.jpeg is not None
    report.warnings, report.details = source.warnings, source.details

    def encoded(setting, scale, prices=prices):
        options.trying()
        coding = replace(options.coding, sampling=setting.sampling or options.coding.sampling)
        scale *= setting.scale
        told = options.refining(report.input)
        data = encoding.encode(
            setting.model, pixels, setting.rate_setting, coding, scale, told, prices
        )
        return metadata.embed(data, source.metadata)

    if options.target is None:
        setting, scale = settings[0], 1.0
        data = encoded(setting, scale, None)
        if prices is not None:
            data, scale = masks.as_many_bytes(len(data), setting, prices, encoded)
        scale *= setting.scale
        report.table_scale = scale if scale != 1 else None
    else:
        try:
            found = options.target.encode(pixels, settings, encoded)
        except UserError as error:
            raise UserError(f"{report.input}: {error}") from error
        if missed := options.target.missed(found.quantity):
            report.warnings.append(missed)
        data, setting, report.table_scale = found.data, found.setting, found.scale
        if options.target.kind in ("ssimulacra2", "butteraugli"):
            setattr(report, options.target.kind, found.quantity)
    report.dial, report.lmbda = setting.rate_setting, setting.model.lmbda
    rate_setting = setting.model.rate_setting
    report.quality = report.dial if rate_setting and rate_setting.name == "quality" else None
    report.sampling = sampling(data)
    decibels = psnr(pixels, data)  # which also proves that the file can be decoded
    report.psnr = decibels if math.isfinite(decibels) else None
    if source.jpeg is not None:
        data = without_loss.not_larger(data, source, options, report)
    report.bytes_out = len(data)
    report.bpp = measures.bpp(len(data), report.height, report.width)
    return data
