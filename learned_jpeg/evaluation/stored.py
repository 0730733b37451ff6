"""The figures of a point on disk: a pickle, which is safe to read from strangers, and a journal.

A pickle holds the metrics of every image at a point (an encoder or a checkpoint at a setting) and
their fingerprint. `pickle.load` reads it as

    {"fingerprint": {name: text}, "images": [name, ...], "image_sha256": [...],
     "jpeg_sha256": [...], "height": array, "width": array, "n_bytes": array,
     "bpp": array, "mse": array, ...}

with an entry for each image everywhere but in the fingerprint, in the same order. A metric that was
not asked for is NaN; {metric: [name, ...]} under "unmeasured" tells these NaN from those of images
that are too small for a metric. A metric that is newer than the pickle is missing in it.

While a point is being measured, each figure is appended to a journal beside the pickle, lines of
JSON. So an image costs the same however many there are, and an evaluation that is killed keeps its
figures.
"""

import contextlib
import io
import json
import math
import pickle
import pickletools
import re
from pathlib import Path

from learned_jpeg.metrics import measures
from learned_jpeg.runtime.errors import UserError
from learned_jpeg.runtime.files import write_whole
from learned_jpeg.runtime.paths import shown

import numpy as np

METRICS = ("bpp", *measures.METRICS, *measures.ON_REQUEST)
_TEXTS = ("image_sha256", "jpeg_sha256")
SIZES = ("height", "width", "n_bytes")


class UnreadableError(Exception):
    """A pickle that is broken or of another form: harmless, but its metrics are lost."""


class _RefusedError(Exception):
    pass


class _Dtype:
    """Stands in for numpy.dtype: it allows plain numbers alone."""

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


# The names in the pickle of an array; numpy 2 renamed a module.
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

    seen: {id: list or dict} of the values that are done, since a file may share and nest them.
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


def _check_memo(data):
    """Raises ValueError for a memo index so high that pickle would allocate gigabytes for it."""
    for opcode, argument, _ in pickletools.genops(data):
        if opcode.name.endswith("PUT") and argument > len(data):
            raise ValueError(f"a memo index of {argument}")


def load_plain(path):
    """Reads a pickle of nothing but numbers, strings, lists, dicts and arrays of numbers.

    No code from the file is run, whatever it holds. Raises UserError, naming the file, if it
    holds anything else, and UnreadableError if it is not a whole pickle.
    """
    data = Path(path).read_bytes()
    try:
        _check_memo(data)
        return _plain(_PlainUnpickler(io.BytesIO(data)).load(), {})
    except _RefusedError as refused:
        raise UserError(
            f"{shown(path)} holds {shown(refused):.200}, but results hold only plain numbers, "
            "strings, lists, dicts and arrays. evaluate.py did not write this file, and ran none "
            "of its code; if you trust the source of the other files, delete this file to have it "
            "measured again"
        ) from None
    except Exception as error:  # a broken pickle can raise nearly any error
        reason = shown(error)[:200] or type(error).__name__
        raise UnreadableError(f"not a whole pickle ({reason})") from error


def load(path):
    """A point's pickle as (fingerprint, {image name: record}).

    fingerprint: {name: text}. A record holds image_sha256 and jpeg_sha256 (texts), height, width
    and n_bytes (int) and the measured METRICS (float).
    Raises UserError and UnreadableError like `load_plain`, and UnreadableError for other content.
    """
    content = load_plain(path)
    try:
        fingerprint, names = content["fingerprint"], content["images"]
        unmeasured = content.get("unmeasured", {})
        columns = {
            **{name: content[name] for name in _TEXTS},
            **{name: [int(value) for value in content[name]] for name in SIZES},
            **{n: [float(value) for value in content[n]] for n in METRICS if n in content},
        }
        texts = [
            *fingerprint.values(),
            *names,
            *(text for name in _TEXTS for text in content[name]),
        ]
        if not all(isinstance(text, str) for text in texts):
            raise TypeError
        rows = zip(*columns.values(), strict=True)
        found = dict(
            zip(names, (dict(zip(columns, row, strict=True)) for row in rows), strict=True)
        )
        for metric, images in unmeasured.items():
            for image in images:
                del found[image][metric]
        return fingerprint, found
    except (TypeError, ValueError, LookupError, AttributeError, OverflowError) as error:
        raise UnreadableError("not a point's results") from error


def save(path, fingerprint, records):
    """Writes a point's pickle, which `load` reads."""
    names = sorted(records)
    content = {"fingerprint": fingerprint, "images": names}
    content |= {name: [records[image][name] for image in names] for name in _TEXTS}
    content |= {
        name: np.array([records[image].get(name, math.nan) for image in names])
        for name in (*SIZES, *METRICS)
    }
    unmeasured = {
        metric: images
        for metric in METRICS
        if (images := [name for name in names if metric not in records[name]])
    }
    if unmeasured:
        content["unmeasured"] = unmeasured
    write_whole(path, pickle.dumps(content, protocol=4))


def journal(path):
    """The path of the journal of a point's pickle."""
    return path.with_suffix(".journal")


def append(path, fingerprint, image, record):
    """Adds a record of an image to the journal; `merge` says how records add up."""
    file = journal(path)
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("ab") as stream:
        lines = [] if stream.tell() else [fingerprint]
        lines.append({image: record})
        # A line feed first, since a process that was killed may have left half a line.
        stream.write("".join(f"\n{json.dumps(line)}" for line in lines).encode())


def load_journal(path):
    """The journal as (fingerprint, [{image name: record}]); None where it has no whole line."""
    try:
        lines = journal(path).read_bytes().split(b"\n")[1:]
    except FileNotFoundError:
        return None
    fingerprint = _parse(lines[0], _is_text) if lines else None
    if fingerprint is None:
        return None
    return fingerprint, list(filter(None, (_parse(line, _is_record) for line in lines[1:])))


def _parse(line, is_valid):
    """A line's dict; None where it is cut off, or not valid."""
    try:
        content = json.loads(line)
        return content if all(map(is_valid, content.values())) else None
    except (ValueError, AttributeError, RecursionError):
        return None


def _is_text(value):
    return isinstance(value, str)


_KINDS = {
    **dict.fromkeys(_TEXTS, str),
    **dict.fromkeys(SIZES, int),
    **dict.fromkeys(METRICS, float),
}


def _is_record(value):
    return isinstance(value, dict) and all(
        isinstance(figure, _KINDS.get(name, ())) for name, figure in value.items()
    )


def merge(found, records):
    """Adds the records of a journal to those of a pickle.

    A record of a file (jpeg_sha256) replaces the earlier record of the image; others add to it.
    """
    for record in records:
        for image, figures in record.items():
            before = {} if "jpeg_sha256" in figures else found.get(image, {})
            if before or "jpeg_sha256" in figures:
                found[image] = before | figures
    return found


def fold(path, fingerprint):
    """Moves the journal of a fingerprint into the pickle."""
    loaded = load_journal(path)
    if loaded is None or loaded[0] != fingerprint:
        return
    found = {}
    with contextlib.suppress(FileNotFoundError, UnreadableError):
        before, records = load(path)
        found = records if before == fingerprint else {}
    save(path, fingerprint, merge(found, loaded[1]))
    journal(path).unlink()
