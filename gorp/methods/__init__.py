"""Continual-learning methods, one small file each, behind one protocol.

The training loop knows a method by this protocol only; `gorp.config.settings.SETTINGS` names its settings.
"""

import importlib
from collections.abc import Mapping
from typing import Protocol

from torch import Tensor
from torch.optim import Optimizer

from gorp.config.settings import TrainSettings, settings_class
from gorp.models.adapters import Adapted


class Method(Protocol):
    """What a continual-learning method decides about the training of one stage."""

    new_lora: bool
    """Whether each task gets LoRA factors of its own, those of earlier tasks frozen; else one pair is trained on."""

    full_rank_modules: str | None
    """The pattern of modules whose matrices are trained whole, or None."""

    def optimizer(self, adapted: Adapted, memory: Mapping[str, Tensor]) -> Optimizer:
        """The optimizer of a stage; `memory` is what the stage before kept (nothing for the first)."""

    def memory(self, optimizer: Optimizer, memory: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
        """What this stage keeps for the next: tensors by parameter name, written to gradient_space.safetensors."""


def make_method(name: str, settings: TrainSettings) -> Method:
    """The method of a name, with its settings. Raises UserError for an unknown name."""
    settings_class(name)
    return importlib.import_module(f"gorp.methods.{name}").METHOD(settings)
