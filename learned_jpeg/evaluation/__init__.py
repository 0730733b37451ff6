"""Rate-distortion points: what is measured, kept on disk, and shown."""
