"""Loading base models, choosing modules, and putting adapters on what a parent stage has learnt."""

import json
import shutil

import pytest
import torch
from peft import PeftModel

from gorp.data.batches import collate
from gorp.data.tokens import tokenize
from gorp.models.adapters import CURRENT, attach, concatenated_lora, matching_modules
from gorp.models.loading import load_base
from gorp.models.stage import read_stage
from gorp.util.errors import UserError


@pytest.mark.parametrize("path", ["./nowhere/model", "/nowhere/model", "~/nowhere", "a/b/c"])
def test_a_missing_path_is_refused_without_the_network(path, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match=f"model: {path}: no such folder"):
        load_base(path)


def test_a_folder_without_a_model_is_refused_without_the_network(tmp_path):
    with pytest.raises(UserError, match=f"model: {tmp_path}: the folder has no config.json"):
        load_base(str(tmp_path))


def test_a_damaged_weights_file_is_refused(family, tmp_path):
    folder = shutil.copytree(family.path, tmp_path / "model")
    whole = (folder / "model.safetensors").read_bytes()
    (folder / "model.safetensors").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(UserError, match=f"model: {folder} cannot be loaded: "):
        load_base(str(folder))


CHANGES = {
    "num_hidden_layers": (3, "layers.2.input_layernorm.weight, and 8"),
    "vocab_size": (9, "lm_head.weight, and 1"),
}


@pytest.mark.parametrize("key", CHANGES)
def test_weights_that_do_not_fit_the_config_are_refused(micros, tmp_path, key):
    """Else transformers would draw the missing ones at random."""
    folder = shutil.copytree(micros["llama"].path, tmp_path / "model")
    config = json.loads((folder / "config.json").read_text())
    value, message = CHANGES[key]
    (folder / "config.json").write_text(json.dumps(config | {key: value}))
    with pytest.raises(
        UserError, match=f"model: {folder}: .* llama in its config.json: .*{message} more, are missing or"
    ):
        load_base(str(folder))


def test_load_base(family):
    base, tokenizer = load_base(family.path)
    assert base.config.is_encoder_decoder == (family.name == "t5")
    assert not base.training
    for name, parameter in base.named_parameters():
        assert parameter.dtype == torch.float32, name
        assert not parameter.requires_grad, name
    assert tokenizer.is_fast
    assert tokenizer.pad_token_id == 0


def test_a_slow_tokenizer_is_refused(micros, monkeypatch):
    monkeypatch.setattr(type(micros["t5"].tokenizer), "is_fast", property(lambda self: False))
    with pytest.raises(UserError, match=r"model: .*: its tokenizer has no fast version, which is needed to cut long"):
        load_base(micros["t5"].path)


def test_without_a_padding_token_the_end_of_sequence_pads(micros, task_rows, tmp_path):
    family = micros["llama"]
    folder = shutil.copytree(family.path, tmp_path / "model")
    bare = load_base(str(folder))[1]
    bare.pad_token = None
    bare.save_pretrained(folder)
    base, tokenizer = load_base(str(folder))
    assert tokenizer.pad_token_id == tokenizer.eos_token_id != family.tokenizer.pad_token_id
    examples = tokenize(task_rows["moods"], tokenizer, 200, 50)
    inputs, labels = collate(examples, tokenizer, base.config)
    usual, usual_labels = collate(examples, family.tokenizer, base.config)
    assert not torch.equal(inputs["input_ids"], usual["input_ids"])
    assert torch.equal(labels, usual_labels), "answers keep their end of sequence"
    kept = labels != -100
    torch.testing.assert_close(logits(base, inputs)[kept], logits(base, usual)[kept])


def test_matching_modules(micros):
    t5, llama = micros["t5"].load(), micros["llama"].load()
    assert matching_modules(t5, r".*EncDecAttention\.(q|v)", "key") == [
        f"decoder.block.{i}.layer.1.EncDecAttention.{m}" for i in (0, 1) for m in "qv"
    ]
    assert len(matching_modules(t5, r".*SelfAttention\.(q|v)", "key")) == 8
    assert matching_modules(llama, r".*gate_proj", "key") == [f"model.layers.{i}.mlp.gate_proj" for i in (0, 1)]


def test_patterns_match_whole_names_of_linear_modules(micros):
    llama = micros["llama"].load()
    whole = r"lora_modules: 'gate_proj' matches no linear module; .* whole name: did you mean '\.\*gate_proj'\?"
    with pytest.raises(UserError, match=whole):
        matching_modules(llama, "gate_proj", "lora_modules")
    with pytest.raises(UserError, match="matches no linear module"):
        matching_modules(llama, r".*\.mlp", "lora_modules")
    close = r"full_rank_modules: .* matches no linear module; did you mean .*model\.layers\.N\.mlp\.gate_proj \(2\)"
    with pytest.raises(UserError, match=close):
        matching_modules(llama, "model.layers.0.mlp.gate", "full_rank_modules")
    with pytest.raises(UserError, match=r"lora_modules: '\(q' is not a regular expression: "):
        matching_modules(llama, "(q", "lora_modules")


def test_a_module_is_trained_one_way(family):
    settings = family.settings()
    with pytest.raises(UserError, match=r"full_rank_modules: .* is matched by lora_modules too"):
        attach(family.load(), settings, settings.lora_modules, None, True)
    with pytest.raises(UserError, match="full_rank_modules: 'nothing' matches no linear module"):
        attach(family.load(), settings, "nothing", None, True)


def batch(family, base, rows):
    inputs, _ = collate(tokenize(rows, family.tokenizer, 200, 50), family.tokenizer, base.config)
    return inputs


@torch.no_grad()
def logits(model, inputs):
    return model.eval()(**inputs).logits


@pytest.mark.parametrize("method", ["gorp", "seqlora"])
def test_fresh_adapters_change_nothing_and_only_they_are_trained(family, task_rows, method):
    settings, base = family.settings(method), family.load()
    inputs = batch(family, base, task_rows["moods"])
    plain = logits(base, inputs)
    adapted = attach(base, settings, getattr(settings, "full_rank_modules", None), None, method == "gorp")
    assert torch.equal(logits(adapted.model, inputs), plain)
    trained = {id(p) for p in adapted.model.parameters() if p.requires_grad}
    assert trained == {id(p) for p in adapted.trained.values()}
    assert bool(adapted.full_rank) == (method == "gorp")
    assert {name.rpartition(".")[2] for name in adapted.lora} == {"lora_A", "lora_B"}
    for name, parameter in adapted.lora.items():
        assert parameter.shape[0 if name.endswith("A") else 1] == 2
        assert parameter.any() == name.endswith("lora_A")
    for name, parameter in adapted.full_rank.items():
        assert base.get_parameter(name) is parameter
    assert all(p.dtype == torch.float32 for p in adapted.trained.values())


@pytest.mark.parametrize("count", [1, 2])
def test_a_child_with_new_factors_starts_as_its_parent(family, task_rows, chain, count):
    """In fp32 the parent's factors are added to the weights: the model looks as if there had been no parent."""
    parent = read_stage(chain(family, "gorp", count)[-1])
    settings, base, first = family.settings(), family.load(), family.load()
    adapted = attach(base, settings, settings.full_rank_modules, parent, True)
    without = attach(first, settings, settings.full_rank_modules, None, True)
    assert [name for name, _ in adapted.model.named_modules()] == [name for name, _ in without.model.named_modules()]
    shapes, expected = ({name: p.shape for name, p in a.model.named_parameters()} for a in (adapted, without))
    assert shapes == expected
    assert list(adapted.model.peft_config) == [CURRENT]
    trained = {id(p) for p in adapted.model.parameters() if p.requires_grad}
    assert trained == {id(p) for p in adapted.trained.values()}
    for name, weight in parent.full_rank.items():
        assert torch.equal(adapted.full_rank[name], weight)
        assert adapted.full_rank[name].data_ptr() != weight.data_ptr(), "training leaves what was read alone"
    inputs = batch(family, base, task_rows["topics"])
    stock = PeftModel.from_pretrained(family.load(), str(parent.folder))
    ours, before, plain = (logits(model, inputs) for model in (adapted.model, stock, family.load()))
    torch.testing.assert_close(ours, before, atol=1e-5, rtol=0)
    torch.testing.assert_close(ours, parent_logits(family, parent, inputs), atol=1e-5, rtol=0)
    assert (ours - plain).abs().max() > 1e-2, "it has learnt something"


def test_the_factors_of_all_tasks_are_written_as_one_adapter(family, chain):
    parent = read_stage(chain(family, "gorp", 2)[-1])
    settings = family.settings()
    adapted = attach(family.load(), settings, settings.full_rank_modules, parent, True)
    state, r, alpha = concatenated_lora(adapted, parent, True)
    assert (r, alpha) == (6, 24.0)
    assert state.keys() == parent.lora_state().keys()
    for key, old in parent.lora_state().items():
        stacked = state[key] if key.endswith("A.weight") else state[key].mT
        assert torch.equal(stacked[:4], old if key.endswith("A.weight") else old.mT)
        own = adapted.lora[key.removeprefix("base_model.model.").removesuffix(".weight")]
        assert torch.equal(stacked[4:], own if key.endswith("A.weight") else own.mT)


def parent_logits(family, parent, inputs):
    """From the formula: W + alpha / r B A added to the weights by hand."""
    base = family.load()
    with torch.no_grad():
        for name, weight in parent.full_rank.items():
            base.get_parameter(name).copy_(weight)
        for name in parent.lora_modules:
            A = parent.tensors[f"base_model.model.{name}.lora_A.weight"]
            B = parent.tensors[f"base_model.model.{name}.lora_B.weight"]
            base.get_submodule(name).weight += parent.lora_alpha / parent.lora_r * B @ A
    return logits(base, inputs)


def test_a_child_that_trains_on_starts_as_its_parent(family, task_rows, chain):
    parent = read_stage(chain(family, "seqlora", 1)[-1])
    base = family.load()
    adapted = attach(base, family.settings("seqlora"), None, parent, False)
    for name, parameter in adapted.lora.items():
        assert torch.equal(parameter, parent.tensors[f"base_model.model.{name}.weight"])
        assert parameter.requires_grad
    inputs = batch(family, base, task_rows["topics"])
    torch.testing.assert_close(
        logits(adapted.model, inputs), parent_logits(family, parent, inputs), atol=1e-5, rtol=1e-5
    )


@pytest.mark.parametrize("changes", [{"lora_r": 3}, {"lora_alpha": 16.0}])
def test_training_on_needs_the_parents_rank_and_alpha(micros, chain, changes):
    parent = read_stage(chain(micros["t5"], "seqlora", 1)[-1])
    with pytest.raises(UserError, match=r"lora_r, lora_alpha: .* differ from the 2, 8\.0 of .*moods"):
        attach(micros["t5"].load(), micros["t5"].settings("seqlora", **changes), None, parent, False)


@pytest.mark.parametrize("changes", [{"lora_r": 5}, {"lora_alpha": 16.0}, {"lora_r": 1, "lora_alpha": 5.0}])
def test_another_scaling_than_the_parents_is_made_up_for(micros, task_rows, chain, changes):
    family = micros["llama"]
    parent = read_stage(chain(family, "gorp", 1)[-1])
    settings, base = family.settings(**changes), family.load()
    adapted = attach(base, settings, settings.full_rank_modules, parent, True)
    state, r, alpha = concatenated_lora(adapted, parent, True)
    assert r == 2 + settings.lora_r
    assert alpha / r == pytest.approx(settings.lora_alpha / settings.lora_r)
    for name in parent.lora_modules:
        key = f"base_model.model.{name}.lora_"
        expected = 8 / 2 * parent.tensors[key + "B.weight"] @ parent.tensors[key + "A.weight"]
        torch.testing.assert_close(alpha / r * state[key + "B.weight"] @ state[key + "A.weight"], expected)
    inputs = batch(family, base, task_rows["moods"])
    torch.testing.assert_close(
        logits(adapted.model, inputs), parent_logits(family, parent, inputs), atol=1e-5, rtol=1e-5
    )


@pytest.mark.parametrize(("mine", "other"), [("t5", "llama"), ("llama", "t5")])
@pytest.mark.parametrize("method", ["gorp", "seqlora"])
def test_a_parent_of_another_base_model_is_refused(micros, chain, method, mine, other):
    """Its recorded name may be the same: a folder's content can be exchanged."""
    parent = read_stage(chain(micros[other], method, 1)[-1])
    settings = micros[mine].settings(method)
    with pytest.raises(UserError, match="moods: made for another base model"):
        attach(micros[mine].load(), settings, getattr(settings, "full_rank_modules", None), parent, method == "gorp")


@pytest.mark.parametrize("method", ["gorp", "seqlora"])
def test_a_parent_of_other_shapes_is_refused(micros, chain, method):
    parent = read_stage(chain(micros["t5"], method, 1)[-1])
    for key, value in parent.tensors.items():
        parent.tensors[key] = torch.zeros(value.shape[0] + 1, value.shape[1] + 1)
    settings = micros["t5"].settings(method)
    with pytest.raises(UserError, match="moods: made for another base model"):
        attach(micros["t5"].load(), settings, getattr(settings, "full_rank_modules", None), parent, method == "gorp")
