"""One file in, one file out: its bytes, its metadata and its report."""

import io
import os
import subprocess
import sys
from pathlib import Path

from learned_jpeg.jobs import one_picture
from learned_jpeg.jobs.compress import PixelBudget
from learned_jpeg.jobs.targets import Setting
from learned_jpeg.models import shipped
from learned_jpeg.models.encoding import Coding

import numpy as np
import pytest
from makers import picture, png, saved, srgb_profile
from PIL import Image

MODEL = shipped.load("ljpeg_PIL")
CODING = Coding()


def compress(path, output, quality=75.0, **options):
    """The report of one file."""
    options = one_picture.Options(CODING, **options)
    return one_picture.compress_file(
        Path(path), Path(output), [Setting(MODEL, quality)], options, PixelBudget(10**6)
    )


def test_a_report_says_what_became_of_a_file(tmp_path):
    picture().save(tmp_path / "a.png")
    report = compress(tmp_path / "a.png", tmp_path / "b.jpg")
    assert (report.error, report.warnings, report.dial) == (None, [], 75.0)
    assert (report.width, report.height) == (70, 45)
    assert report.bytes_out == (tmp_path / "b.jpg").stat().st_size
    assert report.lmbda is None and not report.from_jpeg


def test_a_lossless_file_has_no_psnr(tmp_path):
    Image.new("L", (16, 16), 100).save(tmp_path / "a.png")
    assert compress(tmp_path / "a.png", tmp_path / "b.jpg", 100.0).psnr is None


def test_16_bits_count_until_they_are_transformed(tmp_path):
    """A slow slope has its means between the levels of 8 bits, and a block's mean can tell."""
    slope = np.linspace(25_000, 27_000, 64 * 64).reshape(64, 64, 1).astype(np.uint16)
    (tmp_path / "deep.png").write_bytes(png(slope))
    (tmp_path / "flat.png").write_bytes(png(np.round(slope / 257).astype(np.uint8)))
    deep, flat = (
        compress(tmp_path / f"{name}.png", tmp_path / f"{name}.jpg", 100.0)
        for name in ("deep", "flat")
    )
    assert deep.warnings == []
    files = [tmp_path / f"{name}.jpg" for name in ("deep", "flat")]
    shown = [np.asarray(Image.open(file), float)[..., None] for file in files]
    errors = [np.mean((each - slope / 257) ** 2) for each in shown]
    assert files[0].read_bytes() != files[1].read_bytes()
    assert errors[0] < errors[1]
    assert deep.psnr == pytest.approx(10 * np.log10(255**2 / errors[0]))


# JPEG files


def test_a_jpeg_that_shrinks_is_compressed(tmp_path):
    path, output = tmp_path / "a.jpg", tmp_path / "b.jpg"
    path.write_bytes(saved(picture(), "JPEG", quality=97))
    report = compress(path, output, 50.0, skip_larger=True)
    assert report.warnings == [] and not report.kept
    assert output.stat().st_size == report.bytes_out < report.bytes_in


# Writing


def test_an_input_is_overwritten_only_when_told_to(tmp_path):
    path = tmp_path / "a.jpg"
    path.write_bytes(saved(picture(), "JPEG", quality=95))
    before = path.read_bytes()
    assert "--overwrite_input" in compress(path, path, force=True).error
    assert path.read_bytes() == before
    assert compress(path, path, overwrite_input=True).error is None
    assert path.read_bytes() != before


def test_an_existing_output_is_overwritten_only_with_force(tmp_path):
    picture().save(tmp_path / "a.png")
    (tmp_path / "a.jpg").write_text("precious")
    assert "--force" in compress(tmp_path / "a.png", tmp_path / "a.jpg").error
    assert (tmp_path / "a.jpg").read_text() == "precious"
    assert compress(tmp_path / "a.png", tmp_path / "a.jpg", force=True).error is None
    assert (tmp_path / "a.jpg").read_bytes()[:2] == b"\xff\xd8"


def test_what_cannot_be_written_is_named_and_the_old_file_stays(tmp_path):
    """By the system's own error: a limit on the size of files stands for a full disk."""
    picture().save(tmp_path / "a.png", icc_profile=srgb_profile() + bytes(50_000))
    (tmp_path / "a.jpg").write_text("old")
    script = (
        "import resource, sys, ljpeg_PIL\n"
        "from learned_jpeg.cli import command\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (40_000, 40_000))\n"
        f"command.run(lambda: ljpeg_PIL.main(['compress', {str(tmp_path / 'a.png')!r}, '--force']))"
    )
    project = Path(__file__).resolve().parent.parent.parent
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=project, capture_output=True, text=True
    )
    assert done.returncode == 1
    assert done.stderr == f"error: {tmp_path / 'a.jpg'}: cannot be written (File too large)\n"
    assert sorted(os.listdir(tmp_path)) == ["a.jpg", "a.png"]
    assert (tmp_path / "a.jpg").read_text() == "old"


def test_a_folder_that_is_none_is_named(tmp_path):
    picture().save(tmp_path / "a.png")
    (tmp_path / "file").touch()
    report = compress(tmp_path / "a.png", tmp_path / "file" / "b.jpg")
    assert report.error.startswith(f"{tmp_path / 'file' / 'b.jpg'}: cannot be written (")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_is_read_only_is_named(tmp_path):
    picture().save(tmp_path / "a.png")
    (tmp_path / "closed").mkdir(mode=0o555)
    report = compress(tmp_path / "a.png", tmp_path / "closed" / "b.jpg")
    assert report.error.endswith("cannot be written (Permission denied)")


def test_a_file_that_vanishes_is_named(tmp_path, monkeypatch):
    picture().save(tmp_path / "a.png")
    size = one_picture.reading.size

    def gone(path, data=None):
        result = size(path, data)
        os.unlink(path)
        return result

    monkeypatch.setattr(one_picture.reading, "size", gone)
    report = compress(tmp_path / "a.png", tmp_path / "b.jpg")
    assert report.error == f"{tmp_path / 'a.png'}: no such file"
    assert os.listdir(tmp_path) == []


def test_a_file_that_changes_while_it_is_read_gives_a_whole_picture_or_an_error(
    tmp_path, monkeypatch
):
    path = tmp_path / "a.png"
    picture(40, 40).save(path)
    size = one_picture.reading.size

    def changed(path, data=None):
        result = size(path, data)
        picture(20, 30).save(path)
        return result

    monkeypatch.setattr(one_picture.reading, "size", changed)
    report = compress(path, tmp_path / "b.jpg")
    assert report.error is None
    assert Image.open(io.BytesIO((tmp_path / "b.jpg").read_bytes())).size == (30, 20)
