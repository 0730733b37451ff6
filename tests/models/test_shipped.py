"""The shipped models by name, and the checkpoints of a name or a folder."""

import csv
import json
from types import SimpleNamespace

from learned_jpeg.models import checkpoints, shipped
from learned_jpeg.runtime.errors import UserError

import pytest

EXAMPLES = shipped.SHIPPED


def train(folder, lmbda=0.01):
    config = {"architecture": "ljpeg", "options": {"lmbda": lmbda}, "versions": {}, "step": 1}
    checkpoints.write_config(folder, config)
    return folder


def test_the_listed_runs_are_the_shipped_runs():
    runs = {path.relative_to(EXAMPLES).parts[0] for path in EXAMPLES.glob("*/**/config.json")}
    assert set(shipped.shipped()) == runs
    for name in runs:
        for folder in shipped.folders(name):
            assert checkpoints.describe(folder)  # a whole checkpoint
        assert shipped.describe(name)["good_at"]


def test_the_rates_are_those_that_were_measured():
    rows = []
    for folder in (".", "_tuned"):
        with open(EXAMPLES / folder / "KODAK_progressive_points.csv") as file:
            rows += csv.DictReader(file)
    for name in shipped.shipped():
        model = shipped.describe(name)
        # The curve of the baseline has the name of its architecture, others that of the run.
        labels = f"{name} ({model['architecture']})", model["architecture"]
        found = [
            float(row["bpp"])
            for row in rows
            if row["curve"] in labels or row["curve"].startswith(f"{name}/")
        ]
        if found:
            assert model["bpp"] == pytest.approx([min(found), max(found)], abs=0.0051)


def test_a_model_is_a_checkpoint_a_run_or_a_part_of_a_run(tmp_path):
    fine, coarse = (train(tmp_path / "run" / f"lambda_{n}" / "train", n) for n in (0.1, 0.001))
    only = train(tmp_path / "one" / "train")
    assert shipped.folders(tmp_path / "run") == [coarse, fine]
    assert shipped.folders(tmp_path / "run" / "lambda_0.1") == [fine]
    assert shipped.folders(fine) == [fine]
    assert shipped.folders(tmp_path / "one") == shipped.folders(only) == [only]
    with pytest.raises(UserError, match="nothing.*lambda_.*learned_bits"):
        shipped.folders(tmp_path / "nothing")


def test_a_shipped_name_goes_before_a_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    own = train(tmp_path / "learned_bits" / "train")
    assert shipped.folders("learned_bits")[0].is_relative_to(EXAMPLES)
    assert shipped.folders("./learned_bits")[0].resolve() == own
    (one,) = shipped.folders("learned_bits/lambda_0005")
    assert checkpoints.read_config(one)["options"]["lmbda"] == 0.005


def test_the_published_name_of_the_baseline_is_a_folder_of_its_lambda():
    """The published runs are in lambda_0005, lambda_001, lambda_005 for 0.005, 0.01, 0.05."""
    run = "google_baseline_lr_1e-5"
    (folder,) = shipped.folders(f"{run}/lambda_005/train")
    assert shipped.folders(f"{run}/lambda_005") == [folder] == [EXAMPLES / run / "lambda_005/train"]
    lambdas = [checkpoints.read_config(f)["options"]["lmbda"] for f in shipped.folders(run)]
    assert lambdas == [0.005, 0.01, 0.05]


def test_the_list_shows_the_models_of_a_script(capsys):
    ljpeg = SimpleNamespace(architecture="ljpeg", default_model="learned_bits")
    assert shipped.show(ljpeg) == 0
    text = capsys.readouterr().out
    assert "learned_bits (the default)" in text and "learned_q_w10\n" in text
    assert "0.14 to 0.99 bpp by lambda 0.0005 to 0.05 (7 checkpoints)" in text
    assert "attention" not in text
    shipped.show(ljpeg, as_json=True)
    found = {model["name"]: model for model in json.loads(capsys.readouterr().out)}
    assert set(found) == {"learned_bits", "learned_q_w10"}
    assert found["learned_bits"]["bytes"] > 1000
    assert shipped.describe("google_baseline_lr_1e-5")["dial"] == ["quality", 1, 100]
