"""A training that was killed at any moment goes on, and ends with the same bytes."""

import json
import os
import random
import signal
import subprocess
import sys
import time

import pytest
import torch

from gorp.adapter import CONFIG, INFO, SPACE, WEIGHTS
from gorp.checkpoint import PREFIX, Checkpoint
from gorp.errors import Interrupted
from gorp.train import train_stage

FILES = (WEIGHTS, SPACE, CONFIG)


def content(folder):
    return {name: (folder / name).read_bytes() for name in FILES} | {
        "losses": json.loads((folder / INFO).read_text())["losses"]
    }


@pytest.fixture
def stop_after(monkeypatch):
    """`stop_after(n)`: from now on a training gets SIGTERM in its n-th step."""

    def stop(steps):
        original, count = Checkpoint.step_done, [0]

        def step_done(self, *args):
            count[0] += 1
            if count[0] == steps:
                os.kill(os.getpid(), signal.SIGTERM)
            original(self, *args)

        monkeypatch.setattr(Checkpoint, "step_done", step_done)

    yield stop


@pytest.mark.parametrize("method", ["gorp", "seqlora"])
@pytest.mark.parametrize("steps", [1, 2, 5])
def test_interrupted_and_resumed_equals_uninterrupted(
    family, tasks, chain, tmp_path, stop_after, monkeypatch, method, steps
):
    settings = family.settings(method, epochs=3, lora_dropout=0.3)  # dropout draws from the generator that is restored
    parent = chain(family, method, 1)[-1]
    job = (family.path, tasks["topics"])
    train_stage(*job, tmp_path / "whole", method, settings, 3, parent)
    stop_after(steps)
    with pytest.raises(Interrupted, match=f"SIGTERM; the {steps} steps done are saved"):
        train_stage(*job, tmp_path / "cut", method, settings, 3, parent)
    assert not (tmp_path / "cut" / INFO).exists()
    monkeypatch.undo()
    resumed = []
    original = Checkpoint.resume
    monkeypatch.setattr(Checkpoint, "resume", lambda *args: resumed.append(original(*args)) or list(resumed[0]))
    train_stage(*job, tmp_path / "cut", method, settings, 3, parent)
    assert len(resumed[0]) == steps
    assert content(tmp_path / "cut") == content(tmp_path / "whole")
    assert not list((tmp_path / "cut").glob(f"{PREFIX}*")), "checkpoints go when the stage is done"
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL


@pytest.mark.parametrize("change", ["settings", "seed", "data", "model"])
def test_a_stale_checkpoint_is_never_used(micros, tasks, tmp_path, stop_after, monkeypatch, change):
    family, output = micros["t5"], tmp_path / "out"
    job = {"settings": family.settings(epochs=3), "seed": 3, "data": tasks["moods"]}
    stop_after(2)
    with pytest.raises(Interrupted):
        train_stage(family.path, job["data"], output, "gorp", job["settings"], job["seed"], None)
    assert len(list(output.glob(f"{PREFIX}*"))) == 1
    monkeypatch.undo()
    if change == "model":
        (tmp_path / "model").symlink_to(family.path)
        monkeypatch.setattr("gorp.train.model_key", lambda _: "another")
    else:
        job[change] = {"settings": family.settings(epochs=3, scale=2.0), "seed": 4, "data": tasks["topics"]}[change]
    resumed = []
    original = Checkpoint.resume
    monkeypatch.setattr(Checkpoint, "resume", lambda *args: resumed.append(original(*args)) or list(resumed[0]))
    train_stage(family.path, job["data"], output, "gorp", job["settings"], job["seed"], None)
    assert resumed == [[]]
    assert not list(output.glob(f"{PREFIX}*"))


def test_a_damaged_checkpoint_counts_as_none(micros, tasks, tmp_path, stop_after, monkeypatch):
    family, settings = micros["t5"], micros["t5"].settings(epochs=2)
    train_stage(family.path, tasks["moods"], tmp_path / "whole", "gorp", settings, 3, None)
    stop_after(2)
    with pytest.raises(Interrupted):
        train_stage(family.path, tasks["moods"], tmp_path / "cut", "gorp", settings, 3, None)
    monkeypatch.undo()
    (file,) = (tmp_path / "cut").glob(f"{PREFIX}*")
    file.write_bytes(file.read_bytes()[:1000])
    train_stage(family.path, tasks["moods"], tmp_path / "cut", "gorp", settings, 3, None)
    assert content(tmp_path / "cut") == content(tmp_path / "whole")


def test_saved_states_hold_tensors_and_numbers_only(micros, tasks, tmp_path, stop_after):
    stop_after(1)
    with pytest.raises(Interrupted):
        train_stage(micros["t5"].path, tasks["moods"], tmp_path, "gorp", micros["t5"].settings(), 3, None)
    (file,) = tmp_path.glob(f"{PREFIX}*")
    assert set(torch.load(file, weights_only=True)) == {"trained", "optimizer", "rng", "losses"}


def test_killed_at_a_random_moment(micros, tasks, tmp_path):
    """By SIGKILL, in a process of its own: no handler runs. Once in the tests; any number of times by KILLS."""
    family = micros["t5"]
    settings = [f"{key}={value}" for key, value in vars(family.settings(epochs=20)).items()]
    common = [sys.executable, "-m", "gorp", "train", "--model", family.path, "--data", str(tasks["moods"])]
    common += ["--method", "gorp", "--checkpoint-minutes", "0", "--threads", "1", "--set", *settings, "--output"]
    start = time.monotonic()
    subprocess.run([*common, str(tmp_path / "whole")], check=True, capture_output=True)
    whole = time.monotonic() - start
    output, moments, killed = tmp_path / "cut", random.Random(), 0
    for _ in range(int(os.environ.get("KILLS", "1"))):
        process = subprocess.Popen([*common, str(output)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(moments.uniform(0.5 * whole, whole))
        killed += process.poll() is None
        process.kill()
        process.wait()
    subprocess.run([*common, str(output)], check=True, capture_output=True)
    assert content(output) == content(tmp_path / "whole")
    print(f"killed {killed} times")
