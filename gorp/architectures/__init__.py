"""The architecture of a base model, read without its weights.

The config.json of the presets' models ships with the package: the files of a published model do not change, and so
neither a network nor the permission that some of them ask for is needed.
"""

from pathlib import Path

from transformers import AutoConfig, PretrainedConfig

from gorp.errors import UserError
from gorp.sources import EMBEDDED, is_local

SHIPPED = Path(__file__).parent  # NAME.json or OWNER/NAME.json


def read_architecture(model: str) -> PretrainedConfig:
    """The config of a folder, of a model that ships with the package or is made by the workflow, or of a hub id.

    Raises UserError if a folder is not there or has no config, or the hub cannot be reached.
    """
    local = is_local(model)
    source = Path(model).expanduser() if local else SHIPPED / f"{model}.json"
    if model in EMBEDDED and not local:
        source = Path("results/models") / model
        if not source.is_dir():
            raise UserError(f"model: {model} is not made yet; call: gorp base --name {model} --output {source}")
    elif local and not source.is_dir():
        raise UserError(f"model: {model}: no such folder")
    try:
        config = AutoConfig.from_pretrained(source if source.exists() else model, local_files_only=source.exists())
    except (OSError, ValueError) as error:
        raise UserError(f"model: the config of {model} cannot be read: {str(error).splitlines()[0]}") from error
    config._name_or_path = model
    return config
