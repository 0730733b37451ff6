"""Makes the files of the page, of a choice, of another encoder or of a curve, and their figures.

Each job is a generator of messages to the page, dicts for JSON: {"doing": a line}, {"file": ...},
{"figures": {metric: figure or None}}, {"point": [value of the rate setting, bytes]}.
"""

import functools
import io
import math
import threading
import time
from dataclasses import dataclass, replace

from learned_jpeg.evaluation.coders import EncoderCoder
from learned_jpeg.jobs import one_picture
from learned_jpeg.jobs.targets import TOLERANCE, Setting, Target, psnr
from learned_jpeg.jpeg import jpeg_file
from learned_jpeg.metrics import measures
from learned_jpeg.pictures import metadata
from learned_jpeg.rivals.encoders import ENCODERS
from learned_jpeg.runtime.errors import UserError
from learned_jpeg.view.choices import METRICS
from learned_jpeg.view.turns import CancelledError, Turns

import numpy as np
from PIL import Image

# The most files that are kept for the page to fetch, and the most bytes of all but the newest.
_FILES, _BYTES = 16, 2**27
_POINTS = 10  # of a curve
_SILENCE = 3.0  # seconds after which a message says that a job still works
# A header of JFIF 1.1, ITU-T T.871.
_JFIF = b"\xff\xe0\0\x10JFIF\0\1\1\0\0\1\0\1\0\0"
# The range of the map in Butteraugli's units: a difference that is just visible, and a plain one.
_JUST, _PLAIN = 1.0, 4.0


@dataclass(frozen=True)
class File:
    """A JPEG file that was made. picture: the number of its picture; name: for saving."""

    picture: int
    name: str
    data: bytes


class Files:
    """The files that were made last, by number."""

    def __init__(self):
        self._all, self._lock, self._count = {}, threading.Lock(), 0

    def add(self, file):
        """Keeps a file; returns its number."""
        with self._lock:
            self._count += 1
            self._all[self._count] = file
            while len(self._all) > 4 and (
                len(self._all) > _FILES or sum(len(f.data) for f in self._all.values()) > _BYTES
            ):
                del self._all[next(iter(self._all))]
            return self._count

    def __getitem__(self, number):
        """The File of a number, which now counts as new. Raises UserError where it is gone."""
        with self._lock:
            if number not in self._all:
                raise UserError("this file is not kept any more; make the choice again")
            file = self._all[number] = self._all.pop(number)
            return file


class Making:
    """The jobs of a page. pictures: Pictures; choices: Choices."""

    def __init__(self, pictures, choices):
        self.pictures, self.choices, self.files = pictures, choices, Files()
        self._encoding, self._measuring = Turns(), Turns()

    def choice(self, place, number, choice):
        """Makes the file of a choice, of the picture of a number, and measures it.

        place: a place on the page; the next job of the same place cancels this job, which then
        raises CancelledError.
        """
        job = self._encoding.enter(place)
        picture = self.pictures[number]
        arguments = self.choices.arguments(picture.name, picture.output, choice)
        yield {"doing": f"opening {picture.name}"}
        with self._encoding.turn(job):
            start = time.perf_counter()
            opened = self.pictures.open(number)
            said = _Progress(job, self._encoding)
            settings, options = self.choices.read(arguments)
            options = replace(options, trying=said.trying, refining=lambda name: said.refined)
            report = one_picture.FileReport(picture.name, picture.output)
            what = f"encoding by {choice['model']}"
            work = functools.partial(
                one_picture.compress_source, opened.source, settings, options, report
            )
            data = yield from said.during(work, what, options.target is not None)
            seconds = time.perf_counter() - start
        number = self.files.add(File(number, picture.output, data))
        yield {
            "file": {
                **{"number": number, "name": picture.output, "bytes": len(data)},
                **{"bpp": report.bpp, "psnr": _finite(report.psnr), "seconds": seconds},
                **{"dial": report.dial, "sampling": report.sampling},
                "warnings": report.warnings,
                "command": self.choices.command(arguments),
            }
        }
        yield from self._figures(job, opened, data)

    def encoder(self, place, number, name, n_bytes):
        """Makes the file of an encoder of ENCODERS nearest to a size and not above it."""
        job = self._encoding.enter(place)
        encoder, picture = ENCODERS.get(name), self.pictures[number]
        if encoder is None or encoder.slow or encoder.missing():
            raise UserError(f"the encoder {name!r} is not on this page")
        coder = EncoderCoder(name, "progressive")
        with self._encoding.turn(job):
            opened = self.pictures.open(number)
            said = _Progress(job, self._encoding)

            @functools.cache
            def encoded(rate_setting):
                said.trying()
                return _with(coder.encode(opened.rgb(), rate_setting), opened.source.metadata)

            def finished(setting, _):
                rate_setting = setting.rate_setting
                return encoded(rate_setting if encoder.fractional else round(rate_setting))

            target = Target("size", n_bytes)
            work = functools.partial(
                target.encode, opened.source.pixels, [Setting(coder)], finished
            )
            found = yield from said.during(work, encoder.label, True)
        apart = 100 * (len(found.data) / n_bytes - 1)
        stem = picture.output.rpartition(".")[0]
        file = File(number, f"{stem}_{name}.jpg", found.data)
        pixels = opened.source.pixels
        yield {
            "file": {
                **{"number": self.files.add(file), "name": file.name, "bytes": len(file.data)},
                "bpp": measures.bpp(len(file.data), *pixels.shape[:2]),
                "psnr": _finite(psnr(pixels, file.data)),
                "dial": found.setting.rate_setting,
                "warnings": [f"{encoder.label} has no file nearer to these bytes: {apart:+.1f}%"]
                * (abs(apart) > 100 * TOLERANCE),
            }
        }
        yield from self._figures(job, opened, file.data)

    def _figures(self, job, opened, data):
        """Measures each metric of a file, then says that all are done."""
        if opened.measurable:
            yield {"doing": "measuring"}
            measuring = self._measuring.enter(job[0])
            decoded = jpeg_file.decode(data)
            for metric in METRICS:
                if metric.name == "psnr":
                    continue
                with self._measuring.turn(measuring):
                    self._encoding.check(job)
                    figures = opened.reference().measure(decoded, [metric.name])
                value = float(metric.shown(figures[metric.name]))
                yield {"figures": {metric.name: _finite(value)}}
        yield {"done": True}

    def curve(self, place, number, choice):
        """Finds the bytes of a choice along its rate setting; all other jobs go first."""
        job = self._encoding.enter(place)
        picture, rate_setting = self.pictures[number], self.choices.offered()["dial"]
        if not rate_setting:
            raise UserError(f"{choice.get('model')} has no quality to choose, and so no curve")
        for value in np.linspace(rate_setting[1], rate_setting[2], _POINTS).round().tolist():
            one = {**choice, "dial": value, "target": None}
            arguments = self.choices.arguments(picture.name, picture.output, one)
            with self._encoding.turn(job, behind=True):
                opened = self.pictures.open(number)
                settings, options = self.choices.read(arguments)
                report = one_picture.FileReport(picture.name, picture.output)
                data = one_picture.compress_source(opened.source, settings, options, report)
            yield {"point": [value, len(data)]}
        yield {"done": True}

    def difference(self, number):
        """The map of visible differences of a file: a PNG, upright, transparent where none is."""
        file = self.files[number]
        opened = self.pictures.open(file.picture)
        if not opened.measurable:
            raise UserError("the map of this picture needs more memory than this machine has")
        with self._measuring.turn(self._measuring.enter(f"difference {threading.get_ident()}")):
            seen = opened.reference().error_map(jpeg_file.decode(file.data))
        if seen is None:
            raise UserError("the picture is too small for a map")
        return _map(opened.upright(seen[..., None]))


def _with(data, items):
    """Another encoder's file with metadata.Items, and with a JFIF header, which jpegli omits."""
    if data[2:4] != _JFIF[:2]:
        data = data[:2] + _JFIF + data[2:]
    return metadata.embed(data, items)


def _map(seen):
    """A PNG of differences [H, W, 1]: from yellow, just visible, to red, plain."""
    level = np.clip((seen[..., 0] - _JUST) / (_PLAIN - _JUST), 0, 1)
    image = Image.fromarray(np.ceil(255 * level).astype(np.uint8), "P")
    ramp = np.arange(256) / 255
    colours = np.stack([np.full(256, 255), 220 * (1 - ramp), np.zeros(256)], 1)
    image.putpalette(colours.astype(np.uint8).tobytes())
    alpha = np.where(ramp > 0, 70 + 160 * ramp, 0).astype(np.uint8)
    file = io.BytesIO()
    image.save(file, "PNG", compress_level=1, transparency=alpha.tobytes())
    return file.getvalue()


class _Progress:
    """Messages on the progress of a job, in a thread of its own, until it is cancelled."""

    def __init__(self, job, turns):
        self._job, self._turns = job, turns
        self._changed, self._tries, self._refined = threading.Condition(), 0, 0.0
        self._heard = True

    def _check(self):
        self._turns.check(self._job)
        if not self._heard:
            raise CancelledError

    def trying(self):
        """Called before each encoding."""
        self._check()
        with self._changed:
            self._tries, self._refined = self._tries + 1, 0.0
            self._changed.notify_all()

    def refined(self, share):
        """Called with the part of the refining that is done."""
        self._check()
        with self._changed:
            self._refined = share
            self._changed.notify_all()

    def during(self, work, what, searches):
        """Runs a function; yields messages meanwhile, and returns its result or raises its error.

        When the page has gone away, this still waits for the function's end.
        """
        result = []

        def run():
            try:
                result.append((work(), None))
            except BaseException as error:
                result.append((None, error))
            with self._changed:
                self._changed.notify_all()

        threading.Thread(target=run, daemon=True).start()
        said, start = None, time.monotonic()
        while True:
            with self._changed:
                changed = self._changed.wait_for(
                    lambda s=said: result or (self._tries, self._refined) != s, _SILENCE
                )
                if result:
                    break
                said = self._tries, self._refined
            line = what
            if searches and said[0]:
                line += f", try {said[0]}"
            if said[1]:
                line += f", {said[1]:.0%} refined"
            if not changed:
                line += f", {time.monotonic() - start:.0f} s so far"
            try:
                yield {"doing": line}
            except GeneratorExit:
                self._heard = False
                with self._changed:
                    self._changed.wait_for(lambda: result)
                raise
        value, error = result[0]
        if error is not None:
            raise error
        return value


def _finite(value):
    """A figure for JSON, which has no infinity; None for a lossless file's PSNR, too."""
    return value if value is not None and math.isfinite(value) else None
