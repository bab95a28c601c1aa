"""Generation keeps the order of rows and does not depend on the batch size."""

import pytest
import torch

import gorp.predict
from gorp.errors import UserError
from gorp.files import read_jsonl
from gorp.predict import generate, predict


@pytest.fixture
def all_rows(task_rows):
    return [row for rows in task_rows.values() for row in rows]


@pytest.mark.parametrize("trained", [False, True])
def test_rows_keep_their_order_and_batches_do_not_matter(family, tasks, all_rows, chain, tmp_path, trained):
    stage = chain(family, "gorp")[-1] if trained else None
    written = {}
    for batch_size in (1, 3, 16):
        output = tmp_path / f"{batch_size}.jsonl"
        predict(family.path, stage, list(tasks.values()), output, 200, 8, batch_size)
        written[batch_size] = read_jsonl(output)
    assert written[1] == written[3] == written[16]
    keys = ("task", "id", "target")
    assert [[row[key] for key in keys] for row in written[1]] == [[row[key] for key in keys] for row in all_rows]
    assert all(set(row) == {*keys, "prediction"} for row in written[1])
    assert len({row["prediction"] for row in written[1]}) > (1 if trained else 3), "the answers do depend on the rows"


def test_the_stage_changes_the_answers(family, tasks, chain, tmp_path):
    for name, stage in (("base", None), ("stage", chain(family, "gorp")[-1])):
        predict(family.path, stage, list(tasks.values()), tmp_path / name, 200, 8, 16)
    assert read_jsonl(tmp_path / "base") != read_jsonl(tmp_path / "stage")


@torch.no_grad()
def test_answers_are_greedy(family, task_rows):
    """Against an argmax over plain forwards, without a cache, mask or padding."""
    base, rows = family.load(), task_rows["moods"]
    answers = generate(base, family.tokenizer, rows, 200, 6, 4)
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


def test_long_targets_and_short_limits(family, task_rows):
    base = family.load()
    rows = [{**task_rows["moods"][0], "target": "Good " * 200}]
    assert len(generate(base, family.tokenizer, rows, 200, 4, 4)) == 1
    counted = family.tokenizer(generate(base, family.tokenizer, rows, 200, 1, 4))["input_ids"]
    assert len(counted[0]) <= 4  # one new token; byte-level text may come apart
    with pytest.raises(UserError, match="max_source_length: 5 tokens do not hold"):
        generate(base, family.tokenizer, rows, 5, 4, 4)


@pytest.mark.parametrize("extra", [1, 30])
def test_max_new_tokens_bounds_the_answers(family, task_rows, monkeypatch, extra):
    base, seen = family.load(), []
    original = base.generate
    monkeypatch.setattr(base, "generate", lambda **options: seen.append((options, original(**options))) or seen[-1][1])
    generate(base, family.tokenizer, task_rows["topics"], 200, extra, 2)
    assert len(seen) == 3
    for options, out in seen:
        start = 1 if base.config.is_encoder_decoder else options["input_ids"].shape[1]
        assert out.shape[1] - start <= extra
        lengths = options["attention_mask"].sum(1)
        assert options["do_sample"] is False
        assert lengths[0] == options["input_ids"].shape[1], "rows of like length together, the longest first"


def test_foreign_stages_are_refused(micros, tasks, chain, tmp_path):
    stage = chain(micros["llama"], "gorp", 1)[-1]
    with pytest.raises(UserError, match=r"moods: its base_model is '.*llama.*', not '.*t5.*'"):
        predict(micros["t5"].path, stage, [tasks["moods"]], tmp_path / "x", 200, 4, 4)
    with pytest.raises(UserError, match="nowhere: no such stage"):
        predict(micros["t5"].path, tmp_path / "nowhere", [tasks["moods"]], tmp_path / "x", 200, 4, 4)
    with pytest.raises(UserError, match=r"gone\.jsonl: no such file"):
        predict(micros["t5"].path, None, [tmp_path / "gone.jsonl"], tmp_path / "x", 200, 4, 4)
    assert list(tmp_path.iterdir()) == []


def test_a_failure_leaves_no_output(micros, tasks, tmp_path, monkeypatch):
    monkeypatch.setattr(gorp.predict, "generate", lambda *_args: ["only one"])
    with pytest.raises(ValueError):
        predict(micros["t5"].path, None, [tasks["moods"]], tmp_path / "x", 200, 4, 4)
    assert list(tmp_path.iterdir()) == []
