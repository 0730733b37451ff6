"""The pictures of the page: named on the command line, or dropped onto the page."""

import io
import threading
from dataclasses import dataclass, field
from pathlib import Path

from learned_jpeg.jpeg.transform import to_samples
from learned_jpeg.metrics import measures
from learned_jpeg.pictures import decoders, metadata, reading
from learned_jpeg.runtime import machine
from learned_jpeg.runtime.errors import UserError
from learned_jpeg.runtime.paths import JPEG_SUFFIXES, shown

import numpy as np
from PIL import Image

MOST_BYTES = 2**28  # of a dropped file
MOST_DROPPED = 64
_THUMBNAIL = 96  # pixels of its longer side
# The most pixels of decoded pictures that are kept beside the one in use, with their References;
# and the bytes of memory that a metric takes for a pixel: a picture that would need more than half
# of the memory is not measured.
_KEPT, _METRICS = 16_000_000, 250


@dataclass
class Picture:
    """A picture of the page. path: of a named picture's file; data: a dropped picture's file."""

    number: int
    name: str
    path: Path | None = None
    data: bytes | None = None
    thumbnail: bytes | None = None

    def read(self):
        """Reads the Source; errors name the picture without its folder."""
        data = self.data
        if data is None:
            try:
                data = self.path.read_bytes()
            except OSError as error:
                raise UserError(f"{self.name}: cannot be read ({error.strerror})") from error
        reading.size(self.name, data)  # before its pixels take up memory
        return reading.read_source(self.name, data=data)

    @property
    def output(self):
        """The name of the JPEG file, which is never the picture's own name."""
        name = Path(self.name).with_suffix(".jpg").name
        if Path(self.name).suffix.lower() not in JPEG_SUFFIXES:
            return name
        return f"{Path(name).stem}_smaller.jpg"


@dataclass
class Opened:
    """A decoded picture. levels: the pixels that are shown and measured, uint8 [H, W, 3 or 1]."""

    source: reading.Source
    levels: np.ndarray = field(init=False)
    orientation: int = field(init=False)

    def __post_init__(self):
        self.levels = self.source.pixels
        if self.levels.dtype != np.uint8:
            self.levels = np.rint(to_samples(self.levels)).astype(np.uint8)
        self.orientation = metadata.orientation(self.source.metadata)
        self._lock, self._reference = threading.Lock(), None

    @property
    def pixels(self):
        """The number of pixels."""
        return self.levels.shape[0] * self.levels.shape[1]

    @property
    def measurable(self):
        """Whether there is memory enough for the metrics."""
        return self.pixels * _METRICS < machine.memory() / 2

    def rgb(self):
        """The levels, uint8 [H, W, 3]."""
        return np.broadcast_to(self.levels, (*self.levels.shape[:2], 3))

    def reference(self):
        """The Reference that decoded files are compared with; kept unless the picture is large."""
        if self.pixels > _KEPT:
            return measures.Reference(self.rgb())
        with self._lock:
            if self._reference is None:
                self._reference = measures.Reference(self.rgb())
            return self._reference

    def upright(self, samples):
        """Samples [H, W, C], turned upright."""
        return np.ascontiguousarray(decoders.turned(samples, self.orientation))

    def image(self):
        """Pillow's image, upright."""
        samples = self.upright(self.levels)
        return Image.fromarray(samples[..., 0] if samples.shape[-1] == 1 else samples)

    def png(self):
        """The picture without loss, with the profile of its JPEG files."""
        file = io.BytesIO()
        profile = self.source.metadata.icc
        self.image().save(file, "PNG", compress_level=1, icc_profile=profile)
        return file.getvalue()


class Pictures:
    """The pictures by number; decodes one at a time, and keeps those that were used last."""

    def __init__(self, paths=()):
        self._all, self._opened = {}, {}
        self._list, self._decoding = threading.Lock(), threading.Lock()
        self._count = self._arriving = 0
        for path in paths:
            self._add(shown(path.name), path=path)

    def _add(self, name, **content):
        self._count += 1
        picture = Picture(self._count, name, **content)
        self._all[picture.number] = picture
        return picture

    def __iter__(self):
        with self._list:
            return iter([*self._all.values()])

    def __getitem__(self, number):
        """The picture of a number. Raises UserError where it is gone."""
        with self._list:
            if number not in self._all:
                raise UserError("this picture was removed from the page")
            return self._all[number]

    def receive(self, name, n_bytes, read):
        """Adds a dropped picture that can be read. Raises UserError for any other.

        name: of its file, whose folder is left out; read: function () -> its bytes.
        """
        name = shown(name.replace("\\", "/").rpartition("/")[2])[-200:] or "picture"
        if n_bytes > MOST_BYTES:
            raise UserError(f"{name}: the file has {n_bytes:,} bytes; at most {MOST_BYTES:,} fit")
        with self._list:
            dropped = [one for one in self._all.values() if one.data is not None]
            held = sum(len(one.data) for one in dropped) + self._arriving
            if len(dropped) >= MOST_DROPPED or held + n_bytes > 2 * MOST_BYTES:
                raise UserError(f"{name}: the page holds too many pictures; remove others first")
            self._arriving += n_bytes
        try:
            data = read()
            opened = self._decode(Picture(0, name, data=data))
            with self._list:
                picture = self._add(name, data=data)
        finally:
            with self._list:
                self._arriving -= n_bytes
        self._keep(picture, opened)
        return picture

    def remove(self, number):
        """Forgets a picture; its file stays."""
        with self._list:
            self._all.pop(number, None)
            self._opened.pop(number, None)

    def _decode(self, picture):
        with self._decoding:
            with self._list:
                opened = self._opened.get(picture.number)
            return opened or Opened(picture.read())

    def _keep(self, picture, opened):
        with self._list:
            self._opened.pop(picture.number, None)
            if picture.number in self._all:
                self._opened[picture.number] = opened
            while len(self._opened) > 1 and sum(o.pixels for o in self._opened.values()) > _KEPT:
                del self._opened[next(iter(self._opened))]

    def open(self, number):
        """The Opened of a number. Raises UserError where it cannot be read."""
        picture = self[number]
        opened = self._decode(picture)
        self._keep(picture, opened)
        return opened

    def thumbnail(self, number):
        """A small version of a picture: the bytes of a JPEG file."""
        picture = self[number]
        if picture.thumbnail is None:
            with self._list:
                opened = self._opened.get(number)
            image = (opened or self._decode(picture)).image()
            image.thumbnail((2 * _THUMBNAIL, _THUMBNAIL), reducing_gap=2)
            file = io.BytesIO()
            image.save(file, "JPEG", quality=80)
            picture.thumbnail = file.getvalue()
        return picture.thumbnail
