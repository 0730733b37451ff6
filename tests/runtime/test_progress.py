from learned_jpeg.runtime.progress import duration

import pytest


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0.4, "0 s"), (89, "89 s"), (600, "10 min"), (3600 * 3.5, "3.5 h"), (86400 * 2, "2.0 days")],
)
def test_durations_are_in_the_unit_of_who_waits(seconds, words):
    assert duration(seconds) == words
