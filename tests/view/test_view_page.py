"""The page in a browser, with the actions of a user."""

import io
import shutil
import time
from pathlib import Path

from learned_jpeg.cli import main

import numpy as np
import pytest
from makers import picture, saved
from PIL import Image
from test_server import bomb


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
def open_page(browser, serve):
    """Opens the page of a server of some paths in a tab; its errors and requests fail the test."""
    tabs = []

    def start(*paths, viewport=(1000, 800), scale=1, **options):
        asker = serve(*paths)
        context = browser.new_context(
            viewport=dict(zip(("width", "height"), viewport, strict=True)),
            has_touch=True,
            device_scale_factor=scale,
            permissions=["clipboard-read", "clipboard-write"],
            **options,
        )
        tab = context.new_page()
        tab.set_default_timeout(20000)
        tab.problems = []
        tab.on("console", lambda message: tab.problems.append(message.text))
        tab.on("pageerror", lambda error: tab.problems.append(str(error)))
        tab.on("request", lambda request: tab.requested.append(request.url))
        tab.requested = []
        tab.asker = asker
        tab.goto(asker.server.address)
        tabs.append(tab)
        if paths:
            shown(tab)
        return tab

    yield start
    for tab in tabs:
        # The browser reports each answer with an error status.
        assert [words for words in tab.problems if "status of 422" not in words] == []
        assert all(url.startswith((tab.asker.server.address, "data:")) for url in tab.requested)
        tab.context.close()


def becomes(tab, expression):
    """Whether an expression becomes true."""
    deadline = time.monotonic() + 20
    while not tab.evaluate(expression) and time.monotonic() < deadline:
        time.sleep(0.02)
    return tab.evaluate(expression)


def shown(tab):
    """Waits until a result is there, and all its figures."""
    done = (
        "document.querySelectorAll('#download[href]').length && !document.querySelector('.waiting')"
    )
    assert becomes(tab, f"{done} && /bytes in/.test(document.getElementById('status').textContent)")


def figures(tab, column=1):
    """{row: text} of a column of the table."""
    rows = tab.locator("#figures tbody tr").all_inner_texts()
    return {row.split("\t")[0]: row.split("\t")[column] for row in rows}


def downloaded(tab):
    with tab.expect_download() as download:
        tab.click("#download")
    return download.value.suggested_filename, Path(download.value.path()).read_bytes()


def screen(tab):
    """The visible pixels of the stage: uint8 [H, W, 3]."""
    data = tab.locator("#stage").screenshot()
    return np.asarray(Image.open(io.BytesIO(data)).convert("RGB")).astype(int)


def test_quality_changes_the_file_and_the_download_is_that_of_the_command(open_page, folder):
    tab = open_page(folder / "turned.png")
    before = figures(tab)
    assert before["quality"] == "75" and before["bytes"] in tab.inner_text("#status")
    tab.fill("#first [name=dial]", "20")
    assert becomes(tab, f"!document.body.innerText.includes('{before['PSNR (dB)']}')")
    shown(tab)
    after = figures(tab)
    assert after["quality"] == "20" and float(after["PSNR (dB)"]) < float(before["PSNR (dB)"])
    assert tab.input_value("#first [name=range]") == "20"
    name, data = downloaded(tab)
    tab.click("#copy")
    command = tab.evaluate("navigator.clipboard.readText()")
    assert command == "learned-jpeg turned.png turned.jpg --quality 20"
    assert main.main([*command.split()[1:], "--quiet"]) == 0
    assert data == (folder / name).read_bytes()
    assert f"{len(data):,}" == after["bytes"]


def test_every_choice_reaches_the_command(open_page, folder):
    tab = open_page(folder / "photo.jpg")
    tab.select_option("#first [name=model]", "rdo_psnr")
    tab.select_option("#first [name=sampling]", "444")
    tab.select_option("#first [name=tune]", "visual")
    tab.select_option("#first [name=by]", "size")
    tab.fill("#first [name=value]", "1500")
    expected = "--model rdo_psnr --target_size 1500 --sampling 444 --tune visual"
    assert becomes(tab, f"document.getElementById('command').textContent.endsWith('{expected}')")
    shown(tab)
    assert 1400 < len(downloaded(tab)[1]) <= 1500
    tab.fill("#first [name=value]", "-3")
    assert becomes(tab, "!document.getElementById('alert').hidden")
    assert "--target_size" in tab.inner_text("#alert")
    tab.fill("#first [name=value]", "1600")  # and the error goes
    assert becomes(tab, "document.getElementById('alert').hidden")


def test_left_is_the_original_and_right_the_file_at_the_screens_own_pixels(open_page, folder):
    picture(120, 160).save(folder / "a.png")
    for scale in (1, 2):
        tab = open_page(folder / "a.png", scale=scale)
        tab.fill("#first [name=dial]", "1")
        assert becomes(tab, "document.getElementById('command').textContent.endsWith(' 1')")
        shown(tab)
        decoded = np.asarray(Image.open(io.BytesIO(downloaded(tab)[1]))).astype(int)
        original = np.asarray(picture(120, 160)).astype(int)
        for zoom in (1, 2, 4):
            tab.focus("#stage")
            tab.keyboard.press(str(zoom))
            for key, expected in (("f", decoded), ("f", original), ("Escape", None)):
                tab.keyboard.press(key)
                if expected is None:
                    continue
                wide = expected.repeat(zoom, 0).repeat(zoom, 1)
                box = tab.locator("#canvas").bounding_box()
                assert box["width"] == wide.shape[1] / scale
                seen = screen(tab)
                # A patch of the middle, of whole pixels of the picture, is found on the screen.
                rows, columns = (side // 2 for side in seen.shape[:2])
                patch = seen[rows - 16 : rows + 16, columns - 16 : columns + 16]
                top, left = wide.shape[0] // 2 - 16, wide.shape[1] // 2 - 16
                best = min(
                    np.abs(wide[top + y :, left + x :][:32, :32] - patch).max()
                    for y in range(-4, 5)
                    for x in range(-4, 5)
                )
                assert best <= 1, (
                    scale,
                    zoom,
                    key,
                )  # the decoder of the browser rounds as it likes


def border(tab):
    return int(tab.get_attribute("#divider", "aria-valuenow"))


def test_the_border_moves_by_keys_mouse_and_touch_and_stays_where_one_scrolls(open_page, folder):
    tab = open_page(folder / "photo.jpg")
    tab.focus("#divider")
    for key in ("ArrowRight", "PageDown"):
        tab.keyboard.press(key)
    assert border(tab) == 41
    box = tab.locator("#stage").bounding_box()
    middle = box["y"] + box["height"] / 2
    tab.mouse.move(box["x"] + 0.41 * box["width"], middle)
    tab.mouse.down()
    tab.mouse.move(box["x"] + 0.8 * box["width"], middle, steps=4)
    tab.mouse.up()
    assert border(tab) == pytest.approx(80, abs=1)
    session = tab.context.new_cdp_session(tab)
    for kind, place in (("touchStart", 0.8), ("touchMove", 0.5), ("touchMove", 0.3)):
        points = [{"x": box["x"] + place * box["width"], "y": middle}]
        session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})
    session.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
    assert border(tab) == pytest.approx(30, abs=1)


def test_a_zoomed_picture_is_moved_by_mouse_and_keys_both_sides_together(open_page, folder):
    picture(400, 500).save(folder / "a.png")
    tab = open_page(folder / "a.png", viewport=(380, 760))
    tab.click("#zooms [value='4']")
    scrolled = (
        "(({scrollLeft, scrollTop}) => [scrollLeft, scrollTop])(document.getElementById('stage'))"
    )
    before = tab.evaluate(scrolled)
    assert min(before) > 0  # the middle stays in the middle
    box = tab.locator("#stage").bounding_box()
    tab.mouse.move(box["x"] + 40, box["y"] + 100)
    tab.mouse.down()
    tab.mouse.move(box["x"] + 20, box["y"] + 60, steps=4)
    tab.mouse.up()
    assert tab.evaluate(scrolled) == pytest.approx([before[0] + 20, before[1] + 40], abs=2)
    places = (
        "[...document.querySelectorAll('#canvas img')].map(i => i.getBoundingClientRect().left)"
    )
    assert len(set(tab.evaluate(places)[:2])) == 1
    tab.focus("#stage")
    tab.keyboard.press("ArrowDown")
    assert becomes(tab, f"{scrolled}[1] > {before[1] + 45}")


def test_the_difference_is_switched_on_and_off(open_page, folder):
    tab = open_page(folder / "turned.png")
    tab.fill("#first [name=dial]", "5")
    shown(tab)
    assert not tab.is_visible("#map-image")
    tab.click("#map")
    assert becomes(tab, "document.getElementById('map-image').naturalWidth === 45")
    assert tab.is_visible("#map-image")
    tab.focus("#stage")
    tab.keyboard.press("d")
    assert not tab.is_visible("#map-image")


def test_another_encoder_and_a_second_setting_stand_beside_it_at_equal_bytes(open_page, folder):
    picture(200, 180).save(folder / "a.png")
    tab = open_page(folder / "a.png")
    for other, label in (("pillow_420", "Pillow 4:2:0, equal bytes"), ("setting", "second")):
        tab.select_option("#other", other)
        if other == "setting":
            tab.select_option("#second-setting [name=model]", "ljpeg_PIL")
            tab.select_option("#second-setting [name=tune]", "psnr")
        assert becomes(
            tab, "document.querySelectorAll('#figures thead th:not([hidden])').length == 2"
        )
        shown(tab)
        sizes = [int(figures(tab, column)["bytes"].replace(",", "")) for column in (1, 2)]
        assert 0.98 * sizes[0] <= sizes[1] <= sizes[0]
        assert tab.locator("#left-side").inner_text() == label
        assert becomes(tab, f"document.getElementById('left-image').alt === 'a.png, {label}'")
    tab.select_option("#left", "original")
    assert becomes(tab, "document.getElementById('left-image').alt === 'a.png, original'")
    tab.select_option("#other", "")
    assert not tab.is_visible("#other-name")


def test_the_curve_shows_the_place_and_a_click_on_it_chooses(open_page, folder):
    tab = open_page(folder / "photo.jpg")
    tab.click("#curve-box summary")
    assert becomes(tab, "document.querySelectorAll('#curve .dot').length === 10")
    assert tab.locator("#curve .here").count() == 1
    assert "Now 75: " in tab.get_attribute("#curve", "aria-label")
    box = tab.locator("#curve").bounding_box()
    middle = {"x": (52 + 330) / 2 / 340 * box["width"], "y": box["height"] / 2}
    tab.click("#curve", position=middle)
    assert becomes(tab, "/ 5[012]$/.test(document.getElementById('command').textContent)")
    shown(tab)
    assert 49 <= float(figures(tab)["quality"]) <= 52


def drop(tab, *files):
    """Drops files (name, bytes) onto the page."""
    given = tab.evaluate_handle(
        """files => { const given = new DataTransfer();
        for (const [name, bytes] of files) given.items.add(new File([new Uint8Array(bytes)], name));
        return given; }""",
        [[name, list(data)] for name, data in files],
    )
    for event in ("dragover", "drop"):
        tab.dispatch_event("#stage", event, {"dataTransfer": given})


def test_dropped_and_picked_pictures_come_to_the_strip_and_bad_ones_are_a_line(open_page, folder):
    tab = open_page()
    assert "Drop pictures here" in tab.inner_text("#stage")
    good = (folder / "turned.png").read_bytes()
    drop(tab, ("one.png", good), ("broken.png", good[:100]), ("vast.png", bomb(10000, 10000)))
    assert becomes(tab, "!document.getElementById('alert').hidden")
    words = tab.inner_text("#alert")
    assert "broken.png: " in words and "vast.png: " in words and "--max_megapixels" in words
    shown(tab)
    assert downloaded(tab)[0] == "one.jpg"
    second = {"name": "two.jpg", "mimeType": "image/jpeg", "buffer": saved(picture(64, 48), "JPEG")}
    tab.set_input_files("#picked", [second])
    assert becomes(tab, "document.querySelectorAll('#strip li').length === 2")
    assert becomes(tab, "document.getElementById('command').textContent.includes('two.jpg')")
    assert "two_smaller.jpg" in tab.inner_text("#download")
    assert tab.locator("#strip [aria-pressed=true] img").get_attribute("alt") == "two.jpg"
    assert not tab.is_visible("#alert")
    shown(tab)
    tab.focus("#stage")
    tab.keyboard.press("n")
    assert becomes(tab, "document.getElementById('command').textContent.includes('one.png')")
    tab.click("#strip [aria-label='Remove one.png']")
    assert becomes(tab, "document.getElementById('command').textContent.includes('two.jpg')")
    assert [one["name"] for one in tab.asker.state()["pictures"]] == ["two.jpg"]


def test_the_old_answer_stays_until_the_new_one_is_there(open_page, folder):
    tab = open_page(folder / "photo.jpg")
    before = downloaded(tab)
    held = tab.asker.server.making._encoding
    with held.turn(held.enter("another")):
        for value in ("10", "11", "12"):
            tab.fill("#first [name=dial]", value)
        assert becomes(
            tab, "/opening photo.jpg/.test(document.getElementById('status').textContent)"
        )
        assert downloaded(tab) == before and tab.is_visible("#right-image")
    assert becomes(tab, "document.getElementById('command').textContent.endsWith(' 12')")
    shown(tab)
    assert figures(tab)["quality"] == "12"


@pytest.mark.parametrize("width", [380, 1600])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_fits_both_widths_and_is_legible_in_light_and_dark(open_page, folder, width, scheme):
    tab = open_page(folder / "turned.png", viewport=(width, 800), color_scheme=scheme)
    tab.select_option("#other", "setting")
    tab.click("#curve-box summary")
    assert tab.evaluate("document.documentElement.scrollWidth") <= width
    contrast = """(selector) => {
      const one = (text) => text.match(/[\\d.]+/g).slice(0, 3).map(Number);
      const light = (rgb) => rgb.map((v) => v / 255)
        .map((v) => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4))
        .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0.05);
      const style = (element) => getComputedStyle(element);
      const all = [...document.querySelectorAll(selector)].filter((e) => e.checkVisibility());
      return all.map((element) => {
        let under = element;
        while (style(under).backgroundColor === "rgba(0, 0, 0, 0)") under = under.parentElement;
        const pair = [style(element).color, style(under).backgroundColor];
        const [a, b] = pair.map((text) => light(one(text)));
        return Math.max(a, b) / Math.min(a, b);
      });
    }"""
    found = tab.evaluate(contrast, "h1, #status, label, button, a, td, th, summary, .hint, code")
    assert len(found) > 30 and min(found) >= 4.5  # WCAG 2.2, 1.4.3


def test_all_is_reached_by_the_keyboard_and_has_a_name(open_page, folder):
    tab = open_page(folder / "turned.png", folder / "photo.jpg")
    tab.select_option("#other", "setting")
    name = """(e) => (e.getAttribute("aria-label")
      || [...(e.labels ?? [])].map((l) => l.innerText).join(" ")
      || e.querySelector("img")?.alt || e.innerText || "").trim()"""
    seen = []
    tab.evaluate("document.body.focus()")
    for _ in range(60):
        tab.keyboard.press("Tab")
        if not tab.evaluate("document.hasFocus() && document.activeElement !== document.body"):
            break
        seen.append(tab.evaluate(f"({name})(document.activeElement)"))
        assert seen[-1], tab.evaluate("document.activeElement.outerHTML")
        outlined = "getComputedStyle(document.activeElement).outlineStyle !== 'none'"
        assert seen[-1] in ("Border between left and right", "Add pictures") or tab.evaluate(
            outlined
        )
    interactive = "button, select, input, a[href], summary, [tabindex='0']"
    count = """(selector) => [...document.querySelectorAll(selector)]
      .filter((e) => e.checkVisibility() && !e.disabled).length"""
    assert len(seen) >= tab.evaluate(count, interactive)
    for said in ("turned.png", "100%", "Download turned.jpg", "quality", "quality, as a number"):
        assert said in seen
    roles = "[role=status], [role=alert], [role=slider][aria-valuenow], #figures caption"
    assert tab.locator(roles).count() == 4
