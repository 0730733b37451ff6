"""The command `compress`: many files, reports, targets, streams."""

import concurrent.futures
import io
import json
import math
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import arg_parser
import ljpeg_PIL
from jpeg_pipeline import JPEGPipeline
from learned_jpeg import api
from learned_jpeg.jobs import compress
from learned_jpeg.jpeg import standard
from learned_jpeg.metrics import measures
from learned_jpeg.models import checkpoints
from learned_jpeg.runtime.errors import UserError

import numpy as np
import pytest
from makers import picture, saved, srgb_profile
from PIL import Image

PROJECT = Path(__file__).resolve().parent.parent.parent


def run(*arguments):
    """The exit status of `ljpeg_PIL.py compress ARGUMENTS`."""
    return ljpeg_PIL.main(["compress", *map(str, arguments)])


def written(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def said_as_json(text):
    """([the line of each file], the total) of the JSON Lines of a run."""
    *files, last = map(json.loads, text.splitlines())
    return files, last["total"]


def test_the_command_writes_what_the_model_encodes(tmp_path):
    picture().save(tmp_path / "a.png")
    options = {"huffman": "standard", "sampling": "420"}
    arguments = [f"--{name}={value}" for name, value in options.items()]
    assert run(tmp_path / "a.png", "--quality", 30, *arguments) == 0
    expected = api.load("ljpeg_PIL").encode(np.asarray(picture()), quality=30, **options)
    assert (tmp_path / "a.jpg").read_bytes() == expected


# Many files


def test_a_folder_keeps_its_structure(tmp_path):
    for name in ("a/1.png", "a/deep/1.png", "b/2.PNG"):
        (tmp_path / "in" / name).parent.mkdir(parents=True, exist_ok=True)
        picture(16, 16).save(tmp_path / "in" / name)
    assert run(tmp_path / "in", "--output_dir", tmp_path / "out") == 0
    assert written(tmp_path / "out") == ["a/1.jpg", "a/deep/1.jpg", "b/2.jpg"]


def test_inputs_of_one_stem_have_files_of_their_own(tmp_path):
    """The first has the name that it has alone: .jpg, then by the alphabet."""
    for number, name in enumerate(["p.tif", "p.png", "p.bmp", "p.jpg", "q.png", "Q.webp"]):
        picture(16, 16 + number).save(tmp_path / name)
    assert run(tmp_path, "--output_dir", tmp_path / "out") == 0
    names = ["Q.webp.jpg", "p.bmp.jpg", "p.jpg", "p.png.jpg", "p.tif.jpg", "q.jpg"]
    assert written(tmp_path / "out") == names
    assert Image.open(tmp_path / "out" / "p.jpg").size == Image.open(tmp_path / "p.jpg").size


def test_two_inputs_of_one_output_do_not_meet(tmp_path, capsys):
    for name in ("p.png", "p.bmp", "p.png.png"):
        picture().save(tmp_path / name)
    assert run(tmp_path, "--output_dir", tmp_path / "out") == 1
    assert "another input is written to" in capsys.readouterr().err
    assert written(tmp_path / "out") == ["p.jpg", "p.png.jpg"]


def test_a_template_names_the_files(tmp_path, capsys):
    for name in ("p.png", "p.bmp", "deep/{q}.png"):
        (tmp_path / "in" / name).parent.mkdir(parents=True, exist_ok=True)
        picture().save(tmp_path / "in" / name)
    many = [tmp_path / "in", "--output_dir", tmp_path / "out"]
    assert run(*many, "--name", "{stem}_{suffix}.small.jpeg") == 0
    names = ["deep/{q}_png.small.jpeg", "p_bmp.small.jpeg", "p_png.small.jpeg"]
    assert written(tmp_path / "out") == names
    assert run(tmp_path / "in" / "p.png", "--name", "{name}.jpg") == 0
    assert written(tmp_path / "in") == ["deep/{q}.png", "p.bmp", "p.png", "p.png.jpg"]


@pytest.mark.parametrize(
    "template, words",
    [
        ("{stem}.jpg", "{stem}.jpg': .*p.jpg would be the name of .*p.bmp and .*p.png"),
        ("all.jpg", "would be the name of"),
        ("{stem}.png", "must end in .jpg"),
        ("{stem}/x.jpg", "no folder"),
        ("../{stem}.jpg", "no folder"),
        ("{stem.__class__}.jpg", "{stem}, {name} and {suffix}"),
        ("{number}.jpg", "{stem}, {name} and {suffix}"),
        ("{stem.jpg", "{stem}, {name} and {suffix}"),
    ],
)
def test_a_template_that_cannot_be_meant_is_one_line_and_nothing_is_written(
    template, words, tmp_path
):
    for name in ("p.png", "p.bmp", "q.png"):
        picture().save(tmp_path / name)
    with pytest.raises(UserError, match=words):
        run(tmp_path, "--output_dir", tmp_path / "out", "--name", template)
    assert not (tmp_path / "out").exists()


def test_a_bad_file_does_not_stop_the_others(tmp_path, capsys):
    for i in range(6):
        picture(20 + i, 20).save(tmp_path / f"{i}.png")
    (tmp_path / "3.png").write_text("not a picture")
    (tmp_path / "phone.heic").write_bytes(b"\0\0\0\x18ftypheic" + bytes(50))
    assert run(tmp_path, tmp_path / "gone.png", "--output_dir", tmp_path / "out") == 1
    said = capsys.readouterr()
    assert "3.png: cannot be read as an image" in said.err
    assert "phone.heic: HEIC cannot be read" in said.err
    assert "gone.png: no such file" in said.err
    assert "5 of 8 files" in said.out
    assert written(tmp_path / "out") == [f"{i}.jpg" for i in (0, 1, 2, 4, 5)]


def test_names_of_any_kind_are_reported_in_one_line_each(tmp_path, capsys):
    names = ["two\nlines.png", "two\\nlines.png", "smile 😀.png", "esc\x1b[2J.png"]
    for name in names:
        picture(16, 16).save(tmp_path / name)
    assert run(tmp_path, "--output_dir", tmp_path / "out") == 0
    out = capsys.readouterr().out
    assert len(out.splitlines()) == 5
    assert "\x1b" not in out
    assert "4 of 4 files" in out
    assert len(written(tmp_path / "out")) == 4


def test_the_json_report_states_what_the_files_are(tmp_path, capsys):
    picture().save(tmp_path / "a.png")
    (tmp_path / "b.png").write_bytes(b"")
    assert run(tmp_path, "--output_dir", tmp_path / "out", "--json", "--quality", 30) == 1
    files, total = said_as_json(capsys.readouterr().out)
    good, bad = sorted(files, key=lambda report: report["input"])
    data = (tmp_path / "out" / "a.jpg").read_bytes()
    assert good["bytes_in"] == (tmp_path / "a.png").stat().st_size
    assert good["bytes_out"] == len(data)
    assert good["bpp"] == pytest.approx(8 * len(data) / (45 * 70))
    shown = np.asarray(Image.open(io.BytesIO(data)))
    assert good["psnr"] == pytest.approx(measures.psnr(np.asarray(picture()), shown))
    assert (good["error"], good["quality"], good["dial"]) == (None, 30, 30)
    assert "b.png" in bad["error"]
    assert total["files"] == total["failed"] == 1


def test_quiet_prints_nothing(tmp_path, capfd):
    for name in "ab":
        picture().save(tmp_path / f"{name}.png")
    assert run(tmp_path, "--output_dir", tmp_path / "out", "--quiet") == 0
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    "options, words",
    [
        (["--background", "bleu"], "--background 'bleu'"),
        (["--skip_larger", "--strip"], "--skip_larger"),
        (["--skip_larger", "--srgb"], "--skip_larger"),
        (["b.png"], "must end in .jpg"),
        (["b.jpg", "--name", "c.jpg"], "give only one"),
    ],
)
def test_options_that_cannot_be_meant_are_refused(options, words, tmp_path):
    picture().save(tmp_path / "a.png")
    with pytest.raises(UserError, match=words):
        run(tmp_path / "a.png", *options)
    assert written(tmp_path) == ["a.png"]


def test_the_background_shows_through(tmp_path, capsys):
    Image.new("RGBA", (16, 16), (0, 0, 0, 0)).save(tmp_path / "a.png")
    assert run(tmp_path / "a.png", "--background", "#204080", "--quality", 100) == 0
    with Image.open(tmp_path / "a.jpg") as image:
        assert np.abs(np.subtract(image.getpixel((8, 8)), (0x20, 0x40, 0x80))).max() <= 2
    assert capsys.readouterr().err == ""


def test_the_limit_of_pixels_is_the_options(tmp_path, capsys):
    picture(100, 101).save(tmp_path / "a.png")
    assert run(tmp_path / "a.png", "--max_megapixels", 0.0099) == 1
    assert "limit" in capsys.readouterr().err
    assert run(tmp_path / "a.png", "--max_megapixels", 0.0103) == 0


# Standard input and output


def piped(*arguments, data=b"", **options):
    command = [sys.executable, PROJECT / "ljpeg_PIL.py", "compress", *arguments]
    return subprocess.run(command, input=data, capture_output=True, **options)


def test_a_pipe_carries_the_file_alone(tmp_path):
    data = saved(picture(), "PNG")
    done = piped("-", "-", data=data)
    assert done.returncode == 0
    assert done.stdout == api.load("ljpeg_PIL").encode(np.asarray(picture()))
    assert done.stderr.startswith(b"- -> -: ") and done.stderr.count(b"\n") == 1
    bad = piped("-", "-", data=b"no picture")
    assert (bad.returncode, bad.stdout) == (1, b"")
    assert bad.stderr == b"error: -: cannot be read as an image\n"


def test_a_pipe_that_is_closed_ends_quietly(tmp_path):
    noise = np.random.default_rng(0).integers(0, 256, [400, 400, 3], np.uint8)
    Image.fromarray(noise).save(tmp_path / "a.png")
    command = [sys.executable, PROJECT / "ljpeg_PIL.py", "compress", tmp_path / "a.png", "-"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    process.stdout.close()  # before anything is written
    assert process.stderr.read() == b""
    assert process.wait() == 141


def test_a_pipe_or_a_folder_named_like_an_image_does_not_hang(tmp_path, capsys):
    os.mkfifo(tmp_path / "pipe.png")
    assert run(tmp_path / "pipe.png", tmp_path / "out.jpg") == 1
    assert "pipe.png: the file is empty" in capsys.readouterr().err


# Targets


class Tables(JPEGPipeline):
    """Stands for a trained model: IJG tables of one quality, and no rate setting."""

    architecture = "tables"

    def get_qtables(self, batch, rate_setting, training):
        return standard.ijg_qtables(1000 * self.lmbda)[None]


@pytest.fixture
def run_dir(tmp_path, monkeypatch):
    """A run of three lambdas; its models are not read from its folders."""
    lambdas = {"lambda_0005": 0.005, "lambda_003": 0.03, "lambda_009": 0.09}
    for name, lmbda in lambdas.items():
        config = {"architecture": "tables", "options": {"lmbda": lmbda}, "versions": {}, "step": 1}
        checkpoints.write_config(tmp_path / "run" / name / "train", config)
    monkeypatch.setattr(
        compress.shipped, "load", lambda folder: Tables(lmbda=lambdas[folder.parent.name])
    )
    return tmp_path / "run"


def run_tables(path, *arguments):
    return arg_parser.main(Tables, "", ["compress", *map(str, (path, *arguments))])


def files(capsys):
    return said_as_json(capsys.readouterr().out)[0]


@pytest.mark.parametrize(
    "kind, value",
    [
        ("bpp", 1.1),
        ("bpp", 2.0),
        ("size", 6000),
        ("psnr", 29),
        ("ssimulacra2", 60),
        ("butteraugli", 3),
    ],
)
def test_a_target_within_the_run_is_reached(kind, value, run_dir, tmp_path, capsys):
    picture(150, 200).save(tmp_path / "a.png")
    arguments = ["--run_dir", run_dir, f"--target_{kind}", value, "--json"]
    assert run_tables(tmp_path / "a.png", *arguments) == 0
    (report,) = files(capsys)
    data = (tmp_path / "a.jpg").read_bytes()
    decoded = Image.open(io.BytesIO(data))
    sizes = {"bpp": 8 * len(data) / (150 * 200), "size": len(data)}
    quality = {name: getattr(measures, name) for name in ("psnr", "ssimulacra2", "butteraugli")}
    shown = [np.asarray(image) for image in (picture(150, 200), decoded)]
    reached = sizes.get(kind) or quality[kind](*shown)
    # Never beyond what was asked for, so never a byte too many.
    low, high = (0, 0.01) if kind in ("psnr", "ssimulacra2") else (-0.01, 0)
    assert low <= reached / value - 1 <= high
    assert report["warnings"] == []
    assert report["lmbda"] in (0.005, 0.03, 0.09)


@pytest.mark.parametrize(
    "kind, value, lmbda",
    [
        ("size", 100, 0.005),
        ("size", 10**6, 0.09),
        ("psnr", 60, 0.09),
        ("psnr", 10, 0.005),
        ("bpp", 0.1, 0.005),
    ],
)
def test_a_target_outside_the_run_gives_its_end(kind, value, lmbda, run_dir, tmp_path, capsys):
    picture().save(tmp_path / "a.png")
    assert run_tables(tmp_path / "a.png", "--run_dir", run_dir, f"--target_{kind}", value) == 0
    kept = (kind, value) in (("size", 10**6), ("psnr", 10))  # by more than it takes
    assert ("out of reach" in capsys.readouterr().err) != kept
    expected = api.Model(Tables(lmbda=lmbda)).encode(np.asarray(picture()))
    assert (tmp_path / "a.jpg").read_bytes() == expected


@pytest.mark.parametrize("size", [3000, 5000, 9000, 14000])
@pytest.mark.parametrize("sampling", ["444", "420"])
def test_a_size_chooses_the_dial_and_is_never_passed(size, sampling, tmp_path, capsys):
    profile = srgb_profile() + bytes(1000)  # counts
    (tmp_path / "a.png").write_bytes(saved(picture(200, 200), "PNG", icc_profile=profile))
    arguments = ["--target_size", size, "--json", "--sampling", sampling]
    assert run(tmp_path / "a.png", *arguments) == 0
    (report,) = files(capsys)
    assert (tmp_path / "a.jpg").stat().st_size == report["bytes_out"]
    assert 0.99 * size <= report["bytes_out"] <= size
    assert 1 <= report["dial"] <= 100 and report["sampling"] == sampling


@pytest.mark.parametrize(
    "arguments, words",
    [
        (["--model", "RUN/lambda_003", "--target_bpp", "1"], "a --model with several lambdas"),
        (["--run_dir", "nowhere", "--target_bpp", "1"], "nowhere: .*lambda_"),
        (["--model", "nowhere"], "nowhere: .*shipped ones for --model, which are .*learned_bits"),
        (["--model", "learned_bits"], "a model of ljpeg; use ljpeg.py"),
        ([], "train: no trained model here"),
    ],
)
def test_a_model_that_is_not_there_is_named(arguments, words, run_dir, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    picture().save(tmp_path / "a.png")
    arguments = [argument.replace("RUN", str(run_dir)) for argument in arguments]
    with pytest.raises(UserError, match=words):
        run_tables(tmp_path / "a.png", *arguments)
    assert not list(tmp_path.glob("*.jpg"))


@pytest.mark.parametrize(
    "arguments, lmbda",
    [
        (["--model", "RUN"], 0.03),
        (["--run_dir", "RUN"], 0.03),
        (["--model", "RUN/lambda_009"], 0.09),
        (["--checkpoint_dir", "RUN/lambda_0005/train"], 0.005),
    ],
)
def test_without_a_target_the_middle_lambda_or_the_one_named_is_taken(
    arguments, lmbda, run_dir, tmp_path, capsys
):
    picture().save(tmp_path / "a.png")
    arguments = [argument.replace("RUN", str(run_dir)) for argument in arguments]
    assert run_tables(tmp_path / "a.png", *arguments, "--json") == 0
    (report,) = files(capsys)
    assert report["lmbda"] == lmbda


@pytest.mark.parametrize(
    "kind, value",
    [("ssimulacra2", 30), ("ssimulacra2", 55), ("ssimulacra2", 80), ("ssimulacra2", 90)]
    + [("butteraugli", 4), ("butteraugli", 1.5), ("butteraugli", 0.6)],
)
def test_what_is_seen_is_reached_without_tensorflow(kind, value, tmp_path):
    picture(150, 200).save(tmp_path / "a.png")
    code = "import sys, ljpeg_PIL; status = ljpeg_PIL.main(sys.argv[1:]); "
    code += "print('tensorflow' in sys.modules); sys.exit(status)"
    line = ["compress", tmp_path / "a.png", f"--target_{kind}={value}", "--tune=visual"]
    done = subprocess.run(
        [sys.executable, "-c", code, *line, "--json"], capture_output=True, text=True, cwd=PROJECT
    )
    said, _, tensorflow = done.stdout.rstrip().rpartition("\n")
    assert (done.returncode, tensorflow) == (0, "False")
    ((report,), _) = said_as_json(said)
    shown = (np.asarray(image) for image in (picture(150, 200), Image.open(tmp_path / "a.jpg")))
    reached = getattr(measures, kind)(*shown)
    assert report[kind] == pytest.approx(reached)
    low, high = (value, 1.01 * value) if kind == "ssimulacra2" else (0.99 * value, value)
    assert low <= reached <= high
    assert report["warnings"] == []


def test_a_picture_that_is_too_small_for_its_target_is_named(tmp_path, capsys):
    picture(7, 40).save(tmp_path / "a.png")
    assert run(tmp_path / "a.png", "--target_ssimulacra2", "70") == 1
    assert "a.png: --target_ssimulacra2 needs at least 8 pixels a side" in capsys.readouterr().err
    assert written(tmp_path) == ["a.png"]


@pytest.mark.parametrize("arguments", [["--target_bpp", "0"], ["--target_size", "-4"]])
def test_a_target_that_is_no_amount_is_refused(arguments, capsys):
    with pytest.raises(SystemExit):
        run("a.png", *arguments)
    assert "above 0" in capsys.readouterr().err


# Many at a time


def test_pictures_beyond_the_budget_wait_for_each_other():
    budget, inside, most, lock = compress.PixelBudget(100), 0, 0, threading.Lock()

    def work(pixels):
        nonlocal inside, most
        with budget.hold(pixels):
            with lock:
                inside += pixels
                most = max(most, inside)
            time.sleep(0.002)
            with lock:
                inside -= pixels

    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        list(pool.map(work, [60, 30, 500, 40, 40, 100, 10] * 5))
    assert most == 500  # alone, where it is above the budget
    assert inside == 0

    most = 0
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        list(pool.map(work, [60, 30, 40, 100, 10] * 5))
    assert 60 < most <= 100


def test_the_totals_are_sums(tmp_path, capsys):
    for number in range(3):
        picture(20, 30 + number).save(tmp_path / f"{number}.png")
    assert run(tmp_path, "--output_dir", tmp_path / "out", "--json") == 0
    _, total = said_as_json(capsys.readouterr().out)
    sizes = [path.stat().st_size for path in (tmp_path / "out").iterdir()]
    assert total["bytes_out"] == sum(sizes)
    assert math.isclose(total["bpp"], 8 * sum(sizes) / (20 * (30 + 31 + 32)))


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_what_is_written_when_a_run_ends_early_is_whole(number, tmp_path):
    (tmp_path / "in").mkdir()
    data = saved(picture(400, 300), "PNG")
    for name in range(60):
        (tmp_path / "in" / f"{name}.png").write_bytes(data)
    command = [sys.executable, PROJECT / "ljpeg_PIL.py", "compress", tmp_path / "in"]
    command += ["--output_dir", tmp_path / "out", "--jobs", "2"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    while not list(tmp_path.glob("out/*.jpg")) and process.poll() is None:
        time.sleep(0.002)
    process.send_signal(number)
    said = process.stderr.read()
    assert process.wait() == (130 if number == signal.SIGTERM else -signal.SIGKILL)
    found = list(tmp_path.glob("out/*.jpg"))
    assert 0 < len(found) < 60
    for path in found:
        with Image.open(path) as image:
            image.load()
    if number == signal.SIGTERM:
        assert said.endswith(b"interrupted\n")
        assert not list(tmp_path.glob("out/.*"))
