"""One stage trained by two machines of a SLURM job, which are both this one."""

import json
import os
import subprocess

import pytest
import yaml
from calls import run
from cluster import finished_jobs, running_cluster, through_slurm
from project import make_project

TARGET = "results/test/stages/short/gorp/seed0/amazon/stage.json"


def test_a_training_on_two_nodes(tmp_path):
    folder = make_project(tmp_path)
    config = yaml.safe_load((folder / "config.yaml").read_text())
    config["resources"]["train"] |= {"mem_mb": 1500, "runtime": 20, "nodes": 2}
    (folder / "config.yaml").write_text(yaml.safe_dump(config))
    with running_cluster(tmp_path, SLURMCI_NODES="2") as cluster:
        pipes = dict(stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=600)
        done = subprocess.run(through_slurm(TARGET), cwd=folder, env=os.environ, **pipes)
        assert done.returncode == 0, done.stdout
        print(finished_jobs(cluster, "JobState"), finished_jobs(cluster, "NodeList"), finished_jobs(cluster, "NodeCnt"))
        assert "2" in finished_jobs(cluster, "NodeCnt")
    stage = json.loads((folder / TARGET).read_text())
    assert stage["processes"] == 2
    config["resources"]["train"] |= {"nodes": 1}
    assert run(folder, TARGET.replace("/test/", "/local/"), **config | {"run": "local"}).returncode == 0
    alone = json.loads((folder / TARGET.replace("/test/", "/local/")).read_text())
    assert alone["processes"] == 1
    assert stage["losses"] == pytest.approx(alone["losses"], abs=1e-4)
