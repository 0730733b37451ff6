import io
import shlex
import threading
import time

import ljpeg_PIL
from learned_jpeg.cli import main
from learned_jpeg.metrics import measures
from learned_jpeg.view.turns import CancelledError, Turns

import numpy as np
import pytest
from makers import picture, saved
from PIL import Image

CHOICES = [
    {"dial": 75},
    {"dial": 33.5, "sampling": "444"},
    {"model": "rdo_psnr", "dial": 90, "tune": "visual"},
    {"model": "ljpeg_PIL", "dial": 50},
    {"model": "ljpeg_PIL", "dial": 60, "tune": "psnr", "sampling": "420"},
    {"target": ["size", 3000]},
    {"target": ["bpp", 1.5], "sampling": "auto"},
    {"target": ["ssimulacra2", 70]},
    {"target": ["butteraugli", 2.5]},
]


@pytest.mark.parametrize("choice", CHOICES)
def test_the_file_is_that_of_the_command_that_is_shown(choice, serve, folder):
    found = serve(folder / "turned.png")
    file = found.file(1, **choice)
    program, *words = shlex.split(file["command"])
    assert program == "learned-jpeg" and file["name"] == words[1] == "turned.jpg"
    assert main.main([*words, "--quiet"]) == 0
    data = found.get(f"file/{file['number']}")
    assert data == (folder / words[1]).read_bytes()
    assert file["bytes"] == len(data)
    with Image.open(io.BytesIO(data)) as image:
        assert image.getexif()[270] == "A description"


@pytest.mark.parametrize("name", ["-it's $HOME.png", "photo.jpg", "gray.png"])
def test_so_it_is_for_other_names_and_kinds_and_for_what_is_dropped(name, serve, folder):
    found = serve()
    number = found.add(name.replace(" ", "%20"), (folder / name).read_bytes())["number"]
    file = found.file(number, dial=50)
    _, *words = shlex.split(file["command"])
    assert main.main([*words, "--quiet"]) == 0
    assert found.get(f"file/{file['number']}") == (folder / file["name"]).read_bytes()
    assert not file["name"].startswith("photo.jpg")


def test_a_script_shows_its_own_command_and_holds_to_its_own_model(serve, folder):
    program = "python3 ljpeg_PIL.py compress"
    options = {"architecture": ljpeg_PIL.LJPEGPIL, "program": program}
    found = serve(folder / "turned.png", **options)
    assert [model["name"] for model in found.state()["models"]] == ["ljpeg_PIL"]
    file = found.file(1, model="ljpeg_PIL", dial=40, tune="visual")
    assert file["command"].startswith(f"{program} turned.png turned.jpg --quality 40")
    words = shlex.split(file["command"])[2:]
    assert ljpeg_PIL.main([*words, "--quiet"]) == 0
    assert found.get(f"file/{file['number']}") == (folder / "turned.jpg").read_bytes()


def test_a_checkpoint_folder_that_was_named_is_there_and_no_other(serve, folder, trained):
    import ljpeg

    options = {"architecture": ljpeg.LJPEG, "named": [str(trained)]}
    found = serve(folder / "turned.png", **options)
    assert found.state()["models"][0]["name"] == str(trained)
    file = found.file(1, model=str(trained))
    words = shlex.split(file["command"])[1:]
    assert ljpeg.main(["compress", *words, "--quiet"]) == 0
    assert found.get(f"file/{file['number']}") == (folder / "turned.jpg").read_bytes()
    assert "is not on this page" in found.file(1, model=str(trained.parent))["error"]


def test_the_figures_are_those_of_the_metrics(serve, folder):
    found = serve(folder / "photo.jpg")
    lines = found.tell("choice", picture=1, choice={"model": "rdo_visual", "dial": 50})
    told = {k: v for line in lines for k, v in line.get("figures", {}).items()}
    (file,) = [line["file"] for line in lines if "file" in line]
    assert lines[-1] == {"done": True}
    original = np.asarray(Image.open(folder / "photo.jpg"))
    decoded = np.asarray(Image.open(io.BytesIO(found.get(f"file/{file['number']}"))))
    expected = measures.Reference(original).measure(decoded, ["ssimulacra2", "butteraugli"])
    assert {name: told[name] for name in expected} == pytest.approx(expected)
    assert file["psnr"] == pytest.approx(measures.psnr(original, decoded))
    assert file["bpp"] == pytest.approx(8 * file["bytes"] / (48 * 64))
    assert told["ms_ssim"] is None  # the picture is too small for it


def test_original_file_and_map_are_upright_alike_and_the_original_is_without_loss(serve, folder):
    found = serve(folder / "turned.png")
    number = found.file(1, dial=10)["number"]
    original, shown = (
        Image.open(io.BytesIO(found.get(path))) for path in ("original/1", f"difference/{number}")
    )
    assert original.size == shown.size == (45, 70)
    with Image.open(folder / "turned.png") as image:
        np.testing.assert_array_equal(original, image.transpose(Image.Transpose.ROTATE_270))
        assert original.info["icc_profile"] == image.info["icc_profile"]
    alpha = np.asarray(shown.convert("RGBA"))[..., 3]
    assert alpha.max() > 0  # at quality 10 the difference is seen
    fine = found.file(1, dial=100, sampling="444")["number"]
    finer = Image.open(io.BytesIO(found.get(f"difference/{fine}"))).convert("RGBA")
    assert np.asarray(finer)[..., 3].mean() < alpha.mean()


def test_another_encoder_is_compared_at_equal_bytes_with_the_same_metadata(serve, folder):
    picture(200, 180).save(folder / "larger.png")
    found = serve(folder / "larger.png", folder / "turned.png")
    for number in (1, 2):
        n_bytes = found.file(number, dial=60)["bytes"]
        lines = found.tell("encoder", picture=number, name="pillow_420", bytes=n_bytes)
        (file,) = [line["file"] for line in lines if "file" in line]
        assert 0.97 * n_bytes <= file["bytes"] <= n_bytes
        image = Image.open(io.BytesIO(found.get(f"file/{file['number']}")))
        assert image.getexif().get(274) == {1: None, 2: 6}[number]
    (far,) = [
        line["file"]
        for line in found.tell("encoder", picture=1, name="pillow_444", bytes=10**6)
        if "file" in line
    ]
    assert "no file nearer" in far["warnings"][0]
    (refused,) = found.tell("encoder", picture=1, name="guetzli", bytes=1000)
    assert "is not on this page" in refused["error"]


def test_an_encoder_without_a_header_gets_one_for_the_metadata(serve, folder, monkeypatch):
    from learned_jpeg.rivals.encoders import ENCODERS

    encode = ENCODERS["pillow_420"]._encode

    def bare(*arguments):
        data = encode(*arguments)
        return data[:2] + data[20:]

    monkeypatch.setattr(ENCODERS["pillow_420"], "_encode", bare)
    found = serve(folder / "turned.png")
    lines = found.tell("encoder", picture=1, name="pillow_420", bytes=3500)
    (file,) = [line["file"] for line in lines if "file" in line]
    image = Image.open(io.BytesIO(found.get(f"file/{file['number']}")))
    assert image.getexif()[274] == 6 and image.info["jfif_version"] == (1, 1)


def test_the_curve_is_that_of_the_files(serve, folder):
    found = serve(folder / "photo.jpg")
    choice = {"model": "rdo_psnr", "target": ["size", 900]}
    points = [line["point"] for line in found.tell("curve", picture=1, choice=choice)[:-1]]
    assert [value for value, _ in points] == sorted(value for value, _ in points)
    value, n_bytes = points[4]
    assert found.file(1, model="rdo_psnr", dial=value)["bytes"] == n_bytes
    assert points[0][1] < points[-1][1]


def test_what_a_choice_lacks_is_a_line(serve, folder):
    found = serve(folder / "photo.jpg")
    for choice, words in (
        ({"dial": 101}, "at most 100"),
        ({"target": ["size", -1]}, "--target_size"),
        ({"target": ["colour", 1]}, "no kind of target"),
        ({"model": "../secret"}, "is not on this page"),
        ({"sampling": "--force"}, "--sampling"),
        ({"refine": -1}, "--refine"),
    ):
        assert words in found.file(1, **choice)["error"]
    assert "removed from the page" in found.file(9)["error"]


def test_of_one_place_the_newest_job_alone_goes_on_and_others_wait_for_their_turn():
    turns, done, inside = Turns(), [], []

    def work(name, job, behind=False):
        try:
            with turns.turn(job, behind):
                inside.append(name)
                assert len(inside) == 1
                time.sleep(0.02)
                done.append(name)
                inside.clear()
        except CancelledError:
            done.append(f"no {name}")

    with turns.turn(turns.enter("busy")):
        threads = []
        for name in ("a1", "a2", "curve", "a3", "b1"):
            place = name[0]
            job = turns.enter(place)
            threads.append(threading.Thread(target=work, args=(name, job, name == "curve")))
            threads[-1].start()
        while len(done) < 2:
            time.sleep(0.005)
        assert sorted(done) == ["no a1", "no a2"]  # at once, while another one works
    for thread in threads:
        thread.join(10)
    assert sorted(done[2:4]) == ["a3", "b1"] and done[4:] == ["curve"]


def test_a_newer_request_ends_a_search_between_its_tries(serve, folder):
    picture(400, 400).save(folder / "large.png")
    found = serve(folder / "large.png")
    found.file(1, dial=50)
    told = []

    def search():
        choice = {"model": "rdo_visual", "target": ["butteraugli", 1.1], "refine": 0}
        told.extend(found.tell("choice", picture=1, choice=choice))

    thread = threading.Thread(target=search)
    thread.start()
    making = found.server.making
    while not making._encoding._busy:
        time.sleep(0.001)
    newer = found.file(1, dial=20)
    thread.join(30)
    assert "file" not in str(told) and told[-1] == {"cancelled": True}
    assert newer["dial"] == 20


def test_pictures_come_and_go(serve):
    found = serve()
    assert found.state()["pictures"] == []
    data = saved(picture(30, 40), "PNG")
    added = found.add("..%2F..%2Fa%20b.png", data)
    assert added == {"number": 1, "name": "a b.png", "dropped": True}
    assert Image.open(io.BytesIO(found.get("thumbnail/1"))).size == (40, 30)
    found.send("POST", "remove", '{"picture": 1}')
    assert found.state()["pictures"] == []
    assert found.send("GET", "original/1")[0] == 422
