"""The work on one picture in several threads: each part is done by the next free thread.

Parts and results depend on the picture alone, not on the number of threads. A thread that works on
a picture says so by `at_work`. Only cores without a picture of their own help it: with as many
pictures at a time as cores, each picture has one core.
"""

import contextlib
import os
import threading
from collections import deque

from learned_jpeg.runtime import machine

# The number of blocks in a part: their coefficients fit into a core's cache.
PART = 4096

_most = None  # threads of this process, None for as many as it has cores
_own = threading.local()
_busy, _lock = 0, threading.Lock()


def _forked():
    global _busy, _lock
    _busy, _lock = int(bool(getattr(_own, "most", 0))), threading.Lock()


if hasattr(os, "register_at_fork"):  # not on every system
    os.register_at_fork(after_in_child=_forked)  # a fork copies only the thread that calls it


def limit(number):
    """Limits the threads of all pictures of this process together, until the process ends."""
    global _most
    _most = number


@contextlib.contextmanager
def at_work(most=None):
    """A context in which this thread works on a picture. A context within another one changes
    nothing.

    most: the most threads that the picture may have; None for the limit of the process.
    """
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
    """The number of helping threads, at most `wanted` and the free cores; counts them as busy."""
    global _busy
    with _lock:
        number = max(0, min(wanted, _own.most - _busy))
        _busy += number
    return number


def share(calls):
    """The results of functions without arguments, in their order, worked out by several threads.

    An error of a function is raised here, and functions that have not begun by then are not called.
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
            while work_on_one() and _busy <= most:  # else a new picture needs this core
                pass
        finally:
            _count(-1)

    with at_work():
        helpers = []
        for _ in range(_helpers(len(calls) - 1)):
            helpers.append(threading.Thread(target=help, args=[_own.most], daemon=True))
            try:
                helpers[-1].start()
            except RuntimeError:  # a process that is about to end starts no threads
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
    """Slices of the rows of a grid [rows, columns] of blocks, each of about PART blocks."""
    step = max(1, PART // columns)
    return [slice(start, min(start + step, rows)) for start in range(0, rows, step)]
