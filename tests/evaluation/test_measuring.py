import io
from dataclasses import dataclass, replace

from learned_jpeg.evaluation import measuring, stored
from learned_jpeg.evaluation.points import PointToMeasure, TestImage
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
    """Pillow as a coder, with a fault on request."""

    fault: str | None = None
    rounds: bool = True
    shared: str | None = None
    slow: bool = False

    def encode(self, pixels, rate_setting):
        if self.fault:
            raise RuntimeError(self.fault)
        file = io.BytesIO()
        Image.fromarray(pixels).save(file, "JPEG", quality=rate_setting, subsampling="4:4:4")
        return file.getvalue()


class Pool:
    """Does the work of workers in this process, and notes the calls."""

    count, threads = 1, 1

    def __init__(self):
        self.encoded, self.measured, self.together = [], [], []

    def completed(self, calls):
        for unit, function, arguments in calls:
            if function is workers.encode:
                names = [point.name for point in arguments[0]]
                self.together.append(len(arguments[1]))
                self.encoded += [
                    (names[index], path.name) for path, points in arguments[1] for index in points
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
def points(tmp_path):
    """{point: name} of two points."""
    folder = tmp_path / "out" / "set" / "standard" / "run"
    fingerprint = {"Huffman choice": "standard", "measuring code": "1", "encoding version": "1"}
    return {
        PointToMeasure(
            name, folder / name, fingerprint | {"dial": name}, (Coder(),), rate_setting
        ): f"run/{name}"
        for name, rate_setting in (("quality_10", 10), ("quality_50", 50))
    }


def measure(points, images, wanted=WANTED):
    pool = Pool()
    found, readable = measuring.measure_all(points, images, wanted, pool)
    return found, readable, pool


def figures(found, name="psnr"):
    return np.stack([result.figures[name] for result in found.values()])


def changed(points, **fingerprint):
    fingerprint = {name.replace("_", " "): value for name, value in fingerprint.items()}
    return {
        replace(point, fingerprint=point.fingerprint | fingerprint): points[point]
        for point in points
    }


def test_every_figure_is_that_of_the_written_file(points, images):
    found, _, pool = measure(points, images)
    assert len(pool.encoded) == len(pool.measured) == 6
    for point, result in found.items():
        for index, image in enumerate(images):
            path = point.jpeg(image)
            original, decoded = (np.asarray(Image.open(p)) for p in (image.path, path))
            assert result.figures["n_bytes"][index] == path.stat().st_size
            assert result.figures["bpp"][index] == pytest.approx(
                8 * path.stat().st_size / original[..., 0].size
            )
            psnr = skimage.metrics.peak_signal_noise_ratio(original, decoded)
            assert result.figures["psnr"][index] == pytest.approx(psnr)
            assert np.isnan(result.figures["lpips"][index])
        assert stored.load(point.pickle)[0] == point.fingerprint
        assert not stored.journal(point.pickle).exists()


def test_files_are_made_point_by_point_and_measured_image_by_image(points, images):
    pool = measure(points, images)[2]
    assert [point for point, _ in pool.encoded] == ["quality_10"] * 3 + ["quality_50"] * 3
    assert [image for image, *_ in pool.measured] == ["a.png"] * 2 + ["b.png"] * 2 + ["c.png"] * 2


def test_points_that_share_a_network_are_encoded_together_image_by_image(points, images):
    together = {replace(point, coders=(Coder(shared="b"),)): name for point, name in points.items()}
    pool = measure(together, images)[2]
    assert [image for _, image in pool.encoded] == ["a.png"] * 2 + ["b.png"] * 2 + ["c.png"] * 2
    for point in together:
        point.jpeg(images[0]).unlink()
        point.pickle.unlink()
        break
    assert measure(together, images)[2].encoded == [
        ("quality_10", name) for name in ("a.png", "b.png", "c.png")
    ]


def test_a_second_time_nothing_is_done(points, images):
    first = figures(measure(points, images)[0])
    found, _, pool = measure(points, images)
    assert pool.encoded == pool.measured == []
    np.testing.assert_array_equal(figures(found), first)


def test_pickles_without_their_files_do(points, images, tmp_path):
    first = figures(measure(points, images)[0])
    for path in (tmp_path / "out").rglob("*.jpg"):
        path.unlink()
    found, _, pool = measure(points, images)
    assert pool.encoded == []
    np.testing.assert_array_equal(figures(found), first)


def test_another_metric_is_measured_on_the_files_that_are_there(points, images):
    first = measure(points, images, ["psnr"])[0]
    found, _, pool = measure(points, images, ["mse", "psnr"])
    assert pool.encoded == []
    assert pool.measured[0] == ("a.png", "mse")
    np.testing.assert_array_equal(figures(found), figures(first))
    next(iter(points)).jpeg(images[0]).unlink()
    pool = measure(points, images, WANTED)[2]
    assert pool.encoded == [("quality_10", "a.png")]
    assert len(pool.measured) == 6


def test_a_changed_fingerprint_is_measured_again_and_a_line_says_why(points, images, capsys):
    measure(points, images)
    one, two = points
    (other,) = changed({one: "run/quality_10"}, dial="another")
    pool = measure({other: "run/quality_10", two: points[two]}, images)[2]
    assert {point for point, _ in pool.encoded} == {"quality_10"}
    assert "measured again: run (quality_10): the dial changed" in capsys.readouterr().err


def test_changed_measuring_code_measures_all_again(points, images):
    measure(points, images)
    pool = measure(changed(points, measuring_code="2"), images)[2]
    assert len(pool.measured) == 6


def test_changed_encoding_code_keeps_the_figures_of_the_same_files(points, images, monkeypatch):
    first = figures(measure(points, images)[0])
    found, _, pool = measure(changed(points, encoding_code="2"), images)
    assert len(pool.encoded) == 6
    assert pool.measured == []
    np.testing.assert_array_equal(figures(found), first)


def test_a_changed_image_is_measured_again(points, images, capsys):
    measure(points, images)
    Image.fromarray(skimage.data.coffee()[:40, :40]).save(images[1].path)
    images[1] = replace(images[1], sha256=checkpoints.sha256(images[1].path))
    pool = measure(points, images)[2]
    assert pool.encoded == [("quality_10", "b.png"), ("quality_50", "b.png")]
    assert "images changed" in capsys.readouterr().err


def test_a_file_that_is_not_the_measured_one_is_written_again(points, images, capsys):
    first = figures(measure(points, images)[0])
    point = next(iter(points))
    expected = point.jpeg(images[0]).read_bytes()
    point.jpeg(images[0]).write_bytes(expected[:-1] + b"x")
    found, _, pool = measure(points, images)
    assert pool.encoded == [("quality_10", "a.png")]
    assert pool.measured == []  # it is the same again
    assert point.jpeg(images[0]).read_bytes() == expected
    np.testing.assert_array_equal(figures(found), first)
    assert "JPEG files changed" in capsys.readouterr().err


def test_a_damaged_pickle_is_measured_again_and_a_line_says_why(points, images, capsys):
    measure(points, images)
    point = next(iter(points))
    whole = point.pickle.read_bytes()
    point.pickle.write_bytes(whole[:300])
    assert len(measure(points, images)[2].encoded) == 3
    assert "run (quality_10): the pickle is not" in capsys.readouterr().err
    assert point.pickle.read_bytes() == whole


@pytest.mark.parametrize("limit", [1, 5, 6, 9, 11])
def test_an_interrupted_evaluation_goes_on_where_it_stopped(points, images, monkeypatch, limit):
    append, left = stored.append, iter(range(limit))

    def interrupted(*args):
        if next(left, None) is None:
            raise KeyboardInterrupt
        append(*args)

    with monkeypatch.context() as patch:
        patch.setattr(stored, "append", interrupted)
        with pytest.raises(KeyboardInterrupt):
            measure(points, images)
    found, _, pool = measure(points, images)
    assert len(pool.encoded) == max(0, 6 - limit)
    assert len(pool.measured) == min(6, 12 - limit)
    assert not np.isnan(figures(found)).any()


def test_each_file_of_a_slow_encoder_is_kept_as_it_comes(points, images):
    first, second = points
    slow = replace(first, coders=(Coder(slow=True),))
    many = [replace(images[0], name=f"{number}.png") for number in range(20)]
    assert (
        measure({slow: points[first], second: points[second]}, many)[2].together
        == [1] * 20 + [10] * 2
    )


def test_what_fails_is_left_out_with_a_line(points, images, capsys):
    one, two = points
    broken = replace(one, coders=(Coder("out of order"),))
    found, _, _ = measure({broken: "run/quality_10", two: points[two]}, images)
    assert found[broken].failed
    assert not found[two].failed
    assert capsys.readouterr().err.count("skipped: run/quality_10: out of order") == 1


def test_a_file_that_is_no_image_is_left_out_with_a_line(points, images, capsys):
    images[1].path.write_text("not a picture")
    found, readable, _ = measure(points, images)
    assert [image.name for image in readable] == ["a.png", "c.png"]
    assert figures(found).shape == (2, 2)
    assert "b.png" in capsys.readouterr().err
    for image in images:
        image.path.write_text("")
    with pytest.raises(UserError, match="none of the files can be read as an image"):
        measure(changed(points, dial="x"), [replace(image, name="new") for image in images[:1]])


def test_another_huffman_choice_takes_over_the_figures_of_the_same_integers(points, images):
    first = measure(points, images)[0]
    others = {point.under("optimized"): name for point, name in points.items()}
    found, _, pool = measure(others, images)
    assert pool.encoded == pool.measured == []
    np.testing.assert_array_equal(figures(found), figures(first))
    assert (figures(found, "bpp") < figures(first, "bpp")).all()
    assert all(point.pickle.exists() for point in others)
    for point, other in zip(points, others, strict=True):
        for index, image in enumerate(images):
            data = other.jpeg(image).read_bytes()
            assert found[other].figures["n_bytes"][index] == len(data)
            expected = jpeg_file.decode(point.jpeg(image).read_bytes())
            np.testing.assert_array_equal(jpeg_file.decode(data), expected)
