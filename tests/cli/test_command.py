"""From a script to its command: the imports at its start, and its exit status."""

import json
import os
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

import arg_parser
import ljpeg
import ljpeg_PIL
from learned_jpeg.cli import command
from learned_jpeg.models import architectures
from learned_jpeg.runtime.errors import UserError

import pytest
import skimage.data
from PIL import Image

PROJECT = Path(command.__file__).parents[2]
# Packages whose import takes from a third of a second to several seconds.
HEAVY = ("tensorflow", "keras", "tensorflow_compression", "numba", "matplotlib", "scipy")
# Runs main() for each of a JSON list of command lines; prints [[status, stderr], ...] and what of
# HEAVY was imported for all of them.
RUNNER = f"""
import contextlib, importlib, io, json, sys
module, lines = importlib.import_module(sys.argv[1]), json.loads(sys.argv[2])
import arg_parser
from learned_jpeg.cli import command
main = getattr(module, "main", lambda line: arg_parser.main(module.ARCHITECTURE, "", line))
results = []
for line in lines:
    with contextlib.redirect_stderr(io.StringIO()) as said:
        with contextlib.redirect_stdout(io.TextIOWrapper(io.BytesIO())):
            try:
                command.run(lambda: main(line))
            except SystemExit as end:
                results.append([end.code or 0, said.getvalue()])
print(json.dumps([results, [name for name in {HEAVY!r} if name in sys.modules]]))
"""


def run(name, *lines):
    done = subprocess.run(
        [sys.executable, "-c", RUNNER, name, json.dumps(lines)],
        cwd=PROJECT,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (done.returncode, done.stderr) == (0, "")
    return json.loads(done.stdout)


@pytest.mark.parametrize("name", architectures.names())
def test_help_and_every_error_of_usage_come_without_tensorflow(name, tmp_path):
    trained = architectures.load(name).trained
    missing = ["--checkpoint_dir", str(tmp_path)] if trained else []
    helps = [["--help"], ["compress", "--help"]]
    helps += [["train", "--help"], ["models"], ["models", "--json"]] * trained
    Image.new("RGB", (8, 8)).save(tmp_path / "a.png")
    mistakes = {
        "COMMAND": [],
        "invalid choice": ["decompress"],
        "IN": ["compress"],
        "--unknown": ["compress", "a.png", "--unknown"],
        "--target_bpp": ["compress", "a.png", "--target_bpp", "-1"],
        "matches no file": [*missing, "compress", f"{tmp_path}/*.gif", "--output_dir", "out"],
    }
    if trained:
        mistakes |= {
            "--train_glob": ["train"],
            "--batchsize": ["train", "--train_glob", "x", "--batchsize", "0"],
            "no trained model": [*missing, "compress", str(tmp_path / "a.png")],
            "lambda_*/train": ["compress", str(tmp_path / "a.png"), "--run_dir", str(tmp_path)],
            "none of the shipped ones": ["compress", str(tmp_path / "a.png"), "--model", "best"],
        }
    results, imported = run(name, *helps, *mistakes.values())
    assert results[: len(helps)] == [[0, ""]] * len(helps)
    for words, (status, said) in zip(mistakes, results[len(helps) :], strict=True):
        assert status == 2 and words in said and "Traceback" not in said, (words, status, said)
    assert imported == []


def test_the_anchor_compresses_without_tensorflow(tmp_path):
    Image.fromarray(skimage.data.astronaut()[:40, :50]).save(tmp_path / "a.png")
    lines = [
        ["compress", str(tmp_path / "a.png"), str(tmp_path / f"{sampling}.jpg"), *options]
        for sampling in ("444", "420")
        for options in [["--sampling", sampling, "--quantizer", "round"]]
    ]
    results, imported = run("ljpeg_PIL", *lines)
    assert [status for status, _ in results] == [0, 0]
    assert "tensorflow" not in imported
    with Image.open(tmp_path / "420.jpg") as image:
        assert image.size == (50, 40)


def test_importing_the_face_and_all_scripts_needs_no_tensorflow():
    names = [*architectures.names(), "learned_jpeg.api", "jpeg_pipeline"]
    code = f"import sys, {', '.join(names)}; print([n for n in {HEAVY!r} if n in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=PROJECT, capture_output=True, text=True, timeout=60
    )
    assert (done.stdout, done.stderr) == ("[]\n", "")


def test_a_script_runs_by_itself(tmp_path):
    """With an error of a user's as the only line, from any folder."""
    done = subprocess.run(
        [sys.executable, PROJECT / "ljpeg_PIL.py", "compress", "none/*.png", "--output_dir=out"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("error: 'none/*.png' matches no file")
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize("name", ["train", "compress"])
def test_a_command_gets_the_class_and_its_options(name, monkeypatch):
    called = []

    def record(architecture, args):
        called.append((architecture, args.command))
        assert args.command == "train" or not architecture.trained or args.model == "train"
        return 7

    monkeypatch.setattr(command.compress, "compress", record)
    monkeypatch.setattr(arg_parser.training, "train", record)
    arguments = {"train": ["train", "--train_glob", "x"], "compress": ["compress", "a.png"]}
    assert ljpeg.main(arguments[name]) == 7
    assert called == [(ljpeg.LJPEG, name)]
    if name == "compress":
        assert ljpeg_PIL.main(arguments[name]) == 7
        assert called[1:] == [(ljpeg_PIL.LJPEGPIL, "compress")]


def test_a_users_mistake_is_one_line_and_status_2(capsys):
    def main():
        raise UserError("photo.png: broken")

    with pytest.raises(SystemExit) as exit_:
        command.run(main)
    assert exit_.value.code == 2
    assert capsys.readouterr().err == "error: photo.png: broken\n"


def test_ctrl_c_is_one_word_and_status_130(capsys):
    def main():
        raise KeyboardInterrupt

    with pytest.raises(SystemExit) as exit_:
        command.run(main)
    assert exit_.value.code == 130
    assert capsys.readouterr().err == "interrupted\n"


def test_what_a_script_does_is_told_with_examples_and_its_exit_statuses(capsys):
    for name, line in (("ljpeg", "train"), ("ljpeg", "compress"), ("ljpeg_PIL", "compress")):
        with pytest.raises(SystemExit):
            arg_parser.main(architectures.load(name), "", [line, "--help"])
        text = capsys.readouterr().out
        assert f"python3 {name}.py {line} " in text
        assert all(f"\n  {status} " in text for status in (0, 1, 2, 130, 143))
        examples = text.split("examples:\n")[1].split("\n\n")[0].splitlines()
        for example in examples:  # each is a usage that exists
            _, script, *arguments = shlex.split(example, comments=True)
            assert script == f"{name}.py"
            arguments = arguments[: arguments.index("<")] if "<" in arguments else arguments
            arg_parser.parse(architectures.load(name), "", arguments)


def test_a_class_may_name_the_model_that_is_taken_without_an_option(monkeypatch):
    class Shipped(ljpeg.LJPEG):
        default_model = "attention_bits"

    taken = []
    monkeypatch.setattr(command.compress, "compress", lambda _, args: taken.append(args.model))
    for options in ([], ["--model", "a"], ["--checkpoint_dir", "b"], ["--run_dir", "c"]):
        arg_parser.main(Shipped, "", ["compress", "a.png", *options])
    arg_parser.main(Shipped, "", ["--checkpoint_dir", "d", "compress", "a.png"])
    assert taken == ["attention_bits", "a", "b", "c", "d"]


@pytest.mark.parametrize("seconds", [0.2, 0.4, 0.8])
def test_ctrl_c_is_one_line_while_a_script_starts_too(seconds):
    process = subprocess.Popen(
        [sys.executable, PROJECT / "ljpeg.py", "compress", "-", "-", "--model", "learned_bits"],
        stdin=subprocess.PIPE,
        stderr=subprocess.PIPE,
        # A job in the background ignores it, and so would its children.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    time.sleep(seconds)
    process.send_signal(signal.SIGINT)
    assert process.wait(timeout=60) in (130, -signal.SIGINT)
    assert process.stderr.read() == b"interrupted\n"


def test_ctrl_c_counts_where_a_package_makes_another_error_of_it(tmp_path):
    (tmp_path / "numpy.py").write_text(
        "import os, signal\n"
        "try:\n    os.kill(os.getpid(), signal.SIGINT)\n"
        "except KeyboardInterrupt:\n    raise ImportError('a broken installation') from None\n"
    )
    done = subprocess.run(
        [sys.executable, PROJECT / "ljpeg.py", "compress", "photo.png"],
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        capture_output=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    assert (done.returncode, done.stderr) == (130, b"interrupted\n")


def test_another_error_keeps_its_traceback():
    with pytest.raises(ZeroDivisionError):
        command.run(lambda: 1 / 0)


def test_the_status_of_main_is_that_of_the_process():
    with pytest.raises(SystemExit) as exit_:
        command.run(lambda: 143)
    assert exit_.value.code == 143


def start(code, **options):
    code = f"from learned_jpeg.cli import command\ncommand.run(lambda: {code})"
    return subprocess.Popen(
        [sys.executable, "-c", code],
        cwd=PROJECT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        **options,
    )


def test_a_reader_that_goes_away_ends_it_quietly():
    process = start("[print(i) for i in range(10**6)]")
    process.stdout.readline()
    process.stdout.close()
    assert process.stderr.read() == b""
    assert process.wait(timeout=60) == 128 + signal.SIGPIPE


def test_a_name_that_the_terminal_does_not_have_is_printed_all_the_same():
    environment = os.environ | {"PYTHONIOENCODING": "ascii"}
    process = start(r"print('Str\u00fcmpler \udcff')", env=environment)
    assert process.communicate(timeout=60) == (b"Str\\xfcmpler \\udcff\n", b"")
    assert process.returncode == 0
