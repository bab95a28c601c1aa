"""What steps tell the CPU: at once, or a step late as from a GPU, with the same results."""

import os
import signal

import pytest
import torch

import gorp.train.loop
from gorp.config.result_paths import SPACE, WEIGHTS
from gorp.models.stage import read_stage
from gorp.optim.gorp_adamw import GorpAdamW
from gorp.optim.projection import down, full_precision
from gorp.train.checkpoint import Checkpoint
from gorp.train.stage import train_stage
from gorp.train.step_log import StepLog
from gorp.util.errors import Interrupted

NO = torch.zeros(2)


def scalar(value):
    return torch.tensor(float(value))


def test_a_lag_of_one_reads_the_step_before():
    reports = StepLog([0.5], {}, lag=1)
    reports.add(scalar(2), scalar(1), torch.tensor([0.0, 3.0]))
    assert reports.losses == [0.5]
    assert not reports.save
    reports.add(scalar(4), scalar(1), torch.tensor([1.0, 0.0]))
    assert reports.losses == [0.5, 2.0]
    assert (reports.stop, reports.save) == (False, True)
    assert reports.finish() == [0.5, 2.0, 4.0]
    assert (reports.stop, reports.save) == (True, True)


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
@pytest.mark.parametrize("lag", [0, 1])
def test_a_norm_that_is_not_finite_names_the_parameter_and_its_step(lag, bad):
    trained = {"a": torch.ones(2), "b": torch.tensor([1.0, bad])}
    reports = StepLog([0.5, 0.5], trained, lag)
    with pytest.raises(FloatingPointError, match=r"^b, step 3: the gradient is not finite"):
        for _ in range(1 + lag):
            reports.add(scalar(1), scalar(bad), NO)
    assert reports.losses == [0.5, 0.5]


@pytest.fixture
def late(monkeypatch):
    """Trainings read their losses a step late, as from a GPU."""
    monkeypatch.setattr(gorp.train.loop, "StepLog", lambda losses, trained, lag: StepLog(losses, trained, lag=1))


def test_reading_late_changes_no_byte(family, train, request):
    at_once = train(family, epochs=3)
    request.getfixturevalue("late")
    lately = train(family, epochs=3)
    for name in (WEIGHTS, SPACE):
        assert (lately / name).read_bytes() == (at_once / name).read_bytes()
    assert read_stage(lately).info["losses"] == read_stage(at_once).info["losses"]


def test_stopped_and_resumed_with_a_lag_too(micros, tasks, train, tmp_path, monkeypatch, late):
    family = micros["t5"]
    settings = family.settings(epochs=3, lora_dropout=0.3)
    job = (family.path, tasks["moods"])
    train_stage(*job, tmp_path / "whole", "gorp", settings, 3, None)
    original = Checkpoint.step_done

    def step_done(self, *args):
        os.kill(os.getpid(), signal.SIGTERM)
        original(self, *args)

    with monkeypatch.context() as patch, pytest.raises(Interrupted, match="the 1 steps done are saved"):
        patch.setattr(Checkpoint, "step_done", step_done)
        train_stage(*job, tmp_path / "cut", "gorp", settings, 3, None)
    train_stage(*job, tmp_path / "cut", "gorp", settings, 3, None)
    assert (tmp_path / "cut" / WEIGHTS).read_bytes() == (tmp_path / "whole" / WEIGHTS).read_bytes()
    losses = [read_stage(tmp_path / name).info["losses"] for name in ("cut", "whole")]
    assert losses[0] == losses[1]


def test_projections_keep_out_of_tf32(monkeypatch, request):
    """The flag is torch's, there without a GPU too; products of the model keep it."""
    matmul, seen = torch.backends.cuda.matmul, []
    request.addfinalizer(lambda before=matmul.allow_tf32: setattr(matmul, "allow_tf32", before))
    matmul.allow_tf32 = True
    monkeypatch.setattr("gorp.optim.gorp_adamw.down", lambda *args: seen.append(matmul.allow_tf32) or down(*args))
    monkeypatch.setattr("gorp.optim.gorp_adamw.update", lambda *args: seen.append(matmul.allow_tf32))
    W = torch.nn.Parameter(torch.randn(9, 6))
    optimizer = GorpAdamW([("W", W)], rank=2)
    W.grad = torch.randn(9, 6)
    optimizer.reduce()
    optimizer.step()
    assert seen == [False, False]
    assert matmul.allow_tf32
    with pytest.raises(KeyError), full_precision():
        raise KeyError
    assert matmul.allow_tf32
