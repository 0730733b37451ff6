"""The choice of levels: trellis, error weights, tunes, sampling, refining."""
