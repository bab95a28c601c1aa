"""Generation keeps the order of rows, does not depend on the batches, and is what `model.generate` gives each row."""

import pytest
import torch

import gorp.prediction.predict
from gorp.models.loading import load_base
from gorp.prediction.decoding import Batch
from gorp.prediction.predict import batches, generate, load_stage, predict
from gorp.util.errors import UserError
from gorp.util.files import read_jsonl, write_jsonl

BUDGETS = (1, 250, 10**6)  # tokens: a row a batch, a few, all rows of the same labels


@pytest.fixture
def all_rows(task_rows):
    return [row for rows in task_rows.values() for row in rows]


@pytest.fixture
def sizes(monkeypatch):
    """The rows of each batch that is read, in turn."""
    seen, original = [], Batch.__init__

    def init(self, model, sources, pad_token_id):
        seen.append(len(sources))
        original(self, model, sources, pad_token_id)

    monkeypatch.setattr(Batch, "__init__", init)
    return seen


def texts(family, model, rows, new=8, budget=10**6):
    return [answer["prediction"] for answer in generate(model, family.tokenizer, rows, 200, new, budget)]


@pytest.mark.parametrize("trained", [False, True])
def test_rows_keep_their_order_and_batches_do_not_matter(family, tasks, all_rows, chain, tmp_path, trained, sizes):
    stage = chain(family, "gorp")[-1] if trained else None
    written, largest = {}, []
    for budget in BUDGETS:
        output = tmp_path / f"{budget}.jsonl"
        predict(family.path, stage, list(tasks.values()), output, 200, 8, budget, label_likelihood=True)
        written[budget] = read_jsonl(output)
        largest.append(max(sizes))
        sizes.clear()
    assert largest[0] == 1 < largest[1] < largest[2] == 7, "the batches did differ"
    assert written[1] == written[250] == written[10**6]
    keys = ("task", "group", "id", "labels", "target")
    assert [[row[key] for key in keys] for row in written[1]] == [[row[key] for key in keys] for row in all_rows]
    assert all(set(row) == {*keys, "prediction", "likeliest_label"} for row in written[1])
    assert len({row["prediction"] for row in written[1]}) > (1 if trained else 3), "the answers do depend on the rows"


def test_the_stage_changes_the_answers(family, tasks, chain, tmp_path):
    for name, stage in (("base", None), ("stage", chain(family, "gorp")[-1])):
        predict(family.path, stage, list(tasks.values()), tmp_path / name, 200, 8, 16)
    assert read_jsonl(tmp_path / "base") != read_jsonl(tmp_path / "stage")


@torch.no_grad()
def test_answers_are_greedy(family, task_rows):
    """Against an argmax over plain forwards, without a cache, mask or padding."""
    base, rows = family.load(), task_rows["moods"]
    answers = texts(family, base, rows, 6)
    for row, answer in zip(rows, answers, strict=True):
        source = torch.tensor([family.tokenizer(row["source"])["input_ids"]])
        new = torch.zeros(1, 0, dtype=torch.long)
        for _ in range(6):
            if base.config.is_encoder_decoder:
                start = torch.tensor([[base.config.decoder_start_token_id]])
                out = base(input_ids=source, decoder_input_ids=torch.cat([start, new], 1)).logits
            else:
                out = base(input_ids=torch.cat([source, new], 1)).logits
            new = torch.cat([new, out[:, -1:].argmax(-1)], 1)
            if new[0, -1] == family.tokenizer.eos_token_id:
                break
        assert answer == family.tokenizer.decode(new[0], skip_special_tokens=True).strip()


@torch.no_grad()
@pytest.mark.parametrize("trained", [False, True])
def test_each_row_gets_what_model_generate_gives_it_alone(family, all_rows, chain, trained):
    model, tokenizer = family.load(), family.tokenizer
    if trained:
        model = load_stage(model, chain(family, "gorp")[-1], family.path, "float32")
    expected, lengths = [], set()
    for row in all_rows:
        ids = tokenizer(row["source"], return_tensors="pt", return_token_type_ids=False)
        out = model.generate(**ids, do_sample=False, max_new_tokens=8, eos_token_id=tokenizer.eos_token_id)[0]
        new = out[1:] if model.config.is_encoder_decoder else out[ids["input_ids"].shape[1] :]
        lengths.add(len(new))
        expected.append(tokenizer.decode(new, skip_special_tokens=True).strip())
    assert texts(family, model, all_rows) == expected
    assert not trained or len(lengths) > 1, "rows did end at different steps"


def test_equal_prompts_are_answered_once(family, task_rows, sizes):
    rows = task_rows["moods"]
    once = texts(family, family.load(), rows)
    sizes.clear()
    assert texts(family, family.load(), [*rows, *rows[::-1], rows[0]]) == [*once, *once[::-1], once[0]]
    assert sizes == [len(rows)]


def test_long_targets_and_short_limits(family, task_rows):
    base = family.load()
    rows = [{**task_rows["moods"][0], "target": "Good " * 200}]
    assert len(generate(base, family.tokenizer, rows, 200, 4, 4)) == 1
    counted = family.tokenizer(texts(family, base, rows, 1))["input_ids"]
    assert len(counted[0]) <= 4  # one new token; byte-level text may come apart
    with pytest.raises(UserError, match="max_source_length: 5 tokens do not hold"):
        generate(base, family.tokenizer, rows, 5, 4, 4)


def test_batches_hold_like_rows_within_the_budget():
    lengths = [30, 5, 12, 31, 29, 100, 3, 3, 3]
    prompts = [((i,) * n, ("a",) if i % 2 else ("b",)) for i, n in enumerate(lengths)]
    found = list(batches([*prompts, prompts[0]], 80, 10))
    assert sorted(prompt for batch in found for prompt in batch) == sorted(prompts), "each once"
    for batch in found:
        sizes = [len(source) for source, _ in batch]
        assert len({labels for _, labels in batch}) == 1
        assert sizes == sorted(sizes, reverse=True), "the longest first"
        assert len(batch) == 1 or len(batch) * (sizes[0] + 10) <= 80
    assert [[len(source) for source, _ in batch] for batch in found] == [[100], [31], [5, 3], [30, 29], [12, 3, 3]]


def test_merging_the_factors_is_for_float32_alone(family, chain, train):
    exact = load_stage(family.load(), chain(family, "gorp")[-1], family.path, "float32")
    assert not any("lora" in name for name, _ in exact.named_parameters())
    rounded = load_stage(
        load_base(family.path, "bfloat16")[0], train(family, dtype="bfloat16"), family.path, "bfloat16"
    )
    assert any("lora" in name for name, _ in rounded.named_parameters())


def test_likelihood_is_beside_the_answers_and_needs_labels(family, task_rows, tmp_path):
    rows = [*task_rows["moods"]]
    rows += [{**row, "labels": []} for row in task_rows["topics"]]
    write_jsonl(tmp_path / "rows.jsonl", rows)
    written = []
    for asked in (False, True):
        predict(family.path, None, [tmp_path / "rows.jsonl"], tmp_path / "out", 200, 5, 900, label_likelihood=asked)
        written.append(read_jsonl(tmp_path / "out"))
    plain, beside = written
    assert plain == [{key: row[key] for key in row if key != "likeliest_label"} for row in beside]
    assert not any("likeliest_label" in row for row in plain)
    assert [row.get("likeliest_label") in ("Good", "Bad") for row in beside] == [
        row["task"] == "moods" for row in beside
    ]


def test_foreign_stages_are_refused(micros, tasks, chain, tmp_path):
    stage = chain(micros["llama"], "gorp", 1)[-1]
    with pytest.raises(UserError, match=r"moods: it was trained on the base model .*llama.*, not on .*t5"):
        predict(micros["t5"].path, stage, [tasks["moods"]], tmp_path / "x", 200, 4, 4)
    with pytest.raises(UserError, match="nowhere: no such stage"):
        predict(micros["t5"].path, tmp_path / "nowhere", [tasks["moods"]], tmp_path / "x", 200, 4, 4)
    with pytest.raises(UserError, match=r"gone\.jsonl: no such file"):
        predict(micros["t5"].path, None, [tmp_path / "gone.jsonl"], tmp_path / "x", 200, 4, 4)
    assert list(tmp_path.iterdir()) == []


def test_a_failure_leaves_no_output(micros, tasks, tmp_path, monkeypatch):
    monkeypatch.setattr(gorp.prediction.predict, "generate", lambda *_args: [{"prediction": "only one"}])
    with pytest.raises(ValueError):
        predict(micros["t5"].path, None, [tasks["moods"]], tmp_path / "x", 200, 4, 4)
    assert list(tmp_path.iterdir()) == []
