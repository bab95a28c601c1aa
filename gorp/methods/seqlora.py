"""SeqLoRA: one pair of LoRA factors, trained on task after task with nothing against forgetting."""

from gorp.methods.base import Method


class SeqLora(Method):
    """The protocol's defaults."""
