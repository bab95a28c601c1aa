"""Scores of answers and of sequences of tasks. Imports nothing of the package but `util`."""
