"""GORP: LoRA and full-rank matrices trained together, orthogonal to the gradients of earlier tasks."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from gorp.config.settings import LORA_FACTORS, GorpSettings
from gorp.models.adapters import Adapted
from gorp.optim.gorp_adamw import GorpAdamW
from gorp.optim.projection import full_precision, remove


class Gorp:
    """Each task has LoRA factors of its own; full-rank matrices and some LoRA factors have a shared gradient space."""

    new_lora = True

    def __init__(self, settings: GorpSettings):
        self.settings = settings
        self.full_rank_modules = settings.full_rank_modules if settings.full_rank else None

    def optimizer(self, adapted: Adapted, memory: Mapping[str, Tensor]) -> GorpAdamW:
        s = self.settings
        bases = {name: basis for name, basis in memory.items() if self.projects(name)}
        if s.project_update:
            start_outside(adapted.lora, bases)
        # whatever r is, "left" has the basis of LoRA A on its in side, "right" that of LoRA B on its out side
        right = {name: p for name, p in adapted.lora.items() if name.endswith(".lora_B") and self.projects(name)}
        left = {name: p for name, p in adapted.lora.items() if name not in right}
        sides = (("left", left), ("right", right))
        groups = [{"params": list(p.items()), "lr": s.learning_rate, "projection": side} for side, p in sides if p]
        if adapted.full_rank:
            names = ("projection", "rank", "refresh_every", "stagger", "exact_svd", "turn_moments", "scale")
            options = {name: getattr(s, name) for name in names}
            groups.append({"params": list(adapted.full_rank.items()), "lr": s.full_rank_lr, **options})
        optimizer = GorpAdamW(groups, bases, weight_decay=s.weight_decay, project_update=s.project_update)
        optimizer.project_early()
        return optimizer

    def memory(self, optimizer: GorpAdamW, memory: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
        if not self.settings.gradient_space:
            return memory
        spaces = optimizer.gradient_space(self.settings.energy, self.settings.max_directions)
        # what this stage does not project is handed on as it came, for a later stage that does
        return {**memory, **{name: basis for name, basis in spaces.items() if self.projects(name)}}

    def projects(self, name: str) -> bool:
        """Whether a trained parameter is kept out of its shared gradient space, and extends it."""
        _, lora, factor = name.partition(".lora_")
        return self.settings.gradient_space and (not lora or factor in LORA_FACTORS[self.settings.project_lora])


@torch.no_grad()
@full_precision()
def start_outside(lora: Mapping[str, nn.Parameter], memory: Mapping[str, Tensor]) -> None:
    """Takes the space out of LoRA A's random start, in place: with projected updates B A S = 0 then holds exactly."""
    for name, parameter in lora.items():
        if name in memory and name.endswith(".lora_A"):  # B starts at zero
            parameter.copy_(remove(parameter, memory[name], mode=1))


METHOD = Gorp
