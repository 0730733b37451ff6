"""One picture's work by several threads: parts of it, each done by whichever is free.

The parts follow from the picture alone, not from the number of threads, and neither do the
results. A thread that works on a picture says so by `at_work`; only cores that are left over then
help it, so that as many pictures at a time as there are cores have one each.
"""

import contextlib
import os
import threading
from collections import deque

from learned_jpeg.runtime import machine

# Blocks of a part: their coefficients stay near a core.
PART = 4096

_most = None  # threads of this process, None for as many as it has cores
_own = threading.local()
_busy, _lock = 0, threading.Lock()


def _forked():
    global _busy, _lock
    _busy, _lock = int(bool(getattr(_own, "most", 0))), threading.Lock()


if hasattr(os, "register_at_fork"):  # not on every system
    os.register_at_fork(after_in_child=_forked)  # other threads do not come along


def limit(number):
    """Lets the pictures of this process have so many threads in all; for the rest of it."""
    global _most
    _most = number


@contextlib.contextmanager
def at_work(most=None):
    """A context in which this thread works on a picture, which may have `most` threads, None for
    what the process may. Within another one it changes nothing."""
    if getattr(_own, "most", 0):
        yield
        return
    _own.most = most or _most or machine.cores()
    _count(1)
    try:
        yield
    finally:
        _count(-1)
        _own.most = 0


def _count(number):
    global _busy
    with _lock:
        _busy += number


def _helpers(wanted):
    """As many more threads as wanted, or as are left over, which now are counted."""
    global _busy
    with _lock:
        number = max(0, min(wanted, _own.most - _busy))
        _busy += number
    return number


def share(calls):
    """The results of functions without arguments, in their order, by as many threads as may be.

    What a function raises is raised here, and what had not begun by then is left out.
    """
    results, errors, waiting = [None] * len(calls), [], deque(enumerate(calls))

    def work_on_one():
        try:
            index, call = waiting.popleft()
        except IndexError:
            return False
        try:
            results[index] = call()
        except BaseException as error:
            waiting.clear()
            errors.append(error)
        return True

    def help(most):
        _own.most = most
        try:
            while work_on_one() and _busy <= most:  # else a picture came that has no core
                pass
        finally:
            _count(-1)

    with at_work():
        helpers = []
        for _ in range(_helpers(len(calls) - 1)):
            helpers.append(threading.Thread(target=help, args=[_own.most], daemon=True))
            try:
                helpers[-1].start()
            except RuntimeError:  # a process that ends has no more threads
                helpers.pop()
                _count(-1)
        while work_on_one():
            pass
        for helper in helpers:
            helper.join()
    if errors:
        raise errors[0]
    return results


def parts(rows, columns=1):
    """Slices of so many rows of as many blocks."""
    step = max(1, PART // columns)
    return [slice(start, min(start + step, rows)) for start in range(0, rows, step)]
