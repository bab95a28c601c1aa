"""docs/own_tasks.md does what it says: its commands and its files. test_elsewhere.py runs its tasks."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from calls import REPOSITORY, jobs

TEXT = (REPOSITORY / "docs/own_tasks.md").read_text(encoding="utf-8")
BLOCKS = [
    "\n".join(line[4:] for line in block.splitlines()) for block in re.findall(r"(?:^    .*\n)+", TEXT, re.MULTILINE)
]
COMMANDS, CONFIG, PROMPT, PROMPTS = BLOCKS


@pytest.fixture
def checkout(tmp_path) -> Path:
    """What the commands of the document start from."""
    for name in ("Snakefile", "workflow", "docs", "config.yaml"):
        (tmp_path / name).symlink_to(REPOSITORY / name)
    shutil.copytree(REPOSITORY / "CL_Benchmark", tmp_path / "CL_Benchmark")
    return tmp_path


def shell(folder: Path, command: str) -> str:
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    env = {**os.environ, "PATH": path, "PYTHONPATH": str(REPOSITORY), "HF_HUB_OFFLINE": "1"}
    done = subprocess.run(
        ["bash", "-c", command], cwd=folder, env=env, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


@pytest.mark.slow
def test_the_commands(checkout):
    *before, labels, preprocess, snakemake = COMMANDS.splitlines()
    for command in before:
        shell(checkout, command)
    assert [line.split() for line in shell(checkout, labels).splitlines()] == [
        ["4", "billing"],
        ["4", "delivery"],
        ["4", "repair"],
    ]
    shell(checkout, preprocess)
    rows = [json.loads(line) for line in (checkout / "my_benchmark/tickets.jsonl").read_text().splitlines()]
    assert rows[0]["source"] == PROMPT
    assert (len(rows), rows[0]["target"]) == (12, "billing")
    output = shell(checkout, f"{snakemake} --dry-run --printshellcmds")
    assert jobs(output) == {
        "preprocess": 6,
        "base_model": 1,
        "predict_zero_shot": 3,
        "train": 3,
        "predict": 3,
        "predict_only": 2,
        "score": 8,
        "aggregate": 1,
        "show": 1,
    }
    assert "results/own/stages/own/gorp/seed0/amazon/tickets/titles" in output
    assert "--scores titles=rougeL " in output
    (checkout / "prompts.yaml").write_text(PROMPTS)
    output = shell(
        checkout, f"{snakemake.replace('order7/summary.csv', 'own/data/tickets/train.jsonl')} prompts.yaml -np"
    )
    assert "--instruction=drawn --min-rows=500 --shots=2 --no-dataset-name " in output


def test_the_config_is_the_one_shown():
    assert yaml.safe_load(CONFIG) == yaml.safe_load((REPOSITORY / "docs/example/own.yaml").read_text())
