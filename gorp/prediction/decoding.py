"""Greedy decoding and label likelihoods over a batch of prompts that is read once.

    prompts = Batch(model, sources, pad_token_id)
    found, sure = likeliest(prompts, labels)        # leaves the prompts as they are
    answers, sure = greedy(prompts, 50, eos_token_id)  # uses them up

Sums of floats come out a little differently in batches of different shapes, and where two tokens are nearly equal that
changes the answer. Each function therefore says of which rows it is *sure*: those whose choices were all clearer than
rounding can make them (`tolerance`). The others are to be asked again, alone. In bf16 rounding moves logits so much
(SmolLM2-135M: by up to 5 % of the largest) that nearly all rows would be: there a function is sure of every row.
"""

import copy
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from transformers import EncoderDecoderCache

from gorp.data.batches import pad

# Of fp32, in units of eps times the largest logit. Batches moved logits of SmolLM2-135M by up to 31 of them, and gaps
# between two by up to twice that.
ROUNDING = 512


class Batch:
    """A batch of n prompts and what a model keeps of them: the cache, and `logits` [n, vocabulary] of the next token.

    sources: token ids, at least one each. A decoder-only model reads the beginning that all have in common, such as
    the instruction of a task, once; it sees each token after those before it, so that this changes nothing. The rest is
    padded on the left for decoder-only models, the whole on the right for encoder-decoder ones.
    """

    def __init__(self, model, sources: Sequence[list[int]], pad_token_id: int):
        self.model = model
        self.cache: Any = None
        self.encoded: Any = None
        self.has_encoder = model.config.is_encoder_decoder
        common = shared_length(model.config, sources)
        rests = [source[common:] for source in sources]
        ids = pad(rests, pad_token_id, left=not self.has_encoder).to(model.device)
        mask = pad([[1] * len(rest) for rest in rests], 0, left=not self.has_encoder).to(model.device)
        if self.has_encoder:
            self.mask = mask
            self.encoded = model.get_encoder()(input_ids=ids, attention_mask=mask)
            ids = ids.new_full((len(ids), 1), model.config.decoder_start_token_id)
        else:
            self.mask = mask[:1, :0]
            if common:
                self.read(ids.new_tensor([sources[0][:common]]), last=1)
                self.cache.batch_repeat_interleave(len(sources))  # type: ignore[attr-defined]  # `read` has set it
            self.mask = self.mask.expand(len(sources), -1)
        self.logits = self.read(ids, mask, last=1)[:, -1]

    def read(self, tokens: Tensor, mask: Tensor | None = None, last: int = 0) -> Tensor:
        """Appends tokens [n, m] to each row and returns logits [n, m, vocabulary], of the `last` tokens or all (0).

        mask: 0 where a token is padding.
        """
        if self.has_encoder:
            inputs = {"decoder_input_ids": tokens, "encoder_outputs": self.encoded}
        else:
            self.mask = torch.cat([self.mask, torch.ones_like(tokens) if mask is None else mask], 1)
            positions = (self.mask.cumsum(1) - 1).clamp(min=0)[:, -tokens.shape[1] :]
            inputs = {"input_ids": tokens, "position_ids": positions, "logits_to_keep": last}
        out = self.model(**inputs, attention_mask=self.mask, past_key_values=self.cache, use_cache=True)
        self.cache = out.past_key_values
        return out.logits

    def keep(self, rows: Tensor) -> None:
        """Drops all rows but those with these indices."""
        self.cache.batch_select_indices(rows)
        self.mask = self.mask[rows]
        if self.has_encoder:
            self.encoded.last_hidden_state = self.encoded.last_hidden_state[rows]

    def fork(self) -> "Batch":
        """The same prompts to read on from: what is read there leaves these alone. No tensor is copied."""
        other = copy.copy(self)
        other.cache = fork_cache(self.cache)
        return other


def shared_length(config, sources: Sequence[list[int]]) -> int:
    """How many tokens of a batch's prompts are read once for all; at least the last one of each is read by itself.

    None in an encoder, which looks ahead, nor where a window over the last places would count the padding between.
    """
    if config.is_encoder_decoder or getattr(config, "sliding_window", None) or len(sources) == 1:
        return 0
    low, high = min(sources), max(sources)  # what these two share, all those between share too
    shared = next((i for i, (a, b) in enumerate(zip(low, high, strict=False)) if a != b), len(low))
    return min(shared, min(map(len, sources)) - 1)


def fork_cache(cache):
    """A cache that grows apart from `cache`; the tensors, which growing replaces rather than changes, are shared."""
    other = copy.copy(cache)
    if isinstance(cache, EncoderDecoderCache):
        other.self_attention_cache = fork_cache(cache.self_attention_cache)
    else:
        other.layers = [copy.copy(layer) for layer in cache.layers]
    return other


def tolerance(logits: Tensor, dtype: torch.dtype) -> Tensor:
    """How near [n] two logits of a row [n, vocabulary] may come before rounding decides between them; 0 in bf16."""
    units = ROUNDING if dtype == torch.float32 else 0
    return units * torch.finfo(torch.float32).eps * logits.abs().amax(-1).float()


def greedy(prompts: Batch, max_new_tokens: int, eos_token_id: int) -> tuple[list[list[int]], list[bool]]:
    """For each row the most likely token, again and again, up to the end-of-sequence token or `max_new_tokens`.

    A row that is done leaves the batch. Returns the new tokens of each row, and of which rows it is sure.
    """
    logits = prompts.logits
    rows = torch.arange(len(logits), device=logits.device)  # numbers of those still in the batch
    answers: list[list[int]] = [[] for _ in rows]
    unsure = torch.zeros(len(rows), dtype=torch.bool, device=logits.device)
    for step in range(1, max_new_tokens + 1):
        best = logits.max(-1)
        near = tolerance(logits, prompts.model.dtype)
        second = logits.scatter(1, best.indices[:, None], -torch.inf).amax(-1)
        unsure[rows] |= best.values - second < near
        for row, token in zip(rows.tolist(), best.indices.tolist(), strict=True):
            answers[row].append(token)
        goes_on = best.indices != eos_token_id
        if step == max_new_tokens or not goes_on.any():
            break
        tokens = best.indices[:, None]
        if not goes_on.all():
            prompts.keep(goes_on.nonzero()[:, 0])
            rows, tokens = rows[goes_on], tokens[goes_on]
        logits = prompts.read(tokens)[:, -1]
    return answers, (~unsure).tolist()


def label_log_likelihoods(prompts: Batch, labels: Sequence[Sequence[int]]) -> Tensor:
    """log p(label | prompt) [rows, labels], fp32: the sum over the tokens of a label, end-of-sequence included.

    labels: token ids, each ending with the end-of-sequence token. One label is read at a time, so that memory is that
    of the prompts; they are read once for all labels.
    """
    columns = []
    for label in labels:
        ids = torch.tensor(label, device=prompts.logits.device)
        logits = prompts.logits[:, None]
        if len(label) > 1:
            tokens = ids[:-1].expand(len(logits), -1)
            logits = torch.cat([logits, prompts.fork().read(tokens)], 1)  # [rows, tokens of the label, vocabulary]
        chosen = logits.gather(2, ids[None, :, None].expand(len(logits), -1, 1))[:, :, 0]
        columns.append((chosen.float() - logits.float().logsumexp(-1)).sum(1))
    return torch.stack(columns, 1)


def likeliest(prompts: Batch, labels: Sequence[Sequence[int]]) -> tuple[list[int], list[bool]]:
    """The number of the most likely label for each row, the first of equal ones, and of which rows it is sure."""
    scores = label_log_likelihoods(prompts, labels)
    best = scores.max(1)
    near = tolerance(prompts.logits, prompts.model.dtype) * max(len(label) for label in labels)
    others = scores.scatter(1, best.indices[:, None], -torch.inf).amax(1)
    return best.indices.tolist(), (best.values - others >= near).tolist()
