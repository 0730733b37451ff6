"""Rate-distortion curves of trained runs and of other encoders, measured on real JPEG files.

Each BATCH_DIR/RUN/lambda_VALUE/train is one dot of the curve of its run. The JPEG files and a
pickle of metrics for each dot go to BATCH_DIR/_output (trained models) and BATCH_DIR/_output_PIL
(standard encoders), plots and tables to BATCH_DIR. What is measured already is not measured
again: an interrupted evaluation goes on where it stopped.
"""

import argparse
import ast
import atexit
import contextlib
import functools
import glob
import hashlib
import itertools
import json
import multiprocessing
import os
import re
import signal
import site
import sys
import threading
from collections import defaultdict
from concurrent.futures import (
    FIRST_COMPLETED,
    BrokenExecutor,
    CancelledError,
    ProcessPoolExecutor,
    wait,
)
from dataclasses import dataclass, field, replace
from importlib.metadata import version
from multiprocessing.connection import wait as wait_for_end
from pathlib import Path

import arg_parser
import dot_cache
import jpeg_file
import metrics
from arg_parser import UserError
from encoders import ENCODERS

from tqdm import tqdm

PROJECT = Path(__file__).resolve().parent
ANCHOR = "pillow_444"  # the standard JPEG of the published comparison, always measured
TRAINED = ("ljpeg", "ljpeg_attention")
GOOGLE_QUALITIES = range(5, 26, 5)  # arXiv 2009.12927

# What decides about the bytes of a trained model's file: modules and packages.
_MODEL_CODE = (
    "image_utils jpeg_file jpeg_pipeline conv_blocks ljpeg ljpeg_attention google_baseline training"
).split()
_MODEL_PACKAGES = ("tensorflow", "jpeglib", "mozjpeg-lossless-optimization", "pillow")


# What there is to measure


@dataclass(frozen=True)
class TestImage:
    """An image of the test set. name: its path below the folder of the glob; sha256: its file's."""

    name: str
    path: Path
    sha256: str


@dataclass(frozen=True)
class Dot:
    """One point of a curve: an encoder at a quality, or a checkpoint (at one).

    folder: where its JPEG files go; its pickle lies beside it. encoder: a name in ENCODERS, or
    None for a checkpoint. fingerprint: {what: text} of all that its files and figures depend on,
    apart from the images.
    """

    name: str
    folder: Path
    huffman: str
    fingerprint: dict = field(hash=False)
    encoder: str | None = None
    checkpoint_dir: Path | None = None
    quality: int | None = None

    @property
    def pickle(self):
        return self.folder.with_name(f"{self.folder.name}.pickle")

    def jpeg(self, image):
        """The path of an image's file; its whole name stays, for a.png and a.bmp are two."""
        return self.folder / f"{image.name}.jpg"

    def encode(self, image):
        """The JPEG file of an image, uint8 [H, W, 3]."""
        if self.encoder:
            return ENCODERS[self.encoder].encode(image, self.quality, self.huffman)
        model = _restore(self.checkpoint_dir, self.fingerprint["checkpoint"])
        return model.compress(image, huffman=self.huffman, quality=self.quality)


@dataclass
class Curve:
    """The dots of one encoder or run. kind: "encoder", "google" or "run"; label: for people."""

    name: str
    label: str
    kind: str
    dots: list


def find_images(pattern):
    """The files that match a glob, and the name of the set: that of the glob's own folder.

    Returns ([TestImage], name). Raises UserError if there are none.
    """
    paths = [Path(path) for path in sorted(glob.glob(pattern, recursive=True))]
    paths = [path for path in paths if path.is_file()]
    if not paths:
        raise UserError(f"--test_image_glob {pattern!r} matches no file (quote it in the shell)")
    parts = Path(pattern).parts[:-1]
    fixed = itertools.takewhile(lambda part: not glob.has_magic(part), parts)
    folder = Path(*fixed)
    images = [
        TestImage(path.relative_to(folder).as_posix(), path.resolve(), _sha256(path.read_bytes()))
        for path in paths
    ]
    return images, folder.resolve().name


def find_curves(args, set_name):
    """The curves that the command asks for; a line on stderr for each that is left out."""
    curves = [_encoder_curve(name, args, set_name) for name in dict.fromkeys(args.encoders)]
    if args.google_dir:
        try:
            architecture, checkpoint = describe_checkpoint(Path(args.google_dir))
        except UserError as error:
            raise UserError(f"--google_dir {error}") from error
        if architecture != "google_baseline":
            raise UserError(f"--google_dir {args.google_dir} holds a {architecture}")
        make = functools.partial(_trained_dot, args, set_name, "_google_baseline")
        dots = [
            make(f"quality_{quality:02}", Path(args.google_dir), checkpoint, quality)
            for quality in GOOGLE_QUALITIES
        ]
        curves.append(Curve("google_baseline", "Google baseline", "google", dots))
    curves += _run_curves(args, set_name)
    return [curve for curve in curves if curve is not None]


def _encoder_curve(name, args, set_name):
    encoder = ENCODERS[name]
    if encoder.missing():
        _say(f"--encoders {name} is left out: {encoder.missing()}")
        return None
    huffman = encoder.huffman(args.huffman)
    folder = Path(args.batch_dir, "_output_PIL", set_name, huffman, name)
    fingerprint = {
        "encoder": f"{name}, {encoder.version()}",
        "encoding code": code_digest("encoders", "image_utils"),
        "Huffman choice": huffman,
        "measuring code": _measuring_code(),
    }
    dots = [
        Dot(
            f"quality_{quality:02}",
            folder / f"quality_{quality:02}",
            huffman,
            fingerprint | {"quality": str(quality)},
            encoder=name,
            quality=quality,
        )
        for quality in encoder.qualities
    ]
    label = f"standard JPEG ({encoder.label})" if name == ANCHOR else encoder.label
    if huffman != args.huffman:
        label += f" ({huffman})"
    return Curve(name, label, "encoder", dots)


def _run_curves(args, set_name):
    batch_dir = Path(args.batch_dir)
    if not batch_dir.is_dir():
        raise UserError(f"--batch_dir {batch_dir} is not a folder")
    curves = []
    for run in sorted(path for path in batch_dir.iterdir() if path.is_dir()):
        if not args.jpeg_type or run.name.startswith(("_", ".")):
            continue
        dots, architectures = [], set()
        for train in sorted(run.glob("lambda_*/train")):
            try:
                architecture, checkpoint = describe_checkpoint(train)
                if architecture not in args.jpeg_type:
                    raise UserError(f"{train}: {architecture}, not {' or '.join(args.jpeg_type)}")
            except UserError as error:
                _say(f"skipped: {error}")
                continue
            architectures.add(architecture)
            dots.append(
                _trained_dot(args, set_name, run.name, train.parent.name, train, checkpoint)
            )
        if dots:
            label = f"{run.name} ({', '.join(sorted(architectures))})"
            curves.append(Curve(run.name, label, "run", dots))
        else:
            _say(f"skipped: {run}: no lambda_<value>/train with a checkpoint to evaluate")
    if args.jpeg_type and not curves:
        raise UserError(
            f"--batch_dir {batch_dir} holds no run of {' or '.join(args.jpeg_type)}: a run is a "
            "folder with lambda_<value>/train in it, as batch_job_attention.sh makes it"
        )
    return curves


def _trained_dot(args, set_name, curve, name, checkpoint_dir, checkpoint, quality=None):
    return Dot(
        name,
        Path(args.batch_dir, "_output", set_name, args.huffman, curve, name),
        args.huffman,
        {
            "checkpoint": checkpoint,
            "encoding code": code_digest(*_MODEL_CODE),
            "packages": ", ".join(f"{name} {version(name)}" for name in _MODEL_PACKAGES),
            "Huffman choice": args.huffman,
            "quality": str(quality),
            "measuring code": _measuring_code(),
        },
        checkpoint_dir=checkpoint_dir.resolve(),
        quality=quality,
    )


def describe_checkpoint(folder):
    """The architecture in a checkpoint folder and a digest of its content, without TensorFlow.

    Raises UserError, naming the folder, if it holds no checkpoint.
    """
    digest = hashlib.sha256()
    try:
        config = json.loads((folder / "config.json").read_text())
        architecture = config["architecture"]
        digest.update(json.dumps([architecture, config["options"]], sort_keys=True).encode())
        # TensorFlow's own note of the newest checkpoint, a protocol buffer as text.
        newest = re.match('model_checkpoint_path: "(.*)"', (folder / "checkpoint").read_text())
        files = sorted(folder.glob(f"{glob.escape(Path(newest[1]).name)}.*"))
        if len(files) < 2:
            raise UserError(f"{folder}: the files of its checkpoint are missing")
        for file in files:
            digest.update(file.read_bytes())
    except FileNotFoundError as error:
        raise UserError(f"{folder}: no checkpoint (no {Path(error.filename).name})") from error
    except (OSError, ValueError, KeyError, TypeError) as error:
        if isinstance(error, UserError):
            raise
        raise UserError(f"{folder}: a broken checkpoint ({error})") from error
    return architecture, digest.hexdigest()


@functools.cache
def code_digest(*modules):
    """A digest of what modules of this project do: their code, not its comments and docstrings."""
    digest = hashlib.sha256()
    documented = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    for module in modules:
        tree = ast.parse((PROJECT / f"{module}.py").read_bytes())
        for node in ast.walk(tree):
            if isinstance(node, documented) and ast.get_docstring(node, clean=False):
                del node.body[0]
        digest.update(ast.dump(tree).encode())
    return digest.hexdigest()


@functools.cache
def _measuring_code():
    versions = metrics.versions() | {"pillow": version("pillow")}
    return ", ".join(f"{name} {number}" for name, number in versions.items())


def _sha256(data):
    return hashlib.sha256(data).hexdigest()


# Measuring one image at one dot: what a worker does


@functools.lru_cache(maxsize=1)
def _restore(checkpoint_dir, checkpoint):
    """The model of a folder; the digest tells a model of yesterday from today's."""
    import training

    model = training.restore(checkpoint_dir)
    if describe_checkpoint(checkpoint_dir)[1] != checkpoint:
        raise UserError(f"{checkpoint_dir}: the checkpoint changed while it was evaluated")
    return model


def measure(dot, path, known, threads):
    """Encodes an image at a dot and measures the file.

    known: the SHA-256 of a file whose figures are known already, or None. threads: of TensorFlow.
    Returns (the bytes of the JPEG file, {metric: figure} or None if it is the known file).
    """
    # Before TensorFlow starts; the same number everywhere, for it can change the last bits.
    os.environ.setdefault("TF_NUM_INTRAOP_THREADS", str(threads))
    os.environ.setdefault("TF_FORCE_GPU_ALLOW_GROWTH", "true")
    from image_utils import read_image

    original = read_image(path)
    data = dot.encode(original)
    return data, None if _sha256(data) == known else measure_file(data, original)


def measure_file(data, original):
    """The record of a JPEG file: its SHA-256, its size and METRICS against uint8 [H, W, 3]."""
    decoded = jpeg_file.decode(data)
    height, width, _ = original.shape
    record = {"height": height, "width": width, **_size(data, height, width)}
    measured = [name for name in dot_cache.METRICS if name not in record]
    return record | {name: getattr(metrics, name)(original, decoded) for name in measured}


def _size(data, height, width):
    """What of a JPEG file's record depends on how its integers are coded."""
    bpp = metrics.bpp(len(data), height, width)
    return {"n_bytes": len(data), "jpeg_sha256": _sha256(data), "bpp": bpp}


# Spreading the work


def _start_worker():
    """Ctrl-C is the parent's to handle, and without the parent a worker has no purpose."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # Torn down in the usual order, TensorFlow complains about its own functions.
    atexit.register(os._exit, 0)

    def end_with_parent():
        wait_for_end([multiprocessing.parent_process().sentinel])
        os._exit(1)

    threading.Thread(target=end_with_parent, daemon=True).start()


@contextlib.contextmanager
def _local_workers(count):
    # Spawned, not forked: TensorFlow does not survive a fork.
    context = multiprocessing.get_context("spawn")
    executor = ProcessPoolExecutor(count, context, _start_worker)
    try:
        yield executor, count
    except BrokenExecutor as error:
        raise UserError(
            f"a worker process died, perhaps for want of memory: try --workers "
            f"{max(1, count // 2)}; what is measured is kept"
        ) from error
    finally:
        executor.shutdown(cancel_futures=True)


@contextlib.contextmanager
def _dask_workers(address):
    try:
        import distributed
        from distributed.comm import CommClosedError
    except ImportError as error:
        raise UserError("--dask needs the package distributed: pip install distributed") from error
    try:
        client = distributed.Client(address, set_as_default=False)
    except (OSError, ValueError) as error:
        raise UserError(f"--dask {address}: no scheduler answers there ({error})") from error
    with client:
        if not client.nthreads():
            raise UserError(f"--dask {address}: the cluster has no workers")
        client.register_worker_callbacks(functools.partial(site.addsitedir, str(PROJECT)))
        try:
            yield client.get_executor(pure=False), sum(client.nthreads().values())
        except (distributed.KilledWorker, CommClosedError, CancelledError) as error:
            raise UserError(
                f"--dask {address}: the cluster or its workers died; what is measured is kept"
            ) from error


def workers(args):
    """A context with an executor and the number of its workers."""
    return _dask_workers(args.dask) if args.dask else _local_workers(args.workers)


def completed(executor, count, calls):
    """Runs `measure` for each of calls (unit, arguments); yields (unit, future) as they end.

    At most twice as many as there are workers are under way, which bounds the memory.
    """
    calls, running = iter(calls), {}
    while True:
        for unit, arguments in itertools.islice(calls, 2 * count - len(running)):
            running[executor.submit(measure, *arguments)] = unit
        if not running:
            return
        for future in wait(running, return_when=FIRST_COMPLETED).done:
            yield running.pop(future), future


# The cache


class Results:
    """The figures of one dot, as its pickle has them and as they are measured.

    records: {image name: record} of what holds, whether its JPEG file is there or not. known:
    records that hold if encoding gives the same file again. reasons: why the pickle does not do.
    """

    def __init__(self, dot, images):
        self.dot, self.records, self.known, self.reasons = dot, {}, {}, {}
        self.failed = False
        if not dot.pickle.exists():
            return
        try:
            fingerprint, found = dot_cache.load(dot.pickle)
        except dot_cache.UnreadableError as error:
            self.reasons[f"the pickle is {error}"] = True
            return
        names = dict.fromkeys([*dot.fingerprint, *fingerprint])
        changed = [name for name in names if dot.fingerprint.get(name) != fingerprint.get(name)]
        self.reasons = {f"the {name} changed": True for name in changed}
        if not changed:
            self.records = dict(found)
        for image in images:
            record = found.get(image.name)
            if record is None:
                continue
            if record["image_sha256"] != image.sha256:
                self.records.pop(image.name, None)
                self.reasons["images changed"] = True
                continue
            if "measuring code" not in changed:
                self.known[image.name] = record
            file = dot.jpeg(image)
            if file.is_file() and _sha256(file.read_bytes()) != record["jpeg_sha256"]:
                self.records.pop(image.name, None)
                self.reasons["JPEG files are not those that were measured"] = True

    def add(self, image, data, record):
        """Keeps a measured image: its file first, so that no pickle speaks of a missing one.

        record: of `measure`, None for the known file.
        """
        record = record or self.known[image.name]
        dot_cache.write_whole(self.dot.jpeg(image), data)
        self.records[image.name] = record | {"image_sha256": image.sha256}
        dot_cache.save(self.dot.pickle, self.dot.fingerprint, self.records)


def measure_all(curves, images, args):
    """Measures what no pickle has.

    Returns the results of every dot, {dot: Results}, and the images that could be read. Dots and
    images that fail are left out, each with a line that says why.
    """
    results = {dot: Results(dot, images) for curve in curves for dot in curve.dots}
    _explain(curves, results)
    images = _readable(images, results)
    for dot in results:
        if not dot.encoder:
            _take_over(results[dot], images)
    units = [
        (dot, image)
        for dot in results
        for image in images
        if image.name not in results[dot].records
    ]
    if not units:
        return results, images
    names = {dot: f"{curve.name}/{dot.name}" for curve in curves for dot in curve.dots}
    total = len(results) * len(images)
    bar = tqdm(
        total=total,
        initial=total - len(units),
        unit="file",
        dynamic_ncols=True,
        mininterval=0.2 if sys.stderr.isatty() else 30,  # a log file needs fewer lines
    )
    threads = 1 if args.dask else max(1, _cores() // args.workers)

    def calls():
        for dot, image in units:
            if not results[dot].failed:
                known = results[dot].known.get(image.name, {}).get("jpeg_sha256")
                bar.set_description(f"{names[dot]} {image.name}", refresh=False)
                yield (dot, image), (dot, image.path, known, threads)

    with bar, workers(args) as (executor, count):
        for (dot, image), future in completed(executor, count, calls()):
            try:
                data, record = future.result()
            except BrokenExecutor:
                raise
            except (UserError, RuntimeError) as error:
                if not results[dot].failed:
                    _say(f"skipped: {names[dot]}: {error}")
                results[dot].failed = True
            else:
                results[dot].add(image, data, record)
            bar.update()
    return results, images


def _take_over(result, images):
    """Adds what is measured under another Huffman choice: the same integers, so only the size
    differs. The file is recoded from the other one."""
    dot = result.dot
    for huffman in jpeg_file.HUFFMAN:
        missing = [image for image in images if image.name not in result.records]
        if not missing or huffman == dot.huffman:
            continue
        folder = dot.folder.parents[1].with_name(huffman).joinpath(*dot.folder.parts[-2:])
        fingerprint = dot.fingerprint | {"Huffman choice": huffman}
        other = Results(replace(dot, folder=folder, fingerprint=fingerprint), images)
        for image in missing:
            record = other.records.get(image.name)
            if record is None or not other.dot.jpeg(image).is_file():
                continue
            integers = jpeg_file.read_jpeg(other.dot.jpeg(image).read_bytes())
            data = jpeg_file.write_jpeg(*integers, dot.huffman)
            result.add(image, data, record | _size(data, record["height"], record["width"]))


def _explain(curves, results):
    for curve in curves:
        dots = defaultdict(list)
        for dot in curve.dots:
            if results[dot].reasons:
                dots["; ".join(results[dot].reasons)].append(dot.name)
        for reasons, names in dots.items():
            which = ", ".join(names) if len(names) < 4 else f"{len(names)} dots"
            _say(f"measured again: {curve.name} ({which}): {reasons}")


def _readable(images, results):
    """Those that are images; what has figures already has been read before."""
    measured = {name for result in results.values() for name in result.records}
    readable = []
    for image in images:
        if image.name not in measured:
            from image_utils import read_image

            try:
                read_image(image.path)
            except UserError as error:
                _say(f"skipped: {error}")
                continue
        readable.append(image)
    if not readable:
        raise UserError("--test_image_glob: not one of the files is an image")
    return readable


def _say(line):
    tqdm.write(line, file=sys.stderr)


# The command


def _cores():
    affinity = getattr(os, "sched_getaffinity", None)  # not on every system
    return len(affinity(0)) if affinity else os.cpu_count() or 1


def _count(text):
    if not text.isdecimal() or int(text) == 0:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number of at least 1")
    return int(text)


def parse_args(argv=None):
    """The options of the command."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter
    )
    parser.add_argument(
        "--batch_dir",
        required=True,
        metavar="DIR",
        help="folder of the runs, RUN/lambda_VALUE/train; the results go there too",
    )
    parser.add_argument(
        "--test_image_glob",
        required=True,
        metavar="GLOB",
        help='images to measure on, quoted: "KODAK/*.png"; ** looks into subfolders',
    )
    parser.add_argument(
        "--jpeg_type",
        nargs="*",
        choices=TRAINED,
        default=list(TRAINED),
        help="runs of which architectures to evaluate; none: the other encoders alone",
    )
    parser.add_argument(
        "--google_dir",
        metavar="DIR",
        help="checkpoint folder of a google_baseline, to compare with at qualities 5 to 25",
    )
    parser.add_argument(
        "--huffman",
        choices=jpeg_file.HUFFMAN,
        default="standard",
        help="entropy coding of the files, on both sides: the standard's example tables as in "
        "the published comparison, tables made for each image, or a progressive file with them",
    )
    parser.add_argument(
        "--encoders",
        nargs="+",
        choices=["all", *ENCODERS],
        default=[ANCHOR],
        help=f"other encoders to compare with; {ANCHOR} always is one of them",
    )
    parser.add_argument(
        "--workers", type=_count, default=_cores(), metavar="N", help="processes that measure"
    )
    parser.add_argument(
        "--dask",
        metavar="ADDRESS",
        help="measure on the Dask cluster of this scheduler instead (tcp://host:8786); its "
        "workers see this project, the images and the checkpoints under the same paths",
    )
    args = parser.parse_args(argv)
    asked = ENCODERS if "all" in args.encoders else args.encoders
    args.encoders = list(dict.fromkeys([ANCHOR, *asked]))
    return args


def main(argv=None):
    """The command; returns the exit status. Raises UserError for a mistake of the user's."""
    import report  # here, for workers need no Matplotlib

    args = parse_args(argv)
    images, set_name = find_images(args.test_image_glob)
    try:
        curves = find_curves(args, set_name)
        results, images = measure_all(curves, images, args)
        originals = {image.name: image.path for image in images}
        series = [
            report.Series(
                curve.label,
                curve.kind,
                [
                    report.Point(
                        dot.name,
                        {image.name: results[dot].records[image.name] for image in images},
                        {image.name: dot.jpeg(image) for image in images},
                    )
                    for dot in curve.dots
                    if not results[dot].failed
                ],
            )
            for curve in curves
        ]
        series = [one for one in series if one.points]
        written = report.write(args.batch_dir, set_name, args.huffman, series, originals)
    except OSError as error:
        raise UserError(f"{error.filename or args.batch_dir}: {error.strerror or error}") from error
    print("\n".join(written))
    return 0


if __name__ == "__main__":
    # Under its own name, by which other processes import what is sent to them.
    import evaluate

    arg_parser.run(evaluate.main)
