"""JPEG encoders to compare with, each a small class behind one interface, in `ENCODERS`.

An encoder takes an image and a quality and returns the bytes of a JPEG file without metadata.
All of them are measured by the same code. Those that are not installed say so in `missing()`.
"""

import functools
import hashlib
import importlib.metadata
import importlib.util
import io
import shutil
import subprocess
import tempfile
from pathlib import Path

from learned_jpeg.jpeg_file import HUFFMAN

import numpy as np
import PIL
from PIL import Image, ImageFile, features

# The curve of the published evaluation, arXiv 2009.12927.
QUALITIES = (*range(1, 10), *range(10, 91, 5))


class Encoder:
    """What the encoders share; a subclass fills in `missing`, `version` and `_encode`.

    Attributes:
      name: short and unique, fit for a file name.
      label: for a plot's legend.
      qualities: the qualities of its curve, rising.
      own_huffman: None where the encoder takes the Huffman choice that it is asked for; otherwise
        the choice that its files always belong to, because its decisions rest on it.
    """

    name: str
    label: str
    qualities = QUALITIES
    own_huffman: str | None = None
    fractional = False  # whether a quality may lie between two whole numbers

    def missing(self):
        """Why the encoder cannot run here, with what to install; empty if it can."""
        raise NotImplementedError

    def available(self):
        """Whether the encoder can run here."""
        return not self.missing()

    def version(self):
        """The implementation and its version, in one line; another one may write other files."""
        raise NotImplementedError

    def huffman(self, asked):
        """The Huffman choice of the files where `asked` is; a comparison notes a difference."""
        return self.own_huffman or asked

    def encode(self, image, quality, huffman):
        """The JPEG file of an image.

        Args:
          image: uint8 RGB [H, W, 3].
          quality: int, on the encoder's own scale, within its range.
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
        if self.missing():
            raise RuntimeError(f"{self.name}: {self.missing()}")
        return self._encode(np.ascontiguousarray(image), int(quality), huffman)

    @property
    def quality_range(self):
        """The lowest and the highest quality."""
        return 1, 100

    def _encode(self, image, quality, huffman):
        raise NotImplementedError


class Pillow(Encoder):
    """libjpeg-turbo as Pillow carries it: the IJG tables, plain rounding.

    `progressive` is the baseline file sent through the lossless optimizer that also writes the
    learned encoders' files, so that the Huffman choice means the same on both sides.
    """

    def __init__(self, subsampling):
        """`subsampling`: "4:4:4" or "4:2:0"."""
        self.subsampling = subsampling
        self.name = "pillow_" + subsampling.replace(":", "")
        self.label = f"Pillow {subsampling}"

    def missing(self):
        return ""

    def version(self):
        return (
            f"Pillow {PIL.__version__}, libjpeg-turbo {features.version('libjpeg_turbo')}, "
            f"mozjpeg-lossless-optimization {_installed('mozjpeg-lossless-optimization')}"
        )

    def _encode(self, image, quality, huffman):
        data = self._save(image, quality, optimize=huffman == "optimized")
        if huffman != "progressive":
            return data
        import mozjpeg_lossless_optimization

        return mozjpeg_lossless_optimization.optimize(data)

    def _save(self, image, quality, optimize):
        picture = Image.fromarray(image)
        options = {"quality": quality, "subsampling": self.subsampling, "optimize": optimize}
        try:
            file = io.BytesIO()
            picture.save(file, "JPEG", **options)
        except OSError:
            # An optimized file has to fit into Pillow's buffer, whose size is a guess that noise
            # exceeds. MAXBLOCK is the documented way to a larger one.
            ImageFile.MAXBLOCK = max(ImageFile.MAXBLOCK, 2 * image.nbytes)
            file = io.BytesIO()
            picture.save(file, "JPEG", **options)
        return file.getvalue()


class MozJPEG(Encoder):
    """mozjpeg through libvips, with everything on that its own `cjpeg` has on.

    Trellis quantization weighs the integers by the bits that its own progressive scans spend, so
    the files are progressive whatever is asked for.
    """

    own_huffman = "progressive"

    def __init__(self, subsampling):
        """`subsampling`: "4:4:4" or "4:2:0"."""
        self._subsample_mode = {"4:4:4": "off", "4:2:0": "on"}[subsampling]
        self.name = "mozjpeg_" + subsampling.replace(":", "")
        self.label = f"mozjpeg {subsampling}"

    def missing(self):
        return _missing_mozjpeg()

    def version(self):
        import pyvips

        libvips = ".".join(str(pyvips.version(i)) for i in range(3))
        return f"mozjpeg in pyvips-binary {_installed('pyvips-binary')}, libvips {libvips}"

    def _encode(self, image, quality, huffman):
        return _vips_jpeg(image, quality, self._subsample_mode, trellis=True)


class Program(Encoder):
    """An encoder that is a command on the PATH and reads and writes files."""

    command: str
    input_suffix: str

    def missing(self):
        return "" if shutil.which(self.command) else f"no program `{self.command}` on the PATH"

    def version(self):
        """Named by its content: not every encoder tells a version, and builds of one differ."""
        path = shutil.which(self.command)
        if path is None:
            raise RuntimeError(f"{self.name}: {self.missing()}")
        return f"{self.command}, SHA-256 {_digest(path, Path(path).stat().st_mtime_ns)[:16]}"

    def _options(self, quality, huffman):
        raise NotImplementedError

    def _encode(self, image, quality, huffman):
        with tempfile.TemporaryDirectory() as folder:
            # Pillow writes neither profile nor comment into these, so none gets into the JPEG.
            source, target = Path(folder, "in" + self.input_suffix), Path(folder, "out.jpg")
            Image.fromarray(image).save(source)
            command = [shutil.which(self.command), *self._options(quality, huffman)]
            result = subprocess.run(
                [*command, source, target], stdin=subprocess.DEVNULL, capture_output=True
            )
            if result.returncode != 0 or not target.exists():
                lines = (result.stderr or result.stdout).decode(errors="replace").split("\n")
                message = next((line for line in reversed(lines) if line.strip()), "no message")
                raise RuntimeError(f"{self.name}: exit status {result.returncode}: {message}")
            return target.read_bytes()


class Jpegli(Program):
    """jpegli's `cjpegli`: adaptive quantization with its own tables, 4:4:4 or 4:2:0.

    Its adaptive quantization does not look at the entropy coder, so the Huffman choice is free.
    """

    command = "cjpegli"
    input_suffix = ".ppm"

    _HUFFMAN_OPTIONS = {
        "standard": ["--progressive_level=0", "--fixed_code"],
        "optimized": ["--progressive_level=0"],
        "progressive": ["--progressive_level=2"],
    }

    def __init__(self, subsampling):
        """`subsampling`: "4:4:4" or "4:2:0"."""
        self._sampling = subsampling.replace(":", "")
        self.name = "jpegli_" + self._sampling
        self.label = f"jpegli {subsampling}"

    def _options(self, quality, huffman):
        return [
            f"--quality={quality}",
            f"--chroma_subsampling={self._sampling}",
            *self._HUFFMAN_OPTIONS[huffman],
        ]


class Guetzli(Program):
    """Google's guetzli: 4:4:4, sequential files with Huffman tables of their own, slow."""

    name = "guetzli"
    label = "guetzli"
    command = "guetzli"
    input_suffix = ".png"
    qualities = (84, 88, 92, 96)
    own_huffman = "optimized"

    @property
    def quality_range(self):
        return 84, 100  # it refuses less

    def _options(self, quality, huffman):
        return ["--nomemlimit", "--quality", str(quality)]


def _installed(package):
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return "unknown"


@functools.cache
def _digest(path, changed):
    """SHA-256 of a file; `changed` is its time stamp, so that a new file is read again."""
    return hashlib.sha256(Path(path).read_bytes()).hexdigest()


@functools.cache
def _missing_mozjpeg():
    install = "`pip install pyvips pyvips-binary` brings it"
    if importlib.util.find_spec("pyvips") is None:
        return f"no package pyvips; {install}"
    try:
        import pyvips  # noqa: F401
    except (ImportError, OSError) as error:
        return f"pyvips does not load ({error}); {install}"
    # A libvips on another JPEG library takes mozjpeg's options and silently ignores them.
    image = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
    plain, trellis = (_vips_jpeg(image, 50, "off", trellis=on) for on in (False, True))
    return "" if plain != trellis else f"libvips is built without mozjpeg; {install}"


def _vips_jpeg(image, quality, subsample_mode, trellis):
    import pyvips

    height, width, _ = image.shape
    return pyvips.Image.new_from_memory(image, width, height, 3, "uchar").jpegsave_buffer(
        Q=quality,
        subsample_mode=subsample_mode,
        quant_table=3,  # mozjpeg's own default, by N. Robidoux; libvips would take the IJG's
        trellis_quant=trellis,
        overshoot_deringing=True,
        optimize_scans=True,
        optimize_coding=True,
        interlace=True,
        keep="none",
    )


ENCODERS = {
    encoder.name: encoder
    for encoder in (
        Pillow("4:4:4"),
        Pillow("4:2:0"),
        MozJPEG("4:4:4"),
        MozJPEG("4:2:0"),
        Jpegli("4:4:4"),
        Jpegli("4:2:0"),
        Guetzli(),
    )
}
