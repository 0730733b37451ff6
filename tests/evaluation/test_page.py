import json
import re
import shutil
import time
from pathlib import Path
from types import SimpleNamespace

from learned_jpeg.evaluation import page, tables
from learned_jpeg.evaluation.points import TestImage
from learned_jpeg.evaluation.series import SHOWN, Point

import numpy as np
import pytest
from PIL import Image
from test_series import PSNR, make


@pytest.fixture
def report(tmp_path, photograph):
    """A report of three curves on two images, with files of one size."""
    images = []
    for name in ("a.png", "b</script>.png"):
        path = tmp_path / name.replace("/", "_")
        Image.fromarray(photograph[:160]).save(path)
        images.append(TestImage(name.replace("/", "_"), path, "digest"))
    curves = [
        make("JPEG <&>", "encoder", [0.5, 1, 2, 3], PSNR, images=2),
        make("other", "encoder", [0.6, 1.2, 2, 3], PSNR, images=2),
        make("run", "run", [0.25, 0.5, 1, 1.5], PSNR, images=2),
    ]
    for number, curve in enumerate(curves):
        figures = {name: column * 1.001**number for name, column in curve.points[1].figures.items()}
        figures["n_bytes"] = np.array([1000, 1000]) * 1.001**number
        point = Point("sized", figures, tmp_path / curve.label[:3])
        curve.at_size["a size"] = point
        for image in images:
            point.file(image.name).parent.mkdir(exist_ok=True)
            Image.fromarray(photograph[:160]).save(point.file(image.name), quality=10 + 20 * number)
    return SimpleNamespace(
        folder=tmp_path,
        stem="photos_standard",
        subject="photos <b>",
        curves=curves,
        images=images,
        compared=[0, 1],
        sizes=lambda: ["a size"],
    )


def write(report):
    compared = tables.comparisons(report.curves, SHOWN)
    page.write(report, SHOWN, compared, {"JPEG <&>", "run"})
    return report.folder / "photos_standard.html"


def content(path, name):
    found = re.search(rf'id="{name}">(.*?)</script>', path.read_text(), re.DOTALL)
    return json.loads(found[1])


def test_the_page_holds_all_that_it_shows(report):
    path = write(report)
    text = path.read_text()
    assert "photos &lt;b&gt;" in text
    assert not re.search(r'(src|href)="(?!data:)', text)
    figures = content(path, "figures")
    assert [one["label"] for one in figures["metrics"]] == [one.label for one in SHOWN]
    assert [one["label"] for one in figures["curves"]] == ["JPEG <&>", "other", "run"]
    run = figures["curves"][2]
    assert run["points"][0] == {
        "name": "0.25",
        "bpp": 0.25,
        "psnr": 28,
        "ms_ssim": pytest.approx(3.5655, abs=1e-4),
        "lpips": 0.44,
        "ssimulacra2": 56,
        "psnr_hvs_m": 28,
        "butteraugli": pytest.approx(2.4),
    }
    assert run["saved"]["psnr"][0] == [28, -50]
    delta = figures["deltas"][1]
    assert (delta["curve"], delta["against"]) == ("run", "JPEG <&>")
    assert delta["psnr"]["percent"] == pytest.approx(-50)


def test_pictures_are_the_files_and_the_original_without_loss(report, photograph):
    import base64
    import io

    pictures = content(write(report), "pictures")
    assert [one["name"] for one in pictures] == ["a.png", "b<_script>.png"]
    (size,) = pictures[0]["sizes"]
    assert [file["label"] for file in size["files"]] == ["JPEG <&>", "other", "run"]
    data = base64.b64decode(size["files"][2]["src"].partition(",")[2])
    assert data == report.curves[2].at_size["a size"].file("a.png").read_bytes()
    original = base64.b64decode(pictures[0]["src"].partition(",")[2])
    shown = np.asarray(Image.open(io.BytesIO(original)).convert("RGB"))
    np.testing.assert_array_equal(shown, photograph[:160])


def test_pictures_stay_where_their_files_are_gone(report):
    before = content(write(report), "pictures")
    shutil.rmtree(report.folder / "run")
    assert content(write(report), "pictures") == before
    (report.folder / "photos_standard.html").unlink()
    assert content(write(report), "pictures") == []


def test_what_is_no_number_is_nothing(report):
    report.curves[2].points[0].means["psnr"] = np.inf
    report.curves[1].points[0].means["psnr"] = np.nan
    figures = content(write(report), "figures")
    assert figures["curves"][2]["points"][0]["psnr"] is None
    assert figures["curves"][1]["points"][0]["psnr"] is None


# In a browser


@pytest.fixture(scope="module")
def browser():
    api = pytest.importorskip("playwright.sync_api")
    with api.sync_playwright() as playwright:
        path = next(
            filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
        )
        if path is None and not Path(playwright.chromium.executable_path).exists():
            pytest.skip("no Chromium: playwright install chromium")
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def opened(browser, report):
    """The page in a browser; `opened.problems` lists errors and requests of it."""
    tab = browser.new_page(viewport={"width": 1000, "height": 800}, has_touch=True)
    tab.problems = []
    tab.on("console", lambda message: tab.problems.append(message.text))
    tab.on("pageerror", lambda error: tab.problems.append(str(error)))
    path = write(report)
    requests = []
    tab.on("request", lambda request: requests.append(request.url))
    tab.goto(path.as_uri())
    tab.wait_for_function("document.querySelectorAll('#deltas tbody tr').length > 0")
    tab.problems += [
        url for url in requests if not url.startswith("data:") and url != path.as_uri()
    ]
    yield tab
    tab.close()


def becomes(tab, expression):
    """Whether an expression becomes true; the page's policy keeps Playwright's own way out."""
    deadline = time.monotonic() + 10
    while not tab.evaluate(expression) and time.monotonic() < deadline:
        time.sleep(0.02)
    return tab.evaluate(expression)


def test_it_opens_without_errors_and_asks_for_nothing(opened):
    assert opened.problems == []
    loaded = "[...document.images].every((image) => image.complete && image.naturalWidth === 203)"
    assert becomes(opened, loaded)
    drawn = """id => { const c = document.getElementById(id);
        return new Set(c.getContext('2d').getImageData(0, 0, c.width, c.height).data).size }"""
    assert opened.evaluate(drawn, "curves") > 20
    assert opened.evaluate(drawn, "saved") > 10


def place(tab):
    return int(tab.get_attribute("#divider", "aria-valuenow"))


def test_the_border_moves_by_keys_mouse_and_touch(opened):
    assert place(opened) == 50
    opened.focus("#divider")
    opened.keyboard.press("ArrowRight")
    opened.keyboard.press("PageDown")
    assert place(opened) == 41
    box = opened.locator("#canvas").bounding_box()
    middle = box["y"] + box["height"] / 2
    opened.mouse.move(box["x"] + 0.41 * box["width"], middle)
    opened.mouse.down()
    opened.mouse.move(box["x"] + 0.8 * box["width"], middle, steps=4)
    opened.mouse.up()
    assert place(opened) == pytest.approx(80, abs=1)
    opened.touchscreen.tap(box["x"] + 0.25 * box["width"], middle)
    assert place(opened) == pytest.approx(25, abs=1)
    clip = opened.evaluate("document.getElementById('right-image').style.clipPath")
    assert float(re.search(r"([\d.]+)%", clip)[1]) == pytest.approx(25, abs=1)


def test_pictures_sides_zoom_and_original(opened):
    def alt(side):
        return opened.get_attribute(f"#{side}-image", "alt")

    assert (alt("left"), alt("right")) == ("a.png: JPEG <&>", "a.png: run")
    opened.select_option("#left", label="other")
    assert alt("left") == "a.png: other"
    opened.focus("#left")
    opened.keyboard.press("s")  # not from within a list
    opened.click("#swap")
    assert (alt("left"), alt("right")) == ("a.png: run", "a.png: other")
    opened.focus("#divider")
    opened.keyboard.press("n")
    assert alt("left") == "b<_script>.png: run"
    width = opened.locator("#canvas").bounding_box()["width"]
    for _ in range(3):
        opened.keyboard.press("+")
    assert opened.inner_text("#zoom") == "4x"
    assert opened.locator("#canvas").bounding_box()["width"] == pytest.approx(4 * width)
    opened.keyboard.down("o")
    assert opened.is_visible("#original-image")
    opened.keyboard.up("o")
    assert not opened.is_visible("#original-image")
    assert "1001 (" in opened.inner_text("#right-figures") or "bytes" in opened.inner_text(
        "#right-figures"
    )


def test_the_table_sorts_and_chooses_the_anchor(opened):
    def column(number):
        return opened.locator(f"#deltas tbody td:nth-child({number})").all_inner_texts()

    assert column(1) == ["run", "other"]
    assert column(2)[0].split() == ["-50.0", "[-50.0,", "-50.0]", "2/2"]
    opened.click("#deltas th:nth-child(2) button")
    assert column(1) == ["other", "run"]
    assert opened.get_attribute("#deltas th:nth-child(2)", "aria-sort") == "descending"
    opened.select_option("#against", label="everything")
    assert sorted(column(2)) == ["JPEG <&>", "JPEG <&>", "other"]


def test_a_click_shows_another_metric_and_hover_its_values(opened):
    opened.click("#metrics button:has-text('LPIPS')")
    assert opened.get_attribute("#metrics button:has-text('LPIPS')", "aria-pressed") == "true"
    chart = "Chart.getChart('curves')"
    assert opened.evaluate(f"{chart}.options.scales.y.title.text") == "LPIPS (lower is better)"
    opened.hover("#curves")
    assert becomes(opened, f"{chart}.tooltip.opacity > 0")
    assert "bpp" in opened.evaluate(f"{chart}.tooltip.body[0].lines[0]")
    opened.click("#legend label:has-text('other') input")
    assert opened.evaluate(f"{chart}.data.datasets.map((set) => set.hidden)") == [
        False,
        True,
        False,
    ]
