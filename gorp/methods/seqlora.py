"""SeqLoRA: one pair of LoRA factors, trained on task after task with nothing against forgetting."""

from collections.abc import Mapping

import torch
from torch import Tensor

from gorp.config.settings import TrainSettings
from gorp.models.adapters import Adapted


class SeqLora:
    new_lora = False
    full_rank_modules = None

    def __init__(self, settings: TrainSettings):
        self.settings = settings

    def optimizer(self, adapted: Adapted, memory: Mapping[str, Tensor]) -> torch.optim.Optimizer:
        s = self.settings
        return torch.optim.AdamW(adapted.lora.items(), lr=s.learning_rate, weight_decay=s.weight_decay)

    def memory(self, optimizer: torch.optim.Optimizer, memory: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
        return {}


METHOD = SeqLora
