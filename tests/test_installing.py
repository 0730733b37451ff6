"""Installing and using the project: requirements, licences, notices, citation."""

import hashlib
import importlib.metadata
import re
import subprocess
from pathlib import Path

import learned_jpeg

import pytest
import tomllib
import yaml
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.version import Version

PROJECT = Path(__file__).resolve().parent.parent
PYPROJECT = tomllib.loads((PROJECT / "pyproject.toml").read_text())
FILES = sorted(path.name for path in PROJECT.glob("requirements*.txt"))
# Packages that `make` installs, and that are in no extra of a wheel.
MADE = ["requirements.txt", *(f"requirements-{name}.txt" for name in ("baseline", "dask", "dev"))]


def requirements(name):
    """The Requirements in a file."""
    lines = (PROJECT / name).read_text().splitlines()
    return [Requirement(line) for line in lines if line and not line.startswith("#")]


def tracked(*patterns):
    """The paths of the repository's files that match git's patterns."""
    listed = subprocess.run(["git", "ls-files", *patterns], cwd=PROJECT, capture_output=True)
    if listed.returncode:
        pytest.skip("not a clone")
    return listed.stdout.decode().splitlines()


def ranges():
    """{package: [Requirement]} of the wheel and its extras."""
    found = {}
    project = PYPROJECT["project"]
    for lines in (project["dependencies"], *project["optional-dependencies"].values()):
        for one in map(Requirement, lines):
            if not one.extras:  # tensorflow[and-cuda] is for other Pythons
                found.setdefault(one.name.replace("_", "-"), []).append(one)
    return found


def test_make_installs_the_files_that_it_says():
    made = re.search(r"^REQUIREMENTS := (.*)$", (PROJECT / "Makefile").read_text(), re.MULTILINE)
    assert made[1].split() == MADE


@pytest.mark.parametrize("python", ["3.11", "3.12", "3.13"])
@pytest.mark.parametrize("file", [name for name in FILES if name != "requirements.txt"])
def test_each_package_is_pinned_once_for_each_python_and_within_the_wheels_range(python, file):
    environment = {"python_version": python, "sys_platform": "linux", "platform_machine": "x86_64"}
    pins = {}
    for requirement in (*requirements("requirements.txt"), *requirements(file)):
        assert requirement.url is None
        if requirement.marker is None or requirement.marker.evaluate(environment):
            pins.setdefault(requirement.name, []).append(str(requirement.specifier))
    of_wheel = ranges()
    for name, found in pins.items():
        (pin,) = [pin for pin in found if re.fullmatch(r"==[\d.]+", pin)] or [None]
        assert pin, name
        for one in of_wheel.get(name.replace("_", "-"), []):
            assert Version(pin.removeprefix("==")) in one.specifier, name
    assert f"{python}.0" in SpecifierSet(PYPROJECT["project"]["requires-python"])


def test_what_is_installed_is_what_is_required():
    for name in MADE:
        for requirement in requirements(name):
            if requirement.marker is None or requirement.marker.evaluate():
                version = importlib.metadata.version(requirement.name)
                assert Version(version) in requirement.specifier, requirement.name


def test_the_published_versions_stay_those_of_python_311():
    pins = {r.name: r for r in reversed(requirements("requirements.txt"))}
    assert str(pins["tensorflow"].specifier) == "==2.14.1"
    assert str(pins["tensorflow"].marker) == 'python_version < "3.12"'


def test_the_licence_is_apaches_own_text():
    # The digest of apache.org/licenses/LICENSE-2.0.txt.
    expected = "cfc7749b96f63bd31c3c42b5c471bf756814053e847c10f3eb003417bc523d30"
    assert hashlib.sha256((PROJECT / "LICENSE").read_bytes()).hexdigest() == expected
    assert PYPROJECT["project"]["license"] == "Apache-2.0"
    for path in PYPROJECT["project"]["license-files"]:
        assert (PROJECT / path).is_file()


def test_what_others_made_is_named_in_the_notice_and_all_that_it_names_is_there():
    notice = (PROJECT / "NOTICE").read_text()
    theirs = tracked("weights/*.npz", "*/quick_look/*.png", "*.min.js", "*.woff*", "docs/*.webp")
    assert len(theirs) >= 6
    entries = dict(re.findall(r"^([\w/*.]+)(?: and \.pdf)?\n((?:    .*\n)+)", notice, re.MULTILINE))
    assert sorted(path for path in entries if "*" not in path) == sorted(theirs)
    for path, words in entries.items():
        assert "Changed:" in words, path
        for other in re.findall(r"\w+/[\w./]+\.md", words):
            assert (PROJECT / other).is_file()
    # Pictures of any other kind are drawn by the project; crops of Kodak's have their entry.
    pictures = tracked("*.png", "*.jpg", "*.webp", "*.tif", "*.gif")
    others = [p for p in pictures if p not in theirs and not p.startswith("example_experiments/")]
    assert others == []


def test_the_weights_are_those_whose_source_is_told():
    told = (PROJECT / "weights" / "README.md").read_text()
    for digest, name in re.findall(r"^    ([0-9a-f]{64})  (\S+)$", told, re.MULTILINE):
        assert hashlib.sha256((PROJECT / "weights" / name).read_bytes()).hexdigest() == digest
    assert "BSD-2-Clause" in told and "BSD-3-Clause" in told


def test_the_citation_names_the_code_and_the_paper():
    citation = yaml.safe_load((PROJECT / "CITATION.cff").read_text())
    # What the format requires, and how it spells versions.
    assert {"cff-version", "message", "title", "authors"} <= set(citation)
    assert citation["cff-version"] == "1.2.0"
    assert citation["license"] == PYPROJECT["project"]["license"]
    assert str(citation["version"]) == learned_jpeg.__version__
    paper = citation["preferred-citation"]
    assert paper["url"].endswith("/2009.12927")
    assert [author["family-names"] for author in paper["authors"]] == [
        "Strümpler",
        "Yang",
        "Timofte",
    ]


def test_the_changelog_begins_with_this_version():
    (newest, *_) = re.findall(r"^## (\S+)", (PROJECT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert newest == learned_jpeg.__version__


def test_the_checks_elsewhere_run_the_projects_own_commands():
    workflow = yaml.safe_load((PROJECT / ".github" / "workflows" / "test.yml").read_text())
    job = workflow["jobs"]["make"]
    runs = [step["run"].split() for step in job["steps"] if "run" in step]
    assert [words[:2] for words in runs] == [["make", "test"], ["make", "demo"]]
    assert "3.11" in job["strategy"]["matrix"]["python"]
    hooks = yaml.safe_load((PROJECT / ".pre-commit-config.yaml").read_text())["repos"]
    assert [hook["entry"] for repo in hooks for hook in repo["hooks"]] == ["make lint"]
    assert (PROJECT / ".ci" / "run").read_text().endswith("exec make test\n")


def test_a_python_that_is_too_old_is_refused_before_anything_is_made(tmp_path):
    python = tmp_path / "python"
    python.write_text("#!/bin/sh\nexit 1\n")
    python.chmod(0o755)
    done = subprocess.run(
        ["make", "lint", f"PYTHON={python}", f"VENV={tmp_path}/venv"],
        cwd=PROJECT,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 2
    assert done.stderr.startswith("error: LearnedJPEG needs Python 3.11, 3.12 or 3.13")
    assert not (tmp_path / "venv").exists()


def test_the_demo_without_its_photographs_names_the_command_that_brings_them(tmp_path):
    python = tmp_path / "python3"
    python.write_text("#!/bin/sh\nexit 1\n")
    python.chmod(0o755)
    done = subprocess.run(
        ["bash", PROJECT / "demo.sh"],
        env={"PATH": f"{tmp_path}:/usr/bin:/bin"},
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "error: the package skimage is missing; run: make demo\n"
