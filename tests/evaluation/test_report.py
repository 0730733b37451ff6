from pathlib import Path

from learned_jpeg.evaluation import plots, report
from learned_jpeg.evaluation.points import TestImage

import numpy as np
import pytest
from PIL import Image
from test_series import PSNR, make

METRICS = ["psnr", "lpips"]


@pytest.fixture
def made(tmp_path, photograph, monkeypatch):
    """A report of three curves on two images; `drawn` notes the pictures instead of writing."""
    images = []
    for name in ("a.png", "b.png"):
        Image.fromarray(photograph[:100, :100]).save(tmp_path / name)
        images.append(TestImage(name, tmp_path / name, name))
    curves = [
        make("JPEG", "encoder", [0.5, 1, 2, 3], PSNR, images=2),
        make("strong", "encoder", [0.4, 0.8, 1.6, 2.4], PSNR, images=2),
        make("weak", "encoder", [0.6, 1.2, 2.4, 3.6], PSNR, images=2),
        make("good", "run", [0.25, 0.5, 1, 1.5], PSNR, images=2),
        make("bad", "run", [0.45, 0.9, 1.8, 2.7], PSNR, images=2),
    ]
    for curve in curves:
        point = curve.points[1]
        point.figures["n_bytes"] = np.full(2, 1000.0)
        point.folder = tmp_path / curve.label
        point.folder.mkdir()
        for image in images:
            Image.fromarray(photograph[:100, :100]).save(point.file(image.name))
        curve.at_size["a size"] = point
    made = report.SetReport(
        tmp_path / "out", "set_standard", "set, 2 images", curves, images, [0, 1], METRICS
    )
    made.drawn = []

    def save(figure, path, formats=plots.FORMATS):
        made.drawn.append(path.name)
        path.parent.mkdir(exist_ok=True)
        for suffix in formats:
            path.with_name(path.name + suffix).touch()

    monkeypatch.setattr(plots, "save", save)
    return made


def test_all_is_written_and_the_lines_say_where(made):
    lines = made.write()
    assert lines[0] == "set, 2 images"
    assert made.drawn == ["set_standard_psnr", "set_standard_lpips", "set_standard_comparison"]
    names = {path.name for path in made.folder.iterdir()}
    assert {f"set_standard{ending}" for ending in (".md", ".txt", ".html")} <= names
    assert {f"set_standard_{name}.csv" for name in ("bd_rate", "points", "images")} <= names
    assert any("set_standard.html" in line for line in lines)
    assert any("good" in line and "-50.0" in line for line in lines)
    assert "strongest of the encoders, in the mean of these metrics: strong" in lines
    text = (made.folder / "set_standard.md").read_text()
    assert "| good | JPEG | -50.0 [-50.0, -50.0] 2/2 |" in text
    assert "Files of equal bytes" in text
    assert "mse" not in text


def test_from_the_same_figures_nothing_is_made_again(made):
    lines = made.write()
    before = {path: path.stat().st_mtime_ns for path in made.folder.iterdir()}
    made.drawn.clear()
    assert made.write() == lines
    assert made.drawn == []
    assert {path: path.stat().st_mtime_ns for path in made.folder.iterdir()} == before


@pytest.mark.parametrize(
    "change",
    [
        lambda made: made.curves[3].points[0].figures["psnr"].__iadd__(0.001),
        lambda made: setattr(made, "focus", ("bad",)),
        lambda made: setattr(made, "subject", "another"),
        lambda made: (made.folder / "set_standard_psnr.svg").unlink(),
        lambda made: made.curves[1].at_size["a size"].file("a.png").unlink(),
    ],
    ids=["a figure", "the focus", "the subject", "a plot", "a file"],
)
def test_what_changed_is_made_again(made, change):
    made.write()
    made.drawn.clear()
    change(made)
    made.write()
    assert "set_standard_psnr" in made.drawn


def test_the_foreground_is_anchor_strongest_encoder_baseline_and_best_run(made):
    made.curves.append(make("base", "baseline", [0.5, 1, 2, 3], PSNR, images=2))
    from learned_jpeg.evaluation import series, tables

    compared = tables.comparisons(made.curves, series.SHOWN[:1])
    assert made.foreground(compared) == {"JPEG", "strong", "base", "good"}
    made.focus = ("bad",)
    assert made.foreground(compared) == {"JPEG", "strong", "base", "bad"}


def test_without_the_files_the_sheet_stays_as_it_is(made):
    made.curves[3].at_size["a size"].file("a.png").unlink()
    lines = made.write()
    assert "set_standard_comparison" not in made.drawn
    assert any("sheet of crops is left as it is: 1 JPEG file of a.png" in line for line in lines)
    assert "crops" not in (made.folder / "set_standard.md").read_text()


def test_what_has_no_file_of_that_size_is_named(made):
    made.curves[2].points[1].figures["n_bytes"] = np.array([1000, 900.0])
    assert "not on the sheet: weak has no file of that size of b.png" in made.write()


def test_sizes_of_some_images_alone_have_no_table(made, monkeypatch):
    made.compared = [1]
    monkeypatch.setattr(report.sheet, "draw", lambda shown, originals, subject: shown)
    made.write()
    assert "Files of equal bytes" not in Path(made.folder / "set_standard.md").read_text()
