"""The choice of coefficients: trellis, error weights, tunes, sampling, refining."""
