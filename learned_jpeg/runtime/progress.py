"""The output of a long job: progress bars on stdout, and warnings between them on stderr."""

import sys

from tqdm import tqdm


def warn(message):
    """Prints a warning on stderr without breaking a progress bar."""
    tqdm.write(f"warning: {message}", file=sys.stderr)


def bar(iterable, **options):
    """A tqdm progress bar on stdout; where stdout is a file, it writes every 30 seconds."""
    interval = 0.5 if sys.stdout.isatty() else 30
    return tqdm(iterable, file=sys.stdout, mininterval=interval, maxinterval=interval, **options)


def duration(seconds):
    """A length of time in a readable unit: "40 s", "12 min", "3.5 h", "2.1 days"."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    if seconds < 90 * 60:
        return f"{seconds / 60:.0f} min"
    if seconds < 36 * 3600:
        return f"{seconds / 3600:.1f} h"
    return f"{seconds / 86400:.1f} days"
