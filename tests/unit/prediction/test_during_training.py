"""Evaluations while a task is trained: when, on what, to which values; and that the training comes out the same."""

import csv
import os
import signal

import pytest
import torch

from gorp.cli import main
from gorp.config.result_paths import SPACE, WEIGHTS
from gorp.data.batches import collate
from gorp.data.tokens import tokenize
from gorp.metrics.answers import score_predictions
from gorp.models.loading import load_base
from gorp.models.loss import summed_loss
from gorp.prediction.during_training import PARTIAL, TABLE, Evaluation, chosen, evaluation_steps
from gorp.prediction.predict import load_stage, predict
from gorp.train.checkpoint import Checkpoint
from gorp.train.stage import train_stage
from gorp.util.errors import Interrupted, UserError
from gorp.util.files import read_jsonl, write_jsonl


@pytest.mark.parametrize(
    ("total", "every", "steps"),
    [
        (200, 50, [0, 1, 2, 5, 10, 20, 50, 100, 150, 200]),
        (130, 60, [0, 1, 2, 5, 10, 20, 50, 60, 120, 130]),
        (7, 1, [0, 1, 2, 3, 4, 5, 6, 7]),
        (7, 3, [0, 1, 2, 3, 6, 7]),
        (12, 1000, [0, 1, 2, 5, 10, 12]),
        (1, 500, [0, 1]),
    ],
)
def test_when(total, every, steps):
    assert evaluation_steps(total, every) == steps


def test_rows_are_drawn_once_and_more_take_in_fewer():
    rows = [{"id": i} for i in range(20)]
    few, all_rows = chosen(rows, 5), chosen(rows, 0)
    assert chosen(rows, 5) == few == all_rows[:5] != rows[:5]
    assert sorted(row["id"] for row in all_rows) == sorted(row["id"] for row in chosen(rows, 100)) == list(range(20))


def table(folder):
    with (folder / TABLE).open() as file:
        return list(csv.DictReader(file))


@pytest.fixture
def job(family, tasks, chain, tmp_path):
    """`job(name, evaluation)`: the second task of a stream, with all that might be disturbed; returns the folder."""
    options = {"epochs": 10, "learning_rate": 0.05, "full_rank_lr": 0.05, "lr_schedule": "linear"}
    settings = family.settings(**options, lora_dropout=0.1, gradient_checkpointing=True)
    parent = chain(family, "gorp", 1)[-1]

    def run(name, evaluation=None):
        common = ("gorp", settings, 3, parent, "float32", 60, None, evaluation)
        train_stage(family.path, tasks["topics"], tmp_path / name, *common)
        return tmp_path / name

    return run


def test_the_table_is_true_and_the_training_the_same(family, tasks, task_rows, job, tmp_path):
    """At the last step as the stage predicts, after it was written; 20 steps, of batches of 4 and 1."""
    files = [tasks["topics"], tasks["moods"]]
    plain, evaluated = job("plain"), job("evaluated", Evaluation(files, every=8, rows=0))
    assert not (plain / TABLE).exists()
    for name in (WEIGHTS, SPACE):
        assert (evaluated / name).read_bytes() == (plain / name).read_bytes()
    found = table(evaluated)
    assert [(int(row["step"]), row["task"], int(row["rows"])) for row in found] == [
        (step, task, rows) for step in (0, 1, 2, 5, 8, 16, 20) for task, rows in (("topics", 5), ("moods", 7))
    ]
    assert len({row["loss"] for row in found}) == len(found), "no two are the same"
    predict(family.path, plain, files, tmp_path / "predictions", 200, 50, 10**6)
    scores = score_predictions(read_jsonl(tmp_path / "predictions"))
    # the micro T5 learns no answer whole in so few steps
    assert family.name == "t5" or scores["topics"]["exact_match"] > 50 > float(found[0]["exact_match"])
    model = load_stage(load_base(family.path)[0], plain, family.path, "float32")
    for row, rows in zip(found[-2:], (task_rows["topics"], task_rows["moods"]), strict=True):
        for name in ("exact_match", "rouge1", "rougeL"):
            assert float(row[name]) == pytest.approx(scores[row["task"]][name], abs=1e-4)
        inputs, labels = collate(tokenize(rows, family.tokenizer, 200), family.tokenizer, model.config)
        with torch.no_grad():
            loss = summed_loss(model(**inputs).logits, labels) / (labels >= 0).sum()
        assert float(row["loss"]) == pytest.approx(loss.item(), abs=2e-4)


def test_going_on_gives_the_same_table(micros, tasks, tmp_path, monkeypatch):
    family = micros["t5"]
    settings = family.settings(epochs=3, lora_dropout=0.3)
    common = (family.path, tasks["moods"])
    evaluation = Evaluation([tasks["moods"]], every=2, rows=3)

    def stop_after_three(self, *args):
        steps.append(1)
        if len(steps) == 3:
            os.kill(os.getpid(), signal.SIGTERM)
        original(self, *args)

    steps, original = [], Checkpoint.step_done
    train_stage(*common, tmp_path / "whole", "gorp", settings, 3, None, evaluation=evaluation)
    assert [row["rows"] for row in table(tmp_path / "whole")] == ["3"] * 5
    for name in ("cut", "lost"):
        steps.clear()
        with monkeypatch.context() as patch, pytest.raises(Interrupted):
            patch.setattr(Checkpoint, "step_done", stop_after_three)
            train_stage(*common, tmp_path / name, "gorp", settings, 3, None, evaluation=evaluation)
    partial = tmp_path / "cut" / PARTIAL
    assert [row["step"] for row in read_jsonl(partial)] == [0, 1, 2]
    write_jsonl(partial, [*read_jsonl(partial), {"step": 4, "task": "moods", "loss": 0.0}])  # after the last checkpoint
    train_stage(*common, tmp_path / "cut", "gorp", settings, 3, None, evaluation=evaluation)
    for name in (WEIGHTS, SPACE, TABLE):
        assert (tmp_path / "cut" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()
    assert not partial.exists()
    (tmp_path / "lost" / PARTIAL).unlink()
    with pytest.raises(UserError, match=r"lost/\.evaluations\.jsonl: the evaluation of step 0 is missing; delete"):
        train_stage(*common, tmp_path / "lost", "gorp", settings, 3, None, evaluation=evaluation)
    other = Evaluation([tasks["moods"]], every=2, rows=2)  # another table: from the start
    train_stage(*common, tmp_path / "lost", "gorp", settings, 3, None, evaluation=other)
    assert [row["rows"] for row in table(tmp_path / "lost")] == ["2"] * 5
    assert (tmp_path / "lost" / WEIGHTS).read_bytes() == (tmp_path / "whole" / WEIGHTS).read_bytes()


def test_mistakes(micros, tasks, tmp_path, capsys):
    command = ["train", "--model", micros["t5"].path, "--data", str(tasks["moods"]), "--method", "seqlora"]
    command += ["--output", str(tmp_path / "out")]
    dev = ["--dev", str(tasks["moods"])]
    (tmp_path / "empty.jsonl").write_text("")
    for options, message in [
        (dev, "--dev and --evaluate-every: one needs the other"),
        (["--evaluate-every", "5"], "--dev and --evaluate-every: one needs the other"),
        ([*dev, "--evaluate-every", "-1"], "--evaluate-every: -1 is not at least 1"),
        ([*dev, "--evaluate-every", "1", "--evaluate-rows", "-1"], "--evaluate-rows: -1 is not at least 0"),
        ([*dev, dev[1], "--evaluate-every", "1"], "--dev: moods is not the task of one file alone"),
        (["--dev", str(tmp_path / "empty.jsonl"), "--evaluate-every", "1"], "empty.jsonl: no rows to evaluate on"),
        (["--dev", str(tmp_path / "none.jsonl"), "--evaluate-every", "1"], "none.jsonl: no such file"),
    ]:
        assert main([*command, *options]) == 1
        assert message in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
