"""Files that are written whole or not at all."""

import contextlib
import os
import secrets
from pathlib import Path

PART = ".learned_jpeg-"  # the name of an unfinished file begins so, and ends in .part


def write_whole(path, data, time=None):
    """Writes bytes, or a text as UTF-8, so that the file is whole or does not exist.

    Characters that are no Unicode, for example of a file name that is not UTF-8, are escaped.
    time: the file's time of change, in nanoseconds; None for now.
    Several processes may write the same path at the same time: the last one's file stays.
    Raises OSError, and leaves nothing behind, where the file cannot be written.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    # A name of its own for each writer; unlike tempfile's, the file follows the umask.
    part = path.with_name(f"{PART}{secrets.token_hex(8)}.part")
    try:
        with open(part, "xb") as file:
            file.write(data.encode(errors="backslashreplace") if isinstance(data, str) else data)
        if time is not None:
            os.utime(part, ns=(time, time))
        os.replace(part, path)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(part)
        raise
