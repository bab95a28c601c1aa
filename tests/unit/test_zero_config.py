"""DeepSpeed configs: those that ship are accepted, what would change a result is refused by name."""

import dataclasses
import json
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from gorp.adapter import read_stage
from gorp.errors import UserError
from gorp.settings import make_settings
from gorp.train import zero_stage_3
from gorp.zero_config import check_scheduler, read_zero_config, without_effect

PRESETS = Path(__file__).parents[2] / "workflow/presets/deepspeed"
SETTINGS = make_settings("gorp", {"batch_size": 64, "micro_batch_size": 8})


def read(tmp_path, config, dtype="float32", processes=2):
    file = tmp_path / "config.json"
    file.write_text(json.dumps(config))
    return read_zero_config(file, SETTINGS, dtype, processes)


@pytest.mark.parametrize(
    ("name", "stage", "offload"),
    [("zero0", 0, 0), ("zero1", 1, 0), ("zero2", 2, 0), ("zero3", 3, 0), ("zero3-offload", 3, 1)],
)
def test_ready_configs(name, stage, offload):
    zero = read_zero_config(PRESETS / f"{name}.json", SETTINGS, "float32", 2)
    assert zero["stage"] == stage
    assert ("offload_param" in zero) == bool(offload)
    assert without_effect(PRESETS / f"{name}.json") == []


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


def params(section, **own):
    return {section: {"params": own}}


# as the files of the published runs have them, each key once
AUTOMATIC = {
    "optimizer": {"type": "AdamW", "params": dict.fromkeys(("lr", "betas", "eps", "weight_decay"), "auto")},
    "scheduler": {
        "type": "WarmupLR",
        "params": dict.fromkeys(("warmup_min_lr", "warmup_max_lr", "warmup_num_steps"), "auto"),
    },
    "fp16": {"enabled": "auto", "loss_scale": 0, "initial_scale_power": 16},
    "gradient_clipping": "auto",
    "train_batch_size": "auto",
    "steps_per_print": 1e5,
}
OFFLOAD = {"device": "cpu", "pin_memory": True}
STAGE_2 = {"stage": 2, "offload_optimizer": OFFLOAD, "offload_param": OFFLOAD, "reduce_bucket_size": 2e8}
STAGE_3 = {"stage": 3, "sub_group_size": 1e9, "stage3_gather_fp16_weights_on_model_save": True}


@pytest.mark.parametrize(
    ("config", "dtype", "stage", "ignored"),
    [
        ({"zero_optimization": STAGE_2, "bfloat16": {"enabled": "true"}}, "bfloat16", 2, list(STAGE_2)[1:]),
        ({"zero_optimization": STAGE_3, "bfloat16": {"enabled": False}}, "float32", 3, list(STAGE_3)[2:]),
        ({"bfloat16": {"enabled": "auto"}}, "float32", 0, []),  # for evaluation: no zero_optimization
    ],
)
def test_published_configs_are_accepted_and_what_is_ignored_is_told(tmp_path, capsys, config, dtype, stage, ignored):
    assert read(tmp_path, AUTOMATIC | config, dtype).get("stage", 0) == stage
    names = [*AUTOMATIC, "bfloat16", *(f"zero_optimization.{key}" for key in ignored)]
    assert without_effect(tmp_path / "config.json") == names
    zero_stage_3(tmp_path / "config.json", SETTINGS, dtype)
    told = capsys.readouterr().err
    assert f"{tmp_path / 'config.json'}: ignored, the settings of the training hold: {', '.join(names)}\n" in told
    assert ("stage 2 trains as stage 0" in told) == (stage == 2)


def test_what_agrees_is_accepted_when_it_is_said(tmp_path):
    own = {"lr": 1e-3, "betas": [0.9, 0.999], "eps": 1e-8, "weight_decay": 0}
    learning_rates = {"warmup_min_lr": 0, "warmup_max_lr": 1e-3, "warmup_num_steps": 0, "warmup_type": "linear"}
    same = params("optimizer", **own) | params("scheduler", **learning_rates, total_num_steps="auto")
    assert read(tmp_path, same | {"gradient_clipping": 1.0}) == {}
    other = SimpleNamespace(learning_rate=1e-3, lr_schedule="cosine", warmup_steps=9)
    check_scheduler({"type": "WarmupCosineLR", "params": {"warmup_num_steps": 9}}, other)
    with pytest.raises(UserError, match="type: WarmupLR: constant contradicts cosine, lr_schedule"):
        check_scheduler({"type": "WarmupLR"}, other)


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        ({"optimizer": {"type": "Adam"}}, "optimizer: type: Adam contradicts AdamW, the optimizer of all methods"),
        (params("optimizer", lr=1e-4), "optimizer: params: lr: 0.0001 contradicts 0.001, the setting learning_rate"),
        (params("optimizer", betas=[0.9, 0.95]), r"betas: \[0.9, 0.95\] contradicts \[0.9, 0.999\]"),
        (params("optimizer", eps=1e-6), "eps: 1e-06 contradicts 1e-08"),
        (params("optimizer", weight_decay=0.1), "weight_decay: 0.1 contradicts 0.0, the setting weight_decay"),
        (params("optimizer", momentum=0.1), "optimizer: params: momentum: not one that can be compared"),
        ({"optimizer": {"params": [1]}}, "optimizer: params: expected a JSON object"),
        ({"optimizer": "AdamW"}, "optimizer: expected a JSON object"),
        ({"scheduler": {"type": "WarmupDecayLR"}}, "type: WarmupDecayLR: linear contradicts constant, lr_schedule"),
        ({"scheduler": {"type": "OneCycle"}}, "scheduler: type: OneCycle: OneCycle contradicts constant"),
        (params("scheduler", warmup_num_steps=9), "warmup_num_steps: 9 contradicts 0, warmup_steps"),
        (params("scheduler", warmup_max_lr=1), "warmup_max_lr: 1 contradicts 0.001, the setting learning_rate"),
        (params("scheduler", total_num_steps=9), "total_num_steps: 9 contradicts auto"),
        ({"gradient_clipping": 0.5}, "gradient_clipping: 0.5 contradicts 1.0, the setting max_grad_norm"),
        ({"bfloat16": {"enabled": "true"}}, "bfloat16: enabled: true is refused: dtype, float32, decides"),
        ({"train_batch_size": 32}, "train_batch_size: 32 contradicts 64, the setting batch_size"),
        ({"train_micro_batch_size_per_gpu": 4}, "train_micro_batch_size_per_gpu: 4 contradicts 8"),
        ({"gradient_accumulation_steps": 8}, "gradient_accumulation_steps: 8 contradicts 4, what .* 2 processes make"),
        ({"fp16": {"enabled": True}}, "fp16: enabled: true is refused"),
        ({"bf16": {"enabled": True}}, "bf16: enabled: true is refused: dtype, float32, decides"),
        ({"zero_optimisation": {}}, "zero_optimisation: not a key .* did you mean zero_optimization"),
        ({"zero_optimization": {"stage": 4}}, "zero_optimization: stage: 4 is not 0, 1, 2 or 3"),
        ({"zero_optimization": {"stage": 3, "zero_quantized_weights": True}}, "zero_quantized_weights: not a key"),
        ({"zero_optimization": {"stage": 3, "offload_param": {"device": "nvme"}}}, "offload_param: expected"),
        ({"zero_optimization": 3}, "zero_optimization: expected a JSON object"),
        ([1], "expected a JSON object"),
    ],
)
def test_what_would_change_the_result_is_refused(tmp_path, config, expected):
    with pytest.raises(UserError, match=f"config.json: .*{expected}"):
        read(tmp_path, config)


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(UserError, match="no such file"):
        read_zero_config(tmp_path / "x.json", SETTINGS, "float32", 1)


@pytest.mark.slow
def test_a_published_config_holds_the_model_in_pieces_without_a_launcher_too(tmp_path, micros, tasks, train):
    (tmp_path / "stage3.config").write_text(json.dumps(AUTOMATIC | {"zero_optimization": STAGE_3}))
    family, output = micros["t5"], tmp_path / "stage"
    command = [sys.executable, "-m", "gorp", "train", "--model", family.path, "--data", tasks["moods"], "--seed", "7"]
    command += ["--method", "gorp", "--threads", "1", "--deepspeed", tmp_path / "stage3.config", "--output", output]
    settings = [f"{key}={value}" for key, value in dataclasses.asdict(family.settings(exact_svd=True)).items()]
    environment = {key: value for key, value in os.environ.items() if key != "LOCAL_RANK"}
    done = subprocess.run([*command, "--set", *settings], capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr[-3000:]
    assert "zero_optimization.stage3_gather_fp16_weights_on_model_save" in done.stderr
    whole = read_stage(train(family, exact_svd=True)).tensors
    for name, tensor in read_stage(output).tensors.items():
        torch.testing.assert_close(tensor, whole[name], atol=1e-5, rtol=0)
