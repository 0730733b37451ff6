"""Standard streams that are closed or cannot be written: no work is lost by it."""

import contextlib
import os
import sys


class Stream:
    """A stream of text whose first error is kept for the end, and what comes after it dropped."""

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
            except BrokenPipeError:  # nobody reads any more
                raise
            except OSError as error:
                self.error = error

    def drop(self):
        """Lets nothing be written at the end of the process either."""
        os.dup2(os.open(os.devnull, os.O_WRONLY), self._stream.fileno())


@contextlib.contextmanager
def guarded():
    """Standard output and error as Streams within the context; gives that of the output.

    Of those that are closed, the input is empty, the output cannot be written, and what goes to
    the error is lost.
    """
    flags = {"stdin": os.O_RDONLY, "stdout": os.O_RDONLY, "stderr": os.O_WRONLY}
    for name, flag in flags.items():
        if getattr(sys, name) is None:  # its number is the next that is free
            setattr(sys, name, open(os.open(os.devnull, flag), "r" if name == "stdin" else "w"))
    output = Stream(sys.stdout)
    with contextlib.redirect_stdout(output), contextlib.redirect_stderr(Stream(sys.stderr)):
        yield output
