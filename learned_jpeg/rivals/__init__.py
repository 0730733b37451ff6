"""Other encoders to compare with, behind one interface."""
