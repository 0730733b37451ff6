"""Work on many pictures: from file to file, targets, processes and clusters."""
