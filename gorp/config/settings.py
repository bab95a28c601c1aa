"""The settings of a training, as frozen dataclasses: what every method uses here, more beside the method that uses it.

A setting is stated once: its default, its limits and what it is for. The check of its values, the schema of the
workflow's config and the messages come from that. The defaults are the published ones of T5-large, standard suite.
"""

import dataclasses
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import yaml

from gorp.util.errors import UserError, close_names

SCHEDULES = ("constant", "linear", "cosine")
BOUNDS = {"minimum": "at least", "exclusiveMinimum": "above", "maximum": "at most", "exclusiveMaximum": "below"}
TYPES = {bool: "boolean", int: "integer", float: "number", str: "string"}  # of JSON schema


def setting(default: Any, description: str, **limits: Any) -> Any:
    """A field of a settings class; limits: keywords of JSON schema, of `BOUNDS`, or `enum`, or `format`."""
    return dataclasses.field(default=default, metadata={"description": description, **limits})


@dataclasses.dataclass(frozen=True)
class TrainSettings:
    """What every method uses: data, schedule and LoRA. Raises UserError for a value out of range."""

    epochs: int = setting(1, "Passes over the train rows of a task.", minimum=1)
    batch_size: int = setting(64, "Rows an optimizer step.", minimum=1)
    micro_batch_size: int = setting(8, "Rows a forward and backward pass; smaller takes less memory.", minimum=1)
    learning_rate: float = setting(1e-3, "Of the LoRA factors, after the warm-up.", exclusiveMinimum=0)
    lr_schedule: str = setting(
        "constant",
        "What becomes of all learning rates over the steps of a task, after the warm-up; linear and cosine fall to "
        "nearly 0.",
        enum=SCHEDULES,
    )
    warmup_steps: int = setting(
        0,
        "First steps of a task, in which the learning rates rise to their values; at most as many as there are.",
        minimum=0,
    )
    max_grad_norm: float = setting(
        1.0,
        "Limit on the norm of all gradients together; of a full-rank matrix, its gradient inside the subspace.",
        exclusiveMinimum=0,
    )
    weight_decay: float = setting(0.0, "Of all trained parameters, decoupled from the gradient.", minimum=0)
    gradient_checkpointing: bool = setting(
        False, "Compute activations again in the backward pass: less memory, more time."
    )
    max_source_length: int = setting(512, "Tokens of a prompt; a longer one loses the end of its sentence.", minimum=1)
    max_target_length: int = setting(50, "Tokens of an answer, end of sequence included.", minimum=1)
    lora_r: int = setting(8, "Rank of the LoRA factors of one task.", minimum=1)
    lora_alpha: float = setting(32.0, "LoRA is scaled by lora_alpha / lora_r.", exclusiveMinimum=0)
    lora_dropout: float = setting(
        0.1, "Dropout on the input of the LoRA factors in training.", minimum=0, exclusiveMaximum=1
    )
    lora_modules: str = setting(
        "auto",
        "Regular expression over whole module names; these linear modules get LoRA. auto: q and v of self-attention, "
        "by the model's family (docs/models.md).",
        format="regex",
    )

    def __post_init__(self):
        for field in dataclasses.fields(self):
            limits, value = field.metadata, getattr(self, field.name)
            if not within(value, limits):
                raise UserError(f"{field.name}: {value} is not {range_of(limits)}")


Kinds = Mapping[str, type[TrainSettings]]  # settings classes by the name of their method


def within(value: Any, limits: Mapping[str, Any]) -> bool:
    """Whether a value keeps to the limits of its setting; nan keeps to none."""
    return (
        ("minimum" not in limits or value >= limits["minimum"])
        and ("exclusiveMinimum" not in limits or value > limits["exclusiveMinimum"])
        and ("maximum" not in limits or value <= limits["maximum"])
        and ("exclusiveMaximum" not in limits or value < limits["exclusiveMaximum"])
        and ("enum" not in limits or value in limits["enum"])
    )


def range_of(limits: Mapping[str, Any]) -> str:
    """What the limits of a setting ask for, in words."""
    if "enum" in limits:
        return f"one of {', '.join(limits['enum'])}"
    return " and ".join(f"{word} {limits[key]}" for key, word in BOUNDS.items() if key in limits)


def schema_of(field: dataclasses.Field) -> dict[str, Any]:
    """The JSON schema of a setting; no type where its values are listed. Raises UserError for a type that is none."""
    if field.type not in TYPES:
        names = ", ".join(kind.__name__ for kind in TYPES)
        raise UserError(f"{field.name}: a setting is of type {names}, not {field.type}")
    limits = {key: list(value) if key == "enum" else value for key, value in field.metadata.items()}
    return limits if "enum" in limits else {"type": TYPES[field.type], **limits}


def training_schema(kinds: Kinds) -> dict[str, dict[str, Any]]:
    """The JSON schemas of all settings by name: first those of every method, then each method's own.

    Raises UserError for a name that two methods use for different settings.
    """
    shared = {field.name for field in dataclasses.fields(TrainSettings)}
    found: dict[str, dict[str, Any]] = {}
    methods: Kinds = {"": TrainSettings, **kinds}
    for method, kind in methods.items():
        for field in dataclasses.fields(kind):
            schema = schema_of(field)
            if field.name not in shared:
                schema["description"] = f"{method}: {schema.get('description', '')}"
            if {**found.get(field.name, schema), "description": ""} != {**schema, "description": ""}:
                raise UserError(f"{field.name}: the method {method} takes it for another setting; give it another name")
            found.setdefault(field.name, schema)
    return found


def is_file(method: str) -> bool:
    """Whether a method is given by its Python file."""
    return method.endswith(".py")


def method_name(method: str) -> str:
    """The name of a method: of a file its stem. Raises UserError for one that is no name of a folder."""
    name = Path(method).stem if is_file(method) else method
    if not re.fullmatch(r"[A-Za-z0-9_-]+", name):
        raise UserError(f"method: {method}: name the file by letters, digits, _ and -")
    return name


def settings_class(method: str, kinds: Kinds) -> type[TrainSettings]:
    """The settings class of a method. Raises UserError for an unknown method."""
    if method not in kinds:
        raise UserError(f"method: no method {method!r}; {close_names(method, kinds)}")
    return kinds[method]


def make_settings(method: str, kind: type[TrainSettings], values: Mapping[str, Any]) -> TrainSettings:
    """The settings of a method from a mapping; keys left out keep their defaults.

    Raises UserError for an unknown key, a value of the wrong type or out of range; whole numbers pass as floats.
    """
    fields: dict[str, Any] = {field.name: field.type for field in dataclasses.fields(kind)}
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


def used_settings(method: str, kinds: Kinds, values: Mapping[str, Any]) -> dict[str, Any]:
    """All settings that a training by `method` uses, defaults filled in, keys sorted; others in `values` are left out.

    `values` may hold settings of other methods too; a key that no method has is a UserError.
    """
    known = {field.name for kind in kinds.values() for field in dataclasses.fields(kind)}
    for key in values:
        if key not in known:
            raise UserError(f"{key}: no method has this setting; {close_names(key, sorted(known))}")
    kind = settings_class(method, kinds)
    own = {field.name for field in dataclasses.fields(kind)}
    settings = make_settings(method, kind, {key: value for key, value in values.items() if key in own})
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
