"""The protocol of a continual-learning method: hooks, each with a default, that the training of a stage calls.

No torch here, nor at the top of a method's file: the workflow reads a method's settings while it builds its graph, and
starts quickly. Import torch inside the hooks.
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from gorp.config.settings import TrainSettings

if TYPE_CHECKING:
    from torch import Tensor
    from torch.optim import Optimizer
    from transformers import PreTrainedModel

    from gorp.models.adapters import Adapted
    from gorp.models.stage import Stage
    from gorp.models.trainable import Layers

OptimizerT = TypeVar("OptimizerT", bound="Optimizer")


class Method(Generic[OptimizerT]):
    """A continual-learning method. With no hook changed: one pair of LoRA factors, trained by AdamW on task after task.

    The training of a stage calls `check`, `rows`, `attach` and `optimizer` once, in this order; in each step `penalty`,
    then for each pass `before_pass` and `batch_loss`, then `gradients` and `change_gradients`; at the end `carry`.

    `Method["SGD"]` tells type checkers that its optimizer is an SGD; `Method` alone tells them nothing.
    """

    Settings: type[TrainSettings] = TrainSettings
    """The dataclass of its settings, TrainSettings or derived from it; `self.settings` is one."""

    new_lora: bool = False
    """Whether each task gets LoRA factors of its own, those of earlier tasks frozen; else one pair is trained on."""

    keep_factors: bool = False
    """Whether frozen factors stay beside the weights; else, in float32, they are added to the weights of a stage."""

    needs_earlier_rows: bool = False
    """Whether `rows` needs the train rows of the earlier tasks."""

    def __init__(self, settings: TrainSettings):
        self.settings: Any = settings

    # ---- before the first step ----

    @property
    def full_rank_modules(self) -> str | None:
        """The pattern of modules whose matrices are trained whole, or None."""
        return None

    def check(self, layers: "Layers") -> None:
        """Raises UserError where a model cannot be trained with these settings; no weights are there yet."""
        from gorp.models.trainable import check_trainable

        check_trainable(layers, self.settings, self.full_rank_modules)

    def rows(self, rows: list[dict], earlier: Sequence[list[dict]]) -> list[dict]:
        """The rendered rows of the stage; `earlier`: those of each earlier task, with `needs_earlier_rows`."""
        return rows

    def attach(
        self, base: "PreTrainedModel", parent: "Stage | None", zero: Mapping[str, Any] | None = None
    ) -> "Adapted":
        """What is trained, put on a frozen base model and what the parent has learnt; `zero`: see parallel.zero3."""
        from gorp.models.adapters import attach

        new = {"new_lora": self.new_lora, "keep_factors": self.keep_factors}
        return attach(base, self.settings, self.full_rank_modules, parent, zero=zero, **new)

    def optimizer(self, adapted: "Adapted", carried: "Mapping[str, Tensor]") -> OptimizerT:
        """The optimizer of the stage; `carried`: what `carry` gave after the stage before, nothing for the first."""
        from torch.optim import AdamW

        s = self.settings
        return AdamW(  # type: ignore[return-value]  # a method with another optimizer makes that one here
            adapted.trained.items(), lr=s.learning_rate, weight_decay=s.weight_decay
        )

    # ---- in each step ----

    def penalty(self, adapted: "Adapted") -> "Tensor | None":
        """A scalar of the trained parameters that is added to the mean loss per answer token of a step."""
        return None

    def before_pass(self, optimizer: OptimizerT, last: bool) -> None:
        """Called before each forward and backward pass of a step; `last`: whether no other follows."""

    def batch_loss(
        self, adapted: "Adapted", inputs: Mapping[str, Any], labels: "Tensor", logits: "Tensor"
    ) -> "Tensor | None":
        """A scalar that is added to the loss of a pass, which is summed over its answer tokens.

        inputs: of the model; labels [rows, answer length], -100 outside the answers; logits [rows, answer length,
        vocabulary].
        """
        return None

    def gradients(self, adapted: "Adapted", optimizer: OptimizerT) -> "dict[str, Tensor]":
        """After a step's passes: gradients by parameter name as the optimizer will use them; changed in place later."""
        return {name: p.grad for name, p in adapted.trained.items() if p.grad is not None}

    def change_gradients(self, adapted: "Adapted", gradients: "dict[str, Tensor]") -> None:
        """Changes the gradients of a step, in place, once they are summed over all processes; they are clipped next."""

    # ---- after the last step ----

    def carry(
        self, adapted: "Adapted", optimizer: OptimizerT, carried: "Mapping[str, Tensor]"
    ) -> "Mapping[str, Tensor]":
        """What the next stage is handed: tensors by name, written to gradient_space.safetensors."""
        return {}

    # ---- for the plan of memory (gorp plan), on tensors without data ----

    def largest_carried(self, adapted: "Adapted", optimizer: OptimizerT, tasks: int) -> "Mapping[str, Tensor]":
        """The most that `tasks` earlier tasks can hand on; the optimizer has done a step."""
        return self.carry(adapted, optimizer, {})

    @property
    def first_step_may_be_heaviest(self) -> bool:
        """Whether the first step may take more memory than the one that `make_heaviest` prepares."""
        return False

    def make_heaviest(self, optimizer: OptimizerT) -> None:
        """Puts an optimizer that has done a step before the step that takes the most memory."""

    def held(
        self, adapted: "Adapted", optimizer: OptimizerT, carried: "Mapping[str, Tensor]"
    ) -> "dict[str, list[Tensor]]":
        """The tensors that stay from one operation to the next: "gradients", "optimizer_state", "gradient_space"."""
        from torch import Tensor
        from torch.utils._pytree import tree_leaves

        return {
            "gradients": [p.grad for p in adapted.trained.values() if p.grad is not None],
            "optimizer_state": [leaf for leaf in tree_leaves([*optimizer.state.values()]) if isinstance(leaf, Tensor)],
            "gradient_space": [*carried.values()],
        }
