"""Which files arguments name, and where their JPEG files go."""

import os
from pathlib import Path

from learned_jpeg.runtime import paths
from learned_jpeg.runtime.errors import UserError

import pytest


@pytest.fixture
def tree(tmp_path, monkeypatch):
    for name in ("a/kodim01.png", "a/deep/kodim01.png", "b/kodim02.PNG", "b/phone.heic"):
        path = tmp_path / "photos" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    (tmp_path / "photos" / "a" / "notes.txt").write_text("no image")
    (tmp_path / "photos" / "a" / ".hidden.png").touch()
    (tmp_path / "empty").mkdir()
    (tmp_path / "list.txt").write_text("photos/a\n\nphotos/b/kodim*\n")
    monkeypatch.chdir(tmp_path)
    return tmp_path


ALL = ["a/deep/kodim01.jpg", "a/kodim01.jpg", "b/kodim02.jpg", "b/phone.jpg"]


@pytest.mark.parametrize(
    "inputs, outputs",
    [
        (["photos"], ALL),
        (["photos/a", "photos/b"], ALL),
        (["photos/**/*.[ph][ne][gi]*", "photos/b/*.PNG"], ALL),
        (["photos/*/kodim0?.*"], ["a/kodim01.jpg", "b/kodim02.jpg"]),
        (["photos/a/kodim01.png"], ["kodim01.jpg"]),
        (["photos/a/kodim01.png", "photos/b/kodim02.PNG"], ["a/kodim01.jpg", "b/kodim02.jpg"]),
        (["photos/a", "photos/a/kodim01.png"], ["deep/kodim01.jpg", "kodim01.jpg"]),
        (["@list.txt"], ALL[:3]),
        (["missing.png"], ["missing.jpg"]),
    ],
)
def test_the_folder_structure_is_kept(inputs, outputs, tree):
    pairs = paths.name_files(inputs, "out")
    assert sorted(output.relative_to("out").as_posix() for _, output in pairs) == outputs


def test_outputs_are_no_inputs_of_the_next_run(tree):
    (tree / "photos/out").mkdir()
    (tree / "photos/out/x.jpg").touch()
    assert len(paths.name_files(["photos"], "photos/out")) == 4


@pytest.mark.parametrize(
    "inputs, pair",
    [
        (["photos/a/kodim01.png"], ("photos/a/kodim01.png", "photos/a/kodim01.jpg")),
        (["photos/a/kodim01.png", "x.jpeg"], ("photos/a/kodim01.png", "x.jpeg")),
        (["photos/a/kodim01.png", "empty"], ("photos/a/kodim01.png", "empty/kodim01.jpg")),
        (["-"], ("-", "-")),
        (["-", "x.jpg"], ("-", "x.jpg")),
        (["photos/a/kodim01.png", "-"], ("photos/a/kodim01.png", "-")),
        (["./-", "x.jpg"], (Path("-"), "x.jpg")),
    ],
)
def test_one_input_is_named_like_itself_or_as_told(inputs, pair, tree):
    (found,) = paths.name_files(inputs)
    assert tuple(map(str, found)) == tuple(map(str, pair))
    assert isinstance(found[0], str) == (inputs[0] == "-")


@pytest.mark.parametrize(
    "inputs, output_dir, words",
    [
        (["photos"], None, "--output_dir"),
        (["photos/a/*.png"], None, "--output_dir"),
        (["@list.txt"], None, "--output_dir"),
        (["photos/a/kodim01.png", "photos/b/kodim02.PNG"], None, "ends in .jpg"),
        (["-", "a.png"], None, "ends in .jpg"),
        (["a.png", "b.png", "c.png"], None, "--output_dir"),
        (["nothing/*.png"], "out", "matches no file"),
        (["empty"], "out", "no image in this folder"),
        (["-"], "out", "standard input"),
        (["photos"], "photos/a/kodim01.png", "is a file"),
        (["@nowhere.txt"], "out", "cannot be read"),
    ],
)
def test_arguments_that_cannot_be_meant_are_refused(inputs, output_dir, words, tree):
    with pytest.raises(UserError, match=words):
        paths.name_files(inputs, output_dir)


def test_a_folder_that_is_closed_is_named(tree, monkeypatch, capsys):
    scandir = os.scandir

    def refuse(path):
        if str(path).endswith("deep"):
            raise PermissionError(13, "Permission denied", path)
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refuse)
    assert len(paths.expand("photos")[1]) == 3
    assert capsys.readouterr().err == "warning: photos/a/deep: left out (Permission denied)\n"


def test_an_error_names_the_option(tree):
    with pytest.raises(UserError, match="--train_glob 'nothing"):
        paths.expand("nothing/*", "--train_glob")
    (tree / "blank.txt").write_text("\n")
    with pytest.raises(UserError, match="--train_glob '@blank.txt'.*empty"):
        paths.expand("@blank.txt", "--train_glob")


def test_a_name_with_wildcards_in_it_is_a_file(tree):
    Path("a[1].png").touch()
    Path("@x.png").touch()
    assert paths.expand("a[1].png") == (Path("."), [Path("a[1].png")])
    assert paths.expand("@x.png") == (Path("."), [Path("@x.png")])


def test_an_existing_output_is_overwritten_only_with_force(tree):
    source, output = Path("photos/a/kodim01.png"), Path("x.jpg")
    paths.check(source, output)
    output.touch()
    with pytest.raises(UserError, match="--force"):
        paths.check(source, output)
    paths.check(source, output, force=True)
    paths.check(source, paths.STDIO)
    paths.check(paths.STDIO, output, force=True)


def test_an_input_is_overwritten_only_when_told_to(tree):
    source = Path("x.jpg")
    source.touch()
    Path("link.jpg").symlink_to("x.jpg")
    for output in (source, Path("empty/../x.jpg"), Path("link.jpg")):
        with pytest.raises(UserError, match="--overwrite_input"):
            paths.check(source, output, force=True)
        paths.check(source, output, overwrite_input=True)


def test_what_is_no_file_is_named(tree):
    for name in ("gone.png", "photos"):
        with pytest.raises(UserError, match=f"{name}: no such file"):
            paths.check(Path(name), Path("y.jpg"))


@pytest.mark.parametrize(
    "text, line",
    [
        ("plain ü 😀.png", "plain ü 😀.png"),
        ("two\nlines\x1b[2J", "two\\nlines\\x1b[2J"),
        (b"\xff.png".decode(errors="surrogateescape"), "\\udcff.png"),
    ],
)
def test_any_name_is_shown_in_one_line(text, line):
    assert paths.shown(text) == line
    paths.shown(text).encode()
