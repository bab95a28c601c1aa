"""The model of a stage, ready to generate: its base model with what it has learnt on top."""

from pathlib import Path

import torch
from peft import PeftModel
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from gorp.config.content_digests import model_key
from gorp.models.loading import load_base
from gorp.models.stage import Stage, check_base, read_stage
from gorp.util.errors import UserError


def load_model(
    stage: Path | str, base_model: str | None = None
) -> tuple[PreTrainedModel | PeftModel, PreTrainedTokenizerBase]:
    """The model of a stage in eval mode, on this process's device, and its tokenizer.

    base_model: the folder or hub id of the base model, where it is not the one that stage.json names (None). A relative
    folder is looked for from the current one. A float32 model has the LoRA factors in its weights. A bfloat16 one keeps
    them beside, in float32: run it under `gorp.models.loading.autocast(model)`.

    Raises UserError if the stage is damaged, or the base model is not there or another one.
    """
    verified = read_stage(stage)
    model = base_model or verified.info["base_model"]
    was_folder = verified.info["base_model_key"] != model  # the key of a hub id is the id
    if base_model is None and was_folder and not Path(model).expanduser().is_dir():
        raise UserError(f"{stage}: its base model {model} is no folder here; give base_model, where it lies now")
    base, tokenizer = load_base(model, verified.info["dtype"])
    return put_on(base, verified, model), tokenizer


def put_on(base: PreTrainedModel, stage: Stage, model: str) -> PreTrainedModel | PeftModel:
    """Puts a stage on its base model, which it changes. Raises UserError if it was trained on another one.

    In fp32 the LoRA factors are added to the weights, so that prediction costs the same after any number of tasks; in
    bf16 they would be rounded away, and stay beside them.
    """
    check_base(stage, model, model_key(model))
    tuned = PeftModel.from_pretrained(base, str(stage.folder)).eval()
    return tuned.merge_and_unload() if base.dtype == torch.float32 else tuned
