"""Work in other processes: of this machine, or of a Dask cluster.

Only names, paths and the bytes of JPEG files are sent to a worker.
"""

import atexit
import contextlib
import functools
import itertools
import multiprocessing
import os
import pickle
import signal
import threading
from concurrent.futures import (
    FIRST_COMPLETED,
    BrokenExecutor,
    CancelledError,
    ProcessPoolExecutor,
    wait,
)
from multiprocessing.connection import wait as wait_for_end

from learned_jpeg.jpeg import jpeg_file
from learned_jpeg.metrics import measures
from learned_jpeg.pictures import reading
from learned_jpeg.runtime import machine, packages, threads
from learned_jpeg.runtime.errors import UserError

# The worker's part


@functools.cache
def _picture_limit(megapixels):
    """`reading.limit` for the rest of this process."""
    limit = reading.limit(megapixels)
    limit.__enter__()
    return limit


def prepare(cores, megapixels=reading.DEFAULT_MEGAPIXELS):
    """Sets up a worker before TensorFlow starts.

    cores: the same number in all workers, since it can change the last bits of results.
    """
    threads.limit(cores)
    os.environ.setdefault("TF_NUM_INTRAOP_THREADS", str(cores))
    os.environ.setdefault("TF_FORCE_GPU_ALLOW_GROWTH", "true")
    _picture_limit(megapixels)


def readable(path):
    """(whether a file can be read, a line with the error or the damage, or None)."""
    try:
        reading.read(path)
        return True, reading.damage(path)
    except UserError as error:
        return False, str(error)


def encode(points, images, cores):
    """Encodes images at several points.

    images: [(path, {index of a point: sizes, as PointToMeasure.encode takes them})]; cores: see
    `prepare`. Returns ([{index of a point: the bytes of a JPEG file}] for each image, {index of a
    point: the message of its error}).
    """
    prepare(cores)
    files, errors = [], {}
    for path, wanted in images:
        files.append({})
        try:
            pixels = reading.read(path)
        except UserError as error:
            errors |= dict.fromkeys(wanted.keys() - errors.keys(), str(error))
        for index in [index for index in wanted if index not in errors]:
            try:
                files[-1][index] = points[index].encode(pixels, wanted[index])
            except (UserError, RuntimeError) as error:
                errors[index] = str(error)
    return files, errors


def measure(image, files, cores):
    """Measures JPEG files of one image.

    image: a points.TestImage; files: [(bytes, [name of a metric])]. Returns [{metric: figure}].
    """
    prepare(cores)
    reference = _reference(image.path, image.sha256)
    return [reference.measure(jpeg_file.decode(data), names) for data, names in files]


@functools.lru_cache(maxsize=1)
def _reference(path, sha256):
    """The Reference of an original; its digest distinguishes versions of the same file."""
    return measures.Reference(reading.read(path))


# The parent's part


def _start_worker():
    """The parent handles Ctrl-C, and a worker ends with its parent."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # A regular end of the process makes TensorFlow print errors about its own functions.
    atexit.register(os._exit, 0)

    def end_with_parent():
        wait_for_end([multiprocessing.parent_process().sentinel])
        os._exit(1)

    threading.Thread(target=end_with_parent, daemon=True).start()


class Pool:
    """Workers that are started at the first call, and ended with the context.

    dask: the address of a scheduler whose workers do the work, or None for `count` processes of
    this machine; option: the name of the option that gives the count, for an error.
    """

    def __init__(self, count, dask=None, option="--workers"):
        self.count, self._dask, self._option = count, dask, option
        self._stack = contextlib.ExitStack()
        self._executor = None
        self.threads = (
            1 if dask else max(1, machine.cores() // count)
        )  # of TensorFlow, in each worker

    def __enter__(self):
        self._stack.__enter__()
        return self

    def __exit__(self, *error):
        return self._stack.__exit__(*error)

    def completed(self, calls):
        """Runs calls (unit, function, arguments); yields (unit, result) as they end.

        At most two calls for each worker are under way, which bounds the memory.
        """
        if self._executor is None:
            start = (
                dask(self._dask) if self._dask else _local(self.count, self.threads, self._option)
            )
            self._executor, self.count = self._stack.enter_context(start)
        calls, running = iter(calls), {}
        while True:
            for unit, function, arguments in itertools.islice(calls, 2 * self.count - len(running)):
                running[self._executor.submit(function, *arguments)] = unit
            if not running:
                return
            for future in wait(running, return_when=FIRST_COMPLETED).done:
                yield running.pop(future), future.result()


@contextlib.contextmanager
def _local(count, threads, option):
    """A context with an executor and the number of its workers."""
    # numpy reads this number at its import; more threads would use up cores by waiting busily.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", str(threads))
    # Spawned, not forked: TensorFlow does not survive a fork.
    context = multiprocessing.get_context("spawn")
    executor = ProcessPoolExecutor(count, context, _start_worker)
    try:
        yield executor, count
    except KeyboardInterrupt:
        for process in multiprocessing.active_children():
            process.terminate()  # instead of waiting for their calls
        raise
    except BrokenExecutor as error:
        raise UserError(
            f"a worker process died; perhaps it needs more memory: try {option} "
            f"{max(1, count // 2)}; stored figures are kept"
        ) from error
    finally:
        executor.shutdown(cancel_futures=True)


class _Anywhere:
    """A Dask executor whose scheduler and workers need not have the project on their paths.

    They unpickle only bytes and a function that needs no module.
    """

    def __init__(self, executor):
        project = str(packages.PROJECT)

        def run(payload):
            import pickle
            import sys

            if project not in sys.path:
                sys.path.insert(0, project)
            function, arguments = pickle.loads(payload)
            return function(*arguments)

        self._executor, self._run = executor, run

    def submit(self, function, *arguments):
        return self._executor.submit(self._run, pickle.dumps((function, arguments)))


@contextlib.contextmanager
def dask(address):
    """A context with an executor of a scheduler's workers, and the number of their threads.

    Raises UserError where no scheduler answers, it has no workers, or all are lost.
    """
    try:
        import distributed
        from distributed.comm import CommClosedError
    except ModuleNotFoundError as error:
        raise UserError(f"--dask: {packages.missing(error)}") from error
    try:
        client = distributed.Client(address, set_as_default=False)
    except (OSError, ValueError) as error:
        raise UserError(f"--dask {address}: no scheduler answers there ({error})") from error
    with client:
        if not client.nthreads():
            raise UserError(f"--dask {address}: the cluster has no workers")
        executor = client.get_executor(pure=False)
        try:
            yield _Anywhere(executor), sum(client.nthreads().values())
        except (distributed.KilledWorker, CommClosedError, CancelledError) as error:
            raise UserError(
                f"--dask {address}: the cluster or its workers died; stored figures are kept"
            ) from error
