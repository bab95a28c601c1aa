"""The settings of a training, as frozen dataclasses: one a method, so that a stage depends on what it uses alone.

The defaults are the published ones of T5-large on the standard suite.
"""

import dataclasses
from collections.abc import Iterable, Mapping
from typing import Any

import yaml

from gorp.util.errors import UserError, close_names


@dataclasses.dataclass(frozen=True)
class TrainSettings:
    """What every method uses: data, schedule and LoRA."""

    epochs: int = 1
    batch_size: int = 64  # rows an optimizer step
    micro_batch_size: int = 8  # rows a forward and backward pass
    learning_rate: float = 1e-3  # of the LoRA factors
    lr_schedule: str = "constant"  # of all learning rates, over the steps of a task (see gorp.train.schedule)
    warmup_steps: int = 0  # steps in which they rise to their values
    max_grad_norm: float = 1.0  # over all gradients as the optimizer gets them: reduced ones where there is a subspace
    weight_decay: float = 0.0  # decoupled, of all trained parameters
    gradient_checkpointing: bool = False  # compute activations again in the backward pass: less memory, more time
    max_source_length: int = 512  # tokens
    max_target_length: int = 50  # tokens, end-of-sequence included
    lora_r: int = 8
    lora_alpha: float = 32.0
    lora_dropout: float = 0.1
    lora_modules: str = "auto"  # regular expression over whole module names; auto: see gorp.models.families

    def __post_init__(self):
        for name in ("epochs", "batch_size", "micro_batch_size", "max_source_length", "max_target_length", "lora_r"):
            require(name, getattr(self, name), getattr(self, name) >= 1, "at least 1")
        for name in ("learning_rate", "max_grad_norm", "lora_alpha"):
            require(name, getattr(self, name), getattr(self, name) > 0, "above 0")
        for name in ("weight_decay", "warmup_steps"):
            require(name, getattr(self, name), getattr(self, name) >= 0, "at least 0")
        require("lr_schedule", self.lr_schedule, self.lr_schedule in SCHEDULES, f"one of {', '.join(SCHEDULES)}")
        require("lora_dropout", self.lora_dropout, 0 <= self.lora_dropout < 1, "at least 0 and below 1")


@dataclasses.dataclass(frozen=True)
class GorpSettings(TrainSettings):
    """GORP adds the full-rank matrices and the shared gradient space; both off is LoRA alone, the paper's ablation."""

    full_rank: bool = True  # train the full-rank matrices
    full_rank_modules: str = "auto"  # regular expression over whole module names; auto: see gorp.models.families
    full_rank_lr: float = 1e-5
    projection: str = "std"  # the side of a full-rank matrix that is reduced: std is the smaller one
    rank: int = 8  # k, of the gradient subspace of a full-rank matrix
    refresh_every: int = 10  # T, steps from one subspace to the next
    stagger: bool = False  # spread the refreshes of the matrices over the period: fewer whole gradients at once
    exact_svd: bool = False  # subspaces from a full SVD for large matrices too, rather than by subspace iteration
    turn_moments: bool = False  # turn Adam's moments into the new subspace; the paper keeps them
    scale: float = 1.0  # factor on the lifted update
    gradient_space: bool = True  # keep gradients orthogonal to the shared gradient space of the earlier tasks
    energy: float = 0.9  # epsilon, the part of a first moment's energy that the space must explain
    max_directions: int = 0  # of a basis, at most; 0: as many as the matrix has rows on that side
    project_lora: str = "A"  # the LoRA factors with a shared gradient space: A, B, both or none
    project_update: bool = False  # take the space out of Adam's step and LoRA A's start as well (the paper does not)

    def __post_init__(self):
        super().__post_init__()
        for name in ("rank", "refresh_every"):
            require(name, getattr(self, name), getattr(self, name) >= 1, "at least 1")
        for name in ("full_rank_lr", "scale"):
            require(name, getattr(self, name), getattr(self, name) > 0, "above 0")
        require("energy", self.energy, 0 < self.energy <= 1, "above 0 and at most 1")
        require("max_directions", self.max_directions, self.max_directions >= 0, "at least 0")
        require("projection", self.projection, self.projection in PROJECTIONS, f"one of {', '.join(PROJECTIONS)}")
        factors = self.project_lora
        require("project_lora", factors, factors in LORA_FACTORS, f"one of {', '.join(LORA_FACTORS)}")


SCHEDULES = ("constant", "linear", "cosine")
PROJECTIONS = (
    "std",
    "reverse_std",
    "left",
    "right",
    "full",
)  # as gorp.optim.projection has them; no torch is loaded here
LORA_FACTORS = {"A": "A", "B": "B", "both": "AB", "none": ""}  # what project_lora names
SETTINGS: dict[str, type[TrainSettings]] = {"gorp": GorpSettings, "seqlora": TrainSettings}


def require(key: str, value: Any, valid: bool, expected: str) -> None:
    """Raises UserError that names the key unless `valid`."""
    if not valid:
        raise UserError(f"{key}: {value} is not {expected}")


def settings_class(method: str) -> type[TrainSettings]:
    """The settings dataclass of a method. Raises UserError for an unknown method."""
    if method not in SETTINGS:
        raise UserError(f"method: no method {method!r}; {close_names(method, SETTINGS)}")
    return SETTINGS[method]


def make_settings(method: str, values: Mapping[str, Any]) -> TrainSettings:
    """The settings of a method from a mapping; keys left out keep their defaults.

    Raises UserError for an unknown key, a value of the wrong type or out of range; whole numbers pass as floats.
    """
    kind = settings_class(method)
    fields = {field.name: field.type for field in dataclasses.fields(kind)}
    checked = {}
    for key, value in values.items():
        if key not in fields:
            raise UserError(f"{key}: not a setting of {method}; {close_names(key, fields)}")
        expected = fields[key]
        if expected is float and isinstance(value, int) and not isinstance(value, bool):
            value = float(value)
        if type(value) is not expected:
            raise UserError(f"{key}: expected {expected.__name__}, got {value!r}")
        checked[key] = value
    return kind(**checked)


def used_settings(method: str, values: Mapping[str, Any]) -> dict[str, Any]:
    """All settings that a training by `method` uses, defaults filled in, keys sorted; others in `values` are left out.

    `values` may hold settings of other methods too; a key that no method has is a UserError.
    """
    known = {field.name for kind in SETTINGS.values() for field in dataclasses.fields(kind)}
    for key in values:
        if key not in known:
            raise UserError(f"{key}: no method has this setting; {close_names(key, sorted(known))}")
    own = {field.name for field in dataclasses.fields(settings_class(method))}
    settings = make_settings(method, {key: value for key, value in values.items() if key in own})
    return dict(sorted(dataclasses.asdict(settings).items()))


def parse_assignments(pairs: Iterable[str]) -> dict[str, Any]:
    """`["epochs=2", "rank=4"]` as a mapping, values read as YAML. Raises UserError for a text without `=`."""
    values = {}
    for pair in pairs:
        key, equals, text = pair.partition("=")
        if not equals:
            raise UserError(f"{pair}: expected KEY=VALUE")
        try:
            values[key] = float(text) if looks_like_float(text) else yaml.safe_load(text)
        except (yaml.YAMLError, ValueError):
            values[key] = text  # a regular expression, say, or what looks like a date
    return values


def looks_like_float(text: str) -> bool:
    """True for numbers with a point or an exponent; YAML 1.1 takes `1e-3` for text."""
    try:
        float(text)
    except ValueError:
        return False
    return not text.strip().lstrip("+-").isdigit()
