"""Rate-distortion points: measuring them, storing their figures, and showing them."""
