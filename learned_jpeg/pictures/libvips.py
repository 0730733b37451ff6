"""libvips: for one thread at a time, and with what it notes of a file.

It has one list of errors for all threads, in which notes stay that are no error.
"""

import contextlib
import functools
import logging
import re
import threading

from learned_jpeg.runtime.lazy import check_process, lazy_import

pyvips = lazy_import("pyvips")

MOST = 3  # lines of a reason
_alone = threading.Lock()
# What tells nobody anything beside another line, and what tells of its own work.
_EMPTY = re.compile("bad seek|(load|read) error|error in tile|^unable to|read gave")


class _Notes(logging.Handler):
    """Keeps what libvips logs."""

    def __init__(self):
        super().__init__(logging.WARNING)
        self.lines = []

    def emit(self, record):
        self.lines.append(record.getMessage().removeprefix("VIPS: "))


_notes = _Notes()


@functools.cache
def _quiet():
    """libvips as it is loaded: without a cache of what it has read, its log kept to `_notes`."""
    logger = logging.getLogger("pyvips")
    logger.setLevel(logging.WARNING)
    logger.propagate = False
    logger.addHandler(_notes)
    pyvips.cache_set_max(0)
    return pyvips


@contextlib.contextmanager
def alone():
    """libvips within the context, for this thread alone; nothing is noted at first.

    Raises ValueError with libvips's reasons where it fails.
    """
    check_process("libvips")
    with _alone:
        vips = _quiet()
        vips.vips_lib.vips_error_clear()
        _notes.lines.clear()
        try:
            yield vips
        except vips.Error as error:
            lines = dict.fromkeys([*_notes.lines, *error.detail.splitlines()])
            told = [line for line in lines if not _EMPTY.search(line)]
            raise ValueError("; ".join((told or list(lines))[:MOST]) or error.message) from error


def noted():
    """What libvips has noted within the context, [line]."""
    text = pyvips.ffi.string(pyvips.vips_lib.vips_error_buffer()).decode(errors="replace")
    return list(dict.fromkeys([*text.splitlines(), *_notes.lines]))
