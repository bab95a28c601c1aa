"""From tokenised rows to the padded tensors of a batch, for both model families."""

from collections.abc import Sequence
from typing import Any

import torch
from transformers import PretrainedConfig, PreTrainedTokenizerBase

from gorp.data.tokens import Example

IGNORED = -100  # label of positions that the loss leaves out, as torch's cross_entropy has it


def pad(sequences: Sequence[Sequence[int]], value: int, left: bool = False) -> torch.Tensor:
    """int64 tensor [len(sequences), longest], padded with `value` on the right, or on the left."""
    longest = max(len(ids) for ids in sequences)
    rows = [
        [value] * (longest - len(ids)) + list(ids) if left else [*ids] + [value] * (longest - len(ids))
        for ids in sequences
    ]
    return torch.tensor(rows, dtype=torch.long)


def to_device(batch, device: torch.device):
    """A tensor, or a dict of tensors and numbers, on a device; to a GPU the copy goes while it computes."""
    if isinstance(batch, dict):
        return {key: to_device(value, device) for key, value in batch.items()}
    if not isinstance(batch, torch.Tensor) or device.type != "cuda":
        return batch
    return batch.pin_memory().to(device, non_blocking=True)


def collate(
    examples: Sequence[Example], tokenizer: PreTrainedTokenizerBase, config: PretrainedConfig
) -> tuple[dict[str, Any], torch.Tensor]:
    """A training batch: (model inputs, labels [batch, answer length]), labels `IGNORED` outside the answers.

    Encoder-decoder: the source goes to the encoder, the target shifted by one to the decoder. Decoder-only: source
    and target are one sequence, padded on the left so that the answers end together; `logits_to_keep` asks for the
    logits of the answer positions alone.
    """
    labels = pad([e.target for e in examples], IGNORED, left=not config.is_encoder_decoder)
    fill = tokenizer.pad_token_id
    if config.is_encoder_decoder:
        ids = pad([e.source for e in examples], fill)
        mask = pad([[1] * len(e.source) for e in examples], 0)
        shifted = pad([[config.decoder_start_token_id, *e.target[:-1]] for e in examples], fill)
        return {"input_ids": ids, "attention_mask": mask, "decoder_input_ids": shifted}, labels
    # the last token is predicted, never read; position t predicts token t + 1
    ids = pad([[*e.source, *e.target[:-1]] for e in examples], fill, left=True)
    mask = pad([[1] * (len(e.source) + len(e.target) - 1) for e in examples], 0, left=True)
    positions = (mask.cumsum(1) - 1).clamp(min=0)
    inputs = {"input_ids": ids, "attention_mask": mask, "position_ids": positions}
    return {**inputs, "logits_to_keep": labels.shape[1]}, labels


def share(rows: Sequence[Example], micro_batch_size: int, rank: int, size: int) -> list[list[Example]]:
    """The micro-batches of one of `size` processes: each the same number, and rows of like lengths at the same time.

    Some may be empty where the rows do not come out even. An empty one is to be run too, on any row without loss:
    processes that hold parts of one model, or of one gradient, wait for each other in every pass.
    """
    rows = sorted(rows, key=lambda row: len(row.source))  # like lengths together: less padding
    most = len(rows[::size])
    own = rows[rank::size]
    return [own[start : start + micro_batch_size] for start in range(0, most, micro_batch_size)]
