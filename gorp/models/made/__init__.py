"""The base models that the workflow makes."""
