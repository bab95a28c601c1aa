"""GORP: LoRA and full-rank matrices trained together, orthogonal to the gradients of earlier tasks."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from gorp.models import Adapted
from gorp.optimizer import GorpAdamW
from gorp.projection import full_precision, remove
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
        # "left" has the basis of LoRA A on its in side, whatever r is
        groups = [{"params": list(adapted.lora.items()), "lr": s.learning_rate, "projection": "left"}]
        if adapted.full_rank:
            names = ("projection", "rank", "refresh_every", "stagger", "exact_svd", "turn_moments", "scale")
            options = {name: getattr(s, name) for name in names}
            groups.append({"params": list(adapted.full_rank.items()), "lr": s.full_rank_lr, **options})
        bases = memory if s.gradient_space else {}
        optimizer = GorpAdamW(groups, bases, weight_decay=s.weight_decay, project_update=s.project_update)
        optimizer.project_early()
        return optimizer

    def memory(self, optimizer: GorpAdamW, memory: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
        if not self.settings.gradient_space:
            return {}
        spaces = optimizer.gradient_space(self.settings.energy, self.settings.max_directions)
        # B's first moment has no basis: the published runs project A alone
        return {name: basis for name, basis in spaces.items() if not name.endswith(".lora_B")}


@torch.no_grad()
@full_precision()
def start_outside(lora: Mapping[str, nn.Parameter], memory: Mapping[str, Tensor]) -> None:
    """Takes the space out of LoRA A's random start, in place: with projected updates B A S = 0 then holds exactly."""
    for name, parameter in lora.items():
        if name in memory:
            parameter.copy_(remove(parameter, memory[name], mode=1))


METHOD = Gorp
