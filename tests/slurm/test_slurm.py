"""Two orders on a real SLURM of one node, with a job killed half-way."""

import os
import re
import signal
import subprocess
import time

import pytest
import yaml
from calls import run
from cluster import finished_jobs, running_cluster, through_slurm
from project import make_project

ARTIFACT = ("adapter_model.safetensors", "adapter_config.json", "gradient_space.safetensors")


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    with running_cluster(tmp_path_factory.mktemp("cluster"), SLURMCI_GPUS="2") as folder:
        yield folder


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    folder = make_project(tmp_path_factory.mktemp("slurm"))
    config = yaml.safe_load((folder / "config.yaml").read_text())
    config["overrides"] = [{"task": "amazon", "training": {"epochs": 400}}]  # long enough to be killed half-way
    config |= {"evaluate": "final", "checkpoint_minutes": 0.02}
    config["resources"]["train"] |= {"threads": 2, "mem_mb": 1500, "runtime": 20, "gpu": 1}
    (folder / "config.yaml").write_text(yaml.safe_dump(config))
    return folder


def described():
    """What SLURM knows of its jobs, KEY=VALUE."""
    return set(subprocess.run(["scontrol", "show", "job"], stdout=subprocess.PIPE, text=True).stdout.split())


def running_trainings(project):
    """Process ids of the trainings in the project's folder, and of no others on the machine."""
    found = subprocess.run(["pgrep", "-f", "bin/gorp train"], stdout=subprocess.PIPE, text=True)
    return [int(pid) for pid in found.stdout.split() if os.path.realpath(f"/proc/{pid}/cwd") == str(project.resolve())]


def artifacts(folder, name):
    """The bytes of all adapters of a run."""
    stages = folder / f"results/{name}/stages/short/gorp/seed0"
    return {str(path.relative_to(stages)): path.read_bytes() for path in stages.rglob("*") if path.name in ARTIFACT}


def kill_half_way(project, process, log):
    """Kills the training of a stage after its first checkpoint; returns what SLURM knew of its job."""
    stage, deadline = project / "results/test/stages/short/gorp/seed0/amazon", time.monotonic() + 300
    while not list(stage.glob(".checkpoint-*")):
        assert time.monotonic() < deadline and process.poll() is None, log.read_text()
        time.sleep(0.1)
    known, trainings = described(), running_trainings(project)
    assert trainings and not (stage / "stage.json").exists()
    for pid in trainings:
        os.kill(pid, signal.SIGKILL)
    return known


def test_two_orders_through_the_profile_with_a_job_killed_half_way(cluster, project):
    command = through_slurm("results/ab/summary.csv", "results/abc/summary.csv")
    log = project / "slurm.log"
    with log.open("w") as output:
        files = dict(stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT)
        process = subprocess.Popen(command, cwd=project, **files)
        try:
            known = kill_half_way(project, process, log)
            assert process.wait(timeout=900) == 0, log.read_text()
        finally:
            process.send_signal(signal.SIGINT)
    assert {"Partition=debug", "MinMemoryNode=1500M", "Requeue=1", "TimeLimit=00:20:00", "CPUs/Task=2"} <= known, (
        sorted(known)
    )
    assert any(re.fullmatch(r"TresPerJob=gres:gpu:1", item) for item in known), sorted(known)
    print(finished_jobs(cluster, "JobState"))
    assert finished_jobs(cluster, "JobState").count("FAILED") == 1
    assert "resumes after step" in (project / "results/test/logs/train/short/gorp/seed0/amazon.log").read_text()
    assert run(project, "results/abc/summary.csv", run="local").returncode == 0
    assert artifacts(project, "test") == artifacts(project, "local") != {}
