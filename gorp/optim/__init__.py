"""Subspace mathematics and the optimizer."""
