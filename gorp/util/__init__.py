"""What everything else may use: errors, files, progress, code digests. Imports nothing of the package."""
