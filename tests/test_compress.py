import concurrent.futures
import functools
import io
import json
import math
import random
import struct
import threading
import time
import zlib

import arg_parser
import compress
import google_baseline
import ljpeg
import ljpeg_attention
import ljpeg_PIL
import training
from arg_parser import UserError
from image_utils import read_image
from jpeg_file import read_jpeg

import numpy as np
import pytest
import skimage.data
import tensorflow as tf
from PIL import Image, ImageCms, PngImagePlugin

ARCHITECTURES = {
    "ljpeg": ljpeg.LJPEG,
    "ljpeg_attention": ljpeg_attention.LJPEGAttention,
    "google_baseline": google_baseline.GoogleBaseline,
}


def picture(height=45, width=70, mode="RGB"):
    return Image.fromarray(skimage.data.astronaut()[20 : 20 + height, 150 : 150 + width]).convert(
        mode
    )


def saved(image, kind, **options):
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


ANCHOR = functools.cache(ljpeg_PIL.LJPEGPIL)  # one model, and one tracing, for all tests


def run(*arguments):
    """The exit status of `ljpeg_PIL.py compress ARGUMENTS`."""
    arguments = ["compress", *map(str, arguments)]
    return compress.compress(ANCHOR, arg_parser.make_parser("").parse_args(arguments))


def make_model(name, tables=12.0, **options):
    """A model as a training leaves it, with a network that does something."""
    options = {"seed": 3, "lmbda": 0.01, **options}
    model = ARCHITECTURES[name](**options)
    model(tf.zeros([1, 16, 16, 3]), quality=50.0)
    rng = np.random.default_rng(0)
    if name == "google_baseline":
        kernel, bias = model.network.out.get_weights()
        kernel = rng.normal(0, 0.002, kernel.shape)
        model.network.out.set_weights([kernel, bias])
    else:
        entries = tables * rng.uniform(0.7, 1.5, [8, 8, 2])
        model.scaled_qtables.assign(entries * ljpeg.TABLE_SCALE)
    return model


def save_model(model, folder):
    folder.mkdir(parents=True)
    checkpoint = tf.train.Checkpoint(model=model)
    tf.train.CheckpointManager(checkpoint, folder, max_to_keep=1).save(1)
    options = {
        "lmbda": model.lmbda,
        "seed": model.seed,
        "lpips_weight": 0.0,
        "total_weight_regularizer": 0.0,
        "backbone": "vgg16",
        "backbone_weights": None,
        "train_backbone": False,
        "max_noise": 0.15,
    }
    config = {"architecture": model.architecture, "options": options, "versions": {}, "step": 1}
    (folder / "config.json").write_text(json.dumps(config))


@pytest.fixture(scope="module")
def run_dir(tmp_path_factory):
    """A run of ljpeg with three lambdas."""
    folder = tmp_path_factory.mktemp("run")
    for lmbda, tables in [(0.001, 60.0), (0.01, 20.0), (0.1, 5.0)]:
        model = make_model("ljpeg", tables, lmbda=lmbda)
        save_model(model, folder / f"lambda_{lmbda}".replace(".", "") / "train")
    return folder


# The pixels and the file


@pytest.mark.parametrize("name", ARCHITECTURES)
@pytest.mark.parametrize("huffman", ["progressive", "standard"])
def test_the_command_and_the_model_give_the_same_bytes(name, huffman, tmp_path):
    model = make_model(name)
    save_model(model, tmp_path / "train")
    picture().save(tmp_path / "a.png")
    quality = ["--quality", "20"] if name == "google_baseline" else []
    script = {"ljpeg": ljpeg, "ljpeg_attention": ljpeg_attention}.get(name, google_baseline)
    arguments = ["--checkpoint_dir", tmp_path / "train", "compress", tmp_path / "a.png"]
    assert script.main([*map(str, arguments), "--huffman", huffman, *quality]) == 0
    expected = model.compress(
        read_image(tmp_path / "a.png"), huffman, quality=20.0 if quality else None
    )
    assert (tmp_path / "a.jpg").read_bytes() == expected


def test_the_anchor_needs_no_checkpoint(tmp_path):
    picture().save(tmp_path / "a.png")
    assert ljpeg_PIL.main(["compress", str(tmp_path / "a.png"), "--quality", "30"]) == 0
    expected = ANCHOR().compress(np.asarray(picture()), quality=30.0)
    assert (tmp_path / "a.jpg").read_bytes() == expected


@pytest.mark.parametrize("name", [*ARCHITECTURES, "ljpeg_PIL"])
@pytest.mark.parametrize("height, width", [(153, 131), (64, 72)])
def test_tiles_give_the_same_file_as_the_whole_image(name, height, width):
    model = ljpeg_PIL.LJPEGPIL() if name == "ljpeg_PIL" else make_model(name)
    quality = None if name.startswith("ljpeg") and name != "ljpeg_PIL" else 40.0
    image = np.asarray(picture(height, width))
    whole = model.compress(image, quality=quality)
    model.tile = 64
    assert model.compress(image, quality=quality) == whole
    # The coefficients are those of the whole image at once, not only of tiles among themselves.
    coded = model.encode(image[None].astype(np.float32) / 255, quality=quality)
    np.testing.assert_array_equal(read_jpeg(whole)[0], coded.coefficients[0])


@pytest.mark.parametrize("name", [*ARCHITECTURES, "ljpeg_PIL"])
def test_a_gray_image_gives_the_luma_of_its_rgb_form(name):
    model = ljpeg_PIL.LJPEGPIL() if name == "ljpeg_PIL" else make_model(name)
    gray = np.asarray(picture(mode="L"))[..., None]
    quality = None if name in ("ljpeg", "ljpeg_attention") else 40.0
    one = read_jpeg(model.compress(gray, quality=quality))[0]
    three = read_jpeg(model.compress(np.repeat(gray, 3, axis=-1), quality=quality))[0]
    assert one.shape[-1] == 1
    np.testing.assert_array_equal(one[..., 0], three[..., 0])


def test_scaled_tables_are_written_and_the_error_grows_with_them():
    model = make_model("ljpeg")
    image = np.asarray(picture())
    plain, scaled = (model.compress(image, table_scale=scale) for scale in (1.0, 2.5))
    expected = np.clip(np.round(read_jpeg(plain)[1] * 2.5), 1, 255)
    assert np.abs(read_jpeg(scaled)[1] - expected).max() <= 1
    assert len(scaled) < len(plain)
    assert compress.psnr(image, scaled) < compress.psnr(image, plain)


# Inputs


def sixteen_bit(gray):
    return Image.fromarray(np.asarray(gray).astype(np.uint16) * 257)


def deep_png():
    """An RGB PNG of 16 bit, which Pillow reads but does not write."""
    rows = np.asarray(picture()).astype(">u2") * 257
    packed = zlib.compress(b"".join(b"\0" + row.tobytes() for row in rows.astype(">u2")))
    return png(70, 45, 16, 2, packed)


def png(width, height, depth, color, packed):
    def chunk(name, data):
        body = name + data
        return struct.pack(">I", len(data)) + body + struct.pack(">I", zlib.crc32(body))

    header = struct.pack(">IIBBBBB", width, height, depth, color, 0, 0, 0)
    chunks = chunk(b"IHDR", header) + chunk(b"IDAT", packed) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + chunks


def with_transparency(mode):
    image = picture().convert({"P": "P", "LA": "L", "RGBA": "RGB"}[mode])
    if mode == "P":
        image.info["transparency"] = image.getpixel((0, 0))
    else:
        image.putalpha(Image.linear_gradient("L").resize(image.size))
    return image


KINDS = {
    "rgb.png": (lambda: saved(picture(), "PNG"), "RGB", ""),
    "gray.png": (lambda: saved(picture(mode="L"), "PNG"), "L", ""),
    "bits.png": (lambda: saved(picture(mode="1"), "PNG"), "L", ""),
    "gray16.png": (lambda: saved(sixteen_bit(picture(mode="L")), "PNG"), "L", "8 bit"),
    "gray16.tif": (lambda: saved(sixteen_bit(picture(mode="L")), "TIFF"), "L", "8 bit"),
    "rgb16.png": (deep_png, "RGB", "8 bit"),
    "palette.png": (lambda: saved(picture(mode="P"), "PNG"), "RGB", ""),
    "hole.png": (lambda: saved(with_transparency("P"), "PNG"), "RGB", "white"),
    "alpha.png": (lambda: saved(with_transparency("RGBA"), "PNG"), "RGB", "white"),
    "grayalpha.png": (lambda: saved(with_transparency("LA"), "PNG"), "L", "white"),
    "opaque.png": (lambda: saved(picture(mode="RGBA"), "PNG"), "RGB", ""),
    "cmyk.jpg": (lambda: saved(picture(mode="CMYK"), "JPEG"), "RGB", "CMYK"),
    "cmyk.tif": (lambda: saved(picture(mode="CMYK"), "TIFF"), "RGB", "CMYK"),
    "lab.tif": (lambda: saved(lab(), "TIFF"), "RGB", "LAB"),
    "moving.gif": (lambda: moving("GIF"), "RGB", "the first"),
    "moving.webp": (lambda: moving("WEBP", lossless=True), "RGB", "the first"),
    "pages.tif": (lambda: moving("TIFF"), "RGB", "the first"),
    "a.bmp": (lambda: saved(picture(), "BMP"), "RGB", ""),
    "a.ppm": (lambda: saved(picture(), "PPM"), "RGB", ""),
    "a.jp2": (lambda: saved(picture(), "JPEG2000"), "RGB", "comment"),
    "a.tga": (lambda: saved(picture(), "TGA"), "RGB", ""),
    "1x1.png": (lambda: saved(picture(1, 1), "PNG"), "RGB", ""),
    "1x5000.png": (lambda: saved(picture(40, 60).resize((1, 5000)), "PNG"), "RGB", ""),
    "5000x1.png": (lambda: saved(picture(40, 60).resize((5000, 1)), "PNG"), "RGB", ""),
    "8x8.png": (lambda: saved(picture(8, 8), "PNG"), "RGB", ""),
    "17x31.png": (lambda: saved(picture(31, 17), "PNG"), "RGB", ""),
}


def lab():
    profiles = ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB")
    return ImageCms.profileToProfile(picture(), *profiles, outputMode="LAB")


def moving(kind, **options):
    others = [picture().transpose(Image.Transpose.FLIP_LEFT_RIGHT)]
    return saved(picture(), kind, save_all=True, append_images=others, **options)


@pytest.mark.parametrize("name", KINDS)
def test_every_kind_of_image_is_compressed_as_it_looks(name, tmp_path, capsys):
    make, mode, warning = KINDS[name]
    path, output = tmp_path / name, tmp_path / "out.jpg"
    path.write_bytes(make())
    assert run(path, output, "--quality", 95) == 0
    said = capsys.readouterr().err
    assert (warning in said) if warning else said == ""
    with Image.open(path) as image, Image.open(output) as decoded:
        assert decoded.mode == mode
        assert decoded.size == image.size
        if name == "lab.tif":
            expected = picture()
        elif name.startswith("gray16"):
            expected = picture(mode="L")
        else:
            expected = Image.new("RGBA", image.size, "white")
            expected.alpha_composite(image.convert("RGBA"))
        expected = np.asarray(expected.convert(mode), float)
        decoded = np.asarray(decoded, float)
    # Fine checks and thin stripes cost a JPEG more than a photograph does.
    assert np.abs(decoded - expected).mean() < 5
    read_jpeg(output.read_bytes())  # of another library


def test_the_background_shows_through(tmp_path, capsys):
    Image.new("RGBA", (16, 16), (0, 0, 0, 0)).save(tmp_path / "a.png")
    Image.new("LA", (16, 16), (0, 0)).save(tmp_path / "b.png")
    for name in "ab":
        assert run(tmp_path / f"{name}.png", "--background", "#204080", "--quality", 100) == 0
        with Image.open(tmp_path / f"{name}.jpg") as image:
            assert np.abs(np.subtract(image.getpixel((8, 8)), (0x20, 0x40, 0x80))).max() <= 2
    assert capsys.readouterr().err == ""
    with pytest.raises(UserError, match="--background 'bleu'"):
        run(tmp_path / "a.png", "--background", "bleu")


# Metadata


@functools.cache  # a new one has a new date
def srgb_profile():
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


XMP = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"/>'


def exif(orientation=6):
    tags = Image.Exif()
    tags[0x010F] = "A camera"
    tags[0x0112] = orientation
    tags.get_ifd(0x8769)[0x9003] = "2020:01:01 10:00:00"
    return tags


def rich(kind, orientation=6):
    options = {"exif": exif(orientation).tobytes(), "icc_profile": srgb_profile()}
    if kind in ("PNG", "JPEG", "TIFF"):
        options["dpi"] = (300, 300)
    if kind == "PNG":
        options["pnginfo"] = PngImagePlugin.PngInfo()
        options["pnginfo"].add_itxt("XML:com.adobe.xmp", XMP.decode())
    elif kind in ("JPEG", "WEBP"):
        options["xmp"] = XMP
    elif kind == "TIFF":
        options["exif"] = exif(orientation)
        options["exif"][0x8769] = dict(options["exif"].get_ifd(0x8769))  # or Pillow drops it
        options["exif"][700] = XMP
    return saved(picture(30, 50), kind, **options)


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "TIFF"])
def test_metadata_is_kept(kind, tmp_path):
    path = tmp_path / f"a.{kind.lower()}"
    path.write_bytes(rich(kind))
    assert run(path, tmp_path / "out.jpg") == 0
    with Image.open(path) as source, Image.open(tmp_path / "out.jpg") as image:
        source.load()  # which turns a TIFF upright and drops its orientation
        assert image.size == source.size
        assert image.info["icc_profile"] == srgb_profile()
        assert image.getexif()[0x010F] == "A camera"
        assert image.getexif().get(0x0112) == source.getexif().get(0x0112)
        assert image.getexif().get_ifd(0x8769)[0x9003] == "2020:01:01 10:00:00"
        assert image.info["xmp"] == XMP
        if kind != "WEBP":
            assert image.info["dpi"] == (300, 300)


def test_an_orientation_in_xmp_alone_is_left_where_it_is(tmp_path):
    xmp = b'<x:xmpmeta><rdf:Description tiff:Orientation="6"/></x:xmpmeta>'
    (tmp_path / "a.jpg").write_bytes(saved(picture(30, 50), "JPEG", xmp=xmp))
    assert run(tmp_path / "a.jpg", tmp_path / "out.jpg") == 0
    with Image.open(tmp_path / "out.jpg") as image:
        assert (image.size, image.info["xmp"]) == ((50, 30), xmp)


def test_strip_leaves_out_metadata_and_turns_the_picture_upright(tmp_path):
    (tmp_path / "a.jpg").write_bytes(rich("JPEG"))
    assert run(tmp_path / "a.jpg", tmp_path / "out.jpg", "--strip", "--quality", 95) == 0
    with Image.open(tmp_path / "out.jpg") as image:
        assert image.size == (30, 50)  # orientation 6: a quarter turn
        upright = picture(30, 50).transpose(Image.Transpose.ROTATE_270)
        assert np.abs(np.asarray(image, float) - np.asarray(upright)).mean() < 6
        assert image.info.keys() <= {"jfif", "jfif_version", "jfif_unit", "jfif_density"} | {
            "progressive",
            "progression",
        }


@pytest.mark.parametrize(
    "spoilt, words",
    [
        ({"icc_profile": b"no profile at all" * 20}, "ICC profile left out"),
        ({"icc_profile": srgb_profile()[:300]}, "ICC profile left out"),
        ({"exif": b"Exif\0\0garbage garbage garbage"}, "EXIF left out"),
        ({"exif": b"Exif\0\0II*\0\x08\0\0\0\xff\xff"}, "EXIF left out"),
        ({"exif": exif(77).tobytes()}, "orientation"),
        ({"comment": b"hello"}, "comment"),
    ],
)
def test_metadata_that_cannot_be_kept_is_named(spoilt, words, tmp_path, capsys):
    (tmp_path / "a.jpg").write_bytes(saved(picture(), "JPEG", **spoilt))
    assert run(tmp_path / "a.jpg", tmp_path / "out.jpg") == 0
    assert words in capsys.readouterr().err
    with Image.open(tmp_path / "out.jpg") as image:
        image.load()
        assert "icc_profile" not in image.info
        assert image.getexif().get(0x0112, 1) in range(1, 9)


def test_a_gray_file_does_not_get_a_profile_of_rgb(tmp_path, capsys):
    (tmp_path / "a.png").write_bytes(saved(picture(mode="L"), "PNG", icc_profile=srgb_profile()))
    assert run(tmp_path / "a.png") == 0
    assert "ICC profile left out" in capsys.readouterr().err
    with Image.open(tmp_path / "a.jpg") as image:
        assert "icc_profile" not in image.info


# Names


@pytest.fixture
def tree(tmp_path):
    for name in ("a/kodim01.png", "a/deep/kodim01.png", "b/kodim02.PNG"):
        path = tmp_path / "photos" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        picture(16, 16).save(path)
    (tmp_path / "photos" / "a" / "notes.txt").write_text("no image")
    (tmp_path / "photos" / "a" / ".hidden.png").write_text("no image")
    return tmp_path


def written(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


ALL_THREE = ["a/deep/kodim01.jpg", "a/kodim01.jpg", "b/kodim02.jpg"]


@pytest.mark.parametrize(
    "inputs, outputs",
    [
        (["photos"], ALL_THREE),
        (["photos/a", "photos/b"], ALL_THREE),
        (["photos/**/*.[pP][nN][gG]"], ALL_THREE),
        (["photos/*/kodim0?.*"], ["a/kodim01.jpg", "b/kodim02.jpg"]),
        (["photos/a/kodim01.png"], ["kodim01.jpg"]),
        (["photos/a/kodim01.png", "photos/b/kodim02.PNG"], ["a/kodim01.jpg", "b/kodim02.jpg"]),
        (["photos/a", "photos/a/kodim01.png"], ["deep/kodim01.jpg", "kodim01.jpg"]),
    ],
)
def test_the_folder_structure_is_kept(inputs, outputs, tree, monkeypatch):
    monkeypatch.chdir(tree)
    assert run(*inputs, "--output_dir", "out") == 0
    assert written(tree / "out") == outputs


def test_outputs_are_no_inputs_of_the_next_run(tree, monkeypatch):
    monkeypatch.chdir(tree)
    for _ in range(2):
        assert run("photos", "--output_dir", "photos/out", "--force") == 0
    assert written(tree / "photos" / "out") == ALL_THREE


def test_one_input_is_named_like_itself_or_as_told(tree):
    path = tree / "photos" / "a" / "kodim01.png"
    assert run(path) == 0
    assert run(path, tree / "other.jpeg") == 0
    (tree / "folder").mkdir()
    assert run(path, tree / "folder") == 0
    names = [path.with_suffix(".jpg"), tree / "other.jpeg", tree / "folder" / "kodim01.jpg"]
    assert len({name.read_bytes() for name in names}) == 1


@pytest.mark.parametrize(
    "arguments, words",
    [
        (["photos"], "--output_dir"),
        (["photos/a/*.png"], "--output_dir"),
        (["photos/a/kodim01.png", "photos/b/kodim02.PNG"], "ends in .jpg"),
        (["a.png", "b.png", "c.png"], "--output_dir"),
        (["nothing/*.png", "--output_dir", "out"], "matches no file"),
        (["empty", "--output_dir", "out"], "no image in this folder"),
    ],
)
def test_arguments_that_cannot_be_meant_are_refused(arguments, words, tree, monkeypatch):
    monkeypatch.chdir(tree)
    (tree / "empty").mkdir()
    before = written(tree)
    with pytest.raises(UserError, match=words):
        run(*arguments)
    assert written(tree) == before


# Writing


def test_an_existing_output_is_overwritten_only_with_force(tmp_path, capsys):
    picture().save(tmp_path / "a.png")
    (tmp_path / "a.jpg").write_text("precious")
    assert run(tmp_path / "a.png") == 1
    assert "--force" in capsys.readouterr().err
    assert (tmp_path / "a.jpg").read_text() == "precious"
    assert run(tmp_path / "a.png", "--force") == 0
    assert (tmp_path / "a.jpg").read_bytes()[:2] == b"\xff\xd8"


def test_an_input_is_overwritten_only_when_told_to(tmp_path, capsys):
    path = tmp_path / "a.jpg"
    path.write_bytes(saved(picture(), "JPEG", quality=95))
    before = path.read_bytes()
    assert run(path, "--force") == 1
    assert run(path, "--output_dir", tmp_path, "--force") == 1
    assert "--overwrite_input" in capsys.readouterr().err
    assert path.read_bytes() == before
    assert run(path, "--overwrite_input") == 0
    assert path.read_bytes() != before


def test_two_inputs_of_one_output_do_not_meet(tmp_path, capsys):
    for name in ("a.png", "a.bmp"):
        picture().save(tmp_path / name)
    assert run(tmp_path / "a.png", tmp_path / "a.bmp", "--output_dir", tmp_path / "out") == 1
    assert "another input's output" in capsys.readouterr().err
    assert written(tmp_path / "out") == ["a.jpg"]


def test_a_failed_write_leaves_neither_half_file_nor_old_one_harmed(tmp_path, monkeypatch, capsys):
    picture().save(tmp_path / "a.png")
    (tmp_path / "a.jpg").write_text("old")

    def full(path, data):
        with open(path, "wb") as file:
            file.write(data[:10])
        raise OSError(28, "No space left on device", str(path))

    monkeypatch.setattr(compress.Path, "write_bytes", full, raising=True)
    monkeypatch.setattr("jpeg_file.pathlib.Path.write_bytes", full)
    assert run(tmp_path / "a.png", "--force") == 1
    assert "No space left" in capsys.readouterr().err
    assert written(tmp_path) == ["a.jpg", "a.png"]
    assert (tmp_path / "a.jpg").read_text() == "old"


def test_a_bad_file_does_not_stop_the_others(tmp_path, capsys):
    for i in range(6):
        picture(20 + i, 20).save(tmp_path / f"{i}.png")
    (tmp_path / "3.png").write_text("not a picture")
    assert run(tmp_path, tmp_path / "gone.png", "--output_dir", tmp_path / "out") == 1
    said = capsys.readouterr()
    assert "3.png: cannot be read as an image" in said.err
    assert "gone.png: no such file" in said.err
    assert "5 of 7 files" in said.out
    assert written(tmp_path / "out") == [f"{i}.jpg" for i in (0, 1, 2, 4, 5)]


def test_the_json_report_states_what_the_files_are(tmp_path, capsys):
    picture().save(tmp_path / "a.png")
    (tmp_path / "b.png").write_bytes(b"")
    assert run(tmp_path, "--output_dir", tmp_path / "out", "--json", "--quality", 30) == 1
    said = json.loads(capsys.readouterr().out)
    good, bad = said["files"]
    data = (tmp_path / "out" / "a.jpg").read_bytes()
    assert good["bytes_in"] == (tmp_path / "a.png").stat().st_size
    assert good["bytes_out"] == len(data)
    assert good["bpp"] == pytest.approx(8 * len(data) / (45 * 70))
    error = np.asarray(picture(), float) - np.asarray(Image.open(io.BytesIO(data)))
    assert good["psnr"] == pytest.approx(10 * math.log10(255**2 / np.mean(error**2)))
    assert good["error"] is None
    assert "b.png" in bad["error"]
    assert said["total"]["files"] == said["total"]["failed"] == 1


def test_quiet_prints_nothing(tmp_path, capfd):
    for name in "ab":
        picture().save(tmp_path / f"{name}.png")
    assert run(tmp_path, "--output_dir", tmp_path / "out", "--quiet") == 0
    assert capfd.readouterr() == ("", "")


def test_psnr_in_bands_is_that_of_the_whole(monkeypatch):
    image = np.asarray(picture(100, 90))
    data = saved(picture(100, 90), "JPEG", quality=50)
    whole = compress.psnr(image, data)
    monkeypatch.setattr(compress, "PSNR_ROWS", 7)
    assert compress.psnr(image, data) == pytest.approx(whole)
    flat = np.full((8, 8, 1), 128, np.uint8)
    assert compress.psnr(flat, saved(Image.fromarray(flat[..., 0]), "JPEG")) == math.inf


# Hostile files


def bomb(side=50_000):
    """A small PNG that declares side x side gray pixels."""
    rows = zlib.compressobj(9)
    packed = b"".join(rows.compress(bytes(side + 1)) for _ in range(200)) + rows.flush()
    return png(side, side, 8, 0, packed)


HOSTILE = {
    "truncated.png": lambda: saved(picture(), "PNG")[:-900],
    "truncated.jpg": lambda: saved(picture(), "JPEG")[:-300],
    "truncated.gif": lambda: saved(picture(), "GIF")[:-1000],
    "text.png": lambda: b"this is a text\n" * 30,
    "bomb.png": bomb,
    "empty.jpg": lambda: b"",
    "zeros.png": lambda: bytes(4000),
    "wide.ppm": lambda: b"P6 70000 1 255\n" + bytes(210_000),
    "script.eps": lambda: b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n{} loop\n",
    "negative.bmp": lambda: b"BM" + struct.pack("<IIIIiiHHI", 90, 0, 54, 40, -5, -5, 1, 24, 0),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_file_is_an_error_in_one_line(name, tmp_path, capfd):
    (tmp_path / name).write_bytes(HOSTILE[name]())
    start = time.monotonic()
    assert run(tmp_path / name, tmp_path / "out.jpg") == 1
    assert time.monotonic() - start < 10
    said = capfd.readouterr()
    assert said.out == ""
    assert said.err.startswith(f"error: {tmp_path / name}: ")
    assert said.err.count("\n") == 1
    assert written(tmp_path) == [name]


def test_a_pipe_or_a_folder_named_like_an_image_does_not_hang(tmp_path, capsys):
    compress.os.mkfifo(tmp_path / "pipe.png")
    assert run(tmp_path / "pipe.png", tmp_path / "out.jpg") == 1
    assert "pipe.png: no such file" in capsys.readouterr().err


def test_the_limit_of_pixels_is_the_options(tmp_path, capsys):
    picture(100, 101).save(tmp_path / "a.png")
    assert run(tmp_path / "a.png", "--max_megapixels", 0.0099) == 1
    assert "exceeds limit" in capsys.readouterr().err
    assert run(tmp_path / "a.png", "--max_megapixels", 0.0103) == 0


def test_mutated_files_give_a_file_that_decodes_or_an_error(tmp_path):
    """2,000 random mutations of small valid files."""
    rng = random.Random(0)
    originals = [
        rich("PNG"),
        rich("JPEG"),
        rich("WEBP"),
        rich("TIFF"),
        saved(picture(17, 31), "JPEG", progressive=True),
        saved(with_transparency("P").resize((20, 20)), "PNG"),
        saved(picture(17, 31), "GIF"),
        saved(picture(9, 9), "BMP"),
        saved(picture(17, 31), "TIFF", compression="tiff_lzw"),
        saved(picture(16, 16), "ICO"),
        saved(picture(20, 20), "JPEG2000"),
        saved(picture(16, 16), "AVIF"),
        saved(picture(16, 16), "TGA", compression="tga_rle"),
        saved(picture(9, 9), "PCX"),
    ]
    paths = []
    for number in range(2000):
        data = bytearray(originals[number % len(originals)])
        for _ in range(rng.choice([1, 2, 5, 20])):
            kind = rng.randrange(4)
            place = rng.randrange(min(len(data), rng.choice([64, 512, len(data)])))
            if kind == 0:
                data[place] = rng.randrange(256)
            elif kind == 1:
                data[place] ^= 1 << rng.randrange(8)
            elif kind == 2:
                del data[place : place + rng.randrange(1, 9)]
            else:
                data[place:place] = rng.randbytes(rng.randrange(1, 9))
            data = data or bytearray(1)
        paths.append(tmp_path / f"{number}.png")
        paths[-1].write_bytes(data)

    settings = [compress.Setting(ljpeg_PIL.LJPEGPIL(), 50.0)]
    pairs = [(path, path.with_suffix(".jpg")) for path in paths]
    options = compress.Options("progressive")
    with compress._picture_limits(2.0):
        reports = list(compress.compress_all(pairs, settings, options, 4))
    assert len(reports) == 2000
    failed = 0
    for report in reports:
        assert report.seconds < 10
        output = compress.Path(report.output)
        if report.error is None:
            with Image.open(output) as image:
                image.load()
                assert image.size == (report.width, report.height)
        else:
            failed += 1
            assert report.error.startswith(report.input)
            assert "\n" not in report.error
            assert not output.exists()
    assert 200 < failed < 1800
    assert not list(tmp_path.glob(".*"))


# Targets


@pytest.mark.parametrize("kind, value", [("bpp", 1.1), ("bpp", 2.0), ("size", 6000), ("psnr", 29)])
def test_a_target_within_the_run_is_reached(kind, value, run_dir, tmp_path, capsys):
    picture(150, 200).save(tmp_path / "a.png")
    arguments = ["compress", tmp_path / "a.png", "--run_dir", run_dir]
    assert ljpeg.main([*map(str, arguments), f"--target_{kind}", str(value), "--json"]) == 0
    report = json.loads(capsys.readouterr().out)["files"][0]
    data = (tmp_path / "a.jpg").read_bytes()
    reached = {
        "bpp": 8 * len(data) / (150 * 200),
        "size": len(data),
        "psnr": compress.psnr(np.asarray(picture(150, 200)), data),
    }[kind]
    # Never beyond what was asked for, so never a byte too many.
    low, high = (0, 0.006) if kind == "psnr" else (-0.02, 0)
    assert low <= reached / value - 1 <= high
    assert report["warnings"] == []
    assert report["lmbda"] in (0.001, 0.01, 0.1)


@pytest.mark.parametrize(
    "kind, value, end",
    [
        ("size", 100, "lambda_0001"),
        ("size", 10**6, "lambda_01"),
        ("psnr", 60, "lambda_01"),
        ("bpp", 0.1, "lambda_0001"),
    ],
)
def test_a_target_outside_the_run_gives_its_end(kind, value, end, run_dir, tmp_path, capsys):
    picture().save(tmp_path / "a.png")
    arguments = ["compress", tmp_path / "a.png", "--run_dir", run_dir, f"--target_{kind}", value]
    assert ljpeg.main(list(map(str, arguments))) == 0
    assert "out of reach" in capsys.readouterr().err
    expected = training.restore(run_dir / end / "train").compress(np.asarray(picture()))
    assert (tmp_path / "a.jpg").read_bytes() == expected


def test_a_target_of_the_anchor_chooses_the_quality(tmp_path, capsys):
    picture(200, 200).save(tmp_path / "a.png")
    assert run(tmp_path / "a.png", "--target_size", 9000, "--json") == 0
    report = json.loads(capsys.readouterr().out)["files"][0]
    assert 0.98 * 9000 <= report["bytes_out"] <= 9000
    assert 1 <= report["quality"] <= 100


def test_a_targets_metadata_counts(tmp_path):
    (tmp_path / "a.png").write_bytes(
        saved(picture(200, 200), "PNG", icc_profile=add_profile_padding())
    )
    assert run(tmp_path / "a.png", "--target_size", 12000) == 0
    assert 0.98 * 12000 <= (tmp_path / "a.jpg").stat().st_size <= 12000


def add_profile_padding():
    return srgb_profile() + bytes(2000)


@pytest.mark.parametrize(
    "script, arguments, words",
    [
        (ljpeg, ["--target_bpp", "1"], "--run_dir"),
        (ljpeg, ["--run_dir", "RUN"], "needs a target"),
        (ljpeg, ["--run_dir", "nowhere", "--target_bpp", "1"], "no lambda_"),
        (ljpeg_attention, ["--run_dir", "RUN", "--target_bpp", "1"], "use ljpeg.py"),
        (ljpeg, ["--checkpoint_dir", "nowhere"], "no trained model"),
    ],
)
def test_a_model_that_is_not_there_is_named(script, arguments, words, run_dir, tmp_path):
    picture().save(tmp_path / "a.png")
    arguments = [str(run_dir) if argument == "RUN" else argument for argument in arguments]
    with pytest.raises(UserError, match=words):
        script.main(["--checkpoint_dir", "train", "compress", str(tmp_path / "a.png"), *arguments])
    assert written(tmp_path) == ["a.png"]


@pytest.mark.parametrize("arguments", [["--target_bpp", "0"], ["--target_size", "-4"]])
def test_a_target_that_is_no_amount_is_refused(arguments, capsys):
    with pytest.raises(SystemExit):
        run("a.png", *arguments)
    assert "above 0" in capsys.readouterr().err


@pytest.mark.parametrize("target", [3.0, 10.0, 55.5, 99.0, 640.0])
def test_the_search_needs_few_tries(target):
    tries = []

    def attempt(index, scale):
        tries.append((index, scale))
        return 10.0 * 2**index * scale**-0.6, (index, scale)

    index, scale = compress.reach(attempt, 6, target, 0.005, -0.8)
    if target < 10:
        assert (index, scale) == (0, 1)
    elif target > 320:
        assert (index, scale) == (5, 1)
    else:
        assert 10.0 * 2**index * scale**-0.6 == pytest.approx(target, rel=0.005)
        assert 0.5 < scale < 2
    assert len(tries) <= 9


# Many at a time


def test_pictures_beyond_the_budget_wait_for_each_other():
    budget, inside, most, lock = compress.PixelBudget(100), 0, 0, threading.Lock()

    def work(pixels):
        nonlocal inside, most
        with budget.hold(pixels):
            with lock:
                inside += pixels
                most = max(most, inside)
            time.sleep(0.002)
            with lock:
                inside -= pixels

    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        list(pool.map(work, [60, 30, 500, 40, 40, 100, 10] * 5))
    assert most <= 500  # alone, where it is above the budget
    assert inside == 0

    most = 0
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        list(pool.map(work, [60, 30, 40, 100, 10] * 5))
    assert 60 < most <= 100


def test_a_user_error_is_one_line_and_status_2(capsys):
    with pytest.raises(SystemExit) as end:
        arg_parser.run(lambda: run("nothing/*.png", "--output_dir", "out"))
    assert end.value.code == 2
    assert capsys.readouterr().err == "error: 'nothing/*.png' matches no file\n"
