"""The cores and the memory that this process may use, by the container's limits too."""

import os
from pathlib import Path

# The limits of containers, by cgroups of version 2 or 1.
_CGROUP = Path("/sys/fs/cgroup")


def _words(name):
    """The words in a file of the cgroup; [] where the file is missing."""
    try:
        return (_CGROUP / name).read_text().split()
    except OSError:
        return []


def cores():
    """The number of cores that this process may use."""
    affinity = getattr(os, "sched_getaffinity", None)  # not on every system
    number = len(affinity(0)) if affinity else os.cpu_count() or 1
    quota = _words("cpu.max") or _words("cpu/cpu.cfs_quota_us") + _words("cpu/cpu.cfs_period_us")
    if len(quota) == 2 and quota[0].isdigit():
        number = min(number, max(1, round(int(quota[0]) / int(quota[1]))))
    return number


def memory():
    """The bytes of memory that this process may use, with those that it already uses."""
    found = [
        int(word)
        for word in _words("memory.max") + _words("memory/memory.limit_in_bytes")
        if word.isdigit()
    ]
    if hasattr(os, "sysconf"):
        found.append(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))
    return min(found, default=8 * 2**30)


def limit(jobs=None):
    """Lets TensorFlow use that many cores, if it is not imported yet; returns the number.

    jobs: the number; None for `cores`.
    """
    jobs = jobs or cores()
    for name in ("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS"):
        os.environ.setdefault(name, str(jobs))
    return jobs
