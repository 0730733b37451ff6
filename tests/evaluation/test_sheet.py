from learned_jpeg.evaluation import sheet
from learned_jpeg.evaluation.series import Point, Series, equal

import numpy as np
import pytest
from PIL import Image


def series(label, sizes, folder=None):
    """A curve with a file of a size for each image."""
    sizes = np.array(sizes, float)
    figures = {"n_bytes": sizes, "bpp": sizes / 1000, "lpips": sizes / 5000}
    point = Point(label, figures, folder)
    return Series(label, "run", [point], {"a size": point})


def test_the_crop_is_where_the_files_differ():
    original = np.full([400, 500, 3], 100, np.uint8)
    one, other = original.copy(), original.copy()
    one[:, :] += 20  # both are wrong here, and alike
    other[:, :] += 20
    other[200:300, 310:420] += 30
    rows, columns = sheet.telling_crop(original, [one, other])
    assert rows.start <= 210 and rows.stop >= 290
    assert columns.start <= 320 and columns.stop >= 410
    assert rows.stop - rows.start == columns.stop - columns.start == 160


def test_the_crop_of_a_single_file_is_where_it_is_wrong_and_the_eye_sees_it():
    rng = np.random.default_rng(0)
    original = np.full([300, 600, 3], 100, np.uint8)
    original[:, :300] = rng.integers(0, 255, [300, 300, 3])
    file = original.copy()
    file[:, :300] = np.clip(file[:, :300].astype(int) + 12, 0, 255)  # hidden by texture
    file[100:200, 450:550] += 12
    _, columns = sheet.telling_crop(original, [file])
    assert columns.start > 380


@pytest.mark.parametrize("side", [50, 160])
def test_a_small_picture_is_shown_whole(side):
    picture = np.zeros([side, side, 3], np.uint8)
    rows, columns = sheet.telling_crop(picture, [picture + 1])
    assert rows.start == columns.start == 0


def test_a_sheet_shows_originals_and_files(tmp_path, photograph):
    Image.fromarray(photograph).save(tmp_path / "a.png")
    curves = [series(label, [1000], tmp_path / label) for label in ("one", "two")]
    for curve, quality in zip(curves, (10, 30), strict=True):
        path = curve.points[0].file("a.png")
        path.parent.mkdir()
        Image.fromarray(photograph).save(path, quality=quality)
    curves[1].points[0].figures["lpips"] = np.array([0.1])
    near, _ = equal(curves, "a size", 0)
    figure = sheet.draw({"a.png": (0, near)}, {"a.png": tmp_path / "a.png"}, "subject")
    titles = [axes.get_title("left") for axes in figure.axes]
    assert titles == ["a.png", "original", "one", "two"]
    assert figure.get_suptitle().startswith("subject")
    texts = [axes.texts[0] for axes in figure.axes[2:]]
    assert [text.get_text() for text in texts] == [
        "1.000 bpp, LPIPS 0.200",
        "1.000 bpp, LPIPS 0.100",
    ]
    assert [text.get_weight() for text in texts] == ["normal", "bold"]
    for curve in curves:
        curve.points[0].figures["lpips"] = np.array([np.nan])  # not measured
    other = sheet.draw({"a.png": (0, near)}, {"a.png": tmp_path / "a.png"}, "subject")
    assert other.axes[2].texts[0].get_text() == "1.000 bpp"
    shown = figure.axes[1].images[0].get_array()
    assert shown.shape == (160, 160, 3)
    assert (photograph == shown[0, 0]).all(axis=2).any()
