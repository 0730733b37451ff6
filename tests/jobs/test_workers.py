import contextlib
import io
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from learned_jpeg.evaluation import coders
from learned_jpeg.evaluation.points import PointToMeasure, TestImage
from learned_jpeg.jobs import workers
from learned_jpeg.metrics import measures
from learned_jpeg.models import checkpoints
from learned_jpeg.runtime.errors import UserError
from learned_jpeg.runtime.packages import PROJECT

import numpy as np
import pytest
from makers import picture, saved
from PIL import Image

CODER = coders.EncoderCoder("pillow_444", "standard")


@pytest.fixture
def image(tmp_path, photograph):
    path = tmp_path / "a photograph.png"
    Image.fromarray(photograph[:48, :64]).save(path)
    return TestImage(path.name, path, checkpoints.sha256(path))


@pytest.fixture
def point(tmp_path):
    return PointToMeasure("quality_40", tmp_path / "out" / "quality_40", {}, (CODER,), 40)


def test_encoding_and_measuring_one_image(point, image, photograph):
    files, errors = workers.encode([point, point], [(image.path, {0: None, 1: None})] * 2, 1)
    assert not errors
    data = CODER.encode(photograph[:48, :64], 40)
    assert files == [{0: data, 1: data}] * 2
    (found,) = workers.measure(image, [(data, ["psnr", "mse"])], 1)
    decoded = np.asarray(Image.open(io.BytesIO(data)))
    assert found == {
        name: getattr(measures, name)(photograph[:48, :64], decoded) for name in ("psnr", "mse")
    }


def test_what_is_encoded_before_a_fault_is_kept(point, image, tmp_path):
    paths = [image.path, tmp_path / "missing.png", image.path]
    files, errors = workers.encode([point], [(path, {0: None}) for path in paths], 1)
    assert [sorted(of_image) for of_image in files] == [[0], [], []]
    assert "missing.png" in errors[0]


def test_a_point_that_fails_does_not_end_the_others(point, image):
    bad = PointToMeasure("bad", point.folder, {}, (Failing(),))
    files, errors = workers.encode([bad, point], [(image.path, {0: None, 1: None})] * 2, 1)
    assert [sorted(of_image) for of_image in files] == [[1], [1]]
    assert errors == {0: "no memory"}


class Failing:
    def encode(self, pixels, rate_setting):
        raise RuntimeError("no memory")


def test_a_file_that_cannot_be_read_says_why(image, tmp_path):
    assert workers.readable(image.path) == (True, None)
    (tmp_path / "notes.png").write_text("not a picture")
    usable, line = workers.readable(tmp_path / "notes.png")
    assert not usable and "notes.png" in line
    data = saved(picture(), "JPEG", quality=95)
    (tmp_path / "half.jpg").write_bytes(data[: len(data) // 2] + b"\xff\xd9")
    usable, line = workers.readable(tmp_path / "half.jpg")
    assert usable and line.startswith(f"{tmp_path / 'half.jpg'}: damaged: ")


def test_workers_start_when_they_are_needed_and_no_sooner(monkeypatch):
    def start(count):
        raise AssertionError

    monkeypatch.setattr(workers, "_local", start)
    with workers.Pool(2):
        pass


def test_processes_do_all_of_the_work_once(image):
    with workers.Pool(2) as pool:
        calls = ((number, pow, (number, 2)) for number in range(40))
        assert dict(pool.completed(calls)) == {number: number**2 for number in range(40)}
        again = list(pool.completed([("file", workers.readable, (image.path,))]))
    assert again == [("file", (True, None))]


def die():
    os.kill(os.getpid(), signal.SIGKILL)


def test_a_worker_that_dies_is_an_error_that_says_what_helps():
    with pytest.raises(UserError, match="--workers 1"), workers.Pool(2) as pool:
        list(pool.completed([(0, die, ())]))


SLEEP = """
import time
from learned_jpeg.jobs import workers
if __name__ == "__main__":
    with workers.Pool(2) as pool:
        for _ in pool.completed((i, time.sleep, (0.01,)) for i in range(10**6)):
            print(flush=True)
"""


def test_no_worker_outlives_its_parent(tmp_path):
    (tmp_path / "script.py").write_text(SLEEP)
    environment = {**os.environ, "PYTHONPATH": str(PROJECT)}
    process = subprocess.Popen(
        [sys.executable, tmp_path / "script.py"], stdout=subprocess.PIPE, env=environment
    )
    process.stdout.readline()
    children = [
        int(child)
        for path in Path(f"/proc/{process.pid}/task").glob("*/children")
        for child in path.read_text().split()
    ]
    process.kill()
    process.wait()
    process.stdout.close()
    deadline = time.monotonic() + 20
    while any(map(alive, children)) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert children
    assert not any(map(alive, children))


def alive(pid):
    status = Path(f"/proc/{pid}/stat")
    with contextlib.suppress(OSError):
        return status.read_text().rsplit(")", 1)[1].split()[0] != "Z"
    return False


# Dask


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    """A scheduler and a worker as a user starts them, in a folder that is not the project's."""
    pytest.importorskip("distributed")
    folder = tmp_path_factory.mktemp("elsewhere")
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}

    def start(*arguments):
        command = [sys.executable, "-m", "distributed.cli." + arguments[0], *arguments[1:]]
        log = (folder / f"{arguments[0]}.log").open("w")
        return subprocess.Popen(command, cwd=folder, env=environment, stdout=log, stderr=log)

    note = folder / "scheduler.json"
    scheduler = start("dask_scheduler", "--port=0", "--no-dashboard", f"--scheduler-file={note}")
    worker = start(
        *("dask_worker", "--nthreads=1", "--no-dashboard", f"--scheduler-file={note}"),
        "--death-timeout=60",
    )
    deadline = time.monotonic() + 60
    while not note.exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    yield json.loads(note.read_text())["address"], folder
    for process in (worker, scheduler):
        process.terminate()
        process.wait()


def test_workers_of_a_cluster_find_the_project_from_anywhere(cluster, point, image):
    address, folder = cluster
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        with contextlib.suppress(UserError), workers.Pool(1, address) as pool:
            calls = [("file", workers.encode, ([point], [(image.path, {0: None})], 1))]
            ((unit, (files, errors)),) = pool.completed(calls)
            break
        time.sleep(0.2)  # the worker is not there yet
    assert (unit, errors) == ("file", {})
    assert files == workers.encode([point], [(image.path, {0: None})], 1)[0]
    assert "ModuleNotFoundError" not in (folder / "dask_worker.log").read_text()
    assert pool.threads == 1


def test_a_cluster_without_a_scheduler_is_an_error():
    pytest.importorskip("distributed")
    import dask

    with dask.config.set({"distributed.comm.timeouts.connect": "1s"}):
        with pytest.raises(UserError, match="--dask tcp://127.0.0.1:9"):
            with workers.Pool(1, "tcp://127.0.0.1:9") as pool:
                list(pool.completed([(0, pow, (2, 2))]))


def test_a_cluster_whose_workers_die_is_an_error():
    distributed = pytest.importorskip("distributed")
    import dask

    with (
        dask.config.set({"distributed.scheduler.allowed-failures": 0}),
        distributed.LocalCluster(n_workers=1, processes=True, dashboard_address=None) as cluster,
        pytest.raises(UserError, match="--dask .* died"),
        workers.Pool(1, cluster.scheduler_address) as pool,
    ):
        list(pool.completed([(0, die, ())]))


def test_ctrl_c_does_not_wait_for_what_workers_are_at():
    def calls():
        yield "long", time.sleep, (300,)
        raise KeyboardInterrupt

    start = time.monotonic()
    with pytest.raises(KeyboardInterrupt), workers.Pool(1) as pool:
        list(pool.completed(calls()))
    assert time.monotonic() - start < 60
