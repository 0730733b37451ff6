import functools
import io
import re
from types import SimpleNamespace

import ljpeg_rdo
from learned_jpeg.jobs import workers
from learned_jpeg.jpeg import jpeg_file
from learned_jpeg.models import portable
from learned_jpeg.models.encoding import Coding
from learned_jpeg.runtime.errors import UserError
from learned_jpeg.search import quantizer, tuning
from learned_jpeg.search.learned_tune import PARAMETERS, SPREADS
from learned_jpeg.training import evolution
from learned_jpeg.training.batch_search import BatchSearch

import numpy as np
import pytest
from makers import picture
from PIL import Image


def far(parameters):
    """A bowl whose lowest point is one spread from 0 in each number."""
    return float(np.mean((parameters / SPREADS - 1) ** 2))


def test_evolution_finds_the_lowest_point(tmp_path):
    found = evolution.evolve([far], np.zeros(PARAMETERS), 3000, 0, tmp_path, {})
    np.testing.assert_allclose(found / SPREADS, 1, atol=0.1)


def test_an_interrupted_evolution_finds_what_an_unbroken_one_does(tmp_path):
    whole = evolution.evolve([far], np.zeros(PARAMETERS), 100, 3, tmp_path / "whole", {})
    calls = 0

    def breaks(parameters):
        nonlocal calls
        calls += 1
        if calls == 50:
            raise KeyboardInterrupt
        return far(parameters)

    path = tmp_path / "broken"
    with pytest.raises(KeyboardInterrupt):
        evolution.evolve([breaks], np.zeros(PARAMETERS), 100, 3, path, {})
    resumed = evolution.evolve([far], np.zeros(PARAMETERS), 100, 3, path, {})
    np.testing.assert_array_equal(resumed, whole)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"seed": 4}, "other seed (3, not 4)"),
        ({"against": "pillow_420"}, "other anchor (the tune, not pillow_420)"),
        ({"photographs": 1}, "other crops"),
        ({"start": 0.1}, "other start"),
    ],
)
def test_scores_are_of_one_evolution_alone(tmp_path, monkeypatch, changes, words):
    """Scores of other photographs, for example, do not count."""
    monkeypatch.setattr(evolution, "Bits", lambda *_: far)

    def prepare(seed=3, against=None, photographs=0, start=0.0):
        model = ljpeg_rdo.LJPEGRDO()
        model.weights["numbers"].assign(np.full(PARAMETERS, start, np.float32))
        options = {"evolve": 14, "jobs": 1, "checkpoint_dir": tmp_path}
        source = SimpleNamespace(crops=lambda at: np.full([1, 8, 8, 3], photographs, np.uint8))
        model.prepare(SimpleNamespace(seed=seed, against=against, **options), source)
        return model.weights["numbers"].numpy()

    first, kept = prepare(), (tmp_path / "evolution.json").read_bytes()
    with pytest.raises(UserError, match=re.escape(words)):
        prepare(**changes)
    assert (tmp_path / "evolution.json").read_bytes() == kept
    np.testing.assert_array_equal(prepare(), first)


@pytest.mark.parametrize("content", ["", "[[1.0, 1.1]]", '{"scores": []}'])
def test_a_file_that_does_not_say_what_its_scores_are_of_is_named(tmp_path, content):
    (tmp_path / "evolution.json").write_text(content)
    with pytest.raises(UserError, match="evolution.json is damaged, or an earlier version's"):
        evolution.evolve([far], np.zeros(PARAMETERS), 14, 3, tmp_path, {})
    assert (tmp_path / "evolution.json").read_text() == content


def three_files(search, crop, step):
    return [search.file(crop, factor * step, np.zeros(PARAMETERS)) for factor in (2, 1, 0.5)]


def test_bits_are_those_at_equal_quality():
    """Dearer bits make smaller and worse files on about the same curve; a table that is wrong
    for everything needs more bits."""
    crop = np.ascontiguousarray(np.asarray(picture(192, 192)))
    search = BatchSearch(tuning.TUNES["visual"], "420")
    start, dearer, wrong = np.zeros((3, PARAMETERS))

    weights, anchor = {"psnr": 0.5, "psnr_hvs_m": 0.5}, functools.partial(three_files, search)
    with workers.Pool(1) as pool:
        bits = evolution.Bits(pool, search.file, anchor, [crop] * 4, [8.0] * 4, weights)
        assert bits(start) == pytest.approx(0, abs=0.02)
        dearer[0] = 0.2
        assert bits(dearer) == pytest.approx(0, abs=0.05)
        wrong[16] = 1.5  # luma's entry for the mean
        assert bits(wrong) > 0.02
        # What is behind counts for more.
        assert bits(wrong) > bits.each(wrong).mean()


def test_the_bits_of_scans_are_what_is_left_of_a_file_without_its_headers():
    crop = np.ascontiguousarray(np.asarray(picture(96, 128)))
    file = io.BytesIO()
    Image.fromarray(crop).save(file, "JPEG", progressive=True)
    data, headers, at = file.getvalue(), 2, 2
    while data[at + 1] != 0xD9:
        length = 2 + int.from_bytes(data[at + 2 : at + 4], "big")
        scan = data[at + 1] == 0xDA
        headers, at = headers + length, at + length
        while scan and (data[at] != 0xFF or data[at + 1] == 0):
            at += 1
    assert evolution.scan_bits(data) == 8 * (len(data) - headers - 2)
    # A table may hold what looks like a scan.
    tables = np.full([8, 8, 2], [0xFF, 0xDA])
    tables[0, 0] = 0xFF
    search = quantizer.Trellis("visual")(quantizer.analyse(crop, tables, "420"))
    data = jpeg_file.write_jpeg(search, tables, 96, 128, "420", "progressive")
    assert 0 < evolution.scan_bits(data) < 8 * len(data)


def test_a_file_is_that_of_the_search():
    crop = np.ascontiguousarray(np.asarray(picture(96, 128)))
    search = BatchSearch(tuning.TUNES["visual"], "420")
    data = search.file(crop, 8.0, np.zeros(PARAMETERS))
    qtables = tuning.shaped_qtables(8.0, tuning.TUNES["visual"])
    found = quantizer.Trellis("visual")(quantizer.analyse(crop, qtables, "420"))
    integers, tables, *_ = jpeg_file.read_jpeg(data)
    np.testing.assert_array_equal(tables, qtables)
    assert np.mean(integers.luma != found.luma) < 0.005


@pytest.mark.slow
def test_without_steps_a_training_is_the_evolution_alone(tmp_path, capsys):
    Image.fromarray(np.asarray(picture(96, 128))).save(tmp_path / "a.png")
    weights = {"mse": 1, "ssimulacra2": 0, "butteraugli": 0}
    options = [f"--{name}_weight={weight}" for name, weight in weights.items()]
    options += ["--train_glob", str(tmp_path / "a.png"), "--checkpoint_dir", str(tmp_path / "run")]
    options += ["--patchsize=64", "--evolve=14", "--last_step=0"]
    assert ljpeg_rdo.main(["train", *options]) == 0
    assert ljpeg_rdo.main(["train", *options]) == 0
    assert "already trained to step 0" in capsys.readouterr().out
    learned = portable.read(tmp_path / "run")
    assert np.abs(learned["numbers"]).max() > 0 and not learned["last"].any()
    model = ljpeg_rdo.LJPEGRDO(weights=learned)
    pixels = np.asarray(picture(96, 128))
    coding = Coding(sampling="420")
    analysis = quantizer.analyse(pixels, model.file_qtables(50, coding), "420")
    assert model.log2_bit_price(analysis, 50) is None
