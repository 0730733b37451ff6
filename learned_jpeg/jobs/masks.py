"""Masks of --importance: which mask a picture has, and files of unchanged size with masks."""

import math
from pathlib import Path

from learned_jpeg.jobs.settings import Search
from learned_jpeg.jobs.targets import KINDS, TOLERANCE
from learned_jpeg.pictures import reading
from learned_jpeg.runtime import paths
from learned_jpeg.runtime.errors import UserError
from learned_jpeg.runtime.paths import shown

import numpy as np

# The slope of the logarithm of a file's bytes against that of the price of a bit: a first guess.
_SLOPE = -0.2


class Masks:
    """The masks of a run: one for all pictures, or a folder of them.

    argument: the value of --importance; output_dir: the folder of outputs, whose subfolders the
    folder of masks has, too; or None. Raises UserError for a missing file or folder.
    """

    def __init__(self, argument, output_dir=None):
        self._argument, self._output_dir = Path(argument), output_dir
        self._found = None
        if self._argument.is_dir():
            _, files = paths.expand(str(argument), "--importance")
            self._found = {}
            for file in files:
                self._found.setdefault(file.relative_to(self._argument).with_suffix(""), file)
        elif not self._argument.is_file():
            raise UserError(f"--importance {shown(argument)}: no such file or folder")

    def of(self, path, output):
        """The mask of an input, or None; output: the path of its JPEG file."""
        if self._found is None:
            return self._argument
        folder = Path(output).parent
        below = Path() if self._output_dir is None else folder.relative_to(self._output_dir)
        return self._found.get(below / Path(path).stem)


def read(path, size, data=None):
    """A mask as float32 [H, W], 0 to 1.

    size: the (H, W) of the picture; data: the file's bytes, where they are known already. Raises
    UserError for a mask of another size.
    """
    pixels = reading.read_source(path, data=data).pixels
    if pixels.shape[:2] != size:
        of_mask, of_picture = (f"{shape[1]}x{shape[0]}" for shape in (pixels.shape, size))
        raise UserError(f"the mask {shown(path)} has {of_mask} pixels, the picture {of_picture}")
    return pixels.mean(-1, dtype=np.float32) / np.float32(np.iinfo(pixels.dtype).max)


def as_many_bytes(size, setting, prices, encoded):
    """A file of at most `size` bytes and at least 99% of them: (bytes, scale of its tables).

    prices: of `importance.prices`; encoded: function (Setting, scale of its tables, prices) -> the
    bytes of a file. Where no scale of the tables comes near enough, the search changes the price
    of all bits.
    """
    aim = size * (1 - TOLERANCE / 2)
    spare = math.log(size / aim) + 1e-9  # the distance of a file of exactly `size` bytes
    scale = 1.0

    def by_tables(setting, factor):
        data = encoded(setting, factor, prices)
        return math.log(len(data) / aim), (data, factor)

    def by_prices(setting, factor):
        data = encoded(setting, scale, prices + np.float32(math.log2(factor)))
        return math.log(len(data) / aim), (data, scale)

    search = Search(by_tables, spare, 1, KINDS["size"].slope)
    search.on_scale(setting)
    if not search.met:
        _, scale = search.best
        search.attempt, search.slope = by_prices, _SLOPE
        search.on_scale(setting)
    return search.best
