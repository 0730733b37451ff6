"""Broken pictures, models and caches: each is read correctly or refused in one line.

    python3 tests/fuzz.py [pictures] [models] [caches] [--inputs 20000] [--seconds S] [--seed N]

Every input follows from the seed and its number. Other processes try the inputs, so that a crash,
a hang (120 s) or a leak of memory is found, too. Failures are printed, their inputs are kept below
--keep, with the number in their names, and the exit status is 1.

Pictures are of every kind that can be read: changed, cut, spliced with another file, or behind the
header of another file. Each goes through the command `compress`. If djpeg (where it is installed),
libvips or Pillow reports damage, the command must report it, too.
"""

import argparse
import contextlib
import faulthandler
import io
import json
import os
import queue
import random
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import time
import warnings
import zlib
from collections import Counter
from pathlib import Path

PROJECT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(PROJECT), str(PROJECT / "tests")]

import ljpeg_PIL  # noqa: E402
from learned_jpeg import api  # noqa: E402
from learned_jpeg.evaluation import stored  # noqa: E402
from learned_jpeg.models import checkpoints  # noqa: E402
from learned_jpeg.runtime.errors import UserError  # noqa: E402

import judges  # noqa: E402
import makers  # noqa: E402
import numpy as np  # noqa: E402
from PIL import Image  # noqa: E402

HANG = 120  # seconds, of which a busy machine may be elsewhere for most
BATCH = 2000  # inputs of a process
LEAK = 400  # megabytes that a process may grow by after its first inputs: caches fill slowly
WARM_UP = 300
# What Python's own unpickler says of some broken pickles, beside the exception that it raises.
NOISE = "SystemError: deallocated bytearray object has exported buffers"
# What takes the place of a value in a text.
VALUES = (b"-1", b"1e999", b"null", b"[]", b'""', b"{}", b"99999999999999999999", b"NaN", b"true")


class FailureError(Exception):
    """A wrong behaviour at an input."""


def mutated(data, others, rng):
    """Bytes changed at 1 to 20 places, or cut, or with a part of other bytes."""
    data = bytearray(data)
    for _ in range(rng.choice([1, 1, 2, 5, 20])):
        kind = rng.randrange(9)
        place = rng.randrange(min(len(data), rng.choice([64, 512, len(data)])))
        size = rng.choice([1, 2, 4, 9, 100])
        if kind == 0:
            data[place] = rng.randrange(256)
        elif kind == 1:
            data[place] ^= 1 << rng.randrange(8)
        elif kind == 2:
            del data[place : place + size]
        elif kind == 3:
            data[place:place] = rng.randbytes(size)
        elif kind == 4:
            data[place : place + size] = rng.choice([b"\0", b"\xff"]) * size
        elif kind == 5:
            data[place : place + 4] = rng.choice([1, 2**16, 2**31, 2**32 - 1]).to_bytes(
                4, rng.choice(["little", "big"])
            )
        elif kind == 6:
            other = rng.choice(others)
            start = rng.randrange(len(other))
            data[place:place] = other[start : start + size]
        elif kind == 7 and rng.random() < 0.2:
            del data[place:]
        elif kind == 8:
            data[place:place] = data[place : place + size]
        data = data or bytearray(1)
    return bytes(data)


def with_checksums(data):
    """A PNG whose chunks have the right checksums, so that a change gets past them."""
    parts, place = [data[:8]], 8
    while place + 8 <= len(data):
        end = place + 8 + int.from_bytes(data[place : place + 4], "big")
        body = data[place + 4 : end]
        parts.append(data[place : place + 4] + body + zlib.crc32(body).to_bytes(4, "big"))
        place = end + 4
    return b"".join(parts)


def with_other_value(data, rng):
    """A text with a number, or a text between quotes, replaced."""

    places = list(re.finditer(rb'-?\d[\d.e+-]*|"[^"]*"', data))
    if not places:
        return data
    place = rng.choice(places)
    return data[: place.start()] + rng.choice(VALUES) + data[place.end() :]


def flipped(data, others, rng):
    """A file with one bit changed, mostly a bit that is decoded."""
    data, start = bytearray(data), rng.choice([0, 1, 2]) * len(data) // 3
    data[rng.randrange(start, len(data))] ^= 1 << rng.randrange(8)
    return bytes(data)


def cut(data, others, rng):
    """A file without its end, or without a part near its end."""
    most = rng.choice([9, 80, len(data)])
    end = max(len(data) - rng.randrange(1, most), 1)
    return data[:end] + rng.choice([b"", b"", data[-2:], data[end + rng.randrange(1, 9) :]])


def spliced(data, others, rng):
    """The beginning of a file and the end of another, which may be of the same kind."""
    others = [each for each in others if each[:3] == data[:3]] if rng.random() < 0.5 else others
    other, place = rng.choice(others), rng.randrange(1, len(data))
    start = min(place, len(other) - 1) if rng.random() < 0.5 else rng.randrange(len(other))
    return data[:place] + other[start:]


def headed(data, others, rng):
    """The content of a file behind the header of another file."""
    other, size = rng.choice(others), rng.choice([2, 4, 8, 16, 33, 64])
    return other[:size] + data[rng.choice([0, size]) :]


WAYS = (mutated, flipped, cut, spliced, headed)
ARGUMENTS = ([], ["--strip"], ["--srgb"], ["--skip_larger"], ["--target_size", "900"])


class Pictures:
    """Pictures of all kinds, compressed by the command, and judged by other programs."""

    def __init__(self):
        self.originals = list(originals())
        self.counts = Counter()
        # A program that reads the unbroken file can judge the broken file; behind another file's
        # header, a program that reads all files of the header's kind.
        self.judges = [
            {name for name, judge in judges.ALL.items() if judge(data) is None}
            for data in self.originals
        ]
        self.kinds = [judges.kind(data) for data in self.originals]
        self.trusted = {}
        for kind, those in zip(self.kinds, self.judges, strict=True):
            self.trusted[kind] = self.trusted.get(kind, those) & those

    def make(self, number, rng, folder):
        """Writes input `number` into a folder."""
        original = self.originals[number % len(self.originals)]
        way = WAYS[number // len(self.originals) % len(WAYS)]
        data = way(original, self.originals, rng)
        if data.startswith(b"\x89PNG") and way is not cut and rng.random() < 0.5:
            data = with_checksums(data)
        (folder / "input.png").write_bytes(data)

    def check(self, number, folder):
        """Raises FailureError, or whatever goes wrong."""
        path, output = folder / "input.png", folder / "output.jpg"
        data = path.read_bytes()
        more = ARGUMENTS[number // len(self.originals) // len(WAYS) % len(ARGUMENTS)]
        line = ["compress", str(path), str(output), "--quality", "50", "--max_megapixels", "2"]
        line += ["--huffman", "standard", "--json", *more]
        start, out, err = time.monotonic(), io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            status = ljpeg_PIL.main(line)
        if time.monotonic() - start > 10:
            raise FailureError(f"took {time.monotonic() - start:.0f} s")
        report, _ = map(json.loads, out.getvalue().splitlines())
        said = err.getvalue()
        if not all(text.isprintable() for text in said.splitlines()):
            raise FailureError(f"a line that cannot be printed: {said!r}")
        ended = {status, int(report["error"] is not None), 1 - output.exists()}
        if ended not in ({0}, {1}):
            raise FailureError(f"status {status} with {report['error']!r}")
        if bool(re.search("^error: ", said, re.MULTILINE)) != status:
            raise FailureError(f"status {status} with {said!r}")
        if report["kept"]:
            if output.read_bytes() != data:
                raise FailureError("a file that is kept is another")
            output.unlink()
        elif status == 0:
            # Pillow warns of EXIF that is kept as it is.
            with warnings.catch_warnings(action="ignore"), Image.open(output) as image:
                image.load()
                if image.size != (report["width"], report["height"]):
                    raise FailureError("another size than the report's")
            output.unlink()
        elif not report["error"].startswith(report["input"]):
            raise FailureError(f"an error without the file's name: {report['error']}")
        if os.listdir(folder) != ["input.png"]:
            raise FailureError(f"left behind: {os.listdir(folder)}")
        self._compare(data, number % len(self.originals), status, said)

    def _compare(self, data, index, status, said):
        """Raises FailureError for damage that another program reports and `compress` does not."""
        kind = judges.kind(data)
        ours = "refused" if status else "warned" if "damaged: " in said else "silent"
        self.counts[kind, "files"] += 1
        self.counts[kind, ours] += 1
        same, missed = kind == self.kinds[index], []
        for name in self.judges[index] if same else self.trusted.get(kind, ()):
            if text := judges.ALL[name](data):
                self.counts[kind, name] += 1
                if ours == "silent":
                    self.counts[kind, f"{name} alone"] += 1
                    missed.append(f"{name} says: {text}")
        if missed:
            raise FailureError(f"{kind}: {'; '.join(missed)}")


def originals():
    """The bytes of pictures of all kinds that can be read."""
    picture, saved = makers.picture(17, 31), makers.saved
    larger = makers.picture(72, 97)
    rgb = np.asarray(picture)
    wide = rgb.astype(np.uint16) * 257
    exif = {"exif": makers.exif().tobytes(), "icc_profile": makers.srgb_profile()}
    text = makers.chunk(b"tEXt", b"Comment\0x") + makers.chunk(b"gAMA", bytes([0, 1, 0, 0]))
    numbers = makers.chunk(b"cICP", bytes([9, 16, 0, 1])) + makers.chunk(b"pHYs", bytes(9))
    segments = [(0xFE, b"x"), (0xEB, b"JP\0"), (0xED, b"Photoshop 3.0\0008BIM\4\4" + bytes(9))]
    yield saved(picture, "PNG", **exif)
    yield saved(larger, "PNG")
    yield saved(picture.quantize(16), "PNG", transparency=3)
    yield saved(picture.convert("1"), "PNG")
    yield makers.png(rgb, text)
    yield makers.png(wide, numbers)
    yield makers.png(wide[..., :1], makers.chunk(b"tRNS", bytes(2)))
    yield makers.png(np.dstack([rgb[..., :1]] * 2))
    for mode in ("RGB", "L", "CMYK"):
        for options in ({}, {"progressive": True}, {"restart_marker_blocks": 3}):
            yield saved(larger.convert(mode), "JPEG", **options)
    yield saved(larger, "JPEG", subsampling=0, quality=95)
    yield saved(picture, "JPEG", xmp=makers.XMP, **exif)
    yield makers.jpeg(segments, b"\0\0\0\x18ftypmp42", image=picture)
    yield saved(picture, "TIFF", exif=makers.exif(), icc_profile=makers.srgb_profile())
    for name in (None, "tiff_lzw", "tiff_adobe_deflate", "packbits", "jpeg"):
        yield saved(larger, "TIFF", compression=name)
    for mode in ("YCbCr", "LAB", "CMYK", "L"):
        yield saved(picture.convert(mode) if mode != "LAB" else makers.lab(picture), "TIFF")
    yield saved(picture.quantize(16), "TIFF", compression="tiff_lzw")
    yield saved(picture.convert("1"), "TIFF", compression="group4")
    yield makers.tiff(wide, photometric="rgb", planarconfig="separate")
    yield makers.tiff(wide, photometric="rgb", tile=(16, 16))
    yield makers.tiff((rgb / 255).astype("f4"), photometric="rgb")
    yield makers.tiff(rgb[..., 0], photometric="miniswhite", bigtiff=True)
    yield makers.tiff(np.dstack([rgb, rgb[..., 0]]), extrasamples=["assocalpha"])
    yield saved(picture, "WEBP", xmp=makers.XMP, **exif)
    yield saved(larger, "WEBP", lossless=True)
    yield saved(picture, "WEBP", save_all=True, append_images=[picture.rotate(9)])
    yield saved(picture, "GIF")
    yield saved(larger.convert("L"), "GIF")
    yield saved(picture, "GIF", save_all=True, append_images=[picture.rotate(9)])
    yield saved(picture, "AVIF")
    yield saved(larger.convert("RGBA"), "AVIF")
    yield saved(picture, "JPEG2000")
    yield saved(larger.convert("L"), "JPEG2000", irreversible=True)
    for kind in ("BMP", "DIB", "PPM", "QOI", "SGI", "PCX"):
        yield saved(picture, kind)
    yield saved(picture.convert("L"), "PPM")
    yield saved(picture.convert("L"), "SGI")
    yield saved(picture, "TGA", compression="tga_rle")
    yield saved(picture.resize((16, 16)), "ICO")
    yield b"P6 31 17 1023\n" + (wide >> 6).astype(">u2").tobytes()
    yield b"P3 2 2 255\n" + b"1 2 3  4 5 6  7 8 9  10 11 12\n"
    yield b"Pf 31 17\n-1\n" + (rgb[..., 0] / 255).astype("<f4").tobytes()
    yield makers.bitmap(rgb)
    yield makers.photoshop(rgb)
    faults = PROJECT.parent / "shared" / "faults"
    yield from (path.read_bytes() for path in sorted(faults.glob("**/*.*[!dt]")))


class Models:
    """Folders of trained models, loaded."""

    def __init__(self):
        import tensorflow as tf

        self.folder = Path(tempfile.mkdtemp())
        self.pixels = np.asarray(makers.picture(16, 24))
        self.kinds = {}
        for name in ("ljpeg", "google_baseline"):
            pipeline = checkpoints.build(checkpoints.architectures.load(name), {})
            path = self.folder / name / "learned_jpeg-1"
            path.parent.mkdir()
            tf.train.Checkpoint(model=checkpoints.model_of(pipeline)).write(str(path))
            checkpoints.write_note(path)
            options = checkpoints.defaults(type(pipeline))
            config = {"architecture": name, "options": options, "versions": {}, "step": 1}
            checkpoints.write_config(path.parent, config)
            self.kinds[name] = {file.name: file.read_bytes() for file in path.parent.iterdir()}
        shutil.rmtree(self.folder)

    def make(self, number, rng, folder):
        """Writes input `number` into a folder."""
        files = dict(rng.choice(list(self.kinds.values())))
        name = rng.choice(sorted(files))
        if name == "config.json" and rng.random() < 0.7:
            files[name] = with_other_value(files[name], rng)
        elif rng.random() < 0.1:
            del files[name]
        else:
            files[name] = mutated(files[name], list(files.values()), rng)
        for name, data in files.items():
            (folder / name).write_bytes(data)

    def check(self, number, folder):
        """Raises FailureError, or whatever goes wrong."""
        for load in (checkpoints.describe, api.load):
            try:
                model = load(folder)
            except UserError as error:
                if "\n" in str(error) or str(folder) not in str(error):
                    raise FailureError(f"an error without the folder's name: {error}") from error
                return
        data = model.encode(self.pixels)
        if Image.open(io.BytesIO(data)).size != (24, 16):
            raise FailureError("another size")


class Caches:
    """Pickles and journals of an evaluation."""

    def __init__(self):
        folder = Path(tempfile.mkdtemp())
        path, record = folder / "q.pickle", {}
        for name in stored.METRICS:
            record[name] = 0.5
        record |= dict.fromkeys(stored.SIZES, 9) | {"image_sha256": "a", "jpeg_sha256": "b"}
        records = {f"{number}.png": dict(record) for number in range(4)}
        stored.save(path, {"code": "x"}, records)
        for name, each in records.items():
            stored.append(path, {"code": "x"}, name, each)
        self.files = {file.name: file.read_bytes() for file in folder.iterdir()}
        shutil.rmtree(folder)

    def make(self, number, rng, folder):
        """Writes input `number` into a folder."""
        files = dict(self.files)
        name = rng.choice(sorted(files))
        if name.endswith("journal") and rng.random() < 0.5:
            files[name] = with_other_value(files[name], rng)
        else:
            files[name] = mutated(files[name], list(files.values()), rng)
        for name, data in files.items():
            (folder / name).write_bytes(data)

    def check(self, number, folder):
        """Raises FailureError, or whatever goes wrong."""
        path = folder / "q.pickle"
        try:
            found = stored.load(path)[1]
        except (UserError, stored.UnreadableError) as error:
            if "\n" in str(error):
                raise FailureError("an error of several lines") from error
            found = {}
        journal = stored.load_journal(path)
        if journal:
            stored.merge(found, journal[1])


SUBJECTS = {"pictures": Pictures, "models": Models, "caches": Caches}


def run(kind, numbers, seed, keep=None, say=lambda number: None, counts=None):
    """Tries inputs in this process; yields (number, failure). counts: the subject's."""
    subject = SUBJECTS[kind]()
    if counts is not None:
        subject.counts = counts
    for number in numbers:
        say(number)
        with tempfile.TemporaryDirectory() as folder:
            folder = Path(folder)
            subject.make(number, random.Random(f"{seed} {kind} {number}"), folder)
            try:
                subject.check(number, folder)
            except Exception as error:
                if keep is not None:
                    _keep(kind, number, seed, keep, subject)
                yield number, f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"


def _keep(kind, number, seed, keep, subject=None):
    subject = subject or SUBJECTS[kind]()
    folder = Path(keep, f"{kind}-{seed}-{number}")
    folder.mkdir(parents=True, exist_ok=True)
    subject.make(number, random.Random(f"{seed} {kind} {number}"), folder)


def _megabytes():
    """The megabytes of this process in memory; 0 where the system does not say."""
    try:
        return (
            int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6
        )
    except OSError:
        return 0.0


def _child(args):
    """Tries a batch; prints a line of JSON for each input before it, and for each failure."""
    first, count = args.child
    before = None

    def say(number):
        nonlocal before
        if number == first + WARM_UP:
            before = _megabytes()
        faulthandler.dump_traceback_later(HANG - 10)
        print(json.dumps({"number": number}), flush=True)

    numbers, counts = range(first, first + count), Counter()
    for number, what in run(args.kinds[0], numbers, args.seed, args.keep, say, counts):
        print(json.dumps({"failed": number, "what": what}), flush=True)
    faulthandler.cancel_dump_traceback_later()
    print(json.dumps({"counts": [[*key, number] for key, number in counts.items()]}))
    if before is not None and _megabytes() - before > LEAK:
        grown = _megabytes() - before
        print(json.dumps({"failed": first, "what": f"the process grew by {grown:.0f} MB"}))


def _watched(kind, first, count, args, counts):
    """Runs a child, adds its counts; returns (the next input's number, [(number, what)])."""
    command = [sys.executable, __file__, kind, "--seed", str(args.seed), "--keep", args.keep]
    command += ["--child", str(first), str(count)]
    failures, number, lines = [], first - 1, queue.Queue()
    with tempfile.TemporaryFile() as errors:
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors, text=True)

        def read():
            for line in process.stdout:
                lines.put(line)
            lines.put(None)

        threading.Thread(target=read, daemon=True).start()
        while True:
            try:
                line = lines.get(timeout=HANG + 60 * (number < first))  # the start takes its time
            except queue.Empty:
                process.kill()
                failures.append((number, f"hangs for {HANG} s"))
                _keep(kind, number, args.seed, args.keep)
                break
            if line is None:
                break
            message = json.loads(line)
            number = message.get("number", number)
            for *key, more in message.get("counts", ()):
                counts[tuple(key)] += more
            if "failed" in message:
                failures.append((message["failed"], message["what"]))
        if process.wait() != 0 and not failures[-1:] == [(number, f"hangs for {HANG} s")]:
            failures.append((number, f"ends the process with status {process.returncode}"))
            _keep(kind, number, args.seed, args.keep)
        errors.seek(0)
        said = errors.read().decode(errors="replace").replace(NOISE, "").strip()
        if said:
            failures.append((number, f"printed until here: {said[-300:]!r}"))
    return number + 1, failures


def _print(counts):
    """Prints a table of the counts: a row for each kind of file, and their sum."""
    kinds = sorted({kind for kind, _ in counts}, key=lambda kind: -counts[kind, "files"])
    names = list(dict.fromkeys(name for _, name in counts))
    rows = [["", *names], *([kind, *(counts[kind, name] for name in names)] for kind in kinds)]
    if len(kinds) > 1:
        rows.append(["all", *(sum(counts[kind, name] for kind in kinds) for name in names)])
    for row in rows if kinds else ():
        print("  ".join(f"{cell!s:>9}" for cell in row))


def main():
    """Runs the inputs and prints the failures; returns the exit status."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("kinds", nargs="*", metavar="KIND", help=", ".join(SUBJECTS))
    parser.add_argument("--inputs", type=int, default=20000, help="of each kind")
    parser.add_argument("--seconds", type=float, default=float("inf"), help="for each kind at most")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--keep", default="fuzz-failures", help="folder of what failed")
    parser.add_argument("--child", type=int, nargs=2, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if unknown := set(args.kinds) - set(SUBJECTS):
        parser.error(f"no kind: {', '.join(unknown)}")
    if args.child:
        _child(args)
        return 0
    failed = 0
    for kind in args.kinds or SUBJECTS:
        number, start, counts = 0, time.monotonic(), Counter()
        while number < args.inputs and time.monotonic() - start < args.seconds:
            count = min(BATCH, args.inputs - number)
            before = number
            number, failures = _watched(kind, number, count, args, counts)
            for which, what in failures:
                print(f"{kind} {which}: {what}", flush=True)
            failed += len(failures)
            if number == before:  # it does not even start
                break
        _print(counts)
        print(f"{kind}: {number} inputs, seed {args.seed}, {time.monotonic() - start:.0f} s")
    print(f"{failed} failures" + (f", kept in {args.keep}" if failed else ""))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
