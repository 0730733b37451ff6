"""JPEG files as inputs: `--lossless`, and results that are not smaller than their inputs."""

import io
import os

from learned_jpeg.jobs.targets import Target
from learned_jpeg.pictures import lossless
from learned_jpeg.runtime.errors import UserError

import numpy as np
import pytest
from makers import jpeg, picture, saved, srgb_profile
from PIL import Image
from test_compress import run, written
from test_one_picture import compress

FINE = saved(picture(), "JPEG", quality=95)
COARSE = saved(picture(), "JPEG", quality=30)


def test_lossless_writes_the_same_pixels(tmp_path, capsys):
    (tmp_path / "a.jpg").write_bytes(FINE)
    assert run(tmp_path / "a.jpg", tmp_path / "b.jpg", "--lossless") == 0
    with Image.open(tmp_path / "a.jpg") as a, Image.open(tmp_path / "b.jpg") as b:
        np.testing.assert_array_equal(a, b)
    assert (tmp_path / "b.jpg").read_bytes() == lossless.transcode(FINE)[0]
    said = capsys.readouterr()
    assert "lossless" in said.out and "own loss" not in said.out and said.err == ""


def test_lossless_takes_the_place_of_its_input(tmp_path):
    (tmp_path / "a.jpg").write_bytes(FINE)
    name = tmp_path / "a.jpg"
    assert run(name, name, "--lossless", "--force", "--overwrite_input") == 0
    assert len(name.read_bytes()) < len(FINE)


def test_lossless_needs_no_model(tmp_path):
    (tmp_path / "a.jpg").write_bytes(FINE)
    report = compress(tmp_path / "a.jpg", tmp_path / "b.jpg", lossless=True)
    assert report.lossless and report.from_jpeg and not report.kept
    assert report.psnr is report.quality is report.dial is report.lmbda is None
    assert (report.width, report.height, report.sampling) == (70, 45, "420")
    assert report.bytes_out == os.path.getsize(tmp_path / "b.jpg") < report.bytes_in


def test_in_a_folder_what_is_no_jpeg_is_an_error_and_the_others_are_written(tmp_path, capsys):
    (tmp_path / "in").mkdir()
    (tmp_path / "in/a.jpg").write_bytes(FINE)
    (tmp_path / "in/cut.jpg").write_bytes(FINE[:1000])
    (tmp_path / "in/open.jpg").write_bytes(COARSE[:-2])
    picture().save(tmp_path / "in/p.png")
    assert run(tmp_path / "in", "--output_dir", tmp_path / "out", "--lossless") == 1
    assert written(tmp_path / "out") == ["a.jpg", "open.jpg"]
    said = capsys.readouterr().err.splitlines()
    lines = sorted(line for line in said if line.startswith(("error", "warning")))
    assert len(lines) == 3
    assert "cut.jpg: cannot be rewritten without loss" in lines[0]
    assert "p.png: not a JPEG file" in lines[1]
    assert "open.jpg: damaged: its end marker is missing" in lines[2]


@pytest.mark.parametrize(
    "option",
    ["--srgb", "--target_size 100", "--refine 1", "--sampling 420", "--huffman standard"]
    + ["--background red", "--quantizer round", "--tune psnr"]
    + ["--total_size 1000", "--importance mask.png"],
)
def test_options_that_change_the_picture_are_refused(option, tmp_path):
    (tmp_path / "a.jpg").write_bytes(FINE)
    with pytest.raises(UserError, match=f"--lossless.*{option.split()[0]}"):
        run(tmp_path / "a.jpg", tmp_path / "b.jpg", "--lossless", *option.split())
    assert written(tmp_path) == ["a.jpg"]


def test_a_page_has_the_files_without_loss(tmp_path):
    (tmp_path / "a.jpg").write_bytes(FINE)
    (tmp_path / "b.png").write_bytes(b"no picture")
    options = "--lossless", "--output_dir", tmp_path / "out", "--report", tmp_path / "page.html"
    assert run(tmp_path / "a.jpg", tmp_path / "b.png", *options) == 1
    text, size = (tmp_path / "page.html").read_text(), (tmp_path / "out" / "a.jpg").stat().st_size
    assert f"{len(FINE):,} → {size:,} bytes" in text and "lossless" in text
    assert "b.png: " in text and "quality " not in text


@pytest.mark.parametrize("bits", [12, 16])
def test_12_bits_are_refused_by_name(bits, tmp_path, capsys):
    deep = FINE.replace(b"\xff\xc0\0\x11\x08", b"\xff\xc1\0\x11" + bytes([bits]))
    (tmp_path / "a.jpg").write_bytes(deep)
    for options in ([], ["--lossless"]):
        assert run(tmp_path / "a.jpg", tmp_path / "b.jpg", *options) == 1
        assert f"{bits} bits a sample" in capsys.readouterr().err


@pytest.mark.parametrize("skip_larger", [False, True])
def test_a_result_that_is_not_smaller_gives_way_to_one_without_loss(skip_larger, tmp_path):
    path, output = tmp_path / "a.jpg", tmp_path / "b.jpg"
    path.write_bytes(COARSE)
    report = compress(path, output, 95.0, skip_larger=skip_larger)
    assert output.read_bytes() == lossless.transcode(COARSE)[0]
    assert len(output.read_bytes()) == report.bytes_out < report.bytes_in
    assert report.lossless and not report.kept and report.warnings == []


def test_a_result_with_loss_that_is_hardly_smaller_gives_way_too(tmp_path):
    """Where the same file without loss is smaller still."""
    path, output = tmp_path / "a.jpg", tmp_path / "b.jpg"
    path.write_bytes(FINE)
    for quality in range(97, 70, -1):
        report = compress(path, output, float(quality), force=True)
        assert report.bytes_out <= len(lossless.transcode(FINE)[0])
        if not report.lossless:
            break
    assert quality < 95 and report.psnr is not None


def test_a_file_that_is_small_already_is_kept(tmp_path):
    path, output = tmp_path / "a.jpg", tmp_path / "b.jpg"
    path.write_bytes(lossless.transcode(COARSE)[0])
    report = compress(path, output, 95.0)
    assert output.read_bytes() == path.read_bytes() and report.kept and report.lossless


@pytest.mark.parametrize("skip_larger", [False, True])
def test_a_target_may_ask_for_more_bytes(skip_larger, tmp_path):
    path, output = tmp_path / "a.jpg", tmp_path / "b.jpg"
    path.write_bytes(COARSE)
    target = Target("size", 2 * len(COARSE))
    report = compress(path, output, target=target, skip_larger=skip_larger)
    assert report.lossless == skip_larger
    if not skip_larger:
        assert report.bytes_out > len(COARSE)
        assert "not smaller" in report.warnings[-1] and "--skip_larger" in report.warnings[-1]


def test_strip_may_convert_which_no_file_without_loss_does(tmp_path):
    path, output = tmp_path / "a.jpg", tmp_path / "b.jpg"
    exif = Image.Exif()
    for orientation, lossless_ in ((1, True), (6, False)):
        exif[0x0112] = orientation
        path.write_bytes(saved(picture(), "JPEG", quality=30, exif=exif))
        report = compress(path, output, 95.0, strip=True, force=True)
        assert report.lossless == lossless_
        with Image.open(output) as image:
            assert image.size == ((70, 45) if lossless_ else (45, 70))
            assert "exif" not in image.info


def test_what_is_damaged_is_never_larger_either(tmp_path):
    path, output = tmp_path / "a.jpg", tmp_path / "b.jpg"
    path.write_bytes(COARSE[:900] + b"\xff\xd9")
    report = compress(path, output, 95.0)
    assert "damaged" in report.warnings[0]
    assert output.read_bytes() == path.read_bytes() and report.kept


def test_cmyk_stays_so_where_that_is_smaller(tmp_path):
    path, output = tmp_path / "a.jpg", tmp_path / "b.jpg"
    path.write_bytes(saved(picture(mode="CMYK"), "JPEG", quality=10))
    assert compress(path, output, 95.0).lossless
    with Image.open(output) as image:
        assert image.mode == "CMYK"


def test_a_profile_is_no_reason_for_a_larger_file(tmp_path):
    path, output = tmp_path / "a.jpg", tmp_path / "b.jpg"
    path.write_bytes(jpeg([(0xE2, b"ICC_PROFILE\0\1\1" + srgb_profile())], quality=30))
    report = compress(path, output, 98.0)
    assert report.bytes_out < report.bytes_in
    with Image.open(io.BytesIO(output.read_bytes())) as image:
        assert image.info["icc_profile"] == srgb_profile()
