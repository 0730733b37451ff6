"""Trainings: crops, Keras's step, evolution, saving."""
