"""The lowest layer: errors, whole files, locks, cores, lazy imports, compiled code."""
