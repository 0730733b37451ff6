"""Fingerprints: all that a figure depends on, {name: text}; a new text has it measured again."""

import functools
from importlib.metadata import PackageNotFoundError, version

from learned_jpeg.metrics import measures
from learned_jpeg.rivals.encoders import ENCODERS

# Count up when a change gives other bytes, so that stored figures are measured again: `files` for
# files of all models (tables, coefficients, rounding, the format), `search` and `refining` for
# files that are searched or refined, `auto` for files whose sampling the search chooses, `sizes`
# for files of a searched size, `rivals` for files of other encoders. tests/expected/files.json has
# digests of such files.
ENCODING = {"files": 1, "search": 2, "auto": 5, "refining": 2, "sizes": 1, "rivals": 1}

# Packages that decide about the bytes of a model's file, besides the project's own code.
_PACKAGES = "tensorflow numpy numba jpeglib pillow".split()


def of_encoder(name, huffman):
    """The fingerprint of a file by an encoder of ENCODERS."""
    return {
        "encoder": f"{name}, {ENCODERS[name].version()}",
        "encoding version": versions("rivals"),
        "Huffman choice": huffman,
        "measuring code": of_metrics(),
    }


def of_model(model):
    """The fingerprint of a file by a `coders.ModelCoder`."""
    coding, searched = model.coding, not model.rounds
    parts = {
        "files": True,
        "search": searched,
        "auto": searched and coding.sampling in (None, "auto"),
        "refining": coding.refine > 0,
    }
    return {
        "checkpoint": model.checkpoint or model.folder,
        "encoding version": versions(*(part for part, counts in parts.items() if counts)),
        "packages": ", ".join(f"{name} {_version(name)}" for name in _PACKAGES),
        "Huffman choice": coding.huffman,
        "measuring code": of_metrics(),
    } | choices(coding)


def choices(coding):
    """{option: text} of the options that are chosen, not left to the model, without `huffman`."""
    names = ("quantizer", "sampling", "tune", "refine")
    return {name: str(choice) for name in names if (choice := getattr(coding, name))}


def of_size(size):
    """The entries that a search for a size (a text) adds to the fingerprints of its coders."""
    return {"dial": size, "search for the size": versions("sizes")}


def versions(*parts):
    """The versions of parts of ENCODING, as a text."""
    return ", ".join(f"{part} {ENCODING[part]}" for part in parts)


@functools.cache
def of_metrics():
    """The text for the metrics of a decoded file."""
    versions = measures.versions() | {"pillow": _version("pillow")}
    return ", ".join(f"{name} {number}" for name, number in versions.items())


def _version(package):
    try:
        return version(package)
    except PackageNotFoundError:
        return "none"
