"""One picture compressed: a file in, a JPEG file out, and a report."""

import math
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from learned_jpeg.jobs.targets import Target, psnr, sampling
from learned_jpeg.metrics import measures
from learned_jpeg.models import encoding
from learned_jpeg.models.encoding import Coding
from learned_jpeg.pictures import metadata, reading
from learned_jpeg.runtime import paths
from learned_jpeg.runtime.errors import UserError
from learned_jpeg.runtime.files import write_whole
from learned_jpeg.runtime.paths import STDIO, shown


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
    psnr: float | None = None  # dB against the input; None if the file is lossless
    ssimulacra2: float | None = None  # where it was the target
    from_jpeg: bool = False  # so that its loss comes on top of the input's own
    kept: bool = False  # the input as it is, see Options.skip_larger
    seconds: float | None = None
    lmbda: float | None = None
    dial: float | None = None
    table_scale: float | None = None
    sampling: str | None = None  # of chroma; None for gray


class Door:
    """Lets files be written, each of them whole, until it is shut."""

    def __init__(self):
        self._lock, self._open = threading.Lock(), True

    def shut(self):
        """Waits for a file that is being written; there is none after it."""
        with self._lock:
            self._open = False

    def write(self, path, data):
        """Writes bytes as a file, or nothing."""
        with self._lock:
            if self._open:
                write_whole(path, data)


@dataclass(frozen=True)
class Options:
    """What holds for each of the files.

    srgb: convert the colours to sRGB. skip_larger: keep a JPEG file whose result is not smaller.
    progress: called after each step of refining.
    """

    coding: Coding
    background: tuple[int, int, int] | None = None
    strip: bool = False
    srgb: bool = False
    skip_larger: bool = False
    force: bool = False
    overwrite_input: bool = False
    target: Target | None = None
    progress: Callable | None = None
    door: Door = field(default_factory=Door)


def compress_file(path, output, settings, options, budget):
    """Compresses one file and writes it whole or not at all.

    settings: of which the first is taken, or the one that reaches options.target.
    Returns Report, in which an error is one of this file's own.
    """
    report = Report(shown(path), shown(output))
    start = time.perf_counter()
    try:
        paths.check(path, output, options.force, options.overwrite_input)
        data = sys.stdin.buffer.read() if path == STDIO else None
        with budget.hold(math.prod(reading.size(path, data))):
            _compress(path, data, output, settings, options, report)
    except BrokenPipeError:
        raise
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


def _compress(path, data, output, settings, options, report):
    source = reading.read_source(path, options.background, options.strip, options.srgb, data)
    pixels = source.pixels
    report.height, report.width = pixels.shape[:2]
    report.bytes_in, report.from_jpeg = source.bytes_in, source.jpeg is not None
    report.warnings = source.warnings

    def finished(setting, scale):
        coding = replace(options.coding, sampling=setting.sampling or options.coding.sampling)
        data = encoding.encode(setting.model, pixels, setting.dial, coding, scale, options.progress)
        return metadata.embed(data, source.metadata)

    if options.target is None:
        setting = settings[0]
        data = finished(setting, 1.0)
    else:
        try:
            found = options.target.encode(pixels, settings, finished)
        except UserError as error:
            raise UserError(f"{report.input}: {error}") from error
        if missed := options.target.missed(found.quantity):
            report.warnings.append(missed)
        data, setting, report.table_scale = found.data, found.setting, found.scale
        if options.target.kind == "ssimulacra2":
            report.ssimulacra2 = found.quantity
    report.dial, report.lmbda = setting.dial, setting.model.lmbda
    report.sampling = sampling(data)
    quality = psnr(pixels, data)  # and the proof that the file can be decoded
    report.psnr = quality if math.isfinite(quality) else None
    if source.jpeg is not None and len(data) >= len(source.jpeg):
        data = _not_smaller(data, source.jpeg, options, report)
    report.bytes_out = len(data)
    report.bpp = measures.bpp(len(data), report.height, report.width)
    _write(output, data, options.door)


def _not_smaller(data, jpeg, options, report):
    """What is written where a JPEG file's result is not smaller than it."""
    if options.skip_larger:
        report.kept, report.psnr = True, None
        return jpeg
    report.warnings.append(
        f"it is a JPEG file, and the result is not smaller ({len(jpeg):,} -> {len(data):,} "
        "bytes) and not better; --skip_larger keeps such files as they are"
    )
    return data


def _write(output, data, door):
    if output == STDIO:
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()
        return
    try:
        door.write(output, data)
    except OSError as error:
        raise UserError(f"{shown(output)}: cannot be written ({error.strerror})") from error
