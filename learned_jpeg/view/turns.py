"""The order of jobs: one job works at a time, and of a place's jobs only the newest."""

import contextlib
import threading

# Places whose newest job is remembered; a page has a handful.
_PLACES = 256


class CancelledError(Exception):
    """A newer job has taken the place of this one."""


class Turns:
    """Lets one job work at a time; a newer job of the same place cancels a job."""

    def __init__(self):
        self._changed = threading.Condition()
        self._newest = {}  # by place
        self._count = self._waiting = 0
        self._busy = False

    def enter(self, place):
        """A new job of a place, any text; the place's earlier job is cancelled."""
        with self._changed:
            self._count += 1
            self._newest.pop(place, None)
            self._newest[place] = self._count
            if len(self._newest) > _PLACES:
                del self._newest[next(iter(self._newest))]
            self._changed.notify_all()
            return place, self._count

    def _is_old(self, job):
        return self._newest.get(job[0]) != job[1]

    def check(self, job):
        """Raises CancelledError where there is a newer job."""
        with self._changed:
            if self._is_old(job):
                raise CancelledError

    @contextlib.contextmanager
    def turn(self, job, behind=False):
        """Waits until no job works, and keeps others waiting within the context.

        behind: whether all other jobs go first. Raises CancelledError where there is a newer job.
        """

        def ready():
            return self._is_old(job) or not (self._busy or (behind and self._waiting))

        with self._changed:
            self._waiting += not behind
            self._changed.wait_for(ready)
            self._waiting -= not behind
            if self._is_old(job):
                self._changed.notify_all()
                raise CancelledError
            self._busy = True
        try:
            yield
        finally:
            with self._changed:
                self._busy = False
                self._changed.notify_all()
