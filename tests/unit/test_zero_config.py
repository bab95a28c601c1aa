"""DeepSpeed configs: those that ship are accepted, what would change a result is refused by name."""

import json
from pathlib import Path

import pytest

from gorp.errors import UserError
from gorp.settings import make_settings
from gorp.zero_config import read_zero_config

PRESETS = Path(__file__).parents[2] / "workflow/presets/deepspeed"
SETTINGS = make_settings("gorp", {"batch_size": 64, "micro_batch_size": 8})


def read(tmp_path, config, dtype="float32", processes=2):
    file = tmp_path / "config.json"
    file.write_text(json.dumps(config))
    return read_zero_config(file, SETTINGS, dtype, processes)


@pytest.mark.parametrize(
    ("name", "stage", "offload"), [("zero0", 0, 0), ("zero2", 2, 0), ("zero3", 3, 0), ("zero3-offload", 3, 1)]
)
def test_ready_configs(name, stage, offload):
    zero = read_zero_config(PRESETS / f"{name}.json", SETTINGS, "float32", 2)
    assert zero["stage"] == stage
    assert ("offload_param" in zero) == bool(offload)


def test_what_agrees_or_leaves_the_choice_is_accepted(tmp_path):
    sizes = {"train_batch_size": 64, "train_micro_batch_size_per_gpu": 8, "gradient_accumulation_steps": 4}
    others = {"gradient_clipping": 0.0, "fp16": {"enabled": False}, "bf16": {"enabled": "auto"}, "steps_per_print": 9}
    zero = {
        "stage": 3,
        "stage3_max_live_parameters": 1000,
        "sub_group_size": "auto",
        "offload_optimizer": {"device": "none"},
    }
    assert read(tmp_path, {**sizes, **others, "zero_optimization": zero}) == {
        "stage": 3,
        "stage3_max_live_parameters": 1000,
    }
    assert read(tmp_path, dict.fromkeys([*sizes, "gradient_clipping"], "auto")) == {}
    assert read(tmp_path, {"bf16": {"enabled": True}}, "bfloat16") == {}


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        ({"optimizer": {"type": "AdamW"}}, "optimizer: the method has an optimizer of its own"),
        ({"scheduler": {}}, "scheduler: lr_schedule and warmup_steps set it"),
        ({"gradient_clipping": 1.0}, "gradient_clipping: 1.0 contradicts 0, off: the setting max_grad_norm clips"),
        ({"train_batch_size": 32}, "train_batch_size: 32 contradicts 64, the setting batch_size"),
        ({"train_micro_batch_size_per_gpu": 4}, "train_micro_batch_size_per_gpu: 4 contradicts 8"),
        ({"gradient_accumulation_steps": 8}, "gradient_accumulation_steps: 8 contradicts 4, what .* 2 processes make"),
        ({"fp16": {"enabled": True}}, "fp16: enabled: true is refused"),
        ({"bf16": {"enabled": True}}, "bf16: enabled: true is refused: dtype, float32, decides"),
        ({"zero_optimisation": {}}, "zero_optimisation: not a key .* did you mean zero_optimization"),
        ({"zero_optimization": {"stage": 4}}, "zero_optimization: stage: 4 is not 0, 1, 2 or 3"),
        ({"zero_optimization": {"stage": 3, "zero_quantized_weights": True}}, "zero_quantized_weights: not a key"),
        (
            {"zero_optimization": {"stage": 3, "offload_optimizer": {"device": "cpu"}}},
            "offload_optimizer: the optimizer's",
        ),
        ({"zero_optimization": {"stage": 3, "offload_param": {"device": "nvme"}}}, "offload_param: expected"),
        ({"zero_optimization": {"stage": 2, "offload_param": {"device": "cpu"}}}, "offload_param: only stage 3"),
        ([1], "expected a JSON object"),
    ],
)
def test_what_would_change_the_result_is_refused(tmp_path, config, expected):
    with pytest.raises(UserError, match=f"config.json: .*{expected}"):
        read(tmp_path, config)


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(UserError, match="no such file"):
        read_zero_config(tmp_path / "x.json", SETTINGS, "float32", 1)
