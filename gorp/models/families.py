"""Which linear modules are trained: the patterns of each model family, and the choice of modules by name.

No torch here: the workflow checks patterns while it builds its graph.
"""

import re
from collections.abc import Iterable, Mapping

from gorp.util.errors import UserError, close_names

AUTO = "auto"  # the pattern that stands for the family's own
NUMBER = re.compile(r"(?<=\.)\d+(?=\.|$)")

T5 = {"lora_modules": r".*SelfAttention\.(q|v)", "full_rank_modules": r".*EncDecAttention\.(q|v)"}
LLAMA = {"lora_modules": r".*self_attn\.(q_proj|v_proj)", "full_rank_modules": r".*mlp\.gate_proj"}
FAMILIES: dict[str, dict[str, str]] = {  # by `model_type` of config.json; docs/models.md says what is special
    "t5": T5,
    "mt5": T5,
    "bart": {
        "lora_modules": r".*self_attn\.(q_proj|v_proj)",
        "full_rank_modules": r".*encoder_attn\.(q_proj|v_proj)",
    },
    "llama": LLAMA,
    "mistral": LLAMA,
    "qwen2": LLAMA,
    "qwen3": LLAMA,
    "gemma2": LLAMA,
    "gemma3_text": LLAMA,
    "olmo2": LLAMA,
    # q, k and v, and here gate and up, are one matrix each
    "phi3": {"lora_modules": r".*self_attn\.qkv_proj", "full_rank_modules": r".*mlp\.gate_up_proj"},
    "gpt2": {"lora_modules": r".*\.attn\.c_attn", "full_rank_modules": r".*\.mlp\.c_fc"},
    "gpt_neox": {
        "lora_modules": r".*attention\.query_key_value",
        "full_rank_modules": r".*mlp\.dense_h_to_4h",
    },
}


def family_pattern(model_type: str, key: str, names: Iterable[str]) -> str:
    """The pattern that "auto" stands for. Raises UserError, with the modules there are, for an unknown `model_type`."""
    if model_type not in FAMILIES:
        raise UserError(
            f"{key}: auto knows no modules of model type {model_type!r}, only of {', '.join(FAMILIES)}; "
            f"give a regular expression over these linear modules: {', '.join(folded(names))}"
        )
    return FAMILIES[model_type][key]


def choose_modules(names: Iterable[str], pattern: str, key: str, model_type: str) -> list[str]:
    """Those names that a regular expression, or the family's ("auto"), matches whole, in their order.

    Raises UserError that names the settings key where the expression is invalid or matches none.
    """
    names = list(names)
    if pattern == AUTO:
        pattern = family_pattern(model_type, key, names)
    try:
        expression = re.compile(pattern)
    except re.error as error:
        raise UserError(f"{key}: '{pattern}' is not a regular expression: {error}") from None
    matched = [name for name in names if expression.fullmatch(name)]
    if not matched:
        raise UserError(f"{key}: '{pattern}' matches no linear module; {advice(names, pattern, key, model_type)}")
    return matched


def advice(names: list[str], pattern: str, key: str, model_type: str) -> str:
    """What to do about a pattern that matches nothing."""
    wider = f".*({pattern})" if "|" in pattern else f".*{pattern}"
    if any(re.fullmatch(wider, name) for name in names):
        said = f"it has to match a whole name: did you mean '{wider}'?"
    else:
        said = close_names(pattern, folded(names))
    own = FAMILIES.get(model_type, {}).get(key)
    return f"{said}; auto takes '{own}'" if own else said


def folded(names: Iterable[str]) -> list[str]:
    """Module names, layers as one: `model.layers.N.mlp.gate_proj (32)`; a number that is always the same stays."""
    groups: dict[str, list[list[str]]] = {}
    for name in names:
        groups.setdefault(NUMBER.sub("#", name), []).append(NUMBER.findall(name))
    texts = []
    for template, numbers in groups.items():
        name = template
        for column in zip(*numbers, strict=True):
            name = name.replace("#", column[0] if len(set(column)) == 1 else "N", 1)
        texts.append(f"{name} ({len(numbers)})" if len(numbers) > 1 else name)
    return texts


def refuse_both(lora_names: Iterable[str], full_rank_names: Iterable[str]) -> None:
    """Raises UserError if a module is chosen for LoRA and for full rank."""
    both = [name for name in lora_names if name in set(full_rank_names)]
    if both:
        raise UserError(
            f"full_rank_modules: {folded(both)[0]} is matched by lora_modules too; train a module in one way"
        )


def refuse_tied(names: Iterable[str], tied: Mapping[str, str], key: str) -> None:
    """Raises UserError if a module shares its weight with another one; `tied` says with which."""
    for name in names:
        if name in tied:
            raise UserError(
                f"{key}: {name} shares its weight with {tied[name]}, which would be trained too; leave it out"
            )
