"""Models that write files: from pixels to a file, checkpoint folders, models by name."""
