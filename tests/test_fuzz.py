"""A short run of tests/fuzz.py."""

import random

import fuzz
import pytest


@pytest.mark.parametrize("kind, count", [("pictures", 250), ("models", 8), ("caches", 200)])
def test_mutated_inputs_are_read_right_or_refused(kind, count):
    assert list(fuzz.run(kind, range(count), seed=0)) == []


def test_an_input_follows_from_seed_and_number():
    original = [bytes(range(200))]
    first, again, other = (
        fuzz.mutated(original[0], original, random.Random(seed)) for seed in (1, 1, 2)
    )
    assert first == again != other


def test_a_failure_is_found_and_kept(tmp_path, monkeypatch):
    def check(self, number, folder):
        if number == 1:
            raise RuntimeError("two\nlines")

    monkeypatch.setattr(fuzz.Caches, "check", check)
    assert list(fuzz.run("caches", range(3), 7, tmp_path)) == [(1, "RuntimeError: two lines")]
    assert sorted(path.name for path in (tmp_path / "caches-7-1").iterdir()) == [
        "q.journal",
        "q.pickle",
    ]
