"""The commands of README and docs: all are understood, those that compress are carried out."""

import importlib
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import arg_parser
import evaluate
from learned_jpeg.models import architectures

import pytest
import skimage.data
from PIL import Image

PROJECT = Path(__file__).resolve().parent.parent
DOCUMENTS = [PROJECT / "README.md", *PROJECT.glob("docs/*.md"), *PROJECT.glob("*/README.md")]
SCRIPTS = {f"{name}.py" for name in architectures.names()}


def commands(path):
    """The command lines in a document's blocks of code, as lists of words."""
    text = path.read_text()
    blocks = re.findall(r"^```\w*\n(.*?)^```|((?:^    [^\n]*\n)+)", text, re.MULTILINE | re.DOTALL)
    lines = "\n".join(fenced or indented for fenced, indented in blocks)
    lines = lines.replace("\\\n", " ").splitlines()
    assignment = re.compile(r"[A-Z_]+=")
    for line in lines:
        if not re.match(r" *([A-Z_]+=\S+ )*(python3|bash) ", line):
            continue
        words = shlex.split(line, comments=True)
        while assignment.match(words[0]):
            del words[0]
        yield words


# "..." stands for the rest of a command that is told elsewhere.
ALL = [(path.name, words) for path in DOCUMENTS for words in commands(path) if "..." not in words]


def test_the_documents_have_commands():
    assert len(ALL) > 20
    assert {"README.md", "guide.md", "evaluation.md", "results.md"} <= {name for name, _ in ALL}


@pytest.mark.parametrize(("name", "words"), ALL, ids=lambda part: " ".join(part)[:60])
def test_a_command_is_understood(name, words):
    program, script, *options = words
    assert (PROJECT / script).exists(), script
    if program == "bash":
        return
    if script == "evaluate.py":
        evaluate.parse_args(options)
    elif script in SCRIPTS:
        module = importlib.import_module(script.removesuffix(".py"))
        arg_parser.parse(module.ARCHITECTURE, module.__doc__, options)
    else:
        known = (PROJECT / script).read_text()
        assert all(f'"{word}"' in known for word in options if re.match("--[a-z]", word))


README = [words for name, words in ALL if name == "README.md" and "compress" in words[:3]]


@pytest.mark.slow
@pytest.mark.parametrize("words", README, ids=" ".join)
def test_what_the_readme_compresses_is_compressed(words, tmp_path):
    photo = Image.fromarray(skimage.data.astronaut()[:192, 100:292])
    for path in ("photo.png", "photos/a.png", "more/deep/b.tif"):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        photo.save(tmp_path / path)
    script, *options = words[1:]
    options = [option if option != "200000" else "9000" for option in options]
    ran = subprocess.run(
        [sys.executable, PROJECT / script, *options], cwd=tmp_path, capture_output=True, text=True
    )
    assert ran.returncode == 0, ran.stderr
    assert list(tmp_path.glob("**/*.jpg"))


@pytest.mark.slow
def test_the_guide_can_be_followed(tmp_path):
    """From the first command to the last, with small pictures and two steps."""
    guide = (PROJECT / "docs" / "guide.md").read_text().replace("\\\n", " ")
    lines = re.findall(
        r"^    ((?:[A-Z_]+=(?:\"[^\"]*\"|\S+) +)*(?:bash|python3) [^\n]+)", guide, re.MULTILINE
    )
    assert len(lines) >= 3
    for folder, names in {"train": ["coins", "rocket"], "photos": ["coffee", "chelsea"]}.items():
        (tmp_path / "demo" / folder).mkdir(parents=True)
        for name in names:
            pixels = Image.fromarray(getattr(skimage.data, name)()).convert("RGB")
            pixels.crop((60, 40, 236, 216)).save(tmp_path / "demo" / folder / f"{name}.png")
    for line in lines:
        line = line.replace("LAST_STEP=400", "LAST_STEP=2").replace("_ssimulacra2 40", "_bpp 0.9")
        line = re.sub(r"\b(\w+\.(py|sh))", lambda found: shlex.quote(str(PROJECT / found[1])), line)
        line = line.replace("python3 ", f"{shlex.quote(sys.executable)} ")
        ran = subprocess.run(
            ["bash", "-c", line],
            cwd=tmp_path,
            env=os.environ | {"PYTHON": sys.executable},
            capture_output=True,
            text=True,
        )
        assert ran.returncode == 0, (line, ran.stderr)
    assert (tmp_path / "coffee.jpg").exists()
    assert (tmp_path / "mine/photos_progressive.html").exists()
