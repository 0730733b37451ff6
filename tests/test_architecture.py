"""The layers of docs/architecture.md: imports point downwards, TensorFlow is imported when used."""

import ast
import functools
import re
import shutil
import subprocess
import sys
from pathlib import Path

import jpeg_pipeline

import pytest

PROJECT = Path(__file__).resolve().parent.parent
DOCUMENT = (PROJECT / "docs" / "architecture.md").read_text()
EXTENDING = (PROJECT / "docs" / "extending.md").read_text()
MOST_LINES = 300

# Modules that import TensorFlow or Keras: other modules import them only when they are used.
TENSORFLOW = {
    "conv_blocks",
    "image_utils",
    "learned_jpeg.training.summaries",
    "learned_jpeg.training.trainer",
}


def layers():
    """[[module or folder, ...]] of the document's table, from the top layer down."""
    table = DOCUMENT.partition("## Layers")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| (`[^|]*`) \|", table, re.MULTILINE)
    scripts = " ".join(f"`{name}`" for name in jpeg_pipeline.ARCHITECTURES)
    return [re.findall(r"`([\w.]+)`", row.replace("`ARCHITECTURES`", scripts)) for row in rows]


def layer_of(module):
    """The name in the table that a module belongs to."""
    names = [name for layer in layers() for name in layer]
    (name,) = [name for name in names if f"{module}.".startswith(f"{name}.")]
    return name


@functools.cache
def modules():
    """{name: path} of the project's modules."""
    scripts = [path for path in PROJECT.glob("*.py") if path.stem != "setup"]
    paths = [*scripts, *PROJECT.glob("learned_jpeg/**/*.py")]
    paths = [path for path in paths if "__pycache__" not in path.parts]
    names = {p: ".".join(p.relative_to(PROJECT).with_suffix("").parts) for p in paths}
    return {name.removesuffix(".__init__"): path for path, name in names.items()}


@functools.cache
def imports(module):
    """The project's modules that a module imports, at its top, in functions, or lazily."""
    found = set()
    for node in ast.walk(ast.parse(modules()[module].read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
        elif isinstance(node, ast.Call) and getattr(node.func, "id", "") == "lazy_import":
            found.add(node.args[0].value)
    # Not the folders of the modules, which are empty but for the package's face.
    folders = {name for name, path in modules().items() if path.name == "__init__.py"}
    return (found & set(modules())) - folders - {module}


def test_every_module_is_in_one_layer_and_no_layer_is_empty():
    found = [layer_of(module) for module in modules() if module != "learned_jpeg"]
    assert set(found) == {name for layer in layers() for name in layer}


@pytest.mark.parametrize("module", sorted(set(modules()) - {"learned_jpeg"}))
def test_imports_point_downwards(module):
    height = {name: -index for index, layer in enumerate(layers()) for name in layer}
    above = {o for o in imports(module) if height[layer_of(o)] > height[layer_of(module)]}
    assert not above, f"{module} imports {above} from above"


def test_imports_go_in_no_circle():
    done, path = set(), []

    def visit(module):
        assert module not in path, f"a circle: {[*path[path.index(module) :], module]}"
        if module not in done:
            path.append(module)
            for other in sorted(imports(module)):
                visit(other)
            path.pop()
            done.add(module)

    for module in modules():
        visit(module)


def test_without_need_nothing_brings_tensorflow():
    names = sorted(set(modules()) - TENSORFLOW)
    code = f"import importlib, sys\nfor name in {names}: importlib.import_module(name)\n"
    code += "print([name for name in ('tensorflow', 'keras') if name in sys.modules])"
    output = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=PROJECT, check=True
    )
    assert output.stdout == "[]\n"


@pytest.mark.parametrize("module", sorted(modules()))
def test_a_module_is_short_enough_to_be_read_at_once(module):
    assert len(modules()[module].read_text().splitlines()) < MOST_LINES


def test_no_code_asks_which_architecture_it_is():
    """A name of an architecture stands in its own file and in the one list alone."""
    names = {"ljpeg", "ljpeg_attention", "ljpeg_PIL", "google_baseline"}
    for module, path in modules().items():
        if module in names | {"learned_jpeg.models.architectures"}:
            continue
        tree = ast.parse(path.read_text())
        compared = {
            constant.value
            for node in ast.walk(tree)
            if isinstance(node, ast.Compare)
            for constant in ast.walk(node)
            if isinstance(constant, ast.Constant)
        }
        assert not names & compared, module


def test_the_documents_example_is_an_architecture(tmp_path, monkeypatch):
    """It trains, and the trained model compresses a picture that Pillow shows."""
    import io

    import arg_parser
    from learned_jpeg import api
    from learned_jpeg.models import architectures

    import numpy as np
    from PIL import Image

    (example,) = re.findall(r"```python other\n(.*?)```", EXTENDING, re.DOTALL)
    lines = [line for line in example.splitlines() if line.strip()]
    assert len(lines) <= 30
    (tmp_path / "flat.py").write_text(example)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(jpeg_pipeline, "ARCHITECTURES", (*jpeg_pipeline.ARCHITECTURES, "flat"))
    picture = np.random.default_rng(0).integers(0, 256, [9, 9, 3], np.uint8).repeat(8, 0)
    Image.fromarray(picture.repeat(8, 1)).save(tmp_path / "picture.png")
    folder = tmp_path / "train"
    options = ["--train_glob", str(tmp_path / "*.png"), "--patchsize", "32", "--batchsize", "2"]
    options += ["--checkpoint_dir", str(folder), "--last_step", "3", "--lr", "0.5"]
    assert arg_parser.main(architectures.load("flat"), "", ["train", *options]) == 0
    model = api.load(folder)
    assert model.architecture == "flat" and model.quality_range is None
    pixels = np.asarray(Image.open(tmp_path / "picture.png"))
    shown = np.asarray(Image.open(io.BytesIO(model.encode(pixels))))
    assert np.abs(shown.astype(int) - pixels).mean() < 20
    monkeypatch.delitem(sys.modules, "flat")


def test_with_the_documents_example_in_the_list_the_tests_of_architectures_pass(tmp_path):
    """One file and one name, as the document says, in a copy of the project."""
    ignored = shutil.ignore_patterns(".*", "__pycache__", "*.pickle", "*.png", "*.svg", "*.pdf")
    copy = shutil.copytree(PROJECT, tmp_path / "copy", ignore=ignored)
    (example,) = re.findall(r"```python other\n(.*?)```", EXTENDING, re.DOTALL)
    (copy / "flat.py").write_text(example)
    text = (copy / "jpeg_pipeline.py").read_text()
    assert text.count('"ljpeg_rdo")') == 1
    (copy / "jpeg_pipeline.py").write_text(text.replace('"ljpeg_rdo")', '"ljpeg_rdo", "flat")'))
    chosen = "flat or listed or layer or circle or downwards or without_need or asks_which"
    files = ["test_architecture.py", "models/test_architectures.py", "models/test_encoding.py"]
    files += ["cli/test_command.py", "test_jpeg_pipeline.py"]
    line = [sys.executable, "-m", "pytest", "-q", "-p", "no:xdist", "-p", "no:cacheprovider"]
    line += ["-k", f"({chosen}) and not documents", *(f"tests/{name}" for name in files)]
    done = subprocess.run(line, cwd=copy, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout
    assert " passed" in done.stdout
