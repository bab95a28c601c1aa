"""gorp.parameter_groups: what two patterns choose, on plain models and peft ones, and what it refuses."""

import pytest
import torch
from peft import LoraConfig, get_peft_model
from torch import nn

from gorp import GorpAdamW, parameter_groups


@pytest.fixture
def plain():
    block = lambda: nn.ModuleDict({"up": nn.Linear(6, 9), "norm": nn.LayerNorm(9), "down": nn.Linear(9, 6)})  # noqa: E731
    return nn.ModuleDict({"layers": nn.ModuleList([block(), block()]), "head": nn.Linear(6, 3)})


def names(groups):
    return [[name for name, _ in group["params"]] for group in groups]


def trained(model):
    return [name for name, parameter in model.named_parameters() if parameter.requires_grad]


def test_a_plain_model(plain):
    groups = parameter_groups(plain, r".*\.up", r".*(norm|head\.bias)", rank=2, lr=0.1, full_rank_lr=0.2, scale=0.5)
    matrices = ["layers.0.up.weight", "layers.1.up.weight"]
    norms = [f"layers.{n}.norm.{kind}" for n in range(2) for kind in ("weight", "bias")]
    assert names(groups) == [matrices, [*norms, "head.bias"]]
    assert sorted(trained(plain)) == sorted([*matrices, *norms, "head.bias"]), "the bias of a matrix is frozen too"
    first, second = GorpAdamW(groups, refresh_every=3).param_groups
    assert [first[key] for key in ("lr", "rank", "scale", "refresh_every")] == [0.2, 2, 0.5, 3]
    assert [second[key] for key in ("lr", "rank", "scale")] == [0.1, None, 1.0]
    assert names(parameter_groups(plain, lora="head")) == [["head.weight", "head.bias"]]
    assert trained(plain) == ["head.weight", "head.bias"]


def test_a_peft_model_with_modules_saved_whole(micros):
    config = LoraConfig(target_modules=r".*SelfAttention\.q", modules_to_save=["wo"], task_type="SEQ_2_SEQ_LM")
    model = get_peft_model(micros["t5"].load(), config)
    full, lora = names(parameter_groups(model, r".*DenseReluDense\.wo", r".*lora_[AB].*"))
    assert len(full) == 4 and all(name.endswith("wo.modules_to_save.default.weight") for name in full)
    assert len(lora) == 8 and sorted(trained(model)) == sorted([*full, *lora])
    wider = names(parameter_groups(model, r".*DenseReluDense\.wo.*"))
    assert wider == [full], "peft's frozen original takes no part"
    with pytest.raises(ValueError, match=r"SelfAttention\.q\.base_layer is the weight that LoRA is put on"):
        parameter_groups(model, r".*SelfAttention\.q")


@pytest.mark.parametrize(
    ("patterns", "message"),
    [
        ({}, "full_rank, lora: give at least one pattern"),
        ({"full_rank": r".*\.upp"}, r"full_rank: '\.\*\\\.upp' matches no parameter or module; did you mean up\?"),
        ({"full_rank": r"up"}, r"it has to match a whole name: did you mean '\.\*up'\?"),
        ({"lora": r".*lora_A.*"}, r"lora: .* matches no parameter or module; known are: up, norm, down, head"),
        ({"full_rank": r".*norm"}, r"matches no matrix; layers\.0\.norm\.bias has one dimension: train it as lora"),
        ({"full_rank": "(", "lora": "head"}, r"full_rank: '\(' is not a regular expression"),
        ({"full_rank": "head", "lora": "h.*"}, r"both patterns match head\.weight"),
        ({"full_rank": ".*down"}, r"layers\.1\.down\.weight: expected float32, got torch\.bfloat16"),
        ({"lora": "head", "refresh_every": 3}, "refresh_every: options of the group of full_rank"),
    ],
)
def test_what_is_refused_changes_nothing(plain, patterns, message):
    plain["layers"][1]["down"].to(torch.bfloat16)
    plain["head"].requires_grad_(False)
    before = trained(plain)
    with pytest.raises(ValueError, match=message):
        parameter_groups(plain, **patterns)
    assert trained(plain) == before


def test_a_wrong_option_is_named_by_the_optimizer(plain):
    with pytest.raises(ValueError, match=r"refresh: no option of a group; did you mean refresh_every\?"):
        GorpAdamW(parameter_groups(plain, ".*up", refresh=3))
