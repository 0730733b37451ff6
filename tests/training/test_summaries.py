"""The summaries of a training that TensorBoard shows."""

import ljpeg
from jpeg_pipeline import RateSetting
from learned_jpeg.training import summaries

import tensorflow as tf


def steps_of(folder):
    """{tag: [step]}"""
    found = {}
    for file in folder.glob("events*"):
        for event in tf.compat.v1.train.summary_iterator(str(file)):
            for value in event.summary.value:
                found.setdefault(value.tag, []).append(event.step)
    return found


def test_they_hold_scalars_files_pictures_and_tables(arguments, photos, tmp_path, monkeypatch):
    monkeypatch.setattr(summaries, "SUMMARY_STEPS", 2)
    more = ["--last_step=3", "--lpips_weight=5", f"--valid_glob={photos / '*.png'}"]
    ljpeg.main(arguments(tmp_path, *more))
    tags = steps_of(tmp_path)
    scalars = {"loss", "mse", "psnr", "rate", "lpips"}
    assert tags.keys() >= scalars | {f"valid/{name}" for name in scalars}
    # The last step has all of them, whatever its number.
    assert tags["file/bpp"] == tags["loss"] == tags["valid/loss"] == [2, 3]
    assert {tag.rsplit("/", 1)[0] for tag in tags} >= {"original", "reconstruction"}
    for part in ("luma", "chroma"):
        assert any(tag.startswith(f"qtables/{part}") for tag in tags)


def test_a_dial_is_validated_at_its_default_and_its_ends(arguments, photos, tmp_path, monkeypatch):
    monkeypatch.setattr(
        ljpeg.LJPEG, "rate_setting", RateSetting("quality", 1, 100, 25, (5, 15, 25, 40.5))
    )
    ljpeg.main(arguments(tmp_path, "--last_step=1", f"--valid_glob={photos / 'camera.png'}"))
    valid = {tag: steps for tag, steps in steps_of(tmp_path).items() if tag.endswith("/loss")}
    assert valid == {
        "valid/loss": [1],
        "valid/quality_5/loss": [1],
        "valid/quality_40.5/loss": [1],
    }
