"""The training loop: accumulation, seeds, golden losses, and what it refuses."""

import json
import shutil

import pytest
import torch
from peft import PeftModel
from transformers import LlamaConfig, LlamaForCausalLM, T5Config, T5ForConditionalGeneration

import gorp.train.stage
from gorp.config.result_paths import INFO, SPACE, WEIGHTS
from gorp.data.batches import collate
from gorp.data.tokens import Example, tokenize
from gorp.methods.base import Method
from gorp.methods.registry import make_method
from gorp.models.adapters import Adapted
from gorp.models.stage import read_stage
from gorp.optim.reduced_gradient import whole_gradient
from gorp.train.loop import backward, batch_indices, fit
from gorp.train.stage import stage_seed, train_stage
from gorp.util.errors import UserError
from gorp.util.files import write_jsonl

METHODS = ["gorp", "seqlora"]


def examples_of(family, rows):
    return tokenize(rows, family.tokenizer, 200, 50)


def prepared(family, method, settings):
    """A method, what it trains on a base model, and its optimizer."""
    made = make_method(method, settings)
    adapted = made.attach(family.load(), None)
    return made, adapted, made.optimizer(adapted, {})


@pytest.mark.parametrize("size", [1, 2, 3, 7, 100])
def test_accumulated_gradients_are_those_of_the_whole_batch(family, task_rows, size):
    """Against autograd on one plain loss: the mean over all answer tokens, not over rows or micro-batches."""
    examples, base = examples_of(family, task_rows["topics"]), family.load().requires_grad_(True)
    assert len({len(e.target) for e in examples}) > 1
    inputs, labels = collate(examples, family.tokenizer, base.config)
    tokens = labels != -100
    logp = base(**inputs).logits.log_softmax(-1)
    expected = -logp.gather(-1, labels.clamp(min=0)[..., None])[..., 0][tokens].mean()
    expected.backward()
    gradients = {name: p.grad for name, p in base.named_parameters()}
    base.zero_grad()
    everything = Adapted(base, {}, dict(base.named_parameters()))
    loss = backward(Method(family.settings("seqlora")), everything, None, examples, family.tokenizer, size)
    assert loss.item() == pytest.approx(expected.item(), rel=1e-6)
    largest = max(g.abs().max() for g in gradients.values())
    for name, parameter in base.named_parameters():
        torch.testing.assert_close(parameter.grad, gradients[name], atol=1e-6 * largest.item(), rtol=1e-4)


@pytest.mark.parametrize("method", METHODS)
def test_micro_batches_give_the_same_adapter(family, train, method):
    options = dict(method=method, batch_size=8, lora_dropout=0.0, epochs=3, learning_rate=1e-3)
    if method == "gorp":
        # the rank that every gradient here has; Adam would blow the rounding in a direction beyond it up to a full step
        options["rank"] = 3
    two, eight = (read_stage(train(family, micro_batch_size=size, **options)) for size in (2, 8))
    assert eight.info["steps"] == 3
    assert two.info["losses"] == pytest.approx(eight.info["losses"], abs=1e-5)
    for key, value in eight.tensors.items():
        torch.testing.assert_close(two.tensors[key], value, atol=1e-5, rtol=0, msg=key)


@pytest.mark.parametrize("method", METHODS)
def test_a_seed_decides_every_byte(family, train, chain, method):
    parent = chain(family, method, 1)[-1]
    first, again, other = (train(family, "topics", parent, seed, method) for seed in (3, 3, 4))
    for name in (WEIGHTS, SPACE):
        assert (first / name).read_bytes() == (again / name).read_bytes()
    assert (first / WEIGHTS).read_bytes() != (other / WEIGHTS).read_bytes()
    if method == "gorp":
        assert (first / SPACE).read_bytes() != (other / SPACE).read_bytes()


def test_the_result_does_not_depend_on_what_ran_before(micros, train):
    first = train(micros["llama"])
    torch.manual_seed(12345)
    torch.rand(100)
    assert (first / WEIGHTS).read_bytes() == (train(micros["llama"]) / WEIGHTS).read_bytes()


def test_stage_seeds_differ():
    seeds = {stage_seed(s, t) for s in (0, 1) for t in ([], ["a"], ["b"], ["a", "b"], ["b", "a"])}
    assert len(seeds) == 10
    assert stage_seed(42, ["dbpedia", "amazon"]) == 141993642888314


@pytest.mark.parametrize(("rows", "size"), [(7, 3), (6, 3), (2, 5), (1, 1)])
def test_every_epoch_visits_every_row_once(rows, size):
    torch.manual_seed(0)
    batches = list(batch_indices(rows, size, 3))
    per_epoch = -(-rows // size)
    assert len(batches) == 3 * per_epoch
    epochs = [[row for batch in batches[e * per_epoch : (e + 1) * per_epoch] for row in batch] for e in range(3)]
    assert all(sorted(epoch) == list(range(rows)) for epoch in epochs)
    assert all(len(batch) == size for e in range(3) for batch in batches[e * per_epoch : (e + 1) * per_epoch - 1])
    assert rows < 6 or len({tuple(epoch) for epoch in epochs}) == 3, "each epoch has an order of its own"


@pytest.mark.parametrize("method", METHODS)
def test_gradients_are_clipped_together(micros, task_rows, method):
    """As the optimizer gets them: those of full-rank matrices in their subspaces."""
    family = micros["t5"]
    settings = family.settings(method, max_grad_norm=0.01, batch_size=4)
    made, adapted, optimizer = prepared(family, method, settings)
    norms, original = [], optimizer.step

    def step():
        gradients = made.gradients(adapted, optimizer)
        assert gradients.keys() == adapted.trained.keys()
        norms.append(torch.stack([g.norm() for g in gradients.values()]).norm().item())
        original()

    optimizer.step = step
    losses = fit(
        made, adapted, optimizer, examples_of(family, task_rows["moods"]), family.tokenizer, settings, ["test"]
    )
    assert len(losses) == 2
    assert norms == pytest.approx([0.01, 0.01], rel=1e-3)
    assert all(p.grad is None for p in adapted.trained.values())


def test_whole_gradients_are_kept_for_a_refresh_alone(family, task_rows):
    """Over the micro-batches of a step, those of full-rank matrices are dropped once they are reduced."""
    settings = family.settings(refresh_every=2)
    made, adapted, optimizer = prepared(family, "gorp", settings)
    examples = examples_of(family, task_rows["moods"])
    kept = []
    hook = adapted.model.register_forward_pre_hook(
        lambda *_: kept.append([whole_gradient(p) is not None for p in adapted.full_rank.values()])
    )
    for _ in range(3):
        backward(made, adapted, optimizer, examples, family.tokenizer, 3)
        assert all(whole_gradient(p) is None for p in adapted.full_rank.values()), "not even until the step"
        optimizer.step()
        optimizer.zero_grad()
    hook.remove()
    no, all_of_them = {False}, {True}  # of steps of three passes, the first and the third refresh
    assert [{*each} for each in kept] == [no, all_of_them, all_of_them, no, no, no, no, all_of_them, all_of_them]


def formula(model, scale=0.1):
    """Weights from a formula, so that they depend on no random generator."""
    with torch.no_grad():
        for number, (name, parameter) in enumerate(sorted(model.named_parameters())):
            if parameter.dim() == 2 and "lora_B" not in name:
                values = torch.sin(torch.arange(parameter.numel(), dtype=torch.float64) * 0.7 + number) * scale
                parameter.copy_(values.view(parameter.shape))
    return model


SIZES = dict(vocab_size=40, pad_token_id=0, eos_token_id=1)
GOLDEN = {
    ("t5", "gorp"): [3.971962, 3.839175, 3.801172, 3.778573, 3.762340],
    ("t5", "seqlora"): [3.971962, 3.844495, 3.805949, 3.784529, 3.768829],
    ("llama", "gorp"): [3.661222, 3.609288, 3.593861, 3.585653, 3.579596],
    ("llama", "seqlora"): [3.661222, 3.612437, 3.596686, 3.588130, 3.581906],
}


def golden_base(name):
    if name == "t5":
        sizes = dict(d_model=16, d_kv=6, num_heads=2, d_ff=24, num_layers=1, dropout_rate=0.0)
        return T5ForConditionalGeneration(
            T5Config(**SIZES, **sizes, decoder_start_token_id=0, tie_word_embeddings=False)
        )
    sizes = dict(hidden_size=16, head_dim=6, intermediate_size=24, num_hidden_layers=1, num_attention_heads=2)
    return LlamaForCausalLM(LlamaConfig(**SIZES, **sizes, bos_token_id=2))


@pytest.mark.parametrize("method", METHODS)
def test_golden_losses(family, method):
    """Losses of five steps on one batch, made once by this code: what changes them changes the training."""
    settings = family.settings(
        method,
        epochs=5,
        batch_size=8,
        micro_batch_size=2,
        lora_dropout=0.0,
        **({"rank": 3} if method == "gorp" else {}),
    )
    base = formula(golden_base(family.name), 0.3).requires_grad_(False)
    made = make_method(method, settings)
    adapted = made.attach(base, None)
    formula(adapted.model, 0.3)
    examples = [
        Example(
            [3 + (7 * i + j * j) % 36 for j in range(3 + i)], [3 + (5 * i + 3 * j) % 36 for j in range(1 + i % 3)] + [1]
        )
        for i in range(6)
    ]
    losses = fit(made, adapted, made.optimizer(adapted, {}), examples, family.tokenizer, settings, ["golden"])
    assert losses[-1] < losses[0]
    assert losses == pytest.approx(GOLDEN[family.name, method], abs=1e-5)


@pytest.mark.parametrize("method", METHODS)
def test_training_leaves_the_parents_files_alone(family, train, chain, method):
    parent = chain(family, method, 1)[-1]
    before = {p: p.read_bytes() for p in parent.rglob("*") if p.is_file()}
    train(family, "topics", parent, method=method)
    assert {p: p.read_bytes() for p in parent.rglob("*") if p.is_file()} == before


def test_a_parent_trained_again_in_the_meantime_is_refused(micros, train, tasks, tmp_path, monkeypatch):
    family = micros["t5"]
    parent, again = train(family), train(family, seed=8)

    def fit_slowly(*arguments):
        shutil.copytree(again, parent, dirs_exist_ok=True)
        return fit(*arguments)

    monkeypatch.setattr(gorp.train.stage, "fit", fit_slowly)
    with pytest.raises(UserError, match="was retrained while this stage was"):
        train_stage(family.path, tasks["topics"], tmp_path / "child", "gorp", family.settings(), 7, parent)
    assert not (tmp_path / "child" / INFO).exists()


def test_training_lowers_the_loss(family, train):
    losses = read_stage(train(family, epochs=8, batch_size=7)).info["losses"]
    assert losses[-1] < 0.8 * losses[0]


@pytest.mark.parametrize("method", METHODS)
def test_gradient_checkpointing_changes_no_result(family, train, method):
    """With dropout, whose masks have to be drawn again alike; but for the order in which gradients are summed."""
    options = dict(method=method, micro_batch_size=2, lora_dropout=0.2, learning_rate=1e-3)
    plain, saving = (read_stage(train(family, gradient_checkpointing=on, **options)) for on in (False, True))
    assert saving.info["losses"] == pytest.approx(plain.info["losses"], abs=1e-6)
    for kept, expected in ((saving.tensors, plain.tensors), (saving.gradient_space, plain.gradient_space)):
        assert kept.keys() == expected.keys()
        for key, value in expected.items():
            torch.testing.assert_close(kept[key], value, atol=1e-6, rtol=0, msg=key)


def test_parents_of_another_model_or_method_are_refused(micros, train, chain):
    parent = chain(micros["t5"], "gorp", 1)[-1]
    with pytest.raises(UserError, match=r"moods: it was trained on the base model .*t5.*, not on .*llama"):
        train(micros["llama"], "topics", parent)
    with pytest.raises(UserError, match=r"moods: its method is 'gorp', not 'seqlora'"):
        train(micros["t5"], "topics", parent, method="seqlora")
    with pytest.raises(UserError, match="nowhere: no such stage"):
        train(micros["t5"], "topics", parent.parent / "nowhere")


def test_data_without_rows_is_refused(micros, tmp_path):
    write_jsonl(tmp_path / "empty.jsonl", [])
    family = micros["t5"]
    with pytest.raises(UserError, match=r"empty\.jsonl"):
        train_stage(family.path, tmp_path / "empty.jsonl", tmp_path / "out", "gorp", family.settings(), 1, None)


def test_a_refused_training_writes_nothing(micros, tasks, tmp_path):
    family, output = micros["t5"], tmp_path / "out"
    for changes in ({"max_target_length": 1}, {"max_source_length": 5}, {"lora_modules": "none"}):
        with pytest.raises(UserError, match=next(iter(changes))):
            train_stage(family.path, tasks["moods"], output, "gorp", family.settings(**changes), 1, None)
    assert not output.exists()


@pytest.mark.parametrize(
    "change",
    [
        {"lora_modules": r".*(self_attn|SelfAttention)\.(v|v_proj)"},
        {"lora_modules": r".*(self_attn|SelfAttention)\.(q|k|v|q_proj|k_proj|v_proj)"},
        {"full_rank": False},
        {"full_rank_modules": r".*(block|layers)\.1\..*(EncDecAttention\.q|mlp\.gate_proj)"},
    ],
    ids=["fewer-lora", "more-lora", "no-full-rank", "fewer-full-rank"],
)
@pytest.mark.parametrize("gradient_space", [True, False])
def test_a_child_of_other_modules_forgets_nothing_silently(
    family, train, chain, task_rows, change, gradient_space, monkeypatch
):
    """Either it is refused, or the written stage is still the model that was trained."""
    kept, original = [], gorp.train.stage.concatenated_lora
    monkeypatch.setattr(gorp.train.stage, "concatenated_lora", lambda a, *rest: kept.append(a) or original(a, *rest))
    try:
        folder = train(family, "topics", chain(family, "gorp", 1)[-1], gradient_space=gradient_space, **change)
    except UserError as error:
        assert next(iter(change)) in str(error)
        return
    examples = examples_of(family, task_rows["topics"])
    stock = PeftModel.from_pretrained(family.load(), str(folder)).eval()
    inputs, _ = collate(examples, family.tokenizer, stock.config)
    with torch.no_grad():
        trained, written = kept[0].model.eval()(**inputs).logits, stock(**inputs).logits
    torch.testing.assert_close(written, trained, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
@pytest.mark.parametrize("method", METHODS)
def test_a_gradient_that_is_not_finite_stops_the_training(family, task_rows, method, bad):
    """With the culprit's name: clipping spreads a NaN over all gradients, so the check has to come before it."""
    settings = family.settings(method)
    made, adapted, optimizer = prepared(family, method, settings)
    culprit = list(adapted.trained)[-1]
    adapted.trained[culprit].register_hook(lambda gradient: gradient + bad)
    examples = examples_of(family, task_rows["moods"])
    with pytest.raises(FloatingPointError, match=rf"{culprit}.*step 1\b"):
        fit(made, adapted, optimizer, examples, family.tokenizer, settings, ["test"])


def test_losses_are_written(micros, train):
    info = json.loads((train(micros["t5"], epochs=2) / INFO).read_text())
    assert len(info["losses"]) == info["steps"] == 4
    assert info["losses"][0] == pytest.approx(info["losses"][1], rel=0.5)
