"""Files are whole or do not exist, even if other processes write them."""

import concurrent.futures
import errno
import os
import stat
import subprocess
import sys
import time
from pathlib import Path

from learned_jpeg.runtime import files
from learned_jpeg.runtime.files import write_whole

import pytest

PROJECT = Path(files.__file__).parents[2]
WRITER = """
import sys, time, pathlib
from learned_jpeg.runtime.files import write_whole
folder, number = pathlib.Path(sys.argv[1]), sys.argv[2]
(folder / f"ready{number}").touch()
while not (folder / "go").exists():
    time.sleep(0.001)
for turn in range(300):
    write_whole(folder / "target", number.encode() * 40_000)
"""


def mode(path):
    return stat.S_IMODE(path.stat().st_mode)


@pytest.fixture
def umask():
    """Sets the umask of the process for a test."""
    before = os.umask(0o022)
    yield os.umask
    os.umask(before)


def test_bytes_and_texts_are_written_with_the_folders_that_are_missing(tmp_path):
    write_whole(tmp_path / "a" / "b" / "c.jpg", b"\x00\xff")
    assert (tmp_path / "a" / "b" / "c.jpg").read_bytes() == b"\x00\xff"
    write_whole(str(tmp_path / "text"), "Strümpler\n")
    assert (tmp_path / "text").read_bytes() == "Strümpler\n".encode()
    write_whole(tmp_path / "text", b"")
    assert (tmp_path / "text").read_bytes() == b""
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "text"]


@pytest.mark.parametrize("mask", [0o022, 0o077, 0o002])
def test_permissions_are_those_of_an_ordinary_file(tmp_path, umask, mask):
    umask(mask)
    (tmp_path / "ordinary").write_bytes(b"x")
    write_whole(tmp_path / "whole", b"x")
    assert mode(tmp_path / "whole") == mode(tmp_path / "ordinary") == 0o666 & ~mask


def test_threads_leave_the_umask_as_it_is(tmp_path, umask):
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda i: write_whole(tmp_path / str(i % 40), b"x"), range(400)))
    assert {mode(path) for path in tmp_path.iterdir()} == {0o644}
    assert umask(0o022) == 0o022


def test_processes_that_write_one_target_at_once_lose_nothing(tmp_path):
    writers = [
        subprocess.Popen(
            [sys.executable, "-c", WRITER, str(tmp_path), str(number)],
            cwd=PROJECT,
            stderr=subprocess.PIPE,
        )
        for number in range(4)
    ]
    while len(list(tmp_path.glob("ready*"))) < len(writers):
        assert all(writer.poll() is None for writer in writers)
        time.sleep(0.001)
    (tmp_path / "go").touch()
    seen = set()
    while any(writer.poll() is None for writer in writers):
        try:
            data = (tmp_path / "target").read_bytes()
        except FileNotFoundError:
            assert not seen  # once there, it never goes away
            continue
        assert len(data) == 40_000 and len(set(data)) == 1
        seen.add(data[0])
    assert [(writer.wait(), writer.stderr.read()) for writer in writers] == [(0, b"")] * 4
    assert len(seen) > 1  # or they did not meet
    assert not list(tmp_path.glob(".*"))


@pytest.mark.parametrize("step", ["write", "replace"])
def test_an_error_of_the_disk_leaves_the_old_file_and_nothing_else(tmp_path, monkeypatch, step):
    def full(*args, **kwargs):
        raise OSError(errno.ENOSPC, "No space left on device")

    class Full:
        def __init__(self, *args):
            self.file = open(*args)

        def __enter__(self):
            return self

        def __exit__(self, *error):
            self.file.close()

        def write(self, data):
            self.file.write(data[:1])
            full()

    write_whole(tmp_path / "target", b"old")
    if step == "write":
        monkeypatch.setattr(files, "open", Full, raising=False)
    else:
        monkeypatch.setattr(os, "replace", full)
    with pytest.raises(OSError, match="No space left"):
        write_whole(tmp_path / "target", b"new")
    assert [path.name for path in tmp_path.iterdir()] == ["target"]
    assert (tmp_path / "target").read_bytes() == b"old"


def test_a_target_that_cannot_be_is_an_error_of_the_system(tmp_path):
    (tmp_path / "file").write_bytes(b"")
    (tmp_path / "folder").mkdir()
    for path in (tmp_path / "file" / "a", tmp_path / "folder"):
        with pytest.raises(OSError):
            write_whole(path, b"x")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "folder"]


def test_a_name_of_the_greatest_length_is_written(tmp_path):
    write_whole(tmp_path / ("a" * 255), b"x")
    assert (tmp_path / ("a" * 255)).read_bytes() == b"x"
