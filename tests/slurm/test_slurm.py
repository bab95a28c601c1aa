"""The workflow on a real SLURM: a cluster of one node, started for the test on this machine, as root.

apt-get install --no-install-recommends slurm-wlm munge
make test-slurm
"""

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml
from calls import REPOSITORY, run
from project import make_project

if shutil.which("slurmctld", path=f"{os.environ['PATH']}:/usr/sbin") is None or os.geteuid() != 0:
    pytest.skip("SLURM is not installed, or this is not root", allow_module_level=True)

HERE = Path(__file__).parent
PROFILE = REPOSITORY / "workflow/profiles/slurm"
# what differs between this cluster and one of a computing centre: names, and no accounting database
LOCAL = ["--default-resources", "slurm_partition=debug", "slurm_account=ci", "mem_mb=1500", "runtime=10"]
LOCAL += ["--jobs", "4", "--latency-wait", "10", "--slurm-keep-successful-logs"]
LOCAL += ["--slurm-status-command", "squeue", "--slurm-init-seconds-before-status-checks", "1"]
ARTIFACT = ("adapter_model.safetensors", "adapter_config.json", "gradient_space.safetensors")


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    """The folder of a running cluster; stopped at the end."""
    settings = {"SLURMCI_MEM_MB": "8000", "SLURMCI_CPUS": "4", "SLURMCI_GPUS": "2"}
    log = tmp_path_factory.mktemp("cluster") / "start.log"
    with log.open("w") as output:  # no pipe: the daemons would keep it open
        options = dict(env={**os.environ, **settings}, stdout=output, stderr=subprocess.STDOUT, timeout=120)
        started = subprocess.run([HERE / "start_slurm.sh"], **options)
    if started.returncode:  # a container may lack what the daemons need
        subprocess.run([HERE / "stop_slurm.sh"], check=False, timeout=120)
        pytest.skip(f"SLURM does not start on this machine: {log.read_text().strip()[-500:]}")
    yield Path("/tmp/slurmci")
    subprocess.run([HERE / "stop_slurm.sh"], check=False, timeout=120)


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    folder = make_project(tmp_path_factory.mktemp("slurm"))
    config = yaml.safe_load((folder / "config.yaml").read_text())
    config["training"] |= {"epochs": 400}  # long enough to be killed half-way
    config |= {"evaluate": "final", "checkpoint_minutes": 0.02}
    config["resources"]["train"] |= {"mem_mb": 1500, "runtime": 20, "gpu": 1}
    (folder / "config.yaml").write_text(yaml.safe_dump(config))
    return folder


def accounting(cluster):
    """States of the finished jobs, from SLURM's own log."""
    return re.findall(r"JobState=(\w+)", (cluster / "log/jobcomp.log").read_text())


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
    while not list(stage.glob(".checkpoint-*.pt")):
        assert time.monotonic() < deadline and process.poll() is None, log.read_text()
        time.sleep(0.1)
    known, trainings = described(), running_trainings(project)
    assert trainings and not (stage / "stage.json").exists()
    for pid in trainings:
        os.kill(pid, signal.SIGKILL)
    return known


def test_two_orders_through_the_profile_with_a_job_killed_half_way(cluster, project):
    command = [sys.executable, "-m", "snakemake", "--profile", str(PROFILE), "--nocolor", *LOCAL]
    command += ["results/ab/summary.csv", "results/abc/summary.csv"]
    log = project / "slurm.log"
    with log.open("w") as output:
        files = dict(stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT)
        process = subprocess.Popen(command, cwd=project, **files)
        try:
            known = kill_half_way(project, process, log)
            assert process.wait(timeout=900) == 0, log.read_text()
        finally:
            process.send_signal(signal.SIGINT)
    assert {"Partition=debug", "MinMemoryNode=1500M", "Requeue=1", "TimeLimit=00:20:00"} <= known, sorted(known)
    assert any(re.fullmatch(r"TresPerJob=gres:gpu:1", item) for item in known), sorted(known)
    print(accounting(cluster))
    assert accounting(cluster).count("FAILED") == 1
    assert "going on after step" in (project / "results/test/logs/train/short/gorp/seed0/amazon.log").read_text()
    assert run(project, "results/abc/summary.csv", run="local").returncode == 0
    assert artifacts(project, "test") == artifacts(project, "local") != {}
