import contextlib
import csv
import json
import os
import pickle
import re
import shutil
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import dot_cache
import encoders
import evaluate
import metrics
import report
from arg_parser import UserError

import numpy as np
import pytest
import skimage.data
import skimage.metrics
from PIL import Image

PROJECT = Path(evaluate.__file__).parent
QUALITIES = (10, 40, 80)


def save_checkpoint(folder, model, step=1, **options):
    import tensorflow as tf

    folder.mkdir(parents=True, exist_ok=True)
    manager = tf.train.CheckpointManager(tf.train.Checkpoint(model=model), str(folder), 1)
    manager.save(checkpoint_number=step)
    options |= {"seed": 0, "lmbda": 0.01}
    config = {"architecture": model.architecture, "options": options, "versions": {}, "step": step}
    (folder / "config.json").write_text(json.dumps(config))


def save_ljpeg(folder, quality, step=1):
    """A checkpoint whose tables are those of the IJG library at a quality."""
    from image_utils import ijg_qtables
    from ljpeg import LJPEG, TABLE_SCALE

    model = LJPEG()
    model.scaled_qtables.assign(ijg_qtables(float(quality)) * TABLE_SCALE)
    save_checkpoint(folder, model, step, lpips_weight=0.0, total_weight_regularizer=0.0)


@pytest.fixture
def images(tmp_path):
    """Two photographs, 168x176 and 171x165, and the glob that finds them."""
    folder = tmp_path / "photos"
    folder.mkdir()
    Image.fromarray(skimage.data.astronaut()[40:216, 130:298]).save(folder / "face.png")
    Image.fromarray(skimage.data.coffee()[100:265, 200:371]).save(folder / "cup.png")
    return folder


@pytest.fixture
def batch(tmp_path):
    """A batch folder with one run of two dots."""
    folder = tmp_path / "batch"
    save_ljpeg(folder / "run_1" / "lambda_001" / "train", 30)
    save_ljpeg(folder / "run_1" / "lambda_01" / "train", 60)
    return folder


@pytest.fixture
def quick(monkeypatch):
    """Few dots, no worker processes, no picture files; counts what is measured."""
    monkeypatch.setattr(encoders.Encoder, "qualities", QUALITIES)
    monkeypatch.setattr(report, "_save", lambda figure, path: None)
    measured = []

    @contextlib.contextmanager
    def workers(args):
        with ThreadPoolExecutor(1) as executor:
            yield executor, 1

    measure = evaluate.measure

    def count(dot, path, *others):
        measured.append((dot.name, path.name))
        return measure(dot, path, *others)

    monkeypatch.setattr(evaluate, "workers", workers)
    monkeypatch.setattr(evaluate, "measure", count)
    return measured


def run(batch, images, *options):
    return evaluate.main(
        ["--batch_dir", str(batch), "--test_image_glob", str(images / "*.png"), *options]
    )


def table(batch, name="images", stem="photos_standard"):
    with (batch / f"{stem}_{name}.csv").open() as file:
        return list(csv.DictReader(file))


def tables(batch):
    return {path.name: path.read_bytes() for path in batch.glob("*.csv")}


def test_every_figure_is_that_of_the_written_file(batch, images, quick):
    assert run(batch, images) == 0
    rows = table(batch)
    assert len(rows) == (len(QUALITIES) + 2) * 2
    for row in rows:
        place = "_output_PIL/photos/standard/pillow_444"
        if row["curve"].startswith("run_1"):
            place = "_output/photos/standard/run_1"
        path = batch / place / row["dot"] / f"{row['image']}.jpg"
        original = np.asarray(Image.open(images / row["image"]))
        with Image.open(path) as file:
            assert (file.format, file.mode, file.layer[1][1:3]) == ("JPEG", "RGB", (1, 1))
            decoded = np.asarray(file)
        height, width = original.shape[:2]
        assert int(row["bytes"]) == path.stat().st_size
        assert float(row["bpp"]) == pytest.approx(8 * path.stat().st_size / height / width)
        mse = skimage.metrics.mean_squared_error(original, decoded)
        assert float(row["mse"]) == pytest.approx(mse)
        psnr = skimage.metrics.peak_signal_noise_ratio(original, decoded)
        assert float(row["psnr"]) == pytest.approx(psnr)
        for name in ("ms_ssim", "lpips", "ssimulacra2", "psnr_hvs_m"):
            value = getattr(metrics, name)(original, decoded)
            assert float(row[name]) == pytest.approx(value, rel=1e-5)


def test_a_model_with_the_tables_of_ijg_gives_the_files_of_pillow(batch, images, quick):
    save_ljpeg(batch / "run_1" / "lambda_005" / "train", QUALITIES[1])
    run(batch, images)
    rows = {(row["dot"], row["image"]): row for row in table(batch)}
    for image in ("cup.png", "face.png"):
        pillow, model = rows["quality_40", image], rows["lambda_005", image]
        assert float(model["bpp"]) == pytest.approx(float(pillow["bpp"]), rel=0.01)
        assert float(model["psnr"]) == pytest.approx(float(pillow["psnr"]), abs=0.05)


def test_a_second_run_measures_nothing_and_says_the_same(batch, images, quick, capsys):
    run(batch, images)
    first, lines = tables(batch), capsys.readouterr().out
    quick.clear()
    run(batch, images)
    assert quick == []
    assert tables(batch) == first
    assert capsys.readouterr().out == lines


@pytest.mark.parametrize("how", ["deleted", "moved"])
def test_a_missing_pickle_is_measured_again_and_no_other(batch, images, quick, how):
    run(batch, images)
    first = tables(batch)
    quick.clear()
    path = batch / "_output_PIL/photos/standard/pillow_444/quality_40.pickle"
    path.unlink() if how == "deleted" else path.rename(batch / "elsewhere.pickle")
    run(batch, images)
    assert sorted(quick) == [("quality_40", "cup.png"), ("quality_40", "face.png")]
    assert tables(batch) == first


def test_a_changed_checkpoint_is_measured_again_and_a_line_says_why(batch, images, quick, capsys):
    run(batch, images)
    before = table(batch)
    quick.clear()
    save_ljpeg(batch / "run_1" / "lambda_001" / "train", 20, step=2)
    run(batch, images)
    assert {dot for dot, _ in quick} == {"lambda_001"}
    assert "run_1 (lambda_001): the checkpoint changed" in capsys.readouterr().err
    differing = {new["dot"] for old, new in zip(before, table(batch), strict=True) if old != new}
    assert differing == {"lambda_001"}


def test_a_changed_image_is_measured_again_and_a_line_says_why(batch, images, quick, capsys):
    run(batch, images)
    quick.clear()
    Image.fromarray(skimage.data.chelsea()[50:220, 100:270]).save(images / "cup.png")
    run(batch, images)
    assert {image for _, image in quick} == {"cup.png"}
    assert len(quick) == len(QUALITIES) + 2
    assert "images changed" in capsys.readouterr().err
    assert {row["width"] for row in table(batch) if row["image"] == "cup.png"} == {"170"}


def test_changed_measuring_code_measures_all_again(batch, images, quick, capsys, monkeypatch):
    run(batch, images)
    quick.clear()
    evaluate._measuring_code.cache_clear()
    monkeypatch.setattr(metrics, "VERSION", 99)
    with monkeypatch.context() as other:
        other.setattr(metrics, "psnr", lambda a, b: 1.25)
        run(batch, images)
    evaluate._measuring_code.cache_clear()
    assert len(quick) == (len(QUALITIES) + 2) * 2
    assert "run_1 (lambda_001, lambda_01): the measuring code changed" in capsys.readouterr().err
    assert {row["psnr"] for row in table(batch)} == {"1.25"}


def test_changed_encoding_code_keeps_the_figures_of_the_same_files(
    batch, images, quick, capsys, monkeypatch
):
    run(batch, images)
    first = tables(batch)
    quick.clear()
    monkeypatch.setattr(evaluate, "code_digest", lambda *modules: "other")
    monkeypatch.setattr(evaluate, "measure_file", None)  # must not be needed
    run(batch, images)
    assert len(quick) == (len(QUALITIES) + 2) * 2
    assert "the encoding code changed" in capsys.readouterr().err
    assert tables(batch) == first


def test_comments_and_docstrings_are_no_change_of_the_code(tmp_path, monkeypatch):
    monkeypatch.setattr(evaluate, "PROJECT", tmp_path)

    def digest(text):
        evaluate.code_digest.cache_clear()
        (tmp_path / "module.py").write_text(text)
        return evaluate.code_digest("module")

    plain = digest("def f(x):\n    return x + 1\n")
    assert digest('"""Doc."""\n\n\ndef f(x):\n    """Adds."""\n    return x + 1  # one\n') == plain
    assert digest("def f(x):\n    return x + 2\n") != plain
    evaluate.code_digest.cache_clear()


def test_a_jpeg_file_that_is_not_the_measured_one_is_written_again(batch, images, quick, capsys):
    run(batch, images)
    quick.clear()
    folder = batch / "_output/photos/standard/run_1/lambda_001"
    expected = (folder / "cup.png.jpg").read_bytes()
    (folder / "cup.png.jpg").write_bytes(expected[:-1] + b"x")
    run(batch, images)
    assert quick == [("lambda_001", "cup.png")]
    assert (folder / "cup.png.jpg").read_bytes() == expected
    assert "not those that were measured" in capsys.readouterr().err


def test_pickles_without_their_jpeg_files_do(batch, images, quick, monkeypatch, capsys):
    run(batch, images)
    before = tables(batch)
    for path in batch.glob("_output*/**/*.jpg"):
        path.unlink()
    quick.clear()
    drawn = []
    monkeypatch.setattr(report, "_save", lambda figure, path: drawn.append(path.name))
    capsys.readouterr()
    run(batch, images)
    assert quick == [] and tables(batch) == before
    assert "photos_standard_psnr" in drawn and "photos_standard_comparison" not in drawn
    assert "sheet of crops left as it is: 4 JPEG files" in capsys.readouterr().out


def test_both_huffman_protocols_live_side_by_side(batch, images, quick):
    run(batch, images)
    run(batch, images, "--huffman", "progressive")
    quick.clear()
    run(batch, images)
    run(batch, images, "--huffman", "progressive")
    assert quick == []
    standard, progressive = table(batch), table(batch, stem="photos_progressive")
    for one, other in zip(standard, progressive, strict=True):
        assert float(other["bpp"]) < float(one["bpp"])
        assert other["mse"] == one["mse"]  # the same integers, coded otherwise
    assert "Huffman" in (batch / "photos_standard.md").read_text().splitlines()[0]
    assert "progressive" in (batch / "photos_progressive.md").read_text().splitlines()[0]


def test_another_huffman_choice_takes_over_the_figures_of_the_same_integers(
    batch, images, quick, tmp_path
):
    run(batch, images)
    shutil.copytree(batch / "run_1", tmp_path / "direct" / "run_1")
    quick.clear()
    run(batch, images, "--huffman", "optimized")
    assert all(dot.startswith("quality") for dot, _ in quick)
    run(tmp_path / "direct", images, "--huffman", "optimized")
    assert (
        tables(tmp_path / "direct")["photos_optimized_images.csv"]
        == (batch / "photos_optimized_images.csv").read_bytes()
    )
    for path in (tmp_path / "direct").glob("_output/**/*.jpg"):
        assert (batch / path.relative_to(tmp_path / "direct")).read_bytes() == path.read_bytes()


def test_an_interrupted_evaluation_goes_on_where_it_stopped(batch, images, quick, monkeypatch):
    run(batch, images)
    expected, everything = tables(batch), sorted(quick)
    for path in [*batch.rglob("*.pickle"), *batch.rglob("*.jpg"), *batch.glob("*.csv")]:
        path.unlink()
    save = dot_cache.save
    for limit in (1, 4):
        quick.clear()
        left = iter(range(limit))

        def interrupted(*args, left=left):
            if next(left, None) is None:
                raise KeyboardInterrupt
            save(*args)

        monkeypatch.setattr(dot_cache, "save", interrupted)
        with pytest.raises(KeyboardInterrupt):
            run(batch, images)
    monkeypatch.setattr(dot_cache, "save", save)
    quick.clear()
    run(batch, images)
    assert len(quick) == len(everything) - 1 - 4
    assert tables(batch) == expected


class Payload:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


def test_a_malicious_pickle_is_refused_and_runs_nothing(batch, images, quick, tmp_path):
    run(batch, images)
    path = batch / "_output/photos/standard/run_1/lambda_001.pickle"
    evidence = tmp_path / "it ran"
    content = pickle.loads(path.read_bytes())
    for attack in (
        Payload(evidence),
        content | {"psnr": Payload(evidence)},
        content | {"psnr": np.array([Payload(evidence)] * 2, object)},
        {Payload(evidence): content},
    ):
        for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
            path.write_bytes(pickle.dumps(attack, protocol))
            with pytest.raises(UserError, match="lambda_001.pickle"):
                run(batch, images)
            assert not evidence.exists()
    pickle.loads(path.read_bytes())
    assert evidence.exists()  # so the attack was one


@pytest.mark.parametrize(
    "content",
    [{"a": (1, 2)}, {"a": {1}}, b"bytes", None, 1j, {"a": np.array(["text"])}, len],
    ids=repr,
)
def test_a_pickle_with_anything_but_plain_data_is_refused(tmp_path, content):
    path = tmp_path / "x.pickle"
    path.write_bytes(pickle.dumps(content))
    with pytest.raises(UserError, match=re.escape(str(path))):
        dot_cache.load_plain(path)


def test_plain_data_is_read_as_it_was_written(tmp_path):
    path = tmp_path / "x.pickle"
    arrays = [
        np.arange(12.0).reshape(3, 4).T,
        np.arange(5, dtype=">i2"),
        np.float32([[1.5]]),
        np.array([True, False]),
        np.zeros((0, 3), np.uint8),
    ]
    content = {"numbers": [1, -2.5, True, float("inf")], "text": "é", "nested": [{"1": []}]}
    path.write_bytes(pickle.dumps(content | {"arrays": arrays}, protocol=4))
    read = dot_cache.load_plain(path)
    for array, found in zip(arrays, read.pop("arrays"), strict=True):
        np.testing.assert_array_equal(found, array)
        assert found.dtype == array.dtype
    assert read == content


def test_a_pickle_that_shares_and_nests_its_lists_is_read_in_no_time(tmp_path):
    content = [0]
    for _ in range(60):
        content = [content, content]  # 2^60 numbers, if written out
    (tmp_path / "x.pickle").write_bytes(pickle.dumps(content))
    start = time.monotonic()
    dot_cache.load_plain(tmp_path / "x.pickle")
    with pytest.raises(dot_cache.UnreadableError):
        dot_cache.load(tmp_path / "x.pickle")
    assert time.monotonic() - start < 1


def test_a_damaged_pickle_is_measured_again_and_a_line_says_why(batch, images, quick, capsys):
    run(batch, images)
    expected = tables(batch)
    path = batch / "_output/photos/standard/run_1/lambda_001.pickle"
    whole = path.read_bytes()
    for content in (b"", whole[:300], whole[:-1], b"text\n", pickle.dumps({"fingerprint": 3})):
        path.write_bytes(content)
        quick.clear()
        capsys.readouterr()
        run(batch, images)
        assert sorted(quick) == [("lambda_001", "cup.png"), ("lambda_001", "face.png")]
        assert re.search(r"run_1 \(lambda_001\): the pickle is not", capsys.readouterr().err)
    assert path.read_bytes() == whole
    assert tables(batch) == expected


def test_no_runs_is_an_error_that_says_what_a_run_is(tmp_path, images, quick):
    (tmp_path / "batch").mkdir()
    with pytest.raises(UserError, match="lambda_<value>/train"):
        run(tmp_path / "batch", images)
    with pytest.raises(UserError, match="nowhere"):
        run(tmp_path / "nowhere", images)
    assert run(tmp_path / "batch", images, "--jpeg_type") == 0  # the encoders alone were asked for


def test_runs_that_cannot_be_evaluated_are_skipped_with_a_line(batch, images, quick, capsys):
    (batch / "run_2").mkdir()
    (batch / "run_3" / "lambda_01" / "train").mkdir(parents=True)
    (batch / "_run_4" / "lambda_01" / "train").mkdir(parents=True)
    broken = batch / "run_5" / "lambda_01" / "train"
    save_ljpeg(broken, 30)
    (broken / "config.json").write_text('{"architecture": "ljp')
    cut = batch / "run_6" / "lambda_01" / "train"
    save_ljpeg(cut, 30)
    next(cut.glob("*.data-*")).write_bytes(b"short")
    other = batch / "run_7" / "lambda_01" / "train"
    save_ljpeg(other, 30)
    config = json.loads((other / "config.json").read_text())
    (other / "config.json").write_text(json.dumps(config | {"architecture": "google_baseline"}))
    run(batch, images)
    lines = capsys.readouterr().err.splitlines()
    for name, reason in {
        "run_2": "no lambda_<value>/train",
        "run_3/lambda_01/train": "no checkpoint",
        "run_5/lambda_01/train": "broken",
        "run_6/lambda_01": "broken",
        "run_7/lambda_01/train": "google_baseline, not ljpeg",
    }.items():
        assert any(line.startswith("skipped") and name in line and reason in line for line in lines)
    assert "_run_4" not in "".join(lines)
    curves = {row["curve"] for row in table(batch)}
    assert curves == {"standard JPEG (Pillow 4:4:4)", "run_1 (ljpeg)"}


def test_jpeg_type_chooses_among_the_runs(batch, images, quick, capsys):
    with pytest.raises(UserError, match="no run of ljpeg_attention"):
        run(batch, images, "--jpeg_type", "ljpeg_attention")
    assert "ljpeg, not ljpeg_attention" in capsys.readouterr().err
    assert run(batch, images, "--jpeg_type", "ljpeg") == 0


def test_a_file_that_is_no_image_is_left_out_with_a_line(batch, images, quick, capsys):
    (images / "notes.png").write_text("not a picture")
    whole = (images / "cup.png").read_bytes()
    (images / "half.png").write_bytes(whole[: len(whole) // 2])
    run(batch, images)
    errors = capsys.readouterr().err
    assert "notes.png" in errors
    assert "half.png" in errors
    assert {row["image"] for row in table(batch)} == {"cup.png", "face.png"}
    for name in ("cup.png", "face.png"):
        (images / name).write_text("")
    with pytest.raises(UserError, match="not one of the files is an image"):
        run(batch, images)


def test_a_glob_that_matches_nothing_is_an_error(batch, tmp_path):
    with pytest.raises(UserError, match="nothing_here"):
        run(batch, tmp_path / "nothing_here")


def test_gray_and_transparent_images_are_measured_as_rgb(batch, images, quick):
    colour = Image.open(images / "face.png")
    colour.convert("L").save(images / "gray.png")
    colour.putalpha(Image.linear_gradient("L").resize(colour.size))
    colour.save(images / "alpha.png")
    run(batch, images)
    rows = {row["image"]: row for row in table(batch) if row["dot"] == "quality_80"}
    white = Image.new("RGBA", colour.size, "white")
    flat = np.asarray(Image.alpha_composite(white, colour).convert("RGB"))
    gray = np.asarray(Image.open(images / "gray.png").convert("RGB"))
    for name, original in (("gray.png", gray), ("alpha.png", flat)):
        path = batch / f"_output_PIL/photos/standard/pillow_444/quality_80/{name}.jpg"
        decoded = np.asarray(Image.open(path).convert("RGB"))
        mse = skimage.metrics.mean_squared_error(original, decoded)
        assert float(rows[name]["mse"]) == pytest.approx(mse)
        assert float(rows[name]["psnr"]) > 30


def test_images_of_one_name_in_different_folders_stay_apart(batch, images, quick):
    for name in ("a", "b"):
        (images / name).mkdir()
    (images / "cup.png").rename(images / "a" / "same.png")
    (images / "face.png").rename(images / "b" / "same.png")
    evaluate.main(["--batch_dir", str(batch), "--test_image_glob", str(images / "**" / "same.png")])
    rows = [row for row in table(batch) if row["dot"] == "lambda_001"]
    sizes = {row["image"]: (row["width"], row["height"]) for row in rows}
    assert sizes == {"a/same.png": ("171", "165"), "b/same.png": ("168", "176")}
    folder = batch / "_output/photos/standard/run_1/lambda_001"
    assert Image.open(folder / "a" / "same.png.jpg").size == (171, 165)
    assert Image.open(folder / "b" / "same.png.jpg").size == (168, 176)


def test_images_too_small_for_a_metric_are_left_out_of_its_mean_alone(batch, images, quick):
    Image.open(images / "cup.png").crop((0, 0, 40, 30)).save(images / "tiny.png")
    run(batch, images)
    rows = [row for row in table(batch) if row["dot"] == "quality_40"]
    assert [row["ms_ssim"] for row in rows if row["image"] == "tiny.png"] == ["nan"]
    means = next(row for row in table(batch, "dots") if row["dot"] == "quality_40")
    ms_ssim = [float(row["ms_ssim"]) for row in rows if row["image"] != "tiny.png"]
    assert float(means["ms_ssim"]) == pytest.approx(np.mean(ms_ssim), abs=1e-5)
    assert float(means["psnr"]) == pytest.approx(
        np.mean([float(r["psnr"]) for r in rows]), abs=1e-3
    )


def test_google_baseline_is_measured_at_its_qualities(batch, images, quick):
    from google_baseline import GoogleBaseline
    from training import build

    google = batch.parent / "google" / "train"
    options = {"max_noise": 0.15}
    model = build(GoogleBaseline, {"seed": 0, "lmbda": 0.01, **options})
    save_checkpoint(google, model, **options)
    run(batch, images, "--google_dir", str(google))
    dots = [row["dot"] for row in table(batch, "dots") if row["curve"] == "Google baseline"]
    assert sorted(dots) == ["quality_05", "quality_10", "quality_15", "quality_20", "quality_25"]
    against = [
        row["against"] for row in table(batch, "bd_rate") if row["curve"].startswith("run_1")
    ]
    assert against == ["standard JPEG (Pillow 4:4:4)", "Google baseline"]
    with pytest.raises(UserError, match="--google_dir .*ljpeg"):
        run(batch, images, "--google_dir", str(batch / "run_1" / "lambda_01" / "train"))
    with pytest.raises(UserError, match="--google_dir .*no checkpoint"):
        run(batch, images, "--google_dir", str(images))


def test_a_missing_encoder_is_named_in_a_line(batch, images, quick, capsys, monkeypatch):
    monkeypatch.setattr(encoders.MozJPEG, "missing", lambda self: "no package pyvips")
    run(batch, images, "--encoders", "mozjpeg_420", "pillow_420")
    assert "mozjpeg_420 is left out: no package pyvips" in capsys.readouterr().err
    curves = {row["curve"] for row in table(batch)}
    assert curves == {"standard JPEG (Pillow 4:4:4)", "Pillow 4:2:0", "run_1 (ljpeg)"}


def test_an_encoder_that_fails_is_left_out_with_a_line(batch, images, quick, capsys, monkeypatch):
    def fail(self, image, quality, huffman):
        raise RuntimeError(f"out of order at {quality}")

    monkeypatch.setattr(encoders.MozJPEG, "missing", lambda self: "")
    monkeypatch.setattr(encoders.MozJPEG, "_encode", fail)
    run(batch, images, "--encoders", "mozjpeg_444")
    assert "mozjpeg_444/quality_40: out of order at 40" in capsys.readouterr().err
    assert not [row for row in table(batch) if "mozjpeg" in row["curve"]]


def test_kodak_agrees_with_the_published_field_notes(tmp_path, quick, monkeypatch):
    kodak = PROJECT.parent / "shared" / "data" / "kodak"
    if not kodak.is_dir():
        pytest.skip("the Kodak images are not here")
    monkeypatch.setattr(encoders.Encoder, "qualities", (30,))
    args = ["--batch_dir", str(tmp_path), "--jpeg_type", "--test_image_glob"]
    evaluate.main([*args, str(kodak / "kodim05.png")])
    (row,) = table(tmp_path, stem="kodak_standard")
    assert float(row["lpips"]) == pytest.approx(0.046587, abs=1e-4)
    assert float(row["ms_ssim"]) == pytest.approx(0.978962, abs=1e-4)
    assert float(row["psnr"]) == pytest.approx(28.1899, abs=1e-3)


def test_a_worker_that_dies_is_an_error_that_keeps_what_is_measured(batch, images, monkeypatch):
    monkeypatch.setattr(evaluate, "measure", die)
    with pytest.raises(UserError, match="--workers 1"):
        run(batch, images, "--workers", "2")


def die(*arguments):
    os.kill(os.getpid(), signal.SIGKILL)


def point(name, **means):
    record = dict.fromkeys(dot_cache.METRICS, 1.0) | means
    return report.Point(name, {"image": record}, {})


def curve(label, kind, rates, psnrs):
    points = [
        point(
            str(rate),
            bpp=rate,
            n_bytes=1000 * rate,
            psnr=psnr,
            ms_ssim=psnr / 50,
            lpips=1 - psnr / 50,
        )
        for rate, psnr in zip(rates, psnrs, strict=True)
    ]
    return report.Series(label, kind, points)


def test_half_the_bits_are_a_bd_rate_of_minus_50_percent():
    psnr = np.array([28, 30, 33, 37])
    anchor = curve("JPEG", "encoder", [0.5, 1, 2, 3], psnr)
    run = curve("run", "run", [1.5, 0.25, 1, 0.5], psnr[[3, 0, 2, 1]])  # in any order
    header, row = report.bd_rate_table([anchor, run])
    assert header == ["curve", "against", "PSNR", "MS-SSIM", "LPIPS"]
    assert row == ["run", "JPEG", "-50.0 (100)", "-50.0 (100)", "-50.0 (100)"]


def test_each_trained_dot_stands_above_the_anchor_at_its_rate():
    anchor = curve("JPEG", "encoder", [0.5, 2], [28, 34])
    run = curve("run", "run", [1, 4], [33, 40])
    header, *rows = report.matched_table([anchor, run])
    shown = [dict(zip(header, row, strict=True)) for row in rows]
    # 1 is half-way from 0.5 to 2 in the logarithm; 4 is outside of the anchor's range.
    assert [row["psnr"] for row in shown] == ["33.000", "31.000", "40.000", "-"]
    assert [row["dot"] for row in shown] == ["1", "at equal bpp", "4", "at equal bpp"]
    assert shown[0]["bytes"] == "1000"


def test_curves_without_overlap_have_a_dash_for_a_bd_rate():
    anchor = curve("JPEG", "encoder", [0.5, 1, 2], [28, 30, 33])
    run = curve("run", "run", [0.5, 1, 2], [38, 40, 43])
    assert report.bd_rate_table([anchor, run])[1][2:] == ["-", "-", "-"]


@pytest.mark.parametrize("plot", report.PLOTS, ids=lambda plot: plot.metric)
def test_plots_show_the_means_in_the_order_of_their_rates(plot):
    anchor = curve("JPEG", "encoder", [0.5, 1, 2, 8], [28, 30, 33, 40])
    run = curve("run", "run", [1.5, 0.25, 1], [37, 28, 33])
    figure = report.draw(plot, [anchor, run], "subject")
    (axes,) = figure.axes
    assert axes.get_xlabel() == "bits per pixel"
    assert axes.get_ylabel()
    assert axes.get_title("left") == "subject"
    lines = {line.get_label(): line for line in axes.get_lines()}
    assert list(lines["run"].get_xdata()) == [0.25, 1, 1.5]
    expected = {
        "mse": [1, 1, 1],
        "psnr": [28, 33, 37],
        "lpips": [1 - 28 / 50, 1 - 33 / 50, 1 - 37 / 50],
        "ms_ssim": [-10 * np.log10(1 - psnr / 50) for psnr in (28, 33, 37)],
    }
    assert list(lines["run"].get_ydata()) == pytest.approx(expected[plot.metric])
    assert lines["JPEG"].get_marker() == "None"
    assert lines["run"].get_marker() != "None"
    left, right = axes.get_xlim()
    assert left == 0
    assert 1.5 < right < 2  # where the runs are
    figure.canvas.draw()
    legend = axes.get_legend().get_window_extent()
    assert legend.x0 > axes.get_window_extent().x1  # outside the data


def test_curves_differ_without_colour():
    curves = [curve(str(i), "encoder" if i < 7 else "run", [1], [30]) for i in range(14)]
    styles = [(style.get("linestyle"), style.get("marker")) for style in report._styles(curves)]
    assert len(set(styles)) == len(styles)


def test_the_sheet_compares_files_of_about_equal_rate():
    anchor = curve("JPEG", "encoder", [0.2, 0.4, 0.6, 1.2], [28, 30, 33, 35])
    run = curve("run", "run", [0.05, 0.63], [20, 34])
    other = curve("other", "run", [0.1, 0.55, 2], [20, 34, 40])
    points = report._equal_rate([anchor, run, other], "image")
    assert [point.name for point in points] == ["0.6", "0.63", "0.55"]


def test_pictures_are_written_as_vectors_and_as_pixels(batch, images, quick, monkeypatch):
    monkeypatch.undo()
    anchor = report.Point("quality_40", *files_of(images, batch.parent))
    report.write(
        batch,
        "photos",
        "optimized",
        [report.Series("JPEG", "encoder", [anchor])],
        {path.name: path for path in sorted(images.iterdir())},
    )
    for name in ("mse", "lpips", "psnr", "ms_ssim", "comparison"):
        assert (batch / f"photos_optimized_{name}.pdf").read_bytes().startswith(b"%PDF")
        with Image.open(batch / f"photos_optimized_{name}.png") as picture:
            picture.load()
            assert min(picture.size) > 500


def files_of(images, folder):
    records, files = {}, {}
    for path in images.iterdir():
        original = np.asarray(Image.open(path))
        files[path.name] = folder / f"{path.name}.jpg"
        Image.fromarray(original).save(files[path.name], quality=40)
        records[path.name] = evaluate.measure_file(files[path.name].read_bytes(), original)
    return records, files


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory):
    """A batch, an image, and the tables of an evaluation by worker processes at every quality."""
    patch = pytest.MonkeyPatch()
    patch.setenv("TF_NUM_INTRAOP_THREADS", "1")  # whatever the machine: the same last bits
    folder = tmp_path_factory.mktemp("a folder")
    save_ljpeg(folder / "batch" / "run 1" / "lambda_001" / "train", 30)
    (folder / "my photos").mkdir()
    Image.fromarray(skimage.data.chelsea()[100:148, 200:264]).save(folder / "my photos" / "cat.png")
    done = subprocess.run(command(folder), cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "BD-rate" in done.stdout
    assert "Traceback" not in done.stderr
    yield folder, tables(folder / "batch")
    patch.undo()


def command(folder, *options):
    return [
        *(sys.executable, str(PROJECT / "evaluate.py"), "--batch_dir", str(folder / "batch")),
        *("--jpeg_type", "ljpeg", "--test_image_glob", str(folder / "my photos" / "*.png")),
        *("--workers", "2", *options),
    ]


def forget(folder):
    shutil.rmtree(folder / "batch" / "_output")
    shutil.rmtree(folder / "batch" / "_output_PIL")


def test_a_killed_evaluation_leaves_no_worker_and_goes_on_to_the_same_tables(
    uninterrupted, monkeypatch
):
    folder, expected = uninterrupted
    forget(folder)
    process = subprocess.Popen(command(folder), stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 120
    while len(list(folder.rglob("*.pickle"))) < 5 and time.monotonic() < deadline:
        time.sleep(0.02)
    workers = children(process.pid)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert 5 <= len(list(folder.rglob("*.pickle"))) < 27
    while any(map(alive, workers)) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert workers
    assert not any(map(alive, workers))

    for path in (folder / "batch").glob("*.csv"):
        path.unlink()
    monkeypatch.setattr(report, "_save", lambda figure, path: None)
    assert evaluate.main(command(folder)[2:]) == 0
    assert tables(folder / "batch") == expected


def children(pid):
    lists = Path(f"/proc/{pid}/task").glob("*/children")
    return [int(child) for path in lists for child in path.read_text().split()]


def alive(pid):
    status = Path(f"/proc/{pid}/stat")
    with contextlib.suppress(OSError):
        return status.read_text().rsplit(")", 1)[1].split()[0] != "Z"
    return False


def test_dask_gives_the_same_tables(uninterrupted, monkeypatch):
    distributed = pytest.importorskip("distributed")
    folder, expected = uninterrupted
    forget(folder)
    monkeypatch.setattr(report, "_save", lambda figure, path: None)
    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None
    ) as cluster:
        options = command(folder, "--dask", cluster.scheduler_address)[2:]
        assert evaluate.main(options) == 0
    assert len(list(folder.rglob("*.pickle"))) == 27
    assert tables(folder / "batch") == expected


def test_a_dask_cluster_whose_workers_die_is_an_error(batch, images, monkeypatch):
    distributed = pytest.importorskip("distributed")
    import dask

    monkeypatch.setattr(evaluate, "measure", die)
    with (
        dask.config.set({"distributed.scheduler.allowed-failures": 0}),
        distributed.LocalCluster(n_workers=1, processes=True, dashboard_address=None) as cluster,
        pytest.raises(UserError, match="--dask .* died"),
    ):
        run(batch, images, "--dask", cluster.scheduler_address)


def test_a_dask_scheduler_that_is_not_there_is_an_error(batch, images):
    pytest.importorskip("distributed")
    import dask

    with dask.config.set({"distributed.comm.timeouts.connect": "1s"}):
        with pytest.raises(UserError, match="--dask tcp://127.0.0.1:9"):
            run(batch, images, "--dask", "tcp://127.0.0.1:9")


def test_a_mistake_of_the_user_is_one_line(tmp_path):
    done = subprocess.run(command(tmp_path), capture_output=True, text=True)
    assert done.returncode == 2
    assert done.stderr.startswith("error: ")
    assert done.stderr.count("\n") == 1
