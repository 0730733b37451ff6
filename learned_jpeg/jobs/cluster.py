"""`compress` on a Dask cluster: its workers make the files, and this process writes them."""

import contextlib
import functools
import logging
import os
from concurrent.futures import CancelledError
from dataclasses import replace
from pathlib import Path

from learned_jpeg.jobs import one_picture, workers
from learned_jpeg.models import shipped
from learned_jpeg.runtime.errors import RunError, UserError


class Cluster:
    """The workers of a Dask scheduler; count: the number of their threads. See `cluster_of`."""

    def __init__(self, address, megapixels, executor, count):
        self.count = count
        self._address, self._megapixels, self._executor = address, megapixels, executor

    def make(self, path, data, settings, options, finished):
        """`one_picture.make` by a worker, which reads the input itself where it sees that file."""
        if finished.mask:
            finished.mask_data = Path(finished.mask).read_bytes()
        # Objects of this process are not sent.
        here = {
            "writer": None,
            "records": None,
            "elsewhere": None,
            "refining": None,
            "trying": None,
        }
        stat = os.stat(path) if data is None else None
        seen = stat and (stat.st_size, stat.st_mtime_ns)
        there = [replace(setting, model=None) for setting in settings]
        where = os.path.abspath(path), seen
        call = path, where, there, replace(options, **here), self._megapixels
        result = self._result(call, data, finished)
        if result is None:
            result = self._result(call, Path(path).read_bytes(), finished)
        finished.report, finished.data, finished.views = result

    def _result(self, call, data, finished):
        import distributed
        from distributed.comm import CommClosedError

        try:
            return self._executor.submit(_make, *call, data, finished).result()
        except distributed.KilledWorker as error:
            raise UserError(
                f"{finished.report.input}: the workers that had this file died; perhaps they need "
                "more memory"
            ) from error
        except (CommClosedError, CancelledError, distributed.CancelledError, RuntimeError) as error:
            raise RunError(
                f"--dask {self._address}: the cluster is lost; written files stay, and the same "
                "command with --update or --skip_existing makes the others"
            ) from error


@contextlib.contextmanager
def cluster_of(address, megapixels):
    """A context with the Cluster of a scheduler's address, None for None. Raises UserError."""
    if address is None:
        yield None
        return
    with workers.dask(address) as (executor, count):
        # The client prints a traceback where a scheduler is lost, of which a RunError tells.
        logging.getLogger("distributed.client").setLevel(logging.CRITICAL)
        yield Cluster(address, megapixels, executor, count)


# The worker's part


def _read(path, seen):
    """The bytes of a file, or None where it has another (size, time) or does not exist."""
    try:
        stat = os.stat(path)
        return Path(path).read_bytes() if (stat.st_size, stat.st_mtime_ns) == seen else None
    except OSError:
        return None


@functools.lru_cache(maxsize=16)
def _model(source):
    return shipped.load(source)


def _make(path, where, settings, options, megapixels, data, finished):
    """(FileReport, bytes, views) of a file, or None where this worker cannot read that file."""
    workers.prepare(1, megapixels)
    if data is None and (data := _read(*where)) is None:
        return None
    settings = [replace(setting, model=_model(setting.source)) for setting in settings]
    options = replace(options, trying=lambda: None, refining=lambda name: None)
    with one_picture.telling(finished.report):
        one_picture.make(path, data, settings, options, finished)
    return finished.report, finished.data, finished.views
