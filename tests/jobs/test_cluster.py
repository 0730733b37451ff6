"""The same files by a cluster: two workers in processes of their own, as Dask's users do."""

import json
import os
import signal
import subprocess
import sys
import threading
import time

import ljpeg_PIL
from learned_jpeg.jobs import cluster as clusters
from learned_jpeg.runtime.errors import UserError

import pytest
from makers import picture
from PIL import Image

pytest.importorskip("distributed")


class Cluster:
    """A scheduler and two workers, in a folder that is not the project's."""

    def __init__(self, folder):
        self.folder, self.note = folder, folder / "scheduler.json"
        environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
        self.environment, self.processes = environment, []
        self.start("dask_scheduler", "--port=0")
        self.workers = [
            self.start("dask_worker", "--nthreads=1", "--no-nanny", "--death-timeout=60")
            for _ in range(2)
        ]
        deadline = time.monotonic() + 90
        while "Registered to" not in self.said() and time.monotonic() < deadline:
            time.sleep(0.05)
        self.address = json.loads(self.note.read_text())["address"]

    def start(self, program, *arguments):
        command = [sys.executable, "-m", f"distributed.cli.{program}", *arguments]
        command += ["--no-dashboard", f"--scheduler-file={self.note}"]
        log = (self.folder / "log").open("a")
        process = subprocess.Popen(
            command, cwd=self.folder, env=self.environment, stdout=log, stderr=log
        )
        self.processes.append(process)
        return process

    def said(self):
        return (self.folder / "log").read_text()

    def end(self):
        for process in reversed(self.processes):
            process.kill()
            process.wait()


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    made = Cluster(tmp_path_factory.mktemp("elsewhere"))
    yield made
    made.end()


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "in").mkdir()
    (tmp_path / "masks").mkdir()
    for number in range(12):
        picture(20 + number, 24).save(tmp_path / "in" / f"{number}.png")
        Image.linear_gradient("L").resize((24, 20 + number)).save(
            tmp_path / "masks" / f"{number}.png"
        )
    (tmp_path / "in" / "broken.png").write_text("no picture")
    return tmp_path


def run(folder, out, *options):
    command = ["compress", folder / "in", "--output_dir", folder / out, "--tune", "psnr", *options]
    return ljpeg_PIL.main([*map(str, command)])


def files(folder):
    return {path.name: path.read_bytes() for path in folder.glob("*.jpg")}


def lines(capsys):
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


@pytest.mark.parametrize("seen", [True, False])
def test_the_files_are_the_same_to_the_byte(seen, cluster, folder, capsys, monkeypatch):
    options = ["--json", "--importance", folder / "masks"]
    assert run(folder, "here", *options) == 1
    here = lines(capsys)
    if not seen:  # as on a machine where these paths are others
        monkeypatch.setattr(clusters.os.path, "abspath", lambda path: f"/nowhere{path}")
    assert run(folder, "there", *options, "--dask", cluster.address) == 1
    there = lines(capsys)
    assert len(files(folder / "here")) == 12
    assert files(folder / "there") == files(folder / "here")
    for one in (*here, *there):
        for name in ("seconds", "output"):
            one.pop(name, None)
    here, there = (sorted(some[:-1], key=lambda one: one["input"]) for some in (here, there))
    assert there == here
    assert "ModuleNotFoundError" not in cluster.said()


def test_a_worker_that_dies_loses_nothing(tmp_path_factory, folder, capsys):
    made = Cluster(tmp_path_factory.mktemp("dying"))
    for number in range(150):
        picture(60, 80).save(folder / "in" / f"more{number}.png")

    def kill():
        while not files(folder / "out"):
            time.sleep(0.01)
        made.workers[0].send_signal(signal.SIGKILL)

    killer = threading.Thread(target=kill)
    killer.start()
    try:
        assert run(folder, "out", "--dask", made.address, "--json") == 1
        killer.join()
        assert made.workers[0].wait() == -signal.SIGKILL
    finally:
        made.end()
    assert len(files(folder / "out")) == 162
    *said, last = lines(capsys)
    assert (last["total"]["files"], last["total"]["failed"]) == (162, 1)


def test_a_scheduler_that_is_not_there_is_one_line_and_nothing_is_written(folder):
    import dask

    with dask.config.set({"distributed.comm.timeouts.connect": "1s"}):
        with pytest.raises(UserError, match="--dask tcp://127.0.0.1:9: no scheduler answers"):
            run(folder, "out", "--dask", "tcp://127.0.0.1:9")
    assert not (folder / "out").exists()
