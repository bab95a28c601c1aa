"""Base models, adapters and the stage artifact."""
