"""The embedded base models: made alike for the same seed, and taught no label of any task."""

import random

import pytest
from transformers import AutoTokenizer

from gorp.data.splits import read_labels, read_split
from gorp.data.tasks import BUNDLED, find_tasks
from gorp.models.loading import load_base
from gorp.models.made.embedded import corrupt, make_embedded
from gorp.models.made.exercises import WORD, Reader


@pytest.fixture(scope="module", params=["tiny-t5", "tiny-llama"])
def made(request, tmp_path_factory):
    """The same model made twice, by two steps of pretraining."""
    folders = [tmp_path_factory.mktemp("a"), tmp_path_factory.mktemp("b")]
    for folder in folders:
        make_embedded(request.param, BUNDLED, folder, seed=3, steps=2)
    return folders


def test_the_same_seed_gives_the_same_bytes(made):
    names = sorted(path.name for path in made[0].iterdir())
    assert {"config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json"} <= set(names)
    for name in names:
        assert (made[0] / name).read_bytes() == (made[1] / name).read_bytes(), name


def test_it_loads_as_a_base_model_of_over_a_million_parameters(made):
    base, tokenizer = load_base(str(made[0]))
    assert sum(parameter.numel() for parameter in base.parameters()) > 1_000_000
    text = "Unseen café → 日本"
    assert tokenizer.decode(tokenizer(text)["input_ids"]).strip() == text


@pytest.mark.parametrize("kind", ["place", "word", "kind"])
def test_no_answer_of_the_reading_is_a_word_of_a_label(made, kind):
    tasks = find_tasks(BUNDLED).values()
    labels = {word for task in tasks for label in read_labels(task) for word in WORD.findall(label.lower())}
    texts = [row["sentence"] for task in tasks for row in read_split(task, "train", read_labels(task))]
    tokenizer = AutoTokenizer.from_pretrained(made[0])
    reader = Reader(texts, labels, tokenizer, random.Random(0))
    for example in reader.batch(kind, 50):
        answer = tokenizer.decode(example.target, skip_special_tokens=True).strip()
        options = tokenizer.decode(example.source).partition("Option: ")[2].partition(" \n")[0]
        assert answer in options.split(", ")
        assert not {word.lower() for word in WORD.findall(answer)} & labels


def test_span_corruption_can_be_undone(made):
    tokenizer = AutoTokenizer.from_pretrained(made[0])
    ids = tokenizer("The red lamp stood on the old table near the window of the kitchen. " * 4)["input_ids"]
    example = corrupt(ids, tokenizer, random.Random(1))
    assert len(example.source) < len(ids)
    marks = {tokenizer.convert_tokens_to_ids(f"<extra_id_{i}>") for i in range(16)}
    spans, mark = {}, None
    for token in example.target[:-1]:
        if token in marks:
            mark = token
            spans[mark] = []
        else:
            spans[mark].append(token)
    restored = [t for token in example.source for t in (spans[token] if token in marks else [token])]
    assert restored == ids
