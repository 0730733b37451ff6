"""Many pictures at a time, within the machine's memory."""

import contextlib
import itertools
import os
import threading
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait


class PixelBudget:
    """Makes workers wait until their pictures together stay within a number of pixels.

    A picture above that number is worked on alone.
    """

    def __init__(self, pixels):
        self._free = self._total = pixels
        self._changed = threading.Condition()

    @contextlib.contextmanager
    def hold(self, pixels):
        """Waits until a picture's pixels are free, and holds them within the context."""
        pixels = min(pixels, self._total)
        with self._changed:
            self._changed.wait_for(lambda: self._free >= pixels)
            self._free -= pixels
        try:
            yield
        finally:
            with self._changed:
                self._free += pixels
                self._changed.notify_all()


def run_all(work, calls, jobs):
    """Runs work(*call) for each of the calls, `jobs` at a time.

    Calls are taken from their iterator only when they are needed, which limits the memory.
    """
    calls, running = iter(calls), set()
    pool = ThreadPoolExecutor(jobs)
    try:
        while True:
            for call in itertools.islice(calls, 2 * jobs - len(running)):
                running.add(pool.submit(work, *call))
            if not running:
                return
            done, running = wait(running, return_when=FIRST_COMPLETED)
            for one in done:
                one.result()
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


def beside(function):
    """Runs a function in another thread and returns its result, or raises its error.

    Ctrl-C raises in the main thread, at any point. In another thread the function keeps its locks,
    and goes on.
    """
    outcome, (ready, done) = [], os.pipe()

    def run():
        try:
            outcome[:] = function(), None
        except BaseException as error:
            outcome[:] = None, error
        os.write(done, b".")

    threading.Thread(target=run, daemon=True).start()
    os.read(ready, 1)
    os.close(ready)
    os.close(done)
    result, error = outcome
    if error is not None:
        raise error
    return result
