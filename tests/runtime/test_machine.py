"""The cores and the memory that a process may use."""

import os

from learned_jpeg.runtime import machine

import pytest


@pytest.fixture
def cgroup(tmp_path, monkeypatch):
    """Writes files of a container's limits, {name: text}."""
    monkeypatch.setattr(machine, "_CGROUP", tmp_path)

    def write(files):
        for name, text in files.items():
            (tmp_path / name).parent.mkdir(exist_ok=True)
            (tmp_path / name).write_text(text)

    return write


@pytest.mark.parametrize(
    "files, cores",
    [
        ({}, 8),
        ({"cpu.max": "max 100000\n"}, 8),
        ({"cpu.max": "250000 100000\n"}, 2),
        ({"cpu.max": "50000 100000\n"}, 1),
        ({"cpu/cpu.cfs_quota_us": "300000\n", "cpu/cpu.cfs_period_us": "100000\n"}, 3),
        ({"cpu/cpu.cfs_quota_us": "-1\n", "cpu/cpu.cfs_period_us": "100000\n"}, 8),
    ],
)
def test_a_containers_share_of_the_cores_counts(files, cores, cgroup, monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(8)), raising=False)
    cgroup(files)
    assert machine.cores() == cores


def test_a_containers_share_of_the_memory_counts(cgroup):
    whole = machine.memory()
    assert 2**28 < whole < 2**50
    cgroup({"memory.max": "max\n"})
    assert machine.memory() == whole
    cgroup({"memory.max": "12345678\n"})
    assert machine.memory() == 12345678


def test_tensorflow_gets_the_jobs_unless_the_user_has_said_otherwise(monkeypatch):
    names = "TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS"
    for name in names:
        monkeypatch.delenv(name, raising=False)
    assert machine.limit(3) == 3
    assert [os.environ[name] for name in names] == ["3", "3"]
    assert machine.limit() == machine.cores()
    assert os.environ[names[0]] == "3"
