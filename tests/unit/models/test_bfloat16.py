"""A frozen base model in bfloat16: what stays exact in it, its training, and its stages."""

import contextlib

import pytest
import torch
from peft import PeftModel

from gorp.data.batches import collate
from gorp.data.tokens import tokenize
from gorp.methods.registry import make_method
from gorp.models.adapters import CURRENT, PREVIOUS, attach
from gorp.models.loading import autocast, load_base
from gorp.models.stage import read_stage
from gorp.prediction.predict import predict
from gorp.train.loop import fit
from gorp.util.errors import UserError
from gorp.util.files import read_jsonl


def attached(family, method="gorp", parent=None):
    """A base model in bfloat16 with adapters, and the method."""
    made = make_method(method, family.settings(method))
    base, _ = load_base(family.path, "bfloat16")
    return made.attach(base, parent), made


@torch.no_grad()
def logits(family, model, rows):
    inputs, _ = collate(tokenize(rows, family.tokenizer, 200, 50), family.tokenizer, model.config)
    with autocast(model):
        return model.eval()(**inputs).logits.float()


def test_the_base_model_is_rounded(family):
    exact = dict(family.load().named_parameters())
    base, _ = load_base(family.path, "bfloat16")
    for name, parameter in base.named_parameters():
        assert parameter.dtype == torch.bfloat16
        assert not parameter.requires_grad
        assert torch.equal(parameter, exact[name].bfloat16())


@pytest.mark.parametrize("method", ["gorp", "seqlora"])
def test_what_is_trained_is_fp32_and_the_rest_frozen(family, method):
    adapted, _ = attached(family, method)
    assert bool(adapted.full_rank) == (method == "gorp")
    trained = {id(p) for p in adapted.trained.values()}
    for name, parameter in adapted.model.named_parameters():
        assert parameter.requires_grad == (id(parameter) in trained), name
        assert parameter.dtype == (torch.float32 if id(parameter) in trained else torch.bfloat16), name


@pytest.mark.parametrize("count", [1, 2])
def test_the_parents_factors_stay_exact_as_one_second_frozen_adapter(family, chain, task_rows, count):
    """Rather than being rounded away in the weights; one adapter, however many tasks there were."""
    parent = read_stage(chain(family, "gorp", count)[-1])
    adapted, _ = attached(family, parent=parent)
    base = adapted.model.get_base_model()
    assert set(adapted.model.peft_config) == {CURRENT, PREVIOUS}
    rounded = dict(load_base(family.path, "bfloat16")[0].named_parameters())
    for name in parent.lora_modules:
        module = base.get_submodule(name)
        assert set(module.active_adapters) == {CURRENT, PREVIOUS}
        assert torch.equal(module.base_layer.weight, rounded[f"{name}.weight"])
        for factor, layers in (("A", module.lora_A), ("B", module.lora_B)):
            old = layers[PREVIOUS].weight
            assert not old.requires_grad
            assert old.dtype == torch.float32
            assert torch.equal(old, parent.tensors[f"base_model.model.{name}.lora_{factor}.weight"])
            assert layers[CURRENT].weight.requires_grad
    for name, weight in parent.full_rank.items():
        assert torch.equal(adapted.full_rank[name], weight)
    stock = PeftModel.from_pretrained(load_base(family.path, "bfloat16")[0], str(parent.folder))
    plain, _ = load_base(family.path, "bfloat16")
    ours, before, without = (logits(family, model, task_rows["topics"]) for model in (adapted.model, stock, plain))
    assert (ours - before).abs().mean() < 0.1 * (ours - without).abs().mean()


def test_training_on_the_parents_factors_has_no_second_adapter(family, chain):
    parent = read_stage(chain(family, "seqlora", 1)[-1])
    adapted, _ = attached(family, "seqlora", parent)
    assert set(adapted.model.peft_config) == {CURRENT}
    for name, parameter in adapted.lora.items():
        assert parameter.dtype == torch.float32
        assert torch.equal(parameter, parent.tensors[f"base_model.model.{name}.weight"])


@pytest.mark.parametrize("method", ["gorp", "seqlora"])
def test_training_moves_what_is_trained_alone(family, chain, task_rows, method):
    adapted, made = attached(family, method, read_stage(chain(family, method, 1)[-1]))
    before = {name: p.detach().clone() for name, p in adapted.model.named_parameters()}
    examples = tokenize(task_rows["topics"], family.tokenizer, 200, 50)
    fit(made, adapted, made.optimizer(adapted, {}), examples, family.tokenizer, made.settings, ["test"])
    trained = {id(p) for p in adapted.trained.values()}
    for name, parameter in adapted.model.named_parameters():
        assert torch.equal(parameter, before[name]) != (id(parameter) in trained), name


def test_training_is_as_in_float32_but_for_rounding_and_its_stages_predict(family, train, tasks, tmp_path):
    first, exact = (train(family, dtype=dtype, epochs=4) for dtype in ("bfloat16", "float32"))
    stage, expected = read_stage(first), read_stage(exact)
    losses = stage.info["losses"]
    assert losses[-1] < 0.8 * losses[0]
    assert losses == pytest.approx(expected.info["losses"], abs=0.1)
    assert stage.info["dtype"] == "bfloat16"
    assert all(value.dtype == torch.float32 for value in (*stage.tensors.values(), *stage.gradient_space.values()))

    second = train(family, "topics", first, dtype="bfloat16")
    assert read_stage(second).info["tasks"] == ["moods", "topics"]
    for folder in (first, second):
        predict(family.path, folder, [tasks["topics"]], tmp_path / "out.jsonl", 200, 5, 4, "bfloat16")
        assert [row["id"] for row in read_jsonl(tmp_path / "out.jsonl")] == [0, 1, 2, 3, 4]


def test_a_written_stage_is_the_model_that_was_trained(family, train, task_rows, monkeypatch):
    kept, original = [], attach
    monkeypatch.setattr(
        "gorp.models.adapters.attach", lambda *args, **named: kept.append(original(*args, **named)) or kept[0]
    )
    folder = train(family, dtype="bfloat16", epochs=3)
    stock = PeftModel.from_pretrained(load_base(family.path, "bfloat16")[0], str(folder))
    trained, written = (logits(family, model, task_rows["moods"]) for model in (kept[0].model, stock))
    torch.testing.assert_close(written, trained, atol=1e-5, rtol=0)
    assert read_stage(folder).info["load_with"] == {"dtype": "bfloat16", "autocast": "bfloat16"}
    monkeypatch.setattr(__name__ + ".autocast", lambda model: contextlib.nullcontext())
    assert (logits(family, stock, task_rows["moods"]) - trained).abs().max() > 1e-3, "that is what the card is for"


def test_a_stage_of_another_dtype_is_refused(micros, train, chain, tasks, tmp_path):
    family = micros["llama"]
    parent = chain(family, "gorp", 1)[-1]
    with pytest.raises(UserError, match=r"moods: its dtype is 'float32', not 'bfloat16': not a stage to continue from"):
        train(family, "topics", parent, dtype="bfloat16")
    with pytest.raises(UserError, match=r"moods: its dtype is 'float32', not 'bfloat16'"):
        predict(family.path, parent, [tasks["moods"]], tmp_path / "out.jsonl", 200, 5, 4, "bfloat16")
