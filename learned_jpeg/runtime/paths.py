"""The files that an argument names, the path of each JPEG file, and whether it may be written."""

import codecs
import glob
import os
import re
import stat
import sys
from collections import Counter
from pathlib import Path

from learned_jpeg.runtime.errors import UserError

STDIO = "-"  # stands for the standard input or output
JPEG_SUFFIXES = (".jpg", ".jpeg", ".jpe", ".jfif")
# The suffixes of pictures in a folder. Kinds that cannot be read (HEIC, JPEG XL) are among them,
# so that an error names such a file instead of passing it over.
SUFFIXES = frozenset(
    """.apng .avif .avifs .bmp .bw .dib .dng .gif .heic .heif .hif .ico .icb .j2c .j2k .jfif .jp2
    .jpc .jpe .jpeg .jpf .jpg .jpx .jxl .mpo .pbm .pcx .pfm .pgm .png .pnm .ppm .psd .qoi .rgb
    .rgba .sgi .tga .tif .tiff .vda .vst .webp""".split()
)


def shown(path):
    """A path, or any text of a file, as one printable line: other characters are escaped."""
    return "".join(
        character if character.isprintable() else ascii(character)[1:-1] for character in str(path)
    )


def expand(argument, option=None, exclude=None, lists=()):
    """The files that one argument names: (its base folder, [Path]).

    argument: a file, a folder (all pictures in it, at any depth), a glob, or @LIST, a text file
    with one of these in each line. Paths below the output folder count from the base: the folder,
    the part of a glob before its first wildcard, a file's folder, or the folder that the lines of
    a list have in common. option: the option's name, for the error. exclude: a folder whose
    pictures are left out. lists: the names of the lists that this argument stands in.

    A file that does not exist is returned. Raises UserError where no file is found.
    """
    what = f"{option} {shown(argument)!r}" if option else f"{shown(argument)!r}"
    path = Path(argument)
    if argument.startswith("@") and not os.path.exists(path):
        return _expand_list(argument[1:], what, option, exclude, lists)
    if os.path.isdir(path):
        files = _walk(path, exclude)
        if not files:
            raise UserError(f"{what}: no image in this folder")
        return path, files
    if not glob.has_magic(argument) or os.path.exists(path):
        return path.parent, [path]
    fixed = []
    for part in path.parts[:-1]:
        if glob.has_magic(part):
            break
        fixed.append(part)
    files = [Path(name) for name in sorted(_matches(argument)) if os.path.isfile(name)]
    if not files:
        raise UserError(f"{what} matches no file (quote the pattern, and check the folder)")
    return Path(*fixed), files


def _matches(pattern):
    """Like `glob.glob`, but ** follows no links, like a shell's: links may lead in a circle."""
    parts = Path(pattern).parts
    if "**" not in parts:
        return glob.glob(pattern)
    place = parts.index("**")
    names = set()
    for top in glob.glob(str(Path(*parts[:place]))):
        for folder, folders, _ in os.walk(top):
            folders[:] = [name for name in folders if not name.startswith(".")]
            below = Path(glob.escape(folder), *(parts[place + 1 :] or "*"))
            names.update(_matches(str(below)))
    return names


def _expand_list(name, what, option, exclude, lists):
    if name in lists:
        raise UserError(f"{what}: the list names itself")
    try:
        lines = _text(Path(name).read_bytes()).split("\n")
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise UserError(f"{what}: the list cannot be read ({reason})") from error
    lines = [line for line in (line.removesuffix("\r") for line in lines) if line.strip()]
    found = [expand(line, option, exclude, (*lists, name)) for line in lines]
    if not found:
        raise UserError(f"{what}: the list is empty")
    files = dict.fromkeys(file for _, files in found for file in files)
    return common_folder(base for base, _ in found), list(files)


def _text(data):
    """The text of a list's bytes: in the system's encoding, or UTF-16 from a shell of Windows."""
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return data.decode("utf-16")
    return os.fsdecode(data.removeprefix(codecs.BOM_UTF8))


def common_folder(folders):
    """The deepest folder that holds or equals each of the given folders, as an absolute Path."""
    try:
        return Path(os.path.commonpath([os.path.abspath(folder) for folder in folders]))
    except ValueError as error:  # several drives
        raise UserError(f"the inputs have no folder in common ({error})") from error


def _walk(folder, exclude):
    """The pictures below a folder, without hidden files; warns of a folder that cannot be read."""

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


def name_files(inputs, output_dir=None, template=None):
    """[(input, output)] of the command's arguments: IN [OUT], or IN... with an output_dir.

    Input and output are each a Path or STDIO. output_dir keeps the subfolders of the inputs, from
    the folder that their bases have in common. Of several inputs that would have the same output
    there, such as p.png and p.webp, all but the first keep their whole names before .jpg.
    template: the pattern of the outputs' names, see `_by`.
    """
    if output_dir is not None:
        if STDIO in inputs:
            raise UserError("the standard input, -, has no name for --output_dir; name an output")
        if os.path.exists(output_dir) and not os.path.isdir(output_dir):
            raise UserError(f"--output_dir {shown(output_dir)} is a file, not a folder")
        expanded = [expand(argument, exclude=output_dir) for argument in inputs]
        files = dict.fromkeys(file for _, files in expanded for file in files)
        common = common_folder(base for base, _ in expanded)
        below = {
            file: Path(output_dir, os.path.relpath(os.path.abspath(file), common)) for file in files
        }
        return [*_named(below, template).items()]
    if len(inputs) <= 2 and STDIO in inputs:
        path, output = (name if name == STDIO else Path(name) for name in (inputs[0], inputs[-1]))
        if template is not None:
            raise UserError(
                "--name needs the name of an input, and the standard input, -, has no name; "
                "leave --name out"
            )
        if output != STDIO:
            _check_name(output)
        return [(path, output)]
    path, output = Path(inputs[0]), Path(inputs[-1])
    several = not os.path.isfile(path) and (
        os.path.isdir(path) or glob.has_magic(inputs[0]) or inputs[0].startswith("@")
    )
    if several or len(inputs) > 2:
        raise UserError("several inputs, a folder, a glob or a list need --output_dir DIR")
    if len(inputs) == 1 or os.path.isdir(output):
        name = path if len(inputs) == 1 else output / path.name
        return [(path, _by(template or "{stem}.jpg", name))]
    if template is not None:
        raise UserError(f"--name and the output {shown(output)} exclude each other; give only one")
    _check_name(output)
    return [(path, output)]


def _named(below, template):
    """The output of each input; below: {input: the same name below the folder of outputs}."""
    outputs = {file: _by(template or "{stem}.jpg", name) for file, name in below.items()}
    counts = Counter(map(_folded, outputs.values()))
    several = [file for file, output in outputs.items() if counts[_folded(output)] > 1]
    if several and template is not None:
        same = [file for file in several if outputs[file] == outputs[several[0]]]
        raise UserError(
            f"--name {shown(template)!r}: {shown(outputs[several[0]])} would be the name of "
            f"{' and '.join(map(shown, (same or several)[:2]))}; use {{name}}, which keeps the "
            "suffix"
        )
    firsts = {}
    for file in sorted(several, key=_rank):
        firsts.setdefault(_folded(outputs[file]), file)
    further = [file for file in several if firsts[_folded(outputs[file])] != file]
    return outputs | {file: _by("{name}.jpg", below[file]) for file in further}


def _rank(path):
    """The sort key of inputs with the same stem: .jpg first, then by the alphabet."""
    return path.suffix.lower() != ".jpg", path.suffix.lower(), str(path)


def _folded(path):
    """A path in small letters, since file systems may take names that differ in case as equal."""
    return str(path).casefold()


def _by(template, path):
    """A path whose name is made from a template: {stem} stands for the path's name without its
    suffix, {suffix} for the suffix without its dot, {name} for the name without a .jpg at its end.
    """
    name = path.stem if path.suffix.lower() == ".jpg" else path.name
    fields = {"name": name, "stem": path.stem, "suffix": path.suffix[1:]}
    unknown = [field for field in re.findall(r"\{(.*?)\}", template) if field not in fields]
    name = Path(re.sub(r"\{(\w+)\}", lambda found: fields.get(found[1], ""), template))
    if unknown or "{" in re.sub(r"\{\w+\}", "", template):
        raise UserError(
            f"--name {shown(template)!r}: only {{stem}}, {{name}} and {{suffix}} can stand in it"
        )
    if len(name.parts) != 1 or name.suffix.lower() not in JPEG_SUFFIXES:
        raise UserError(
            f"--name {shown(template)!r} gives {shown(name)}; the name must end in .jpg and have "
            "no folder"
        )
    return path.with_name(name.name)


def _check_name(output):
    if output.suffix.lower() not in JPEG_SUFFIXES:
        raise UserError(
            f"{shown(output)}: the name of an output must end in .jpg (several inputs need "
            "--output_dir DIR)"
        )


def check(path, output, force=False, overwrite_input=False):
    """Raises UserError unless the input is a file or a pipe and the output may be written."""
    if path != STDIO and not os.path.isfile(path) and not is_pipe(path):
        raise UserError(f"{shown(path)}: no such file")
    if output == STDIO:
        return
    same = is_same(path, output)
    if same and not overwrite_input:
        raise UserError(
            f"{shown(path)}: the output would replace this input; name another output, or add "
            "--overwrite_input"
        )
    if os.path.exists(output) and not (same or force):
        raise UserError(f"{shown(output)}: exists already; --force overwrites it")


def is_pipe(path):
    """Whether a path is a pipe, whose bytes can be read only once."""
    return os.path.exists(path) and stat.S_ISFIFO(os.stat(path).st_mode)


def read_pipe(path):
    """The bytes of a pipe, for example a shell's <(...) or /dev/stdin; None for any other file.

    A pipe that no process writes into gives no bytes, and no waiting.
    """
    if not is_pipe(path):
        return None
    with open(os.open(path, os.O_RDONLY | os.O_NONBLOCK), "rb") as file:
        os.set_blocking(file.fileno(), True)
        return file.read()


def is_same(path, output):
    """Whether an output exists and is its own input."""
    if STDIO in (path, output):
        return False
    return os.path.exists(path) and os.path.exists(output) and os.path.samefile(path, output)
