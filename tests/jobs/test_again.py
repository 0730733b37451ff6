"""The same command again: files that are up to date, changed files, and runs that were ended."""

import fcntl
import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import ljpeg_PIL
from learned_jpeg.jobs import records, running
from learned_jpeg.runtime.errors import UserError

import pytest
from makers import chunk, picture, saved
from PIL import Image, PngImagePlugin

PROJECT = Path(__file__).resolve().parent.parent.parent


@pytest.fixture
def folder(tmp_path):
    """A folder with six pictures."""
    (tmp_path / "in").mkdir()
    for number in range(6):
        picture(20 + number, 24).save(tmp_path / "in" / f"{number}.png")
    return tmp_path / "in"


@pytest.fixture
def again(folder, capsys):
    """(arguments) -> (status, {name: its line of JSON}, total) of a run over the folder."""

    def run(*arguments):
        out = folder.parent / "out"
        command = ["compress", folder, "--output_dir", out, "--json", *arguments]
        status = ljpeg_PIL.main([*map(str, command)])
        *files, last = map(json.loads, capsys.readouterr().out.splitlines())
        return status, {Path(one["input"]).name: one for one in files}, last["total"]

    return run


def content(folder):
    return {path.name: path.read_bytes() for path in (folder.parent / "out").glob("*.jpg")}


def skipped(files):
    return sorted(name for name, one in files.items() if one["skipped"])


@pytest.mark.parametrize("option", ["--skip_existing", "--update"])
def test_the_second_run_skips_all_and_is_no_failure(option, again, folder):
    _, files, total = again(option)
    assert (total["files"], total["skipped"], skipped(files)) == (6, 0, [])
    before = {path: path.stat().st_mtime_ns for path in (folder.parent / "out").glob("*.jpg")}
    status, files, total = again(option)
    assert (status, total["files"], total["skipped"], total["failed"]) == (0, 0, 6, 0)
    assert len(skipped(files)) == 6
    assert {path: path.stat().st_mtime_ns for path in before} == before


@pytest.mark.parametrize("option", ["--skip_existing", "--update"])
def test_what_is_missing_is_written(option, again, folder):
    again(option)
    before = content(folder)
    (folder.parent / "out" / "3.jpg").unlink()
    status, files, _ = again(option)
    assert status == 0 and sorted(set(files) - set(skipped(files))) == ["3.png"]
    assert content(folder) == before


def test_an_update_follows_inputs_and_options(again, folder):
    again("--update")
    before = content(folder)
    picture(30, 30).save(folder / "2.png")
    _, files, _ = again("--update")
    assert skipped(files) == [f"{i}.png" for i in (0, 1, 3, 4, 5)]
    assert Image.open(folder.parent / "out" / "2.jpg").size == (30, 30)
    _, files, _ = again("--update", "--quality", "30")
    assert skipped(files) == []
    after = content(folder)
    assert all(after[name] != before[name] for name in before)
    _, files, _ = again("--update", "--quality", "30", "--jobs", "1", "--max_megapixels", "9")
    assert len(skipped(files)) == 6  # what these say is in no file
    again("--update")
    assert {**content(folder), "2.jpg": b""} == {**before, "2.jpg": b""}


def test_an_input_of_an_older_date_is_another_too(again, folder):
    again("--update")
    os.utime(folder / "1.png", (10**9, 10**9))
    _, files, _ = again("--update")
    assert sorted(set(files) - set(skipped(files))) == ["1.png"]


def test_an_update_overwrites_its_own_files_alone(again, folder, capsys):
    out = folder.parent / "out"
    out.mkdir()
    (out / "0.jpg").write_text("precious")
    status, files, _ = again("--update")
    assert status == 1 and "--force" in files["0.png"]["error"]
    (out / "1.jpg").write_text("edited")
    status, files, _ = again("--update", "--quality", "30")
    assert status == 1 and {name for name, one in files.items() if one["error"]} == {
        "0.png",
        "1.png",
    }
    assert [(out / f"{i}.jpg").read_text() for i in (0, 1)] == ["precious", "edited"]
    status, files, total = again("--update", "--quality", "30", "--force")
    assert (status, total["files"], len(skipped(files))) == (0, 2, 4)


def test_copies_of_outputs_are_known_by_their_content(again, folder):
    again("--update")
    for path in (folder.parent / "out").glob("*.jpg"):
        os.utime(path, (10**9, 10**9))
    assert len(skipped(again("--update")[1])) == 6


def test_files_that_take_their_inputs_place_are_compressed_once(tmp_path, capsys):
    path = tmp_path / "a.jpg"
    path.write_bytes(saved(picture(), "JPEG", quality=95))
    command = ["compress", str(path), str(path), "--overwrite_input", "--update"]
    assert ljpeg_PIL.main(command) == 0
    once = path.read_bytes()
    assert ljpeg_PIL.main(command) == 0
    assert path.read_bytes() == once


def test_a_file_of_another_input_is_not_overwritten_while_that_is_there(folder):
    out = folder.parent / "out"

    def run(pattern):
        command = ["compress", str(folder / pattern), "--output_dir", str(out), "--update"]
        return ljpeg_PIL.main(command)

    assert run("*.png") == 0
    before = (out / "3.jpg").read_bytes()
    picture(50, 50).save(folder / "3.bmp")
    assert run("*.bmp") == 1
    assert (out / "3.jpg").read_bytes() == before
    (folder / "3.png").unlink()
    assert run("*.bmp") == 0
    assert (out / "3.jpg").read_bytes() != before


def test_pictures_of_one_stem_that_come_and_go_leave_every_output_right(again, folder):
    """Also one that takes the name that another's output had."""
    out = folder.parent / "out"

    def sizes():
        return {path.name: Image.open(path).size[1] for path in out.glob("3*.jpg")}

    def run():
        assert again("--update")[0] == 0
        found = sizes()
        status, files, _ = again("--update")
        assert (status, skipped(files)) == (0, sorted(files)) and sizes() == found
        return found

    assert run() == {"3.jpg": 23}
    picture(32, 20).save(folder / "3.webp")
    assert run() == {"3.jpg": 23, "3.webp.jpg": 32}
    picture(40, 20).save(folder / "3.jpg")
    assert run() == {"3.jpg": 40, "3.png.jpg": 23, "3.webp.jpg": 32}
    (folder / "3.jpg").unlink()
    assert run()["3.jpg"] == 23


def test_half_a_line_and_an_entry_without_its_file_do_no_harm(again, folder):
    again("--update")
    path = folder.parent / "out" / records.RECORDS
    lines = path.read_bytes().splitlines()
    # As of a run that ended between an entry and its file, and of a power cut after it.
    entry = json.loads(lines[-1]) | {"sha256": "0" * 64, "size": 1, "options": "others"}
    path.write_bytes(b"\n".join([*lines, json.dumps(entry).encode(), lines[-1][:40]]))
    assert len(skipped(again("--update")[1])) == 6
    picture(31, 30).save(folder / "5.png")
    assert again("--update")[0] == 0
    assert len(skipped(again("--update")[1])) == 6


@pytest.mark.parametrize(
    "options, words",
    [
        (["--skip_existing", "--force"], "--skip_existing keeps"),
        (["--skip_existing", "--overwrite_input"], "--skip_existing keeps"),
        (["-", "--update"], "--update compares files"),
    ],
)
def test_what_contradicts_itself_is_refused(options, words, tmp_path):
    picture().save(tmp_path / "a.png")
    with pytest.raises(UserError, match=words):
        ljpeg_PIL.main(["compress", str(tmp_path / "a.png"), *options])
    assert os.listdir(tmp_path) == ["a.png"]


def test_an_input_that_is_gone_is_an_error_though_its_output_exists(again, folder, capsys):
    again("--skip_existing")
    listed = folder.parent / "list.txt"
    listed.write_text(f"{folder / '0.png'}\n{folder / '1.png'}\n")
    (folder / "1.png").unlink()
    command = ["compress", f"@{listed}", "--output_dir", str(folder.parent / "out")]
    assert ljpeg_PIL.main([*command, "--skip_existing"]) == 1
    assert "1.png: no such file" in capsys.readouterr().err


# What is said


def test_a_time_stamp_is_a_matter_for_who_asks(tmp_path, capsys):
    data, texts = saved(picture(16, 16), "PNG"), PngImagePlugin.PngInfo()
    texts.add_text("Source", "scanner")
    texts.add_text("Copyright", "me")
    picture(16, 16).save(tmp_path / "b.png", pnginfo=texts)
    (tmp_path / "a.png").write_bytes(data[:33] + chunk(b"tIME", bytes(7)) + data[33:])
    command = ["compress", str(tmp_path), "--output_dir", str(tmp_path / "out"), "--force"]
    assert ljpeg_PIL.main(command) == 0
    said = capsys.readouterr().err.splitlines()
    assert said == [f'warning: {tmp_path / "b.png"}: left out: text "Copyright"']
    assert ljpeg_PIL.main([*command, "--verbose"]) == 0
    said = capsys.readouterr().err
    assert "a.png: left out: chunk tIME" in said and 'b.png: left out: text "Source"' in said


def test_failures_stand_together_at_the_end(folder, capsys):
    for name in ("1.png", "4.png"):
        (folder / name).write_text("no picture")
    command = ["compress", str(folder), "--output_dir", str(folder.parent / "out")]
    assert ljpeg_PIL.main(command) == 1
    said = capsys.readouterr()
    *before, head, first, second = said.err.splitlines()
    assert sorted(line.removeprefix("error: ") for line in before) == sorted(
        line.removeprefix("  ") for line in (first, second)
    )
    assert head == "2 failed:"
    assert said.out.splitlines()[-1].startswith("4 of 6 files: ")


def test_what_is_skipped_is_counted_and_not_listed(folder, capsys):
    command = ["compress", str(folder), "--output_dir", str(folder.parent / "out"), "--update"]
    assert ljpeg_PIL.main(command) == 0
    capsys.readouterr()
    assert ljpeg_PIL.main(command) == 0
    (line,) = capsys.readouterr().out.splitlines()
    assert line.startswith("0 of 6 files: ") and line.endswith("; 6 skipped")


# Ended early


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL])
@pytest.mark.parametrize("option", ["--skip_existing", "--update"])
def test_a_run_that_was_ended_goes_on_by_the_same_command(number, option, tmp_path):
    (tmp_path / "in").mkdir()
    data = saved(picture(100, 200), "PNG")
    for name in range(150):
        (tmp_path / "in" / f"{name}.png").write_bytes(data)
    command = [sys.executable, PROJECT / "ljpeg_PIL.py", "compress", tmp_path / "in", option]
    command += ["--output_dir", tmp_path / "out", "--jobs", "2", "--json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        # Nobody reads this short pipe, so the run waits long before its last file.
        fcntl.fcntl(process.stdout, fcntl.F_SETPIPE_SZ, 4096)
        while len(list(tmp_path.glob("out/*.jpg"))) < 5 and process.poll() is None:
            time.sleep(0.002)
        process.send_signal(number)
        lines = process.communicate()[0].decode().splitlines()
    assert process.returncode == (-number if number == signal.SIGKILL else 130)
    written = {path.name for path in tmp_path.glob("out/*.jpg")}
    if number != signal.SIGKILL:
        total = json.loads(lines.pop())["total"]
        assert (total["files"], total["stopped"]) == (len(written), True)
        assert {Path(json.loads(line)["output"]).name for line in lines} == written
    assert 5 <= len(written) < 150
    done = subprocess.run(command, capture_output=True, text=True)
    total = json.loads(done.stdout.splitlines()[-1])["total"]
    assert (done.returncode, total["skipped"]) == (0, len(written))
    assert total["files"] + total["skipped"] == 150
    assert len({path.read_bytes() for path in tmp_path.glob("out/*.jpg")}) == 1


def test_what_runs_beside_gives_its_result_or_its_error_and_is_no_matter_of_ctrl_c():
    assert running.beside(lambda: 3) == 3
    with pytest.raises(ZeroDivisionError):
        running.beside(lambda: 1 / 0)
    held = threading.Event()
    threading.Timer(0.1, os.kill, (os.getpid(), signal.SIGINT)).start()
    with pytest.raises(KeyboardInterrupt):
        running.beside(held.wait)
    held.set()
