"""What the rest stands on: errors, whole files, locks, cores, lazy imports, compiled code."""
