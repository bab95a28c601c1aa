"""After a power cut the same command is enough, and ends with the same bytes."""

import os
import signal
import subprocess
import sys
import time

import pytest
import yaml
from calls import REPOSITORY, run
from project import make_project

PLACE = "stages/short/gorp/seed0/amazon"
TARGET = f"results/test/{PLACE}/stage.json"
COMMAND = [sys.executable, "-m", "snakemake", "--cores", "2", "--nocolor", TARGET]


@pytest.fixture
def slow(tmp_path):
    """A project whose trainings save a checkpoint at each step, and its arguments for a process of Snakemake."""
    folder = make_project(tmp_path)
    config = yaml.safe_load((folder / "config.yaml").read_text())
    config["training"] |= {"epochs": 40}
    (folder / "config.yaml").write_text(yaml.safe_dump(config | {"checkpoint_minutes": 0}))
    return folder


def start(folder):
    environment = {**os.environ, "HF_HUB_OFFLINE": "1", "PYTHONPATH": str(REPOSITORY)}
    pipes = dict(stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return subprocess.Popen(COMMAND, cwd=folder, env=environment, start_new_session=True, **pipes)


def wait_for_checkpoint(folder, process):
    deadline = time.monotonic() + 120
    while not list(folder.glob(f"results/test/{PLACE}/.checkpoint-*")):
        assert time.monotonic() < deadline and process.poll() is None
        time.sleep(0.02)


def artifact(folder):
    return [(folder / PLACE / f"{name}.safetensors").read_bytes() for name in ("adapter_model", "gradient_space")]


def test_what_is_held_stays_and_after_a_kill_of_all_the_same_command_goes_on(slow):
    """Held by a run, and by a job that a killed run left behind; both are halted, so that they last."""
    process = start(slow)
    wait_for_checkpoint(slow, process)
    os.killpg(process.pid, signal.SIGSTOP)
    held = run(slow, TARGET)
    process.kill()
    process.wait()
    left = run(slow, TARGET)
    os.killpg(process.pid, signal.SIGKILL)
    assert held.returncode != 0 and left.returncode != 0
    assert "lock" in held.stdout and "its lock was removed" not in held.stdout
    assert "a job that a stopped run left behind. Once nothing is running in it, run: snakemake --unlock" in left.stdout
    assert list((slow / ".snakemake/locks").glob("*.lock")), "the lock was left behind"
    done = run(slow, TARGET)
    assert done.returncode == 0, done.stdout
    assert "The previous run was killed: its lock was removed" in done.stdout
    assert "resumes after step" in (slow / "results/test/logs/train/short/gorp/seed0/amazon.log").read_text()
    whole = run(slow, TARGET.replace("/test/", "/whole/"), run="whole")
    assert whole.returncode == 0, whole.stdout
    assert artifact(slow / "results/test") == artifact(slow / "results/whole")
