import io
from dataclasses import dataclass, replace

from learned_jpeg.evaluation import measuring, stored
from learned_jpeg.evaluation.points import Dot, TestImage
from learned_jpeg.jobs import workers
from learned_jpeg.jpeg import jpeg_file
from learned_jpeg.models import checkpoints
from learned_jpeg.runtime.errors import UserError

import numpy as np
import pytest
import skimage.data
import skimage.metrics
from PIL import Image

WANTED = ["psnr", "psnr_hvs_m"]


@dataclass(frozen=True)
class Coder:
    """Pillow, with a fault where it is asked for one."""

    fault: str | None = None
    rounds: bool = True
    shared: str | None = None
    slow: bool = False

    def encode(self, pixels, dial):
        if self.fault:
            raise RuntimeError(self.fault)
        file = io.BytesIO()
        Image.fromarray(pixels).save(file, "JPEG", quality=dial, subsampling="4:4:4")
        return file.getvalue()


class Pool:
    """Does in this process what workers do; notes it."""

    count, threads = 1, 1

    def __init__(self):
        self.encoded, self.measured, self.together = [], [], []

    def completed(self, calls):
        for unit, function, arguments in calls:
            if function is workers.encode:
                names = [dot.name for dot in arguments[0]]
                self.together.append(len(arguments[1]))
                self.encoded += [
                    (names[index], path.name) for path, dots in arguments[1] for index in dots
                ]
            elif function is workers.measure:
                self.measured += [(arguments[0].name, *names) for _, names in arguments[1]]
            yield unit, function(*arguments)


@pytest.fixture
def images(tmp_path):
    """Three small photographs."""
    found = []
    for index, name in enumerate(("a.png", "b.png", "c.png")):
        path = tmp_path / name
        Image.fromarray(skimage.data.astronaut()[100 : 132 + 8 * index, 200:240]).save(path)
        found.append(TestImage(name, path, checkpoints.sha256(path)))
    return found


@pytest.fixture
def dots(tmp_path):
    """{dot: name} of two dots."""
    folder = tmp_path / "out" / "set" / "standard" / "run"
    fingerprint = {"Huffman choice": "standard", "measuring code": "1", "encoding version": "1"}
    return {
        Dot(name, folder / name, fingerprint | {"dial": name}, (Coder(),), dial): f"run/{name}"
        for name, dial in (("quality_10", 10), ("quality_50", 50))
    }


def measure(dots, images, wanted=WANTED):
    pool = Pool()
    found, readable = measuring.measure_all(dots, images, wanted, pool)
    return found, readable, pool


def figures(found, name="psnr"):
    return np.stack([result.figures[name] for result in found.values()])


def changed(dots, **fingerprint):
    fingerprint = {name.replace("_", " "): value for name, value in fingerprint.items()}
    return {replace(dot, fingerprint=dot.fingerprint | fingerprint): dots[dot] for dot in dots}


def test_every_figure_is_that_of_the_written_file(dots, images):
    found, _, pool = measure(dots, images)
    assert len(pool.encoded) == len(pool.measured) == 6
    for dot, result in found.items():
        for index, image in enumerate(images):
            path = dot.jpeg(image)
            original, decoded = (np.asarray(Image.open(p)) for p in (image.path, path))
            assert result.figures["n_bytes"][index] == path.stat().st_size
            assert result.figures["bpp"][index] == pytest.approx(
                8 * path.stat().st_size / original[..., 0].size
            )
            psnr = skimage.metrics.peak_signal_noise_ratio(original, decoded)
            assert result.figures["psnr"][index] == pytest.approx(psnr)
            assert np.isnan(result.figures["lpips"][index])
        assert stored.load(dot.pickle)[0] == dot.fingerprint
        assert not stored.journal(dot.pickle).exists()


def test_files_are_made_dot_by_dot_and_measured_image_by_image(dots, images):
    pool = measure(dots, images)[2]
    assert [dot for dot, _ in pool.encoded] == ["quality_10"] * 3 + ["quality_50"] * 3
    assert [image for image, *_ in pool.measured] == ["a.png"] * 2 + ["b.png"] * 2 + ["c.png"] * 2


def test_dots_that_share_a_network_are_encoded_together_image_by_image(dots, images):
    together = {replace(dot, coders=(Coder(shared="b"),)): name for dot, name in dots.items()}
    pool = measure(together, images)[2]
    assert [image for _, image in pool.encoded] == ["a.png"] * 2 + ["b.png"] * 2 + ["c.png"] * 2
    for dot in together:
        dot.jpeg(images[0]).unlink()
        dot.pickle.unlink()
        break
    assert measure(together, images)[2].encoded == [
        ("quality_10", name) for name in ("a.png", "b.png", "c.png")
    ]


def test_a_second_time_nothing_is_done(dots, images):
    first = figures(measure(dots, images)[0])
    found, _, pool = measure(dots, images)
    assert pool.encoded == pool.measured == []
    np.testing.assert_array_equal(figures(found), first)


def test_pickles_without_their_files_do(dots, images, tmp_path):
    first = figures(measure(dots, images)[0])
    for path in (tmp_path / "out").rglob("*.jpg"):
        path.unlink()
    found, _, pool = measure(dots, images)
    assert pool.encoded == []
    np.testing.assert_array_equal(figures(found), first)


def test_another_metric_is_measured_on_the_files_that_are_there(dots, images):
    first = measure(dots, images, ["psnr"])[0]
    found, _, pool = measure(dots, images, ["mse", "psnr"])
    assert pool.encoded == []
    assert pool.measured[0] == ("a.png", "mse")
    np.testing.assert_array_equal(figures(found), figures(first))
    next(iter(dots)).jpeg(images[0]).unlink()
    pool = measure(dots, images, WANTED)[2]
    assert pool.encoded == [("quality_10", "a.png")]
    assert len(pool.measured) == 6


def test_a_changed_fingerprint_is_measured_again_and_a_line_says_why(dots, images, capsys):
    measure(dots, images)
    one, two = dots
    (other,) = changed({one: "run/quality_10"}, dial="another")
    pool = measure({other: "run/quality_10", two: dots[two]}, images)[2]
    assert {dot for dot, _ in pool.encoded} == {"quality_10"}
    assert "measured again: run (quality_10): the dial changed" in capsys.readouterr().err


def test_changed_measuring_code_measures_all_again(dots, images):
    measure(dots, images)
    pool = measure(changed(dots, measuring_code="2"), images)[2]
    assert len(pool.measured) == 6


def test_changed_encoding_code_keeps_the_figures_of_the_same_files(dots, images, monkeypatch):
    first = figures(measure(dots, images)[0])
    found, _, pool = measure(changed(dots, encoding_code="2"), images)
    assert len(pool.encoded) == 6
    assert pool.measured == []
    np.testing.assert_array_equal(figures(found), first)


def test_a_changed_image_is_measured_again(dots, images, capsys):
    measure(dots, images)
    Image.fromarray(skimage.data.coffee()[:40, :40]).save(images[1].path)
    images[1] = replace(images[1], sha256=checkpoints.sha256(images[1].path))
    pool = measure(dots, images)[2]
    assert pool.encoded == [("quality_10", "b.png"), ("quality_50", "b.png")]
    assert "images changed" in capsys.readouterr().err


def test_a_file_that_is_not_the_measured_one_is_written_again(dots, images, capsys):
    first = figures(measure(dots, images)[0])
    dot = next(iter(dots))
    expected = dot.jpeg(images[0]).read_bytes()
    dot.jpeg(images[0]).write_bytes(expected[:-1] + b"x")
    found, _, pool = measure(dots, images)
    assert pool.encoded == [("quality_10", "a.png")]
    assert pool.measured == []  # it is the same again
    assert dot.jpeg(images[0]).read_bytes() == expected
    np.testing.assert_array_equal(figures(found), first)
    assert "not those that were measured" in capsys.readouterr().err


def test_a_damaged_pickle_is_measured_again_and_a_line_says_why(dots, images, capsys):
    measure(dots, images)
    dot = next(iter(dots))
    whole = dot.pickle.read_bytes()
    dot.pickle.write_bytes(whole[:300])
    assert len(measure(dots, images)[2].encoded) == 3
    assert "run (quality_10): the pickle is not" in capsys.readouterr().err
    assert dot.pickle.read_bytes() == whole


@pytest.mark.parametrize("limit", [1, 5, 6, 9, 11])
def test_an_interrupted_evaluation_goes_on_where_it_stopped(dots, images, monkeypatch, limit):
    append, left = stored.append, iter(range(limit))

    def interrupted(*args):
        if next(left, None) is None:
            raise KeyboardInterrupt
        append(*args)

    with monkeypatch.context() as patch:
        patch.setattr(stored, "append", interrupted)
        with pytest.raises(KeyboardInterrupt):
            measure(dots, images)
    found, _, pool = measure(dots, images)
    assert len(pool.encoded) == max(0, 6 - limit)
    assert len(pool.measured) == min(6, 12 - limit)
    assert not np.isnan(figures(found)).any()


def test_each_file_of_a_slow_encoder_is_kept_as_it_comes(dots, images):
    first, second = dots
    slow = replace(first, coders=(Coder(slow=True),))
    many = [replace(images[0], name=f"{number}.png") for number in range(20)]
    assert (
        measure({slow: dots[first], second: dots[second]}, many)[2].together == [1] * 20 + [10] * 2
    )


def test_what_fails_is_left_out_with_a_line(dots, images, capsys):
    one, two = dots
    broken = replace(one, coders=(Coder("out of order"),))
    found, _, _ = measure({broken: "run/quality_10", two: dots[two]}, images)
    assert found[broken].failed
    assert not found[two].failed
    assert capsys.readouterr().err.count("skipped: run/quality_10: out of order") == 1


def test_a_file_that_is_no_image_is_left_out_with_a_line(dots, images, capsys):
    images[1].path.write_text("not a picture")
    found, readable, _ = measure(dots, images)
    assert [image.name for image in readable] == ["a.png", "c.png"]
    assert figures(found).shape == (2, 2)
    assert "b.png" in capsys.readouterr().err
    for image in images:
        image.path.write_text("")
    with pytest.raises(UserError, match="not one of the files is an image"):
        measure(changed(dots, dial="x"), [replace(image, name="new") for image in images[:1]])


def test_another_huffman_choice_takes_over_the_figures_of_the_same_integers(dots, images):
    first = measure(dots, images)[0]
    others = {dot.under("optimized"): name for dot, name in dots.items()}
    found, _, pool = measure(others, images)
    assert pool.encoded == pool.measured == []
    np.testing.assert_array_equal(figures(found), figures(first))
    assert (figures(found, "bpp") < figures(first, "bpp")).all()
    assert all(dot.pickle.exists() for dot in others)
    for dot, other in zip(dots, others, strict=True):
        for index, image in enumerate(images):
            data = other.jpeg(image).read_bytes()
            assert found[other].figures["n_bytes"][index] == len(data)
            expected = jpeg_file.decode(dot.jpeg(image).read_bytes())
            np.testing.assert_array_equal(jpeg_file.decode(data), expected)
