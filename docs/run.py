#!/usr/bin/env python3
"""Runs the commands of the documents, and writes what they print into the documents.

    python3 docs/run.py [--long] [PAGE ...]

A document's block of code says by its first line how it is run:

    ```sh, ```python             in a folder with the sample pictures, one folder for each page
    ```sh long                   the same, but takes minutes: with --long alone
    ```sh other, ```python other is not run here: it needs a cluster, an installation, Kodak

A block ```text right behind shows the standard output. tests/test_documents.py runs the first kind
and compares, but for seconds and the order of lines.
"""

import argparse
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

PROJECT = Path(__file__).resolve().parent.parent
PAGES = sorted([PROJECT / "README.md", *PROJECT.glob("docs/*.md")])
_BLOCK = re.compile(
    r"^```(?P<language>sh|python)(?: (?P<kind>\w+))?\n(?P<code>.*?)^```\n"
    r"(?:\n```text\n(?P<shown>.*?)^```\n)?",
    re.MULTILINE | re.DOTALL,
)
_SECONDS = re.compile(r"\d+\.\d+ s\b")


@dataclass(frozen=True)
class Block:
    """A block of code: its language, "sh" or "python", kind, "", "long" or "other", lines, and
    what the document shows as their output, or None."""

    language: str
    kind: str
    code: str
    shown: str | None


def blocks(text):
    """The Blocks of a document."""
    return [
        Block(found["language"], found["kind"] or "", found["code"], found["shown"])
        for found in _BLOCK.finditer(text)
    ]


def comparable(output):
    """An output as it is compared: files are done in any order, and in another time each time."""
    return sorted(_SECONDS.sub("0.00 s", output).splitlines())


def make_samples(folder):
    """Fills a folder with what the documents' commands name: pictures, the project's scripts, and
    a `bin` for the PATH."""
    pictures = PROJECT / "learned_jpeg" / "evaluation" / "quick_look"
    shutil.copy(pictures / "coffee.png", folder / "photo.png")
    shutil.copytree(pictures, folder / "photos", ignore=shutil.ignore_patterns("*.md"))
    for path in [*PROJECT.glob("*.py"), *PROJECT.glob("*.sh")]:
        (folder / path.name).symlink_to(path)
    for name in ("benchmarks", "example_experiments", "demo"):  # demo: of `make demo`, if it ran
        (folder / name).symlink_to(PROJECT / name)
    programs = folder / "bin"
    programs.mkdir()
    python = shlex.quote(sys.executable)
    for name, call in {"python3": python, "learned-jpeg": f"{python} -m learned_jpeg"}.items():
        (programs / name).write_text(f'#!/bin/sh\nexec {call} "$@"\n')
        (programs / name).chmod(0o755)


def run(block, folder):
    """Runs a block in a folder of `make_samples`; returns a CompletedProcess."""
    path = os.pathsep.join([str(folder / "bin"), str(Path(sys.executable).parent), os.defpath])
    start = {"sh": ["bash", "-euo", "pipefail", "-c"], "python": ["python3", "-c"]}
    environment = os.environ | {"PATH": path, "PYTHONPATH": str(PROJECT), "COLUMNS": "100"}
    command = [*start[block.language], block.code]
    ran = subprocess.run(command, cwd=folder, env=environment, capture_output=True, check=False)
    ran.stdout, ran.stderr = _on_screen(ran.stdout), ran.stderr.decode()
    return ran


def _on_screen(output):
    """What a terminal shows of an output at its end, without the bars of progress."""
    lines = [line.rstrip("\r ").rpartition("\r")[2] for line in output.decode().split("\n")]
    return "\n".join(line for line in lines if not re.match(r" *\d+%\|", line))


def rewritten(text, kinds):
    """A document with the outputs of its blocks of some kinds.

    Raises RuntimeError with the code and its errors where a block fails.
    """
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        make_samples(folder)

        def replace(match):
            (block,) = blocks(match[0])
            if block.kind not in kinds:
                return match[0]
            ran = run(block, folder)
            if ran.returncode:
                raise RuntimeError(f"{block.code}\n{ran.stderr}")
            if block.shown is None or comparable(block.shown) == comparable(ran.stdout):
                return match[0]
            start, _, _ = match[0].partition("\n```text\n")
            return f"{start}\n```text\n{ran.stdout}```\n"

        return _BLOCK.sub(replace, text)


def main():
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n\n")[0])
    parser.add_argument("pages", nargs="*", type=Path, default=PAGES, metavar="PAGE")
    parser.add_argument("--long", action="store_true", help="run also what takes minutes")
    args = parser.parse_args()
    for page in args.pages:
        text = page.read_text()
        new = rewritten(text, {"", "long"} if args.long else {""})
        print(f"{page}: {'as it was' if new == text else 'written'}")
        page.write_text(new)


if __name__ == "__main__":
    main()
