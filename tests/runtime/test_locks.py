import errno
import os
import signal
import subprocess
import sys
import threading

from learned_jpeg.runtime import locks
from learned_jpeg.runtime.errors import UserError

import pytest

HOLD = """
import sys
from learned_jpeg.runtime import locks
with locks.alone(sys.argv[1], "go elsewhere"):
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def holder(tmp_path):
    """A process that holds the lock of tmp_path."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, tmp_path], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert process.stdout.readline() == b"held\n"
    yield process
    process.kill()
    process.wait()
    process.stdin.close()
    process.stdout.close()


def test_another_process_is_refused_and_told_who_it_is(holder, tmp_path):
    with pytest.raises(UserError, match=f"process {holder.pid} on .*go elsewhere"):
        with locks.alone(tmp_path, "go elsewhere"):
            pass


def test_it_can_wait_for_the_other(holder, tmp_path, capsys):
    threading.Timer(0.1, holder.kill).start()
    with locks.alone(tmp_path, "", wait=True):
        pass
    assert f"process {holder.pid} on" in capsys.readouterr().err


@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGTERM, None])
def test_the_lock_ends_with_its_process(holder, tmp_path, end):
    if end is None:
        holder.stdin.close()
    else:
        holder.send_signal(end)
    holder.wait()
    with locks.alone(tmp_path / ".", ""):
        pass
    assert not list(tmp_path.iterdir())


def test_of_many_at_once_each_is_alone(tmp_path):
    inside, entered, refused = [], [], []

    def enter():
        for _ in range(200):
            try:
                with locks.alone(tmp_path / "new", ""):
                    inside.append(1)
                    entered.append(len(inside))
                    inside.pop()
            except UserError as error:
                refused.append(error)

    threads = [threading.Thread(target=enter) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(entered) + len(refused) == 800
    assert set(entered) == {1}


def test_a_file_system_without_locks_is_said(tmp_path, monkeypatch, capsys):
    def fail(descriptor):
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(locks, "_lock", fail)
    with locks.alone(tmp_path, ""):
        assert (tmp_path / locks.LOCK).exists()
    assert "has no locks (No locks available)" in capsys.readouterr().err


def test_a_folder_that_cannot_be_made_is_an_error_of_the_system(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError), locks.alone(tmp_path / "file", ""):
        pass
