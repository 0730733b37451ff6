"""Files that are written whole or not at all."""

import contextlib
import os
import tempfile
from pathlib import Path

PART = ".learned_jpeg-"  # how the name of a file that is not whole yet begins; it ends in .part


def write_whole(path, data):
    """Writes bytes, or a text as UTF-8, so that the file is whole or not there at all.

    Any number of processes may write the same path at the same time; one of them is the last.
    Raises OSError, with nothing left behind, where the file cannot be written.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, part = tempfile.mkstemp(".part", PART, path.parent)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data.encode() if isinstance(data, str) else data)
        # A temporary file is its owner's alone; an ordinary one follows the umask.
        umask = os.umask(0)
        os.umask(umask)
        os.chmod(part, 0o666 & ~umask)
        os.replace(part, path)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(part)
        raise
