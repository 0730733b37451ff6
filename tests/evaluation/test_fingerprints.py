from learned_jpeg.evaluation import fingerprints
from learned_jpeg.metrics import measures
from learned_jpeg.models.encoding import Coding

import pytest


@pytest.fixture
def digest(tmp_path, monkeypatch):
    """(module text, {module: text} of others) -> the digest of the module."""
    monkeypatch.setattr(fingerprints, "PROJECT", tmp_path)

    def make(text, **others):
        for cached in (fingerprints.code_digest, fingerprints._code):
            cached.cache_clear()
        for path in tmp_path.rglob("*.py"):
            path.unlink()
        (tmp_path / "package").mkdir(exist_ok=True)
        for name, content in {"module": text, **others}.items():
            (tmp_path / f"{name.replace('__', '/')}.py").write_text(content)
        return fingerprints.code_digest("module")

    yield make
    for cached in (fingerprints.code_digest, fingerprints._code):
        cached.cache_clear()


def test_comments_and_docstrings_are_no_change_of_the_code(digest):
    plain = digest("def f(x):\n    return x + 1\n")
    assert digest('"""Doc."""\n\n\ndef f(x):\n    """Adds."""\n    return x + 1  # one\n') == plain
    assert digest("def f(x):\n    return x + 2\n") != plain


@pytest.mark.parametrize(
    "use",
    [
        "import package.tool\nx = package.tool.f()",
        "from package import tool\nx = tool.f()",
        "from package.tool import f\nx = f()",
        "tool = lazy_import('package.tool')\nx = tool.f()",
        "def g():\n    from package import tool\n    return tool.f()",
    ],
)
def test_what_a_module_uses_counts_however_far_away(digest, use):
    tool = "from package import deep\ndef f():\n    return deep.g()"
    before = digest(use, package__tool=tool, package__deep="def g():\n    return 1")
    assert digest(use, package__tool=tool, package__deep="def g():\n    return 2") != before


def test_what_it_imports_without_use_does_not_count(digest):
    use = "import os\nfrom package import tool\nx = 1"
    assert digest(use, package__tool="a = 1") == digest(use, package__tool="a = 2")


def test_what_only_training_needs_does_not_count(digest):
    text = (
        "from package import tool\n"
        "class JPEGPipeline:\n"
        "    def analyse(self):\n        return {}\n"
        "    def encode(self):\n        return {}\n"
        "    def loss_terms(self):\n        return tool.f({})\n"
        "def main():\n    return {}\n"
        "if __name__ == '__main__':\n    main()\n"
    )
    tool = {"package__tool": "a = 1"}
    before = digest(text.format(1, 2, 3, 4), **tool)
    assert digest(text.format(1, 5, 6, 7), package__tool="a = 2") == before
    assert digest(text.format(8, 2, 3, 4), **tool) != before


def test_modules_that_use_each_other_end(digest):
    use = "from package import tool\nx = tool.f()"
    digest(use, package__tool="import module\ndef f():\n    return module.x")


def test_of_a_model_training_code_does_not_count_and_the_search_does():
    used = set()
    waiting = ["ljpeg_attention", "learned_jpeg.models.encoding"]
    while waiting:
        module = waiting.pop()
        if module not in used:
            used.add(module)
            waiting += fingerprints._code(module)[1]
    assert {"ljpeg", "jpeg_pipeline", "conv_blocks", "learned_jpeg.search.quantizer"} <= used
    assert not {"arg_parser", "learned_jpeg.cli.command", "learned_jpeg.training.training"} & used
    assert not {"learned_jpeg.metrics.measures", "learned_jpeg.metrics.lpips_tf2"} & used


def test_a_choice_that_nobody_made_is_not_in_a_fingerprint():
    plain = fingerprints.of_model("ljpeg", "abc", Coding("standard"))
    assert plain["Huffman choice"] == "standard"
    assert plain["checkpoint"] == "abc"
    assert not {"quantizer", "sampling", "tune"} & set(plain)
    chosen = fingerprints.of_model("ljpeg", "abc", Coding("standard", sampling="420"))
    assert chosen == plain | {"sampling": "420"}


def test_what_measures_is_in_every_fingerprint(monkeypatch):
    fingerprints.of_metrics.cache_clear()
    monkeypatch.setattr(measures, "versions", lambda: {"metrics": "99"})
    of_encoder = fingerprints.of_encoder("pillow_444", "standard")
    of_model = fingerprints.of_model("ljpeg", "abc", Coding())
    assert of_encoder["measuring code"] == of_model["measuring code"]
    assert of_model["measuring code"].startswith("metrics 99, pillow ")
    fingerprints.of_metrics.cache_clear()
