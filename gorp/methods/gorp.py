"""GORP: LoRA and full-rank matrices trained together, orthogonal to the gradients of earlier tasks."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from gorp.models import Adapted
from gorp.optimizer import GorpAdamW
from gorp.projection import remove
from gorp.settings import GorpSettings


class Gorp:
    """Each task has LoRA factors of its own; the shared gradient space holds for LoRA A and the full-rank matrices."""

    new_lora = True

    def __init__(self, settings: GorpSettings):
        self.settings = settings
        self.full_rank_modules = settings.full_rank_modules if settings.full_rank else None

    def optimizer(self, adapted: Adapted, memory: Mapping[str, Tensor]) -> GorpAdamW:
        s = self.settings
        if s.gradient_space and s.project_update:
            start_outside(adapted.lora, memory)
        groups = [{"params": list(adapted.lora.items()), "lr": s.learning_rate, "whole": "in"}]
        if adapted.full_rank:
            full = {"lr": s.full_rank_lr, "rank": s.rank, "refresh_every": s.refresh_every, "scale": s.scale}
            groups.append({"params": list(adapted.full_rank.items()), **full})
        return GorpAdamW(groups, memory if s.gradient_space else {}, project_update=s.project_update)

    def memory(self, optimizer: GorpAdamW, memory: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
        if not self.settings.gradient_space:
            return {}
        spaces = optimizer.gradient_space(self.settings.energy)
        # B's first moment has no basis: the published runs project A alone
        return {name: basis for name, basis in spaces.items() if not name.endswith(".lora_B")}


@torch.no_grad()
def start_outside(lora: Mapping[str, nn.Parameter], memory: Mapping[str, Tensor]) -> None:
    """Takes the space out of LoRA A's random start, in place: with projected updates B A S = 0 then holds exactly."""
    for name, parameter in lora.items():
        if name in memory:
            parameter.copy_(remove(parameter.mT, memory[name]).mT)


METHOD = Gorp
