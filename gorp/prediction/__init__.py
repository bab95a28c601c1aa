"""Decoding and prediction."""
