"""Standard streams that are closed or full: one line, a status, and no file lost."""

import io
import os
import shlex
import subprocess
import sys

from learned_jpeg.runtime import streams
from learned_jpeg.runtime.packages import PROJECT

import pytest
from makers import picture, saved
from PIL import Image

FULL = "/dev/full"
needs_full = pytest.mark.skipif(not os.path.exists(FULL), reason=f"no {FULL} here")


# Prints lines, more than a buffer holds, and ends with a status.
LINES = """
from learned_jpeg.cli import command
from learned_jpeg.runtime.errors import UserError
def main():
    for number in range({lines}):
        print(number, "x" * 100)
    open("done", "w").close()
    if {status} == 2:
        raise UserError("a mistake")
    return {status}
command.run(main)
"""


def shell(line, folder):
    """Runs a line in bash; $C stands for `ljpeg_PIL.py compress`, $S for its script."""
    script = shlex.join([sys.executable, str(PROJECT / "ljpeg_PIL.py")])
    line = line.replace("$C", f"{script} compress").replace("$S", script)
    options = {"cwd": folder, "capture_output": True, "text": True, "timeout": 120}
    return subprocess.run(["bash", "-c", line], **options)


def lines(streams, folder, lines=1000, status=0):
    """A script that prints, its streams changed."""
    (folder / "lines.py").write_text(LINES.format(lines=lines, status=status))
    done = shell(f"PYTHONPATH={PROJECT} {sys.executable} lines.py {streams}", folder)
    assert (folder / "done").exists()
    return done.returncode, done.stderr


@pytest.fixture
def folder(tmp_path):
    picture(16, 16).save(tmp_path / "a.png")
    return tmp_path


NO_ROOM = "error: standard output: No space left on device\n"
CLOSED = "error: standard output: Bad file descriptor\n"


@needs_full
@pytest.mark.parametrize("number", [1, 1000])
def test_an_output_that_is_full_is_said_after_all_the_work(number, tmp_path):
    assert lines(f"> {FULL}", tmp_path, number) == (1, NO_ROOM)
    assert lines(f"> {FULL}", tmp_path, number, status=2) == (2, "error: a mistake\n")


@pytest.mark.parametrize(
    "closed, expected",
    [
        (">&-", (1, CLOSED)),
        ("<&-", (0, "")),
        ("2>&-", (0, "")),
        ("<&- >&- 2>&-", (1, "")),
        (f"2> {FULL}", (0, "")),
    ],
)
def test_a_closed_stream_is_no_traceback(closed, expected, tmp_path):
    assert lines(closed, tmp_path) == expected
    assert lines(closed, tmp_path, status=2)[0] == 2  # said or not
    assert lines(closed, tmp_path, lines=0)[0] == 0


@needs_full
def test_the_files_of_a_report_that_finds_no_room_are_there(folder):
    done = shell(f"$C a.png --json > {FULL}", folder)
    assert (done.returncode, done.stderr) == (1, NO_ROOM)
    with Image.open(folder / "a.jpg") as image:
        image.load()


@pytest.mark.parametrize(
    "line, error",
    [
        ("$C a.png - >&-", "-: cannot be written (Bad file descriptor)"),
        (f"$C a.png - > {FULL}", "-: cannot be written (No space left on device)"),
        ("$C - b.jpg <&-", "-: the file is empty"),
        ("$C <(true) b.jpg", "/dev/fd/63: the file is empty"),
        (f"$S --help > {FULL}", "standard output: No space left on device"),
    ],
)
def test_what_cannot_be_read_or_written_is_named(line, error, folder):
    done = shell(line, folder)
    assert (done.returncode, done.stderr) == (1, f"error: {error}\n")
    assert os.listdir(folder) == ["a.png"]


def test_a_pipe_of_a_shell_is_a_picture(folder):
    (folder / "b.tif").write_bytes(saved(picture(20, 20), "TIFF"))
    for line in ("$C <(cat b.tif) x.jpg", "cat b.tif | $C /dev/stdin y.jpg"):
        assert shell(line, folder).returncode == 0
    sizes = [Image.open(folder / f"{name}.jpg").size for name in "xy"]
    assert sizes == [(20, 20)] * 2


class Failing(io.StringIO):
    def write(self, text):
        raise OSError(28, "No space left on device")


def test_the_first_error_is_kept_and_the_rest_dropped():
    stream = streams.Stream(Failing())
    assert stream.write("one") == 3 and stream.error.errno == 28
    stream.flush()
    assert stream.write("two") == 3
    assert stream.readable()  # all else is the stream's


def test_a_reader_that_went_away_is_no_error_to_keep():
    class Closed(io.StringIO):
        def write(self, text):
            raise BrokenPipeError

    with pytest.raises(BrokenPipeError):
        streams.Stream(Closed()).write("x")
