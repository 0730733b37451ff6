"""libvips, used by one thread at a time, and its messages on a file.

libvips has one list of errors for all threads, in which warnings stay, too.
"""

import contextlib
import functools
import logging
import re
import threading

from learned_jpeg.runtime.lazy import check_process, lazy_import

pyvips = lazy_import("pyvips")

MOST = 3  # lines of an error that are shown
_alone = threading.Lock()
# Messages that add nothing to others, and messages about libvips's own work.
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
    """libvips without its cache of read files, and with its log kept in `_notes`."""
    logger = logging.getLogger("pyvips")
    logger.setLevel(logging.WARNING)
    logger.propagate = False
    logger.addHandler(_notes)
    pyvips.cache_set_max(0)
    return pyvips


@contextlib.contextmanager
def alone():
    """A context in which this thread alone uses libvips; its list of messages begins empty.

    Raises ValueError with libvips's messages where it fails.
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
    """libvips's messages within the context, [line]."""
    text = pyvips.ffi.string(pyvips.vips_lib.vips_error_buffer()).decode(errors="replace")
    return list(dict.fromkeys([*text.splitlines(), *_notes.lines]))
