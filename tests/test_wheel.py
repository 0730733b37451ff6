"""The wheel: built, installed alone with the oldest and the newest versions, and used there."""

import email
import re
import shutil
import subprocess
import sys
import tarfile
import zipfile

from learned_jpeg.runtime.packages import PROJECT

import pytest
import tomllib
from makers import picture
from PIL import Image

PYPROJECT = tomllib.loads((PROJECT / "pyproject.toml").read_text())
RANGES = PYPROJECT["project"]["dependencies"]
OLDEST = [f"{name}=={low}" for name, low in (r.split(">=") for r in RANGES)]
MOST_BYTES, MOST_INSTALLED = 3_000_000, 400_000_000

# The calls of a service: arrays, metadata, the plugin, threads; none of them may print.
USE = """
import io, sys, concurrent.futures
import numpy as np
from PIL import Image
import learned_jpeg
image = Image.open(sys.argv[1])
pixels = np.asarray(image)
data = learned_jpeg.encode(image, quality=60)
assert data == learned_jpeg.encode(pixels, 60)
learned_jpeg.save(pixels, "saved.jpg", quality=60)
assert open("saved.jpg", "rb").read() == data
learned_jpeg.register_pillow()
image.save("plugin.jpg", format="LEARNED_JPEG", quality=60)
assert open("plugin.jpg", "rb").read() == data
with concurrent.futures.ThreadPoolExecutor(4) as pool:
    assert set(pool.map(lambda _: learned_jpeg.encode(pixels, 60), range(8))) == {data}
assert Image.open(io.BytesIO(data)).size == image.size
model = learned_jpeg.load("rdo_psnr")
assert model.lmbda is None and model.quality_range == (1, 100)
assert "tensorflow" not in sys.modules and not learned_jpeg.__file__.startswith(sys.argv[2])
try:
    learned_jpeg.load("attention_bits")
except learned_jpeg.UserError as error:
    assert "rdo_visual" in str(error)
"""

# The page of `view`, and the file of its command.
VIEW = """
import json, subprocess, urllib.request
with subprocess.Popen(["learned-jpeg", "view", "a photo.png"], stdout=subprocess.PIPE) as process:
    address = process.stdout.readline().decode().strip()
    get = lambda path, data=None: urllib.request.urlopen(
        urllib.request.Request(address + path, data, {"Origin": address.rsplit("/", 2)[0]})
    ).read()
    assert b"LearnedJPEG" in get("") and b"import" in get("page.js")
    assert not json.loads(get("state"))["refine"]  # without TensorFlow
    choice = {"place": "a", "picture": 1, "choice": {"model": "rdo_visual"}}
    lines = get("choice", json.dumps(choice).encode()).splitlines()
    (file,) = [line["file"] for line in map(json.loads, lines) if "file" in line]
    assert get(f"file/{file['number']}") == open("command.jpg", "rb").read()
    process.terminate()
"""


def run(*line, **options):
    options = {"check": True, "capture_output": True, "text": True} | options
    try:
        return subprocess.run([str(word) for word in line], **options)
    except subprocess.CalledProcessError as error:
        if "NewConnectionError" in error.stderr or "Network is unreachable" in error.stderr:
            pytest.skip("no package index in reach")
        raise AssertionError(error.stderr) from error


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """The folder of the sdist and the wheel that is made of it, from a copy of the project."""
    source, folder = (tmp_path_factory.mktemp(name) for name in ("source", "dist"))
    listed = run("git", "ls-files", "-co", "--exclude-standard", cwd=PROJECT).stdout.splitlines()
    for name in listed:
        if (PROJECT / name).is_file() and not name.startswith(("tests/", "docs/")):
            (source / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(PROJECT / name, source / name)
    run(sys.executable, "-m", "build", "-o", folder, source)
    return folder


@pytest.fixture(scope="module")
def wheel(built):
    (path,) = built.glob("*.whl")
    return path


def test_sdist_and_wheel_are_small_and_pass_the_indexs_check(built):
    files = sorted(built.iterdir())
    assert sorted(path.suffix for path in files) == [".gz", ".whl"]
    assert all(path.stat().st_size < MOST_BYTES for path in files)
    assert "FAILED" not in run(sys.executable, "-m", "twine", "check", "--strict", *files).stdout


def test_the_wheel_has_the_package_and_its_models_and_no_script(built, wheel):
    names = zipfile.ZipFile(wheel).namelist()
    tops = {name.partition("/")[0] for name in names}
    assert tops == {"learned_jpeg", *(top for top in tops if top.endswith(".dist-info"))}
    assert {"learned_jpeg/py.typed", "learned_jpeg/data/rdo_visual/train/model.npz"} <= set(names)
    pages = {f"learned_jpeg/view/assets/page.{kind}" for kind in ("html", "css", "js")}
    assert pages <= set(names)
    with zipfile.ZipFile(wheel) as file:
        (metadata,) = [name for name in names if name.endswith("METADATA")]
        needs = email.message_from_bytes(file.read(metadata)).get_all("Requires-Dist")
        scripts = file.read(metadata.replace("METADATA", "entry_points.txt")).decode()
    core = {re.match(r"[\w-]+", need)[0] for need in needs if "extra ==" not in need}
    assert core == {"numpy", "numba", "pillow", "tqdm"}
    assert "learned-jpeg = learned_jpeg.cli.main:run" in scripts
    (sdist,) = built.glob("*.tar.gz")
    with tarfile.open(sdist) as file:
        assert any(name.endswith("rdo_visual/train/model.npz") for name in file.getnames())


@pytest.mark.parametrize("versions", ["oldest", "newest"])
def test_alone_it_writes_the_files_of_the_clones_scripts(versions, wheel, tmp_path):
    picture(96, 128).save(tmp_path / "a photo.png")
    python = tmp_path / "environment" / "bin" / "python"
    run(sys.executable, "-m", "venv", tmp_path / "environment")
    pins = OLDEST if versions == "oldest" else []
    upgrade = ["--upgrade"] * (versions == "newest")
    run(python, "-m", "pip", "install", "-q", *upgrade, wheel, *pins)
    installed = sum(p.stat().st_size for p in tmp_path.glob("environment/lib/**/*") if p.is_file())
    assert installed < MOST_INSTALLED
    # Nothing of this process's environment, from a folder that is not the clone.
    plain = {
        "PATH": f"{python.parent}:/usr/bin:/bin",
        "HOME": str(tmp_path),
        "PYTHONWARNINGS": "error::DeprecationWarning:learned_jpeg",
    }
    options = {"env": plain, "cwd": tmp_path}
    run("learned-jpeg", "a photo.png", "command.jpg", "--quiet", **options)
    clones = [python, PROJECT / "ljpeg_rdo.py", "compress", "a photo.png", "clone.jpg", "--quiet"]
    run(*clones, **options)
    assert (tmp_path / "command.jpg").read_bytes() == (tmp_path / "clone.jpg").read_bytes()
    line = [python, "-m", "learned_jpeg", "a photo.png", "--output_dir", "out", "--quiet"]
    run(*line, **options)
    assert (tmp_path / "out" / "a photo.jpg").read_bytes() == (tmp_path / "clone.jpg").read_bytes()
    done = run(python, "-c", USE, "a photo.png", PROJECT, **options)
    assert (done.stdout, done.stderr) == ("", "")
    assert "rdo_lpips" in run("learned-jpeg", "models", **options).stdout
    with Image.open(tmp_path / "command.jpg") as image:
        assert image.size == (128, 96)
    run(python, "-c", VIEW, **options)
    missing = run("learned-jpeg", "a photo.png", "b.jpg", "--refine", "1", **options, check=False)
    assert missing.returncode == 1
    assert "pip install 'learned-jpeg[train]'" in missing.stderr
    assert not (tmp_path / "b.jpg").exists()
