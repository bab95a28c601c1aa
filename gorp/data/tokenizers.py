"""The tokenizer of a base model."""

from typing import TYPE_CHECKING

from gorp.config.model_names import model_source, tokenizer_problem
from gorp.util.errors import UserError

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


def load_tokenizer(model: str) -> "PreTrainedTokenizerBase":
    """The tokenizer of a base model, a folder or a hub id, with a padding token. Raises UserError if there is none."""
    from transformers import AutoTokenizer

    source, local = model_source(model)
    try:
        tokenizer = AutoTokenizer.from_pretrained(source, local_files_only=local, trust_remote_code=False)
    except (OSError, ValueError, ImportError) as error:
        reason = tokenizer_problem(source) if local else None
        reason = reason or str(error).splitlines()[0]
        raise UserError(f"model: {model}: its tokenizer cannot be loaded: {reason}") from error
    if len(tokenizer) == len(tokenizer.all_special_ids):  # transformers makes an empty one where there are no files
        raise UserError(f"model: {model}: its tokenizer cannot be loaded: {tokenizer_problem(source) or 'it is empty'}")
    if not tokenizer.is_fast:
        raise UserError(f"model: {model}: its tokenizer has no fast version, which is needed to cut long prompts")
    if tokenizer.pad_token_id is None:
        tokenizer.pad_token = tokenizer.eos_token
    return tokenizer
