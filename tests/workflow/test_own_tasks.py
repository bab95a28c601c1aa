"""docs/own_tasks.md does what it says: its commands, its files, and a real run that mixes scores."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
import yaml
from calls import REPOSITORY, jobs, run

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


def test_a_real_run_mixes_scores(project, tmp_path):
    folder = tmp_path / "copy"
    shutil.copytree(project, folder, symlinks=True, ignore=shutil.ignore_patterns("results", ".snakemake"))
    shutil.copytree(REPOSITORY / "docs/example/data", folder / "data", dirs_exist_ok=True)
    orders = {"own": {"order7": ["tickets", "titles"]}}
    prompts = {"instruction": "drawn", "shots": 1, "min_rows": 10}
    targets = [f"results/order7/{name}" for name in ("summary.csv", "matrix.csv", "accuracy.svg")]
    done = run(folder, *targets, orders=orders, prompts=prompts)
    assert done.returncode == 0, done.stdout
    summary = pd.read_csv(folder / "results/order7/summary.csv").loc[0]
    assert summary["scores"] == "tickets=exact_match titles=rougeL"
    matrix = pd.read_csv(folder / "results/order7/matrix.csv")
    last = matrix[matrix["stage"] == 2].set_index("task")
    assert last["score"].to_dict() == {"tickets": "exact_match", "titles": "rougeL"}
    expected = {task: last.loc[task, last.loc[task, "score"]] for task in last.index}
    assert {task: summary[f"final_{task}"] for task in last.index} == pytest.approx(expected, abs=1e-3)
    assert summary["AA"] == pytest.approx(sum(expected.values()) / 2, abs=1e-3)
    info = json.loads((folder / "results/test/stages/own/gorp/seed0/tickets/titles/stage.json").read_text())
    assert info["rows"] == 10, "8 rows, repeated"
