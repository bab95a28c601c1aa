"""The decoding loop: its cache, rows that leave, likelihoods of labels, and choices that rounding could decide."""

import pytest
import torch
from transformers import MistralConfig, MistralForCausalLM

from gorp.data.tokens import tokenize
from gorp.models.loading import autocast, load_base
from gorp.prediction.decoding import Batch, greedy, label_log_likelihoods, likeliest, shared_length, tolerance
from gorp.prediction.predict import answer, generate

LABELS = ["Good", "Bad", "Sea life", "A"]


@pytest.fixture(autouse=True)
def no_gradients():
    with torch.no_grad():
        yield


@pytest.fixture
def sources(family, task_rows):
    return [example.source for example in tokenize(task_rows["moods"], family.tokenizer, 200)]


def ids_of(family, labels):
    ids = family.tokenizer(labels, add_special_tokens=False)["input_ids"]
    return [[*label, family.tokenizer.eos_token_id] for label in ids]


@pytest.fixture
def reads(monkeypatch):
    """The shape of what each call of the model's decoder reads."""
    seen, original = [], Batch.read
    monkeypatch.setattr(
        Batch,
        "read",
        lambda self, tokens, *rest, **named: seen.append(tuple(tokens.shape)) or original(self, tokens, *rest, **named),
    )
    return seen


def plain_log_likelihood(model, source, label):
    """Of a label after a prompt, from one forward without cache, mask or padding."""
    if model.config.is_encoder_decoder:
        before = torch.tensor([[model.config.decoder_start_token_id, *label[:-1]]])
        logits = model(input_ids=torch.tensor([source]), decoder_input_ids=before).logits[0]
    else:
        logits = model(input_ids=torch.tensor([[*source, *label[:-1]]])).logits[0, -len(label) :]
    return logits.log_softmax(-1)[range(len(label)), label].sum()


def test_label_likelihoods_against_plain_forwards(family, sources):
    model, labels = family.load(), ids_of(family, LABELS)
    assert len({len(label) for label in labels}) > 1
    found = label_log_likelihoods(Batch(model, sources, family.tokenizer.pad_token_id), labels)
    expected = torch.tensor([[plain_log_likelihood(model, source, label) for label in labels] for source in sources])
    torch.testing.assert_close(found, expected, atol=1e-4, rtol=0)
    assert expected.std(0).min() > 1e-2, "they do depend on the prompt"


def test_prompts_are_read_once_for_all_labels(family, sources, reads):
    model = family.load()
    prompts = Batch(model, sources, family.tokenizer.pad_token_id)
    start, labels = len(reads), ids_of(family, LABELS)
    likeliest(prompts, labels)
    assert reads[start:] == [(len(sources), len(label) - 1) for label in labels]
    undisturbed = greedy(Batch(model, sources, family.tokenizer.pad_token_id), 6, family.tokenizer.eos_token_id)
    assert greedy(prompts, 6, family.tokenizer.eos_token_id) == undisturbed


def test_the_likeliest_label_is_the_first_of_equal_ones_and_then_not_sure(family, sources):
    prompts = Batch(family.load(), sources, family.tokenizer.pad_token_id)
    good, bad = ids_of(family, ["Good", "Bad"])
    numbers, sure = likeliest(prompts, [good, bad])
    scores = label_log_likelihoods(prompts, [good, bad])
    assert numbers == scores.argmax(1).tolist() and all(sure)
    twice, sure = likeliest(prompts, [[good, bad][numbers[0]]] * 2)
    assert (twice[0], sure[0]) == (0, False)
    assert likeliest(prompts, [good]) == ([0] * len(sources), [True] * len(sources))


def test_rows_that_are_done_leave_the_batch(family, sources, reads):
    """The end-of-sequence token is taken to be one that comes at different steps."""
    model = family.load()
    pad = family.tokenizer.pad_token_id
    whole, _ = greedy(Batch(model, sources, pad), 6, -1)
    assert all(len(row) == 6 for row in whole)
    ends = {token: {row.index(token) if token in row else 6 for row in whole} for row in whole for token in row}
    end = max(ends, key=lambda token: len(ends[token]))
    assert len(ends[end]) > 1
    prompts = Batch(model, sources, pad)
    start = len(reads)
    cut, _ = greedy(prompts, 6, end)
    assert cut == [row[: row.index(end) + 1] if end in row else row for row in whole]
    steps = max(map(len, cut))
    assert reads[start:] == [(sum(len(row) > step for row in cut), 1) for step in range(1, steps)]
    assert reads[-1][0] < len(sources)


def test_it_ends_when_all_are_done(family, sources, reads):
    prompts = Batch(family.load(), sources[:1], family.tokenizer.pad_token_id)
    start = len(reads)
    assert greedy(prompts, 6, int(prompts.logits.argmax())) == ([[int(prompts.logits.argmax())]], [True])
    assert len(reads) == start


def test_the_common_beginning_is_read_once(micros, task_rows, reads):
    family = micros["llama"]
    sources = [example.source for example in tokenize(task_rows["moods"], family.tokenizer, 200)]
    common = shared_length(family.load().config, sources)
    head = family.tokenizer("Task:SC\nDataset:moods\nHow does the person feel?")["input_ids"]
    assert len(head) < common < min(map(len, sources))
    Batch(family.load(), sources, family.tokenizer.pad_token_id)
    assert reads == [(1, common), (len(sources), max(map(len, sources)) - common)]
    assert shared_length(family.load().config, [[1, 2, 3], [1, 2]]) == 1, "the last token is read by itself"
    assert shared_length(family.load().config, [[1, 2, 3]]) == 0
    assert shared_length(micros["t5"].load().config, [[1, 2, 3], [1, 2, 4]]) == 0, "an encoder looks ahead"


def test_a_window_of_attention_is_kept(micros):
    """Padding between what is shared and the rest would count as distance."""
    torch.manual_seed(0)
    sizes = {"hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2, "initializer_range": 0.3}
    heads = {"num_attention_heads": 2, "num_key_value_heads": 2, "sliding_window": 5}
    model = MistralForCausalLM(MistralConfig(vocab_size=50, **sizes, **heads)).eval()
    sources = [[3, 4, 5, 6, 7, 8, *range(10, 10 + n)] for n in (20, 1, 9)]
    together, _ = greedy(Batch(model, sources, 0), 8, 1)
    assert together == [greedy(Batch(model, [source], 0), 8, 1)[0][0] for source in sources]
    labels = [[9, 8, 7, 1], [20, 1]]
    found = label_log_likelihoods(Batch(model, sources, 0), labels)
    expected = torch.tensor([[plain_log_likelihood(model, source, label) for label in labels] for source in sources])
    torch.testing.assert_close(found, expected, atol=1e-4, rtol=0)


def test_what_rounding_decides_is_done_again_alone(family, sources, task_rows, monkeypatch):
    """Rounding is imitated: of two equal tokens in the lead it lifts one in large batches, the other in small ones."""
    model, original = family.load(), Batch.read
    first = int(Batch(model, sources[:1], 0).logits.argmax())
    other = family.tokenizer.convert_tokens_to_ids("A")
    model.lm_head.weight[other] = model.lm_head.weight[first]

    def read(self, tokens, *rest, **named):
        logits = original(self, tokens, *rest, **named)
        logits[..., other] += 1e-6 if len(tokens) > 1 else -1e-6
        return logits

    monkeypatch.setattr(Batch, "read", read)
    rows = task_rows["moods"]
    alone, together = (generate(model, family.tokenizer, rows, 200, 4, budget) for budget in (1, 10**6))
    assert alone == together
    loose, sure = answer(model, family.tokenizer, [(source, ()) for source in sources], 4, False)
    other_answers = [a != b for a, b in zip(loose, alone, strict=True)]
    assert any(other_answers), "the batch alone did answer otherwise"
    assert not any(changed and known for changed, known in zip(other_answers, sure, strict=True))


def test_tolerance_is_far_below_a_plain_lead_and_above_rounding():
    logits = torch.tensor([[10.0, -20.0], [1.0, 0.0]])
    found = tolerance(logits, torch.float32)
    torch.testing.assert_close(found, torch.tensor([20.0, 1.0]) * 2**-14)
    assert tolerance(logits, torch.bfloat16).tolist() == [0, 0]


def test_bfloat16_is_sure_and_repeats(family, sources):
    model, tokenizer = load_base(family.path, "bfloat16")
    with autocast(model):
        runs = [greedy(Batch(model, sources, tokenizer.pad_token_id), 6, tokenizer.eos_token_id) for _ in range(2)]
    assert runs[0] == runs[1]
    assert all(runs[0][1])
