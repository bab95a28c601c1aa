"""The official benchmark: its manifest, and fetching it."""
