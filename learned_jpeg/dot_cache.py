"""The pickle of a dot: safe to read from strangers, written whole or not at all.

One pickle holds the metrics of every image at one dot (one encoder or checkpoint, one setting)
and the fingerprint of what they were measured with. Seen with `pickle.load` it is

    {"fingerprint": {name: text}, "images": [name, ...], "image_sha256": [...],
     "jpeg_sha256": [...], "height": array, "width": array, "n_bytes": array,
     "bpp": array, "mse": array, ...}

with one entry an image everywhere but in the fingerprint, in the same order.
"""

import hashlib
import io
import os
import pickle
import re
from pathlib import Path

from arg_parser import UserError

import numpy as np

METRICS = ("bpp", "mse", "psnr", "ms_ssim", "lpips", "ssimulacra2", "psnr_hvs_m")
_TEXTS = ("image_sha256", "jpeg_sha256")
_WHOLE_NUMBERS = ("height", "width", "n_bytes")
_NUMBERS = (*_WHOLE_NUMBERS, *METRICS)


class UnreadableError(Exception):
    """A pickle that is broken or of another form: harmless, but its metrics are lost."""


class _RefusedError(Exception):
    pass


class _Dtype:
    """Stands in for numpy.dtype: plain numbers only, so no state of a stranger reaches numpy."""

    def __init__(self, code, *_):
        if not re.fullmatch("[biuf][1248]", code):
            raise _RefusedError(f"an array of {code!r}")
        self.code, self.order = code, "="

    def __setstate__(self, state):
        if state[1] not in ("<", ">", "|", "="):
            raise _RefusedError(f"an array of byte order {state[1]!r}")
        self.order = state[1]

    def __str__(self):
        return self.order + self.code


class _Array:
    """Stands in for numpy.ndarray: makes the array from its bytes, by numpy.frombuffer."""

    def __init__(self, *_):
        self.values = None

    def __setstate__(self, state):
        _, shape, dtype, fortran, data = state
        order = "F" if fortran else "C"
        self.values = np.frombuffer(data, np.dtype(str(dtype))).reshape(shape, order=order)


# What an array's pickle asks for by name; numpy 2 renamed a module.
_STAND_INS = {
    ("numpy", "dtype"): _Dtype,
    ("numpy", "ndarray"): _Array,
    ("numpy.core.multiarray", "_reconstruct"): _Array,
    ("numpy._core.multiarray", "_reconstruct"): _Array,
}


class _PlainUnpickler(pickle.Unpickler):
    """Reads numbers, strings, lists, dicts and arrays of numbers; imports and calls nothing."""

    def find_class(self, module, name):
        try:
            return _STAND_INS[module, name]
        except KeyError:
            raise _RefusedError(f"{module}.{name}") from None

    def persistent_load(self, pid):
        raise _RefusedError("a reference to something outside")


def _plain(value, seen):
    """The value with arrays in place of their stand-ins; refuses every other type.

    seen: {id: list or dict} of those already looked into, for a file may share and nest them.
    """
    if isinstance(value, _Array) and value.values is not None:
        return value.values
    if type(value) in (list, dict) and id(value) not in seen:
        seen[id(value)] = value
        items = value.items() if type(value) is dict else enumerate(value)
        for key, item in list(items):
            if type(key) not in (str, int, float):
                raise _RefusedError(f"a key of type {type(key).__name__}")
            value[key] = _plain(item, seen)
    if type(value) not in (str, int, float, bool, list, dict):
        raise _RefusedError(f"an object of type {type(value).__name__.lstrip('_')}")
    return value


def load_plain(path):
    """Reads a pickle of nothing but numbers, strings, lists, dicts and arrays of numbers.

    No code from the file is run, whatever it holds. Raises UserError, naming the file, if it
    holds anything else, and UnreadableError if it is not a whole pickle.
    """
    data = Path(path).read_bytes()
    try:
        return _plain(_PlainUnpickler(io.BytesIO(data)).load(), {})
    except _RefusedError as refused:
        raise UserError(
            f"{path} holds {refused}, but results are plain numbers, strings, lists, dicts and "
            "arrays alone. Nothing of it was run. It was not written by evaluate.py; if you trust "
            "where the rest of the folder comes from, delete this file to have it measured again"
        ) from None
    except Exception as error:  # a broken pickle can raise nearly anything
        raise UnreadableError(f"not a whole pickle ({error or type(error).__name__})") from error


def load(path):
    """A dot's pickle as (fingerprint, {image name: record}).

    fingerprint: {name: text}. A record holds image_sha256 and jpeg_sha256 (texts), height,
    width and n_bytes (int) and METRICS (float).
    Raises UserError and UnreadableError like `load_plain`, and UnreadableError for another content.
    """
    content = load_plain(path)
    try:
        fingerprint, names = content["fingerprint"], content["images"]
        columns = {
            **{name: content[name] for name in _TEXTS},
            **{name: [int(value) for value in content[name]] for name in _WHOLE_NUMBERS},
            **{name: [float(value) for value in content[name]] for name in METRICS},
        }
        texts = [
            *fingerprint.values(),
            *names,
            *(text for name in _TEXTS for text in content[name]),
        ]
        if not all(isinstance(text, str) for text in texts):
            raise TypeError
        rows = zip(*columns.values(), strict=True)
        records = [dict(zip(columns, row, strict=True)) for row in rows]
        return fingerprint, dict(zip(names, records, strict=True))
    except (TypeError, ValueError, KeyError, AttributeError, OverflowError) as error:
        raise UnreadableError("not a dot's results") from error


def save(path, fingerprint, records):
    """Writes what `load` reads."""
    names = sorted(records)
    content = {"fingerprint": fingerprint, "images": names}
    content |= {name: [records[image][name] for image in names] for name in _TEXTS}
    content |= {name: np.array([records[image][name] for image in names]) for name in _NUMBERS}
    write_whole(path, pickle.dumps(content, protocol=4))


def write_whole(path, data):
    """Writes bytes, or a text as UTF-8, so that the file is whole or not there at all."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    # A name of its own length could be too long with an ending.
    part = path.parent / f".{hashlib.sha1(path.name.encode(errors='replace')).hexdigest()}.part"
    try:
        part.write_bytes(data.encode() if isinstance(data, str) else data)
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)
