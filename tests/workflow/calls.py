"""Calling Snakemake on a folder, and reading what it would do."""

import os
import re
import subprocess
import sys
from pathlib import Path

import yaml

REPOSITORY = Path(__file__).resolve().parents[2]


def run(folder: Path, *arguments: str, code: Path = REPOSITORY, **config) -> subprocess.CompletedProcess:
    """Calls snakemake in `folder` on its config.yaml with `config` put over it; output as one text.

    `code` is the folder of the package `gorp` that is run.
    """
    if config:
        over = yaml.safe_load((folder / "config.yaml").read_text())
        for key, value in config.items():
            over[key] = {**over[key], **value} if isinstance(value, dict) and key != "orders" else value
        (folder / "other.yaml").write_text(yaml.safe_dump(over))
        arguments = (*arguments, "--configfile", "other.yaml")
    return subprocess.run(
        [sys.executable, "-m", "snakemake", "--cores", "2", "--nocolor", *arguments],
        cwd=folder,
        env={**os.environ, "HF_HUB_OFFLINE": "1", "PYTHONPATH": str(code)},
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )


def jobs(output: str) -> dict[str, int]:
    """The job counts of a dry run, by rule, without the total."""
    table = output.partition("Job stats:")[2].partition("\n\n")[0]
    return {name: int(count) for name, count in re.findall(r"^(\w+) +(\d+)$", table, re.M) if name != "total"}


def planned(output: str) -> list[str]:
    """The jobs of a dry run as their rules describe them, sorted."""
    return sorted(re.findall(r"^Job \d+: (.*)$", output, re.M))
