"""What a figure depends on, as texts: {what: text}. Another text, and it is measured again."""

import ast
import functools
import hashlib
from importlib.metadata import PackageNotFoundError, version

from learned_jpeg.metrics import measures
from learned_jpeg.rivals.encoders import ENCODERS
from learned_jpeg.runtime.packages import PROJECT

# What decides about the bytes of a model's file besides the project's own code.
_PACKAGES = "tensorflow numpy numba jpeglib pillow".split()
# What only training, reports and the command line call: it changes no file. Refining counts where
# it is asked for.
_NOT_ENCODING = frozenset(
    """add_options estimated_bits idct_decoder loss_terms main make_optimizer merge prepare
    prior_adam random_seed rate reconstruct round_cubic round_mixed round_straight_through
    shared_features table_adam warn_of_options _refine JPEGPipeline.encode
    JPEGPipeline.decode""".split()
)


def of_encoder(name, huffman):
    """Of a file by an encoder of ENCODERS."""
    return {
        "encoder": f"{name}, {ENCODERS[name].version()}",
        "encoding code": code_digest("learned_jpeg.rivals.encoders"),
        "Huffman choice": huffman,
        "measuring code": of_metrics(),
    }


def of_model(architecture, checkpoint, coding):
    """Of a file by a model.

    architecture: its name; checkpoint: the digest of its folder; coding: `encoding.Coding`.
    """
    modules = ["learned_jpeg.models.encoding"] + ["learned_jpeg.search.refining"] * (
        coding.refine > 0
    )
    return {
        "checkpoint": checkpoint,
        "encoding code": code_digest(architecture, *modules),
        "packages": ", ".join(f"{name} {_version(name)}" for name in _PACKAGES),
        "Huffman choice": coding.huffman,
        "measuring code": of_metrics(),
    } | choices(coding)


def choices(coding):
    """{option: text} of what was chosen beside the Huffman tables, and is not left to the model."""
    names = ("quantizer", "sampling", "tune", "refine")
    return {name: str(choice) for name in names if (choice := getattr(coding, name))}


def of_search(size):
    """What a search for a size (a text) adds to the fingerprints of the coders that it tries."""
    return {"dial": size, "search": code_digest("learned_jpeg.jobs.targets")}


@functools.cache
def of_metrics():
    """Of what is measured on a decoded file."""
    versions = measures.versions() | {"pillow": _version("pillow")}
    return ", ".join(f"{name} {number}" for name, number in versions.items())


def _version(package):
    try:
        return version(package)
    except PackageNotFoundError:
        return "none"


@functools.cache
def code_digest(*modules):
    """A digest of what modules of this project do, and all modules of it that they use.

    Comments, docstrings and what only training needs do not count.
    """
    found, waiting = {}, list(modules)
    while waiting:
        module = waiting.pop()
        if module not in found:
            found[module], used = _code(module)
            waiting += used
    return hashlib.sha256("\n".join(found[module] for module in sorted(found)).encode()).hexdigest()


@functools.cache
def _code(module):
    """(the code of a module as a text, the modules of the project that it uses)."""
    tree = ast.parse(_path(module).read_bytes())
    for node in ast.walk(tree):
        if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)):
            if ast.get_docstring(node, clean=False):
                del node.body[0]
            within = f"{node.name}." if isinstance(node, ast.ClassDef) else ""
            node.body = [part for part in node.body if not _is_left_out(part, within)]
    names = {
        node.id
        for node in ast.walk(tree)
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load)
    }
    used = {place for name, place in _imports(tree) if name in names}
    for node in ast.walk(tree):
        if hasattr(node, "body") and isinstance(node.body, list):
            node.body = [p for p in node.body if not isinstance(p, (ast.Import, ast.ImportFrom))]
    return f"{module}: {ast.dump(tree)}", sorted(used - {module})


def _is_left_out(node, within):
    if isinstance(node, ast.FunctionDef):
        return not {node.name, within + node.name}.isdisjoint(_NOT_ENCODING)
    # `if __name__ == "__main__":`
    return isinstance(node, ast.If) and "'__main__'" in ast.dump(node.test)


def _imports(tree):
    """[(the name that is bound, the module of the project that it leads to)]."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                if _path(alias.name):
                    yield alias.asname or alias.name.partition(".")[0], alias.name
        elif isinstance(node, ast.ImportFrom) and not node.level:
            for alias in node.names:
                within = f"{node.module}.{alias.name}"
                if place := next((name for name in (within, node.module) if _path(name)), None):
                    yield alias.asname or alias.name, place
        elif isinstance(node, ast.Assign) and isinstance(node.value, ast.Call):
            # name = lazy_import("module")
            call = node.value
            if getattr(call.func, "id", None) == "lazy_import" and _path(call.args[0].value):
                yield node.targets[0].id, call.args[0].value


def _path(module):
    path = PROJECT / f"{module.replace('.', '/')}.py"
    return path if path.is_file() else None
