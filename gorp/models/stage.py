"""The stage artifact: what a model has learnt after a sequence of tasks, in a folder that stock peft loads.

    adapter_model.safetensors      LoRA of all tasks so far, concatenated; the full-rank matrices as modules_to_save,
                                   with the frozen biases of their modules, which peft asks for
    adapter_config.json            peft's configuration
    gradient_space.safetensors     orthonormal bases by parameter name (empty where the method keeps none)
    _new_lora/                     the LoRA of the last task alone, an adapter too (gorp.models.new_lora)
    stage.json                     tasks, settings, parent, SHA-256 of the files above, seconds, memory; written last

Each file takes its name only when it is whole. Nothing is pickled. Before stage.json is written, stock peft has loaded
the rest.
"""

import importlib.metadata
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import safetensors.torch
from peft import LoraConfig, PeftModel, get_peft_model_state_dict
from safetensors import SafetensorError
from torch import Tensor
from transformers import PretrainedConfig

from gorp.config.result_paths import CONFIG, INFO, NEW_LORA_FILES, SPACE, WEIGHTS
from gorp.models.architecture import on_meta
from gorp.models.new_lora import write_config, write_new_lora, write_tensors
from gorp.util.errors import UserError
from gorp.util.files import read_json, sha256, write_json

FORMAT = "gorp-stage-1"
PREFIX = "base_model.model."  # of peft's names


@dataclass(frozen=True)
class Stage:
    """A stage read from its folder and verified; tensors on the CPU, in fp32."""

    folder: Path
    info: dict[str, Any]
    tensors: dict[str, Tensor]  # adapter_model.safetensors, peft's names
    gradient_space: dict[str, Tensor]
    lora_r: int
    lora_alpha: float

    @property
    def digest(self) -> str:
        """One digest of the three content files, which a child stage records as its parent's."""
        return ":".join(self.info["files"][name][:16] for name in (WEIGHTS, CONFIG, SPACE))

    @property
    def full_rank(self) -> dict[str, Tensor]:
        """The full-rank matrices by the base model's parameter names."""
        trained = {key: value for key, value in self.tensors.items() if ".lora_" not in key and key.endswith(".weight")}
        return {key.removeprefix(PREFIX): value for key, value in trained.items()}

    @property
    def lora_modules(self) -> dict[str, None]:
        """Names of the modules that have LoRA, in file order (a dict for its order)."""
        return {key.removeprefix(PREFIX).rpartition(".lora_")[0]: None for key in self.lora_state()}

    def lora_state(self) -> dict[str, Tensor]:
        """The LoRA factors in peft's naming."""
        return {key: value for key, value in self.tensors.items() if ".lora_" in key}


def write_stage(
    folder: Path,
    config: LoraConfig,
    lora: Mapping[str, Tensor],
    full_rank: Mapping[str, Tensor],
    gradient_space: Mapping[str, Tensor],
    info: Mapping[str, Any],
    new_lora: Mapping[str, Tensor] | None = None,
    architecture: PretrainedConfig | None = None,
) -> None:
    """Writes a stage; `lora` and `new_lora` in peft's naming, `full_rank` by the base model's names, biases included.

    Raises UserError, and leaves no stage, if stock peft does not load it on a base model of this architecture (None: it
    is not tried).
    """
    folder.mkdir(parents=True, exist_ok=True)
    (folder / INFO).unlink(missing_ok=True)  # an older stage must not vouch for new files
    tensors = {**lora, **{PREFIX + name: weight for name, weight in full_rank.items()}}
    for name, content in ((WEIGHTS, tensors), (SPACE, gradient_space)):
        write_tensors(folder / name, content)
    write_config(folder / CONFIG, config)
    if new_lora:
        write_new_lora(folder, config, new_lora)
    if architecture is not None:
        check_loads(folder, architecture)
    files = {name: sha256(folder / name) for name in (WEIGHTS, CONFIG, SPACE, *(NEW_LORA_FILES if new_lora else ()))}
    packages = ("torch", "transformers", "peft", "safetensors")
    versions = {name: importlib.metadata.version(name) for name in packages}
    write_json(folder / INFO, {"format": FORMAT, **info, "versions": versions, "files": files})


def check_loads(folder: Path, architecture: PretrainedConfig) -> None:
    """Raises UserError unless stock peft loads an adapter with exactly its own keys.

    The base model is one without weights, on torch's meta device, and the adapter's tensors stay in their file, mapped:
    next to no memory is taken.
    """
    base = on_meta(architecture)
    where = f"{folder / WEIGHTS}: stock peft does not load this stage"
    try:
        model = PeftModel.from_pretrained(base, str(folder), low_cpu_mem_usage=True, torch_device="cpu")
    except Exception as error:  # peft has none of its own; whatever it raises, nobody could use the stage
        raise UserError(f"{where}: {type(error).__name__}: {error}") from error
    asked = set(get_peft_model_state_dict(model, save_embedding_layers=False))
    with safetensors.safe_open(folder / WEIGHTS, "pt") as file:
        there = set(file.keys())
    for what, keys in (("it lacks", asked - there), ("peft leaves out", there - asked)):
        if keys:
            raise UserError(f"{where} as it was trained: {what} {min(keys)} and {len(keys) - 1} more")


def read_stage(folder: Path | str) -> Stage:
    """Reads and verifies a stage. Raises UserError that says which file is missing, foreign or damaged, and why."""
    folder = Path(folder)
    if not folder.is_dir():
        raise UserError(f"{folder}: no such stage")
    if not (folder / INFO).is_file():
        raise UserError(f"{folder}: not a stage, or an incomplete one: it has no {INFO}; train it")
    try:
        info = read_json(folder / INFO)
    except UserError as error:
        raise UserError(f"{error}; delete it and run the snakemake command again: it retrains the stage") from None
    if not isinstance(info, dict) or info.get("format") != FORMAT:
        raise UserError(f"{folder / INFO}: not a stage of this project (expected format {FORMAT!r})")
    own = [name for name in NEW_LORA_FILES if name in info.get("files", {})]  # older stages have none
    for name in (WEIGHTS, CONFIG, SPACE, *own):
        if not (folder / name).is_file():
            raise UserError(f"{folder / name}: the file is missing; train the stage again")
        if sha256(folder / name) != info.get("files", {}).get(name):
            raise UserError(f"{folder / name}: its SHA-256 differs from the one in {INFO}: changed or damaged; retrain")
    for key in ("tasks", "method", "base_model", "base_model_key", "dtype"):
        if key not in info:
            raise UserError(f"{folder / INFO}: {key!r} is missing: the stage is incomplete; train it again")
    config = read_json(folder / CONFIG)
    return Stage(
        folder,
        info,
        load_tensors(folder / WEIGHTS),
        load_tensors(folder / SPACE),
        config["r"],
        config["lora_alpha"],
    )


def check_base(stage: Stage, model: str, key: str) -> None:
    """Raises UserError unless a stage was trained on this base model, the one with this `model_key`."""
    if stage.info["base_model_key"] != key:
        same = "whose files were different then" if stage.info["base_model"] == model else f"not on {model}"
        raise UserError(f"{stage.folder}: it was trained on the base model {stage.info['base_model']}, {same}")


def load_tensors(path: Path) -> dict[str, Tensor]:
    """The tensors of a safetensors file, sorted by name. Raises UserError if it is not one."""
    try:
        return dict(sorted(safetensors.torch.load_file(path).items()))
    except SafetensorError as error:
        raise UserError(f"{path}: not a safetensors file: {error}") from None
