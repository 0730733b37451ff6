"""The weights of a model as plain arrays, `model.npz`, which need no TensorFlow."""

import io
import zipfile
import zlib
from pathlib import Path

from learned_jpeg.runtime.errors import UserError
from learned_jpeg.runtime.files import write_whole

import numpy as np

WEIGHTS = "model.npz"


def write(pipeline, folder):
    """Writes the weights of a portable pipeline into its folder."""
    write_arrays({name: np.asarray(part) for name, part in pipeline.parts().items()}, folder)


def write_arrays(arrays, folder):
    """Writes {name: array} into a folder."""
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)
    write_whole(Path(folder) / WEIGHTS, buffer.getvalue())


def read(folder):
    """The weights {name: array} of a folder, or None without any. Raises UserError if broken."""
    path = Path(folder) / WEIGHTS
    if not path.exists():
        return None
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
        if not all(np.isfinite(array).all() for array in arrays.values()):
            raise ValueError("not all are finite")
        return arrays
    except (OSError, EOFError, ValueError, TypeError, zipfile.BadZipFile, zlib.error) as error:
        raise UserError(f"{path}: its weights cannot be read ({error}); put it back") from error
