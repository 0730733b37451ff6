import csv
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import evaluate
from learned_jpeg.evaluation import plots, stored
from learned_jpeg.jobs import workers
from learned_jpeg.metrics import measures
from learned_jpeg.runtime import locks, packages
from learned_jpeg.runtime.errors import UserError
from learned_jpeg.runtime.packages import PROJECT

import numpy as np
import pytest
import skimage.data
import skimage.metrics
from PIL import Image

SHIPPED = PROJECT / "example_experiments"


@pytest.fixture
def images(tmp_path):
    """Two photographs, 168x176 and 171x165, in a folder."""
    folder = tmp_path / "photos"
    folder.mkdir()
    Image.fromarray(skimage.data.astronaut()[40:216, 130:298]).save(folder / "face.png")
    Image.fromarray(skimage.data.coffee()[100:265, 200:371]).save(folder / "cup.png")
    return folder


@pytest.fixture
def batch(tmp_path, trained):
    """A batch folder with one run of one point."""
    shutil.copytree(trained, tmp_path / "batch" / "run_1" / "lambda_001" / "train")
    return tmp_path / "batch"


@pytest.fixture
def at_once(monkeypatch):
    """Without processes and plots; the calls that workers would get."""
    calls = []

    def completed(self, wanted):
        for unit, function, arguments in wanted:
            calls.append((function.__name__, *arguments))
            yield unit, function(*arguments)

    monkeypatch.setattr(workers.Pool, "completed", completed)
    monkeypatch.setattr(plots, "save", lambda figure, path, formats=(): None)
    monkeypatch.setattr(plots, "draw", lambda *arguments: None)
    return calls


def run(batch, images, *options):
    arguments = ["--batch_dir", str(batch), "--test_image_glob", str(images / "*.png")]
    return evaluate.main([*arguments, "--qualities", "10,40,80", *options])


def table(batch, name="images", stem="photos_standard"):
    with (batch / f"{stem}_{name}.csv").open() as file:
        return list(csv.DictReader(file))


def test_every_figure_is_that_of_the_written_file(batch, images, at_once, capsys):
    assert run(batch, images) == 0
    rows = [row for row in table(batch) if not row["point"].startswith("size")]
    assert len(rows) == (3 + 1) * 2
    for row in rows:
        place = "_output_PIL/photos/standard/pillow_444"
        if row["curve"].startswith("run_1"):
            place = "_output/photos/standard/run_1"
        path = batch / place / row["point"] / f"{row['image']}.jpg"
        original = np.asarray(Image.open(images / row["image"]))
        with Image.open(path) as file:
            assert (file.format, file.mode, file.layer[1][1:3]) == ("JPEG", "RGB", (1, 1))
            decoded = np.asarray(file)
        assert int(row["bytes"]) == path.stat().st_size
        assert float(row["bpp"]) == pytest.approx(
            8 * path.stat().st_size / original[..., 0].size, rel=1e-5
        )
        psnr = skimage.metrics.peak_signal_noise_ratio(original, decoded)
        assert float(row["psnr"]) == pytest.approx(psnr, rel=1e-5)
        for name in ("ms_ssim", "lpips", "ssimulacra2", "psnr_hvs_m"):
            value = getattr(measures, name)(original, decoded)
            assert float(row[name]) == pytest.approx(value, rel=1e-4)
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "photos, 2 images, the standard's example Huffman tables"
    assert any(
        re.match(r"curve +against +PSNR +MS-SSIM +LPIPS +SSIMULACRA2", line) for line in lines
    )

    # The second run measures nothing and prints the same.
    at_once.clear()
    assert run(batch, images) == 0
    assert at_once == []
    assert capsys.readouterr().out.splitlines() == lines


def test_several_sets_each_have_their_report(batch, images, at_once, capsys):
    (images.parent / "others").mkdir()
    shutil.copy(images / "cup.png", images.parent / "others" / "cup.png")
    globs = [str(images / "*.png"), str(images.parent / "others" / "*.png")]
    options = ["--jpeg_type", "--metrics", "psnr", "--qualities", "10,40", "--test_image_glob"]
    assert evaluate.main(["--batch_dir", str(batch), *options, *globs]) == 0
    assert len(table(batch, "points")) == len(table(batch, "points", "others_standard")) == 2
    out = capsys.readouterr().out
    assert "photos, 2 images" in out and "others, 1 image," in out
    with pytest.raises(UserError, match="two sets have the name photos; quote"):
        evaluate.main(["--batch_dir", str(batch), *options, *map(str, images.iterdir())])


def test_a_program_gets_the_bd_rates_as_json(batch, images, at_once, capsys):
    assert run(batch, images, "--json", "--jpeg_type", "--encoders", "pillow_420") == 0
    captured = capsys.readouterr()
    (report,) = json.loads(captured.out)
    assert "photos, 2 images" in report["subject"] and "photos, 2 images" in captured.err
    assert Path(report["page"]).exists()
    expected = table(batch, "bd_rate")
    assert [row["metric"] for row in report["bd_rates"]] == [row["metric"] for row in expected]
    assert report["bd_rates"][0]["bd_rate"] == float(expected[0]["bd_rate"])
    assert report["bd_rates"][0]["compared"] == 2


def test_the_metrics_that_are_asked_for_alone_are_measured_and_shown(batch, images, at_once):
    run(batch, images, "--jpeg_type", "--metrics", "psnr")
    assert set(table(batch, "points")[0]) == {"curve", "point", "bpp", "psnr"}
    assert all(
        names == ["psnr"] for name, *rest in at_once if name == "measure" for _, names in rest[1]
    )
    at_once.clear()
    run(batch, images, "--jpeg_type", "--metrics", "psnr", "psnr_hvs_m")
    assert {name for name, *_ in at_once} == {"measure"}


def test_a_metric_whose_package_is_missing_is_one_line(batch, images, monkeypatch):
    monkeypatch.setattr(packages, "is_there", lambda name: name != "pycvvdp")
    with pytest.raises(ModuleNotFoundError) as caught:
        run(batch, images, "--metrics", "psnr", "colorvideovdp")
    line = packages.missing(caught.value)
    assert "pycvvdp is missing" in line and line.rstrip("'").endswith("colorvideovdp.txt")


def test_rates_are_files_of_equal_bytes(batch, images, at_once, capsys):
    run(batch, images, "--jpeg_type", "ljpeg_PIL", "--rates", "0.8,1.5", "--metrics", "psnr")
    rows = [row for row in table(batch) if row["point"].startswith("bpp")]
    assert len(rows) == 2 * 2 * 2
    for row in rows:
        rate = float(row["point"].removeprefix("bpp_"))
        nearest = 0.99 if row["curve"] == "ljpeg_PIL" else 0.9  # whole qualities alone
        assert nearest * rate <= float(row["bpp"]) <= rate
    assert "0.8 bits per pixel" in capsys.readouterr().out


def test_choices_of_the_coding_have_results_of_their_own(batch, images, at_once):
    options = ["--jpeg_type", "ljpeg_PIL", "--metrics", "psnr", "--huffman", "optimized"]
    run(batch, images, *options)
    run(batch, images, *options, "--sampling", "420")
    plain, halved = (
        {row["point"]: row for row in table(batch, "points", stem) if row["curve"] == "ljpeg_PIL"}
        for stem in ("photos_optimized", "photos_optimized_420")
    )
    assert float(halved["quality_40"]["bpp"]) < float(plain["quality_40"]["bpp"])
    path = batch / "_output/photos/optimized_420/ljpeg_PIL/quality_40/cup.png.jpg"
    with Image.open(path) as file:
        assert file.layer[0][1:3] == (2, 2)
    assert "sampling 420" in (batch / "photos_optimized_420.md").read_text().splitlines()[0]


def test_runs_can_be_shown_with_other_choices_too(batch, images, at_once, capsys):
    run(batch, images, "--jpeg_type", "ljpeg_PIL", "--metrics", "psnr", "--also", "420", "420")
    points = {(row["curve"], row["point"]): float(row["bpp"]) for row in table(batch, "points")}
    assert points["ljpeg_PIL, 420", "quality_40"] < points["ljpeg_PIL", "quality_40"]
    for wrong in ("421", "420,444"):
        with pytest.raises(SystemExit):
            evaluate.parse_args(["--batch_dir", "x", "--also", wrong])
        assert f"{wrong!r} is not one or several of round trellis" in capsys.readouterr().err
    (coding,) = evaluate.parse_args(
        [*("--batch_dir", "x", "--test_image_glob", "y"), "--also", "trellis,refine5"]
    ).also
    assert (coding.quantizer, coding.refine) == ("trellis", 5)


def test_names_of_any_kind_end_in_the_tables_and_plots(tmp_path, trained, photograph):
    """Dollars and backslashes are formulas to Matplotlib, and some names are no Unicode."""
    run = tmp_path / "batch" / r"run_$5_\q$"
    shutil.copytree(trained, run / "lambda_$x_{$" / "train")
    folder = tmp_path / r"set_$\p$"
    folder.mkdir()
    names = [r"price_$5_\q$.png", os.fsdecode(b"no_utf_\xff.png"), "esc\x1b[2J.png", "smile😀.png"]
    for name in names:
        Image.fromarray(photograph[:48, :64]).save(folder / name)
    line = command(tmp_path)[2:]
    line[line.index("--test_image_glob") + 1] = str(folder)
    line[line.index("--jpeg_type")] = "--jpeg_type=ljpeg"
    assert evaluate.main(line) == 0
    batch = tmp_path / "batch"
    stem = r"set_$\p$_standard"
    found = {row["image"] for row in table(batch, stem=stem)}
    assert found == {names[0], r"no_utf_\udcff.png", r"esc\x1b[2J.png", names[3]}
    assert {r"run_$5_\q$ (ljpeg)"} < {row["curve"] for row in table(batch, stem=stem)}
    for ending in ("_psnr.pdf", "_psnr.png", "_comparison.png", ".html", ".md", ".txt"):
        assert (batch / f"{stem}{ending}").stat().st_size > 0
    svg = (batch / f"{stem}_psnr.svg").read_text()
    assert r"run_$5_\q$ (ljpeg)" in svg and r"set_$\p$, 4 images" in svg


def test_two_evaluations_do_not_write_into_one_folder(batch, images):
    with locks.alone(batch, ""), pytest.raises(UserError, match="--output_dir"):
        run(batch, images)


def test_results_may_go_elsewhere(batch, images, tmp_path, at_once):
    before = sorted(batch.rglob("*"))
    run(batch, images, "--output_dir", str(tmp_path / "out"), "--metrics", "psnr")
    assert sorted(batch.rglob("*")) == before
    assert {row["curve"] for row in table(tmp_path / "out")} == {
        "standard JPEG (Pillow 4:4:4)",
        "run_1 (ljpeg)",
    }


def test_images_too_small_for_a_metric_are_left_out_of_its_mean_alone(batch, images, at_once):
    Image.open(images / "cup.png").crop((0, 0, 40, 30)).save(images / "tiny.png")
    run(batch, images, "--jpeg_type", "--metrics", "psnr", "ms_ssim")
    rows = [row for row in table(batch) if row["point"] == "quality_40"]
    assert [row["ms_ssim"] for row in rows if row["image"] == "tiny.png"] == ["nan"]
    means = next(row for row in table(batch, "points") if row["point"] == "quality_40")
    ms_ssim = [float(row["ms_ssim"]) for row in rows if row["image"] != "tiny.png"]
    assert float(means["ms_ssim"]) == pytest.approx(np.mean(ms_ssim), abs=1e-5)
    psnr = np.mean([float(row["psnr"]) for row in rows])
    assert float(means["psnr"]) == pytest.approx(psnr, abs=1e-3)


def test_gray_and_transparent_images_are_measured_as_rgb(batch, images, at_once):
    colour = Image.open(images / "face.png")
    colour.convert("L").save(images / "gray.png")
    colour.putalpha(Image.linear_gradient("L").resize(colour.size))
    colour.save(images / "alpha.png")
    run(batch, images, "--jpeg_type", "--metrics", "psnr")
    rows = {row["image"]: row for row in table(batch) if row["point"] == "quality_80"}
    white = Image.new("RGBA", colour.size, "white")
    flat = np.asarray(Image.alpha_composite(white, colour).convert("RGB"))
    gray = np.asarray(Image.open(images / "gray.png").convert("RGB"))
    for name, original in (("gray.png", gray), ("alpha.png", flat)):
        path = batch / f"_output_PIL/photos/standard/pillow_444/quality_80/{name}.jpg"
        decoded = np.asarray(Image.open(path).convert("RGB"))
        psnr = skimage.metrics.peak_signal_noise_ratio(original, decoded)
        assert float(rows[name]["psnr"]) == pytest.approx(psnr, abs=0.1)


def test_a_quick_look_has_all_that_it_needs():
    args = evaluate.parse_args(["--quick", "--huffman", "optimized"])
    assert args.huffman == "optimized"  # what is asked for is not changed
    assert args.output_dir == "quick_look"
    assert (Path(args.batch_dir) / args.runs[0]).is_dir()
    ((name, found),) = evaluate._find_sets(args.test_image_glob).items()
    assert name == "quick_look"
    assert len(found) == 3
    with Image.open(found[0].path) as picture:
        assert min(picture.size) >= 161  # the least of MS-SSIM


@pytest.mark.parametrize(
    "options",
    [
        [],
        ["--batch_dir", "x"],
        ["--encoders", "all"],
        ["--quick", "--rates", "0"],
        ["--quick", "--qualities", "1,a"],
    ],
    ids=" ".join,
)
def test_a_mistake_in_the_options_is_said(options, capsys):
    with pytest.raises(SystemExit) as status:
        evaluate.parse_args(options)
    assert status.value.code == 2
    assert "error" in capsys.readouterr().err


def test_without_a_folder_of_runs_the_shipped_ones_are_measured_somewhere_else():
    args = evaluate.parse_args(["--test_image_glob", "photos/*.png"])
    assert (Path(args.batch_dir) / "rdo_visual" / "train").is_dir()
    assert args.output_dir == "results"
    args = evaluate.parse_args(["--batch_dir", "mine", "--test_image_glob", "photos/*.png"])
    assert (args.batch_dir, args.output_dir) == ("mine", "mine")


# In processes of their own, without what needs TensorFlow


def command(folder, *options):
    return [
        *(sys.executable, str(PROJECT / "evaluate.py"), "--batch_dir", str(folder / "batch")),
        *("--test_image_glob", str(folder / "my photos" / "*.png"), "--jpeg_type"),
        *("--metrics", "psnr", "--qualities", "10,40,70", "--workers", "2", *options),
    ]


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory):
    """A folder, and the tables of an evaluation by worker processes."""
    folder = tmp_path_factory.mktemp("a folder")
    (folder / "batch").mkdir()
    (folder / "my photos").mkdir()
    for index in range(6):
        picture = Image.fromarray(skimage.data.chelsea()[100:148, 20 * index : 20 * index + 64])
        picture.save(folder / "my photos" / f"cat {index}.png")
    done = subprocess.run(command(folder), cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    return folder, tables(folder / "batch")


def tables(batch):
    return {path.name: path.read_bytes() for path in batch.glob("*.csv")}


def test_a_killed_evaluation_goes_on_to_the_same_tables(uninterrupted):
    folder, expected = uninterrupted
    shutil.rmtree(folder / "batch")
    (folder / "batch").mkdir()
    process = subprocess.Popen(command(folder), stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 60
    while len(list(folder.rglob("*.journal"))) < 3 and time.monotonic() < deadline:
        time.sleep(0.005)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not tables(folder / "batch")
    assert list(folder.rglob("*.journal"))
    assert evaluate.main(command(folder)[2:]) == 0
    assert tables(folder / "batch") == expected
    assert not list(folder.rglob("*.journal"))


def test_what_is_measured_needs_neither_tensorflow_nor_matplotlib(uninterrupted):
    folder, _ = uninterrupted
    arguments = command(folder)[2:]
    heavy = "('tensorflow', 'keras', 'matplotlib', 'scipy')"
    code = f"import sys, evaluate; evaluate.main({arguments!r})"
    code += f"; print([name for name in {heavy} if name in sys.modules])"
    evaluate.main(arguments)
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=PROJECT, capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines()[-1] == "[]"


def test_a_mistake_of_the_user_is_one_line(tmp_path):
    environment = os.environ | {"PYTHONWARNINGS": "ignore"}
    done = subprocess.run(command(tmp_path), capture_output=True, text=True, env=environment)
    assert done.returncode == 2
    assert done.stderr.startswith("error: ")
    assert done.stderr.count("\n") == 1


# The shipped results


def test_what_was_measured_before_is_found():
    for path in SHIPPED.rglob("*.pickle"):
        fingerprint, records = stored.load(path)
        assert records
        assert {"Huffman choice", "measuring code", "encoding version"} <= set(fingerprint)


def test_kodak_agrees_with_the_published_field_notes(tmp_path, at_once):
    kodak = PROJECT.parent / "shared" / "data" / "kodak"
    if not kodak.is_dir():
        pytest.skip("the Kodak images are not here")
    args = ["--batch_dir", str(tmp_path), "--jpeg_type", "--qualities", "30", "--metrics"]
    args += ["lpips", "ms_ssim", "psnr", "--test_image_glob", str(kodak / "kodim05.png")]
    evaluate.main(args)
    row = table(tmp_path, stem="kodak_standard")[0]
    assert float(row["lpips"]) == pytest.approx(0.046587, abs=1e-4)
    assert float(row["ms_ssim"]) == pytest.approx(0.978962, abs=1e-4)
    assert float(row["psnr"]) == pytest.approx(28.1899, abs=1e-3)
