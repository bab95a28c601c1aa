"""The training loss."""

from torch import Tensor
from torch.nn.functional import cross_entropy

from gorp.data.batches import IGNORED


def summed_loss(logits: Tensor, labels: Tensor) -> Tensor:
    """Cross-entropy of logits [batch, length, vocabulary] against labels [batch, length], summed, in nats."""
    return cross_entropy(logits.flatten(0, 1).float(), labels.flatten(), ignore_index=IGNORED, reduction="sum")
