"""A DeepSpeed config file: what of it is used, and what is refused because it would change a training's result.

DeepSpeed's part is to hold the frozen base model in pieces (ZeRO stage 3); loop, optimizer and clipping are our own.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from gorp.errors import UserError, close_names
from gorp.files import read_json
from gorp.settings import TrainSettings

AUTO = "auto"  # "as the training has it", in configs written for other programs

ELSEWHERE = {  # key: the setting that decides
    "optimizer": "the method has an optimizer of its own; leave this section out",
    "scheduler": "lr_schedule and warmup_steps set it; leave this section out",
}
HARMLESS = ("steps_per_print", "wall_clock_breakdown", "memory_breakdown", "dump_state")
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
KNOWN = (
    *("zero_optimization", "train_batch_size", "train_micro_batch_size_per_gpu", "gradient_accumulation_steps"),
    *("gradient_clipping", "fp16", "bf16", *ELSEWHERE, *HARMLESS),
)


def read_zero_config(path: Path | str, settings: TrainSettings, dtype: str, processes: int) -> dict[str, Any]:
    """The `zero_optimization` section of a DeepSpeed config file, checked against the training that it is for.

    Raises UserError that names the key of whatever would change the result, contradicts the settings, or is unknown.
    """
    config = read_json(path)
    if not isinstance(config, dict):
        raise UserError(f"{path}: expected a JSON object, a DeepSpeed config")
    try:
        check_config(config, settings, dtype, processes)
        return check_zero(config.get("zero_optimization", {}))
    except UserError as error:
        raise UserError(f"{path}: {error}") from None


def check_config(config: Mapping[str, Any], settings: TrainSettings, dtype: str, processes: int) -> None:
    """Raises UserError for the first key that is not to be used."""
    for key in config:
        if key in ELSEWHERE:
            raise UserError(f"{key}: {ELSEWHERE[key]}")
        if key not in KNOWN:
            raise UserError(f"{key}: not a key that is known to leave the result as it is; {close_names(key, KNOWN)}")
    passes = -(-settings.batch_size // (settings.micro_batch_size * processes))
    for key, expected, why in (
        ("train_batch_size", settings.batch_size, "the setting batch_size"),
        ("train_micro_batch_size_per_gpu", settings.micro_batch_size, "the setting micro_batch_size"),
        ("gradient_accumulation_steps", passes, f"what batch_size, micro_batch_size and {processes} processes make"),
        ("gradient_clipping", 0, "off: the setting max_grad_norm clips"),
    ):
        if config.get(key, expected) not in (expected, AUTO):
            raise UserError(f"{key}: {config[key]} contradicts {expected}, {why}")
    for key, expected, why in (
        ("fp16", False, "what is trained is fp32"),
        ("bf16", dtype == "bfloat16", f"dtype, {dtype}, decides"),
    ):
        enabled = config.get(key, {}).get("enabled", AUTO)
        if enabled not in (expected, AUTO):
            raise UserError(f"{key}: enabled: {str(enabled).lower()} is refused: {why}")


def check_zero(zero: Mapping[str, Any]) -> dict[str, Any]:
    """The section without what only asks for defaults. Raises UserError for the first key that is not to be used."""
    where, used = "zero_optimization", {}
    for key, value in zero.items():
        if key == "stage":
            if value not in (0, 1, 2, 3) or isinstance(value, bool):
                raise UserError(f"{where}: stage: {value} is not 0, 1, 2 or 3")
        elif key == "offload_param":
            if not isinstance(value, Mapping) or value.get("device", "none") not in ("none", "cpu"):
                raise UserError(f'{where}: offload_param: expected {{"device": "cpu"}} or {{"device": "none"}}')
            if zero.get("stage", 0) != 3 and value.get("device") == "cpu":
                raise UserError(f"{where}: offload_param: only stage 3 has parts to offload")
        elif key == "offload_optimizer":
            if not isinstance(value, Mapping) or value.get("device", "none") != "none":
                raise UserError(f"{where}: offload_optimizer: the optimizer's state is small; leave this out")
            continue
        elif key not in ZERO_NUMBERS:
            known = ("stage", "offload_param", *ZERO_NUMBERS)
            raise UserError(
                f"{where}: {key}: not a key that is known to leave the result as it is; {close_names(key, known)}"
            )
        if value != AUTO:
            used[key] = value
    return used
