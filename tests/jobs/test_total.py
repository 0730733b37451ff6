"""One quality for all files, at which they fit into a number of bytes."""

import json

import arg_parser
import ljpeg_PIL
from jpeg_pipeline import JPEGPipeline
from learned_jpeg.jobs import compress
from learned_jpeg.jpeg import standard
from learned_jpeg.models import checkpoints
from learned_jpeg.runtime.errors import UserError

import numpy as np
import pytest
import skimage.data
from makers import picture
from PIL import Image


@pytest.fixture
def folder(tmp_path):
    """Two dozen pictures of different sizes and kinds."""
    (tmp_path / "in").mkdir()
    for number in range(24):
        part = skimage.data.coffee()[10 * number : 10 * number + 40 + 3 * number, 200:280]
        Image.fromarray(part).save(tmp_path / "in" / f"{number:02}.png")
    return tmp_path / "in"


def run(folder, *arguments, main=ljpeg_PIL.main):
    command = ["compress", folder, "--output_dir", folder.parent / "out", *arguments]
    return main([*map(str, command)])


def sizes(folder):
    return [path.stat().st_size for path in (folder.parent / "out").glob("*.jpg")]


@pytest.mark.parametrize("total", [20_000, 33_333, 50_000])
def test_the_files_fill_the_budget_at_one_quality(total, folder, capsys):
    assert run(folder, "--total_size", total, "--json") == 0
    *files, last = map(json.loads, capsys.readouterr().out.splitlines())
    assert 0.99 * total <= sum(sizes(folder)) <= total
    assert sum(sizes(folder)) == last["total"]["bytes_out"]
    (quality,) = {one["dial"] for one in files}
    # And it is the highest: a little more does not fit.
    assert run(folder, "--quality", 1.04 * quality, "--force", "--quiet") == 0
    assert sum(sizes(folder)) > total


class Tables(JPEGPipeline):
    """Stands for a trained model: IJG tables of one quality, and no rate setting."""

    architecture = "tables"

    def get_qtables(self, batch, rate_setting, training):
        return standard.ijg_qtables(1000 * self.lmbda)[None]


def test_models_without_a_dial_have_scales_of_their_tables(folder, tmp_path, monkeypatch, capsys):
    lambdas = {"lambda_001": 0.01, "lambda_005": 0.05}
    for name, lmbda in lambdas.items():
        config = {"architecture": "tables", "options": {"lmbda": lmbda}, "versions": {}, "step": 1}
        checkpoints.write_config(tmp_path / "run" / name / "train", config)
    monkeypatch.setattr(
        compress.shipped, "load", lambda folder: Tables(lmbda=lambdas[folder.parent.name])
    )
    arguments = ["--run_dir", tmp_path / "run", "--total_size", 22_000, "--json"]
    assert run(folder, *arguments, main=lambda argv: arg_parser.main(Tables, "", argv)) == 0
    *files, _ = map(json.loads, capsys.readouterr().out.splitlines())
    assert 0.99 * 22_000 <= sum(sizes(folder)) <= 22_000
    assert len({(one["lmbda"], one["table_scale"]) for one in files}) == 1


def test_a_budget_that_is_too_small_is_one_line_and_nothing_is_written(folder):
    with pytest.raises(UserError, match=r"--total_size 900: these files take \d+ bytes at least"):
        run(folder, "--total_size", 900)
    assert not (folder.parent / "out").exists()


def test_a_budget_that_cannot_be_filled_is_a_warning(folder, capsys):
    assert run(folder, "--total_size", 10**7) == 0
    assert "--total_size 10000000: quality 100 takes" in capsys.readouterr().err
    assert sum(sizes(folder)) < 10**7


def test_files_that_fail_have_no_part_in_it(folder, capsys):
    for name in ("a.png", "z.png"):
        (folder / name).write_text("no picture")
    assert run(folder, "--total_size", 30_000) == 1
    assert 0.99 * 30_000 <= sum(sizes(folder)) <= 30_000


def test_a_run_that_was_ended_comes_to_the_same_quality(folder, capsys):
    assert run(folder, "--total_size", 30_000, "--update") == 0
    before = {path: path.read_bytes() for path in (folder.parent / "out").glob("*.jpg")}
    for path in [*before][::2]:
        path.unlink()
    assert run(folder, "--total_size", 30_000, "--update") == 0
    assert "12 of 24 files" in capsys.readouterr().out
    assert {path: path.read_bytes() for path in before} == before


def test_one_picture_and_the_standard_input(tmp_path, capsys):
    picture(100, 100).save(tmp_path / "a.png")
    command = ["compress", str(tmp_path / "a.png"), "--total_size", "3000"]
    assert ljpeg_PIL.main(command) == 0
    assert 0.97 * 3000 <= (tmp_path / "a.jpg").stat().st_size <= 3000
    with pytest.raises(UserError, match="use --target_size"):
        ljpeg_PIL.main(["compress", "-", "-", "--total_size", "3000"])
    assert np.asarray(Image.open(tmp_path / "a.jpg")).shape == (100, 100, 3)
