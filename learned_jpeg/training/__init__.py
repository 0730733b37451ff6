"""Training: crops, Keras's step, evolution, saving."""
