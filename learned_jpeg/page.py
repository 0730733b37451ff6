"""Stub."""


def write(report, shown, compared, front):
    report._path(".html").write_text("")
