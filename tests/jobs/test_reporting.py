"""The output of `compress` while it runs."""

import io

from learned_jpeg.jobs import reporting
from learned_jpeg.jobs.reporting import Log

import pytest


@pytest.mark.parametrize("count, quiet", [(1, False), (2, False), (1, True)])
def test_a_log_has_a_line_now_and_then_on_what_takes_long(count, quiet, monkeypatch, capsys):
    now = [100.0]
    monkeypatch.setattr(reporting.time, "monotonic", lambda: now[0])
    tell = Log(count, io.StringIO(), refines=True, quiet=quiet).refining("large.png")
    for second in range(10, 201, 10):
        now[0] = 100.0 + second
        tell(second / 200)
    lines = (
        []
        if quiet
        else [
            f"large.png: {done}% refined, about {left} left"
            for done, left in [(15, "3 min"), (30, "2 min"), (45, "2 min")]
        ]
    )
    said = capsys.readouterr().err.splitlines()
    assert said[: len(lines)] == lines and len(said) == (0 if quiet else 6)
