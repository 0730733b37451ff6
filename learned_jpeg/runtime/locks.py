"""One process at a time in a folder: a lock that ends with its process."""

import contextlib
import errno
import os
import socket
import sys
import time
from pathlib import Path

from learned_jpeg.runtime.errors import UserError

try:
    import fcntl
except ImportError:  # Windows
    import msvcrt

LOCK = ".learned_jpeg-lock"  # the name of the locked file; its text names the process

# On Windows no other process can read a locked byte, so this byte lies behind the text.
_LOCKED_BYTE = 2**20
_HELD = (errno.EWOULDBLOCK, errno.EACCES, errno.EDEADLK)


def _lock(descriptor):
    if sys.platform == "win32":
        os.lseek(descriptor, _LOCKED_BYTE, os.SEEK_SET)
        msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        os.lseek(descriptor, 0, os.SEEK_SET)
    else:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)


def _is(descriptor, path):
    """Whether a path still leads to an open file: the lock's last holder may have removed it."""
    try:
        return os.path.samestat(os.fstat(descriptor), os.stat(path))
    except FileNotFoundError:
        return False


def _acquire(path):
    """(descriptor of the locked file, None), or (None, the process that holds the lock).

    Where the file system has no locks, it prints a warning and returns an unlocked file.
    """
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
        try:
            _lock(descriptor)
        except OSError as error:
            if error.errno in _HELD:
                other = os.read(descriptor, 1000).decode(errors="replace").strip()
                os.close(descriptor)
                return None, other or "another process"
            print(
                f"warning: {path.parent}: its file system has no locks ({error.strerror}): run no "
                "other command that writes into this folder",
                file=sys.stderr,
            )
            return descriptor, None
        if _is(descriptor, path):
            return descriptor, None
        os.close(descriptor)


@contextlib.contextmanager
def alone(folder, instead, wait=False):
    """Within this context no other process (or thread) is in the same context of the folder.

    folder: is made where it is missing; instead: another thing that the user can do, for the
    error; wait: wait until the other process has ended, after a line on stderr, instead of the
    error.

    The operating system ends the lock when the process ends, for any reason. Over NFS and SMB the
    lock also holds between machines. Where the file system has no locks, a warning says so, and
    other processes are not kept out.

    Raises UserError, naming the other process and its machine; OSError where the folder cannot
    be made or written.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    path, said = folder / LOCK, False
    descriptor, other = _acquire(path)
    while descriptor is None:
        if not wait:
            raise UserError(f"{folder} is in use by {other}: wait until it has ended, or {instead}")
        if not said:
            print(f"{folder} is in use by {other}: waiting until it has ended", file=sys.stderr)
            said = True
        time.sleep(0.5)
        descriptor, other = _acquire(path)
    try:
        os.truncate(descriptor, 0)
        os.write(descriptor, f"process {os.getpid()} on {socket.gethostname()}\n".encode())
        yield
    finally:
        # Removed while locked, so that no other process has it; Windows removes no open file.
        with contextlib.suppress(OSError):
            os.unlink(path)
        os.close(descriptor)
