"""The interface of all encoders to compare with, and calling their programs."""

import functools
import hashlib
import importlib.metadata
import subprocess
from pathlib import Path

from learned_jpeg.jpeg.jpeg_file import HUFFMAN

import numpy as np

# The curve of the published evaluation, arXiv 2009.12927.
QUALITIES = (*range(1, 10), *range(10, 91, 5))


class Encoder:
    """An encoder to compare with; a subclass defines `missing`, `_version` and `_encode`.

    Attributes:
      name: short and unique, fit for a file name.
      label: for a plot's legend.
      qualities: the qualities of its curve, rising.
      quality_range: the lowest and the highest quality.
      fractional: whether a quality may lie between two whole numbers.
      slow: whether a picture may take a minute.
      own_huffman: None for an encoder that takes any Huffman choice; otherwise the choice of all
        its files, since its decisions depend on it.
    """

    name: str
    label: str
    qualities = QUALITIES
    quality_range = (1, 100)
    fractional = False
    slow = False
    own_huffman: str | None = None

    def missing(self):
        """Why the encoder cannot run here, and how to install it; empty if it can run."""
        raise NotImplementedError

    def available(self):
        """Whether the encoder can run here."""
        return not self.missing()

    def version(self):
        """The implementation and its version, in one line; other versions may write other files.

        Raises RuntimeError if the encoder is missing.
        """
        self._check_installed()
        return self._version()

    def huffman(self, asked):
        """The Huffman choice of the files where `asked` is wanted; a label notes a difference."""
        return self.own_huffman or asked

    def encode(self, image, quality, huffman):
        """The JPEG file of an image.

        Args:
          image: uint8 RGB [H, W, 3].
          quality: on the encoder's own scale, within its range; whole unless `fractional`.
          huffman: one of `jpeg_file.HUFFMAN`; see `huffman()`.

        Raises:
          ValueError: a quality or a Huffman choice that does not exist.
          RuntimeError: the encoder is missing or failed.
        """
        if huffman not in HUFFMAN:
            raise ValueError(f"Huffman choice {huffman!r}; it is one of {', '.join(HUFFMAN)}")
        lowest, highest = self.quality_range
        if not lowest <= quality <= highest:
            raise ValueError(f"{self.name}: quality {quality} is not in {lowest}..{highest}")
        whole = int(quality)
        if whole != quality and not self.fractional:
            raise ValueError(f"{self.name}: quality {quality} is not a whole number")
        self._check_installed()
        return self._encode(
            np.ascontiguousarray(image), whole if whole == quality else float(quality), huffman
        )

    def _encode(self, image, quality, huffman):
        raise NotImplementedError

    def _version(self):
        raise NotImplementedError

    def _check_installed(self):
        if missing := self.missing():
            raise RuntimeError(f"{self.name}: {missing}")


def run(name, command, source=b""):
    """The stdout of a command, with `source` on its stdin. Raises RuntimeError if it fails."""
    result = subprocess.run(command, input=source, capture_output=True)
    if result.returncode != 0:
        lines = (result.stderr or result.stdout).decode(errors="replace").split("\n")
        message = next((line for line in reversed(lines) if line.strip()), "no message")
        raise RuntimeError(f"{name}: exit status {result.returncode}: {message}")
    return result.stdout


def installed(package):
    """The version of a package."""
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return "unknown"


def digest(path):
    """The first 16 hexadecimal digits of a file's SHA-256; it is read again once it changes."""
    return _digest(path, Path(path).stat().st_mtime_ns)


@functools.cache
def _digest(path, changed):
    return hashlib.sha256(Path(path).read_bytes()).hexdigest()[:16]
