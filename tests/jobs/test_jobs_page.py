"""The page of a run of `compress`."""

import base64
import io
import re
import shutil
from pathlib import Path

import ljpeg_PIL
from learned_jpeg.jobs import page
from learned_jpeg.jpeg import jpeg_file
from learned_jpeg.pictures.metadata import Items
from learned_jpeg.runtime.errors import UserError

import numpy as np
import pytest
from makers import exif, picture, saved
from PIL import Image

NAME = 'b "<&>.png'


@pytest.fixture
def written(tmp_path):
    """The page of a run over three pictures and a file that is no picture."""
    (tmp_path / "in").mkdir()
    for name, size in (("a.png", (100, 150)), (NAME, (40, 30)), ("c.jpg", (90, 90))):
        picture(*size).save(tmp_path / "in" / name, quality=95)
    (tmp_path / "in" / "d.png").write_text("no picture")
    assert run(tmp_path, "--force") == 1
    return tmp_path / "page.html"


def run(folder, *options):
    command = ["compress", folder / "in", "--output_dir", folder / "out"]
    command += ["--report", folder / "page.html", "--quality", 60, *options]
    return ljpeg_PIL.main([*map(str, command)])


def images(path):
    found = re.findall(r'src="data:image/webp;base64,([^"]*)"', path.read_text())
    return [np.asarray(Image.open(io.BytesIO(base64.b64decode(data)))) for data in found]


def test_each_picture_is_there_before_and_after_with_its_figures(written):
    before, after, *rest = images(written)
    np.testing.assert_array_equal(before, np.asarray(picture(100, 150)))
    data = (written.parent / "out" / "a.jpg").read_bytes()
    np.testing.assert_array_equal(after, jpeg_file.decode(data))
    assert len(rest) == 4
    text = written.read_text()
    size = (written.parent / "in" / "a.png").stat().st_size
    assert f"{size:,} → {len(data):,} bytes" in text and text.count("; quality 60;") == 3
    assert "b &quot;&lt;&amp;&gt;.png" in text and NAME not in text
    assert "d.png: cannot be read as an image" in text and "3 files, " in text
    assert not re.search(r'(src|href)="(?!data:)', text)


def test_a_part_is_the_one_that_lost_the_most():
    pixels = np.full([200, 300, 3], 100, np.uint8)
    data = saved(Image.fromarray(pixels), "JPEG")
    pixels[150:170, 210:240] += 50
    before, _ = page.views(pixels, data, Items(), 64)
    shown = np.asarray(Image.open(io.BytesIO(before)))
    assert shown.shape == (64, 64, 3) and (shown == 150).sum() == 20 * 30 * 3


def test_parts_are_turned_as_the_file_is_shown():
    pixels = np.asarray(picture(40, 64))
    items = Items(exif=exif(6).tobytes()[6:])
    before, after = page.views(pixels, saved(picture(40, 64), "JPEG"), items, 640)
    np.testing.assert_array_equal(np.asarray(Image.open(io.BytesIO(before))), np.rot90(pixels, -1))
    assert Image.open(io.BytesIO(after)).size == (40, 64)


@pytest.mark.parametrize("size", [(1, 1, 3), (7, 300, 1), (300, 7, 3), (33, 65, 3)])
def test_pictures_of_any_size_and_depth_have_a_part(size):
    pixels = np.random.default_rng(0).integers(0, 2**16, size, np.uint16)
    small = np.rint(pixels / 257).astype(np.uint8)
    data = saved(Image.fromarray(small.squeeze(-1) if size[-1] == 1 else small), "JPEG")
    before, _ = page.views(pixels, data, Items(), 48)
    shown = np.asarray(Image.open(io.BytesIO(before)))
    assert shown.shape == (min(size[0], 48), min(size[1], 48), 3)


def test_a_page_of_thousands_holds_as_many_pixels_as_one_of_dozens():
    for count in (1, 10, 100, 3000):
        assert count * page.side(count) ** 2 <= 8_000_000 and page.side(count) % 16 == 0
    assert (page.side(1), page.side(10**6)) == (640, 48)


def test_a_page_is_written_again_and_nothing_else(written, tmp_path):
    assert run(tmp_path, "--skip_existing") == 1
    assert "3 skipped; 1 failed" in written.read_text()
    written.write_text("precious")
    with pytest.raises(UserError, match="page.html: exists already"):
        run(tmp_path, "--skip_existing")
    assert written.read_text() == "precious"
    with pytest.raises(UserError, match="must end in .html"):
        run(tmp_path, "--report", "page.jpg")


def test_a_page_that_cannot_be_written_is_named_and_the_files_are_there(tmp_path, capsys):
    (tmp_path / "in").mkdir()
    picture().save(tmp_path / "in" / "a.png")
    (tmp_path / "file").touch()
    assert run(tmp_path, "--report", tmp_path / "file" / "page.html") == 1
    assert "page.html: cannot be written" in capsys.readouterr().err
    assert (tmp_path / "out" / "a.jpg").exists()


# In a browser


@pytest.fixture(scope="module")
def browser():
    api = pytest.importorskip("playwright.sync_api")
    with api.sync_playwright() as playwright:
        path = next(filter(None, map(shutil.which, ("chromium", "google-chrome"))), None)
        if path is None and not Path(playwright.chromium.executable_path).exists():
            pytest.skip("no Chromium: playwright install chromium")
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.mark.parametrize("width", [360, 1280])
def test_the_border_moves_by_key_and_by_pointer(width, browser, written):
    tab = browser.new_page(viewport={"width": width, "height": 800})
    problems = []
    tab.on("console", lambda message: problems.append(message.text))
    tab.on("pageerror", lambda error: problems.append(str(error)))
    tab.on("request", lambda one: problems.append(one.url) if "page.html" not in one.url else None)
    tab.goto(written.as_uri())
    problems = [line for line in problems if not line.startswith("data:")]
    slider = tab.locator("input").first
    border = "getComputedStyle(document.querySelector('.stage')).getPropertyValue('--x')"
    assert tab.evaluate(border) == "50%"
    slider.focus()
    tab.keyboard.press("ArrowRight")
    assert tab.evaluate(border) == "51%"
    box = slider.bounding_box()
    tab.mouse.click(box["x"] + 0.9 * box["width"], box["y"] + box["height"] / 2)
    assert 80 < float(tab.evaluate(border).strip("%")) <= 100
    clip = "getComputedStyle(document.querySelectorAll('.stage img')[1]).clipPath"
    assert tab.evaluate(border) in tab.evaluate(clip)
    # Nothing is beside the window, and both pictures lie on each other.
    assert tab.evaluate("document.documentElement.scrollWidth") <= width
    boxes = [one.bounding_box() for one in tab.locator(".stage").first.locator("img").all()]
    assert boxes[0] == boxes[1] and boxes[0]["width"] > 100
    columns = tab.evaluate("getComputedStyle(document.querySelector('main')).gridTemplateColumns")
    assert len(columns.split()) == (1 if width == 360 else 3)
    assert problems == []
    tab.close()
