"""README and docs: their commands run and print the outputs shown, and their links exist."""

import functools
import importlib
import importlib.util
import re
import shlex
import subprocess
import sys
from pathlib import Path

import arg_parser
import evaluate
from learned_jpeg.cli import command
from learned_jpeg.cli import main as command_line
from learned_jpeg.models import architectures
from learned_jpeg.models.rdo import RDO

import pytest
import skimage.data
from PIL import Image

PROJECT = Path(__file__).resolve().parent.parent
SCRIPTS = {f"{name}.py" for name in architectures.names()}


def _load(path):
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


pages = _load(PROJECT / "docs" / "run.py")
DOCUMENTS = [*pages.PAGES, PROJECT / "CONTRIBUTING.md", *PROJECT.glob("*/README.md")]
NAMES = {str(path.relative_to(PROJECT)): path for path in DOCUMENTS}


@functools.cache
def text_of(path):
    return path.read_text()


def without_code(path):
    """A document without its fenced blocks of code."""
    return re.sub(r"^```.*?^```", "", text_of(path), flags=re.MULTILINE | re.DOTALL)


def quick_blocks(path):
    """A document's Blocks that take seconds and need nothing that is not installed."""
    return [block for block in pages.blocks(text_of(path)) if not block.kind]


@pytest.mark.slow
@pytest.mark.parametrize("page", filter(quick_blocks, pages.PAGES), ids=lambda path: path.name)
def test_the_commands_of_a_page_print_what_it_shows(page, tmp_path):
    pages.make_samples(tmp_path)
    for block in quick_blocks(page):
        ran = pages.run(block, tmp_path)
        assert ran.returncode == 0, (block.code, ran.stderr)
        if block.shown is not None:
            assert pages.comparable(ran.stdout) == pages.comparable(block.shown), "make docs"


def test_every_block_of_code_says_how_it_is_run():
    kinds = {block.kind for path in DOCUMENTS for block in pages.blocks(text_of(path))}
    assert kinds == {"", "long", "other"}
    for name, path in NAMES.items():
        opened = re.findall(r"^```(.*)$", text_of(path), re.MULTILINE)[::2]
        known = {"sh", "sh long", "sh other", "python", "python other", "text", "dockerfile", ""}
        assert set(opened) <= known, name
        prose = without_code(path)
        assert not re.findall(r"^    (?:python3|bash|make|learned-jpeg|pip) .*", prose, re.M), name


def commands(path):
    """The command lines in a document's blocks of code, as lists of words."""
    assignment = re.compile(r"[A-Z_]+=")
    for block in pages.blocks(text_of(path)):
        for line in block.code.replace("\\\n", " ").splitlines() if block.language == "sh" else ():
            words = shlex.split(line.partition(" | ")[0], comments=True)
            while words and assignment.match(words[0]):
                del words[0]
            if words and words[0] in ("python3", "bash", "/bin/bash", "learned-jpeg"):
                yield words


# "..." stands for the rest of a command that is told elsewhere.
ALL = [words for path in DOCUMENTS for words in commands(path) if "..." not in words]


def test_the_documents_have_commands():
    assert len(ALL) > 50


@pytest.mark.parametrize("words", ALL, ids=lambda part: " ".join(part)[:60])
def test_a_command_is_understood(words):
    program, *options = words
    if program == "learned-jpeg":
        parser = command.make_parser(RDO, "", program, [command_line._add_warm_up])
        parser.parse_args(command_line._with_command(options))
        return
    script, *options = options
    assert (PROJECT / script).exists(), script
    if program != "python3":
        return
    if script == "evaluate.py":
        evaluate.parse_args(options)
    elif script in SCRIPTS:
        module = importlib.import_module(script.removesuffix(".py"))
        arg_parser.parse(module.ARCHITECTURE, module.__doc__, options)
    else:
        known = (PROJECT / script).read_text()
        assert all(f'"{word}"' in known for word in options if re.match("--[a-z]", word))


def help_of(*words):
    """The --help of a program of the project."""
    ran = subprocess.run(
        [sys.executable, *words, "--help"], cwd=PROJECT, capture_output=True, text=True, check=True
    )
    return ran.stdout


HELPS = [("-m", "learned_jpeg"), ("ljpeg_rdo.py", "compress"), ("ljpeg.py", "train")]


@pytest.mark.parametrize("words", [*HELPS, ("evaluate.py",), ("ljpeg_attention.py", "train")])
def test_the_help_begins_with_the_common_options(words):
    first = help_of(*words).partition("\ncommon options:\n")[2].partition("\n\n")[0]
    assert 8 <= len(re.findall("^  --", first, re.MULTILINE)) <= 10


def examples(text):
    """The lines of the examples at the end of a help."""
    lines = text.partition("\nexamples:\n")[2].partition("\n\n")[0]
    return [line.strip() for line in lines.replace("\\\n", " ").splitlines()]


@pytest.mark.slow
@pytest.mark.parametrize("words", HELPS, ids=" ".join)
def test_the_examples_of_the_help_do_what_they_say(words, tmp_path):
    pages.make_samples(tmp_path)
    lines = examples(help_of(*words))
    assert len(lines) >= 3
    for line in lines:
        if " train " in line:
            line += " --last_step 2"
        ran = pages.run(pages.Block("sh", "", line, None), tmp_path)
        assert ran.returncode == 0, (line, ran.stderr)


@pytest.mark.slow
def test_the_examples_of_the_evaluation_do_what_they_say(tmp_path):
    quick, own, several = examples(help_of("evaluate.py"))
    for line in (quick, several):
        evaluate.parse_args(shlex.split(line)[2:])
    pages.make_samples(tmp_path)
    ran = pages.run(pages.Block("sh", "", f"{own} --metrics psnr", None), tmp_path)
    assert ran.returncode == 0, ran.stderr
    assert (tmp_path / "results" / "photos_progressive.html").exists()


def anchors(path):
    """The anchors of a document's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.*)$", without_code(path), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("name", [*NAMES, "CHANGELOG.md"])
def test_every_link_leads_somewhere(name):
    path = PROJECT / name
    for target in re.findall(r"\]\(([^)\s]+)\)", text_of(path)):
        if re.match("https?:", target):
            continue
        file, _, anchor = target.partition("#")
        there = (path.parent / file).resolve() if file else path
        assert there.exists(), target
        assert not anchor or anchor in anchors(there), target


def test_the_index_leads_to_every_page():
    named = set(re.findall(r"\]\((\w+\.md)\)", text_of(PROJECT / "docs" / "index.md")))
    assert named == {path.name for path in PROJECT.glob("docs/*.md")} - {"index.md"}


@pytest.mark.slow
def test_the_guide_can_be_followed(tmp_path):
    """From the first command to the last, with small pictures and two steps."""
    pages.make_samples(tmp_path)
    (tmp_path / "demo").unlink(missing_ok=True)
    for folder, names in {"train": ["coins", "rocket"], "photos": ["coffee", "chelsea"]}.items():
        (tmp_path / "demo" / folder).mkdir(parents=True)
        for name in names:
            pixels = Image.fromarray(getattr(skimage.data, name)()).convert("RGB")
            pixels.crop((60, 40, 236, 216)).save(tmp_path / "demo" / folder / f"{name}.png")
    todo = [b for b in pages.blocks(text_of(PROJECT / "docs" / "guide.md")) if b.kind == "long"]
    assert len(todo) == 3
    for block in todo:
        code = block.code.replace("LAST_STEP=400", "LAST_STEP=2")
        code = code.replace("_ssimulacra2 40", "_bpp 0.9")
        code = code.replace("--encoders", "--qualities 20,50,80 --metrics psnr --encoders")
        ran = pages.run(pages.Block("sh", "long", code, None), tmp_path)
        assert ran.returncode == 0, (code, ran.stderr)
    assert (tmp_path / "coffee.jpg").exists()
    assert (tmp_path / "mine/photos_progressive.html").exists()
