import json
from pathlib import Path
from types import SimpleNamespace

from learned_jpeg.evaluation import curves
from learned_jpeg.models.encoding import Coding
from learned_jpeg.rivals import encoders
from learned_jpeg.runtime.errors import UserError

import numpy as np
import pytest
from PIL import Image


def checkpoint(folder, architecture="ljpeg", **options):
    """A checkpoint that can be read without TensorFlow."""
    folder.mkdir(parents=True)
    config = {"architecture": architecture, "options": options, "versions": {}, "step": 1}
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "checkpoint").write_text('model_checkpoint_path: "learned_jpeg-1"\n')
    for ending in ("index", "data-00000-of-00001"):
        (folder / f"learned_jpeg-1.{ending}").write_bytes(b"x")
    return folder


@pytest.fixture
def args(tmp_path):
    (tmp_path / "batch").mkdir()
    return SimpleNamespace(
        batch_dir=str(tmp_path / "batch"),
        output_dir=str(tmp_path / "out"),
        google_dir=None,
        jpeg_type=["ljpeg", "ljpeg_attention", "google_baseline"],
        runs=None,
        encoders=["pillow_444"],
        qualities=None,
        rates=None,
        focus=None,
        coding=Coding("standard"),
        also=[],
    )


@pytest.fixture
def find(args):
    """Finds the curves; `find.said` has the lines of those left out."""

    def run(**changes):
        for name, value in changes.items():
            setattr(args, name, value)
        run.said = []
        return curves.find_curves(args, "KODAK", run.said.append)

    run.batch = Path(args.batch_dir)
    return run


def test_a_run_is_a_curve_and_a_lambda_a_point(find, tmp_path):
    for name, lmbda in (("lambda_01", 0.1), ("lambda_001", 0.01)):
        checkpoint(find.batch / "run_1" / name / "train", lmbda=lmbda)
    encoder, run = find()
    assert (run.name, run.label, run.kind) == ("run_1", "run_1 (ljpeg)", "run")
    assert [point.name for point in run.points] == ["lambda_001", "lambda_01"]
    assert run.points[0].folder == tmp_path / "out/_output/KODAK/standard/run_1/lambda_001"
    assert (encoder.label, encoder.kind) == ("standard JPEG (Pillow 4:4:4)", "encoder")
    assert (
        encoder.points[0].folder
        == tmp_path / "out/_output_PIL/KODAK/standard/pillow_444/quality_01"
    )
    # A size is searched among its checkpoints, from the coarsest on.
    (sized,) = run.at_size
    assert [Path(coder.folder).parent.name for coder in sized.coders] == ["lambda_001", "lambda_01"]
    assert sized.name == "size_of_quality_15"
    assert encoder.at_size[0].rate_setting == 15  # its own file, without a search


def test_a_model_with_a_dial_is_a_curve_of_its_own(find, tmp_path):
    checkpoint(find.batch / "one" / "train", "google_baseline")
    checkpoint(find.batch / "two" / "lambda_0005" / "train", "google_baseline", lmbda=0.005)
    _, one, two = find()
    names = [f"quality_{quality:02}" for quality in (5, 10, 15, 20, 25)]
    assert [point.name for point in one.points] == [point.name for point in two.points] == names
    assert (one.name, two.label) == ("one", "two/lambda_0005 (google_baseline)")
    folder = tmp_path / "out/_output/KODAK/standard"
    assert one.points[0].folder == folder / "one/quality_05"
    assert two.points[0].folder == folder / "two/lambda_0005/quality_05"
    assert one.points[0].rate_setting == 5
    assert one.points[0].fingerprint["dial"] == "quality 5"


def test_google_dir_takes_any_model_with_a_dial_and_no_other(find, tmp_path):
    google = checkpoint(find.batch / "two" / "lambda_0005" / "train", "google_baseline")
    checkpoint(find.batch / "run" / "lambda_01" / "train")
    _, baseline, run = find(google_dir=str(google))
    assert (baseline.kind, baseline.label, run.name) == ("baseline", "google_baseline", "run")
    assert (
        baseline.points[0].folder
        == tmp_path / "out/_output/KODAK/standard/_google_baseline/quality_05"
    )
    assert find.said == []  # it is not evaluated twice, which is no fault
    with pytest.raises(UserError, match="--google_dir .*ljpeg, which has no quality"):
        find(google_dir=str(find.batch / "run" / "lambda_01" / "train"))
    with pytest.raises(UserError, match="--google_dir .*nowhere"):
        find(google_dir=str(tmp_path / "nowhere"))


def test_an_architecture_with_nothing_to_train_needs_no_run(find):
    _, curve = find(jpeg_type=["ljpeg_PIL"], coding=Coding("standard", sampling="420"))
    assert (curve.name, curve.kind) == ("ljpeg_PIL", "run")
    assert [point.rate_setting for point in curve.points][:2] == [1, 2]
    assert curve.points[0].fingerprint["sampling"] == "420"


def test_what_cannot_be_evaluated_is_skipped_with_a_line(find):
    checkpoint(find.batch / "run_1" / "lambda_01" / "train")
    (find.batch / "run_2").mkdir()
    (find.batch / "run_3" / "lambda_01" / "train").mkdir(parents=True)
    checkpoint(find.batch / "_run_4" / "lambda_01" / "train")
    broken = checkpoint(find.batch / "run_5" / "lambda_01" / "train")
    (broken / "config.json").write_text('{"architecture": "ljp')
    cut = checkpoint(find.batch / "run_6" / "lambda_01" / "train")
    (cut / "learned_jpeg-1.index").unlink()
    checkpoint(find.batch / "run_7" / "lambda_01" / "train", "google_baseline")
    checkpoint(find.batch / "run_8" / "train")
    checkpoint(find.batch / "run_9" / "lambda_01" / "train", "unheard_of")
    found = find(jpeg_type=["ljpeg"])
    assert [curve.name for curve in found] == ["pillow_444", "run_1"]
    for name, reason in {
        "run_2": "no lambda_<value>/train",
        "run_3/lambda_01/train": "config.json",
        "run_5/lambda_01/train": "config.json",
        "run_6/lambda_01": "missing",
        "run_8/train": "RUN/lambda_<value>/train",
    }.items():
        assert any(
            line.startswith("skipped") and name in line and reason in line for line in find.said
        ), (name, find.said)
    assert "_run_4" not in "".join(find.said)
    assert "left out: the 2 checkpoints of google_baseline, unheard_of" in find.said


def test_runs_of_other_architectures_are_one_line(find):
    checkpoint(find.batch / "run_1" / "lambda_01" / "train")
    for run in range(2, 6):
        for lmbda in range(5):
            folder = find.batch / f"run_{run}" / f"lambda_{lmbda}" / "train"
            checkpoint(folder, "ljpeg_attention" if run % 2 else "ljpeg_rdo")
    again = [Coding("standard", sampling="420"), Coding("standard", quantizer="trellis")]
    assert len(find(jpeg_type=["ljpeg"], also=again)) == 4
    assert find.said == ["left out: the 20 checkpoints of ljpeg_attention, ljpeg_rdo"]


def test_no_runs_is_an_error_that_says_what_a_run_is(find, tmp_path):
    with pytest.raises(UserError, match="lambda_<value>/train"):
        find()
    assert len(find(jpeg_type=[])) == 1  # the encoders alone were asked for
    with pytest.raises(UserError, match="nowhere"):
        find(batch_dir=str(tmp_path / "nowhere"))


def test_runs_are_chosen_by_name(find):
    for name in ("a", "b", "c"):
        checkpoint(find.batch / name / "lambda_01" / "train")
    assert [curve.name for curve in find(runs=["c", "a"])] == ["pillow_444", "a", "c"]
    assert find.said == []
    with pytest.raises(UserError, match="--runs: .* no d"):
        find(runs=["a", "d"])


def test_choices_of_the_coding_have_folders_of_their_own(find, tmp_path):
    checkpoint(find.batch / "run" / "lambda_01" / "train")
    _, run = find(coding=Coding("progressive", quantizer="trellis"))
    assert run.points[0].folder == tmp_path / "out/_output/KODAK/progressive_trellis/run/lambda_01"
    assert not run.points[0].coders[0].rounds
    _, run = find(coding=Coding("progressive"))
    assert run.points[0].coders[0].rounds
    # A tune brings the search along where nothing is trained, and there alone.
    types = ["ljpeg_PIL", "ljpeg"]
    _, tuned, run = find(coding=Coding("progressive", tune="psnr"), jpeg_type=types)
    assert run.points[0].coders[0].rounds and not tuned.points[0].coders[0].rounds


def test_steps_of_refining_are_a_choice_of_the_coding(find, tmp_path):
    checkpoint(find.batch / "run" / "lambda_01" / "train")
    _, run = find(coding=Coding("standard", quantizer="trellis", refine=5))
    assert run.points[0].folder.parent.parent.name == "standard_trellis_refine5"
    assert all(isinstance(text, str) for text in run.points[0].fingerprint.values())


def test_a_run_can_be_shown_with_other_choices_too(find, tmp_path):
    checkpoint(find.batch / "run" / "lambda_01" / "train")
    _, run, again = find(also=[Coding("standard", "420", "trellis")])
    assert run.points[0].coders[0].rounds and not again.points[0].coders[0].rounds
    assert (run.name, again.name) == ("run", "run, trellis 420")
    assert again.label == f"{run.label}, trellis 420"
    assert (
        again.points[0].folder == tmp_path / "out/_output/KODAK/standard_trellis_420/run/lambda_01"
    )


def test_a_missing_encoder_is_named_in_a_line(find, monkeypatch):
    monkeypatch.setattr(
        encoders.Encoder, "missing", lambda self: "no package pyvips", raising=False
    )
    monkeypatch.setattr(type(encoders.ENCODERS["mozjpeg_420"]), "missing", lambda self: "no wheel")
    found = find(encoders=["pillow_444", "mozjpeg_420"], jpeg_type=[])
    assert [curve.name for curve in found] == ["pillow_444"]
    assert find.said == ["--encoders mozjpeg_420 is left out: no wheel"]


def test_qualities_and_rates_are_the_points_that_are_asked_for(find):
    checkpoint(find.batch / "run" / "train", "google_baseline")
    encoder, run = find(qualities=[10, 50], rates=[0.25, 1])
    for curve in (encoder, run):
        assert [point.name for point in curve.points] == ["quality_10", "quality_50"]
        assert [point.name for point in curve.at_size] == ["bpp_0.25", "bpp_1"]
        assert curve.at_size[0].size.bpp == 0.25


def test_a_curve_without_a_point_is_named_in_a_line(find):
    checkpoint(find.batch / "run" / "train", "google_baseline")
    found = find(qualities=[0.5])
    assert found == []
    assert "pillow_444 is left out: its qualities include none of --qualities" in find.said


def test_a_focus_on_what_is_not_there_is_an_error(find):
    checkpoint(find.batch / "run" / "train", "google_baseline")
    assert find(focus=["run"])
    with pytest.raises(UserError, match="--focus: no run other"):
        find(focus=["run", "other"])


def test_images_have_the_names_of_their_places(tmp_path):
    for name in ("a/same.png", "b/same.png", "other.png"):
        path = tmp_path / "photos" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.zeros([8, 8, 3], np.uint8)).save(path)
    images, name = curves.find_images(str(tmp_path / "photos" / "**" / "same.png"))
    assert name == "photos"
    assert [image.name for image in images] == ["a/same.png", "b/same.png"]
    assert images[0].path == (tmp_path / "photos/a/same.png").resolve()
    with pytest.raises(UserError, match="--test_image_glob .*nothing_here"):
        curves.find_images(str(tmp_path / "nothing_here*"))


def test_a_set_has_the_name_that_was_typed_not_that_of_what_a_link_means(tmp_path):
    (tmp_path / "photos_of_1999").mkdir()
    Image.new("RGB", (8, 8)).save(tmp_path / "photos_of_1999" / "a.png")
    (tmp_path / "KODAK").symlink_to(tmp_path / "photos_of_1999")
    assert curves.find_images(str(tmp_path / "KODAK" / "*.png"))[1] == "KODAK"
