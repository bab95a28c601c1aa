"""The training of a stage."""
