"""Which files an argument names, where each one's JPEG file goes, and whether it may."""

import glob
import os
import sys
from pathlib import Path

from learned_jpeg.runtime.errors import UserError

STDIO = "-"  # stands for the standard input or output
JPEG_SUFFIXES = (".jpg", ".jpeg", ".jpe", ".jfif")
# The names of pictures in a folder. Those that are not read (HEIC, JPEG XL) are among them, so
# that they are named and not passed over.
SUFFIXES = frozenset(
    """.apng .avif .avifs .bmp .bw .dib .dng .gif .heic .heif .hif .ico .icb .j2c .j2k .jfif .jp2
    .jpc .jpe .jpeg .jpf .jpg .jpx .jxl .mpo .pbm .pcx .pfm .pgm .png .pnm .ppm .psd .qoi .rgb
    .rgba .sgi .tga .tif .tiff .vda .vst .webp""".split()
)


def shown(path):
    """A path, or any text of a file, as one line that can be printed, whatever it is made of."""
    return "".join(
        character if character.isprintable() else ascii(character)[1:-1] for character in str(path)
    )


def expand(argument, option=None, exclude=None):
    """What one argument names: (its base folder, [Path]).

    argument: a file, a folder (all pictures in it, at any depth), a glob, or @LIST, a text file
    with one of these a line. The base is what a path's name counts from: the folder, the part of
    a glob before its first wildcard, a file's folder, or what the lines of a list have in common.
    option: its name, for the error. exclude: a folder that is not looked into.

    A file that does not exist is returned. Raises UserError where nothing is found.
    """
    what = f"{option} {shown(argument)!r}" if option else f"{shown(argument)!r}"
    path = Path(argument)
    if argument.startswith("@") and not path.exists():
        return _expand_list(argument[1:], what, option, exclude)
    if path.is_dir():
        files = _walk(path, exclude)
        if not files:
            raise UserError(f"{what}: no image in this folder")
        return path, files
    if not glob.has_magic(argument) or path.exists():
        return path.parent, [path]
    fixed = []
    for part in path.parts[:-1]:
        if glob.has_magic(part):
            break
        fixed.append(part)
    names = sorted(glob.glob(argument, recursive=True))
    files = [Path(name) for name in names if Path(name).is_file()]
    if not files:
        raise UserError(f"{what} matches no file (quote it, and check the folder)")
    return Path(*fixed), files


def _expand_list(name, what, option, exclude):
    try:
        lines = Path(name).read_text().splitlines()
    except (OSError, ValueError) as error:
        raise UserError(f"{what}: the list cannot be read ({error})") from error
    found = [expand(line, option, exclude) for line in lines if line.strip()]
    if not found:
        raise UserError(f"{what}: the list is empty")
    files = dict.fromkeys(file for _, files in found for file in files)
    return common_folder(base for base, _ in found), list(files)


def common_folder(folders):
    """The deepest folder that all of some folders are in or are, as an absolute Path."""
    try:
        return Path(os.path.commonpath([os.path.abspath(folder) for folder in folders]))
    except ValueError as error:  # several drives
        raise UserError(f"the inputs have no folder in common ({error})") from error


def _walk(folder, exclude):
    """The pictures below a folder, without hidden ones; a warning for a folder that is closed."""

    def closed(error):
        print(f"warning: {shown(error.filename)}: left out ({error.strerror})", file=sys.stderr)

    exclude = exclude and os.path.abspath(exclude)
    files = []
    for parent, folders, names in os.walk(folder, onerror=closed):
        folders[:] = sorted(
            name
            for name in folders
            if not name.startswith(".") and os.path.abspath(os.path.join(parent, name)) != exclude
        )
        paths = [Path(parent, name) for name in sorted(names) if not name.startswith(".")]
        files += [path for path in paths if path.suffix.lower() in SUFFIXES]
    return files


def name_files(inputs, output_dir=None):
    """[(input, output)] of the command's arguments: IN [OUT], or IN... with an output_dir.

    Each is a Path or STDIO. Below output_dir the structure stays, from what the bases of the
    inputs have in common.
    """
    if output_dir is not None:
        if STDIO in inputs:
            raise UserError("the standard input, -, has no name for --output_dir; name an output")
        if os.path.exists(output_dir) and not os.path.isdir(output_dir):
            raise UserError(f"--output_dir {shown(output_dir)} is a file, not a folder")
        expanded = [expand(argument, exclude=output_dir) for argument in inputs]
        files = dict.fromkeys(file for _, files in expanded for file in files)
        common = common_folder(base for base, _ in expanded)
        return [
            (
                file,
                Path(output_dir, os.path.relpath(os.path.abspath(file), common)).with_suffix(
                    ".jpg"
                ),
            )
            for file in files
        ]
    if len(inputs) <= 2 and STDIO in inputs:
        path, output = (name if name == STDIO else Path(name) for name in (inputs[0], inputs[-1]))
        if output != STDIO:
            _check_name(output)
        return [(path, output)]
    path, output = Path(inputs[0]), Path(inputs[-1])
    several = not path.is_file() and (
        path.is_dir() or glob.has_magic(inputs[0]) or inputs[0].startswith("@")
    )
    if several or len(inputs) > 2:
        raise UserError("several inputs, a folder, a glob or a list need --output_dir DIR")
    if len(inputs) == 1 or output.is_dir():
        name = path.with_suffix(".jpg")
        return [(path, name if len(inputs) == 1 else output / name.name)]
    _check_name(output)
    return [(path, output)]


def _check_name(output):
    if output.suffix.lower() not in JPEG_SUFFIXES:
        raise UserError(
            f"{shown(output)}: an output's name ends in .jpg (several inputs need --output_dir DIR)"
        )


def check(path, output, force=False, overwrite_input=False):
    """Raises UserError unless the input is a file and the output may be written."""
    if path != STDIO and not path.is_file():  # nor a pipe, which a reader would wait for
        raise UserError(f"{shown(path)}: no such file")
    if output == STDIO:
        return
    same = path != STDIO and output.exists() and output.samefile(path)
    if same and not overwrite_input:
        raise UserError(
            f"{shown(path)}: the output would replace it; name another, or say --overwrite_input"
        )
    if output.exists() and not (same or force):
        raise UserError(f"{shown(output)}: exists already; --force overwrites it")
