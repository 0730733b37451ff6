"""Standard streams that are closed or cannot be written: the work goes on without them."""

import contextlib
import os
import sys


class Stream:
    """A text stream that keeps its first error for the end, and drops all text after it."""

    def __init__(self, stream):
        self._stream, self.error = stream, None

    def __getattr__(self, name):
        return getattr(self._stream, name)

    def write(self, text):
        self._try(self._stream.write, text)
        return len(text)

    def flush(self):
        self._try(self._stream.flush)

    def _try(self, call, *arguments):
        if self.error is None:
            try:
                call(*arguments)
            except BrokenPipeError:  # the reader has gone away
                raise
            except OSError as error:
                self.error = error

    def drop(self):
        """Discards text that Python still holds when the process ends."""
        os.dup2(os.open(os.devnull, os.O_WRONLY), self._stream.fileno())


@contextlib.contextmanager
def guarded():
    """Makes Streams of standard output and error within the context; gives that of the output.

    A closed standard input is empty, a closed output cannot be written, and text for a closed
    error stream is lost.
    """
    flags = {"stdin": os.O_RDONLY, "stdout": os.O_RDONLY, "stderr": os.O_WRONLY}
    for name, flag in flags.items():
        if getattr(sys, name) is None:  # its number is the next that is free
            setattr(sys, name, open(os.open(os.devnull, flag), "r" if name == "stdin" else "w"))
    output = Stream(sys.stdout)
    with contextlib.redirect_stdout(output), contextlib.redirect_stderr(Stream(sys.stderr)):
        yield output
