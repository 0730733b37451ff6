"""The command `compress`: image files in, JPEG files out, for every architecture."""

import contextlib
import glob
import io
import json
import math
import os
import signal
import sys
import threading
import time
import warnings
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import metrics
import training
from arg_parser import UserError
from dot_cache import write_whole
from image_utils import to_rgb
from jpeg_file import MAX_SIDE, add_metadata

import numpy as np
import tensorflow as tf
from PIL import ExifTags, Image, ImageCms, ImageColor, ImageOps
from tqdm import tqdm

JPEG_SUFFIXES = (".jpg", ".jpeg", ".jpe", ".jfif")
WHITE = (255, 255, 255)

# Pillow hands an EPS to Ghostscript, a program in a file that may never end.
EXCLUDED_FORMATS = {"EPS"}
# The descriptive tags of a TIFF file; the others say how its own pixels are stored.
TIFF_TAGS = (
    ExifTags.Base.ImageDescription,
    ExifTags.Base.Make,
    ExifTags.Base.Model,
    ExifTags.Base.Software,
    ExifTags.Base.DateTime,
    ExifTags.Base.Artist,
    ExifTags.Base.Copyright,
)

# More pixels than this are not worked on at the same time, so that memory stays bounded.
PIXELS_AT_ONCE = 60_000_000
# Rows that PSNR takes at a time: its differences need eight times the memory of the pixels.
PSNR_ROWS = 512

TARGET_TOLERANCE = 0.02  # as promised, of the target
MAX_TRIES = 12
# How near the search for a target comes, as a part of it: half a percent of the bytes, and
# about 0.05 dB; and how the logarithm of each falls with that of the tables, as a first guess.
BYTES_TOLERANCE, BYTES_SLOPE = 0.005, -0.8
PSNR_TOLERANCE, PSNR_SLOPE = 0.0015, -0.15


@dataclass
class Source:
    """What a file holds: pixels uint8 [H, W, 3] or gray [H, W, 1], and `add_metadata`'s items."""

    pixels: np.ndarray
    metadata: dict[str, Any]
    warnings: list[str]


@dataclass(frozen=True)
class Setting:
    """A model at a quality (None where it has tables of its own), and its lambda, if any."""

    model: Any
    quality: float | None = None
    lmbda: float | None = None

    def encode(self, pixels, huffman, table_scale):
        """The bytes of a JPEG file of pixels uint8 [H, W, C]."""
        return self.model.compress(pixels, huffman, self.quality, table_scale)


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
    quality: float | None = None
    table_scale: float | None = None


# Reading a picture and what belongs to it


def read_source(path, background=None, strip=False):
    """Reads one still image of any kind that Pillow knows.

    background: RGB under transparent pixels; None is white, with a warning. strip: leave the
    metadata out; an EXIF orientation is then carried out on the pixels.

    Returns Source. Raises UserError, naming the file and the reason.
    """
    notes = []
    try:
        image = _load(path, notes)
        metadata = {} if strip else _metadata(image, notes)
        if strip or (image.info.get("exif") and "exif" not in metadata):
            # Nothing will tell a viewer to turn the picture.
            image = ImageOps.exif_transpose(image)
        pixels = _pixels(image, background, metadata, notes)
    except UserError:
        raise
    # Whatever a parser of forty formats stumbles over in a broken file.
    except Exception as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise UserError(f"{shown(path)}: cannot be read as an image ({reason})") from error
    return Source(pixels, metadata, notes)


def _open(path):
    Image.init()
    return Image.open(path, formats=[name for name in Image.ID if name not in EXCLUDED_FORMATS])


def _load(path, notes):
    with _open(path) as image:
        if max(image.size) > MAX_SIDE:
            raise UserError(
                f"{shown(path)}: {image.width}x{image.height} pixels; a JPEG file holds at most "
                f"{MAX_SIDE} a side"
            )
        if getattr(image, "is_animated", False):
            notes.append("holds several pictures; the first one is taken")
        # Where Pillow has no mode for them, it reduces deeper samples while it decodes.
        if image.mode[0] in "IF" or any(";16" in str(tile) for tile in image.tile):
            notes.append("more than 8 bits a sample; reduced to 8")
        image.load()
        return image


def _metadata(image, notes):
    """`add_metadata`'s items, and notes on what is left out. The image must be loaded."""
    metadata = {
        "exif": _exif(image, notes),
        "xmp": _xmp(image, notes),
        "icc": _icc(image, notes),
        "dpi": _dpi(image, notes),
    }
    texts = set(getattr(image, "text", {})) - {"XML:com.adobe.xmp"}
    texts = {name for name in texts if not name.startswith("Raw profile type")}
    texts |= {name for name in ("comment", "photoshop") if image.info.get(name)}
    if texts:
        notes.append(f"texts left out: {', '.join(sorted(texts))}")
    return {name: item for name, item in metadata.items() if item is not None}


def _exif(image, notes):
    try:
        exif = image.getexif()
        if image.format == "TIFF":
            exif = _descriptive(exif)
        raw = image.info.get("exif")
        if not raw:
            # A TIFF's entries are its own; an old PNG has them in a text.
            if (
                not len(exif)
                or image.format != "TIFF"
                and "Raw profile type exif" not in image.info
            ):
                return None
            raw = exif.tobytes()
        orientation = exif.get(ExifTags.Base.Orientation, 1)
        if not len(exif):
            raise ValueError("no entry")
        if orientation not in range(1, 9):
            notes.append(f"EXIF orientation {orientation!r} is none; set to 1")
            exif[ExifTags.Base.Orientation] = 1
            raw = exif.tobytes()
        raw = raw.removeprefix(b"Exif\0\0")
        add_metadata(_EMPTY_JFIF, exif=raw)
    except Exception as error:  # see read_source
        notes.append(f"EXIF left out: {str(error) or type(error).__name__}")
        return None
    return raw


def _descriptive(exif):
    kept = Image.Exif()
    for tag in TIFF_TAGS:
        if tag in exif:
            kept[tag] = exif[tag]
    for ifd in (ExifTags.IFD.Exif, ExifTags.IFD.GPSInfo):
        if entries := exif.get_ifd(ifd):
            kept.get_ifd(ifd).update(entries)
    return kept


def _xmp(image, notes):
    xmp = image.info.get("xmp") or image.info.get("XML:com.adobe.xmp")
    if not xmp:
        return None
    xmp = xmp.encode() if isinstance(xmp, str) else bytes(xmp)
    try:
        add_metadata(_EMPTY_JFIF, xmp=xmp)
    except ValueError as error:
        notes.append(f"XMP left out: {error}")
        return None
    return xmp


def _icc(image, notes):
    icc = image.info.get("icc_profile")
    if not icc:
        return None
    try:
        # ICC.1:2022, 7.2: the profile's own size, its colour space and its signature.
        if len(icc) < 128 or icc[36:40] != b"acsp" or int.from_bytes(icc[:4], "big") > len(icc):
            raise ValueError("broken")
        ImageCms.ImageCmsProfile(io.BytesIO(icc))
        add_metadata(_EMPTY_JFIF, icc=icc)
    except (ValueError, OSError, ImageCms.PyCMSError) as error:
        notes.append(f"ICC profile left out: {error}")
        return None
    return icc


def _dpi(image, notes):
    dpi = image.info.get("dpi")
    if dpi is None:
        return None
    try:
        dpi = tuple(float(value) for value in dpi)
        add_metadata(_EMPTY_JFIF, dpi=dpi)
    except (ValueError, TypeError, ArithmeticError) as error:
        notes.append(f"resolution left out: {error}")
        return None
    return dpi


# What `add_metadata` says about an item does not depend on the picture.
_EMPTY_JFIF = bytes.fromhex("ffd8ffe000104a46494600010100000100010000")


def _pixels(image, background, metadata, notes):
    """uint8 [H, W, 3 or 1]; drops a profile of other channels from the metadata."""
    gray = image.mode in ("1", "L", "LA", "La") or image.mode[0] in "IF"
    if image.mode in ("CMYK", "LAB"):
        image = _to_srgb(image, metadata, notes)
    if image.has_transparency_data and background is None:
        if image.mode not in ("RGBA", "LA") or image.getchannel("A").getextrema()[0] < 255:
            notes.append("transparent parts are laid on white (--background chooses)")
    pixels = to_rgb(image, background or WHITE)
    if gray and len(set(background or WHITE)) == 1:
        pixels = pixels[..., :1].copy()
    icc = metadata.get("icc")
    space = {1: b"GRAY", 3: b"RGB "}[pixels.shape[-1]]
    if icc is not None and icc[16:20] != space:
        notes.append(f"ICC profile left out: it is for {icc[16:20].decode('latin-1').strip()!r}")
        del metadata["icc"]
    return pixels


def _to_srgb(image, metadata, notes):
    """CMYK or L*a*b* to sRGB by the file's own profile where it has a usable one."""
    icc = metadata.pop("icc", None) or _icc(image, [])
    notes.append(f"{image.mode} converted to sRGB")
    srgb = ImageCms.createProfile("sRGB")
    try:
        if image.mode == "LAB":
            profile = ImageCms.createProfile("LAB")
        elif icc is not None and icc[16:20] == b"CMYK":
            profile = ImageCms.ImageCmsProfile(io.BytesIO(icc))
        else:
            return image.convert("RGB")
        return ImageCms.profileToProfile(image, profile, srgb, outputMode="RGB")
    except ImageCms.PyCMSError as error:
        notes.append(f"ICC profile not applied: {error}")
        return image.convert("RGB")


# Encoding one picture, to a target if there is one


def psnr(pixels, data):
    """PSNR in dB of a JPEG file against pixels uint8 [H, W, 3 or 1]; inf if they are equal."""
    with Image.open(io.BytesIO(data)) as image:
        decoded = np.asarray(image)
    shape = (*pixels.shape[:2], 3)
    decoded = np.broadcast_to(decoded.reshape(pixels.shape), shape)
    pixels = np.broadcast_to(pixels, shape)
    starts = range(0, len(pixels), PSNR_ROWS)
    parts = [slice(start, start + PSNR_ROWS) for start in starts]
    errors = [metrics.mse(pixels[part], decoded[part]) for part in parts]
    mse = np.average(errors, weights=[len(pixels[part]) for part in parts])
    return float(10 * np.log10(255**2 / mse)) if mse > 0 else math.inf


def reach(attempt, count, target, tolerance, slope):
    """Searches the setting, and the scale of its tables, that gives a quantity.

    attempt: function (index of a setting, scale) -> (quantity, result); the quantity, above 0,
    grows with the index (0 to count - 1) and falls with the scale. tolerance: a part of the
    target at which the search ends. slope: of log quantity against log scale, a first guess.

    Returns the result that came nearest. Below the first setting's quantity or above the last
    one's that is theirs.
    """
    best = None

    def miss(index, scale=1.0):
        nonlocal best
        quantity, result = attempt(index, scale)
        value = min(math.log(quantity / target), 9.0)  # the PSNR of a lossless file is infinite
        if best is None or abs(value) < abs(best[0]):
            best = value, result
        return value

    low, high = 0, count - 1
    low_miss = miss(low)
    high_miss = miss(high) if count > 1 and low_miss < 0 else low_miss
    if low_miss >= 0 or high_miss <= 0:
        return best[1]
    while high - low > 1:
        middle = (low + high) // 2
        middle_miss = miss(middle)
        if middle_miss < 0:
            low, low_miss = middle, middle_miss
        else:
            high, high_miss = middle, middle_miss

    # The tables of the nearer one are scaled: false position on the logarithm of the scale,
    # and bisection where it keeps one end for long.
    index, missed = min((low, low_miss), (high, high_miss), key=lambda pair: abs(pair[1]))
    place, ends, sides = 0.0, {}, []
    for _ in range(MAX_TRIES):
        if abs(best[0]) <= tolerance:
            break
        ends[missed > 0] = place, missed
        sides.append(missed > 0)
        if len(ends) == 1:
            place -= 1.2 * missed / slope
        elif sides[-2:] in ([True, True], [False, False]):
            place = (ends[True][0] + ends[False][0]) / 2
        else:
            (x0, y0), (x1, y1) = ends.values()
            place = (x0 * y1 - x1 * y0) / (y1 - y0)
        missed = miss(index, math.exp(place))
    return best[1]


@dataclass(frozen=True)
class Target:
    """What a file is to reach: a kind of `--target_KIND`, and its value in the kind's unit."""

    kind: str  # "bpp", "size" in bytes, "psnr" in dB
    value: float

    def measure(self, pixels, data):
        """The same quantity of a JPEG file of these pixels."""
        if self.kind == "psnr":
            return psnr(pixels, data)
        return len(data) if self.kind == "size" else metrics.bpp(len(data), *pixels.shape[:2])

    def encode(self, pixels, settings, finished):
        """Searches among settings, from the coarsest to the finest.

        finished: function (setting, scale of its tables) -> the bytes of a file.
        Returns (bytes, setting, scale).
        """
        if self.kind == "psnr":
            tolerance, slope = PSNR_TOLERANCE, PSNR_SLOPE
            aim = self.value * (1 + tolerance)  # at least the target
        else:
            tolerance, slope = BYTES_TOLERANCE, BYTES_SLOPE
            aim = self.value * (1 - tolerance)  # at most the target

        def attempt(index, scale):
            data = finished(settings[index], scale)
            return self.measure(pixels, data), (data, settings[index], scale)

        return reach(attempt, len(settings), aim, tolerance, slope)


@dataclass(frozen=True)
class Options:
    """What holds for each of the files."""

    huffman: str
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
        _check_paths(path, output, options)
        with budget.hold(_pixel_count(path)):
            _compress(path, output, settings, options, report)
    except UserError as error:
        report.error = str(error)
    except (OSError, ValueError, MemoryError, tf.errors.OpError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        report.error = f"{report.input}: {reason}"
    report.seconds = time.perf_counter() - start
    return report


def _check_paths(path, output, options):
    if not path.is_file():  # nor a pipe, which Pillow would wait for
        raise UserError(f"{shown(path)}: no such file")
    same = output.exists() and output.samefile(path)
    if same and not options.overwrite_input:
        raise UserError(
            f"{shown(path)}: the output would replace it; name another, or say --overwrite_input"
        )
    if output.exists() and not (same or options.force):
        raise UserError(f"{shown(output)}: exists already; --force overwrites it")


def _pixel_count(path):
    try:
        with _open(path) as image:
            return image.width * image.height
    except Exception:  # `read_source` opens it again, and says what is wrong
        return 0


def _compress(path, output, settings, options, report):
    source = read_source(path, options.background, options.strip)
    pixels = source.pixels
    report.height, report.width = pixels.shape[:2]
    report.warnings = source.warnings

    def finished(setting, scale):
        data = setting.encode(pixels, options.huffman, scale)
        return add_metadata(data, **source.metadata)

    if options.target is None:
        setting, scale = settings[0], 1.0
        data = finished(setting, scale)
    else:
        data, setting, scale = options.target.encode(pixels, settings, finished)
        reached = options.target.measure(pixels, data)
        if abs(reached / options.target.value - 1) > TARGET_TOLERANCE:
            report.warnings.append(
                f"--target_{options.target.kind} {options.target.value:g} is out of reach; "
                f"{reached:.6g} is the nearest"
            )
        report.table_scale = scale
    report.quality, report.lmbda = setting.quality, setting.lmbda
    quality = psnr(pixels, data)  # and the proof that the file can be decoded
    report.psnr = quality if math.isfinite(quality) else None
    report.bytes_in, report.bytes_out = path.stat().st_size, len(data)
    report.bpp = metrics.bpp(len(data), report.height, report.width)
    write_whole(output, data)


def shown(path):
    """A path as text that can be printed, whatever bytes its name is made of."""
    return str(path).encode(errors="replace").decode()


# Many files


def find_files(inputs, output_dir):
    """The files that the arguments name, and where each one's JPEG file goes.

    inputs: files, folders (all that Pillow knows by its suffix, at any depth) and globs.
    Below output_dir the structure stays: paths count from the folder, from the part of a glob
    before its first wildcard, from a file's folder, or what all of these have in common.

    Returns a list of (Path, Path). What does not exist is in it, as a file.
    """
    output_dir = Path(output_dir)
    Image.init()
    suffixes = {suffix for suffix, name in Image.EXTENSION.items() if name in Image.OPEN}
    suffixes -= {suffix for suffix, name in Image.EXTENSION.items() if name in EXCLUDED_FORMATS}
    found, bases = {}, []  # a dict, for files that are named twice
    for argument in inputs:
        path = Path(argument)
        if path.is_dir():
            base = path
            files = _walk(path, suffixes, output_dir)
            if not files:
                raise UserError(f"{shown(path)}: no image in this folder")
        elif glob.has_magic(argument) and not path.exists():
            fixed = []
            for part in path.parts[:-1]:
                if glob.has_magic(part):
                    break
                fixed.append(part)
            base = Path(*fixed)
            names = sorted(glob.glob(argument, recursive=True))
            files = [Path(name) for name in names if Path(name).is_file()]
            if not files:
                raise UserError(f"{argument!r} matches no file")
        else:
            base, files = path.parent, [path]
        bases.append(os.path.abspath(base))
        found |= dict.fromkeys(files)
    try:
        common = os.path.commonpath(bases)
    except ValueError as error:  # several drives
        raise UserError(f"the inputs have no folder in common ({error})") from error
    return [
        (path, (output_dir / os.path.relpath(os.path.abspath(path), common)).with_suffix(".jpg"))
        for path in found
    ]


def _walk(folder, suffixes, output_dir):
    """The images below a folder, without hidden ones and those that are outputs."""
    files = []
    for parent, folders, names in os.walk(folder):
        folders[:] = sorted(
            name
            for name in folders
            if not name.startswith(".")
            and os.path.abspath(os.path.join(parent, name)) != os.path.abspath(output_dir)
        )
        paths = [Path(parent, name) for name in sorted(names) if not name.startswith(".")]
        files += [path for path in paths if path.suffix.lower() in suffixes]
    return files


def name_files(inputs, output_dir=None):
    """[(input, output)] of the command's arguments: IN [OUT], or IN... with an output_dir."""
    if output_dir is not None:
        return find_files(inputs, output_dir)
    path = Path(inputs[0])
    several = not path.is_file() and (path.is_dir() or glob.has_magic(inputs[0]))
    if several or len(inputs) > 2:
        raise UserError("several inputs, a folder or a glob need --output_dir DIR")
    output = Path(inputs[-1])
    if len(inputs) == 1 or output.is_dir():
        name = path.with_suffix(".jpg")
        return [(path, name if len(inputs) == 1 else output / name.name)]
    if output.suffix.lower() not in JPEG_SUFFIXES:
        raise UserError(
            f"{shown(output)}: an output's name ends in .jpg (several inputs need --output_dir DIR)"
        )
    return [(path, output)]


def make_settings(architecture, args, target):
    """The settings that the arguments allow, from the coarsest to the finest."""

    def restore(folder):
        model = training.restore(folder)
        if model.architecture != architecture.architecture:
            raise UserError(
                f"{folder}: holds a model of {model.architecture}; use {model.architecture}.py"
            )
        return model

    quality = getattr(args, "quality", None)
    run_dir = getattr(args, "run_dir", None)
    if run_dir is not None:
        if target is None:
            raise UserError("--run_dir needs a target: --target_bpp, --target_size, --target_psnr")
        folders = sorted(Path(run_dir).glob("lambda_*/train"))
        if not folders:
            raise UserError(f"--run_dir {run_dir}: no lambda_*/train in this folder")
        models = sorted(map(restore, folders), key=lambda model: model.lmbda)
        return [Setting(model, quality, model.lmbda) for model in models]
    if target is not None and quality is None:
        raise UserError(f"--target_{target.kind} needs --run_dir RUN, to choose a lambda from")
    if hasattr(args, "checkpoint_dir"):
        model = restore(args.checkpoint_dir)
        lmbda = model.lmbda
    else:
        model, lmbda = architecture(), None
    qualities = [quality] if target is None else map(float, range(1, 101))
    return [Setting(model, quality, lmbda) for quality in qualities]


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
    with _picture_limits(args.max_megapixels), _stop_on_sigterm():
        targets = [
            Target(kind, value)
            for kind in ("bpp", "size", "psnr")
            if (value := getattr(args, f"target_{kind}")) is not None
        ]
        options = Options(
            huffman=args.huffman,
            background=_color(args.background),
            strip=args.strip,
            force=args.force,
            overwrite_input=args.overwrite_input,
            target=targets[0] if targets else None,
        )
        pairs = name_files(args.inputs, args.output_dir)
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
def _picture_limits(megapixels):
    """Pillow's guard against a picture that is small only as a file, at our limit."""
    before = Image.MAX_IMAGE_PIXELS
    Image.MAX_IMAGE_PIXELS = int(megapixels * 1e6 / 2)  # Pillow refuses twice this
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what matters among Pillow's warnings is in a report
        try:
            yield
        finally:
            Image.MAX_IMAGE_PIXELS = before


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
