"""A real SLURM, started for a test on this machine, as root, and calls of Snakemake through it.

apt-get install --no-install-recommends slurm-wlm munge
make test-slurm
"""

import contextlib
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from calls import REPOSITORY

if shutil.which("slurmctld", path=f"{os.environ['PATH']}:/usr/sbin") is None or os.geteuid() != 0:
    pytest.skip("SLURM is not installed, or this is not root", allow_module_level=True)

HERE = Path(__file__).parent
# what differs between this cluster and one of a computing centre: names, no accounting database, and eager.py
LOCAL = ["--default-resources", "slurm_partition=debug", "slurm_account=ci", "mem_mb=1500", "runtime=10"]
LOCAL += ["--jobs", "4", "--latency-wait", "10", "--slurm-keep-successful-logs"]
LOCAL += ["--slurm-status-command", "squeue", "--slurm-init-seconds-before-status-checks", "1"]


@contextlib.contextmanager
def running_cluster(scratch, **settings):
    """The folder of a running cluster, stopped at the end; settings of start_slurm.sh."""
    settings = {"SLURMCI_MEM_MB": "8000", "SLURMCI_CPUS": "4", **settings}
    log = scratch / "start.log"
    with log.open("w") as output:  # no pipe: the daemons would keep it open
        options = dict(env={**os.environ, **settings}, stdout=output, stderr=subprocess.STDOUT, timeout=120)
        started = subprocess.run([HERE / "start_slurm.sh"], **options)
    try:
        if started.returncode:  # a container may lack what the daemons need
            pytest.skip(f"SLURM does not start on this machine: {log.read_text().strip()[-500:]}")
        yield Path("/tmp/slurmci")
    finally:
        subprocess.run([HERE / "stop_slurm.sh"], check=False, timeout=120)


def through_slurm(*targets):
    """The command that makes the targets by the profile."""
    profile = REPOSITORY / "workflow/profiles/slurm"
    return [sys.executable, str(HERE / "eager.py"), "--profile", str(profile), "--nocolor", *LOCAL, *targets]


def finished_jobs(cluster, key):
    """What SLURM's own log says of the finished jobs under a key, such as JobState."""
    return re.findall(rf"\b{key}=(\S+)", (cluster / "log/jobcomp.log").read_text())
