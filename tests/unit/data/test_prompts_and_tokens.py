"""Prompts to the character, truncation to the token, and batches against the stock models."""

import pytest
import torch

from gorp.data.batches import IGNORED, collate, pad
from gorp.data.prompts import render
from gorp.data.tokens import Example, tokenize
from gorp.models.loss import summed_loss
from gorp.util.errors import UserError

LONG = "The first part stays. " + " ".join(f"word{i}" for i in range(40)) + " the end."


def text_of(tokenizer, ids):
    """The decoded text, without the space that tokenizers put before it."""
    return tokenizer.decode(ids).removeprefix(" ")


def long_row(instruction="How does it feel?\n", sentence=LONG):
    return render({"label": "Good", "sentence": sentence}, 3, "moods", "SC", instruction, ["Good", "Bad"])


def test_rendered_text():
    row = render(
        {"label": "Good", "sentence": "Fine."}, 4, "amazon", "SC", "Choose one from the option.\n", ["Good", "Bad"]
    )
    source = "Task:SC\nDataset:amazon\nChoose one from the option.\nOption: Good, Bad \nFine.\nAnswer:"
    names = {"task": "amazon", "group": "SC", "id": 4}
    assert row == {**names, "source": source, "target": "Good", "labels": ["Good", "Bad"], "sentence_at": [70, 75]}
    assert source[70:75] == "Fine."


def test_rendered_text_without_an_instruction():
    row = render({"label": "A", "sentence": "Why? A: x. B: y."}, 0, "COPA", "COPA", "", ["A", "B"])
    source = "Task:COPA\nDataset:COPA\nWhy? A: x. B: y.\nAnswer:"
    names = {"task": "COPA", "group": "COPA", "id": 0}
    assert row == {**names, "source": source, "target": "A", "labels": ["A", "B"], "sentence_at": [23, 39]}


def test_tokens_are_the_text(family, task_rows):
    rows = [row for rows in task_rows.values() for row in rows]
    for row, example in zip(rows, tokenize(rows, family.tokenizer, 512, 50), strict=True):
        assert text_of(family.tokenizer, example.source) == row["source"]
        assert example.target[-1] == family.tokenizer.eos_token_id
        assert text_of(family.tokenizer, example.target[:-1]) == row["target"]


@pytest.mark.parametrize("instruction", ["How does it feel?\n", ""])
def test_truncation_cuts_the_end_of_the_sentence_alone(family, instruction):
    row = long_row(instruction)
    head, tail = row["source"][: row["sentence_at"][0]], "\nAnswer:"
    (whole,) = tokenize([row], family.tokenizer, 512, 50)
    head_tokens, x_tail, x = (len(ids) for ids in family.tokenizer([head, "x" + tail, "x"])["input_ids"])
    shortest = head_tokens + x_tail - x
    assert tokenize([row], family.tokenizer, len(whole.source), 50)[0] == whole
    previous = LONG
    for limit in range(len(whole.source) - 1, shortest - 1, -1):
        (cut,) = tokenize([row], family.tokenizer, limit, 50)
        assert len(cut.source) == limit
        text = text_of(family.tokenizer, cut.source)
        assert text.startswith(head)
        assert text.endswith(tail)
        sentence = text.removeprefix(head).removesuffix(tail)
        assert previous.startswith(sentence)
        assert len(sentence) < len(previous)
        previous = sentence
    assert previous == ""
    with pytest.raises(
        UserError, match=f"max_source_length: {shortest - 1} .* of moods; raise it to at least {shortest}$"
    ):
        tokenize([row], family.tokenizer, shortest - 1, 50)


def test_truncation_spares_words_of_the_sentence_that_stand_in_the_instruction(family):
    row = long_row(instruction=LONG + "\n", sentence=LONG)
    (whole,) = tokenize([row], family.tokenizer, 5000, 50)
    (cut,) = tokenize([row], family.tokenizer, len(whole.source) - 30, 50)
    assert text_of(family.tokenizer, cut.source).startswith(row["source"][: row["sentence_at"][0]])


def test_truncation_leaves_special_tokens_and_whole_characters(family):
    row = long_row(sentence="caf\u00e9 \u4f60\u597d \U0001f600 " * 6)
    (whole,) = tokenize([row], family.tokenizer, 512, 50)
    assert text_of(family.tokenizer, whole.source) == row["source"]
    for excess in range(1, 12):
        (cut,) = tokenize([row], family.tokenizer, len(whole.source) - excess, 50)
        assert len(cut.source) <= len(whole.source) - excess
        assert "\ufffd" not in family.tokenizer.decode(cut.source), f"half a character is left, {excess} tokens cut"


def test_only_long_rows_are_cut(family):
    short = long_row(sentence="Short.")
    examples = tokenize([short, long_row(), short], family.tokenizer, 120, 50)
    assert examples[0] == examples[2] == tokenize([short], family.tokenizer, 512, 50)[0]
    assert len(examples[1].source) == 120


def test_targets_over_the_limit(family):
    row = long_row()
    needed = len(family.tokenizer("Good")["input_ids"]) + 1
    assert len(tokenize([row], family.tokenizer, 512, needed)[0].target) == needed
    message = rf"max_target_length: the target 'Good' of moods, row 4, has {needed} tokens, over .* {needed - 1}; raise"
    with pytest.raises(UserError, match=message):
        tokenize([row], family.tokenizer, 512, needed - 1)


def test_a_long_target_is_named_by_its_beginning(family):
    row = render({"label": "word " * 60, "sentence": "x"}, 6, "notes", "Gen", "", [])
    with pytest.raises(UserError, match=r"the target '(word ){12}\.\.\.' of notes, row 7, has"):
        tokenize([row], family.tokenizer, 512, 50)


SHOTS = [{"label": "Bad", "sentence": "It rained."}, {"label": "Good", "sentence": "We won the race."}]


def test_rendered_examples():
    row = render({"label": "Good", "sentence": "Fine."}, 0, "moods", "SC", "How?\n", ["Good", "Bad"], SHOTS)
    source = (
        "Task:SC\nDataset:moods\nHow?\nOption: Good, Bad \n"
        "It rained.\nAnswer: Bad\nWe won the race.\nAnswer: Good\nFine.\nAnswer:"
    )
    assert (row["source"], row["target"]) == (source, "Good")
    spans = [row["source"][start:end] for start, end in (*row["shots_at"], row["sentence_at"])]
    assert spans == ["It rained.\nAnswer: Bad\n", "We won the race.\nAnswer: Good\n", "Fine."]


def generation(instruction, given, output):
    return {"instruction": instruction, "input": given, "sentence": given, "output": output, "label": output}


def test_rendered_generation_rows():
    shots = [generation("", "b", "B"), generation("Low case.", "C", "c"), generation("Upper case.\n", "d", "D")]
    row = render(generation("Upper case.", "a", "A"), 2, "case", "Gen", "Of the task.\n", [], shots)
    head = "Task:Gen\nDataset:case\nUpper case.\n"
    assert row["source"] == f"{head}b\nAnswer: B\nLow case.\nC\nAnswer: c\nd\nAnswer: D\na\nAnswer:"
    assert row["target"] == "A"
    row = render(generation("", "a", "A"), 2, "case", "Gen", "Of the task.\n", [])
    assert row["source"] == "Task:Gen\nDataset:case\nOf the task.\na\nAnswer:"
    plain = render({"label": "A", "sentence": "a", "instruction": "no"}, 2, "case", "SC", "Of the task.\n", ["A", "B"])
    assert plain["source"] == "Task:SC\nDataset:case\nOf the task.\nOption: A, B \na\nAnswer:", "a row with a label"


def test_a_prompt_that_is_too_long_loses_examples_before_its_sentence(family, capsys):
    def prompt(count, sentence=LONG):
        chosen = (*SHOTS, SHOTS[0])[3 - count :]
        return render({"label": "Good", "sentence": sentence}, 0, "moods", "SC", "How?\n", ["Good", "Bad"], chosen)

    lengths = [len(family.tokenizer(prompt(count)["source"])["input_ids"]) for count in range(4)]
    assert lengths == sorted(set(lengths)), "each example adds tokens"
    for limit in range(lengths[0] - 5, lengths[3] + 1):
        fitting = max([count for count in range(4) if lengths[count] <= limit], default=0)
        (example,) = tokenize([prompt(3)], family.tokenizer, limit)
        assert example == tokenize([prompt(fitting)], family.tokenizer, limit)[0]
        lost = "" if fitting == 3 else f"1 of 1 prompts lost examples to the limit of {limit} tokens\n"
        assert capsys.readouterr().err == lost
    short = prompt(3, "Fine.")
    examples = tokenize([short, prompt(3), short], family.tokenizer, lengths[3] - 1)
    assert examples[0] == examples[2] == tokenize([short], family.tokenizer, 5000)[0]
    assert "1 of 3 prompts" in capsys.readouterr().err


def test_pad():
    assert pad([[1, 2], [3]], 9).tolist() == [[1, 2], [3, 9]]
    assert pad([[1, 2], [3]], 9, left=True).tolist() == [[1, 2], [9, 3]]
    assert pad([[1]], 0).dtype == torch.int64


EXAMPLES = [Example([11, 12, 13], [21, 1]), Example([14], [22, 23, 24, 1]), Example([15, 16], [1])]


def test_collate_for_an_encoder_decoder(micros):
    base = micros["t5"].load()
    inputs, labels = collate(EXAMPLES, micros["t5"].tokenizer, base.config)
    assert set(inputs) == {"input_ids", "attention_mask", "decoder_input_ids"}
    assert inputs["input_ids"].tolist() == [[11, 12, 13], [14, 0, 0], [15, 16, 0]]
    assert inputs["attention_mask"].tolist() == [[1, 1, 1], [1, 0, 0], [1, 1, 0]]
    assert labels.tolist() == [[21, 1, IGNORED, IGNORED], [22, 23, 24, 1], [1, IGNORED, IGNORED, IGNORED]]
    stock = base.prepare_decoder_input_ids_from_labels(labels)
    kept = labels != IGNORED
    assert stock.shape == inputs["decoder_input_ids"].shape
    assert torch.equal(inputs["decoder_input_ids"][kept], stock[kept])


def test_collate_for_a_decoder(micros):
    inputs, labels = collate(EXAMPLES, micros["llama"].tokenizer, micros["llama"].load().config)
    assert set(inputs) == {"input_ids", "attention_mask", "position_ids", "logits_to_keep"}
    assert inputs["input_ids"].tolist() == [[11, 12, 13, 21], [14, 22, 23, 24], [0, 0, 15, 16]]
    assert inputs["attention_mask"].tolist() == [[1, 1, 1, 1], [1, 1, 1, 1], [0, 0, 1, 1]]
    assert inputs["position_ids"].tolist() == [[0, 1, 2, 3], [0, 1, 2, 3], [0, 0, 0, 1]]
    assert labels.tolist() == [[IGNORED, IGNORED, 21, 1], [22, 23, 24, 1], [IGNORED, IGNORED, IGNORED, 1]]
    assert inputs["logits_to_keep"] == 4


@torch.no_grad()
def plain_loss(base, example):
    """Summed loss of one unpadded row by a plain forward, with nothing of the project's."""
    if base.config.is_encoder_decoder:
        out = base(input_ids=torch.tensor([example.source]), labels=torch.tensor([example.target]))
        return out.loss.item() * len(example.target)
    logits = base(input_ids=torch.tensor([[*example.source, *example.target]])).logits[0].log_softmax(-1)
    start = len(example.source)
    return -sum(logits[start + i - 1, token].item() for i, token in enumerate(example.target))


@torch.no_grad()
def test_the_loss_of_a_batch_is_that_of_its_rows_alone(family, task_rows):
    base = family.load()
    rows = [row for rows in task_rows.values() for row in rows]
    examples = tokenize(rows, family.tokenizer, 512, 50)
    alone = [plain_loss(base, example) for example in examples]
    assert max(alone) - min(alone) > 1, "the rows do differ"
    inputs, labels = collate(examples, family.tokenizer, base.config)
    logits = base(**inputs).logits
    assert logits.shape[:2] == labels.shape
    for i, expected in enumerate(alone):
        assert summed_loss(logits[i : i + 1], labels[i : i + 1]).item() == pytest.approx(expected, rel=1e-5)
    assert summed_loss(logits, labels).item() == pytest.approx(sum(alone), rel=1e-5)
