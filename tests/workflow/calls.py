"""Calling Snakemake on a folder, and reading what it would do."""

import os
import re
import subprocess
import sys
import tempfile
import traceback
from pathlib import Path

import snakemake.cli
import yaml

REPOSITORY = Path(__file__).resolve().parents[2]
NO_JOBS = {"--dry-run", "-n", "-np", "--rulegraph"}


def run(
    folder: Path, *arguments: str, code: Path = REPOSITORY, refused: bool = False, **config
) -> subprocess.CompletedProcess:
    """Calls snakemake in `folder` on its config.yaml with `config` put over it; output as one text.

    `code` is the folder of the package `gorp` that is run. A call that runs no jobs, or is `refused` before any, is
    made in a fork of this process, which has imported Snakemake already.
    """
    if config:
        over = yaml.safe_load((folder / "config.yaml").read_text())
        for key, value in config.items():
            over[key] = {**over[key], **value} if isinstance(value, dict) and key != "orders" else value
        (folder / "other.yaml").write_text(yaml.safe_dump(over))
        arguments = (*arguments, "--configfile", "other.yaml")
    arguments = ("--cores", "2", "--nocolor", *arguments)
    environment = {**os.environ, "HF_HUB_OFFLINE": "1", "PYTHONPATH": str(code)}
    if refused or NO_JOBS & set(arguments):
        return in_a_fork(folder, arguments, environment, code)
    return subprocess.run(
        [sys.executable, "-m", "snakemake", *arguments],
        cwd=folder,
        env=environment,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )


def in_a_fork(folder: Path, arguments, environment, code: Path) -> subprocess.CompletedProcess:
    """As in a new process, a second sooner: the package is imported afresh from `code`, Snakemake is not."""
    with tempfile.TemporaryFile("w+") as output:
        process = os.fork()
        if process == 0:
            status = 1
            try:
                become(folder, environment, code, output.fileno())
                snakemake.cli.main(list(arguments))
            except SystemExit as stop:
                status = stop.code if isinstance(stop.code, int) else int(stop.code is not None)
            except BaseException:
                traceback.print_exc()
            finally:
                sys.stdout.flush()
                sys.stderr.flush()
                os._exit(status)
        status = os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])
        output.seek(0)
        return subprocess.CompletedProcess(arguments, status, output.read())


def become(folder: Path, environment, code: Path, output: int) -> None:
    """Gives a fork what `python -m snakemake` has from its start."""
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(output, 1)
    os.dup2(output, 2)
    sys.stdin = open(0, closefd=False)  # noqa: SIM115
    sys.stdout = open(1, "w", closefd=False)  # noqa: SIM115
    sys.stderr = open(2, "w", buffering=1, closefd=False)  # noqa: SIM115
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(folder)
    sys.path[:0] = [str(folder), str(code)]
    for name in [name for name in sys.modules if name.partition(".")[0] == "gorp"]:
        del sys.modules[name]


def jobs(output: str) -> dict[str, int]:
    """The job counts of a dry run, by rule, without the total."""
    table = output.partition("Job stats:")[2].partition("\n\n")[0]
    return {name: int(count) for name, count in re.findall(r"^(\w+) +(\d+)$", table, re.M) if name != "total"}


def planned(output: str) -> list[str]:
    """The jobs of a dry run as their rules describe them, sorted."""
    return sorted(re.findall(r"^Job \d+: (.*)$", output, re.M))
