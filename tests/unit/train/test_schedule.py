"""The learning rate over the steps: the pure function, and what a training makes of it."""

import json
import os
import signal

import pytest

import gorp.train.loop
from gorp.config.result_paths import INFO, SPACE, WEIGHTS
from gorp.config.settings import SCHEDULES
from gorp.train.checkpoint import Checkpoint
from gorp.train.schedule import factor, set_rates, total_steps
from gorp.train.stage import train_stage
from gorp.util.errors import Interrupted, UserError

ROOT_HALF = 0.5**0.5
GOLDEN = {  # of 6 steps
    ("constant", 0): [1, 1, 1, 1, 1, 1],
    ("constant", 4): [1 / 4, 2 / 4, 3 / 4, 1, 1, 1],
    ("linear", 0): [1, 5 / 6, 4 / 6, 3 / 6, 2 / 6, 1 / 6],
    ("linear", 2): [1 / 2, 1, 1, 3 / 4, 2 / 4, 1 / 4],
    ("cosine", 2): [1 / 2, 1, 1, (1 + ROOT_HALF) / 2, 1 / 2, (1 - ROOT_HALF) / 2],
    ("cosine", 6): [1 / 6, 2 / 6, 3 / 6, 4 / 6, 5 / 6, 1],
}


@pytest.mark.parametrize(("schedule", "warmup"), GOLDEN)
def test_factors_by_hand(schedule, warmup):
    assert {name for name, _ in GOLDEN} == set(SCHEDULES), "they are named in the settings, which load no torch"
    assert [factor(step, 6, schedule, warmup) for step in range(1, 7)] == pytest.approx(GOLDEN[schedule, warmup])


def test_steps_and_a_warm_up_that_is_too_long(micros, tasks, tmp_path):
    family = micros["t5"]
    assert total_steps(7, family.settings(batch_size=3, epochs=2, warmup_steps=6)) == 6
    message = r"^warmup_steps: 3 is more than the 2 steps of the training \(7 rows, batch_size 4, epochs 1\)$"
    with pytest.raises(UserError, match=message):
        train_stage("nowhere", tasks["moods"], tmp_path / "out", "gorp", family.settings(warmup_steps=3), 3, None)


@pytest.mark.parametrize("method", ["gorp", "seqlora"])
def test_a_training_uses_it_and_goes_on_with_it(micros, tasks, tmp_path, monkeypatch, capsys, method):
    """All parameter groups alike; cut after its third step, to the same bytes as uncut."""
    family = micros["llama"]
    settings = family.settings(method, epochs=3, lr_schedule="cosine", warmup_steps=2)
    seen, steps = [], []

    def set_and_see(optimizer, rates, scale):
        set_rates(optimizer, rates, scale)
        seen.append([group["lr"] for group in optimizer.param_groups])

    def stop_after_three(self, *args):
        steps.append(1)
        if len(steps) == 3:
            os.kill(os.getpid(), signal.SIGTERM)
        original(self, *args)

    monkeypatch.setattr(gorp.train.loop, "set_rates", set_and_see)
    train_stage(family.path, tasks["moods"], tmp_path / "whole", method, settings, 3, None)
    whole, full = list(seen), [0.02] + ([0.01] if method == "gorp" else [])
    assert whole == [pytest.approx([rate * x for rate in full]) for x in GOLDEN["cosine", 2]]
    assert ", lr 2.93e-03" in capsys.readouterr().err.splitlines()[-1]
    original = Checkpoint.step_done
    with monkeypatch.context() as patch:
        patch.setattr(Checkpoint, "step_done", stop_after_three)
        with pytest.raises(Interrupted):
            train_stage(family.path, tasks["moods"], tmp_path / "cut", method, settings, 3, None)
    train_stage(family.path, tasks["moods"], tmp_path / "cut", method, settings, 3, None)
    assert seen == whole + whole
    for name in (WEIGHTS, SPACE):
        assert (tmp_path / "cut" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()
    losses = [json.loads((tmp_path / name / INFO).read_text())["losses"] for name in ("cut", "whole")]
    assert losses[0] == losses[1]
