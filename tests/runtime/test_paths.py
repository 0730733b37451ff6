"""The files that arguments name, and the paths of their JPEG files."""

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
        (["photos/a/kodim01.png", "photos/b/kodim02.PNG"], None, "must end in .jpg"),
        (["-", "a.png"], None, "must end in .jpg"),
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


LONG = "x" * 300 + ".png"


def test_a_name_that_is_too_long_is_no_file(tree):
    for argument in (LONG, "@" + LONG, LONG + "/*.png", "[y]" + LONG):
        try:
            assert paths.expand(argument)[1] == [Path(argument)]
        except UserError as error:
            assert "cannot be read (File name too long)" in str(error) or "no file" in str(error)
    with pytest.raises(UserError, match="no such file"):
        paths.check(Path(LONG), Path("y.jpg"))
    paths.check(Path("photos/a/kodim01.png"), Path(LONG))  # writing it is an error of its own
    assert paths.name_files([LONG, "y.jpg"]) == [(Path(LONG), Path("y.jpg"))]
    Path("long.txt").write_text(f"{LONG}\nphotos/a/kodim01.png\na\0b.png\n")
    assert len(paths.name_files(["@long.txt"], "out")) == 3


@pytest.mark.parametrize(
    "data",
    [
        b"\xef\xbb\xbfphotos/a/kodim01.png\r\nphotos/b/kodim02.PNG\r\n",
        "photos/a/kodim01.png\r\nphotos/b/kodim02.PNG".encode("utf-16"),
        b"\xfe\xff" + "photos/a/kodim01.png\nphotos/b/kodim02.PNG".encode("utf-16-be"),
        b"photos/a/kodim01.png\n\nphotos/b/kodim02.PNG\n",
    ],
)
def test_a_list_may_have_a_byte_order_mark(data, tree):
    Path("list.txt").write_bytes(data)
    found = [str(path) for path in paths.expand("@list.txt")[1]]
    assert found == ["photos/a/kodim01.png", "photos/b/kodim02.PNG"]


def test_a_list_has_names_of_any_bytes(tree):
    name = b"no_utf_\xff.png"
    Path(os.fsdecode(name)).touch()
    Path("line\u2028.png").touch()
    Path("list.txt").write_bytes(name + b"\n" + "line\u2028.png".encode())
    files = paths.expand("@list.txt")[1]
    assert [os.fsencode(path) for path in files] == [name, "line\u2028.png".encode()]
    assert all(path.exists() for path in files)


def test_a_list_that_names_itself_is_refused(tree):
    Path("one.txt").write_text("photos\n@two.txt\n")
    Path("two.txt").write_text("@one.txt\n")
    with pytest.raises(UserError, match="'@one.txt': the list names itself"):
        paths.expand("@one.txt")
    Path("two.txt").write_text("photos/a/kodim01.png\n")
    assert len(paths.expand("@one.txt")[1]) == 4


def test_stars_follow_no_links_in_a_circle(tree):
    """Two links to the parent are 2^40 ways to each picture."""
    for name in ("up", "again"):
        (tree / "photos" / "a" / name).symlink_to("..")
    pictures = ["photos/a/deep/kodim01.png", "photos/a/kodim01.png", "photos/b/kodim02.PNG"]

    def found(pattern):
        return [path.as_posix() for path in paths.expand(pattern)[1]]

    assert found("photos/**/*.[pP][nN][gG]") == pictures
    assert found("**/*.[pP][nN][gG]") == pictures
    assert found(str(tree / "**" / "*.PNG")) == [str(tree / "photos/b/kodim02.PNG")]
    assert found("photos/**/deep/**/*.png") == pictures[:1]
    assert found("p*s/**/kodim01.png") == pictures[:2]
    assert "photos/a/notes.txt" in found("photos/**") and len(found("photos/**")) == 5
    assert found("photos/a/up/b/*.PNG") == ["photos/a/up/b/kodim02.PNG"]  # as it was typed
    assert len(paths.name_files(["photos"], "out")) == 4


@pytest.mark.parametrize("pattern", ["**/*.png", "a/**", "a/**/*.png", "*/**/k*", "**/deep/*"])
def test_stars_find_what_a_glob_finds_where_there_is_no_link(pattern, tree):
    import glob

    expected = [name for name in glob.glob(f"photos/{pattern}", recursive=True)]
    files = sorted(Path(name) for name in expected if Path(name).is_file())
    assert sorted(paths.expand(f"photos/{pattern}")[1]) == files
