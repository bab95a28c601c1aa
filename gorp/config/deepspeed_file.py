"""A DeepSpeed config file: what of it is used, and what is refused because it would change a training's result.

DeepSpeed only shards the frozen base model (ZeRO stage 3); loop, optimizer and clipping are our own. So everything else
in a file is compared with the settings: refused where it differs, ignored where it agrees.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from gorp.config.settings import TrainSettings
from gorp.util.errors import UserError, close_names
from gorp.util.files import read_json

AUTO = "auto"  # "as the training has it", in configs written for other programs
ZERO = "zero_optimization"

SECTIONS = (ZERO, "optimizer", "scheduler", "fp16", "bf16", "bfloat16")
HARMLESS = (
    *("steps_per_print", "wall_clock_breakdown", "memory_breakdown", "dump_state"),
    *("zero_allow_untested_optimizer", "zero_force_ds_cpu_optimizer"),
)
SCHEDULES = {"WarmupLR": "constant", "WarmupDecayLR": "linear", "WarmupCosineLR": "cosine"}
ZERO_NUMBERS = (  # keys of zero_optimization that change speed and memory alone
    "stage3_max_live_parameters",
    "stage3_max_reuse_distance",
    "stage3_prefetch_bucket_size",
    "stage3_param_persistence_threshold",
    "sub_group_size",
    "reduce_bucket_size",
    "allgather_bucket_size",
    "overlap_comm",
    "contiguous_gradients",
    "reduce_scatter",
    "allgather_partitions",
    "round_robin_gradients",
)
ZERO_UNUSED = (  # what asks for a place or a file that nothing of ours needs
    *("offload_optimizer", "stage3_gather_16bit_weights_on_model_save", "stage3_gather_fp16_weights_on_model_save"),
)
KNOWN = (
    *("train_batch_size", "train_micro_batch_size_per_gpu", "gradient_accumulation_steps", "gradient_clipping"),
    *(*SECTIONS, *HARMLESS),
)


def read_zero_config(path: Path | str, settings: TrainSettings, dtype: str, processes: int) -> dict[str, Any]:
    """The `zero_optimization` section of a DeepSpeed config file, checked against the training that it is for.

    Raises UserError that names the key of whatever would change the result, contradicts the settings, or is unknown.
    """
    config = read_object(path)
    try:
        check_config(config, settings, dtype, processes)
        return check_zero(config.get(ZERO, {}))
    except UserError as error:
        raise UserError(f"{path}: {error}") from None


def check_deepspeed(path: Path | str | None, settings: TrainSettings, dtype: str, processes: int) -> None:
    """Raises UserError, as `read_zero_config`, that names the key of the workflow's config; None: there is no file."""
    if path:
        try:
            read_zero_config(path, settings, dtype, processes)
        except UserError as error:
            raise UserError(f"deepspeed: {error}") from None


def without_effect(path: Path | str) -> list[str]:
    """The keys of a config that has been checked which change nothing here, such as `optimizer`."""
    config = read_object(path)
    zero = config.get(ZERO, {})
    used = ("stage", "offload_param", *ZERO_NUMBERS) if zero.get("stage") == 3 else ("stage",)
    return [key for key in config if key != ZERO] + [f"{ZERO}.{key}" for key in zero if key not in used]


def read_object(path: Path | str) -> dict[str, Any]:
    """A JSON object whose known sections are objects too. Raises UserError where it is not."""
    config = read_json(path)
    if not isinstance(config, dict):
        raise UserError(f"{path}: expected a JSON object, a DeepSpeed config")
    for key in SECTIONS:
        if not isinstance(config.get(key, {}), dict):
            raise UserError(f"{path}: {key}: expected a JSON object, a section of a DeepSpeed config")
    return config


def check_config(config: Mapping[str, Any], settings: TrainSettings, dtype: str, processes: int) -> None:
    """Raises UserError for the first key that is unknown, or contradicts the settings."""
    for key in config:
        if key not in KNOWN:
            raise UserError(f"{key}: not known to leave the result unchanged; {close_names(key, KNOWN)}")
    passes = -(-settings.batch_size // (settings.micro_batch_size * processes))
    for key, expected, why in (
        ("train_batch_size", settings.batch_size, "the setting batch_size"),
        ("train_micro_batch_size_per_gpu", settings.micro_batch_size, "the setting micro_batch_size"),
        ("gradient_accumulation_steps", passes, f"from batch_size, micro_batch_size and {processes} processes"),
    ):
        agree(key, config.get(key, AUTO), expected, why)
    if config.get("gradient_clipping", 0) != 0:  # 0: the engine does not clip, and it would not here
        agree("gradient_clipping", config["gradient_clipping"], settings.max_grad_norm, "the setting max_grad_norm")
    for key, expected, why in (
        ("fp16", False, "what is trained is fp32"),
        ("bf16", dtype == "bfloat16", f"dtype, {dtype}, decides"),
        ("bfloat16", dtype == "bfloat16", f"dtype, {dtype}, decides"),
    ):
        enabled = config.get(key, {}).get("enabled", AUTO)
        if str(enabled).lower() not in (str(expected).lower(), AUTO):  # some files have "true" in quotes
            raise UserError(f"{key}: enabled: {str(enabled).lower()} is refused: {why}")
    check_optimizer(config.get("optimizer", {}), settings)
    check_scheduler(config.get("scheduler", {}), settings)


def agree(key: str, value: Any, expected: Any, why: str) -> None:
    """Raises UserError unless a value is the expected one, or leaves the choice."""
    if value not in (expected, AUTO):
        raise UserError(f"{key}: {value} contradicts {expected}, {why}")


def check_parameters(section: str, own: Mapping[str, Any], expected: Mapping[str, tuple[Any, str]]) -> None:
    """Raises UserError for the first of a section's `params` that is unknown or contradicts what is `expected`."""
    parameters = own.get("params", {})
    if not isinstance(parameters, Mapping):
        raise UserError(f"{section}: params: expected a JSON object")
    for key, value in parameters.items():
        where = f"{section}: params: {key}"
        if key not in expected:
            raise UserError(f"{where}: not one that can be compared; {close_names(key, expected)}")
        agree(where, value, *expected[key])


def check_optimizer(section: Mapping[str, Any], settings: TrainSettings) -> None:
    """Raises UserError unless a section asks for the optimizer that the settings make anyway."""
    agree("optimizer: type", section.get("type", AUTO), "AdamW", "the optimizer of all methods")
    expected = {
        "lr": (settings.learning_rate, "the setting learning_rate"),
        "betas": ([0.9, 0.999], "the ones that all methods use"),
        "eps": (1e-8, "the one that all methods use"),
        "weight_decay": (settings.weight_decay, "the setting weight_decay"),
    }
    check_parameters("optimizer", section, expected)


def check_scheduler(section: Mapping[str, Any], settings: TrainSettings) -> None:
    """Raises UserError unless a section asks for the learning rates that the settings make anyway."""
    schedule, steps = settings.lr_schedule, settings.warmup_steps
    kind = section.get("type", AUTO)
    agree(f"scheduler: type: {kind}", SCHEDULES.get(str(kind), kind), schedule, "lr_schedule")
    expected = {
        "warmup_min_lr": (0, "where the warm-up begins"),
        "warmup_max_lr": (settings.learning_rate, "the setting learning_rate"),
        "warmup_num_steps": (steps, "warmup_steps"),
        "warmup_type": ("linear", "the form of every warm-up"),
        "total_num_steps": (AUTO, "since the number of rows decides it"),
    }
    check_parameters("scheduler", section, expected)


def check_zero(zero: Mapping[str, Any]) -> dict[str, Any]:
    """The section without what only asks for defaults. Raises UserError for the first key that is not to be used."""
    where, used = ZERO, {}
    for key, value in zero.items():
        if key == "stage":
            if value not in (0, 1, 2, 3) or isinstance(value, bool):
                raise UserError(f"{where}: stage: {value} is not 0, 1, 2 or 3")
        elif key == "offload_param":
            if not isinstance(value, Mapping) or value.get("device", "none") not in ("none", "cpu"):
                raise UserError(f'{where}: offload_param: expected {{"device": "cpu"}} or {{"device": "none"}}')
        elif key in ZERO_UNUSED:
            continue
        elif key not in ZERO_NUMBERS:
            known = ("stage", "offload_param", *ZERO_NUMBERS, *ZERO_UNUSED)
            raise UserError(f"{where}: {key}: not known to leave the result unchanged; {close_names(key, known)}")
        if value != AUTO:
            used[key] = value
    return used
