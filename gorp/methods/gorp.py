"""GORP: LoRA and full-rank matrices trained together, orthogonal to the gradients of earlier tasks."""

import dataclasses
from collections.abc import Mapping
from typing import TYPE_CHECKING

from gorp.config.settings import TrainSettings, setting
from gorp.methods.base import Method
from gorp.optim.modes import PROJECTIONS

if TYPE_CHECKING:
    from torch import Tensor

    from gorp.models.adapters import Adapted
    from gorp.models.trainable import Layers
    from gorp.optim.gorp_adamw import GorpAdamW

LORA_FACTORS = {"A": "A", "B": "B", "both": "AB", "none": ""}  # what project_lora names


@dataclasses.dataclass(frozen=True)
class GorpSettings(TrainSettings):
    """GORP adds the full-rank matrices and the shared gradient space; both off is LoRA alone, the paper's ablation."""

    full_rank: bool = setting(True, "Train the full-rank matrices too.")
    full_rank_modules: str = setting(
        "auto",
        "Regular expression over whole module names; their matrices are trained whole. auto: by the model's family "
        "(docs/models.md).",
        format="regex",
    )
    full_rank_lr: float = setting(
        1e-5, "Learning rate of the full-rank matrices, after the warm-up.", exclusiveMinimum=0
    )
    projection: str = setting(
        "std",
        "Side of a full-rank matrix whose gradient is reduced: std the smaller, reverse_std the larger, left out, "
        "right in, full both.",
        enum=tuple(PROJECTIONS),
    )
    rank: int = setting(8, "Dimensions of the gradient subspace of a full-rank matrix.", minimum=1)
    refresh_every: int = setting(10, "Steps from one gradient subspace to the next.", minimum=1)
    stagger: bool = setting(
        False, "Spread the refreshes of the matrices over the period, so that few whole gradients are held at once."
    )
    exact_svd: bool = setting(
        False,
        "Subspaces from a full SVD; else by subspace iteration, much faster. Matrices whose smaller side is at most "
        "128 get a full SVD anyway.",
    )
    turn_moments: bool = setting(False, "Turn Adam's moments into each new subspace; the paper keeps them.")
    scale: float = setting(1.0, "Factor on the update of the full-rank matrices.", exclusiveMinimum=0)
    gradient_space: bool = setting(True, "Keep gradients orthogonal to the shared gradient space of earlier tasks.")
    energy: float = setting(
        0.9, "Part of a first moment's energy that the space must explain.", exclusiveMinimum=0, maximum=1
    )
    max_directions: int = setting(0, "Directions of a basis at most; 0 sets no limit.", minimum=0)
    project_lora: str = setting(
        "A",
        "LoRA factors with a shared gradient space, kept orthogonal as the full-rank matrices are; the paper's runs: "
        "A. A space begins with the stage that first has it.",
        enum=tuple(LORA_FACTORS),
    )
    project_update: bool = setting(
        False,
        "Take the space out of Adam's step and of LoRA A's random start too; the paper projects the gradient alone.",
    )


class Gorp(Method["GorpAdamW"]):
    """Each task has LoRA factors of its own; full-rank matrices and some LoRA factors have a shared gradient space."""

    Settings = GorpSettings
    new_lora = True

    @property
    def full_rank_modules(self) -> str | None:
        return self.settings.full_rank_modules if self.settings.full_rank else None

    def check(self, layers: "Layers") -> None:
        from gorp.models.trainable import check_rank, chosen_modules

        super().check(layers)
        if self.full_rank_modules is not None:
            matrices = chosen_modules(layers, self.full_rank_modules, "full_rank_modules")
            check_rank(layers, "rank", self.settings.rank, matrices)

    def optimizer(self, adapted: "Adapted", carried: "Mapping[str, Tensor]") -> "GorpAdamW":
        from gorp.models.adapters import start_outside
        from gorp.optim.gorp_adamw import GorpAdamW

        s = self.settings
        bases = {name: basis for name, basis in carried.items() if self.projects(name)}
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

    def before_pass(self, optimizer: "GorpAdamW", last: bool) -> None:
        optimizer.complete = last

    def gradients(self, adapted: "Adapted", optimizer: "GorpAdamW") -> "dict[str, Tensor]":
        return optimizer.reduce()

    def carry(
        self, adapted: "Adapted", optimizer: "GorpAdamW", carried: "Mapping[str, Tensor]"
    ) -> "Mapping[str, Tensor]":
        if not self.settings.gradient_space:
            return carried
        spaces = optimizer.gradient_space(self.settings.energy, self.settings.max_directions)
        # what this stage does not project is handed on as it came, for a later stage that does
        return {**carried, **{name: basis for name, basis in spaces.items() if self.projects(name)}}

    def projects(self, name: str) -> bool:
        """Whether a trained parameter is kept out of its shared gradient space, and extends it."""
        _, lora, factor = name.partition(".lora_")
        return self.settings.gradient_space and (not lora or factor in LORA_FACTORS[self.settings.project_lora])

    def largest_carried(self, adapted: "Adapted", optimizer: "GorpAdamW", tasks: int) -> "Mapping[str, Tensor]":
        """Each task adds all the directions that one can."""
        bases = {}
        for name, S_wm in self.carry(adapted, optimizer, {}).items():
            side, limit = len(S_wm), self.settings.max_directions
            bases[name] = S_wm.new_empty(side, min(tasks * S_wm.shape[1], limit or side, side))
        return bases

    @property
    def first_step_may_be_heaviest(self) -> bool:
        """All subspaces are due in the first step, few in any other with `stagger`."""
        return self.settings.stagger

    def make_heaviest(self, optimizer: "GorpAdamW") -> None:
        """Before a step in which subspaces are due."""
        for state in optimizer.state.values():
            state["step"] = self.settings.refresh_every

    def held(
        self, adapted: "Adapted", optimizer: "GorpAdamW", carried: "Mapping[str, Tensor]"
    ) -> "dict[str, list[Tensor]]":
        held = optimizer.held()
        return {**held, "gradient_space": [*carried.values(), *held["gradient_space"]]}  # the optimizer has a copy
